# SPDX-License-Identifier: Apache-2.0
"""signet revoke --prove: the owner of the mailboxes revokes what a stranger's account ordered, through a real Postfix whose
OpenDKIM signs the replies (ca-rules 30; RFC 8555 sections 7.4.1 and 7.6)."""

import re
import subprocess
import threading
import unittest
import urllib.request

import lab
import signet_lab
from cryptography import x509
from lab import HOST

ANN, ANNA = "ann@user.test", "анна@user.test"


class Owner(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        port = cls.lab.free_port()
        key = lab.DkimKey("user.test", "s1")
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann", "анна"]}, {"ca.test": f"{HOST}:{port}"},
                               milter=lab.OpenDKIM(cls.lab, [key]))
        zones = lab.SignedZones(cls.lab, {"user.test": [key.record(), ("@", "CAA", '0 issuemail "ca.test"')], "ca.test": []})
        cls.server = signet_lab.Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=zones, start=False,
                                        settings={"acme": {"terms-of-service": "https://ca.test/terms"}})
        cls.server.smtp, cls.server.config["mail"]["listen"] = port, f"{HOST}:{port}"
        cls.server.write_config()
        cls.server.start()
        zones.add("ca.test", cls.server.dkim.record())

    def signet(self, *arguments, answered=(), bounced=()):
        """Runs signet with the mails to the addresses of answered on standard input, for those of bounced
        their mail server reports that it could not deliver: (exit status, standard error)."""
        process = subprocess.Popen(
            [signet_lab.BUILD / "signet", *map(str, arguments), "--directory", self.server.url + "/directory",
             "--ca-file", self.server.tls], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        timer = threading.Timer(400, process.kill)
        timer.start()
        text = ""
        try:
            for line in process.stderr:
                text += line
                awaited = re.match(r"mail +awaited for (\S+) from (\S+)$", line)
                if awaited:
                    self.handle(process.stdin, *awaited.groups(), answered, bounced)
            return process.wait(), text
        finally:
            timer.cancel()
            process.stderr.close()
            process.stdin.close()
            process.wait()

    def handle(self, stdin, address, sender, answered, bounced):
        self.assertIn(address, (*answered, *bounced))
        mail = signet_lab.challenge_mail(self.mail.maildir(address), {"from": sender})
        if address in answered:
            stdin.write(mail.raw.decode() + "\n.\n")
            stdin.flush()
        else:
            lab.submit(HOST, self.server.smtp, "", mail.message["Return-Path"].strip("<>"), signet_lab.report(address))

    def request(self, name, *addresses):
        """A stranger's certificate: its PEM file."""
        out = self.lab.path / name
        status, stderr = self.signet("request", *addresses, "--agree-tos", "--out", out, "--account-key",
                                     self.lab.path / "stranger.account", "--mail", "pipe", "--smtp",
                                     f"{HOST}:{self.mail.port}", answered=addresses)
        self.assertEqual(status, 0, stderr)
        return next(out.glob("*.pem"))

    def revoke(self, name, certificate, *arguments, **mails):
        return self.signet("revoke", "--prove", certificate, "--account-key", self.lab.path / f"{name}.account", "--mail",
                           "pipe", "--smtp", f"{HOST}:{self.mail.port}", *arguments, **mails)

    def listed(self, certificate):
        """The entry of the revocation list; None: not revoked."""
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
        point = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
        with urllib.request.urlopen(point, timeout=60) as answer:
            return x509.load_der_x509_crl(answer.read()).get_revoked_certificate_by_serial_number(leaf.serial_number)

    def revoked(self):
        return self.server.query("SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL")[0][0]

    def mails(self):
        return self.server.query("SELECT count(*) FROM challenge WHERE queued_at IS NOT NULL")[0][0]

    def check_one_not_proven(self, certificate):
        """The mail to the other mailbox came back: nothing is revoked."""
        before = self.revoked()
        status, stderr = self.revoke("half", certificate, "--agree-tos", answered=[ANNA], bounced=[ANN])
        self.assertEqual(status, 1, stderr)
        self.assertRegex(stderr, f"nothing is revoked: {ANN} was not proven\n.*no such user")
        status, stderr = self.signet("revoke", certificate, "--account-key", self.lab.path / "half.account")
        self.assertEqual(status, 1)
        self.assertIn("unauthorized", stderr)
        self.assertEqual((self.revoked(), self.listed(certificate)), (before, None))

    def check_terms(self, certificate):
        status, stderr = self.revoke("owner", certificate)
        self.assertEqual(status, 2, stderr)
        self.assertIn("https://ca.test/terms", stderr)

    def check_revoked(self, certificate):
        """By an account that is made for it."""
        before = self.revoked()
        status, stderr = self.revoke("owner", certificate, "--agree-tos", "--reason", "5", answered=[ANN, ANNA])
        self.assertEqual(status, 0, stderr)
        for line in ("account .*new", f"proof +needed of {ANN}, {ANNA}", f"proven +{ANN}", f"proven +{ANNA}",
                     f"revoked +{re.escape(str(certificate))}"):
            self.assertRegex(stderr, f"(?m)^{line}")
        entry = self.lab.wait_for(lambda: self.listed(certificate), "the certificate on the list")
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        self.assertEqual((reason, self.revoked()), (x509.ReasonFlags.cessation_of_operation, before + 1))
        (detail,), *_ = self.server.query("SELECT detail FROM audit WHERE kind = 'certificate revoked' ORDER BY number DESC")
        self.assertIn("authorizations", detail)

    def check_no_further_mail(self, certificate):
        """The proofs of before hold."""
        before = self.mails()
        status, stderr = self.revoke("owner", certificate)
        self.assertEqual((status, self.mails()), (1, before))
        self.assertIn("alreadyRevoked", stderr)

    def test_two_mailboxes(self):
        """One of them with a UTF-8 local part."""
        certificate = self.request("two", ANN, ANNA)
        self.check_one_not_proven(certificate)
        self.check_terms(certificate)
        self.check_revoked(certificate)
        self.check_no_further_mail(certificate)

    def test_no_mail_in_vain(self):
        """Certificates that this server cannot revoke, and those that name nobody."""
        before, path = self.mails(), self.lab.path / "other.pem"
        for addresses, status, words in (([ANN], 1, "did not issue that certificate"), ([], 5, "names no mail address")):
            with self.subTest(words):
                path.write_bytes(signet_lab.self_signed(*addresses))
                found, stderr = self.revoke("nobody", path, "--agree-tos")
                self.assertEqual(found, status, stderr)
                self.assertIn(words, stderr)
        self.assertEqual(self.mails(), before)


if __name__ == "__main__":
    unittest.main()
