# SPDX-License-Identifier: Apache-2.0
"""DKIM signatures in any form: the field is written by the caller, letter by letter, with "$bh" and "$b" where the
hashes go. Canonical forms are dkimpy's, the arithmetic is python3-cryptography's."""

import base64
import hashlib
import re
from unittest import mock

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import CanonicalizationPolicy

DIGESTS = {"sha256": (hashlib.sha256, hashes.SHA256()), "sha1": (hashlib.sha1, hashes.SHA1())}


class Key:
    """A fresh key: "ed25519", or the bits of an RSA key."""

    def __init__(self, kind=1024, exponent=65537):
        self.kind = kind
        self.private = (ed25519.Ed25519PrivateKey.generate() if kind == "ed25519"
                        else rsa.generate_private_key(public_exponent=exponent, key_size=kind))

    def public(self, form="spki"):
        """p= in base64; form "rsa": RSAPublicKey alone, as RFC 6376 has it."""
        if self.kind == "ed25519":
            octets = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        else:
            format_ = (serialization.PublicFormat.PKCS1 if form == "rsa"
                       else serialization.PublicFormat.SubjectPublicKeyInfo)
            octets = self.private.public_key().public_bytes(serialization.Encoding.DER, format_)
        return base64.b64encode(octets).decode()

    def record(self):
        return f"v=DKIM1; k={'ed25519' if self.kind == 'ed25519' else 'rsa'}; p={self.public()}"

    @property
    def algorithm(self):
        return "ed25519-sha256" if self.kind == "ed25519" else "rsa-sha256"

    def sign(self, text, digest="sha256"):
        """RFC 8463 section 3: Ed25519 signs the hash, not the text."""
        if self.kind == "ed25519":
            return self.private.sign(hashlib.sha256(text).digest())
        return self.private.sign(text, padding.PKCS1v15(), DIGESTS[digest][1])


def split(raw):
    """(fields, body) of a message, a field as (name, rest after the colon with CRLF); what is none is left out."""
    header, _, body = raw.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    return [(name, rest + b"\r\n") for name, colon, rest in (field.partition(b":") for field in fields) if colon], body


def wrapped(octets, width, joint="\r\n\t "):
    """base64 in lines, as a program folds b=; the first line is no shorter than the others."""
    text = base64.b64encode(octets).decode()
    return text if width is None else joint.join(text[i:i + width] for i in range(0, len(text), width))


def tag(field, name, default=""):
    """A tag's value in the text of a field, without blanks."""
    found = re.search(r"(?:^|;)\s*" + name + r"\s*=([^;]*)", field.partition(":")[2])
    return re.sub(r"\s", "", found.group(1)) if found else default


def body_hash(body, canon, digest="sha256", length=None):
    policy = CanonicalizationPolicy.from_c_value(canon.encode())
    return DIGESTS[digest][0](policy.canonicalize_body(body)[:length]).digest()


def sign(raw, key, field, *, width=70, joint="\r\n\t ", canon=None, length=None, select=None):
    """The message with field on top, "$bh" and "$b" in it filled in. canon, select: what is really done, when the
    field's c= or h= say something else."""
    canon = canon or tag(field, "c", "simple/simple").lower()
    digest = "sha1" if tag(field, "a").endswith("sha1") else "sha256"
    policy = CanonicalizationPolicy.from_c_value(canon.encode())
    fields, body = split(raw)
    field = field.replace("$bh", base64.b64encode(body_hash(body, canon, digest, length)).decode())
    names = [name.encode() for name in (select or tag(field, "h").lower().split(":"))]
    chosen = dkim.select_headers(policy.canonicalize_headers(
        [(name.rstrip(b" \t"), value) for name, value in fields]), names)
    name, colon, rest = field.partition(":")
    own = policy.canonicalize_headers([(name.encode(), rest.replace("$b", "").encode() + b"\r\n")])
    text = b"".join(name + b":" + value for name, value in chosen) + b"".join(
        name + b":" + value.rstrip(b"\r\n") for name, value in own)
    return name.encode() + colon.encode() + rest.replace("$b", wrapped(key.sign(text, digest), width, joint)).encode() \
        + b"\r\n" + raw


def simple_field(key, domain, selector, names, canon="relaxed/relaxed", more=""):
    """A field in one of the plainest forms."""
    return (f"DKIM-Signature: v=1; a={key.algorithm}; c={canon}; d={domain}; s={selector};{more}\r\n"
            f"\th={':'.join(names)};\r\n\tbh=$bh;\r\n\tb=$b")


def verified(raw, index, records, now):
    """dkimpy's verdict at a time (seconds) on the signature at index, from the top; records: {question: text}."""
    def answer(name, timeout=5):
        record = records.get(name.decode().rstrip(".").lower())
        return record if record is None else record.encode()
    try:
        with mock.patch("dkim.time.time", return_value=now):
            return dkim.DKIM(raw).verify(idx=index, dnsfunc=answer)
    except Exception:  # whatever an oracle dies of is no "pass"
        return False
