# SPDX-License-Identifier: Apache-2.0
"""Replies over STARTTLS, what is injected around it, and what the logs say and must not say."""

import json
import smtplib
import socket
import ssl
import unittest

import lab
from lab import HOST
from signet_lab import (AcmeUser, Signetd, challenge_mail, digest, dkim_sign, make_csr, new_key, prove, reply_to,
                        token_part1)


class StartTls(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = lab.DkimKey("user.test", "s1")
        cls.zones = lab.SignedZones(cls.lab, {"user.test": [cls.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann"]})
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones, settings={
            "mail": {"tls-certificate": "tls.pem", "tls-key": "tls.key", "hostname": "mx.ca.test"},
            "log": {"format": "json"}})
        cls.user = AcmeUser(cls.server)

    def connect(self):
        client = smtplib.SMTP(HOST, self.server.smtp, local_hostname="client.test", timeout=60)
        client.ehlo()
        return client

    def test_reply_over_tls(self):
        order = self.user.new_order("ann@user.test")
        challenge = self.user.authorization(order)["challenges"][0]
        mail = challenge_mail(self.mail.maildir("ann@user.test"), challenge).message
        token1 = token_part1(mail)
        reply = reply_to(mail, "ann@user.test", digest(self.user, token1, challenge["token"]))
        with self.connect() as client:
            for feature in ("pipelining", "size", "8bitmime", "smtputf8", "enhancedstatuscodes", "starttls"):
                self.assertTrue(client.has_extn(feature), feature)
            client.starttls(context=self.server.tls_context())
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.sock.version(), "TLSv1.3")
            client.sendmail("ann@user.test", [challenge["from"]], dkim_sign(reply.as_bytes(), self.key))
        self.user.respond(challenge)
        self.user.poll(order["url"], lambda o: o["status"] == "ready")
        rows = self.server.query("SELECT tls, helo FROM message WHERE direction = 'in'")
        self.assertIn((1, "client.test"), rows)
        # The relay's answer may come after the reply.
        self.lab.wait_for(lambda: "mail sent" in self.events(order), "the relay's answer")
        self.user.finalize(order, make_csr(new_key(), "ann@user.test"))
        self.user.certificate(order)
        self.lab.wait_for(lambda: "issued" in self.events(order), "the log to say so")
        self.check_log(order, challenge, token1)

    def lines(self):
        """Those that are whole."""
        return [json.loads(line) for line in self.server.log().rpartition("\n")[0].splitlines()]

    def events(self, order):
        return [line["event"] for line in self.lines() if line.get("order") == order["url"].rsplit("/", 1)[1]]

    def check_log(self, order, challenge, token1):
        """Every line is one JSON object; the order's way is told by its id, and no token stands there."""
        lines = self.lines()
        self.assertTrue(all({"time", "level", "role", "event"} <= set(line) for line in lines))
        mine = self.events(order)
        wanted = ["order created", "mail queued", "mail received", "reply judged", "challenge valid", "caa checked",
                  "signing", "issued"]
        self.assertEqual([event for event in mine if event in wanted], wanted)
        self.assertLess(mine.index("mail queued"), mine.index("mail sent"))
        for line in lines:
            if line["event"] in ("mail queued", "reply judged", "challenge valid"):
                self.assertTrue({"account", "order", "challenge"} <= set(line), line)
        self.assertTrue(any(line["event"] == "reply judged" and line["rule"] == "all" for line in lines))
        for secret in (token1, digest(self.user, token1, challenge["token"])):
            self.assertNotIn(secret, self.server.log())

    def test_plaintext_after_starttls(self):
        """What was sent before the handshake is not taken for what came after it."""
        with socket.create_connection((HOST, self.server.smtp), timeout=60) as connection:
            connection.recv(4096)
            connection.sendall(b"EHLO c\r\n")
            connection.recv(4096)
            connection.sendall(b"STARTTLS\r\nMAIL FROM:<eve@user.test>\r\n")
            answer = b""
            while more := connection.recv(4096):
                answer += more
        self.assertRegex(answer, rb"^5\d\d ")
        self.assertNotIn(b"250", answer)

    def test_session_begins_anew(self):
        with self.connect() as client:
            client.mail("ann@user.test")
            client.starttls(context=self.server.tls_context())
            self.assertEqual(client.docmd("RCPT", "TO:<x@ca.test>")[0], 503)
            with self.assertRaises(smtplib.SMTPNotSupportedError):
                client.starttls(context=self.server.tls_context())

    def test_handshake_that_fails(self):
        with self.connect() as client:
            with self.assertRaises((ssl.SSLError, OSError)):
                client.starttls(context=ssl.create_default_context())
        with self.connect() as client:
            self.assertEqual(client.noop()[0], 250)


class TokenInLog(lab.LabCase):
    def test_debug_log_holds_no_secret(self):
        key = lab.DkimKey("user.test", "s1")
        zones = lab.SignedZones(self.lab, {"user.test": [key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        mail = lab.Postfix(self.lab, {"user.test": ["ann"]})
        server = Signetd(self.lab, relay=f"{HOST}:{mail.port}", zones=zones)
        user = AcmeUser(server)
        order = user.new_order("ann@user.test")
        prove(server, user, order, mail.maildir("ann@user.test"), key)
        token1 = server.query("SELECT token1 FROM challenge")[0][0]
        self.assertNotIn(token1, server.log())
        for path in ("dkim.key", "tls.key", "ca/issuing.key"):
            middle = (server.folder / path).read_text().splitlines()[1]
            self.assertNotIn(middle, server.log())


if __name__ == "__main__":
    unittest.main()
