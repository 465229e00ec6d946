# SPDX-License-Identifier: Apache-2.0
"""A store as the first release made it (schema version 3), with a certificate in it, under today's signetd: it can be
fetched and revoked, a new one issued, the audit log verified; and backed up, restored and reconciled."""

import contextlib
import hashlib
import json
import pathlib
import re
import sqlite3
import struct
import unittest

from keeping import KeepingCase

SCHEMA = pathlib.Path(__file__).resolve().parents[1] / "unit/store/schema_3.sql"


class Upgrade(KeepingCase):
    def tables_of_3(self):
        """Empty tables of version 3, and the columns of each."""
        old = sqlite3.connect(":memory:")
        self.addCleanup(old.close)
        script = re.sub(r"^INSERT INTO (?!schema_version).*$", "", SCHEMA.read_text(), flags=re.M)
        old.executescript(script)
        names = [row[0] for row in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return script, {name: [row[1] for row in old.execute(f"SELECT * FROM pragma_table_info('{name}')")] for name in names}

    def downgrade(self):
        """The store as that release would have it: the rows of today in its tables, and its audit log."""
        script, tables = self.tables_of_3()
        path = self.store / "signet.db"
        with contextlib.closing(sqlite3.connect(path)) as now:
            rows = {name: now.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
                    for name, columns in tables.items() if name != "schema_version"}
        for file in self.store.glob("signet.db*"):
            file.unlink()
        with contextlib.closing(sqlite3.connect(path)) as old:
            old.executescript(script)
            for name, found in rows.items():
                if name != "audit":
                    old.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(tables[name]))})", found)
            previous = bytes(32)
            for number, at, kind, subject, detail, _ in rows["audit"]:
                previous = self.old_hash(previous, number, at, (kind, subject, detail))
                old.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (number, at, kind, subject, detail, previous))
            old.execute("DELETE FROM job WHERE kind NOT IN ('mail', 'judge', 'issue', 'crl', 'sweep', 'close', 'revoke', 'purge')")
            old.commit()
        (self.store / "signer.checkpoint").unlink()  # that release had none

    @staticmethod
    def old_hash(previous, number, at, texts):
        """base/audit_record.c:hash_without_chain"""
        octets = previous + struct.pack(">qq", number, at)
        for text in texts:
            octets += struct.pack(">Q", len(text.encode())) + text.encode()
        return hashlib.sha256(octets).digest()

    def test_upgrade(self):
        seen = []
        leaf = self.world.issue(self.user, "user0", seen)[0]
        order = {"url": dict(seen)["order"]}
        self.server.stop()
        self.downgrade()
        self.server.start()
        self.assertGreater(self.server.query("SELECT max(version) FROM schema_version")[0][0], 3)
        self.assertEqual(self.user.certificate(order)[0], leaf)
        self.good("audit", "verify")
        self.good("backup", self.file)
        later = self.issue("user1")
        self.revoke(leaf, "superseded")
        number, entries = self.wait_listed(leaf)
        self.assert_all_good()
        self.server.stop()
        self.destroy()
        self.good("restore", self.file)
        self.server.start()
        self.assert_refuses()
        done = json.loads(self.good("store", "reconcile", "--json"))
        self.assertEqual((done["alone"], done["revoked"]), (1, 1))
        self.assertEqual(self.listed(), (number, entries))
        self.good("issuance", "start")
        self.revoke(later, "superseded")
        self.wait_listed(leaf, later)
        self.assert_all_good()


if __name__ == "__main__":
    unittest.main()
