# SPDX-License-Identifier: Apache-2.0
"""Random tampering with the audit log of a real store and with its exports: signetctl audit verify finds every one
(ca-rules 33: a verifier finds any changed, missing or reordered record)."""

import re
import shutil
import sqlite3
import subprocess
import unittest

import lab
import share
import signet_lab
import tampering
from faults import audit_hash

BATCH = 100  # copies that one process verifies
COLUMNS = {"audit": ("at", "kind", "subject", "detail", "hash", "chain", "number"),
           "audit_checkpoint": ("hash", "at", "previous", "key", "signature", "number", "chain")}


# --- what somebody does to a value, a file, a table ---

def change_value(rng, store, table):
    rowid, = rng.choice(store.execute(f"SELECT rowid FROM {table}").fetchall())
    column = rng.choice(COLUMNS[table])
    value, = store.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    other = tampering.other_value(rng, value)
    if column == "number":
        rows = {number for number, in store.execute(f"SELECT number FROM {table}")}
        other = rng.choice([number for number in range(1, max(rows) + 50) if number not in rows])
    store.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (other, rowid))
    return f"{table} {rowid}: {column} {value!r} -> {other!r}"


def delete_rows(rng, store, table):
    numbers = [number for number, in store.execute(f"SELECT number FROM {table} ORDER BY number")]
    first = rng.randrange(len(numbers))
    gone = numbers[first:first + rng.randrange(1, 6)]
    store.executemany(f"DELETE FROM {table} WHERE number = ?", [(number,) for number in gone])
    return f"{table}: {gone} deleted"


def delete_and_renumber(rng, store, _table):
    last, = store.execute("SELECT max(number) FROM audit").fetchone()
    gone = rng.randrange(1, last + 1)
    store.execute("DELETE FROM audit WHERE number = ?", (gone,))
    for number in range(gone + 1, last + 1):
        store.execute("UPDATE audit SET number = ? WHERE number = ?", (number - 1, number))
    return f"record {gone} deleted, those behind it renumbered"


def cut(rng, store, table):
    """The end of the log, perhaps with the checkpoints over it."""
    last, = store.execute("SELECT max(number) FROM audit").fetchone()
    first = rng.randrange(2, last + 1)
    store.execute("DELETE FROM audit WHERE number >= ?", (first,))
    return f"records from {first} on cut"


def swap(rng, store, table):
    """The content of two records."""
    one, other = rng.sample([number for number, in store.execute(f"SELECT number FROM {table}")], 2)
    for old, new in ((one, -1), (other, one), (-1, other)):
        store.execute(f"UPDATE {table} SET number = ? WHERE number = ?", (new, old))
    return f"{table}: {one} and {other} swapped"


def put_in(rng, store, _table):
    last, = store.execute("SELECT max(number) FROM audit").fetchone()
    source = rng.randrange(1, last + 1)
    store.execute("INSERT INTO audit (number, at, kind, subject, detail, hash, chain)"
                  " SELECT ?, at, kind, subject, detail, hash, chain FROM audit WHERE number = ?", (last + 1, source))
    return f"a copy of record {source} put in at the end"


IN_STORE = (change_value,) * 6 + (delete_rows, delete_rows, delete_and_renumber, cut, swap, put_in)


class Tampering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A log of several runs, with operators' commands, checkpoints and stops."""
        cls.lab = cls.enterClassContext(lab.Lab())
        cls.server = signet_lab.Signetd(cls.lab, start=False)
        for run in range(4):
            cls.server.config["ca"]["validity"] = 100 + run
            cls.server.write_config()
            cls.server.start()
            for number in range(10):
                cls.server.ctl("eab", "add", "--note", f"Grüße {run}.{number}", "--config", cls.server.path)
            cls.server.stop()
        cls.store = cls.server.folder / "store"
        cls.export = cls.lab.path / "audit.jsonl"
        cls.server.ctl("audit", "export", "--config", cls.server.path, "--output", cls.export)
        cls.rng = share.seed()

    def verify(self, *paths):
        """{path: number of faults}."""
        done = subprocess.run([signet_lab.BUILD / "signetctl", "audit", "verify", "--key", self.server.folder / "ca/audit.pub",
                               *paths], capture_output=True, text=True)
        found = {path: int(faults) for path, faults in
                 re.findall(r"^audit: (\S+): \d+ records in .*, (\d+) faults$", done.stdout, re.M)}
        self.assertEqual(done.returncode, 1 if any(found.values()) else 0, done.stdout + done.stderr)
        return found, done.stdout

    def test_untouched(self):
        found, printed = self.verify(self.store, self.export)
        self.assertEqual(set(found.values()), {0}, printed)
        records = self.server.query("SELECT count(*) FROM audit")[0][0]
        self.assertGreater(records, 50)
        self.assertGreater(self.server.query("SELECT count(*) FROM audit_checkpoint")[0][0], 6)
        self.assertEqual(printed.count(f" {records} records in 1 chains"), 2)

    def all_found(self, count, make):
        """make(number) -> (path, what was done)."""
        for start in range(0, count, BATCH):
            made = dict(make(number) for number in range(start, min(start + BATCH, count)))
            found, printed = self.verify(*made)
            for path, what in made.items():
                self.assertGreater(found.get(str(path), 0), 0, f"not found: {what}\n{printed[-3000:]}")

    def tampered_store(self, number):
        folder = self.lab.path / "tampered" / str(number % BATCH)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(self.small, folder / "signet.db")
        with sqlite3.connect(folder / "signet.db", isolation_level=None) as store:
            store.execute("PRAGMA synchronous=OFF")
            store.execute("PRAGMA journal_mode=MEMORY")
            store.execute("BEGIN")
            before = self.content(store)
            what = self.rng.choice(IN_STORE)(self.rng, store, self.rng.choice(("audit", "audit", "audit_checkpoint")))
            self.assertNotEqual(self.content(store), before, what)
            store.execute("COMMIT")
        store.close()
        return folder, what

    @staticmethod
    def content(store):
        return [store.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in COLUMNS]

    def test_store(self):
        self.small = self.lab.path / "small.db"
        with sqlite3.connect(self.store / "signet.db") as whole, sqlite3.connect(self.small) as copy:
            whole.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        whole.close()
        copy.close()
        self.all_found(share.share(250, 5000), self.tampered_store)

    def test_written_anew(self):
        """Who can write the store makes another history, with good hashes, and takes the checkpoints away that contradict
        it: what is left has no signature for longer than the server ever is without one."""
        folder = self.lab.path / "anew"
        folder.mkdir()
        for checkpoints_before in (0, 4):
            with sqlite3.connect(self.store / "signet.db") as whole, sqlite3.connect(folder / "signet.db") as store:
                whole.backup(store)
                keep = store.execute("SELECT number FROM audit_checkpoint ORDER BY number").fetchall()
                keep = keep[checkpoints_before - 1][0] if checkpoints_before else 0
                store.execute("DELETE FROM audit_checkpoint WHERE number > ?", (keep,))
                store.execute("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)")  # of the stop
                previous = bytes(32)
                for number, at, kind, subject, detail, chain in store.execute(
                        "SELECT number, at, kind, subject, detail, chain FROM audit ORDER BY number").fetchall():
                    at += 60_000 * max(number - keep, 0)
                    previous = audit_hash(previous, chain, number, at, (kind, subject, detail))
                    store.execute("UPDATE audit SET at = ?, hash = ? WHERE number = ?", (at, previous, number))
            whole.close()
            store.close()
            found, printed = self.verify(folder)
            self.assertEqual(found[str(folder)], 1, printed)
            self.assertIn("no checkpoint was signed for more than ten minutes", printed)

    def tampered_export(self, number):
        path = self.lab.path / f"tampered-{number % BATCH}.jsonl"
        lines = self.export.read_bytes().splitlines(keepends=True)
        while True:
            changed, what = self.rng.choice(tampering.IN_FILE)(self.rng, lines)
            if b"".join(changed) != b"".join(lines):
                break
        path.write_bytes(b"".join(changed))
        return path, what

    def test_export(self):
        self.all_found(share.share(250, 5000), self.tampered_export)

    def test_parts(self):
        """Every part of the log verifies for itself, and hangs on what stands before it."""
        last = self.server.query("SELECT max(number) FROM audit")[0][0]
        for first, to in [(1, last), (2, last), (last, last)] + [
                sorted(self.rng.sample(range(1, last + 1), 2)) for _ in range(5)]:
            path = self.lab.path / f"part-{first}-{to}.jsonl"
            self.server.ctl("audit", "export", "--config", self.server.path, "--from", first, "--to", to, "--output", path)
            found, printed = self.verify(path)
            self.assertEqual(found, {str(path): 0}, printed)
            path.unlink()

    def test_another_key(self):
        self.server.ctl("audit", "key", "--key", self.lab.path / "other.key")
        done = subprocess.run([signet_lab.BUILD / "signetctl", "audit", "verify", "--key", self.lab.path / "other.pub",
                               self.store], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it names an audit key that was not given", done.stdout)


class Cut(unittest.TestCase):
    def test_over_a_restart(self):
        """Everything stands still, and the log is cut with the checkpoints over it: the signer knows of a later end."""
        server = signet_lab.Signetd(self.enterContext(lab.Lab()), start=False)
        for _ in range(2):
            server.start()
            server.ctl("eab", "add", "--config", server.path)
            server.stop()
        self.assertNotIn("audit checkpoint not signed", server.log())
        with sqlite3.connect(server.folder / "store/signet.db") as store:
            store.execute("DELETE FROM audit WHERE number > (SELECT max(number) - 3 FROM audit)")
            store.execute("DELETE FROM audit_checkpoint")
        store.close()
        server.start()
        server.stop()
        self.assertRegex(server.log(), "audit checkpoint not signed.*(the log was cut|the log was changed)")
        self.assertEqual(server.query("SELECT count(*) FROM audit_checkpoint"), [(0,)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
