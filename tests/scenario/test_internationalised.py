# SPDX-License-Identifier: Apache-2.0
"""Addresses beyond ASCII from the order to the certificate: U-labels and A-labels, local parts in UTF-8, through a
Postfix that speaks SMTPUTF8 and one that does not (RFC 6531, 6532, 8616, 9598; security 2, 14; ca-rules 26)."""

import email.utils
import re
import shutil
import subprocess
import unicodedata
import unittest

import dkim
import lab
import signet_lab
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID, ObjectIdentifier
from signet_lab import AcmeUser, Signetd, new_key

HOST = lab.HOST
IDN, A_LABEL = "bücher.test", "xn--bcher-kva.test"
FORBIDDEN, FORBIDDEN_A_LABEL = "straße.test", "xn--strae-oqa.test"
ANNA, USER = "анна", "用户"
SELECTOR, SELECTOR_A_LABEL = "ключ", "xn--j1ac0b1a"
SMTP_UTF8_MAILBOX = ObjectIdentifier("1.3.6.1.5.5.7.8.9")


def problem(name):
    return "urn:ietf:params:acme:error:" + name


def utf8_string(text):
    octets = text.encode()
    assert len(octets) < 128
    return bytes([0x0C, len(octets)]) + octets


def utf8_name(address):
    return x509.OtherName(SMTP_UTF8_MAILBOX, utf8_string(address))


def name_of(address):
    """The GeneralName that RFC 9598 asks for."""
    return x509.RFC822Name(address) if address.isascii() else utf8_name(address)


def request(names, subject=None):
    """A request in DER for these GeneralNames."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
    return (x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
            .add_extension(x509.SubjectAlternativeName(names), False)
            .sign(new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def raw_field(raw, name):
    """The one field of that name in a message, as it stands (unfolded octets)."""
    header = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n\t", b"\t").replace(b"\n ", b" ")
    found = [line.partition(b":")[2].strip() for line in header.split(b"\n")
             if line.partition(b":")[0].lower() == name.lower().encode()]
    assert len(found) == 1, found
    return found[0]


class Internationalised(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        port = cls.lab.free_port()
        cls.key = lab.DkimKey(A_LABEL, "s1")
        text = cls.key.text()
        mailboxes = {"user.test": ["ann"], A_LABEL: ["ann", ANNA, USER, "jörg"], FORBIDDEN_A_LABEL: ["ann"]}
        routes = {"ca.test": f"{HOST}:{port}"}
        cls.milter = lab.OpenDKIM(cls.lab, [cls.key])
        cls.mail = lab.Postfix(cls.lab, mailboxes, routes, milter=cls.milter)
        cls.plain_mail = lab.Postfix(cls.lab, mailboxes, routes, settings={"smtputf8_enable": "no"})
        permit = ("@", "CAA", '0 issuemail "ca.test"')
        cls.zones = lab.SignedZones(cls.lab, {
            "user.test": [("s1._domainkey", "TXT", text), permit],
            A_LABEL: [("s1._domainkey", "TXT", text), (f"{SELECTOR_A_LABEL}._domainkey", "TXT", text), permit],
            FORBIDDEN_A_LABEL: [("s1._domainkey", "TXT", text), ("@", "CAA", '0 issuemail ";"')],
            "ca.test": []})
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones, start=False)
        cls.server.smtp, cls.server.config["mail"]["listen"] = port, f"{HOST}:{port}"
        cls.server.write_config()
        cls.server.start()
        cls.zones.add("ca.test", cls.server.dkim.record())
        cls.user = AcmeUser(cls.server)

    # --- steps ---

    def order(self, *addresses, user=None):
        """A new order whose resources show the identifiers as they were sent, and its challenges."""
        user = user or self.user
        order = user.new_order(*addresses)
        authorizations = [user.get(url) for url in order["authorizations"]]
        for shown in ([i["value"] for i in order["identifiers"]],
                      [a["identifier"]["value"] for a in authorizations]):
            self.assertEqual(shown, list(addresses))
        return order, [a["challenges"][0] for a in authorizations]

    def mail_for(self, mailbox, challenge, postfix=None):
        return signet_lab.challenge_mail((postfix or self.mail).maildir(mailbox), challenge)

    def reply(self, challenge, mail, sender, display=""):
        """A reply in raw UTF-8, unsigned."""
        digest = signet_lab.digest(self.user, signet_lab.token_part1(mail.message), challenge["token"])
        shown = f"{display} <{sender}>" if display else sender
        return (f"From: {shown}\r\nTo: {challenge['from']}\r\nSubject: Re: {mail.message['Subject']}\r\n"
                f"Date: {email.utils.formatdate()}\r\nMessage-ID: {email.utils.make_msgid(domain='user.test')}\r\n"
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: 8bit\r\n\r\nДа:\r\n"
                f"-----BEGIN ACME RESPONSE-----\r\n{digest}\r\n-----END ACME RESPONSE-----\r\n").encode()

    def signed(self, raw, domain=A_LABEL, selector="s1", **tags):
        return signet_lab.dkim_sign(raw, self.key, domain=domain, selector=selector, tags=tags)

    def send(self, sender, challenge, raw):
        """Through Postfix, which hands it on with SMTPUTF8 where the sender needs it."""
        lab.submit(HOST, self.mail.port, sender, challenge["from"], raw)

    def prove(self, order, challenges, *answers):
        """answers: for each challenge its mailbox, From, and what signed() takes."""
        for (mailbox, sender, options), challenge, url in zip(answers, challenges, order["authorizations"]):
            mail = self.mail_for(mailbox, challenge)
            self.user.respond(challenge)
            self.send(sender, challenge, self.signed(self.reply(challenge, mail, sender), **options))
            done = self.user.poll(url, lambda a: a["status"] != "pending")
            self.assertEqual(done["status"], "valid", done)

    def issue(self, order, csr):
        self.user.finalize(order, csr)
        return self.user.certificate(order)[0]

    def names_in(self, leaf):
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(names)

    # --- tests ---

    def test_ascii_local_part(self):
        """U-label or A-label, in the order, in the reply and in its signature: one mailbox, one certificate."""
        cases = ((f"ann@{IDN}", f"ann@{IDN}", {"domain": IDN}),
                 (f"ann@{IDN}", f"Ann@{A_LABEL}", {}),
                 ("Ann+x@BÜCHER.test", f"ann+x@{IDN}", {}),
                 (f"ann@{A_LABEL}", f"ann@{IDN}", {"domain": IDN, "selector": SELECTOR, "i": f"ann@{A_LABEL}"}),
                 (f"ann@{A_LABEL}", f"ann@{A_LABEL}", {"domain": A_LABEL, "i": f"{ANNA}@{IDN}"}))
        for ordered, sender, options in cases:
            with self.subTest(f"{ordered} from {sender}"):
                order, (challenge,) = self.order(ordered)
                mail = self.mail_for(f"ann@{A_LABEL}", challenge)
                local = ordered.partition("@")[0]
                self.assertEqual(raw_field(mail.raw, "To").decode(), f"{local}@{A_LABEL}")
                self.assertTrue(mail.raw.isascii())  # needs no SMTPUTF8
                self.prove(order, [challenge], (f"ann@{A_LABEL}", sender, options))
                leaf = self.issue(order, request([x509.RFC822Name(f"{local}@{A_LABEL}")]))
                self.assertEqual(self.names_in(leaf), [x509.RFC822Name(f"{local}@{A_LABEL}")])

    def check_mail(self, mail, identifier):
        """The challenge mail to a local part beyond ASCII."""
        self.assertEqual(raw_field(mail.raw, "To").decode(), identifier)
        self.assertTrue(raw_field(mail.raw, "From").isascii())
        self.assertIn(b"with UTF8SMTP", mail.raw)
        self.assertTrue(mail.raw.partition(b"\n\n")[2].isascii())
        for part in mail.message.iter_parts():
            self.assertIn(identifier, part.get_content())
        # Without what Postfix put on top: Return-Path, Delivered-To, Received
        raw = mail.raw[mail.raw.index(b"DKIM-Signature:"):].replace(b"\n", b"\r\n")
        self.assertTrue(dkim.verify(raw, dnsfunc=self.zones.dkimpy))

    def check_certificate(self, leaf, address):
        """What python3-cryptography and OpenSSL read."""
        self.assertEqual(self.names_in(leaf), [utf8_name(address)])
        self.assertEqual([a.value for a in leaf.subject], [address])
        path = self.lab.folder("leaf") / "leaf.pem"
        path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        shown = self.lab.run("openssl", "x509", "-in", path, "-noout", "-ext", "subjectAltName", "-checkemail", address)
        self.assertIn(f"othername: SmtpUTF8Mailbox:{address}", shown.replace("::", ":"))
        self.assertRegex(shown, "(?i)does match certificate")
        chain = self.server.folder / "ca"
        self.lab.run("openssl", "verify", "-CAfile", chain / "root.pem", "-untrusted", chain / "issuing.pem",
                     "-purpose", "smimesign", "-verify_email", address, path)

    def test_utf8_local_part(self):
        cases = (
            (f"{ANNA}@{IDN}", ANNA, f"{ANNA}@{IDN}", {"domain": IDN, "selector": SELECTOR, "i": f"{ANNA}@{IDN}"}, {}),
            # A U-label in SmtpUTF8Mailbox is RFC 8398's form
            (f"{USER}@{A_LABEL}", USER, f"{USER}@{IDN}", {"domain": IDN}, {"names": [utf8_name(f"{USER}@{IDN}")]}),
            (f"jörg+Liste@{IDN}", "jörg", f"jörg+liste@{A_LABEL}", {},
             {"subject": f"jörg+Liste@{IDN}"}))
        for ordered, mailbox, sender, options, csr in cases:
            with self.subTest(ordered):
                order, (challenge,) = self.order(ordered)
                mail = self.mail_for(f"{mailbox}@{A_LABEL}", challenge)
                self.check_mail(mail, ordered)
                self.prove(order, [challenge], (f"{mailbox}@{A_LABEL}", sender, options))
                address = ordered.partition("@")[0] + "@" + A_LABEL
                leaf = self.issue(order, request(**{"names": [utf8_name(address)], **csr}))
                self.check_certificate(leaf, address)
                shown, failed = self.server.evidence(leaf)
                self.assertLessEqual(failed, {"audit log"}, shown)

    def test_display_name(self):
        order, (challenge,) = self.order(f"{ANNA}@{IDN}")
        mail = self.mail_for(f"{ANNA}@{A_LABEL}", challenge)
        raw = self.reply(challenge, mail, f"{ANNA}@{IDN}", display="Анна Ж.")
        self.user.respond(challenge)
        self.send(f"{ANNA}@{IDN}", challenge, self.signed(raw))
        self.assertEqual(self.user.poll(challenge["url"], lambda c: c["status"] != "processing")["status"], "valid")

    def test_one_of_each(self):
        addresses = ["ann@user.test", f"{ANNA}@{IDN}"]
        order, challenges = self.order(*addresses)
        self.prove(order, challenges, ("ann@user.test", "ann@user.test", {"domain": "user.test"}),
                   (f"{ANNA}@{A_LABEL}", f"{ANNA}@{IDN}", {}))
        certified = ["ann@user.test", f"{ANNA}@{A_LABEL}"]
        with self.assertRaises(messages.Error) as caught:
            self.user.finalize(order, request([x509.RFC822Name("ann@user.test")]))
        self.assertEqual(caught.exception.typ, problem("badCSR"))
        leaf = self.issue(order, request([name_of(address) for address in reversed(certified)]))
        self.assertEqual(self.names_in(leaf), [name_of(address) for address in certified])

    def test_request_in_another_form(self):
        """rfc822Name cannot hold the address, and SmtpUTF8Mailbox is for no other (RFC 9598 section 3)."""
        order, challenges = self.order(f"{ANNA}@{IDN}", "ann@user.test")
        self.prove(order, challenges, (f"{ANNA}@{A_LABEL}", f"{ANNA}@{IDN}", {}),
                   ("ann@user.test", "ann@user.test", {"domain": "user.test"}))
        right = [utf8_name(f"{ANNA}@{A_LABEL}"), x509.RFC822Name("ann@user.test")]
        other = unicodedata.normalize("NFD", f"йнна@{A_LABEL}")
        for names in ([utf8_name(f"{ANNA}@{A_LABEL}"), utf8_name("ann@user.test")],
                      [*right, utf8_name(f"{ANNA}@{IDN}")], [*right, utf8_name(other)],
                      [utf8_name(f"Анна@{A_LABEL}"), right[1]],
                      [x509.OtherName(SMTP_UTF8_MAILBOX, b"\x16" + utf8_string(f"{ANNA}@{A_LABEL}")[1:]), right[1]]):
            with self.subTest(str(names)), self.assertRaises(messages.Error) as caught:
                self.user.finalize(order, request(names))
            self.assertEqual(caught.exception.typ, problem("badCSR"))
        self.assertEqual(self.names_in(self.issue(order, request(right))), right)

    def test_relay_without_smtputf8(self):
        """A clear end at once for the address that the relay cannot take, and mail as ever for the others."""
        server = Signetd(self.lab, relay=f"{HOST}:{self.plain_mail.port}", zones=self.zones, name="plain")
        user = AcmeUser(server)
        order, (challenge, other) = self.order(f"{ANNA}@{IDN}", f"ann@{IDN}", user=user)
        self.mail_for(f"ann@{A_LABEL}", other, self.plain_mail)
        found = user.poll(challenge["url"], lambda c: c["status"] == "invalid")
        self.assertEqual(found["error"]["type"], problem("connection"))
        self.assertIn("SMTPUTF8", found["error"]["detail"])
        self.assertIn(f"{ANNA}@{IDN}", found["error"]["detail"])
        self.assertEqual(user.get(order["url"])["status"], "invalid")
        self.assertEqual(lab.maildir_list(self.plain_mail.maildir(f"{ANNA}@{A_LABEL}")), [])
        server.stop()

    def test_refused(self):
        decomposed = unicodedata.normalize("NFD", f"jörg@{A_LABEL}")
        for address, words in ((decomposed, "normalization form C"), (f"{ANNA}\u202e@{IDN}", "control character"),
                               (f"{ANNA}\u200d@{IDN}", "control character"), (f"{ANNA}\u3164@{IDN}", "invisible"),
                               (f"{ANNA}\ue000@{IDN}", "without a meaning"), (f"{ANNA * 9}@{IDN}", "64 octets"),
                               (f"{ANNA}@bü\u200bcher.test", "control character")):
            with self.subTest(address.encode("unicode-escape")), self.assertRaises(messages.Error) as caught:
                self.user.new_order(address)
            self.assertEqual(caught.exception.typ, problem("rejectedIdentifier"))
            self.assertIn(words, caught.exception.detail)

    def test_twins(self):
        """U-label, A-label and ASCII case make no second mailbox; case beyond ASCII does."""
        for twins in ((f"ann@{IDN}", f"ann@{A_LABEL}"), (f"{ANNA}@{IDN}", f"{ANNA}@{A_LABEL}"),
                      (f"{ANNA}+a@{IDN}", f"{ANNA}+A@BÜCHER.test"),
                      (f"ann@{unicodedata.normalize('NFD', IDN)}", f"ann@{IDN}")):
            with self.subTest(twins), self.assertRaises(messages.Error) as caught:
                self.user.new_order(*twins)
            self.assertEqual(caught.exception.typ, problem("malformed"))
            self.assertIn("ordered twice", caught.exception.detail)
        self.assertEqual(len(self.user.new_order(f"{ANNA}@{IDN}", f"Анна@{IDN}")["authorizations"]), 2)

    def test_reply_of_another(self):
        """Addresses that look alike, and signatures of names that look alike, prove nothing."""
        order, (challenge,) = self.order(f"jörg@{IDN}")
        mail = self.mail_for(f"jörg@{A_LABEL}", challenge)
        self.user.respond(challenge)
        decomposed = unicodedata.normalize("NFD", "jörg")
        for sender, options, words in ((f"{decomposed}@{IDN}", {}, "normalization form C"),
                                       (f"jоrg@{IDN}", {}, "it comes from"),
                                       (f"jörg@{IDN}", {"domain": "büсher.test"}, "which must be " + A_LABEL),
                                       (f"jörg@{IDN}", {"selector": "нет"}, "no key record")):
            raw = self.signed(self.reply(challenge, mail, sender), **options)
            before = len(self.user.get(challenge["url"]).get("error", {}).get("subproblems", []))
            lab.submit(HOST, self.server.smtp, f"jörg@{IDN}", challenge["from"], raw)
            found = self.user.poll(challenge["url"],
                                   lambda c: len(c.get("error", {}).get("subproblems", [])) > before)
            self.assertEqual(found["status"], "processing")
            self.assertIn(words, found["error"]["subproblems"][-1]["detail"])
        self.send(f"jörg@{IDN}", challenge, self.signed(self.reply(challenge, mail, f"jörg@{IDN}")))
        done = self.user.poll(challenge["url"], lambda c: c["status"] != "processing")
        self.assertEqual(done["status"], "valid")

    def test_caa(self):
        """The record stands at the A-label."""
        for address in (f"ann@{FORBIDDEN}", f"ann@{FORBIDDEN_A_LABEL}"):
            with self.subTest(address):
                order, (challenge,) = self.order(address)
                self.prove(order, [challenge], (f"ann@{FORBIDDEN_A_LABEL}", address, {"domain": FORBIDDEN}))
                self.user.finalize(order, request([x509.RFC822Name(f"ann@{FORBIDDEN_A_LABEL}")]))
                order = self.user.poll(order["url"], lambda o: o["status"] != "processing")
                self.assertEqual((order["status"], order["error"]["type"]), ("invalid", problem("caa")))
                self.assertIn(FORBIDDEN_A_LABEL, order["error"]["detail"])

    def signet(self, address, postfix, name):
        """signet request, which finds the mail in the maildir and replies through a Postfix; (process, folder)."""
        maildir, out = self.mail.maildir(address), self.lab.path / name
        for box in ("new", "cur", "tmp"):
            (maildir / box).mkdir(exist_ok=True)
            shutil.chown(maildir / box, "nobody", "nogroup")
        local = address.partition("@")[0]
        return subprocess.run(
            [signet_lab.BUILD / "signet", "request", f"{local}@{IDN}", "--directory", self.server.url + "/directory",
             "--ca-file", self.server.tls, "--account-key", out.with_suffix(".account"), "--out", out,
             "--mail", "maildir", "--maildir", maildir, "--smtp", f"{HOST}:{postfix.port}", "--timeout", "300s"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400), out

    def test_program(self):
        """OpenDKIM signs the reply."""
        done, out = self.signet(f"{ANNA}@{A_LABEL}", self.mail, "program")
        self.assertEqual(done.returncode, 0, done.stderr)
        leaf = x509.load_pem_x509_certificate((out / f"{ANNA}.pem").read_bytes())
        self.check_certificate(leaf, f"{ANNA}@{A_LABEL}")

    def test_program_without_smtputf8(self):
        """Its mail server is not even told the address."""
        before = len(self.plain_mail.text())
        done, _ = self.signet(f"{USER}@{A_LABEL}", self.plain_mail, "program-without")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("no SMTPUTF8", done.stderr)
        found = self.lab.wait_for(lambda: re.search(r"disconnect from .*", self.plain_mail.text()[before:]),
                                  "the session to end")
        self.assertIn("ehlo=1", found.group())
        self.assertNotIn("mail=", found.group())


if __name__ == "__main__":
    unittest.main()
