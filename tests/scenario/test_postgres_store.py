# SPDX-License-Identifier: Apache-2.0
"""The store's driver for PostgreSQL against a server that loses connections, dies and is replaced: what was said to be
committed is there once, what was said to be undone is not, and what is in doubt is found out."""

import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import postgres
import share
from cutter import Cutter

BUILD = pathlib.Path(os.environ["SIGNET_BUILD"])
HOST = postgres.HOST
DATABASE = "signet"
DEADLINE = postgres.DEADLINE


class Writer:
    """A store_writer, its lines as they come."""

    def __init__(self, connection, owner, numbers, *password_file):
        self.process = subprocess.Popen(
            [BUILD / "tests/store_writer", connection, owner, str(numbers.start), str(numbers.stop), *password_file],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.errors = []
        self.readers = [threading.Thread(target=self._read, args=each)
                        for each in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, lines):
        with stream:
            for line in stream:
                lines.append(line.strip())

    def said(self, word):
        return [int(line.split()[1]) for line in list(self.lines) if line.startswith(word + " ")]

    def wait(self):
        """Its exit code, when all that it said is there."""
        for reader in self.readers:
            reader.join(timeout=DEADLINE)
        return self.process.wait(timeout=DEADLINE)

    def wait_for(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end or self.process.poll() not in (None, 0):
                raise AssertionError(f"{what}: {self.lines[-5:]} {self.errors[-5:]}")
            time.sleep(0.01)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.wait()


class PostgresStore(unittest.TestCase):
    def server(self, **options):
        server = self.enterContext(postgres.Postgres(**options))
        server.make_database(DATABASE)
        return server

    def writer(self, connection, owner, numbers, *password_file):
        writer = Writer(connection, owner, numbers, *password_file)
        self.addCleanup(writer.end)
        return writer

    def numbers(self, server):
        found = server.query("SELECT convert_from(value, 'UTF8') FROM signet.nonce", DATABASE)
        return {int(line.split()[1]) for line in found.splitlines()}

    def commits(self, server, owner="node/0"):
        return int(server.query(f"SELECT commits FROM signet.writer WHERE owner = '{owner}'", DATABASE))

    def through(self, cutter):
        return f"host={HOST} port={cutter.port} user={postgres.OWNER} dbname={DATABASE}"

    def cutter(self, server, plan):
        cutter = Cutter(server.port, plan)
        self.addCleanup(cutter.close)
        return cutter

    def check(self, server, writer, numbers):
        """The writer went through, and every number is there once (it would have said twice)."""
        self.assertEqual(writer.wait(), 0, (writer.lines[-5:], writer.errors[-5:]))
        self.assertEqual(writer.said("done"), list(numbers), [line for line in writer.lines if not line.startswith("done")])
        self.assertEqual(self.numbers(server), set(numbers))

    def test_committed(self):
        """The connection is cut when the commit was done and nobody was told."""
        server = self.server()
        self.writer(server.conninfo(DATABASE), "setup/0", range(0)).wait()
        cutter = self.cutter(server, lambda count: "after" if count == 2 else "pass")
        writer = self.writer(self.through(cutter), "node/0", range(5))
        self.check(server, writer, range(5))
        self.assertIn("after", cutter.cuts)
        self.assertEqual(writer.said("again"), [])

    def test_not_committed(self):
        """The connection is cut before the server heard of the commit."""
        server = self.server()
        self.writer(server.conninfo(DATABASE), "setup/0", range(0)).wait()
        cutter = self.cutter(server, lambda count: "before" if count == 2 else "pass")
        writer = self.writer(self.through(cutter), "node/0", range(5))
        self.check(server, writer, range(5))
        self.assertIn("before", cutter.cuts)
        self.assertEqual(len(writer.said("again")), 1)

    def test_many_cuts(self):
        """Cuts at any point of a commit."""
        random = share.seed()
        count = share.share(50, 1000)
        server = self.server()
        self.writer(server.conninfo(DATABASE), "setup/0", range(0)).wait()
        cutter = self.cutter(server, lambda _: random.choice(["before", "after", "blind", "pass"]))
        writer = self.writer(self.through(cutter), "node/0", range(count))
        self.check(server, writer, range(count))
        self.assertGreater(len(cutter.cuts) - cutter.cuts.count("pass"), count // 2)

    def test_password(self):
        server = self.server()
        server.query(f"ALTER ROLE {postgres.OWNER} PASSWORD 'it is secret'")
        rules = server.data / "pg_hba.conf"
        rules.write_text(f"host all {postgres.OWNER} {HOST}/32 scram-sha-256\n" + rules.read_text())
        server.query("SELECT pg_reload_conf()")
        kept = server.folder / "password"
        for password, code in (("it is secret", 0), ("it is not", 1)):
            kept.write_text(f"{HOST}:{server.port}:{DATABASE}:{postgres.OWNER}:{password}\n")
            kept.chmod(0o600)
            writer = self.writer(server.conninfo(DATABASE), "node/0", range(1, 1 + (code == 0)), kept)
            self.assertEqual(writer.wait(), code, writer.errors)
        self.assertNotIn("it is not", " ".join(writer.errors))

    def test_terminated(self):
        """The server throws connections out, also in the middle of a transaction."""
        server = self.server()
        numbers = range(3000)
        writer = self.writer(server.conninfo(DATABASE), "node/0", numbers)
        for i in range(1, 6):
            writer.wait_for(lambda: len(writer.said("done")) > i * 400, "work")
            server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE application_name = 'signet node/0'")
        self.check(server, writer, numbers)

    def test_killed(self):
        """The server dies and comes back; what was acknowledged is there."""
        server = self.server(durable=True)
        writer = self.writer(server.conninfo(DATABASE), "node/0", range(10 ** 9))
        for _ in range(share.share(1, 3)):
            before = len(writer.said("done"))
            writer.wait_for(lambda: len(writer.said("done")) > before + 20, "work")
            server.kill()
            server.start()
        before = len(writer.said("done"))
        writer.wait_for(lambda: len(writer.said("done")) > before + 20, "work after the server is back")
        writer.end()
        self.assertLessEqual(set(writer.said("done")), self.numbers(server))
        self.assertNotIn("twice", " ".join(writer.lines))

    def test_away(self):
        """While there is no server the writer is told so, and works again as soon as there is one."""
        server = self.server(durable=True)
        writer = self.writer(server.conninfo(DATABASE), "node/0", range(10 ** 9))
        writer.wait_for(lambda: len(writer.said("done")) > 10, "work")
        server.stop()
        writer.wait_for(lambda: writer.said("away"), "it says that the database is away")
        server.start()
        before = len(writer.said("done"))
        writer.wait_for(lambda: len(writer.said("done")) > before + 10, "work after the server is back")
        refused = self.writer(f"host={HOST} port={postgres.free_port()} dbname=x", "node/1", range(1))
        self.assertEqual(refused.wait(), 1)

    def test_promoted(self):
        """The primary dies and its synchronous standby takes over: all that was acknowledged is there."""
        server = self.server(durable=True)
        with server.standby() as standby:
            hosts = (f"host={HOST},{HOST} port={server.port},{standby.port} user={postgres.OWNER} dbname={DATABASE}"
                     " connect_timeout=10")
            writer = self.writer(hosts, "node/0", range(10 ** 9))
            writer.wait_for(lambda: len(writer.said("done")) > 50, "work")
            server.kill()
            standby.promote()
            before = len(writer.said("done"))
            writer.wait_for(lambda: len(writer.said("done")) > before + 50, "work on the promoted standby")
            writer.end()
            self.assertLessEqual(set(writer.said("done")), self.numbers(standby))
            self.assertNotIn("twice", " ".join(writer.lines))
            # The commits that the owner's row counts are those of this server.
            self.assertGreaterEqual(self.commits(standby), len(writer.said("done")))

    def test_standby_gone(self):
        """A commit that only the primary has is not acknowledged: its synchronous standby is away, and an
        administrator ends the wait for it."""
        server = self.server(durable=True)
        with server.standby() as standby:
            writer = self.writer(server.conninfo(DATABASE), "node/0", range(10 ** 9))
            writer.wait_for(lambda: len(writer.said("done")) > 20, "work")
            standby.kill()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            writer.wait_for(lambda: server.query(waiting) == "1", "a commit waits for the standby")
            done = len(writer.said("done"))
            server.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            writer.wait_for(lambda: "canceling wait" in server.log() and server.query(waiting) == "1",
                            "it commits once more, and waits")
            self.assertEqual(len(writer.said("done")), done)
            standby.start()
            writer.wait_for(lambda: len(writer.said("done")) > done + 20, "work with the standby")
            writer.end()
            self.assertLessEqual(set(writer.said("done")), self.numbers(standby))


if __name__ == "__main__":
    unittest.main()
