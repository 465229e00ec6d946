# SPDX-License-Identifier: Apache-2.0
"""5,000 connections to the HTTPS front and as many to the SMTP server that do nothing, or all but nothing (security 17):
a certificate is issued meanwhile, memory and descriptors stay within bounds, and all comes back when they go."""

import os
import resource
import select
import socket
import time
import unittest
from unittest import mock

import lab
import signet_lab as signet
from lab import HOST

CROWD = 5000
OF_A_SOURCE = 25  # the SMTP server takes 50
SMTP_PLACES = 2000  # smtp: more make room for each other
FIRST_SECONDS = 20  # in which the HTTPS front wants a whole request
MEMORY = {"edge": CROWD * 64 * 1024, "inbound": SMTP_PLACES * 24 * 1024}  # AddressSanitizer's share included
WAVES = 3
SPARE = 8  # descriptors of real clients that came meanwhile
# What is said, each line after the answer to the one before.
SMTP_SHAPES = ((), (b"EH",), (b"EHLO idle.lab\r\n",), (b"EHLO idle.lab\r\n", b"MAIL FROM:<x@idle.lab>\r\n", b"RC"))
TLS_BEGINNING = b"\x16\x03\x01\x02"
WITH_TLS = 20  # every so many has shaken hands
WITH_REQUEST = 100  # every so many has had an answer


def connect(port, number):
    """Of a source of its own for each OF_A_SOURCE."""
    source = number // OF_A_SOURCE
    connection = socket.socket()
    connection.settimeout(60)
    connection.bind((f"127.9.{source // 250}.{source % 250 + 1}", 0))
    connection.connect((HOST, port))
    return connection


def closed(connections):
    """How many the other end has closed."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLRDHUP)
    return len(poll.poll(0))


class Idle(lab.LabCase):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = max(hard, 3 * CROWD)
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, enough))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, enough))
        # AddressSanitizer keeps what was freed, 256 MiB of it by default.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        patch = mock.patch.dict(os.environ, {"ASAN_OPTIONS": options})
        patch.start()
        self.addCleanup(patch.stop)
        self.key = lab.DkimKey("user.test", "s1")
        self.zones = lab.SignedZones(self.lab, {"user.test": [self.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        self.mail = lab.Postfix(self.lab, {"user.test": ["ann"]})
        self.server = signet.Signetd(self.lab, relay=f"{HOST}:{self.mail.port}", zones=self.zones,
                                     settings={"log": {"level": "info"}})
        self.user = signet.AcmeUser(self.server)
        self.context = self.server.tls_context()
        self.pids = self.server.pids()

    def issue(self):
        order = self.user.new_order("ann@user.test")
        signet.prove(self.server, self.user, order, self.mail.maildir("ann@user.test"), self.key)
        self.user.finalize(order, signet.make_csr(signet.new_key(), "ann@user.test"))
        return self.user.certificate(order)[0]

    def descriptors(self, role):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids[role])

    def size(self, role):
        return sum(lab.memory(pid) for pid in self.pids[role])

    def open_smtp(self, number):
        connection = connect(self.server.smtp, number)
        code, expected = connection.recv(4096)[:3], b"220"
        for line in SMTP_SHAPES[number % len(SMTP_SHAPES)]:
            self.assertEqual(code, expected)
            connection.sendall(line)
            code, expected = connection.recv(4096)[:3] if line.endswith(b"\n") else b"", b"250"
        return connection

    def open_https(self, number):
        connection = connect(self.server.https, number)
        if number % WITH_TLS:
            connection.sendall(TLS_BEGINNING[:number % 2 * 4])
            return connection
        tls = self.context.wrap_socket(connection, server_hostname=HOST)
        if number % WITH_REQUEST == 0:
            tls.sendall(b"GET /directory HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(tls.recv(4096).startswith(b"HTTP/1.1 200 "))
        return tls

    def wave(self, base):
        """Crowds that come and go, a certificate meanwhile; the memory that they took."""
        begun = time.monotonic()
        https = [self.open_https(number) for number in range(CROWD)]
        smtp = [self.open_smtp(number) for number in range(CROWD)]
        held = {role: self.descriptors(role) - count for role, count in base.items()}
        opened = time.monotonic() - begun
        self.issue()
        sizes = {role: self.size(role) for role in base}
        gone = closed(https), closed(smtp)
        if time.monotonic() - begun < FIRST_SECONDS:
            self.assertEqual(gone[0], 0)
        print(f"# {CROWD} each opened in {opened:.1f} s, certificate in {time.monotonic() - begun - opened:.1f} s;"
              f" descriptors {held}; closed by signetd: {gone[0]} HTTPS, {gone[1]} SMTP; MiB: "
              + ", ".join(f"{role} {size / 2**20:.1f}" for role, size in sizes.items()), flush=True)
        self.assertLessEqual(held["edge"], CROWD)
        self.assertLessEqual(held["inbound"], SMTP_PLACES)
        self.assertGreaterEqual(gone[1], CROWD - SMTP_PLACES)
        for connection in https + smtp:
            connection.close()
        self.lab.wait_for(lambda: all(self.descriptors(role) <= count + SPARE for role, count in base.items()),
                          "the descriptors to come back", 120)
        return sizes

    def test_crowds(self):
        self.issue()
        base, empty = {role: self.descriptors(role) for role in MEMORY}, {role: self.size(role) for role in MEMORY}
        for _ in range(WAVES):
            sizes = self.wave(base)
            for role, bound in MEMORY.items():
                self.assertLess(sizes[role] - empty[role], bound, role)
        self.assertEqual(self.server.pids(), self.pids, "a role died")
        self.issue()


if __name__ == "__main__":
    unittest.main()
