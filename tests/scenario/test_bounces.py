# SPDX-License-Identifier: Apache-2.0
"""Challenge mails that come back (interop 22 and 23, security 13, 16 and 18): real Postfix instances as relay and as
the mailbox's server write the reports and hand them to signetd by SMTP; what is forged or no report changes nothing."""

import itertools
import re
import smtplib
import unittest

import lab
import signet_lab
from signet_lab import lines, report

HOST = lab.HOST
CONNECTION, UNAUTHORIZED = (f"urn:ietf:params:acme:error:{name}" for name in ("connection", "unauthorized"))
CYRILLIC = "\u0430\u043d\u043d\u0430"


class Case:
    """One challenge whose mail has left; address: NUMBER stands for a number of its own."""

    numbers = itertools.count(1)

    def __init__(self, test, address):
        self.test, self.address = test, address.replace("NUMBER", str(next(self.numbers)))
        self.order = test.user.new_order(self.address)
        self.challenge = test.user.authorization(self.order)["challenges"][0]
        test.lab.wait_for(lambda: self.column("sent_at"), "the mail to leave")
        self.envelope = self.column("envelope_from")

    def column(self, name):
        return self.test.server.query(f"SELECT {name} FROM challenge WHERE mail_from = ?", self.challenge["from"])[0][0]

    def bounces(self):
        """(verdict, evidence) of what came to the reverse-path."""
        return self.test.server.query(
            "SELECT m.verdict, m.evidence FROM message m JOIN challenge c ON c.id = m.challenge_id"
            " WHERE c.mail_from = ? AND m.direction = 'bounce' ORDER BY m.rowid", self.challenge["from"])

    def give(self, raw, sender="", recipient=None):
        """Hands octets to signetd and waits until they are judged; returns the verdict."""
        before = len(self.bounces())
        lab.submit(HOST, self.test.server.smtp, sender, recipient or self.envelope, raw)
        return self.test.lab.wait_for(lambda: self.bounces()[before:] and self.bounces()[before][0],
                                      "the bounce to be judged")

    def respond(self):
        return self.test.user.respond(self.challenge)

    def now(self):
        return self.test.user.get(self.challenge["url"])

    def statuses(self):
        return [self.test.user.get(url)["status"] for url in
                (self.challenge["url"], self.order["authorizations"][0], self.order["url"])]


class Bounces(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.far = lab.Postfix(cls.lab, {"far.test": ["ann"]}, settings={
            "smtpd_recipient_restrictions": "check_recipient_access inline:{{full@far.test = 552 5.2.2 Mailbox full}}"})
        # takes every recipient, so that what fails later comes back as a report
        cls.relay = lab.Postfix(cls.lab, {"user.test": ["ann"]}, routes={
            "far.test": f"{HOST}:{cls.far.port}", "slow.test": f"{HOST}:{cls.lab.free_port()}"}, settings={
            "smtpd_reject_unlisted_recipient": "no", "delay_warning_time": "1s", "maximal_queue_lifetime": "8s",
            "virtual_alias_maps": "inline:{forwarded@user.test=hidden@far.test}"})
        cls.server = signet_lab.Signetd(cls.lab, relay=f"{HOST}:{cls.relay.port}")
        cls.relay.route("ca.test", f"{HOST}:{cls.server.smtp}")
        cls.user = signet_lab.AcmeUser(cls.server)

    def tearDown(self):
        """Security 13: whatever came, one mail left for each challenge and no other."""
        sent, = self.server.query("SELECT count(*) FROM challenge WHERE sent_at > 0")[0]
        seen = lambda: len(re.findall(r"smtpd\[\d+\]: \w+: client=", self.relay.text()))
        self.lab.wait_for(lambda: seen() >= sent, "the relay's log")
        self.assertEqual(seen(), sent)

    def case(self, address="ann+NUMBER@user.test"):
        return Case(self, address)

    def assert_ended(self, case, *words):
        """At once, whether the client has responded or not: long before the time for a reply is over."""
        challenge = self.user.poll(case.challenge["url"], lambda c: c["status"] == "invalid")
        self.assertEqual(challenge["error"]["type"], CONNECTION)
        for word in (case.address, *words):
            self.assertIn(word, challenge["error"]["detail"])
        self.assertEqual(case.statuses(), ["invalid"] * 3)
        self.assertEqual(case.bounces()[-1][0], "undeliverable")
        return challenge

    def assert_open(self, case):
        self.assertEqual(case.statuses(), ["pending"] * 3)
        self.assertNotIn("error", case.now())

    # --- what real servers write

    def test_reverse_path(self):
        """Its tag stands in the envelope alone."""
        case = self.case()
        mail = signet_lab.challenge_mail(self.relay.maildir("ann@user.test"), case.challenge).message
        self.assertRegex(case.envelope, r"^acme-bounce\+[a-z0-5]{35}@ca\.test$")
        self.assertEqual(mail["Return-Path"], f"<{case.envelope}>")
        del mail["Return-Path"]
        self.assertNotIn(case.envelope.split("@")[0], mail.as_string())
        self.assertNotIn(case.envelope, self.user.post(case.challenge["url"]).text)

    def test_no_such_mailbox(self):
        pending, processing = self.case("gone@user.test"), self.case("gone+2@user.test")
        processing.respond()
        self.assert_ended(pending, "status 5.1.1", "unknown user")
        self.assert_ended(processing, "status 5.1.1", "unknown user")
        judged = r'event="bounce judged".* verdict="?undeliverable.* written-by="RFC 3464"'
        self.lab.wait_for(lambda: re.search(judged, self.server.log()), "the log line")

    def test_over_quota(self):
        """The words of the server behind the relay."""
        self.assert_ended(self.case("full@far.test"), "status 5.2.2", "552 5.2.2", "Mailbox full")

    def test_beyond_ascii(self):
        """A report of RFC 6533."""
        self.assert_ended(self.case(f"{CYRILLIC}@user.test"), "status 5.1.1")

    def test_delayed_then_given_up(self):
        case = self.case("ann@slow.test")
        case.respond()
        ended = self.assert_ended(case, "status 4.4.1", "Connection refused")
        self.assertEqual([verdict for verdict, _ in case.bounces()], ["noted", "undeliverable"])
        shown = self.server.ctl("order", "show", case.order["url"], "--config", self.server.path)
        self.assertRegex(shown, r"(?s)bounce +\S+Z +from .*noted, rule .*bounce +\S+Z +from .*undeliverable.*status 4\.4\.1")
        note, = ended["error"]["subproblems"]
        self.assertEqual(note["type"], CONNECTION)
        self.assertIn("delayed", note["detail"])
        self.assertIn("Connection refused", note["detail"])

    def test_forwarded(self):
        """The mailbox may keep a copy; where it forwards to is nobody's business."""
        case = self.case("forwarded@user.test")
        self.lab.wait_for(lambda: case.bounces() and case.bounces()[0][0], "the bounce to be judged")
        self.assert_open(case)
        shown = case.respond()
        self.assertEqual((shown["status"], shown["error"]["type"]), ("processing", CONNECTION))
        self.assertIn("forwards", shown["error"]["detail"])
        self.assertNotIn("far.test", str(shown))
        self.assertIn("hidden@far.test", case.bounces()[0][1])

    # --- what anyone may send

    def test_forged(self):
        """A report in the right form at an address that its writer could guess."""
        case, other = self.case(), self.case()
        tag, domain = case.challenge["from"].split("+")[1], "@ca.test"
        for recipient in (f"acme-bounce+{tag}", f"acme-bounce{domain}", f"acme-bounce+{domain}",
                          case.envelope[:-len(domain) - 1] + domain, case.envelope.replace("bounce", "challenge"),
                          case.envelope.replace("ca.test", "user.test"), f"postmaster{domain}"):
            with self.subTest(recipient), self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                lab.submit(HOST, self.server.smtp, "", recipient, report(case.address))
            self.assertEqual([code for code, _ in refused.exception.recipients.values()], [550])
        # at the From address it is a reply without a token; at another challenge's it is about another mailbox
        lab.submit(HOST, self.server.smtp, "", case.challenge["from"], report(case.address))
        self.lab.wait_for(lambda: self.server.query(
            "SELECT verdict FROM message m JOIN challenge c ON c.id = m.challenge_id WHERE c.mail_from = ?"
            " AND m.direction = 'in'", case.challenge["from"]) == [("ignored",)], "the reply to be judged")
        self.assertEqual(other.give(report(case.address)), "noted")
        for one in (case, other):
            self.assert_open(one)
        self.assertEqual(case.column("notes"), 0)

    def test_notices(self):
        """At the right address: what is no failure of this mail changes nothing, and is shown."""
        case = self.case()
        vacation = lines("From: ann@user.test\nTo: x@ca.test\nSubject: Away\nAuto-Submitted: auto-replied\n\nBack soon.\n")
        receipt = report(case.address).replace(b"delivery-status", b"disposition-notification")
        words = lines("From: ann@user.test\nSubject: Re: x\n\nThis is the mail system at host mail.user.test.\n\n"
                      f"<{case.address}>: host x said: 550 5.1.1 no\n")
        notices = [("a person", b"From: eve@user.test\r\nSubject: 550 5.1.1\r\n\r\nHello\r\n", "eve@user.test",
                    UNAUTHORIZED, "A message that is no delivery report"),
                   ("vacation", vacation, "", UNAUTHORIZED, "An automatic reply"),
                   ("receipt", receipt, "", UNAUTHORIZED, "A receipt"),
                   ("quoted words", words, "ann@user.test", UNAUTHORIZED, "came from a mailbox"),
                   ("another mailbox", report("eve@user.test"), "", CONNECTION, "forwards"),
                   ("delayed", report(case.address, "delayed", "4.2.0", "450 later"), "", CONNECTION, "450 later"),
                   ("no status", report(case.address, status="?", words="no"), "", CONNECTION, "without a status code")]
        for name, raw, sender, _, _ in notices:
            with self.subTest(name):
                self.assertEqual(case.give(raw, sender), "noted")
        self.assertEqual(case.give(report(case.address, "delivered", "2.0.0", "250 ok")), "ignored")
        self.assert_open(case)
        shown = case.respond()
        self.assertEqual(shown["status"], "processing")
        self.assertEqual([note["type"] for note in shown["error"]["subproblems"]], [kind for *_, kind, _ in notices])
        for note, (*_, words) in zip(shown["error"]["subproblems"], notices):
            self.assertIn(words, note["detail"])
        # their places are used up, those of replies are not
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
            lab.submit(HOST, self.server.smtp, "", case.envelope, report(case.address))
        self.assertEqual([code for code, _ in refused.exception.recipients.values()], [452])
        lab.submit(HOST, self.server.smtp, "ann@user.test", case.challenge["from"], vacation)

    def test_plain_words(self):
        """Servers that write no report; control characters are escaped."""
        case = self.case()
        raw = lines("From: MAILER-DAEMON@user.test\nSubject: failure notice\n\nHi. This is the qmail-send program at "
                    "user.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
                    f"<{case.address}>:\nSorry, no mailbox here by that name.\x1b (#5.1.1)\n\n"
                    "--- Below this line is a copy of the message.\n\nFrom: x\n")
        self.assertEqual(case.give(raw), "undeliverable")
        self.assert_ended(case, "status 5.1.1", "no mailbox here by that name.\\x1B (#5.1.1)")


if __name__ == "__main__":
    unittest.main()
