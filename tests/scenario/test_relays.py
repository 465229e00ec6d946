# SPDX-License-Identifier: Apache-2.0
"""Challenge mails out to real relays: Postfix that greylists, refuses, is slow, wants TLS and a password, with good and
bad certificates; relays that are away, drop connections or say nothing. What each does is visible in the challenge
and in the log (interop.md 23)."""

import base64
import contextlib
import re
import socket
import socketserver
import threading
import unittest

import lab
from lab import HOST
from signet_lab import DAY, AcmeUser, Authority, Signetd, challenge_mail, prove

ACME = "urn:ietf:params:acme:error:"
USERS = ["ann", "bob", "cid", "dan", "eve"]
SECRET = "open sesame"
CLOSED = b"554 5.7.1 not for you\r\n"


class Passwords(lab.Helper):
    """An authentication server (the Dovecot protocol, version 1.1) that knows signet with SECRET."""

    def __init__(self, case):
        super().__init__(case, PasswordsTalk)


class PasswordsTalk(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t"
                 + "0" * 32 + "\nDONE")
        for line in self.rfile:
            words = line.decode().strip("\n").split("\t")
            if words[0] == "AUTH" and not words[-1].startswith("resp="):
                self.say(f"CONT\t{words[1]}\t")
            elif words[0] in ("AUTH", "CONT"):
                given = base64.b64decode(words[-1].removeprefix("resp="))
                good = given == f"\0signet\0{SECRET}".encode()
                self.say(f"{'OK' if good else 'FAIL'}\t{words[1]}\tuser=signet")

    def say(self, text):
        self.wfile.write(text.encode() + b"\n")


def greylist(case):
    """Restrictions that put off the first mail to each recipient."""
    seen = set()

    def answer(asked):
        action = "dunno" if asked["recipient"] in seen else "defer 4.2.0 Greylisted, come again in a minute"
        seen.add(asked["recipient"])
        return action

    return lab.Policy(case, answer).rule + ", permit"


class OddRelay:
    """Takes connections, says its words and drops them; or (None) never says a word."""

    def __init__(self, case, words):
        self.listener = socket.create_server((HOST, 0))
        self.port, self.words, self.taken = self.listener.getsockname()[1], words, []
        threading.Thread(target=self.run, daemon=True).start()
        case.addCleanup(self.close)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.taken.append(connection)
                if self.words is not None:
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(self.words)
                    connection.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.taken:
            connection.close()


class DroppingRelay(lab.Helper):
    """Takes every message up to its dot and drops the connection without an answer to it."""

    def __init__(self, case):
        self.messages = 0
        super().__init__(case, DroppingTalk)
        self.port = self.server_address[1]


class DroppingTalk(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):  # of whoever asks only whether the relay is there
            self.talk()

    def talk(self):
        self.wfile.write(b"220 relay\r\n")
        for line in self.rfile:
            in_message = line.startswith(b"DATA")
            self.wfile.write(b"354 go\r\n" if in_message else b"250 fine\r\n")
            while in_message and line != b".\r\n":
                line = self.rfile.readline()
            if in_message:
                self.server.messages += 1
                return


class CountingRelay(lab.Helper):
    """Takes all messages, the first of them once go is set; sessions: how many each session had."""

    def __init__(self, case):
        self.go, self.sessions = threading.Event(), []
        super().__init__(case, CountingTalk)
        self.port = self.server_address[1]


class CountingTalk(socketserver.StreamRequestHandler):
    def handle(self):
        messages = 0
        with contextlib.suppress(ConnectionError):  # as above
            self.wfile.write(b"220 relay\r\n")
            for line in self.rfile:
                if line.startswith(b"DATA"):
                    self.wfile.write(b"354 go\r\n")
                    while line != b".\r\n":
                        line = self.rfile.readline()
                    messages += 1
                    self.server.go.wait(lab.DEADLINE)
                self.wfile.write(b"250 fine\r\n")
        if messages > 0:
            self.server.sessions.append(messages)


class Relays(lab.SharedLabCase):
    servers = 0  # started so far

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = lab.DkimKey("user.test", "s1")
        cls.zones = lab.SignedZones(cls.lab, {"user.test": [cls.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        cls.authority = Authority(cls.lab.folder("authority"))

    def postfix(self, **settings):
        relay = lab.Postfix(self.lab, {"user.test": USERS}, settings=settings)
        self.addCleanup(relay.stop)
        return relay

    def tls_postfix(self, pair, implicit=False, **settings):
        wrapper = "yes" if implicit else "no"
        return self.postfix(smtpd_tls_cert_file=pair[0], smtpd_tls_key_file=pair[1], smtpd_tls_loglevel="1",
                            smtpd_tls_security_level="encrypt", smtpd_tls_wrappermode=wrapper,
                            smtpd_tls_received_header="yes", **settings)

    def with_password(self):
        """Settings of a Postfix that takes mail by AUTH only."""
        return {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": Passwords(self).path,
                "smtpd_tls_auth_only": "yes", "smtpd_sasl_authenticated_header": "yes",
                "smtpd_client_restrictions": "permit_sasl_authenticated, reject"}

    def signetd(self, *relays, host=HOST, **settings):
        """relays: ports, or what has one."""
        ports = [relay if isinstance(relay, int) else relay.port for relay in relays]
        mail = {name.replace("_", "-"): value for name, value in settings.items()}
        Relays.servers += 1
        server = Signetd(self.lab, relay="; ".join(f"{host}:{port}" for port in ports), zones=self.zones,
                         name=f"signetd-{Relays.servers}",
                         settings={"mail": {"relay-ca": self.authority.path, **mail}, "acme": {"processes": 1}})
        self.addCleanup(server.stop)
        return server, AcmeUser(server)

    def order(self, user, *addresses):
        """The order, and its challenges once they have been POSTed."""
        order = user.new_order(*addresses)
        found = [user.authorization(order, i)["challenges"][0] for i in range(len(addresses))]
        return order, [user.respond(challenge) for challenge in found]

    def noted(self, user, challenge, words):
        """The challenge once its error has these words: still processing."""
        found = user.poll(challenge["url"], lambda c: words in c.get("error", {}).get("detail", ""))
        self.assertEqual(found["status"], "processing")
        return found["error"]

    def ended(self, user, challenge):
        return user.poll(challenge["url"], lambda c: c["status"] == "invalid")["error"]

    def wait_logged(self, server, pattern):
        self.lab.wait_for(lambda: re.search(pattern, server.log()), f"a log line like {pattern}")

    def relay_failures(self, server):
        """[(port, code, reason)] of the log."""
        return [(int(port), int(code), reason) for port, code, reason in
                re.findall(r'event="relay failed" relay=\S+:(\d+) code=(\d+) reason="([^"]*)"', server.log())]

    def test_greylisting(self):
        """450 at RCPT: noted with the relay's words, tried again, taken; the order is issued for."""
        relay = self.postfix(smtpd_recipient_restrictions=greylist(self))
        second = self.postfix()
        server, user = self.signetd(relay, second)
        order, (challenge,) = self.order(user, "ann@user.test")
        error = self.noted(user, challenge, "450 4.2.0 <ann@user.test>: Recipient address rejected: Greylisted")
        self.assertEqual(error["type"], ACME + "connection")
        self.assertIn("will be tried again", error["subproblems"][0]["detail"])
        self.assertEqual(self.relay_failures(server), [])  # an answer about the message is no failure of the relay
        self.wait_logged(server, rf'event="mail handed over" to=ann@user.test relay={HOST}:{relay.port} '
                                 r'outcome="temporary failure" code=450 text="4.2.0 <ann@user.test>: Rec')
        server.hurry_mails()
        prove(server, user, order, relay.maildir("ann@user.test"), self.key)
        self.assertEqual(lab.maildir_list(second.maildir("ann@user.test")), [])
        self.assertNotIn("error", user.get(challenge["url"]))

    def test_refusal(self):
        """5xx at RCPT and to the message: the challenge ends at once with status and words."""
        relay = self.postfix(smtpd_recipient_restrictions="check_recipient_access inline:{{bob@user.test=REJECT 5.7.1 "
                                                          "no robots}}, permit",
                             smtpd_end_of_data_restrictions="check_recipient_access inline:{{ann@user.test=REJECT 5.7.1 "
                                                            "not this text}}, permit")
        server, user = self.signetd(relay)
        for address, words in (("zoe@user.test", "550 5.1.1 <zoe@user.test>: Recipient address rejected: User unknown"),
                               ("bob@user.test", "554 5.7.1 <bob@user.test>: Recipient address rejected: no robots"),
                               ("ann@user.test", "554 5.7.1 <ann@user.test>: Recipient address rejected: not this text")):
            with self.subTest(address):
                order, (challenge,) = self.order(user, address)
                error = self.ended(user, challenge)
                self.assertEqual(error["type"], ACME + "connection")
                self.assertIn("refused the challenge mail to " + address, error["detail"])
                self.assertIn(words, error["detail"])
                order = user.get(order["url"])
                self.assertEqual(order["status"], "invalid")
                self.assertIn(words, order["error"]["detail"])
        self.wait_logged(server, 'outcome="permanent failure" code=550')

    def test_fail_over(self):
        """Away, dropping, silent, closing: the mail goes to the fifth, and the log names each with its reason."""
        away = self.lab.free_port()
        dropping, silent, closing = OddRelay(self, b""), OddRelay(self, None), OddRelay(self, CLOSED)
        good = self.postfix()
        server, user = self.signetd(away, dropping, silent, closing, good, relay_timeout="10s")
        order, (challenge,) = self.order(user, "ann@user.test")
        prove(server, user, order, good.maildir("ann@user.test"), self.key)
        failures = self.relay_failures(server)
        self.assertEqual([failure[0] for failure in failures], [away, dropping.port, silent.port, closing.port])
        for (_, code, reason), (wanted, words) in zip(failures, (
                (0, "Connection refused"), (0, "broke"), (0, "did not answer in time"), (554, "not for you"))):
            self.assertEqual(code, wanted)
            self.assertIn(words, reason)
        self.wait_logged(server, f'to=ann@user.test relay={HOST}:{good.port} outcome=accepted')

    def test_dropped_behind_the_message(self):
        """A relay that may have the mail keeps it to itself for a while, but not for ever."""
        dropping, good = DroppingRelay(self), self.postfix()
        server, user = self.signetd(dropping, good)
        order, (challenge,) = self.order(user, "ann@user.test")
        self.noted(user, challenge, "broke")
        self.assertEqual(lab.maildir_list(good.maildir("ann@user.test")), [])
        server.hurry_mails()
        user.poll(challenge["url"], lambda c: server.query(
            "SELECT 1 FROM job WHERE kind = 'mail' AND attempts = 2 AND taken_until = 0"))
        server.hurry_mails()
        prove(server, user, order, good.maildir("ann@user.test"), self.key)
        self.assertEqual(dropping.messages, 2)

    def test_many_mails(self):
        """However many wait, a session has 16 of them at most: core hears soon what became of them."""
        relay = CountingRelay(self)
        server, user = self.signetd(relay)
        self.order(user, *[f"user{i}@user.test" for i in range(20)])
        self.lab.wait_for(lambda: len(server.query("SELECT 1 FROM job WHERE kind = 'mail' AND taken_until > 0")) == 20,
                          "all mails to be at outbound")
        relay.go.set()
        self.lab.wait_for(lambda: sum(relay.sessions) == 20, "all mails to be handed over")
        self.assertLessEqual(max(relay.sessions), 16, relay.sessions)

    def test_expiry(self):
        """What no relay took until the challenge's time was over never left, and says so."""
        closing = OddRelay(self, CLOSED)
        server, user = self.signetd(closing, self.lab.free_port(), challenge_lifetime="10s")
        order, (challenge,) = self.order(user, "ann@user.test")
        error = self.ended(user, challenge)
        self.assertEqual(error["type"], ACME + "connection")
        self.assertIn("The challenge mail to ann@user.test never left", error["detail"])
        self.assertIn("554 5.7.1 ", error["detail"])  # the one that said something is told
        self.assertIn("not for you", error["subproblems"][0]["detail"])
        self.assertIn("never left", user.get(order["url"])["error"]["detail"])

    def test_starttls_auth_sessions(self):
        """STARTTLS with a checked certificate and AUTH; a wrong password is told and mended by SIGHUP; mails that wait
        while the relay is slow leave in one session."""
        relay = self.tls_postfix(self.authority.pair("good"), smtpd_recipient_restrictions="sleep 1, permit",
                                 **self.with_password())
        password = self.lab.folder("password") / "password"
        password.write_text("wrong\n")
        server, user = self.signetd(relay, host="localhost", relay_tls="starttls", relay_user="signet",
                                    relay_password_file=password)
        order, (challenge,) = self.order(user, "ann@user.test")
        self.assertEqual(self.noted(user, challenge, "535 5.7.8 ")["type"], ACME + "connection")
        password.write_text(SECRET + "\nsecond line\n")
        server.reload()

        def arrived():
            """Outbound may have been given the mail before the password."""
            server.hurry_mails()
            user.get(challenge["url"])  # core looks at its jobs with every request
            return lab.maildir_list(relay.maildir("ann@user.test"))
        self.lab.wait_for(arrived, "the mail")
        prove(server, user, order, relay.maildir("ann@user.test"), self.key)
        text = challenge_mail(relay.maildir("ann@user.test"), challenge).message["Received"]
        self.assertIn("TLSv1.3", text)
        self.assertIn("(Authenticated sender: signet)", text)
        before = relay.text().count(": connect from")
        order, challenges = self.order(user, *[f"{name}@user.test" for name in USERS])
        for name, one in zip(USERS, challenges):
            challenge_mail(relay.maildir(f"{name}@user.test"), one)
        # The first keeps the sender for a second, and what came meanwhile leaves in one session.
        self.assertLess(relay.text().count(": connect from") - before, len(USERS))
        self.assertNotIn(SECRET, server.log())

    def test_bad_certificates(self):
        """TLS demanded and not had: none gets the mail, the challenge says tls, the log says why for each."""
        pairs = {"self-signed certificate": self.authority.pair("self", signed_by_itself=True),
                 "subject name": self.authority.pair("other", host="relay.test"),
                 "certificate has expired": self.authority.pair("old", life=-DAY)}
        relays = [self.tls_postfix(pair) for pair in pairs.values()]
        expired = self.tls_postfix(pairs["certificate has expired"], implicit=True)
        plain = self.postfix()
        good = self.tls_postfix(self.authority.pair("right"), implicit=True)
        server, user = self.signetd(*relays, plain, relay_tls="starttls")
        order, (challenge,) = self.order(user, "ann@user.test")
        error = self.noted(user, challenge, "no TLS with the relay")
        self.assertEqual(error["type"], ACME + "tls")
        failures = self.relay_failures(server)
        self.assertEqual([failure[0] for failure in failures], [relay.port for relay in [*relays, plain]])
        for (_, code, reason), words in zip(failures, [*pairs, "does not offer STARTTLS"]):
            self.assertEqual(code, 0)
            self.assertIn(words, reason)
        server.stop()
        server, user = self.signetd(expired, good, relay_tls="implicit")
        order, (challenge,) = self.order(user, "bob@user.test")
        self.assertIn("TLSv1.3", challenge_mail(good.maildir("bob@user.test"), challenge).message["Received"])
        self.assertEqual(self.relay_failures(server),
                         [(expired.port, 0, "no TLS with the relay: SSL certificate problem: certificate has expired")])
        for relay in [*relays, expired, plain]:
            self.assertEqual(relay.text().count("client="), 0)  # no MAIL was said to it
        self.opportunistic(relays[0], plain)

    def opportunistic(self, self_signed, plain):
        """TLS where it can be had, whatever the certificate; without where not."""
        for relay, words in ((self_signed, "TLSv1.3"), (plain, "with ESMTP")):
            server, user = self.signetd(relay, relay_tls="opportunistic")
            order, (challenge,) = self.order(user, "cid@user.test")
            received = challenge_mail(relay.maildir("cid@user.test"), challenge).message["Received"]
            self.assertIn(words, received)
            server.stop()

    def test_configuration(self):
        """Mistakes are told with line and reason before the start."""
        server = Signetd(self.lab, zones=self.zones, start=False)
        (server.folder / "empty").write_text("\n")
        usual = dict(server.config["mail"])
        for settings, key, words in (
                ({"relay": f"{HOST}:25; [::1]:25"}, "relay", "[::1]:25: an IPv6 address cannot be used"),
                ({"relay": f"{HOST}:25; mail"}, "relay", '"mail" is not HOST:PORT'),
                ({"relay": ";"}, "relay", "empty; at least one HOST:PORT"),
                ({"relay-user": "x", "relay-password-file": "dkim.key"}, "relay-user",
                 "a password goes over demanded TLS only"),
                ({"relay-tls": "opportunistic", "relay-user": "x", "relay-password-file": "dkim.key"}, "relay-user",
                 "a password goes over demanded TLS only"),
                ({"relay-tls": "implicit", "relay-user": "x"}, "relay-password-file", "only one of user and password"),
                ({"relay-tls": "implicit", "relay-user": "x", "relay-password-file": "empty"}, "relay-password-file",
                 "its first line is empty"),
                ({"relay-tls": "starttls", "relay-ca": "empty"}, "relay-ca", "has no certificate in PEM"),
                ({"relay-tls": "starttls", "relay-ca": "missing"}, "relay-ca", "No such file"),
                ({"relay-tls": "on"}, "relay-tls", "is none of: off opportunistic starttls implicit")):
            with self.subTest(settings):
                server.config["mail"] = {**usual, **settings}
                server.write_config()
                status, text = server.check()
                self.assertNotEqual(status, 0)
                line = next((n for n, one in enumerate(server.path.read_text().splitlines(), 1)
                             if one.startswith(key + " =")), None)
                where = f"{server.path}:{line}" if line else f"{server.path}"
                self.assertIn(f"{where}: [mail] {key}: ", text)
                self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
