# SPDX-License-Identifier: Apache-2.0
"""docs/guide-mail-admin.md walked through, as tests/guides.py does it."""

import pathlib
import re
import shutil
import subprocess

import lab
from guides import GuideCase, main
from lab import HOST


class MailAdmin(GuideCase):
    page = "guide-mail-admin.md"
    hosts = "ca.example.com", "mail.example.com"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "postmaster", host="mail.example.com", routes={})
        self.zones = self.signed({"example.com": [self.dkim.record(), ("ca", "A", HOST), ("mail", "A", HOST)]})
        shutil.rmtree("/etc/postfix", ignore_errors=True)
        pathlib.Path("/etc/postfix").symlink_to(self.postfix.path / "etc")
        pathlib.Path("/var/mail/vhosts").symlink_to(self.postfix.mail)
        lab.submit(HOST, 25, "ann@example.com", "postmaster@example.com", b"From: ann@example.com\r\nSubject: hello\r\n\r\nhello\r\n")
        lab.maildir_wait(self.postfix.maildir("postmaster@example.com"))  # one that had mail before
        live = pathlib.Path("/etc/letsencrypt/live/ca.example.com")
        live.mkdir(parents=True)
        for path, name in zip(self.authority.pair("ca", "ca.example.com"), ("fullchain.pem", "privkey.pem")):
            shutil.copy(path, live / name)

    def changed(self, text):
        """The DNS of the lab in place of that of the world; its keys where Signet's user can read them."""
        if "signetctl setup" not in text:
            return text
        anchor = shutil.copy(self.zones.anchor_file, "/etc/signet/anchor")
        return text.replace("signetctl setup ", f"signetctl setup --set dns.trust-anchor={anchor} --set 'dns.stub={'; '.join(self.zones.stubs)}' ")

    def publish(self, text):
        """Step 5: what dns show printed, into the zone."""
        records = []
        for name, kind, data in re.findall(r"^(\S+)\.example\.com\. IN (\w+) (.*)$", text, re.M):
            parts = re.findall(r'"((?:[^"\\]|\\.)*)"', data)
            records.append((name, kind, "".join(parts) if kind == "TXT" else data))
        self.assertEqual(sorted(kind for _, kind, _ in records), ["MX", "TXT", "TXT", "TXT"])
        self.zones.add("example.com", *records)

    def test_as_written(self):
        self.block("apt install")
        self.block("install -o signet")
        self.block("postmap")
        self.assertNotIn("problem", self.block("signetctl setup"))
        self.block("/root/away")
        self.publish(self.block("dns show"))
        self.assertNotRegex(self.block("dns check"), "missing|wrong|unknown")
        self.assertIn("healthy", self.block("systemctl enable --now signetd"))
        self.block("signet-check.timer")
        self.assertIn("valid postmaster@example.com", self.block("signet request"))
        self.keep()
        self.watch()
        self.assertEqual(self.left, [])

    def keep(self):
        """A certificate that the backup does not know is there after the restore."""
        self.block("signetctl backup")
        self.sh("signet renew /root/smime --force")
        issued = self.sh("openssl x509 -in /root/smime/postmaster.pem -noout -serial").strip().split("=")[1]
        said = self.block("signetctl restore")
        self.assertIn("healthy", said)
        self.sh(f"signetctl certificate revoke {issued} --reason superseded")
        self.lab.wait_for(lambda: subprocess.run(self.words("signetctl check crl"), capture_output=True).returncode == 0,
                          "the list to be published")
        self.assertIn("lists", self.block("signetctl check all"))

    def watch(self):
        self.block("signetctl report")
        self.assertIn("<svg", pathlib.Path("/root/signet-report.html").read_text())
        self.assertIn("signet_build_info", self.block("curl"))


if __name__ == "__main__":
    main(__file__, "MailAdmin")
