# SPDX-License-Identifier: Apache-2.0
"""The benchmark of issuances in small: every certificate is there, each step and role has its figures, table and JSON are
whole. No figure is judged."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ISSUANCES, CLIENTS = 12, [1, 4]
ROLES = {"parent", "edge", "core", "inbound", "outbound", "lookup", "signer"}
# Of a connection: with each issuance a new one, or the one that a client has from the warm-up.
FIRST = {"connect", "newNonce"}
STEPS = {"newOrder", "authorization", "mail", "reply", "challenge", "validated", "finalize", "issued", "certificate", "whole"}


def bench(*words):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "issue.json"
        done = subprocess.run([HERE / "run", "issue", f"--issuances={ISSUANCES}", "--warm-up=4", "--rounds=1", f"--json={path}",
                               *words], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise AssertionError(f"the benchmark ended with {done.returncode}")
        return done.stdout, json.loads(path.read_text())


@unittest.skipIf(os.geteuid() != 0, "NSD is started by root")
class Issue(unittest.TestCase):
    def test_issuances(self):
        text, result = bench(f"--clients={','.join(map(str, CLIENTS))}")
        self.assertEqual([one["clients"] for one in result["results"]], CLIENTS)
        for one in result["results"]:
            count = ISSUANCES if one["clients"] > 1 else ISSUANCES // 4  # as --help says
            self.assertEqual(one["issuances"], count)
            self.assertEqual({step: found["count"] for step, found in one["steps"].items()}, dict.fromkeys(FIRST | STEPS, count))
            self.assertTrue(all(found["p50_ms"] <= found["p99_ms"] for found in one["steps"].values()))
            self.assertGreaterEqual(one["requests"], 8)  # a nonce, and seven POSTs
            self.assertAlmostEqual(one["requests"], 8 + one["early_polls"], delta=0.01)
            self.assertAlmostEqual(sum(one["by_role_us"].values()), one["processor_us"], delta=1)
            self.assertLessEqual(set(one["by_role_us"]), ROLES)
            self.assertEqual(set(one["idle_kib"]), ROLES)
            self.assertEqual(set(one["busy_kib"]), ROLES)
            self.assertGreater(one["commits"], 0)
            self.assertGreaterEqual(one["fsyncs_by_file"]["core signet.db-wal"], one["commits"])
            self.assertGreater(one["fsyncs_by_file"]["signer signer.log"], 0)
            self.assertAlmostEqual(one["ratio"], one["processor_us"] / one["floor_us"], delta=0.01)
        for row in result["summary"]:
            self.assertRegex(text, rf"(?m)^\| {row['clients']} +\| +\d+ \| +\d+ \| +\d+ \| +[\d.]+ x \|( +[\d.]+ \|){{3}} +\d+ us \|$")
        for name in ("idle sum", "busy sum", "whole", "validated"):
            self.assertRegex(text, rf"(?m)^\| {name} +\|")

    def test_kept_connections(self):
        """The disk made slow, and connections kept."""
        text, result = bench("--clients=2", "--issuances=6", "--connection=client", "--fsync-ms=5")
        one = result["results"][0]
        self.assertEqual(set(one["steps"]), STEPS)
        self.assertGreaterEqual(one["steps"]["newOrder"]["p50_ms"], 5)  # its commit
        self.assertIn("+ 5 ms", text)

    def test_postgresql(self):
        text, result = bench("--issuances=6", "--clients=2", "--store=postgresql")
        one = result["results"][0]
        self.assertIn("postgres", one["by_role_us"])
        self.assertGreater(one["commits"], 0)
        self.assertGreater(one["fsyncs_by_file"]["postgres pg_wal"], 0)
        self.assertIn("store postgresql", text)

    def test_nodes(self):
        """Two on one database: what either does counts."""
        text, result = bench("--issuances=8", "--clients=4", "--store=postgresql", "--nodes=2")
        one = result["results"][0]
        self.assertEqual(one["issuances"], 8)
        self.assertEqual(set(one["by_place_us"]), {"node 1", "node 2", "database"})
        self.assertGreater(min(one["by_place_us"].values()), 0)
        self.assertAlmostEqual(sum(one["by_place_us"].values()), one["processor_us"], delta=1)
        self.assertRegex(text, r"(?m)^\| by place; clients \| node 1 \| node 2 \| database \|$")
        self.assertIn("store postgresql, 2 nodes", text)


if __name__ == "__main__":
    unittest.main()
