# SPDX-License-Identifier: Apache-2.0
"""signetctl setup from nothing to a certificate, again without harm, and every way in which it can fail; signetctl health and status of
a server that runs, of one in which something is broken, and of none."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import types
import unittest

import lab
import signet_lab as signet
from lab import HOST, DkimKey

DOMAIN = "ca.test"
ADDRESS = "ann@user.test"


def ctl(*argv, wrapper=()):
    """signetctl: what it ended with, its lines on standard output, and its standard error."""
    done = subprocess.run([*wrapper, signet.BUILD / "signetctl", *map(str, argv)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return types.SimpleNamespace(status=done.returncode, out=done.stdout, error=done.stderr, lines=done.stdout.splitlines())


def as_nobody(*words):
    return "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *words


class Place:
    """A folder for one set-up, with ports of its own."""

    def __init__(self, case, zones):
        self.folder = case.lab.folder("setup")
        self.conf = self.folder / "etc/signet.conf"
        self.store = self.folder / "store"
        self.https, self.http, self.smtp = (case.lab.free_port() for _ in range(3))
        self.url = f"https://{HOST}:{self.https}"
        self.settings = {
            "acme.listen": f"{HOST}:{self.https}", "publish.listen": f"{HOST}:{self.http}", "mail.listen": f"{HOST}:{self.smtp}",
            "store.directory": self.store, "dns.trust-anchor": zones.anchor_file, "dns.stub": "; ".join(zones.stubs),
            "mail.challenge-delay": "0s"}

    def setup(self, *more, relay, domain=DOMAIN, wrapper=(), **settings):
        settings = {**self.settings, **{name.replace("__", ".").replace("_", "-"): value for name, value in settings.items()}}
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        return ctl("setup", "--domain", domain, "--relay", relay, "--url", self.url, "--publish", f"http://{HOST}:{self.http}/",
                   "--directory", self.folder / "etc", *words, *more, wrapper=wrapper)

    def again(self, *more):
        return ctl("setup", "--directory", self.folder / "etc", *more)

    def digests(self):
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.folder / "etc").rglob("*") if path.is_file()}


def records(text, zone):
    """What was printed in zone-file form, for SignedZones."""
    found = []
    for name, kind, data in re.findall(r"^(\S+)\. IN (\w+) (.*)$", text, re.M):
        owner = "@" if name == zone else name.removesuffix(f".{zone}")
        texts = re.findall(r'"((?:[^"\\]|\\.)*)"', data)
        found.append((owner, kind, "".join(texts) if kind == "TXT" else data))
    return found


class SetupCase(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = DkimKey("user.test", "s1")
        cls.zones = lab.SignedZones(cls.lab, {DOMAIN: [("www", "A", HOST)], "user.test": [cls.key.record()]})
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann"]}, routes={DOMAIN: f"{HOST}:9"})
        cls.relay = f"{HOST}:{cls.mail.port}"

    def place(self):
        return Place(self, self.zones)

    def assertSays(self, done, status, *parts):
        """It failed, said why, and ended in a sentence that says what to do."""
        self.assertEqual(done.status, status, done.error + done.out)
        for part in parts:
            self.assertIn(part, done.error)
        for line in done.error.strip().splitlines():
            if line.startswith("         "):
                self.assertRegex(line, r"[.)]$")
        self.assertRegex(done.error.strip(), r"\.$")


class FromNothing(SetupCase):
    def test_certificate(self):
        """The user of the server is nobody, who reaches neither the sources nor what root alone may read."""
        place = self.place()
        first = place.setup("--user", "nobody", relay=self.relay)
        self.assertEqual(first.status, 0, first.error)
        self.assertEqual([line.split()[0] for line in first.lines[:first.lines.index("")]],
                         ["made"] * 6 + ["good"] * 5 + ["note"])
        self.assertIn("1. Publish the records above", first.out)
        self.assertRegex(first.out, r"\n2\. Move \S+/ca/root\.key to a safe place")
        self.assertIn("is self-signed", first.out)
        self.check_owners(place)
        self.zones.set(DOMAIN, records(first.out, DOMAIN) + [("@", "A", HOST)])
        self.check_again(place)
        self.start(place)
        self.issue(place)
        running = place.again("--user", "nobody")
        self.assertEqual(running.status, 0, running.error)
        self.assertIn(f"{HOST}:{place.smtp} is signetd's", running.out)
        self.assertIn("signetd runs.", running.out)

    def check_owners(self, place):
        """Secrets belong to nobody alone, but the root's key to root; nothing is writable for others."""
        etc = place.folder / "etc"
        modes = {path.relative_to(place.folder).as_posix(): (path.stat().st_uid, path.stat().st_gid, oct(path.stat().st_mode & 0o777))
                 for path in [etc, etc / "ca", place.store, *etc.rglob("*.key"), place.conf]}
        secret = (65534, 65534, "0o600")
        self.assertEqual(modes, {
            "etc": (0, 65534, "0o750"), "etc/ca": (0, 65534, "0o750"), "store": (65534, 65534, "0o700"),
            "etc/signet.conf": (0, 65534, "0o640"), "etc/dkim.key": secret, "etc/tls.key": secret, "etc/ca/issuing.key": secret,
            "etc/ca/audit.key": secret, "etc/ca/root.key": (0, 0, "0o600")})

    def check_again(self, place):
        before = place.digests()
        second = place.again("--user", "nobody")
        self.assertEqual(second.status, 0, second.error)
        self.assertEqual(place.digests(), before)
        self.assertNotIn("made ", second.out)
        self.assertRegex(second.out, r"good     DNS: (\d+) of \1 records are there and right")
        self.assertNotIn("Publish the records", second.out)

    def start(self, place):
        program = place.folder / "signetd"
        shutil.copy(signet.BUILD / "signetd", program)
        self.lab.spawn("signetd", [*as_nobody(program), "--config", place.conf])
        healthy = ctl("health", "--config", place.conf, "--wait", "150")
        self.assertEqual((healthy.status, healthy.out, healthy.error), (0, "healthy\n", ""))

    def issue(self, place):
        server = types.SimpleNamespace(url=place.url, tls=place.folder / "etc/tls.pem", smtp=place.smtp)
        user = signet.AcmeUser(server)
        order = user.new_order(ADDRESS)
        signet.prove(server, user, order, self.mail.maildir(ADDRESS), self.key)
        user.finalize(order, signet.make_csr(signet.new_key(), ADDRESS))
        leaf, *_ = user.certificate(order)
        self.assertEqual(leaf.issuer.rfc4514_string(), f"CN={DOMAIN} Issuing CA")
        status = json.loads(ctl("status", "--config", place.conf, "--json").out)
        self.assertIn("last", status["issuance"])
        self.assertGreater(status["store"]["octets"], 0)


class ErrorPaths(SetupCase):
    def test_options(self):
        place = self.place()
        start = "--directory", place.folder / "etc"
        good = *start, "--domain", DOMAIN, "--relay", "relay.test", "--url", "https://acme.test"
        for words, part in [
            (start, "--domain is needed"),
            ((*start, "--domain", DOMAIN), "--relay is needed"),
            ((*start, "--domain", "a b", "--relay", "x:1", "--url", "https://x.test"), "--domain: "),
            ((*start, "--domain", DOMAIN, "--relay", "x:99999", "--url", "https://x.test"), "--relay: "),
            ((*start, "--domain", DOMAIN, "--relay", "x:1", "--url", "http://x.test"), "HTTPS alone"),
            ((*start, "--domain", DOMAIN, "--relay", "x:1", "--url", "acme.test"), "HTTPS alone"),
            ((*good, "--publish", "https://x.test/"), "plain HTTP"),
            ((*good, "--publish", "http://x.test/pki"), "end with \"/\""),
            ((*good, "--set", "acme.lisen=1"), "signetd --keys"),
            ((*good, "--set", "acme.listen"), "signetd --keys"),
            ((*good, "--set", "acme.listen=nonsense"), "acme.listen=nonsense: \"nonsense\" is not ADDRESS:PORT"),
            ((*start, "--domain", "", "--relay", "x:1", "--url", "https://x.test"), "--domain: it is empty. Give the mail domain"),
            ((*good, "--name", " "), "--name is empty"),
            ((*good, "--tls-key", "x"), "go together"),
            ((*good, "--user", "no-such-user"), "no such system user"),
        ]:
            with self.subTest(words=words):
                self.assertSays(ctl("setup", *words), 2, part)
        self.assertFalse((place.folder / "etc").exists())
        self.assertEqual(ctl("setup", "nonsense").status, 2)

    def test_folder(self):
        place = self.place()
        program = place.folder / "signetctl"
        shutil.copy(signet.BUILD / "signetctl", program)
        done = subprocess.run([*as_nobody(program), "setup", "--domain", DOMAIN, "--relay", "x:1", "--url", "https://x.test",
                               "--directory", place.folder / "etc"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("Run signetctl setup as root (sudo), or name a folder of yours by --directory.", done.stderr)
        (place.folder / "etc").write_text("no folder")
        self.assertSays(place.setup(relay=self.relay), 1, "writable, on a disk with room")

    @unittest.skipUnless(os.geteuid() == 0, "mounts a small disk")
    def test_full_disk(self):
        """Wherever it ends, nothing half is left: with room it goes on to the end."""
        script = 'mount -t tmpfs -o size=$1k tmpfs "$2"; shift 2; "$@"; echo "ended with $?"; mount -o remount,size=1m "$SMALL"; exec "$@"'
        full = set()
        for size in range(4, 64, 8):
            place = self.place()
            place.settings["store.directory"] = place.folder / "etc/store"
            wrapper = ["unshare", "--mount", "--propagation", "private", "env", f"SMALL={place.folder}",
                       "sh", "-c", script, "sh", size, place.folder]
            done = place.setup("--offline", relay=self.relay, wrapper=list(map(str, wrapper)))
            with self.subTest(size=size):
                self.assertEqual(done.status, 0, done.error)
                if "ended with 1" in done.out:
                    full.add(re.search(r"\nproblem  (.*)\n", "\n" + done.error)[1].split(":")[0])
                    self.assertIn("No space left on device\n         Make its folder writable, on a disk with room", done.error)
        self.assertGreater(len(full), 2, full)

    def test_relay(self):
        place = self.place()
        refusing = lab.Postfix(self.lab, {"else.test": ["ann"]}, settings={"smtpd_relay_restrictions": "reject"})
        done = place.setup(relay=f"{HOST}:{refusing.port}")
        self.assertSays(done, 1, f"relay {HOST}:{refusing.port}: 554 5.7.1",
                        "Let the relay take mail from this host", "1 problem")
        place = self.place()
        self.assertSays(place.setup(relay=f"{HOST}:{self.lab.free_port()}"), 1, "Start the relay, or correct its name")
        self.assertSays(place.again(), 1, "Start the relay")
        text = place.conf.read_text()
        place.conf.write_text(re.sub(r"(?m)^relay = .*", f"relay = {self.relay}", text))
        self.assertEqual(place.again().status, 0)

    def test_dns(self):
        place, silent = self.place(), self.lab.free_port()
        place.settings["dns.stub"] = ""
        self.assertSays(place.setup(relay=self.relay, domain="ca.example.org", dns__forward=f"{HOST}@{silent}", dns__timeout="2s"), 1,
                        "DNS, ca.example.org: ", "Let this host ask the DNS (UDP and TCP port 53)")
        self.assertEqual(place.again("--offline").status, 0)
        place = self.place()
        self.assertSays(place.setup(relay=self.relay, domain=f"unknown.{DOMAIN}"), 1, "no such domain name",
                        "Register the domain, or correct [mail] domain")

    def test_ports(self):
        for key in ("https", "http", "smtp"):
            place = self.place()
            with self.subTest(key), socket.create_server((HOST, getattr(place, key))):
                done = place.setup(relay=self.relay)
                self.assertSays(done, 1, f"cannot listen on {HOST}:{getattr(place, key)}: Address already in use",
                                "Stop what listens there (ss -ltnp tells its name)")
            self.assertEqual(place.again().status, 0)

    def test_files_that_are_gone(self):
        place = self.place()
        self.assertEqual(place.setup(relay=self.relay).status, 0)
        for name, todo in [("dkim.key", "signetctl dkim init"), ("tls.key", "another pair"), ("tls.pem", "another pair"),
                           ("ca/issuing.key", "roll over"), ("ca/root.crl", "signetctl ca crl"), ("ca/audit.key", "signetctl audit key"),
                           ("ca/root.pem", "from a backup of the CA")]:
            path, aside = place.folder / "etc" / name, place.folder / "aside"
            with self.subTest(name):
                path.rename(aside)
                self.assertSays(place.again(), 1, f"{path} is missing, which {place.conf} names", todo)
                self.assertFalse(path.exists())
                aside.rename(path)
        (place.folder / "etc/ca/root.key").unlink()  # was taken away
        done = place.again()
        self.assertEqual(done.status, 0, done.error)
        self.assertNotIn("root.key", done.out)

    def test_named_certificate(self):
        place = self.place()
        certificate, key = signet.tls_pair(place.folder)
        self.assertSays(place.setup("--tls-certificate", certificate, "--tls-key", place.folder / "gone", relay=self.relay), 1,
                        "Put the file there, or leave --tls-certificate and --tls-key out")
        done = place.setup("--tls-certificate", certificate, "--tls-key", key, relay=self.relay)
        self.assertEqual(done.status, 0, done.error)
        self.assertFalse((place.folder / "etc/tls.pem").exists())
        self.assertIn(f"tls-certificate = {certificate}\n", place.conf.read_text())

    def test_unreadable_for_the_user(self):
        """What root can read is not enough."""
        place = self.place()
        certificate, key = signet.tls_pair(place.folder)
        key.chmod(0o600)
        self.assertSays(place.setup("--user", "nobody", "--tls-certificate", certificate, "--tls-key", key, relay=self.relay), 1,
                        "Permission denied", "files must be readable by the user of signetd")
        shutil.chown(key, "nobody")
        self.assertEqual(place.again("--user", "nobody").status, 0)


class Kept(SetupCase):
    def test_interrupted(self):
        """Whatever of a run is missing is made by the next one; what is there stays."""
        place = self.place()
        etc = place.folder / "etc"
        self.assertEqual(place.setup(relay=self.relay).status, 0)
        before = place.digests()
        place.conf.unlink()
        (etc / "tls.pem").unlink()
        (etc / "ca").rename(etc / "ca.new")
        (etc / "ca.new/issuing.pem").unlink()
        (etc / "signet.conf.A1B2C3").write_text("of a write that was cut off")
        done = place.setup(relay=self.relay)
        self.assertEqual(done.status, 0, done.error)
        after = place.digests()
        self.assertEqual([path for path in before if after.get(path) == before[path]],
                         [path for path in before if path.name in ("signet.conf", "dkim.key", "tls.key")])
        self.assertFalse((etc / "ca.new").exists())

    def test_certificate_without_key(self):
        place = self.place()
        (place.folder / "etc").mkdir()
        shutil.copy(signet.tls_pair(place.folder)[0], place.folder / "etc/tls.pem")
        self.assertSays(place.setup(relay=self.relay), 1, "a TLS certificate without its key", "remove the certificate")
        (place.folder / "etc/tls.pem").unlink()
        self.assertEqual(place.setup(relay=self.relay).status, 0)

    def test_ca_of_the_operator(self):
        place = self.place()
        (place.folder / "etc/ca").mkdir(parents=True)
        self.assertSays(place.setup(relay=self.relay), 1, "no issuing.pem", "signetctl ca import")
        (place.folder / "etc/ca").rmdir()
        ctl("ca", "init", "--directory", place.folder / "etc/ca", "--url", f"http://{HOST}:{place.http}/", "--name", "Mine")
        for name in ("audit.key", "audit.pub"):
            (place.folder / "etc/ca" / name).unlink()
        before = place.digests()
        done = place.setup(relay=self.relay)
        self.assertEqual(done.status, 0, done.error)
        self.assertLessEqual(before.items(), place.digests().items())
        self.assertTrue((place.folder / "etc/ca/audit.key").exists())

    def test_configuration(self):
        """One in which no key is set is filled in; any other one stays, and what is different is told."""
        place = self.place()
        (place.folder / "etc").mkdir()
        template = subprocess.run([signet.BUILD / "signetd", "--template"], capture_output=True, text=True, check=True).stdout
        place.conf.write_text("# of ours\n" + template)
        self.assertEqual(place.setup(relay=self.relay).status, 0)
        text = place.conf.read_text()
        self.assertIn("# of ours\n", text)
        kept = [line for line in text.splitlines() if line in ("", "# of ours") or line.startswith(("#", "["))]
        self.assertEqual(kept, ("# of ours\n" + template).splitlines())
        done = ctl("setup", "--directory", place.folder / "etc", "--domain", "other.test")
        self.assertSays(done, 1, f"[mail] domain = {DOMAIN}, and --domain is other.test", "It is kept")
        done = ctl("setup", "--offline", "--directory", place.folder / "etc", "--publish", "http://other.test/", "--set", "mail.challenge-delay=5s",
                   "--set", f"store.directory={place.store}", "--set", "mail.dkim-key=dkim.key")
        self.assertSays(done, 1, "[publish] url = ", "--publish is http://other.test/", "[mail] challenge-delay = 0s, and --set is 5s", "2 problems")
        self.assertEqual(place.conf.read_text(), text)
        place.conf.write_text(text + "nonsense\n")
        self.assertSays(place.again(), 1, "neither [group], name = value nor # comment", "Correct that")

    def test_two_at_once(self):
        place = self.place()
        words = [signet.BUILD / "signetctl", "setup", "--offline", "--domain", DOMAIN, "--relay", self.relay, "--url", place.url,
                 "--directory", place.folder / "etc", *(word for name, value in place.settings.items()
                                                        for word in ("--set", f"{name}={value}"))]
        both = [subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = [one.communicate() for one in both]
        self.assertEqual([one.returncode for one in both], [0, 0], said)
        made = re.findall(r"^made +(.*)", said[0][0] + said[1][0], re.M)
        self.assertEqual(len(made), len(set(made)), made)
        self.assertEqual(place.again("--offline").status, 0)


class RunningCase(lab.SharedLabCase):
    """One server, which each test leaves healthy."""

    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = signet.Signetd(cls.lab, relay=f"{HOST}:{cls.lab.free_port()}", **cls.options)

    def health(self, *more):
        done = ctl("health", "--config", self.server.path, *more)
        self.assertEqual(len((done.out + done.error).splitlines()), 1, done.out + done.error)
        return done

    def assertIll(self, *parts):
        done = self.health()
        self.assertEqual((done.status, done.out), (1, ""))
        for part in ("unhealthy: ", *parts):
            self.assertIn(part, done.error)

    def status(self):
        done = ctl("status", "--config", self.server.path, "--json")
        return done.status, json.loads(done.out)


class Running(RunningCase):
    def test_all_is_well(self):
        self.assertEqual(self.health().out, "healthy\n")
        self.assertEqual(json.loads(ctl("health", "--config", self.server.path, "--json").out), {"healthy": True})
        code, status = self.status()
        self.assertEqual(code, 0)
        pids = self.server.pids()
        self.assertEqual(sorted((row["role"], row["pid"]) for row in status["roles"]),
                         sorted((role, pid) for role, found in pids.items() for pid in found))
        self.lab.wait_for(lambda: self.status()[1]["lists"]["count"] == 1, "the first list")
        self.assertEqual((status["issuance"], status["lists"]["overdue"]), ({"held": False}, 0))
        ends = {row["what"]: row for row in status["ends"]}
        self.assertEqual(set(ends), {"issuing CA", "root", "root's list", "HTTPS certificate", "DKIM key"})
        self.assertEqual({what for what, row in ends.items() if row["soon"]}, {"HTTPS certificate"})  # of 30 days
        os.utime(self.server.folder / "dkim.key", (1, 1))
        text = ctl("status", "--config", self.server.path).out
        for pattern in (r"^signetd +runs, ", r"^roles +\w+ 0 +pid \d+ +up .* restarts \d+$", r"^queue +\w+ +\d+ +(first in|due for) ",
                        r"^lists +1 good, made .* ago", r"^issuance +goes on$", r"^ +last certificate none yet$", r"^store +/.* MiB$",
                        r"^ends +issuing CA +\d{4}-", r"^ +HTTPS certificate +\S+, in 29 days: SOON$",
                        r"^ +DKIM key +change it from 1971-01-01, PAST by \d+ days: SOON$"):
            self.assertRegex(text, re.compile(pattern, re.M))

    def test_relay_down(self):
        """It serves all the same; the queue tells."""
        user = signet.AcmeUser(self.server)
        user.authorization(user.new_order(ADDRESS))
        self.lab.wait_for(lambda: "mail" in {job["kind"] for job in self.status()[1]["jobs"]}, "the mail's job")
        self.assertEqual(self.health().status, 0)
        ctl("issuance", "stop", "we look into it", "--config", self.server.path)
        self.assertEqual(self.health().status, 0)
        self.assertEqual(self.status()[1]["issuance"]["why"], "the operator has stopped issuance: we look into it")
        self.assertRegex(ctl("status", "--config", self.server.path).out, r"(?m)^issuance +HELD: the operator ")
        ctl("issuance", "start", "--config", self.server.path)

    def test_role_that_dies_again_and_again(self):
        def is_seen():
            for pid in self.server.pids().get("signer", []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return self.health().status == 1
        self.lab.wait_for(is_seen, "a signer that waits to be started again")
        self.assertEqual(self.health("--wait", "150").status, 0)
        restarts = lambda: next(row["restarts"] for row in self.status()[1]["roles"] if row["role"] == "signer")
        self.lab.wait_for(lambda: restarts() >= 3, "the restarts to be told")

    def test_role_that_hangs(self):
        pids = self.server.pids()
        for role, part in (("inbound", f"mail at {HOST}:{self.server.smtp}: "), ("core", "no answer in time")):
            with self.subTest(role):
                os.kill(pids[role][0], signal.SIGSTOP)
                self.assertIll(part)
                os.kill(pids[role][0], signal.SIGCONT)
                self.assertEqual(self.health("--wait", "150").status, 0)

    def test_store_that_takes_nothing(self):
        with contextlib.closing(sqlite3.connect(self.server.folder / "store/signet.db", timeout=30)) as store:
            store.execute("BEGIN IMMEDIATE")
            self.assertIll()
            store.rollback()
        self.assertEqual(self.health("--wait", "150").status, 0)

    def test_core_that_was_killed(self):
        """A new one knows of all the others."""
        restarts = lambda: {(row["role"], row["index"]): row["restarts"] for row in self.status()[1]["roles"]}
        before = restarts()
        os.kill(self.server.pids()["core"][0], signal.SIGKILL)
        self.assertEqual(self.health("--wait", "150").status, 0)
        self.lab.wait_for(lambda: restarts() == {**before, ("core", 0): before["core", 0] + 1}, "the new one to be told")


class Stopped(RunningCase):
    options = {"start": False, "settings": {"acme": {"proxy-addresses": HOST}}}

    def test_behind_a_proxy(self):
        """Connections of the proxies' networks begin with a header."""
        server = self.lab.spawn("proxied", [signet.BUILD / "signetd", "--config", self.server.path])
        self.assertEqual(self.health("--wait", "150").status, 0)
        server.stop()

    def test_none(self):
        self.assertIll("signetd is not running, or has its store elsewhere")
        self.assertEqual(ctl("health", "--config", self.server.folder / "gone").status, 1)
        code, status = self.status()
        self.assertEqual(code, 1)
        self.assertIn("not running", status["why"])
        self.assertEqual(len(status["ends"]), 5)
        text = ctl("status", "--config", self.server.path)
        self.assertRegex(text.out, r"^signetd +DOES NOT ANSWER: .* not running.*\nstore .*\nends ")
        self.assertEqual(text.error, "")
        program = self.server.folder / "signetctl"
        shutil.copy(signet.BUILD / "signetctl", program)
        store = self.server.folder / "store"
        store.mkdir(mode=0o700, exist_ok=True)
        reader = subprocess.run([*as_nobody(program), "status", "--config", self.server.path], capture_output=True, text=True).stdout
        self.assertIn(f"{store}: cannot be read\n", reader)
        (self.server.folder / "dkim.key").unlink()
        self.assertRegex(ctl("status", "--config", self.server.path).out, r"(?m)DKIM key +cannot be read: /")


if __name__ == "__main__":
    unittest.main()
