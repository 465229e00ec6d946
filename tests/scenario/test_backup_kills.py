# SPDX-License-Identifier: Apache-2.0
"""signetctl backup, restore and store reconcile, killed at each of their calls that make something durable: nothing is left
half."""

import contextlib
import ctypes
import mmap
import os
import signal
import sqlite3
import subprocess
import unittest
from unittest import mock

import share
import signet_lab as signet
from keeping import KeepingCase
from test_failpoints import Failpoint, preload

POINTS = 6  # of a command's calls, in ./check
MOVED = 12  # calls of restore before its last, between the store moved aside and the end


class BackupKills(KeepingCase):
    def setUp(self):
        super().setUp()
        path = self.lab.path / "failpoint"
        path.write_bytes(bytes(ctypes.sizeof(Failpoint)))
        with open(path, "r+b") as file:
            self.failpoint = Failpoint.from_buffer(mmap.mmap(file.fileno(), 0))

    def environment(self, program):
        return {"LD_PRELOAD": " ".join(preload(program)), "SIGNET_FAILPOINT": str(self.lab.path / "failpoint")}

    def frozen_at(self, point, *words):
        """Runs a command until its point-th call that makes something durable, and kills it there; whether it came so far,
        and the calls until then."""
        memory = self.failpoint
        memory.point, memory.calls, memory.frozen, memory.role = point, 0, 0, b"signetctl"
        process = subprocess.Popen([signet.BUILD / "signetctl", *map(str, words), "--config", self.server.path],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.environment("signetctl")})
        self.lab.wait_for(lambda: memory.frozen or process.poll() is not None, "the command")
        if memory.frozen:
            process.kill()
        said = process.communicate()[1]
        self.assertEqual(process.returncode, -signal.SIGKILL if memory.frozen else 0, said)
        return bool(memory.frozen), memory.calls

    def points(self, *words, also=()):
        """Kills the command at a share of all its calls, in random order, and at some counted from the last; each time
        yields before the next."""
        _, calls = self.frozen_at(0, *words)
        some = self.rng.sample(range(1, calls + 1), share.share(min(calls, POINTS), calls))
        for point in some + [calls - last for last in also]:
            if self.frozen_at(point, *words)[0]:
                yield point

    def assert_refuses_to_start(self):
        """A server over a restore that was killed between."""
        done = subprocess.Popen([signet.BUILD / "signetd", "--config", self.server.path], stderr=subprocess.PIPE, text=True)
        with done.stderr:
            self.assertTrue(any("run it again" in line for line in done.stderr))
            done.terminate()
            done.stderr.read()
        done.wait(150)
        self.assertTrue((self.store / "restore.unfinished").exists())

    def assert_old_or_new(self, old):
        """Without the mark of a restore that is under way the store is the one before, or the one put back."""
        if (self.store / "restore.unfinished").exists():
            return True
        if (self.store / "signet.db").read_bytes() != old:
            self.assertFalse((self.store / "signet.db-wal").exists())
            with contextlib.closing(sqlite3.connect(f"file:{self.store}/signet.db?immutable=1", uri=True)) as store:
                self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                self.assertEqual(store.execute("SELECT count(*) FROM restored WHERE done_at IS NULL").fetchall(), [(1,)])
        return False

    def test_killed_backup(self):
        self.good("backup", self.file)
        for _ in self.points("backup", self.file):
            self.look_into(self.file)  # the one before, or the next one
        self.good("backup", self.file)
        self.assertEqual([path.name for path in self.file.parent.glob("signet.backup*")], ["signet.backup"])

    def test_killed_restore(self):
        self.good("backup", self.file)
        leaf = self.issue("user6")
        known = self.known()
        self.server.stop()
        self.destroy()
        old, between = (self.store / "signet.db").read_bytes(), []
        for point in self.points("restore", self.file, also=[MOVED]):
            if self.assert_old_or_new(old):
                between.append(point)
                if len(between) == 1:
                    self.assert_refuses_to_start()
        self.assertTrue(between)
        self.good("restore", self.file)
        self.assertEqual([path.name for path in self.store.glob("restore*")], [])
        self.assertIn(old, [path.read_bytes() for path in self.store.glob("before-restore-*/signet.db")])
        self.server.start()
        self.assert_refuses()
        for _ in self.points("store", "reconcile"):
            self.server.query("PRAGMA integrity_check")
        self.good("store", "reconcile")
        self.assertEqual(self.known(), known)
        self.revoke(leaf, "superseded")
        self.good("issuance", "start")
        self.assert_all_good()

    # --- core is killed, while reconcile asks it ---

    def restored(self):
        """The server over a restored store, whose core can be frozen."""
        self.server.stop()
        self.good("restore", self.file)
        with mock.patch.dict(os.environ, self.environment("signetd")):
            self.server.start()

    def reconcile(self, point):
        """While core is frozen at its point-th call and killed there, if it comes so far; its calls."""
        memory = self.failpoint
        memory.point, memory.calls, memory.frozen, memory.role = point, 0, 0, b"core"
        process = subprocess.Popen([signet.BUILD / "signetctl", "store", "reconcile", "--config", self.server.path],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.lab.wait_for(lambda: memory.frozen or process.poll() is not None, "the command")
        memory.role = b""
        if memory.frozen:
            os.kill(memory.frozen, signal.SIGKILL)
        said = process.communicate(timeout=200)[1]
        if process.returncode != 0:  # otherwise it was done before
            self.assertTrue(memory.frozen, said)
            self.assertRegex(said, r"\A.*: the server closed the connection: .*(\n.*: not finished; what was entered stays: run it again)?\n\Z")
        return memory.calls

    def test_killed_core(self):
        """Whatever of it is done by then: nothing is issued before all is entered, and the next run enters all."""
        self.issue("user0")
        self.good("backup", self.file)
        leaves = [self.issue(f"user{i}") for i in (1, 2)]
        self.revoke(leaves[0], "superseded")
        listed = self.wait_listed(leaves[0])
        known = self.known()
        self.restored()
        calls = self.reconcile(0)
        for point in self.rng.sample(range(1, calls + 1), share.share(min(calls, POINTS), calls)):
            with self.subTest(point=point, of=calls):
                self.restored()
                self.reconcile(point)
                self.good("health", "--wait", "150")
                if self.server.query("SELECT count(*) FROM restored WHERE done_at IS NULL") != [(0,)]:
                    self.assert_refuses()
                self.good("store", "reconcile")
                self.assertEqual(self.known(), known)
                self.assertEqual(self.listed(), listed)
        self.revoke(leaves[1], "superseded")
        self.good("issuance", "start")
        self.wait_listed(*leaves)
        self.assert_all_good()


if __name__ == "__main__":
    unittest.main()
