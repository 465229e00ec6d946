# SPDX-License-Identifier: Apache-2.0
"""Restores that are not the plain one of test_backup.py: the machine is lost, other tools put the database back, older and newer backups
in turn."""

import contextlib
import json
import shutil
import sqlite3
import unittest

from keeping import KeepingCase, flipped


class Restores(KeepingCase):
    def test_machine_lost(self):
        """Only the backup is left, and a list that was fetched by somebody: its revocations hold, open orders end."""
        first = self.issue("user0")
        order = self.user.new_order("user1@user.test")
        self.good("backup", self.file)
        second = self.issue("user2")
        self.revoke(first, "superseded")
        self.revoke(second, "keyCompromise")
        number, entries = self.wait_listed(first, second)
        fetched = self.lab.path / "crl-1.crl"
        shutil.copy(self.store / "published/crl-1.crl", fetched)
        log = (self.store / "signer.log").read_bytes()
        self.server.stop()
        shutil.rmtree(self.store)
        self.bad("restore", self.file, why="--accept-lost-log")
        given = self.lab.path / "copy.log"
        given.write_bytes(log[:-1])  # cut while it was copied: what is whole counts
        self.assertIn("the one that was given", self.good("restore", self.file, "--log", given))
        shutil.rmtree(self.store)
        out = self.good("restore", self.file, "--accept-lost-log", "--list", fetched)
        self.assertIn("that of the backup; a later one is lost", out)
        self.server.start()
        done = json.loads(self.good("store", "reconcile", "--json"))
        self.assertEqual((done["ended"], done["revoked"], done["revoked-unknown"]), (1, 1, 1))
        self.assertEqual(self.user.get(order["url"])["status"], "invalid")
        self.good("issuance", "start")
        third = self.issue("user3")
        self.revoke(third, "superseded")
        later, found = self.wait_listed(third)
        self.assertGreater(later, number)
        self.assertEqual({serial: found[serial] for serial in entries}, entries)
        self.assert_all_good()

    def restore_and_start(self, file):
        self.server.stop()
        self.good("restore", file)
        self.server.start()
        self.assert_refuses()

    def test_older_and_newer(self):
        """Whichever backup is put back, also over another one that was not reconciled: the log and the lists bring the rest."""
        older, leaves = self.lab.path / "older.backup", [self.issue("user0")]
        self.good("backup", older)
        leaves.append(self.issue("user1"))
        self.good("backup", self.file)
        leaves.append(self.issue("user2"))
        self.revoke(leaves[1], "superseded")
        self.wait_listed(leaves[1])
        self.restore_and_start(self.file)
        self.good("store", "reconcile")
        self.good("issuance", "start")
        leaves.append(self.issue("user3"))
        self.revoke(leaves[2], "keyCompromise")
        listed, known = self.wait_listed(*leaves[1:3]), self.known()
        self.restore_and_start(older)
        self.restore_and_start(self.file)
        self.restore_and_start(older)
        done = json.loads(self.good("store", "reconcile", "--json"))
        self.assertEqual((done["alone"], done["revoked"], done["revoked-unknown"]), (3, 2, 0))
        self.assertEqual((self.known(), self.listed()), (known, listed))
        self.revoke(leaves[3], "superseded")
        self.good("issuance", "start")
        self.issue("user4")
        self.wait_listed(*leaves[1:])
        self.assert_all_good()

    def put_back(self, copy):
        self.server.stop()
        for path in self.store.glob("signet.db*"):
            path.unlink()
        shutil.copy(copy, self.store / "signet.db")

    def test_put_back_by_hand(self):
        """A database that other tools put back, without a word to Signet: told, and then mended."""
        self.issue("user0")
        copy = self.lab.path / "copy.db"
        with contextlib.closing(sqlite3.connect(self.store / "signet.db")) as store:
            store.execute("VACUUM INTO ?", (str(copy),))
        self.issue("user1")
        known = self.known()
        self.put_back(copy)
        self.server.start()
        self.bad("store", "reconcile", why="run signetctl store restored first")
        self.put_back(copy)
        self.assertIn("Issuance is stopped", self.good("store", "restored", "--note", "copied by hand"))
        self.server.start()
        self.assert_refuses()
        other, whole = self.lab.path / "other.log", (self.store / "signer.log").read_bytes()
        self.bad("store", "reconcile", "--log", other, why=f"{other}")
        other.write_bytes(flipped(whole, 60))
        self.bad("store", "reconcile", "--log", other, why=f"{other}: ")
        other.write_bytes(whole[:-1])
        status, out, err = self.ctl("store", "reconcile", "--log", other)
        self.assertEqual((status, err), (0, f"signetctl store reconcile: {other} ends within a record: what is whole was taken; is there a longer copy?\n"), out)
        self.assertEqual(self.known(), known)
        self.assert_all_good()


if __name__ == "__main__":
    unittest.main()
