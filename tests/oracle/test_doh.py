# SPDX-License-Identifier: Apache-2.0
"""The client of DNS over HTTPS (base/doh.c) against Unbound and against servers that misbehave (RFC 8484)."""

import subprocess
import unittest

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

import lab
from lab import HOST
from perspectives import Resolver, Silent, Web
from signet_lab import DAY, Authority

CAA, TXT, MX = 257, 16, 15
US = b"\0\x09issuemailca.test".hex()
MESSAGE = {"Content-Type": "application/dns-message"}


def reply_to(octets, *records):
    """records: (owner, type, data)."""
    reply = dns.message.make_response(dns.message.from_wire(octets))
    reply.answer += [dns.rrset.from_text(owner, 60, "IN", rtype, data) for owner, rtype, data in records]
    return reply


class DohTest(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        long = "v=DKIM1; p=" + "A" * 700
        records = [("@", "CAA", '0 issuemail "ca.test"'), ("@", "MX", "10 mx"), ("key", "TXT", long),
                   ("alias", "CNAME", "@"), ("mx", "A", HOST)]
        cls.zones = lab.SignedZones(cls.lab, {"good.test": records, "plain.test": records, "bad.test": records},
                                    {"plain.test": lab.INSECURE, "bad.test": lab.BOGUS})
        cls.authority = Authority(cls.lab.folder("authority"))
        cls.resolver = Resolver(cls.lab, cls.zones, cls.authority, "a", ['lie.test. TXT "a lie"'])

    def ask(self, *questions, timeout=60000):
        """[(outcome, secure, ttl, [data in hex], text)] in the order of questions (url, name, type)."""
        lines = [" ".join(map(str, question)) for question in questions]
        out = self.lab.run(lab.program("doh_answers"), timeout, self.authority.path, input="\n".join(lines) + "\n")
        found = {}
        for line in filter(None, out.splitlines()):
            words = line.split(" ", 7)
            found[" ".join(words[:3])] = (words[3], words[4], int(words[5]),
                                          [] if words[6] == "-" else words[6].split(","), words[7])
        return [found[line] for line in lines]

    def test_unbound(self):
        url = self.resolver.url
        caa, plain, mx, key, alias, none, gone, bad, lie = self.ask(
            *[(url, name, rtype) for name, rtype in (
                ("good.test", CAA), ("PLAIN.test", CAA), ("good.test", MX), ("key.good.test", TXT),
                ("alias.good.test", CAA), ("mx.good.test", CAA), ("gone.good.test", TXT), ("bad.test", CAA),
                ("lie.test", TXT))])
        self.assertEqual((caa[0], caa[1], caa[3]), ("found", "secure", [US]))
        self.assertLessEqual(caa[2], 1)
        self.assertEqual((plain[0], plain[1], plain[3]), ("found", "insecure", [US]))
        self.assertEqual(mx[3], [(b"\0\x0a\2mx\4good\4test\0").hex()])
        self.assertIn("v=DKIM1; p=AAAA", bytes.fromhex(key[3][0][2:]).decode("latin-1"))
        self.assertEqual((alias[0], alias[3]), ("found", [US]))
        self.assertEqual(none[:2] + none[4:], ("none", "secure", "no record of that type"))
        self.assertEqual(gone[:2] + gone[4:], ("none", "secure", "no such domain name"))
        self.assertEqual(bad[0::4], ("temporary", "the resolver reports error 2"))
        self.assertEqual((lie[0], lie[1]), ("found", "insecure"))

    def test_many_over_one_connection(self):
        answers = self.ask(*[(self.resolver.url, f"n{number}.good.test", CAA) for number in range(200)])
        self.assertEqual({answer[:2] + answer[4:] for answer in answers}, {("none", "secure", "no such domain name")})

    def test_resolver_restarts(self):
        """What was asked over a connection that is gone is asked over a new one."""
        resolver = Resolver(self.lab, self.zones, self.authority, "b")
        argv = [lab.program("doh_answers"), "60000", self.authority.path]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as client:
            for number in range(1, 7):
                for index in range(number):
                    client.stdin.write(f"{resolver.url} n{index}.good.test {CAA}\n")
                client.stdin.write("\n")
                answers = list(iter(client.stdout.readline, "\n"))
                self.assertEqual([answer.split()[3:5] for answer in answers], [["none", "secure"]] * number)
                resolver.restart()
            client.stdin.close()

    def test_impossible_name(self):
        self.assertEqual(self.ask((self.resolver.url, "a..b", CAA))[0][0::4], ("none", "not a domain name"))

    def test_nobody_answers(self):
        """Dead, silent, of another authority, of another name, too old; over plain HTTP."""
        other = Authority(self.lab.folder("other"))
        web = lambda pair: Web(self, *pair, lambda path, body: (200, MESSAGE, reply_to(body).to_wire())).url
        cases = {
            f"https://{HOST}:{self.lab.free_port()}/": "Failed to connect",
            # another key under the name of ours
            web(other.pair("other")): "OpenSSL",
            web(self.authority.pair("self", signed_by_itself=True)): "certificate",
            web(self.authority.pair("name", host="elsewhere.test")): "certificate",
            web(self.authority.pair("old", life=-DAY)): "certificate",
            f"http://{HOST}:{self.resolver.port}/dns-query": "not supported or disabled",
            f"file://{self.authority.path}": "not supported or disabled",
        }
        for (url, words), answer in zip(cases.items(), self.ask(*[(url, "good.test", CAA) for url in cases])):
            with self.subTest(url):
                self.assertEqual(answer[0], "temporary")
                self.assertIn(words, answer[4])
        answer, = self.ask((Silent(self).url, "good.test", CAA), timeout=300)
        self.assertEqual(answer[0::4], ("temporary", "no answer over HTTPS in time"))

    def test_answers_that_are_none(self):
        record = ("good.test.", "CAA", '0 issuemail "ca.test"')
        asked = []

        def answer(path, body):
            asked.append((path, body))
            good = reply_to(body, record)
            if path == "/good":
                return 200, {"Content-Type": "Application/DNS-Message; x=y"}, good.to_wire()
            if path == "/id":
                good.id = 7
            elif path == "/question":
                return 200, MESSAGE, reply_to(dns.message.make_query("evil.test", "CAA", id=0).to_wire(), record).to_wire()
            elif path == "/type":
                return 200, MESSAGE, reply_to(dns.message.make_query("good.test", "TXT", id=0).to_wire()).to_wire()
            elif path == "/echo":
                return 200, MESSAGE, body
            elif path == "/truncated":
                good.flags |= dns.flags.TC
            elif path == "/large":
                return 200, MESSAGE, good.to_wire() + bytes(9000)
            elif path == "/endless":
                return 200, MESSAGE, bytes(10_000_000)
            elif path == "/cut":
                return 200, MESSAGE, good.to_wire()[:-3]
            elif path == "/empty":
                return 200, MESSAGE, b""
            elif path == "/html":
                return 200, {"Content-Type": "text/html"}, good.to_wire()
            elif path == "/longer-type":
                return 200, {"Content-Type": "application/dns-messages"}, good.to_wire()
            elif path == "/untyped":
                return 200, {}, good.to_wire()
            elif path == "/moved":
                return 307, {"Location": "/good", **MESSAGE}, b""
            elif path == "/error":
                return 503, MESSAGE, good.to_wire()
            elif path == "/no-content":
                return 204, MESSAGE, b""
            return 200, MESSAGE, good.to_wire()

        web = Web(self, *self.authority.pair("web"), answer)
        cases = {"good": "found", "id": "another id", "question": "another question", "type": "another question",
                 "echo": "it is no answer", "truncated": "cut off", "large": "too large", "endless": "too large",
                 "cut": "malformed", "empty": "malformed", "html": "is no application/dns-message",
                 "longer-type": "is no application/dns-message", "untyped": "is no application/dns-message",
                 "moved": "status 307", "error": "status 503", "no-content": "status 204"}
        answers = self.ask(*[(f"{web.url}/{path}", "good.test", CAA) for path in cases])
        for (path, words), found in zip(cases.items(), answers):
            with self.subTest(path):
                self.assertEqual(found[0], "found" if path == "good" else "temporary", found)
                self.assertIn(words, found[4])
        self.assertEqual([path for path, _ in asked].count("/good"), 1)  # no redirect was followed
        query = dns.message.from_wire(asked[0][1])
        self.assertEqual((query.id, query.question[0].to_text()), (0, "good.test. IN CAA"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
