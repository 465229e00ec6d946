# SPDX-License-Identifier: Apache-2.0
"""DKIM cases: a message with one signature on top and the key records that its DNS has."""

import itertools
from typing import NamedTuple

import dkim_maker
from dkim_maker import Key

DOMAIN, SELECTOR = "user.test", "sel"
QUESTION = f"{SELECTOR}._domainkey.{DOMAIN}"
RELAXED = "relaxed/relaxed"
NAMES = ("from", "to", "subject", "date")
HEADER = (b"From: Ann User  <ann@user.test>\r\nTo: acme-challenge+x@ca.test\r\n"
          b"Subject: Re: ACME:\r\n AQIDBAUGBwgJ-gsMDQ4PEBES_xQVFhcY \r\nDate: Mon, 3 Nov 2025 08:15:02 +0000\r\n"
          b"Message-ID: <1.2@user.test>\r\nReceived: one\r\n")
BODY = b"Hello \t you\r\n\r\n-----BEGIN ACME RESPONSE-----\r\nx \r\n-----END ACME RESPONSE-----\r\n\r\n"


class Case(NamedTuple):
    name: str
    raw: bytes
    records: dict  # question: text


class Keys:
    """One key of each kind, made when asked for."""

    def __init__(self):
        self.made = {}

    def __getitem__(self, kind):
        if kind not in self.made:
            self.made[kind] = Key(*kind) if isinstance(kind, tuple) else Key(kind)
        return self.made[kind]


def field(key, **tags):
    """A signature field of tags in their order; a tag of value None is left out, "_" is what follows all of them."""
    end = tags.pop("_", "")
    values = {"v": "1", "a": key.algorithm, "c": RELAXED, "d": DOMAIN, "s": SELECTOR, "h": ":".join(NAMES),
              "bh": "$bh", "b": "$b"}
    values = {**{name: value for name, value in tags.items() if name not in values},
              **{name: tags.get(name, value) for name, value in values.items()}}
    return "DKIM-Signature: " + ";\r\n\t".join(
        f"{name}={value}" for name, value in values.items() if value is not None) + end


def signed(key, text=None, raw=HEADER + b"\r\n" + BODY, **really):
    return dkim_maker.sign(raw, key, text or field(key), **really)


# --- what relays and others do to a message

def in_body(old, new):
    def change(raw):
        header, middle, body = raw.partition(b"\r\n\r\n")
        assert old in body
        return header + middle + body.replace(old, new, 1)
    return change


def in_header(old, new):
    def change(raw):
        header, middle, body = raw.partition(b"\r\n\r\n")
        assert old in header
        return header.replace(old, new, 1) + middle + body
    return change


EDITS = {
    "nothing": lambda raw: raw, "field on top": lambda raw: b"Received: two\r\n" + raw,
    "unsigned field changed": in_header(b"Received: one", b"Received: two"),
    "blank at a line's end": in_body(b"you", b"you "),
    "tab to blank": in_body(b" \t you", b" you"), "blank more": in_body(b"Hello ", b"Hello  "),
    "blank less": in_body(b" \t you", b"you"), "line more at the end": lambda raw: raw + b"\r\n",
    "blank line more at the end": lambda raw: raw + b" \r\n", "no lines at the end": lambda raw: raw[:-2],
    "line more": in_body(b"Hello", b"\r\nHello"), "letter": in_body(b"Hello", b"hello"),
    "text at the end": lambda raw: raw + b"x\r\n",
    "no body": lambda raw: raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "name's case": in_header(b"\r\nFrom:", b"\r\nFROM:"),
    "blanks in a value": in_header(b"User  <", b"User <"), "blank before a value": in_header(b"\r\nTo: ", b"\r\nTo:"),
    "folded otherwise": in_header(b"ACME:\r\n AQ", b"ACME: AQ"), "value's case": in_header(b"Ann", b"ANN"),
    "blank before the colon": in_header(b"\r\nTo:", b"\r\nTo :"),
    "order of fields": in_header(b"Message-ID: <1.2@user.test>\r\nReceived: one",
                                 b"Received: one\r\nMessage-ID: <1.2@user.test>"),
    "second Subject below": in_header(b"Message-ID:", b"Subject: other\r\nMessage-ID:"),
    "second Subject above": in_header(b"\r\nFrom:", b"\r\nSubject: other\r\nFrom:"),
    "signed field gone": in_header(b"Date: Mon, 3 Nov 2025 08:15:02 +0000\r\n", b""),
    "signature folded otherwise": in_header(b";\r\n\tc=", b"; c="),
    "name of the signature field": in_header(b"DKIM-Signature:", b"dkim-signature:"),
}
CANONS = [f"{header}/{body}" for header, body in itertools.product(("simple", "relaxed"), repeat=2)]


def edits(keys):
    for kind, canon, (name, edit) in itertools.product((2048, "ed25519"), CANONS, EDITS.items()):
        key = keys[kind]
        yield Case(f"edit: {name}, {canon}, {kind}", edit(signed(key, field(key, c=canon))), {QUESTION: key.record()})


def bodies(keys):
    """Bodies at the edges of the canonical forms (RFC 6376 sections 3.4.3 and 3.4.4)."""
    for canon, (name, body) in itertools.product(CANONS, {
            "empty": b"", "one line end": b"\r\n", "three line ends": b"\r\n\r\n\r\n", "blank": b" \r\n",
            "blanks and lines": b" \r\n\t\r\n \r\n",
            "no line end": b"x", "blank and no line end": b"x ", "blank alone, no line end": b" ",
            "tab first": b"\tx\r\n", "8 bits": b"\xe4\xf6\r\n\xff\r\n", "NUL": b"a\0b\r\n",
            "dots": b".\r\n..\r\n", "long line": b"x " * 4000 + b"\r\n"}.items()):
        yield Case(f"body: {name}, {canon}", signed(keys[2048], field(keys[2048], c=canon), HEADER + b"\r\n" + body),
                   {QUESTION: keys[2048].record()})


def key_forms(keys):
    for bits in (512, 768, 1023, 1024, 1025, 1536, 2048, 3072, 4096):
        yield Case(f"key: RSA of {bits} bits", signed(keys[bits]), {QUESTION: keys[bits].record()})
    three = keys[(2048, 3)]
    yield Case("key: exponent 3", signed(three), {QUESTION: three.record()})
    for kind, other in ((2048, 4096), ("ed25519", 2048), (2048, "ed25519")):
        yield Case(f"key: of {other} for {kind}", signed(keys[kind]), {QUESTION: keys[other].record()})
    for kind in (2048, "ed25519"):
        key, k = keys[kind], "ed25519" if kind == "ed25519" else "rsa"
        p = key.public()
        for name, text in {
                "plain": f"v=DKIM1; k={k}; p={p}", "no v=": f"k={k}; p={p}", "v= last": f"k={k}; p={p}; v=DKIM1",
                "v= in the middle": f"k={k}; v=DKIM1; p={p}",
                "v=DKIM2": f"v=DKIM2; k={k}; p={p}", "v=dkim1": f"v=dkim1; k={k}; p={p}",
                "v= empty": f"v=; k={k}; p={p}", "v= blanks": f"v = DKIM1 ; k = {k} ; p = {p}",
                "no k=": f"v=DKIM1; p={p}", "k= capitals": f"v=DKIM1; k={k.upper()}; p={p}",
                "k= unknown": f"v=DKIM1; k=x; p={p}",
                "k= the other": f"v=DKIM1; k={'rsa' if k != 'rsa' else 'ed25519'}; p={p}",
                "p= first": f"p={p}; k={k}", "no p=": f"v=DKIM1; k={k}", "revoked": f"v=DKIM1; k={k}; p=",
                "revoked with blanks": f"v=DKIM1; k={k}; p= ;",
                "p= in pieces": f"v=DKIM1; k={k}; p={p[:20]} {p[20:30]}\t{p[30:]}",
                "p= cut": f"v=DKIM1; k={k}; p={p[:-8]}", "p= longer": f"v=DKIM1; k={k}; p={p}AAAA",
                "p= no base64": f"v=DKIM1; k={k}; p=%%%%", "p= without padding": f"v=DKIM1; k={k}; p={p.rstrip('=')}",
                "p= with more after": f"v=DKIM1; k={k}; p={p[:-1]}!{p[-1:]}", "t=y": f"v=DKIM1; t=y; k={k}; p={p}",
                "t=s": f"v=DKIM1; t=s; k={k}; p={p}", "t=y:s": f"v=DKIM1; t=y:s; k={k}; p={p}",
                "t=s : y": f"v=DKIM1; t=s : y; k={k}; p={p}",
                "t= unknown": f"v=DKIM1; t=x; k={k}; p={p}", "t= empty": f"v=DKIM1; t=; k={k}; p={p}",
                "s=email": f"v=DKIM1; s=email; k={k}; p={p}", "s=*": f"v=DKIM1; s=*; k={k}; p={p}",
                "s= other": f"v=DKIM1; s=tlsrpt; k={k}; p={p}",
                "s= other and email": f"v=DKIM1; s=other:email; k={k}; p={p}", "s= empty": f"v=DKIM1; s=; k={k}; p={p}",
                "h=sha256": f"v=DKIM1; h=sha256; k={k}; p={p}",
                "h=sha1": f"v=DKIM1; h=sha1; k={k}; p={p}", "h=sha1:sha256": f"v=DKIM1; h=sha1:sha256; k={k}; p={p}",
                "h= blanks": f"v=DKIM1; h=sha1 : sha256; k={k}; p={p}",
                "h= unknown": f"v=DKIM1; h=sha512; k={k}; p={p}",
                "h= empty": f"v=DKIM1; h=; k={k}; p={p}", "n=": f"v=DKIM1; n=a note, with =20blanks; k={k}; p={p}",
                "unknown tag": f"v=DKIM1; zz=1; k={k}; p={p}", "g=*": f"v=DKIM1; g=*; k={k}; p={p}",
                "g= other": f"v=DKIM1; g=bob; k={k}; p={p}",
                "tag twice": f"v=DKIM1; k={k}; k={k}; p={p}", "p= twice": f"v=DKIM1; k={k}; p={p}; p=",
                "semicolon at the end": f"v=DKIM1; k={k}; p={p};", "semicolon and blanks": f"v=DKIM1; k={k}; p={p} ; ",
                "two semicolons": f"v=DKIM1;; k={k}; p={p}",
                "no semicolons": f"v=DKIM1 k={k} p={p}", "blank first": f"  v=DKIM1; k={k}; p={p}", "empty": "",
                "other text": "v=spf1 -all", "quoted": f'"v=DKIM1; k={k}; p={p}"',
                "tag name of capitals": f"V=DKIM1; K={k}; P={p}",
                "escaped semicolon": f"v=DKIM1\\; k={k}\\; p={p}",
                "control character": f"v=DKIM1; n=\x01; k={k}; p={p}", "UTF-8 note": f"v=DKIM1; n=ü; k={k}; p={p}",
        }.items():
            yield Case(f"record: {name}, {kind}", signed(key), {QUESTION: text})
        for name, i in (("the same", "@user.test"), ("a child", "@sub.user.test")):
            yield Case(f"record: t=s, i= {name}, {kind}", signed(key, field(key, i=i)),
                {QUESTION: f"v=DKIM1; t=s; k={k}; p={p}"})
        yield Case(f"record: none, {kind}", signed(key), {})
        yield Case(f"record: at another name, {kind}", signed(key), {"other._domainkey.user.test": key.record()})
    rsa = keys[2048]
    yield Case("record: RSAPublicKey", signed(rsa), {QUESTION: f"v=DKIM1; k=rsa; p={rsa.public('rsa')}"})


def tags(keys, now):
    """Tags of the signature field."""
    for kind in (2048, "ed25519"):
        key = keys[kind]
        length = len(b"Hello you\r\n\r\n-----BEGIN ACME RESPONSE-----\r\nx\r\n-----END ACME RESPONSE-----\r\n")
        h = ":".join(NAMES)
        for name, changes in {
                "v= missing": {"v": None}, "v=2": {"v": "2"}, "v= empty": {"v": ""}, "v=1 and more": {"v": "1x"},
                "v=01": {"v": "01"}, "v= blanks": {"v": " 1 "},
                "a= missing": {"a": None}, "a= unknown": {"a": "rsa-sha512"},
                "a= capitals": {"a": key.algorithm.upper()},
                "a= of the other": {"a": "ed25519-sha256" if kind == 2048 else "rsa-sha256"},
                "c= missing": {"c": None}, "c=relaxed": {"c": "relaxed"}, "c=simple": {"c": "simple"},
                "c= unknown": {"c": "nofws"}, "c= three": {"c": "relaxed/relaxed/relaxed"},
                "c= capitals": {"c": "Relaxed/Relaxed"}, "c= empty body": {"c": "relaxed/"},
                "d= missing": {"d": None}, "d= capitals": {"d": "USER.TEST"}, "d= empty": {"d": ""},
                "d= with dot": {"d": "user.test."}, "d= one label": {"d": "test"},
                "d= blank inside": {"d": "user .test"}, "d= underscore": {"d": "_x.user.test"},
                "s= missing": {"s": None}, "s= capitals": {"s": "SEL"}, "s= empty": {"s": ""},
                "s= of two labels": {"s": "a.sel"}, "s= with dot": {"s": "sel."}, "h= missing": {"h": None},
                "h= empty": {"h": ""}, "h= without From": {"h": "to:subject"},
                "h= capitals": {"h": h.upper()}, "h= blanks": {"h": " : ".join(NAMES)},
                "h= folded": {"h": ":\r\n\t ".join(NAMES)}, "h= absent names": {"h": h + ":cc:x-none:cc"},
                "h= a name too often": {"h": h + ":from:from:subject"},
                "h= empty name": {"h": h + "::cc"}, "h= colon at the end": {"h": h + ":"},
                "h= itself": {"h": h + ":dkim-signature"}, "h= Received": {"h": h + ":received:received"},
                "h= of From alone": {"h": "from"},
                "bh= missing": {"bh": None}, "bh= empty": {"bh": ""},
                "bh= wrong": {"bh": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
                "bh= short": {"bh": "47DEQpj8HBSa"}, "bh= no base64": {"bh": "%%%"}, "bh= first": {"bh": "$bh"},
                "b= missing": {"b": None}, "b= empty": {"b": ""}, "b= wrong": {"b": "AAAA"},
                "b= no base64": {"b": "%%%"}, "b= more": {"b": "$bAAAA"}, "b= and blanks": {"b": " \t$b \t"},
                "i= the same": {"i": "@user.test"}, "i= a mailbox": {"i": "ann@user.test"},
                "i= a child": {"i": "ann@sub.user.test"}, "i= another": {"i": "ann@other.test"},
                "i= the parent": {"i": "@test"}, "i= longer": {"i": "@xuser.test"}, "i= without at": {"i": "user.test"},
                "i= empty": {"i": ""}, "i= capitals": {"i": "@USER.test"}, "i= quoted": {"i": '"a b"@user.test'},
                "q=dns/txt": {"q": "dns/txt"}, "q= unknown": {"q": "http"}, "q= two": {"q": "http:dns/txt"},
                "q=dns": {"q": "dns"}, "q= empty": {"q": ""}, "q= capitals": {"q": "DNS/TXT"},
                "t= past": {"t": "1"}, "t= now": {"t": now}, "t= near future": {"t": now + 60},
                "t= far future": {"t": now + 10 ** 6}, "t= no number": {"t": "x"}, "t= negative": {"t": "-1"},
                "t= empty": {"t": ""}, "t= of 12 digits": {"t": "0" * 11 + "1"},
                "t= of 13 digits": {"t": "0" * 12 + "1"},
                "x= past": {"x": now - 10 ** 6}, "x= a minute ago": {"x": now - 60}, "x= future": {"x": now + 10 ** 6},
                "x= no number": {"x": "x"}, "x= empty": {"x": ""}, "x= before t=": {"t": now + 20, "x": now + 10},
                "x= equals t=": {"t": now + 20, "x": now + 20}, "x= after t=": {"t": now - 20, "x": now + 10 ** 5},
                "x= of 12 digits": {"x": "9" * 12}, "x= of 13 digits": {"x": "9" * 13}, "l= all": {"l": length},
                "l=0": {"l": 0}, "l= less": {"l": 10}, "l= more": {"l": 10 ** 6}, "l= negative": {"l": "-1"},
                "l= no number": {"l": "x"}, "l= empty": {"l": ""},
                "z=": {"z": "From:ann@user.test|Subject:x=20y"},
                "z= folded": {"z": "From:ann@user.test|\r\n\t Subject:x"}, "r=y": {"r": "y"},
                "unknown tag": {"zz": "1"}, "unknown tag, empty": {"zz": ""}, "unknown tag, long": {"zz": "x" * 800},
                "tag name with underscore": {"z_z": "1"},
                "tag name with dash": {"z-z": "1"}, "tag name of digits": {"11": "1"},
                "semicolon at the end": {"_": ";"}, "two semicolons at the end": {"_": ";;"},
                "semicolon and fold": {"_": ";\r\n\t "}, "blank at the end": {"_": " "},
                "text at the end": {"_": "; x"}, "control character": {"zz": "\x01"}, "UTF-8": {"zz": "ü"},
        }.items():
            text = field(key, **changes)
            known = "c" not in changes or changes["c"] in (None, "relaxed", "simple")
            cut = changes.get("l")
            question = ".".join(str(changes.get(tag, value)).lower().rstrip(".")
                                for tag, value in (("s", SELECTOR), ("", "_domainkey"), ("d", DOMAIN)))
            raw = signed(key, text, canon=None if known else RELAXED, length=cut if isinstance(cut, int) else None)
            yield Case(f"tag: {name}, {kind}", raw, {question: key.record()})
        plain = field(key)
        for name in ("v", "a", "c", "d", "s", "h"):
            text = plain + f"; {name}={dkim_maker.tag(plain, name)}"
            yield Case(f"tag: twice {name}, {kind}", signed(key, text), {QUESTION: key.record()})
        for name, text in {
                "twice bh": plain.replace("bh=$bh", "bh=$bh; bh=$bh"), "twice b": plain + "; b=AAAA",
                "twice unknown": plain + "; zz=1; zz=1", "name in capitals": plain.replace("d=", "D=", 1),
                "blanks around =": plain.replace("=", " = "), "folds around =": plain.replace("=", "\r\n\t=\r\n\t"),
                "no blanks": plain.replace(";\r\n\t", ";"), "tabs": plain.replace(";\r\n\t", ";\t\t"),
                "in one line": plain.replace(";\r\n\t", "; "),
                "two semicolons": plain.replace("; ", ";; ").replace(";\r\n\t", ";;\r\n\t"), "empty": "DKIM-Signature:",
                "only blanks": "DKIM-Signature: \r\n\t ",
                "no tags": "DKIM-Signature: hello", "comment": plain.replace("v=1", "v=1 (x)"),
                "b= first": "DKIM-Signature: b=$b; " + plain.replace(";\r\n\tb=$b", "").partition(": ")[2],
                "v= last": "DKIM-Signature: " + plain.partition(";\r\n\t")[2] + "; v=1",
                "blank before the colon": plain.replace(":", " :", 1),
                "no blank after the colon": plain.replace(": ", ":", 1),
                "fold after the colon": plain.replace(": ", ":\r\n\t", 1),
                "capitals of the field": plain.replace("DKIM-Signature", "DKIM-SIGNATURE"),
        }.items():
            yield Case(f"field: {name}, {kind}", signed(key, text), {QUESTION: key.record()})
        yield Case(f"b= in one line, {kind}", signed(key, width=None), {QUESTION: key.record()})
        yield Case(f"b= a letter a line, {kind}", signed(key, width=1), {QUESTION: key.record()})
        yield Case(f"b= cut, {kind}", cut_value(signed(key, width=None)), {QUESTION: key.record()})


def cut_value(raw):
    """The signature without its last four letters."""
    end = raw.index(b"\r\nFrom:")
    return raw[:end - 4] + raw[end:]


def sha1(keys):
    for bits in (1024, 2048):
        key = keys[bits]
        yield Case(f"rsa-sha1 of {bits}", signed(key, field(key, a="rsa-sha1")), {QUESTION: key.record()})
        yield Case(f"rsa-sha1 of {bits}, h=sha1", signed(key, field(key, a="rsa-sha1")),
                   {QUESTION: key.record().replace("v=DKIM1;", "v=DKIM1; h=sha1;")})


def selections(keys):
    """Which of several fields a name in h= means (RFC 6376 section 5.4.2)."""
    key = keys[2048]
    three = b"X: one\r\nFrom: ann@user.test\r\nX: two\r\nSubject: a\r\nX: three\r\n\r\nbody\r\n"
    changes = {
        "nothing": lambda r: r, "top gone": lambda r: r.replace(b"X: one\r\n", b""),
        "bottom gone": lambda r: r.replace(b"X: three\r\n", b""), "one more on top": lambda r: b"X: zero\r\n" + r,
        "one more below": lambda r: r.replace(b"\r\n\r\n", b"\r\nX: four\r\n\r\n"),
        "swapped": lambda r: r.replace(b"one", b"tmp").replace(b"two", b"one").replace(b"tmp", b"two"),
    }
    for number, (name, edit) in itertools.product(range(5), changes.items()):
        raw = signed(key, field(key, h=":".join(["from"] + ["x"] * number)), three)
        yield Case(f"selection: X signed {number} times, {name}", edit(raw), {QUESTION: key.record()})
    other = signed(key, field(key, d="other.test"))
    for name, more in (("signs the one below", ":dkim-signature"), ("signs it twice", ":dkim-signature:dkim-signature")):
        raw = signed(key, field(key, h=":".join(NAMES) + more), other)
        yield Case(f"selection: {name}", raw, {QUESTION: key.record()})


def cases(now):
    keys = Keys()
    groups = edits(keys), bodies(keys), key_forms(keys), tags(keys, now), sha1(keys), selections(keys)
    return [case for group in groups for case in group]
