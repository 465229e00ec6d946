# SPDX-License-Identifier: Apache-2.0
"""signetctl top in a terminal of 80 columns and 24 lines, and in smaller ones, beside a real signetd."""

import fcntl
import os
import pathlib
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import lab
from signet_lab import BUILD, AcmeUser, Signetd

ENTER, LEAVE = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
DEADLINE = lab.DEADLINE


class Terminal:
    """signetctl top on a terminal of its own."""

    def __init__(self, *options, lines=24, columns=80):
        self.own, self.end = os.openpty()
        self.size(lines, columns)
        self.usual = termios.tcgetattr(self.end)
        self.process = subprocess.Popen([BUILD / "signetctl", "top", *options], stdin=self.end, stdout=self.end,
                                        stderr=self.end, start_new_session=True)
        self.seen = ""

    def size(self, lines, columns):
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        self.size(lines, columns)
        self.process.send_signal(signal.SIGWINCH)

    def frame(self, wanted):
        """Waits for a drawing that satisfies wanted; its lines."""
        end = time.monotonic() + DEADLINE
        while True:
            for drawing in self.seen.split("\033[H")[1:]:
                if re.search(r"\033\[J\033\[\d+;1H.*\033\[K", drawing):
                    lines = re.sub(r"\033\[[KJ]", "", drawing).split("\r\n")
                    last = re.match(r"\033\[(\d+);1H(.*)", lines[-1], re.S)
                    lines = lines[:-1] + [""] * (int(last[1]) - len(lines)) + [last[2].split("\033")[0]]
                    if wanted(lines):
                        return lines
            if not select.select([self.own], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(self.seen[-3000:])
            self.seen = self.seen[self.seen.rfind("\033[H"):] if "\033[H" in self.seen else self.seen
            self.seen += os.read(self.own, 65536).decode()

    def leave(self):
        """After q: (exit status, what it wrote last)."""
        status = self.process.wait(DEADLINE)
        while select.select([self.own], [], [], 0)[0]:
            self.seen += os.read(self.own, 65536).decode()
        return status, self.seen

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.own)
        os.close(self.end)


class Top(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Signetd(cls.lab, settings={"acme": {"processes": 2}})

    def terminal(self, *options, **size):
        terminal = Terminal(*(options or ("--config", self.server.path, "--interval", "1")), **size)
        self.addCleanup(terminal.close)
        return terminal

    def once(self, *options):
        return subprocess.run([BUILD / "signetctl", "top", "--once", *options], capture_output=True, text=True)

    def test_once(self):
        AcmeUser(self.server).new_order("ann@user.test")
        done = self.once("--config", self.server.path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertLess(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertNotIn("\033", done.stdout)
        self.assertRegex(lines[0], r"^Signet \d+\.\d+\.\d+  core up \d+ \w+  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  issuance goes on$")
        self.assertRegex(done.stdout, r"\norders      new [0-9.]*[1-9][0-9.]*   issued 0\.0   failed 0\.0\n")
        self.assertRegex(done.stdout, r"\bsweep +1, first in \d+ \w+")
        for role, pids in self.server.pids().items():
            for pid in pids:
                row = re.search(rf"^  {role} \d +{pid} +(\d+\.\d) +(\d+\.\d)  \d+ \w+ +\d+$", done.stdout, re.M)
                self.assertIsNotNone(row, role)
                self.assertGreater(float(row[2]), 1)
                resident = re.search(r"^VmRSS:\s+(\d+) kB$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
                self.assertAlmostEqual(float(row[2]), int(resident[1]) / 1024, delta=0.3 * float(row[2]))

    def test_live(self):
        terminal = self.terminal()
        first = terminal.frame(lambda lines: any("since core's start" in line for line in lines))
        self.assertEqual(len(first), 24)
        self.assertEqual(first[-1], "q: end")
        self.assertLessEqual(max(map(len, first)), 80)
        terminal.frame(lambda lines: any("per minute, over " in line for line in lines))
        user = AcmeUser(self.server)
        terminal.frame(lambda lines: not re.search(r"HTTP +2xx 0\.0 ", "\n".join(lines)))
        pid = self.server.pids()["lookup"][0]
        os.kill(pid, signal.SIGKILL)
        terminal.frame(lambda lines: any(re.match(r"  lookup 0 +\d+ .* 1$", line) and str(pid) not in line for line in lines))
        del user
        os.write(terminal.own, b"x")  # any other key draws anew
        os.write(terminal.own, b"q")
        status, seen = terminal.leave()
        self.assertEqual(status, 0)
        self.assertTrue(seen.endswith(LEAVE))
        self.assertEqual(termios.tcgetattr(terminal.end), terminal.usual)

    def test_sizes(self):
        terminal = self.terminal(lines=50, columns=200)
        large = terminal.frame(lambda lines: len(lines) == 50)
        self.assertEqual(large[-1], "q: end")
        for lines, columns in ((24, 80), (10, 30), (3, 12), (1, 5)):
            terminal.resize(lines, columns)
            small = terminal.frame(lambda found: len(found) == lines and max(map(len, found)) <= columns)
            self.assertLessEqual(len(small), lines)
            self.assertTrue("q: end; more in a higher window".startswith(small[-1]))
        terminal.process.send_signal(signal.SIGTERM)
        status, seen = terminal.leave()
        self.assertEqual((status, seen.endswith(LEAVE)), (0, True))
        self.assertEqual(termios.tcgetattr(terminal.end), terminal.usual)

    def test_no_server(self):
        nowhere = str(self.server.folder / "nothing")
        done = self.once("--socket", nowhere)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("signetd does not answer: ", done.stderr)
        terminal = self.terminal("--socket", nowhere)
        terminal.frame(lambda lines: lines[0].startswith("signetd does not answer: "))
        os.write(terminal.own, b"Q")
        self.assertEqual(terminal.leave()[0], 0)

    def test_mistakes(self):
        for options, words in ((("--interval", "0"), "--interval is 1 to 3600"), (("--interval", "x"), "Cannot parse"),
                               (("more",), "takes no arguments")):
            done = self.once(*options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn(words, done.stderr)
        done = subprocess.run([BUILD / "signetctl", "top"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("this is no terminal; use --once", done.stderr)


if __name__ == "__main__":
    unittest.main()
