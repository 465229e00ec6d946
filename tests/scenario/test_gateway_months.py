# SPDX-License-Identifier: Apache-2.0
"""signet gateway day by day for three months of simulated time (libfaketime for signetd, gateway and OpenDKIM), behind a real Postfix:
every mailbox always has a certificate, renewed when the CA proposes it (RFC 9773) and not before, each at a time of its own."""

import collections
import datetime
import pathlib
import re
import signal
import subprocess
import unittest
import urllib.request

import lab
import share
import signet_lab
from cryptography import x509
from lab import HOST
from simulated_clock import Clock
from test_gateway import guide, settings

MAILBOXES, DAYS = 200, 90
VALIDITY = 30  # days
SPREAD = datetime.timedelta(hours=6)


class Months(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.count, self.days = share.share(8, MAILBOXES), share.share(35, DAYS)
        self.clock = Clock(self.lab)
        self.names = [f"u{number:03}@user.test" for number in range(self.count)]
        listen, behind, smtp = (self.lab.free_port() for _ in range(3))
        key = lab.DkimKey("user.test", "s1")
        zones = lab.SignedZones(self.lab, {"user.test": [key.record()], "ca.test": [], "anchor.test": []},
                                {"user.test": lab.INSECURE, "ca.test": lab.INSECURE})  # signatures would end within the months
        self.server = signet_lab.Signetd(self.lab, zones=zones, start=False, settings={"ca": {"validity": VALIDITY}})
        self.server.tls, self.server.tls_key = signet_lab.tls_pair(self.server.folder, days=1000)
        self.server.environment = self.clock.environment
        keys = self.lab.path / "dkim_keys"
        keys.write_text("".join(f"{one.selector}._domainkey.{one.domain} {one.text()}\n" for one in (self.server.dkim, key)))
        milter = lab.OpenDKIM(self.lab, [key], {"Mode": "sv", "AuthservID": "mx.user.test", "TestDNSData": f"file:{keys}"},
                              env=self.clock.plain)
        rules = self.lab.path / "challenges"

        def here(text):
            return text.replace("10026", str(behind)).replace("10027", str(listen))

        rules.write_text(here(guide("/^Auto-Submitted")))
        main = settings(here(guide("header_checks")).replace("/etc/postfix/signet-challenges", str(rules)))
        self.mail = lab.Postfix(self.lab, {"user.test": [name.split("@")[0] for name in self.names]}, {"ca.test": f"{HOST}:{smtp}"},
                                milter=milter, services=here(guide("challenges unix")), settings=main)
        self.server.smtp = smtp
        self.server.config["mail"].update(listen=f"{HOST}:{smtp}", relay=f"{HOST}:{self.mail.port}")
        self.server.write_config()
        self.server.start()
        zones.add("ca.test", self.server.dkim.record())
        self.list = self.lab.path / "list"
        self.list.write_text("".join(f"{name}\n" for name in self.names))
        self.folder = self.lab.path / "gateway"
        self.gateway = self.lab.spawn(
            "gateway", [signet_lab.BUILD / "signet", "gateway", self.folder, "--list", self.list, "--directory",
                        self.server.url + "/directory", "--ca-file", self.server.tls, "--account-key", self.lab.path / "account.key",
                        "--agree-tos", "--authserv-id", "mx.user.test", "--listen", f"{HOST}:{listen}", "--behind", f"{HOST}:{behind}",
                        "--smtp", f"{HOST}:{self.mail.port}", "--timeout", "10m", "--parallel", "16", "--most", "500"],
            lambda: (self.folder / "gateway.socket").exists(), env=self.clock.environment)

    def leaves(self):
        return {name: x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()) for name in self.names
                if (self.folder / f"{name}.pem").exists()}

    def status(self):
        done = subprocess.run([signet_lab.BUILD / "signet", "gateway", "status", self.folder, "--list", self.list], capture_output=True,
                              text=True, env={**self.clock.environment, "PATH": "/usr/bin"}, timeout=300)
        return done.stdout

    def due(self):
        """When each mailbox's next renewal is."""
        return [datetime.datetime.fromisoformat(time) for time in re.findall(r"(?m)renewed at (\S+)Z$", self.status())]

    def is_settled(self):
        """Nothing more is to be done today."""
        due = self.due()
        return len(due) == self.count and min(due) > self.clock.now()

    def test_months(self):
        self.lab.wait_for(self.is_settled, "certificates", 600)
        seen, renewals, days = self.leaves(), collections.Counter(), collections.Counter()
        expected = self.due()
        self.assertGreater(max(expected) - min(expected), SPREAD)
        self.assertEqual(len(set(expected)), self.count)
        for _ in range(self.days):
            self.clock.turn(1)
            awaited = sum(time <= self.clock.now() for time in self.due())
            self.gateway.send(signal.SIGHUP)
            self.lab.wait_for(self.is_settled, f"the renewals of day {self.clock.days}", 600)
            leaves, now = self.leaves(), self.clock.now()
            renewed = [name for name in self.names if leaves[name].serial_number != seen[name].serial_number]
            self.assertGreaterEqual(len(renewed), awaited)
            for name in self.names:
                self.assertLess(leaves[name].not_valid_before, now)
                self.assertGreater(leaves[name].not_valid_after, now + datetime.timedelta(days=1))
            for name in renewed:  # in the last third of its life
                self.assertGreater(now - seen[name].not_valid_before, datetime.timedelta(days=VALIDITY * 2 / 3 - 1))
            renewals.update(renewed)
            days[self.clock.days] += len(renewed)
            seen = leaves
        self.assertLessEqual(min(expected), self.clock.now())
        self.assertGreaterEqual(min(renewals[name] for name in self.names), self.days // VALIDITY)
        self.assertLessEqual(max(renewals[name] for name in self.names), self.days // (VALIDITY * 2 // 3 - 1))
        print(f"# {self.count} mailboxes, {self.days} days: {sum(renewals.values())} renewals, at most {max(days.values())} a day", flush=True)
        with urllib.request.urlopen(f"http://{HOST}:{self.server.http}/crl-1.crl", timeout=60) as answer:
            self.assertGreater(x509.load_der_x509_crl(answer.read()).next_update, self.clock.now())
        self.assertEqual([lab.maildir_list(self.mail.maildir(name)) for name in self.names], [[]] * self.count)


if __name__ == "__main__":
    unittest.main()
