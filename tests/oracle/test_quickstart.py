# SPDX-License-Identifier: Apache-2.0
"""./quickstart does what README.md says: a certificate, everything in one folder, nothing left running."""

import os
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FILES = ("alice.key", "alice.pem", "alice.p12", "root.pem", "signet.conf", "signetd.log", "signet.log")


def quickstart(*arguments, cwd=None):
    return subprocess.run([SOURCE / "quickstart", *arguments], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def running(folder):
    """Processes whose command line names folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            pass
    return found


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="signet-quickstart-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name) / "demo"

    def certificate(self, done, named=None):
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], f"certificate: {named or self.folder}/alice.pem")
        for name in FILES:
            self.assertTrue((self.folder / name).stat().st_size > 0, name)
        text = subprocess.run(["openssl", "x509", "-in", self.folder / "alice.pem", "-noout", "-serial", "-ext",
                               "subjectAltName"], check=True, capture_output=True, text=True).stdout
        self.assertIn("email:alice@demo.test", text)
        return text

    def test_default_run_and_second_run(self):
        first = self.certificate(quickstart(self.folder))
        self.assertEqual(running(self.folder), [])
        (self.folder / "left-over").touch()
        second = self.certificate(quickstart("demo", cwd=self.temporary.name), "demo")
        self.assertNotEqual(first, second)
        self.assertFalse((self.folder / "left-over").exists(), "the second run did not start afresh")
        self.assertEqual(running(self.folder), [])
        log = (self.folder / "signetd.log").read_text()
        for event in ("reply judged", "caa checked", "signing", "issued"):
            self.assertIn(event, log)

    def test_stay(self):
        done = quickstart("--stay", self.folder)
        pid = int(re.search(r"^ *stop +kill (\d+)$", done.stdout, re.M)[1])
        try:
            self.certificate(done)
            url = re.search(r"^ *directory +(\S+)", done.stdout, re.M)[1]
            context = ssl.create_default_context(cafile=str(self.folder / "tls.pem"))
            with urllib.request.urlopen(url, context=context, timeout=60) as answer:
                self.assertIn(b'"newOrder"', answer.read())
        finally:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 150
        while running(self.folder) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(running(self.folder), [])

    def test_refuses(self):
        self.folder.mkdir()
        (self.folder / "precious").write_text("mine")
        done = quickstart(self.folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((self.folder / "precious").read_text(), "mine")
        self.assertEqual(quickstart("--no-such-option").returncode, 2)
        self.assertEqual(quickstart("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
