# SPDX-License-Identifier: Apache-2.0
"""What must be refused, and how: each peer is told by a problem document or a reply code, the log has the reason,
the store is as before, and the server serves on (security 1-4, 8, 11-13; interop 30; ca-rules 8-15)."""

import base64
import hashlib
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import time
import unittest

import lab
import signet_lab
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from refusals import RefusalsCase
from signet_lab import AcmeUser, b64, make_csr, new_key

HOST = lab.HOST
ID = "AAAAAAAAAAAAAAAAAAAAAA"


class Caa(RefusalsCase):
    def finalize(self, address):
        order = self.ready(address)
        self.user.finalize(order, make_csr(new_key(), address))
        return self.user.poll(order["url"], lambda o: o["status"] != "processing")

    def checks(self, domain):
        return self.server.query("SELECT verdict, secure FROM caa_check WHERE domain = ?", domain)

    def test_forbidden(self):
        for domain, words in (("nobody.test", "permits nobody"), ("sub.nobody.test", "permits nobody"),
                              ("other.test", "names another CA"), ("critical.test", "critical and not understood"),
                              ("malformed.test", "malformed"), ("account.test", "accounturi"),
                              ("method.test", "validationmethods"), ("plaindeny.test", "permits nobody")):
            with self.subTest(domain):
                order = self.finalize(f"ann@{domain}")
                self.assertEqual(order["status"], "invalid")
                self.assertNotIn("certificate", order)
                self.assertEqual(order["error"]["type"], "urn:ietf:params:acme:error:caa")
                self.assertIn(words, order["error"]["detail"])
                self.assertIn(domain, order["error"]["detail"])
                self.assertEqual(self.checks(domain), [("forbidden", int(domain != "plaindeny.test"))])
                self.assertEqual(self.server.query("SELECT 1 FROM certificate t JOIN authz a USING (order_id)"
                                                   " WHERE a.domain = ?", domain), [])
                self.assertRegex(self.server.query(
                    "SELECT group_concat(detail) FROM audit WHERE kind = 'caa checked'")[0][0],
                    f'domain="?{domain}"? verdict="?forbidden')

    def test_permitted(self):
        # none.test: the climb ends at "test", which is outside the signed zones
        for domain, secure in (("user.test", 1), ("both.test", 1), ("issue.test", 1), ("none.test", 0),
                               ("plain.test", 0)):
            with self.subTest(domain):
                self.assertEqual(self.finalize(f"ann+caa@{domain}")["status"], "valid")
                self.assertIn(("permitted", secure), self.checks(domain))

    def test_bogus(self):
        """The answer is forged after the mailbox was proven."""
        order = self.ready("ann@bogus.test")
        self.zones.mode("bogus.test", lab.BOGUS)
        self.user.finalize(order, make_csr(new_key(), "ann@bogus.test"))
        order = self.user.poll(order["url"], lambda o: o["status"] != "processing")
        self.assertEqual(order["status"], "invalid")
        self.assertEqual(order["error"]["type"], "urn:ietf:params:acme:error:dns")
        self.assertIn("DNSSEC", order["error"]["detail"])
        self.assertEqual(self.checks("bogus.test"), [("forbidden", 0)])

    def test_one_domain_of_two(self):
        order = self.ready("ann+both@user.test", "ann+both@nobody.test")
        self.user.finalize(order, make_csr(new_key(), "ann+both@user.test", "ann+both@nobody.test"))
        order = self.user.poll(order["url"], lambda o: o["status"] != "processing")
        self.assertEqual((order["status"], order["error"]["type"][-4:]), ("invalid", ":caa"))


def request(key, names, subject=(), extensions=(), attributes=(), sign_with=None):
    """A request of any kind: names are x509 GeneralNames; extensions further (value, critical)."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(
        [x509.NameAttribute(oid, value) for oid, value in subject]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for oid, value in attributes:
        builder = builder.add_attribute(oid, value)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


class Csr(RefusalsCase):
    def bad_requests(self, addresses):
        """(name, problem, request) for an order of these addresses."""
        key = new_key()
        mail = [x509.RFC822Name(address) for address in addresses]
        upn = x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x0dann@user.test")
        good = request(key, mail)
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                               "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
        for name, names in (
                ("another address", [x509.RFC822Name("eve@user.test")]),
                ("another address beside it", mail[1:] + [x509.RFC822Name("eve@user.test")]),
                ("one more", mail + [x509.RFC822Name("eve@user.test")]), ("one less", mail[1:]), ("no name", []),
                ("a name twice", mail + mail[:1]),
                ("a name twice in another case", mail + [x509.RFC822Name(addresses[0].replace("ann", "ANN"))]),
                ("the same at another domain", [x509.RFC822Name(a.replace("user", "other")) for a in addresses]),
                ("DNS name", mail + [x509.DNSName("user.test")]), ("UPN", mail + [upn]),
                ("URI", mail + [x509.UniformResourceIdentifier("https://user.test/")]),
                ("directory name", mail + [x509.DirectoryName(x509.Name([]))])):
            yield name, "badCSR", request(key, names)
        yield "CN of another", "badCSR", request(key, mail, [(NameOID.COMMON_NAME, "eve@user.test")])
        yield "CN of a person", "badCSR", request(key, mail, [(NameOID.COMMON_NAME, "Ann")])
        yield "emailAddress of another", "badCSR", request(key, mail, [(NameOID.EMAIL_ADDRESS, "eve@user.test")])
        yield "challengePassword", "badCSR", request(key, mail, attributes=[
            (AttributeOID.CHALLENGE_PASSWORD, b"secret")])
        yield "keyCertSign", "badCSR", request(key, mail, extensions=[
            (x509.KeyUsage(**{**usage, "key_cert_sign": True}), True)])
        yield "no usage", "badCSR", request(key, mail, extensions=[(x509.KeyUsage(**usage), True)])
        yield "serverAuth", "badCSR", request(key, mail, extensions=[
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
        yield "CA", "badCSR", request(key, mail, extensions=[(x509.BasicConstraints(True, None), True)])
        yield "bad signature", "badCSR", flipped
        yield "cut", "badCSR", good[:-1]
        yield "more behind it", "badCSR", good + b"\0"
        yield "no DER", "badCSR", b"certificate, please"
        yield "empty", "badCSR", b""
        yield "RSA 1024", "badCSR", request(rsa.generate_private_key(65537, 1024), mail)
        yield "RSA with e = 3", "badCSR", request(rsa.generate_private_key(3, 2048), mail)
        yield "RSA 2050", "badCSR", request(rsa.generate_private_key(65537, 2050), mail)
        yield "P-521", "badCSR", request(ec.generate_private_key(ec.SECP521R1()), mail)
        yield "P-224", "badCSR", request(ec.generate_private_key(ec.SECP224R1()), mail)
        yield "secp256k1", "badCSR", request(ec.generate_private_key(ec.SECP256K1()), mail)
        yield "Ed25519", "badCSR", request(ed25519.Ed25519PrivateKey.generate(), mail)
        yield "the account's key", "badCSR", request(self.account_key(), mail)
        ca_key = (self.server.folder / "ca/issuing.key").read_bytes()
        yield "the CA's key", "badCSR", request(serialization.load_pem_private_key(ca_key, None), mail)

    def account_key(self):
        return self.user.key.key._wrapped if hasattr(self.user.key.key, "_wrapped") else self.user.key.key

    def test_refused_and_then_right(self):
        addresses = ["ann+csr1@user.test", "ann+csr2@user.test"]
        order = self.ready(*addresses)
        for name, kind, csr in self.bad_requests(addresses):
            with self.subTest(name):
                self.assert_refused(lambda: self.post(order["finalize"], self.jws(
                    order["finalize"], {"csr": b64(csr)})), 400, kind)
        for name, payload in (("no csr", {}), ("null", {"csr": None}), ("PEM", {"csr": "-----BEGIN"}),
                              ("padded", {"csr": b64(make_csr(new_key(), *addresses)) + "="})):
            with self.subTest(name):
                self.assert_refused(lambda: self.post(order["finalize"], self.jws(order["finalize"], payload)), 400,
                                    "malformed")
        self.assertEqual(self.user.get(order["url"])["status"], "ready")
        # in another order, the domain in another case
        right = make_csr(new_key(), addresses[1].replace("user.test", "USER.test"), addresses[0])
        self.assertIn(self.user.finalize(order, right)["status"], ("processing", "valid"))
        leaf = self.user.certificate(order)[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.RFC822Name), addresses)
        self.assert_refused(lambda: self.post(order["finalize"], self.jws(
            order["finalize"], {"csr": b64(right)})), 403, "orderNotReady")

    def test_not_ready(self):
        order = self.user.new_order("ann@user.test")
        csr = {"csr": b64(make_csr(new_key(), "ann@user.test"))}
        self.assert_refused(lambda: self.post(order["finalize"], self.jws(order["finalize"], csr)), 403,
                            "orderNotReady")

    def test_subject_that_repeats_the_address(self):
        """interop 30: CN and emailAddress with the address; what else the request holds is not copied."""
        order = self.ready("ann+cn@user.test")
        name = "ann+cn@user.test"
        csr = request(new_key(), [x509.RFC822Name(name)], [
            (NameOID.COMMON_NAME, name), (NameOID.EMAIL_ADDRESS, name), (NameOID.ORGANIZATION_NAME, "Example")],
            [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)])
        self.user.finalize(order, csr)
        leaf = self.user.certificate(order)[0]
        self.assertEqual([(a.oid, a.value) for a in leaf.subject], [(NameOID.COMMON_NAME, name)])


class Identifiers(RefusalsCase):
    REJECTED = [
        "", "ann", "@user.test", "ann@", "ann@localhost", "ann@@user.test", "ann@b@user.test", "*@*",
        "ann@*.user.test", "ann@[127.0.0.1]", "ann@[IPv6:::1]", "ann@127.0.0.1", "ann@user..test", "ann@user.test.",
        "ann@.user.test", "ann@-user.test", "ann@user-.test", "ann@us_er.test", '"ann"@user.test', '"a n n"@user.test',
        "*@user.test", "@relay.test:ann@user.test", "@relay.test,@b.test:ann@user.test", "ann%b@relay.test@user.test",
        "Ann <ann@user.test>", "<ann@user.test>", "ann(comment)@user.test", "ann@user.test(comment)", " ann@user.test",
        "ann@user.test ", "ann @user.test", "ann\t@user.test", "ann\r\nBcc: eve@user.test@user.test", "ann\n@user.test",
        "ann@user.test\r\nSubject: x", "ann\x00@user.test", "ann\x7f@user.test", "ann\u0085@user.test", "ann\u202e@user.test",
        "ann\u00a0@user.test", ".ann@user.test", "ann.@user.test", "a..b@user.test", "ann,bob@user.test",
        "ann@user.test,bob@user.test", "ann;bob@user.test", "ann:bob@user.test", "a" * 65 + "@user.test",
        "ann@" + "a" * 64 + ".test", "ann@" + ".".join(["a" * 60] * 5) + ".test", "jo\u0308rg@user.test",
        "ann@xn--a.test", "ann@xn--zzzzzz-.test", "ann@ab--cd.test", "ann@\u2603\ufe0f\u200d.test", "ann@us\u00ader.test",
        "ann@\uff55ser.test", "mailto:ann@user.test", "ann@user.test/x",
    ]

    def order(self, *identifiers, **members):
        url = self.server.url + "/new-order"
        return self.post(url, self.jws(url, {"identifiers": list(identifiers), **members}))

    @staticmethod
    def named(value):
        return {"type": "email", "value": value}

    def test_addresses(self):
        for value in self.REJECTED:
            with self.subTest(value):
                self.assert_refused(lambda: self.order(self.named(value)), 400, "malformed" if "\0" in value
                                    else "rejectedIdentifier")
        self.assert_healthy()

    def test_accepted_and_kept_as_sent(self):
        for value in ("ann@user.test", "Ann.O'Hara+x@User.TEST", "!#$%&'+-/=?^_`{|}~@user.test",
                      "a" * 64 + "@user.test", "j\u00f6rg@user.test", "ann@b\u00fccher.test",
                      "ann@xn--bcher-kva.test", "ann@3com.test"):
            with self.subTest(value):
                answer = self.order(self.named(value))
                self.assertEqual(answer.status, 201, answer.body)
                self.assertEqual(answer.problem()["identifiers"], [self.named(value)])

    def test_twins(self):
        for twin in ("ann@user.test", "ANN@user.test", "ann@USER.test", "Ann@User.Test"):
            with self.subTest(twin):
                self.assert_refused(lambda: self.order(self.named("ann@user.test"), self.named(twin)), 400, "malformed")
        with self.subTest("U-label and A-label"):
            self.assert_refused(lambda: self.order(self.named("ann@b\u00fccher.test"),
                                                   self.named("ann@xn--bcher-kva.test")), 400, "malformed")

    def test_each_bad_one_is_named(self):
        """RFC 8555 section 6.7.1."""
        problem = self.assert_refused(lambda: self.order(
            self.named("ann@localhost"), self.named("ann@user.test"), {"type": "dns", "value": "user.test"}), 400,
            "compound")
        self.assertEqual([(sub["type"].rsplit(":", 1)[1], sub["identifier"]["value"]) for sub in
                          problem["subproblems"]],
                         [("rejectedIdentifier", "ann@localhost"), ("unsupportedIdentifier", "user.test")])

    def test_shapes(self):
        for name, kind, identifiers in (
                ("dns", "unsupportedIdentifier", [{"type": "dns", "value": "user.test"}]),
                ("another case of the type", "unsupportedIdentifier", [{"type": "Email", "value": "ann@user.test"}]),
                ("none", "malformed", []), ("no type", "malformed", [{"value": "ann@user.test"}]),
                ("no value", "malformed", [{"type": "email"}]),
                ("number", "malformed", [{"type": "email", "value": 1}]), ("text", "malformed", ["ann@user.test"]),
                ("null", "malformed", [None]),
                ("too many", "malformed", [self.named(f"ann{n}@user.test") for n in range(21)])):
            with self.subTest(name):
                self.assert_refused(lambda: self.order(*identifiers), 400, kind)
        url = self.server.url + "/new-order"
        for name, payload in (("no identifiers", {}), ("an object", {"identifiers": self.named("ann@user.test")}),
                              ("notBefore", {"identifiers": [self.named("ann@user.test")],
                                             "notBefore": "2030-01-01T00:00:00Z"}),
                              ("notAfter", {"identifiers": [self.named("ann@user.test")],
                                            "notAfter": "2030-01-01T00:00:00Z"})):
            with self.subTest(name):
                self.assert_refused(lambda: self.post(url, self.jws(url, payload)), 400, "malformed")
        with self.subTest("POST-as-GET"):
            self.assert_refused(lambda: self.post(url, self.jws(url)), 400, "malformed")


class Jws(RefusalsCase):
    def setUp(self):
        super().setUp()
        self.url = self.user.account.uri

    def refused(self, name, status, kind, body, url=None, content_type="application/jose+json"):
        with self.subTest(name):
            return self.assert_refused(lambda: self.post(url or self.url, body, content_type), status, kind)

    def test_nonce(self):
        good = self.jws(self.url)
        self.assertEqual(self.post(self.url, good).status, 200)
        self.refused("replayed", 400, "badNonce", good)
        for nonce in ("AAAA", "A" * 31, "A" * 32, "A" * 64):
            self.refused(f"nonce {nonce!r}", 400, "badNonce", self.jws(self.url, nonce=nonce))
        for nonce in ("", "A", self.nonce() + "=", self.nonce() + "A", "\u00e4"):  # RFC 8555 section 6.5.2
            self.refused(f"nonce {nonce!r}", 400, "malformed", self.jws(self.url, nonce=nonce))
        self.refused("no nonce", 400, "badNonce", self.jws(self.url, nonce=None))  # section 6.5
        self.refused("number", 400, "malformed", self.jws(self.url, nonce=7))
        with self.subTest("used up by a request that was refused later"):
            url = self.server.url + "/new-order"
            bad = self.jws(url, {"identifiers": []})
            self.assert_refused(lambda: self.post(url, bad), 400, "malformed")
            self.assert_refused(lambda: self.post(url, bad), 400, "badNonce")
        with self.subTest("not used up by a stranger's request"):
            nonce = self.nonce()
            forged = self.jws(self.url, nonce=nonce)
            self.post(self.url, {**forged, "signature": b64(b"\1" * 64)})
            self.assertEqual(self.post(self.url, forged).status, 200)

    def test_url(self):
        for url in (self.server.url + "/new-order", self.url + "/", self.url.replace("https", "http"),
                    self.url.replace(HOST, "localhost"), self.url + "?x", ""):
            self.refused(f"url {url}", 403, "unauthorized", self.jws(self.url, url=url))
        self.refused("no url", 400, "malformed", self.jws(self.url, url=None))
        for query in ("?", "?x=1"):  # of the request: with or without it in the JWS, that URL is no resource
            for signed in (self.url, self.url + query):
                self.refused(f"query {query} in {signed}", 404, "malformed", self.jws(self.url, url=signed),
                             self.url + query)

    def test_algorithm(self):
        for alg in ("RS256", "ES384", "HS256", "none", "None", "EdDSA", "", "es256"):
            found = self.refused(f"alg {alg}", 400, "badSignatureAlgorithm", self.jws(self.url, alg=alg))
            if found is not None:
                self.assertEqual(found["algorithms"], ["ES256", "ES384", "ES512", "EdDSA", "RS256"])
        self.refused("no alg", 400, "malformed", self.jws(self.url, alg=None))
        with self.subTest("none without signature"):
            body = {**self.jws(self.url, alg="none"), "signature": ""}
            self.assert_refused(lambda: self.post(self.url, body), 400, "badSignatureAlgorithm")

    def test_key_parameters(self):
        own = self.jws(self.url, jwk=True)
        new_account = self.server.url + "/new-account"
        self.refused("jwk where kid is due", 400, "malformed", own)
        self.refused("kid where jwk is due", 400, "malformed", self.jws(new_account, {}), url=new_account)
        self.refused("both", 400, "malformed", self.jws(self.url, jwk=True, kid=self.url))
        self.refused("neither", 400, "malformed", self.jws(self.url, kid=None))
        for kid in ("", "x", self.server.url + "/account/" + ID, self.server.url + "/account/", self.url + "x",
                    self.url.replace("https:", "http:"), "https://elsewhere.test/account/" + ID):
            self.refused(f"kid {kid}", 400, "accountDoesNotExist", self.jws(self.url, kid=kid))
        self.refused("kid a number", 400, "malformed", self.jws(self.url, kid=7))
        other = AcmeUser(self.server)
        self.refused("kid of another", 400, "malformed", self.jws(self.url, kid=other.account.uri))

    def test_keys(self):
        """newAccount with a key that is none or too weak."""
        url = self.server.url + "/new-account"
        number = lambda n: b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))
        small = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
        large = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
        point = json.loads(base64.urlsafe_b64decode(self.jws(url, {}, jwk=True)["protected"] + "=="))["jwk"]
        for name, jwk in (
                ("RSA 1024", {"kty": "RSA", "n": number(small.n), "e": "AQAB"}),
                ("no n", {"kty": "RSA", "e": "AQAB"}),
                ("not on the curve", {**point, "y": point["x"]}), ("no y", {**point, "y": None}),
                ("long x", {**point, "x": b64(b"\0" + base64.urlsafe_b64decode(point["x"] + "="))}),
                ("P-521", {"kty": "EC", "crv": "P-521", "x": point["x"], "y": point["y"]}),
                ("Ed25519", {"kty": "OKP", "crv": "Ed25519", "x": point["x"]}),
                ("symmetric", {"kty": "oct", "k": "AAAA"}), ("kty missing", {"x": "AAAA"}), ("text", "key"),
                ("list", [])):
            with self.subTest(name):
                self.assert_refused(lambda: self.post(url, self.with_jwk(url, jwk)), 400, "badPublicKey")

        small_e = rsa.generate_private_key(3, 2048)
        pkcs1 = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 section 9.2, SHA-256

        def sign_e1(text):
            """With e = 1 everybody can sign: the encoded hash is the signature."""
            digest = hashlib.sha256(text).digest()
            return b"\0\1" + b"\xff" * (253 - len(pkcs1 + digest)) + b"\0" + pkcs1 + digest

        for name, jwk, sign in (
                ("e = 3", {"kty": "RSA", "n": number(small_e.public_key().public_numbers().n), "e": "Aw"},
                 lambda text: small_e.sign(text, padding.PKCS1v15(), hashes.SHA256())),
                ("e = 1", {"kty": "RSA", "n": number(large.n), "e": "AQ"}, sign_e1)):
            with self.subTest(name):
                def make():
                    sealed = self.with_jwk(url, jwk)
                    text = f'{sealed["protected"]}.{sealed["payload"]}'.encode()
                    return self.post(url, {**sealed, "signature": b64(sign(text))})
                self.assert_refused(make, 400, "badPublicKey")

    def with_jwk(self, url, jwk):
        alg = "RS256" if isinstance(jwk, dict) and jwk.get("kty") == "RSA" else "ES256"
        return self.seal(json.dumps({"alg": alg, "nonce": self.nonce(), "url": url, "jwk": jwk}), "{}")

    def test_critical(self):
        for changes in ({"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"b64": True}):
            self.refused(f"{changes}", 400, "malformed", self.jws(self.url, **changes))

    def test_form(self):
        good = self.jws(self.url)
        compact = ".".join((good["protected"], good["payload"], good["signature"]))
        general = {"payload": good["payload"], "signatures": [
            {"protected": good["protected"], "signature": good["signature"]}]}
        for name, body in (
                ("compact", compact), ("general", general), ("with signatures", {**good, "signatures": []}),
                ("unprotected header", {**good, "header": {"kid": "x"}}), ("empty", ""), ("text", "hello"),
                ("list", [good]), ("null", "null"), ("number", "7"), ("no payload", {
                    k: v for k, v in good.items() if k != "payload"}), ("no signature", {
                        k: v for k, v in good.items() if k != "signature"}),
                ("numbers", {**good, "payload": 1}), ("two documents", json.dumps(good) + json.dumps(good)),
                ("text behind it", json.dumps(good) + "x"), ("NUL behind it", json.dumps(good) + "\0"),
                ("cut", json.dumps(good)[:-1]), ("member twice", json.dumps(good)[:-1] + ', "payload": ""}'),
                ("NUL in a name", json.dumps({**good, "a\0b": 1})), ("bad UTF-8", json.dumps(good).encode() + b"\xff"),
                ("UTF-16", json.dumps(good).encode("utf-16")), ("deep", "[" * 5000 + "]" * 5000),
                ("deep member", json.dumps({**good, "x": [[[[[[[[[1]]]]]]]]]})),
                ("lone surrogate", json.dumps({**good, "x": "\ud800"}))):
            self.refused(name, 400, "malformed", body)

    def test_base64url(self):
        good = self.jws(self.url)
        for member in ("protected", "payload", "signature"):
            for name, change in (("padded", lambda v: v + "="), ("blank", lambda v: v[:4] + " " + v[4:]),
                                 ("line end", lambda v: v + "\n"), ("plus", lambda v: "+" + v[1:]),
                                 ("slash", lambda v: "/" + v[1:]), ("one character more", lambda v: v + "AAA"[:(
                                     5 - len(v) % 4) % 4 or 4])):
                self.refused(f"{member} {name}", 400, "malformed", {**good, member: change(good[member])})
        with self.subTest("spare bits"):
            value = good["signature"]  # 64 octets: the last character has 4 spare bits
            spare = value[:-1] + chr(ord(value[-1]) + 1)
            self.assert_refused(lambda: self.post(self.url, {**good, "signature": spare}), 400, "malformed")
        self.assertEqual(self.post(self.url, good).status, 200)  # nothing of this used its nonce

    def test_signature(self):
        good = self.jws(self.url)
        octets = base64.urlsafe_b64decode(good["signature"] + "==")
        order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
        for name, value in (
                ("flipped", octets[:-1] + bytes([octets[-1] ^ 1])), ("empty", b""), ("zero", b"\0" * 64),
                ("r zero", b"\0" * 32 + octets[32:]), ("s zero", octets[:32] + b"\0" * 32), ("short", octets[:-1]),
                ("long", octets + b"\0"), ("leading zeros", b"\0" + octets[:32] + b"\0" + octets[32:]),
                ("r = n", order.to_bytes(32, "big") + octets[32:]),
                ("DER", self.user.key.key.sign(f'{good["protected"]}.{good["payload"]}'.encode(),
                                               ec.ECDSA(hashes.SHA256())))):
            self.refused(name, 400, "malformed", {**good, "signature": b64(value)})
        self.refused("of another key", 400, "malformed", self.jws(
            self.url, user=AcmeUser(self.server), kid=self.user.account.uri))
        self.refused("another payload", 400, "malformed", {**good, "payload": b64(b'{"status":"deactivated"}')})

    def test_header_and_payload_texts(self):
        header = json.loads(base64.urlsafe_b64decode(self.jws(self.url)["protected"] + "=="))
        text = json.dumps(header)
        for name, value in (("list", "[]"), ("empty", ""), ("member twice", text[:-1] + ', "alg": "ES256"}'),
                            ("text behind it", text + "x"), ("NUL", text[:-1] + ', "x": "\\u0000"}'),
                            ("bad UTF-8", text.encode()[:-1] + b', "x": "\xff"}'), ("BOM", "\ufeff" + text)):
            self.refused(f"header {name}", 400, "malformed", self.seal(value, ""))
        for name, value in (("list", "[]"), ("number", "1"), ("null", "null"), ("text", '"x"'), ("blank", " "),
                            ("member twice", '{"status": "valid", "status": "deactivated"}'),
                            ("text behind it", "{}{}"), ("NUL", '{"x": "\\u0000"}'), ("bad UTF-8", b'{"x": "\xff"}'),
                            ("deep", '{"x":' * 9 + "1" + "}" * 9)):
            fresh = json.dumps({**header, "nonce": self.nonce()})
            self.refused(f"payload {name}", 400, "malformed", self.seal(fresh, value))
        self.assertEqual(self.user.get(self.url)["status"], "valid")

    def test_content_type(self):
        for kind in ("application/json", "application/jose", "application/jose+json; charset=utf-8", "text/plain",
                     "application/x-www-form-urlencoded", None):
            self.refused(f"{kind}", 415, "malformed", self.jws(self.url), content_type=kind)


class Http(RefusalsCase):
    """Octets that a client library would not send."""

    def exchange(self, octets, port=None, tls=True, deadline=60):
        """What the server answers until it closes, or until an answer's body is whole."""
        with socket.create_connection((HOST, port or self.server.https), timeout=deadline) as connection:
            stream = self.server.tls_context().wrap_socket(connection, server_hostname="localhost") if tls \
                else connection
            with stream:
                received = b""
                try:
                    stream.sendall(octets)
                    while not self.whole(received):
                        piece = stream.recv(65536)
                        if not piece:
                            break
                        received += piece
                except (ConnectionError, ssl.SSLError):
                    pass
                return received

    @staticmethod
    def whole(received):
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^Content-Length: *(\d+)", head)
        return length is not None and len(body) >= int(length.group(1))

    def status(self, received):
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", received)
        return int(found.group(1)) if found else None

    def test_told_by_a_problem(self):
        head = b"Host: localhost\r\nContent-Type: application/jose+json\r\n"
        post = b"POST /new-order HTTP/1.1\r\n"
        get = b"GET /directory HTTP/1.1\r\n"
        for name, status, octets in (
                ("no length", 411, post + head + b"\r\n"),
                ("no length, kept alive", 411, post + head + b"Connection: keep-alive\r\n\r\n"),
                ("two Host", 400, get + b"Host: a\r\nHost: b\r\n\r\n"), ("no Host", 400, get + b"\r\n"),
                ("two lengths", 400, post + head + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
                ("length with sign", 400, post + head + b"Content-Length: +2\r\n\r\n{}"),
                ("other coding", 400, post + head + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
                ("blank before the colon", 400, get + b"Host : a\r\n\r\n"),
                ("no token", 400, get + b"Host: a\r\nX(y): a\r\n\r\n"),
                ("control character", 400, get + b"Host: a\r\nX: a\x01b\r\n\r\n"),
                ("too large", 413, post + head + b"Content-Length: 70000\r\n\r\n" + b"x" * 70000),
                ("another host's URL", 404, b"GET http://evil.test/directory HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("8 bit", 404, b"GET /dir\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n")):
            with self.subTest(name):
                before, logged = self.store(), len(self.server.log())
                received = self.exchange(octets)
                self.assertEqual(self.status(received), status, received)
                first, body = received.partition(b"\r\n\r\n")[::2]
                self.assertIn(b"Content-Type: application/problem+json", first)
                problem = json.loads(body)
                self.assertEqual(problem["status"], status)
                if status != 404:
                    self.assertIn(b"Connection: close", first)
                self.lab.wait_for(lambda: problem["detail"][:20] in self.server.log()[logged:], "the log line")
                self.assertEqual(self.store(), before)
        self.assert_healthy()

    def test_closed_or_refused(self):
        """What the HTTP library refuses by itself: some 4xx or 5xx, or the connection is closed."""
        head = b"Host: localhost\r\nContent-Type: application/jose+json\r\n"
        post = b"POST /new-order HTTP/1.1\r\n"
        for name, octets in (
                ("length and coding", post + head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ("negative length", post + head + b"Content-Length: -5\r\n\r\n{}"),
                ("bad chunk", post + head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
                ("far too large", post + head + b"Content-Length: 2000000\r\n\r\n" + b"x" * 70000),
                ("no colon", b"GET /directory HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n"),
                ("large header", b"GET /directory HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000 + b"\r\n\r\n"),
                ("unknown method", b"BREW /directory HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("HTTP/2.0", b"GET /directory HTTP/2.0\r\nHost: a\r\n\r\n"),
                ("no HTTP", b"\0\1\2\r\n\r\n"), ("SMTP", b"EHLO client.lab\r\n\r\n")):
            with self.subTest(name):
                before = self.store()
                received = self.exchange(octets)
                self.assertTrue(received == b"" or self.status(received) >= 400, received)
                self.assertEqual(self.store(), before)
        for name, port, tls, octets in (
                ("plain HTTP to the TLS port", self.server.https, False, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("TLS to the plain port", self.server.http, False, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n")):
            with self.subTest(name):
                received = self.exchange(octets, port, tls)
                self.assertNotIn(b" 200 ", received[:20])
        self.assert_healthy()

    def test_published_files(self):
        get = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
        for path, status in ((b"/issuing.der", 200), (b"/crl-0.crl", None), (b"/../signet.db", 404),
                             (b"/..%2fsignet.db", 404), (b"/", 404), (b"//issuing.der", 404), (b"/.", 404),
                             (b"/directory", 404), (b"/issuing.der/", 404), (b"/signet.db", 404)):
            with self.subTest(path):
                received = self.exchange(get % path, self.server.http, tls=False)
                self.assertIn(self.status(received), (status,) if status else (200, 404), received)
        whole = self.exchange(get % b"/issuing.der", self.server.http, tls=False)
        tag = re.search(rb"\r\nETag: (\"[0-9a-f]{32}\")\r\n", whole)[1]
        self.assertIn(b"\r\nCache-Control: public, max-age=300\r\n", whole)
        for field, status in ((tag, 304), (b"W/" + tag, 304), (b'"a", ' + tag, 304), (b"*", 304), (b'"a"', 200), (tag[1:], 200)):
            received = self.exchange(b"GET /issuing.der HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                     b"If-None-Match: %s\r\n\r\n" % field, self.server.http, tls=False)
            self.assertEqual(self.status(received), status, field)
            self.assertEqual(len(received) > 700, status == 200, received)
        for method in (b"POST", b"PUT", b"DELETE"):
            received = self.exchange(method + b" /issuing.der HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                                     self.server.http, tls=False)
            self.assertEqual(self.status(received), 405)

    def test_smuggled_second_request(self):
        """A body of a GET is no request; what follows on the connection is read as what it is."""
        inner = b"GET /new-nonce HTTP/1.1\r\nHost: a\r\n\r\n"
        octets = b"GET /directory HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner
        received = self.exchange(octets)
        self.assertEqual(received.count(b"HTTP/1.1 "), 1)


class Smtp(RefusalsCase):
    """Security 11-13. One challenge is open, so that RCPT could be accepted."""

    def setUp(self):
        super().setUp()
        order = self.user.new_order("ann+smtp@user.test")
        self.challenge = self.user.authorization(order)["challenges"][0]
        self.recipient = self.challenge["from"]
        signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), self.challenge)
        self.before = self.store()

    def tearDown(self):
        self.assertEqual(self.store(), self.before)
        self.assert_healthy()

    def talk(self, *pieces, wait_greeting=True):
        """Sends pieces, each after a reply to the one before; all replies, until the server closes or waits."""
        with socket.create_connection((HOST, self.server.smtp), timeout=60) as connection:
            replies = connection.recv(4096) if wait_greeting else b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    replies += connection.recv(65536)
                connection.sendall(b"QUIT\r\n")
                while True:
                    more = connection.recv(65536)
                    if not more:
                        return replies
                    replies += more
            except ConnectionError:
                return replies

    def data(self, body, end=b"\r\n.\r\n"):
        """A message up to its end; the replies after 354."""
        envelope = [b"EHLO client.lab\r\n", b"MAIL FROM:<ann@user.test>\r\n",
                    b"RCPT TO:<%s>\r\n" % self.recipient.encode(), b"DATA\r\n"]
        replies = self.talk(*envelope, body + end)
        self.assertIn(b"\r\n354 ", replies)
        return replies.partition(b"\r\n354 ")[2].partition(b"\r\n")[2]

    def assert_logged(self, words, offset):
        self.lab.wait_for(lambda: words in self.server.log()[offset:], f"the log to say {words!r}")

    def test_smuggling(self):
        """Only CR LF . CR LF ends a message; a bare CR or LF ends the session, and nothing is taken."""
        head = b"Subject: x\r\n\r\n"
        second = b"MAIL FROM:<eve@user.test>\r\nRCPT TO:<x@ca.test>\r\nDATA\r\n"
        ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\n\n.\n\n",
                b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\r.\r\n", b"\r\r\n.\r\r\n"]
        for fake in ends:
            with self.subTest(fake):
                offset = len(self.server.log())
                replies = self.data(head + b"one" + fake + second)
                self.assertTrue(replies.startswith(b"554 5.6.0 bare CR"), replies)
                self.assertEqual(len(re.findall(rb"(?m)^\d{3}[ -]", replies)), 1)
                self.assert_logged("bare CR, bare LF or NUL in the message", offset)

    def test_commands(self):
        for name, code, pieces in (
                ("bare LF", b"500 ", [b"EHLO client.lab\n"]), ("bare CR", b"500 ", [b"EHLO client.lab\rx\r\n"]),
                ("NUL", b"500 ", [b"EHLO cl\0ient\r\n"]), ("long", b"500 ", [b"EHLO " + b"x" * 3000 + b"\r\n"]),
                ("unknown", b"500 ", [b"HELLO\r\n"]), ("no EHLO", b"503 ", [b"MAIL FROM:<a@user.test>\r\n"]),
                ("no MAIL", b"503 ", [b"EHLO c\r\n", b"RCPT TO:<a@user.test>\r\n"]),
                ("no RCPT", b"503 ", [b"EHLO c\r\n", b"MAIL FROM:<a@user.test>\r\n", b"DATA\r\n"]),
                ("two senders", b"503 ", [b"EHLO c\r\n", b"MAIL FROM:<a@user.test>\r\n",
                                          b"MAIL FROM:<b@user.test>\r\n"]),
                ("no address", b"501 ", [b"EHLO c\r\n", b"MAIL FROM:ann\r\n"]),
                ("unknown parameter", b"555 ", [b"EHLO c\r\n", b"MAIL FROM:<a@user.test> X=Y\r\n"]),
                ("size", b"552 ", [b"EHLO c\r\n", b"MAIL FROM:<a@user.test> SIZE=1000000\r\n"]),
                ("STARTTLS that is not offered", b"502 ", [b"EHLO c\r\n", b"STARTTLS\r\n"]),
                ("pipelined behind EHLO", b"554 ", [b"EHLO c\r\nMAIL FROM:<a@user.test>\r\n"]),
                ("HTTP", b"554 ", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]),
                ("HTTP POST", b"554 ", [b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n"]),
                ("TLS", b"500 ", [b"\x16\x03\x01\x00\xa5\x01\0\0\xa1\x03\x03\r\n"]),
                ("empty HELO", b"501 ", [b"HELO\r\n"])):
            with self.subTest(name):
                replies = self.talk(*pieces)
                self.assertIn(b"\r\n" + code, replies)
                self.assertNotRegex(replies, rb"(?m)^354 ")

    def test_before_the_greeting(self):
        """Octets that come with the connection: refused, or looked at after the greeting, never obeyed blindly."""
        replies = self.talk(b"EHLO c\r\nMAIL FROM:<a@user.test>\r\n", wait_greeting=False)
        self.assertNotIn(b"sender noted", replies)

    def test_unknown_recipient(self):
        domain = "ca.test"
        for address in ("nobody@" + domain, "acme-challenge@" + domain, "acme-challenge+" + "a" * 35 + "@" + domain,
                        self.recipient.replace(domain, "user.test"), self.recipient + "x", "ann@user.test",
                        '"' + self.recipient.split("@")[0] + 'x"@' + domain, "postmaster"):
            with self.subTest(address):
                with self.assertRaises(smtplib.SMTPRecipientsRefused) as refusal:
                    lab.submit(HOST, self.server.smtp, "ann@user.test", address, b"Subject: x\r\n\r\nx\r\n")
                self.assertEqual([code for code, _ in refusal.exception.recipients.values()], [550])

    def test_oversize(self):
        for size, code in ((300 * 1024, 552), (2 * 1024 * 1024, 552)):
            with self.subTest(size):
                replies = self.data(b"Subject: x\r\n\r\n" + b"x" * 76 + b"\r\n" * (size // 2))
                self.assertTrue(replies.startswith(b"%d " % code), replies)

    def test_long_line(self):
        replies = self.data(b"Subject: x\r\n\r\n" + b"x" * 3000)
        self.assertTrue(replies.startswith(b"554 "), replies)

    def test_cut_off(self):
        """A message whose end never comes is no message."""
        with socket.create_connection((HOST, self.server.smtp), timeout=60) as connection:
            for piece in (b"", b"EHLO c\r\n", b"MAIL FROM:<ann@user.test>\r\n",
                          b"RCPT TO:<%s>\r\n" % self.recipient.encode(), b"DATA\r\n"):
                connection.sendall(piece)
                connection.recv(4096)
            connection.sendall(b"Subject: x\r\n\r\nhello\r\n.\r")
        self.lab.wait_for(lambda: lab.listening(self.server.smtp, b"220 "), "the next greeting")

    def test_too_many_errors(self):
        replies = self.talk(b"EHLO c\r\n", *[b"NONSENSE\r\n"] * 10)
        self.assertIn(b"421 4.7.0", replies)


class HourlyCap(RefusalsCase):
    settings = {"ca": {"signatures-per-hour": 1}}

    def finalized(self):
        order = self.ready("ann@user.test")
        self.user.finalize(order, make_csr(new_key(), "ann@user.test"))
        return order

    def test_second_of_an_hour(self):
        """The signer counts in its own log, so that a new one refuses too; revocation lists are not counted
        (security 20)."""
        capped = "SELECT attempts FROM job WHERE waits_for = 'the signer: the hourly cap of signatures is reached'"
        leaf = self.user.certificate(self.finalized())[0]
        self.finalized()
        tried = self.lab.wait_for(lambda: self.server.query(capped), "a refusal")[0][0]
        os.kill(self.server.pids()["signer"][0], signal.SIGKILL)
        self.lab.wait_for(lambda: self.server.pids().get("signer", self.pids["signer"]) != self.pids["signer"], "the next signer")
        self.lab.wait_for(lambda: [row for row in self.server.query(capped) if row[0] > tried], "another refusal")
        self.server.ctl("certificate", "revoke", f"{leaf.serial_number:x}", "--reason", "superseded", "--config", self.server.path)
        listed = "SELECT count(*) FROM audit WHERE kind = 'revocation list signed' AND detail LIKE '%entries=\"1\"%'"
        self.lab.wait_for(lambda: self.server.query(listed)[0][0], "the list")
        self.assertEqual(self.server.query("SELECT count(*) FROM certificate WHERE der IS NOT NULL"), [(1,)])
        type(self).pids = self.server.pids()


class Terms(RefusalsCase):
    settings = {"acme": {"terms-of-service": "https://ca.test/terms"}}

    def setUp(self):
        self.user = AcmeUser(self.server, register=False)

    def test_terms(self):
        url = self.server.url + "/new-account"
        directory = json.loads(self.request("GET", self.server.url + "/directory").body)
        self.assertEqual(directory["meta"]["termsOfService"], "https://ca.test/terms")
        for payload in ({}, {"termsOfServiceAgreed": False}, {"termsOfServiceAgreed": "true"}):
            with self.subTest(payload):
                answer = self.post(url, self.jws(url, payload, jwk=True))
                self.assert_problem(answer, 403, "userActionRequired")
                self.assertIn('<https://ca.test/terms>;rel="terms-of-service"', ", ".join(
                    answer.headers.get_all("Link")))
                self.assertEqual(self.server.query("SELECT * FROM account"), [])
        answer = self.post(url, self.jws(url, {"termsOfServiceAgreed": True}, jwk=True))
        self.assertEqual(answer.status, 201)
        terms, agreed = self.server.query("SELECT terms, terms_agreed_at FROM account")[0]
        self.assertEqual(terms, "https://ca.test/terms")
        self.assertTrue(abs(agreed / 1000 - time.time()) < 3600)


if __name__ == "__main__":
    unittest.main()
