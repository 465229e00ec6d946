# SPDX-License-Identifier: Apache-2.0
"""Issuance through faults: clients and mail servers that try again as real ones do, and what must be true of the store
and the signer's log afterwards."""

import contextlib
import email.policy
import hashlib
import itertools
import os
import re
import signal
import smtplib
import statistics
import struct
import threading
import time

import dkim
import requests
from acme import errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import lab
import signet_lab as signet
from lab import HOST

DEADLINE = lab.DEADLINE  # for one step of a client, restarts and their back-off included
MAILBOXES = [f"user{i}" for i in range(8)]


def patient(call):
    """Does call() as an RFC 8555 client does: again while the server is away, busy, or wants another nonce."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return call()
        except (requests.RequestException, errors.NonceError) as error:
            failure = error
        except ValueError as error:  # the library's name for a refused connection
            if not str(error).startswith("Requesting"):
                raise
            failure = error
        except messages.Error as error:
            if error.code not in ("badNonce", "serverInternal"):
                raise
            failure = error
        except errors.ClientError as error:
            failure = error
        if time.monotonic() > end:
            raise AssertionError(f"in vain for {DEADLINE} s") from failure
        time.sleep(0.05)


def new_user(server):
    user = patient(lambda: signet.AcmeUser(server, register=False))

    def register():
        try:
            user.account = user.acme.new_account(messages.NewRegistration())
        except errors.ConflictError as error:  # it was made, and its answer lost
            user.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())
            user.net.account = user.account

    patient(register)
    return user


def deliver(port, sender, recipient, message, *others):
    """Hands message over as a mail server does: again until the 250 to the end of DATA, never after it. others: ports of
    further MX, which are tried in turn."""
    end = time.monotonic() + DEADLINE
    ports = itertools.cycle((port, *others))
    while True:
        try:
            code, text = offer(next(ports), sender, recipient, message)
        except (OSError, smtplib.SMTPException) as error:
            code, text = 0, error
        if code == 250:
            return
        if code >= 500 or time.monotonic() > end:
            raise AssertionError(f"not taken: {code} {text}")
        time.sleep(0.05)


def offer(port, sender, recipient, message):
    """One attempt: the reply to the end of DATA, or the first one that is no success."""
    session = smtplib.SMTP(HOST, port, local_hostname="mail.user.test", timeout=60)
    try:
        for step in (session.ehlo, lambda: session.mail(sender), lambda: session.rcpt(recipient)):
            code, text = step()
            if code != 250:
                return code, text
        try:
            return session.data(message)
        except smtplib.SMTPDataError as error:
            return error.smtp_code, error.smtp_error
    finally:
        session.close()


class World:
    """A user's domain with its zone and mail server, and signetd between them. zones: further records, by zone;
    postfix: further settings."""

    def __init__(self, test, start=True, before_start=None, zones=None, postfix=None, **options):
        self.key = lab.DkimKey("user.test", "s1")
        records = {"user.test": [self.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]}
        for zone, further in (zones or {}).items():
            records[zone] = records.get(zone, []) + further
        self.zones = lab.SignedZones(test.lab, records)
        self.mail = lab.Postfix(test.lab, {"user.test": MAILBOXES}, settings=postfix)
        options.setdefault("settings", {"ca": {"signatures-per-hour": 1000000}})
        self.server = signet.Signetd(test.lab, relay=f"{HOST}:{self.mail.port}", zones=self.zones, start=False, **options)
        if before_start:
            before_start(self.server)
        if start:
            self.server.start()

    def new_user(self):
        return new_user(self.server)

    def reply(self, user, challenge, mailbox):
        """Waits for the challenge mail; the signed reply to it, its bytes."""
        mail = lab.maildir_wait(self.mail.maildir(f"{mailbox}@user.test"),
                                lambda m: challenge["from"] in m["From"], DEADLINE)
        digest = signet.digest(user, signet.token_part1(mail.message), challenge["token"])
        raw = signet.reply_to(mail.message, f"{mailbox}@user.test", digest).as_bytes(policy=email.policy.SMTP)
        return dkim.sign(raw, b"s1", b"user.test", self.key.pem(), canonicalize=(b"relaxed", b"relaxed")) + raw

    def issue(self, user, mailbox, acknowledged=None):
        """One issuance from newOrder to the chain; what was acknowledged on the way goes to a list."""
        seen = [] if acknowledged is None else acknowledged
        order = patient(lambda: user.new_order(f"{mailbox}@user.test"))
        seen.append(("order", order["url"]))
        challenge = patient(lambda: user.authorization(order))["challenges"][0]
        raw = self.reply(user, challenge, mailbox)
        self.hand_in(f"{mailbox}@user.test", challenge["from"], raw)
        seen.append(("mail", re.search(rb"^Message-ID: (\S+)", raw, re.M | re.I)[1].decode()))
        return self.finish(user, order, challenge, mailbox)

    def hand_in(self, sender, recipient, raw):
        """Brings a reply on its way."""
        deliver(self.server.smtp, sender, recipient, raw)

    def finish(self, user, order, challenge, mailbox):
        """From the reply on; returns the chain."""
        patient(lambda: user.respond(challenge))
        ready = self.poll(user, order, lambda o: o["status"] not in ("pending",))
        assert ready["status"] == "ready", ready
        key = signet.new_key()

        def finalize():
            try:
                user.finalize(order, signet.make_csr(key, f"{mailbox}@user.test"))
            except messages.Error as error:
                if error.code != "orderNotReady":  # it was taken, and its answer lost
                    raise

        patient(finalize)
        done = self.poll(user, order, lambda o: o["status"] not in ("ready", "processing"))
        assert done["status"] == "valid", done
        chain = patient(lambda: user.certificate(order))
        assert chain[0].public_key().public_numbers() == key.public_key().public_numbers()
        return chain

    def poll(self, user, order, until):
        end = time.monotonic() + DEADLINE
        while True:
            found = patient(lambda: user.get(order["url"]))
            if until(found):
                return found
            assert time.monotonic() < end, f"the order stays {found}"
            time.sleep(0.1)


# --- traffic, and what kills it ---


class Killer(threading.Thread):
    """Kills roles in random order at random moments, then the parent; and starts again, lives times. victims: makes the
    list of roles for a life."""

    def __init__(self, server, choices, lives, victims):
        super().__init__(daemon=True)
        self.server, self.choices, self.lives, self.victims = server, choices, lives, victims
        self.counts, self.failures = {}, []
        self.done, self._stop_asked = threading.Event(), threading.Event()

    def run(self):
        try:
            for _ in range(self.lives):
                self.one_life()
        except Exception as error:
            self.failures.append(f"killer: {error!r}")
        self.done.set()

    def one_life(self):
        victims = self.victims(self.choices)
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
        self.server.kill()
        self.counts["parent"] = self.counts.get("parent", 0) + 1
        self.server.start()

    def stop(self):
        self._stop_asked.set()
        if self.is_alive():
            self.join(DEADLINE)


class Work:
    """Workers that issue until the number is reached and the killer has done its part."""

    def __init__(self, world, killer, issuances, workers):
        self.world, self.killer, self.issuances, self.workers = world, killer, issuances, workers
        self.acknowledged, self.chains, self.failures = [], [], []
        self._lock, self.begun = threading.Lock(), 0

    def run(self):
        threads = [threading.Thread(target=self.work, args=(mailbox,), daemon=True)
                   for mailbox in MAILBOXES[:self.workers]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def another(self):
        with self._lock:
            self.begun += 1
            return not self.failures and (self.begun <= self.issuances or not self.killer.done.is_set())

    def work(self, mailbox):
        try:
            user = self.world.new_user()
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


# --- what the store and the logs must show ---


def order_id(url):
    return signet.base64.urlsafe_b64decode(url.rsplit("/", 1)[1] + "==")


def audit_hash(previous, chain, number, at, texts):
    """The hash of an audit record (base/audit_record.h)."""
    prefix, content = b"Signet audit record v2", struct.pack(">q", at)
    for text in texts:
        content += struct.pack(">Q", len(text.encode())) + text.encode()
    return hashlib.sha256(struct.pack(">Q", len(prefix)) + prefix + chain + previous + struct.pack(">q", number)
                          + hashlib.sha256(content).digest()).digest()


def audit_faults(server):
    """Recomputes the chains of audit records."""
    last, rows = {}, server.query("SELECT number, at, kind, subject, detail, hash, chain FROM audit ORDER BY chain, number")
    for number, at, kind, subject, detail, found, chain in rows:
        before, previous = last.get(chain, (number - 1, bytes(32)))
        if number != before + 1 or (kind == "chain begun") != (chain not in last):
            return f"record {before + 1} is missing"
        last[chain] = number, audit_hash(previous, chain, number, at, (kind, subject, detail))
        if last[chain][1] != found:
            return f"record {number} does not fit"
    return None if rows else "there are no records"


def signer_records(path):
    """(digest of the to-be-signed octets, certificate) of every signature (ca/signer_frame.h)."""
    data, at, chain, number, records = path.read_bytes(), 0, bytes(32), 0, []
    while at < len(data):
        magic, found, length, _ = struct.unpack_from(">8sQLL", data, at)
        number += 1
        assert (magic, found) == (b"SIGNETL1", number), f"a bad frame at {at}"
        end = at + 24 + length
        chain = hashlib.sha256(chain + data[at:end]).digest()
        assert data[end:end + 32] == chain, f"frame {number} breaks the chain"
        at += 24
        while at < end:
            _, digest, size = struct.unpack_from(">q32sL", data, at)
            records.append((digest, data[at + 44:at + 44 + size]))
            at += 44 + size
        at = end + 32
    return records


TROUBLE = re.compile(r"ERROR: \w+Sanitizer|runtime error:|CRITICAL|nonsense received|handler failed|job cannot begin")


class FaultCase(lab.LabCase):
    def assert_sound(self, server, ignore="(?!)", nodes=()):
        """What holds whenever no issuance is in flight. nodes: further ones on the same store."""
        self.assertIsNone(audit_faults(server))
        rows = server.query("SELECT c.order_id, c.serial, c.tbs, c.der, o.status FROM certificate c"
                            " JOIN orders o ON o.id = c.order_id")
        self.assertEqual(len({row[0] for row in rows}), len(rows), "an order has two certificates")
        self.assertEqual(len({row[1] for row in rows}), len(rows), "a serial is there twice")
        signed = [record for node in (server, *nodes) for record in signer_records(node.folder / "store/signer.log")]
        self.assertEqual(len({digest for digest, _ in signed}), len(signed), "something was signed twice")
        self.assertEqual({(hashlib.sha256(tbs).digest(), der) for _, _, tbs, der, _ in rows}, set(signed),
                         "the signer's log and the store differ")
        for _, serial, _, der, status in rows:
            self.assertEqual(status, "valid")
            self.assertEqual(x509.load_der_x509_certificate(der).serial_number, int.from_bytes(serial, "big"))
        valid = server.query("SELECT count(*) FROM orders WHERE status = 'valid'")[0][0]
        self.assertEqual(valid, len(rows), "a valid order has no certificate")
        bad = [line for node in (server, *nodes) for line in node.log().splitlines() if TROUBLE.search(line) and not re.search(ignore, line)]
        self.assertEqual(bad, [])

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

    def wait_idle(self, server):
        """Until nothing but periodic work is left."""
        kinds = "('mail', 'judge', 'bounce', 'issue')"
        self.lab.wait_for(lambda: not server.query(f"SELECT 1 FROM job WHERE kind IN {kinds}"), "the jobs to be done",
                          DEADLINE)


class Blows:
    """What Work needs of who does something to the servers meanwhile."""

    def __init__(self):
        self.done = threading.Event()


class OutageCase(FaultCase):
    """Clients issue while something is done to the servers, which are ended with the thread that started them: so it is the
    test's that does it."""

    ISSUANCES, WORKERS, GOAL = 12, 6, 10

    def setUp(self):
        super().setUp()
        self.waits = []

    def see_back(self):
        """Called when the database can be reached again: until a request that is committed is answered."""
        begun = time.monotonic()
        patient(lambda: self.probe.new_order("probe@user.test"))
        self.waits.append(time.monotonic() - begun)

    def run_work(self, world, blow, count):
        """Clients issue until something was done to the servers so many times, each time once some more issuances were
        begun. It is done by this thread: servers end with the thread that started them."""
        blows = Blows()
        self.probe = world.new_user()
        self.work = work = Work(world, blows, self.ISSUANCES, self.WORKERS)
        clients = threading.Thread(target=work.run, daemon=True)
        clients.start()
        try:
            for i in range(count):
                begun = work.begun
                self.lab.wait_for(lambda: work.begun > begun + 1 or work.failures, "work", DEADLINE)
                blow(i)
        finally:
            blows.done.set()
            clients.join()
        self.assertEqual(work.failures, [])
        if self.waits:
            print(f"{count} times away, {len(work.chains)} certificates; served again after {max(self.waits):.1f} s at most,"
                  f" {statistics.median(self.waits):.1f} s in the middle (goal: {self.GOAL} s)", flush=True)
        return work

    def check(self, world, work):
        """What every client saw is there, once; what came in was judged; store and signers' logs are the same."""
        nodes = getattr(world, "nodes", [world.server])
        self.wait_idle(nodes[0])
        self.assert_acknowledged(nodes[0], work)
        self.assertEqual(nodes[0].query("SELECT count(*) FROM message WHERE direction = 'in' AND verdict IS NULL"), [(0,)])
        for node in nodes:
            node.stop()
            self.assertEqual(node.process.status(), 0)
        self.assert_sound(nodes[0], nodes=nodes[1:])
