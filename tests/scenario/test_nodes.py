# SPDX-License-Identifier: Apache-2.0
"""Two nodes, each with two cores, on one PostgreSQL: requests and mails go now to one, now to the other. What one has
acknowledged the other one has; a core, or a whole node, that is killed in the middle costs nobody anything."""

import os
import signal
import subprocess
import unittest
import urllib.request

from cryptography import x509

import faults
import signet_lab as signet
from faults import FaultCase, patient
from lab import HOST
from nodes import Nodes
from postgres import Postgres


class TwoNodes(FaultCase):
    def setUp(self):
        super().setUp()
        self.database = Postgres().start()
        self.addCleanup(lambda: self.database.__exit__(None, None, None))
        self.world = Nodes(self, self.database.make_database("signet"))

    def ctl(self, node, *argv):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, argv), "--config", node.path], capture_output=True,
                              text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check(self, node, *words):
        """Status and words of check certs."""
        done = subprocess.run([signet.BUILD / "signetctl", "check", "certs", "--config", node.path, *map(str, words)],
                              capture_output=True, text=True, timeout=300)
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

    def lose(self, node):
        self.world.lose(node)
        self.world.nodes.remove(node)

    def test_together(self):
        first, second = self.world.nodes
        # Alive from the start on: nobody asks another signer for what one of them was asked for.
        self.assertEqual(self.value("SELECT string_agg(name, ' ' ORDER BY name) FROM node"), "first second")
        user = self.world.new_user()
        leaves = [self.world.issue(user, mailbox)[0] for mailbox in faults.MAILBOXES[:3]]
        self.assertEqual(self.value("SELECT count(*), count(DISTINCT order_id) FROM certificate WHERE der IS NOT NULL"),
                         "3|3")
        self.assertGreater(int(self.value("SELECT count(DISTINCT chain) FROM audit")), 2)

        self.check_logs(self.world.nodes)

        # Revoked at one, listed at both.
        self.ctl(first, "certificate", "revoke", f"{leaves[0].serial_number:x}", "--reason", "superseded")
        for node in (first, second):
            self.lab.wait_for(lambda: leaves[0].serial_number in self.listed(node), "the list")

        # Stopped at one, it holds at the other.
        self.ctl(second, "issuance", "stop", "drill")
        for _ in self.world.nodes:
            with self.assertRaises(Exception) as refused:
                user.new_order("user4@user.test")
            self.assertIn("drill", str(refused.exception))
        self.ctl(first, "issuance", "start")

        # A core dies, the others go on; then a whole node.
        for mailbox, loss in (("user5", lambda: os.kill(second.pids()["core"][0], signal.SIGKILL)),
                              ("user6", lambda: self.lose(first))):
            order = patient(lambda: user.new_order(f"{mailbox}@user.test"))
            challenge = patient(lambda: user.authorization(order))["challenges"][0]
            raw = self.world.reply(user, challenge, mailbox)
            self.world.hand_in(f"{mailbox}@user.test", challenge["from"], raw)
            loss()
            user.balancer.nodes = list(self.world.nodes)
            chain = self.world.finish(user, order, challenge, mailbox)
            self.assertEqual(chain[0].issuer, leaves[0].issuer)
        # One node is left: nobody says of its database that it was put back.
        done = subprocess.run([signet.BUILD / "signetctl", "store", "restored", "--note", "x", "--config", first.path],
                              capture_output=True, text=True, timeout=300)
        self.assertRegex(done.stderr, r'"second/\d" works on this database: stop every signetd')
        self.assertEqual((done.returncode, self.value("SELECT count(*) FROM restored")), (1, "0"))
        self.assertEqual(self.value("SELECT count(*) FROM orders WHERE status NOT IN ('valid')"), "0")
        self.assertEqual(self.value("SELECT count(*), count(DISTINCT order_id) FROM certificate WHERE der IS NOT NULL"),
                         "5|5")


if __name__ == "__main__":
    unittest.main()
