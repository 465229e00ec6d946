# SPDX-License-Identifier: Apache-2.0
"""signetctl dns show and dns check against a name server with signed zones: what is printed is good once it is
published, and every kind of wrong record is told."""

import json
import os
import pathlib
import subprocess
import unittest

import lab
import signet_lab as signet
from lab import HOST, DkimKey

DMARC, SPF = "v=DMARC1; p=reject", "v=spf1 ip4:192.0.2.7 a:relay.ca.test -all"
GOOD = {"MX": "good", "SPF": "good", "DKIM": "good", "DMARC": "good", "CAA": "good", "address": "good"}


class Dns(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.lab.folder("keys")
        cls.run_ctl("dkim", "init", "--domain", "ca.test", "--key", folder / "ed.key", "--algorithm", "ed25519")
        cls.users = {
            "permits.test": [("@", "CAA", '0 issuemail "ca.test"')],
            "silent.test": [("@", "CAA", '0 issue "other.test"')],
            "forbids.test": [("@", "CAA", '0 issuemail "other.test"')],
            "method.test": [("@", "CAA", '0 issuemail "ca.test; validationmethods=other"')],
        }
        zones = {"ca.test": [], "insecure.test": [], "broken.test": [("@", "CAA", '0 issuemail "ca.test"')], **cls.users}
        cls.zones = lab.SignedZones(cls.lab, zones, {"insecure.test": lab.INSECURE, "broken.test": lab.BOGUS})
        cls.server = signet.Signetd(cls.lab, zones=cls.zones, start=False, relay="relay.ca.test:25", settings={
            "acme": {"url": "https://acme.ca.test"}, "publish": {"url": "http://acme.ca.test:8080/"},
            "mail": {"hostname": "mx.ca.test", "dkim-ed25519-key": folder / "ed.key"}})
        cls.options = ("--config", cls.server.path, "--relay-address", "192.0.2.7", "--relay-address", "relay.ca.test")
        cls.shown = json.loads(cls.run_ctl("dns", "show", "--json", *cls.options).stdout)
        cls.good = cls.records(cls.shown["records"]) + [
            ("mx", "A", "192.0.2.1"), ("acme", "AAAA", "2001:db8::1"), ("alias", "CNAME", "mx"),
            ("@", "CAA", cls.shown["caa"])]

    @staticmethod
    def run_ctl(*argv):
        return subprocess.run([signet.BUILD / "signetctl", *map(str, argv)], capture_output=True, text=True, timeout=200,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})

    @staticmethod
    def records(shown):
        """For SignedZones, from what dns show printed."""
        def owner(name):
            return "@" if name == "ca.test" else name.removesuffix(".ca.test")
        def data(row):
            return row["data"].strip('"').replace('" "', "") if row["type"] == "TXT" else row["data"]
        return [(owner(row["name"]), row["type"], data(row)) for row in shown]

    def check(self, *options, config=None):
        """(exit status, findings) of dns check --json."""
        done = self.run_ctl("dns", "check", "--json", *(("--config", config) if config else self.options), *options)
        self.assertEqual(done.stderr, "")
        answer = json.loads(done.stdout)
        self.assertEqual(answer["status"], done.returncode)
        return done.returncode, answer["findings"]

    def states(self, findings):
        """The worst state of each kind."""
        weight = ["good", "unknown", "missing", "wrong"]
        found = {}
        for finding in findings:
            before = found.get(finding["what"], "good")
            found[finding["what"]] = max(before, finding["state"], key=weight.index)
        return found

    def publish(self, *changes):
        """The good records with others in place: (owner, type, starts with or None for all, new data...)."""
        records = list(self.good)
        for owner, rtype, start, *data in changes:
            records = [row for row in records if not (row[:2] == (owner, rtype) and row[2].startswith(start or ""))]
            records += [(owner, rtype, one) for one in data]
        self.zones.set("ca.test", records)

    def test_show(self):
        """In zone-file form, lines of at most 255 octets a string; for a name server as it stands."""
        done = self.run_ctl("dns", "show", *self.options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [line for line in done.stdout.splitlines() if not line.startswith(";")]
        self.assertEqual(lines[0], "ca.test. IN MX 10 mx.ca.test.")
        self.assertEqual(lines[1], f'ca.test. IN TXT "{SPF}"')
        self.assertTrue(lines[2].startswith('signet._domainkey.ca.test. IN TXT "v=DKIM1; k=rsa; p='))
        self.assertTrue(lines[3].startswith('signet-ed25519._domainkey.ca.test. IN TXT "v=DKIM1; k=ed25519; p='))
        self.assertEqual(lines[4:], [f'_dmarc.ca.test. IN TXT "{DMARC}"'])
        self.assertEqual("".join(lines[2].split('"')[1::2]), self.server.dkim.text())
        for line in lines:
            self.assertLessEqual(max(map(len, line.split('"')[1::2]), default=0), 255)
        for hint in ("; mx.ca.test. IN A or AAAA", "; acme.ca.test. IN A or AAAA", '; ca.test. IN CAA 0 issuemail "ca.test"',
                     '; example.com. IN CAA 0 issuemail "ca.test"'):
            self.assertEqual(done.stdout.count(hint), 1, hint)
        zone = self.lab.path / "shown.zone"
        zone.write_text("ca.test. 60 IN SOA ns.ca.test. root.ca.test. 1 1 1 1 1\nca.test. 60 IN NS ns.ca.test.\n" +
                        done.stdout)
        self.lab.run("/usr/sbin/nsd-checkzone", "ca.test", zone)
        default = self.run_ctl("dns", "show", "--config", self.server.path, "--mx", "In.Example.ORG").stdout
        self.assertIn("ca.test. IN MX 10 in.example.org.\n", default)
        self.assertIn('ca.test. IN TXT "v=spf1 a:relay.ca.test -all"\n', default)

    def test_good(self):
        """All records as shown, signed: 0. The output for people names each."""
        self.publish()
        status, findings = self.check()
        self.assertEqual((status, self.states(findings)), (0, GOOD), findings)
        self.assertEqual([finding["what"] for finding in findings],
                         ["MX", "SPF", "DKIM", "DKIM", "DMARC", "CAA", "address"])
        self.assertTrue(all(finding["secure"] for finding in findings), findings)
        self.assertEqual(findings[0]["found"], ["10 mx.ca.test."])
        self.assertIn("not evaluated", findings[1]["reason"])
        self.assertEqual(findings[6]["found"], ["2001:db8::1"])
        done = self.run_ctl("dns", "check", *self.options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("good     MX of ca.test (DNSSEC)\n  found   10 mx.ca.test.\n", done.stdout)
        self.assertNotIn("wanted", done.stdout)

    def test_wrong_records(self):
        """One thing wrong at a time: what it is, why, and nothing else."""
        other, signing = DkimKey("ca.test", "signet").text(), self.server.dkim.text()
        rsa, ed = "signet._domainkey", "signet-ed25519._domainkey"
        spf, dmarc, caa = ("@", "TXT", "v=spf1"), ("_dmarc", "TXT", None), ("@", "CAA", None)
        cases = (
            ("MX", "missing", "no record", ("@", "MX", None)),
            ("MX", "wrong", "does not lead to mx.ca.test", ("@", "MX", None, "10 acme")),
            ("MX", "wrong", "no.ca.test has no address", ("@", "MX", None, "10 mx", "20 no")),
            ("MX", "wrong", "mx.ca.test has no address", ("mx", "A", None), ("mx", "TXT", None, "x")),
            ("MX", "wrong", "alias.ca.test is an alias", ("@", "MX", None, "5 alias", "10 mx")),
            ("MX", "wrong", "takes no mail", ("@", "MX", None, "0 .")),
            ("SPF", "missing", "no", spf),
            ("SPF", "missing", "no TXT record of that kind", (*spf, "spf2.0/pra mx")),
            ("SPF", "wrong", "several", (*spf, SPF, "v=spf1 mx -all")),
            ("SPF", "wrong", "+all", (*spf, "v=spf1 mx +all")),
            ("SPF", "wrong", "lets nobody", (*spf, "v=spf1 -all")),
            ("SPF", "wrong", "malformed", (*spf, "v=spf1 ip4:192.0.2 -all")),
            ("DKIM", "missing", "no such", (rsa, "TXT", None)),
            ("DKIM", "missing", "no such", (ed, "TXT", None)),
            ("DKIM", "wrong", "another key", (rsa, "TXT", None, other)),
            ("DKIM", "wrong", "another kind", (ed, "TXT", None, signing)),
            ("DKIM", "wrong", "revoked", (rsa, "TXT", None, "v=DKIM1; p=")),
            ("DKIM", "wrong", "testing", (rsa, "TXT", None, signing.replace("k=rsa", "k=rsa; t=y"))),
            ("DKIM", "wrong", "several", (rsa, "TXT", None, signing, other)),
            ("DMARC", "missing", "no such", dmarc),
            ("DMARC", "missing", "no TXT record of that kind", (*dmarc, "DMARC1; p=reject")),
            ("DMARC", "wrong", "no policy", (*dmarc, "v=DMARC1; rua=mailto:x@ca.test")),
            ("DMARC", "wrong", "p= is not", (*dmarc, "v=DMARC1; p=deny")),
            ("DMARC", "wrong", "several", (*dmarc, DMARC, "v=DMARC1; p=none")),
            ("CAA", "wrong", "it names another CA", (*caa, '0 issuemail "other.test"')),
            ("CAA", "wrong", "not understood", (*caa, '0 issuemail "ca.test"', '128 unknown "x"')),
            ("address", "missing", "acme.ca.test has no address", ("acme", "AAAA", None)),
        )
        for what, state, why, *changes in cases:
            with self.subTest(what=what, changes=changes):
                self.publish(*changes)
                status, findings = self.check()
                self.assertEqual((status, self.states(findings)), (1, {**GOOD, what: state}), findings)
                bad = [finding for finding in findings if finding["state"] != "good"]
                self.assertEqual(len(bad), 1)
                self.assertIn(why, bad[0]["reason"])
                self.assertIn(" IN ", bad[0]["wanted"])
        self.publish((rsa, "TXT", None, other))
        done = self.run_ctl("dns", "check", *self.options)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r'\nwrong    DKIM of signet\._domainkey\.ca\.test \(DNSSEC\)\n  found   "v=DKIM1.*\n'
                         r'  why     it holds another key.*\n  wanted  signet\._domainkey\.ca\.test\. IN TXT "v=DKIM1; k=rsa; p=')

    def test_hostile_text(self):
        """What stands in the DNS does nothing to a terminal."""
        self.publish(("@", "TXT", "v=spf1", 'v=spf1 \x1b[31m"mx\x07 -all'))
        done = self.run_ctl("dns", "check", *self.options)
        self.assertTrue(done.stdout.replace("\n", "").isprintable(), repr(done.stdout))
        self.assertIn(r"\027[31m\"mx\007", done.stdout)

    def test_users(self):
        for domain, state, why in (("permits.test", "good", "permitted"), ("sub.Permits.test", "good", "permitted"),
                                   ("silent.test", "good", "no issuemail"), ("forbids.test", "wrong", "another CA"),
                                   ("method.test", "wrong", "method"), ("broken.test", "wrong", "DNSSEC")):
            with self.subTest(domain):
                status, (finding,) = self.check("--user-domain", domain)
                self.assertEqual((status, finding["what"], finding["state"], finding["name"]),
                                 (0 if state == "good" else 1, "CAA", state, domain.lower()), finding)
                self.assertIn(why, finding["reason"])
        status, findings = self.check("-u", "permits.test", "-u", "forbids.test")
        self.assertEqual((status, [finding["state"] for finding in findings]), (1, ["good", "wrong"]))
        done = self.run_ctl("dns", "check", *self.options, "-u", "localhost")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn('"localhost": ', done.stderr)

    def other_config(self, name, **changes):
        """The configuration with other values, "group__key"."""
        server, before = self.server, {group: dict(values) for group, values in self.server.config.items()}
        for key, value in changes.items():
            group, key = key.split("__")
            server.config.setdefault(group, {})[key.replace("_", "-")] = value
        path, server.path = server.path, server.folder / f"{name}.conf"
        server.write_config()
        server.path, server.config, path = path, before, server.path
        return path

    def test_dnssec_status(self):
        """Unsigned zones are said to be so and are no mistake; forged ones are; and without anchors nothing is known."""
        config = self.other_config("insecure", mail__domain="insecure.test", mail__hostname="mx.insecure.test")
        shown = json.loads(self.run_ctl("dns", "show", "--json", "--config", config).stdout)["records"]
        for row in shown:
            row["name"] = row["name"].replace("insecure.test", "ca.test")
        self.zones.set("insecure.test", self.records(shown) + [("mx", "A", "192.0.2.1")])
        self.publish()
        status, findings = self.check(config=config)
        self.assertEqual((status, {finding["secure"] for finding in findings if finding["what"] != "address"}), (0, {False}))
        status, findings = self.check(config=self.other_config("unanchored", dns__trust_anchor=""))
        self.assertEqual({finding["secure"] for finding in findings}, {False})
        config = self.other_config("forged", mail__domain="broken.test", mail__hostname="mx.broken.test")
        status, findings = self.check(config=config)
        self.assertEqual(status, 1)
        self.assertEqual({finding["state"] for finding in findings if finding["name"].endswith("broken.test")}, {"wrong"})

    def test_cannot_tell(self):
        """No answer is 2, not "missing"; so is what cannot be read, which is named."""
        config = self.other_config("dead", dns__stub=f"ca.test {HOST}@{self.lab.free_port()}", dns__timeout="300ms")
        status, findings = self.check(config=config)
        self.assertEqual((status, {finding["state"] for finding in findings}), (2, {"unknown"}))
        for command, expected in (("check", 2), ("show", 1)):
            for name, changes, why in (("no-key", {"mail__dkim_key": "absent.key"}, "absent.key"),
                                       ("bad-key", {"mail__dkim_key": "tls.pem"}, "no private key"),
                                       ("bad-selector", {"mail__dkim_selector": "a b"}, "selector"),
                                       ("bad-name", {"mail__nonsense": "1"}, "nonsense")):
                with self.subTest(command, why=why):
                    done = self.run_ctl("dns", command, "--config", self.other_config(name, **changes))
                    self.assertEqual((done.returncode, done.stdout), (expected, ""))
                    self.assertIn(why, done.stderr)
            done = self.run_ctl("dns", command, "--config", self.lab.path / "none.conf")
            self.assertEqual((done.returncode, done.stdout), (expected, ""))
            self.assertIn("none.conf", done.stderr)
        shown = self.run_ctl("dns", "show", "--config", self.other_config("local", mail__relay="relay:25; 192.0.2.7:25")).stdout
        self.assertIn('"v=spf1 mx ip4:192.0.2.7 -all"', shown)
        done = self.run_ctl("dns", "show", *self.options, "--relay-address", "not a name")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn('"not a name" is no address and no domain name', done.stderr)


if __name__ == "__main__":
    unittest.main()
