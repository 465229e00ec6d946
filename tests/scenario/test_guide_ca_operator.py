# SPDX-License-Identifier: Apache-2.0
"""docs/guide-ca-operator.md walked through, as tests/guides.py does it."""

import pathlib
import shutil

import installed
import lab
from guides import GuideCase, main
from lab import HOST


class CaOperator(GuideCase):
    page = "guide-ca-operator.md"
    hosts = "acme.example.org", "pki.example.org", "smtp.example.org"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "ann", host="mail.example.com", routes={"ca.example.org": f"{HOST}:2525"})
        self.zones = self.signed({"example.com": [self.dkim.record()],
                                  "example.org": [("acme", "A", HOST), ("pki", "A", HOST), ("ca", "A", HOST), ("smtp", "A", HOST)]})
        lab.submit(HOST, 25, "ann@example.com", "ann@example.com", b"From: ann@example.com\r\nSubject: hello\r\n\r\nhello\r\n")
        lab.maildir_wait(self.postfix.maildir("ann@example.com"))
        pathlib.Path("/media/stick").mkdir()

    def changed(self, text):
        """Port 25 is the relay's, which is on this host too."""
        if "signetctl setup" not in text:
            return text
        anchor = shutil.copy(self.zones.anchor_file, "/etc/signet/anchor")
        return text.replace("signetctl setup ", f"signetctl setup --set dns.trust-anchor={anchor} --set 'dns.stub={'; '.join(self.zones.stubs)}' "
                            f"--set mail.listen={HOST}:2525 ")

    def carry(self, *paths):
        for path in paths:
            shutil.copy(path, "/media/stick")

    def test_as_written(self):
        self.block("ca root")
        self.assertIn("2 entries, good", self.block("ca transcript"))
        self.block("softhsm2-util")
        self.block("ca csr")
        self.carry("/etc/signet/ca/issuing.csr")
        self.block("ca issuing")
        self.carry(*(f"/media/root/{name}" for name in ("issuing.pem", "root.pem", "root.crl")))
        self.block("ca import")
        self.assertIn("healthy", self.block("signetctl setup"))
        self.block("check all")
        self.issue()
        self.block("audit verify")
        self.look()
        self.assertEqual(self.left, [])

    def issue(self):
        """A person of the CA."""
        installed.run("dpkg", "-i", *self.home.glob("signet-client_*.deb"))
        self.sh("signet request ann@example.com --directory https://acme.example.org/directory --ca-file /etc/signet/tls.pem --out /root "
                f"--mail maildir --maildir {self.postfix.maildir('ann@example.com')} --smtp {HOST}:25")

    def look(self):
        """Evidence, revocation, a bad day, retention."""
        self.sh("systemctl restart signetd")  # which signs the checkpoint that a minute would bring
        self.assertNotIn("FAILED", self.block("evidence verify"))
        self.block("certificate revoke")
        self.block("ca crl")
        self.block("issuance stop")
        self.block("purge show")


if __name__ == "__main__":
    main(__file__, "CaOperator")
