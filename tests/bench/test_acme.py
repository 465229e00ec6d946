# SPDX-License-Identifier: Apache-2.0
"""The benchmark of ACME requests in small: every kind of request is counted and answered, table and JSON are whole; the
load generator keeps its promises. No figure is judged."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import signet_lab
from lab import Lab, program

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS, IDLE = 4, 60
KINDS = {"newNonce", "newAccount", "newOrder", "authorization", "order"}
PROCESSES = {"Signet": {"core", "edge"}, "pebble": {"pebble"}}


class Acme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "acme.json"
            done = subprocess.run([HERE / "run", "acme", "--rounds=1", f"--connections={CONNECTIONS}", "--duration=3",
                                   "--warm-up=0.1", f"--idle={IDLE}", f"--json={path}"], stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise AssertionError(f"the benchmark ended with {done.returncode}")
            cls.text, cls.result = done.stdout, json.loads(path.read_text())

    def test_loads(self):
        closed, opened = self.result["closed"], self.result["open"]
        self.assertEqual([one["server"] for one in closed], ["Signet", "pebble"])
        for one in closed + opened:
            self.assertEqual(set(one["kinds"]), KINDS)
            self.assertEqual(sum(kind["requests"] for kind in one["kinds"].values()), one["requests"])
            for kind in one["kinds"].values():
                self.assertEqual(sum(kind["statuses"].values()), kind["requests"])
                self.assertLessEqual(kind["p50_ms"], kind["p90_ms"])
                self.assertLessEqual(kind["p90_ms"], kind["p99_ms"])
                self.assertLessEqual(kind["p99_ms"], kind["max_ms"])
            self.assertGreater(one["processor_share"], 0)
            self.assertLessEqual(set(one["by_process_us"]), {"signetd", "core", "edge", "inbound", "outbound", "lookup", "signer",
                                                             "pebble"})
        for one in closed:
            self.assertTrue(PROCESSES[one["server"]] & set(one["by_process_us"]), one)
        self.assertAlmostEqual(opened[0]["wanted_rate"], self.result["best"]["Signet"]["rate"] / 2, delta=0.1)
        self.assertLessEqual(opened[0]["clock"]["p50_ms"], opened[0]["clock"]["max_ms"])

    def test_idle(self):
        idle = self.result["idle"]
        self.assertEqual(idle["connections"], IDLE)
        self.assertGreater(idle["before_mib"], 0)
        self.assertGreater(idle["held_mib"], 0)

    def test_table(self):
        for server in PROCESSES:
            name = f"{server}, {CONNECTIONS} connections"
            self.assertRegex(self.text, rf"(?m)^\| {name} +\| +\d+ \| +\d+ \| +[\d.]+ \| +[\d.]+ x \|$")
            self.assertRegex(self.text, rf"(?m)^\| {name} +\| +\w[\w-]* \d+.* \|$")
        for kind in KINDS:
            self.assertRegex(self.text, rf"(?m)^\| {kind} +\|( +[\d.]+ \|){{3}} +(yes|no) \|$")
        self.assertRegex(self.text, rf"(?m)^\| {IDLE} +\|( +-?[\d.]+ \|){{3}} +(yes|no) \|$")


class Generator(unittest.TestCase):
    """What acme_load counts, on a server that refuses some nonces, and some orders for good."""

    def load(self, server, *options):
        done = subprocess.run([program("acme_load"), "--directory", server.url + "/directory", "--ca", server.tls,
                               "--warm-up=0", *options], stdout=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(done.returncode, 0)
        first, rest = done.stdout.split("\n", 1)
        self.assertEqual(first, "measuring")
        return json.loads(rest)

    def test_refusals(self):
        with Lab() as laboratory:
            settings = {"limits": {"orders-per-account": "4/1h"}, "test": {"reject-nonces": "20", "delay": "0s"}}
            server = signet_lab.Signetd(laboratory, settings=settings, test_mode=True)
            result = self.load(server, "--connections=2", "--seconds=5", "--cycle=newOrder,order")
            self.assertGreater(result["bad_nonces"], 0)
            self.assertEqual(set(result["kinds"]["order"]["statuses"]), {"200"})
            orders = result["kinds"]["newOrder"]["statuses"]
            # Two of each account, that had one before: half of four and one come at once. One that was asked for before counting
            # began is not counted.
            self.assertIn(orders["201"], range(1, 5))
            self.assertGreater(orders["429"], 0)
            made = server.query("SELECT count(*) FROM orders")[0][0]
            self.assertEqual(made, 6)

    def test_time_counts_from_when_it_was_due(self):
        """Answers take a quarter of a second on average, one at a time: of some 20 requests due within half a second the
        last waits for all others."""
        with Lab() as laboratory:
            settings = {"test": {"reject-nonces": "0", "delay": "500ms"}}
            server = signet_lab.Signetd(laboratory, settings=settings, test_mode=True)
            result = self.load(server, "--connections=1", "--seconds=0.5", "--rate=40", "--cycle=newNonce")
            self.assertEqual(result["unanswered"], 0)
            self.assertGreater(result["kinds"]["newNonce"]["requests"], 5)
            self.assertGreater(result["kinds"]["newNonce"]["max_ms"], 1000)
            self.assertGreater(result["most_waiting"], 3)


if __name__ == "__main__":
    unittest.main()
