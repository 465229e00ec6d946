# SPDX-License-Identifier: Apache-2.0
"""Faults: processes killed at random points, a full disk, a relay that is down, two servers on one store.

SIGNET_SEED repeats a run's choices; SIGNET_FULL=1 runs the whole of it instead of the share that fits a build."""

import contextlib
import os
import random
import re
import signal
import subprocess
import unittest
import urllib.error
import urllib.request

from acme import messages

import lab
import signet_lab as signet
from faults import DEADLINE, MAILBOXES, FaultCase, Killer, Work, World, deliver, new_user, offer

SEED = int(os.environ.get("SIGNET_SEED") or random.SystemRandom().randrange(2**32))
FULL = bool(os.environ.get("SIGNET_FULL"))
ISSUANCES, LIVES, WORKERS = (500, 30, 8) if FULL else (50, 4, 6)


class Faults(FaultCase):
    # --- kill -9 ---

    def test_kill(self):
        print(f"seed {SEED}, at least {ISSUANCES} issuances, {LIVES} lives of signetd"
              f" ({'all' if FULL else 'a share; SIGNET_FULL=1 for more'})", flush=True)
        world = World(self)
        killer = Killer(world.server, random.Random(SEED), LIVES,
                        lambda choices: list(signet.ROLES) + choices.sample(signet.ROLES, 2))
        self.addCleanup(killer.stop)
        work = Work(world, killer, ISSUANCES, WORKERS)
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
                urllib.request.urlopen(world.server.url + "/directory", context=world.server.tls_context(), timeout=DEADLINE)
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
            urllib.request.urlopen(second.url + "/directory", context=second.tls_context(), timeout=DEADLINE)
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
        self.lab.wait_for(lambda: "turn failed" in server.log(), "the log to say so")
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


if __name__ == "__main__":
    unittest.main()
