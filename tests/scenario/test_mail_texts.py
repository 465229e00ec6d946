# SPDX-License-Identifier: Apache-2.0
"""Mails to people, as Python's e-mail library reads them after a real Postfix delivered them: text and HTML, in two
languages, in texts of the operator; notices; S/MIME-signed challenges, read by openssl and answered by signet."""

import datetime
import email
import email.policy
import html.parser
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import dkim
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import lab
import signet_lab
from signet_lab import HOST, make_csr, new_key
from test_issuance import IssuanceCase

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FIXED = "acme-challenge@ca.test"


class Words(html.parser.HTMLParser):
    """What an HTML part shows, and every attribute in it."""

    def __init__(self, text):
        super().__init__()
        self.words, self.attributes = "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs

    def handle_data(self, data):
        self.words += data


def words(text):
    return " ".join(text.split())


class MailCase(IssuanceCase):
    def parsed(self, mail):
        """The mail read anew, without the compatibility of old policies; nothing in it is amiss."""
        message = email.message_from_bytes(mail.raw, policy=email.policy.default)
        self.assertEqual([part.defects for part in message.walk() if part.defects], [])
        return message

    def texts(self, message):
        """(plain, words of the HTML) of a multipart/alternative, which say the same."""
        plain, page = message.iter_parts()
        self.assertEqual((message.get_content_type(), plain.get_content_type(), page.get_content_type()),
                         ("multipart/alternative", "text/plain", "text/html"))
        read = Words(page.get_content())
        self.assertLessEqual({name for name, _ in read.attributes}, {"lang", "style", "charset"})
        self.assertNotIn("BEGIN ACME", plain.get_content() + read.words)
        return words(plain.get_content()), words(read.words)

    def check_dkim(self, mail):
        """By dkimpy, over the mail as Postfix delivered it."""
        name = f"signet._domainkey.{self.server.domain}"
        answer = lambda asked, timeout=5: self.server.dkim.text().encode() if asked.rstrip(b".") == name.encode() else None
        self.assertTrue(dkim.DKIM(mail.raw).verify(dnsfunc=answer))


class Texts(MailCase):
    settings = {"mail": {"language": "de en", "notices": "issuance"}}

    def test_two_languages_and_a_notice(self):
        address = "ann@user.test"
        [leaf, _] = self.obtain(self.user, address)
        mails = {mail.message["Auto-Submitted"]: mail for mail in lab.maildir_list(self.mail.maildir(address))}
        challenge = mails["auto-generated; type=acme"]
        self.check_dkim(challenge)
        for text in self.texts(self.parsed(challenge)):
            self.assertIn("(English below)", text)
            self.assertLess(text.index("für dieses Postfach"), text.index("for an S/MIME certificate"))
            self.assertIn(self.server.url, text)
            self.assertIn(address, text)
        notice = lab.maildir_wait(self.mail.maildir(address), lambda mail: mail["From"] == "acme-notice@ca.test")
        self.check_dkim(notice)
        message = self.parsed(notice)
        self.assertEqual(message["Subject"], "Ein S/MIME-Zertifikat für Ihr Postfach wurde ausgestellt / "
                                             "An S/MIME certificate was issued for your mailbox")
        self.assertEqual((message["Auto-Submitted"], message["To"]), ("auto-generated", address))
        self.assertEqual(message["Return-Path"], "<>")
        serial = f"{leaf.serial_number:X}"
        for text in self.texts(message):
            self.assertIn(serial, text.replace(serial.zfill(len(serial) + len(serial) % 2), serial))
            self.assertIn(leaf.not_valid_after.date().isoformat(), text)
            self.assertIn(address, text)
        with self.assertRaises(Exception) as refused:  # nothing is read there
            lab.submit(HOST, self.server.smtp, "", "acme-notice@ca.test", b"Subject: x\r\n\r\nx\r\n")
        self.assertIn("550", str(refused.exception))


class OwnTexts(MailCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = pathlib.Path(folder.name) / "fr.txt"
        cls.file.write_text((SOURCE / "mime/texts/en.txt").read_text().replace("Hello,", "Bonjour à vous,"))
        cls.settings = {"mail": {"language": "fr en", "texts": folder.name, "format": "plain"}}
        super().setUpClass()

    def test_texts_of_the_operator(self):
        order = self.user.new_order("ann@user.test")
        challenge = self.user.authorization(order)["challenges"][0]
        message = self.parsed(signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge))
        self.assertEqual((message.get_content_type(), message.get_content_charset()), ("text/plain", "utf-8"))
        text = message.get_content()
        self.assertLess(text.index("Bonjour à vous,"), text.index("Hello,"))

    def test_texts_are_checked(self):
        file, good = self.file, self.file.read_text()
        self.addCleanup(file.write_text, good)
        for find, put, words_of_error in [
                ("{address}", "{adress}", "is no place"), ("    {address}", "", "lacks {address}"),
                ("Bonjour", "-----BEGIN ACME RESPONSE-----", "a mark of an ACME block"), ("= expiry\n", "= end\n", "no section")]:
            file.write_text(good.replace(find, put))
            status, text = self.server.check()
            self.assertNotEqual(status, 0)
            self.assertRegex(text, rf"\[mail\] language: fr: .*{re.escape(words_of_error)}")
        file.write_text(good)
        self.assertEqual(self.server.check(), (0, ""))
        for language, error in [("it", "is not built in"), ("../en", "is no language"), ("en de en de en", "more than 4")]:
            self.server.config["mail"]["language"] = language
            self.server.write_config()
            status, text = self.server.check()
            self.assertIn(error, text)
            self.assertNotEqual(status, 0)
        self.server.config["mail"]["language"] = "fr en"
        self.server.write_config()


class Authority:
    """A CA of somebody else: certificates for mail addresses."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another CA")])
        self.root = self.make(self.name, self.key, [(x509.BasicConstraints(True, None), True)])
        self.roots = folder / "another-root.pem"
        self.roots.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))

    def make(self, subject, key, extensions, days=30):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(),
                                          now - datetime.timedelta(days=2), now + datetime.timedelta(days=days))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, address, key=None, days=30):
        """Paths of the chain (leaf and root) and the key."""
        key = key or rsa.generate_private_key(65537, 2048)
        usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                               "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"], False)
        leaf = self.make(x509.Name([]), key, [
            (x509.SubjectAlternativeName([x509.RFC822Name(address)]), True),
            (x509.KeyUsage(digital_signature=True, **usage), True), (x509.BasicConstraints(False, None), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)], days)
        chain, path = self.folder / f"{address}-{days}.pem", self.folder / f"{address}-{days}.key"
        chain.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (leaf, self.root)))
        path.write_bytes(signet_lab.pem_key(key))
        return chain, path


class Signed(MailCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority(cls.lab.folder("authority"))
        chain, key = cls.authority.issue(FIXED)
        cls.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a name server that never answers
        cls.addClassCleanup(cls.silent.close)
        cls.silent.bind((HOST, 0))
        cls.server.config["dns"]["stub"] += f"; silent.test {HOST}@{cls.silent.getsockname()[1]}"
        cls.server.config["mail"].update({"smime-certificate": chain, "smime-key": key})
        cls.server.write_config()
        cls.server.stop()
        cls.server.start()
        cls.common = ["--directory", cls.server.url + "/directory", "--ca-file", cls.server.tls, "--mail", "maildir",
                      "--smtp", f"{HOST}:{cls.mail.port}", "--timeout", "300s"]

    def mail_for(self, address):
        order = self.user.new_order(address)
        challenge = self.user.authorization(order)["challenges"][0]
        self.assertEqual(challenge["from"], FIXED)
        found = lambda mail: mail["From"] == FIXED and mail["To"] == address
        return order, challenge, lab.maildir_wait(self.mail.maildir(re.sub(r"\+[^@]*", "", address)), found)

    def openssl(self, raw, *options):
        return subprocess.run(["openssl", "cms", "-verify", "-purpose", "smimesign", "-CAfile", self.authority.roots, *options],
                              input=raw, capture_output=True)

    def test_signature_and_header(self):
        """What was signed holds copies of the header, which the header repeats; so does the signed attribute."""
        _, _, mail = self.mail_for("ann+signed@user.test")
        self.check_dkim(mail)
        message = self.parsed(mail)
        self.assertEqual((message.get_content_type(), message.get_param("protocol"), message.get_param("micalg")),
                         ("multipart/signed", "application/pkcs7-signature", "sha-256"))
        self.assertRegex(message["Reply-To"], r"^acme-challenge\+[a-z0-5]{35}@ca\.test$")
        done = self.openssl(mail.raw)
        self.assertEqual(done.returncode, 0, done.stderr)
        signed = email.message_from_bytes(done.stdout, policy=email.policy.default)
        self.assertEqual(signed.get_param("hp"), "clear")
        for name in ("From", "Reply-To", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"):
            self.assertEqual(signed.get_all(name), message.get_all(name))
        self.texts(signed)
        printed = subprocess.run(["openssl", "cms", "-cmsout", "-print"], input=mail.raw, capture_output=True)
        self.assertIn(b"1.2.840.113549.1.9.16.2.55", printed.stdout)
        changed = mail.raw.replace(b"hp=\"clear\"", b"hp=\"cleax\"")
        self.assertNotEqual(self.openssl(changed).returncode, 0)

    def test_reply_to_the_one_address(self):
        """Some clients ignore Reply-To: the token alone says which challenge is answered."""
        address = "ann+fixed@user.test"
        order, challenge, mail = self.mail_for(address)
        self.mail_for("ann+another@user.test")
        digest = signet_lab.digest(self.user, signet_lab.token_part1(mail.message), challenge["token"])
        reply = signet_lab.reply_to(mail.message, address, digest, To=FIXED)
        lab.submit(HOST, self.mail.port, address, FIXED, reply.as_bytes())
        self.user.respond(challenge)
        self.user.poll(order["url"], lambda o: o["status"] == "ready")
        self.user.finalize(order, make_csr(new_key(), address))
        self.user.certificate(order)

    def test_without_a_token(self):
        """Taken while a challenge is open, and forgotten."""
        self.mail_for("ann+open@user.test")
        lab.submit(HOST, self.server.smtp, "ann@user.test", FIXED, b"From: ann@user.test\r\nSubject: hello\r\n\r\nhello\r\n")
        self.lab.wait_for(lambda: "no challenge has the token" in self.server.log(), "the mail to be dropped")
        self.lab.wait_for(lambda: self.server.query("SELECT count(*) FROM stray") == [(0,)], "its end in the store")

    def test_without_a_token_and_signed(self):
        """Such mail costs no question in the DNS: a stranger's slow name server keeps no place from others."""
        self.mail_for("ann+signed@user.test")
        mail = signet_lab.dkim_sign(b"From: eve@silent.test\r\nSubject: ACME: x\r\n\r\nhello\r\n",
                                    lab.DkimKey("silent.test", "s1"))
        lab.submit(HOST, self.server.smtp, "eve@silent.test", FIXED, mail)
        self.lab.wait_for(lambda: re.search("mail dropped.*from=eve@silent.test", self.server.log()), "the mail to be dropped")
        self.silent.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.silent.recv(512)

    def start(self, address, out, *options):
        folder = self.lab.folder(out)
        for box in ("new", "cur", "tmp"):
            (self.mail.maildir(address) / box).mkdir(exist_ok=True)
            shutil.chown(self.mail.maildir(address) / box, "nobody", "nogroup")
        return self.lab.spawn(out, [signet_lab.BUILD / "signet", "request", address, *self.common, "--out", folder, "--account-key",
                                    folder / "account.key", "--maildir", self.mail.maildir(address), *options])

    def test_program(self):
        """signet checks the challenge and signs its reply."""
        chain, key = self.authority.issue("bob@user.test")
        client = self.start("bob@user.test", "program", "--challenge-ca", self.authority.roots, "--smime-certificate", chain,
                            "--smime-key", key)
        self.lab.wait_for(lambda: not client.alive(), "the certificate", 2 * lab.DEADLINE)
        self.assertEqual(client.status(), 0, client.text())
        [raw] = [row[0] for row in self.server.query(
            "SELECT r.octets FROM message m JOIN raw r ON r.id = m.raw_id WHERE m.direction = 'in' AND"
            " m.reverse_path = 'bob@user.test'")]
        self.assertEqual(self.openssl(raw).returncode, 0)
        serial, = self.server.query("SELECT serial FROM certificate ORDER BY id DESC LIMIT 1")[0]
        shown, failed = self.server.evidence(serial.hex())
        self.assertLessEqual(failed, {"audit log"}, shown)

    def test_program_with_other_roots(self):
        other, begun = Authority(self.lab.folder("other-authority")), int(time.time() * 1000)
        client = self.start("ann@user.test", "other-roots", "--challenge-ca", other.roots)
        self.lab.wait_for(lambda: "not trusted" in client.text(), "the mail to be ignored")
        self.assertNotEqual(client.stop(), 0)
        self.assertEqual(self.server.query("SELECT count(*) FROM message WHERE reverse_path = 'ann@user.test'"
                                           " AND direction = 'in' AND at > ?", begun), [(0,)])

    def test_checked_at_start(self):
        """A certificate that clients would refuse is refused here."""
        mail = self.server.config["mail"]
        before = dict(mail)
        chain, key = mail["smime-certificate"], mail["smime-key"]
        other_chain, other_key = self.authority.issue("other@ca.test")
        old_chain, old_key = self.authority.issue(FIXED, days=-1)
        for values, error in [((other_chain, other_key), r"smime-certificate: the first mail address .* \(it signs for "),
                              ((old_chain, old_key), "smime-certificate: the certificate is not valid"),
                              ((chain, other_key), "smime-key: is not the key of the certificate"),
                              ((key, key), "smime-certificate: holds no certificates"),
                              ((chain, None), "smime-key: given only one")]:
            mail.update({name: value for name, value in zip(("smime-certificate", "smime-key"), values)})
            if values[1] is None:
                del mail["smime-key"]
            self.server.write_config()
            status, text = self.server.check()
            self.assertNotEqual(status, 0)
            self.assertRegex(text, r"\[mail\] " + error)
        mail.update(before)
        self.server.write_config()
        self.assertEqual(self.server.check(), (0, ""))


if __name__ == "__main__":
    unittest.main()
