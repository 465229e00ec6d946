# SPDX-License-Identifier: Apache-2.0
"""signetctl purge show beside a real signetd: what it tells is what signetd then removes, and it removes nothing itself."""

import contextlib
import datetime
import json
import sqlite3
import unittest

from keeping import KeepingCase

DAY = 86_400_000
TABLES = "orders", "authz", "challenge", "message", "raw", "certificate", "audit"


class PurgeShow(KeepingCase):
    def show(self, *words):
        found = json.loads(self.good("purge", "show", "--json", *words))
        return {name: found[name]["count"] for name in ("failed-orders", "free-authorizations", "certificates")}

    def counts(self):
        return {table: self.server.query(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def in_days(self, days):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def age(self, days):
        """As if it had all ended so much earlier."""
        with contextlib.closing(sqlite3.connect(self.store / "signet.db", timeout=30)) as store:
            for table, column in (("orders", "expires_at"), ("authz", "expires_at"), ("certificate", "not_after")):
                store.execute(f"UPDATE {table} SET {column} = {column} - ?", (days * DAY,))
            store.commit()

    def removed(self, kind):
        return [row[0] for row in self.server.query("SELECT detail FROM audit WHERE kind = ? ORDER BY number", kind)]

    def run_purge(self):
        for kind in ("sweep", "purge"):
            self.server.hurry(kind)
        self.good("health")  # core looks at its jobs

    def test_show(self):
        self.issue("user0")
        order = self.user.new_order("user1@user.test")
        self.user.post(order["authorizations"][0], {"status": "deactivated"})
        self.assertEqual(self.user.get(order["url"])["status"], "invalid")
        self.user.new_order("user2@user.test")  # open, and left so
        self.lab.wait_for(lambda: not self.server.query("SELECT 1 FROM job WHERE kind = 'mail'"), "the relay's answer")
        none, before = {"failed-orders": 0, "free-authorizations": 0, "certificates": 0}, self.counts()
        self.assertEqual(self.show(), none)
        self.assertEqual(self.show("--until", self.in_days(60)), {**none, "failed-orders": 2})
        self.assertEqual(self.show("--until", self.in_days(20 * 366)), {**none, "failed-orders": 2, "certificates": 1})
        self.assertEqual(self.counts(), before)
        self.age(60)
        self.assertEqual(self.show(), {**none, "failed-orders": 2})
        self.assertRegex(self.good("purge", "show"),
                         r"(?m)^failed orders, with their mails and replies: 2, ended \S+ to \S+ \(ended before \S+, by store\.keep-failed\)$")
        self.lab.wait_for(lambda: self.run_purge() or self.show() == none, "all of them to go")
        self.assertEqual(self.server.query("SELECT count(*) FROM orders"), [(1,)])
        self.assertTrue(self.removed("failed orders removed"))
        self.age(20 * 366)
        self.assertEqual(self.show()["certificates"], 1)
        self.server.stop()
        self.assertEqual(self.show()["certificates"], 1)  # without a server too
        self.server.start()
        self.lab.wait_for(lambda: self.removed("certificate removed"), "the certificate to go")
        self.assertEqual(self.server.query("SELECT count(*) FROM certificate"), [(0,)])
        self.assertEqual(self.show()["certificates"], 0)
        self.good("audit", "verify")

    def test_refused(self):
        self.bad("purge", "show", "--until", "tomorrow", why='"tomorrow" is no time as 2026-03-01T00:00:00Z', status=2)
        self.server.stop()
        for file in self.store.glob("signet.db*"):
            file.unlink()
        self.bad("purge", "show", why=f"the store cannot be read: {self.store}/signet.db: No such file or directory; signetd makes it at its first start")
        self.bad("backup", self.file, why="signet.db: No such file or directory; signetd makes it at its first start")


if __name__ == "__main__":
    unittest.main()
