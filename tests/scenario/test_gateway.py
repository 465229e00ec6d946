# SPDX-License-Identifier: Apache-2.0
"""signet gateway behind a real Postfix with OpenDKIM, set up by the lines of docs/gateway.md: a list of mailboxes supplied and renewed,
all other mail passed on octet for octet with its envelope, floods answered by silence, nothing lost when it is killed."""

import contextlib
import datetime
import pathlib
import re
import signal
import smtplib
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
import share
import signet_lab
from cryptography import x509
from lab import HOST

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/gateway.md"
MARK = b"X-Begin: here\r\n"  # in front of a message: what is above in the mailbox was added on its way
MAILBOXES = 200
FLOOD = 120


def guide(beginning):
    """The block of the guide that begins so."""
    return next(block for block in re.findall(r"^```\n(.*?)^```", GUIDE.read_text(), re.M | re.S) if block.startswith(beginning))


def settings(text):
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in text.splitlines())


class Gateway(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.count = share.share(12, MAILBOXES)
        cls.names = [f"u{number:03}" for number in range(cls.count)]
        cls.listen, cls.behind, smtp = (cls.lab.free_port() for _ in range(3))
        cls.socket = cls.lab.path / "lmtp/mail"
        key = lab.DkimKey("user.test", "s1")
        zones = lab.SignedZones(cls.lab, {"user.test": [key.record(), ("@", "CAA", '0 issuemail "ca.test"')], "ca.test": []})
        cls.server = signet_lab.Signetd(cls.lab, zones=zones, start=False)
        keys = cls.lab.path / "dkim_keys"
        keys.write_text("".join(f"{one.selector}._domainkey.{one.domain} {one.text()}\n" for one in (cls.server.dkim, key)))
        milter = lab.OpenDKIM(cls.lab, [key], {"Mode": "sv", "AuthservID": "mx.user.test", "TestDNSData": f"file:{keys}"})
        boxes = {"user.test": cls.names + ["ann", "bob", "eve", "jürgen", "sender", "forged"]}
        rules = cls.lab.path / "challenges"
        rules.write_text(f"/^Subject: ACME: lmtp/ FILTER signet-lmtp:unix:{cls.socket}\n" + cls.here(guide("/^Auto-Submitted")))
        main = settings(cls.here(guide("header_checks")).replace("/etc/postfix/signet-challenges", str(rules)))
        lmtp = "signet-lmtp unix - - n - 20 lmtp\n  -o lmtp_line_length_limit=0\n  -o disable_mime_output_conversion=yes\n"
        cls.mail = lab.Postfix(cls.lab, boxes, {"ca.test": f"{HOST}:{smtp}"}, milter=milter, services=cls.here(guide("challenges unix")) + lmtp,
                               settings={**main, "signet-lmtp_destination_recipient_limit": "1"})
        cls.plain = lab.Postfix(cls.lab, boxes)
        cls.server.smtp = smtp
        cls.server.config["mail"].update(listen=f"{HOST}:{smtp}", relay=f"{HOST}:{cls.mail.port}")
        cls.server.write_config()
        cls.server.start()
        zones.add("ca.test", cls.server.dkim.record())
        cls.list = cls.lab.path / "list"
        cls.list.write_text("")
        cls.folder = cls.lab.path / "gateway"
        cls.hooked = cls.lab.path / "hooked"
        cls.gateway = cls.start_gateway()
        cls.socket.parent.mkdir(mode=0o755)
        nobody = cls.lab.path / "nobody"
        nobody.write_text("# nobody\n")
        cls.lmtp = cls.start_gateway("lmtp_gateway", cls.lab.path / "lmtp-gateway", f"unix:{cls.socket}", nobody)

    @classmethod
    def here(cls, text):
        """The guide's lines with the ports of this lab."""
        for port, own in (("10026", cls.behind), ("10027", cls.listen)):
            text = text.replace(port, str(own))
        return text

    @classmethod
    def arguments(cls, folder, listen, listed):
        return [folder, "--list", listed, "--directory", cls.server.url + "/directory", "--ca-file", cls.server.tls, "--account-key",
                cls.lab.path / "account.key", "--agree-tos", "--authserv-id", "mx.user.test", "--listen", listen, "--behind",
                f"{HOST}:{cls.behind}", "--smtp", f"{HOST}:{cls.mail.port}", "--timeout", "10m", "--parallel", "48", "--most", "500",
                "--hook", f'echo "$SIGNET_NAME" >> {cls.hooked}']

    @classmethod
    def start_gateway(cls, name="gateway", folder=None, listen=None, listed=None):
        folder = folder or cls.folder
        listed = listed or cls.list
        words = cls.arguments(folder, listen or f"{HOST}:{cls.listen}", listed)
        return cls.lab.spawn(name, [signet_lab.BUILD / "signet", "gateway", *words], lambda: (folder / "gateway.socket").exists() and (
            listen or lab.listening(cls.listen, b"220 ")))

    def signet(self, *words):
        done = subprocess.run([signet_lab.BUILD / "signet", *map(str, words)], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def leaf(self, name):
        path = self.folder / f"{name}@user.test.pem"
        return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None

    def sent_to_ca(self):
        return len(re.findall(r"to=<[^>]*@ca\.test>.*status=sent", self.mail.text()))

    def mails(self, name, postfix=None):
        return lab.maildir_list((postfix or self.mail).maildir(f"{name}@user.test"))

    def queue(self, postfix=None):
        return self.lab.run("/usr/sbin/postqueue", "-c", (postfix or self.mail).path / "etc", "-j")

    def test_1_every_day(self):
        """At the same time: each waits some seconds."""
        with ThreadPoolExecutor(4) as pool:
            runs = {part.__name__: pool.submit(part) for part in (self.supplied_and_renewed, self.untouched, self.notification, self.forged)}
        for name, run in runs.items():
            with self.subTest(name):
                run.result()
        self.lab.wait_for(lambda: self.queue() == "", "an empty queue")

    # --- the list ---

    def supplied_and_renewed(self):
        """All of the list get a certificate, one mailbox two at once, and, when the CA asks for it, another, in spite of a flood; no
        mailbox has a mail of it but those of the flood."""
        shared = f"ann@user.test {self.names[0]}@user.test\n"
        self.list.write_text("# all\n" + shared + "".join(f"{name}@user.test\n" for name in self.names))
        self.lab.wait_for(lambda: all(self.leaf(name) for name in ["ann", *self.names]), "certificates", 600)
        first = {name: self.leaf(name) for name in self.names}
        self.lab.wait_for(self.is_quiet, "the end of the run")
        status, stdout, stderr = self.signet("gateway", "status", self.folder, "--list", self.list)
        self.assertEqual((status, stderr), (0, ""), stdout)
        for name in self.names:
            self.assertRegex(stdout, rf"(?m)^{name}@user\.test: until 20\d\d-\d\d-\d\d, renewed at 20\S+Z$")
        self.assertRegex(stdout, rf"(?m)^challenges answered: {self.count + 2}$")
        self.assertEqual(sorted(self.hooked.read_text().split()), [f"{name}@user.test" for name in ["ann", *self.names]])
        for at in range(0, self.count, 100):
            self.server.ctl("renewal", "ask", *(f"{first[name].serial_number:x}" for name in self.names[at:at + 100]), "--config",
                            self.server.path)
        for name in self.names:
            path = self.folder / f"{name}@user.test.renewal"
            text, count = re.subn(r"(?m)^ask-at=.*\n", "", path.read_text())  # the time for it has come
            self.assertEqual(count, 1)
            path.write_text(text)
        with self.flooded(self.names[0]) as count:
            self.renewed(first)
            self.lab.wait_for(lambda: len(self.mails(self.names[0])) == count, "the flood to be delivered")
        self.assertEqual([self.mails(name) for name in self.names[1:]], [[]] * (self.count - 1))
        self.lab.wait_for(lambda: self.sent_to_ca() >= 2 * self.count + 2, "the replies in the log")
        self.assertEqual(self.sent_to_ca(), 2 * self.count + 2)
        told = [datetime.datetime.fromisoformat(time) for time in
                re.findall(r"time=(\S+)Z .*challenges passed on", self.gateway.text())]
        self.assertTrue(told)
        self.assertTrue(all((later - one).total_seconds() > 59 for one, later in zip(told, told[1:])), told)
        status, stdout, stderr = self.signet("gateway", "status", self.folder)
        self.assertEqual((status, stderr), (0, ""), stdout)
        self.assertGreaterEqual(int(re.search(r"awaited by nobody: (\d+)", stdout)[1]), count)
        status, stdout, stderr = self.signet("gateway", "--dry-run", *self.arguments(self.folder, f"{HOST}:{self.listen}", self.list))
        self.assertEqual((status, stderr, stdout.count(" at 20")), (0, "", self.count + 1))

    def renewed(self, first):
        self.gateway.send(signal.SIGHUP)
        self.lab.wait_for(lambda: all(self.leaf(name).serial_number != first[name].serial_number for name in self.names),
                          "other certificates", 600)
        self.lab.wait_for(self.is_quiet, "the end of the run")

    @contextlib.contextmanager
    def flooded(self, name):
        """False challenges for a mailbox meanwhile; their number."""
        author = self.server.query("SELECT mail_from FROM challenge LIMIT 1")[0][0]

        def flood(worker):
            for number in range(FLOOD // 4):
                token = signet_lab.b64(f"{worker} {number} is a token of more than 128 bit".encode())
                lab.submit(HOST, self.mail.port, author, f"{name}@user.test", signet_lab.lines(
                    f"From: {author}\nTo: {name}@user.test\nSubject: ACME: {token}\nAuto-Submitted: auto-generated; type=acme\n"
                    f"Message-ID: <{worker}.{number}@ca.test>\n\nAnswer me\n"))

        with ThreadPoolExecutor(4) as pool:
            floods = [pool.submit(flood, worker) for worker in range(4)]
            yield FLOOD
            for one in floods:
                one.result()

    def is_quiet(self):
        return "renews now" not in self.signet("gateway", "status", self.folder)[1]

    # --- other mail ---

    def shapes(self):
        head = MARK + b"From: ann@user.test\r\nSubject: %s\r\n"
        plain = head + b"Auto-Submitted: auto-generated; type=acme\r\nTo: bob@user.test\r\n\r\nHello\r\n"
        return {
            "challenge": plain % b"ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME=",
            "acme": head % b"ACME: the invoice" + b"\r\nof last month\r\n",
            "listed": head % b"[list] ACME: the invoice" + b"\r\nof last month\r\n",
            "empty": head % b"ACME: nothing" + b"\r\n",
            "no body": head % b"ACME: no body",
            "dots": head % b"ACME: dots" + b"\r\n.\r\n..\r\n.x\r\n...\r\n",
            "long": head % b"ACME: long" + b"\r\n" + b"x" * 5000 + b"\r\n" + b"y " * 3000 + b"\r\n",
            "8bit": head % b"ACME: 8bit" + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "grün\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
            "controls": head % b"ACME: controls" + b"\r\na\0b\rc\x1ad\x7f\r\n\r\r\n\t \r\n",
            "bare": head % b"ACME: bare" + b"\r\none\ntwo\n.three\n.\nfour\r\n",
            "large": head % b"ACME: large" + b"\r\n" + b"a line of some length, and it is many of them\r\n" * 40000,
            "header": MARK + b"Received: from a\r\n\tby b;\r\n Mon, 1 Jan 2024 00:00:00 +0000\r\nsubject:  ACME: x  \r\nX-Odd:\r\n\ty\r\nx:\r\n\r\n" + b"\r\n" * 5,
            "signed": head % b"ACME: signed" + b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ntrailing \r\n--b--\r\n",
            "lmtp": head % b"ACME: lmtp" + b"\r\n" + b"z" * 3000 + b"\r\n.\r\n" + bytes(range(128, 256)) + b"\r\n",
            "ordinary": head % b"lunch" + b"\r\nNow?\r\n",
        }

    def hand_in(self, postfix, sender, recipients, message, mail=("BODY=8BITMIME",), rcpt=()):
        """The octets as they are: smtplib would mend line ends."""
        with smtplib.SMTP(HOST, postfix.port, local_hostname="client.lab", timeout=lab.DEADLINE) as session:
            session.ehlo()
            self.assertEqual(session.mail(sender, list(mail))[0], 250)
            for recipient in recipients:
                self.assertEqual(session.rcpt(recipient, list(rcpt))[0], 250)
            self.assertEqual(session.docmd("DATA")[0], 354)
            session.send(re.sub(rb"(?m)^\.", b"..", message) + (b"" if message.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            code, words = session.getreply()
            self.assertEqual(code, 250, words)

    def envelope(self, raw):
        """What the last delivery says of it."""
        return re.findall(rb"(?m)^(Return-Path|X-Original-To|Delivered-To): (.*)$", raw.split(MARK.rstrip())[0])

    def untouched(self):
        """As without the gateway, from the first octet of the message to the last, and the same envelope."""
        shapes = self.shapes()
        for name, message in shapes.items():
            for postfix in (self.mail, self.plain):
                self.hand_in(postfix, "sender@user.test", ["bob@user.test", "eve+tag@user.test"], message)
        self.hand_in(self.mail, "sender@user.test", ["jürgen@user.test"], shapes["8bit"].replace(b"ann@", "jürgen@".encode()),
                     ["BODY=8BITMIME", "SMTPUTF8"])
        self.hand_in(self.plain, "sender@user.test", ["jürgen@user.test"], shapes["8bit"].replace(b"ann@", "jürgen@".encode()),
                     ["BODY=8BITMIME", "SMTPUTF8"])
        for box, count in (("bob", len(shapes)), ("eve", len(shapes)), ("jürgen", 1)):
            for postfix in (self.mail, self.plain):
                self.lab.wait_for(lambda: len(self.mails(box, postfix)) == count, f"mails for {box}")
            found = [{re.split(b"X-Begin: here", mail.raw, maxsplit=1)[1]: self.envelope(mail.raw) for mail in self.mails(box, postfix)}
                     for postfix in (self.mail, self.plain)]
            self.assertEqual(sorted(found[0]), sorted(found[1]))
            self.assertEqual(found[0], found[1])
            self.assertEqual(len(found[0]), count)
        through = lambda: (len(re.findall(rf"to=<(?:bob|eve|j)[^>]*>, relay=\S*:{self.listen},.*status=sent", self.mail.text())),
                           len(re.findall(rf"relay=\S*{self.socket}\S*,.*status=sent", self.mail.text())))
        wanted = 2 * (len(shapes) - 2) + 1, 2  # neither the ordinary one nor that by LMTP, and that
        self.lab.wait_for(lambda: through()[0] >= wanted[0] and through()[1] >= wanted[1], "Postfix to have the answers")
        self.assertEqual(through(), wanted)
        self.assertEqual(self.lmtp.stop(), 0)

    def notification(self):
        """One report of the delivery, with the id and the recipient that were given: the request went through."""
        message = MARK + b"Subject: ACME: report\r\n\r\nx\r\n"
        self.hand_in(self.mail, "sender@user.test", ["ann@user.test"], message, ["RET=HDRS", "ENVID=id-7"],
                     ["NOTIFY=SUCCESS", "ORCPT=rfc822;first@user.test"])
        lab.maildir_wait(self.mail.maildir("ann@user.test"))
        report = lab.maildir_wait(self.mail.maildir("sender@user.test"), lambda m: "Successful" in m["Subject"]).raw
        for words in (b"Original-Envelope-Id: id-7", b"Original-Recipient: rfc822;first@user.test", b"Action: delivered"):
            self.assertIn(words, report)
        self.assertEqual(len(self.mails("sender")), 1)

    def forged(self):
        """A signature that is none, and the word of the mail server itself that it is good: that is taken out on the way."""
        names = "from:sender:reply-to:to:cc:subject:date:in-reply-to:references:message-id:auto-submitted:content-type:content-transfer-encoding"
        wrong = signet_lab.b64(bytes(256)) + "=="
        self.hand_in(self.mail, "forger@other.test", ["forged@user.test"], signet_lab.lines(
            "Authentication-Results: mx.user.test; dkim=pass header.d=ca.test\nAuthentication-Results: MX.user.test 1; dkim=pass "
            f"header.d=ca.test\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=ca.test; s={self.server.dkim.selector};\n"
            f" h={names};\n bh={wrong[:43]}=; b={wrong}\n"
            "From: acme-challenge@ca.test\nTo: forged@user.test\nSubject: ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME\n"
            "Auto-Submitted: auto-generated; type=acme\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <forged@ca.test>\n\nx\n"))
        mail = lab.maildir_wait(self.mail.maildir("forged@user.test"))
        results = [" ".join(text.split()) for text in mail.message.get_all("Authentication-Results")]
        self.assertTrue(all(text.lower().startswith("mx.user.test") for text in results), results)
        self.assertEqual([text for text in results if "dkim=pass" in text], [], results)

    # --- mishaps ---

    def test_2_killed(self):
        """In the middle of it: who is handed over comes in all the same, at once by the other way; ordinary mail does not
        notice."""
        before, count = len(self.mails("ann")), 60
        ids = [f"{number}.killed" for number in range(count)]

        def hand_in(one):
            kind = "lunch" if one.startswith("7") else "ACME: invoice"
            lab.submit(HOST, self.mail.port, "sender@user.test", "ann@user.test",
                       signet_lab.lines(f"Subject: {kind}\nMessage-ID: <{one}@user.test>\n\nx\n") + b"line\r\n" * 20000)

        with ThreadPoolExecutor(8) as pool:
            handed = [pool.submit(hand_in, one) for one in ids]
            self.lab.wait_for(lambda: len(self.mails("ann")) > before + 5, "the first mails")
            self.gateway.send(signal.SIGKILL)
            for one in handed:
                one.result()
        arrived = lambda: {mail.message["Message-ID"] for mail in self.mails("ann")}
        self.lab.wait_for(lambda: arrived() >= {f"<{one}@user.test>" for one in ids}, "every mail")
        self.lab.wait_for(lambda: self.queue() == "", "an empty queue")
        status, _, stderr = self.signet("gateway", "status", self.folder)
        self.assertEqual(status, 5)
        self.assertIn("does the gateway run", stderr)
        type(self).gateway = self.start_gateway("again")  # over the socket that the dead one left
        done = self.signet("gateway", *self.arguments(self.folder, f"{HOST}:{self.listen}", self.list))
        self.assertEqual(done[0], 5)
        self.assertIn("another program listens there already", done[2])
        self.assertEqual(self.gateway.stop(), 0)

    def test_3_once(self):
        """One run and its end: nothing to do; and a folder of lists, with a mailbox that is not there."""
        own = self.arguments(self.folder, f"{HOST}:{self.listen}", self.list)
        self.assertEqual(self.signet("gateway", *own, "--once", "--quiet"), (0, "", ""))
        lists, folder = self.lab.path / "lists", self.lab.path / "once"
        lists.mkdir()
        (lists / "a").write_text("# nobody\n")
        (lists / "b").write_text("nobody@nowhere.test\n")
        words = self.arguments(folder, f"{HOST}:{self.listen}", lists)
        words[words.index("10m")] = "5s"
        status, stdout, stderr = self.signet("gateway", *words, "--once")
        self.assertIn(status, (1, 4))
        self.assertRegex(stderr, r"(?m)^signet: nobody@nowhere\.test: ")
        status, stdout, stderr = self.signet("gateway", "status", folder)
        self.assertEqual(status, 5)
        self.assertRegex(stdout, r"(?m)^nobody@nowhere\.test: no certificate; failed: \S")


if __name__ == "__main__":
    unittest.main()
