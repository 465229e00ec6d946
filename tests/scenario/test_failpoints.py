# SPDX-License-Identifier: Apache-2.0
"""Every step of an issuance as the last one of its process: each role in turn is frozen before and after each call that
makes something durable or tells another process (tests/failpoint.c); what the store and the signer's log hold then is
looked at; the role is killed; and the order must end with its one certificate. (ca-rules 34, security 23)"""

import collections
import ctypes
import hashlib
import mmap
import os
import pathlib
import signal
import struct
import threading
import unittest

import lab
import signet_lab as signet
from faults import DEADLINE, MAILBOXES, FaultCase, World, deliver, new_user, signer_records
from share import seed, share

LIBRARY = signet.BUILD / "tests/libfailpoint.so"
QUICK = 24  # points, of all that there are
LIVES = 2  # deaths of a role that are followed by an immediate restart (docs/design.md)
ROLES = ("core", "signer", "linter", "lookup", "inbound", "outbound", "edge")
LINTER = """#!/usr/bin/python3
import json, sys
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "findings": []}), flush=True)
"""


class Failpoint(ctypes.Structure):
    _fields_ = [("role", ctypes.c_char * 16), ("point", ctypes.c_int), ("after", ctypes.c_int), ("calls", ctypes.c_int),
                ("frozen", ctypes.c_int), ("call", ctypes.c_char * 16)]


def preload(program):
    """What LD_PRELOAD must have for a program of Signet."""
    found = [line.decode() for line in pathlib.Path(signet.BUILD / program).read_bytes().split(b"\0")
             if line.startswith(b"libasan.so")]  # must be the first
    return found + [str(LIBRARY)]


class Failpoints(FaultCase):
    def setUp(self):
        super().setUp()
        path = self.lab.path / "failpoint"
        path.write_bytes(bytes(ctypes.sizeof(Failpoint)))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self.failpoint = Failpoint.from_buffer(self.memory)
        self.addCleanup(self.thaw)
        self.saved = {name: os.environ.get(name) for name in ("LD_PRELOAD", "SIGNET_FAILPOINT")}
        self.environment = {"LD_PRELOAD": " ".join(preload("signetd")), "SIGNET_FAILPOINT": str(path)}
        program = self.lab.path / "linter"
        program.write_text(LINTER)
        program.chmod(0o755)
        self.at_relay = None
        self.world = World(self, start=False, postfix={"smtpd_end_of_data_restrictions": lab.Policy(self, self.on_mail).rule},
                           settings={"acme": {"processes": 1}, "log": {"level": "debug"},
                                     "ca": {"signatures-per-hour": 1000000, "linter": program}})
        self.server = self.world.server
        self.start()
        self.user = new_user(self.server)

    def start(self):
        os.environ.update(self.environment)
        try:
            self.server.start()
        finally:
            for name in self.environment:
                os.environ.pop(name)
        self.deaths = collections.Counter()

    def on_mail(self, _):
        """The relay has a whole mail, and has not answered yet."""
        if self.at_relay:
            self.at_relay()
            self.at_relay = None
        return "dunno"

    def thaw(self):
        self.failpoint.role = b""
        if self.failpoint.frozen:
            try:
                os.kill(self.failpoint.frozen, signal.SIGCONT)
            except ProcessLookupError:
                pass

    def issue(self, role, point=0, after=0, meanwhile=None):
        """One issuance with one point; (calls counted, where it was frozen). meanwhile: makes it fail, before the kill."""
        if self.deaths[role] >= LIVES:
            self.server.stop()
            self.start()
        fault, memory = [], self.failpoint
        memory.point, memory.after, memory.calls, memory.frozen, memory.call = point, after, 0, 0, b""

        def work():
            try:
                self.world.issue(self.user, "user0")
            except Exception as error:
                fault.append(repr(error))

        worker = threading.Thread(target=work, daemon=True)
        memory.role = role.encode()
        worker.start()
        while worker.is_alive() and not memory.frozen:
            worker.join(0.01)
        memory.role = b""
        if memory.frozen:
            where = f"{role}, {'after' if after else 'before'} call {point} ({memory.call.decode()})"
            try:
                self.assert_recorded(role, where)
                if meanwhile:
                    meanwhile()
            finally:
                os.kill(memory.frozen, signal.SIGKILL)
            self.deaths[role] += 1
            worker.join(2 * DEADLINE)
            self.assertEqual((worker.is_alive(), bool(fault)), (False, meanwhile is not None), f"{where}: {fault}")
            return memory.calls, where
        self.assertEqual(fault, [], role)
        return memory.calls, None

    def recorded(self):
        subjects = " ".join(row[0] for row in self.server.query("SELECT subject FROM audit WHERE kind = 'signing'")).split()
        return {hashlib.sha256(tbs).digest()
                for number, tbs in self.server.query("SELECT id, tbs FROM certificate WHERE findings = ''")
                if f"certificate/{signet.b64(number)}" in subjects}

    def signed(self, where):
        try:
            return {digest for digest, _ in signer_records(self.server.folder / "store/signer.log")}
        except (AssertionError, struct.error):  # a frame that is not whole was answered to nobody
            self.assertIn("signer", where)
            return set()

    def assert_recorded(self, role, where):
        """What was signed, or may have been, is in the store with its record. The others go on meanwhile, and must not get
        between two looks: with core standing still the store is as it is, so the log is read last."""
        if role == "core":
            recorded = self.recorded()
            signed = self.signed(where)
        else:
            signed = self.signed(where)
            recorded = self.recorded()
        self.assertEqual(signed - recorded, set(), where)
        self.assertEqual(self.server.query("SELECT count(*) FROM certificate WHERE der IS NOT NULL AND linter_findings IS NULL"),
                         [(0,)], where)

    def test_points(self):
        choices = seed()
        points = []
        for role in ROLES:
            calls, _ = self.issue(role)
            print(f"# {role}: {calls} calls in one issuance", flush=True)
            self.assertGreater(calls, 0, role)
            points += [(role, point, after) for point in range(1, calls + 1) for after in (0, 1)]
        choices.shuffle(points)
        points.sort(key=lambda point: point[0] not in ("signer", "linter"))  # those in every share
        chosen = points[:share(QUICK, len(points))]
        chosen.sort(key=lambda point: ROLES.index(point[0]))
        frozen = collections.Counter()
        for role, point, after in chosen:
            _, where = self.issue(role, point, after)
            frozen[role] += where is not None
        print(f"# killed at {dict(frozen)}", flush=True)
        self.assertGreater(frozen.total(), len(chosen) * 0.8)
        self.wait_idle(self.server)
        self.server.stop()
        self.assert_sound(self.server)
        orders = self.server.query("SELECT count(*) FROM orders WHERE status = 'valid'")[0][0]
        self.assertEqual(orders, len(ROLES) + len(chosen))

    def test_failed_order(self):
        """What the signer signed and could not answer is kept and revoked when the order fails meanwhile."""
        calls, _ = self.issue("signer")
        state = "SELECT o.status, c.reason FROM certificate c JOIN orders o ON o.id = c.order_id WHERE c.der IS NOT NULL"

        def deactivate():
            self.assertEqual(len(signer_records(self.server.folder / "store/signer.log")), 2)
            self.user.post(self.user.account.uri, {"status": "deactivated"})

        _, where = self.issue("signer", calls, 0, deactivate)
        self.assertIsNotNone(where)
        self.lab.wait_for(lambda: len(self.server.query(state)) == 2, "the certificate to be kept", DEADLINE)
        self.assertEqual(sorted(self.server.query(state), key=str), [("invalid", 5), ("valid", None)])
        self.wait_idle(self.server)
        listed = "SELECT 1 FROM audit WHERE kind = 'revocation list signed' AND detail LIKE '%entries=\"1\"%'"
        self.lab.wait_for(lambda: self.server.query(listed), "the list", DEADLINE)
        self.server.stop()
        self.assertIn("everything is as it should be", self.server.ctl("check", "all", "--config", self.server.path))

    # --- what core was told and nobody waits for ---

    def freeze_core(self):
        """Before the first thing that it makes durable of what it is told next."""
        memory = self.failpoint
        memory.point, memory.after, memory.calls, memory.frozen = 1, 0, 0, 0
        memory.role = b"core"

    def kill_core(self, done, _):
        self.lab.wait_for(lambda: self.failpoint.frozen, "core to work on it", DEADLINE)
        self.failpoint.role = b""
        self.assertFalse(done())
        os.kill(self.failpoint.frozen, signal.SIGKILL)
        self.failpoint.frozen = 0

    def halt_core(self):
        self.halted, = self.server.pids()["core"]
        os.kill(self.halted, signal.SIGSTOP)

    def stop_server(self, done, told):
        """While the answer is on its way into core."""
        self.lab.wait_for(told, "core to be told", DEADLINE)
        self.assertFalse(done())
        self.server.process.send(signal.SIGTERM)
        os.kill(self.halted, signal.SIGCONT)
        self.lab.wait_for(lambda: not self.server.process.alive(), "the server to stop", DEADLINE)
        self.assertTrue(done())
        self.start()

    def logged(self, *events):
        """Whether each of them is logged once more than now."""
        before = self.server.log()
        return lambda: all(self.server.log().count(f'event="{event}"') > before.count(f'event="{event}"') for event in events)

    def ask(self, challenge, columns):
        row, = self.server.query(f"SELECT {columns} FROM challenge c LEFT JOIN message m ON m.challenge_id = c.id"
                                 " AND m.direction = 'in' WHERE c.mail_from = ?", challenge["from"])
        return row

    def mails(self, challenge):
        found = lab.maildir_list(self.world.mail.maildir(f"{MAILBOXES[0]}@user.test"))
        return [(mail.message["Message-ID"], mail.message["Subject"]) for mail in found
                if challenge["from"] in mail.message["From"]]

    def answer(self, challenge):
        raw = self.world.reply(self.user, challenge, MAILBOXES[0])
        deliver(self.server.smtp, f"{MAILBOXES[0]}@user.test", challenge["from"], raw)

    def told_by_relay(self, order, begin, end):
        """That it has the mail. Who was not heard is asked again: the same mail comes twice."""
        self.at_relay, told = begin, self.logged("mail handed over")
        challenge = self.user.authorization(order)["challenges"][0]
        end(lambda: self.ask(challenge, "c.sent_at")[0], told)
        self.lab.wait_for(lambda: self.ask(challenge, "c.sent_at")[0], "the relay's answer", DEADLINE)
        self.lab.wait_for(lambda: len(self.mails(challenge)) == (2 if end == self.kill_core else 1), "the mails", DEADLINE)
        self.answer(challenge)
        return challenge

    def told_by_inbound(self, order, begin, end):
        """What it found in a reply, which was answered 250."""
        challenge = self.user.authorization(order)["challenges"][0]
        self.lab.wait_for(lambda: self.ask(challenge, "c.sent_at")[0], "the relay's answer", DEADLINE)
        told, names = self.logged("DKIM key asked", "DMARC record asked"), self.world.zones.process.pid
        os.killpg(names, signal.SIGSTOP)
        self.answer(challenge)
        self.lab.wait_for(lambda: self.server.query("SELECT 1 FROM job WHERE kind = 'judge' AND taken_until > 0"),
                          "the reply to be examined", DEADLINE)
        begin()
        os.killpg(names, signal.SIGCONT)
        end(lambda: self.ask(challenge, "m.verdict")[0], told)
        return challenge

    def test_unawaited(self):
        """Core dies, or the server is stopped, before that has had a turn."""
        for tell in (self.told_by_relay, self.told_by_inbound):
            for begin, end in ((self.freeze_core, self.kill_core), (self.halt_core, self.stop_server)):
                with self.subTest(tell.__name__, end=end.__name__):
                    self.server.stop()
                    self.start()  # its resolver has asked nothing yet
                    order = self.user.new_order(f"{MAILBOXES[0]}@user.test")
                    challenge = tell(order, begin, end)
                    self.world.finish(self.user, order, challenge, MAILBOXES[0])
                    message_id, token, verdict = self.ask(challenge, "c.message_id, c.token1, m.verdict")
                    self.assertEqual(verdict, "passed")
                    self.assertEqual(set(self.mails(challenge)), {(message_id, f"ACME: {token}")})
        self.wait_idle(self.server)
        self.server.stop()
        self.assert_sound(self.server)


if __name__ == "__main__":
    unittest.main()
