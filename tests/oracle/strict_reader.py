# SPDX-License-Identifier: Apache-2.0
"""A second reader of replies, which shares no code with Signet: Python's e-mail package and dkimpy, with rules of our
own above them. It says what a message may do at the most: "passed" or "wrong" when From, Subject and block are there
once, signed by the From domain and to be read in one way only, else "nothing". It refuses where it is in doubt."""

import base64
import binascii
import copy
import email
import email.errors
import email.header
import email.policy
import email.utils
import quopri
import re

import dkim_maker

READ = {"multipart/alternative", "multipart/mixed", "multipart/related", "multipart/signed"}
ENCODINGS = {"", "7bit", "8bit", "binary", "quoted-printable", "base64"}
BLANKS = re.compile(rb"[\r\n\t \xa0]|\xc2\xa0")
# What the e-mail package forgives and every reader forgives alike.
HARMLESS = (email.errors.CloseBoundaryNotFoundDefect,)


class Doubt(Exception):
    """Why a message decides nothing."""


def need(condition, why):
    if not condition:
        raise Doubt(why)


def header_of(raw):
    """{lower-case name: values} of a message or part whose header every reader takes apart alike."""
    header = raw.partition(b"\r\n\r\n")[0] + b"\r\n" if not raw.startswith(b"\r\n") else b""
    fields = {}
    for line in re.sub(rb"\r\n(?=[ \t])", b"", header).split(b"\r\n")[:-1]:
        found = re.fullmatch(rb"([!-9;-~]+):(.*)", line, re.DOTALL)
        need(found, f"a line of the header is no field: {line[:40]!r}")
        fields.setdefault(found.group(1).decode().lower(), []).append(found.group(2).strip(b" \t"))
    return fields


def one_of(fields, name, least=1):
    values = fields.get(name, [])
    need(least <= len(values) <= 1, f"{len(values)} fields {name}")
    return values[0] if values else None


def sender(value):
    """The one mailbox of a From."""
    text = re.sub(r"=\?[^?\s]+\?[^?\s]\?[^?\s]*\?=", "word", value.decode("utf-8"))
    bare = re.sub(r'"(?:\\.|[^"\\])*"', "", text)
    while bare != (bare := re.sub(r"\((?:\\.|[^()\\])*\)", "", bare)):
        pass
    need(not set(bare) & set('"():;,\\'), "From is a list, a group, or does not end what it begins")
    addresses = re.findall(r"[^\s<>@]+@[^\s<>@]+", bare)
    need(bare.count("@") == 1 and len(addresses) == 1 and bare.count("<") == bare.count(">") <= 1, "no single address")
    need("<" not in bare or bare.rstrip().endswith(f"<{addresses[0]}>"), "the address is not alone in its brackets")
    others = [address for _, address in email.utils.getaddresses([text])]
    parsed = email.policy.SMTPUTF8.header_factory("From", text)
    need(others == addresses == [one.addr_spec for one in parsed.addresses], "readers of From disagree")
    need(all(group.display_name is None for group in parsed.groups), "From is a group")
    return addresses[0]


def token(value):
    """What follows "ACME:" in the decoded Subject, without white space. Where a charset is not known or not kept to,
    octets stay what they are: what is sought is ASCII."""
    text = ""
    for piece, charset in email.header.decode_header(value.decode("utf-8", "surrogateescape")):
        if isinstance(piece, bytes):
            try:
                piece = piece.decode(charset or "ascii")
            except (LookupError, UnicodeDecodeError):
                piece = piece.decode("latin-1")
        text += piece
    return re.sub(r"\s", "", text.partition("ACME:")[2])


def check_tags(field, domain, now):
    """Whether a signature may count, apart from the arithmetic."""
    specs = [spec for spec in field.decode("utf-8").split(";") if spec.strip()]
    tags = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        need(equals and name.strip() not in tags, "a tag twice or none")
        tags[name.strip()] = re.sub(r"\s", "", value)
    names = tags.get("h", "").lower().split(":")
    return (tags.get("v") == "1" and "l" not in tags and tags.get("a") in ("rsa-sha256", "ed25519-sha256")
            and tags.get("d", "").lower() == domain and "from" in names and "subject" in names
            and int(tags.get("x", now)) >= now)


def check_signature(raw, fields, domain, keys, now):
    for index, value in enumerate(fields.get("dkim-signature", [])[:5]):
        try:
            if check_tags(value, domain, now) and dkim_maker.verified(raw, index, dict(keys), now):
                return
        except (Doubt, UnicodeDecodeError):
            continue
    raise Doubt("no signature of the From domain that counts")


class Lenient(email.policy.Compat32):
    """Content fields without comments and quoted pairs, which the e-mail package leaves in (RFC 2045 section 5.1)."""

    def header_fetch_parse(self, name, value):
        if name.lower().startswith("content-"):
            value = re.sub(r"[\r\n]", "", str(value))
            value = re.sub(r'("(?:\\.|[^"\\])*")|\([^()]*\)',
                lambda found: re.sub(r"\\(.)", r"\1", found.group(1) or ""), value)
        return super().header_fetch_parse(name, value)


def encoded(part):
    """The octets of a part as they stand."""
    bare = copy.copy(part)
    del bare["content-transfer-encoding"]
    return bare.get_payload(decode=True) or b""


def decoded(part):
    """The octets of a text part, as each decoder has them; base64 must be clean."""
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower().partition(";")[0].strip()
    if encoding not in ENCODINGS:
        return []
    octets = part.get_payload(decode=True) or b""
    if encoding == "base64":
        text = re.sub(rb"[\r\n\t ]", b"", encoded(part))
        try:
            return [base64.b64decode(text, validate=True)]
        except (binascii.Error, ValueError) as error:
            raise Doubt("broken base64") from error
    if encoding == "quoted-printable":
        # "=" that begins no escape: kept by some, dropped by others.
        text = re.sub(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r\n|$))", b"", encoded(part))
        return [octets, quopri.decodestring(text)]
    return [octets]


def texts(part):
    """The texts that are read, of a part of the e-mail package; each as a list of how decoders have it."""
    names = [name.lower() for name, _ in part.items()]
    for name in ("content-type", "content-transfer-encoding", "content-disposition"):
        need(names.count(name) <= 1, f"{name} twice")
    need(all(isinstance(defect, HARMLESS) for defect in part.defects), f"defects {part.defects}")
    if str(part.get("content-disposition", "inline")).partition(";")[0].strip().lower() not in ("inline", ""):
        return
    if part.get_content_type() == "text/plain":
        yield decoded(part)
    elif part.get_content_type() in READ and part.is_multipart():
        for child in part.get_payload():
            yield from texts(child)


def check_copies(part, address, token1):
    """A part's own From and Subject say what the message's say (RFC 9788)."""
    for child in part.get_payload() if part.get_content_type() in READ and part.is_multipart() else ():
        for name, value in child.items():
            octets = str(value).encode("utf-8", "surrogateescape")
            need(name.lower() != "from" or sender(octets).lower() == address, "a part has another From")
            need(name.lower() != "subject" or token(octets) == token1, "a part has another Subject")
        check_copies(child, address, token1)


def digests(text):
    """Of the blocks in a text: the octets between markers that stand alone on their lines."""
    found, block = set(), None
    for line in text.split(b"\n"):
        bare = re.sub(rb"^(?:[\r\n\t \xa0]|\xc2\xa0)+|(?:[\r\n\t \xa0]|\xc2\xa0)+$", b"", line)
        if bare == b"-----BEGIN ACME RESPONSE-----":
            need(block is None, "a block in a block")
            block = b""
        elif bare == b"-----END ACME RESPONSE-----" and block is not None:
            value = BLANKS.sub(b"", block)
            need(re.fullmatch(rb"[A-Za-z0-9_-]{43}=?", value), f"a damaged block {value[:50]!r}")
            found.add(base64.urlsafe_b64decode(value[:43] + b"="))
            block = None
        elif block is not None:
            block += line
    need(block is None, "a block that does not end")
    return found


def read(raw, *, address, token1, digest, keys, now):
    """(what the message may do, why)."""
    try:
        need(not re.search(rb"\0|\r(?!\n)|(?<!\r)\n", raw), "NUL, CR or LF alone")
        fields = header_of(raw)
        need(sender(one_of(fields, "from")).lower() == address, "another sender")
        need(token(one_of(fields, "subject")) == token1, "another token")
        for name in ("content-type", "content-transfer-encoding"):
            one_of(fields, name, 0)
        need(not any(name.startswith("list-") for name in fields), "of a list")
        check_signature(raw, fields, address.split("@")[1], keys, now)
        message = email.message_from_bytes(raw, policy=Lenient())
        check_copies(message, address, token1)
        found = set()
        for ways in texts(message):
            read_as = [digests(text) for text in ways]
            need(all(one == read_as[0] for one in read_as), "decoders disagree")
            found.update(*read_as)
        need(len(found) == 1, f"{len(found)} digests")
        right = found == {base64.urlsafe_b64decode(digest + "=")}
        return ("passed" if right else "wrong"), "the block"
    except Doubt as doubt:
        return "nothing", str(doubt)
    except (UnicodeError, LookupError, ValueError, email.errors.MessageError) as error:
        return "nothing", f"cannot be read: {error!r}"
