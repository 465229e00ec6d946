# SPDX-License-Identifier: Apache-2.0
"""Proves the lab itself: what the other scenario tests stand on."""

import os
import signal
import smtplib
import unittest

import dkim

import lab

TXT, CAA = 16, 257
MAIL = b"""From: Ann <ann@user.test>\r
To: bob@user.test\r
Subject: hello\r
Date: Fri, 02 Jan 2026 03:04:05 +0000\r
Message-ID: <1@user.test>\r
\r
A line.\r
"""


class LabTest(lab.LabCase):
    def assert_gone(self, pid):
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_mail_is_signed_and_delivered(self):
        key = lab.DkimKey("user.test", "s1")
        zones = lab.SignedZones(self.lab, {"user.test": [key.record()]})
        signer = lab.OpenDKIM(self.lab, [key])
        mail = lab.Postfix(self.lab, {"user.test": ["ann", "bob", "j\u00f6rg"]}, milter=signer)
        lab.submit(lab.HOST, mail.port, "ann@user.test", "bob+tag@user.test", MAIL)
        found = lab.maildir_wait(mail.maildir("bob@user.test"), lambda m: m["Subject"] == "hello")
        self.assertIn("d=user.test", found.message["DKIM-Signature"])
        self.assertTrue(dkim.verify(found.raw, dnsfunc=zones.dkimpy))
        self.assertFalse(dkim.verify(found.raw.replace(b"A line", b"A lie"), dnsfunc=zones.dkimpy))
        lab.submit(lab.HOST, mail.port, "ann@user.test", "j\u00f6rg@user.test", MAIL)
        lab.maildir_wait(mail.maildir("j\u00f6rg@user.test"))
        for recipient in ("nobody@user.test", "x@elsewhere.test"):
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                lab.submit(lab.HOST, mail.port, "ann@user.test", recipient, MAIL)

    def test_mail_is_relayed_retried_and_rerouted(self):
        """A second Postfix stands for Signet; the first finds it down, then up, then elsewhere."""
        ca = lab.Postfix(self.lab, {"ca.test": ["acme"]})
        mail = lab.Postfix(self.lab, {"user.test": ["ann"]}, routes={"ca.test": f"{lab.HOST}:{ca.port}"})
        ca.stop()
        lab.submit(lab.HOST, mail.port, "ann@user.test", "acme@ca.test", MAIL)
        self.lab.wait_for(lambda: "status=deferred" in mail.text(), "the mail to be deferred")
        ca.start()
        lab.maildir_wait(ca.maildir("acme@ca.test"))
        mail.route("ca.test", "error:5.1.1 no such place")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            lab.submit(lab.HOST, mail.port, "ann@user.test", "acme@ca.test", MAIL)

    def test_zones(self):
        long = "v=DKIM1; p=" + "A" * 700 + ' "\\ \u00e9'
        records = [("a", "TXT", "one"), ("long", "TXT", long), ("@", "CAA", '0 issuemail "ca.test"')]
        names = {"good.test": lab.SIGNED, "bad.test": lab.BOGUS, "strip.test": lab.STRIPPED,
                 "plain.test": lab.INSECURE}
        zones = lab.SignedZones(self.lab, {zone: records for zone in names}, names)
        ask = lambda name, rtype=TXT: lab.resolve(zones, name, rtype)
        self.assertEqual(ask("a.good.test"), ("found", True, "found", ["one"]))
        self.assertEqual(ask("long.good.test")[3], [long])
        self.assertEqual(ask("good.test", CAA)[3], [b"\0\x09issuemailca.test".hex()])
        self.assertEqual(ask("a.good.test", CAA)[:2], ("none", True))
        self.assertEqual(ask("no.good.test")[:3], ("none", True, "no such domain name"))
        self.assertEqual(ask("a.bad.test")[0::3], ("bogus", []))
        self.assertEqual(ask("no.bad.test")[0], "bogus")
        self.assertEqual(ask("a.strip.test")[0], "bogus")
        self.assertEqual(ask("a.plain.test"), ("found", False, "found", ["one"]))
        self.assertEqual(ask("no.plain.test")[:2], ("none", False))
        self.assertEqual(lab.resolve(zones, "a.good.test", TXT, anchored=False)[:2], ("found", False))

    def test_zones_change(self):
        zones = lab.SignedZones(self.lab, {"one.test": [("a", "TXT", "one")], "two.test": []})
        zones.replace("one.test", "a", "TXT", "two")
        zones.add("one.test", ("b", "TXT", "three"))
        self.assertEqual(lab.resolve(zones, "a.one.test", TXT), ("found", True, "found", ["two"]))
        self.assertEqual(lab.resolve(zones, "b.one.test", TXT)[3], ["three"])
        zones.replace("one.test", "a", "TXT")
        self.assertEqual(lab.resolve(zones, "a.one.test", TXT)[:2], ("none", True))
        zones.mode("one.test", lab.BOGUS)
        self.assertEqual(lab.resolve(zones, "b.one.test", TXT)[0], "bogus")
        zones.mode("one.test", lab.SIGNED)
        self.assertEqual(lab.resolve(zones, "b.one.test", TXT)[:2], ("found", True))
        zones.stop()
        self.assertEqual(lab.resolve(zones, "b.one.test", TXT)[0], "temporary")
        zones.start()
        self.assertEqual(lab.resolve(zones, "b.one.test", TXT)[0], "found")

    def test_processes(self):
        with self.assertRaisesRegex(lab.LabError, "ended with 3:\nwhy"):
            self.lab.spawn("broken", ["/bin/sh", "-c", "echo why; exit 3"], ready=lambda: False)
        with self.assertRaisesRegex(lab.LabError, "waited 0.2 s for rain"):
            self.lab.wait_for(lambda: False, "rain", 0.2)
        with lab.Lab() as inner:
            kept = inner.path
            deaf = inner.spawn("deaf", ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"],
                               ready=lambda: "deaf" in (inner.path / "deaf.log").read_text())
            polite = inner.spawn("polite", ["/bin/sleep", "1000"])
            self.assertEqual(deaf.stop(deadline=0.3), -signal.SIGKILL)
            self.assertTrue(polite.alive())
            self.assertNotEqual(inner.free_port(), inner.free_port())
        self.assert_gone(deaf.pid)
        self.assert_gone(polite.pid)
        self.assertFalse(kept.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
