# SPDX-License-Identifier: Apache-2.0
"""Bad JWS against a running signetd, made by python3-josepy's keys and this file's own encoder.

One good request is changed in one place at a time; whatever comes out must be refused with a problem document and a
fresh nonce, and change nothing: the account's contact stays what it was."""

import base64
import hmac
import http.client
import json
import sqlite3
import ssl
import unittest
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from lab import Lab
from signet_lab import AcmeUser, Signetd

ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
LEAST = 200


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Client:
    """One connection at a time, and a signer that does what it is told."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.kid = user.account.uri
        self.key = user.key.key._wrapped if hasattr(user.key.key, "_wrapped") else user.key.key
        self.is_ec = user.kind == "ES256"

    def request(self, method, url, body=None, content_type="application/jose+json"):
        parts = urllib.parse.urlsplit(url)
        context = self.server.tls_context()
        context.check_hostname = False
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=context)
        headers = {"Content-Type": content_type} if content_type is not None else {}
        connection.request(method, parts.path, body=body, headers=headers)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        return answer.status, answer.headers, octets

    def nonce(self):
        return self.request("HEAD", self.server.url + "/new-nonce")[1]["Replay-Nonce"]

    def sign(self, octets):
        if not self.is_ec:
            return self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.key.sign(octets, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def header(self):
        return {"alg": self.user.kind, "nonce": self.nonce(), "url": self.kid, "kid": self.kid}

    def body(self, header, payload, signature=None, protected=None, encoded=None):
        protected = b64(compact(header)) if protected is None else protected
        encoded = b64(payload) if encoded is None else encoded
        if signature is None:
            signature = self.sign(f"{protected}.{encoded}".encode())
        return {"protected": protected, "payload": encoded, "signature": b64(signature)}


def bad_signatures(client):
    """Each single bit of three octets in four, lengths, numbers and forms."""
    header, payload = client.header(), b'{"contact":["mailto:evil@user.test"]}'
    good = client.body(header, payload)
    octets = base64.urlsafe_b64decode(good["signature"] + "==")
    for i in range(0, len(octets), max(1, len(octets) // 48)):
        changed = bytearray(octets)
        changed[i] ^= 1 << i % 8
        yield f"signature octet {i}", dict(good, signature=b64(bytes(changed)))
    for length in (0, 1, 31, 32, 33, len(octets) - 1):
        yield f"signature cut to {length}", dict(good, signature=b64(octets[:length]))
    for extra in (b"\0", b"\1", octets):
        yield f"signature longer by {len(extra)}", dict(good, signature=b64(octets + extra))
    yield "signature after a zero", dict(good, signature=b64(b"\0" + octets))
    yield "signature of another request", dict(good, signature=client.body(header, b"{}")["signature"])
    secret = client.user.key.public_key().key.public_bytes
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    for form in ((Encoding.DER, PublicFormat.SubjectPublicKeyInfo), (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        forged = dict(header, alg="HS256")
        protected = b64(compact(forged))
        mac = hmac.digest(secret(*form), f"{protected}.{b64(payload)}".encode(), "sha256")
        yield f"HS256 with the public key, {form[0]}", client.body(forged, payload, signature=mac)
    if client.is_ec:
        r, s = int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big")
        yield "DER", dict(good, signature=b64(encode_dss_signature(r, s)))
        for name, one, two in (("r 0", 0, s), ("s 0", r, 0), ("both 0", 0, 0), ("r n", ORDER_P256, s),
                               ("s n", r, ORDER_P256), ("both 1", 1, 1), ("swapped", s, r)):
            yield name, dict(good, signature=b64(one.to_bytes(32, "big") + two.to_bytes(32, "big")))


def bad_headers(client):
    payload = b'{"contact":["mailto:evil@user.test"]}'
    other = {"ES256": "RS256", "RS256": "ES256"}[client.user.kind]
    for algorithm in (other, "none", "None", "NONE", "", "HS256", "HS384", "ES384", "ES512", "ES256K", "PS256", "RS512",
                      "EdDSA", client.user.kind.lower(), client.user.kind + " ", 1, None, [client.user.kind], {}):
        yield f"alg {algorithm!r}", client.body(dict(client.header(), alg=algorithm), payload)
    for member in ("alg", "nonce", "url", "kid"):
        header = client.header()
        del header[member]
        yield f"no {member}", client.body(header, payload)
    for name, value in (("crit", ["b64"]), ("crit", []), ("b64", False), ("b64", True),
                        ("jwk", client.user.key.public_key().to_json()), ("jwk", None), ("deep", [[[[[[[[[]]]]]]]]])):
        yield f"{name} {value!r:.20}", client.body(dict(client.header(), **{name: value}), payload)
    port = client.server.https
    for url in (client.server.url, client.server.url + "/new-order", client.kid + "/", client.kid + "?", client.kid + "#",
                client.kid.replace("https", "http"), client.kid.replace("127.0.0.1", "localhost"),
                client.kid.replace(str(port), "443"), client.kid.upper(), "", "/", client.kid + "\0", 1, None):
        yield f"url {url!r}", client.body(dict(client.header(), url=url), payload)
    for kid in ("", "/", client.kid + "/", client.kid[:-1], client.kid + "A", client.kid.replace("account", "order"),
                client.kid.replace("127.0.0.1", "other.example"), client.kid.split("/")[-1], 1, None, [client.kid], {}):
        yield f"kid {kid!r}", client.body(dict(client.header(), kid=kid), payload)
    used = client.nonce()
    client.request("POST", client.kid, compact(client.body(dict(client.header(), nonce=used), b"")))
    for nonce in (used, "", "A", "A" * 32, "A" * 64, client.nonce() + "=", client.nonce()[:-1], client.nonce() + "AAAA",
                  client.nonce().swapcase(), 1, None, []):
        yield f"nonce {nonce!r}", client.body(dict(client.header(), nonce=nonce), payload)
    text = compact(client.header())
    for name, octets in (("cut", text[:-1]), ("NUL after", text + b"\0"), ("twice", text + text), ("array", b"[]"),
                         ("bad UTF-8", text[:-1] + b',"x":"\xff"}'), ("alg twice", text[:-1] + b',"alg":"none"}'),
                         ("kid twice", text[:-1] + b',"kid":""}'), ("text", b"x"), ("empty", b"")):
        yield f"header {name}", client.body(None, payload, protected=b64(octets))


def bad_payloads(client):
    contact = b'{"contact":["mailto:evil@user.test"]'
    for payload in (b"[]", b"1", b'"x"', b"null", b"true", b"{", b" ", contact, contact + b"}}", contact + b"}\0",
                    contact + b',"contact":[]}', contact + b',"x":"\xff"}', contact + b',"x":"\\u0000"}',
                    contact + b',"x":[[[[[[[[[]]]]]]]]]}', b"\xef\xbb\xbf" + contact + b"}", b"{}" * 2):
        yield f"payload {payload!r:.60}", client.body(client.header(), payload)
    good = b64(contact + b"}")
    for encoded in (good + "=", good + "==", good + " ", " " + good, good + "\n", good[:10] + "\n" + good[10:],
                    good.replace("_", "/") + "+", good + "A", "e31", "e30="):
        yield f"encoded payload {encoded[-10:]!r}", client.body(client.header(), b"", encoded=encoded)


def bad_bodies(client):
    good = client.body(client.header(), b'{"contact":["mailto:evil@user.test"]}')
    text = compact(good)
    for name, value in (("header", {"alg": "ES256"}), ("header", {}), ("header", None), ("signatures", []),
                        ("signatures", [good]), ("signatures", None), ("deep", [[[[[[[[[]]]]]]]]])):
        yield f"member {name} {value!r:.20}", dict(good, **{name: value})
    for member in good:
        yield f"without {member}", {k: v for k, v in good.items() if k != member}
        for value in (None, 1, [], {}, [good[member]]):
            yield f"{member} {value!r:.10}", dict(good, **{member: value})
        for tail in ("=", "==", " ", "\n", "\t", "+", "/"):
            yield f"{member} with {tail!r}", dict(good, **{member: good[member] + tail})
        twice = text[:-1] + b"," + compact(member) + b":" + compact(good[member]) + b"}"
        yield f"{member} twice", twice
    for octets in (b"", b"{", b"[]", b"null", b"1", text[:-1], text + b"x", text + b"\0", text + text, b"\xff" + text,
                   b"\xef\xbb\xbf" + text, text[:-1] + b',"x":"\xff"}', text[:-1] + b',"x":"\\ud800"}',
                   ".".join((good["protected"], good["payload"], good["signature"])).encode(), b"x" * 70000):
        yield f"body {octets!r:.40}", octets


def bad_transports(client):
    """(content type, method)"""
    for content_type in ("application/json", "application/jose", "text/plain", "application/jose+json; charset=utf-8",
                         "application/jose+json, x/y", "", None):
        yield content_type, "POST"
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        yield "application/jose+json", method


class BadJws(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.enterClassContext(cls.lab)
        cls.server = Signetd(cls.lab)

    def contact(self):
        database = sqlite3.connect(f"file:{self.server.folder}/store/signet.db?mode=ro", uri=True)
        try:
            return database.execute("SELECT group_concat(contact), count(*) FROM account").fetchone()
        finally:
            database.close()

    def assert_refused(self, answer, before):
        status, headers, octets = answer
        self.assertGreaterEqual(status, 400)
        self.assertLess(status, 500)
        self.assertEqual("application/problem+json", headers["Content-Type"])
        self.assertTrue(json.loads(octets)["type"].startswith("urn:ietf:params:acme:error:"))
        self.assertTrue(json.loads(octets)["detail"])
        self.assertEqual(before, self.contact())

    def run_all(self, kind):
        user = AcmeUser(self.server, kind)
        client = Client(self.server, user)
        good = client.request("POST", client.kid, compact(client.body(client.header(), b'{"contact":[]}')))
        self.assertEqual(200, good[0], good[2])
        before, tried = self.contact(), 0
        for family in (bad_signatures, bad_headers, bad_payloads, bad_bodies):
            for name, body in family(client):
                with self.subTest(kind=kind, name=name):
                    body = body if isinstance(body, bytes) else compact(body)
                    answer = client.request("POST", client.kid, body)
                    self.assert_refused(answer, before)
                    self.assertTrue(answer[1]["Replay-Nonce"])
                    tried += 1
        for content_type, method in bad_transports(client):
            with self.subTest(kind=kind, content_type=content_type, method=method):
                body = compact(client.body(client.header(), b'{"contact":["mailto:evil@user.test"]}'))
                self.assert_refused(client.request(method, client.kid, body, content_type), before)
                tried += 1
        self.assertGreaterEqual(tried, LEAST)

    def test_ec(self):
        self.run_all("ES256")

    def test_rsa(self):
        self.run_all("RS256")


if __name__ == "__main__":
    unittest.main()
