# SPDX-License-Identifier: Apache-2.0
"""Ambiguous and hostile messages (hostile_mime.py): none passes a challenge, or spends its one chance, unless a second
reader (strict_reader.py) says that From, Subject and block are there once, signed, and to be read in one way only.
SIGNET_SEED repeats a run (keys and signatures apart)."""

import collections
import random
import unittest
from typing import NamedTuple, Optional

import dkim_maker
import hostile_mime
import strict_reader
from reply_judge import NOW, TOKEN1, Question, digest, judge
from share import seed, share

WRONG = digest("x" * 32)


# Where Signet refuses what the second reader takes: bounds, and what no mail program writes.
STRICTER = {
    "Content-Transfer-Encoding: ", "Content-Transfer-Encoding: (x) base64",
    "Content-Type: boundary in pieces and whole",
    "Content-Type: boundary twice", "Content-Type: boundary twice the same", "Content-Type: boundary with a blank",
    "Content-Type: empty", "Content-Type: long", "Content-Type: no subtype", "Content-Type: semicolon first",
    "Content-Type: two charsets", "From: comment after the at", "From: comment in the address", "From: deep comment",
    "From: long", "From: vertical tab", "Subject: long before", "encoded: 256 KiB", "lines shuffled",
    "many fields", "nesting", "octets flipped",
    "parts: boundary ends in a blank", "parts: boundary of 201", "parts: delimiter twice",
    "parts: disposition empty", "parts: too many",
}


class Case(NamedTuple):
    name: str
    changes: tuple
    raw: bytes
    good: Optional[bytes]  # what a stranger changed


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.key = dkim_maker.Key(1024)
        cls.keys = ((f"{hostile_mime.SELECTOR}._domainkey.{hostile_mime.DOMAIN}", cls.key.record()),
                    (f"{hostile_mime.SELECTOR}._domainkey.evil.test", cls.key.record()))

    def make(self, rng, changes, base, how, stranger):
        """A hostile message: changed before it was signed, or by a stranger afterwards."""
        name = f"{' + '.join(changes)} in {base}, signed {how}"
        mail = hostile_mime.bases(TOKEN1, digest(), WRONG, rng)[base]
        changed = mail
        for change in changes:
            changed = hostile_mime.CHANGES[change](changed, rng)
        if not stranger:
            return Case(f"{name} by the owner", changes, hostile_mime.signed(changed, self.key, how), None)
        # The signature is made over the good reply and stands above the changed one.
        good = hostile_mime.signed(mail, self.key, how)
        field = good[:len(good) - len(mail.raw())]
        return Case(f"{name} by a stranger", changes, field + changed.raw(), good)

    def cases(self):
        """Every change to every form, by owner and stranger; then several changes at once, and other signatures."""
        rng = seed()
        names = sorted(hostile_mime.CHANGES)
        forms = sorted(hostile_mime.bases(TOKEN1, digest(), WRONG, rng))
        every = [((name,), form, "covered", stranger) for name in names for form in forms for stranger in (False, True)]
        ways = sorted(hostile_mime.SIGNATURES)
        every += [((name,), form, how, True) for name in names if name.startswith("appended")
                  for form in forms for how in hostile_mime.SIGNATURES if "body" in how]
        several = [(tuple(rng.sample(names, rng.choice((1, 2, 2, 3)))), rng.choice(forms), rng.choice(ways),
                    rng.random() < 0.5) for _ in range(len(every))]
        rng.shuffle(every)
        # Each change once, then the rest: a share has all of them.
        first = {case[0]: case for case in every}
        rest = [case for case in every if first[case[0]] is not case]
        chosen = list(first.values()) + [case for pair in zip(rest, several) for case in pair] + several[len(rest):]
        count = share(1500, len(chosen))
        return [self.make(rng, *case) for case in chosen[:count]]

    def test_forms(self):
        """What the changes are made to passes, and both readers say so; unsigned it does not."""
        for form, mail in hostile_mime.bases(TOKEN1, digest(), WRONG, random.Random(0)).items():
            for how in hostile_mime.SIGNATURES:
                with self.subTest(f"{form}, {how}"):
                    raw = hostile_mime.signed(mail, self.key, how)
                    good = how in ("covered", "over-signed", "simple")
                    answer = judge([Question(raw, hostile_mime.ADDRESS, self.keys)])[0]
                    self.assertEqual(answer["verdict"], "passed" if good else "noted", answer)
                    self.assertEqual(self.read(raw)[0], "passed" if good else "nothing")

    def read(self, raw):
        return strict_reader.read(raw, address=hostile_mime.ADDRESS, token1=TOKEN1, digest=digest(), keys=self.keys,
                                  now=NOW)

    def faults(self, case, answer, may):
        """What a verdict must not be."""
        verdict = answer["verdict"]
        if verdict in ("passed", "wrong") and verdict != may[0]:
            yield f"{verdict}, though a second reader says: {may}"
        if case.good is not None and verdict == "wrong":
            yield "a stranger spends the one chance with a right reply"
        alone = case.changes[0] if len(case.changes) == 1 else None
        if alone is not None and may[0] == "passed" != verdict and alone not in STRICTER:
            yield f"{verdict} by {answer['rule']}, though nothing speaks against it"

    def test_hostile(self):
        cases = self.cases()
        answers = judge([Question(case.raw, hostile_mime.ADDRESS, self.keys) for case in cases])
        count, found = collections.Counter(), []
        for case, answer in zip(cases, answers):
            count[f"{answer['verdict']} by {answer['rule']}"] += 1
            faults = self.faults(case, answer, self.read(case.raw))
            found += [(case.name, fault, answer, case.raw[:3000]) for fault in faults]
        print(f"# {len(cases)} messages of {len(hostile_mime.CHANGES)} changes: {dict(sorted(count.items()))}",
              flush=True)
        self.assertEqual(found[:3], [], f"{len(found)} of {len(cases)}")
        self.assertGreaterEqual(len(cases), 500)
        self.assertGreater(count["passed by all"], len(cases) // 50)
        self.assertGreater(count["wrong by digest"], 0)


if __name__ == "__main__":
    unittest.main()
