# SPDX-License-Identifier: Apache-2.0
"""signetctl backup, restore and store reconcile with a real signetd: what was issued and revoked after the backup is known
and revoked again, and nothing is issued before."""

import contextlib
import hashlib
import json
import pathlib
import sqlite3
import tarfile
import unittest

import faults
from keeping import KeepingCase, flipped, serial_of
from postgres import OWNER, Postgres


class Backup(KeepingCase):
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

    # --- what is refused ---

    def test_refused(self):
        """Each says what to do, and changes nothing."""
        self.issue("user0"), self.issue("user1")
        self.bad("restore", self.file, why="stop it first")
        self.bad("store", "restored", "--note", "by hand", why="another process works on this store")
        self.bad("backup", "/nowhere/signet.backup", why="No such file")
        self.bad("backup", why="needs FILE", status=2)
        for other in (self.store / "signet.db", self.server.path, self.server.folder / "ca/issuing.key", self.store, "/dev/null"):
            self.bad("backup", other, why=f"{other}: it is there and is no backup of Signet; give another name")
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())
        self.bad("store", "restored", why="--note is needed", status=2)
        self.assertIn("nothing to reconcile", self.good("store", "reconcile"))
        self.good("backup", "--quiet", self.file)
        self.server.stop()
        self.bad("store", "reconcile", why="not done")
        whole, cases = self.file.read_bytes(), self.lab.path / "broken.backup"
        before = {path.name: path.read_bytes() for path in self.store.iterdir() if path.is_file()}
        for why, octets in (("cut short", whole[:self.rng.randrange(600, len(whole) - 1024)]),
                            ("signet.db in it is damaged", flipped(whole, whole.index(b"SQLite format 3") + 5000)),
                            ("signer.log in it is damaged", flipped(whole, whole.index(b"SIGNETL1") + 60)),
                            ("no backup of Signet", flipped(whole, 3)), ("no backup of Signet", b"x" * 4096)):
            cases.write_bytes(octets)
            self.bad("restore", cases, why=why)
        self.bad("restore", self.of_a_newer_release(), why="the store has schema version 1000, this program knows")
        other = self.lab.path / "other.log"
        other.write_bytes((self.store / "signer.log").read_bytes() + b"x")
        self.bad("restore", self.file, "--log", self.lab.path / "missing.log", why="there is no such file")
        other.write_bytes(flipped((self.store / "signer.log").read_bytes(), 60))
        self.bad("restore", self.file, "--log", other, why="damaged at octet")
        self.bad("restore", self.file, "--list", other, why="it is no revocation list")
        self.assertEqual({path.name: path.read_bytes() for path in self.store.iterdir() if path.is_file()}, before)
        self.server.config["store"]["postgresql"] = "host=127.0.0.1 dbname=signet"
        self.server.write_config()
        self.bad("backup", self.file, why="pg_basebackup with WAL archiving")
        self.bad("restore", self.file, why="signetctl store restored")

    def of_a_newer_release(self):
        """The backup, with a schema that is not known yet."""
        names, manifest = self.look_into(self.file)
        folder, path = self.lab.path / "opened", self.lab.path / "newer.backup"
        with contextlib.closing(sqlite3.connect(folder / "signet.db")) as store:
            store.execute("UPDATE schema_version SET version = 1000 WHERE version = (SELECT max(version) FROM schema_version)")
            store.commit()
            store.execute("PRAGMA journal_mode = DELETE")
        octets = (folder / "signet.db").read_bytes()
        for member in manifest["files"]:
            if member["name"] == "signet.db":
                member.update(size=len(octets), sha256=hashlib.sha256(octets).hexdigest())
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name in names:
                archive.add(folder / name, name)
        return path

    def wait_alone(self, database):
        """The server's processes end some time after the connections to them."""
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'signet'"
        self.lab.wait_for(lambda: database.query(others) == "0", "the last connection to end")

    def test_postgresql(self):
        """A database that PostgreSQL's tools put back, and the chain of each core in it."""
        self.server.stop()
        with Postgres(durable=True) as database:
            place = database.make_database("signet")
            self.server.config["store"].update(postgresql=place, cores=2)
            self.server.write_config()
            self.server.start()
            self.user = faults.new_user(self.server)
            count = lambda: database.query("SET search_path = signet; SELECT count(*) FROM certificate WHERE der IS NOT NULL", "signet")
            self.issue("user0")
            self.server.stop()
            self.wait_alone(database)
            database.query("CREATE DATABASE before TEMPLATE signet")
            self.server.start()
            revoked = self.issue("user1")
            self.revoke(revoked, "superseded")
            number, entries = self.wait_listed(revoked)
            self.server.stop()
            self.wait_alone(database)
            database.query("DROP DATABASE signet")
            database.query(f"CREATE DATABASE signet OWNER {OWNER} TEMPLATE before")
            self.assertIn("with 1 revocations", self.good("store", "restored", "--note", "template"))
            self.server.start()
            self.assertEqual(count(), "1")
            self.assert_refuses()
            self.assertEqual(json.loads(self.good("store", "reconcile", "--json"))["alone"], 1)
            self.assertEqual(count(), "2")
            self.assertEqual(self.listed(), (number, entries))
            self.good("issuance", "start")
            later = self.issue("user2")
            self.revoke(later, "superseded")
            self.assertGreater(self.wait_listed(later, revoked)[0], number)
            self.server.stop()
            self.assertIn("in 4 chains", self.good("check", "all"))


if __name__ == "__main__":
    unittest.main()
