# SPDX-License-Identifier: Apache-2.0
"""What an edge does by itself: PROXY headers of listed sources, CORS, nonces in whatever it answers, newNonce, and
nothing believed of Host, Forwarded and X-Forwarded-* (security 9 and 17)."""

import concurrent.futures
import contextlib
import email.utils
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import time
import unittest
import warnings

import josepy
import lab
from signet_lab import AcmeUser, Signetd, b64

HOST = lab.HOST
ROUTES = pathlib.Path(__file__).parents[2] / "acme/route.c"
ID = "AAAAAAAAAAAAAAAAAAAAAA"
LISTED, NOT_LISTED = "127.0.0.2", HOST
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
EXPOSED = "Link, Location, Replay-Nonce, Retry-After"


def routes():
    rows = re.findall(r'\{"(/[^"]*)", (?:NULL|"([^"]*)"), (TRUE|FALSE), ROUTE_(\w+),', ROUTES.read_text())
    assert len(rows) > 10
    methods = {"GET": "GET, HEAD", "OPEN": "GET, HEAD, POST", "EDGE": "GET, HEAD, POST"}
    return [((prefix + (ID + suffix if has_id == "TRUE" else "")).replace("*", "x"), methods.get(access, "POST"))
            for prefix, suffix, has_id, access in rows]


class FrontCase(lab.SharedLabCase):
    settings, test_mode = {}, False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Signetd(cls.lab, settings=cls.settings, test_mode=cls.test_mode)
        cls.pids = cls.server.pids()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.pids() == cls.pids, "a role died"

    def connect(self):
        return http.client.HTTPSConnection(HOST, self.server.https, context=self.server.tls_context(), timeout=60)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """The response, with its body under .content."""
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers or {})
            response = own.getresponse()
            response.content = response.read()
            return response
        finally:
            if connection is None:
                own.close()

    def nonce(self):
        return self.ask("HEAD", "/new-nonce").headers["Replay-Nonce"]

    def post(self, user, nonce, headers=None):
        """POST-as-GET of the account."""
        path = user.account.uri[len(self.server.url):]
        protected = b64(json.dumps({"alg": "ES256", "kid": user.account.uri, "nonce": nonce,
                                    "url": user.account.uri}).encode())
        signature = josepy.ES256.sign(user.key.key, f"{protected}.".encode())
        return self.ask("POST", path, json.dumps({"protected": protected, "payload": "", "signature": b64(signature)}),
                        {"Content-Type": "application/jose+json", **(headers or {})})

    def problem(self, response):
        return json.loads(response.content)["type"].rsplit(":", 1)[1]

    def wait_line(self, offset, *words):
        """A line of the log from offset on that has all words."""
        def found():
            return [line for line in self.server.log()[offset:].splitlines() if all(word in line for word in words)]
        return self.lab.wait_for(found, f"a log line with {words}")


def header(family, body, command=0x21):
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


def header_of(address, more=b""):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    octets = socket.inet_pton(family, address)
    return header(0x21 if ":" in address else 0x11, octets + octets + struct.pack("!HH", 4660, 443) + more)


class Tls:
    """A TLS client whose octets go out after those of a prefix, in one segment with the ClientHello."""

    def __init__(self, connection, context, prefix=b""):
        self.connection, self.prefix = connection, prefix
        self.received, self.sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.sent, server_hostname="localhost")
        self._run(self.tls.do_handshake)

    def _flush(self):
        octets = self.sent.read()
        if octets:
            self.connection.sendall(self.prefix + octets)
            self.prefix = b""

    def _run(self, step, *arguments):
        while True:
            try:
                done = step(*arguments)
                self._flush()
                return done
            except ssl.SSLWantReadError:
                self._flush()
                octets = self.connection.recv(65536)
                if not octets:
                    raise ConnectionError("closed") from None
                self.received.write(octets)

    def sendall(self, octets):
        self._run(self.tls.write, octets)

    def recv(self, size):
        return self._run(self.tls.read, size)


class Proxy(FrontCase):
    settings = {"acme": {"processes": 1, "proxy-addresses": f"127.0.1.0/24; {LISTED}"}}
    unique = 0

    def connection(self, port, source=LISTED):
        connection = socket.create_connection((HOST, port), timeout=60, source_address=(source, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(connection.close)
        return connection

    def get(self, stream, path):
        """The status of GET path on a connection that is kept."""
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            piece = stream.recv(65536)
            if not piece:
                raise ConnectionError("closed")
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?im)^Content-Length: *(\d+)", head).group(1))
        while len(body) < length:
            body += stream.recv(65536)
        return int(head.split()[1])

    def missing_path(self):
        Proxy.unique += 1
        return f"/missing-{Proxy.unique}"

    def assert_peer(self, stream, peer):
        """Two requests on one connection, both logged with this client."""
        for _ in range(2):
            path, offset = self.missing_path(), len(self.server.log())
            self.assertEqual(self.get(stream, path), 404)
            self.wait_line(offset, f"path={path} ", f"peer={peer}")
            self.assertEqual(self.get(stream, "/directory"), 200)

    def closed(self, connection):
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def test_client_of_the_header(self):
        for source in (LISTED, "127.0.1.77"):
            for octets, peer in ((header_of("192.0.2.7"), "192.0.2.7"), (header_of("2001:db8::7"), "2001:db8::7"),
                                 (header_of("::ffff:192.0.2.8"), "192.0.2.8"),
                                 (header_of("192.0.2.9", b"\x04\0\x04abcd" * 20), "192.0.2.9"),
                                 (header_of("192.0.2.10", b"x" * 2036), "192.0.2.10")):
                with self.subTest(f"{peer} by {source}, header alone"):
                    connection = self.connection(self.server.https, source)
                    connection.sendall(octets)
                    self.assert_peer(Tls(connection, self.server.tls_context()), peer)
                with self.subTest(f"{peer} by {source}, ClientHello in one segment with it"):
                    connection = self.connection(self.server.https, source)
                    self.assert_peer(Tls(connection, self.server.tls_context(), octets), peer)

    def test_octet_by_octet(self):
        connection = self.connection(self.server.https)
        for octet in header_of("192.0.2.11", b"\x04\0\1x"):
            connection.sendall(bytes([octet]))
            time.sleep(0.005)  # else the system may put them into one segment
        self.assert_peer(Tls(connection, self.server.tls_context()), "192.0.2.11")

    def test_local(self):
        """A health check of the proxy's own."""
        for octets in (header(0, b"", 0x20), header(0x11, b"\1" * 12, 0x20), header(0x55, b"\1" * 5, 0x20)):
            connection = self.connection(self.server.https)
            connection.sendall(octets)
            self.assert_peer(Tls(connection, self.server.tls_context()), LISTED)

    def test_account(self):
        """A whole signed request, its client as core knows it."""
        user = AcmeUser(self.server)
        connection = self.connection(self.server.https)
        stream = Tls(connection, self.server.tls_context(), header_of("192.0.2.12"))
        body = b'{"protected": "", "payload": "", "signature": ""}'
        path = user.account.uri[len(self.server.url):].encode()
        offset = len(self.server.log())
        stream.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.assertIn(b" 400 ", stream.recv(65536)[:20])
        self.wait_line(offset, f"path={path.decode()} ", "peer=192.0.2.12")

    def test_plain_listener(self):
        for octets, peer in ((header_of("192.0.2.13"), "192.0.2.13"), (header_of("2001:db8::13"), "2001:db8::13"),
                             (header(0, b"", 0x20), LISTED)):
            with self.subTest(peer):
                connection = self.connection(self.server.http)
                connection.sendall(octets)
                self.assertEqual(self.get(connection, "/issuing.der"), 200)
                self.assertEqual(self.get(connection, "/issuing.der"), 200)
                connection = self.connection(self.server.http)
                offset = len(self.server.log())
                connection.sendall(octets + b"BREW / COFFEE\r\n\r\n")
                self.closed(connection)
                self.wait_line(offset, "no HTTP request that can be read", f"peer={peer}")

    def test_refused(self):
        good = header_of("192.0.2.14")
        for port in (self.server.https, self.server.http):
            for name, octets, words in (
                    ("TLS", b"\x16\3\1\2\0\1\0\1\xfc\3\3" + b"\0" * 100, "no PROXY header"),
                    ("HTTP", b"GET /directory HTTP/1.1\r\nHost: a\r\n\r\n", "no PROXY header"),
                    ("version 1", b"PROXY TCP4 192.0.2.14 198.51.100.1 4660 443\r\n", "no PROXY header"),
                    ("version 3", good[:12] + b"\x31" + good[13:], "unknown version"),
                    ("unknown command", good[:12] + b"\x22" + good[13:], "unknown version or command"),
                    ("UDP", header(0x12, good[16:]), "neither TCP over"),
                    ("unspecified", header(0, b""), "neither TCP over"),
                    ("short", header(0x11, good[16:27]), "too short"),
                    ("too long", header_of("192.0.2.14", b"x" * 2037), "too long"),
                    ("truncated", good[:20], "before the end"), ("nothing", b"", "before the end")):
                with self.subTest(f"{name} to {port}"):
                    connection = self.connection(port)
                    address = connection.getsockname()[0]
                    offset = len(self.server.log())
                    connection.sendall(octets)
                    if words == "before the end":
                        connection.shutdown(socket.SHUT_WR)
                    self.closed(connection)
                    lines = self.wait_line(offset, "connection refused", words, f"peer={address}")
                    self.assertEqual(len(lines), 1)
        self.assertNotIn("192.0.2.14", self.server.log())
        self.assertTrue(self.server.is_up())

    def test_other_sources(self):
        """From them no header is looked for: what looks like one is no HTTP and no TLS."""
        for port in (self.server.https, self.server.http):
            with self.subTest(port):
                connection = self.connection(port, NOT_LISTED)
                offset = len(self.server.log())
                connection.sendall(header_of("192.0.2.15") + b"GET /directory HTTP/1.1\r\nHost: a\r\n\r\n")
                self.closed(connection)
                self.wait_line(offset, "connection ended", f"peer={NOT_LISTED}")
        self.assertNotIn("192.0.2.15", self.server.log())
        self.assert_peer(Tls(self.connection(self.server.https, NOT_LISTED), self.server.tls_context()), NOT_LISTED)

    def test_slow(self):
        """A header that takes longer than a whole request may: closed, also while octets come."""
        idle, slow = self.connection(self.server.https), self.connection(self.server.http)
        octets, sent, offset = header_of("192.0.2.16", b"x" * 2000), 0, len(self.server.log())
        end = time.monotonic() + 60
        idle.sendall(octets[:5])
        slow.settimeout(0.2)
        closed = False
        while not closed and time.monotonic() < end:
            try:
                slow.sendall(octets[sent:sent + 1])
                sent += 1
                closed = slow.recv(1) == b""
            except TimeoutError:
                self.assertTrue(sent < 2000)
            except ConnectionError:
                closed = True
        self.assertTrue(closed)
        self.assertTrue(self.closed(idle))
        self.assertEqual(len(self.lab.wait_for(
            lambda: (lines := self.wait_line(offset, "before the end", f"peer={LISTED}")) and len(lines) == 2 and lines,
            "two lines")), 2)
        self.assertTrue(self.server.is_up())

    def test_limit_of_an_address(self):
        """1,000 connections of one client; the proxy has as many as it has clients."""
        def open_one(address):
            connection = self.connection(self.server.http)
            connection.sendall(header_of(address))
            return connection
        def crowd():
            """All of them, and one that is too many, within the time that the first ones have for their request."""
            begun = time.monotonic()
            held = [open_one("192.0.2.17") for _ in range(500)] + [open_one("2001:db8::17") for _ in range(600)]
            held += [open_one("192.0.2.17") for _ in range(500)]
            self.assertEqual(self.get(held[-1], "/issuing.der"), 200)
            held.append(open_one("192.0.2.17"))
            if time.monotonic() - begun < 15:
                return held
            for connection in held:
                connection.close()
            self.lab.wait_for(served, "the client to be served again")

        def served():
            try:
                return self.get(open_one("192.0.2.17"), "/issuing.der") == 200
            except ConnectionError:
                return False

        offset = len(self.server.log())
        held = self.lab.wait_for(crowd, "a crowd in time")
        self.assertTrue(self.closed(held[-1]))
        self.wait_line(offset, "too many connections", "peer=192.0.2.17")
        for connection in (open_one("192.0.2.18"), open_one("2001:db8::17")):
            self.assertEqual(self.get(connection, "/issuing.der"), 200)
        for connection in held:
            connection.close()
        self.lab.wait_for(served, "the client to be served again")


class Cors(FrontCase):
    def assert_open(self, response, nonce):
        self.assertEqual(response.headers.get_all("Access-Control-Allow-Origin"), ["*"])
        self.assertEqual(response.headers.get_all("Access-Control-Expose-Headers"), [EXPOSED])
        self.assertNotIn("Access-Control-Allow-Credentials", response.headers)
        self.assertEqual(len(response.headers.get_all("Replay-Nonce", [])), int(nonce))
        if nonce:
            self.assertEqual(response.headers["Cache-Control"], "no-store")

    def assert_index(self, response):
        self.assertIn(f'<{self.server.url}/directory>;rel="index"', response.headers.get_all("Link"))

    def test_every_answer(self):
        """Those of core and those of the edge; a nonce wherever the method is POST (RFC 8555 section 6.5)."""
        user = AcmeUser(self.server)
        origin = {"Origin": "https://client.test"}
        jose = {**origin, "Content-Type": "application/jose+json"}
        response = self.ask("GET", "/directory", headers=origin)
        self.assertEqual(response.status, 200)
        self.assertIn("public", response.headers["Cache-Control"])
        self.assert_open(response, nonce=False)
        for method, path, body, headers, status in (
                ("GET", "/missing", None, origin, 404), ("POST", "/missing", "{}", jose, 404),
                ("POST", "/directory", "{}", jose, 400), ("PUT", "/new-order", "{}", jose, 405),
                ("GET", "/new-order", None, origin, 405), ("POST", "/new-nonce", "{}", jose, 400),
                ("PUT", "/new-nonce", "{}", jose, 405), ("POST", "/new-order?x=1", "{}", jose, 404),
                ("POST", "/new-order", "{}", jose, 400), ("POST", "/new-order", "{}", origin, 415),
                ("POST", "/new-order", "x" * 70000, jose, 413), ("POST", "/%00", "{}", jose, 404),
                ("POST", "/new-order", "{}", {**jose, "Bad(name)": "x"}, 400),
                ("GET", "/directory", None, {**origin, "Bad(name)": "x"}, 400)):
            with self.subTest(f"{method} {path} {status}"):
                response = self.ask(method, path, body, headers)
                self.assertEqual(response.status, status, response.content)
                self.assert_open(response, method == "POST")
                self.assert_index(response)
                self.assertEqual(response.headers["Content-Type"], "application/problem+json")
                if method == "POST":  # a nonce as good as any
                    self.assertEqual(self.post(user, response.headers["Replay-Nonce"]).status, 200)
        response = self.post(user, self.nonce(), origin)
        self.assertEqual(response.status, 200)
        self.assert_open(response, nonce=True)
        self.assert_index(response)

    def test_new_nonce(self):
        """RFC 8555 section 7.2."""
        user, seen = AcmeUser(self.server), set()
        for method, status in (("HEAD", 200), ("GET", 204)):
            for _ in range(3):
                response = self.ask(method, "/new-nonce")
                self.assertEqual((response.status, response.content), (status, b""))
                self.assert_open(response, nonce=True)
                self.assert_index(response)
                self.assertRegex(response.headers["Replay-Nonce"], "^[A-Za-z0-9_-]{22,}$")
                self.assertNotIn(response.headers["Replay-Nonce"], seen)
                seen.add(response.headers["Replay-Nonce"])
                self.assertEqual(self.post(user, response.headers["Replay-Nonce"]).status, 200)

    def test_preflight(self):
        for path, methods in routes():
            for asked in ("POST", "GET", "DELETE"):
                with self.subTest(f"{asked} {path}"):
                    response = self.ask("OPTIONS", path, headers={
                        "Origin": "https://client.test", "Access-Control-Request-Method": asked,
                        "Access-Control-Request-Headers": "content-type"})
                    self.assertEqual((response.status, response.content), (204, b""))
                    self.assert_open(response, nonce=False)
                    self.assertEqual(response.headers["Access-Control-Allow-Methods"], methods)
                    self.assertEqual(response.headers["Allow"], methods)
                    self.assertEqual(response.headers["Access-Control-Allow-Headers"], "Content-Type")
                    self.assertEqual(response.headers["Access-Control-Max-Age"], "86400")
        for path in ("/missing", "/order/x", "/"):
            with self.subTest(path):
                response = self.ask("OPTIONS", path)
                self.assertEqual(response.status, 404)
                self.assertNotIn("Access-Control-Allow-Methods", response.headers)


class Handshake(FrontCase):
    """RFC 8555 section 6.1, RFC 7525."""

    def negotiated(self, version, ciphers):
        """(version, cipher) of a handshake with these alone; None when the server refuses it."""
        context = self.server.tls_context()
        context.minimum_version = context.maximum_version = version
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
        with socket.create_connection((HOST, self.server.https), timeout=60) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="localhost") as tls:
                    return tls.version(), tls.cipher()[0]
            except (ssl.SSLError, ConnectionError):
                return None

    def test_versions(self):
        for version, name in ((ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")):
            self.assertEqual(self.negotiated(version, "ALL")[0], name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1):
                self.assertIsNone(self.negotiated(version, "ALL"))

    def test_ciphers(self):
        tls12 = ssl.TLSVersion.TLSv1_2
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            self.assertEqual(self.negotiated(tls12, cipher), ("TLSv1.2", cipher))
        for cipher in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-CCM8",
                       "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA", "AES128-GCM-SHA256"):
            self.assertIsNone(self.negotiated(tls12, cipher), cipher)


class WithoutCore(FrontCase):
    settings = {"acme": {"processes": 1}}

    def test_core_hangs(self):
        """Preflights are answered; the nonces run out, then newNonce is a 503 without one, and a POST's 503 has one
        that is refused with a fresh one."""
        user, core = AcmeUser(self.server), self.pids["core"][0]
        os.kill(core, signal.SIGSTOP)
        try:
            connection = self.connect()
            self.addCleanup(connection.close)
            for _ in range(5000):
                response = self.ask("HEAD", "/new-nonce", connection=connection)
                if response.status != 200:
                    break
            self.assertEqual(response.status, 503)
            self.assertNotIn("Replay-Nonce", response.headers)
            self.assertRegex(response.headers["Retry-After"], r"^\d+$")
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
            self.assertEqual(self.ask("OPTIONS", "/new-order").status, 204)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                busy = list(pool.map(lambda _: self.post(user, "AAAA"), range(3)))
            for answer in busy:
                self.assertEqual((answer.status, self.problem(answer)), (503, "serverInternal"))
                self.assertRegex(answer.headers["Replay-Nonce"], "^[A-Za-z0-9_-]{32}$")
            self.assertEqual(len({answer.headers["Replay-Nonce"] for answer in busy}), 3)
        finally:
            os.kill(core, signal.SIGCONT)
        self.lab.wait_for(lambda: self.ask("HEAD", "/new-nonce").status == 200, "core to serve")
        for answer in busy:
            refused = self.post(user, answer.headers["Replay-Nonce"])
            self.assertEqual((refused.status, self.problem(refused)), (400, "badNonce"))
            self.assertEqual(self.post(user, refused.headers["Replay-Nonce"]).status, 200)


class Answers(FrontCase):
    """As an edge writes them."""

    HEAD = re.compile(rb"HTTP/1\.(\d) (\d{3}) ([A-Za-z ]+)\r\n((?:[A-Za-z-]+: [^\r\n]+\r\n)*)\r\n")

    def exchange(self, port, octets):
        """What is answered on one connection until it ends: [(minor version, status, fields, content)]."""
        with socket.create_connection((HOST, port), timeout=60) as connection:
            if port == self.server.https:
                connection = self.server.tls_context().wrap_socket(connection, server_hostname="localhost")
            with connection:
                connection.sendall(octets)
                received = b""
                while more := connection.recv(65536):
                    received += more
        answers, at = [], 0
        while at < len(received):
            head = self.HEAD.match(received, at)
            self.assertIsNotNone(head, received[at:])
            fields = dict(line.split(": ", 1) for line in head[4].decode().splitlines())
            self.assertEqual(len(fields), head[4].count(b"\r\n"))
            size = 0 if head[2] in (b"204", b"304") else int(fields.get("Content-Length", 0))
            answers.append((int(head[1]), int(head[2]), fields, received[head.end():head.end() + size]))
            at = head.end() + size
        return answers

    def test_connection_goes_on(self):
        """Three requests at once; a connection ends with the first answer when its request says so, or is of HTTP/1.0 and does
        not say the contrary."""
        last = b"GET /directory HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        for minor, asked, said, count in ((1, None, None, 3), (1, "close", "close", 1), (0, None, None, 1),
                                          (0, "Keep-Alive", "keep-alive", 3)):
            with self.subTest(minor=minor, asked=asked):
                first = f"GET /directory HTTP/1.{minor}\r\nHost: a\r\n" + (f"Connection: {asked}\r\n" if asked else "") + "\r\n"
                answers = self.exchange(self.server.https, first.encode() * 2 + last)
                self.assertEqual([answer[:2] for answer in answers], [(minor, 200), (minor, 200), (1, 200)][:count])
                self.assertEqual(answers[0][2].get("Connection"), said)
                for _, _, fields, content in answers:
                    self.assertIn("newOrder", json.loads(content))
                    self.assertLess(abs(email.utils.parsedate_to_datetime(fields["Date"]).timestamp() - time.time()), 60)

    def test_without_content(self):
        """HEAD, 204 and 304 have neither content nor its length, on both listeners; what follows is read right."""
        close = b"HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ask = lambda *words: b"".join(b"%s HTTP/1.1\r\nHost: a\r\n\r\n" % word for word in words)
        found = self.exchange(self.server.https, ask(b"HEAD /directory", b"GET /new-nonce", b"HEAD /missing") + b"GET /missing " + close)
        self.assertEqual([answer[1] for answer in found], [200, 204, 404, 404])
        plain = self.exchange(self.server.http, ask(b"HEAD /issuing.der", b"GET /issuing.der") + b"GET /issuing.der " + close)
        again = self.exchange(self.server.http, b"GET /issuing.der HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\nConnection: close\r\n\r\n"
                              % plain[0][2]["ETag"].encode())
        self.assertEqual([answer[1] for answer in plain + again], [200, 200, 200, 304])
        for _, status, fields, content in found[:3] + plain[:1] + again:
            self.assertNotIn("Content-Length", fields, status)
        self.assertEqual(int(found[3][2]["Content-Length"]), len(found[3][3]))
        self.assertEqual(plain[1][3], plain[2][3])


class Names(FrontCase):
    FORGED = {"Host": "evil.test", "X-Forwarded-For": "203.0.113.66", "X-Forwarded-Host": "evil.test",
              "X-Forwarded-Proto": "http", "X-Forwarded-Port": "1", "X-Real-IP": "203.0.113.66",
              "Forwarded": "for=203.0.113.66;host=evil.test;proto=http", "True-Client-IP": "203.0.113.66",
              "X-Original-URL": "/new-nonce", "X-HTTP-Method-Override": "DELETE"}

    def test_not_trusted(self):
        """The base URL is configuration, the client's address is the connection's (security 9)."""
        user, offset = AcmeUser(self.server), len(self.server.log())
        plain, forged = self.ask("GET", "/directory"), self.ask("GET", "/directory", headers=self.FORGED)
        self.assertEqual((forged.status, forged.content), (200, plain.content))
        for name, url in json.loads(forged.content).items():
            if name != "meta":
                self.assertTrue(url.startswith(self.server.url + "/"), url)
        for response in (self.ask("GET", "/x-forged", headers=self.FORGED),
                         self.post(user, self.nonce(), self.FORGED)):
            self.assertNotIn("evil.test", str(response.headers) + response.content.decode())
            self.assertIn(f'<{self.server.url}/directory>;rel="index"', response.headers.get_all("Link"))
        self.assertEqual(response.status, 200)
        self.wait_line(offset, "path=/x-forged ", f"peer={HOST}")
        self.assertNotIn("203.0.113.66", self.server.log())

    def test_url_of_another_name(self):
        """A JWS for the name in Host is refused all the same."""
        user = AcmeUser(self.server)
        url = user.account.uri.replace(HOST, "evil.test")
        protected = b64(json.dumps({"alg": "ES256", "kid": user.account.uri, "nonce": self.nonce(), "url": url}).encode())
        signature = josepy.ES256.sign(user.key.key, f"{protected}.".encode())
        response = self.ask("POST", user.account.uri[len(self.server.url):], json.dumps(
            {"protected": protected, "payload": "", "signature": b64(signature)}),
            {**self.FORGED, "Content-Type": "application/jose+json"})
        self.assertEqual((response.status, self.problem(response)), (403, "unauthorized"))


class Delay(FrontCase):
    settings, test_mode = {"acme": {"processes": 1}, "test": {"delay": "1s", "reject-nonces": 0}}, True

    def test_answers_wait(self):
        """30 answers, each after up to a second at random, on 30 connections: none is lost or mixed up."""
        connections = [self.connect() for _ in range(30)]
        for connection in connections:
            connection.connect()
        paths = [f"/missing-{n}" if n % 2 else "/new-nonce" for n in range(30)]
        started = time.monotonic()
        for connection, path in zip(connections, paths):
            connection.request("GET", path)
            self.addCleanup(connection.close)
        answers = [connection.getresponse() for connection in connections]
        self.assertEqual([answer.status for answer in answers], [404 if n % 2 else 204 for n in range(30)])
        # 1 in 2^30 that all of them are shorter
        self.assertGreater(time.monotonic() - started, 0.5)

    def answers(self, requests, notify):
        """What is answered to a client that writes each request into a record of its own, then closes its half, with
        close_notify or without."""
        received, incoming, outgoing = b"", ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.server.tls_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection((HOST, self.server.https), timeout=60) as plain:
            def run(function, *arguments):
                while True:
                    try:
                        return function(*arguments)
                    except ssl.SSLWantReadError:
                        if outgoing.pending:
                            plain.sendall(outgoing.read())
                        octets = plain.recv(65536)
                        incoming.write(octets) if octets else incoming.write_eof()
            run(tls.do_handshake)
            for request in requests:
                tls.write(request)
            if notify:
                self.assertRaises(ssl.SSLWantReadError, tls.unwrap)
            plain.sendall(outgoing.read())
            plain.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ssl.SSLError):
                while more := run(tls.read, 65536):
                    received += more
        return received

    def test_half_that_is_closed(self):
        """What comes while an answer is waited for waits, and the end of what a client says ends no answer."""
        requests = [b"GET /missing-%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(3)]
        for notify in (True, False):
            for count in (1, 3):
                with self.subTest(notify=notify, count=count):
                    self.assertEqual(self.answers(requests[:count], notify).count(b"HTTP/1.1 404 Not Found\r\n"), count)

    def test_client_that_leaves(self):
        for _ in range(20):
            connection = self.connect()
            connection.request("GET", "/directory")
            connection.close()
        self.assertEqual(AcmeUser(self.server).post(self.server.url + "/new-order", {"identifiers": [
            {"type": "email", "value": "ann@user.test"}]}).status_code, 201)


if __name__ == "__main__":
    unittest.main()
