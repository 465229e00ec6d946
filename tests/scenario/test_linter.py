# SPDX-License-Identifier: Apache-2.0
"""An outside linter ([ca] linter): nothing is signed without its verdict. A stand-in that hangs, ends, speaks nonsense
or has findings, and pkilint through contrib/signet-pkilint where pip can install it."""

import base64
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import pkilint_venv
from cryptography import x509
from refusals import RefusalsCase
from signet_lab import make_csr, new_key

STAND_IN = """#!/usr/bin/python3
import json, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
(folder / "descriptors").write_text(" ".join(sorted(n for n in os.listdir("/proc/self/fd")
                                                    if os.path.exists("/proc/self/fd/" + n))))
(folder / "environment").write_text(" ".join(sorted(os.environ)))
for line in sys.stdin:
    question, mode = json.loads(line), (folder / "mode").read_text()
    (folder / "asked").write_text(question["certificate"])
    if mode == "hang":
        time.sleep(3600)
    if mode == "end":
        sys.exit(0)
    answer = {{"id": question["id"], "findings": ["WARNING: it is ugly\\n", "ERROR: so it is"] if mode == "find" else []}}
    if mode == "late":
        answer["id"] -= 1
    if mode == "ahead":  # and an answer to the next question, whatever that will be
        print(json.dumps(answer))
        print(json.dumps({{"id": question["id"] + 1, "findings": []}}), flush=True)
        continue
    if mode == "begun":  # and the beginning of one
        print(json.dumps(answer))
        print(json.dumps({{"id": question["id"] + 1, "findings": []}}), end="", flush=True)
        continue
    text = {{"nonsense": "no JSON", "shape": "[]", "number": '{{"id": 1, "findings": [7]}}', "long": "x" * 200000,
            "none": '{{"id": 1}}'}}.get(mode, json.dumps(answer))
    print(text, flush=True)
"""


class Linted(RefusalsCase):
    linter = "linter"

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        program = cls.folder / "linter"
        program.write_text(cls.program())
        program.chmod(0o755)
        cls.settings = {"ca": {"linter": program, "linter-timeout": cls.timeout}}
        super().setUpClass()

    def finalized(self):
        """An order that is finalized."""
        order = self.ready("ann@user.test")
        self.user.finalize(order, make_csr(new_key(), "ann@user.test"))
        return order

    def signatures(self):
        return self.server.query("SELECT count(*) FROM certificate WHERE der IS NOT NULL")[0][0]


class StandIn(Linted):
    timeout = "10s"

    @classmethod
    def program(cls):
        return STAND_IN.format(folder=str(cls.folder))

    def mode(self, text):
        """Whole at every moment."""
        (self.folder / "new").write_text(text)
        os.replace(self.folder / "new", self.folder / "mode")

    def failure(self):
        found = self.server.query("SELECT waits_for FROM job WHERE waits_for LIKE 'the outside linter: %'")
        return found and found[0][0]

    def test_verdict(self):
        """It sees the octets that are signed, and has its standard descriptors alone."""
        self.mode("good")
        chain = self.user.certificate(self.finalized())
        asked = x509.load_der_x509_certificate(base64.b64decode((self.folder / "asked").read_text()))
        self.assertEqual(asked.tbs_certificate_bytes, chain[0].tbs_certificate_bytes)
        self.assertNotEqual(asked.signature, chain[0].signature)
        shown, failed = self.server.evidence(chain[0])
        self.assertLessEqual(failed, {"audit log"}, shown)
        self.assertRegex(shown, r"(?s) built: .* signing: .*\nok      steps: ")
        self.assertEqual((self.folder / "descriptors").read_text(), "0 1 2")
        self.assertLessEqual(set((self.folder / "environment").read_text().split()), {"LC_ALL", "PATH", "LC_CTYPE"})

    def test_no_verdict(self):
        """Each way to say nothing useful: no signature, the reason is shown; the next question is asked anew."""
        for mode, reason in (("hang", "did not answer in time"), ("end", "ended"), ("nonsense", "protocol"),
                             ("shape", "protocol"), ("number", "protocol"), ("none", "protocol"), ("late", "protocol"),
                             ("ahead", "more than its answer"), ("begun", "more than its answer"), ("long", "too long|protocol")):
            with self.subTest(mode):
                self.mode(mode)
                before = self.signatures()
                order = self.finalized()
                self.assertRegex(self.lab.wait_for(self.failure, "a failure of the linter"),
                                 f"^the outside linter: .*({reason})")
                self.assertEqual(self.signatures(), before)
                self.mode("good")
                self.user.certificate(order)
                self.assertEqual(self.signatures(), before + 1)

    def test_findings(self):
        self.mode("find")
        before = self.signatures()
        order = self.finalized()
        ended = self.user.poll(order["url"], lambda o: o["status"] in ("valid", "invalid"))
        self.assertEqual(ended["status"], "invalid")
        self.assertIn("WARNING: it is ugly ; ERROR: so it is", ended["error"]["detail"])
        self.assertEqual(self.signatures(), before)
        shown = self.server.ctl("order", "show", order["url"], "--json", "--config", self.server.path)
        self.assertIn("WARNING: it is ugly ; ERROR: so it is", shown)

    def test_configuration(self):
        path = self.server.config["ca"]["linter"]
        try:
            for wrong in ("linter", "/nowhere/linter"):
                self.server.config["ca"]["linter"] = wrong
                self.server.write_config()
                status, said = self.server.check()
                self.assertNotEqual(status, 0)
                self.assertIn("[ca] linter", said)
        finally:
            self.server.config["ca"]["linter"] = path
            self.server.write_config()


class Pkilint(Linted):
    timeout = "5m"

    @classmethod
    def program(cls):
        cls.python = pkilint_venv.python()
        return f"#!/bin/sh\nexec {cls.python or '/bin/false'} {pkilint_venv.ADAPTER}\n"

    def test_pkilint(self):
        """Of a certificate with the lab's names it finds that no such domains can be on the Internet, and nothing
        else. Without pkilint the program ends at once: then there is no certificate either."""
        order = self.finalized()
        if self.python is not None:
            ended = self.user.poll(order["url"], lambda o: o["status"] in ("valid", "invalid"), 300)
            findings = re.findall(r"(?:FATAL|ERROR|WARNING): (\S+) at", ended["error"]["detail"])
            self.assertEqual(findings, ["cabf.internal_domain_name"] * 3, ended)
            self.assertEqual(self.signatures(), 0)
            return
        failures = "SELECT count(*) FROM job WHERE waits_for LIKE 'the outside linter: %'"
        self.lab.wait_for(lambda: self.server.query(failures)[0][0], "a failure of the linter")
        self.assertEqual(self.signatures(), 0)


del Linted

if __name__ == "__main__":
    unittest.main()
