# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format (of Debian 12) would write it."""

import pathlib
import subprocess
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("base", "store", "mime", "smtp", "ca", "acme", "client", "daemon", "tests")


class Format(unittest.TestCase):
    def test_format(self):
        files = sorted(path for folder in FOLDERS for path in (SOURCE / folder).rglob("*.[ch]"))
        self.assertGreater(len(files), 150)
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=SOURCE, text=True,
                              capture_output=True)
        wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
        self.assertEqual(done.returncode, 0, "run clang-format -i on: " + " ".join(wrong or [done.stderr]))


if __name__ == "__main__":
    unittest.main()
