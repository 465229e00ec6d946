# SPDX-License-Identifier: Apache-2.0
"""Ambiguous and hostile messages, made from good replies: each dimension is a function of a Mail that changes it. What
is changed before the signature was written by the owner of the domain, what is changed after it by a stranger."""

import base64
import quopri
from typing import NamedTuple

import dkim_maker

ADDRESS, DOMAIN, SELECTOR = "ann@user.test", "user.test", "s1"
BEGIN, END = "-----BEGIN ACME RESPONSE-----", "-----END ACME RESPONSE-----"


def crlf(text):
    return text.replace("\n", "\r\n").encode("utf-8")


class Mail(NamedTuple):
    """A message to be: fields as (name, value) of octets without the last CRLF."""
    fields: tuple
    body: bytes
    digest: str  # the right one
    wrong: str   # another
    token: str   # token-part1
    names: tuple = ("from", "subject")  # h=
    form: str = "plain"

    def raw(self):
        header = b"".join(name + b": " + value + b"\r\n" for name, value in self.fields)
        return header + b"\r\n" + self.body + (b"" if self.body.endswith(b"\r\n") else b"\r\n")  # as SMTP has it

    # --- changes, each a new Mail

    def set(self, name, *values):
        """The field with these values in its place; none takes it out."""
        name = name.encode()
        place = next((i for i, (one, _) in enumerate(self.fields) if one.lower() == name.lower()), len(self.fields))
        rest = [field for field in self.fields if field[0].lower() != name.lower()]
        new = [(name, value if isinstance(value, bytes) else crlf(value)) for value in values]
        return self._replace(fields=tuple(rest[:place] + new + rest[place:]))

    def add(self, name, value, top=True):
        field = (name.encode() if isinstance(name, str) else name, value if isinstance(value, bytes) else crlf(value))
        return self._replace(fields=(field,) + self.fields if top else self.fields + (field,))

    def text(self, type_="text/plain; charset=utf-8", body="", encoding=None):
        """A body of one part."""
        mail = self.set("Content-Type", type_).set("Content-Transfer-Encoding", *([encoding] if encoding else []))
        return mail._replace(body=body if isinstance(body, bytes) else crlf(body))

    def parts(self, *parts, subtype="mixed", boundary="b0", preamble="", epilogue="", last=True):
        """A multipart body; a part is (header, body) of texts."""
        body = preamble + "".join(f"--{boundary}\n{header}\n\n{text}\n" for header, text in parts)
        body += (f"--{boundary}--\n" if last else "") + epilogue
        return self.text(f'multipart/{subtype}; boundary="{boundary}"', body)

    def block(self, value=None):
        return f"{BEGIN}\n{value or self.digest}\n{END}\n"

    def body_with(self, before="", after=""):
        return self._replace(body=crlf(before) + self.body + crlf(after))


PLAIN = "Content-Type: text/plain; charset=utf-8"
ATTACHED = PLAIN + '\nContent-Disposition: attachment; filename="x.txt"'
HTML = "Content-Type: text/html; charset=utf-8"


def bases(token1, digest, wrong, rng):
    """Good replies of every form, from which the others are made."""
    empty = Mail(((b"From", b"Ann User <ann@user.test>"), (b"To", b"acme-challenge+x@ca.test"),
                  (b"Subject", b"Re: ACME: " + token1.encode()), (b"Date", b"Mon, 3 Nov 2025 08:15:02 +0000"),
                  (b"Message-ID", b"<%d@user.test>" % rng.randrange(10 ** 9)), (b"MIME-Version", b"1.0"),
                  (b"Content-Type", b"text/plain; charset=utf-8")), b"", digest, wrong, token1)
    block = empty.block()
    return {form: mail._replace(form=form) for form, mail in {
        "plain": empty.text(body="Hello\n\n" + block + "\n> quoted\n"),
        "quoted-printable": empty.text(body=crlf(quopri.encodestring(("Grüße\n" + block).encode()).decode()),
                                       encoding="quoted-printable"),
        "base64": empty.text(body=base64.encodebytes(crlf(block)).replace(b"\n", b"\r\n"), encoding="base64"),
        "alternative": empty.parts((PLAIN, block), (HTML, "<p>x</p>"), subtype="alternative"),
        "mixed": empty.parts((PLAIN, block), (ATTACHED, "notes"), (PLAIN, "a disclaimer")),
        "nested": empty.parts(('Content-Type: multipart/alternative; boundary="b1"',
                               f"--b1\n{PLAIN}\n\n{block}\n--b1\n{HTML}\n\n<p>x</p>\n--b1--"), (PLAIN, "a disclaimer")),
    }.items()}


# --- dimensions

CHANGES = {}  # name: function of (mail, rng)


def change(name):
    def add(function):
        CHANGES[name] = function
        return function
    return add


def table(prefix, rows, apply):
    """A change for each row of {name: value}."""
    for name, value in rows.items():
        CHANGES[f"{prefix}: {name}"] = lambda mail, rng, value=value: apply(mail, value)


OTHER = "eve@evil.test"
table("From", {
    "two fields": ["ann@user.test", OTHER], "two fields, the other first": [OTHER, "ann@user.test"],
    "the same twice": ["ann@user.test", "ann@user.test"], "none": [], "empty": [""], "of another": [OTHER],
    "two addresses": [f"ann@user.test, {OTHER}"], "two addresses, the other first": [f"{OTHER}, ann@user.test"],
    "two addresses in brackets": [f"<ann@user.test>, <{OTHER}>"], "two brackets": [f"Ann <ann@user.test> <{OTHER}>"],
    "two in one bracket": [f"Ann <ann@user.test,{OTHER}>"], "a semicolon": [f"ann@user.test; {OTHER}"],
    "name that is an address": [f'"{OTHER}" <ann@user.test>'],
    "name that is the address": [f'"ann@user.test" <{OTHER}>'],
    "bare name that is an address": [f"{OTHER} <ann@user.test>"],
    "bare name that is the address": [f"ann@user.test <{OTHER}>"],
    "comment with an address": [f"ann@user.test ({OTHER})"], "comment with the address": [f"{OTHER} (ann@user.test)"],
    "comment in the address": ["ann(x)@user.test"], "comment after the at": ["ann@(x)user.test"],
    "comment that hides a bracket": [f"Ann (<{OTHER}>) <ann@user.test>"],
    "comment that does not end": ["Ann (x <ann@user.test>"],
    "nested comment": ["(a(b)c) ann@user.test"], "deep comment": ["(" * 300 + ")" * 300 + " ann@user.test"],
    "escaped bracket in a comment": [f"(\\)) <{OTHER}>) <ann@user.test>"],
    "quoted local part": ['"ann"@user.test'], "quoted at": ['"ann@user.test"@evil.test'],
    "quote that does not end": ['"Ann <ann@user.test>'],
    "escaped quote": [f'"Ann\\" <{OTHER}>, \\"" <ann@user.test>'], "group": ["friends: ann@user.test;"],
    "group of two": [f"friends: ann@user.test, {OTHER};"], "group and address": [f"friends: {OTHER}; , ann@user.test"],
    "empty group and address": ["x:; , ann@user.test"], "group that does not end": ["x: ann@user.test"],
    "source route": ["<@evil.test:ann@user.test>"], "blank in the address": ["ann @user.test"],
    "blanks around the at": ["ann @ user.test"],
    "dot at the end": ["ann@user.test."], "two dots": ["a..nn@user.test"], "capitals": ["ANN@USER.TEST"],
    "address literal": ["ann@[192.0.2.1]"], "percent": ["ann%user.test@evil.test"], "bang": ["user.test!ann@evil.test"],
    "child domain": ["ann@sub.user.test"], "parent domain": ["ann@test"], "longer domain": ["ann@xuser.test"],
    "encoded word name": ["=?utf-8?q?Ann?= <ann@user.test>"],
    "encoded word with two addresses": ["=?utf-8?q?ann=40user=2Etest=2C_eve=40evil=2Etest?= <ann@user.test>"],
    "encoded word that is the address": ["=?utf-8?q?ann=40user=2Etest?="],
    "encoded word with a bracket": [f"=?utf-8?q?Ann_=3Cann=40user=2Etest=3E?= <{OTHER}>"],
    "encoded word in the local part": ["=?utf-8?q?ann?=@user.test"],
    "encoded NUL": ["=?utf-8?q?ann=40user.test=00?= <eve@evil.test>"],
    "encoded line end": ["=?utf-8?q?x=0D=0AFrom=3A?= <ann@user.test>"],
    "8-bit name": [b"J\xf6rg <ann@user.test>"], "UTF-8 name": ["Jörg <ann@user.test>"],
    "8-bit in the address": [b"ann\xa0@user.test"],
    "full-width at": ["ann＠user.test"], "Cyrillic letter": ["аnn@user.test"], "dotless i": ["ann@user.tEst"],
    "zero-width blank": ["ann\u200b@user.test"], "soft hyphen": ["ann@us\u00ader.test"],
    "ideographic stop": ["ann@user。test"],
    "right-to-left mark": ["\u202eann@user.test"], "folded address": ["ann\r\n @user.test"],
    "folded name": ["Ann\n User\n <ann@user.test>"],
    "folded with blank lines": [b"Ann\r\n \r\n <ann@user.test>"], "tabs": ["\tAnn\t<ann@user.test>\t"],
    "long": ["x" * 9000 + " <ann@user.test>"], "many": [", ".join(["ann@user.test"] * 500)],
    "brackets without address": ["Ann <>"],
    "no bracket at the end": ["Ann <ann@user.test"], "two at": ["ann@user.test@evil.test"],
    "mailto": ["mailto:ann@user.test"],
    "octet 127": [b"ann\x7f@user.test"], "octet 1": [b"\x01ann@user.test"], "vertical tab": [b"Ann\x0b<ann@user.test>"],
}, lambda mail, values: mail.set("From", *values))

table("field that is like From", {
    "blank before the colon": (b"From ", OTHER), "tab before the colon": (b"From\t", OTHER),
    "octet after the name": (b"From\xa0", OTHER),
    "Sender": (b"Sender", OTHER), "Resent-From": (b"Resent-From", OTHER), "X-From": (b"X-From", "ann@user.test"),
    "capitals": (b"FROM", OTHER), "no name": (b"", OTHER),
    "mbox line": (b"From eve@evil.test Mon Nov  3 08", "15:02 2025"),
    "Unicode": ("Frоm".encode(), OTHER),
}, lambda mail, field: mail.add(*field))

TOKEN2 = "BQIDBAUGBwgJ-gsMDQ4PEBES_xQVFhcY"
table("Subject", {
    "two fields": [lambda t: f"Re: ACME: {t}", lambda t: f"Re: ACME: {TOKEN2}"],
    "two fields, the other first": [lambda t: "Hello", lambda t: f"Re: ACME: {t}"],
    "the same twice": [lambda t: f"ACME: {t}"] * 2, "none": [], "of another": [lambda t: f"ACME: {TOKEN2}"],
    "two tokens": [lambda t: f"ACME: {t} ACME: {TOKEN2}"],
    "two tokens, the other first": [lambda t: f"ACME: {TOKEN2} ACME: {t}"],
    "more behind the token": [lambda t: f"ACME: {t} (fwd)"], "no blank": [lambda t: f"ACME:{t}"],
    "lower case": [lambda t: f"acme: {t}"],
    "no label": [lambda t: t], "label alone": [lambda t: "ACME:"], "cut token": [lambda t: f"ACME: {t[:-1]}"],
    "token in another case": [lambda t: f"ACME: {t.swapcase()}"],
    "blanks in the token": [lambda t: f"ACME: {t[:5]} \t{t[5:]}"],
    "folded in the token": [lambda t: f"ACME: {t[:5]}\n {t[5:]}"],
    "prefixes": [lambda t: f"AW: RE: [EXTERNAL] Fwd: ACME: {t}"],
    "encoded": [lambda t: "=?utf-8?b?" + base64.b64encode(f"ACME: {t}".encode()).decode() + "?="],
    "encoded in two words": [lambda t:
                             "=?utf-8?q?ACME=3A_?= =?utf-8?b?" + base64.b64encode(t.encode()).decode() + "?="],
    "encoded twice": [lambda t: "=?utf-8?b?" + base64.b64encode(b"=?utf-8?q?ACME:?= " + t.encode()).decode() + "?="],
    "encoded in an unknown charset": [lambda t: f"=?x-none?q?ACME=3A_?= {t}"],
    "UTF-7": [lambda t: f"=?utf-7?q?ACME:_?= {t}"],
    "UTF-16": [lambda t: "=?utf-16?b?" + base64.b64encode(f"ACME: {t}".encode("utf-16")).decode() + "?="],
    "broken encoded word": [lambda t: f"=?utf-8?b?QUNNRTog {t}"], "underscore": [lambda t: f"=?utf-8?q?ACME:_{t}?="],
    "8-bit before": [lambda t: b"R\xe9: ACME: " + t.encode()], "UTF-8 before": [lambda t: f"Ré: ACME: {t}"],
    "full-width colon": [lambda t: f"ACME： {t}"],
    "zero-width blank in the token": [lambda t: f"ACME: {t[:5]}\u200b{t[5:]}"],
    "NUL in the token": [lambda t: b"ACME: " + t.encode() + b"\0x"],
    "long before": [lambda t: "x" * 9000 + f" ACME: {t}"], "long behind": [lambda t: f"ACME: {t}" + " x" * 4000],
    "URL-encoded": [lambda t: f"ACME%3A {t}"],
}, lambda mail, values: mail.set("Subject", *(value(mail.token) for value in values)))

table("field added", {
    "second Subject on top": ("Subject", "ACME: x", True), "second Subject below": ("Subject", "ACME: x", False),
    "second From on top": ("From", OTHER, True), "second From below": ("From", OTHER, False),
    "second Content-Type on top": ("Content-Type", "text/html", True),
    "second Content-Type below": ("content-type", "text/html", False),
    "second encoding on top": ("Content-Transfer-Encoding", "base64", True),
    "disposition": ("Content-Disposition", "attachment", True),
    "inline": ("Content-Disposition", "inline", True), "List-Id": ("List-Id", "<x.user.test>", True),
    "list-post": ("list-post", "x", False),
    "Auto-Submitted": ("Auto-Submitted", "auto-replied", True),
    "Content-Type with a blank": ("Content-Type ", "text/html", True),
    "MIME-Version 2": ("MIME-Version", "2.0", True), "Content-Language": ("Content-Language", "en", True),
    "Received": ("Received", "from x by y; Mon, 3 Nov 2025 08:15:02 +0000", True),
    "no field": (b"just text", b"", True),
    "name only": (b"X", b"", True), "folded nothing": (b"X", b"\r\n ", True), "NUL": (b"X", b"a\0b", True),
    "bare CR": (b"X", b"a\rFrom: eve@evil.test", True),
    "bare LF": (b"X", b"a\nFrom: eve@evil.test", True), "LF and a blank": (b"X", b"a\n b", True),
    "forged results": ("Authentication-Results", "ca.test; dkim=pass header.d=user.test", True),
    "another's signature": ("DKIM-Signature",
        f"v=1; a=rsa-sha256; d=evil.test; s={SELECTOR}; h=from:subject; bh=AAAA; b=AAAA", True),
    "a wrong signature": ("DKIM-Signature",
        f"v=1; a=rsa-sha256; d={DOMAIN}; s={SELECTOR}; h=from:subject;\n "
        "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA", True),
}, lambda mail, field: mail.add(*field))


@change("many signatures above")
def many_signatures(mail, rng):
    for _ in range(6):
        mail = mail.add("DKIM-Signature", f"v=1; a=rsa-sha256; d=evil.test; s={SELECTOR}; h=from; bh=AAAA; b=AAAA")
    return mail


@change("many fields")
def many_fields(mail, rng):
    for number in range(rng.choice((150, 199, 300, 1200))):
        mail = mail.add(f"X-{number}", "x")
    return mail


# How the body is to be read, changed under the same body: the attack by another reading.
table("Content-Type", {
    "none": [], "empty": [""], "html": ["text/html"], "plain without charset": ["text/plain"],
    "capitals": ["TEXT/PLAIN; CHARSET=UTF-8"],
    "enriched": ["text/enriched"], "octets": ["application/octet-stream"], "rfc822": ["message/rfc822"],
    "partial": ["message/partial; id=x; number=1"],
    "external": ["message/external-body; access-type=URL"], "digest": ['multipart/digest; boundary="b0"'],
    "mixed, boundary of the parts": ['multipart/mixed; boundary="b0"'],
    "mixed, boundary of the inner": ['multipart/mixed; boundary="b1"'],
    "alternative": ['multipart/alternative; boundary="b0"'],
    "mixed without boundary": ["multipart/mixed"], "boundary empty": ['multipart/mixed; boundary=""'],
    "boundary a dash": ['multipart/mixed; boundary="-"'],
    "boundary of the marker": ['multipart/mixed; boundary="---BEGIN ACME RESPONSE-----"'],
    "boundary with a blank": ['multipart/mixed; boundary="b0 "'],
    "boundary twice": ['multipart/mixed; boundary="b1"; boundary="b0"'],
    "boundary twice the same": ['multipart/mixed; boundary="b0"; boundary="b0"'],
    "boundary in pieces": ['multipart/mixed; boundary*0="b"; boundary*1="0"'],
    "boundary in pieces and whole": ['multipart/mixed; boundary="b1"; boundary*0="b"; boundary*1="0"'],
    "boundary encoded": ["multipart/mixed; boundary*=us-ascii''b0"],
    "boundary escaped": ['multipart/mixed; boundary="\\b0"'],
    "boundary with a comment": ['multipart/mixed; (boundary="b1") boundary="b0"'],
    "boundary without quotes": ["multipart/mixed; boundary=b0"],
    "boundary behind a blank": ['multipart/mixed; boundary = "b0"'],
    "boundary capitals": ['multipart/mixed; BOUNDARY="b0"'],
    "boundary long": [f'multipart/mixed; boundary="{"b" * 300}"'], "boundary b": ['multipart/mixed; boundary="b"'],
    "two types": ["text/plain, text/html"], "type of three": ["text/plain/html"], "no subtype": ["text"],
    "semicolon first": [";text/plain"],
    "type in quotes": ['"text/plain"'], "comment before": ["(x) text/plain"],
    "encoded word": ["=?utf-8?q?text/plain?="],
    "UTF-7": ["text/plain; charset=utf-7"], "UTF-16": ["text/plain; charset=utf-16"],
    "unknown charset": ["text/plain; charset=x-none"],
    "two charsets": ["text/plain; charset=utf-7; charset=utf-8"], "flowed": ["text/plain; format=flowed; delsp=yes"],
    "8-bit": [b"text/plain; charset=\xff"], "folded": ["text/plain;\n charset=utf-8"],
    "long": ["text/plain; x=" + "x" * 3000],
    "signed": ['multipart/signed; boundary="b0"; protocol="application/pgp-signature"; micalg=pgp-sha256'],
    "encrypted": ['multipart/encrypted; boundary="b0"'],
    "report": ['multipart/report; report-type=delivery-status; boundary="b0"'],
    "related": ['multipart/related; boundary="b0"'], "unknown multipart": ['multipart/x-any; boundary="b0"'],
    "form-data": ['multipart/form-data; boundary="b0"'],
}, lambda mail, values: mail.set("Content-Type", *values))

table("Content-Transfer-Encoding", {
    name: [name] for name in ("7bit", "8bit", "binary", "base64", "quoted-printable", "BASE64", "Quoted-Printable",
        "x-uuencode", "uuencode", "none",
                              "base64 (x)", "(x) base64", "base64;", "7bit base64", "quoted-printable, base64",
                              '"base64"', "=?utf-8?q?base64?=", "7 bit", "")
} | {"none at all": [], "two": ["7bit", "base64"], "two the same": ["7bit", "7bit"], "8-bit octet": [b"base64\xa0"]},
    lambda mail, values: mail.set("Content-Transfer-Encoding", *values))

# What stands in the text; {b} the right block, {w} a wrong one, {d} the digest.
table("text", {
    "wrong block": "{w}", "no block": "hello", "two different blocks": "{b}{w}",
    "two different blocks, wrong first": "{w}\n{b}", "the same twice": "{b}\n{b}",
    "wrong block quoted": "{b}\n{qw}", "right block quoted": "{qb}", "wrong above, right quoted": "{w}{qb}",
    "digest without markers": "{d}",
    "block in a line": f"x {BEGIN} {{d}} {END}", "all in a line": f"{BEGIN}{{d}}{END}",
    "indented": f"  {BEGIN}\n\t{{d}}\n  {END}\n",
    "no end": f"{BEGIN}\n{{d}}\n", "no begin": f"{{d}}\n{END}\n", "begin twice": f"{BEGIN}\n{BEGIN}\n{{d}}\n{END}\n",
    "end twice": f"{BEGIN}\n{{d}}\n{END}\n{END}\n",
    "block in a block": f"{BEGIN}\n{{w}}{{d}}\n{END}\n", "right block, then one that does not end": f"{{b}}{BEGIN}\n",
    "empty block": f"{BEGIN}\n{END}\n",
    "empty block and a right one": f"{BEGIN}\n{END}\n{{b}}",
    "two digests in a block": f"{BEGIN}\n{{d}}\n{{x}}\n{END}\n", "more in the block": f"{BEGIN}\n{{d}}\nhello\n{END}\n",
    "field in the block": f"{BEGIN}\nFrom: eve@evil.test\n\n{{d}}\n{END}\n", "padded": f"{BEGIN}\n{{d}}=\n{END}\n",
    "padded twice": f"{BEGIN}\n{{d}}==\n{END}\n",
    "short": f"{BEGIN}\n{{d:.42}}\n{END}\n", "long": f"{BEGIN}\n{{d}}A\n{END}\n",
    "very long": f"{BEGIN}\n" + "A" * 20000 + f"\n{END}\n", "in pieces": f"{BEGIN}\n{{d:.20}}\n  \n{END}\n",
    "lower-case marker": BEGIN.lower() + "\n{d}\n" + END.lower() + "\n",
    "marker of four dashes": BEGIN[1:] + "\n{d}\n" + END[1:] + "\n",
    "marker of six": "-" + BEGIN + "-\n{d}\n-" + END + "-\n",
    "marker with dashes of another kind": BEGIN.replace("-", "–") + "\n{d}\n" + END.replace("-", "–") + "\n",
    "no-break blanks": f"\u00a0{BEGIN}\u00a0\n\u00a0{{d}}\u00a0\n{END}\n",
    "zero-width blanks": f"{BEGIN}\n\u200b{{d}}\n{END}\n", "byte order mark": "\ufeff{b}",
    "line separator": f"{BEGIN}\u2028{{d}}\u2028{END}\n", "next line": f"{BEGIN}\u0085{{d}}\u0085{END}\n",
    "form feed": f"{BEGIN}\f\n{{d}}\n{END}\n", "vertical tabs": f"{BEGIN}\v{{d}}\v{END}\n",
    "backspace": f"{BEGIN}\n{{d}}\b\n{END}\n", "standard base64": f"{BEGIN}\n{{s}}\n{END}\n",
    "From in the body": "From: eve@evil.test\n\n{b}",
    "header again": "Content-Type: text/html\nSubject: ACME: x\n\n{b}",
    "mbox line": "From eve Mon Nov  3 08:15:02 2025\n{b}",
    "signature block": "{b}-- \n{w}", "forwarded": "---------- Forwarded message ---------\nFrom: eve@evil.test\n\n{b}",
    "delimiters": "--b0\n\n{b}\n--b0--\n{w}",
    "dot": ".\n{b}", "uuencoded": "begin 644 x.txt\n`\nend\n{b}", "yenc": "=ybegin line=128 size=9 name=x\n{b}",
    "PGP": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- {b}",
    "many right": "{b}" * 50, "many lines": "x\n" * 20000 + "{b}", "long line": "x" * 1900 + "\n{b}",
    "only an end of lines": "\n" * 100, "right to left": "\u202e{b}",
    "HTML": "<pre>\n{b}</pre>\n", "HTML comment": "<!--\n{b}-->\n",
    "HTML comment with a wrong one": "{b}<!--\n{w}-->\n",
}, lambda mail, text: in_text(mail, text))


def in_text(mail, text):
    """text in place of what the part with the block says, in the mail's form."""
    values = {"b": mail.block(), "w": mail.block(mail.wrong), "d": mail.digest, "x": mail.wrong,
              "s": base64.b64encode(base64.urlsafe_b64decode(mail.digest + "=")).decode(),
              "qb": "> " + mail.block().replace("\n", "\n> "),
              "qw": "> " + mail.block(mail.wrong).replace("\n", "\n> ")}
    text = text.format(**values)
    if mail.form == "base64":
        return mail._replace(body=base64.encodebytes(crlf(text)).replace(b"\n", b"\r\n"))
    if mail.form == "quoted-printable":
        return mail._replace(body=crlf(quopri.encodestring(text.encode()).decode()))
    if mail.form == "plain":
        return mail._replace(body=crlf(text))
    return mail._replace(body=mail.body.replace(crlf(mail.block()), crlf(text), 1))


def with_blocks(mail, value):
    """R and W in a text are the right and the wrong block; what is no text stays."""
    if not isinstance(value, str):
        return value
    return value.replace(R, mail.block()).replace(W, mail.block(mail.wrong))


# Where the block stands: (parts, options).
R, W = "{b}", "{w}"
SUB = 'Content-Type: multipart/mixed; boundary="b1"'
table("parts", {
    "HTML only": ([(HTML, R)], {}), "HTML and empty text": ([(PLAIN, ""), (HTML, R)], {}),
    "HTML has the right one, text a wrong one": ([(PLAIN, W), (HTML, R)], {}),
    "text has the right one, HTML a wrong one": ([(PLAIN, R), (HTML, W)], {}),
    "attachment only": ([(PLAIN, "x"), (ATTACHED, R)], {}),
    "attachment wrong": ([(PLAIN, R), (ATTACHED, W)], {}),
    "attachment right, text wrong": ([(PLAIN, W), (ATTACHED, R)], {}),
    "two texts that differ": ([(PLAIN, R), (PLAIN, W)], {}),
    "two texts that differ, alternative": ([(PLAIN, W), (PLAIN, R)], {"subtype": "alternative"}),
    "two texts that agree": ([(PLAIN, R), (PLAIN, R)], {}),
    "nested message": ([("Content-Type: message/rfc822", f"From: ann@user.test\n{PLAIN}\n\n{R}")], {}),
    "nested message wrong": ([(PLAIN, R), ("Content-Type: message/rfc822", f"From: ann@user.test\n{PLAIN}\n\n{W}")],
        {}),
    "global message": ([("Content-Type: message/global", f"From: ann@user.test\n{PLAIN}\n\n{R}")], {}),
    "octets": ([("Content-Type: application/octet-stream", R)], {}),
    "calendar": ([("Content-Type: text/calendar", R)], {}), "unknown text": ([("Content-Type: text/x-acme", R)], {}),
    "preamble": ([(PLAIN, "x")], {"preamble": R}),
    "preamble wrong": ([(PLAIN, R)], {"preamble": W}), "epilogue": ([(PLAIN, "x")], {"epilogue": R}),
    "epilogue wrong": ([(PLAIN, R)], {"epilogue": W}),
    "parts after the end": ([(PLAIN, R)], {"epilogue": f"--b0\n{PLAIN}\n\n{W}\n--b0--\n"}),
    "no last delimiter": ([(PLAIN, R)], {"last": False}),
    "no last delimiter, two": ([(PLAIN, R), (PLAIN, W)], {"last": False}), "no header": ([("", R)], {}),
    "no delimiter at all": ([], {"last": False, "preamble": R}),
    "boundary that is a prefix": ([(PLAIN, f"x\n--b00\n{PLAIN}\n\n{R}")], {}),
    "delimiter with blanks": ([(PLAIN, f"x\n--b0 \t \n{PLAIN}\n\n{R}")], {}),
    "delimiter with more": ([(PLAIN, f"x\n--b0 x\n{PLAIN}\n\n{W}\n{R}")], {}),
    "delimiter indented": ([(PLAIN, f"x\n --b0\n{PLAIN}\n\n{R}")], {}),
    "two delimiters at once": ([(PLAIN, f"{R}\n--b0\n--b0--\n{PLAIN}\n\n{W}")], {}),
    "delimiter twice": ([(PLAIN, f"{R}\n--b0\n--b0\n{PLAIN}\n\nx")], {}),
    "close with more": ([(PLAIN, f"{R}\n--b0--x\n{W}")], {}),
    "close with blanks": ([(PLAIN, f"{R}\n--b0-- \t\n{W}")], {}),
    "close with one dash": ([(PLAIN, f"{R}\n--b0-\n{W}")], {}),
    "close with three": ([(PLAIN, f"{R}\n--b0---\n{W}")], {}),
    "boundary with a dash": ([(PLAIN, f"{R}\n--b0--\n--b0\n\n{W}")], {"boundary": "b0--"}),
    "boundary ends in a blank": ([(PLAIN, R)], {"boundary": "b0 "}),
    "boundary a prefix of the inner": ([(SUB.replace("b1", "b0x"), f"--b0x\n{PLAIN}\n\n{R}\n--b0x--")], {}),
    "inner the same, a part behind": ([(SUB.replace("b1", "b0"),
                f"--b0\n{PLAIN}\n\n{R}\n--b0--\n--b0\n{PLAIN}\n\n{W}")], {}),
                "inner the same": ([(SUB.replace("b1", "b0"), f"--b0\n{PLAIN}\n\n{R}\n--b0--\n{W}")], {}),
    "inner without end": ([(SUB, f"--b1\n{PLAIN}\n\n{R}"), (PLAIN, "x")], {}),
    "inner without end, outer wrong": ([(SUB, f"--b1\n{PLAIN}\n\n{R}"), (PLAIN, W)], {}),
    "outer delimiter in the inner": ([(SUB, f"--b1\n{PLAIN}\n\nx\n--b0\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "inner attached": ([(SUB + "\nContent-Disposition: attachment", f"--b1\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "inner base64": ([(SUB + "\nContent-Transfer-Encoding: base64", f"--b1\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "inner of an unknown encoding": ([(SUB + "\nContent-Transfer-Encoding: x", f"--b1\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "inner digest": ([('Content-Type: multipart/digest; boundary="b1"', f"--b1\n\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "inner report": ([('Content-Type: multipart/report; boundary="b1"', f"--b1\n{PLAIN}\n\n{R}\n--b1--")], {}),
    "two types in a part": ([(f"{PLAIN}\n{HTML}", R)], {}),
    "two encodings in a part": ([(f"{PLAIN}\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64", R)],
        {}),
    "two dispositions": ([(f"{PLAIN}\nContent-Disposition: inline\nContent-Disposition: attachment", R)], {}),
    "blank before a colon": ([("Content-Type : text/html", R)], {}),
    "text where a header should be": ([("hello", R)], {}),
    "folded header": ([("Content-Type:\n text/plain;\n\tcharset=utf-8", R)], {}),
    "disposition unknown": ([(f"{PLAIN}\nContent-Disposition: x", R)], {}),
    "disposition with a comment": ([(f"{PLAIN}\nContent-Disposition: (x) attachment", R)], {}),
    "disposition capitals": ([(f"{PLAIN}\nContent-Disposition: INLINE; filename=x", R)], {}),
    "disposition empty": ([(f"{PLAIN}\nContent-Disposition:", R)], {}), "named": ([(PLAIN + '; name="x.txt"', R)], {}),
    "related, the root is HTML": ([(HTML, "x"), (PLAIN, R)], {"subtype": "related"}),
    "signed, block in the signature": ([(PLAIN, "x"), (PLAIN, R)], {"subtype": "signed"}),
    "fields of a message in a part": ([(f"From: eve@evil.test\nSubject: ACME: x\n{PLAIN}", R)], {}),
    "many": ([(PLAIN, "x")] * 98 + [(PLAIN, R)], {}), "too many": ([(PLAIN, "x")] * 120 + [(PLAIN, R)], {}),
    "UTF-16 text": ([("Content-Type: text/plain; charset=utf-16", R)], {}),
    "boundary with specials": ([(PLAIN, R)], {"boundary": "'()+_,-./:=?"}),
    "boundary of 70": ([(PLAIN, R)], {"boundary": "b" * 70}),
    "boundary of 201": ([(PLAIN, R)], {"boundary": "b" * 201}),
}, lambda mail, row: mail.parts(*((header, with_blocks(mail, text)) for header, text in row[0]),
                                **{name: with_blocks(mail, value) for name, value in row[1].items()}))


@change("nesting")
def nesting(mail, rng):
    depth = rng.choice((9, 10, 11, 30, 80))
    text = f"{PLAIN}\n\n{mail.block()}"
    for level in range(depth, 0, -1):
        text = f'Content-Type: multipart/mixed; boundary="n{level}"\n\n--n{level}\n{text}\n--n{level}--'
    return mail.parts((text.partition("\n\n")[0], text.partition("\n\n")[2]))


def encoded_part(mail, encoding, octets):
    return mail.text("text/plain; charset=utf-8", octets, encoding)


def b64(text):
    return base64.b64encode(crlf(text))


table("encoded", {
    "base64 in a line": ("base64", lambda m: b64(m.block())),
    "base64 without padding": ("base64", lambda m: b64(m.block() + "x").rstrip(b"=")),
    "base64 with text above": ("base64", lambda m: b"hello!\r\n" + b64(m.block())),
    "base64 with text below": ("base64", lambda m: b64(m.block()) + b"\r\n-- \r\nhello"),
    "base64 in two": ("base64", lambda m: b64("x") + b"\r\n" + b64(m.block())),
    "base64 cut": ("base64", lambda m: b64(m.block() + "x" * 40)[:-30]),
    "base64 with blanks": ("base64", lambda m: b" ".join(b64(m.block())[i:i + 4] for i in range(0, 160, 4))),
    "base64 with a NUL inside": ("base64", lambda m: b64(m.block().replace("\nEND", "\0\nEND") + "\0")),
    "base64 of wrong and right": ("base64", lambda m: b64(m.block(m.wrong)) + b"\r\n\r\n" + crlf(m.block())),
    "base64 that is text": ("base64", lambda m: crlf(m.block())),
    "base64url": ("base64", lambda m: b64(m.block() + "???>>>").replace(b"+", b"-").replace(b"/", b"_")),
    "base64 twice": ("base64", lambda m: base64.b64encode(b64(m.block()))),
    "base64 with LF": ("base64", lambda m: base64.b64encode(m.block().encode())),
    "base64 with CR": ("base64", lambda m: base64.b64encode(m.block().replace("\n", "\r").encode())),
    "quoted-printable soft breaks": ("quoted-printable",
        lambda m: crlf(m.block().replace(m.digest, m.digest[:9] + "=\n" + m.digest[9:]))),
    "quoted-printable all escaped": ("quoted-printable",
        lambda m: b"=\r\n".join(b"=%02X" % c for c in crlf(m.block()))),
    "quoted-printable lower case": ("quoted-printable", lambda m: crlf(m.block().replace("-", "=2d"))),
    "quoted-printable broken": ("quoted-printable", lambda m: crlf("=ZZ=\n= x\n" + m.block())),
    "quoted-printable broken in the digest": ("quoted-printable",
        lambda m: crlf(m.block().replace(m.digest, m.digest[:9] + "=G" + m.digest[9:]))),
    "quoted-printable ends in =": ("quoted-printable", lambda m: crlf(m.block()) + b"="),
    "quoted-printable hides the end": ("quoted-printable", lambda m: crlf(m.block().replace("\n" + END, "=\n" + END))),
    "quoted-printable blanks at the ends": ("quoted-printable", lambda m: crlf(m.block().replace("\n", "  \n"))),
    "quoted-printable blank after =": ("quoted-printable",
        lambda m: crlf(m.block().replace(m.digest, m.digest[:9] + "= \n" + m.digest[9:]))),
    "quoted-printable CR and LF": ("quoted-printable", lambda m: m.block().replace("\n", "=0D=0A").encode()),
    "quoted-printable LF": ("quoted-printable", lambda m: m.block().replace("\n", "=0A").encode()),
    "quoted-printable NUL": ("quoted-printable", lambda m: crlf(m.block() + "=00")),
    "UTF-16": ("8bit", lambda m: m.block().encode("utf-16-be")),
    "UTF-7": ("7bit", lambda m: crlf(m.block().replace("-", "+AC0-"))),
    "ISO 2022": ("7bit", lambda m: crlf("\x1b(J" + m.block())),
    "EBCDIC": ("8bit", lambda m: m.block().encode("cp500").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")),
    "8-bit around": ("8bit", lambda m: b"\xff\xfe\r\n" + crlf(m.block()) + b"\x80"),
    "NUL in the text": ("8bit", lambda m: crlf(m.block()) + b"\0"), "bare LF": ("7bit", lambda m: m.block().encode()),
    "bare CR": ("7bit", lambda m: m.block().replace("\n", "\r").encode()),
    "LF in the block": ("7bit", lambda m: crlf(m.block()).replace(b"\r\n-----END", b"\n-----END")),
    "CR at the end": ("7bit", lambda m: crlf(m.block()) + b"\r"),
    "no end of line": ("7bit", lambda m: crlf(m.block()).rstrip(b"\r\n")), "empty": ("7bit", lambda m: b""),
    "256 KiB": ("7bit", lambda m: crlf(m.block()) + b"x\r\n" * 90000),
    "just under": ("7bit", lambda m: crlf(m.block()) + b"x" * 70 + b"\r\n" + b"y" * 1000),
}, lambda mail, row: encoded_part(mail, row[0], row[1](mail)))

table("appended",
    {"a wrong block": W, "a right block": R, "text": "hello\n", "empty lines": "\n\n",
        "an attachment": f"--b0\n{ATTACHED}\n\n{W}\n--b0--\n", "a part": f"--b0\n{PLAIN}\n\n{W}\n--b0--\n"},
      lambda mail, text: mail.body_with(after=with_blocks(mail, text)))
table("put before",
    {"a wrong block": W, "a right block": R, "text": "hello\n", "an empty line": "\n",
        "a field": "Subject: ACME: x\n\n", "a part": f"--b0\n{PLAIN}\n\n{W}\n"},
      lambda mail, text: mail.body_with(before=with_blocks(mail, text)))


@change("end of the header gone")
def no_header_end(mail, rng):
    return mail.add("X", mail.body[:200].replace(b"\r\n", b"\r\n "), top=False)._replace(body=b"")


@change("octets flipped")
def flipped(mail, rng):
    body = bytearray(mail.body or b"x")
    for _ in range(rng.randrange(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return mail._replace(body=bytes(body))


@change("lines shuffled")
def shuffled(mail, rng):
    lines = mail.body.split(b"\r\n")
    first = rng.randrange(len(lines))
    lines[first:first + 4] = rng.sample(lines[first:first + 4], len(lines[first:first + 4]))
    return mail._replace(body=b"\r\n".join(lines))


@change("fields shuffled")
def fields_shuffled(mail, rng):
    return mail._replace(fields=tuple(rng.sample(mail.fields, len(mail.fields))))


# How the domain signs; each is (h=, canonical form, further tags).
SIGNATURES = {
    "covered": (("from", "subject"), "relaxed/relaxed", ""),
    "over-signed": (("from", "from", "subject", "subject", "content-type", "content-type"), "relaxed/relaxed", ""),
    "simple": (("from", "to", "subject", "date"), "simple/simple", ""), "From only": (("from",), "relaxed/relaxed", ""),
    "no From": (("subject", "to"), "relaxed/relaxed", ""),
    "all of the body by l=": (("from", "subject"), "simple/simple", " l=$l;"),
    "the body's first octet": (("from", "subject"), "relaxed/relaxed", " l=1;"),
    "no body": (("from", "subject"), "relaxed/simple", " l=0;"),
    "expired": (("from", "subject"), "relaxed/relaxed", " x=1762157719;"),
    "of another domain": (("from", "subject"), "relaxed/relaxed", "evil.test"),
    "none": None,
}


def signed(mail, key, how):
    """The mail's octets with the domain's signature on top."""
    raw = mail.raw()
    if SIGNATURES[how] is None:
        return raw
    names, canon, more = SIGNATURES[how]
    domain, more = (more, "") if more.endswith(".test") else (DOMAIN, more)
    field = dkim_maker.simple_field(key, domain, SELECTOR, names, canon, more.replace("$l", str(len(mail.body))))
    return dkim_maker.sign(raw, key, field,
        length=int(dkim_maker.tag(field, "l")) if dkim_maker.tag(field, "l") else None)
