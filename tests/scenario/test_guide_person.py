# SPDX-License-Identifier: Apache-2.0
"""docs/guide-person.md walked through, as tests/guides.py does it."""

import re
import smtplib
import ssl
import subprocess

import signet_lab as signet
from guides import GuideCase, main
from lab import HOST


class Person(GuideCase):
    page = "guide-person.md"
    hosts = "acme.example.org", "mail.example.com"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "ann", host="mail.example.com", routes={"ca.example.org": f"{HOST}:2525"})
        self.zones = self.signed({"example.com": [self.dkim.record()], "ca.example.org": [("@", "A", HOST)]})
        self.authority_server()
        self.person("ann")

    def authority_server(self):
        """Somebody else's CA."""
        certificate, key = self.authority.pair("acme", "acme.example.org")
        self.server = signet.Signetd(self.lab, relay=f"{HOST}:25", domain="ca.example.org", zones=self.zones, start=False, settings={
            "acme": {"url": "https://acme.example.org", "listen": f"{HOST}:443", "tls-certificate": certificate, "tls-key": key,
                     "terms-of-service": "https://acme.example.org/terms"},
            "mail": {"listen": f"{HOST}:2525"}})
        self.server.https, self.server.smtp = 443, 2525
        self.server.url, self.server.tls = "https://acme.example.org", self.authority.path
        self.server.start()

    def by_hand(self, text):
        """Step 2: pastes the subject, and answers with the text that is printed, as a mail program does."""
        client = subprocess.Popen(self.words(text), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(client.stdout.close)
        mail = self.lab.wait_for(lambda: self.inbox("ann@example.com"), "the challenge mail")[0].message
        client.stdin.write(mail["Subject"] + "\n")
        client.stdin.flush()
        printed = ""
        while "-----END ACME RESPONSE-----" not in printed:
            line = client.stdout.readline()
            if not line:
                self.fail(client.stderr.read())
            printed += line
        block = re.search(r"-----BEGIN ACME RESPONSE-----\n.*-----END ACME RESPONSE-----", printed, re.S)[0]
        self.answer(mail, block)
        out, error = client.communicate(timeout=300)
        self.assertEqual(client.returncode, 0, printed + out + error)

    def answer(self, mail, text):
        reply = signet.reply_to(mail, "ann@example.com", "")
        reply.set_content(text + "\n\nAnn\n")
        with smtplib.SMTP("mail.example.com", 587, local_hostname="ann.example.com", timeout=60) as session:
            session.starttls(context=ssl.create_default_context())
            session.login("ann@example.com", "secret")
            session.send_message(reply)

    def test_as_written(self):
        self.block("apt install")
        self.by_hand(self.left.pop(0))
        folder = self.home / "smime"
        self.assertEqual({path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")},
                         {"ann.p12", "ann.p12.password", "ann.pem", "ann.key", "ann.renewal"})
        first = (folder / "ann.pem").read_bytes()
        self.block("--mail imap")
        self.assertNotEqual((folder / "ann.pem").read_bytes(), first)
        said = self.block("import-help")
        self.assertIn("Thunderbird", said)
        self.sh("openssl pkcs12 -in smime/ann.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        self.block("export")
        self.sh("openssl pkcs12 -legacy -in smime/ann-old.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        self.assertIn("ann: at ", self.block("signet-renew.timer"))
        serial = self.serial()
        self.assertIn("renewed ann until", self.block("--force"))
        self.assertNotEqual(self.serial(), serial)
        self.assertTrue(any((folder / "old").glob("ann.*.p12")))
        self.sh("openssl pkcs12 -in smime/ann.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        serial = self.serial()
        self.block("revoke")
        self.assertEqual(self.server.query("SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"), [(1,)])
        key = self.home / ".config/signet/acme.example.org_directory.key"
        before = key.read_bytes()
        self.assertIn("agreed to", self.block("account show"))
        self.assertNotEqual(key.read_bytes(), before)
        self.assertEqual(self.left, [])

    def serial(self):
        return self.sh("openssl x509 -in smime/ann.pem -noout -serial")


if __name__ == "__main__":
    main(__file__, "Person")
