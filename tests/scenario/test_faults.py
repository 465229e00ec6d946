# SPDX-License-Identifier: Apache-2.0
"""Faults: processes killed at random points, a full disk, a relay that is down, two servers on one store.

SIGNET_SEED repeats a run's choices; SIGNET_FULL=1 runs the whole of it instead of the share that fits a build."""

import contextlib
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from acme import messages
from cryptography.hazmat.primitives import serialization

import lab
import signet_lab as signet
from faults import DEADLINE, MAILBOXES, FaultCase, World, deliver, new_user, offer, order_id

SEED = int(os.environ.get("SIGNET_SEED") or random.SystemRandom().randrange(2**32))
FULL = bool(os.environ.get("SIGNET_FULL"))
ISSUANCES, LIVES, WORKERS = (500, 30, 8) if FULL else (50, 4, 6)


class Faults(FaultCase):
    # --- kill -9 ---

    def test_kill(self):
        print(f"seed {SEED}, at least {ISSUANCES} issuances, {LIVES} lives of signetd"
              f" ({'all' if FULL else 'a share; SIGNET_FULL=1 for more'})", flush=True)
        world = World(self)
        killer = Killer(world.server, random.Random(SEED))
        self.addCleanup(killer.stop)
        work = Work(world, killer)
        killer.start()
        work.run()
        killer.stop()
        print(f"killed {killer.counts}; {len(work.chains)} issued", flush=True)
        self.assertEqual(work.failures + killer.failures, [])
        for role in signet.ROLES + ("parent",):
            self.assertGreaterEqual(killer.counts.get(role, 0), LIVES, f"{role} was hardly killed")
        self.wait_idle(world.server)
        self.assert_acknowledged(world.server, work)
        world.server.stop()
        self.assertEqual(world.server.process.status(), 0)
        self.assert_sound(world.server)

    def assert_acknowledged(self, server, work):
        accounts = {row[0] for row in server.query("SELECT id FROM account")}
        orders = dict(server.query("SELECT id, status FROM orders"))
        kept = b"\n".join(row[0] for row in server.query(
            "SELECT r.octets FROM raw r JOIN message m ON m.raw_id = r.id WHERE m.direction = 'in'"))
        for kind, what in work.acknowledged:
            if kind == "account":
                self.assertIn(order_id(what), accounts)
            elif kind == "order":
                self.assertEqual(orders.get(order_id(what)), "valid", what)
            else:
                self.assertIn(what.encode(), kept)
        ders = dict(server.query("SELECT order_id, der FROM certificate"))
        for url, chain in work.chains:
            self.assertEqual(ders[order_id(url)], chain[0].public_bytes(serialization.Encoding.DER))

    def test_back_off(self):
        """The first two restarts are immediate, then each waits longer; the others go on meanwhile."""
        world = World(self)
        killed = set()
        for _ in range(5):
            pid = self.lab.wait_for(lambda: next((p for p in world.server.pids().get("lookup", []) if p not in killed),
                                                 None), "lookup to be restarted")
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        line = re.compile(r"role ended.*lookup.*restart-in-seconds=\"?(\d+)")
        waits = self.lab.wait_for(lambda: (found := line.findall(world.server.log())) and len(found) == 5 and found,
                                  "five ends in the log")
        self.assertEqual(waits, ["0", "0", "1", "2", "4"])
        world.issue(new_user(world.server), MAILBOXES[0])
        self.assertEqual(len(re.findall("role ended", world.server.log())), 5)
        self.assert_sound(world.server)

    def test_hung_core(self):
        """A core that neither works nor dies keeps nobody waiting for ever; afterwards it goes on."""
        world = World(self)
        user = new_user(world.server)
        core = world.server.pids()["core"][0]
        os.kill(core, signal.SIGSTOP)
        try:
            with self.assertRaises(urllib.error.HTTPError) as busy:
                urllib.request.urlopen(world.server.url + "/directory", context=world.server.tls_context(), timeout=120)
            self.assertEqual((busy.exception.code, busy.exception.headers["Content-Type"]),
                             (503, "application/problem+json"))
            self.assertTrue(busy.exception.headers["Retry-After"].isdigit())
        finally:
            os.kill(core, signal.SIGCONT)
        self.lab.wait_for(world.server.is_up, "signetd to answer again")
        self.assertEqual(world.server.pids()["core"], [core])
        world.issue(user, MAILBOXES[0])
        self.assert_sound(world.server)

    # --- two servers ---

    def test_second_server_on_one_store(self):
        world = World(self)
        first = world.server
        second = signet.Signetd(self.lab, start=False, name="second",
                                settings={"store": {"directory": first.folder / "store"}})
        second.process = self.lab.spawn("second", [signet.BUILD / "signetd", "--config", second.path])
        self.lab.wait_for(lambda: "another process serves it" in second.log(), "the second core to wait")
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            self.lab.wait_for(lambda: lab.listening(second.https), "the second edge")
            urllib.request.urlopen(second.url + "/directory", context=second.tls_context(), timeout=20)
        self.assertEqual(refusal.exception.code, 503)
        self.assertIsNotNone(refusal.exception.headers["Retry-After"])
        world.issue(new_user(first), MAILBOXES[0])
        first.stop()
        self.lab.wait_for(second.is_up, "the second server to take over", DEADLINE)
        self.assertEqual(first.query("SELECT count(*) FROM certificate"), [(1,)])
        second.stop()
        self.assert_sound(first)

    # --- what Signet stands on is away for a while ---

    def test_relay_down(self):
        """The mail waits for the relay. The first retry comes after a minute: SIGNET_FULL=1 waits for it, else
        its time is brought forward in the store (no configuration shortens it)."""
        world = World(self)
        user = new_user(world.server)
        world.mail.stop()
        order = user.new_order("user0@user.test")
        challenge = user.authorization(order)["challenges"][0]
        put_off = "SELECT 1 FROM job WHERE kind = 'mail' AND attempts > 0 AND taken_until = 0"
        self.lab.wait_for(lambda: world.server.query(put_off), "the mail to be put off")
        shown = user.respond(challenge)
        self.assertEqual(shown["status"], "processing")
        self.assertIn("will be tried again", shown["error"]["subproblems"][0]["detail"])
        world.mail.start()
        if not FULL:
            world.server.hurry_mails()
            user.get(challenge["url"])  # core looks at its jobs with every request
        raw = world.reply(user, challenge, "user0")
        deliver(world.server.smtp, "user0@user.test", challenge["from"], raw)
        world.finish(user, order, challenge, "user0")
        self.assert_sound(world.server)

    def test_disk_full(self):
        """With no room left nothing is acknowledged; with room again everything goes on."""
        world = World(self, before_start=self.mount_small)
        server, store = world.server, world.server.folder / "store"
        user = new_user(server)
        order = user.new_order("user0@user.test")
        challenge = user.authorization(order)["challenges"][0]
        raw = world.reply(user, challenge, "user0")
        self.wait_idle(server)
        before = server.query("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM message)")
        fill(store / "ballast")
        with self.assertRaises(messages.Error) as refusal:
            user.new_order("user1@user.test")
        self.assertEqual(refusal.exception.code, "serverInternal")
        self.assertEqual(offer(server.smtp, "user0@user.test", challenge["from"], raw)[0] // 10, 45)
        with self.assertRaises(messages.Error):
            user.respond(challenge)
        self.assertIn("turn failed", server.log())
        self.assertEqual(before, server.query("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM message)"))
        core = server.pids()["core"][0]
        os.kill(core, signal.SIGKILL)
        self.lab.wait_for(lambda: "role cannot start" in server.log(), "core to find no room")
        (store / "ballast").unlink()
        deliver(server.smtp, "user0@user.test", challenge["from"], raw)
        world.finish(user, order, challenge, "user0")
        self.assert_sound(server, ignore="handler failed.*full|job cannot begin.*full")

    def mount_small(self, server):
        """The store on a disk of its own."""
        store = server.folder / "store"
        store.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "signet-lab", store],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", store], check=True))
        self.addCleanup(server.stop)


def fill(path):
    """Takes all the room there is, to the last octet."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


class Killer(threading.Thread):
    """Kills the roles in random order at random moments, some of them twice, then the parent; and starts again."""

    def __init__(self, server, choices):
        super().__init__(daemon=True)
        self.server, self.choices = server, choices
        self.counts, self.failures = {}, []
        self.done, self._stop_asked = threading.Event(), threading.Event()

    def run(self):
        try:
            for _ in range(LIVES):
                self.one_life()
        except Exception as error:
            self.failures.append(f"killer: {error!r}")
        self.done.set()

    def one_life(self):
        victims = list(signet.ROLES) + self.choices.sample(signet.ROLES, 2)
        self.choices.shuffle(victims)
        for role in victims + ["parent"]:
            if self._stop_asked.wait(self.choices.uniform(0.05, 0.6)):
                return
            if role == "parent":
                self.kill_parent()
            else:
                self.kill_role(role)

    def kill_role(self, role):
        """One that was killed just before may not be there again yet."""
        end = time.monotonic() + DEADLINE
        while not (pids := self.server.pids().get(role)):
            assert time.monotonic() < end, f"{role} was not restarted"
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.choices.choice(pids), signal.SIGKILL)
        self.counts[role] = self.counts.get(role, 0) + 1

    def kill_parent(self):
        roles = [pid for pids in self.server.pids().values() for pid in pids]
        self.server.process.send(signal.SIGKILL)
        self.counts["parent"] = self.counts.get("parent", 0) + 1
        end = time.monotonic() + DEADLINE
        while self.server.process.alive() or any(os.path.exists(f"/proc/{pid}") for pid in roles):
            assert time.monotonic() < end, "the roles outlive their parent"
            time.sleep(0.02)
        self.server.start()

    def stop(self):
        self._stop_asked.set()
        if self.is_alive():
            self.join(DEADLINE)


class Work:
    """Workers that issue until the number is reached and the killer has done its part."""

    def __init__(self, world, killer):
        self.world, self.killer = world, killer
        self.acknowledged, self.chains, self.failures = [], [], []
        self._lock, self._begun = threading.Lock(), 0

    def run(self):
        threads = [threading.Thread(target=self.work, args=(mailbox,), daemon=True) for mailbox in MAILBOXES[:WORKERS]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def another(self):
        with self._lock:
            self._begun += 1
            return not self.failures and (self._begun <= ISSUANCES or not self.killer.done.is_set())

    def work(self, mailbox):
        try:
            user = new_user(self.world.server)
            seen = [("account", user.account.uri)]
            while self.another():
                chain = self.world.issue(user, mailbox, seen)
                url = [what for kind, what in seen if kind == "order"][-1]
                with self._lock:
                    self.chains.append((url, chain))
            with self._lock:
                self.acknowledged += seen
        except Exception as error:
            self.failures.append(f"{mailbox}: {error!r}")


if __name__ == "__main__":
    unittest.main()
