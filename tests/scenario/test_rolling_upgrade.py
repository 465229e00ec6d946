# SPDX-License-Identifier: Apache-2.0
"""Two nodes are upgraded one after the other behind the load balancer of docs/scaling.md, as that page says, and taken back
to the release before, while clients issue through both: the next release has a newer schema, so that the older one works
beside it, and on it. (It is this one with one more migration: tests/next_migration.h.)"""

import unittest
import urllib.request

import requests

import haproxy
import signet_lab as signet
from faults import OutageCase
from lab import HOST
from nodes import Nodes
from postgres import Postgres

NEXT = signet.BUILD / "tests/next"


class Balanced(Nodes):
    """Two nodes that know the balancer, which is there when they are. Clients end their connections with each issuance: one
    that stays open stays with its node."""

    def new_user(self):
        user = super().new_user()
        user.net.session.mount("https://", haproxy.Adapter(self.server.url, self.balancer.https))
        return user

    def issue(self, user, *words):
        chain = super().issue(user, *words)
        user.net.session.close()
        return chain


class RollingUpgrade(OutageCase):
    ISSUANCES = WORKERS = 4

    def setUp(self):
        super().setUp()
        self.database = Postgres().start()
        self.addCleanup(lambda: self.database.__exit__(None, None, None))
        self.world = Balanced(self, self.database.make_database("signet"), acme={"proxy-addresses": haproxy.SOURCE})
        self.nodes = dict(zip(("first", "second"), self.world.nodes))
        self.balancer = self.world.balancer = haproxy.Haproxy(self.lab, self.nodes)

    def value(self, sql):
        return int(self.database.query(f"SET search_path = signet; {sql}", "signet"))

    def see_work(self, name):
        """A further certificate is asked of this node's signer."""
        signed = f"SELECT count(*) FROM certificate WHERE asked = '{name}' AND der IS NOT NULL"
        before = self.value(signed)
        self.lab.wait_for(lambda: self.value(signed) > before or self.work.failures, f"a certificate by {name}")

    def replace(self, name, programs):
        """Another release on one node."""
        node = self.nodes[name]
        self.balancer.command(f"set server acme/{name} state drain")
        self.lab.wait_for(lambda: self.balancer.open_connections(name) == 0, "the node to have nothing open")
        node.stop()
        self.assertEqual(node.process.status(), 0)
        node.programs = programs
        node.start()
        node.ctl("health", "--wait", "60", "--config", node.path)
        self.balancer.command(f"set server acme/{name} state ready")
        for each in self.nodes:
            self.see_work(each)

    def test_upgrade(self):
        own = self.value("SELECT max(version) FROM schema_version")
        steps = [("first", NEXT), ("second", NEXT), ("first", signet.BUILD), ("second", signet.BUILD)]

        def blow(i):
            self.replace(*steps[i])
            self.assertEqual(self.value("SELECT max(version) FROM schema_version"), own + 1)

        work = self.run_work(self.world, blow, len(steps))
        self.assert_goes_on()
        self.check(self.world, work)

    def assert_goes_on(self):
        """A node dies: whoever comes to the balancer is served, also before that has found out."""
        self.world.lose(self.nodes["first"])
        for _ in range(6):
            answer = requests.get(f"https://{HOST}:{self.balancer.https}/directory", verify=str(self.world.server.tls), timeout=60)
            self.assertEqual(answer.status_code, 200)
        with urllib.request.urlopen(f"http://{HOST}:{self.balancer.http}/root.der", timeout=60) as answer:
            self.assertEqual(answer.status, 200)
        self.nodes["first"].start()


if __name__ == "__main__":
    unittest.main()
