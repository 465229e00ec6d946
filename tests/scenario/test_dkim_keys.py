# SPDX-License-Identifier: Apache-2.0
"""The keys that sign challenge mails: RSA and Ed25519 together, and new ones by SIGHUP."""

import pathlib
import re
import signal
import subprocess
import unittest

import dkim

import lab
import signet_lab as signet
from lab import HOST, DkimKey

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FIELDS = (b"h=from:auto-submitted:date:message-id:subject:to:\n\tsender:reply-to:cc:in-reply-to:references:content-type:"
          b"\n\tcontent-transfer-encoding;")


def signatures(raw):
    """The DKIM-Signature fields of a mail, from the top, with their folding."""
    header = raw.replace(b"\r\n", b"\n").split(b"\n\n")[0] + b"\n"
    return re.findall(rb"^DKIM-Signature: .*\n(?:\t.*\n)*", header, re.M)


def tag(field, name):
    return re.search(rb"[ \t]%s=([^;\s]+)" % name.encode(), field)[1].decode()


class DkimKeys(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann"]})
        cls.opendkim = cls.lab.path / "dkim_opendkim"
        cls.lab.run("cc", "-o", cls.opendkim, SOURCE / "tests/oracle/dkim_opendkim.c", "-lopendkim")

    def make_server(self, name, **mail):
        """signetd with both keys, the second made by signetctl, and a zone with both records."""
        folder = self.lab.folder(f"{name}-keys")
        printed = self.make_key(folder / "ed25519.key", "--algorithm", "ed25519", "--selector", "ed")
        settings = {"dkim-ed25519-key": folder / "ed25519.key", "dkim-ed25519-selector": "ed", **mail}
        self.zones = lab.SignedZones(self.lab, {"ca.test": [
            ("ed._domainkey", "TXT", re.fullmatch(r'ed\._domainkey\.ca\.test\. IN TXT "(v=DKIM1; k=ed25519; p=[\w+/]{43}=)"\n',
                                                 printed)[1])]})
        self.server = signet.Signetd(self.lab, relay=f"{HOST}:{self.mail.port}", name=name, settings={"mail": settings})
        self.zones.add("ca.test", self.server.dkim.record())
        self.user = signet.AcmeUser(self.server)

    def make_key(self, path, *options):
        done = subprocess.run([signet.BUILD / "signetctl", "dkim", "init", "--domain", "ca.test", "--key", path, *options],
                              capture_output=True, text=True, check=True)
        self.assertIn(b"PRIVATE KEY", path.read_bytes())
        return done.stdout

    def ask(self):
        """An order whose mail is due; its challenge."""
        order = self.user.new_order("ann@user.test")
        return self.user.authorization(order)["challenges"][0]

    def send_now(self, challenge):
        self.server.hurry_mails()
        self.user.get(challenge["url"])  # core looks at its jobs with every request

    def received(self, challenge):
        return signet.challenge_mail(self.mail.maildir("ann@user.test"), challenge).raw

    def mails(self):
        return self.received(self.ask())

    def reload(self, said, **mail):
        self.server.config["mail"].update(mail)
        self.server.write_config()
        before = len(self.server.log())
        self.server.process.send(signal.SIGHUP)
        self.lab.wait_for(lambda: re.search(said, self.server.log()[before:]), said)

    def assert_verified(self, raw, *selectors):
        """Every signature, from the top, by dkimpy with the keys in the zone."""
        fields = signatures(raw)
        self.assertEqual([tag(field, "s") for field in fields], list(selectors))
        for index, _ in enumerate(fields):
            self.assertTrue(dkim.DKIM(raw).verify(idx=index, dnsfunc=self.zones.dkimpy), index)

    def test_two_signatures(self):
        """interop.md 13: the RSA signature on top, as without the other; both hold, and libopendkim takes the mail."""
        self.make_server("both")
        raw = self.mails()
        self.assert_verified(raw, "signet", "ed")
        rsa, ed25519 = signatures(raw)
        self.assertEqual([tag(field, "a") for field in (rsa, ed25519)], ["rsa-sha256", "ed25519-sha256"])
        for field in (rsa, ed25519):
            self.assertIn(FIELDS, field)
            self.assertIn(b" c=relaxed/relaxed; d=ca.test;", field)
            self.assertLessEqual(max(map(len, field.split(b"\n"))), 78)
            self.assertNotRegex(field, rb"= | =[^=]|;\s*$")
        record = f"signet._domainkey.ca.test={self.server.dkim.text()}"
        for mail, verdict in ((raw, "pass"), (raw.replace(b"ACME: ", b"ACME: x"), "fail")):
            done = subprocess.run([self.opendkim, record], input=mail.replace(b"\n", b"\r\n"), capture_output=True, check=True)
            self.assertEqual(done.stdout.decode().strip() == "pass", verdict == "pass", done.stdout)

    def test_rotation(self):
        """A new key under a new selector is published, named, and used without a restart, also for what was queued."""
        self.make_server("rotation", **{"challenge-delay": "10m"})
        pids = self.server.pids()
        fresh = DkimKey("ca.test", "next")
        (self.server.folder / "next.key").write_bytes(fresh.pem())
        self.zones.add("ca.test", fresh.record())
        queued = self.ask()
        self.reload(r'event="DKIM keys read" selector=next ed25519-selector=ed', **{"dkim-selector": "next", "dkim-key": "next.key"})
        self.assertEqual(self.server.query("SELECT sent_at FROM challenge"), [(None,)])
        self.send_now(queued)
        self.assert_verified(self.received(queued), "next", "ed")
        self.zones.replace("ca.test", "signet._domainkey", "TXT")  # the old one is withdrawn
        fresh_mail = self.ask()
        self.reload(r'event="DKIM keys read" selector=next\n', **{"dkim-ed25519-key": ""})
        self.send_now(fresh_mail)
        self.assert_verified(self.received(fresh_mail), "next")
        self.assertEqual(self.server.pids(), pids)

    def test_refused(self):
        """Keys and selectors that do not fit change nothing, and the log says why."""
        self.make_server("refused")
        keys = self.server.config["mail"]
        good = {name: keys.get(name, "") for name in ("dkim-key", "dkim-selector", "dkim-ed25519-key", "dkim-ed25519-selector")}
        good["dkim-selector"] = "signet"
        (self.server.folder / "weak.key").write_bytes(DkimKey("ca.test", "weak", bits=1024).pem())
        (self.server.folder / "none.key").write_text("no key")
        cases = (
            ({"dkim-key": good["dkim-ed25519-key"]}, r"\[mail\] dkim-key: must be an RSA key of 2048 bit or more"),
            ({"dkim-key": "weak.key"}, r"\[mail\] dkim-key: must be an RSA key of 2048 bit or more"),
            ({"dkim-key": "none.key"}, r"\[mail\] dkim-key: holds no private key"),
            ({"dkim-key": "absent.key"}, r"\[mail\] dkim-key: .*absent\.key"),
            ({"dkim-selector": "no name"}, r"\[mail\] dkim-key: the selector is no name"),
            ({"dkim-selector": "ED"}, r"\[mail\] dkim-ed25519-key: needs a selector of its own"),
            ({"dkim-ed25519-key": "dkim.key"}, r"\[mail\] dkim-ed25519-key: must be an Ed25519 key"),
            ({"dkim-ed25519-selector": "-"}, r"\[mail\] dkim-ed25519-key: the selector is no name"),
        )
        for changes, why in cases:
            with self.subTest(changes=changes):
                self.reload(r'event="not reloaded" reason=".*' + why, **{**good, **changes})
                status, said = self.server.check()
                self.assertEqual(status, 78)
                self.assertRegex(said, why)
        self.assert_verified(self.mails(), "signet", "ed")

    def test_init(self):
        """What the command prints is the record of the key that it wrote."""
        folder = self.lab.folder("init")
        printed = self.make_key(folder / "rsa.key")
        self.assertRegex(printed, r'^signet\._domainkey\.ca\.test\. IN TXT "v=DKIM1; k=rsa; p=')
        self.assertRegex(self.make_key(folder / "second.key", "-a", "ed25519"), r"^signet-ed25519\._domainkey\.ca\.test\. IN TXT")
        done = subprocess.run([signet.BUILD / "signetctl", "dkim", "init", "--domain", "ca.test", "--key", folder / "x",
                               "--algorithm", "dsa"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, (folder / "x").exists()), (2, "", False))
        self.assertIn("--algorithm is rsa or ed25519", done.stderr)


if __name__ == "__main__":
    unittest.main()
