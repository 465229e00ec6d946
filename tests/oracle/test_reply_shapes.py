# SPDX-License-Identifier: Apache-2.0
"""Replies in the shapes of real mail programs and providers (reply_shapes.py): Signet accepts every one, dkimpy
verifies every one, and with "strict" those pass whose signature lists all twelve names of RFC 8823."""

import collections
import unittest

import dkim_maker
import reply_shapes
from reply_judge import NOW, TOKEN1, Question, digest, judge

TWELVE = {"from", "sender", "reply-to", "to", "cc", "subject", "date", "in-reply-to", "references", "message-id",
          "content-type", "content-transfer-encoding"}
# The list in the issue that asked for them.
PROGRAMS = ("Microsoft 365", "Gmail on the web", "Gmail app", "Apple Mail", "Thunderbird", "mutt", "K-9", "Roundcube",
            "Yahoo", "Fastmail", "Proton", "GMX", "Exchange gateway with disclaimer")
CHALLENGE = reply_shapes.Challenge(TOKEN1, digest())


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.letters = reply_shapes.letters(CHALLENGE)
        cls.own, cls.provider = dkim_maker.Key(2048), dkim_maker.Key(2048)
        cls.mails = [reply_shapes.signed(letter, CHALLENGE, cls.own, cls.provider) for letter in cls.letters]
        cls.records = [cls.keys(letter) for letter in cls.letters]

    @classmethod
    def keys(cls, letter):
        """{question: record} for the letter's signatures."""
        found = {}
        for field in letter.fields:
            domain = letter.address.split("@")[1]
            signer = dkim_maker.tag(field, "d").replace("$domain", domain)
            key = cls.own if signer == domain else cls.provider
            found[f"{dkim_maker.tag(field, 's')}._domainkey.{signer}"] = key.record()
        return found

    def verdicts(self, policy, mails=None):
        return judge([Question(mail, letter.address, tuple(keys.items()), policy)
                      for letter, mail, keys in zip(self.letters, mails or self.mails, self.records)])

    def each(self, check, *columns):
        for row in zip(self.letters, *columns):
            with self.subTest(f"{row[0].program}: {row[0].variant}"):
                check(*row)

    def test_accepted(self):
        count = collections.Counter(letter.program for letter in self.letters)
        print(f"# {len(self.letters)} replies of {len(count)} programs: {dict(count)}", flush=True)
        self.assertEqual([name for name in PROGRAMS if count[name] == 0], [])
        self.each(lambda letter, answer: self.assertEqual(answer["verdict"], letter.verdict, answer),
                  self.verdicts("covered"))

    def test_refused_ones_say_why(self):
        """Shapes that must be refused are those the user can mend, and the problem says how."""
        words = {"GMX": "no text/plain part", "Microsoft 365": "contoso.onmicrosoft.example (DKIM d=)",
                 "Gmail on the web": "gappssmtp.example (DKIM d=)"}
        refused = [(letter.program, answer["detail"]) for letter, answer in zip(self.letters, self.verdicts("covered"))
                   if letter.verdict != "passed"]
        self.assertEqual(sorted(program for program, _ in refused), sorted(words))
        for program, detail in refused:
            self.assertIn(words[program], detail)

    def test_dkimpy_agrees(self):
        def check(letter, mail, keys):
            for index in range(len(letter.fields)):
                self.assertTrue(dkim_maker.verified(mail, index, keys, NOW), index)
        self.each(check, self.mails, self.records)

    def test_strict(self):
        complete = [any(TWELVE <= set(dkim_maker.tag(field, "h").lower().split(":")) for field in letter.fields)
                    for letter in self.letters]
        passes = [all_twelve and letter.verdict == "passed" for letter, all_twelve in zip(self.letters, complete)]
        print(f"# {sum(passes)} of them cover all twelve names", flush=True)
        self.assertGreater(sum(passes), 0)
        verdicts = ["passed" if pass_ else "noted" for pass_ in passes]
        self.each(lambda letter, verdict, answer: self.assertEqual(answer["verdict"], verdict, answer),
                  verdicts, self.verdicts("strict"))

    def test_changed_on_the_way(self):
        """The same letters with a letter more in the body, the Subject or From are accepted in no shape."""
        begin = b"\r\n\r\n"
        for name, change in (
                ("From", lambda mail: mail.replace(b"\r\nFrom: ", b"\r\nFrom: X", 1)),
                ("Subject", lambda mail: mail.replace(b"\r\nSubject: ", b"\r\nSubject: X", 1)),
                ("body", lambda mail: mail.partition(begin)[0] + begin + b"X" + mail.partition(begin)[2])):
            self.each(lambda letter, answer: self.assertEqual(answer["verdict"], "noted", f"{name}: {answer}"),
                      self.verdicts("covered", [change(mail) for mail in self.mails]))


if __name__ == "__main__":
    unittest.main()
