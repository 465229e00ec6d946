# SPDX-License-Identifier: Apache-2.0
"""Replies that a mail server on this host hands over: a real Postfix by LMTP (RFC 2033), at a Unix socket and at a
loopback port, and a pipe through "signetctl mail ingest"."""

import json
import os
import re
import signal
import socket
import subprocess
import unittest

import lab
import signet_lab as signet
from lab import HOST


class Delivery(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.key = lab.DkimKey("user.test", "s1")
        self.zones = lab.SignedZones(self.lab, {"user.test": [self.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        self.mail = lab.Postfix(self.lab, {"user.test": ["ann", "bob"]})
        self.path = self.lab.folder("lmtp") / "socket"
        self.port = self.lab.free_port()
        self.server = signet.Signetd(self.lab, relay=f"{HOST}:{self.mail.port}", zones=self.zones,
                                     settings={"mail": {"lmtp": f"{self.path}; {HOST}:{self.port}"}})
        self.user = signet.AcmeUser(self.server)

    def reply(self, order, index=0):
        """(challenge, address, signed reply) of an authorization."""
        authorization = self.user.authorization(order, index)
        challenge, address = authorization["challenges"][0], authorization["identifier"]["value"]
        mail = signet.challenge_mail(self.mail.maildir(address), challenge).message
        reply = signet.reply_to(mail, address, signet.digest(self.user, signet.token_part1(mail), challenge["token"]))
        return challenge, address, signet.dkim_sign(reply.as_bytes(), self.key)

    def finish(self, order):
        for url in order["authorizations"]:
            self.user.respond(self.user.get(url)["challenges"][0])
            self.user.poll(url, lambda a: a["status"] == "valid")
        names = [identifier["value"] for identifier in order["identifiers"]]
        self.user.finalize(order, signet.make_csr(signet.new_key(), *names))
        return self.user.certificate(order)[0]

    def messages(self):
        return self.server.query("SELECT peer, helo, reverse_path, verdict FROM message WHERE direction = 'in'")

    def through_postfix(self, target, peer):
        self.mail.route("ca.test", target)
        order = self.user.new_order("ann@user.test")
        challenge, address, raw = self.reply(order)
        lab.submit(HOST, self.mail.port, address, challenge["from"], raw)
        self.finish(order)
        (found,) = self.messages()
        self.assertEqual((found[0], found[2:]), (peer, ("ann@user.test", "passed")))
        self.lab.wait_for(lambda: re.search(r"postfix/lmtp\[.*status=sent \(250 2\.0\.0 ", self.mail.text()),
                          "Postfix to have the answer")

    def test_postfix_by_unix_socket(self):
        self.through_postfix(f"lmtp:unix:{self.path}", "local")

    def test_postfix_by_port(self):
        self.through_postfix(f"lmtp:inet:{HOST}:{self.port}", HOST)

    def test_unknown_recipient(self):
        """Postfix is told before the message, and its sender by Postfix, never by Signet."""
        self.mail.route("ca.test", f"lmtp:unix:{self.path}")
        lab.submit(HOST, self.mail.port, "ann@user.test", "acme-challenge+nobody@ca.test", b"Subject: x\r\n\r\nx\r\n")
        self.lab.wait_for(lambda: "There is no such recipient here" in self.mail.text(), "the refusal")
        self.assertEqual(self.messages(), [])

    def lmtp(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(self.path))
        self.addCleanup(connection.close)
        stream = connection.makefile("rwb", buffering=0)
        self.assertRegex(stream.readline(), rb"^220 ca\.test LMTP")
        return stream

    def say(self, stream, line, wanted):
        stream.write(line + b"\r\n")
        while True:
            answer = stream.readline()
            if answer[3:4] != b"-":
                break
        self.assertRegex(answer, b"^" + wanted, line)

    def test_several_recipients(self):
        """One answer for each, in their order; what is answered 250 is in the store."""
        order = self.user.new_order("ann@user.test", "bob@user.test")
        replies = [self.reply(order, index) for index in range(2)]
        stream = self.lmtp()
        self.say(stream, b"LHLO mail.user.test", b"250")
        self.say(stream, b"EHLO mail.user.test", b"500 5\\.5\\.1 ")
        self.say(stream, b"MAIL FROM:<ann@user.test>", b"250")
        self.say(stream, b"RCPT TO:<%s>" % replies[0][0]["from"].encode(), b"250")
        self.say(stream, b"RCPT TO:<nobody@ca.test>", b"550 5\\.1\\.1 ")
        self.say(stream, b"RCPT TO:<%s>" % replies[1][0]["from"].encode(), b"250")
        self.say(stream, b"DATA", b"354")
        stream.write(replies[0][2] + b".\r\n")
        self.assertRegex(stream.readline(), b"^250 2\\.0\\.0 ")
        self.assertRegex(stream.readline(), b"^250 2\\.0\\.0 ")
        self.assertEqual(self.server.query("SELECT count(*), count(DISTINCT challenge_id) FROM message"
                                           " WHERE direction = 'in'"), [(2, 2)])
        signet.deliver(self.server, replies[1][0], replies[1][2], "bob@user.test")
        self.finish(order)

    def ingest(self, *argv, message):
        """As by a mail server's pipe, which has no locale."""
        return subprocess.run([signet.BUILD / "signetctl", "mail", "ingest", *argv, "--config", self.server.path],
                              input=message, capture_output=True, timeout=200,
                              env={**os.environ, "LC_ALL": "C"})

    def test_pipe(self):
        order = self.user.new_order("ann@user.test")
        challenge, address, raw = self.reply(order)
        mbox = b"From ann@user.test Sat Nov 28 11:05:41 2026\n" + raw.replace(b"\r\n", b"\n")
        done = self.ingest("--from", address, challenge["from"], message=mbox)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"250 2.0.0 Message committed\n", b""))
        self.finish(order)
        self.assertEqual(self.messages(), [("pipe", "", "ann@user.test", "passed")])

    def test_pipe_envelope(self):
        """Senders beyond ASCII, and what Postfix makes of the null reverse-path."""
        order = self.user.new_order("ann@user.test")
        challenge = self.reply(order)[0]
        for sender in (["--from", "\u00e4nn@user.test"], ["--from", b"\xe4@user.test"], ["--from", "MAILER-DAEMON"],
                       ["--from", ""], []):
            done = self.ingest(*sender, challenge["from"], message=b"Subject: x\n\nx\n")
            self.assertEqual(done.returncode, 0, done.stderr)
        done = self.ingest("\u00e4@ca.test", message=b"Subject: x\n\nx\n")
        self.assertEqual((done.returncode, done.stdout), (67, b""), done.stderr)
        self.assertEqual([path for _, _, path, _ in self.messages()],
                         ["\u00e4nn@user.test", "\ufffd@user.test", "", "", ""])

    def test_pipe_refused(self):
        order = self.user.new_order("ann@user.test")
        challenge = self.reply(order)[0]
        recipient, good = challenge["from"], b"Subject: x\n\nx\n"
        for status, words, argv, message in (
                (67, b"550 5.1.1 ", ["nobody@ca.test"], good), (65, b"554 5.6.0 ", [recipient], b"Subject: x\n\na\rb\n"),
                (65, b"554 5.6.0 ", [recipient], b"Subject: x\n\na\0b\n"),
                (65, b"552 5.3.4 ", [recipient], b"Subject: x\n\n" + 5000 * (60 * b"x" + b"\n")),
                (65, b"552 5.3.4 ", [recipient], b"Subject: x\n\n" + 9000 * (60 * b"x" + b"\n")),
                (65, b"552 5.3.4 ", [recipient], b"Subject: x\n\n" + 250000 * b"\n"),
                (64, b"needs RECIPIENT", [], good), (64, b"Unknown option", ["--to", recipient], good)):
            with self.subTest(words.decode()):
                done = self.ingest(*argv, message=message)
                self.assertEqual((done.returncode, done.stdout), (status, b""), done.stderr)
                self.assertIn(words, done.stderr)
        self.assertEqual(self.messages(), [])
        done = self.ingest(recipient, "--json", message=good)
        self.assertEqual((done.returncode, json.loads(done.stdout)["code"]), (0, 250))
        self.server.stop()
        done = self.ingest(recipient, message=good)
        self.assertEqual(done.returncode, 75)
        self.assertIn(b"signetd is not running", done.stderr)

    def test_full(self):
        """More than is kept of one challenge: try again, so that a mail server keeps it."""
        order = self.user.new_order("ann@user.test")
        challenge = self.reply(order)[0]
        done = [self.ingest(challenge["from"], message=b"Subject: x\n\nx\n") for _ in range(9)]
        self.assertEqual([one.returncode for one in done], [0] * 8 + [75], done)
        self.assertIn(b"452 4.2.2 ", done[-1].stderr + done[-1].stdout)

    def test_after_a_kill(self):
        """The socket of a server that was killed is taken over; one that is served is not."""
        other = signet.Signetd(self.lab, settings={"mail": {"lmtp": self.path}}, name="other", start=False)
        other.process = self.lab.spawn("other", [signet.BUILD / "signetd", "--config", other.path])
        self.lab.wait_for(lambda: not other.process.alive(), "the second server to end")
        self.assertIn(f"cannot listen on {self.path}: another process serves it", other.log())
        self.server.kill()
        self.server.start()
        self.through_postfix(f"lmtp:unix:{self.path}", "local")


if __name__ == "__main__":
    unittest.main()
