# SPDX-License-Identifier: Apache-2.0
"""signetctl backup, restore and store reconcile with a real signetd: what was issued and revoked after the backup is known
and revoked again, nothing is issued before, and nothing is left half by whoever is killed on the way."""

import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import unittest

from acme import messages
from cryptography import x509

import faults
import lab
import share
import signet_lab as signet
from test_failpoints import Failpoint, preload

POINTS = 10  # of a command's calls, in ./check
MOVED = 12  # calls of restore before its last, between the store moved aside and the end


def serial_of(leaf):
    return f"{leaf.serial_number:x}"


class Backup(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.rng = share.seed()
        self.world = faults.World(self)
        self.server = self.world.server
        self.user = faults.new_user(self.server)
        self.store = self.server.folder / "store"
        self.file = self.lab.path / "signet.backup"

    def ctl(self, *words):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, words), "--config", self.server.path],
                              capture_output=True, text=True, timeout=200)
        return done.returncode, done.stdout, done.stderr

    def good(self, *words):
        status, out, err = self.ctl(*words)
        self.assertEqual((status, err), (0, ""), out)
        return out

    def bad(self, *words, why, status=1):
        found, out, err = self.ctl(*words)
        self.assertEqual(found, status, out + err)
        self.assertIn(why, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)

    def issue(self, mailbox):
        return self.world.issue(self.user, mailbox)[0]

    def listed(self):
        """The published list: its number, {serial number: (time, reason)}."""
        crl = x509.load_der_x509_crl((self.store / "published/crl-1.crl").read_bytes())
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number, {
            entry.serial_number: (entry.revocation_date, entry.extensions.get_extension_for_class(x509.CRLReason).value.reason)
            for entry in crl}

    def wait_listed(self, *leaves):
        wanted = {leaf.serial_number for leaf in leaves}
        self.lab.wait_for(lambda: wanted <= set(self.listed()[1]), "the list")
        return self.listed()

    def revoke(self, leaf, reason):
        self.good("certificate", "revoke", serial_of(leaf), "--reason", reason)

    def destroy(self):
        (self.store / "signet.db").write_bytes(self.rng.randbytes(5000))
        for name in ("signet.db-wal", "signet.db-shm"):
            (self.store / name).unlink(missing_ok=True)

    def assert_refuses(self):
        with self.assertRaises(messages.Error) as raised:
            self.user.new_order("user7@user.test")
        self.assertIn("run signetctl store reconcile", raised.exception.detail)
        self.bad("issuance", "start", why="run signetctl store reconcile first")

    def assert_all_good(self):
        self.lab.wait_for(lambda: self.ctl("check", "crl")[0] == 0, "the list to be published")
        out = self.good("check", "all")
        self.assertIn("everything is as it should be", out)

    def known(self):
        return {row[0] for row in self.server.query("SELECT der FROM certificate WHERE der IS NOT NULL AND der <> ''")}

    def backup_while_issuing(self, mailbox):
        """Backups one after another until an issuance beside them is done."""
        found, backups = [], 0
        thread = threading.Thread(target=lambda: found.append(self.issue(mailbox)))
        thread.start()
        while thread.is_alive() or backups == 0:
            self.good("backup", self.file)
            backups += 1
        thread.join()
        return found[0]

    def look_into(self, path):
        """The backup opened by others: its members, the store checked by SQLite."""
        folder = self.lab.path / "opened"
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(path) as archive:
            names = archive.getnames()
            archive.extractall(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        for member in manifest["files"]:
            octets = (folder / member["name"]).read_bytes()
            self.assertEqual((len(octets), hashlib.sha256(octets).hexdigest()), (member["size"], member["sha256"]))
        with sqlite3.connect(folder / "signet.db") as store:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            count = store.execute("SELECT count(*) FROM certificate").fetchone()[0]
        self.assertEqual(count, manifest["certificates"])
        return names, manifest

    def test_story(self):
        first, second = self.issue("user0"), self.backup_while_issuing("user1")
        self.good("backup", self.file)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        names, manifest = self.look_into(self.file)
        self.assertEqual(names, ["manifest.json", "signet.db", "signer.log", "signer.checkpoint", "signet.conf"])
        self.assertEqual(manifest["certificates"], 2)
        self.assertNotIn(b"PRIVATE KEY", self.file.read_bytes())
        third, fourth, fifth = (self.issue(f"user{i}") for i in (2, 3, 4))
        for leaf, reason in ((first, "keyCompromise"), (third, "superseded"), (fourth, "keyCompromise")):
            self.revoke(leaf, reason)
        number, entries = self.wait_listed(first, third, fourth)
        before = self.known()
        self.assertEqual(len(before), 5)
        self.bad("restore", self.file, why="stop it first")
        self.server.stop()
        self.destroy()
        out = self.good("restore", self.file)
        self.assertRegex(out, r"at least \d+ records are lost")
        self.assertIn("with 3 revocations that it does not have", out)
        self.assertRegex(out, r"The one before is in .*before-restore-")
        self.server.start()
        self.assertEqual(len(self.known()), 2)
        self.assert_refuses()
        self.assertEqual(self.listed(), (number, entries))
        self.reconcile_story(before, number, entries)
        self.after_story(second, fifth, before)

    def reconcile_story(self, before, number, entries):
        done = json.loads(self.good("store", "reconcile", "--json"))
        self.assertEqual(done, {"logged": 5, "known": 0, "completed": 0, "attached": 0, "alone": 3, "over": 0, "ended": 0, "revoked": 3,
                                "revoked-unknown": 0})
        self.assertEqual(self.known(), before)
        self.assertIn("nothing to reconcile: the store knows all 5", self.good("store", "reconcile"))
        self.assertEqual(self.known(), before)
        self.assertEqual(self.server.query("SELECT count(*) FROM blocked_key")[0][0], 2)
        self.assert_all_good()

    def after_story(self, second, fifth, before):
        """One of each kind can be revoked, by serial number and by mailbox; the list goes on; issuing does too."""
        number, entries = self.listed()
        shown = self.good("order", "list", "--address", "user4@user.test")
        self.assertIn("valid", shown)
        self.assertIn("nothing: it was entered from the signer's log", self.good("order", "show", shown.split()[0]))
        self.revoke(second, "superseded")
        self.good("certificate", "revoke", "--address", "user4@user.test", "--reason", "superseded")
        later, found = self.wait_listed(second, fifth)
        self.assertGreater(later, number)
        self.assertEqual(len(found), 5)
        self.assertEqual({serial: found[serial] for serial in entries}, entries)
        self.good("issuance", "start")
        self.issue("user5")
        self.assert_all_good()
        status, out, err = self.ctl("evidence", "show", serial_of(fifth))
        self.assertEqual(status, 1, err)
        self.assertIn("it was entered from the signer's log into a restored store: what led to it is lost", out)
        self.good("store", "reconcile")
        self.server.stop()
        out = self.good("check", "all")
        self.assertIn("in 2 chains", out)
        last, signed = (self.server.query(f"SELECT max(number) FROM {table}")[0] for table in ("audit", "audit_checkpoint"))
        self.assertEqual(last, signed)  # the new chain is signed to its end; the old one has lost its own
        self.server.start()

    # --- killed on the way ---

    def frozen_at(self, point, *words):
        """Runs a command until its point-th call that makes something durable, and kills it there; whether it came so far,
        and the calls until then."""
        environment = {"LD_PRELOAD": " ".join(preload("signetctl")), "SIGNET_FAILPOINT": str(self.lab.path / "failpoint")}
        memory = self.failpoint
        memory.point, memory.calls, memory.frozen, memory.role = point, 0, 0, b"signetctl"
        process = subprocess.Popen([signet.BUILD / "signetctl", *map(str, words), "--config", self.server.path],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.lab.wait_for(lambda: memory.frozen or process.poll() is not None, "the command")
        if memory.frozen:
            process.kill()
        said = process.communicate()[1]
        self.assertEqual(process.returncode, -signal.SIGKILL if memory.frozen else 0, said)
        return bool(memory.frozen), memory.calls

    def points(self, *words, also=()):
        """Kills the command at a share of all its calls, in random order, and at some counted from the last; each time
        yields before the next."""
        path = self.lab.path / "failpoint"
        path.write_bytes(bytes(ctypes.sizeof(Failpoint)))
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            self.failpoint = Failpoint.from_buffer(memory)
            try:
                _, calls = self.frozen_at(0, *words)
                some = self.rng.sample(range(1, calls + 1), share.share(min(calls, POINTS), calls))
                for point in some + [calls - last for last in also]:
                    if self.frozen_at(point, *words)[0]:
                        yield point
            finally:
                del self.failpoint

    def assert_refuses_to_start(self):
        """A server over a restore that was killed between."""
        done = subprocess.Popen([signet.BUILD / "signetd", "--config", self.server.path], stderr=subprocess.PIPE, text=True)
        with done.stderr:
            self.assertTrue(any("run it again" in line for line in done.stderr))
            done.terminate()
            done.stderr.read()
        done.wait(60)
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


if __name__ == "__main__":
    unittest.main()
