# SPDX-License-Identifier: Apache-2.0
"""One order, one certificate (security 7): many finalize requests for one order at once, over several edges, with
different keys, while core is killed, and again after a restart."""

import concurrent.futures
import os
import signal
import threading
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from faults import DEADLINE, MAILBOXES, FaultCase, World, deliver, new_user, patient
from share import seed, share
from signed_client import Client
from signet_lab import b64, make_csr, new_key

CSRS = 4  # different keys that are asked for at once


class Finalize(FaultCase):
    def setUp(self):
        super().setUp()
        self.count = share(20, 300)
        self.requests = share(20, 50)
        self.random = seed()
        settings = {"acme": {"processes": 3}, "ca": {"signatures-per-hour": 1000000}, "log": {"level": "info"}}
        self.world = World(self, settings=settings)
        self.server = self.world.server
        self.pool = concurrent.futures.ThreadPoolExecutor(self.requests)
        self.addCleanup(self.pool.shutdown)

    def make_ready(self, user, mailbox):
        """An order whose challenge is answered."""
        order = patient(lambda: user.new_order(f"{mailbox}@user.test"))
        challenge = patient(lambda: user.authorization(order))["challenges"][0]
        raw = self.world.reply(user, challenge, mailbox)
        deliver(self.server.smtp, f"{mailbox}@user.test", challenge["from"], raw)
        patient(lambda: user.respond(challenge))
        self.assertEqual(self.world.poll(user, order, lambda o: o["status"] != "pending")["status"], "ready")
        return order

    def ready_orders(self):
        """[(user, mailbox, order)], made by a few users at the same time."""
        def work(mailbox):
            user = new_user(self.server)
            share_of_one = range(MAILBOXES.index(mailbox), self.count, len(MAILBOXES))
            return [(user, mailbox, self.make_ready(user, mailbox)) for _ in share_of_one]
        return [one for some in self.pool.map(work, MAILBOXES) for one in some]

    def burst(self, client, order, csrs, kill=False):
        """All requests at once; the CSRs of those that were accepted. One that was cut off counts as nothing."""
        chosen = [csrs[n % len(csrs)] for n in range(self.requests)]
        path, start = order["finalize"][len(self.server.url):], threading.Barrier(self.requests + 1)
        nonces = list(self.pool.map(client.nonce, range(self.requests)))
        bodies = [client.jws(nonce, order["finalize"], {"csr": b64(csr)}) for nonce, csr in zip(nonces, chosen)]

        def send(body):
            start.wait(DEADLINE)
            return client.send(body, path)
        sent = [self.pool.submit(send, body) for body in bodies]
        core = self.server.pids()["core"][0]
        start.wait(DEADLINE)
        if kill:
            os.kill(core, signal.SIGKILL)
        answers = [future.result() for future in sent]
        wanted = {(200, None), (403, "orderNotReady")}
        if kill:
            wanted |= {(503, "serverInternal"), (400, "badNonce")}
        self.assertLessEqual({answer[:2] for answer in answers if answer is not None}, wanted)
        if not kill:
            self.assertNotIn(None, answers)
        return [csr for csr, answer in zip(chosen, answers) if answer is not None and answer[0] == 200]

    def steady(self, client):
        """Every edge has core again."""
        def asked():
            answers = list(self.pool.map(lambda _: client.send("{}"), range(4 * self.requests)))
            return all(answer is not None and answer[0] == 400 for answer in answers)
        self.lab.wait_for(asked, "every edge to have core")

    def race(self, user, mailbox, order, kill):
        client = Client(self.server, user)
        csrs = [make_csr(new_key(), f"{mailbox}@user.test") for _ in range(CSRS)]
        accepted = self.burst(client, order, csrs, kill)
        if kill:
            self.steady(client)
        if kill and not accepted:  # its answer may be lost, or none was taken
            accepted = self.burst(client, order, csrs)
        self.assertLessEqual(len(accepted), 1)
        done = self.world.poll(user, order, lambda o: o["status"] in ("valid", "invalid"))
        self.assertEqual(done["status"], "valid", done)
        chain = patient(lambda: user.certificate(order))
        spki = lambda holder: holder.public_key().public_bytes(serialization.Encoding.DER,
                                                               serialization.PublicFormat.SubjectPublicKeyInfo)
        asked = accepted or csrs
        self.assertIn(spki(chain[0]), [spki(x509.load_der_x509_csr(csr)) for csr in asked])
        self.assertEqual(self.burst(client, order, csrs), [], "an order that has its certificate was finalized again")
        client.close()

    def test_at_once(self):
        orders = self.ready_orders()
        killed = set(self.random.sample(range(len(orders)), max(2, len(orders) // 10)))
        for number, (user, mailbox, order) in enumerate(orders):
            self.race(user, mailbox, order, number in killed)
        self.wait_idle(self.server)
        issued = self.server.query("SELECT order_id, count(*) FROM certificate GROUP BY order_id")
        self.assertEqual([count for _, count in issued], [1] * self.count)
        print(f"# {self.count} orders, {self.requests} finalize requests at once for each, core killed {len(killed)} times",
              flush=True)
        self.server.stop()
        self.assert_sound(self.server)


if __name__ == "__main__":
    unittest.main()
