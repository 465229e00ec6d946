# SPDX-License-Identifier: Apache-2.0
"""Whole nodes while PostgreSQL dies, is replaced by its standby or loses connections under their commits, and while nodes
die: clients issue on, and nothing that they saw acknowledged is lost or there twice.

How long it takes until a request is served again is printed; the goal is 10 s. SIGNET_FULL=1 runs the whole of it
instead of the share that fits a build."""

import select
import threading
import unittest
import urllib.error
import urllib.request

import postgres
import share
from cutter import Cutter
from faults import DEADLINE, OutageCase, World, patient
from nodes import Nodes

DATABASE = "signet"


class PostgresFaults(OutageCase):
    def database(self, **options):
        found = postgres.Postgres(**options).start()
        self.addCleanup(found.__exit__, None, None, None)
        found.make_database(DATABASE)
        return found

    def node(self, place):
        return World(self, settings={"ca": {"signatures-per-hour": 1000000}, "store": {"postgresql": place}})

    def test_killed(self):
        """The only server dies, and comes back."""
        database = self.database(durable=True)
        world = self.node(database.conninfo(DATABASE))

        def blow(_):
            database.kill()
            database.start()
            self.see_back()

        self.check(world, self.run_work(world, blow, share.share(3, 50)))

    def test_promoted(self):
        """The primary dies for good, its synchronous standby is promoted and gets one of its own."""
        servers = [self.database(durable=True)]
        servers.append(servers[0].standby())
        self.addCleanup(servers[1].__exit__, None, None, None)
        ports = [server.port for server in servers]
        world = self.node(f"host={postgres.HOST},{postgres.HOST} port={ports[0]},{ports[1]} user={postgres.OWNER}"
                          f" dbname={DATABASE} target_session_attrs=read-write")

        count = share.share(1, 10)

        def blow(i):
            dead, promoted = servers
            dead.kill()
            promoted.promote()
            self.see_back()
            if i + 1 < count:
                servers[:] = [promoted, promoted.standby(port=dead.port)]
                self.addCleanup(servers[1].__exit__, None, None, None)

        self.check(world, self.run_work(world, blow, count))

    def test_cut(self):
        """Connections are lost before, under and after commits."""
        random, wanted = share.seed(), share.share(50, 1000)
        database = self.database()
        enough = threading.Event()

        def plan(count):
            cuts = count - cutter.cuts.count("pass")
            if cuts >= wanted:
                enough.set()
            calm = enough.is_set() or self.probe is None or random.random() < 0.75
            return "pass" if calm else random.choice(["before", "after", "blind"])

        self.probe = None
        cutter = Cutter(database.port, plan)
        self.addCleanup(cutter.close)
        world = self.node(f"host={postgres.HOST} port={cutter.port} user={postgres.OWNER} dbname={DATABASE}")
        work = self.run_work(world, lambda _: self.lab.wait_for(enough.is_set, "cuts", 20 * DEADLINE), 1)
        print({what: cutter.cuts.count(what) for what in ("before", "after", "blind", "pass")}, len(work.chains),
              "certificates", flush=True)
        self.check(world, work)

    def test_job_in_doubt(self):
        """The commit that takes a job is done, but no connection comes for as long as its core tries to learn that. The
        question never left, and nobody else takes the job: the core begins it anew."""
        database = self.database()
        mine = threading.Lock()
        of_mail = "FROM signet.job WHERE kind = 'mail'"

        def plan(_):
            """In the transaction that takes the job its row is locked."""
            with mine:
                there = database.query(f"SELECT count(*) {of_mail} AND due_at = 0", DATABASE) == "1"
                cutter.shut = there and database.query(f"SELECT 1 {of_mail} FOR UPDATE SKIP LOCKED", DATABASE) == ""
            return "after" if cutter.shut else "pass"

        cutter = Cutter(database.port, lambda _: "pass")
        self.addCleanup(cutter.close)
        place = f"host={postgres.HOST} port={cutter.port} user={postgres.OWNER} dbname={DATABASE}"
        world = World(self, settings={"mail": {"challenge-delay": "10m"}, "store": {"postgresql": place, "cores": 1}})
        user = world.new_user()
        order = user.new_order("user0@user.test")
        challenge = user.authorization(order)["challenges"][0]
        cutter.plan = plan
        with mine:
            database.query("UPDATE signet.job SET due_at = 0 WHERE kind = 'mail'", DATABASE)
        self.lab.wait_for(lambda: "store away" in world.server.log(), "the end of its patience", DEADLINE)
        self.assertEqual(database.query(f"SELECT count(*) {of_mail} AND taken_until > 0", DATABASE), "1")
        cutter.plan, cutter.shut = lambda _: "pass", False
        self.assertTrue(world.reply(user, challenge, "user0"))

    def test_swallowed(self):
        """Nothing comes back from the database's host. Once that is known requests are answered 503 at once, while core
        looks on: a look that was there before a request is there when it is answered."""
        database = self.database()
        cutter = Cutter(database.port, lambda _: "pass")
        self.addCleanup(cutter.close)
        place = f"host={postgres.HOST} port={cutter.port} user={postgres.OWNER} dbname={DATABASE}"
        world = World(self, settings={"store": {"postgresql": place, "cores": 1}})
        user = world.new_user()

        def ask():
            try:
                urllib.request.urlopen(world.server.url + "/directory", context=world.server.tls_context(), timeout=DEADLINE)
            except urllib.error.HTTPError as answer:
                return answer.code == 503 and answer.headers["Retry-After"]
            return None

        def open_looks():
            """Those that core has not given up."""
            return {look for look in cutter.looks if not select.select([look], [], [], 0)[0] or look.recv(1 << 16)}

        def asked_beside_a_look():
            before = open_looks()
            return ask() and before & open_looks()

        cutter.swallow()
        self.lab.wait_for(lambda: ask() and "store away" in world.server.log(), "the database to be away", DEADLINE)
        for _ in range(2):
            self.lab.wait_for(asked_beside_a_look, "an answer during a look", DEADLINE)
        cutter.answer_again()
        patient(lambda: user.new_order("user0@user.test"))
        self.assertIn("store is back", world.server.log())
        self.wait_idle(world.server)

    def test_node_lost(self):
        """Each of two nodes dies whole, in turn, and comes back; clients and mail servers go to the other one."""
        world = Nodes(self, self.database().conninfo(DATABASE))

        def blow(i):
            lost = world.nodes[i % 2]
            world.lose(lost)
            self.see_back()
            lost.start()

        self.check(world, self.run_work(world, blow, share.share(2, 10)))


if __name__ == "__main__":
    unittest.main()
