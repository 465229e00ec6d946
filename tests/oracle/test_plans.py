# SPDX-License-Identifier: Apache-2.0
"""Every statement of store/ finds its rows by an index that leads to few, so that no request takes longer in a large
store. SQLite itself says how it would run each; the statements are read from the library, where each is one string."""

import os
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import unittest

import lab

BUILD = pathlib.Path(os.environ["SIGNET_BUILD"])
STATEMENT = re.compile(rb"(?<=\0)(?:SELECT|INSERT|UPDATE|DELETE|WITH) [\x20-\x7e]+(?=\0)")
# Tables that never have many rows: a scan of them is no matter.
SMALL = {"crl_shard": "one for 20,000 certificates", "setting": "one for each setting", "stray": "STRAY_MAX rows",
         "renewal": "one for each time that an operator asks for renewals of many", "schema_version": "one for each migration",
         "restored": "one for each time that the store was put back", "audit_owner": "one for each core process"}
# A column that many rows have alike finds too many of them, when nothing else is compared.
COARSE = ("kind=?", "status=?", "account_id=?", "shard=?", "domain=?")
ALLOWED = {
    "SELECT count(*) FROM certificate": "signetctl check, which reads them all",
    "SELECT subject, detail FROM audit WHERE kind = ?1": "signetctl check, which reads the whole log",
    "SELECT chain, CASE WHEN chain IS NULL": "whoever reads the whole log, once; the index alone",
    "SELECT count(*) FROM audit WHERE number >= ?1": "the same, so that it can say how far it is",
    "SELECT max(at) FROM audit": "the last entry of the index",
    "SELECT count(*), coalesce(min(due_at), 0) FROM job WHERE kind = ?1": "an operator's status; the index alone",
    "SELECT issued_at FROM certificate WHERE issued_at IS NOT NULL ORDER BY id DESC LIMIT 1": "the last ones, until one is "
                                                                                              "issued",
    "UPDATE job SET taken_until = 0, lease = lease + 1 WHERE taken_until > 0": "once, at start",
    "UPDATE job SET taken_until = ?2 WHERE owner": "every 15 s, on a shared store alone",
    "SELECT k.column1, (SELECT j.due_at FROM job j": "ends with the first job of a kind that nobody has taken",

    "UPDATE job SET taken_until = 0, owner = NULL": "signetctl store copy, once",
    "DELETE FROM job WHERE only_for IS NOT NULL": "the same",
    "SELECT min(CASE WHEN taken_until > due_at": "the jobs of a kind",
    "SELECT 1 FROM job WHERE kind = ?1 AND taken_until > ?2": "signetctl check, while a list is being signed",
    "SELECT max(not_after) FROM certificate WHERE shard = ?1": "the index alone, of one shard, for its list",
    "SELECT der FROM certificate WHERE shard = ?1": "LIMIT 1; all have one but those that are signed now",
    "DELETE FROM former_key": "an account keeps 16",
    "SELECT number, crl_number, this_update, next_update FROM crl_shard s": "while a shard has no list yet, a moment; ends "
                                                                              "with the first row",
    "SELECT id FROM orders WHERE account_id = ?1": "in the order of the index, with a LIMIT",
    "SELECT p.subject, p.at, p.question": "whether there is any; ends with the first row",
    "SELECT 1 FROM rate_override LIMIT 1": "the first row",
    "SELECT id FROM authz WHERE account_id = ?1": "those without an order, by an index of them alone",
    "SELECT count(*) FROM listed": "signetctl store reconcile",
    "SELECT l.serial, l.shard": "the same: what lists had and the store had not, which it takes away",
}


# What the driver puts in place of them; and what only the other one says.
WORDS = {"@int": "INTEGER", "@blob": "BLOB", "@text": "TEXT", "@lock": "", "@skip-locked": "", "@light": ""}
ELSEWHERE = re.compile(r"pg_|::|%")


def statements():
    found = {one.decode() for one in STATEMENT.findall((BUILD / "libsignet_store.a").read_bytes())}
    return sorted(re.sub("|".join(WORDS), lambda word: WORDS[word[0]], one) for one in found if not ELSEWHERE.search(one))


def is_broad(step):
    """Whether a step of a plan may read many rows of a table that may have many."""
    words = step.split()
    if words[0] not in ("SCAN", "SEARCH") or step == "SCAN CONSTANT ROW":
        return False
    if words[0] == "SCAN" or "USING" not in words:
        return True
    compared = re.search(r"\((.*)\)$", step)
    return compared is None or compared[1] in COARSE


class Plans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([lab.program("mail_fill"), cls.folder.name, "1"], check=True)
        cls.store = sqlite3.connect(f"{cls.folder.name}/signet.db")
        cls.addClassCleanup(cls.store.close)
        cls.tables = [row[0] for row in cls.store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def plan(self, statement):
        values = [None] * len(set(re.findall(r"\?\d+", statement)))
        return [row[3] for row in self.store.execute("EXPLAIN QUERY PLAN " + statement, values)]

    def table_of(self, step, statement):
        """The table that a step is about, which the statement may have given a short name."""
        name = step.split()[1]
        alias = re.search(rf"(?:FROM|JOIN|,) (\w+) (?:AS )?{name}\b", statement)
        return name if name in self.tables else alias and alias[1]

    def broad(self, statement):
        return [step for step in self.plan(statement) if is_broad(step) and self.table_of(step, statement) in self.tables
                and self.table_of(step, statement) not in SMALL]

    def test_statements(self):
        found = statements()
        self.assertGreater(len(found), 150)
        for kind in ("job", "orders", "authz", "challenge", "message", "certificate", "audit", "account", "rate"):
            self.assertTrue(any(re.search(rf"\b{kind}\b", statement) for statement in found), kind)

    def test_every_statement_has_an_index(self):
        for statement in statements():
            allowed = any(statement.startswith(beginning) for beginning in ALLOWED)
            with self.subTest(statement=statement):
                self.assertTrue(allowed or not self.broad(statement), self.plan(statement))

    def test_every_exception_is_one(self):
        for beginning in ALLOWED:
            with self.subTest(statement=beginning):
                self.assertTrue([one for one in statements() if one.startswith(beginning) and self.broad(one)])

    def test_what_is_broad(self):
        for statement, wanted in (("SELECT 1 FROM audit WHERE detail = ?1", True), ("SELECT 1 FROM orders WHERE id = ?1", False),
                                  ("SELECT max(number) FROM audit WHERE kind = ?1", True),
                                  ("SELECT 1 FROM job j WHERE j.kind = ?1", True), ("SELECT 1 FROM setting", False)):
            self.assertEqual(bool(self.broad(statement)), wanted, statement)


if __name__ == "__main__":
    unittest.main()
