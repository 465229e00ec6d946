# SPDX-License-Identifier: Apache-2.0
"""ACME clients that others wrote, each in a process of its own, used as their own documentation says: python3-acme
(with identifiers of type email, and of type dns in compat mode), certbot, uacme, npm's acme-client, ruby-acme-client
and acmez. Their whole life with an account: registered and bound, changed, an order proven by mail through Postfix and
OpenDKIM, the certificate, renewal information, revocation, a new key, deactivation. docs/testing.md says what each of
them can, and why others cannot order for an address.

No client here reads renewal information (RFC 9773): it is asked for by a plain GET, at the name that
python3-cryptography makes. npm's acme-client passes on the name of what an order replaces."""

import base64
import datetime
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import threading
import types
import unittest
import urllib.request
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import lab
import signet_lab
from signet_lab import BUILD, Signetd, b64, new_key
from test_issuance import IssuanceCase, crl_of

TESTS = pathlib.Path(__file__).resolve().parents[1]
CLIENTS = TESTS / "clients"
TERMS = "https://ca.test/terms"
SUPERSEDED = 4
BOTH = (x509.RFC822Name, x509.DNSName)
# The package that has the command has a timer, too.
CERTBOT = "import sys; from certbot.main import main; sys.exit(main())"
# Its libcurl knows one file of trusted certificates, which this process alone sees as ours.
UACME = 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec uacme "$@"'


def tool(name):
    found = shutil.which(name)
    if found is None:
        raise AssertionError(f"{name} is not installed; scripts/packages test installs it")
    return found


def build(*argv, cwd=None, env=None):
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")


def npm_packages():
    """What tests/npm names, installed below the build folder once; the folder for NODE_PATH."""
    npm, folder = tool("npm"), BUILD.resolve() / "npm"
    wanted, modules = TESTS / "npm/package-lock.json", folder / "node_modules"
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(TESTS / "npm" / name, folder)
        build(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        shutil.copy(wanted, installed)
    return modules


def go_program(name):
    """tests/clients/NAME.go, compiled with the libraries that Debian packages."""
    output = BUILD.resolve() / "go" / name
    build(tool("go"), "build", "-o", output, CLIENTS / f"{name}.go", env={
        "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(BUILD.resolve() / "go/cache"),
        "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"})
    return output


def request_pem(key, address, kinds=(x509.RFC822Name,)):
    """A certificate request that has the address as each of kinds."""
    names = [kind(address) for kind in kinds]
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
        x509.SubjectAlternativeName(names), False).sign(key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM).decode()


def certificates(chain):
    return [x509.load_pem_x509_certificate(part.encode()) for part in
            re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", chain, re.S)]


def renewal_name(certificate):
    """RFC 9773 section 4.1."""
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial = certificate.serial_number
    return f"{b64(issuer)}.{b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


class Talk:
    """A process that speaks in lines of JSON; other lines go to its log."""

    def __init__(self, case, name, argv, env):
        self.log = case.lab.path / f"{name}.log"
        if self.log not in case.lab.logs:
            case.lab.logs.append(self.log)
        with open(self.log, "ab") as errors:
            self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, text=True,
                                            stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **env})
        self.lines = queue.Queue()
        threading.Thread(target=self.pump, daemon=True).start()
        case.addCleanup(self.end)

    def pump(self):
        with self.process.stdout as output, open(self.log, "a", buffering=1) as log:
            for line in output:
                if line.startswith("{"):
                    self.lines.put(json.loads(line))
                else:
                    log.write(line)
        self.lines.put(None)

    def read(self):
        """The next object, None when the process has ended."""
        return self.lines.get(timeout=300)

    def write(self, **fields):
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()

    def ask(self, verb, **fields):
        self.write(verb=verb, **fields)
        answer = self.read()
        assert answer is not None, f"the client ended:\n{lab.tail(self.log)}"
        return answer

    def end(self):
        """Without input it ends by itself; its status."""
        self.process.stdin.close()
        try:
            return self.process.wait(lab.DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Kind(NamedTuple):
    """What a client can. identifier: the type of what it orders; binds: an account to an external one; rolls: to a new
    key; replaces: names the certificate that an order replaces."""
    identifier: str = "email"
    binds: bool = True
    rolls: bool = False
    replaces: bool = False


class Clients(IssuanceCase):
    settings = {"acme": {"dns-identifier-compat": "on", "terms-of-service": TERMS}}

    # --- what clients need

    @staticmethod
    def trust(server):
        """How each client's TLS library is told of the server's certificate."""
        return dict.fromkeys(("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"), str(server.tls))

    @staticmethod
    def binding(server):
        return json.loads(server.ctl("eab", "add", "--json", "--config", server.path))

    def reply(self, facts):
        """The user's mail program; facts: what a client said of a challenge, its address and key authorization."""
        token, thumbprint = facts["key_authorization"].split(".")
        id, sender = self.server.query("SELECT id, mail_from FROM challenge WHERE token2 = ?", token)[0]
        self.answer_mail(types.SimpleNamespace(thumbprint=thumbprint), {"token": token, "from": sender}, facts["value"])
        self.lab.wait_for(lambda: self.server.query(
            "SELECT count(*) FROM message WHERE challenge_id = ? AND direction = 'in'", id)[0][0]
            and not self.server.query("SELECT 1 FROM job WHERE kind = 'judge'"), "the reply to be judged")

    def run_client(self, name, argv, env):
        """Runs a command that gives challenges to be replied to as lines of JSON; (its status, what it printed)."""
        client = Talk(self, name, argv, env)
        before = client.log.stat().st_size
        while facts := client.read():
            self.reply(facts)
            client.write()
        return client.end(), client.log.read_bytes()[before:].decode()

    # --- what the server holds

    def account(self, url):
        """(status, contact, key identifier of the external account, thumbprint) of an account."""
        id = base64.urlsafe_b64decode(url.rsplit("/", 1)[1] + "==")
        status, contact, external, thumbprint = self.server.query(
            "SELECT status, contact, external_key_id, thumbprint FROM account WHERE id = ?", id)[0]
        return status, json.loads(contact), external and b64(external), b64(thumbprint)

    def renewal(self, leaf):
        """Renewal information: (start, end, seconds to wait)."""
        url = json.loads(self.get(self.server.url + "/directory")[0])["renewalInfo"]
        body, headers = self.get(f"{url}/{renewal_name(leaf)}")
        window = json.loads(body)["suggestedWindow"]
        times = [datetime.datetime.strptime(window[name], "%Y-%m-%dT%H:%M:%SZ") for name in ("start", "end")]
        return (*times, int(headers["Retry-After"]))

    def get(self, url):
        with urllib.request.urlopen(url, context=self.server.tls_context(), timeout=60) as answer:
            return answer.read(), answer.headers

    def check_renewal(self, leaf):
        start, end, wait = self.renewal(leaf)
        self.assertTrue(leaf.not_valid_before < start < end < leaf.not_valid_after, (start, end))
        self.assertEqual(wait, 6 * 3600)

    def check_revoked(self, leaf, issuer):
        listed = lambda: crl_of(leaf).get_revoked_certificate_by_serial_number(leaf.serial_number)
        entry = self.lab.wait_for(listed, "the certificate to be listed")
        self.assertEqual(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason,
                         x509.ReasonFlags.superseded)
        self.verify_by_openssl(leaf, issuer, revoked=True)
        self.assertLess(self.renewal(leaf)[1], datetime.datetime.utcnow() + datetime.timedelta(seconds=1))

    # --- the life of an account

    def good(self, verb, **fields):
        answer = self.client.ask(verb, **fields)
        self.assertNotIn("error", answer, verb)
        return answer

    def refused(self, words, verb, **fields):
        answer = self.client.ask(verb, **fields)
        self.assertRegex(answer.get("error", "nothing was refused"), words)

    def request(self):
        return request_pem(new_key(), self.address, BOTH if self.kind.identifier == "dns" else [x509.RFC822Name])

    def order(self, **fields):
        csr = self.request()
        order = self.good("order", addresses=[self.address], csr=csr, **fields)
        self.assertEqual([(one["type"], one["value"]) for one in order["authorizations"]],
                         [(self.kind.identifier, self.address)])
        return order

    def obtain(self, **fields):
        for authorization in self.order(**fields)["authorizations"]:
            self.reply(authorization)
        self.good("respond")
        chain = certificates(self.good("obtain")["chain"])
        self.examine(chain, [self.address])
        return chain

    def live(self, name, kind, argv, env=None, **settings):
        """The whole life of an account of the client that argv starts."""
        self.kind, self.address = kind, f"bob+{name}@user.test"
        settings["directory"] = self.server.url + "/directory"
        self.client = Talk(self, name, [*argv, json.dumps(settings)], {**self.trust(self.server), **(env or {})})
        self.life_begins()
        leaf, issuer = self.obtain()
        self.check_renewal(leaf)
        if self.kind.replaces:
            former, (leaf, issuer) = leaf, self.obtain(replaces=renewal_name(leaf))
            self.assertNotEqual(leaf.serial_number, former.serial_number)
            self.refused("(?i)replaces", "order", addresses=[self.address], csr="", replaces=renewal_name(former))
        self.good("revoke", reason=SUPERSEDED)
        self.check_revoked(leaf, issuer)
        self.refused("(?i)already", "revoke", reason=SUPERSEDED)
        if self.kind.rolls:
            self.new_key()
        self.order()
        self.assertEqual(self.good("deactivate_authorization"), {"status": "deactivated"})
        self.life_ends()
        self.assertEqual(self.client.end(), 0)

    def life_begins(self):
        if self.kind.identifier == "dns":
            self.assertEqual(self.good("reads_email"), {"reads": False})
        binding = self.binding(self.server) if self.kind.binds else None
        account = self.good("register", contact="bob@user.test", binding=binding)
        self.assertEqual((account["status"], account["contact"], account["terms"]),
                         ("valid", ["mailto:bob@user.test"], TERMS))
        self.url = account["url"]
        self.assertEqual(self.account(self.url)[:3],
                         ("valid", ["mailto:bob@user.test"], binding and binding["kid"]))
        self.assertEqual(self.good("update", contact="ann@user.test")["contact"], ["mailto:ann@user.test"])
        self.assertEqual(self.account(self.url)[:3],
                         ("valid", ["mailto:ann@user.test"], binding and binding["kid"]))
        about = self.good("query")
        self.assertEqual(about, {"url": self.url, "status": "valid", "contact": ["mailto:ann@user.test"]})

    def new_key(self):
        former = self.account(self.url)
        self.assertEqual(self.good("rollover")["url"], self.url)
        self.assertEqual(self.account(self.url)[:3], former[:3])
        self.assertNotEqual(self.account(self.url)[3], former[3])
        self.refused("(?i)signature|signs with", "former_key")
        self.assertEqual(self.good("query")["status"], "valid")

    def life_ends(self):
        self.assertEqual(self.good("deactivate")["status"], "deactivated")
        self.assertEqual(self.account(self.url)[0], "deactivated")
        csr = self.request()
        for verb, fields in (("order", {"addresses": [self.address], "csr": csr}), ("deactivate_authorization", {}),
                             ("revoke", {"reason": SUPERSEDED}), ("update", {"contact": "bob@user.test"}),
                             ("query", {}), ("deactivate", {})):
            with self.subTest(verb):
                self.refused("(?i)deactivated", verb, **fields)

    # --- the clients

    def python_acme(self, name, identifier):
        self.live(name, Kind(identifier), ["/usr/bin/python3", CLIENTS / "python_acme.py"], tls=str(self.server.tls),
                  identifier=identifier)

    def test_python_acme(self):
        self.python_acme("python-acme", "email")

    def test_python_acme_compat(self):
        """interop 29: a client to which an identifier of type email is an error."""
        self.python_acme("python-acme-compat", "dns")

    def test_npm_acme_client(self):
        self.live("npm-acme-client", Kind(rolls=True, replaces=True), [tool("node"), CLIENTS / "acme_client.js"],
                  {"NODE_PATH": str(npm_packages())})

    def test_ruby_acme_client(self):
        self.live("ruby-acme-client", Kind(binds=False, rolls=True), [tool("ruby"), CLIENTS / "ruby_acme.rb"])

    def test_acmez(self):
        self.live("acmez", Kind(rolls=True), [go_program("acmez")])

    # --- certbot

    def certbot(self, server, *argv):
        """Runs certbot, which asks for replies if it has to; (its status, what it printed)."""
        plugin = self.lab.path / "certbot-plugin"
        if not plugin.exists():
            about = plugin / "certbot_mail-1.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text("Metadata-Version: 2.1\nName: certbot-mail\nVersion: 1\n")
            (about / "entry_points.txt").write_text("[certbot.plugins]\nmail = certbot_mail:Authenticator\n")
        folders = [word for kind in ("config", "work", "logs")
                   for word in (f"--{kind}-dir", self.lab.path / "certbot" / server.name / kind)]
        return self.run_client(f"certbot-{argv[0]}", ["/usr/bin/python3", "-c", CERTBOT, *argv, "-n", "--server",
                                                      server.url + "/directory", *folders],
                               {**self.trust(server), "PYTHONPATH": f"{plugin}:{CLIENTS}"})

    def certbot_good(self, *argv):
        status, text = self.certbot(self.server, *argv)
        self.assertEqual(status, 0, text)
        return text

    def lineage(self, address):
        """The chain that certbot keeps for address, examined."""
        chain = certificates((self.lab.path / "certbot/signetd/config/live" / address / "fullchain.pem").read_text())
        self.examine(chain, [address])
        return chain

    def test_certbot(self):
        """In compat mode, with an authenticator for mail. An address passes certbot's checks of a domain; the requests
        that it makes name it as a dNSName alone."""
        binding, address = self.binding(self.server), "bob+certbot@user.test"
        self.certbot_good("register", "--agree-tos", "--no-eff-email", "-m", "bob@user.test", "--eab-kid",
                          binding["kid"], "--eab-hmac-key", binding["key"])
        url = re.search(r"https://\S+/account/\S+", self.certbot_good("show_account")).group()
        self.assertEqual(self.account(url)[:3], ("valid", ["mailto:bob@user.test"], binding["kid"]))
        self.certbot_good("update_account", "--no-eff-email", "-m", "ann@user.test")
        self.assertEqual(self.account(url)[:3], ("valid", ["mailto:ann@user.test"], binding["kid"]))
        self.certbot_good("certonly", "--authenticator", "mail", "-d", address)
        first, _ = self.lineage(address)
        self.certbot_good("renew", "--force-renewal", "--no-random-sleep-on-renew")
        leaf, issuer = self.lineage(address)
        self.assertNotEqual(leaf.serial_number, first.serial_number)
        self.certbot_good("revoke", "--cert-name", address, "--reason", "superseded", "--no-delete-after-revoke")
        self.check_revoked(leaf, issuer)
        self.certbot_good("unregister")
        self.assertEqual(self.account(url)[0], "deactivated")

    def test_certbot_with_a_request(self):
        """The address as rfc822Name and, for certbot, as dNSName; revoked by the certificate's key."""
        folder, address = self.lab.folder("certbot-files"), "ann+certbot@user.test"
        request, leaf, chain = [folder / name for name in ("request.pem", "leaf.pem", "chain.pem")]
        key = new_key()
        request.write_text(request_pem(key, address, BOTH))
        self.certbot_good("certonly", "--agree-tos", "--register-unsafely-without-email", "--authenticator", "mail",
                          "--csr", request, "--cert-path", leaf, "--chain-path", chain, "--fullchain-path",
                          folder / "full.pem")
        found = certificates(leaf.read_text() + chain.read_text())
        self.examine(found, [address])
        (folder / "key.pem").write_bytes(signet_lab.pem_key(key))
        self.certbot_good("revoke", "--cert-path", leaf, "--key-path", folder / "key.pem", "--reason", "superseded",
                          "--no-delete-after-revoke")
        self.check_revoked(*found)

    def test_binding_required(self):
        server = Signetd(self.lab, name="required", settings={"acme": {"external-account": "required"}})
        register = ("register", "--agree-tos", "--no-eff-email", "-m", "bob@user.test")
        status, text = self.certbot(server, *register)
        self.assertEqual(status, 1)
        self.assertIn("Server requires external account binding", text)
        binding = self.binding(server)
        status, text = self.certbot(server, *register, "--eab-kid", binding["kid"], "--eab-hmac-key", binding["key"])
        self.assertEqual(status, 0, text)
        server.stop()

    # --- uacme

    def uacme(self, folder, *argv, good=True):
        status, text = self.run_client("uacme", [
            "unshare", "-m", "sh", "-c", UACME, self.server.tls, "-v", "-y", "-t", "EC", "-c", folder, "-h",
            CLIENTS / "uacme_hook", "-a", self.server.url + "/directory", *argv], {})
        self.assertEqual(status == 0, good, text)
        return text

    def test_uacme(self):
        """In compat mode, by a request in a file, with a dNSName alone: in its arguments uacme refuses an @, and at an
        rfc822Name it hangs."""
        binding, address, folder = self.binding(self.server), "bob+uacme@user.test", self.lab.folder("uacme")
        text = self.uacme(folder, "-e", f"{binding['kid']}:{binding['key']}", "new", "bob@user.test")
        url = re.search(r"account created at (\S+)", text).group(1)
        self.assertEqual(self.account(url)[:3], ("valid", ["mailto:bob@user.test"], binding["kid"]))
        self.uacme(folder, "update", "ann@user.test")
        self.assertEqual(self.account(url)[:3], ("valid", ["mailto:ann@user.test"], binding["kid"]))
        self.assertIn("invalid character '@'", self.uacme(folder, "issue", "bob@user.test", good=False))
        (folder / "request.pem").write_text(request_pem(new_key(), address, [x509.DNSName]))
        self.uacme(folder, "issue", folder / "request.pem")
        leaf, issuer = chain = certificates((folder / "request-cert.pem").read_text())
        self.examine(chain, [address])
        self.uacme(folder, "-r", str(SUPERSEDED), "revoke", folder / "request-cert.pem")
        self.check_revoked(leaf, issuer)
        self.check_uacme_new_key(folder, url)
        self.uacme(folder, "deactivate")
        self.assertEqual(self.account(url)[0], "deactivated")
        self.assertIn("deactivated", self.uacme(folder, "update", "bob@user.test", good=False))

    def check_uacme_new_key(self, folder, url):
        former, thumbprint = self.lab.folder("uacme-former"), self.account(url)[3]
        (former / "private").mkdir()
        shutil.copy(folder / "private/key.pem", former / "private")
        self.uacme(folder, "newkey")
        self.assertNotEqual(self.account(url)[3], thumbprint)
        self.uacme(folder, "update", "ann@user.test")
        self.assertIn("no account associated", self.uacme(former, "update", "bob@user.test", good=False))
        self.assertEqual(self.account(url)[1], ["mailto:ann@user.test"])


if __name__ == "__main__":
    unittest.main()
