# SPDX-License-Identifier: Apache-2.0
"""Real servers for the scenario tests, on free loopback ports, in one temporary folder.

    with Lab() as lab:
        key = DkimKey("user.test", "s1")
        zones = SignedZones(lab, {"user.test": [key.record()]})
        dkim = OpenDKIM(lab, [key])
        mail = Postfix(lab, {"user.test": ["ann"]}, routes={"ca.test": "127.0.0.1:2525"}, milter=dkim)
        submit("127.0.0.1", mail.port, "ann@user.test", "x@ca.test", message)
        found = maildir_wait(mail.maildir("ann@user.test"), lambda m: "ACME" in m["Subject"])

Nothing of the system is touched: every server has its own configuration, data and log below Lab.path, is
a child with a known pid, and is stopped by that pid when the Lab is left. SIGNET_LAB_KEEP=1 keeps the folder.
Postfix and NSD must be started by root.
"""

import base64
import contextlib
import email
import email.policy
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import NamedTuple

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import ports
from ports import HOST

DEADLINE = 150  # seconds; Postfix lets a mail that it found locked rest for a minute


class LabError(AssertionError):
    """A server did not start, died, or something awaited did not come."""


# --- processes ---


# Reads lines of process groups, the last of which counts; when the test is killed the pipe ends, and they go.
_GUARD = """while read -r line; do groups=$line; done
for group in $groups; do kill -s TERM -- "-$group"; done
sleep 1
for group in $groups; do kill -s KILL -- "-$group"; done
rm -rf -- "$1"
"""


class Process:
    """A child in a session of its own, its output in the file log."""

    def __init__(self, name, argv, log, env=None, cwd=None, stop_signal=signal.SIGTERM):
        self.name, self.argv, self.log = name, [str(word) for word in argv], log
        self._stop_signal = stop_signal
        with open(log, "ab") as output:
            self._child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self._child.pid

    def alive(self):
        return self._child.poll() is None

    def status(self):
        """The exit status, None while it runs."""
        return self._child.poll()

    def send(self, number):
        if self.alive():
            self._child.send_signal(number)

    def text(self):
        """The log so far."""
        return pathlib.Path(self.log).read_text(errors="replace")

    def stop(self, deadline=60):
        """Ends it, after deadline seconds by force; what is left of its own session goes too."""
        self.send(self._stop_signal)
        try:
            status = self._child.wait(deadline)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self._child.wait() if status is None else status


class Lab:
    """The temporary folder and the processes started in it."""

    def __init__(self):
        self.path = None
        self.processes = []
        self.logs = []  # further files whose ends are shown on failure
        self.sockets = []  # closed at the end
        self._guard = None

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="signet-lab-"))
        self.path.chmod(0o755)  # servers under other users pass through
        self._guard = subprocess.Popen(["/bin/sh", "-c", _GUARD, "guard", self.path], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, kind, error, trace):
        self.leave(kind is not None)

    def leave(self, failed):
        """Stops what was started; after a failure the logs' ends are shown."""
        for process in reversed(self.processes):
            process.stop()
        for one in self.sockets:
            one.close()
        self._guard.kill()
        self._guard.communicate()
        found = self._sanitizer_words()
        if failed or found:
            self.show_logs()
        if os.environ.get("SIGNET_LAB_KEEP"):
            print(f"lab kept in {self.path}", file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        if found:
            raise LabError("\n".join(found))

    def _sanitizer_words(self):
        """What ASan, LSan or UBSan wrote into the processes' logs."""
        pattern = re.compile(r"^.*(?:ERROR: \w+Sanitizer|runtime error: ).*$", re.M)
        return [line for process in self.processes for line in pattern.findall(process.text())]

    def folder(self, name):
        """A new folder; the name gets a number when it is taken."""
        path, number = self.path / name, 2
        while path.exists():
            path, number = self.path / f"{name}-{number}", number + 1
        path.mkdir(mode=0o755)
        return path

    def free_port(self):
        return ports.free_port()

    def spawn(self, name, argv, ready=None, env=None, cwd=None, deadline=DEADLINE, stop_signal=signal.SIGTERM):
        """Starts argv and waits until ready() is true; LabError with the log's end if it dies first."""
        log = self.path / f"{name}.log"
        process = Process(name, argv, log, env, cwd, stop_signal)
        self.processes.append(process)
        self._guard.stdin.write(" ".join(str(p.pid) for p in self.processes if p.alive()) + "\n")
        self._guard.stdin.flush()

        def up():
            if not process.alive():
                raise LabError(f"{name} ended with {process.status()}:\n{tail(log)}")
            return ready()

        if ready is not None:
            self.wait_for(up, f"{name} to be ready", deadline)
        return process

    def run(self, *argv, cwd=None, input=None, timeout=DEADLINE):
        """Runs a command to its end; its output, LabError if it fails."""
        done = subprocess.run([str(word) for word in argv], cwd=cwd, input=input, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        if done.returncode != 0:
            raise LabError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def wait_for(self, predicate, what, deadline=DEADLINE):
        """The first true value of predicate(), asked 20 times a second; LabError after deadline seconds."""
        end = time.monotonic() + deadline
        while True:
            found = predicate()
            if found:
                return found
            if time.monotonic() > end:
                raise LabError(f"waited {deadline} s for {what}")
            time.sleep(0.05)

    def show_logs(self):
        for path in [process.log for process in self.processes] + self.logs:
            if os.path.exists(path):
                print(f"--- {path}\n{tail(path)}", file=sys.stderr)


class LabCase(unittest.TestCase):
    """A test case with a Lab of its own for each test, whose logs are shown when the test fails."""

    def run(self, result=None):
        self._result, self._failures = result, _failures(result)
        return super().run(result)

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("Postfix and NSD are started by root")
        self.lab = Lab().__enter__()
        self.addCleanup(lambda: self.lab.leave(_failures(self._result) > self._failures))


class SharedLabCase(unittest.TestCase):
    """A test case with one Lab for all its tests, made in setUpClass; its logs are shown when one fails."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("Postfix and NSD are started by root")
        cls.failed = True  # until a test has run
        cls.lab = Lab().__enter__()
        cls.addClassCleanup(lambda: cls.lab.leave(cls.failed))

    def run(self, result=None):
        kind, before = type(self), _failures(result)
        kind.failed = getattr(kind, "_bad", False)
        done = super().run(result)
        kind._bad = kind.failed = kind.failed or _failures(result) > before
        return done


def _failures(result):
    return len(result.failures) + len(result.errors) if result is not None else 0


def tail(path, lines=60):
    return "\n".join(pathlib.Path(path).read_text(errors="replace").splitlines()[-lines:])


def children(pid):
    """The processes below one, by their numbers as text; none of one that has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def memory(pid):
    """Octets of a process that are nobody else's and no file's."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^(?:Anonymous|Swap):\s+(\d+) kB", text, re.M)) * 1024


def program(name):
    """One of our own programs or tests, below SIGNET_BUILD."""
    build = pathlib.Path(os.environ["SIGNET_BUILD"])
    for folder in (build, build / "tests", build / "tests/bench"):
        if (folder / name).exists():
            return folder / name
    raise LabError(f"no {name} in {build}")


def listening(port, greeting=b""):
    """Whether the TCP port takes connections and, if given, greets so."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            return not greeting or connection.recv(100).startswith(greeting)
    except OSError:
        return False


# --- DNS ---

SIGNED, BOGUS, STRIPPED, INSECURE = "signed", "bogus", "stripped", "insecure"
EXPIRED, NSEC3, OPTOUT, ITERATED, UNLOADED = "expired", "nsec3", "opt-out", "iterated", "unloaded"

# What ldns-signzone is told beside the rest.
_SIGNING = {EXPIRED: ["-i", "20200101000000", "-e", "20200201000000"], NSEC3: ["-n"], OPTOUT: ["-n", "-p"],
            ITERATED: ["-n", "-t", "500"]}


class SignedZones:
    """NSD with zones signed by a key each. zones: name -> records (owner, type, data), "@" the zone itself;
    TXT data is the plain text, other data as in a zone file. modes: name ->
      SIGNED    (default) validates to anchor_file
      BOGUS     signatures over the data are forged; the key set is good
      STRIPPED  anchored, but no signatures at all (bogus for a validator)
      INSECURE  neither signed nor anchored (fixed once started); a delegation of another zone, when it is one
      EXPIRED   the signatures ended in 2020
      NSEC3, OPTOUT, ITERATED  signed, and denials hashed: plainly, with opt-out, 500 times more
      UNLOADED  anchored, and the server has nothing of it: SERVFAIL
    For signetd: anchor_file, stubs ("zone 127.0.0.1@port" each), port. Records live ttl seconds, but libunbound
    keeps a bogus verdict for a minute: break a zone before it is asked for, or use another name."""

    def __init__(self, lab, zones, modes=None, ttl=1):
        self.lab, self.port, self.path, self.ttl = lab, lab.free_port(), lab.folder("nsd"), ttl
        self.records = {zone: list(records) for zone, records in zones.items()}
        self.modes = {zone: (modes or {}).get(zone, SIGNED) for zone in zones}
        self.stubs = [f"{zone} {HOST}@{self.port}" for zone in zones]
        self.anchor_file = self.path / "anchors"
        self._serial = 0
        self._keys = {zone: self._make_key(zone) for zone in zones if self.modes[zone] != INSECURE}
        self.anchor_file.write_text("".join(
            pathlib.Path(f"{key}.key").read_text() for key in self._keys.values()))
        for zone in zones:
            self._write(zone)
        self._configure()
        self.start()

    def start(self):
        self.process = self.lab.spawn(
            self.path.name, ["/usr/sbin/nsd", "-d", "-c", self.path / "nsd.conf"], self._serves_all)

    def stop(self):
        """The name server is gone (time-outs for who asks) until start()."""
        self.process.stop()

    def set(self, zone, records):
        """Replaces all records of a zone; returns when they are served."""
        self.records[zone] = list(records)
        self._reload(zone)

    def add(self, zone, *records):
        self.set(zone, self.records[zone] + list(records))

    def replace(self, zone, owner, rtype, *data):
        """Replaces what owner has of one type; without data it is removed."""
        kept = [record for record in self.records[zone] if record[:2] != (owner, rtype)]
        self.set(zone, kept + [(owner, rtype, one) for one in data])

    def mode(self, zone, mode):
        assert INSECURE not in (mode, self.modes[zone]), "anchors are read once"
        self.modes[zone] = mode
        self._reload(zone)

    def ask(self, name, rtype, timeout=DEADLINE):
        """What NSD itself answers: the texts of the records (TXT strings joined)."""
        query = dns.message.make_query(name, rtype)
        answer = dns.query.udp_with_fallback(query, HOST, timeout, self.port)[0]
        wanted = dns.rdatatype.from_text(rtype)
        return [b"".join(record.strings).decode() if rtype == "TXT" else record.to_text()
                for rrset in answer.answer if rrset.rdtype == wanted for record in rrset]

    def dkimpy(self, name, timeout=5):
        """The dnsfunc for dkimpy's verify; its time is too short for a busy machine."""
        texts = self.ask(name.decode() if isinstance(name, bytes) else name, "TXT")
        return texts[0].encode() if texts else None

    # from here on internal

    def _make_key(self, zone):
        name = self.lab.run("ldns-keygen", "-r", "/dev/urandom", "-k", "-a", "ECDSAP256SHA256", zone,
                            cwd=self.path)
        return self.path / name.split()[-1]

    def _configure(self):
        parts = [f"""server:
  ip-address: {HOST}@{self.port}
  username: root
  server-count: 1
  rrl-ratelimit: 0
  database: ""
  zonesdir: "{self.path}"
  pidfile: ""
  xfrdfile: ""
  xfrdir: "{self.path}"
  zonelistfile: "{self.path}/zone.list"
remote-control:
  control-enable: yes
  control-interface: "{self.path}/control"
"""]
        for zone in self.records:
            parts.append(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.served"\n')
        (self.path / "nsd.conf").write_text("".join(parts))

    def _write(self, zone):
        self._serial += 1
        if self.modes[zone] == UNLOADED:
            return self._serial
        lines = [f"$ORIGIN {zone}.", f"$TTL {self.ttl}",
                 f"@ IN SOA ns hostmaster {self._serial} 3600 600 86400 1", "@ IN NS ns", f"ns IN A {HOST}"]
        lines += [f"{owner} IN {rtype} {txt_data(data) if rtype == 'TXT' else data}"
                  for owner, rtype, data in self.records[zone]]
        plain, served = self.path / f"{zone}.plain", self.path / f"{zone}.served"
        plain.write_text("\n".join(lines) + "\n")
        if self.modes[zone] in (INSECURE, STRIPPED):
            text = plain.read_text()
        else:
            self.lab.run("ldns-signzone", *_SIGNING.get(self.modes[zone], []), "-f", f"{plain}.signed", plain,
                         self._keys[zone])
            text = pathlib.Path(f"{plain}.signed").read_text()
        if self.modes[zone] == BOGUS:
            text = forge(text)
        fresh = self.path / f"{zone}.fresh"
        fresh.write_text(text)
        fresh.rename(served)
        return self._serial

    def _reload(self, zone):
        serial, before = self._write(zone), self._answering()
        self.lab.run("/usr/sbin/nsd-control", "-c", self.path / "nsd.conf", "reload", zone)
        self.lab.wait_for(lambda: self._serves(zone, serial), f"{zone} to be reloaded")
        # the process from before, which has the zone as it was, may answer a while longer
        self.lab.wait_for(lambda: not before & self._answering(), f"the former {zone} to be gone")

    def _answering(self):
        """The processes that answer: NSD's children's children, new ones at every reload."""
        return {pid for child in children(self.process.pid) for pid in children(child)}

    def _serves(self, zone, serial=None):
        try:
            soa = self.ask(zone, "SOA", timeout=0.5)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(soa) and (serial is None or int(soa[0].split()[2]) == serial)

    def _serves_all(self):
        return all(self._serves(zone) for zone in self.records if self.modes[zone] != UNLOADED)


def txt_data(text):
    """Plain text as the quoted strings of a zone file, at most 255 octets each."""
    octets = text.encode()
    pieces = [octets[i:i + 255] for i in range(0, len(octets), 255)] or [b""]
    return " ".join('"%s"' % "".join(
        chr(c) if 32 <= c < 127 and chr(c) not in '"\\' else "\\%03d" % c for c in piece) for piece in pieces)


def forge(zone_text):
    """Another first letter in every signature but those over the keys."""
    pattern = re.compile(r"(\sIN\s+RRSIG\s+(?!DNSKEY\s)\S+(?:\s+\S+){7}\s+)(\S)")
    return pattern.sub(lambda m: m[1] + ("A" if m[2] != "A" else "B"), zone_text)


def resolve(zones, name, rtype, *, anchored=True):
    """Asks by base/resolver.c: (outcome, secure, reason, records). rtype is a number, TXT = 16."""
    anchor = zones.anchor_file if anchored else "-"
    lines = zones.lab.run(program("base_test_resolver"), "--ask", name, rtype, anchor, *zones.stubs)
    first, *records = lines.splitlines()
    outcome, secure, _, reason = first.split(" ", 3)
    return outcome, secure == "secure", reason, records


# --- DKIM ---


class DkimKey:
    """An RSA key of a domain with its selector."""

    def __init__(self, domain, selector, bits=2048):
        self.domain, self.selector = domain, selector
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def text(self):
        """The TXT record's text."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()

    def record(self):
        """The record for SignedZones."""
        return f"{self.selector}._domainkey", "TXT", self.text()


class OpenDKIM:
    """Signs what comes from 127.0.0.1 with a From in one of the keys' domains. settings: further lines of
    opendkim.conf, e.g. {"Canonicalization": "simple/simple", "BodyLengths": "yes"}."""

    def __init__(self, lab, keys, settings=None, env=None):
        path = lab.folder("opendkim")
        self.socket = path / "socket"  # over TCP each message would wait twice for a delayed acknowledgement
        for key in keys:
            (path / f"{key.domain}.pem").write_bytes(key.pem())
            (path / f"{key.domain}.pem").chmod(0o600)
        (path / "keys").write_text("".join(
            f"{key.domain} {key.domain}:{key.selector}:{path}/{key.domain}.pem\n" for key in keys))
        (path / "signing").write_text("".join(f"*@{key.domain} {key.domain}\n" for key in keys))
        options = {"Mode": "s", "Socket": f"local:{self.socket}", "UMask": "000", "Syslog": "no",
                   "Canonicalization": "relaxed/relaxed", "SignatureAlgorithm": "rsa-sha256",
                   "OversignHeaders": "From", "KeyTable": f"file:{path}/keys",
                   "SigningTable": f"refile:{path}/signing", "InternalHosts": HOST,
                   "RequireSafeKeys": "no", "TemporaryDirectory": path, "AutoRestart": "no"}
        options.update(settings or {})
        (path / "conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        self.process = lab.spawn(path.name, ["/usr/sbin/opendkim", "-f", "-x", path / "conf"],
                                 self._listens, env=env,
                                 stop_signal=signal.SIGKILL)  # it takes 5 s over SIGTERM and has no state


    def _listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0


# --- mail ---

_MASTER_CF = """{host}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix instance of its own, on one port, for submission and from strangers alike.

    mailboxes: domain -> local parts; "+tag" goes to the same mailbox. routes: domain (or address) ->
    "host:port" (SMTP), or a transport as in transport(5), e.g. "lmtp:[127.0.0.1]:2424". All else is refused: no
    mail leaves the lab. milter: an OpenDKIM. settings: further parameters of main.cf; services: further lines of
    master.cf. Deferred mail is tried again after three seconds or four: put off for one, the queue manager may find it still
    locked by what tried to deliver it, and then leaves it alone for a minute."""

    def __init__(self, lab, mailboxes, routes=None, milter=None, settings=None, services=""):
        self.lab, self.port, self.path = lab, lab.free_port(), lab.folder("postfix")
        self.mailboxes, self.routes = mailboxes, dict(routes or {})
        self.mail = self.path / "mail"
        self.log = self.path / "mail.log"
        lab.logs.append(self.log)
        self._make_folders()
        self._write_tables()
        (self.path / "etc/master.cf").write_text(_MASTER_CF.format(host=HOST, port=self.port) + services)
        options = self._options()
        if milter is not None:
            options["smtpd_milters"] = options["non_smtpd_milters"] = f"unix:{milter.socket}"
        options.update(settings or {})
        self._greeting = b"" if options.get("smtpd_tls_wrappermode") == "yes" else b"220 "
        (self.path / "etc/main.cf").write_text("".join(f"{k} = {v}\n" for k, v in options.items()))
        lab.run("/usr/sbin/postfix", "-c", self.path / "etc", "check")  # makes the queue's folders
        self.start()

    def start(self):
        # Not "postfix start-fg": its master is a grandchild in a session of its own, which would outlive us.
        self.process = self.lab.spawn(
            self.path.name, ["/usr/lib/postfix/sbin/master", "-c", self.path / "etc", "-d"],
            lambda: listening(self.port, self._greeting))

    def stop(self):
        self.process.stop()

    def route(self, domain, target):
        """Changes where mail for domain goes; target None removes it."""
        self.routes[domain] = target
        self._write_tables()
        before = self._servers()
        self.process.send(signal.SIGHUP)
        # It lets each server end after its current client; a client that comes later has the new table.
        self.lab.wait_for(lambda: not before & self._servers(), "the servers with the former table to end")

    def maildir(self, address):
        local, domain = address.rsplit("@", 1)
        return self.mail / domain / local

    def text(self):
        """The mail log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # from here on internal

    def _servers(self):
        """Those that choose routes, and that ask them."""
        found = set()
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() in ("trivial-rewrite", "qmgr"):
                    found.add(pid)
        return found

    def _make_folders(self):
        for name in ("etc", "queue", "data", "mail"):
            (self.path / name).mkdir(mode=0o755)
        shutil.chown(self.path / "data", "postfix")
        for domain, locals_ in self.mailboxes.items():
            (self.mail / domain).mkdir()
            for local in locals_:
                (self.mail / domain / local).mkdir()
                shutil.chown(self.mail / domain / local, "nobody", "nogroup")

    def _write_tables(self):
        (self.path / "etc/mailboxes").write_text("".join(
            f"{local}@{domain} {domain}/{local}/\n"
            for domain, locals_ in self.mailboxes.items() for local in locals_))
        (self.path / "etc/transport").write_text("".join(
            f"{domain} {_transport(target)}\n" for domain, target in self.routes.items() if target))

    def _options(self):
        path = self.path
        return {
            "compatibility_level": "3.6", "queue_directory": path / "queue", "data_directory": path / "data",
            "maillog_file": self.log, "maillog_file_prefixes": path, "mail_owner": "postfix",
            "setgid_group": "postdrop", "inet_interfaces": HOST, "inet_protocols": "ipv4",
            "myhostname": "mail." + next(iter(self.mailboxes)), "mydestination": "", "mynetworks": f"{HOST}/32",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "",
            "smtpd_relay_restrictions": "permit_mynetworks, reject", "smtpd_peername_lookup": "no",
            "local_header_rewrite_clients": "", "smtputf8_enable": "yes", "recipient_delimiter": "+",
            "virtual_mailbox_domains": ", ".join(self.mailboxes), "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": f"texthash:{path}/etc/mailboxes", "virtual_mailbox_limit": "0",
            "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534",
            "transport_maps": f"texthash:{path}/etc/transport", "default_transport": "error:outside the lab",
            "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
            "smtp_tls_security_level": "none", "smtpd_tls_security_level": "none",
            "milter_default_action": "tempfail", "milter_protocol": "6",
            "queue_run_delay": "1s", "minimal_backoff_time": "3s", "maximal_backoff_time": "3s",
        }


_DOVECOT_CONF = """\
protocols = imap submission
listen = {host}
base_dir = {path}/run
state_dir = {path}/state
log_path = {path}/dovecot.log
auth_verbose = yes
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
mail_location = maildir:~
first_valid_uid = 1
rawlog_dir = {path}/raw
imap_capability = {capability}
submission_relay_host = {host}
submission_relay_port = {relay}
submission_relay_trusted = yes
hostname = mail.test
passdb {{
  driver = passwd-file
  args = scheme=plain {path}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={mail}/%d/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
}}
"""


class Dovecot:
    """IMAP (port imap with STARTTLS, imaps) and submission (port submission, STARTTLS) for the mailboxes of a Postfix, to
    which it hands what is submitted. Every password is "secret". pair: the paths of its certificate and key."""

    def __init__(self, lab, postfix, pair, capability=""):
        self.lab, self.path, self.mail = lab, lab.folder("dovecot"), postfix.mail
        self.imap, self.imaps, self.submission = lab.free_port(), lab.free_port(), lab.free_port()
        lab.logs.append(self.path / "dovecot.log")
        for name in ("run", "state", "raw"):
            (self.path / name).mkdir()
        (self.path / "raw").chmod(0o777)
        (self.path / "users").write_text("".join(f"{local}@{domain}:secret\n" for domain, locals_ in
                                                 postfix.mailboxes.items() for local in locals_))
        (self.path / "dovecot.conf").write_text(_DOVECOT_CONF.format(
            host=HOST, path=self.path, certificate=pair[0], key=pair[1], relay=postfix.port, mail=postfix.mail,
            imap=self.imap, imaps=self.imaps, submission=self.submission, capability=capability))
        self.start()

    def start(self):
        self.process = self.lab.spawn(self.path.name, ["/usr/sbin/dovecot", "-F", "-c", self.path / "dovecot.conf"],
                                      lambda: listening(self.imap, b"* OK") and listening(self.submission, b"220"))

    def stop(self):
        self.process.stop()

    def said(self):
        """What clients have said after their login."""
        return "".join(path.read_text(errors="replace") for path in (self.path / "raw").glob("*.in"))


class Helper(socketserver.ThreadingTCPServer):
    """What a Postfix asks while it has a client: path, for its configuration."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, case, talk):
        super().__init__((HOST, 0), talk)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        case.addCleanup(self.server_close)
        case.addCleanup(self.shutdown)
        self.path = f"inet:{HOST}:{self.server_address[1]}"


class Policy(Helper):
    """A policy server: answer makes an action of what Postfix tells of the mail, e.g. of its "recipient". rule: for
    one of the restrictions of smtpd."""

    def __init__(self, case, answer):
        self.answer = answer
        super().__init__(case, _PolicyTalk)
        self.rule = f"check_policy_service {self.path}"


class _PolicyTalk(socketserver.StreamRequestHandler):
    def handle(self):
        asked = {}
        for line in self.rfile:
            name, _, value = line.decode().strip().partition("=")
            if name:
                asked[name] = value
            else:
                self.wfile.write(f"action={self.server.answer(asked)}\n\n".encode())


def _transport(target):
    host, _, port = target.rpartition(":")
    return f"smtp:[{host}]:{port}" if re.fullmatch(r"[\w.-]+", host) and port.isdigit() else target


class Mail(NamedTuple):
    path: pathlib.Path
    raw: bytes
    message: email.message.EmailMessage


def maildir_list(path):
    """The mails of a maildir, oldest first."""
    while True:
        files = [f for box in ("new", "cur") if (path / box).is_dir() for f in (path / box).iterdir()]
        try:
            raws = [(f, f.read_bytes()) for f in sorted(files, key=lambda f: (f.stat().st_mtime_ns, f.name))]
            break
        except FileNotFoundError:
            continue  # a reader has moved one from "new" to "cur" meanwhile
    return [Mail(f, raw, email.message_from_bytes(raw, policy=email.policy.default)) for f, raw in raws]


def maildir_wait(path, predicate=lambda message: True, deadline=DEADLINE):
    """The first mail in the maildir whose parsed message fulfils predicate; LabError after deadline seconds."""
    end = time.monotonic() + deadline
    while True:
        mails = maildir_list(path)
        for mail in mails:
            if predicate(mail.message):
                return mail
        if time.monotonic() > end:
            raise LabError(f"waited {deadline} s for a mail in {path}, which holds "
                           f"{[str(mail.message['Subject']) for mail in mails]}")
        time.sleep(0.05)


def submit(host, port, sender, recipient, message, timeout=DEADLINE):
    """Sends message (bytes, or an email.message) by SMTP; smtplib's exception when it is refused."""
    if not isinstance(message, bytes):
        message = message.as_bytes(policy=email.policy.SMTPUTF8)
    with smtplib.SMTP(host, port, local_hostname="client.lab", timeout=timeout) as session:
        session.ehlo()
        options = ["BODY=8BITMIME"] if session.has_extn("8bitmime") else []
        if not (sender + recipient).isascii():
            options.append("SMTPUTF8")
        session.sendmail(sender, [recipient], message, options)
