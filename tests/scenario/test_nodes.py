# SPDX-License-Identifier: Apache-2.0
"""Two nodes, each with two cores, on one PostgreSQL: requests and mails go now to one, now to the other. What one has
acknowledged the other one has; a core, or a whole node, that is killed in the middle costs nobody anything."""

import itertools
import os
import signal
import subprocess
import unittest
import urllib.request

import requests
from cryptography import x509

import faults
import signet_lab as signet
from faults import FaultCase, new_user, patient
from lab import HOST
from postgres import Postgres


class Balancer(requests.adapters.HTTPAdapter):
    """Hands each request to the next node, under the URL that both have."""

    def __init__(self, nodes):
        super().__init__()
        self.url, self.nodes = nodes[0].url, nodes
        self.next = itertools.cycle(nodes)

    def send(self, request, *args, **kwargs):
        node = next(self.next)
        while node not in self.nodes:
            node = next(self.next)
        request.url = request.url.replace(self.url, f"https://{HOST}:{node.https}", 1)
        return super().send(request, *args, **kwargs)


class Nodes(faults.World):
    """A second node beside World's first one. Its settings are those of the first, but for where it listens."""

    def __init__(self, test, database):
        place = {"postgresql": database, "node": "first"}
        super().__init__(test, start=False, settings={"ca": {"signatures-per-hour": 1000000}, "store": place})
        first = self.server
        second = signet.Signetd(test.lab, relay=f"{HOST}:{self.mail.port}", name="second", start=False)
        for group in first.config:
            second.config[group] = dict(first.config[group])
        absolute = {name: str(first.folder / name) for name in
                    ("dkim.key", "ca/issuing.pem", "ca/issuing.key", "ca/root.pem", "ca/root.crl", "ca/audit.key")}
        for values in second.config.values():
            values.update({key: absolute[str(value)] for key, value in values.items() if str(value) in absolute})
        second.config["acme"]["listen"] = f"{HOST}:{second.https}"
        second.config["publish"]["listen"] = f"{HOST}:{second.http}"
        second.config["mail"]["listen"] = f"{HOST}:{second.smtp}"
        second.config["store"]["node"] = "second"
        second.tls = first.tls
        second.write_config()
        self.nodes = [first, second]
        self.next_mail = itertools.count()
        for node in self.nodes:
            node.start()

    def new_user(self):
        user = new_user(self.nodes[0])
        user.balancer = Balancer(list(self.nodes))
        user.net.session.mount("https://", user.balancer)
        return user

    def hand_in(self, sender, recipient, raw):
        node = self.nodes[next(self.next_mail) % len(self.nodes)]
        faults.deliver(node.smtp, sender, recipient, raw)

    def lose(self, node):
        """The whole of it, at once."""
        for pids in node.pids().values():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        victims = [pid for pids in node.pids().values() for pid in pids]
        os.kill(node.process.pid, signal.SIGKILL)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.nodes.remove(node)


class TwoNodes(FaultCase):
    def setUp(self):
        super().setUp()
        self.database = Postgres().start()
        self.addCleanup(lambda: self.database.__exit__(None, None, None))
        self.world = Nodes(self, self.database.make_database("signet"))

    def ctl(self, node, *argv):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, argv), "--config", node.path], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check(self, node, *words):
        """Status and words of check certs."""
        done = subprocess.run([signet.BUILD / "signetctl", "check", "certs", "--config", node.path, *map(str, words)],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def check_logs(self, nodes):
        """Each node's certificates are looked for in its own log, all of them where the other one's is named."""
        names = [node.config["store"]["node"] for node in nodes]
        logs = [node.folder / "store/signer.log" for node in nodes]
        empty = self.lab.path / "empty.log"
        empty.write_bytes(b"")
        for own, other in ((0, 1), (1, 0)):
            others = int(self.value(f"SELECT count(*) FROM certificate WHERE asked = '{names[other]}'"))
            status, printed = self.check(nodes[own])
            self.assertEqual(status, 0, printed)
            note = f"{others} certificates are in the log of another node's signer"
            (self.assertIn if others else self.assertNotIn)(note, printed)
            status, printed = self.check(nodes[own], "--log", logs[other])
            self.assertEqual(status, 0, printed)
            self.assertNotIn("another node", printed)
            _, printed = self.check(nodes[own], "--log", empty)
            self.assertEqual(printed.count("the signer's log does not have it"), others, printed)
            # As after a take-over: what this node signed is not what is in the store.
            mine = self.value(f"SELECT id, der FROM certificate WHERE asked = '{names[own]}' LIMIT 1")
            if mine:
                of, der = mine.split("|")
                self.value(f"UPDATE certificate SET asked = '{names[other]}', der = set_byte(der, length(der) - 1,"
                           f" 255 - get_byte(der, length(der) - 1)) WHERE id = '{of}'")
                _, printed = self.check(nodes[own])
                self.assertIn("1 entries of the log are signatures that a node which died gave to nobody", printed)
                self.assertNotIn("the signer's log has another certificate for it", printed)
                self.value(f"UPDATE certificate SET asked = '{names[own]}' WHERE id = '{of}'")
                _, printed = self.check(nodes[own])
                self.assertIn("the signer's log has another certificate for it", printed)
                self.value(f"UPDATE certificate SET der = '{der}' WHERE id = '{of}'")

    def value(self, sql):
        return self.database.query(f"SET search_path = signet; {sql}", "signet")

    def listed(self, node):
        with urllib.request.urlopen(f"http://{HOST}:{node.http}/crl-1.crl", timeout=60) as answer:
            return {entry.serial_number for entry in x509.load_der_x509_crl(answer.read())}

    def test_together(self):
        first, second = self.world.nodes
        user = self.world.new_user()
        leaves = [self.world.issue(user, mailbox)[0] for mailbox in faults.MAILBOXES[:3]]
        self.assertEqual(self.value("SELECT count(*), count(DISTINCT order_id) FROM certificate WHERE der IS NOT NULL"),
                         "3|3")
        self.assertGreater(int(self.value("SELECT count(DISTINCT chain) FROM audit")), 2)

        self.check_logs(self.world.nodes)

        # Revoked at one, listed at both.
        self.ctl(first, "certificate", "revoke", f"{leaves[0].serial_number:x}", "--reason", "superseded")
        for node in (first, second):
            self.lab.wait_for(lambda: leaves[0].serial_number in self.listed(node), "the list", deadline=60)

        # Stopped at one, it holds at the other.
        self.ctl(second, "issuance", "stop", "drill")
        for _ in self.world.nodes:
            with self.assertRaises(Exception) as refused:
                user.new_order("user4@user.test")
            self.assertIn("drill", str(refused.exception))
        self.ctl(first, "issuance", "start")

        # A core dies, the others go on; then a whole node.
        for mailbox, loss in (("user5", lambda: os.kill(second.pids()["core"][0], signal.SIGKILL)),
                              ("user6", lambda: self.world.lose(first))):
            order = patient(lambda: user.new_order(f"{mailbox}@user.test"))
            challenge = patient(lambda: user.authorization(order))["challenges"][0]
            raw = self.world.reply(user, challenge, mailbox)
            self.world.hand_in(f"{mailbox}@user.test", challenge["from"], raw)
            loss()
            user.balancer.nodes = list(self.world.nodes)
            chain = self.world.finish(user, order, challenge, mailbox)
            self.assertEqual(chain[0].issuer, leaves[0].issuer)
        self.assertEqual(self.value("SELECT count(*) FROM orders WHERE status NOT IN ('valid')"), "0")
        self.assertEqual(self.value("SELECT count(*), count(DISTINCT order_id) FROM certificate WHERE der IS NOT NULL"),
                         "5|5")


if __name__ == "__main__":
    unittest.main()
