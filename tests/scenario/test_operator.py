# SPDX-License-Identifier: Apache-2.0
"""An operator at a running signetd: every command of signetctl that asks it, and what must not get through."""

import base64
import json
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import subprocess
import threading
import unittest

import lab
import signet_lab as signet
from lab import HOST
from share import seed

NOBODY = 65534
SOURCE = pathlib.Path(__file__).resolve().parents[2]
KINDS = re.findall(r"^  MESSAGE_(\w+)", (SOURCE / "daemon/messages.h").read_text(), re.M)
REQUEST, COMMAND, COMMAND_ANSWER = (KINDS.index(name) for name in ("REQUEST", "COMMAND", "COMMAND_ANSWER"))
AT_ONCE, CONNECTIONS = 16, 30


def string(text):
    return text.encode() + b"\0"


def frame(kind, body, number=1, length=None):
    """As base/channel.c writes one: length of the body, kind, id, body."""
    return struct.pack("=IIQ", len(body) if length is None else length, kind, number) + body


def command(name, arguments="{}", number=1):
    """A GVariant of type (ss) in a frame: both strings, then the end of the first."""
    body = string(name) + string(arguments)
    size = 1 if len(body) + 1 < 256 else 2 if len(body) + 2 < 65536 else 4
    return frame(COMMAND, body + (len(name) + 1).to_bytes(size, "little"), number)


class Talk:
    """A connection to the control socket, by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # without a time limit: with one a full queue would be an error
        self.socket.settimeout(120)

    def read(self, count):
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def answer(self):
        """(kind, id, status, text) of the next answer."""
        length, kind, number = struct.unpack("=IIQ", self.read(16))
        body = self.read(length)
        status, rest = struct.unpack("=I", body[:4])[0], body[4:]
        return kind, number, status, rest.split(b"\0")[0].decode()

    def is_closed(self):
        """Waits for the other side to end the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Operator(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.server = self.make_server()
        self.path = self.server.folder / "store/control"

    def make_server(self):
        return signet.Signetd(self.lab)

    def ctl(self, *argv, config=True, **options):
        where = ("--config", self.server.path) if config else ()
        return subprocess.run([signet.BUILD / "signetctl", *map(str, argv), *map(str, where)], capture_output=True,
                              text=True, timeout=200, env={**os.environ, "LC_ALL": "C.UTF-8"}, **options)

    def good(self, *argv, **options):
        done = self.ctl(*argv, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), argv)
        return done.stdout

    def as_json(self, *argv):
        return json.loads(self.good(*argv, "--json"))

    def bad(self, *argv, why, status=1, **options):
        done = self.ctl(*argv, **options)
        self.assertEqual((done.returncode, done.stdout), (status, ""), argv)
        self.assertIn(why, done.stderr)

    def audit(self, kind):
        return [row[0] for row in self.server.query("SELECT detail FROM audit WHERE kind = ? ORDER BY number", kind)]

    def open_sockets(self):
        """Descriptors of core that are connections at the control socket."""
        core = self.server.pids()["core"][0]
        sockets = set()
        for entry in pathlib.Path(f"/proc/{core}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
            except FileNotFoundError:  # closed meanwhile
                continue
            if found:
                sockets.add(found[1])
        lines = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
        return sum(1 for words in lines if words[6] in sockets and words[-1] == str(self.path) and words[5] == "03")


class Commands(Operator):
    def test_external_account_keys(self):
        text = self.good("eab", "add", "--note", "Sales", "--identifier", "Example.ORG", "--identifier",
                         "Ann@example.com", "--profile", "smime")
        kid, key = re.fullmatch(r"kid: (\S+)\nkey: (\S+)\nThe key is not shown again.\n", text).groups()
        self.assertEqual(len(base64.urlsafe_b64decode(key + "=")), 32)
        stored, = self.server.query("SELECT mac_key, identifiers, profiles FROM external_account_key")
        self.assertEqual(stored, (base64.urlsafe_b64decode(key + "="), '["example.org","ann@example.com"]', '["smime"]'))
        second = self.as_json("eab", "add")
        self.assertEqual(set(second), {"kid", "key"})
        listed = self.good("eab", "list")
        self.assertRegex(listed, rf"(?s)^{kid}\n  note         Sales\n  identifiers  example.org; ann@example.com\n"
                                 rf"  profiles     smime\n  made         \S+Z\n  account      none yet\n{second['kid']}\n")
        self.assertEqual(self.good("eab", "revoke", kid), f"revoked {kid}\n")
        first = self.as_json("eab", "list")["keys"][0]
        self.assertEqual((first["kid"], first["note"], "revoked" in first), (kid, "Sales", True))
        self.assertIn("  revoked      ", self.good("eab", "list"))
        for record in self.audit("external account key made") + self.audit("external account key revoked"):
            self.assertIn(f'uid="{os.geteuid()}"', record)
        self.assertEqual(len(self.audit("external account key made")), 2)
        for secret in (key, second["key"]):  # nowhere but in the answer
            self.assertNotIn(secret, self.server.log() + listed + repr(self.server.query("SELECT * FROM audit")))
        self.bad("eab", "revoke", kid, why="revoked already")
        self.bad("eab", "revoke", "A" * 22, why="There is no key of this identifier")
        self.bad("eab", "revoke", "x", why="no key identifier")
        self.bad("eab", "add", "--identifier", "localhost", why='"localhost" is no domain and no address')
        self.bad("eab", "add", "--profile", "No Such", why="no profile")
        self.bad("eab", "add", "--note", "two\nlines", why="control character")
        self.bad("eab", "revoke", why="needs KID", status=2)
        self.bad("eab", "add", "extra", why="takes no arguments", status=2)
        self.bad("eab", "add", "--identifiers", "x", why="Unknown option", status=2)
        self.assertEqual(self.server.query("SELECT count(*) FROM external_account_key"), [(2,)])

    def test_limits(self):
        self.assertEqual(self.good("limit", "list"), "")
        self.assertEqual(self.good("limit", "set", "mails-per-domain", "Example.ORG", "2000/60m"),
                         "set mails-per-domain example.org 2000/1h\n")
        self.assertEqual(self.as_json("limit", "set", "orders-per-network", "192.0.2.9/24", "off"),
                         {"name": "orders-per-network", "subject": "192.0.2.0/24", "rate": "off"})
        self.assertEqual(self.good("limit", "list"),
                         "mails-per-domain example.org 2000/1h\norders-per-network 192.0.2.0/24 off\n")
        self.assertEqual(self.good("limit", "clear", "mails-per-domain", "example.org"),
                         "cleared mails-per-domain example.org\n")
        self.assertEqual([row["subject"] for row in self.as_json("limit", "list")["limits"]], ["192.0.2.0/24"])
        self.assertEqual(self.audit("limit set")[0],
                         f'name="mails-per-domain" subject="example.org" rate="2000/1h" uid="{os.geteuid()}"')
        self.assertEqual(len(self.audit("limit cleared")), 1)
        self.bad("limit", "clear", "mails-per-domain", "example.org", why='No limit "mails-per-domain" is set')
        self.bad("limit", "set", "mails", "example.org", "1/1h", why="there are: accounts-per-network,")
        self.bad("limit", "set", "mails-per-domain", "example.org", "many", why="nor a rate such as 5/1h")
        self.bad("limit", "set", "mails-per-domain", "example", "1/1h", why="is no address, domain")
        self.bad("limit", "set", "mails-per-domain", "example.org", why="needs NAME SUBJECT", status=2)

    def test_renewals(self):
        self.assertEqual(self.good("renewal", "ask", "--issued-before", "2026-01-01T01:00:00+01:00", "--why",
                                   "https://example.org/why"),
                         "asked for the renewal of everything issued before 2026-01-01T00:00:00Z\n")
        before = 1767225600000
        self.assertEqual(self.server.query("SELECT issued_before, why FROM renewal"), [(before, "https://example.org/why")])
        self.assertIn(f'uid="{os.geteuid()}"', self.audit("renewals asked")[0])
        self.bad("renewal", "ask", "--issued-before", "2999-01-01T00:00:00Z", why="lies ahead")
        self.bad("renewal", "ask", "--issued-before", "soon", why="RFC 3339")
        self.bad("renewal", "ask", "0A:0B", why="No certificate with the serial number 0A:0B")
        self.bad("renewal", "ask", "xyz", why="no serial number")
        self.bad("renewal", "ask", "01", "--why", "example.org", why="why is no https://")
        self.bad("renewal", "ask", why="either serial numbers or --issued-before", status=2)

    def test_orders(self):
        """What happened to an order and why, also before the client is told."""
        user = signet.AcmeUser(self.server)
        order = user.new_order("ann@user.test", "Bob@user.test")
        name = order["url"].rsplit("/", 1)[1]
        challenge = user.authorization(order)["challenges"][0]
        def note():
            return self.as_json("order", "show", name)["authorizations"][0]["challenge"]["notes"]
        self.lab.wait_for(note, "the relay to fail")
        token = self.server.query("SELECT token1 FROM challenge WHERE token1 IS NOT NULL")[0][0]
        lab.submit(HOST, self.server.smtp, "ann@user.test", challenge["from"],
                   f"From: ann@user.test\r\nSubject: Re: ACME: {token}\r\n\r\n-----BEGIN ACME RESPONSE-----\r\n"
                   f"{'A' * 43}\r\n-----END ACME RESPONSE-----\r\n".encode())
        self.lab.wait_for(lambda: len(note()) >= 2, "the reply to be judged")
        shown = self.good("order", "show", order["url"])
        self.assertEqual(self.good("order", "show", name), shown)
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        for pattern in (rf"^order {name}: pending$", rf"^  url            {order['url']}$",
                        rf"^  account        {user.account.uri}$", "^ann@user.test: pending$", "^Bob@user.test: pending$",
                        rf"^  mail queued    {time}$", rf"^  next try       {time}, after \d attempt\(s\)$",
                        "^  waits for      the relay: .", "^  relay said     .",
                        rf"^  note           {time}  relay: The challenge mail to ann@user.test was not taken yet",
                        rf"^  note           {time}  dkim: ", rf"^  reply          {time}  from 127.0.0.1 \(client.lab\), "
                        "envelope <ann@user.test>$", "^                 noted, rule dkim: .", "^  mail           not asked for yet"):
            self.assertRegex(shown, re.compile(pattern, re.M))
        self.assertNotIn("error", user.get(challenge["url"]))  # it is pending still
        for secret in (token, "A" * 43):
            self.assertNotIn(secret, shown + self.good("order", "show", name, "--json"))
        second = user.new_order("carl@user.test")["url"].rsplit("/", 1)[1]
        listed = self.good("order", "list").splitlines()
        self.assertRegex(listed[0], rf"^{second} {time} pending carl@user.test$")
        self.assertRegex(listed[1], rf"^{name} {time} pending ann@user.test; Bob@user.test$")
        self.assertEqual([row["id"] for row in self.as_json("order", "list", "--address", "bob@USER.test")["orders"]], [name])
        self.assertEqual(self.good("order", "list", "--status", "valid"), "")
        self.bad("order", "show", "x", why='"x" is no order of this server')
        self.bad("order", "show", "A" * 22, why="There is no order of this identifier")
        self.bad("order", "show", why="needs ID|URL", status=2)
        self.bad("order", "list", "--status", "dead", why='no status "dead"')
        self.bad("order", "list", "--address", "ann", why='"ann" is no address')

    def test_issuance(self):
        """The stop switch: clients are told, over a restart too; the rest is served."""
        self.assertEqual(self.good("issuance", "show"), "issuance goes on\n")
        user = signet.AcmeUser(self.server)
        self.assertEqual(self.good("issuance", "stop", "a mistake in the profile"), "issuance is stopped\n")
        for _ in range(2):
            with self.assertRaisesRegex(signet.messages.Error, "has stopped issuance: a mistake in the profile"):
                user.new_order("ann@user.test")
            self.assertRegex(self.good("issuance", "show"), "^nothing is signed: the operator has stopped issuance: a mistake"
                             rf" in the profile\nstopped \S+Z by uid {os.geteuid()}\n$")
            self.server.stop()
            self.server.start()
        self.lab.wait_for(lambda: "issuance held" in self.server.log(), "the log to say so")
        self.bad("issuance", "stop", "again", why="stopped already")
        self.bad("issuance", "stop", why="needs REASON", status=2)
        self.assertEqual(self.good("issuance", "start"), "issuance goes on\n")
        self.assertEqual(user.new_order("ann@user.test")["status"], "pending")
        self.bad("issuance", "start", why="not stopped")
        self.assertEqual(self.audit("issuance stopped"), [f'reason="a mistake in the profile" uid="{os.geteuid()}"'])
        self.assertEqual(self.audit("issuance started"), [f'uid="{os.geteuid()}"'])

    def test_many_keys(self):
        """A list of more than one page is whole."""
        kids = [self.as_json("eab", "add", "--note", str(number))["kid"] for number in range(3)]
        self.server.stop()
        with signet.sqlite3.connect(self.server.folder / "store/signet.db") as store:
            store.executemany("INSERT INTO external_account_key (id, mac_key, note, identifiers, profiles, created_at)"
                              " VALUES (?, ?, '', '', '', 0)",
                              [(number.to_bytes(16, "big"), b"key") for number in range(1, 1201)])
        store.close()
        self.server.start()
        found = [key["kid"] for key in self.as_json("eab", "list")["keys"]]
        self.assertEqual((len(found), len(set(found)), found[-3:]), (1203, 1203, kids))


class Reach(Operator):
    def test_where_the_server_is(self):
        self.good("eab", "list", "--socket", self.path, config=False)
        lame = self.lab.path / "lame.conf"
        lame.write_text(f"[store]\ndirectory = {self.server.folder}/store\n[mail]\nno such key = 7\n")
        self.good("eab", "list", "--config", lame, config=False)  # the mistake elsewhere is not its business
        self.bad("eab", "list", "--config", self.lab.path / "none.conf", config=False, why="none.conf")
        self.bad("eab", "list", "--socket", self.lab.path / ("x" * 120), config=False, why="too long")
        self.bad("eab", "list", "--socket", self.lab.path / "none", config=False, why="signetd is not running")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.server.stop()
        self.assertFalse(self.path.exists())
        self.bad("eab", "list", why="signetd is not running")

    def test_path_too_long(self):
        self.server.config["store"]["directory"] = "s" * 100
        self.server.write_config()
        status, said = self.server.check()
        self.assertEqual(status, 78)
        self.assertRegex(said, r"signet\.conf:\d+: \[store\] directory: is too long: .* more than 107 octets")

    def test_stale_socket(self):
        """One that a killed server left is replaced; what is no socket is not."""
        self.server.kill()
        self.assertTrue(self.path.exists())
        self.server.start()
        self.good("eab", "list")
        self.server.stop()
        self.path.write_text("notes")
        second = self.lab.spawn("second", [signet.BUILD / "signetd", "--config", self.server.path])
        self.lab.wait_for(lambda: "control: it is there, and is no socket" in second.text(), "core to wait")
        self.path.unlink()
        self.lab.wait_for(self.path.exists, "core to go on")
        self.good("eab", "list")

    def test_another_user(self):
        """Kept out by the mode of the socket, and when that is open, by who it is."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        def nobody(program):
            return ["setpriv", f"--reuid={NOBODY}", "--clear-groups", *program]
        ctl = self.lab.path / "signetctl"
        ctl.write_bytes((signet.BUILD / "signetctl").read_bytes())
        ctl.chmod(0o755)
        def run():
            return subprocess.run(nobody([ctl, "eab", "add", "--socket", self.path]), capture_output=True, text=True,
                                  timeout=120)
        self.path.parent.chmod(0o755)
        done = run()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no permission", done.stderr)
        self.path.chmod(0o666)
        done = run()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("does not permit this user", done.stderr)
        self.lab.wait_for(lambda: f'event="operator refused" uid={NOBODY}' in self.server.log(), "the log to say so")
        self.good("eab", "list")
        self.assertEqual(self.server.query("SELECT count(*) FROM external_account_key"), [(0,)])

    def test_core_killed(self):
        kid = self.as_json("eab", "add")["kid"]
        waiting = Talk(self.path)
        for _ in range(2):
            os.kill(self.server.pids()["core"][0], signal.SIGKILL)
            self.assertEqual([key["kid"] for key in self.as_json("eab", "list")["keys"]], [kid])
        self.assertTrue(waiting.is_closed())
        waiting.close()


class FullDisk(Operator):
    def make_server(self):
        """The store on a small disk of its own."""
        server = signet.Signetd(self.lab, start=False)
        store = server.folder / "store"
        store.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "signet-lab", store],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", store], check=True))
        self.addCleanup(server.stop)
        server.start()
        return server

    def test_store_fails(self):
        """No answer says "done" of what is not stored."""
        ballast = self.server.folder / "store/ballast"
        fill(ballast)
        self.bad("eab", "add", why="cannot store anything now")
        self.bad("limit", "set", "mails-per-domain", "example.org", "off", why="cannot store anything now")
        ballast.unlink()
        self.good("eab", "add")
        self.assertEqual(self.server.query("SELECT count(*) FROM external_account_key"), [(1,)])
        self.assertEqual(self.server.query("SELECT count(*) FROM rate_override"), [(0,)])


def fill(path):
    """Takes all the room there is, to the last octet."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass


class Hostile(Operator):
    def setUp(self):
        super().setUp()
        self.core = self.server.pids()["core"]

    def tearDown(self):
        """Whatever came, the same core serves on."""
        self.good("eab", "list")
        self.assertEqual(self.server.pids()["core"], self.core)
        self.assertTrue(self.server.is_up())
        super().tearDown()

    def test_by_hand(self):
        """The frames of this file are those that core takes, several on one connection."""
        talk = Talk(self.path)
        for number in (7, 8):
            talk.socket.sendall(command("eab list", number=number))
            self.assertEqual(talk.answer(), (COMMAND_ANSWER, number, 0, '{"keys":[],"more":false}'))
        talk.socket.sendall(command("no such"))
        self.assertEqual(talk.answer()[2:], (1, 'This server knows no command "no such".'))
        talk.close()

    def test_nonsense(self):
        kinds = {
            "kind 0": (frame(0, b""), "unknown kind"),
            "a kind that there is not": (frame(9999, b""), "unknown kind"),
            "a kind of other roles": (frame(REQUEST, b""), "may not send"),
            "an answer": (frame(COMMAND_ANSWER, b""), "may not send"),
            "too large": (frame(COMMAND, b"", length=2 << 20), "too large"),
            "another body": (frame(COMMAND, b"\xff\xff\xff"), "not of its type"),
            "no text": (command("eab list", "\xff").replace(b"\xc3\xbf", b"\xff\xfe"), "not of its type"),
            "two at once": (command("eab list", number=1) + command("eab list", number=2), "was read"),
        }
        for name, (octets, why) in kinds.items():
            with self.subTest(name):
                talk = Talk(self.path)
                talk.socket.sendall(octets)
                self.assertTrue(talk.is_closed())
                talk.close()
                self.lab.wait_for(lambda: re.search(f'operator dropped" reason=".*{why}', self.server.log()), why)
        talk = Talk(self.path)
        null = os.open("/dev/null", os.O_RDONLY)
        socket.send_fds(talk.socket, [command("eab list")[:-1]], [null])
        socket.send_fds(talk.socket, [command("eab list")[-1:]], [null])
        os.close(null)
        talk.close()

    def test_garbage(self):
        random = seed()
        for _ in range(200):
            talk = Talk(self.path)
            octets = random.choice([
                lambda: random.randbytes(random.randrange(1, 5000)),
                lambda: frame(COMMAND, random.randbytes(random.randrange(200)), random.getrandbits(64)),
                lambda: command(*("".join(map(chr, random.choices(range(1, 300), k=random.randrange(60))))
                                  for _ in range(2)))])()
            try:
                talk.socket.sendall(octets)
            except (BrokenPipeError, ConnectionResetError):
                pass
            talk.close()
        self.assertEqual(self.server.query("SELECT count(*) FROM external_account_key"), [(0,)])

    def test_slow_octets(self):
        """Half a frame holds up nobody, and is taken when the rest comes."""
        octets = command("eab list")
        talks = [Talk(self.path) for _ in range(AT_ONCE - 1)]
        for position in range(len(octets)):
            for talk in talks:
                talk.socket.sendall(octets[position:position + 1])
            if position == len(octets) // 2:
                self.good("eab", "add")
        for talk in talks:
            self.assertEqual(talk.answer()[2], 0)
            talk.close()

    def test_many_connections(self):
        """All commands of 30 operators at once are done; no more than 16 are served at a time."""
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ctl("eab", "add", "--json")))
                   for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        self.assertEqual([done.returncode for done in answers], [0] * CONNECTIONS, answers)
        self.assertEqual(len({json.loads(done.stdout)["kid"] for done in answers}), CONNECTIONS)

    def test_many_idle(self):
        """Idle connections take all places; they are given to others when these go, and in the end by time."""
        talks = [Talk(self.path) for _ in range(CONNECTIONS)]
        self.lab.wait_for(lambda: self.open_sockets() == AT_ONCE, "as many as are served")
        for talk in talks[AT_ONCE:]:
            talk.socket.sendall(command("eab list"))
        self.assertEqual(self.open_sockets(), AT_ONCE)
        self.lab.wait_for(lambda: "no command in time" in self.server.log(), "idle ones to be dropped", 300)
        for talk in talks[AT_ONCE:]:
            self.assertEqual(talk.answer()[2], 0)
        for talk in talks[:AT_ONCE]:
            self.assertTrue(talk.is_closed())
        for talk in talks:
            talk.close()


if __name__ == "__main__":
    unittest.main()
