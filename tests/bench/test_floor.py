# SPDX-License-Identifier: Apache-2.0
"""The floor in small: each operation has a figure, and they add up. No figure is judged."""

import json
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Floor(unittest.TestCase):
    def test_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "floor.json"
            done = subprocess.run([HERE / "run", "floor", "--rounds=1", "--times=3", f"--json={path}"],
                                  stdout=subprocess.PIPE, text=True, check=True)
            result = json.loads(path.read_text())
        times = {one["operation"]: one["times"] for one in result["operations"]}
        self.assertEqual(times, {"ES256 verification": 8, "DKIM signature, RSA-2048": 1, "DKIM verification": 1,
                                 "CSR check, P-256": 1, "certificate signature": 1, "TLS 1.3 handshake": 1})
        self.assertTrue(all(one["us"] > 0 for one in result["operations"]))
        self.assertAlmostEqual(result["floor_us"], sum(one["us"] * one["times"] for one in result["operations"]), delta=1)
        for name in times:
            self.assertRegex(done.stdout, rf"(?m)^\| (8 x )?{name} +\| +[\d.]+ \| +\d+ \|$")
        self.assertRegex(done.stdout, rf"(?m)^\| one issuance +\| +\| +{result['floor_us']:.0f} \|$")


if __name__ == "__main__":
    unittest.main()
