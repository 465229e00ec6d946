# SPDX-License-Identifier: Apache-2.0
"""Every problem document that the sources can make is made by a test, and each can be acted on.

The sources are read for every place that makes a problem and for every text that is put into one; the unit tests of
acme/ and one signetd are watched for the documents that they answer with. What no test produces stands in docs/acme.md
with the reason, and nothing else stands there."""

import concurrent.futures
import dataclasses
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import unittest

import lab
from signet_lab import BUILD, AcmeUser, Signetd

SOURCE = pathlib.Path(__file__).resolve().parents[2]
URN = "urn:ietf:params:acme:error:"

# The registry: RFC 8555 section 6.7, RFC 9773 section 5, draft-ietf-acme-profiles; with the statuses that fit.
STATUSES = {
    "accountDoesNotExist": {400}, "alreadyReplaced": {409}, "alreadyRevoked": {400}, "badCSR": {400}, "badNonce": {400},
    "badPublicKey": {400}, "badRevocationReason": {400}, "badSignatureAlgorithm": {400}, "caa": {403},
    "compound": {400, 403, 429}, "connection": {400}, "dns": {400}, "externalAccountRequired": {403},
    "incorrectResponse": {403}, "invalidContact": {400}, "invalidProfile": {400},
    "malformed": {400, 404, 405, 409, 411, 413, 415}, "orderNotReady": {403}, "rateLimited": {429},
    "rejectedIdentifier": {400, 403}, "serverInternal": {500, 503}, "tls": {400}, "unauthorized": {401, 403},
    "unsupportedContact": {400}, "unsupportedIdentifier": {400, 403}, "userActionRequired": {403},
}
# What newAuthz answers with another status than newOrder: acme/authorization_new.c, unwilling.
OF_NEW_AUTHZ = {"rejectedIdentifier": 403, "unsupportedIdentifier": 403}

# --- reading C

TOKEN = re.compile(r'''(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<line>^[ \t]*\#(?:\\\n|[^\n])*)|(?P<text>"(?:[^"\\\n]|\\.)*")'''
                   r'''|(?P<char>'(?:[^'\\\n]|\\.)*')|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<mark>[^\s])''',
                   re.S | re.M)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "0": "\0"}
CONVERSION = re.compile(r"%(?:%|[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh?|ll?|z)?([a-zA-Z]))")


def unquote(literal):
    return re.sub(r"\\(?:x([0-9A-Fa-f]+)|(.))",
                  lambda escape: chr(int(escape[1], 16)) if escape[1] else ESCAPES[escape[2]], literal[1:-1])


def tokens(text):
    """(kind, text) of what is neither comment nor preprocessor line; texts side by side are one, macros that are a text
    or a conversion belong to them."""
    macros = {name: unquote(value) for name, value in re.findall(r'^#define (\w+) ("(?:[^"\\\n]|\\.)*")$', text, re.M)}
    found = []
    for match in TOKEN.finditer(text):
        kind, value = match.lastgroup, match[0]
        if kind in ("comment", "line"):
            continue
        if kind == "name" and re.fullmatch(r"G_G\w+_FORMAT", value):
            kind, value = "text", "d"
        elif kind == "name" and value in macros:
            kind, value = "text", macros[value]
        elif kind == "text":
            value = unquote(value)
        if kind == "text" and found and found[-1][0] == "text":
            found[-1] = ("text", found[-1][1] + value)
        else:
            found.append((kind, value))
    return found


def functions(path):
    """{name: tokens of the body} of one file; what stands outside of functions is under ""."""
    result, depth, name, start, outside = {}, 0, "", 0, []
    all_tokens = tokens((SOURCE / path).read_text())
    for i, (kind, value) in enumerate(all_tokens):
        if (kind, value) == ("mark", "{"):
            if depth == 0:
                is_function = i > 0 and all_tokens[i - 1] == ("mark", ")")
                name, start = (head(all_tokens, i - 1) if is_function else ""), i
            depth += 1
        elif (kind, value) == ("mark", "}"):
            depth -= 1
            if depth == 0:
                result[name] = result.get(name, []) + all_tokens[start:i + 1]
        elif depth == 0:
            outside.append((kind, value))
    return result


def head(all_tokens, close):
    """The name before the brackets that end at close."""
    depth = 0
    for i in range(close, -1, -1):
        depth += {")": 1, "(": -1}.get(all_tokens[i][1], 0) if all_tokens[i][0] == "mark" else 0
        if depth == 0:
            return all_tokens[i - 1][1]
    raise ValueError("brackets")


def arguments(body, opening):
    """The arguments of a call, each a list of tokens, from its opening bracket on."""
    depth, result = 0, [[]]
    for kind, value in body[opening:]:
        if kind == "mark" and value in "([{":
            depth += 1
            if depth == 1:
                continue
        if kind == "mark" and value in ")]}":
            depth -= 1
            if depth == 0:
                return result
        if depth == 1 and (kind, value) == ("mark", ","):
            result.append([])
        else:
            result[-1].append((kind, value))
    raise ValueError("a call without an end")


def texts(part):
    return [value for kind, value in part if kind == "text"]


def is_sentence(text):
    return len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text.strip()


# --- the places

@dataclasses.dataclass(frozen=True)
class Place:
    file: str
    function: str
    type: str     # as in the URN; "": any
    status: int   # 0: any
    format: str
    is_part: bool = False  # of a detail, not a whole one

    def __str__(self):
        return f"{self.file}:{self.function}: {self.type or 'any type'} {self.status or ''}: {self.shown}"

    @property
    def shown(self):
        """As docs/acme.md quotes it."""
        return CONVERSION.sub(lambda found: "%" if found[0] == "%%" else "…", self.format)

    @property
    def place(self):
        """Where its documents are met: in an answer of the edge or of core, or in an order or a challenge."""
        if self.file.startswith(EDGE):
            return "edge"
        return "object" if self.file in LATER else "answer"

    @property
    def pattern(self):
        pieces = [piece for piece in re.split(r"(\0\w)", CONVERSION.sub(
            lambda found: "%" if found[0] == "%%" else "\0" + found[1], self.format.strip())) if piece]
        pattern = "".join((r".*?" if piece == "\0s" else r"-?\d+") if piece[0] == "\0" else re.escape(piece)
                          for piece in pieces)
        if self.is_part:
            return re.compile(r"(?<!\w)" + pattern + r"(?!\w)", re.S)
        return re.compile(PREFIX + SHAPES.get((self.file, self.format), pattern), re.S)

    def fits(self, document):
        if self.is_part and self.place == "edge" and document.place != "edge":
            return False
        if self.is_part:
            return bool(self.pattern.search(document.detail))
        return (self.place == document.place and self.type in ("", document.type)
                and document.status in (self.status or document.status, OF_NEW_AUTHZ.get(self.type))
                and bool(self.pattern.fullmatch(document.detail)))


# Their problems are met in an order or a challenge.
LATER = ("acme/issue_job.c", "acme/issue_caa.c", "acme/state.c", "acme/judge.c", "acme/bounce.c",
         "acme/challenge_mail_job.c", "acme/challenge_resource.c", "acme/command_store.c", "acme/sort_job.c", "acme/test_mode.c")
EDGE = ("acme/http_front", "daemon/")

# Calls that make a problem, by name or by "file:name": the type or its argument, the argument of the status (None: the
# type's own), that of the format, and what is put before it.
MAKERS = {
    "problem_new": (0, 1, 2, ""),
    "acme/jws.c:malformed": ("malformed", None, 0, ""),
    "jws_algorithm_problem": ("badSignatureAlgorithm", None, 0, ""),
    "acme/judge.c:refuse": (1, None, 2, "A reply was refused: "),
    "acme/bounce.c:note": (1, None, 2, ""),
    "acme/http_front.c:refuse": ("malformed", 1, 2, ""),
    "acme/challenge_resource.c:json_sprintf": ("", None, 0, ""),
}
# They are given their format by whom the oracle reads instead.
WRAPPERS = {("acme/jws.c", "malformed"), ("acme/jws.c", "jws_algorithm_problem"), ("acme/judge.c", "refuse"),
            ("acme/bounce.c", "note"), ("daemon/role_edge.c", "on_refuse")}
PREFIX = r"(?:The inner JWS: |externalAccountBinding: )?"  # of jws_problem_in
SHAPES = {("acme/state.c", "%s: %s"): r"[^\s:]+@[^\s:]+: .+"}

# A value of a detail that is a text of its own: of which function of a file ("*": any), and the functions whose
# sentences it can be.
EXPLAINS = re.compile(r"->(?:message|detail|text|reason)\b|\b(?:why|faults?|explanation|failure|findings|detail|words)\b")
KEY, JWK, MAILBOX = ("ca/algorithm.c:check_length", "ca/key.c:*", "ca/key_rsa.c:*"), ("acme/jwk.c:*",), ("base/mailbox.c:*",)
DKIM = tuple(f"mime/dkim_{name}.c:*" for name in ("check", "key", "reading"))
EXPLAINED = {
    ("acme/account_resource.c", "check_contact"): MAILBOX,
    ("acme/account_resource.c", "account_check_key"): KEY,
    ("acme/external_account.c", "check_payload"): JWK,
    ("acme/finalize_resource.c", "bad_csr"): ("ca/csr.c:*", "ca/csr_extensions.c:*", "ca/san.c:*", *KEY, *MAILBOX),
    ("acme/identifier.c", "read_one"): MAILBOX,
    ("acme/issue_caa.c", "ask_caa_again"): ("ca/caa.c:*",),
    ("acme/issue_caa.c", "job_caa_answered"): ("ca/caa.c:*",),
    ("acme/judge.c", "rule_from"): MAILBOX,
    ("acme/judge.c", "rule_dkim"): ("acme/judge.c:signature_fault", *DKIM),
    ("acme/judge.c", "rule_block"): ("acme/judge.c:rule_block",),
    ("acme/jws.c", "jws_read_key"): JWK,
    ("acme/key_change_resource.c", "check_old_key"): JWK,
    ("acme/validity.c", "validity_read"): ("acme/validity.c:fault_of_begin", "acme/validity.c:fault_of_end"),
    ("acme/http_front.c", "on_request"): ("acme/http_front.c:framing_fault",),
    # what others said: the operator, the relay, the signer, the outside linter
    ("acme/issuance.c", "issuance_refuse"): (),
    ("acme/challenge_mail_job.c", "*"): (),
    ("acme/issue_job.c", "job_built"): (),
    ("acme/issue_job.c", "job_linted"): (),
    ("acme/issue_job.c", "no_verdict"): (),
    # the problem of a challenge, in that of its order; the last note of a challenge
    ("acme/state.c", "order_problem"): (),
    ("acme/state.c", "key_missed"): (),
    ("acme/challenge_resource.c", "waiting_error"): (),
}
# Sentences of those files that explain no refusal.
NO_REFUSALS = {"no CAA records", "CAA at %s: no issuemail property", "CAA at %s: %s: %s", "its key is still to be asked for",
               "the key is neither RSA nor Ed25519", "the key's public half cannot be had",
               "v=DKIM1; k=rsa; p=", "v=DKIM1; k=ed25519; p="}


def plain(part):
    return "".join(value for _, value in part)


class Sources:
    def __init__(self):
        table = re.findall(r'\[(PROBLEM_\w+)\] = \{"(\w+)", (\d+)\}', (SOURCE / "acme/problem.c").read_text())
        self.types = {constant: name for constant, name, _ in table}
        self.statuses = {name: int(status) for _, name, status in table}
        self.read = {}  # file -> functions
        self.unread = []  # places that the oracle does not understand
        self.used = set()  # of EXPLAINED
        self.places = []
        for folder in ("acme", "daemon"):
            for path in sorted((SOURCE / folder).glob("*.c")):
                self.find_in(path.relative_to(SOURCE).as_posix())
        self.add_explanations()
        self.places = list(dict.fromkeys(self.places))

    def functions(self, path):
        if path not in self.read:
            self.read[path] = functions(path)
        return self.read[path]

    def find_in(self, path):
        makers = {name.rpartition(":")[2]: maker for name, maker in MAKERS.items()
                  if name.rpartition(":")[0] in ("", path)}
        for function, body in self.functions(path).items():
            for i, (kind, value) in enumerate(body[:-1]):
                if kind == "name" and value in makers and body[i + 1] == ("mark", "("):
                    self.take(path, function, body, makers[value], arguments(body, i + 1))

    def take(self, path, function, body, maker, given):
        type_from, status_from, format_from, before = maker
        kinds = [type_from]
        if isinstance(type_from, int):
            kinds = [self.types[value] for kind, value in given[type_from] if value in self.types] or [""]
        formats = texts(given[format_from])
        assigned = [] if formats else self.assigned(body, plain(given[format_from]))
        if (path, function) in WRAPPERS:
            return
        explained = any(EXPLAINS.search(plain(part)) for part in given[format_from + bool(formats or assigned):])
        formats += assigned
        explained = explained or not all(is_sentence(CONVERSION.sub("", text)) for text in formats)
        known = {(path, function), (path, "*")} & set(EXPLAINED)
        if explained and known:
            self.used |= known
        elif explained or not formats:
            self.unread.append(f"{path}:{function}: {plain(given[format_from])}")
        for kind in kinds:
            number = plain(given[status_from]) if status_from is not None else "0"
            status = int(number) if number.isdigit() else 0
            if number == "0" and kind:
                status = self.statuses[kind]
            self.places += [Place(path, function, kind, status, before + text) for text in formats]
        for part in given[format_from + 1:]:
            self.places += [Place(path, function, "", 0, text, True) for text in texts(part) if is_sentence(text)]

    @staticmethod
    def assigned(body, name):
        """The texts of "name = ...;"."""
        for i in range(len(body) - 1):
            if body[i] == ("name", name) and body[i + 1] == ("mark", "="):
                end = next(j for j in range(i, len(body)) if body[j] == ("mark", ";"))
                return texts(body[i:end])
        return []

    def add_explanations(self):
        for origin in sorted({origin for origins in EXPLAINED.values() for origin in origins}):
            path, _, wanted = origin.partition(":")
            for function, body in self.functions(path).items():
                if function and wanted in ("*", function):
                    self.places += [Place(path, function, "", 0, text, True) for text in texts(body)
                                    if is_sentence(text) and text not in NO_REFUSALS]


# --- the documents

@dataclasses.dataclass(frozen=True)
class Document:
    test: str
    place: str   # "edge", "answer", "object"
    whole: bool  # it is the answer
    http: int    # status of the answer that it was in
    content: str
    type: str
    status: int
    detail: str
    text: str


def document(test, place, whole, http, content, problem):
    return Document(test, place, whole, http, content, str(problem.get("type")).removeprefix(URN), problem.get("status"),
                    problem.get("detail"), json.dumps(problem))


def documents_of_unit_tests(lab):
    """What the programs of tests/unit/acme note down (harness.h)."""
    path = lab.folder("problems") / "problems"
    environment = {**os.environ, "SIGNET_PROBLEMS": str(path), "G_TEST_SRCDIR": str(SOURCE / "tests"),
                   "G_TEST_BUILDDIR": str(BUILD)}
    programs = [BUILD / "tests" / f"acme_{source.stem}" for source in (SOURCE / "tests/unit/acme").glob("test_*.c")
                if "harness.h" in source.read_text()]

    def run(program):
        done = subprocess.run([program, "-q"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{program}: {done.stdout.decode()}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        list(executor.map(run, programs))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [document(line["test"], line["place"], line["whole"], line["http"], line["content"], line["problem"])
            for line in lines]


class Edge:
    """What one signetd refuses before core sees it, and what it says when core cannot."""

    def __init__(self, lab):
        self.server, self.found = Signetd(lab, settings={"acme": {"processes": 1}}), []
        self.lab = lab

    def ask(self, request):
        with socket.create_connection((lab.HOST, self.server.https), timeout=120) as plain_socket:
            with self.server.tls_context().wrap_socket(plain_socket, server_hostname="localhost") as connection:
                connection.sendall(request)
                self.read(connection)

    def read(self, connection):
        response = http.client.HTTPResponse(connection)
        response.begin()
        self.found.append(document("edge", "edge", True, response.status, response.headers["Content-Type"],
                                   json.loads(response.read())))

    def post(self, *fields, body=b""):
        head = "\r\n".join(("POST /new-account HTTP/1.1", *fields, "", ""))
        self.ask(head.encode() + body)

    def framing(self):
        host = f"Host: {lab.HOST}"
        self.post(host, "Bad Name: x", "Content-Length: 0")
        self.post("Content-Length: 0")
        self.post(host, "Content-Length: 1", "Content-Length: 1", body=b"x")
        self.post(host, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")
        self.post(host, "Content-Length: 70000", body=b"x" * 70000)
        self.post(host)
        self.ask(f"GET /elsewhere\x7f HTTP/1.1\r\n{host}\r\n\r\n".encode())
        self.ask(f"PUT /new-nonce HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n".encode())

    def core_hangs(self):
        """The edge loses patience."""
        core = self.server.pids()["core"][0]
        os.kill(core, signal.SIGSTOP)
        try:
            self.ask(f"GET /directory HTTP/1.1\r\nHost: {lab.HOST}\r\n\r\n".encode())
        finally:
            os.kill(core, signal.SIGCONT)
        self.lab.wait_for(self.server.is_up, "the server to answer")

    def store_is_taken(self):
        """Another process writes and does not stop."""
        store = sqlite3.connect(self.server.folder / "store/signet.db", isolation_level=None, timeout=30)
        store.execute("BEGIN IMMEDIATE")
        try:
            self.ask(f"GET /directory HTTP/1.1\r\nHost: {lab.HOST}\r\n\r\n".encode())
        finally:
            store.execute("ROLLBACK")
            store.close()

    def refusals(self):
        self.framing()
        self.store_is_taken()
        self.core_hangs()
        return self.found


# --- what is not produced

HEADING = "## Problems that no test causes"


def listed():
    """{detail: reason} of the table in docs/acme.md."""
    page = (SOURCE / "docs/acme.md").read_text()
    section = page.split(HEADING + "\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.M)
    return {detail.strip("`"): reason for detail, reason in rows[1:] if not re.fullmatch("-+", detail)}


# --- what a person reads

MEMBERS = ("certificate", "contact", "csr", "externalAccountBinding", "finalize", "identifiers", "newAccount", "newAuthz",
           "newNonce", "newOrder", "notAfter", "notBefore", "profile", "reason", "replaces")
BEGIN = re.compile(r"[A-Z\"]|(?:%s)\b|\S+@\S+: " % "|".join(MEMBERS))
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LEFTOVER = re.compile(r"%[-0-9.*]*(?:s|d|u|l[du]|zu)\b|\(null\)")
INTERNAL = re.compile(r"\b\w+\.[ch]\b|/(?:tmp|var|home|usr|etc)/|\b(?:SELECT|INSERT|UPDATE|SQL|SQLite|NULL)\b|sqlite|"
                      r"\b0x[0-9a-f]+|\berror:|\berrno\b|signet\.db|libcrypto|\b\w+ lib\)")


def faults(found):
    """What is wrong with a document."""
    if found.type not in STATUSES:
        yield f"the type {found.type} is not registered"
    elif found.status not in STATUSES[found.type]:
        yield f"status {found.status} does not fit {found.type}"
    if found.whole and (found.http, found.content) != (found.status, "application/problem+json"):
        yield f"the answer has status {found.http} and type {found.content}"
    if found.place == "object" and found.http not in (200, 201):
        yield f"it is in an object that was answered with {found.http}"
    detail = found.detail
    if not isinstance(detail, str):
        yield "there is no detail"
        return
    if not detail.endswith("."):
        yield "the detail does not end with a full stop"
    if re.search(r"[.:;,]\.$", detail):
        yield "the detail ends with two stops"
    if not BEGIN.match(detail):
        yield "the detail begins with neither a capital nor an identifier"
    if len(detail.split()) < 4:
        yield "the detail says too little"
    for name, pattern in (("a control character", CONTROLS), ("what was to be filled in", LEFTOVER),
                          ("something internal", INTERNAL)):
        if pattern.search(detail):
            yield f"the detail has {name}"


class Problems(lab.SharedLabCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sources = Sources()
        edge = Edge(cls.lab)
        with concurrent.futures.ThreadPoolExecutor(1) as executor:  # most of it is waiting
            of_edge = executor.submit(edge.refusals)
            cls.documents = documents_of_unit_tests(cls.lab) + of_edge.result()
        cls.distinct = {(d.place, d.type, d.status, d.detail): d for d in cls.documents}

    def made(self, place):
        return [d for d in self.distinct.values() if isinstance(d.detail, str) and place.fits(d)]

    def test_the_sources_are_understood(self):
        self.assertEqual(self.sources.unread, [])
        self.assertEqual(set(EXPLAINED) - self.sources.used, set(), "they explain nothing any more")
        self.assertGreater(len(self.sources.places), 200)
        for path in [*(SOURCE / "acme").glob("*.c"), *(SOURCE / "daemon").glob("*.c")]:
            if path.name != "problem.c":
                self.assertNotIn("acme:error:", path.read_text(), path)

    def test_every_place_is_produced_or_listed(self):
        places, reasons = self.sources.places, listed()
        missing = [place for place in places if not self.made(place)]
        parts = sum(place.is_part for place in places)
        print(f"{len(places) - parts} formats and {parts} texts in them: {len(places) - len(missing)} produced, "
              f"{len(missing)} not; {len(reasons)} listed; {len(self.documents)} documents, {len(self.distinct)} different")
        left = [str(place) for place in missing if place.shown not in reasons]
        self.assertFalse(left, "produced by no test:\n" + "\n".join(left))

    def test_what_is_listed_is_in_a_source_and_not_produced(self):
        for detail, reason in listed().items():
            named = [place for place in self.sources.places if place.shown == detail]
            self.assertTrue(named, f"in no source: {detail}")
            self.assertEqual([str(place) for place in named if self.made(place)], [], "produced")
            self.assertGreater(len(reason.split()), 4, detail)

    def test_every_document_has_its_place(self):
        whole = [place for place in self.sources.places if not place.is_part or place.file.startswith(EDGE)]
        self.assertEqual([f"{d.test}: {d.place}: {d.text}" for d in self.distinct.values()
                          if not any(place.fits(d) for place in whole)], [])

    def test_every_document_can_be_acted_on(self):
        wrong = [f"{fault}: {d.test}: {d.text}" for d in self.distinct.values() for fault in faults(d)]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
