# SPDX-License-Identifier: Apache-2.0
"""Certification requests with up to a few things changed, most of them signed again after that.

    maker = Maker(random.Random(1))
    mutant = maker.mutant()     # mutant.octets, mutant.dns_names, mutant.order (addresses), mutant.story
"""

import dataclasses
import math

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

import csr_rules as rules
from csr_rules import BIT_STRING, BMP, BOOLEAN, IA5, INTEGER, NULL, NUMERIC, OCTET_STRING, OID, PRINTABLE, T61, \
    UNIVERSAL, UTF8

ADDRESSES = ("ann@user.example", "Bob.Builder@user.example", "o'hara+x@mail.user.example", "x@xn--bcher-kva.example",
             "\u0436@user.example", "gr\u00fcn@xn--bcher-kva.example", "a@b.example", "z9@user.example")
RANK = {1: 0.6, 2: 0.3, 3: 0.1}


# --- DER with mistakes -----------------------------------------------------------------------------------------------

class Node:
    """An element to be written; body: octets or a list of Nodes, before which prefix stands."""

    def __init__(self, tag, body=b"", prefix=b"", is_set=False):
        self.tag, self.body, self.prefix, self.is_set, self.form = tag, body, prefix, is_set, "der"

    def encode(self):
        parts = [self.body] if isinstance(self.body, bytes) else [node.encode() for node in self.body]
        content = self.prefix + b"".join(sorted(parts) if self.is_set else parts)
        size = len(content)
        octets = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
        if self.form == "indefinite":
            return bytes((self.tag, 0x80)) + content + b"\0\0"
        if self.form == "long":
            octets = b"\0" + octets if size > 0x7f else octets
        elif size < 0x80:
            return bytes((self.tag, size)) + content
        return bytes((self.tag, 0x80 | len(octets))) + octets + content

    def walk(self):
        yield self
        if not isinstance(self.body, bytes):
            for node in self.body:
                yield from node.walk()


def sequence(*nodes):
    return Node(0x30, list(nodes))


def set_of(*nodes):
    return Node(0x31, list(nodes), is_set=True)


def object_identifier(text):
    arcs = [int(arc) for arc in text.split(".")]
    octets = b""
    for arc in (40 * arcs[0] + arcs[1], *arcs[2:]):
        groups = [arc & 0x7f]
        while arc := arc >> 7:
            groups.insert(0, arc & 0x7f | 0x80)
        octets += bytes(groups)
    return Node(OID, octets)


def number(value):
    return Node(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def raw(octets):
    """Encoded octets as Nodes, so that what is inside can be changed too."""
    tag, start, end = rules.header(octets, 0)
    if not tag & 0x20:
        return Node(tag, octets[start:end])
    return Node(tag, [raw(whole) for _, _, whole in rules.elements(octets[start:end])])


# --- keys ------------------------------------------------------------------------------------------------------------

class Key:
    """A key pair of cryptography's."""

    def __init__(self, private):
        self.private = private
        self.spki = private.public_key().public_bytes(serialization.Encoding.DER,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)
        self.family = {"RSA": "rsa", "Elli": "ec"}.get(next((name for name in ("RSA", "Elli")
                                                             if name in type(private).__name__), None), "ed")

    def sign(self, octets, digest):
        if self.family == "ed":
            return self.private.sign(octets)
        chosen = {"sha1": hashes.SHA1(), "sha224": hashes.SHA224(), **rules.HASHES}[digest]
        if self.family == "rsa":
            return self.private.sign(octets, padding.PKCS1v15(), chosen)
        return self.private.sign(octets, ec.ECDSA(chosen))


class RsaNumbers:
    """An RSA key that no library would make: it signs by arithmetic."""

    family = "rsa"

    def __init__(self, p, q, e=65537):
        self.n, self.e = p * q, e
        self.p, self.q = p, q
        self.d = pow(e, -1, math.lcm(p - 1, q - 1))
        key = sequence(number(self.n), number(e)).encode()
        self.spki = sequence(raw(rules.RSA_KEY), Node(BIT_STRING, key, b"\0")).encode()

    def sign(self, octets, digest):
        digest = digest if digest in rules.DIGEST_INFO else "sha256"
        size = (self.n.bit_length() + 7) // 8
        chosen = hashes.Hash(rules.HASHES[digest])
        chosen.update(octets)
        info = bytes.fromhex(rules.DIGEST_INFO[digest]) + chosen.finalize()
        padded = int.from_bytes(b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info, "big")
        a, b = pow(padded, self.d % (self.p - 1), self.p), pow(padded, self.d % (self.q - 1), self.q)
        whole = b + self.q * ((a - b) * pow(self.q, -1, self.p) % self.p)
        return whole.to_bytes(size, "big")


def is_prime(n):
    return all(n % p for p in rules.SMALL_PRIMES) and all(pow(base, n - 1, n) == 1 for base in (2, 3, 5))


def prime(random, length, start=None, step=2, e=65537):
    """A prime of length bits, at or after start in steps."""
    n = start if start is not None else random.getrandbits(length) | 3 << length - 2 | 1
    while not is_prime(n) or math.gcd(n - 1, e) != 1:
        n += step
    return n


def weak_keys(random):
    p = prime(random, 1024)
    modulus = math.prod(rules.ROCA_PRIMES)
    roca = [prime(random, 1024, pow(65537, random.randrange(10 ** 6), modulus) +
                  modulus * (3 << 1022 - modulus.bit_length() + 1), modulus) for _ in range(2)]
    roca_q = prime(random, 1024, roca[1] + modulus * random.getrandbits(64), modulus)
    odd = prime(random, 1023, 5 << 1020 | random.getrandbits(1000) | 1)
    return {"close": RsaNumbers(p, prime(random, 1024, p + 2)), "roca": RsaNumbers(roca[0], roca_q),
            "factor": RsaNumbers(743, prime(random, 2038, (3 << 2046) // 743 | 1)),
            "e=3": RsaNumbers(prime(random, 1024, e=3), prime(random, 1024, e=3), 3),
            "odd size": RsaNumbers(p, odd)}


class Keys:
    """Made once a run."""

    def __init__(self, random):
        self.good = [Key(ec.generate_private_key(curve)) for curve in [ec.SECP256R1()] * 5 + [ec.SECP384R1()] * 2]
        self.good += [Key(rsa.generate_private_key(65537, size)) for size in (2048, 2056, 3072)]
        self.weak = weak_keys(random)
        self.weak.update({f"RSA-{size}": Key(rsa.generate_private_key(65537, size)) for size in (1024, 4104)})
        self.weak.update({curve.name: Key(ec.generate_private_key(curve))
                          for curve in (ec.SECP521R1(), ec.SECP256K1(), ec.SECP224R1())})
        self.weak["Ed25519"] = Key(ed25519.Ed25519PrivateKey.generate())


# --- what a request is made of ---------------------------------------------------------------------------------------

@dataclasses.dataclass
class Mutant:
    octets: bytes
    dns_names: bool
    order: list
    story: list


@dataclasses.dataclass
class Plan:
    names: list
    key: object
    digest: str = "sha256"
    subject: list = dataclasses.field(default_factory=list)       # (OID, tag, octets)
    joined: bool = False                                          # the subject as one RDN
    usage: bytes = None                                           # content of the BIT STRING
    purposes: list = None
    constraints: list = None                                      # of Nodes
    critical: dict = dataclasses.field(default_factory=dict)      # OID -> octet of the BOOLEAN
    extensions: list = dataclasses.field(default_factory=list)    # (OID, octets)
    attributes: list = dataclasses.field(default_factory=list)    # (OID, [Node])
    lists: list = dataclasses.field(default_factory=lambda: [(rules.EXTENSION_REQUEST, 1)])  # (OID, values)
    version: int = 0
    has_names: bool = True
    signer: object = None
    parameters: object = None                                     # Node, "absent" or None: as the algorithm says
    spki: bytes = None


def mail(address):
    local_is_ascii = address.rsplit("@", 1)[0].isascii()
    return Node(0x81, address.encode()) if local_is_ascii else other_name(rules.SMTP_UTF8, UTF8, address.encode())


def other_name(kind, tag, octets):
    return Node(0xa0, [object_identifier(kind), Node(0xa0, [Node(tag, octets)])])


def extension_nodes(plan):
    pairs = [(rules.SAN, sequence(*plan.names))] if plan.has_names else []
    if plan.usage is not None:
        pairs.append((rules.KEY_USAGE, Node(BIT_STRING, plan.usage)))
    if plan.purposes is not None:
        pairs.append((rules.PURPOSES, sequence(*map(object_identifier, plan.purposes))))
    if plan.constraints is not None:
        pairs.append((rules.CONSTRAINTS, sequence(*plan.constraints)))
    nodes = []
    for kind, value in pairs + plan.extensions:
        flag = [Node(BOOLEAN, plan.critical[kind])] if kind in plan.critical else []
        nodes.append(sequence(object_identifier(kind), *flag, Node(OCTET_STRING, [value])))
    return nodes


def subject_node(plan):
    pairs = [sequence(object_identifier(kind), Node(tag, octets)) for kind, tag, octets in plan.subject]
    if plan.joined and pairs:
        return sequence(set_of(*pairs))
    return sequence(*(set_of(pair) for pair in pairs))


def info_node(plan):
    attributes = [sequence(object_identifier(kind), set_of(*values)) for kind, values in plan.attributes]
    for kind, count in plan.lists:
        values = [sequence(*extension_nodes(plan)) for _ in range(count)]
        attributes.append(sequence(object_identifier(kind), set_of(*values)))
    return sequence(number(plan.version), subject_node(plan), raw(plan.spki or plan.key.spki),
                    Node(0xa0, attributes, is_set=True))


ALGORITHMS = {(family, digest): kind for kind, (family, digest) in rules.SIGNATURES.items()}
ALGORITHMS.update({("rsa", "sha1"): "1.2.840.113549.1.1.5", ("rsa", "sha224"): "1.2.840.113549.1.1.14",
                   ("ec", "sha1"): "1.2.840.10045.4.1", ("ec", "sha224"): "1.2.840.10045.4.3.1"})


def algorithm_node(plan):
    family = (plan.signer or plan.key).family
    kind = "1.3.101.112" if family == "ed" else ALGORITHMS[family, plan.digest]
    parameters = plan.parameters or (Node(NULL) if family == "rsa" else "absent")
    return sequence(object_identifier(kind), *([] if parameters == "absent" else [parameters]))


# --- changes to the plan: each takes (random, plan, maker) -----------------------------------------------------------

def variant(random, address):
    local, domain = address.rsplit("@", 1)
    return random.choice((local.swapcase() if local.isascii() else local, local)) + "@" + \
        random.choice((domain.upper(), domain.title(), domain))


BAD_ADDRESSES = ("", "ann", "@user.example", "ann@", "\"a b\"@user.example", "a@[127.0.0.1]", "a b@user.example",
                 "A <a@user.example>", "a\n@user.example", "a\0@user.example", "ann@user.example\0", "a@*.user.example",
                 "a@localhost", "a..b@user.example", ".a@user.example", "a@user..example", "a@-user.example",
                 "a@user.example.", "a@ab--c.example", "a@xn--a.example", "a@1.2.3.4", "a" * 65 + "@user.example",
                 "a@" + "b" * 64 + ".example", "a@" + "b.c" * 90 + ".example", "ann@user.example,z9@user.example",
                 "a@b\u00fccher.example", "\u0436@user.example", "ann@user.example ", "@a.example:b@user.example")
U_ADDRESSES = ("\u0436@b\u00fccher.example", "\u0436@B\u00dcCHER.example", "\u0436@user.example", "ann@user.example",
               "u\u0308@user.example", "\u0436\u200b@user.example", "\u0436@\uff41.example", "\u0436 a@user.example",
               "\u0436@xn--zzzz--.example", "", "\u0436", "\u0416@user.example")


def add_bad_mail(random, plan, maker):
    plan.names.append(Node(0x81, random.choice(BAD_ADDRESSES).encode()))


def add_utf8(random, plan, maker):
    plan.names.append(other_name(rules.SMTP_UTF8, random.choice((UTF8, UTF8, UTF8, IA5, PRINTABLE)),
                                 random.choice(U_ADDRESSES + (random.choice(ADDRESSES),)).encode()))


def add_other_type(random, plan, maker):
    address = random.choice(ADDRESSES).encode()
    plan.names.append(random.choice((
        Node(0x82, b"user.example"), Node(0x86, b"mailto:" + address), Node(0x87, b"\x7f\0\0\1"),
        Node(0xa4, [sequence()]), Node(0x88, b"\x2a\x03"), Node(0xa3, [sequence()]), Node(0xa5, [Node(0xa1)]),
        other_name("1.3.6.1.4.1.311.20.2.3", UTF8, address), other_name("1.3.6.1.5.5.7.8.5", UTF8, address),
        Node(0xa1, [Node(IA5, address)]), Node(0x89, address))))


def add_dns(random, plan, maker):
    address = random.choice((variant(random, random.choice(maker.named)), random.choice(ADDRESSES),
                             random.choice(BAD_ADDRESSES)))
    plan.names.insert(random.randrange(len(plan.names) + 1), Node(0x82, address.encode()))


def only_dns(random, plan, maker):
    plan.names = [Node(0x82, variant(random, address).encode()) for address in maker.named]


def add_mail(random, plan, maker):
    plan.names.append(mail(random.choice(ADDRESSES)))


def repeat_name(random, plan, maker):
    plan.names.append(mail(variant(random, random.choice(maker.named))))


def other_case(random, plan, maker):
    plan.names = [mail(variant(random, address)) for address in maker.named]


def drop_name(random, plan, maker):
    if plan.names:
        plan.names.pop(random.randrange(len(plan.names)))


def drop_names(random, plan, maker):
    plan.names, plan.has_names = [], random.random() < 0.5


def encoded(text, tag):
    codecs = {UTF8: "utf-8", BMP: "utf-16-be", UNIVERSAL: "utf-32-be"}
    return text.encode(codecs.get(tag, "utf-8"))


STRINGS = (UTF8, UTF8, PRINTABLE, IA5, T61, BMP, UNIVERSAL, NUMERIC, OCTET_STRING, 26)


def subject_address(random, plan, maker):
    tag = random.choice(STRINGS)
    address = random.choice([random.choice(maker.named), variant(random, random.choice(maker.named)),
                             random.choice(ADDRESSES), "Ann User", random.choice(BAD_ADDRESSES)])
    octets = encoded(address, tag) + random.choice((b"", b"", b"", b"", b"\0", b"\xff"))
    plan.subject.append((random.choice((rules.COMMON_NAME, rules.EMAIL)), tag, octets))


def own_common_name(random, plan, maker):
    plan.subject.append((random.choice((rules.COMMON_NAME, rules.EMAIL)), UTF8, random.choice(maker.named).encode()))


def subject_other(random, plan, maker):
    plan.subject.append((random.choice(("2.5.4.10", "2.5.4.6", "2.5.4.5", "1.2.3.4")), random.choice(STRINGS),
                         random.choice((b"Example", b"DE", b"", b"\xc3\x28", b"a\0b\0"))))


def join_subject(random, plan, maker):
    plan.joined = True
    subject_other(random, plan, maker)
    own_common_name(random, plan, maker)


def change_usage(random, plan, maker):
    plan.usage = random.choice((b"\0", b"\5\xa0", b"\6\xc0", b"\7\x80", b"\6\x40", b"\5\x20", b"\3\x08", b"\3\x88",
                                b"\0\xa0", b"\0\xe0\0", b"\5\xa1", b"\1", b"", b"\x08\x80", bytes((
                                    random.randrange(8), random.randrange(256))), bytes((7, random.randrange(256), 128))))


def change_purposes(random, plan, maker):
    plan.purposes = random.sample((rules.EMAIL_PROTECTION, "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0",
                                   "1.3.6.1.5.5.7.3.3"), random.randrange(4))


def change_constraints(random, plan, maker):
    flag = random.choice(([], [], [Node(BOOLEAN, b"\xff")], [Node(BOOLEAN, b"\1")], [Node(BOOLEAN, b"\0")]))
    path = random.choice(([], [], [number(0)], [number(-1)], [Node(INTEGER, b"\0\1")], [Node(NULL)]))
    plan.constraints = flag + path


def change_critical(random, plan, maker):
    kind = random.choice((rules.SAN, rules.KEY_USAGE, rules.PURPOSES))
    plan.critical[kind] = random.choice((b"\xff", b"\xff", b"\1", b"\0", b"", b"\xff\xff"))


def add_extension(random, plan, maker):
    kind = random.choice(("2.5.29.14", "1.2.3.4.5", "2.5.29.18", rules.SAN, rules.KEY_USAGE, rules.PURPOSES))
    value = random.choice((Node(OCTET_STRING, b"x"), sequence(*plan.names), Node(BIT_STRING, b"\7\x80"), sequence()))
    plan.extensions.append((kind, value))


def add_attribute(random, plan, maker):
    kind = random.choice((rules.CHALLENGE_PASSWORD, "1.2.840.113549.1.9.2", "1.2.840.113549.1.9.2", "1.2.3.4",
                          rules.MICROSOFT_REQUEST))
    values = [random.choice((Node(UTF8, b"name"), Node(OCTET_STRING, b"\1"), Node(INTEGER, b"\1"), Node(BOOLEAN, b"\1"),
                             sequence(number(1)), Node(0x80, b"x"))) for _ in range(random.choice((1, 1, 2, 0)))]
    plan.attributes.append((kind, values))


def change_lists(random, plan, maker):
    one = (rules.EXTENSION_REQUEST, 1)
    plan.lists = random.choice(([one, one], [], [(rules.EXTENSION_REQUEST, 2)], [(rules.EXTENSION_REQUEST, 0)],
                                [one, (rules.MICROSOFT_REQUEST, 1)], [(rules.MICROSOFT_REQUEST, 1)]))


def empty_list(random, plan, maker):
    plan.has_names, plan.usage, plan.purposes, plan.constraints, plan.extensions = False, None, None, None, []


def weak_key(random, plan, maker):
    plan.key = maker.keys.weak[random.choice(list(maker.keys.weak))]


def change_point(random, plan, maker):
    """Another form, another point, another curve's name, parameters of RSA."""
    spki = bytearray(plan.key.spki)
    place = random.choice((26, len(spki) - 1, random.randrange(len(spki)), random.randrange(2, 24)))
    spki[min(place, len(spki) - 1)] ^= random.choice((1, 2, 3, 6, 255))
    try:
        raw(bytes(spki))
        plan.spki = bytes(spki)
    except rules.NotDer:
        pass


def change_digest(random, plan, maker):
    plan.digest = random.choice(("sha1", "sha224", "sha384", "sha512", "sha384"))


def change_signer(random, plan, maker):
    plan.signer = random.choice(maker.keys.good)


def change_parameters(random, plan, maker):
    plan.parameters = random.choice(("absent", Node(NULL), Node(OCTET_STRING, b""), sequence(), Node(NULL, b"\0")))


def change_version(random, plan, maker):
    plan.version = random.choice((1, 2, -1, 256))


def too_long(random, plan, maker):
    plan.attributes.append(("1.2.840.113549.1.9.2", [Node(OCTET_STRING, bytes(random.choice((15000, 16500, 17000))))]))


CHANGES = {add_bad_mail: 3, add_utf8: 3, add_other_type: 3, add_dns: 10, only_dns: 4, add_mail: 2, repeat_name: 2,
           other_case: 4, drop_name: 1, drop_names: 1, subject_address: 6, own_common_name: 4, subject_other: 3,
           join_subject: 2, change_usage: 7, change_purposes: 4, change_constraints: 4, change_critical: 4,
           add_extension: 3, add_attribute: 4, change_lists: 2, empty_list: 1, weak_key: 1, change_point: 3,
           change_digest: 3, change_signer: 1, change_parameters: 2, change_version: 1, too_long: 1}


# --- changes to what is written --------------------------------------------------------------------------------------

def change_node(random, node):
    """One element of the tree: its length form, tag, content, place or number."""
    nodes = list(node.walk())
    chosen = random.choice(nodes)
    lists = [n for n in nodes if not isinstance(n.body, bytes) and n.body]
    kind = random.choice(("long", "long", "indefinite", "tag", "bit", "content", "content", "delete", "repeat", "swap"))
    if kind in ("long", "indefinite"):
        chosen.form = kind
    elif kind == "tag":
        chosen.tag = random.choice((1, 2, 3, 4, 5, 6, 10, 12, 19, 22, 30, 0x30, 0x31, 0x80, 0xa0, 0x81, 0x82, 0))
    elif kind == "bit":
        chosen.tag ^= 0x20
    elif kind == "content" and isinstance(chosen.body, bytes):
        chosen.body = random.choice((b"", b"\0" + chosen.body, chosen.body + b"\0", chosen.body[:-1], b"\xff",
                                     b"\x80" + chosen.body, random.randbytes(2)))
    elif lists:
        parent = random.choice(lists)
        place = random.randrange(len(parent.body))
        if kind == "delete":
            parent.body.pop(place)
        elif kind == "repeat":
            parent.body.insert(place, parent.body[place])
        else:
            parent.is_set = False
            parent.body.reverse()
    return kind


def change_octets(random, octets):
    octets = bytearray(octets)
    kind = random.choice(("flip", "flip", "set", "cut", "insert", "append"))
    place = random.randrange(len(octets))
    if kind == "flip":
        octets[place] ^= 1 << random.randrange(8)
    elif kind == "set":
        octets[place] = random.randrange(256)
    elif kind == "cut":
        del octets[place:]
    elif kind == "insert":
        octets.insert(place, random.randrange(256))
    else:
        octets += random.randbytes(random.randrange(1, 4))
    return bytes(octets), kind


def change_outer(random, octets):
    """The signature and its algorithm."""
    node = raw(octets)
    chosen = random.choice(("long", "unused bits", "signature", "more"))
    if chosen == "long":
        random.choice((node, node.body[2])).form = "long"
    elif chosen == "unused bits":
        node.body[2].body = b"\1" + node.body[2].body[1:]
    elif chosen == "signature":
        node.body[2].body = node.body[2].body + b"\0"
    else:
        node.body.append(Node(NULL))
    return node.encode(), chosen


class Maker:
    def __init__(self, random):
        self.random, self.keys, self.named = random, Keys(random), []

    def order(self):
        """Mostly the addresses that the request was made for."""
        random = self.random
        order = [variant(random, address) if random.random() < 0.3 else address for address in self.named]
        if random.random() < 0.06:
            order.pop()
        if random.random() < 0.06 or not order:
            order.append(random.choice([a for a in ADDRESSES if a not in self.named]))
        random.shuffle(order)
        return [local + "@" + domain.lower() for local, domain in (a.rsplit("@", 1) for a in order)]

    def base(self):
        random = self.random
        count = random.choices(list(RANK), RANK.values())[0]
        self.named = random.sample(ADDRESSES, count)
        plan = Plan([mail(address) for address in self.named], random.choice(self.keys.good))
        if random.random() < 0.5:
            plan.usage, plan.critical[rules.KEY_USAGE] = b"\5\xa0", b"\xff"
        if random.random() < 0.4:
            plan.purposes = [rules.EMAIL_PROTECTION]
        if random.random() < 0.3:
            plan.subject.append((rules.COMMON_NAME, UTF8, self.named[0].encode()))
        return plan

    def mutant(self):
        random, plan = self.random, self.base()
        order, story = self.order(), []
        for change in random.choices(list(CHANGES), CHANGES.values(), k=random.choice((0, 1, 1, 1, 2, 2, 3))):
            change(random, plan, self)
            story.append(change.__name__)
        dns_names = random.random() < (0.8 if {"add_dns", "only_dns"} & set(story) else 0.3)
        info = info_node(plan)
        if random.random() < 0.25:
            story.append("node: " + change_node(random, info))
        signed = info.encode()
        signature = (plan.signer or plan.key).sign(signed, plan.digest)
        octets = Node(0x30, signed + algorithm_node(plan).encode() + Node(BIT_STRING, signature, b"\0").encode()).encode()
        if random.random() < 0.03:
            try:
                octets, kind = change_outer(random, octets)
                story.append("outer: " + kind)
            except rules.NotDer:
                pass
        if random.random() < 0.06:
            octets, kind = change_octets(random, octets)
            story.append("octets: " + kind)
        return Mutant(octets, dns_names, order, story)
