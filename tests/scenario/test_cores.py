# SPDX-License-Identifier: Apache-2.0
"""One server whose two cores have a chain of the audit log each (ca-rules 6 and 33): the evidence of a certificate that both
had a part in verifies, and neither chain is signed again once it was cut."""

import json
import os
import re
import signal
import subprocess
import unittest

import faults
import signet_lab as signet
from postgres import Postgres


class TwoCores(faults.FaultCase):
    def setUp(self):
        super().setUp()
        self.database = Postgres().start()
        self.addCleanup(lambda: self.database.__exit__(None, None, None))
        place = {"postgresql": self.database.make_database("signet"), "cores": 2}
        self.world = faults.World(self, settings={"store": place})
        self.server = self.world.server

    def query(self, sql):
        return self.database.query(f"SET search_path = signet; {sql}", "signet")

    def evidence(self, *words):
        done = subprocess.run([signet.BUILD / "signetctl", "evidence", *map(str, words)], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def verify(self, lines):
        path = self.lab.path / "changed.jsonl"
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        return self.evidence("verify", path)[1]

    def issue_by_both(self):
        """A core dies between the reply and the rest: the other one, whose chain is shorter, goes on."""
        user = faults.new_user(self.server)
        for mailbox in faults.MAILBOXES[:6]:
            order = faults.patient(lambda: user.new_order(f"{mailbox}@user.test"))
            challenge = faults.patient(lambda: user.authorization(order))["challenges"][0]
            raw = self.world.reply(user, challenge, mailbox)
            self.world.hand_in(f"{mailbox}@user.test", challenge["from"], raw)
            os.kill(self.server.pids()["core"][0], signal.SIGKILL)
            leaf = self.world.finish(user, order, challenge, mailbox)[0]
            if self.query("SELECT audited LIKE '% %' FROM certificate ORDER BY issued_at DESC LIMIT 1") == "t":
                return leaf
        raise AssertionError("one core did everything")

    def test_evidence(self):
        leaf = self.issue_by_both()
        self.server.stop()
        path = self.lab.path / "evidence.jsonl"
        status, printed = self.evidence("export", f"{leaf.serial_number:x}", "--config", self.server.path, "--output", path)
        self.assertEqual((status, printed), (0, ""))
        status, printed = self.evidence("verify", path)
        self.assertEqual(status, 0, printed)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertGreater(len({line["chain"] for line in lines if "chain" in line}), 1)

        # Each record that led to it is missed, of whichever chain.
        shown = {line["hash"] for line in lines if line.get("evidence") == "audit"}
        for line in [line for line in lines if line.get("hash") in shown and "record" in line]:
            self.assertRegex(self.verify([other for other in lines if other is not line]),
                             rf"(?m)^FAILED  evidence: audit record {line['record']} is missing, or another$")

    def test_status(self):
        """The size of the store is that of the database, and of what each node has beside it; what is to be removed is read there."""
        ctl = lambda *words: subprocess.run([signet.BUILD / "signetctl", *words, "--config", self.server.path], capture_output=True, text=True).stdout
        status = lambda: ctl("status")
        self.assertEqual(json.loads(ctl("purge", "show", "--json"))["failed-orders"]["count"], 0)
        found = re.search(r"(?m)^store +/.*/store, \d+\.\d MiB\n +PostgreSQL, (\d+\.\d) MiB$", status())
        size = self.query("SELECT sum(pg_total_relation_size(tablename::regclass)) FROM pg_tables WHERE schemaname = 'signet'")
        self.assertAlmostEqual(float(found[1]), int(size) / 2 ** 20, delta=0.5)
        self.server.stop()
        self.assertRegex(status(), r"(?m)^ +PostgreSQL, its size is told by a signetd that runs$")

    def test_cut(self):
        for _ in range(2):
            self.server.stop()
            self.server.start()
        self.server.stop()
        self.assertNotIn("audit checkpoint not signed", self.server.log())
        signed = self.query("SELECT count(DISTINCT chain) FROM audit_checkpoint")
        self.assertEqual(signed, "2")
        for chain in self.query("SELECT DISTINCT chain FROM audit_checkpoint").split():
            self.query(f"DELETE FROM audit WHERE chain = '{chain}' AND number >"
                       f" (SELECT max(number) - 3 FROM audit WHERE chain = '{chain}')")
        self.query("DELETE FROM audit_checkpoint")
        self.server.start()
        self.server.stop()
        self.assertRegex(self.server.log(), "audit checkpoint not signed.*(the log was cut|the log was changed)")
        self.assertEqual(self.query("SELECT count(*) FROM audit_checkpoint"), "0")


if __name__ == "__main__":
    unittest.main()
