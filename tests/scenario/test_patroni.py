# SPDX-License-Identifier: Apache-2.0
"""Two nodes on a Patroni cluster of three (docs/scaling.md) while clients issue: the machine of the primary fails, and comes
back; the roles are switched in order; the synchronous standby fails; a primary is left without its Patroni. Nothing
acknowledged is lost or there twice.

How long it takes until a request is served again is printed. Patroni's times are short here: docs/scaling.md has those of its
presets. SIGNET_FULL=1 does all of it instead of the first part."""

import unittest

import share
from faults import OutageCase
from nodes import Nodes
from patroni_cluster import Cluster


class Patroni(OutageCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self.lab, ttl=5, loop_wait=1, retry_timeout=1)
        self.addCleanup(self.cluster.close)
        self.cluster.start()

    def lose(self, role):
        """The machine of one, which comes back."""
        dead = self.cluster.member(role)
        dead.kill()
        self.see_back()
        dead.start()

    def switch_over(self):
        self.cluster.switch_over()
        self.see_back()

    def lose_patroni(self):
        """A primary that nobody tells that it is none any more: it waits for its standby, which is another one's."""
        left = self.cluster.member("leader")
        left.process.stop()
        self.lab.wait_for(lambda: self.cluster.roles().get(left.name) != "leader" and self.cluster.member("leader"),
                          "another primary")
        left.start()
        self.see_back()

    def test_outages(self):
        world = Nodes(self, self.cluster.make_database("signet"))
        outages = [lambda: self.lose("leader"), self.switch_over, lambda: self.lose("sync_standby"), self.lose_patroni]

        def blow(i):
            self.cluster.wait_whole()
            self.lab.wait_for(lambda: self.work.chains or self.work.failures, "a certificate")
            outages[i]()

        self.check(world, self.run_work(world, blow, share.share(1, len(outages))))


if __name__ == "__main__":
    unittest.main()
