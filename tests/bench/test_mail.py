# SPDX-License-Identifier: Apache-2.0
"""The benchmark of mail in small: every message is counted, table and JSON are whole. No figure is judged."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MESSAGES, ROUNDS = 40, 1
MEASURED = [("inbound", "Signet"), ("inbound", "Postfix+OpenDKIM, discarded"), ("inbound", "Postfix+OpenDKIM, Maildir"),
            ("outbound", "Signet"), ("outbound", "Postfix+OpenDKIM")]
PROCESSES = {"Signet": {"core", "inbound", "outbound"}, "Postfix": {"smtpd", "cleanup", "opendkim", "qmgr"}}


class Mail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("Postfix and NSD are started by root")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "new" / "mail.json"
            done = subprocess.run([HERE / "run", "mail", f"--messages={MESSAGES}", "--warm-up=10", f"--rounds={ROUNDS}",
                                   "--connections=4", f"--json={path}"], stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise AssertionError(f"the benchmark ended with {done.returncode}")
            cls.text, cls.result = done.stdout, json.loads(path.read_text())

    def test_results(self):
        results = self.result["results"]
        self.assertEqual([(one["direction"], one["server"]) for one in results], MEASURED * ROUNDS)
        for one in results:
            self.assertEqual(one["messages"], MESSAGES)
            self.assertGreater(one["rate"], 0)
            known = PROCESSES[one["server"].split("+")[0]]
            self.assertTrue(known & set(one["by_process_us"]), one)
            self.assertAlmostEqual(sum(one["by_process_us"].values()), one["processor_us"], delta=1)

    def test_summary(self):
        summary = self.result["summary"]
        self.assertEqual([(row["direction"], row["server"]) for row in summary], MEASURED)
        for row in summary:
            self.assertEqual(row["messages"], MESSAGES * ROUNDS)
            ours = next(one for one in summary if one["direction"] == row["direction"])
            self.assertAlmostEqual(row["signet_rate"], ours["rate"] / row["rate"], delta=0.01)
        self.assertEqual(self.result["options"]["messages"], MESSAGES)
        self.assertLessEqual({"processor", "cores", "file system", "fsync_ms"}, set(self.result["machine"]))

    def test_table(self):
        for direction, server in MEASURED:
            name = re.escape(f"{direction}, {server}")
            self.assertRegex(self.text, rf"(?m)^\| {name} +\| +\d+ \| +\d+ \| +[\d.]+ x \| +[\d.]+ x \|$")
            self.assertRegex(self.text, rf"(?m)^\| {name} +\| +\w[\w-]* \d+.* \|$")

    def test_help(self):
        for words, wanted in (((), "mail"), (("mail",), "--messages")):
            done = subprocess.run([HERE / "run", *words, "--help"], stdout=subprocess.PIPE, text=True, check=True)
            self.assertIn(wanted, done.stdout)


if __name__ == "__main__":
    unittest.main()
