# SPDX-License-Identifier: Apache-2.0
"""DKIM cases (dkim_cases.py) judged by Signet, dkimpy and libopendkim. Where the three do not agree, DIFFERENCES says
who passes what and why; no case on which they differ is missing there, and on none there they agree."""

import collections
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
from concurrent import futures

import dkim_cases
import dkim_maker
from reply_judge import Question, judge

HERE = pathlib.Path(__file__).parent
NOW = int(time.time())

# (why, RFC 6376 where no other is named): who passes it ("S"ignet, dkim"p"y, "o"pendkim), the cases.
DIFFERENCES = {
    "3.4.2: blanks before the colon go": ("S-o", "edit: blank before the colon, relaxed/simple",
                                          "edit: blank before the colon, relaxed/relaxed",
                                          "field: blank before the colon"),
    "3.4.3, 3.4.4: a CRLF is added to a body without one": ("Sp-", "body: no line end, simple/relaxed",
                                                            "body: no line end, relaxed/relaxed"),
    "3.4.4: blanks at the end of any line go; by SMTP no body comes without its last CRLF": (
        "-p-", "body: blank and no line end, simple/relaxed", "body: blank alone, no line end, simple/relaxed",
        "body: blank and no line end, relaxed/relaxed", "body: blank alone, no line end, relaxed/relaxed"),
    "RFC 8301 3.2: RSA keys under 1024 bits do not count": ("--o", "key: RSA of 1023 bits"),
    "RFC 8301 3.1: rsa-sha1 does not count": ("-po", "rsa-sha1 of 1024", "rsa-sha1 of 1024, h=sha1", "rsa-sha1 of 2048",
                                              "rsa-sha1 of 2048, h=sha1"),
    "3.6.1: v= is the first tag of a record": ("-po", "record: v= last", "record: v= in the middle"),
    "3.2: values are case-sensitive": ("--o", "record: k= capitals", "tag: a= capitals", "tag: c= capitals",
                                       "tag: q= capitals"),
    "3.6.1: k= says of which kind the key is, and is rsa by default": ("--o", "record: k= the other",
                                                                       "record: no k=, ed25519"),
    "3.6.1: p= is base64 of a key and nothing else (dkimpy: RSA with more behind it)": (
        "-po", "record: p= longer", "record: p= with more after"),
    "3.6.1: p= is base64 with its padding": ("--o", "record: p= without padding, ed25519"),
    "3.6.1 t=y: no more than an unsigned message": ("-po", "record: t=y", "record: t=y:s", "record: t=s : y"),
    "3.6.1 t=s: i= must have the domain of d=": ("-p-", "record: t=s, i= a child"),
    "3.6.1 s=: a list that holds email": ("S-o", "record: s= other and email"),
    "6.1.2 step 6: h= must allow the hash": ("-p-", "record: h=sha1", "record: h= unknown", "record: h= empty"),
    "3.2: a tag twice makes the whole list invalid": (
        "--o", "record: tag twice", "tag: twice v", "tag: twice a", "tag: twice c", "tag: twice d", "tag: twice s",
        "tag: twice h", "field: twice bh", "field: twice unknown"),
    "3.2: values are of printable characters": ("-p-", "record: control character", "tag: control character"),
    "3.6.1 n=: a note is for people": ("Sp-", "record: UTF-8 note"),
    "RFC 8616 5: fields of internationalised mail hold UTF-8": ("Sp-", "tag: UTF-8"),
    "3.6.1: RSAPublicKey is what the text asks for (erratum 3017)": ("Sp-", "record: RSAPublicKey"),
    "RFC 8463 3: a= names the kind of the key": ("-p-", "tag: a= of the other"),
    "3.5: d= and s= are of labels with letters, digits and hyphens": (
        "-p-", "tag: d= with dot", "tag: d= blank inside", "tag: s= empty"),
    "3.5: d= has two labels at least, without underscores": ("-po", "tag: d= one label", "tag: d= underscore"),
    "3.5, 5.4: h= has From": ("-p-", "tag: h= empty", "tag: h= without From"),
    "3.5: names in h= are not empty": ("-po", "tag: h= empty name", "tag: h= colon at the end"),
    "3.5 h=, 3.7: the signature's own field is none of those listed": ("S--", "tag: h= itself",
                                                                       "selection: signs it twice"),
    "3.5 q=: unknown methods are left out of the list, dns/txt is the only known": (
        "--o", "tag: q= unknown", "tag: q=dns", "tag: q= empty"),
    "3.5 q=: a list": ("S-o", "tag: q= two"),
    "3.5 t=: no least time (libopendkim wants more than a second)": ("Sp-", "tag: t= past", "tag: t= of 12 digits"),
    "3.5 t=: a time in the future may be a reason; clocks are wrong": ("S--", "tag: t= far future"),
    "3.5: t= has 12 digits at most": ("-p-", "tag: t= of 13 digits"),
    "3.5: x= has 12 digits at most": ("-po", "tag: x= of 13 digits"),
    "3.5 x=: past is past (dkimpy gives 10 hours, libopendkim 5 minutes)": ("-po", "tag: x= a minute ago"),
    "3.5 x=: later than t=": ("-p-", "tag: x= before t=", "tag: x= equals t="),
    "8.2: what l= leaves out is anybody's": ("-po", "tag: l= all", "tag: l=0", "tag: l= less"),
    "3.5, 8.2: l= beyond the end": ("-p-", "tag: l= more"),
    "3.2: a tag's name has letters, digits and underscores (libopendkim takes dashes, dkimpy too)": (
        "-po", "tag: tag name with dash"),
    "3.2: a tag's name begins with a letter": ("--o", "tag: tag name of digits"),
    "3.2: blanks around = (libopendkim forgets those before b=)": ("Sp-", "field: blanks around =",
                                                                  "field: folds around ="),
}


def without_kind(name):
    return name.removesuffix(", 2048").removesuffix(", ed25519")


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.program = os.path.join(folder.name, "dkim_opendkim")
        subprocess.run(["cc", "-o", cls.program, str(HERE / "dkim_opendkim.c"), "-lopendkim"], check=True)
        cls.cases = dkim_cases.cases(NOW)

    def of_signet(self):
        answers = judge([Question(case.raw, "ann@user.test", tuple(case.records.items()), now=NOW)
                         for case in self.cases])
        return [answer["signatures"][0]["result"] for answer in answers]

    def of_opendkim(self, case):
        question, record = next(iter(case.records.items()), ("none", ""))
        done = subprocess.run([self.program, f"{question}={record}"], input=case.raw, capture_output=True, check=True)
        return done.stdout.strip() == b"pass"

    def test_answers(self):
        """What the resolver says, which the other two know as a text or none only."""
        key = dkim_maker.Key(2048)
        raw, record = dkim_cases.signed(key), key.record()
        for result, records in {"pass": [record], "unusable": [record, record], "temporary": ["!temporary"], "fail": [
                dkim_maker.Key(2048).record()]}.items():
            with self.subTest(records):
                self.assertEqual(self.result(raw, [(dkim_cases.QUESTION, text) for text in records]), result)
        self.assertEqual(self.result(raw, [(dkim_cases.QUESTION, "!bogus")]), "unusable")
        self.assertEqual(self.result(raw, []), "unusable")

    def result(self, raw, keys):
        return judge([Question(raw, "ann@user.test", tuple(keys), now=NOW)])[0]["signatures"][0]["result"]

    def test_corpus(self):
        signet = self.of_signet()
        with futures.ThreadPoolExecutor(2) as pool:
            opendkim = list(pool.map(self.of_opendkim, self.cases))
        dkimpy = [dkim_maker.verified(case.raw, 0, case.records, NOW) for case in self.cases]
        listed = {name: passes for passes, *names in DIFFERENCES.values() for name in names}
        used, agreed = set(), 0
        for case, ours, theirs, others in zip(self.cases, signet, dkimpy, opendkim):
            seen = "".join(letter if passes else "-" for letter, passes in zip("Spo", (ours == "pass", theirs, others)))
            name = case.name if case.name in listed else without_kind(case.name)
            agreed += seen in ("Spo", "---")
            used.add(name)
            with self.subTest(case.name):
                if name in listed:
                    self.assertEqual(seen, listed[name])
                else:
                    self.assertIn(seen, ("Spo", "---"), "who passes it, and it is not among the differences")
        print(f"# {len(self.cases)} cases: {dict(collections.Counter(signet))}; the three agree on {agreed}",
              flush=True)
        self.assertEqual(set(listed) - used, set(), "differences of no case")
        self.assertEqual(len({case.name for case in self.cases}), len(self.cases))
        self.assertGreaterEqual(agreed, 250)


if __name__ == "__main__":
    unittest.main()
