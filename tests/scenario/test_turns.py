# SPDX-License-Identifier: Apache-2.0
"""Requests that core takes in one transaction: one that is refused takes none of the others with it, and each is done,
logged and counted once, although the transaction is run again."""

import http.client
import os
import pathlib
import signal
import unittest

import lab
from lab import HOST
from signed_client import Client
from signet_lab import AcmeUser, Signetd

ORDERS, REFUSED = 8, 3


class Turns(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.server = Signetd(self.lab, settings={"log": {"level": "debug"}})
        self.one, self.other = (Client(self.server, AcmeUser(self.server)) for _ in range(2))
        self.addCleanup(self.one.close)
        self.addCleanup(self.other.close)
        self.server.ctl("limit", "set", "orders-per-account", self.other.uri.rsplit("/", 1)[1], "1/1h", "--config",
                        self.server.path)
        self.other.user.new_order("first@user.test")

    def order(self, client, address):
        payload = {"identifiers": [{"type": "email", "value": address}]}
        return client.jws(client.nonce(), f"{self.server.url}/new-order", payload)

    def unread(self):
        """Octets of requests that no edge has read yet."""
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table][1:]
        return sum(int(row[4].split(":")[1], 16) for row in rows if int(row[1].rsplit(":", 1)[1], 16) == self.server.https)

    def rest(self):
        """Whether every edge waits for something new."""
        return all(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S" for pid in self.server.pids()["edge"])

    def together(self, bodies, meanwhile=lambda: None):
        """Sends them all while core is halted: the answers' statuses."""
        core, = self.server.pids()["core"]
        connections = [http.client.HTTPSConnection(HOST, self.server.https, context=self.server.tls_context(), timeout=60)
                       for _ in bodies]
        for connection in connections:
            connection.connect()
        os.kill(core, signal.SIGSTOP)
        try:
            for connection, body in zip(connections, bodies):
                connection.request("POST", "/new-order", body, {"Content-Type": "application/jose+json"})
            self.lab.wait_for(lambda: self.unread() == 0 and self.rest(), "the edges to have read and passed on all")
            meanwhile()
        finally:
            os.kill(core, signal.SIGCONT)
        answers = [connection.getresponse() for connection in connections]
        for answer in answers:
            answer.read()
        for connection in connections:
            connection.close()
        return [answer.status for answer in answers]

    def count(self, event):
        return self.server.log().count(f'event="{event}"')

    def test_refused(self):
        for turn in range(3):  # the second and third with a place to go back to
            before = {event: self.count(event) for event in ("order created", "request refused")}
            bodies = [self.order(self.one, f"user{turn}.{n}@user.test") for n in range(ORDERS)]
            refused = [self.order(self.other, f"no{turn}.{n}@user.test") for n in range(REFUSED)]
            mixed = bodies[:ORDERS // 2] + refused + bodies[ORDERS // 2:]
            answers = self.together(mixed)
            self.assertEqual(answers, [201] * (ORDERS // 2) + [429] * REFUSED + [201] * (ORDERS - ORDERS // 2))
            for event, number in (("order created", ORDERS), ("request refused", REFUSED)):
                self.lab.wait_for(lambda: self.count(event) >= before[event] + number, f"the log of each {event}")
                self.assertEqual(self.count(event) - before[event], number)
            self.assertEqual(self.together(mixed), [400] * len(mixed))  # their nonces are used
        self.assertEqual(self.server.query("SELECT count(*) FROM orders"), [(3 * ORDERS + 1,)])
        self.assertEqual(self.count("transaction run again"), 1)
        self.server.ctl("audit", "verify", "--config", self.server.path)

    def test_stopped(self):
        """What core has when signetd is told to stop is answered."""
        def stop():
            self.server.process.send(signal.SIGTERM)
            self.lab.wait_for(lambda: "event=stopping" in self.server.log(), "the stop")

        bodies = [self.order(self.one, f"user{n}@user.test") for n in range(ORDERS)]
        self.assertEqual(self.together(bodies, stop), [201] * ORDERS)
        self.lab.wait_for(lambda: self.server.process.status() is not None, "its end")
        self.assertEqual(self.server.process.status(), 0)
        self.assertEqual(self.server.query("SELECT count(*) FROM orders"), [(ORDERS + 1,)])


if __name__ == "__main__":
    unittest.main()
