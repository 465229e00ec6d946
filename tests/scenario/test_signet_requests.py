# SPDX-License-Identifier: Apache-2.0
"""What signet sends: to a server of this script, over TLS, which keeps every request and answers as it is told (RFC
8555 sections 6.1, 6.2, 6.4, 6.5 and 6.7)."""

import base64
import datetime
import http.server
import json
import os
import re
import resource
import signal
import ssl
import subprocess
import threading
import unittest

import lab
import signet_lab
from lab import HOST
from signet_lab import self_signed

NEW_NONCE, NEW_ACCOUNT = "/acme/%6Eonce?of=x", "/acme/new%2Daccount?x=%7e&y"  # not in their shortest form
URN = "urn:ietf:params:acme:error:"


class Server(http.server.ThreadingHTTPServer):
    """answers: of the POSTs, one after the other, as (status, document, further fields). further: of the directory."""

    daemon_threads = True

    def __init__(self, folder, answers, terms, further):
        super().__init__((HOST, 0), Handler)
        self.certificate, key = signet_lab.tls_pair(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://{HOST}:{self.server_address[1]}"
        self.answers, self.seen, self.nonces = list(answers), [], 0
        self.directory = {"newNonce": self.url + NEW_NONCE, "newAccount": self.url + NEW_ACCOUNT,
                          "newOrder": self.url + "/x", "revokeCert": self.url + "/x", "keyChange": self.url + "/x",
                          "meta": {"termsOfService": "https://ca.test/terms"} if terms else {},
                          **{name: self.url + "/" + name for name in further}}

    def fresh(self):
        self.nonces += 1
        return f"nonce{self.nonces:03}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document=None, fields=()):
        body = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def keep(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, self.headers, body))

    def do_GET(self):
        self.keep()
        self.answer(200, self.server.directory)

    def do_HEAD(self):
        self.keep()
        self.answer(200, fields=[("Replay-Nonce", self.server.fresh())])

    def do_POST(self):
        self.keep()
        self.answer(*self.server.answers.pop(0))


class Requests(lab.LabCase):
    def talk(self, *answers, options=("--agree-tos",), terms=False, account_key=None, env=None, command=None, further=(), preexec=None):
        """Runs signet against a server with these answers to its POSTs: (exit status, standard error, requests)."""
        if account_key is None:
            account_key = "--account-key", self.lab.path / "account.key"
        command = command or ["request", "ann@user.test", "--out", self.lab.path / "out"]
        server = Server(self.lab.folder("server"), answers, terms, further)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            done = subprocess.run(
                [signet_lab.BUILD / "signet", *command, "--directory", server.url + "/directory", "--ca-file",
                 server.certificate, *account_key, "--timeout", "60s", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env, preexec_fn=preexec)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        self.url = server.url
        return done.returncode, done.stderr, server.seen

    @staticmethod
    def opened(body):
        """(protected header, payload) of a JWS."""
        decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        jws = json.loads(body)
        return json.loads(decode(jws["protected"])), json.loads(decode(jws["payload"]))

    @staticmethod
    def refused(kind, detail, status=400, fields=()):
        return status, {"type": URN + kind, "detail": detail}, [("Content-Type", "application/problem+json"), *fields]

    def test_fields(self):
        """Of GET, HEAD and POST: who asks, in which language; no nonce outside of the JWS."""
        _, _, seen = self.talk(self.refused("malformed", "no"))
        self.assertEqual([(method, path) for method, path, _, _ in seen],
                         [("GET", "/directory"), ("HEAD", NEW_NONCE), ("POST", NEW_ACCOUNT)])
        for _, _, headers, _ in seen:
            self.assertRegex(headers["User-Agent"], r"^signet/\d[\w.]* libcurl/\d[\w.]*$")
            self.assertEqual(headers["Accept-Language"], "en")
            self.assertNotIn("Replay-Nonce", headers)
        self.assertEqual(seen[-1][2]["Content-Type"], "application/jose+json")

    def test_url_as_given(self):
        """The url in the header is the text of the directory, octet for octet, and the request goes there."""
        _, _, seen = self.talk(self.refused("malformed", "no"))
        self.assertEqual(self.opened(seen[-1][3])[0]["url"], self.url + NEW_ACCOUNT)
        self.assertEqual(seen[-1][1], NEW_ACCOUNT)

    def test_bad_nonce(self):
        """Tried again with the nonce of the refusal, and no other."""
        status, stderr, seen = self.talk(
            self.refused("badNonce", "old", fields=[("Replay-Nonce", "givenOne")]),
            self.refused("badNonce", "old", fields=[("Replay-Nonce", "givenTwo")]), self.refused("malformed", "enough"))
        nonces = [self.opened(body)[0]["nonce"] for method, _, _, body in seen if method == "POST"]
        self.assertEqual(nonces, ["nonce001", "givenOne", "givenTwo"])
        self.assertEqual(status, 1)
        self.assertIn("enough", stderr)

    def test_nonce_that_is_none(self):
        """A Replay-Nonce that is no base64url is as if it were not there: another one is fetched."""
        for value in ("given=", "gi ven", "g\u00e4", "+/+/", ""):
            with self.subTest(value):
                _, _, seen = self.talk(self.refused("badNonce", "old", fields=[("Replay-Nonce", value)]),
                                       self.refused("malformed", "no"))
                self.assertEqual([method for method, *_ in seen], ["GET", "HEAD", "POST", "HEAD", "POST"])
                self.assertEqual(self.opened(seen[-1][3])[0]["nonce"], "nonce002")

    def test_retry_after(self):
        """A renewal that was refused is not tried again before the time that the server named."""
        out, box, listed = (self.lab.folder(name) for name in ("renewed", "box", "listed"))
        for name in ("new", "cur", "tmp"):
            (box / name).mkdir()
        (listed / "list").write_text("ann@user.test\n")
        answers = [(201, {"status": "valid"}, [("Location", "https://ca.test/account"), ("Replay-Nonce", "nonce901")]),
                   self.refused("rateLimited", "too many", 429, [("Retry-After", "7200")])]
        options = ("--agree-tos", "--list", listed, "--mail", "maildir", "--maildir", box, "--smtp", f"{HOST}:25")
        status, stderr, _ = self.talk(*answers, options=options, command=["renew", out])
        self.assertEqual(status, 1)
        self.assertIn("try again after: 7200", stderr)
        kept = dict(re.findall("(?m)^(.*?)=(.*)$", (out / "ann@user.test.renewal").read_text()))
        self.assertEqual((kept["failures"], kept["refused-seconds"]), ("1", "7200"))
        stdout = subprocess.run([signet_lab.BUILD / "signet", "renew", out, "-n"], capture_output=True, text=True, timeout=120).stdout
        due = datetime.datetime.fromisoformat(re.search(r"at (\S+)Z \(there is no certificate yet\)", stdout)[1])
        self.assertEqual(due - datetime.datetime.fromisoformat(kept["failed-at"].rstrip("Z")), datetime.timedelta(hours=2))

    def test_nothing_can_be_written(self):
        """No order then, as each run would make another: a limit of files' sizes that a key keeps stands for a full disk."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

        out, box, listed = (self.lab.folder(name) for name in ("full", "box", "listed"))
        for name in ("new", "cur", "tmp"):
            (box / name).mkdir()
        (listed / "list").write_text("ann@user.test\n")
        account = 201, {"status": "valid"}, [("Location", "https://ca.test/account"), ("Replay-Nonce", "nonce901")]
        options = ("--agree-tos", "--list", listed, "--mail", "maildir", "--maildir", box, "--smtp", f"{HOST}:25")
        status, stderr, seen = self.talk(account, options=options, command=["renew", out], preexec=limit)
        self.assertEqual(status, 5)
        self.assertIn("ann@user.test.renewal: File too large", stderr)
        self.assertEqual([path for method, path, *_ in seen if method == "POST"], [NEW_ACCOUNT])

    def test_detail_is_shown(self):
        for kind, status in (("rejectedIdentifier", 403), ("serverInternal", 500), ("somethingNew", 418)):
            with self.subTest(kind):
                found, stderr, _ = self.talk(self.refused(kind, "Because of the moon.", status))
                self.assertEqual(found, 1)
                self.assertIn("Because of the moon.", stderr)
                self.assertIn(URN + kind, stderr)

    def test_terms(self):
        """Without --agree-tos nothing says that somebody agreed: an account that exists is looked for, none is made."""
        status, stderr, seen = self.talk(self.refused("accountDoesNotExist", "none"), options=(), terms=True)
        self.assertEqual((status, len(seen)), (2, 3))
        self.assertEqual(self.opened(seen[-1][3])[1], {"onlyReturnExisting": True})
        self.assertIn("https://ca.test/terms", stderr)
        _, _, seen = self.talk(self.refused("malformed", "no"), terms=True)
        self.assertEqual(self.opened(seen[-1][3])[1], {"termsOfServiceAgreed": True})

    def test_contacts(self):
        """Neither header fields nor a second address can come in by an address."""
        options = ["--agree-tos"]
        for contact in ("ann@user.test", "a?subject=x@user.test", "a@user.test,b@user.test", "j\u00f6rg+x@user.test"):
            options += ["--contact", contact]
        _, _, seen = self.talk(self.refused("malformed", "no"), options=options)
        self.assertEqual(self.opened(seen[-1][3])[1]["contact"], [
            "mailto:ann@user.test", "mailto:a%3Fsubject%3Dx@user.test", "mailto:a@user.test%2Cb@user.test",
            "mailto:j%C3%B6rg+x@user.test"])

    def test_account_keys(self):
        """A key made anew for each server, and never that of the certificate."""
        keys, home = set(), {**os.environ, "XDG_CONFIG_HOME": str(self.lab.path / "config")}
        for _ in range(2):
            _, _, seen = self.talk(self.refused("malformed", "no"), account_key=(), env=home)
            keys.add(self.opened(seen[-1][3])[0]["jwk"]["x"])
        self.assertEqual(len(keys), 2)
        made = sorted(path.name for path in (self.lab.path / "config/signet").iterdir())
        self.assertEqual(len(made), 2)
        self.assertRegex(made[0], rf"^{HOST}:\d+_directory\.key$")
        status, stderr, seen = self.talk(options=("--key", self.lab.path / "account.key"))
        self.assertEqual((status, seen), (5, []))
        self.assertIn("account key must not be the certificate key", stderr)

    # --- revoke --prove ---

    def revoke(self, *answers, names=("ann@user.test", "bob@user.test"), further=("newAuthz",)):
        """What the server is asked after it made the account: (exit status, standard error, [(path, payload)])."""
        path = self.lab.path / "leaf.pem"
        path.write_bytes(self_signed(*names))
        account = 201, {"status": "valid"}, [("Location", "https://ca.test/account/1")]
        status, stderr, seen = self.talk(account, *answers, command=["revoke", "--prove", path], further=further)
        return status, stderr, [(path, self.opened(body)[1]) for method, path, _, body in seen if method == "POST"][1:]

    def test_prove(self):
        """Revocation first, then an authorization for every address, then revocation again: the answer to its first
        question has all it needs."""
        no = self.refused("unauthorized", "not yours", 403)
        mailbox = lambda name: (201, {"status": "valid", "identifier": {"type": "email", "value": name}, "challenges": []},
                                [("Location", "https://ca.test/authorization/" + name)])
        status, stderr, asked = self.revoke(no, mailbox("ann@user.test"), mailbox("bob@user.test"), (200,))
        self.assertEqual(status, 0, stderr)
        self.assertEqual([path for path, _ in asked], ["/x", "/newAuthz", "/newAuthz", "/x"])
        self.assertEqual(asked[0], asked[3])
        self.assertEqual([payload for _, payload in asked[1:3]],
                         [{"identifier": {"type": "email", "value": name}} for name in ("ann@user.test", "bob@user.test")])

    def test_prove_in_vain(self):
        no = self.refused("unauthorized", "not yours", 403)
        other = 201, {"status": "valid", "identifier": {"type": "email", "value": "eve@user.test"}, "challenges": []}, \
            [("Location", "https://ca.test/authorization/1")]
        for name, status, words, paths, answers, options in (
                ("no newAuthz", 1, "takes no proof without an order", ["/x"], [no], {"further": ()}),
                ("not of this server", 1, "no such certificate", ["/x"],
                 [self.refused("malformed", "no such certificate", 404)], {}),
                ("an address refused", 1, "bob@user.test cannot be proven: refused by the server", ["/x", "/newAuthz"],
                 [no, self.refused("rejectedIdentifier", "not for us", 403)], {"names": ["bob@user.test"]}),
                ("no URL", 3, "did not say where the authorization is", ["/x", "/newAuthz"], [no, (*other[:2],)], {}),
                ("another mailbox", 3, "was not ordered: eve@user.test", ["/x", "/newAuthz"], [no, other], {})):
            with self.subTest(name):
                found, stderr, asked = self.revoke(*answers, **options)
                self.assertEqual((found, [path for path, _ in asked]), (status, paths), stderr)
                self.assertIn(words, stderr)
                self.assertEqual("nothing is revoked: " in stderr, name != "not of this server")

    def test_plain_http(self):
        """Neither as the directory nor as a URL in it."""
        for directory in ("http://" + HOST + ":9/directory", "ftp://" + HOST + "/directory"):
            done = subprocess.run([signet_lab.BUILD / "signet", "request", "ann@user.test", "--directory", directory,
                                   "--out", self.lab.path], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("https", done.stderr)


if __name__ == "__main__":
    unittest.main()
