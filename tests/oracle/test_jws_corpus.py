# SPDX-License-Identifier: Apache-2.0
"""A corpus of bad JWS against a running signetd (security 4, 5, 6, 9), for each algorithm of account keys.

A good request is changed in one place at a time. jws_verifier.py, which was written from the RFCs alone, says what must
become of it: signetd must answer with the same status and type, with a clear detail and a fresh nonce, and change
nothing. Requests that stay good by the RFCs are among them, and both must take those."""

import base64
import hashlib
import hmac
import http.client
import json
import sqlite3
import time
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jws_verifier import ALGORITHMS, CURVES, ED_PRIME, MACS, MAX_BODY, Account, ExternalKey, Key, Verifier
from lab import HOST, SharedLabCase
from signed_client import kept
from signet_lab import Signetd, b64

LEAST = 400  # of bad ones, over all algorithms
JOSE = "application/jose+json"
CURVE_OF = {"ES256": ("P-256", ec.SECP256R1(), hashes.SHA256(), 32), "ES384": ("P-384", ec.SECP384R1(), hashes.SHA384(), 48),
            "ES512": ("P-521", ec.SECP521R1(), hashes.SHA512(), 66)}
PAYLOAD = b'{"contact":["mailto:evil@user.test"]}'
ID = "AAAAAAAAAAAAAAAAAAAAAA"


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key pair of one algorithm, and the account that it opens."""

    def __init__(self, algorithm, key=None):
        self.algorithm, self.kid = algorithm, None
        if algorithm in CURVE_OF:
            self.curve, group, self.digest, self.length = CURVE_OF[algorithm]
            self.key = key or ec.generate_private_key(group)
            point = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": self.curve, "x": number(point.x, self.length),
                        "y": number(point.y, self.length)}
        elif algorithm == "EdDSA":
            self.key = key or ed25519.Ed25519PrivateKey.generate()
            raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        else:
            self.key = key or rsa.generate_private_key(65537, 2048)
            public = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}

    def pair(self, text):
        return decode_dss_signature(self.key.sign(text, ec.ECDSA(self.digest)))

    def join(self, r, s):
        return r.to_bytes(self.length, "big") + s.to_bytes(self.length, "big")

    def sign(self, text):
        if self.algorithm in CURVE_OF:
            return self.join(*self.pair(text))
        if self.algorithm == "EdDSA":
            return self.key.sign(text)
        return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def sealed(signer, header, payload, encoded=None, signature=None):
    """A flattened JWS as a dictionary. header, payload: octets, or what JSON is made of. encoded: the payload as it
    stands there."""
    octets = lambda value: value if isinstance(value, bytes) else compact(value)
    protected, encoded = b64(octets(header)), b64(octets(payload)) if encoded is None else encoded
    if signature is None:
        signature = b64(signer.sign(f"{protected}.{encoded}".encode()))
    return {"protected": protected, "payload": encoded, "signature": signature}


class MacSigner:
    def __init__(self, algorithm, key):
        self.digest, self.key = MACS.get(algorithm, "sha256"), key

    def sign(self, text):
        return hmac.digest(self.key, text, self.digest)


def without(value, name):
    return {key: part for key, part in value.items() if key != name}


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- changes that fit every JWS, whoever it is for

def twisted_texts(text):
    """What base64url without padding is not."""
    for tail in ("=", "==", " ", "\n", "\t", "+", "/", ".", "A" if len(text) % 4 == 0 else "AA" * (len(text) % 4)):
        yield f"then {tail!r}", text + tail
    yield "a blank before", " " + text
    yield "a line end inside", text[:4] + "\r\n" + text[4:]
    yield "in base64", "+/" + text[2:]
    if len(text) % 4:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        yield "spare bits", text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def bad_messages(good):
    """(name, octets or dictionary) of a JWS that is changed as a whole."""
    text = compact(good)
    for name, value in (("header", {"alg": "ES256"}), ("header", {}), ("header", None), ("signatures", []),
                        ("signatures", [good]), ("signatures", None), ("x", [[[[[[[[[]]]]]]]]])):
        yield f"member {name} {value!r:.20}", {**good, name: value}
    yield "general form", {"payload": good["payload"], "signatures": [without(good, "payload")]}
    for member in good:
        yield f"without {member}", without(good, member)
        for value in (None, 1, True, [], {}, [good[member]], decoded(good[member]).decode("latin-1")):
            yield f"{member} {value!r:.12}", {**good, member: value}
        for name, value in twisted_texts(good[member]):
            yield f"{member} {name}", {**good, member: value}
        yield f"{member} twice", text[:-1] + b"," + compact(member) + b":" + compact(good[member]) + b"}"
    yield "detached", {**good, "payload": ""}


def bad_bodies(good):
    """Octets that are no JSON object of one JWS."""
    text = compact(good)
    yield from (("empty", b""), ("cut", text[:-1]), ("then x", text + b"x"), ("then a NUL", text + b"\0"),
                ("twice", text + text), ("0xff before", b"\xff" + text), ("byte order mark", b"\xef\xbb\xbf" + text),
                ("a list", b"[" + text + b"]"), ("null", b"null"), ("a number", b"1"), ("a text", compact("x")),
                ("UTF-16", text.decode().encode("utf-16")), ("comment", b"/**/" + text),
                ("compact form", ".".join(good.values()).encode()),
                ("bad UTF-8", text[:-1] + b',"x":"\xff"}'), ("overlong UTF-8", text[:-1] + b',"x":"\xc0\xaf"}'),
                ("surrogate", text[:-1] + b',"x":"\\ud800"}'), ("NUL in a text", text[:-1] + b',"x":"\\u0000"}'),
                ("NUL in a name", text[:-1] + b',"a\\u0000b":1}'), ("control character", text[:-1] + b',"x":"\x01"}'),
                ("NaN", text[:-1] + b',"x":NaN}'), ("a number too large", text[:-1] + b',"x":1e999}'),
                ("an integer too large", text[:-1] + b',"x":18446744073709551616}'),
                ("comma at the end", text[:-1] + b",}"), ("single quotes", text.replace(b'"', b"'")),
                ("a name twice, escaped", text[:-1] + b',"signatur\\u0065":' + compact(good["signature"]) + b"}"),
                ("thousands deep", b"[" * 3000 + b"]" * 3000), ("too large", b'{"x":"' + b"x" * 70000 + b'"}'),
                ("just too large", text[:-1] + b',"x":"' + b"x" * (MAX_BODY + 1 - len(text) - 7) + b'"}'))


def bad_header_texts(header):
    """Octets that are no protected header."""
    text = compact(header)
    yield from (("cut", text[:-1]), ("NUL after", text + b"\0"), ("twice", text + text), ("array", b"[]"),
                ("text", b'"x"'), ("null", b"null"), ("nothing", b""), ("bad UTF-8", text[:-1] + b',"x":"\xff"}'),
                ("too deep", text[:-1] + b',"x":[[[[[[[[]]]]]]]]}'), ("byte order mark", b"\xef\xbb\xbf" + text),
                ("b64", text[:-1] + b',"b64":false}'), ("crit empty", text[:-1] + b',"crit":[]}'),
                ("crit", text[:-1] + b',"crit":["exp"],"exp":1}'), ("crit null", text[:-1] + b',"crit":null}'),
                ("crit b64", text[:-1] + b',"b64":true,"crit":["b64"]}'))
    for name in header:
        yield f"{name} twice", text[:-1] + b"," + compact(name) + b":" + compact(header[name]) + b"}"
        yield f"without {name}", compact(without(header, name))
        for value in (None, 1, [], {}, False, ""):
            yield f"{name} {value!r}", compact({**header, name: value})


def bad_algorithms(algorithm):
    yield from (other for other in ALGORITHMS if other != algorithm)
    yield from ("none", "None", "NONE", "HS256", "HS384", "HS512", "ES256K", "PS256", "RS384", "RS512", "Ed25519",
                algorithm.lower(), algorithm + " ")


def bad_signatures(signer, good):
    octets = decoded(good["signature"])
    text = f"{good['protected']}.{good['payload']}".encode()
    for i in range(0, len(octets), max(1, len(octets) // 12)):
        yield f"bit of octet {i}", octets[:i] + bytes([octets[i] ^ 1 << i % 8]) + octets[i + 1:]
    for length in (0, 1, len(octets) // 2, len(octets) - 1):
        yield f"cut to {length}", octets[:length]
    for name, more in (("a zero", b"\0"), ("a one", b"\1"), ("itself", octets)):
        yield f"then {name}", octets + more
    yield "a zero before", b"\0" + octets
    yield "all zero", bytes(len(octets))
    yield "all ones", b"\xff" * len(octets)
    yield "of another key", Signer(signer.algorithm).sign(text)
    yield "of another text", signer.sign(text + b"x")
    if signer.algorithm in CURVE_OF:
        half, order = signer.length, CURVES[signer.curve][2]
        r, s = signer.pair(text)
        yield "DER", encode_dss_signature(r, s)
        yield "a zero before each", b"\0" + octets[:half] + b"\0" + octets[half:]
        for name, one, two in (("r 0", 0, s), ("s 0", r, 0), ("r n", order, s), ("s n", r, order), ("1 and 1", 1, 1),
                               ("r n+1", order + 1, s), ("swapped", s, r), ("0 and n", 0, order)):
            yield name, signer.join(one, two)
        if r + order < 2 ** (8 * half):
            yield "r + n", signer.join(r + order, s)
        if s + order < 2 ** (8 * half):
            yield "s + n", signer.join(r, s + order)
    if signer.algorithm == "EdDSA":
        order = 2 ** 252 + 27742317777372353535851937790883648493
        s = int.from_bytes(octets[32:], "little")
        yield "s + L", octets[:32] + (s + order).to_bytes(32, "little")
        yield "s 0", octets[:32] + bytes(32)
        yield "R of order one", b"\1" + bytes(31) + octets[32:]
        yield "halves swapped", octets[32:] + octets[:32]
    if signer.algorithm == "RS256":
        yield "PSS", signer.key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        yield "SHA-512", signer.key.sign(text, padding.PKCS1v15(), hashes.SHA512())
        yield "SHA-1", signer.key.sign(text, padding.PKCS1v15(), hashes.SHA1())
        n = signer.key.public_key().public_numbers().n
        plus = int.from_bytes(octets, "big") + n
        if plus < 2 ** 2048:
            yield "s + n", plus.to_bytes(256, "big")


def bad_keys(signer):
    """(name, jwk) that are no public key for the signer's algorithm."""
    jwk = signer.jwk
    for name in jwk:
        yield f"without {name}", without(jwk, name)
        for value in (None, 1, "", [jwk[name]], jwk[name] + "=", jwk[name].lower() + "!", "AAAA"):
            yield f"{name} {value!r:.10}", {**jwk, name: value}
        if name not in ("kty", "crv"):
            octets = decoded(jwk[name])
            for what, changed in (("a zero before", b"\0" + octets), ("a zero after", octets + b"\0"),
                                  ("cut", octets[:-1]), ("all zero", bytes(len(octets))),
                                  ("all ones", b"\xff" * len(octets))):
                if signer.algorithm != "RS256" or what not in ("all ones", "cut", "a zero after"):
                    yield f"{name} {what}", {**jwk, name: b64(changed)}
    for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k"):
        yield f"private {name}", {**jwk, name: "AAAA"}
    for other in ALGORITHMS:
        if other != signer.algorithm:
            yield f"a key for {other}", Signer(other).jwk
    for name, value in (("text", "x"), ("list", [jwk]), ("null", None), ("empty", {}), ("set", {"keys": [jwk]}),
                        ("symmetric", {"kty": "oct", "k": "AAAA"}), ("x5c", {"x5c": ["AAAA"]}),
                        ("Ed448", {"kty": "OKP", "crv": "Ed448", "x": b64(bytes(57))}),
                        ("X25519", {"kty": "OKP", "crv": "X25519", "x": b64(b"\x09" + bytes(31))}),
                        ("secp256k1", {**Signer("ES256").jwk, "crv": "secp256k1"})):
        yield name, value
    if signer.algorithm in CURVE_OF:
        prime, length = CURVES[signer.curve][0], signer.length
        x, y = (int.from_bytes(decoded(jwk[name]), "big") for name in "xy")
        yield "point of infinity", {**jwk, "x": b64(bytes(length)), "y": b64(bytes(length))}
        yield "x + p", {**jwk, "x": b64((x + prime).to_bytes(length + 1, "big"))}
        yield "next y", {**jwk, "y": b64(((y + 1) % prime).to_bytes(length, "big"))}
        yield "x and y swapped", {**jwk, "x": jwk["y"], "y": jwk["x"]}
        yield "prime as x", {**jwk, "x": b64(prime.to_bytes(length, "big"))}
    if signer.algorithm == "EdDSA":
        for y in (0, 1, ED_PRIME - 1, ED_PRIME, ED_PRIME + 1, ED_PRIME + 9, 2):
            for sign in (0, 2 ** 255):
                yield f"y {y:x} sign {sign > 0}", {**jwk, "x": b64((y | sign).to_bytes(32, "little"))}
    if signer.algorithm == "RS256":
        small, large = rsa.generate_private_key(65537, 1024), rsa.generate_private_key(65537, 4608)
        for name, key in (("1024 bit", small), ("4608 bit", large)):
            yield name, {**jwk, "n": number(key.public_key().public_numbers().n)}
        yield "n of 8192 octets", {**jwk, "n": b64(b"\xff" * 8192)}
        yield "e of 9 octets", {**jwk, "e": b64(b"\1" * 9)}


# --- the corpus

class Corpus(SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Signetd(cls.lab)
        cls.verifier = Verifier(cls.server.url)
        cls.connection, cls.tried, cls.taken = None, 0, 0

    @classmethod
    def tearDownClass(cls):
        cls.drop()

    @classmethod
    def drop(cls):
        if cls.connection is not None:
            cls.connection.close()
        cls.connection = None

    # --- what is sent

    def exchange(self, method, path, body=None, content_type=JOSE):
        """Keeps a connection while the server does; every nonce that comes is known to the verifier."""
        if self.connection is None:
            context = self.server.tls_context()
            context.check_hostname = False
            type(self).connection = http.client.HTTPSConnection(HOST, self.server.https, timeout=60, context=context)
        headers = {"Content-Type": content_type} if content_type is not None else {}
        kept(self.connection).request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        octets = answer.read()
        if answer.will_close:
            self.drop()
        if answer.headers["Replay-Nonce"]:
            self.verifier.nonces.add(answer.headers["Replay-Nonce"])
        return answer.status, answer.headers, octets

    def nonce(self):
        if not self.verifier.nonces:
            self.exchange("HEAD", "/new-nonce")
        return sorted(self.verifier.nonces)[0]

    def fresh(self):
        """A nonce that no other request of this moment has."""
        return self.exchange("HEAD", "/new-nonce")[1]["Replay-Nonce"]

    def header(self, signer, path, **more):
        named = {"jwk": signer.jwk} if path == "/new-account" else {"kid": signer.kid}
        return {"alg": signer.algorithm, "nonce": self.nonce(), "url": self.server.url + path, **named, **more}

    def path(self, signer):
        return signer.kid[len(self.server.url):]

    def state(self):
        return self.server.query("SELECT * FROM account ORDER BY id"), self.server.query(
            "SELECT * FROM external_account_key ORDER BY id"), self.server.query("SELECT count(*) FROM audit")

    def send(self, name, path, body, content_type=JOSE, bad=True):
        """Sends it, and holds the answer against the second verifier. bad: what it must be."""
        body = body if isinstance(body, bytes) else compact(body)
        before = self.state() if bad else None
        status, kind = self.verifier.verdict(path, content_type or "", body)
        with self.subTest(name):
            found, headers, octets = self.exchange("POST", path, body, content_type)
            self.assertEqual(bad, status >= 400, "the second verifier thinks otherwise")
            self.assertTrue(headers["Replay-Nonce"])
            if not bad:
                self.assertEqual(status, found, octets)
                type(self).taken += 1
                return headers, json.loads(octets)
            self.assertEqual("application/problem+json", headers["Content-Type"])
            problem = json.loads(octets)
            self.assertEqual((status, f"urn:ietf:params:acme:error:{kind}", status),
                             (found, problem["type"], problem["status"]), problem)
            self.assertGreater(len(problem["detail"].split()), 3)
            self.assertEqual("algorithms" in problem, kind == "badSignatureAlgorithm")
            self.assertEqual(before, self.state())
            type(self).tried += 1
            return headers, problem

    def register(self, algorithm):
        signer = Signer(algorithm)
        headers, _ = self.send(f"register {algorithm}", "/new-account", sealed(
            signer, self.header(signer, "/new-account"), {"contact": []}), bad=False)
        signer.kid = headers["Location"]
        self.verifier.accounts[signer.kid] = Account(Key(signer.jwk))
        return signer

    def count(self, least):
        print(f"# {self.id()}: {self.tried} bad, {self.taken} good requests, as the second verifier says", flush=True)
        self.assertGreaterEqual(self.tried, least)
        self.assertGreater(self.taken, 10)
        type(self).tried = type(self).taken = 0


class AccountRequests(Corpus):
    """POSTs by kid to the account, and by jwk to newAccount."""

    def run_messages(self, signer):
        path = self.path(signer)
        good = lambda: sealed(signer, self.header(signer, path), PAYLOAD)
        for name, body in [*bad_messages(good()), *bad_bodies(good())]:
            self.send(f"{signer.algorithm} message: {name}", path, body)
        for name, body in bad_header_texts(self.header(signer, path)):
            self.send(f"{signer.algorithm} header: {name}", path, sealed(signer, body, PAYLOAD))
        one = good()
        for name, octets in bad_signatures(signer, one):
            self.send(f"{signer.algorithm} signature: {name}", path, {**one, "signature": b64(octets)})

    def run_algorithms(self, signer):
        for algorithm in bad_algorithms(signer.algorithm):
            for path in (self.path(signer), "/new-account"):
                header = self.header(signer, path, alg=algorithm)
                self.send(f"{signer.algorithm} as {algorithm}: {path}", path, sealed(signer, header, b"{}"))
        public = signer.key.public_key()
        for algorithm in MACS:
            for name, secret in (
                    ("DER", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
                    ("PEM", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)), ("nothing", b"")):
                header = self.header(signer, self.path(signer), alg=algorithm)
                self.send(f"{algorithm} with the public key, {name}", self.path(signer),
                          sealed(MacSigner(algorithm, secret), header, PAYLOAD))
        self.send("none without signature", self.path(signer), sealed(
            signer, self.header(signer, self.path(signer), alg="none"), PAYLOAD, signature=""))

    def run_parameters(self, signer, other, gone):
        path, kid, url = self.path(signer), signer.kid, self.server.url
        port = str(self.server.https)
        for value in (url, url + "/new-order", kid + "/", kid + "?", kid + "#", kid + " ", kid.replace("https", "http"),
                      kid.replace(HOST, "localhost"), kid.replace(":" + port, ""), kid.replace(port, "443"),
                      kid.upper(), path, "/", url + "/account/%2e/" + kid[-22:], other.kid):
            self.send(f"url {value}", path, sealed(signer, self.header(signer, path, url=value), PAYLOAD))
        for value in ("/", kid + "/", kid[:-1], kid + "A", kid + "=", kid.replace("/account/", "/order/"), path,
                      kid.replace(HOST, "other.example"), kid.replace("https", "http"), kid[-22:], other.kid, gone.kid,
                      url + "/account/" + ID, url + "/account/", kid.upper(), kid + "\ufeff"):
            self.send(f"kid {value}", path, sealed(signer, self.header(signer, path, kid=value), PAYLOAD))
        self.send("deactivated", path, sealed(gone, self.header(gone, path), PAYLOAD))
        self.send("deactivated, by key", "/new-account", sealed(gone, self.header(gone, "/new-account"), {}))
        self.send("of another account", self.path(other), sealed(signer, self.header(signer, self.path(other)), PAYLOAD))
        self.send("both", path, sealed(signer, self.header(signer, path, jwk=signer.jwk), PAYLOAD))
        self.send("jwk for kid", path, sealed(signer, without(self.header(signer, path, jwk=signer.jwk), "kid"), PAYLOAD))
        self.send("kid for jwk", "/new-account", sealed(
            signer, without(self.header(signer, "/new-account", kid=kid), "jwk"), {}))
        for name, value in (("jku", "https://evil.example/keys"), ("x5u", "https://evil.example/"), ("x5c", ["AAAA"])):
            self.send(f"{name} for jwk", "/new-account", sealed(
                signer, without(self.header(signer, "/new-account", **{name: value}), "jwk"), {}))

    def run_nonces(self, signer):
        path = self.path(signer)
        used, forgotten = self.fresh(), self.fresh()
        body = sealed(signer, self.header(signer, path, nonce=used), b"")
        self.send("first use", path, body, bad=False)
        self.send("replayed", path, body)
        refused = sealed(signer, self.header(signer, path, nonce=forgotten, url="x"), b"")
        self.send("wrong url", path, refused)
        for value in (used, forgotten, "A" * 32, "A" * 31, "A" * 64, "AAAA", used[:16] + "AAAA" + used[20:], used[:-4],
                      used + "AAAA", used.swapcase(), "=", used + "=", used + " ", "\u00e4" * 32, "A", used + "A"):
            self.send(f"nonce {value!r}", path, sealed(signer, self.header(signer, path, nonce=value), PAYLOAD))
        for value in (None, 1, [], {}, [used], True):
            self.send(f"nonce {value!r}", path, sealed(signer, self.header(signer, path, nonce=value), PAYLOAD))

    def run_payloads(self, signer):
        path, text = self.path(signer), PAYLOAD[:-1]
        for payload in (b"[]", b"1", b'"x"', b"null", b"true", b"{", b" ", text, text + b"}}", text + b"}\0",
                        text + b',"contact":[]}', text + b',"x":"\xff"}', text + b',"x":"\\u0000"}',
                        text + b',"x":[[[[[[[[]]]]]]]]}', b"\xef\xbb\xbf" + PAYLOAD, b"{}{}", b"{}x", b"{'a':1}",
                        text + b',"x":1e999}', text + b',"x":"\\ud800"}'):
            self.send(f"payload {payload!r:.60}", path, sealed(signer, self.header(signer, path), payload))
        for name, encoded in twisted_texts(b64(PAYLOAD + b" ")):
            self.send(f"payload {name}", path, sealed(signer, self.header(signer, path), b"", encoded))

    def run_transport(self, signer):
        path = self.path(signer)
        for content_type in ("application/json", "application/jose", "text/plain", "application/jose+json; charset=utf-8",
                             "application/jose+json, x/y", "Application/JOSE+JSON", "application/jose+json;", "", None,
                             "application/x-www-form-urlencoded"):
            self.send(f"content type {content_type}", path, sealed(signer, self.header(signer, path), PAYLOAD),
                      content_type)

    def run_keys(self, signer):
        path = "/new-account"
        for name, jwk in bad_keys(signer):
            self.send(f"{signer.algorithm} jwk: {name}", path, sealed(
                signer, self.header(signer, path, jwk=jwk), {"onlyReturnExisting": True}))
        self.send("another key's jwk", path, sealed(
            signer, self.header(signer, path, jwk=Signer(signer.algorithm).jwk), {"contact": []}))

    def run_weak_rsa(self):
        for name, key in (("e 3", rsa.generate_private_key(3, 2048)), ("of 2052 bit", rsa.generate_private_key(65537, 2052))):
            signer = Signer("RS256", key)
            self.send(f"RSA {name}", "/new-account", sealed(signer, self.header(signer, "/new-account"), {}))

    def run_good(self, signer):
        """What the RFCs let through."""
        path, text = self.path(signer), compact({"contact": []})
        for name, header in (("typ", {"typ": "JOSE"}), ("jku is not asked", {"jku": "https://evil.example/"}),
                             ("x5c is not asked", {"x5c": ["AAAA"]}), ("more", {"x": [[[[[[[]]]]]]]})):
            self.send(f"good: {name}", path, sealed(signer, self.header(signer, path, **header), text), bad=False)
        for name, payload in (("POST-as-GET", b""), ("blanks", b" {\n} "), ("deep", b'{"x":[[[[[[[]]]]]]]}'),
                              ("escaped", b'{"cont\\u0061ct":[]}'), ("large number", b'{"x":9223372036854775807}')):
            self.send(f"good: {name}", path, sealed(signer, self.header(signer, path), payload), bad=False)
        good = sealed(signer, self.header(signer, path), text)
        self.send("good: more members", path, {**good, "x": 1, "protecte": "", "heade\u00e4": []}, bad=False)
        self.send("good: blanks in the message", path, json.dumps(
            sealed(signer, self.header(signer, path), text), indent=4).encode() + b"\n", bad=False)
        text = compact(sealed(signer, self.header(signer, path), text))
        self.send("good: the largest", path, text[:-1] + b',"x":"' + b"x" * (MAX_BODY - len(text) - 7) + b'"}', bad=False)
        jwk = {**signer.jwk, "kid": "me", "use": "sig", "alg": signer.algorithm, "ext": True}
        self.send("good: more in the jwk", "/new-account", sealed(
            signer, self.header(signer, "/new-account", jwk=jwk), {"onlyReturnExisting": True}), bad=False)
        if signer.algorithm in CURVE_OF:
            order = CURVES[signer.curve][2]
            for which in (min, max):
                good = sealed(signer, self.header(signer, path), b"{}")
                r, s = signer.pair(f"{good['protected']}.{good['payload']}".encode())
                good["signature"] = b64(signer.join(r, which(s, order - s)))
                self.send(f"good: the {which.__name__} of s and n - s", path, good, bad=False)

    def run_all(self, algorithm):
        signer, other, gone = self.register(algorithm), self.register("ES256"), self.register(algorithm)
        self.send("deactivate", self.path(gone), sealed(
            gone, self.header(gone, self.path(gone)), {"status": "deactivated"}), bad=False)
        self.verifier.accounts[gone.kid].active = False
        self.run_good(signer)
        self.run_messages(signer)
        self.run_algorithms(signer)
        self.run_parameters(signer, other, gone)
        self.run_nonces(signer)
        self.run_payloads(signer)
        self.run_transport(signer)
        self.run_keys(signer)
        self.run_good(signer)
        self.count(LEAST // 2)

    def test_es256(self):
        self.run_all("ES256")

    def test_es384(self):
        self.run_all("ES384")

    def test_es512(self):
        self.run_all("ES512")

    def test_eddsa(self):
        self.run_all("EdDSA")

    def test_rs256(self):
        self.run_weak_rsa()
        self.run_all("RS256")


class KeyChange(Corpus):
    """The JWS inside a key change, RFC 8555 section 7.3.5."""

    def outer(self, signer, inner):
        return sealed(signer, self.header(signer, "/key-change"), inner)

    def inner_header(self, new, **more):
        return {"alg": new.algorithm, "url": self.server.url + "/key-change", "jwk": new.jwk, **more}

    def change(self, signer, **more):
        return {"account": signer.kid, "oldKey": signer.jwk, **more}

    def refuse(self, name, signer, inner):
        return self.send(name, "/key-change", self.outer(signer, inner))

    def run_messages(self, signer, new):
        good = sealed(new, self.inner_header(new), self.change(signer))
        for name, inner in bad_messages(good):
            self.refuse(f"inner {name}", signer, inner)
        for name, body in bad_header_texts(self.inner_header(new)):
            self.refuse(f"inner header {name}", signer, sealed(new, body, self.change(signer)))
        for name, octets in bad_signatures(new, good):
            self.refuse(f"inner signature {name}", signer, {**good, "signature": b64(octets)})
        self.refuse("signed by the old key", signer, sealed(signer, self.inner_header(new), self.change(signer)))
        self.send("no payload", "/key-change", self.outer(signer, b""))

    def run_headers(self, signer, new):
        for algorithm in bad_algorithms(new.algorithm):
            self.refuse(f"inner alg {algorithm}", signer, sealed(
                new, self.inner_header(new, alg=algorithm), self.change(signer)))
        for name, more in (("nonce", {"nonce": self.fresh()}), ("nonce null", {"nonce": None}), ("kid", {
                "kid": signer.kid}), ("kid null", {"kid": None})):
            self.refuse(f"inner {name}", signer, sealed(new, self.inner_header(new, **more), self.change(signer)))
        self.refuse("kid for jwk", signer, sealed(
            signer, without(self.inner_header(new, alg=signer.algorithm, kid=signer.kid), "jwk"), self.change(signer)))
        url = self.server.url + "/key-change"
        for value in (self.server.url + "/new-account", url + "/", url.replace(HOST, "other.example"), url.upper(), "/key-change",
                      signer.kid):
            self.refuse(f"inner url {value}", signer, sealed(new, self.inner_header(new, url=value), self.change(signer)))
        for name, jwk in bad_keys(new):
            self.refuse(f"inner jwk {name}", signer, sealed(new, self.inner_header(new, jwk=jwk), self.change(signer)))

    def run_changes(self, signer, new, other):
        make = lambda change: sealed(new, self.inner_header(new), change)
        for value in (None, 1, "", [], {}, [signer.kid], other.kid, signer.kid + "/", signer.kid.upper(), signer.kid[:-1],
                      signer.kid.replace(HOST, "other.example"), self.path(signer), self.server.url + "/account/" + ID):
            self.refuse(f"account {value}", signer, make(self.change(signer, account=value)))
        for value in (None, 1, "", [], {}, [signer.jwk], other.jwk, new.jwk, {**signer.jwk, "d": "AAAA"},
                      Signer(signer.algorithm).jwk, b64(compact(signer.jwk)), {"kty": "oct", "k": "AAAA"}):
            self.refuse(f"oldKey {value}", signer, make(self.change(signer, oldKey=value)))
        for name in ("account", "oldKey"):
            self.refuse(f"without {name}", signer, make(without(self.change(signer), name)))
            text = compact(self.change(signer))
            self.refuse(f"{name} twice", signer, make(
                text[:-1] + b"," + compact(name) + b":" + compact(self.change(signer)[name]) + b"}"))
        for text in (b"", b"[]", b"null", b"{", b"{}{}", compact(self.change(signer)) + b"\0"):
            self.refuse(f"payload {text!r:.40}", signer, make(text))
        for name, encoded in twisted_texts(b64(compact(self.change(signer)))):
            self.refuse(f"payload {name}", signer, sealed(new, self.inner_header(new), b"", encoded))

    def run_in_use(self, signer, other):
        for name, holder in (("another account's", other), ("the same", signer)):
            headers, _ = self.refuse(name, signer, sealed(holder, self.inner_header(holder), self.change(signer)))
            self.assertEqual(holder.kid, headers["Location"])
        weak = Signer("RS256", rsa.generate_private_key(3, 2048))
        self.refuse("weak", signer, sealed(weak, self.inner_header(weak), self.change(signer)))

    def run_good(self, signer, new, **more):
        """The change, and what becomes of the old key."""
        body = self.outer(signer, sealed(new, self.inner_header(new), self.change(signer, **more)))
        headers, account = self.send("good", "/key-change", body, bad=False)
        self.assertEqual((signer.kid, "valid"), (headers["Location"], account["status"]))
        new.kid = signer.kid
        self.verifier.accounts[new.kid].key = Key(new.jwk)
        path = self.path(signer)
        self.send("old key", path, sealed(signer, self.header(signer, path), PAYLOAD))
        self.send("old key, newAccount", "/new-account", sealed(
            signer, self.header(signer, "/new-account"), {"onlyReturnExisting": True}))
        self.send("replayed", "/key-change", body)
        self.send("new key", path, sealed(new, self.header(new, path), b""), bad=False)
        return new

    def test_key_change(self):
        signer, other = self.register("ES256"), self.register("RS256")
        for algorithm in ALGORITHMS:
            new = Signer(algorithm)
            self.run_messages(signer, new)
            self.run_headers(signer, new)
            self.run_changes(signer, new, other)
            self.run_in_use(signer, other)
            signer = self.run_good(signer, new, reason="more members are fine")
        for _ in range(3):
            signer = self.run_good(signer, Signer("EdDSA"))
        self.count(LEAST)


class ExternalAccountBinding(Corpus):
    """The JWS inside newAccount, RFC 8555 section 7.3.4."""

    def external_keys(self, count):
        """kids of MAC keys that are put into the store while the server is down."""
        self.drop()
        self.server.stop()
        self.verifier.nonces.clear()
        store = sqlite3.connect(self.server.folder / "store/signet.db")
        kids = []
        for i in range(count):
            octets, secret = hashlib.sha256(b"%d" % i).digest()[:16], hashlib.sha512(b"%d" % i).digest()[:32]
            store.execute("INSERT INTO external_account_key (id, mac_key, note, identifiers, profiles, created_at,"
                          " revoked_at) VALUES (?, ?, '', '[]', '[]', ?, ?)",
                          (octets, secret, int(time.time() * 1000), 1 if i == 0 else None))
            kids.append(b64(octets))
            self.verifier.external[b64(octets)] = ExternalKey(secret, usable=i > 0)
        store.commit()
        store.close()
        self.server.start()
        return kids

    def outer(self, signer, binding):
        text = binding if isinstance(binding, bytes) else compact(binding)
        return sealed(signer, self.header(signer, "/new-account"),
                      b'{"contact":[],"externalAccountBinding":' + text + b"}")

    def refuse(self, name, signer, binding):
        return self.send(name, "/new-account", self.outer(signer, binding))

    def inner_header(self, kid, algorithm="HS256", **more):
        return {"alg": algorithm, "kid": kid, "url": self.server.url + "/new-account", **more}

    def binding(self, signer, kid, algorithm="HS256", **more):
        mac = MacSigner(algorithm, self.verifier.external[kid].mac_key)
        return sealed(mac, self.inner_header(kid, algorithm, **more), signer.jwk)

    def run_messages(self, signer, kid):
        mac = MacSigner("HS256", self.verifier.external[kid].mac_key)
        good = self.binding(signer, kid)
        for value in (None, 1, "x", [], [good], ".".join(good.values())):
            self.refuse(f"binding {value!r:.20}", signer, value)
        for name, binding in bad_messages(good):
            self.refuse(f"binding {name}", signer, binding)
        for name, text in bad_header_texts(self.inner_header(kid)):
            self.refuse(f"binding header {name}", signer, sealed(mac, text, signer.jwk))
        octets = decoded(good["signature"])
        for i in range(0, len(octets), 4):
            changed = octets[:i] + bytes([octets[i] ^ 1]) + octets[i + 1:]
            self.refuse(f"MAC octet {i}", signer, {**good, "signature": b64(changed)})
        for name, changed in (("cut", octets[:-1]), ("half", octets[:16]), ("none", b""), ("longer", octets + b"\0"),
                              ("zero", bytes(32)), ("of HS512", bytes(64))):
            self.refuse(f"MAC {name}", signer, {**good, "signature": b64(changed)})

    def run_headers(self, signer, kid, others):
        secret = self.verifier.external[kid].mac_key
        mac = MacSigner("HS256", secret)
        for algorithm in ("none", "None", "hs256", "HS1", "HS224", "SHA256", "A128KW", "", *ALGORITHMS):
            self.refuse(f"alg {algorithm}", signer, sealed(mac, self.inner_header(kid, algorithm), signer.jwk))
        self.refuse("signed by the account", signer, sealed(
            signer, self.inner_header(kid, signer.algorithm), signer.jwk))
        for algorithm in MACS:
            for other in set(MACS) - {algorithm}:
                self.refuse(f"{algorithm} made with {other}", signer, sealed(
                    MacSigner(other, secret), self.inner_header(kid, algorithm), signer.jwk))
        for name, more in (("nonce", {"nonce": self.fresh()}), ("nonce null", {"nonce": None}),
                           ("jwk", {"jwk": signer.jwk}), ("crit", {"crit": ["x"], "x": 1})):
            self.refuse(f"with {name}", signer, sealed(mac, self.inner_header(kid, **more), signer.jwk))
        self.refuse("jwk for kid", signer, sealed(
            mac, without(self.inner_header(kid, jwk=signer.jwk), "kid"), signer.jwk))
        for value in (ID, "", "ann", kid + "=", kid + "A", kid[:-1], kid.swapcase(), kid + " ", *others):
            self.refuse(f"kid {value}", signer, sealed(mac, self.inner_header(value), signer.jwk))
        url = self.server.url + "/new-account"
        for value in (url + "/", self.server.url + "/new-order", url.replace(HOST, "other.example"), "/new-account", url.upper()):
            self.refuse(f"url {value}", signer, self.binding(signer, kid, url=value))

    def run_payloads(self, signer, kid):
        mac = MacSigner("HS256", self.verifier.external[kid].mac_key)
        make = lambda payload: sealed(mac, self.inner_header(kid), payload)
        for name, payload in (("none", b""), ("text", b'"x"'), ("list", [signer.jwk]), ("empty", {}), ("cut", b"{"),
                              ("nested", {"jwk": signer.jwk}), ("private", {**signer.jwk, "d": "AAAA"}),
                              ("another's", Signer(signer.algorithm).jwk), ("of another kind", Signer("RS256").jwk),
                              ("no kty", without(signer.jwk, "kty")), ("thumbprint", compact(b64(bytes(32)))),
                              ("twice", compact(signer.jwk)[:-1] + b',"kty":"EC"}')):
            self.refuse(f"payload {name}", signer, make(payload))
        for name, encoded in twisted_texts(b64(compact(signer.jwk))):
            self.refuse(f"payload {name}", signer, sealed(mac, self.inner_header(kid), b"", encoded))

    def run_revoked_and_bound(self, revoked, bound):
        signer = Signer("ES256")
        for name, kid in (("revoked", revoked), ("bound", bound)):
            _, problem = self.refuse(name, signer, self.binding(signer, kid))
            self.assertIn("revoked" if name == "revoked" else "account already", problem["detail"])
        unknown = self.refuse("unknown", signer, sealed(MacSigner("HS256", b"x"), self.inner_header(ID), signer.jwk))
        for kid in (revoked, bound):
            wrong = self.refuse("wrong MAC", signer, sealed(MacSigner("HS256", b"x"), self.inner_header(kid), signer.jwk))
            self.assertEqual(unknown[1], wrong[1])  # nothing told

    def test_binding(self):
        revoked, unused, *kids = self.external_keys(2 + 3 * len(ALGORITHMS))
        signer = Signer("ES256")
        self.run_messages(signer, unused)
        self.run_headers(signer, unused, [kids[0], revoked])
        self.run_payloads(signer, unused)
        for algorithm in ALGORITHMS:
            for mac in MACS:
                signer, kid = Signer(algorithm), kids.pop()
                headers, _ = self.send(f"good {algorithm} {mac}", "/new-account", self.outer(
                    signer, self.binding(signer, kid, mac)), bad=False)
                self.verifier.accounts[headers["Location"]] = Account(Key(signer.jwk))
                self.verifier.external[kid].usable = False
                bound = kid
        self.run_revoked_and_bound(revoked, bound)
        self.count(LEAST // 4)


if __name__ == "__main__":
    unittest.main()
