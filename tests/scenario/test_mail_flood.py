# SPDX-License-Identifier: Apache-2.0
"""A flood of hostile mails (security 13 and 18): to the reply addresses of challenges in every state, to the addresses
that their mails bounce to, and to others. No status changes, no mail is sent, memory stays flat, real clients go on.

SIGNET_SEED repeats a run's choices; SIGNET_FULL=1 sends the whole flood instead of the share that fits a build."""

import collections
import contextlib
import os
import pathlib
import re
import socket
import sys
import threading
import time
import unittest
from unittest import mock

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))

import dkim_maker
import hostile_mime
import lab
import signet_lab as signet
from faults import MAILBOXES, FaultCase, World, new_user
from hostile_mime import crlf
from lab import HOST
from share import seed, share

SESSIONS = 16  # at a time, each with many mails
MAILS_PER_CHALLENGE = 25
KEPT = NOTES = 8  # of a challenge: mails, as many bounces, and notes (store/challenge.h)
OWNER, STRANGER = "s2", "s1"  # selectors of user.test and of evil.test


class Victim:
    """An open or ended challenge with all that its owner knows."""

    def __init__(self, number, state, user, order):
        self.number, self.state, self.user, self.order = number, state, user, order
        self.address = order["identifiers"][0]["value"]
        self.sender = self.bounce = self.mail = self.token = self.digest = self.challenge = None

    def learn(self, row, mails):
        """row: (mail_from, envelope_from, token2) of the store; mails: of the mailboxes, by From."""
        self.sender, self.bounce, token2 = row
        if self.sender in mails:
            self.mail = mails[self.sender].message
            self.token = signet.token_part1(self.mail)
            self.digest = signet.digest(self.user, self.token, token2)

    def right_reply(self, key):
        raw = signet.reply_to(self.mail, self.address, self.digest).as_bytes()
        return signet.dkim_sign(raw, key)


# --- the mails


class Writer:
    """Makes hostile mails. Strangers are thought to know all that the owner knows, but not to have the domain's key."""

    def __init__(self, rng, owner, stranger, others):
        self.rng, self.owner, self.stranger, self.others = rng, owner, stranger, others
        self.replies = [getattr(self, name) for name in dir(Writer) if name.startswith("reply_")]
        self.bounces = [getattr(self, name) for name in dir(Writer) if name.startswith("bounce_")]
        self.changes = sorted(hostile_mime.CHANGES)

    def reply(self, victim):
        return self.rng.choice(self.replies)(victim)

    def bounce(self, victim):
        return self.rng.choice(self.bounces)(victim)

    def good(self, victim):
        """What would pass, had the domain signed it."""
        known = victim if victim.digest else self.rng.choice(self.others)
        forms = hostile_mime.bases(known.token, known.digest, signet.b64(self.rng.randbytes(32)), self.rng)
        mail = forms[self.rng.choice(sorted(forms))]
        return mail.set("From", f"Ann <{victim.address}>").set("To", victim.sender)

    def changed(self, victim):
        mail = self.good(victim)
        for change in self.rng.sample(self.changes, self.rng.choice((1, 1, 2, 3))):
            mail = hostile_mime.CHANGES[change](mail, self.rng)
        return mail

    def field(self, key, domain, selector, more=""):
        return dkim_maker.simple_field(key, domain, selector, ("from", "subject"), more=more)

    def reply_unsigned(self, victim):
        return self.good(victim).raw()

    def reply_wrong_digest(self, victim):
        mail = self.good(victim)
        return mail._replace(body=mail.body.replace(mail.digest.encode(), mail.wrong.encode())).raw()

    def reply_signed_by_a_stranger(self, victim):
        return dkim_maker.sign(self.good(victim).raw(), self.stranger, self.field(self.stranger, "evil.test", STRANGER))

    def reply_with_a_forged_signature(self, victim):
        """In the owner's name, with another key."""
        return dkim_maker.sign(self.good(victim).raw(), self.stranger, self.field(self.stranger, "user.test", OWNER))

    def reply_changed_on_the_way(self, victim):
        mail = self.good(victim)
        raw = dkim_maker.sign(mail.raw(), self.owner, self.field(self.owner, "user.test", OWNER))
        return raw + b"a line more\r\n"

    def reply_of_a_body_unsigned(self, victim):
        field = self.field(self.owner, "user.test", OWNER, " l=0;")
        return dkim_maker.sign(self.good(victim).raw(), self.owner, field, length=0)

    def reply_of_a_neighbour(self, victim):
        """Well signed, in its own name."""
        mail = self.good(victim).set("From", f"eve{self.rng.randrange(99)}@user.test")
        return dkim_maker.sign(mail.raw(), self.owner, self.field(self.owner, "user.test", OWNER))

    def reply_to_another_challenge(self, victim):
        """The owner's, well signed, that was meant for another one."""
        other = self.rng.choice([one for one in self.others if one is not victim])
        mail = self.good(other).set("From", f"Ann <{victim.address}>")
        return dkim_maker.sign(mail.raw(), self.owner, self.field(self.owner, "user.test", OWNER))

    def reply_hostile(self, victim):
        return self.changed(victim).raw()

    def reply_hostile_signed_by_a_stranger(self, victim):
        return hostile_mime.signed(self.changed(victim), self.stranger, "of another domain")

    def reply_that_is_a_report(self, victim):
        """At the address that everyone can see in the mail."""
        return signet.report(victim.address)

    def reply_vacation(self, victim):
        return crlf(f"From: {victim.address}\nTo: {victim.sender}\nSubject: Re: ACME: {victim.token}\n"
                    "Auto-Submitted: auto-replied\n\nBack soon.\n")

    def reply_huge_header(self, victim):
        mail = self.good(victim)
        for number in range(self.rng.choice((1, 20, 100))):
            mail = mail.add(f"X-{number}", "\r\n ".join(["x" * self.rng.randrange(1, 900)] * 10))
        return mail.raw()[:90000] + b"\r\n"

    def reply_many_fields(self, victim):
        return b"".join(b"X: y\r\n" for _ in range(self.rng.choice((300, 3000)))) + self.good(victim).raw()

    def reply_random(self, victim):
        octets = self.rng.randbytes(self.rng.randrange(4000))
        return octets.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"

    def reply_refused_by_smtp(self, victim):
        return self.rng.choice((b"a\0b\r\n", b"a\rb\r\n", b"a\nb\r\n", b"x" * 5000 + b"\r\n",
                                b"x\r\n" * 100000)) + self.good(victim).raw()

    def reply_empty(self, victim):
        return b""

    def bounce_of_another(self, victim):
        return signet.report(f"eve{self.rng.randrange(99)}@user.test")

    def bounce_that_is_none_yet(self, victim):
        return signet.report(victim.address, "delayed", "4.2.0", "450 later")

    def bounce_of_success(self, victim):
        return signet.report(victim.address, "delivered", "2.0.0", "250 ok")

    def bounce_without_status(self, victim):
        return signet.report(victim.address, status="?", words="no")

    def bounce_receipt(self, victim):
        return signet.report(victim.address).replace(b"delivery-status", b"disposition-notification")

    def bounce_with_octets_flipped(self, victim):
        raw = bytearray(signet.report("eve@user.test"))
        for _ in range(20):
            raw[self.rng.randrange(len(raw))] = self.rng.randrange(32, 256)
        return bytes(raw).replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")

    def bounce_with_many_recipients(self, victim):
        recipient = b"Final-Recipient: rfc822; eve@user.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        return signet.report("eve@user.test").replace(b"\r\n--b--", recipient * 500 + b"\r\n--b--")

    bounce_vacation, bounce_hostile, bounce_random = reply_vacation, reply_hostile, reply_random
    bounce_huge_header, bounce_unsigned, bounce_empty = reply_huge_header, reply_unsigned, reply_empty


# --- their delivery


class Session:
    """One mail after another over one connection, a new one when it ends."""

    def __init__(self, port):
        self.port, self.connection, self.stream = port, None, None

    def open(self):
        self.connection = socket.create_connection((HOST, self.port), timeout=120)
        self.stream = self.connection.makefile("rb")
        self.reply()
        self.connection.sendall(b"EHLO flood.test\r\n")
        self.reply()

    def close(self):
        if self.connection is not None:
            self.stream.close()
            self.connection.close()
        self.connection = None

    def reply(self):
        while True:
            line = self.stream.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("closed")
            if line[3:4] == b" ":
                return int(line[:3])

    def offer(self, mail):
        """The code that decided; asked anew over another connection when this one had ended before that."""
        end = time.monotonic() + 120
        while True:
            try:
                if self.connection is None:
                    self.open()
                return self.attempt(*mail)
            except ConnectionError:
                self.close()
                if time.monotonic() > end:
                    raise

    def attempt(self, sender, recipient, raw):
        code = self.begin(sender, recipient)
        return self.end(raw) if code == 354 else code

    def begin(self, sender, recipient):
        """All up to DATA at once; 354 or the refusal of the recipient."""
        self.connection.sendall(b"RSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
                                % (sender.encode(), recipient.encode()))
        if self.reply() == 421 or self.reply() != 250:
            raise ConnectionError("closing")
        rcpt = self.reply()
        if rcpt == 421:
            raise ConnectionError("closing")
        data = self.reply()
        return data if data == 354 else rcpt

    def end(self, raw):
        if not raw.endswith(b"\r\n"):
            raw += b"\r\n"
        with contextlib.suppress(ConnectionError):  # a refusal may come before we have said everything
            self.connection.sendall(re.sub(rb"(?m)^\.", b"..", raw) + b".\r\n")
        return self.reply()


def offer_all(port, mails):
    """How often each code came, by what the mail was; several sessions at a time."""
    todo, counts, failures, lock = iter(mails), collections.Counter(), [], threading.Lock()

    def work():
        session = Session(port)
        try:
            while True:
                with lock:
                    kind, *mail = next(todo, (None,))
                if kind is None:
                    return
                code = session.offer(mail)
                with lock:
                    counts[kind, code] += 1
        except Exception as error:
            failures.append(repr(error))
        finally:
            session.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [], failures
    return counts


class Flood(FaultCase):
    def setUp(self):
        super().setUp()
        # AddressSanitizer keeps what was freed, 256 MiB of it by default.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        patch = mock.patch.dict(os.environ, {"ASAN_OPTIONS": options})
        patch.start()
        self.addCleanup(patch.stop)

    def victims(self, count):
        """Challenges in every state."""
        states = ["pending", "processing", "untouched", "pending", "processing", "ready", "pending", "failed"]
        found, waiting = [], []
        for number in range(count):
            state = states[number % len(states)] if number < 40 else states[number % 5]
            order = self.user.new_order(f"{MAILBOXES[number % len(MAILBOXES)]}+{number}@user.test")
            victim = Victim(number, state, self.user, order)
            if state != "untouched":
                victim.challenge = self.user.authorization(order)["challenges"][0]
            if state == "processing":
                self.user.respond(victim.challenge)
            found.append(victim)
        self.lab.wait_for(lambda: not self.server.query("SELECT 1 FROM job WHERE kind = 'mail'"), "the mails to leave")
        wanted = sum(victim.state != "untouched" for victim in found)
        mails = lambda: {mail.message["From"]: mail for name in MAILBOXES
                         for mail in lab.maildir_list(self.world.mail.maildir(f"{name}@user.test"))}
        by_sender = self.lab.wait_for(lambda: len(all_ := mails()) == wanted and all_, "the mails to be delivered")
        rows = {row[0]: row[1:] for row in self.server.query(
            "SELECT a.address, c.mail_from, c.envelope_from, c.token2 FROM challenge c"
            " JOIN authz a ON a.id = c.authz_id")}
        for victim in found:
            victim.learn(rows[victim.address], by_sender)
            if victim.state in ("ready", "failed"):
                self.decide(victim)
        self.wait_idle(self.server)
        return found

    def decide(self, victim):
        if victim.state == "failed":
            victim.digest, right = "A" * 43, victim.digest
        signet.deliver(self.server, {"from": victim.sender}, victim.right_reply(self.world.key), victim.address)
        if victim.state == "failed":
            victim.digest = right
        self.user.respond(victim.challenge)
        wanted = "valid" if victim.state == "ready" else "invalid"
        self.user.poll(victim.challenge["url"], lambda c: c["status"] == wanted)

    def statuses(self):
        """All that a mail could change."""
        columns = {"challenge": "id, status, error, passed_at, validated_at, responded_at, sent_at",
                   "authz": "id, status, expires_at", "orders": "id, status, error", "certificate": "id"}
        return {table: self.server.query(f"SELECT {names} FROM {table} ORDER BY id")
                for table, names in columns.items()}

    def sent(self):
        """(messages in Postfix's log, mails that left as the store has them, in the mailboxes)."""
        return (len(re.findall(r"smtpd\[\d+\]: \w+: client=", self.world.mail.text())),
                self.server.query("SELECT count(*) FROM message WHERE direction = 'out'")[0][0],
                sum(len(lab.maildir_list(self.world.mail.maildir(f"{name}@user.test"))) for name in MAILBOXES))

    def mails(self, count, writer, victims):
        """count mails as (kind, sender, recipient, octets); the first half hits one challenge after the other."""
        rng, spared = writer.rng, collections.Counter()
        order = sorted(rng.randrange(len(victims)) for _ in range(count // 2))
        order += [rng.randrange(len(victims)) for _ in range(count - count // 2)]
        for number in order:
            victim, kind = victims[number], rng.random()
            sender = rng.choice(("", "eve@evil.test", "MAILER-DAEMON@user.test", victim.address))
            if kind < 0.45 and (not self.is_spared(victim) or spared[victim] < KEPT - 1):
                spared[victim] += 1
                yield "reply", sender, victim.sender, writer.reply(victim)
            elif kind < 0.8 and victim.bounce:
                yield "bounce", sender, victim.bounce, writer.bounce(victim)
            else:
                yield "unknown", sender, self.unknown(rng, victim), writer.reply(victim)

    @staticmethod
    def is_spared(victim):
        """Keeps room for the right reply."""
        return victim.state in ("pending", "processing") and victim.number % 4 == 0

    @staticmethod
    def unknown(rng, victim):
        local, domain = victim.sender.split("@")
        name, tag = local.split("+")
        guess = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz012345") for _ in range(35))
        return rng.choice((f"{name}+{guess}@{domain}", f"acme-bounce+{guess}@{domain}", f"acme-bounce+{tag}@{domain}",
                           f"{name}@{domain}", f"{local}@user.test", f"postmaster@{domain}", f"{local}x@{domain}"))

    def test_at_once(self):
        """Sessions whose recipient was accepted before any of their messages came: more than are kept are told so."""
        self.world = World(self)
        self.server, self.user = self.world.server, new_user(self.world.server)
        victim, = self.victims(1)
        sessions = [Session(self.server.smtp) for _ in range(SESSIONS)]
        for session in sessions:
            self.addCleanup(session.close)
            session.open()
            self.assertEqual(session.begin("eve@evil.test", victim.sender), 354)
        codes = [session.end(b"Subject: x\r\n\r\nx\r\n") for session in sessions]
        self.assertEqual(codes, [250] * KEPT + [452] * (SESSIONS - KEPT))
        self.wait_idle(self.server)
        self.assert_bounds({("reply", 250): KEPT, ("reply", 452): SESSIONS - KEPT}, 0, ("in",))

    def test_flood(self):
        rng, count = seed(), share(2000, 30000)
        owner, stranger = dkim_maker.Key(1024), dkim_maker.Key(1024)
        record = lambda selector, key: (f"{selector}._domainkey", "TXT", key.record())
        self.world = World(self, zones={"user.test": [record(OWNER, owner)], "evil.test": [record(STRANGER, stranger)],
                                        "test": []})
        self.server, self.user = self.world.server, new_user(self.world.server)
        victims = self.victims(count // MAILS_PER_CHALLENGE)
        writer = Writer(rng, owner, stranger, [victim for victim in victims if victim.digest])
        self.lab.wait_for(lambda: self.sent()[0] >= self.sent()[2], "the mails in Postfix's log")
        before, sent, pids = self.statuses(), self.sent(), self.server.pids()
        taken = self.taken()

        mails = list(self.mails(count, writer, victims))
        counts, sizes, seconds = collections.Counter(), [], 0
        for third in range(3):
            start = time.monotonic()
            counts += offer_all(self.server.smtp, mails[third * count // 3:(third + 1) * count // 3])
            seconds += time.monotonic() - start
            self.wait_idle(self.server)
            sizes.append({role: lab.memory(pids[role][0]) for role in ("core", "inbound")})
        verdicts = self.server.query("SELECT verdict, count(*) FROM message WHERE direction <> 'out' GROUP BY 1")
        print(f"# {sum(counts.values())} mails to {len(victims)} challenges, {count / seconds:.0f} a second:"
              f" {dict(sorted(counts.items()))}; {dict(verdicts)}", flush=True)
        print("# memory, MiB: " + "; ".join(f"{role} " + ", ".join(f"{size[role] / 2**20:.1f}" for size in sizes)
                                            for role in sizes[0]), flush=True)

        self.assertEqual(sum(counts.values()), count)
        self.assertEqual(self.statuses(), before)
        self.assertEqual(self.sent(), sent)
        self.assertEqual(self.server.pids(), pids, "a role died")
        self.assertGreater(min(counts["reply", 452], counts["bounce", 452], counts["unknown", 550]), 0)
        self.assert_bounds(counts, taken)
        self.assertEqual(self.server.query("SELECT max(n) FROM (SELECT count(*) n FROM note GROUP BY challenge_id)"),
                         [(NOTES,)])
        for role, size in sizes[0].items():
            self.assertLess(sizes[-1][role], size * 1.05 + 2 * 2**20, f"{role} grows")
        self.assert_goes_on(victims)

    def taken(self):
        return self.server.query("SELECT count(*) FROM message WHERE direction <> 'out'")[0][0]

    def assert_bounds(self, counts, taken, directions=("in", "bounce")):
        """What was answered 250 is there and judged, nothing else is; of each challenge no more than is kept."""
        self.assertEqual(self.taken() - taken, sum(counts[kind, code] for kind, code in counts if code == 250))
        self.assertLessEqual({code for kind, code in counts if kind == "unknown"}, {550})
        self.assertLessEqual({code for _, code in counts}, {250, 452, 550, 552, 554})
        self.assertEqual(self.server.query("SELECT count(*) FROM message WHERE direction <> 'out' AND verdict IS NULL"),
                         [(0,)])
        self.assertEqual(self.server.query("SELECT count(*) FROM raw WHERE id NOT IN (SELECT raw_id FROM message)"),
                         [(0,)], "octets of a message that was not taken")
        for direction in directions:
            column = {"in": "mails", "bounce": "bounces"}[direction]
            rows = self.server.query(
                f"SELECT {column}, (SELECT count(*) FROM message m WHERE m.challenge_id = c.id AND m.direction = ?)"
                " FROM challenge c", direction)
            self.assertEqual([row for row in rows if row[1] != min(row[0], KEPT)], [])
            self.assertIn(KEPT, [kept for _, kept in rows])

    def assert_goes_on(self, victims):
        """The right replies pass, beside what the strangers sent; so does a new order."""
        spared = [victim for victim in victims if self.is_spared(victim)]
        self.assertGreater(len(spared), 3)
        for victim in spared[:8]:
            signet.deliver(self.server, {"from": victim.sender}, victim.right_reply(self.world.key), victim.address)
            self.world.finish(self.user, victim.order, victim.challenge, victim.address.split("@")[0])
        self.world.issue(self.user, MAILBOXES[0])
        self.assert_sound(self.server)


if __name__ == "__main__":
    unittest.main()
