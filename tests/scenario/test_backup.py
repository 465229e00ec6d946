# SPDX-License-Identifier: Apache-2.0
"""signetctl backup, restore and store reconcile with a real signetd: what was issued and revoked after the backup is known
and revoked again, nothing is issued before, and nothing is left half by whoever is killed on the way."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import time
import unittest

from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import faults
import lab
import share
import signet_lab as signet

KILLS = 6, 60  # of each command


def serial_of(leaf):
    return f"{leaf.serial_number:x}"


class Backup(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rng = share.seed()
        cls.world = faults.World(cls)
        cls.server = cls.world.server
        cls.user = faults.new_user(cls.server)
        cls.store = cls.server.folder / "store"
        cls.file = cls.lab.path / "signet.backup"

    @classmethod
    def ctl(cls, *words, server=None, **options):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, words), "--config", (server or cls.server).path],
                              capture_output=True, text=True, timeout=200, **options)
        return done.returncode, done.stdout, done.stderr

    def good(self, *words, **options):
        status, out, err = self.ctl(*words, **options)
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
        self.assertNotIn("after the last checkpoint", out)
        self.server.start()


if __name__ == "__main__":
    unittest.main()
