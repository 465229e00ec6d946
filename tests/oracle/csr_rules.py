# SPDX-License-Identifier: Apache-2.0
"""A second verifier of certification requests: RFC 2986, the S/MIME BR's rules on keys (6.1), RFC 8823 sections 3 and
3.3 and Signet's own rules on names, on a DER reader of its own. `judge` returns every fault that it finds, so that a
test sees which rule stood alone.

    verdict = judge(octets, dns_names=False)
    verdict.faults      {(rule, "csr" or "key"), ...}; empty: the request is accepted
    verdict.mailboxes   canonical forms; verdict.wishes: of "s", "e", "n"; verdict.kind: "rsa", "p256", "p384"
"""

import hashlib
import math
import re
import unicodedata

import idna
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

MAX_OCTETS = 16 * 1024
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, ENUMERATED = 1, 2, 3, 4, 5, 6, 10
UTF8, NUMERIC, PRINTABLE, T61, IA5, UNIVERSAL, BMP = 12, 18, 19, 20, 22, 28, 30
SEQUENCE, SET = 0x30, 0x31


class NotDer(Exception):
    """The octets are not the DER of what is read."""


# --- DER -------------------------------------------------------------------------------------------------------------

def header(octets, at, strict=True):
    """(tag octet, start and end of the content) of the element at an offset; low tag numbers alone."""
    if at + 2 > len(octets):
        raise NotDer("cut off")
    tag, length, start = octets[at], octets[at + 1], at + 2
    if tag & 0x1f == 0x1f:
        raise NotDer("high tag number")
    if length == 0x80:
        raise NotDer("indefinite length")
    if length > 0x80:
        count = length & 0x7f
        if start + count > len(octets):
            raise NotDer("cut off")
        length, start = int.from_bytes(octets[start:start + count], "big"), start + count
        if strict and (length < 0x80 or count != (length.bit_length() + 7) // 8):
            raise NotDer("length not minimal")
    if start + length > len(octets):
        raise NotDer("cut off")
    return tag, start, start + length


def elements(octets, strict=True):
    """The elements that octets hold, as (tag, content, whole encoding)."""
    found, at = [], 0
    while at < len(octets):
        tag, start, end = header(octets, at, strict)
        found.append((tag, octets[start:end], octets[at:end]))
        at = end
    return found


def one(octets, tag):
    """The content of the one element that octets are."""
    found = elements(octets)
    if len(found) != 1 or found[0][0] != tag:
        raise NotDer(f"not one element {tag:#x}")
    return found[0][1]


def of(pair, tag):
    if pair[0] != tag:
        raise NotDer(f"{pair[0]:#x} in place of {tag:#x}")
    return pair[1]


def integer(content):
    if not content or (len(content) > 1 and content[0] in (0, 0xff) and content[0] >> 7 == content[1] >> 7):
        raise NotDer("INTEGER")
    return int.from_bytes(content, "big", signed=True)


def bits(content):
    """(octets, number of unused bits, which are zero)."""
    if not content or content[0] > 7 or (content[0] and (len(content) == 1 or content[-1] & ((1 << content[0]) - 1))):
        raise NotDer("BIT STRING")
    return content[1:], content[0]


def oid(content):
    if not content or content[-1] & 0x80:
        raise NotDer("OBJECT IDENTIFIER")
    arcs, value, first = [], 0, True
    for octet in content:
        if first and octet == 0x80:
            raise NotDer("OBJECT IDENTIFIER")
        value, first = value << 7 | octet & 0x7f, not octet & 0x80
        if first:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (top, arcs[0] - 40 * top, *arcs[1:]))


def boolean(content):
    if content not in (b"\x00", b"\xff"):
        raise NotDer("BOOLEAN")
    return content == b"\xff"


def text(tag, content):
    """The characters of an ASN.1 string; None when they cannot be read, NotDer when tag is no character string."""
    codec = {UTF8: "utf-8", NUMERIC: "latin-1", PRINTABLE: "latin-1", T61: "latin-1", IA5: "latin-1",
             UNIVERSAL: "utf-32-be", BMP: "utf-16-be"}.get(tag)
    if codec is None:
        raise NotDer("not a character string")
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def check_any(element):
    """A value that is ignored: a primitive one is DER, another is not looked at."""
    tag, content, whole = element
    if tag >> 6:
        return
    if (tag & 0x1f in (0x10, 0x11)) != bool(tag & 0x20):
        raise NotDer("primitive or constructed against its type")
    if whole == b"\0\0":
        raise NotDer("end of contents")
    if not tag & 0x20:
        header(whole, 0)
    checks = {INTEGER: integer, ENUMERATED: integer, BIT_STRING: bits, OID: oid}
    if tag in checks:
        checks[tag](content)
    if (tag == NULL and content) or (tag == BOOLEAN and len(content) != 1) or \
            (tag == BMP and len(content) % 2) or (tag == UNIVERSAL and len(content) % 4):
        raise NotDer("value")


# --- addresses (RFC 5321, 6531, 5890) --------------------------------------------------------------------------------

ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+(\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+)*\Z")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def a_label(label):
    lower = unicodedata.normalize("NFC", "".join(simple_lower(c) for c in label))
    if lower.isascii():
        if not LABEL.match(lower):
            return None
        if lower[2:4] != "--":
            return lower
        try:
            return lower if lower.startswith("xn--") and idna.alabel(idna.ulabel(lower)) == lower.encode() else None
        except (idna.IDNAError, UnicodeError):
            return None
    try:
        found = idna.alabel(lower).decode()
        return found if LABEL.match(found) and idna.ulabel(found) == lower else None
    except (idna.IDNAError, UnicodeError):
        return None


def simple_lower(character):
    lower = character.lower()
    return lower if len(lower) == 1 else character


def mailbox(address):
    """(canonical form, whether the local part is ASCII); None when it is no address."""
    if address is None or len(address.encode("utf-8", "surrogatepass")) > 254 or "@" not in address:
        return None
    if any(unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc", "Cf", "Cn", "Co", "Cs") for c in address):
        return None
    local, domain = address.rsplit("@", 1)
    labels = [a_label(label) for label in domain.split(".")]
    if not ATEXT.match(local) or len(local.encode()) > 64 or unicodedata.normalize("NFC", local) != local:
        return None
    if re.search(r"=\?.*\?=|[\ufe6b\uff20]", local):
        return None
    if None in labels or len(labels) < 2 or labels[-1].isdigit() or len(".".join(labels)) > 253:
        return None
    whole = local + "@" + ".".join(labels)
    lower = "".join(c.lower() if c.isascii() else c for c in local)
    return (lower + "@" + ".".join(labels), local.isascii()) if len(whole.encode()) <= 254 else None


# --- keys (S/MIME BR 6.1.1.3, 6.1.5, 6.1.6, 7.1.3.1) -----------------------------------------------------------------

RSA_KEY = bytes.fromhex("300d06092a864886f70d0101010500")
CURVES = {bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107"): ("p256", ec.SECP256R1(), (
              0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff,
              0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b)),
          bytes.fromhex("301006072a8648ce3d020106052b81040022"): ("p384", ec.SECP384R1(), (
              2 ** 384 - 2 ** 128 - 2 ** 96 + 2 ** 32 - 1,
              0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef))}
SMALL_PRIMES = [n for n in range(2, 752) if all(n % d for d in range(2, math.isqrt(n) + 1))]
ROCA_PRIMES = [p for p in SMALL_PRIMES if p <= 167]
ROCA_RESIDUES = {p: {pow(65537, e, p) for e in range(p)} for p in ROCA_PRIMES}


def close_primes(n):
    root = math.isqrt(n)
    return root * root == n or any(math.isqrt(rest) ** 2 == rest
                                   for rest in ((root + i) ** 2 - n for i in range(1, 111)))


CLOSE = {}


def rsa_fault(n, e):
    if e != 65537:
        return "rsa exponent"
    if n <= 0 or not 2048 <= n.bit_length() <= 4096 or n.bit_length() % 8:
        return "rsa size"
    if any(n % p == 0 for p in SMALL_PRIMES):
        return "rsa small factor"
    if all(n % p in ROCA_RESIDUES[p] for p in ROCA_PRIMES):
        return "rsa roca"
    if n not in CLOSE:
        if len(CLOSE) > 1000:
            CLOSE.clear()
        CLOSE[n] = close_primes(n)
    return "rsa close primes" if CLOSE[n] else None


def read_key(algorithm, content):
    """(kind, key for `verifies`, fault)."""
    key, unused = bits(content)
    if unused:
        return None, None, "key not DER"
    if algorithm == RSA_KEY:
        try:
            numbers = elements(one(key, SEQUENCE))
            n, e = (integer(of(pair, INTEGER)) for pair in numbers) if len(numbers) == 2 else (None, None)
        except NotDer:
            n = None
        return ("rsa", None, "key not DER") if n is None else ("rsa", (n, e), rsa_fault(n, e))
    if algorithm not in CURVES:
        return None, None, "key type"
    kind, curve, (p, b) = CURVES[algorithm]
    size = curve.key_size // 8
    if len(key) != 1 + 2 * size or key[0] != 4:
        return kind, None, "point form"
    x, y = int.from_bytes(key[1:1 + size], "big"), int.from_bytes(key[1 + size:], "big")
    if x >= p or y >= p or (y * y - x * x * x + 3 * x - b) % p:
        return kind, None, "point not on curve"
    return kind, (curve, x, y), None


# --- signatures (RFC 4055, 5758, 8017) -------------------------------------------------------------------------------

SIGNATURES = {"1.2.840.113549.1.1.11": ("rsa", "sha256"), "1.2.840.113549.1.1.12": ("rsa", "sha384"),
              "1.2.840.113549.1.1.13": ("rsa", "sha512"), "1.2.840.10045.4.3.2": ("ec", "sha256"),
              "1.2.840.10045.4.3.3": ("ec", "sha384"), "1.2.840.10045.4.3.4": ("ec", "sha512")}
DIGEST_INFO = {"sha256": "3031300d060960864801650304020105000420", "sha384": "3041300d060960864801650304020205000430",
               "sha512": "3051300d060960864801650304020305000440"}
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


def verifies(family, digest, key, signed, signature):
    if family == "rsa" and isinstance(key[0], int):
        n, e = key
        size = (n.bit_length() + 7) // 8
        info = bytes.fromhex(DIGEST_INFO[digest]) + hashlib.new(digest, signed).digest()
        wanted = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
        number = int.from_bytes(signature, "big")
        return len(signature) == size and number < n and pow(number, e, n).to_bytes(size, "big") == wanted
    if family == "ec" and not isinstance(key[0], int):
        try:
            numbers = [integer(of(pair, INTEGER)) for pair in elements(one(signature, SEQUENCE))]
            if len(numbers) != 2:
                return False
            ec.EllipticCurvePublicNumbers(key[1], key[2], key[0]).public_key().verify(
                signature, signed, ec.ECDSA(HASHES[digest]))
            return True
        except (NotDer, InvalidSignature, ValueError):
            return False
    return False


def signature_fault(algorithm, content, key, signed):
    parts = elements(algorithm)
    family, digest = SIGNATURES.get(oid(of(parts[0], OID)), (None, None)) if parts else (None, None)
    if len(parts) > 2 or not parts:
        raise NotDer("AlgorithmIdentifier")
    for pair in parts[1:]:
        check_any(pair)
    signature, unused = bits(content)
    if family is None:
        return "signature algorithm"
    if len(parts) == 2 and (family == "ec" or parts[1][2] != b"\5\0"):
        return "signature parameters"
    if key is not None and (unused or not verifies(family, digest, key, signed, signature)):
        return "signature"
    return None


# --- the request -----------------------------------------------------------------------------------------------------

CHALLENGE_PASSWORD, EXTENSION_REQUEST, MICROSOFT_REQUEST = "1.2.840.113549.1.9.7", "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"
SAN, KEY_USAGE, PURPOSES, CONSTRAINTS = "2.5.29.17", "2.5.29.15", "2.5.29.37", "2.5.29.19"
COMMON_NAME, EMAIL = "2.5.4.3", "1.2.840.113549.1.9.1"
SMTP_UTF8, EMAIL_PROTECTION = "1.3.6.1.5.5.7.8.9", "1.3.6.1.5.5.7.3.4"


class Verdict:
    def __init__(self):
        self.faults, self.mailboxes, self.wishes, self.kind = set(), [], "se", None

    def fault(self, rule, code="csr"):
        if rule:
            self.faults.add((rule, code))


def read_subject(content):
    """The texts of CN and emailAddress; NotDer when an attribute of any type cannot be read."""
    texts = []
    for rdn in elements(content):
        pairs = elements(of(rdn, SET))
        if not pairs or [pair[2] for pair in pairs] != sorted(pair[2] for pair in pairs):
            raise NotDer("RelativeDistinguishedName")
        for pair in pairs:
            parts = elements(of(pair, SEQUENCE))
            if len(parts) != 2:
                raise NotDer("AttributeTypeAndValue")
            kind = oid(of(parts[0], OID))
            value = ""
            if parts[1][0] in (SEQUENCE, BIT_STRING):  # of what is no text no other type is in any name
                check_any(parts[1])
            else:
                value = text(*parts[1][:2])
            if value is None:
                raise NotDer("string")
            if kind in (COMMON_NAME, EMAIL):
                texts.append((kind, value))
    return texts


def name_element(pair, dns_names):
    """("mail" or "dns", mailbox) or a fault."""
    tag, content, _ = pair
    if tag == 0x81 or (tag == 0x82 and dns_names):
        address = content.decode("ascii", "replace")
        found = mailbox(address) if content.isascii() and "\0" not in address else None
        return ("dns" if tag == 0x82 else "mail", found[0]) if found and found[1] else "name refused"
    if tag != 0xa0:
        return "name of another type"
    parts = elements(content)
    if len(parts) != 2 or parts[1][0] != 0xa0:
        raise NotDer("OtherName")
    kind, value = oid(of(parts[0], OID)), elements(parts[1][1])
    if len(value) != 1:
        raise NotDer("OtherName")
    if kind != SMTP_UTF8 or value[0][0] != UTF8:
        return "name of another type"
    found = mailbox(text(*value[0][:2]))
    return ("mail", found[0]) if found and not found[1] else "name refused"


def read_names(verdict, octets, dns_names):
    names = {"mail": [], "dns": []}
    pairs = elements(one(octets, SEQUENCE))
    if not pairs:
        verdict.fault("no names")
    for pair in pairs:
        found = name_element(pair, dns_names)
        if isinstance(found, str):
            verdict.fault(found)
        elif found[1] in names[found[0]]:
            verdict.fault("name twice")
        else:
            names[found[0]].append(found[1])
    if names["mail"] and not set(names["dns"]) <= set(names["mail"]):
        verdict.fault("dNSName of another mailbox")
    verdict.mailboxes = names["mail"] or names["dns"]


def read_usage(verdict, octets):
    value, unused = bits(one(octets, BIT_STRING))
    asked = {i for i in range(8 * len(value)) if value[i // 8] >> (7 - i % 8) & 1}
    if asked - {0, 1, 2, 4}:
        verdict.fault("usage bit")
    verdict.wishes = ("s" if asked & {0, 1} else "") + ("e" if asked & {2, 4} else "") + ("n" if 1 in asked else "")
    if not asked:
        verdict.fault("usage empty")


def read_purposes(verdict, octets):
    if EMAIL_PROTECTION not in [oid(of(pair, OID)) for pair in elements(one(octets, SEQUENCE))]:
        verdict.fault("purpose")


def read_constraints(verdict, octets):
    parts = elements(one(octets, SEQUENCE))
    if parts and parts[0][0] == BOOLEAN:
        if not boolean(parts.pop(0)[1]):
            raise NotDer("a default value is left out")
        verdict.fault("CA:TRUE")
    if parts:
        integer(of(parts.pop(0), INTEGER))
    if parts:
        raise NotDer("BasicConstraints")


def read_extensions(verdict, octets, dns_names):
    """Each extension by itself, so that one which is not DER does not hide the faults of another."""
    found = {}
    pairs = elements(one(octets, SEQUENCE))
    for pair in pairs:
        parts = elements(of(pair, SEQUENCE))
        kind = oid(of(parts[0], OID)) if parts else None
        if len(parts) == 3 and (parts[1][0] != BOOLEAN or not boolean(parts[1][1])):
            raise NotDer("critical")
        if len(parts) not in (2, 3):
            raise NotDer("Extension")
        if kind in found:
            verdict.fault("extension twice")
        found.setdefault(kind, of(parts[-1], OCTET_STRING))
    if not pairs:
        verdict.fault("no extensions")
    for kind, reader in ((KEY_USAGE, read_usage), (PURPOSES, read_purposes), (CONSTRAINTS, read_constraints)):
        if kind in found:
            guarded(verdict, "extension not DER", reader, verdict, found[kind])
    if SAN in found:
        guarded(verdict, "names not DER", read_names, verdict, found[SAN], dns_names)
    elif pairs:
        verdict.fault("no names")


def read_attributes(verdict, content, dns_names):
    pairs = elements(content)
    if [pair[2] for pair in pairs] != sorted(pair[2] for pair in pairs):
        raise NotDer("SET OF")
    lists = []
    for pair in pairs:
        parts = elements(of(pair, SEQUENCE))
        if len(parts) != 2:
            raise NotDer("Attribute")
        kind, values = oid(of(parts[0], OID)), elements(of(parts[1], SET), strict=False)
        for value in values:
            check_any(value)
        if [value[2] for value in values] != sorted(value[2] for value in values):
            raise NotDer("SET OF")
        if not values:
            verdict.fault("attribute without value")
        if kind == CHALLENGE_PASSWORD:
            verdict.fault("challengePassword")
        if kind == MICROSOFT_REQUEST:
            verdict.fault("list twice")
        if kind == EXTENSION_REQUEST:
            lists.append(values)
    if len(lists) > 1:
        verdict.fault("list twice")
    if not lists:
        verdict.fault("no list")
    for values in lists[:1]:
        if len(values) > 1:
            verdict.fault("list with two values")
        elif values:
            guarded(verdict, "list not DER", read_extensions, verdict, values[0][2], dns_names)


def guarded(verdict, rule, function, *arguments):
    try:
        return function(*arguments)
    except NotDer:
        verdict.fault(rule)
        return None


def read_request(verdict, octets, dns_names):
    if len(octets) > MAX_OCTETS:
        verdict.fault("too long")
    outer = elements(one(octets, SEQUENCE))
    if len(outer) != 3:
        raise NotDer("CertificationRequest")
    info = elements(of(outer[0], SEQUENCE))
    if len(info) not in (3, 4):
        raise NotDer("CertificationRequestInfo")
    if integer(of(info[0], INTEGER)) != 0:
        verdict.fault("version")
    texts = read_subject(of(info[1], SEQUENCE))
    spki = elements(of(info[2], SEQUENCE))
    if len(spki) != 2 or spki[0][0] != SEQUENCE or spki[1][0] != BIT_STRING:
        raise NotDer("SubjectPublicKeyInfo")
    algorithm = elements(spki[0][1])
    if len(algorithm) not in (1, 2):
        raise NotDer("AlgorithmIdentifier")
    oid(of(algorithm[0], OID))
    for pair in algorithm[1:]:
        check_any(pair)
    verdict.kind, key, fault = read_key(spki[0][2], spki[1][1])
    verdict.fault(fault, "key")
    verdict.fault(signature_fault(of(outer[1], SEQUENCE), of(outer[2], BIT_STRING), key, outer[0][2]))
    if len(info) == 4:
        read_attributes(verdict, of(info[3], 0xa0), dns_names)
    else:
        verdict.fault("no list")
    for kind, value in texts:
        found = mailbox(value) if "\0" not in value else None
        if not found or found[0] not in verdict.mailboxes:
            verdict.fault("CN" if kind == COMMON_NAME else "emailAddress")


def judge(octets, dns_names):
    verdict = Verdict()
    guarded(verdict, "not DER", read_request, verdict, octets, dns_names)
    return verdict
