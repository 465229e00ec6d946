# SPDX-License-Identifier: Apache-2.0
"""A second verifier of ACME requests (RFC 8555 sections 6.2 to 6.5, 7.3.4, 7.3.5), written from the RFCs alone.

It is given what the server is given, and what the server knows: its URL, accounts, nonces and external account keys. It
says (status, type of the problem or None). JSON, base64url and points of curves are read by code of its own; signatures
are verified by python3-cryptography."""

import base64
import hashlib
import hmac
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

MAX_BODY = 64 * 1024
MAX_DEPTH = 8

# prime, b, order; a is -3 on each (SP 800-186 section 3.2.1)
CURVES = {
    "P-256": (2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1,
              0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b,
              0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551),
    "P-384": (2 ** 384 - 2 ** 128 - 2 ** 96 + 2 ** 32 - 1,
              0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef,
              0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973),
    "P-521": (2 ** 521 - 1,
              int("51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e1"
                  "56193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00", 16),
              int("1" + 65 * "f" + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16)),
}
EC_KINDS = {"P-256": ("ES256", 32, ec.SECP256R1(), hashes.SHA256()),
            "P-384": ("ES384", 48, ec.SECP384R1(), hashes.SHA384()),
            "P-521": ("ES512", 66, ec.SECP521R1(), hashes.SHA512())}
ED_PRIME = 2 ** 255 - 19
ED_D = -121665 * pow(121666, -1, ED_PRIME) % ED_PRIME
ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "RS256"]
MACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class Refused(Exception):
    def __init__(self, kind, status=400):
        super().__init__(kind)
        self.kind, self.status = kind, status


def need(condition, kind="malformed", status=400):
    if not condition:
        raise Refused(kind, status)


# --- octets

def unbase64url(text):
    """Octets, or None: RFC 7515 section 2, with spare bits that are zero."""
    if not isinstance(text, str) or not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        return None
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return octets if base64url(octets) == text else None


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _once(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member twice")
    return dict(pairs)


def _integer(digits):
    number = int(digits)
    if not -2 ** 63 <= number < 2 ** 63:
        raise ValueError("a number that is too large")
    return number


def _real(digits):
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number that is too large")
    return number


def _constant(name):
    raise ValueError(name)


def _check_value(value, depth):
    if isinstance(value, str) and ("\0" in value or re.search("[\ud800-\udfff]", value)):
        raise ValueError("a character that is none")
    if isinstance(value, (dict, list)):
        if depth == MAX_DEPTH:
            raise ValueError("too deep")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _check_value(part, depth + 1)


def read_json(octets):
    """The object in octets; raises Refused when there is none by the rules of this server."""
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_once, parse_int=_integer, parse_float=_real,
                           parse_constant=_constant)
        _check_value(value, 0)
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    need(isinstance(value, dict))
    return value


# --- keys

class Key:
    """A public key from its JWK; raises Refused."""

    def __init__(self, jwk):
        bad = lambda condition: need(condition, "badPublicKey")
        bad(isinstance(jwk, dict))
        bad(not any(name in jwk for name in PRIVATE))
        self.kind, self.curve = jwk.get("kty"), jwk.get("crv")
        if self.kind == "EC" and isinstance(self.curve, str) and self.curve in EC_KINDS:
            self.algorithm, names = EC_KINDS[self.curve][0], ("crv", "kty", "x", "y")
        elif self.kind == "OKP" and self.curve == "Ed25519":
            self.algorithm, names = "EdDSA", ("crv", "kty", "x")
        else:
            bad(self.kind == "RSA")
            self.algorithm, names = "RS256", ("e", "kty", "n")
        self.octets = {name: unbase64url(jwk.get(name)) for name in names if name not in ("crv", "kty")}
        bad(None not in self.octets.values())
        bad(self.is_valid())
        text = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"), sort_keys=True)
        self.thumbprint = hashlib.sha256(text.encode()).digest()

    def number(self, name):
        return int.from_bytes(self.octets[name], "big")

    def is_valid(self):
        if self.kind == "EC":
            prime, b, _ = CURVES[self.curve]
            length = EC_KINDS[self.curve][1]
            x, y = self.number("x"), self.number("y")
            return (len(self.octets["x"]) == len(self.octets["y"]) == length and x < prime and y < prime and
                    (y * y - (x ** 3 - 3 * x + b)) % prime == 0)
        if self.kind == "OKP":
            return len(self.octets["x"]) == 32 and self.has_large_order()
        n, e = self.octets["n"], self.octets["e"]
        return 256 <= len(n) <= 512 and 1 <= len(e) <= 8 and n[0] != 0 and e[0] != 0

    def has_large_order(self):
        """RFC 8032 section 5.1.3, then eight times the point."""
        number = int.from_bytes(self.octets["x"], "little")
        y, p = number & (2 ** 255 - 1), ED_PRIME
        if y >= p:
            return False
        square = (y * y - 1) * pow(ED_D * y * y + 1, -1, p) % p
        x = pow(square, (p + 3) // 8, p)
        if (x * x - square) % p != 0:
            x = x * pow(2, (p - 1) // 4, p) % p
        if (x * x - square) % p != 0 or x == 0 and number >> 255:
            return False
        for _ in range(3):
            product = ED_D * x * x * y * y % p
            x, y = 2 * x * y * pow(1 + product, -1, p) % p, (y * y + x * x) * pow(1 - product, -1, p) % p
        return (x, y) != (0, 1)

    def breaks_policy(self):
        """What newAccount and a key change refuse besides (S/MIME BR 6.1.5, 6.1.6), as far as this corpus goes."""
        return self.kind == "RSA" and (self.number("e") != 65537 or not 2048 <= self.number("n").bit_length() <= 4096 or
                                       self.number("n").bit_length() % 8 != 0 or self.number("n") % 2 == 0)

    def verify(self, signature, octets):
        try:
            if self.kind == "EC":
                _, length, curve, digest = EC_KINDS[self.curve]
                order = CURVES[self.curve][2]
                r, s = int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big")
                if len(signature) != 2 * length or not 0 < r < order or not 0 < s < order:
                    return False
                public = ec.EllipticCurvePublicNumbers(self.number("x"), self.number("y"), curve).public_key()
                public.verify(encode_dss_signature(r, s), octets, ec.ECDSA(digest))
            elif self.kind == "OKP":
                public = ed25519.Ed25519PublicKey.from_public_bytes(self.octets["x"])
                if len(signature) != 64:
                    return False
                public.verify(signature, octets)
            else:
                if len(signature) != len(self.octets["n"]):
                    return False
                rsa.RSAPublicNumbers(self.number("e"), self.number("n")).public_key().verify(
                    signature, octets, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


# --- one JWS

class Jws:
    """A flattened JWS: its form and what every protected header obeys."""

    def __init__(self, message):
        need(isinstance(message, dict))
        need("signatures" not in message and "header" not in message)
        for name in ("protected", "payload", "signature"):
            need(isinstance(message.get(name), str))
        self.signature = unbase64url(message["signature"])
        protected = unbase64url(message["protected"])
        need(self.signature is not None and protected is not None)
        self.header = read_json(protected)
        need("crit" not in self.header and "b64" not in self.header)
        self.algorithm, self.url = self.header.get("alg"), self.header.get("url")
        need(isinstance(self.algorithm, str) and isinstance(self.url, str))
        self.payload = message["payload"]
        self.input = f"{message['protected']}.{message['payload']}".encode(errors="surrogatepass")

    def key(self):
        need(self.algorithm in ALGORITHMS, "badSignatureAlgorithm")
        key = Key(self.header["jwk"])
        need(key.algorithm == self.algorithm, "badPublicKey")
        return key

    def check(self, key):
        need(key.verify(self.signature, self.input))

    def object(self):
        """The payload; None when it is empty."""
        if self.payload == "":
            return None
        octets = unbase64url(self.payload)
        need(octets is not None)
        return read_json(octets)


class Account:
    def __init__(self, key, active=True):
        self.key, self.active = key, active


class ExternalKey:
    def __init__(self, mac_key, usable=True):
        self.mac_key, self.usable = mac_key, usable


class Verifier:
    """url: of the server. accounts: {URL: Account}. nonces: those that are good. external: {kid: ExternalKey}."""

    def __init__(self, url):
        self.url, self.accounts, self.nonces, self.external = url, {}, set(), {}

    def verdict(self, path, content_type, body):
        """(status, problem or None) of a POST."""
        try:
            return self.run(path, content_type, body), None
        except Refused as refused:
            return refused.status, refused.kind

    def run(self, path, content_type, body):
        need(content_type == "application/jose+json", status=415)
        need(len(body) <= MAX_BODY, status=413)
        jws = Jws(read_json(body))
        by_key = path == "/new-account"
        nonce = jws.header.get("nonce")
        need("nonce" not in jws.header or nonce and unbase64url(nonce) is not None)
        need(("jwk" in jws.header) != ("kid" in jws.header))
        need(("jwk" in jws.header) == by_key)
        account, key = (None, jws.key()) if by_key else self.signer(jws)
        jws.check(key)
        need(account is None or account.active, "unauthorized", 401)
        need(nonce in self.nonces, "badNonce")
        self.nonces.remove(nonce)
        need(jws.url == self.url + path, "unauthorized", 403)
        payload = jws.object()
        if by_key:
            return self.new_account(key, payload)
        if path == "/key-change":
            return self.key_change(jws.header["kid"], payload)
        need(self.url + path == jws.header["kid"], status=404)
        return 200

    def signer(self, jws):
        need(jws.algorithm in ALGORITHMS, "badSignatureAlgorithm")
        kid = jws.header["kid"]
        need(isinstance(kid, str))
        need(kid in self.accounts, "accountDoesNotExist")
        account = self.accounts[kid]
        need(account.key.algorithm == jws.algorithm, "badSignatureAlgorithm")
        return account, account.key

    def new_account(self, key, payload):
        need(payload is not None)
        for account in self.accounts.values():
            if account.key.thumbprint == key.thumbprint:
                need(account.active, "unauthorized", 401)
                return 200
        need(payload.get("onlyReturnExisting") is not True, "accountDoesNotExist")
        need(not key.breaks_policy(), "badPublicKey")
        if "externalAccountBinding" in payload:
            self.binding(key, payload["externalAccountBinding"])
        return 201

    def inner_header(self, jws, named_by):
        need("nonce" not in jws.header)
        need(named_by in jws.header and {"jwk": "kid", "kid": "jwk"}[named_by] not in jws.header)

    def binding(self, key, message):
        jws = Jws(message)
        self.inner_header(jws, "kid")
        need(isinstance(jws.header["kid"], str))
        need(jws.algorithm in MACS, "badSignatureAlgorithm")
        known = self.external.get(jws.header["kid"])
        need(known is not None, "unauthorized", 403)
        need(hmac.compare_digest(hmac.digest(known.mac_key, jws.input, MACS[jws.algorithm]), jws.signature),
             "unauthorized", 403)
        need(jws.url == self.url + "/new-account", "unauthorized", 403)
        payload = jws.object()
        need(payload is not None)
        try:
            bound = Key(payload)
        except Refused:
            raise Refused("malformed") from None
        need(bound.thumbprint == key.thumbprint, "unauthorized", 403)
        need(known.usable, "unauthorized", 403)

    def key_change(self, kid, message):
        jws = Jws(message)
        self.inner_header(jws, "jwk")
        key = jws.key()
        jws.check(key)
        change = jws.object()
        need(change is not None)
        need(isinstance(change.get("account"), str) and isinstance(change.get("oldKey"), dict))
        need(jws.url == self.url + "/key-change", "unauthorized", 403)
        need(change["account"] == kid, "unauthorized", 403)
        try:
            old = Key(change["oldKey"])
        except Refused:
            raise Refused("malformed") from None
        need(old.thumbprint == self.accounts[kid].key.thumbprint, "unauthorized", 403)
        need(not key.breaks_policy(), "badPublicKey")
        need(all(account.key.thumbprint != key.thumbprint for account in self.accounts.values()), status=409)
        return 200
