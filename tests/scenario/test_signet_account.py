# SPDX-License-Identifier: Apache-2.0
"""signet account: show, update, rollover and deactivate at a real signetd (RFC 8555 section 7.3.2 to 7.3.6). Its requests
pass a proxy that can lose a request or an answer, and with it the client."""

import http.client
import http.server
import re
import ssl
import subprocess
import threading
import unittest

import josepy
import lab
import signet_lab
from lab import HOST

FIELDS = ("Content-Type", "Location", "Replay-Nonce", "Retry-After", "Link")


class Proxy(http.server.ThreadingHTTPServer):
    """The public URL of the server behind it. lose: "request" or "answer" of the next key change; kill: the client then,
    a list of its process."""

    daemon_threads = True

    def __init__(self, pair):
        super().__init__((HOST, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://{HOST}:{self.server_address[1]}"
        self.lose, self.kill, self.behind, self.context, self.changes = None, [], None, None, 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def pass_on(self, method, path, headers, body):
        connection = http.client.HTTPSConnection(HOST, self.behind, context=self.context, timeout=60)
        try:
            kept = {name: headers[name] for name in ("Content-Type", "Accept-Language") if name in headers}
            connection.request(method, path, body, {**kept, "Host": self.url.removeprefix("https://")})
            answer = connection.getresponse()
            return answer.status, [(name, value) for name, value in answer.getheaders() if name in FIELDS], answer.read()
        finally:
            connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_one(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        lose = server.lose if "key-change" in self.path else None
        if lose != "request":
            status, fields, answer = server.pass_on(self.command, self.path, self.headers, body)
            server.changes += "key-change" in self.path and status == 200
        if lose is not None:
            server.lose = None
            while server.kill:
                server.kill.pop().kill()
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer)

    do_GET = do_HEAD = do_POST = handle_one


class Account(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = Proxy(signet_lab.tls_pair(cls.lab.folder("proxy")))
        cls.addClassCleanup(cls.proxy.server_close)
        cls.addClassCleanup(cls.proxy.shutdown)
        cls.server = signet_lab.Signetd(cls.lab, settings={"acme": {"url": cls.proxy.url}})
        cls.proxy.behind, cls.proxy.context = cls.server.https, cls.server.tls_context()
        cls.roots = cls.lab.path / "proxy/tls.pem"

    def setUp(self):
        self.key = self.lab.folder("account") / "account.key"
        self.fresh = self.key.with_name("account.key.new")
        self.proxy.lose, self.proxy.kill, self.proxy.changes = None, [], 0

    def common(self):
        return ["--directory", self.proxy.url + "/directory", "--ca-file", self.roots, "--account-key", self.key]

    def start(self, *arguments):
        return subprocess.Popen([signet_lab.BUILD / "signet", *map(str, [*arguments, *self.common()])],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def signet(self, *arguments):
        """To its end: (exit status, stdout, stderr)."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=300)
        return process.returncode, stdout, stderr

    def make(self, *options):
        """An account: the order that comes with it is not carried on with."""
        status, _, stderr = self.signet("request", "ann@user.test", "--out", self.key.parent, "--contact", "ann@user.test",
                                        *options)
        self.assertEqual(status, 5, stderr)  # standard input ended
        self.assertRegex(stderr, r"(?m)^account .* \(new\)$")

    def show(self):
        """What account show prints, by its labels."""
        status, stdout, stderr = self.signet("account", "show", "--quiet")
        self.assertEqual((status, stderr), (0, ""))
        return dict(re.fullmatch(r"(\S+) +(.*)", line).groups() for line in stdout.splitlines())

    def thumbprint(self, path):
        return josepy.encode_b64jose(josepy.JWK.load(path.read_bytes()).thumbprint())

    def test_show_and_update(self):
        self.make()
        shown = self.show()
        self.assertEqual({name: shown[name] for name in ("status", "contact", "thumbprint")},
                         {"status": "valid", "contact": "mailto:ann@user.test", "thumbprint": self.thumbprint(self.key)})
        self.assertTrue(shown["account"].startswith(self.proxy.url + "/"))
        self.assertEqual(shown["key"], f"{self.key} (P-256)")
        self.assertEqual(self.signet("account", "update")[0], 2)
        self.assertEqual(self.signet("account", "update", "--contact", "bob@user.test")[0], 0)
        self.assertEqual(self.show()["contact"], "mailto:bob@user.test")
        status, _, stderr = self.signet("account", "update", "--contact", "not an address")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "invalidContact|unsupportedContact|malformed")

    def test_new_terms(self):
        """Nobody agrees to them by renewing: the server says so, and account update --agree-tos does."""
        self.make()
        config = self.server.config["acme"]
        config["terms-of-service"] = "https://ca.test/terms-2"
        self.server.write_config()
        self.server.stop()
        self.server.start()
        try:
            order = ["request", "ann@user.test", "--out", self.key.parent, "--quiet"]
            status, _, stderr = self.signet(*order)
            self.assertEqual(status, 1)
            self.assertIn("https://ca.test/terms-2", stderr)
            self.assertIn("signet account update --agree-tos", stderr)
            status, _, stderr = self.signet("account", "update", "--agree-tos")
            self.assertEqual(status, 0, stderr)
            self.assertEqual(self.signet(*order)[0], 5)
            self.assertEqual(self.show()["terms"], "agreed to")
        finally:
            del config["terms-of-service"]
            self.server.write_config()
            self.server.stop()
            self.server.start()

    def test_rollover(self):
        self.make()
        before, account = self.thumbprint(self.key), self.show()["account"]
        status, _, stderr = self.signet("account", "rollover", "--key-type", "P-384")
        self.assertEqual(status, 0, stderr)
        shown = self.show()
        self.assertEqual((shown["account"], shown["key"]), (account, f"{self.key} (P-384)"))
        self.assertNotEqual(shown["thumbprint"], before)
        self.assertFalse(self.fresh.exists())
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o600)

    def test_answer_lost(self):
        """Heard by the server, and the client asks again by the old key: that is refused, and the new one is right."""
        self.make()
        before, account = self.thumbprint(self.key), self.show()["account"]
        self.proxy.lose = "answer"
        status, _, stderr = self.signet("account", "rollover")
        self.assertEqual((status, self.proxy.changes), (0, 1), stderr)
        self.check(account, before, changed=True)

    def test_killed_after_it(self):
        """The same, and the client is gone: whatever is run next finds out."""
        self.make()
        before, account = self.thumbprint(self.key), self.show()["account"]
        self.kill_rollover("answer")
        self.assertEqual((self.thumbprint(self.key), self.proxy.changes), (before, 1))
        self.check(account, before, changed=True)
        self.make_again = self.signet("request", "ann@user.test", "--out", self.key.parent)
        self.assertNotIn("(new)", self.make_again[2])

    def test_killed_before_it(self):
        """The server has heard nothing: the old key stays, the new one waits for the next roll-over."""
        self.make()
        before, account = self.thumbprint(self.key), self.show()["account"]
        self.kill_rollover("request")
        fresh = self.thumbprint(self.fresh)
        self.check(account, before, changed=False)
        self.assertEqual(self.signet("account", "rollover")[0], 0)
        self.assertEqual(self.check(account, before, changed=True), fresh)

    def test_killed_and_requested(self):
        """A request settles it too, and so does a revocation by the account."""
        for command in (["request", "ann@user.test", "--out", self.key.parent],
                        ["revoke", signet_lab.BUILD / "../../tests/nothing"]):
            if self.key.exists():
                self.key.unlink()
            if command[0] == "revoke":
                command[1] = self.key.parent / "leaf.pem"
                command[1].write_bytes(signet_lab.self_signed("ann@user.test"))
            self.make()
            before = self.thumbprint(self.key)
            self.kill_rollover("answer")
            _, _, stderr = self.signet(*command)
            self.assertRegex(stderr, r"(?m)^key +the account's new key is in ")
            self.assertNotIn("(new)", stderr)
            self.assertNotEqual(self.thumbprint(self.key), before)
            self.assertFalse(self.fresh.exists())

    def kill_rollover(self, lose):
        self.proxy.lose = lose
        process = self.start("account", "rollover")
        self.proxy.kill.append(process)
        process.communicate(timeout=300)
        self.assertEqual(process.returncode, -9)
        self.assertTrue(self.fresh.exists())

    def check(self, account, before, changed):
        """The account is the same and can be used; the thumbprint of its key."""
        shown = self.show()
        self.assertEqual(shown["account"], account)
        self.assertEqual(shown["thumbprint"], self.thumbprint(self.key))
        self.assertEqual((shown["thumbprint"] != before, self.fresh.exists()), (changed, not changed))
        return shown["thumbprint"]

    def test_deactivate(self):
        self.make()
        account = self.show()["account"]
        status, _, stderr = self.signet("account", "deactivate")
        self.assertEqual(status, 2)
        self.assertIn("say --yes", stderr)
        self.assertEqual(self.show()["status"], "valid")
        status, _, stderr = self.signet("account", "deactivate", "--yes")
        self.assertEqual(status, 0, stderr)
        self.assertFalse(self.key.exists())
        kept = self.key.with_name("account.key.deactivated")
        self.assertTrue(kept.exists())
        status, _, stderr = self.signet("account", "show")
        self.assertEqual(status, 5)
        kept.rename(self.key)
        status, _, stderr = self.signet("account", "show")
        self.assertEqual(status, 1, stderr)
        self.key.unlink()
        self.make()
        self.assertNotEqual(self.show()["account"], account)

    def test_external_account(self):
        """Its key is needed once: a run that finds the account does without the file."""
        made = self.server.ctl("eab", "add", "--config", self.server.path)
        kid, secret = re.search(r"(?m)^kid\W+(\S+)", made)[1], re.search(r"(?m)^(?:key|mac|hmac)\S*\W+(\S+)", made)[1]
        file = self.key.with_name("eab")
        file.write_text(secret + "\n")
        options = ["--eab-kid", kid, "--eab-key-file", file]
        self.make(*options)
        self.assertEqual(self.show()["external"], "bound to an external account")
        file.unlink()
        status, _, stderr = self.signet("request", "ann@user.test", "--out", self.key.parent, *options)
        self.assertEqual(status, 5, stderr)
        self.assertIn("standard input ended", stderr)
        self.key.unlink()
        status, _, stderr = self.signet("request", "ann@user.test", "--out", self.key.parent, *options)
        self.assertEqual(status, 5, stderr)
        self.assertIn(f"{file}: No such file", stderr)

    def test_command_line(self):
        for arguments, words in (([], "account takes show, update"), (["forget"], "account takes show, update"),
                                 (["show", "ann"], '"ann" is no option'), (["rollover", "--key-type", "x"], "--key-type is")):
            status, _, stderr = self.signet("account", *arguments)
            self.assertEqual(status, 2, stderr)
            self.assertIn(words, stderr)
        done = subprocess.run([signet_lab.BUILD / "signet", "account", "--help"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.count("signet account")), (0, 4))


if __name__ == "__main__":
    unittest.main()
