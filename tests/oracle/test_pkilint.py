# SPDX-License-Identifier: Apache-2.0
"""Certificates over all profiles, key types and shapes of addresses, CA certificates and revocation lists: pkilint
finds nothing at WARNING or above."""

import collections
import json
import pathlib
import re
import subprocess
import unittest

import pkilint_venv
import share

HERE = pathlib.Path(__file__).resolve().parent
CERTIFICATES, SHARE = 2000, 50


class Pkilint(unittest.TestCase):
    def test_no_findings(self):
        count, seed = share.share(SHARE, CERTIFICATES), share.seed().randrange(2 ** 32)
        made = subprocess.run([pkilint_venv.BUILD / "tests/certificate_maker", str(count), str(seed)],
                              check=True, capture_output=True, text=True).stdout
        self.assertEqual(sum(line.startswith("subscriber\t") for line in made.splitlines()), count)
        python = pkilint_venv.python()
        if python is None:
            return
        # What must have findings: an issuing CA as a subscriber, a revocation list of a year for subscribers.
        controls = [re.sub(r"^\w+\t", kind + "\tcontrol ", re.search(rf"^{of}\t.*\n", made, re.M)[0])
                    for kind, of in (("subscriber", "issuing"), ("crl", "arl"))]
        made += "".join(controls)
        lint = subprocess.run([python, HERE / "pkilint_verdicts.py", pkilint_venv.ADAPTER], input=made, check=True,
                              capture_output=True, text=True)
        verdicts = [json.loads(line) for line in lint.stdout.splitlines()]
        self.assertEqual(len(verdicts), len(made.splitlines()))
        self.assertTrue(all(findings for _, what, findings in verdicts if what.startswith("control ")), verdicts[-2:])
        verdicts = verdicts[:-len(controls)]
        found = [(kind, what, findings) for kind, what, findings in verdicts if findings]
        counts = collections.Counter(kind for kind, _, _ in verdicts)
        print("# pkilint " + pkilint_venv.VERSION + ": " + ", ".join(f"{n} {kind}" for kind, n in counts.items())
              + f"; {len(found)} with findings", flush=True)
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
