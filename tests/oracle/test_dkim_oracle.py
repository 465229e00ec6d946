# SPDX-License-Identifier: Apache-2.0
"""Our DKIM against two others: dkimpy in this process, libopendkim in a program of its own.

Ours signs and both verify; dkimpy signs and ours verifies; whatever is changed fails everywhere.
Ours is the test binary mime_test_dkim with an argument (see tests/unit/mime/test_dkim.c)."""

import base64
import itertools
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import dkim

HERE = pathlib.Path(__file__).parent
NOW = str(int(time.time() * 1000))
DOMAIN, SELECTOR = "ca.example", "sel"
QUESTION = f"{SELECTOR}._domainkey.{DOMAIN}"

HEADER = (b"From: acme-challenge+abc@ca.example\r\nReply-To: acme-challenge+abc@ca.example\r\n"
          b"To: User@example.org\r\nSubject: ACME: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY\r\n"
          b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1.2@ca.example>\r\n"
          b"Auto-Submitted: auto-generated; type=acme\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n")

MESSAGES = {
    "plain": HEADER + b"\r\nHello\r\n",
    "empty body": HEADER + b"\r\n",
    "blanks": HEADER + b"\r\nHello \t you  \r\n \r\n\r\n\r\n",
    "blank lines first": HEADER + b"\r\n\r\n\r\nHello\r\n\r\nyou\r\n",
    "dots": HEADER + b"\r\n.\r\n..\r\n.x\r\n",
    "eight bit": HEADER + b"\r\n\xe4\xf6\xfc \xc3\xa4\r\n",
    "long line": HEADER + b"\r\n" + b"x " * 5000 + b"\r\n",
    "large": HEADER + b"\r\n" + b"line of text\r\n" * 8000,
    "folded": b"Subject: a\r\n\tfolded \r\n  subject \r\nFrom:a@ca.example\r\nX: y\r\n\r\nx\r\n",
    "few fields": b"from:  a@ca.example \r\n\r\nx\r\n",
    "received": b"Received: one\r\nReceived: two\r\n" + HEADER + b"\r\nx\r\n",
}


def program(name):
    """The binary in the build tree, wherever the generator put it."""
    return str(next(pathlib.Path(os.environ["SIGNET_BUILD"]).rglob(name)))


class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = program("mime_test_dkim")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        path = pathlib.Path(cls.folder.name)
        cls.keys, cls.records = {}, {}
        for kind, options in {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                              "rsa1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
                              "rsa4096": ["RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
                              "ed25519": ["ED25519"]}.items():
            cls.keys[kind] = str(path / f"{kind}.pem")
            subprocess.run(["openssl", "genpkey", "-algorithm", *options, "-out", cls.keys[kind]],
                           check=True, capture_output=True)
            cls.records[kind] = cls.run_ours("--record", cls.keys[kind]).decode().strip()
        cls.opendkim = str(path / "dkim_opendkim")
        subprocess.run(["cc", "-o", cls.opendkim, str(HERE / "dkim_opendkim.c"), "-lopendkim"],
                       check=True)
        cls.opendkim_kinds = [kind for kind in cls.keys if kind != "ed25519" or
                              subprocess.run([cls.opendkim, "--ed25519"]).returncode == 0]

    @classmethod
    def run_ours(cls, *arguments, message=b""):
        return subprocess.run([cls.ours, *arguments], input=message, check=True,
                              capture_output=True).stdout

    def sign(self, kind, message):
        return self.run_ours("--sign", self.keys[kind], DOMAIN, SELECTOR, NOW, message=message) + message

    def verdict_of_ours(self, message, record):
        lines = self.run_ours("--verify", NOW, f"{QUESTION}={record}", message=message).decode()
        return [line.split(" ")[0] for line in lines.splitlines()]

    def verdict_of_dkimpy(self, message, record):
        def answer(name, timeout=5):
            return record.encode() if name == f"{QUESTION}.".encode() else None
        try:
            return "pass" if dkim.DKIM(message).verify(dnsfunc=answer) else "fail"
        except (dkim.DKIMException, ValueError):  # ValueError: a signature of the wrong size
            return "fail"

    def verdict_of_opendkim(self, message, record):
        return subprocess.run([self.opendkim, f"{QUESTION}={record}"], input=message, check=True,
                              capture_output=True).stdout.decode().strip()

    def private_key(self, kind):
        """In the form that dkimpy takes."""
        der = subprocess.run(["openssl", "pkey", "-in", self.keys[kind], "-outform", "DER"],
                             check=True, capture_output=True).stdout
        if kind == "ed25519":
            return base64.b64encode(der[-32:])
        return subprocess.run(["openssl", "rsa", "-in", self.keys[kind], "-traditional"], check=True,
                              capture_output=True).stdout

    def test_ours_signs(self):
        for kind, (name, message) in itertools.product(self.keys, MESSAGES.items()):
            with self.subTest(kind=kind, message=name):
                signed, record = self.sign(kind, message), self.records[kind]
                self.assertEqual(self.verdict_of_ours(signed, record), ["pass"])
                self.assertEqual(self.verdict_of_dkimpy(signed, record), "pass")
                if kind in self.opendkim_kinds:
                    self.assertEqual(self.verdict_of_opendkim(signed, record), "pass")

    def test_two_signatures(self):
        """interop.md item 13: the RSA signature on top of the Ed25519 one."""
        message = self.sign("rsa", self.sign("ed25519", MESSAGES["plain"]))
        self.assertEqual(self.verdict_of_ours(message, self.records["rsa"])[0], "pass")
        self.assertEqual(self.verdict_of_dkimpy(message, self.records["rsa"]), "pass")
        self.assertEqual(self.verdict_of_opendkim(message, self.records["rsa"]), "pass")

    def test_dkimpy_signs(self):
        canons = [c.encode() for c in ("simple", "relaxed")]
        for kind, header, body in itertools.product(("rsa", "rsa1024", "ed25519"), canons, canons):
            key = self.private_key(kind)
            algorithm = b"ed25519-sha256" if kind == "ed25519" else b"rsa-sha256"
            for name, message in MESSAGES.items():
                for fields in (None, [b"from", b"from", b"subject", b"subject", b"cc", b"x-none"]):
                    with self.subTest(kind=kind, header=header, body=body, message=name, fields=fields):
                        field = dkim.sign(message, SELECTOR.encode(), DOMAIN.encode(), key,
                                          canonicalize=(header, body), include_headers=fields,
                                          signature_algorithm=algorithm)
                        self.assertEqual(
                            self.verdict_of_ours(field + message, self.records[kind]), ["pass"])

    def test_dkimpy_signs_what_must_not_count(self):
        key, message = self.private_key("rsa"), MESSAGES["plain"]
        part = dkim.sign(message, SELECTOR.encode(), DOMAIN.encode(), key, length=True)
        self.assertEqual(self.verdict_of_dkimpy(part + message, self.records["rsa"]), "pass")
        self.assertEqual(self.verdict_of_ours(part + message, self.records["rsa"]), ["unusable"])
        old = dkim.sign(message, SELECTOR.encode(), DOMAIN.encode(), key, signature_algorithm=b"rsa-sha1")
        self.assertEqual(self.verdict_of_ours(old + message, self.records["rsa"]), ["unusable"])

    def test_changed_messages_fail_everywhere(self):
        changes = {
            "subject": lambda m: m.replace(b"ACME: AQ", b"ACME: aQ"),
            "from": lambda m: m.replace(b"From: acme", b"From: bcme"),
            "body": lambda m: m.replace(b"Hello", b"Hallo"),
            "more body": lambda m: m + b"more\r\n",
            "no body": lambda m: m[:m.index(b"\r\n\r\n") + 4],
            "field gone": lambda m: m.replace(b"Auto-Submitted: auto-generated; type=acme\r\n", b""),
            "field added": lambda m: m.replace(b"MIME-Version", b"Cc: evil@example.org\r\nMIME-Version"),
            "In-Reply-To added": lambda m: m.replace(b"MIME-Version", b"In-Reply-To: <x>\r\nMIME-Version"),
            "second Subject below": lambda m: m.replace(b"MIME-Version", b"Subject: x\r\nMIME-Version"),
            "second From below": lambda m: m.replace(b"MIME-Version", b"From: x@ca.example\r\nMIME-Version"),
            "t=": lambda m: m.replace(b" t=", b" t=1").replace(b"\tt=", b"\tt=1"),
            "h=": lambda m: m.replace(b"\tsender:", b"\tSender:"),
            "domain": lambda m: m.replace(b"d=ca.example", b"d=cb.example"),
        }
        for kind, (name, change) in itertools.product(("rsa", "ed25519"), changes.items()):
            with self.subTest(kind=kind, change=name):
                signed, record = self.sign(kind, MESSAGES["plain"]), self.records[kind]
                changed = change(signed)
                self.assertNotEqual(changed, signed)
                self.assertNotIn("pass", self.verdict_of_ours(changed, record))
                self.assertNotEqual(self.verdict_of_dkimpy(changed, record), "pass")
                if kind in self.opendkim_kinds:
                    self.assertNotEqual(self.verdict_of_opendkim(changed, record), "pass")

    def test_forgiven_changes_pass_everywhere(self):
        """relaxed/relaxed survives what relays do."""
        changes = {
            "names": lambda m: m.replace(b"\r\nSubject:", b"\r\nSUBJECT:"),
            "folding": lambda m: m.replace(b"Subject: ACME: ", b"Subject: ACME:\r\n\t  "),
            "blank lines": lambda m: m + b"\r\n\r\n",
            "blanks": lambda m: m.replace(b"Hello", b"Hello \t"),
            "field on top": lambda m: b"Received: from x\r\n" + m,
            "unfolded": lambda m: m.replace(b"\r\n\t", b" "),
        }
        for name, change in changes.items():
            with self.subTest(change=name):
                changed, record = change(self.sign("rsa", MESSAGES["plain"])), self.records["rsa"]
                self.assertEqual(self.verdict_of_ours(changed, record), ["pass"])
                self.assertEqual(self.verdict_of_dkimpy(changed, record), "pass")
                self.assertEqual(self.verdict_of_opendkim(changed, record), "pass")

    def test_wrong_keys_fail_everywhere(self):
        signed = self.sign("rsa", MESSAGES["plain"])
        for record in (self.records["rsa1024"], self.records["ed25519"], "v=DKIM1; p=", "v=DKIM1; k=rsa",
                       "", self.records["rsa"].replace("DKIM1", "DKIM2")):
            with self.subTest(record=record):
                self.assertNotIn("pass", self.verdict_of_ours(signed, record))
                self.assertNotEqual(self.verdict_of_dkimpy(signed, record), "pass")
                self.assertNotEqual(self.verdict_of_opendkim(signed, record), "pass")


if __name__ == "__main__":
    unittest.main()
