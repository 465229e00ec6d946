# SPDX-License-Identifier: Apache-2.0
"""SMTP smuggling on the wire (security 11): a second message hidden behind something that is like the end of the first.
To signetd itself, and through a Postfix in front of it: one that takes a bare LF for the end of a line, as Postfix does
by default, and one that does not. By SMTP and by LMTP (RFC 2033). Each variant whole; the engine's unit test cuts them at every octet."""

import collections
import itertools
import re
import socket
import unittest

import lab
import signet_lab
from lab import HOST

ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\n\r\n", b"\r \n", b"\0\r\n")
VARIANTS = [(before, after) for before, after in itertools.product(ENDS, ENDS) if before + after != b"\r\n\r\n"]
KNOWN = [pair for pair in VARIANTS if set(pair) <= {b"\r\n", b"\n", b"\r"}]
ANN, EVE = "ann@user.test", "eve@user.test"
OUTRO = b"\r\n.\r\nQUIT\r\n"  # for a server that still waits for the end
POOL = 24  # challenges, so that none gets more mails than are kept


def envelope(sender, recipient):
    return f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()


def hidden(before, after, recipient):
    """A message that begins, and a second one behind its false end."""
    return (b"Subject: one\r\n\r\none" + before + b"." + after + envelope(EVE, recipient)
            + b"Subject: two\r\n\r\ntwo\r\n.\r\n")


def ends_first(before, after):
    """Whether the true end of the first message comes first: what follows it is openly said."""
    return (before + b"." + after).startswith(b"\r\n.\r\n")


def converse(port, recipient, *pieces, hello=b"EHLO"):
    """Everything that a server says to a session whose message comes in these pieces."""
    with socket.create_connection((HOST, port), timeout=lab.DEADLINE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.recv(4096)
        for piece in [hello + b" client.lab\r\n", *envelope(ANN, recipient).splitlines(True)]:
            connection.sendall(piece)
            replies += connection.recv(4096)
        assert b"\r\n354 " in replies, replies
        try:
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(4096):
                replies += more
        except ConnectionError:
            pass  # closed while we still spoke
        return replies.partition(b"\r\n354 ")[2].partition(b"\r\n")[2]


class Smuggling(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zones = lab.SignedZones(cls.lab, {"user.test": []})
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann", "eve"]})
        cls.lmtp = cls.lab.free_port()
        cls.server = signet_lab.Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones,
                                        settings={"mail": {"lmtp": f"{HOST}:{cls.lmtp}"}})
        cls.user = signet_lab.AcmeUser(cls.server)
        cls.pids = cls.server.pids()

    def tearDown(self):
        self.assertEqual(self.server.pids(), self.pids, "a role died")

    def recipients(self, tag):
        """The reply addresses of POOL challenges."""
        orders = [self.user.new_order(f"ann+{tag}{number}@user.test") for number in range(POOL)]
        return [self.user.authorization(order)["challenges"][0]["from"] for order in orders]

    def taken(self, recipients):
        """{(reverse path, recipient): how many} messages that signetd took."""
        rows = self.server.query("SELECT m.reverse_path, c.mail_from FROM message m JOIN challenge c"
                                 " ON c.id = m.challenge_id WHERE m.direction = 'in'")
        return collections.Counter(row for row in rows if row[1] in recipients)

    def to_signetd(self, port, hello, outer, inner):
        expected = collections.Counter()
        for number, (before, after) in enumerate(VARIANTS):
            first, second = outer[number % POOL], inner[number % POOL]
            with self.subTest((before, after)):
                replies = converse(port, first, hidden(before, after, second), hello=hello)
                codes = re.findall(rb"(?m)^(\d{3})[ -]", replies)
                if ends_first(before, after):
                    expected[ANN, first] += 1
                    self.assertEqual(codes, [b"250", b"500"], replies)
                else:
                    self.assertEqual(codes, [b"554"], replies)
        self.assertEqual(self.taken(outer + inner), expected)

    def test_to_signetd(self):
        self.to_signetd(self.server.smtp, b"EHLO", self.recipients("a"), self.recipients("b"))

    def test_to_signetd_by_lmtp(self):
        self.to_signetd(self.lmtp, b"LHLO", self.recipients("i"), self.recipients("j"))

    def test_in_pieces(self):
        """The known ones, cut at each octet around their false end."""
        outer, inner = self.recipients("c"), self.recipients("d")
        count = 0
        for before, after in KNOWN:
            text = hidden(before, after, inner[0])
            start = text.index(b"\r\n\r\none") + 7
            for cut in range(start, start + len(before + after) + 2):
                with self.subTest((before, after, cut)):
                    replies = converse(self.server.smtp, outer[count % POOL], text[:cut], text[cut:])
                    # The second piece may meet a closed connection, and its reset takes the reply away.
                    self.assertIn(re.findall(rb"(?m)^(\d{3})[ -]", replies), ([b"554"], []), replies)
                    count += 1
        print(f"# {count} pieces of {len(KNOWN)} variants", flush=True)
        self.assertEqual(self.taken(outer + inner), {})

    def through(self, front, outer, inner):
        """Every variant to a Postfix that hands on to signetd; what it says that it handed on, and what signetd took."""
        for number, (before, after) in enumerate(VARIANTS):
            converse(front.port, outer[number % POOL], hidden(before, after, inner[number % POOL]), OUTRO)
        self.lab.wait_for(lambda: self.lab.run("/usr/sbin/postqueue", "-c", front.path / "etc", "-j") == "", "the queue to be empty")
        taken = self.taken(outer + inner)
        self.lab.wait_for(lambda: self.handed(front).total() >= taken.total(), "all of it in the log")
        return self.handed(front), taken

    def handed(self, front):
        text = front.text()
        senders = dict(re.findall(r"qmgr\[\d+\]: (\w+): from=<([^>]*)>", text))
        sent = re.findall(rf"[sl]mtp\[\d+\]: (\w+): to=<([^>]+)>, .*:(?:{self.server.smtp}|{self.lmtp}), .*status=sent", text)
        return collections.Counter((senders[queued], recipient) for queued, recipient in sent)

    def front(self, target=None, **settings):
        return lab.Postfix(self.lab, {"front.test": ["x"]}, {"ca.test": target or f"{HOST}:{self.server.smtp}"},
                           settings={"smtpd_forbid_bare_newline_exclusions": "", "smtpd_error_sleep_time": "0",
                                     "smtpd_hard_error_limit": "100", **settings})

    def through_a_fooled_postfix(self, outer, inner, target=None):
        """What it takes for two messages are two, each with an envelope of its own: none arises between it and us."""
        handed, taken = self.through(self.front(target, smtpd_forbid_bare_newline="no", cleanup_replace_stray_cr_lf="no"),
                                     outer, inner)
        fooled = sum(count for (sender, _), count in handed.items() if sender == EVE)
        print(f"# {len(VARIANTS)} variants, {fooled} of them two messages to Postfix", flush=True)
        self.assertGreater(fooled, 0)
        self.assertEqual(taken, handed)

    def test_through_a_fooled_postfix(self):
        self.through_a_fooled_postfix(self.recipients("e"), self.recipients("f"))

    def test_through_a_fooled_postfix_by_lmtp(self):
        self.through_a_fooled_postfix(self.recipients("k"), self.recipients("l"), f"lmtp:inet:{HOST}:{self.lmtp}")

    def test_through_a_strict_postfix(self):
        outer, inner = self.recipients("g"), self.recipients("h")
        handed, taken = self.through(self.front(smtpd_forbid_bare_newline="reject"), outer, inner)
        self.assertEqual(taken, handed)
        # It refuses a bare LF; CR CR LF is an end of a line to it still.
        doubled = sum(set(variant) <= {b"\r\n", b"\r\r\n"} for variant in VARIANTS)
        self.assertEqual(sum(count for (sender, _), count in taken.items() if sender == EVE), doubled)


if __name__ == "__main__":
    print(f"# {len(VARIANTS)} variants", flush=True)
    unittest.main()
