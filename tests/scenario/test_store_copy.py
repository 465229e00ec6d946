# SPDX-License-Identifier: Apache-2.0
"""An installation moves from SQLite to PostgreSQL: signetctl store copy, then the same signetd on the database. What was
issued is there, is revoked; new ones are issued; every check of the whole finds no fault."""

import shutil
import subprocess
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import postgres
import signet_lab as signet
from faults import MAILBOXES, FaultCase, World, new_user
from lab import HOST


class StoreCopy(FaultCase):
    def setUp(self):
        super().setUp()
        self.database = postgres.Postgres().start()
        self.addCleanup(lambda: self.database.__exit__(None, None, None))
        self.place = self.database.make_database("signet")
        self.world = World(self, settings={"ca": {"signatures-per-hour": 1000000}, "store": {"node": "old"}})
        self.server = self.world.server

    def ctl(self, *argv, status=0):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, argv), "--config", self.server.path],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def move(self):
        """As the command tells to."""
        self.server.config["store"]["postgresql"] = self.place
        self.server.write_config()
        self.server.start()

    def listed(self):
        with urllib.request.urlopen(f"http://{HOST}:{self.server.http}/crl-1.crl", timeout=60) as answer:
            return {entry.serial_number for entry in x509.load_der_x509_crl(answer.read())}

    def test_move(self):
        user = new_user(self.server)
        chain = self.world.issue(user, MAILBOXES[0])
        revoked = self.world.issue(user, MAILBOXES[1])[0]
        self.ctl("certificate", "revoke", f"{revoked.serial_number:x}", "--reason", "superseded")
        unfinished = user.new_order("user2@user.test")
        self.assertIn("another process works on this store", self.ctl("store", "copy", "--to", self.place, status=1))
        self.server.stop()
        before = {table: self.server.query(f"SELECT count(*) FROM {table}") for table in ("audit", "raw", "certificate")}
        end = self.server.query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")[0]

        shown = self.ctl("store", "copy", "--to", self.place, "--progress")
        self.assertRegex(shown, r"rows: \d+ in \d+ tables")
        self.assertRegex(shown, r"audit log there: PostgreSQL: \d+ records in 1 chains, [1-9]\d* checkpoints, 0 faults")
        self.assertIn(f"[store]\npostgresql={self.place}\nnode=old\n", shown)
        again = self.ctl("store", "copy", "--to", self.place, status=1)
        self.assertRegex(again, r"there is a store already: the table \w+ has rows")
        self.assertEqual({table: self.server.query(f"SELECT count(*) FROM {table}") for table in before}, before)

        shutil.move(self.server.folder / "store/signet.db", self.lab.path)
        self.move()
        self.assertEqual(user.acme.query_registration(user.account).body.status, "valid")
        kept = [one for one in self.server.query("SELECT order_id FROM certificate ORDER BY id")]
        self.assertEqual(len(kept), 2)
        order = user.get(f"{self.server.url}/order/" + signet.b64(kept[0][0]))
        fetched = user.post(order["certificate"]).content
        self.assertIn(chain[0].public_bytes(serialization.Encoding.PEM).strip(), fetched)
        self.lab.wait_for(lambda: self.listed() == {revoked.serial_number}, "the list of before")
        self.ctl("certificate", "revoke", f"{chain[0].serial_number:x}", "--reason", "superseded")
        self.lab.wait_for(lambda: chain[0].serial_number in self.listed(), "the list with the one of before")

        # What was begun before goes on; new ones are issued.
        challenge = user.authorization(unfinished)["challenges"][0]
        self.world.hand_in("user2@user.test", challenge["from"], self.world.reply(user, challenge, "user2"))
        self.world.finish(user, unfinished, challenge, "user2")
        self.world.issue(user, MAILBOXES[3])

        # New chains, of the cores; their first record names the end of the old one, and is signed.
        begun = self.server.query("SELECT a.detail FROM audit a JOIN audit_owner o ON o.chain = a.chain"
                                  " WHERE a.kind = 'chain begun' AND o.owner <> ''")
        self.assertEqual(len(begun), 2)
        for (detail,) in begun:
            self.assertIn(f"{end[0]}", detail)
            self.assertIn(end[1].hex(), detail)
        self.wait_idle(self.server)
        self.server.stop()
        self.assertRegex(self.ctl("audit", "verify"), r"in 3 chains, \d+ checkpoints, 0 faults")
        self.ctl("check", "all")
        self.assert_sound(self.server)

    def test_refused(self):
        """Nothing to copy, nowhere to copy to; a copy that breaks off leaves nothing."""
        self.server.stop()
        away = f"host={HOST} port={postgres.free_port()} dbname=x user=x"
        self.assertIn("cannot be reached", self.ctl("store", "copy", "--to", away, status=1))
        self.assertIn("a password stands in it", self.ctl("store", "copy", "--to", self.place + " password=x", status=1))
        self.assertIn("--to is needed", self.ctl("store", "copy", status=2))
        with signet.contextlib.closing(signet.sqlite3.connect(self.server.folder / "store/signet.db")) as store:
            store.execute("UPDATE audit SET detail = detail || 'x' WHERE number = 2")
            store.execute("INSERT INTO raw VALUES (x'01', 'a text')")
            store.commit()
        self.assertIn("a value is not of the column's type", self.ctl("store", "copy", "--to", self.place, status=1))
        self.assertEqual(postgres.rows(self.place, "SELECT count(*) FROM audit"), [(0,)])

        # Faults that were there before are no reason to stay; they are told.
        with signet.contextlib.closing(signet.sqlite3.connect(self.server.folder / "store/signet.db")) as store:
            store.execute("DELETE FROM raw")
            store.commit()
        shown = self.ctl("store", "copy", "--to", self.place)
        self.assertIn("audit log there: FAULT", shown)
        self.assertIn("audit log here: FAULT", shown)
        shutil.move(self.server.folder / "store/signet.db", self.lab.path)
        (self.server.folder / "store/signet.db-wal").unlink(missing_ok=True)
        self.assertIn("there is no ", self.ctl("store", "copy", "--to", self.place, status=1))


if __name__ == "__main__":
    unittest.main()
