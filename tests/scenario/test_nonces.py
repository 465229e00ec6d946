# SPDX-License-Identifier: Apache-2.0
"""No nonce is accepted twice, over HTTPS with several edges, a restart of core and one of signetd; whoever comes with
an old one gets badNonce and a fresh one (RFC 8555 section 6.5; security 4)."""

import concurrent.futures
import contextlib
import os
import signal
import unittest

import lab
from share import seed, share
from signed_client import Client
from simulated_clock import Clock
from signet_lab import AcmeUser, Signetd

WORKERS = 12
NEARLY_A_BLOCK = 3600
COPIES = 4  # of each nonce, sent at the same time


class Nonces(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.server = Signetd(self.lab, settings={"acme": {"processes": 3}, "log": {"level": "warning"}})
        self.client = Client(self.server, AcmeUser(self.server))
        self.addCleanup(self.client.close)
        self.pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        self.addCleanup(self.pool.shutdown)
        self.random = seed()
        self.accepted = {}  # nonce -> times
        self.replays = 0

    def all(self, call, values):
        return list(self.pool.map(call, values))

    def count(self, nonces, answers):
        for nonce, (status, problem, fresh) in zip(nonces, answers):
            self.assertIn((status, problem), ((200, None), (400, "badNonce")))
            self.assertRegex(fresh, "^[A-Za-z0-9_-]{32}$")
            self.accepted[nonce] = self.accepted.get(nonce, 0) + (status == 200)

    def race(self, replays):
        """Each nonce COPIES times at once by several edges: one is accepted. Then the same octets again."""
        kept = []
        fresh = self.all(self.client.nonce, range(100))
        while replays > 0:
            nonces = [nonce for nonce in fresh[:100] for _ in range(COPIES)]
            self.assertEqual(len(set(fresh)), len(fresh), "a nonce was given twice")
            bodies = self.all(self.client.jws, nonces)
            answers = self.all(self.client.send, bodies)
            self.count(nonces, answers)
            again = self.random.sample(range(len(nonces)), len(fresh[:100]))
            self.count([nonces[n] for n in again], self.all(self.client.send, [bodies[n] for n in again]))
            replays -= len(nonces) - len(fresh[:100]) + len(again)
            self.replays += len(nonces) - len(fresh[:100]) + len(again)
            kept += fresh[:100]
            fresh = list({nonce for _, _, nonce in answers})
        self.assertEqual(set(self.accepted[nonce] for nonce in kept), {1})
        return kept, fresh

    def refused(self, nonces):
        """All of them are badNonce, by whichever edge, and what comes with it is good once."""
        answers = self.all(self.client.post, nonces)
        self.assertEqual({answer[:2] for answer in answers}, {(400, "badNonce")})
        fresh = [nonce for _, _, nonce in answers]
        self.assertEqual(len(set(fresh)), len(fresh))
        self.count(fresh[:50], self.all(self.client.post, fresh[:50]))
        self.assertEqual({self.accepted[nonce] for nonce in fresh[:50]}, {1})
        self.replays += len(nonces)
        return fresh[:50], fresh[50:]

    def edges_reached(self):
        """The processes that hold an accepted connection."""
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table][1:]
        ours = {f"socket:[{row[9]}]" for row in rows
                if int(row[1].rsplit(":", 1)[1], 16) == self.server.https and row[3] == "01"}
        def links(pid):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    yield os.readlink(entry.path)
        return [pid for pid in self.server.pids()["edge"] if ours & set(links(pid))]

    def restart_core(self):
        old = self.server.pids()["core"]
        os.kill(old[0], signal.SIGKILL)
        self.lab.wait_for(lambda: self.server.pids().get("core", old) != old, "a new core")
        self.serve_again()

    def restart_signetd(self):
        self.server.stop()
        self.server.start()
        self.serve_again()

    def serve_again(self):
        """Every edge has the new core: many answers in a row are no 503, on connections of their own."""
        def steady():
            self.client.close()
            answers = self.all(self.client.send, ["{}"] * 10 * WORKERS)
            return all(answer is not None and answer[0] == 400 for answer in answers)
        self.lab.wait_for(steady, "every edge to have core")

    def test_replays(self):
        whole = share(2000, 20000)
        used, unused = self.race(whole // 2)
        self.assertGreater(len(self.edges_reached()), 1)
        for restart in (self.restart_core, self.restart_signetd):
            restart()
            old = used + unused
            count = max(whole // 4, 200)
            chosen = [old[self.random.randrange(len(old))] for _ in range(count)] + unused[:100]
            fresh_used, fresh_unused = self.refused(chosen)
            used, unused = used + fresh_used, unused + fresh_unused
            more_used, more_unused = self.race(100)
            used, unused = used + more_used, more_unused + fresh_unused
        self.assertGreaterEqual(self.replays, whole)
        print(f"# {self.replays} replays of {len(self.accepted)} nonces", flush=True)
        self.assertEqual({nonce for nonce, times in self.accepted.items() if times > 1}, set())

    def test_from_answer_to_answer(self):
        """A client that goes from nonce to nonce, through a restart: each answer's nonce is good for the next."""
        nonce = self.client.nonce()
        for turn in range(200):
            if turn == 100:
                self.restart_core()
            status, problem, nonce = self.client.post(nonce)
            self.assertEqual((status, problem), (400, "badNonce") if turn == 100 else (200, None))


class Sleep(lab.LabCase):
    def test_sleep(self):
        """After a day in which the machine slept, and no timer ran, no edge has old nonces to give."""
        clock = Clock(self.lab)
        server = Signetd(self.lab, settings={"acme": {"processes": 1}}, start=False)
        server.environment = clock.environment
        server.start()
        client = Client(server, AcmeUser(server))
        self.addCleanup(client.close)
        for _ in range(NEARLY_A_BLOCK):  # core forgets them by blocks; the next ones are in an old one
            client.nonce()
        clock.turn(1)
        self.assertEqual([client.post(client.nonce())[:2] for _ in range(20)], [(200, None)] * 20)


if __name__ == "__main__":
    unittest.main()
