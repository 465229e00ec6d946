# SPDX-License-Identifier: Apache-2.0
"""Certificates obtained as they are in the world: challenge and reply travel through a real Postfix with OpenDKIM,
keys and CAA come from a DNSSEC-signed zone with its own trust anchor, the user is Debian's python3-acme or our own
program signet. What comes out is examined by others: dkimpy, libopendkim, python3-cryptography, openssl."""

import datetime
import email.policy
import email.utils
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import dkim
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

import lab
import signet_lab
from signet_lab import AcmeUser, Signetd, make_csr, messages, new_key

HOST = lab.HOST
ORACLE = pathlib.Path(__file__).parent.parent / "oracle"
STRICT = "2.23.140.1.5.1.3"
# interop 13, byte for byte
SIGNED_NAMES = ("h=from:auto-submitted:date:message-id:subject:to:\r\n\t"
                "sender:reply-to:cc:in-reply-to:references:content-type:\r\n\tcontent-transfer-encoding;")
TOKEN = "[A-Za-z0-9_-]{32}"


def fetch(url):
    """(body, Content-Type) of a plain HTTP resource."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read(), answer.headers["Content-Type"]


def crl_url(certificate):
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return points[0].full_name[0].value


def crl_of(certificate):
    data, kind = fetch(crl_url(certificate))
    assert kind == "application/pkix-crl", kind
    return x509.load_der_x509_crl(data)


def crl_number(crl):
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


def spki(thing):
    return thing.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def header_fields(raw):
    """[(name, value)] of the header of octets with LF or CRLF, unfolded by the line ends only."""
    text = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("ascii")
    return [tuple(field.split(": ", 1)) for field in re.split(r"\n(?![ \t])", text)]


class IssuanceCase(lab.SharedLabCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = keys = [lab.DkimKey("user.test", "s1"), lab.DkimKey("example.test", "k")]
        cls.zones = lab.SignedZones(cls.lab, {
            "user.test": [keys[0].record(), ("@", "CAA", '0 issuemail "ca.test"')],
            "example.test": [keys[1].record(), ("@", "CAA", '0 issue ";"')]})
        signer = lab.OpenDKIM(cls.lab, keys)
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann", "bob"], "example.test": ["ann"]}, milter=signer)
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones, settings=cls.settings,
                             start=False)
        issuing = cls.server.folder / "ca/issuing.pem"  # words that no client gets (RFC 8555 section 9.1)
        issuing.write_bytes(b"The issuing CA:\n" + issuing.read_bytes() + b"made today\n")
        cls.server.start()
        cls.mail.route("ca.test", f"{HOST}:{cls.server.smtp}")
        cls.user = AcmeUser(cls.server)

    def answer_mail(self, user, challenge, address):
        """The user's mail program: waits for the challenge, replies through Postfix, which has OpenDKIM sign."""
        mailbox = re.sub(r"\+[^@]*", "", address).lower()
        mail = signet_lab.challenge_mail(self.mail.maildir(mailbox), challenge)
        digest = signet_lab.digest(user, signet_lab.token_part1(mail.message), challenge["token"])
        reply = signet_lab.reply_to(mail.message, address, digest)
        lab.submit(HOST, self.mail.port, address, mail.message["Reply-To"], reply.as_bytes())
        return mail

    def prove(self, user, order, post_first=False):
        for index in range(len(order["authorizations"])):
            authorization = user.authorization(order, index)
            challenge = authorization["challenges"][0]
            if post_first:
                self.assertEqual(user.respond(challenge)["status"], "processing")
            self.answer_mail(user, challenge, authorization["identifier"]["value"])
            if not post_first:
                user.respond(challenge)
        order = user.poll(order["url"], lambda o: o["status"] != "pending")
        self.assertEqual(order["status"], "ready", order)

    def obtain(self, user, *addresses, key=None, usage=None, post_first=False):
        """The chain for addresses; the order, with its url, is left in self.order."""
        self.order = user.new_order(*addresses)
        self.prove(user, self.order, post_first)
        self.assertIn(user.finalize(self.order, make_csr(key or new_key(), *addresses, usage=usage))["status"],
                      ("processing", "valid"))
        chain = user.certificate(self.order)
        self.examine(chain, addresses, usage)
        return chain

    # --- what every certificate must be

    def examine(self, chain, addresses, usage=None):
        """ca-rules 18a-28."""
        self.assertEqual(len(chain), 2)  # interop 31
        leaf, issuer = chain
        self.examine_leaf(leaf, issuer, addresses)
        self.examine_usage(leaf, usage)
        self.examine_issuer(issuer)
        self.verify_by_openssl(leaf, issuer)

    def examine_leaf(self, leaf, issuer, addresses):
        self.assertEqual(leaf.version, x509.Version.v3)
        self.assertTrue(2 ** 127 < leaf.serial_number < 2 ** 159)
        length = leaf.not_valid_after - leaf.not_valid_before
        self.assertEqual(length, datetime.timedelta(days=365) - datetime.timedelta(seconds=1))
        self.assertLessEqual(leaf.not_valid_after, issuer.not_valid_after)
        self.assertLess(leaf.not_valid_before, datetime.datetime.utcnow())
        self.assertEqual(leaf.issuer.public_bytes(), issuer.subject.public_bytes())
        self.assertIsInstance(leaf.signature_hash_algorithm, hashes.SHA256)
        issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
        extensions = {extension.oid: extension for extension in leaf.extensions}
        self.assertLessEqual(set(extensions), {
            ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.CERTIFICATE_POLICIES,
            ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
            ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.SUBJECT_KEY_IDENTIFIER})
        policies = extensions[ExtensionOID.CERTIFICATE_POLICIES]
        self.assertEqual([policy.policy_identifier.dotted_string for policy in policies.value], [STRICT])
        points = extensions[ExtensionOID.CRL_DISTRIBUTION_POINTS]
        self.assertFalse(points.critical)
        self.assertEqual([name.value[:7] for point in points.value for name in point.full_name], ["http://"])
        access = extensions[ExtensionOID.AUTHORITY_INFORMATION_ACCESS]
        self.assertFalse(access.critical)
        self.assertEqual([entry.access_method for entry in access.value], [AuthorityInformationAccessOID.CA_ISSUERS])
        if ExtensionOID.BASIC_CONSTRAINTS in extensions:
            basic = extensions[ExtensionOID.BASIC_CONSTRAINTS].value
            self.assertEqual((basic.ca, basic.path_length), (False, None))
        authority = extensions[ExtensionOID.AUTHORITY_KEY_IDENTIFIER]
        issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        self.assertEqual((authority.critical, authority.value.key_identifier), (False, issuer_id))
        self.assertIsNone(authority.value.authority_cert_issuer)
        self.assertFalse(extensions[ExtensionOID.SUBJECT_KEY_IDENTIFIER].critical)
        purposes = extensions[ExtensionOID.EXTENDED_KEY_USAGE]
        self.assertEqual(list(purposes.value), [ExtendedKeyUsageOID.EMAIL_PROTECTION])
        names = extensions[ExtensionOID.SUBJECT_ALTERNATIVE_NAME]
        self.assertEqual([(type(name), name.value) for name in names.value],
                         [(x509.RFC822Name, address) for address in addresses])
        self.assertEqual(names.critical, len(leaf.subject) == 0)
        for attribute in leaf.subject:
            self.assertEqual((attribute.oid, attribute.value), (NameOID.COMMON_NAME, addresses[0]))

    def examine_usage(self, leaf, usage):
        found = leaf.extensions.get_extension_for_class(x509.KeyUsage)
        self.assertTrue(found.critical)
        encrypt = "key_encipherment" if isinstance(leaf.public_key(), rsa.RSAPublicKey) else "key_agreement"
        wanted = {"digital_signature", encrypt} if usage is None else set()
        for name in usage or ():
            wanted.add(encrypt if name in ("key_encipherment", "key_agreement") else name)
        fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                  "key_agreement", "key_cert_sign", "crl_sign")
        self.assertEqual({field for field in fields if getattr(found.value, field)}, wanted)

    def examine_issuer(self, issuer):
        """ca-rules 18a."""
        extension = issuer.extensions.get_extension_for_class
        basic, usage = extension(x509.BasicConstraints), extension(x509.KeyUsage)
        self.assertEqual((basic.critical, basic.value.ca, basic.value.path_length), (True, True, 0))
        self.assertTrue(usage.critical and usage.value.key_cert_sign and usage.value.crl_sign)
        purposes = extension(x509.ExtendedKeyUsage)
        self.assertEqual((purposes.critical, list(purposes.value)), (False, [ExtendedKeyUsageOID.EMAIL_PROTECTION]))
        self.assertIn(STRICT, [p.policy_identifier.dotted_string for p in extension(x509.CertificatePolicies).value])
        issuers, kind = fetch(extension(x509.AuthorityInformationAccess).value[0].access_location.value)
        self.assertEqual(kind, "application/pkix-cert")
        self.assertEqual(x509.load_der_x509_certificate(issuers), self.server.root())

    def verify_by_openssl(self, leaf, issuer, revoked=False):
        """With the lists that the certificates name; the issuer's certificate is the one that AIA names, too."""
        found, kind = fetch(leaf.extensions.get_extension_for_class(
            x509.AuthorityInformationAccess).value[0].access_location.value)
        self.assertEqual((x509.load_der_x509_certificate(found), kind), (issuer, "application/pkix-cert"))
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.lab.path))
        lists = [crl_of(leaf), crl_of(issuer)]
        for crl, signer in zip(lists, (issuer, self.server.root())):
            self.assertTrue(crl.is_signature_valid(signer.public_key()))
            self.assertLessEqual(crl.next_update - crl.last_update, datetime.timedelta(days=366))
        self.assertLessEqual(lists[0].next_update - lists[0].last_update, datetime.timedelta(days=10))
        for name, things in {"leaf": [leaf], "issuer": [issuer], "root": [self.server.root()], "crls": lists}.items():
            (folder / name).write_bytes(b"".join(pem(thing) for thing in things))
        done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "any", "-CAfile", folder / "root",
                               "-untrusted", folder / "issuer", "-CRLfile", folder / "crls", "-crl_check_all",
                               folder / "leaf"], capture_output=True, text=True)
        if revoked:
            self.assertIn("certificate revoked", done.stderr + done.stdout)
        else:
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)


class Mail(IssuanceCase):
    """interop 1-13 and what is kept."""

    def test_challenge_mail(self):
        address = "Ann+Mixed@user.test"
        order = self.user.new_order(address)
        authorization = self.user.authorization(order)
        self.assertEqual(authorization["identifier"], {"type": "email", "value": address})
        self.assertEqual(len(authorization["challenges"]), 1)
        challenge = authorization["challenges"][0]
        self.assertEqual(set(challenge), {"type", "url", "status", "token", "from"})
        self.assertEqual(challenge["type"], "email-reply-00")
        self.assertRegex(challenge["token"], f"^{TOKEN}$")
        self.assertRegex(challenge["from"], r"^acme-challenge\+[a-z0-5]{35}@ca\.test$")
        mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge)
        sent = self.sent(challenge)
        with self.subTest("the mail that was kept is the one that came"):
            came = mail.raw.replace(b"\n", b"\r\n")
            self.assertEqual(came[came.index(b"DKIM-Signature:"):], sent)
        with self.subTest("fields"):
            self.check_fields(sent, challenge, address)
        with self.subTest("signature"):
            self.check_signature(sent)
        with self.subTest("body"):
            body = sent.partition(b"\r\n\r\n")[2].decode("ascii")
            self.assertNotIn("-----BEGIN", body)
            self.assertIn(address, body)
            self.assertIn(self.server.url, body)
            self.assertNotIn(signet_lab.token_part1(mail.message), body)
            self.assertNotIn(challenge["token"], sent.decode())
        with self.subTest("dkimpy"):
            self.assertTrue(dkim.verify(mail.raw.replace(b"\n", b"\r\n"), dnsfunc=self.our_key))
            self.assertFalse(dkim.verify(sent.replace(b"mailbox", b"mallbox"), dnsfunc=self.our_key))
        with self.subTest("libopendkim"):
            self.check_by_opendkim(sent)

    def our_key(self, name, timeout=5):
        return self.server.dkim.text().encode() if name == b"signet._domainkey.ca.test." else None

    def sent(self, challenge):
        find = lambda: self.server.query(
            "SELECT r.octets FROM message m JOIN raw r ON r.id = m.raw_id JOIN challenge c ON c.id = m.challenge_id"
            " WHERE m.direction = 'out' AND c.mail_from = ?", challenge["from"])
        self.lab.wait_for(find, "the sent mail to be recorded")
        return find()[0][0]

    def check_fields(self, raw, challenge, address):
        fields = header_fields(raw)
        self.assertEqual([name for name, _ in fields], [
            "DKIM-Signature", "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
            "MIME-Version", "Content-Type", "Content-Transfer-Encoding"])
        values = dict(fields)
        self.assertEqual(values["From"], challenge["from"])
        self.assertEqual(values["Reply-To"], challenge["from"])
        self.assertEqual(values["To"], address)
        self.assertRegex(values["Subject"], f"^ACME: {TOKEN}$")
        self.assertEqual(values["Auto-Submitted"], "auto-generated; type=acme")
        self.assertEqual(values["MIME-Version"], "1.0")
        self.assertRegex(values["Content-Type"], r'^multipart/alternative;\s+boundary="=_[0-9a-f]{40}"$')
        self.assertRegex(values["Message-ID"], r"^<[a-z0-9]{26}@ca\.test>$")
        self.assertIsNotNone(email.utils.parsedate_to_datetime(values["Date"]))
        self.assertEqual(raw.count(b"\r"), raw.count(b"\r\n"))
        self.assertEqual(raw.count(b"\n"), raw.count(b"\r\n"))
        self.assertLessEqual(max(map(len, raw.split(b"\r\n"))), 78)

    def check_signature(self, raw):
        text = raw.decode()
        self.assertTrue(text.startswith("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=ca.test; s=signet;"))
        field = re.match(r"DKIM-Signature:[^\r]*(?:\r\n[ \t][^\r]*)*", text).group(0)
        self.assertIn(SIGNED_NAMES, field)
        self.assertNotRegex(field, r"[ \t]=|=[ \t]")
        self.assertFalse(field.endswith(";"))
        value = re.search(r"\tb=(.*)", field, re.S).group(1).split("\r\n\t")
        self.assertEqual([len(line) for line in value[:-1]], [70] * (len(value) - 1))
        self.assertEqual(len(re.findall("^DKIM-Signature:", text, re.M)), 1)

    def check_by_opendkim(self, raw):
        oracle = self.lab.path / "dkim_opendkim"
        self.lab.run("cc", "-o", oracle, ORACLE / "dkim_opendkim.c", "-lopendkim")
        question = f"signet._domainkey.ca.test={self.server.dkim.text()}"
        for message, verdict in ((raw, b"pass"), (raw.replace(b"mailbox", b"mallbox"), b"fail")):
            done = subprocess.run([oracle, question], input=message, check=True, capture_output=True)
            self.assertEqual(done.stdout.strip(), verdict)

    def test_when_the_mail_goes(self):
        """interop 4-6: not with the order; at the first read of the authorization or the POST; once."""
        read, posted, never = [self.user.new_order(f"bob+{n}@user.test") for n in ("read", "posted", "never")]
        urls = [self.server.query("SELECT c.id FROM challenge c JOIN authz a ON a.id = c.authz_id"
                                  " WHERE a.identifier = ?", f"bob+{n}@user.test")[0][0] for n in ("posted", "never")]
        posted_url, never_url = [f"{self.server.url}/challenge/{signet_lab.b64(id)}" for id in urls]
        self.user.get(never_url)  # POST-as-GET of a challenge triggers nothing
        first = self.user.authorization(read)["challenges"][0]
        second = self.user.post(posted_url, {}).json()
        self.assertEqual(self.user.authorization(read)["challenges"][0], first)
        self.user.respond(first)
        folder = self.mail.maildir("bob@user.test")
        for challenge in (first, second):
            signet_lab.challenge_mail(folder, challenge)
        self.user.authorization(posted)
        # a later mail has come: had there been more of the former ones they would be there
        last = self.user.authorization(self.user.new_order("bob+last@user.test"))["challenges"][0]
        signet_lab.challenge_mail(folder, last)
        came = [mail.message["From"] for mail in lab.maildir_list(folder)]
        self.assertEqual(sorted(came.count(c["from"]) for c in (first, second, last)), [1, 1, 1])
        self.assertNotIn(self.user.get(never_url)["from"], came)

    def sent_and_received(self, address):
        rows = self.server.query(
            "SELECT m.direction, r.octets, m.verdict, m.evidence, m.peer FROM message m JOIN raw r ON r.id = m.raw_id"
            " JOIN challenge c ON c.id = m.challenge_id JOIN authz a ON a.id = c.authz_id WHERE a.identifier = ?"
            " ORDER BY m.direction DESC", address)
        return rows if len(rows) > 1 else None

    def test_evidence(self):
        """ca-rules 6 and 11: what the store holds of an issuance."""
        address = "ann+evidence@user.test"
        leaf = self.obtain(self.user, address)[0]
        # The relay's answer may come after the reply.
        rows = self.lab.wait_for(lambda: self.sent_and_received(address), "both messages")
        self.assertEqual([row[0] for row in rows], ["out", "in"])
        self.assertIn(b"Subject: ACME: ", rows[0][1])
        self.assertTrue(rows[1][1].startswith(b"Received: "))
        self.assertIn(b"BEGIN ACME RESPONSE", rows[1][1])
        self.assertEqual((rows[1][2], rows[1][4]), ("passed", HOST))
        # result pass, d=, s=, and the record that was used, validated by DNSSEC
        self.assertRegex(rows[1][3], r"\[\(1, nothing, 'user\.test', 's1', 'rsa-sha256', \['from'[^]]*\],"
                                     r" 's1\._domainkey\.user\.test', 'v=DKIM1; k=rsa; p=[^']*', true,")
        domain, verdict, secure, records, csr, serial, der = self.server.query(
            "SELECT k.domain, k.verdict, k.secure, k.records, o.csr, t.serial, t.der FROM authz a"
            " JOIN orders o ON o.id = a.order_id JOIN caa_check k ON k.order_id = o.id"
            " JOIN certificate t ON t.order_id = o.id WHERE a.identifier = ?", address)[0]
        self.assertEqual((domain, verdict, secure, records), ("user.test", "permitted", 1, '0 issuemail "ca.test"'))
        self.assertEqual(spki(x509.load_der_x509_csr(csr)), spki(leaf))
        self.assertEqual(int.from_bytes(serial, "big"), leaf.serial_number)
        self.assertEqual(x509.load_der_x509_certificate(der), leaf)
        kinds = [kind for kind, in self.server.query("SELECT kind FROM audit ORDER BY number")]
        for kind in ("account created", "order created", "authorization created", "mail queued", "mail received",
                     "reply judged", "challenge valid", "caa checked", "signing", "issued"):
            self.assertIn(kind, kinds)
        self.assertLess(kinds.index("signing"), kinds.index("issued"))


class Client(IssuanceCase):
    """Debian's python3-acme."""

    def test_two_addresses_of_two_domains(self):
        self.obtain(self.user, "ann+two@user.test", "ann+two@example.test")
        checks = self.server.query("SELECT k.domain, k.verdict, k.secure FROM caa_check k JOIN authz a"
                                   " ON a.order_id = k.order_id WHERE a.identifier = 'ann+two@user.test'")
        self.assertEqual(sorted(checks), [("example.test", "permitted", 1), ("user.test", "permitted", 1)])

    def test_rs256_account_and_rsa_key(self):
        user = AcmeUser(self.server, "RS256")
        self.obtain(user, "bob+rsa@user.test", key=rsa.generate_private_key(65537, 2048))

    def test_p384_key(self):
        self.obtain(self.user, "bob+p384@user.test", key=ec.generate_private_key(ec.SECP384R1()))

    def test_post_before_reply(self):
        self.obtain(self.user, "ann+post@user.test", post_first=True)

    def test_usages(self):
        for usage in (("digital_signature",), ("key_agreement",), ("key_encipherment",),
                      ("digital_signature", "key_encipherment"), ("digital_signature", "content_commitment")):
            with self.subTest(usage):
                self.obtain(self.user, "ann+usage@user.test", usage=usage)
        with self.subTest("RSA"):
            self.obtain(self.user, "ann+usage@user.test", usage=("key_encipherment",),
                        key=rsa.generate_private_key(65537, 2048))

    def test_case_is_kept(self):
        leaf = self.obtain(self.user, "Bob+Case@user.test")[0]
        self.assertEqual(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, "Bob+Case@user.test")

    def test_existing_account(self):
        again = AcmeUser(self.server, register=False)
        again.net.key = again.key = self.user.key
        found = again.acme._post(self.server.url + "/new-account", signet_lab.RawJson({"onlyReturnExisting": True}))
        self.assertEqual((found.status_code, found.headers["Location"]), (200, self.user.account.uri))
        again.net.account = None
        repeated = again.acme._post(self.server.url + "/new-account", signet_lab.RawJson({}))
        self.assertEqual((repeated.status_code, repeated.headers["Location"]), (200, self.user.account.uri))
        stranger = AcmeUser(self.server, register=False)
        with self.assertRaises(messages.Error) as refusal:
            stranger.acme._post(self.server.url + "/new-account", signet_lab.RawJson({"onlyReturnExisting": True}))
        self.assertEqual(refusal.exception.code, "accountDoesNotExist")

    def test_account_update_and_deactivation(self):
        user = AcmeUser(self.server)
        url = user.account.uri
        self.assertEqual(user.get(url)["status"], "valid")
        self.assertEqual(user.post(url, {"contact": ["mailto:ann@user.test"]}).json()["contact"],
                         ["mailto:ann@user.test"])
        order = user.new_order("ann@user.test")
        self.assertEqual(user.get(user.get(url)["orders"])["orders"], [order["url"]])
        self.assertEqual(user.post(url, {"status": "deactivated"}).json()["status"], "deactivated")
        with self.assertRaises(messages.Error) as refusal:
            user.get(url)
        self.assertEqual(refusal.exception.code, "unauthorized")

    def check_answer(self, response, status, kind, retry=None):
        """Headers that every answer to a POST has."""
        headers = response.headers
        self.assertEqual(response.status_code, status)
        self.assertEqual(headers["Content-Type"], kind)
        self.assertRegex(headers["Replay-Nonce"], "^[A-Za-z0-9_-]+$")
        self.assertIn(f'<{self.server.url}/directory>;rel="index"', headers["Link"])
        self.assertEqual(headers["Cache-Control"], "no-store")
        if retry is None:
            self.assertNotIn("Retry-After", headers)
        else:
            self.assertRegex(headers["Retry-After"], r"^\d+$")
            self.assertIn(int(headers["Retry-After"]), retry)

    def test_headers(self):
        """RFC 8555 sections 6.5, 7.1, 7.4, 7.5; interop 25-28 and 31."""
        user, kind = AcmeUser(self.server), "application/json"
        waiting, issuing = range(10, 16), range(1, 4)
        response = user.post(user.account.uri)
        self.check_answer(response, 200, kind)
        identifiers = [{"type": "email", "value": "ann+headers@user.test"}]
        response = user.post(self.server.url + "/new-order", {"identifiers": identifiers})
        self.check_answer(response, 201, kind, waiting)
        order = dict(response.json(), url=response.headers["Location"])
        self.assertEqual(order["identifiers"], identifiers)
        self.check_answer(user.post(order["url"]), 200, kind, waiting)
        response = user.post(order["authorizations"][0])
        self.check_answer(response, 200, kind, waiting)
        challenge = response.json()["challenges"][0]
        up = f'<{order["authorizations"][0]}>;rel="up"'
        for response in (user.post(challenge["url"]), user.post(challenge["url"], {})):
            self.check_answer(response, 200, kind, waiting)
            self.assertIn(up, response.headers["Link"])
        self.answer_mail(user, challenge, "ann+headers@user.test")
        user.poll(order["url"], lambda o: o["status"] == "ready")
        response = user.post(challenge["url"], {})  # idempotent
        self.check_answer(response, 200, kind)
        self.assertIn(up, response.headers["Link"])
        self.assertEqual(response.json()["status"], "valid")
        self.assertRegex(response.json()["validated"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.check_answer(user.post(order["authorizations"][0]), 200, kind)
        response = user.post(order["finalize"], {"csr": signet_lab.b64(make_csr(new_key(), "ann+headers@user.test"))})
        self.check_answer(response, 200, kind, issuing)
        self.assertEqual(response.headers["Location"], order["url"])
        user.certificate(order)
        url = user.get(order["url"])["certificate"]
        response = user.post(url)
        self.check_answer(response, 200, "application/pem-certificate-chain")
        self.assertRegex(response.text, r"\A(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+"
                                        r"-----END CERTIFICATE-----\n){2}\Z")

    def test_open_resources(self):
        url = self.server.url
        context = self.server.tls_context()

        def ask(path, method):
            return urllib.request.urlopen(urllib.request.Request(url + path, method=method), context=context,
                                          timeout=60)

        with ask("/directory", "GET") as answer:
            self.assertEqual(answer.headers["Content-Type"], "application/json")
            directory = json.load(answer)
        self.assertEqual(directory["meta"]["caaIdentities"], ["ca.test"])
        for method, status in (("HEAD", 200), ("GET", 204)):
            with ask("/new-nonce", method) as answer:
                self.assertEqual(answer.status, status)
                self.assertRegex(answer.headers["Replay-Nonce"], "^[A-Za-z0-9_-]+$")
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
                self.assertIn('rel="index"', answer.headers["Link"])

class Revocation(IssuanceCase):
    def revoke(self, user, leaf, reason=None):
        payload = {"certificate": signet_lab.b64(leaf.public_bytes(serialization.Encoding.DER))}
        if reason is not None:
            payload["reason"] = reason
        return user.post(self.server.url + "/revoke-cert", payload)

    def by_key(self, key):
        """A request signed by a certificate's key in place of an account's."""
        user = AcmeUser(self.server, register=False)
        user.net.key = signet_lab.josepy.JWKEC(key=key)
        return user

    def listed(self, leaf, issuer):
        """The CRL's entry, once it is there."""
        def entry():
            crl = crl_of(leaf)
            found = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
            return (crl, found) if found is not None else None
        crl, found = self.lab.wait_for(entry, "the certificate to be listed")
        self.assertTrue(crl.is_signature_valid(issuer.public_key()))
        self.verify_by_openssl(leaf, issuer, revoked=True)
        try:
            return crl, found.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            return crl, None

    def refused(self, user, leaf, reason, code):
        with self.assertRaises(messages.Error) as refusal:
            self.revoke(user, leaf, reason)
        self.assertEqual(refusal.exception.code, code)

    def test_by_account(self):
        other = AcmeUser(self.server)
        one, two, issuer = *[self.obtain(self.user, "ann+r@user.test")[0] for _ in "12"], None
        issuer = self.user.certificate(self.order)[1]
        before = crl_number(crl_of(one))
        self.refused(other, one, None, "unauthorized")
        for reason in (2, 6, 7, 8, 9, 10, 11, "1", -1):
            self.refused(self.user, one, reason, "badRevocationReason")
        self.assertEqual(self.revoke(self.user, one).status_code, 200)
        crl, reason = self.listed(one, issuer)
        self.assertIsNone(reason)  # ca-rules 31: never 0
        self.assertIsNone(crl.get_revoked_certificate_by_serial_number(two.serial_number))
        self.assertGreater(crl_number(crl), before)
        self.refused(self.user, one, None, "alreadyRevoked")
        self.revoke(self.user, two, 4)
        later, reason = self.listed(two, issuer)
        self.assertEqual(reason, x509.ReasonFlags.superseded)
        self.assertIsNotNone(later.get_revoked_certificate_by_serial_number(one.serial_number))
        self.assertGreater(crl_number(later), crl_number(crl))
        self.assertTrue(later.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier))

    def test_by_the_certificate_key(self):
        """keyCompromise by the key itself takes all certificates with it along and blocks the key."""
        key = new_key()
        leaf, issuer = self.obtain(self.user, "ann+k1@user.test", key=key)
        twin = self.obtain(self.user, "ann+k2@user.test", key=key)[0]
        self.refused(self.by_key(new_key()), leaf, 1, "unauthorized")
        self.assertEqual(self.revoke(self.by_key(key), leaf, 1).status_code, 200)
        for certificate in (leaf, twin):
            self.assertEqual(self.listed(certificate, issuer)[1], x509.ReasonFlags.key_compromise)
        self.refused(self.by_key(key), leaf, 1, "alreadyRevoked")
        order = self.user.new_order("ann+k3@user.test")
        self.prove(self.user, order)
        with self.assertRaises(messages.Error) as refusal:
            self.user.finalize(order, make_csr(key, "ann+k3@user.test"))
        self.assertEqual(refusal.exception.code, "badCSR")

    def test_what_was_not_issued_here(self):
        leaf = self.obtain(self.user, "ann+n@user.test")[0]
        der = bytearray(leaf.public_bytes(serialization.Encoding.DER))
        der[-1] ^= 1
        for octets in (bytes(der), self.server.root().public_bytes(serialization.Encoding.DER), b"x", b""):
            with self.assertRaises(messages.Error) as refusal:
                self.user.post(self.server.url + "/revoke-cert", {"certificate": signet_lab.b64(octets)})
            self.assertEqual(refusal.exception.code, "malformed")
        self.assertIsNone(crl_of(leaf).get_revoked_certificate_by_serial_number(leaf.serial_number))


class Reader:
    """Lines of a stream, as they come."""

    def __init__(self, stream):
        self.lines, self.text = queue.Queue(), ""
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self.lines.put(line)
        self.lines.put(None)

    def until(self, pattern, deadline=lab.DEADLINE):
        """Reads until a line matches; the match."""
        while True:
            line = self.lines.get(timeout=deadline)
            if line is None:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.text += line
            found = re.search(pattern, line)
            if found:
                return found


class Program(IssuanceCase):
    """The program signet."""

    def setUp(self):
        self.common = ["--directory", self.server.url + "/directory", "--ca-file", self.server.tls]

    def folder(self, name):
        """A new folder for files, as --out, and an account key beside it."""
        out = self.lab.path / name
        return ["--out", out, "--account-key", out.with_suffix(".account")], out

    def signet(self, *arguments, **options):
        """Runs signet to its end: (exit status, stdout, stderr)."""
        done = subprocess.run([signet_lab.BUILD / "signet", *map(str, [*arguments, *self.common])], timeout=400,
                              capture_output=True, text=True, **{"stdin": subprocess.DEVNULL, **options})
        return done.returncode, done.stdout, done.stderr

    def start(self, *arguments):
        process = subprocess.Popen([signet_lab.BUILD / "signet", *map(str, [*arguments, *self.common])],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process, Reader(process.stdout), Reader(process.stderr)

    def maildir(self, address):
        folder = self.mail.maildir(address)
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(exist_ok=True)
            shutil.chown(folder / name, "nobody", "nogroup")
        return folder

    def check_files(self, out, name, addresses, usage=None):
        """What signet(1) says under Files."""
        modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()}
        self.assertEqual(modes, {f"{name}.key": 0o600, f"{name}.pem": 0o644, f"{name}.p12": 0o600,
                                 f"{name}.p12.password": 0o600, f"{name}.renewal": 0o600})
        self.assertEqual(out.with_suffix(".account").stat().st_mode & 0o777, 0o600)
        text = (out / f"{name}.pem").read_bytes()
        chain = [x509.load_pem_x509_certificate(part) for part in
                 re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text, re.S)]
        self.examine(chain, addresses, usage)
        key = serialization.load_pem_private_key((out / f"{name}.key").read_bytes(), None)
        self.assertEqual(key.public_key().public_numbers(), chain[0].public_key().public_numbers())
        password = (out / f"{name}.p12.password").read_bytes().rstrip(b"\n")
        loaded, leaf, others = pkcs12.load_key_and_certificates((out / f"{name}.p12").read_bytes(), password)
        self.assertEqual(loaded.private_numbers(), key.private_numbers())
        self.assertEqual([leaf, *others], chain)
        shown = self.lab.run("openssl", "pkcs12", "-in", out / f"{name}.p12", "-info", "-noout", "-passin",
                             f"file:{out}/{name}.p12.password")
        self.assertIn("AES-256-CBC", shown)
        self.assertNotRegex(shown, "RC2|3DES|TripleDES")
        return chain

    def test_ways(self):
        """At the same time: each waits some seconds between its questions."""
        for mailbox in ("ann@user.test", "bob@user.test"):
            self.maildir(mailbox)
        with ThreadPoolExecutor() as pool:
            runs = {way.__name__: pool.submit(way) for way in (self.by_maildir, self.by_hand, self.by_pipe)}
        for name, run in runs.items():
            with self.subTest(name):
                run.result()

    def by_maildir(self):
        options, out = self.folder("maildir")
        way = ["--mail", "maildir", "--maildir", self.mail.maildir("bob@user.test"), "--smtp",
               f"{HOST}:{self.mail.port}", "--timeout", "300s"]
        status, stdout, stderr = self.signet("request", "bob@user.test", *options, *way)
        self.assertEqual((status, stdout), (0, ""), stderr)
        for word in ("order", "mail", "proven", "finalize", "written"):
            self.assertRegex(stderr, f"(?m)^{word} ")
        self.check_files(out, "bob", ["bob@user.test"])
        key = (out / "bob.key").read_bytes()
        # again, with the reply signed by signet itself and handed to the CA without a mail server between
        (out.with_suffix(".dkim")).write_bytes(self.keys[0].pem())
        status, _, stderr = self.signet(
            "request", "bob@user.test", *options, *way, "--smtp", f"{HOST}:{self.server.smtp}", "--dkim-key",
            out.with_suffix(".dkim"), "--dkim-selector", "s1", "--quiet", "--usage", "sign")
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual((out / "bob.key").read_bytes(), key)  # never overwritten
        leaf = self.check_files(out, "bob", ["bob@user.test"], ("digital_signature",))[0]
        revoke = ["revoke", out / "bob.pem", "--account-key", out.with_suffix(".account")]
        self.assertEqual(self.signet(*revoke, "--reason", "4")[0], 0)
        self.lab.wait_for(lambda: crl_of(leaf).get_revoked_certificate_by_serial_number(leaf.serial_number),
                          "the certificate to be listed")
        status, _, stderr = self.signet(*revoke)
        self.assertEqual(status, 1)
        self.assertIn("alreadyRevoked", stderr)

    def by_hand(self):
        """A person with any mail program, two addresses."""
        options, out = self.folder("hand")
        addresses = ["ann+print@user.test", "ann+print@example.test"]
        process, stdout, stderr = self.start("request", *addresses, *options, "--timeout", "300s")
        for address in addresses:
            to = stdout.until(r"A mail comes to +(\S+)").group(1)
            sender = stdout.until(r"^from +(\S+)").group(1)
            self.assertEqual(to, address)
            mailbox = self.mail.maildir(address.replace("+print", ""))
            mail = signet_lab.challenge_mail(mailbox, {"from": sender}).message
            if address == addresses[0]:
                process.stdin.write("what?\n")
                process.stdin.flush()
                stdout.until("That is not a token")
            process.stdin.write((mail["Subject"] if address == addresses[0] else signet_lab.token_part1(mail)) + "\n")
            process.stdin.flush()
            reply_to, subject = stdout.until(r"^To: +(\S+)").group(1), stdout.until("^Subject: (.*)").group(1)
            self.assertEqual((reply_to, subject), (mail["Reply-To"], "Re: " + mail["Subject"]))
            stdout.until("^-----BEGIN ACME RESPONSE-----$")
            response = stdout.until("^([A-Za-z0-9_-]{43})$").group(1)
            stdout.until("^-----END ACME RESPONSE-----$")
            reply = signet_lab.reply_to(mail, address, response)
            lab.submit(HOST, self.mail.port, address, reply_to, reply.as_bytes())
        self.assertEqual(process.wait(300), 0, stderr.text)
        self.check_files(out, "ann+print", addresses)

    def by_pipe(self):
        options, out = self.folder("pipe")
        process, _, stderr = self.start("request", "ann+pipe@user.test", *options, "--mail", "pipe", "--smtp",
                                        f"{HOST}:{self.mail.port}", "--key-type", "RSA-2048", "--timeout", "300s")
        sender = stderr.until(r"^mail +awaited for ann\+pipe@user.test from (\S+)").group(1)
        mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), {"from": sender})
        process.stdin.write("From: bob@user.test\nTo: ann+pipe@user.test\nSubject: lunch\n\nNow?\n.\n")
        process.stdin.write(mail.raw.decode().replace(sender, "eve@other.test") + ".\n")
        process.stdin.write(mail.raw.decode())
        process.stdin.close()
        stderr.until("^ignored +a message that is no challenge")
        stderr.until("^ignored +a challenge mail from eve@other.test: it is not from the address that the challenge")
        self.assertEqual(process.wait(300), 0)
        self.check_files(out, "ann+pipe", ["ann+pipe@user.test"])

    def test_exit_codes(self):
        options, out = self.folder("exit")
        request = ["request", *options, "--timeout", "60s"]
        maildir = ["--mail", "maildir", "--smtp", f"{HOST}:9", "--maildir"]
        empty = self.lab.folder("empty")
        for name in ("new", "cur", "tmp"):
            (empty / name).mkdir()
        for name, status, words, arguments in (
                ("refused", 1, "rejectedIdentifier", ["*@user.test"]),
                ("usage", 2, "", ["ann@user.test", "--mail", "carrier-pigeon"]),
                ("no address", 2, "", []),
                ("no server for the reply", 2, "--smtp", ["ann@user.test", "--mail", "maildir", "--maildir", "/tmp"]),
                ("time", 4, "--timeout", ["ann+time@user.test", *maildir, empty, "--timeout", "1s"]),
                ("end of input", 5, "standard input ended", ["ann+end@user.test"]),
                ("no maildir", 5, "", ["ann@user.test", *maildir, out])):
            with self.subTest(name):
                found, _, stderr = self.signet(*request, *arguments)
                self.assertEqual(found, status, stderr)
                self.assertIn(words, stderr)
        with self.subTest("network"):
            self.common[1] = f"https://{HOST}:{self.lab.free_port()}/directory"
            self.assertEqual(self.signet(*request, "ann@user.test")[0], 3)
        with self.subTest("TLS of a stranger"):
            self.common[1] = self.server.url + "/directory"
            self.common[3] = signet_lab.tls_pair(self.lab.folder("stranger"))[0]
            self.assertEqual(self.signet(*request, "ann@user.test")[0], 3)
        self.assertEqual(subprocess.run([signet_lab.BUILD / "signet", "request", "--help"],
                                        capture_output=True).returncode, 0)


class Life(lab.SharedLabCase):
    """Signals."""

    def served(self, server):
        with socket.create_connection((HOST, server.https), timeout=60) as plain:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as tls:
                return x509.load_der_x509_certificate(tls.getpeercert(True))

    def test_reload(self):
        server = Signetd(self.lab, settings={"acme": {"processes": 2}}, name="reload")
        old = self.served(server)
        pids = server.pids()
        self.assertEqual(len(pids["edge"]), 2)
        user = AcmeUser(server)
        signet_lab.tls_pair(server.folder)
        new = x509.load_pem_x509_certificate(server.tls.read_bytes())
        self.assertNotEqual(old, new)
        server.process.send(signal.SIGHUP)
        # each of the edges: connections go to either
        seen = []
        self.lab.wait_for(lambda: seen.append(self.served(server)) or seen[-20:] == [new] * 20, "the new certificate")
        with self.subTest("a broken key changes nothing"):
            server.tls_key.write_text("no key")
            server.process.send(signal.SIGHUP)
            self.lab.wait_for(lambda: re.search(r'event="not reloaded".*tls-key', server.log()), "the refusal")
            self.assertEqual(self.served(server), new)
        self.assertEqual(server.pids(), pids)  # nobody was restarted
        fresh = AcmeUser(server, register=False)
        fresh.key = fresh.net.key = user.key
        found = fresh.acme._post(server.url + "/new-account", signet_lab.RawJson({"onlyReturnExisting": True}))
        self.assertEqual(found.headers["Location"], user.account.uri)

    def test_stop_and_start(self):
        server = Signetd(self.lab, name="stop")
        user = AcmeUser(server)
        order = user.new_order("ann@user.test")
        pids = [pid for group in server.pids().values() for pid in group]
        self.assertEqual(set(server.pids()), set(signet_lab.ROLES))
        self.assertEqual(server.process.stop(), 0)
        for pid in pids:
            with self.assertRaises(ProcessLookupError):
                os.kill(pid, 0)
        self.assertIn("signetd stopped", server.log())
        self.assertFalse(lab.listening(server.https))
        before = server.log().count("signetd started")
        server.start()
        self.lab.wait_for(lambda: server.log().count("signetd started") == before + 1, "the log to say so")
        again = AcmeUser(server, register=False)
        again.key = again.net.key = user.key
        found = again.acme._post(server.url + "/new-account", signet_lab.RawJson({"onlyReturnExisting": True}))
        self.assertEqual(found.headers["Location"], user.account.uri)
        again.net.account = user.account
        self.assertEqual(dict(again.get(order["url"]), url=order["url"]), order)

    def test_test_mode_is_said(self):
        server = Signetd(self.lab, name="test-mode", test_mode=True, settings={"test": {"delay": "0s"}})
        self.assertRegex(server.log(), 'level=warning role=parent event="test mode"')
        server.stop()
        self.assertNotIn("test mode", Signetd(self.lab, name="usual").log())


class Check(lab.SharedLabCase):
    """signetd --check: every mistake with file, line and reason (security 24)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Signetd(cls.lab, start=False, name="check")
        cls.text = cls.server.path.read_text()

    def line_of(self, text, key, last=False):
        numbers = [n for n, line in enumerate(text.splitlines(), 1) if re.match(rf"{key}\b\s*=", line)]
        return numbers[-1 if last else 0]

    def check(self, text, *expected):
        """expected: (line number or None, words) each of one line of output, and no further mistakes."""
        self.server.path.write_text(text)
        status, printed = self.server.check()
        self.assertEqual(status, 78, printed)
        lines = printed.splitlines()
        for number, words in expected:
            where = f"{self.server.path}:{number}: " if number else f"{self.server.path}: "
            self.assertTrue(any(line.startswith(where) and words in line for line in lines), (where, words, printed))
        self.assertEqual(len(lines), len(expected) + 1, printed)

    def changed(self, group, key, value):
        """The configuration with one value changed or added; its text and line."""
        lines, inside = [], False
        for line in self.text.splitlines():
            if inside and re.match(rf"{key}\s*=", line):
                continue
            lines.append(line)
            if line.startswith("["):
                inside = line == f"[{group}]"
            if inside and line == f"[{group}]" and value is not None:
                lines.append(f"{key} = {value}")
        text = "\n".join(lines) + "\n"
        return text, next((n for n, line in enumerate(lines, 1) if line == f"{key} = {value}"), None)

    def test_good(self):
        self.server.path.write_text(self.text)
        self.assertEqual(self.server.check(), (0, ""))

    def test_values(self):
        for group, key, value, words in (
                ("acme", "order-lifetime", "soon", "is not a duration"),
                ("acme", "order-lifetime", "1s", "out of range"),
                ("acme", "url", "http://acme.example.org", "is not an https:// URL"),
                ("acme", "listen", "localhost:443", "is not ADDRESS:PORT"),
                ("acme", "processes", "many", "is not a whole number"),
                ("mail", "domain", "localhost", "fewer than two labels"),
                ("mail", "reply-headers", "lax", "is none of: covered strict"),
                ("mail", "challenge-lifetime", "25h", "out of range"),
                ("mail", "message-limit", "1G", "is not a size"),
                ("mail", "relay", "mail", "is not HOST:PORT"),
                ("publish", "url", "https://crl.example.org/", "is not an http:// URL"),
                ("publish", "url", "http://crl.example.org", 'ends in "/"'),
                ("ca", "validity", "826", "out of range"),
                ("log", "level", "loud", "is none of"),
                ("ca", "crl-lifetime", "1h", "must be longer than crl-interval"),
                ("acme", "order-lifetime", "1h", "must not be shorter than [mail] challenge-lifetime"),
                ("acme", "terms-of-service", "javascript:x", "is no http:// or https:// URL"),
                ("acme", "default-profile", "tls", 'there is no profile "tls"'),
                ("ca", "profile", "organization-validated", "Signet proves control of mailboxes"),
                ("ca", "profile", "legacy", "has ended"),
                ("acme", "website", "https://ca.test/a b", "is no http:// or https:// URL"),
                ("store", "cores", "2", "SQLite takes one core process"),
                ("store", "node", "a/b", 'is no name of at most 40 octets without "/" and blanks'),
                ("store", "postgresql", "signet", "no connection string"),
                ("store", "postgresql", "host=db.test password=x", "a password stands in it"),
                ("ca", "caa-identities", "*", "host names cannot have")):
            with self.subTest(f"{group}.{key} = {value}"):
                text, line = self.changed(group, key, value)
                self.check(text, (line, words))

    def test_places(self):
        """What would listen where another one does, whatever way the address is written; and what may stand side by side."""
        port, other = self.lab.free_port(), self.lab.free_port()
        four, six, all_four, all_six = (f"{address}:{port}" for address in ("127.0.0.1", "[::1]", "0.0.0.0", "[::]"))
        mapped, path = f"[::ffff:127.0.0.1]:{port}", self.lab.path / "socket"
        places = ("acme", "listen"), ("publish", "listen"), ("mail", "listen"), ("mail", "lmtp"), ("metrics", "listen")

        def configuration(values):
            kept = "\n".join(line for line in self.text.splitlines() if not re.match(r"(listen|lmtp)\s*=", line))
            free = {place: [f"127.0.0.1:{self.lab.free_port()}"] for place in places[:3]}
            added = {(f"[{group}]", f"{key} = {'; '.join(map(str, where))}"): (group, key)
                     for (group, key), where in {**free, **values}.items()}
            lines = [*kept.splitlines(), *(line for pair in added for line in pair)]
            return "\n".join(lines) + "\n", {added[pair]: n for n, pair in enumerate(zip(lines, lines[1:]), 2) if pair in added}

        for (one, first), (two, second) in (
                ((places[0], four), (places[1], four)), ((places[0], all_six), (places[1], four)),
                ((places[0], six), (places[2], all_six)), ((places[1], all_four), (places[3], four)),
                ((places[2], mapped), (places[4], four)), ((places[2], all_four), (places[4], four)),
                ((places[0], all_six), (places[2], all_four)), ((places[3], path), (places[4], path))):
            with self.subTest(f"{one} = {first}, {two} = {second}"):
                text, lines = configuration({one: [first], two: [second]})
                self.check(text, (lines[two], f"[{two[0]}] {two[1]}: {second} is taken by [{one[0]}] {one[1]} = {first}"
                                              f" ({self.server.path}:{lines[one]})"))
        with self.subTest("of one key"):
            text, lines = configuration({places[2]: [four, all_six]})
            self.check(text, (lines[places[2]], f"[mail] listen: {all_six} is taken by [mail] listen = {four}"))
        for values in ({places[0]: [four], places[1]: [six]}, {places[0]: [all_four], places[3]: [six]},
                       {places[0]: [four], places[1]: [f"127.0.0.2:{port}"]},
                       {places[0]: [all_six], places[1]: [f"[::]:{other}"]}, {places[0]: [all_four, all_six]},
                       {places[3]: [path], places[4]: [f"{path}.metrics"]}):
            with self.subTest(f"beside each other: {values}"):
                self.assertEqual(self.checked(configuration(values)[0]), (0, ""))

    def test_structure(self):
        end = len(self.text.splitlines())
        with self.subTest("unknown key"):
            self.check(self.text + "[ca]\ncolour = red\n", (end + 2, "[ca] colour: unknown key"))
        with self.subTest("unknown group"):
            self.check(self.text + "[cat]\nname = x\n", (end + 2, "[cat] name: unknown key"))
        with self.subTest("duplicate key"):
            first = self.line_of(self.text, "domain")
            self.check(self.text + "[mail]\ndomain = ca.test\n",
                       (end + 2, f"[mail] domain: given before at line {first}"))
        with self.subTest("no key at all"):
            self.check(self.text + "what\n", (end + 1, "neither [group], name = value nor # comment"))
        with self.subTest("missing key"):
            self.check(self.changed("ca", "key", None)[0], (None, "[ca] key: missing"))
        with self.subTest("a profile of another validation"):
            self.check(self.text + "[profile sponsor-validated-strict]\nvalidity = 30\n",
                       (None, "the profile's name says sponsor-validated, but Signet proves control of mailboxes"))
        with self.subTest("two mistakes at once"):
            text, line = self.changed("log", "level", "loud")
            self.check(text + "[ca]\ncolour = red\n", (line, "is none of"), (len(text.splitlines()) + 2, "unknown key"))
        with self.subTest("missing file"):
            self.server.path.unlink()
            status, printed = self.server.check()
            self.assertEqual(status, 78)
            self.assertIn(str(self.server.path), printed)
        with self.subTest("no text"):
            self.server.path.write_bytes(b"\xff\xfe")
            self.assertEqual(self.server.check()[0], 78)

    def test_files(self):
        folder = self.server.folder
        (folder / "other.key").write_bytes(signet_lab.pem_key(new_key()))
        (folder / "small.key").write_bytes(lab.DkimKey("ca.test", "s", 1024).pem())
        (folder / "rubbish").write_text("rubbish")
        other = self.lab.folder("other")
        self.server.ctl("ca", "init", "--directory", other / "ca", "--url", "http://x.test/")
        for group, key, value, words in (
                ("acme", "tls-key", "absent.key", "No such file"),
                ("acme", "tls-certificate", "rubbish", ""),
                ("acme", "tls-key", "other.key", ""),
                ("mail", "dkim-key", "other.key", "must be an RSA key of 2048 bit or more"),
                ("mail", "dkim-key", "small.key", "must be an RSA key of 2048 bit"),
                ("mail", "dkim-key", "absent.key", "No such file"),
                ("mail", "tls-key", "other.key", ""),
                ("ca", "key", "other.key", ""),
                ("ca", "certificate", "rubbish", ""),
                ("ca", "root", other / "ca/root.pem", "did not issue"),
                ("ca", "root-crl", "rubbish", "is no revocation list"),
                ("ca", "audit-key", "small.key", "the audit key is neither Ed25519 nor P-256"),
                ("ca", "audit-key", "ca/issuing.key", "is the key of a CA"),
                ("dns", "trust-anchor", "absent", "No such file")):
            with self.subTest(f"{group}.{key} = {value}"):
                text, line = self.changed(group, key, value)
                self.server.path.write_text(text)
                status, printed = self.server.check()
                self.assertEqual(status, 78, printed)
                self.assertRegex(printed, rf"(?m)^{re.escape(str(self.server.path))}(:\d+)?: \[{group}\] ")
                self.assertIn(words, printed)
                if words:
                    self.assertIn(f"{self.server.path}:{line}: [{group}] {key}:", printed)

    def remake(self, name, begin, end):
        """The issuing certificate made anew by its root, from begin to end days from now."""
        folder, day = self.server.folder, datetime.timedelta(days=1)
        root_key = serialization.load_pem_private_key((folder / "ca/root.key").read_bytes(), None)
        old = x509.load_pem_x509_certificate((folder / "ca/issuing.pem").read_bytes())
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number + 1,
                                          now + begin * day, now + end * day)
        for extension in old.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        (folder / name).write_bytes(pem(builder.sign(root_key, hashes.SHA256())))

    def test_ca_ends(self):
        """A CA near its end starts, since its lists must go on; one that has ended does not."""
        self.remake("short.pem", -1, 20)
        self.assertEqual(self.checked(self.changed("ca", "certificate", "short.pem")[0]), (0, ""))
        self.remake("over.pem", -20, -1)
        text, line = self.changed("ca", "certificate", "over.pem")
        self.check(text, (line, "[ca] certificate: ended on "))

    def test_alternate_chains(self):
        """A cross certificate of another root is taken; one that is not the issuing CA's, or no chain, is named."""
        folder = self.server.folder
        own = x509.load_pem_x509_certificate((folder / "ca/issuing.pem").read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another Root")])
        end = datetime.datetime.utcnow() + datetime.timedelta(days=400)

        def certificate(subject, public_key, extensions):
            builder = x509.CertificateBuilder(name, subject, public_key, 77, own.not_valid_before, end)
            for extension in extensions:
                builder = builder.add_extension(extension.value, extension.critical)
            return builder.sign(key, hashes.SHA256())
        kept = [e for e in own.extensions if not isinstance(e.value, x509.AuthorityKeyIdentifier)]
        root = pem(certificate(name, key.public_key(), [e for e in kept if isinstance(e.value, x509.KeyUsage)] + [
            x509.Extension(x509.BasicConstraints.oid, True, x509.BasicConstraints(True, None))]))
        cross = pem(certificate(own.subject, own.public_key(), kept))
        (folder / "cross.pem").write_bytes(cross + root)
        (folder / "other.pem").write_bytes(cross + (folder / "ca/root.pem").read_bytes())
        (folder / "root.pem").write_bytes(root)
        self.assertEqual(self.checked(self.changed("ca", "alternate-chains", "cross.pem")[0]), (0, ""))
        for value, words in (("other.pem", "other.pem: certificate 2: it did not issue the one before"),
                             ("cross.pem; root.pem", "root.pem: certificate 1: its subject is not"),
                             ("ca/issuing.key", "issuing.key: the file does not hold 1 to 8 PEM certificates"),
                             ("missing.pem", "missing.pem")):
            text, line = self.changed("ca", "alternate-chains", value)
            self.check(text, (line, words))

    def test_no_caa_identity(self):
        text, line = self.changed("ca", "caa-identities", "")
        self.check(text, (line if line else None, "no name that a CAA issuemail record could permit"))
        self.server.path.write_text(text.replace("[ca]\n", "[ca]\ncaa = off\n"))
        self.assertEqual(self.server.check()[0], 0)

    def checked(self, text, *options):
        self.server.path.write_text(text)
        done = subprocess.run([signet_lab.BUILD / "signetd", "--config", self.server.path, "--check", *options],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    def public(self):
        """What a public CA needs beside what a private one does."""
        (self.server.folder / "weak-keys").write_text("00112233445566778899\n")
        return ("[dns]\nperspectives-missing-reason = a lab has one network\n"
                "[ca]\noperation = public\nweak-keys = weak-keys\n")

    def key_in_file(self, text):
        """The mistake that every such configuration here has: its key is in no token (test_tokens.py has good ones)."""
        return self.line_of(text, "key"), "[ca] key: a public CA's key is in a token"

    def test_public_operation(self):
        """What a private CA may do and a public one may not, with file and line."""
        (self.server.folder / "local.data").write_text("a.test. 60 IN A 127.0.0.1\n")
        for group, key, value in (("ca", "caa", "off"), ("ca", "audit-key", ""), ("dns", "trust-anchor", ""), ("dns", "insecure", "a.test"),
                                  ("dns", "local-data", "local.data")):
            with self.subTest(f"{group}.{key} = {value}"):
                text = self.changed(group, key, value)[0]
                self.assertEqual(self.checked(text), (0, ""))
                public = text.replace("[ca]\n", self.public())
                line = self.line_of(public, key)
                self.check(public, (line, f"[{group}] {key}: a public CA "), self.key_in_file(public))
        good = self.text.replace("[ca]\n", self.public())
        self.check(good, self.key_in_file(good))
        self.check(good.replace("weak-keys = weak-keys\n", ""), (None, "[ca] weak-keys: not given; a public CA refuses"),
                   self.key_in_file(good.replace("weak-keys = weak-keys\n", "")))
        (self.server.folder / "weak-keys").write_text("0011\n")
        self.check(good, (self.line_of(good, "weak-keys"), "weak-keys: line 1 is neither 20 nor 30 to 64"), self.key_in_file(good))

    def test_test_mode(self):
        with self.subTest("its keys need it"):
            text = self.text + "[test]\npage = 7\n"
            self.check(text, (len(text.splitlines()), "[test] page: only with signetd --test-mode"))
            self.assertEqual(self.checked(text, "--test-mode"), (0, ""))
        with self.subTest("public operation has none"):
            text = self.text.replace("[ca]\n", self.public())
            status, printed = self.checked(text, "--test-mode")
            self.assertEqual(status, 78)
            line = self.line_of(text, "operation")
            self.assertIn(f"{self.server.path}:{line}: [ca] operation: public, which has no test mode", printed)
            self.assertEqual(len(printed.splitlines()), 3, printed)

    def test_start_refuses_too(self):
        self.server.path.write_text(self.changed("log", "level", "loud")[0])
        done = subprocess.run([signet_lab.BUILD / "signetd", "--config", self.server.path], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 78)
        self.assertIn("is none of", done.stderr)


if __name__ == "__main__":
    unittest.main()
