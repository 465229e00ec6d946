# SPDX-License-Identifier: Apache-2.0
"""Replies as they come: each rule that refuses one, with the state it leaves (interop 15-24), and the shapes
that must pass. Challenge mail goes through Postfix; replies are signed by dkimpy and handed straight to
signetd's SMTP port."""

import base64
import email.message
import email.policy
import email.utils
import itertools
import quopri
import socket
import time
import unittest

import lab
import signet_lab

HOST = lab.HOST
BEGIN, END = "-----BEGIN ACME RESPONSE-----", "-----END ACME RESPONSE-----"
RIGHT, WRONG = True, False
DMARC = "v=DMARC1; p=reject; adkim=s"


def others_results(word):
    """What servers on the way write of a reply (RFC 8601, RFC 7208 section 9.1, RFC 8617), as a field of each kind;
    all say word."""
    result = f"dkim={word} header.d=user.test header.s=s1; spf={word} smtp.mailfrom=user.test; dmarc={word}"
    return (f"Authentication-Results: mx.user.test; {result}\r\n"
            f"Authentication-Results: ca.test; {result}\r\n"
            f"X-Original-Authentication-Results: ca.test; {result}\r\n"
            f"Received-SPF: {word} (ca.test) client-ip=192.0.2.1\r\n"
            f"ARC-Seal: i=1; a=rsa-sha256; t=1; cv=none; d=user.test; s=s1; b=AAAA\r\n"
            f"ARC-Message-Signature: i=1; a=rsa-sha256; d=user.test; s=s1; h=from:subject; bh=AAAA; b=AAAA\r\n"
            f"ARC-Authentication-Results: i=1; ca.test; {result}\r\n").encode()


class Case:
    """One challenge with its mail, and how to answer it. address is a sub-address of mailbox."""

    numbers = itertools.count(1)

    def __init__(self, test, mailbox="ann@user.test"):
        local, domain = mailbox.split("@")
        self.test, self.mailbox = test, mailbox
        self.address = f"{local}+{next(self.numbers)}@{domain}"
        self.order = test.user.new_order(self.address)
        self.challenge = test.user.authorization(self.order)["challenges"][0]
        self.mail = None

    def wait(self):
        """Waits for the mail; the case itself."""
        self.mail = signet_lab.challenge_mail(self.test.mail.maildir(self.mailbox), self.challenge).message
        self.token = signet_lab.token_part1(self.mail)
        self.digest = signet_lab.digest(self.test.user, self.token, self.challenge["token"])
        return self

    def block(self, digest=RIGHT):
        value = {RIGHT: self.digest, WRONG: signet_lab.b64(b"\0" * 32)}.get(digest, digest)
        return f"{BEGIN}\n{value}\n{END}\n"

    def fields(self, **changes):
        """The header of a reply; a value None leaves the field out, a list repeats it."""
        values = {"From": self.address, "To": self.challenge["from"], "Subject": f"Re: ACME: {self.token}",
                  "Date": email.utils.formatdate(), "Message-ID": email.utils.make_msgid(domain="user.test"),
                  "MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8",
                  "Content-Transfer-Encoding": "7bit"}
        values.update({name.replace("_", "-"): value for name, value in changes.items()})
        lines = [f"{name}: {one}\r\n" for name, value in values.items() if value is not None
                 for one in (value if isinstance(value, list) else [value])]
        return "".join(lines).encode()

    def raw(self, body=None, **changes):
        """A reply, unsigned. body: text, or octets as they are."""
        body = self.block() if body is None else body
        if isinstance(body, str):
            body = body.replace("\n", "\r\n").encode()
        return self.fields(**changes) + b"\r\n" + body

    def signed(self, body=None, sign=None, key=None, **changes):
        return signet_lab.dkim_sign(self.raw(body, **changes), key or self.test.key, **(sign or {}))

    def right(self):
        return self.signed()

    def deliver(self, raw, sender=None):
        """The server takes it with 250, whatever it is, and judges it; returns the verdict."""
        signet_lab.deliver(self.test.server, self.challenge, raw, self.address if sender is None else sender)
        return self.test.lab.wait_for(self.verdict, "the reply to be judged")

    def verdict(self):
        last = self.messages()[-1]
        return last[0]

    def messages(self):
        return self.test.server.query(
            "SELECT m.verdict, m.evidence FROM message m JOIN challenge c ON c.id = m.challenge_id"
            " WHERE c.mail_from = ? AND m.direction = 'in' ORDER BY m.rowid", self.challenge["from"])

    def notes(self):
        return self.test.server.query(
            "SELECT n.rule, n.problem FROM note n JOIN challenge c ON c.id = n.challenge_id"
            " WHERE c.mail_from = ? ORDER BY n.number", self.challenge["from"])

    def now(self):
        return self.test.user.get(self.challenge["url"])

    def authorization(self):
        return self.test.user.get(self.order["authorizations"][0])

    def order_now(self):
        return self.test.user.get(self.order["url"])


def problem(name):
    return "urn:ietf:params:acme:error:" + name


def alternative(plain, html):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message.set_content(plain)
    message.add_alternative(html, subtype="html")
    return message


def content_of(message):
    """Of an email.message: (Content-Type, body octets) to put under a header of one's own."""
    raw = message.as_bytes()
    return message["Content-Type"], raw.partition(b"\r\n\r\n")[2]


def mixed_with_footer(text):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message.set_content(text)
    message.make_mixed()
    footer = email.message.EmailMessage(policy=email.policy.SMTP)
    footer.set_content("This message may be confidential.\n")
    message.attach(footer)
    return message


class RepliesCase(lab.SharedLabCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = lab.DkimKey("user.test", "s1")
        weak = lab.DkimKey("user.test", "weak", 768)
        cls.weak = weak
        text = cls.key.text()
        cls.zones = lab.SignedZones(cls.lab, {
            "user.test": [cls.key.record(), weak.record(),
                          ("s1._domainkey.sub", "TXT", text), ("s1._domainkey.mail", "TXT", text),
                          ("revoked._domainkey", "TXT", "v=DKIM1; k=rsa; p="),
                          ("testing._domainkey", "TXT", text.replace("k=rsa", "k=rsa; t=y")),
                          ("two._domainkey", "TXT", text), ("two._domainkey", "TXT", weak.text()),
                          ("sha1._domainkey", "TXT", text.replace("k=rsa", "k=rsa; h=sha1")),
                          ("notmail._domainkey", "TXT", text.replace("k=rsa", "k=rsa; s=tlsrpt")),
                          ("_dmarc", "TXT", DMARC), ("_dmarc", "TXT", "v=spf1 -all")],
            "other.test": [("s1._domainkey", "TXT", text)],
            "bogus.test": [("s1._domainkey", "TXT", text), ("_dmarc", "TXT", DMARC)],
            "mail.bogus.test": [("s1._domainkey", "TXT", text)],
            "plain.test": [("s1._domainkey", "TXT", text), ("_dmarc", "TXT", DMARC), ("_dmarc", "TXT", DMARC + ";")],
            "mail.silent.test": [("s1._domainkey", "TXT", text)],
        }, {"bogus.test": lab.BOGUS, "plain.test": lab.INSECURE})
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a name server that never answers
        cls.addClassCleanup(silent.close)
        silent.bind((HOST, 0))
        cls.zones.stubs.append(f"silent.test {HOST}@{silent.getsockname()[1]}")
        cls.mail = lab.Postfix(cls.lab, {domain: ["ann"] for domain in (
            "user.test", "mail.user.test", "bogus.test", "mail.bogus.test", "plain.test", "mail.silent.test")})
        cls.server = signet_lab.Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones,
                                        settings=cls.settings)
        cls.user = signet_lab.AcmeUser(cls.server)

    def cases(self, count, mailbox="ann@user.test"):
        """Challenges whose mails travel at the same time."""
        return [case.wait() for case in [Case(self, mailbox) for _ in range(count)]]

    def case(self, mailbox="ann@user.test"):
        return self.cases(1, mailbox)[0]

    def assert_passes(self, case):
        """The client's POST has been or comes now; a right reply has been judged."""
        self.user.respond(case.challenge)
        self.user.poll(case.order["url"], lambda order: order["status"] == "ready")
        challenge = case.now()
        self.assertEqual(challenge["status"], "valid")
        self.assertNotIn("error", challenge)
        self.assertIn("validated", challenge)
        self.assertEqual(case.authorization()["status"], "valid")

    def assert_pending(self, case):
        """Interop 22-23: nothing changed, and nothing is shown yet."""
        for shown in (case.now(), case.authorization()["challenges"][0]):
            self.assertEqual(shown["status"], "pending")
            self.assertNotIn("error", shown)
        self.assertEqual(case.authorization()["status"], "pending")
        order = case.order_now()
        self.assertEqual(order["status"], "pending")
        self.assertNotIn("error", order)

    def assert_shown(self, case, words, kind="unauthorized"):
        """In processing: one problem with the notes below it, oldest first."""
        shown = self.user.respond(case.challenge)
        self.assertEqual(shown["status"], "processing")
        self.assertEqual(shown["error"]["type"], problem(kind))
        self.assertIn(words[-1], shown["error"]["detail"])
        self.assertEqual(len(shown["error"]["subproblems"]), len(words))
        for note, expected in zip(shown["error"]["subproblems"], words):
            self.assertEqual(note["type"], problem(kind))
            self.assertIn(expected, note["detail"])
        self.assertEqual(case.authorization()["challenges"][0]["error"], shown["error"])
        self.assertEqual(case.order_now()["status"], "pending")


class Refused(RepliesCase):
    """Strangers and faults decide nothing; an authenticated wrong digest does."""

    def note_each(self, replies, mailbox="ann@user.test"):
        """replies: (name, rule, words, how to make it from a case). All to one challenge while it is pending;
        then the client's POST shows them in order; then a right reply still passes."""
        case = self.case(mailbox)
        for number, (name, rule, words, make) in enumerate(replies):
            with self.subTest(name):
                self.assertEqual(case.deliver(make(case)), "noted")
                self.assertEqual(len(case.notes()), number + 1)
                noted_rule, document = case.notes()[-1]
                self.assertEqual(noted_rule, rule)
                self.assertIn(words, document)
                self.lab.wait_for(lambda: f"rule={rule}" in self.server.log(), "the log to say so")
                self.assert_pending(case)
        self.assert_shown(case, [words for _, _, words, _ in replies])
        return case

    def test_unproven_senders(self):
        case = self.note_each([
            ("unsigned", "dkim", "it has no DKIM signature", lambda c: c.raw()),
            ("wrong From", "from", "it comes from another address than ann+", lambda c: c.signed(From="bob@user.test")),
            ("From of the mailbox without tag", "from", "another address than ann+", lambda c: c.signed(From="ann@user.test")),
            ("another domain", "from", "another address than ann+",
             lambda c: c.signed(From=c.address.replace("user.test", "other.test"), sign={"domain": "other.test"})),
            ("d= of another domain", "dkim", "signed for other.test (DKIM d=), which must be user.test",
             lambda c: c.signed(sign={"domain": "other.test"})),
            ("d= of a child", "dkim", "signed for sub.user.test (DKIM d=)",
             lambda c: c.signed(sign={"domain": "sub.user.test"})),
            ("only Sender is right", "from", "another address than ann+",
             lambda c: c.signed(From="eve@other.test", Sender=c.address, sign={"domain": "other.test"})),
        ])
        unasked = ["not asked for" in evidence for _, evidence in case.messages()]
        self.assertEqual(unasked, [False, False, False, False, True, True, False])
        self.assertEqual(case.deliver(case.right()), "passed")
        self.assert_passes(case)

    def test_parent_domain(self):
        case = self.note_each([("d= of the parent", "dkim", "signed for user.test (DKIM d=), which must be mail.user.test",
                                lambda c: c.signed())], "ann@mail.user.test")
        case.deliver(case.signed(sign={"domain": "mail.user.test"}))
        self.assert_passes(case)

    def test_headers(self):
        case = self.note_each([
            ("doubled From", "from", "exactly one From",
             lambda c: c.signed(From=[c.address, c.address], sign={"headers": ("from", "from", "subject")})),
            ("From of two", "from", "exactly one From", lambda c: c.signed(From=f"{c.address}, bob@user.test")),
            ("doubled Subject", "single-fields", "exactly one Subject",
             lambda c: c.signed(Subject=[f"Re: ACME: {c.token}"] * 2,
                                sign={"headers": ("from", "subject", "subject")})),
            ("doubled From by a relay", "from", "exactly one From",
             lambda c: b"From: eve@other.test\r\n" + c.signed()),
            ("doubled Content-Type", "single-fields", "Content-Type or Content-Transfer-Encoding more than once",
             lambda c: c.signed(Content_Type=["text/plain", "text/html"])),
            ("List-Id", "no-list", "mailing list (it has a List-Id", lambda c: c.signed(List_Id="<x.user.test>")),
            ("unsigned List-Unsubscribe", "no-list", "List-Unsubscribe",
             lambda c: b"List-Unsubscribe: <mailto:x@user.test>\r\n" + c.signed()),
        ])
        case.deliver(case.right())
        self.assert_passes(case)

    def test_signatures(self):
        now = int(time.time())
        case = self.note_each([
            ("l=", "dkim", "covers only a part of the body (l=)", lambda c: c.signed(sign={"length": True})),
            ("altered body", "dkim", "the body was changed", lambda c: c.signed() + b"added\r\n"),
            ("altered Subject", "dkim", "does not fit the header and the key",
             lambda c: c.signed().replace(b"Subject: Re:", b"Subject: AW:")),
            ("Subject not covered", "dkim", "does not cover Subject", lambda c: c.signed(sign={"headers": ("from",)})),
            ("expired", "dkim", "it has expired (x=)",
             lambda c: c.signed(sign={"tags": {"t": now - 200, "x": now - 100}})),
            ("rsa-sha1", "dkim", "rsa-sha1 is broken", lambda c: c.signed(sign={"algorithm": "rsa-sha1"})),
            ("weak key", "dkim", "fewer than 1024 bits", lambda c: c.signed(key=self.weak)),
        ])
        case.deliver(case.right())
        self.assert_passes(case)

    def test_keys(self):
        def with_selector(selector):
            return lambda c: c.signed(sign={"selector": selector})
        case = self.note_each([
            ("revoked", "dkim", "the key was revoked (p= is empty)", with_selector("revoked")),
            ("absent", "dkim", "there is no key record", with_selector("absent")),
            ("testing", "dkim", "testing DKIM only (t=y)", with_selector("testing")),
            ("two records", "dkim", "several key records", with_selector("two")),
            ("only sha1", "dkim", "does not allow sha256", with_selector("sha1")),
            ("not for mail", "dkim", "not for e-mail", with_selector("notmail")),
            ("another's key", "dkim", "does not fit", lambda c: c.signed(key=self.weak, sign={"selector": "s1"})),
        ])
        case.deliver(case.right())
        self.assert_passes(case)

    def test_bogus_key(self):
        self.note_each([("bogus", "dkim", "DNSSEC says that the key record is forged",
                         lambda c: c.signed(sign={"domain": "bogus.test"}))], "ann@bogus.test")

    def test_unsigned_zone(self):
        """A zone without DNSSEC is no reason to refuse; the evidence says that the key was not secure."""
        case = self.case("ann@plain.test")
        case.deliver(case.signed(sign={"domain": "plain.test"}))
        self.assert_passes(case)
        self.assertRegex(case.messages()[-1][1], r"'s1\._domainkey\.plain\.test', 'v=DKIM1[^']*', false")

    def test_results_of_others(self):
        """Who writes Authentication-Results and the like has proven nothing, whether they say pass or fail."""
        case = self.note_each([
            ("unsigned", "dkim", "it has no DKIM signature", lambda c: others_results("pass") + c.raw()),
            ("a signature that is wrong", "dkim", "the body was changed",
             lambda c: others_results("pass") + c.signed() + b"added\r\n"),
            ("signed by another domain, results and all", "dkim", "signed for other.test (DKIM d=)",
             lambda c: signet_lab.dkim_sign(others_results("pass") + c.raw(), self.key, domain="other.test", headers=(
                 "from", "subject", "authentication-results", "arc-authentication-results", "received-spf"))),
        ])
        self.assertEqual(case.deliver(others_results("fail") + case.right()), "passed")
        self.assert_passes(case)

    def test_bodies(self):
        def html(c):
            return c.signed(f"<pre>{c.block()}</pre>", Content_Type="text/html")

        case = self.note_each([
            ("HTML only", "block", "it has no text/plain part", html),
            ("no block", "block", "it has no block", lambda c: c.signed("Yes, that was me.\n")),
            ("two different blocks", "block", "several response blocks that differ",
             lambda c: c.signed(c.block() + "\n" + c.block(WRONG))),
            ("damaged block", "block", "response block is damaged", lambda c: c.signed(c.block(c.digest[:-4]))),
            ("no end", "block", "block", lambda c: c.signed(f"{BEGIN}\n{c.digest}\n")),
            ("only quoted", "block", "it has no block",
             lambda c: c.signed("".join(f"> {line}\n" for line in c.block().splitlines()))),
            ("out of office", "block", "it looks like an automatic notice",
             lambda c: c.signed("I am away.\n", Auto_Submitted="auto-replied", Subject=f"Auto: ACME: {c.token}")),
        ])
        case.deliver(case.right())
        self.assert_passes(case)

    def test_mail_that_is_no_reply(self):
        """Without the token in the Subject nothing is even noted."""
        case, other = self.cases(2)
        report = ('--b\r\nContent-Type: text/plain\r\n\r\nundeliverable\r\n--b\r\n'
                  'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.user.test\r\n\r\n'
                  f'Final-Recipient: rfc822; {case.address}\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n').encode()
        for name, raw, sender in (
                ("vacation", case.signed("Away.\n", Subject="Out of office", Auto_Submitted="auto-replied"), ""),
                ("report", case.raw(report, From="MAILER-DAEMON@user.test", Subject="Undelivered Mail",
                                    Content_Type="multipart/report; report-type=delivery-status; boundary=b"), ""),
                ("token of another challenge", other.right(), None),
                ("no Subject", case.signed(Subject=None, sign={"headers": ("from",)}), None),
                ("blank before the colon", case.raw().replace(b"Subject:", b"Subject :"), None)):
            with self.subTest(name):
                self.assertEqual(case.deliver(raw, sender), "ignored")
                self.assertEqual(case.notes(), [])
                self.assert_pending(case)
        self.assertNotIn("error", self.user.respond(case.challenge))
        case.deliver(case.right())
        self.assert_passes(case)
        self.assert_pending(other)

    def test_control_characters(self):
        """U+0080 to U+009F are no letters; no mail may end a process."""
        case, pids = self.case(), self.server.pids()
        for name, raw in (
                ("From", case.raw().replace(b"From: ", b"From: u\xc2\x85", 1)),
                ("DKIM", b"DKIM-Signature: v=1; a=x\xc2\x85; d=user.test; s=s1; h=from:subject; bh=AAAA; b=AAAA\r\n"
                 + case.raw()),
                ("Subject", case.raw().replace(b"Subject: ", b"Subject: \xc2\x85", 1)),
                ("Message-ID", case.raw().replace(b"Message-ID: ", b"Message-ID: \xc2\x85", 1))):
            with self.subTest(name):
                self.assertIn(case.deliver(raw), ("noted", "ignored"))
        self.assertEqual(self.server.pids(), pids)
        self.assert_pending(case)
        case.deliver(case.right())
        self.user.respond(case.challenge)
        self.assert_passes(case)

    def test_more_mails_than_are_kept(self):
        """Eight are looked at; then 452, and nothing changes."""
        case = self.case()
        for _ in range(8):
            self.assertEqual(case.deliver(case.raw()), "noted")
        with self.assertRaises(lab.smtplib.SMTPRecipientsRefused) as refusal:
            case.deliver(case.right())
        self.assertEqual([code for code, _ in refusal.exception.recipients.values()], [452])
        self.assert_pending(case)
        self.assertEqual(len(case.messages()), 8)

    def assert_failed(self, case, notes=0):
        """Interop 22-23: challenge, authorization and order, in one commit."""
        challenge = case.now()
        self.assertEqual(challenge["status"], "invalid")
        self.assertEqual(challenge["error"]["type"], problem("incorrectResponse"))
        self.assertEqual(len(challenge["error"].get("subproblems", [])), notes)
        self.assertEqual(case.authorization()["status"], "invalid")
        order = case.order_now()
        self.assertEqual(order["status"], "invalid")
        self.assertEqual(order["error"]["type"], problem("incorrectResponse"))
        self.assertEqual(order["error"]["subproblems"][0]["identifier"]["value"], case.address)
        # and it stays so
        self.assertEqual(case.deliver(case.right()), "ignored")
        self.assertEqual(self.user.respond(case.challenge)["status"], "invalid")
        self.assertEqual(case.order_now()["status"], "invalid")

    def test_wrong_digest(self):
        """An authenticated reply decides, before the client's POST or after it, with the notes below."""
        before, after, noted = self.cases(3)
        self.assertEqual(before.deliver(before.signed(before.block(WRONG))), "wrong digest")
        self.assert_failed(before)
        self.assertEqual(self.user.respond(after.challenge)["status"], "processing")
        self.assertEqual(after.deliver(after.signed(after.block(WRONG))), "wrong digest")
        self.assert_failed(after)
        noted.deliver(noted.raw())
        self.assertEqual(noted.deliver(noted.signed(noted.block(WRONG))), "wrong digest")
        self.assert_failed(noted, notes=1)

    def test_wrong_digest_of_a_stranger(self):
        """Security 16: who knows address and Subject cannot fail a challenge."""
        case = self.case()
        for raw in (case.raw(case.block(WRONG)), case.signed(case.block(WRONG), sign={"domain": "other.test"}),
                    case.signed(case.block(WRONG), From="eve@user.test")):
            self.assertEqual(case.deliver(raw, "eve@other.test"), "noted")
        self.assert_pending(case)
        case.deliver(case.right())
        self.assert_passes(case)

    def test_one_address_of_two_fails(self):
        """The order falls with it."""
        order = self.user.new_order("ann+a@user.test", "ann+b@user.test")
        for index, digest in enumerate((None, signet_lab.b64(b"\1" * 32))):
            challenge = self.user.authorization(order, index)["challenges"][0]
            mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge).message
            digest = digest or signet_lab.digest(self.user, signet_lab.token_part1(mail), challenge["token"])
            reply = signet_lab.reply_to(mail, f"ann+{'ab'[index]}@user.test", digest)
            self.user.respond(challenge)
            signet_lab.deliver(self.server, challenge, signet_lab.dkim_sign(reply.as_bytes(), self.key))
        found = self.user.poll(order["url"], lambda o: o["status"] != "pending")
        self.assertEqual(found["status"], "invalid")
        self.assertEqual([s["identifier"]["value"] for s in found["error"]["subproblems"]], ["ann+b@user.test"])
        # RFC 8555 section 7.1.6: the other authorization stays as it is
        states = [self.user.get(url)["status"] for url in order["authorizations"]]
        self.assertEqual(states, ["valid", "invalid"])

    def test_replayed(self):
        """The same reply again changes nothing, and serves no other challenge."""
        first, second = self.cases(2)
        raw = first.right()
        self.assertEqual(first.deliver(raw), "passed")
        self.assertEqual(first.deliver(raw), "ignored")
        self.assertEqual(first.deliver(first.signed(first.block(WRONG))), "ignored")
        self.assert_passes(first)
        self.assertEqual(second.deliver(raw), "ignored")
        self.assert_pending(second)


class Accepted(RepliesCase):
    """Interop 15-21: what mail programs, gateways and providers make of a reply."""

    @staticmethod
    def encoded_word(text, kind):
        if kind == "B":
            return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="
        return "=?utf-8?Q?" + "".join(c if c.isalnum() else f"={ord(c):02X}" for c in text) + "?="

    def shapes(self):
        part = self.encoded_word
        b64 = lambda text: base64.encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
        qp = lambda text: quopri.encodestring(text.replace("-", "\0").encode()).replace(b"=00", b"=2D")

        def of_message(make):
            def shape(c):
                kind, body = content_of(make(c))
                return c.signed(body, Content_Type=kind.replace("\r\n", ""), Content_Transfer_Encoding=None)
            return shape

        subjects = ["Re: ACME: {}", "AW: ACME: {}", "SV: RE: Fwd: ACME: {}", "ACME: {}", "[EXTERNAL] Re: ACME:{}",
                    "RE : ACME:   {}  "]
        for subject in subjects:
            yield subject, lambda c, s=subject: c.signed(Subject=s.format(c.token))
        yield "Subject folded before the token", lambda c: c.signed(Subject=f"Re: ACME:\r\n {c.token}")
        yield "Subject folded within the token", \
            lambda c: c.signed(Subject=f"Re: ACME: {c.token[:10]}\r\n\t{c.token[10:]}")
        for kind in "BQ":
            yield f"Subject encoded {kind}", lambda c, k=kind: c.signed(Subject=part(f"Re: ACME: {c.token}", k))
        yield "Subject in two encoded words", lambda c: c.signed(
            Subject=part(f"Re: ACME: {c.token[:9]}", "B") + "\r\n " + part(c.token[9:], "Q"))
        yield "quoted-printable", lambda c: c.signed(qp("Gr\u00fc\u00dfe\n" + c.block()).replace(b"\n", b"\r\n"),
                                                     Content_Transfer_Encoding="quoted-printable")
        yield "base64", lambda c: c.signed(b64("Hello\n" + c.block()), Content_Transfer_Encoding="BASE64")
        yield "8 bit", lambda c: c.signed(("Gr\u00fc\u00dfe\n" + c.block()).replace("\n", "\r\n").encode("latin-1"),
                                          Content_Type="text/plain; charset=iso-8859-1",
                                          Content_Transfer_Encoding="8bit")
        yield "multipart/alternative", of_message(lambda c: alternative(c.block(), f"<pre>{c.block()}</pre>"))
        yield "multipart/mixed with a footer", of_message(lambda c: mixed_with_footer(c.block()))
        yield "alternative in mixed", of_message(lambda c: self.nested(c))
        yield "no Date", lambda c: c.signed(Date=None)
        yield "no optional field", lambda c: c.signed(Date=None, Message_ID=None, MIME_Version=None,
                                                      Content_Type=None, Content_Transfer_Encoding=None, To=None)
        yield "upper case local part", lambda c: c.signed(From=c.address.replace("ann", "ANN"))
        yield "upper case domain", lambda c: c.signed(From=c.address.replace("user.test", "User.TEST"))
        yield "display name", lambda c: c.signed(From=f'"Ann, of User" <{c.address}>')
        yield "encoded display name", lambda c: c.signed(From=f"=?utf-8?Q?J=C3=B6rg?= <{c.address}>")
        yield "text around the block", lambda c: c.signed(
            f"Hello,\n\nhere it is:\n\n  {BEGIN}  \n {c.digest}\t\n{END} \n\n-- \nAnn\n\nOn Monday CA wrote:\n> "
            "Hello,\n> somebody asked\n")
        yield "blank lines in the block", lambda c: c.signed(f"{BEGIN}\n\n{c.digest}\n\n{END}\n")
        yield "padded digest", lambda c: c.signed(c.block(c.digest + "="))
        yield "wrapped digest", lambda c: c.signed(c.block(f"{c.digest[:20]}\n  {c.digest[20:]}"))
        yield "NBSP", lambda c: c.signed(c.block(f"\u00a0{c.digest}\u00a0"), Content_Transfer_Encoding="8bit")
        yield "the same block twice", lambda c: c.signed(c.block() + "\n" + c.block())
        yield "automatic", lambda c: c.signed(Auto_Submitted="auto-generated", In_Reply_To="None")
        yield "Reply-To, Cc, Sender, Received", lambda c: c.signed(
            Reply_To="bob@other.test", Cc="bob@other.test", Sender="bob@other.test", Received="from a by b; x")
        yield "simple/simple", lambda c: c.signed(sign={"canon": "simple/simple"})
        yield "all names signed", lambda c: c.signed(sign={"headers": (
            "from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
            "content-type", "content-transfer-encoding", "from", "subject")})
        yield "not yet expired", lambda c: c.signed(sign={"tags": {"x": int(time.time()) + 1000}})
        yield "a bad signature on top of a good one", lambda c: signet_lab.dkim_sign(
            c.signed(), self.key, domain="other.test", selector="absent")
        yield "a good signature on top of a bad one", lambda c: signet_lab.dkim_sign(
            c.signed(sign={"algorithm": "rsa-sha1"}), self.key)
        yield "dots", lambda c: c.signed("..\n.\n" + c.block() + ".\n")
        yield "relaxed blanks changed on the way", lambda c: c.signed().replace(b"From: ", b"From:   ").replace(
            b"Subject: Re: ", b"subject: Re:  ")

    @staticmethod
    def nested(c):
        message = alternative(c.block(), f"<pre>{c.block()}</pre>")
        message.make_mixed()
        message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
        return message

    def test_shapes(self):
        shapes = list(self.shapes())
        for (name, make), case in zip(shapes, self.cases(len(shapes))):
            with self.subTest(name):
                self.assertEqual(case.deliver(make(case)), "passed", case.notes())
                self.assert_pending(case)  # passed is not shown before the client's POST
                self.assert_passes(case)

    def test_post_first(self):
        case = self.case()
        shown = self.user.respond(case.challenge)
        self.assertEqual(shown["status"], "processing")
        self.assertNotIn("error", shown)
        self.assertEqual(case.deliver(case.right()), "passed")
        self.assert_passes(case)

    def test_dmarc_record(self):
        """That of the From domain or its organisational domain is kept with the evidence. Whatever it says, and
        whether it can be had, the reply passes. outcome: as in base/resolver.h."""
        temporary, bogus, none, found = range(4)
        rows = (("user.test", f"('user.test', {found}, '{DMARC}', true)"),
                ("mail.user.test", f"('user.test', {found}, '{DMARC}', true)"),
                ("plain.test", f"('plain.test', {none}, nothing, false)"),
                ("mail.bogus.test", f"('bogus.test', {bogus}, nothing, false)"),
                ("mail.silent.test", f"('silent.test', {temporary}, nothing, false)"))
        cases = [case.wait() for case in [Case(self, f"ann@{domain}") for domain, _ in rows]]
        for case, (domain, kept) in zip(cases, rows):
            with self.subTest(domain):
                self.assertEqual(case.deliver(case.signed(sign={"domain": domain})), "passed")
                self.assertTrue(case.messages()[-1][1].endswith(f", {kept})"), case.messages()[-1][1])
                self.assert_passes(case)

    def test_no_dmarc_record_is_asked_for(self):
        """Nor by a reply without a signature to check, nor of two domains."""
        case = self.case()
        for raw in (case.raw(), case.signed(From=f"{case.address}, ann@plain.test")):
            self.assertEqual(case.deliver(raw), "noted")
            self.assertTrue(case.messages()[-1][1].endswith(", nothing)"), case.messages()[-1][1])

    def test_answered_at_from_or_reply_to(self):
        case = self.case()
        self.assertEqual(case.mail["Reply-To"], case.mail["From"])

    def test_recipient_in_another_case(self):
        """Providers rewrite the case of local parts."""
        case = self.case()
        case.challenge["from"] = case.challenge["from"].upper()
        lab.submit(HOST, self.server.smtp, case.address, case.challenge["from"], case.right())
        case.challenge["from"] = case.challenge["from"].lower()
        self.lab.wait_for(lambda: case.messages() and case.verdict(), "the verdict")
        self.assert_passes(case)


class Strict(RepliesCase):
    """mail.reply-headers = strict, mail.local-part-case = exact."""

    settings = {"mail": {"reply-headers": "strict", "local-part-case": "exact"}}

    def test_strict(self):
        case = self.case()
        all_names = ("from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references",
                     "message-id", "content-type", "content-transfer-encoding")
        self.assertEqual(case.deliver(case.signed()), "noted")
        self.assertIn("does not cover Sender".lower(), case.notes()[-1][1].lower())
        self.assertEqual(case.deliver(case.signed(sign={"headers": all_names[:-1]})), "noted")
        self.assertIn("does not cover content-transfer-encoding", case.notes()[-1][1])
        upper = case.signed(From=case.address.replace("ann", "Ann"), sign={"headers": all_names})
        self.assertEqual(case.deliver(upper), "noted")
        self.assertEqual(case.notes()[-1][0], "from")
        self.assertEqual(case.deliver(case.signed(sign={"headers": all_names})), "passed")
        self.assert_passes(case)


class Late(RepliesCase):
    """ca-rules 3: what counts is when the reply was received."""

    settings = {"mail": {"challenge-lifetime": "20s"}}

    def test_late(self):
        case, posted, in_time = self.cases(3)
        self.user.respond(posted.challenge)
        self.zones.stop()  # the key of the third cannot be had until the time is over
        signet_lab.deliver(self.server, in_time.challenge, in_time.right(), in_time.address)
        self.lab.wait_for(in_time.notes, "the note that DNS failed")
        self.assertEqual(in_time.notes()[0][0], "dkim")
        self.assertEqual(self.user.respond(in_time.challenge)["error"]["type"], problem("dns"))
        created, deadline = self.server.query(
            "SELECT created_at, deadline FROM challenge WHERE mail_from = ?", in_time.challenge["from"])[0]
        self.assertEqual(deadline - created, 20000)
        self.lab.wait_for(lambda: time.time() * 1000 > deadline, "the end of the challenge's time")
        self.zones.start()

        def judged():
            self.server.hurry("judge")
            self.user.get(in_time.challenge["url"])  # core looks at its jobs with every request
            return in_time.verdict()
        self.lab.wait_for(judged, "the verdict")
        self.assertEqual(in_time.verdict(), "passed")
        self.assert_passes(in_time)
        for one in (case, posted):
            # noted before the server has ended the challenge, ignored afterwards
            verdict = one.deliver(one.right())
            self.assertIn((verdict, [rule for rule, _ in one.notes()]), (("ignored", []), ("noted", ["in-time"])))
        for one in (case, posted):
            self.user.poll(one.challenge["url"], lambda c: c["status"] == "invalid")
            found = one.now()
            self.assertEqual(found["error"]["type"], problem("incorrectResponse"))
            self.assertIn("in time", found["error"]["detail"])
            self.assertEqual(one.authorization()["status"], "invalid")
            self.assertEqual(one.order_now()["status"], "invalid")


if __name__ == "__main__":
    unittest.main()
