# SPDX-License-Identifier: Apache-2.0
"""Inbound and outbound killed during traffic: replies come by a Postfix that hands over by SMTP, by one that does so by
LMTP, and straight from a sender that tries until its 250 and never after it; challenge mails leave through Postfix.

SIGNET_SEED repeats a run's choices; SIGNET_FULL=1 kills as often as the whole of it does."""

import collections
import email.utils
import os
import re
import signal
import threading
import unittest

import lab
from faults import DEADLINE, MAILBOXES, FaultCase, Killer, Work, World, deliver, new_user, order_id
from lab import HOST
from share import seed, share

KILLS_IN_A_LIFE = 6  # more, and the parent would wait long before it starts a role again
WORKERS = 6


class MailWorld(World):
    """Replies take one of three ways. Beside them comes what a stranger writes, and must not get lost either."""

    def __init__(self, test, choices):
        self.lab, self.choices, self.path = test.lab, choices, test.lab.folder("lmtp") / "socket"
        super().__init__(test, settings={"mail": {"lmtp": self.path}, "ca": {"signatures-per-hour": 1000000}})
        self.mail.route("ca.test", f"{HOST}:{self.server.smtp}")
        self.front = lab.Postfix(test.lab, {"front.test": ["x"]}, {"ca.test": f"lmtp:unix:{self.path}"})
        self.handed_in, self._lock = collections.defaultdict(list), threading.Lock()

    def hand_in(self, sender, recipient, raw):
        if self.choices.random() < 0.5:
            name = email.utils.make_msgid(domain="user.test").encode()
            self.send("eve@user.test", recipient,
                      b"From: eve@user.test\r\nSubject: ACME: x\r\nMessage-ID: %s\r\n\r\nx\r\n" % name)
        self.send(sender, recipient, raw)

    def send(self, sender, recipient, raw):
        way = self.choices.choice(("Postfix by SMTP", "Postfix by LMTP", "straight"))
        if way == "straight":
            deliver(self.server.smtp, sender, recipient, raw)
        else:
            lab.submit(HOST, (self.mail if way == "Postfix by SMTP" else self.front).port, sender, recipient, raw)
        with self._lock:
            self.handed_in[way].append(message_id(raw))


    def flush(self, stop):
        """Postfix puts off for minutes a mail that its own client has not let go of when the next try is due."""
        while not stop.wait(5):
            for postfix in (self.mail, self.front):
                self.lab.run("/usr/sbin/postqueue", "-c", postfix.path / "etc", "-f")


def message_id(raw):
    return re.search(rb"(?mi)^Message-ID: (\S+)", raw)[1].decode()


def handed_over(postfix):
    """Message-IDs for which signetd answered 250 to this Postfix, each as often as it did."""
    text = postfix.text()
    names = dict(re.findall(r"cleanup\[\d+\]: (\w+): message-id=(\S+)", text))
    sent = re.findall(r"(?:smtp|lmtp)\[\d+\]: (\w+): to=<[^>]+@ca\.test>.*status=sent \(250 ", text)
    return [names[queued] for queued in sent]


def is_empty(postfix):
    begun = set(re.findall(r"qmgr\[\d+\]: (\w+): from=<", postfix.text()))
    return begun == set(re.findall(r"qmgr\[\d+\]: (\w+): removed", postfix.text()))


class MailKills(FaultCase):
    def test_kills(self):
        choices, kills = seed(), share(30, 300)
        world = MailWorld(self, choices)
        stop = threading.Event()
        flusher = threading.Thread(target=world.flush, args=(stop,))
        self.addCleanup(flusher.join)
        self.addCleanup(stop.set)
        flusher.start()
        killer = Killer(world.server, choices, kills // KILLS_IN_A_LIFE,
                        lambda _: ["inbound", "outbound"] * (KILLS_IN_A_LIFE // 2))
        self.addCleanup(killer.stop)
        work = Work(world, killer, 1, WORKERS)
        killer.start()
        work.run()
        killer.stop()
        self.assertEqual(work.failures + killer.failures, [])
        self.assertEqual(killer.counts["inbound"] + killer.counts["outbound"], kills)
        through_postfix = {one for way, ids in world.handed_in.items() if way != "straight" for one in ids}
        self.lab.wait_for(lambda: through_postfix <= {*handed_over(world.mail), *handed_over(world.front)}, "the answers in the logs", DEADLINE)
        self.lab.wait_for(lambda: is_empty(world.mail) and is_empty(world.front), "the queues to be empty", DEADLINE)
        self.wait_idle(world.server)
        print(f"# killed {killer.counts}; {len(work.chains)} issued;"
              f" mails by {({way: len(ids) for way, ids in world.handed_in.items()})}", flush=True)
        self.assert_replies(world)
        self.assert_challenges(world)
        self.assert_orders(world.server, work)
        world.server.stop()
        self.assertEqual(world.server.process.status(), 0)
        self.assert_sound(world.server)

    def test_outbound_killed_before_the_answer(self):
        """Postfix took the mail, and nobody heard it say so: it comes once more as the same mail."""
        killed = []

        def answer(asked):
            if len(killed) < 2:
                killed.append(world.server.pids()["outbound"][0])
                os.kill(killed[-1], signal.SIGKILL)
            return "dunno"

        world = World(self, postfix={"smtpd_end_of_data_restrictions": lab.Policy(self, answer).rule})
        user = new_user(world.server)
        order = user.new_order(f"{MAILBOXES[0]}@user.test")
        challenge = user.authorization(order)["challenges"][0]
        mails = self.lab.wait_for(
            lambda: len(found := lab.maildir_list(world.mail.maildir(f"{MAILBOXES[0]}@user.test"))) == 3 and found,
            "the mail to come three times")
        (wanted, token), = world.server.query("SELECT message_id, token1 FROM challenge")
        self.assertEqual({(mail.message["Message-ID"], mail.message["Subject"]) for mail in mails},
                         {(wanted, f"ACME: {token}")})
        raw = world.reply(user, challenge, MAILBOXES[0])
        deliver(world.server.smtp, f"{MAILBOXES[0]}@user.test", challenge["from"], raw)
        world.finish(user, order, challenge, MAILBOXES[0])
        self.assert_sound(world.server)

    def test_inbound_killed_after_its_answer(self):
        """Before it has examined what it took: the next one does."""
        world = World(self)
        user = new_user(world.server)
        order = user.new_order(f"{MAILBOXES[0]}@user.test")
        challenge = user.authorization(order)["challenges"][0]
        raw = world.reply(user, challenge, MAILBOXES[0])
        core = world.server.pids()["core"][0]
        deliver(world.server.smtp, f"{MAILBOXES[0]}@user.test", challenge["from"], raw)
        os.kill(world.server.pids()["inbound"][0], signal.SIGKILL)
        world.finish(user, order, challenge, MAILBOXES[0])
        self.assertEqual(world.server.pids()["core"], [core])
        self.assert_sound(world.server)

    def assert_replies(self, world):
        """Each answered 250 is in the store and judged; again there only when its 250 had not reached its sender."""
        rows = world.server.query("SELECT r.octets, m.verdict FROM message m JOIN raw r ON r.id = m.raw_id"
                                  " WHERE m.direction = 'in'")
        self.assertNotIn(None, [verdict for _, verdict in rows])
        kept = collections.Counter(message_id(octets) for octets, _ in rows)
        answered = collections.Counter(world.handed_in["straight"] + handed_over(world.mail) + handed_over(world.front))
        self.assertEqual(set(answered), {one for ids in world.handed_in.values() for one in ids})
        self.assertEqual({one: count for one, count in answered.items() if kept[one] < count}, {})
        self.assertEqual(set(world.handed_in), {"Postfix by SMTP", "Postfix by LMTP", "straight"})
        print(f"# {len(answered)} mails answered 250, {sum(kept.values()) - len(kept)} of them there twice", flush=True)

    def assert_challenges(self, world):
        """Each whose mail was queued has it, as one mail even when it came twice; or says why not."""
        found = collections.defaultdict(list)
        for name in MAILBOXES:
            for mail in lab.maildir_list(world.mail.maildir(f"{name}@user.test")):
                found[mail.message["From"]].append(mail.message)
        rows = world.server.query("SELECT mail_from, message_id, token1, sent_at, status, error FROM challenge"
                                  " WHERE queued_at IS NOT NULL")
        for sender, wanted, token, sent_at, status, error in rows:
            if status == "invalid":
                self.assertTrue(error)
                continue
            self.assertEqual({(mail["Message-ID"], mail["Subject"]) for mail in found[sender]},
                             {(wanted, f"ACME: {token}")})
            # A reply may come before anybody heard that the relay took the mail: then that is no longer asked.
            self.assertTrue(sent_at or status == "valid")
        self.assertEqual(set(found) - {row[0] for row in rows}, set())
        twice = sum(len(mails) > 1 for mails in found.values())
        print(f"# {len(rows)} challenges, {twice} mails came twice", flush=True)

    def assert_orders(self, server, work):
        statuses = dict(server.query("SELECT id, status FROM orders"))
        orders = [order_id(what) for kind, what in work.acknowledged if kind == "order"]
        self.assertEqual({statuses.get(order) for order in orders}, {"valid"})
        self.assertEqual(len(orders), len(work.chains))


if __name__ == "__main__":
    unittest.main()
