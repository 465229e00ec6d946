# SPDX-License-Identifier: Apache-2.0
"""signetd under test beside the real servers of lab.py, and an ACME user driven by Debian's python3-acme.

    server = Signetd(self.lab, relay=f"{HOST}:{postfix.port}", settings={"dns": {...}})
    user = AcmeUser(server)
    order = user.new_order("ann@user.test")
    authorization = user.authorization(order, 0)            # triggers the mail
    text = reply_text(challenge_mail, digest)               # by Python's e-mail library
"""

import base64
import configparser
import contextlib
import datetime
import email.message
import email.policy
import email.utils
import hashlib
import ipaddress
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import time

import dkim
import josepy
import requests
from acme import client as acme_client
from acme import errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import postgres
from lab import DEADLINE, HOST, DkimKey, maildir_wait, submit

if "email" not in messages.IdentifierType.POSSIBLE_NAMES:
    messages.IdentifierType("email")  # registers the type with the library

BUILD = pathlib.Path(os.environ.get("SIGNET_BUILD", "build/release"))
LIMITS = ("accounts-per-network", "changes-per-account", "orders-per-account", "orders-per-network", "orders-per-external-account",
          "mails-per-mailbox-hour", "mails-per-mailbox-day", "mails-per-mailbox-account", "mails-per-account",
          "mails-per-domain",
          "finalizations-per-account", "certificates-per-mailbox", "iodef-reports")
DAY = datetime.timedelta(days=1)
ROLES = ("edge", "core", "inbound", "outbound", "lookup", "signer")


def tls_pair(folder, days=30):
    """A self-signed certificate for 127.0.0.1; returns its paths (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))])
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=days)).add_extension(names, False)
                   .sign(key, hashes.SHA256()))
    paths = folder / "tls.pem", folder / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(pem_key(key))
    return paths


def pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


class Authority:
    """A CA for servers' certificates; each is a pair of paths (certificate, key)."""

    def __init__(self, folder):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self._sign(self.name, self.key, self.name, "ca.test", DAY, True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, issuer, host, life, is_ca, signer=None):
        now = datetime.datetime.utcnow()
        names = [x509.DNSName(host)] + ([x509.IPAddress(ipaddress.ip_address(HOST))] if host == "localhost" else [])
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - 30 * DAY).not_valid_after(now + life)
                .add_extension(x509.SubjectAlternativeName(names), False)
                .add_extension(x509.BasicConstraints(is_ca, None), True).sign(signer or key, hashes.SHA256()))

    def pair(self, name, host="localhost", life=DAY, signed_by_itself=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, subject if signed_by_itself else self.name, host, life, False,
                                 None if signed_by_itself else self.key)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(pem_key(key))
        return paths


class Signetd:
    """One signetd with a CA of its own, in a folder of the lab. settings: {group: {key: value}} over the defaults.
    No limits unless settings name them: tests order often."""

    def __init__(self, lab, relay=f"{HOST}:9", domain="ca.test", zones=None, settings=None, start=True, name="signetd",
                 test_mode=False):
        self.lab, self.domain, self.name = lab, domain, name
        self.options = ["--test-mode"] if test_mode else []
        self.programs = BUILD  # where signetd and signetctl of this server are
        self.folder = lab.folder(name)
        self.https, self.http, self.smtp = lab.free_port(), lab.free_port(), lab.free_port()
        self.url = f"https://{HOST}:{self.https}"
        self.tls, self.tls_key = tls_pair(self.folder)
        self.dkim = DkimKey(domain, "signet")
        (self.folder / "dkim.key").write_bytes(self.dkim.pem())
        self.ctl("ca", "init", "--directory", self.folder / "ca", "--url", f"http://{HOST}:{self.http}/")
        self.config = {
            "acme": {"url": self.url, "listen": f"{HOST}:{self.https}", "tls-certificate": self.tls,
                     "tls-key": self.tls_key},
            "publish": {"url": f"http://{HOST}:{self.http}/", "listen": f"{HOST}:{self.http}"},
            "mail": {"domain": domain, "listen": f"{HOST}:{self.smtp}", "relay": relay, "dkim-key": "dkim.key",
                     "challenge-delay": "0s"},
            "dns": {"trust-anchor": zones.anchor_file, "stub": "; ".join(zones.stubs)} if zones else {},
            "ca": {"certificate": "ca/issuing.pem", "key": "ca/issuing.key", "root": "ca/root.pem",
                   "root-crl": "ca/root.crl", "audit-key": "ca/audit.key", "caa-identities": domain},
            "limits": dict.fromkeys(LIMITS, "off"),
            "store": {"directory": "store"},
            "log": {"level": "debug"},
        }
        for group, values in (settings or {}).items():
            self.config.setdefault(group, {}).update(values)
        self.path = self.folder / "signet.conf"
        self.write_config()
        self.process, self.environment = None, None
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(f"\0signet-lab-{self.folder}")
        self._notices.setblocking(False)
        lab.sockets.append(self._notices)
        if start:
            self.start()

    def another_node(self, name):
        """One more node of this installation, on its database; not started."""
        node = Signetd(self.lab, name=name, start=False)
        shared = ("dkim.key", "ca/issuing.pem", "ca/issuing.key", "ca/root.pem", "ca/root.crl", "ca/audit.key")
        for group, values in self.config.items():
            node.config[group] = {key: str(self.folder / value) if value in shared else value for key, value in values.items()}
        for group, port in (("acme", node.https), ("publish", node.http), ("mail", node.smtp)):
            node.config[group]["listen"] = f"{HOST}:{port}"
        node.config["store"]["node"] = name
        node.tls = self.tls
        node.write_config()
        return node

    def ctl(self, *argv):
        return subprocess.run([self.programs / "signetctl", *map(str, argv)], check=True, capture_output=True, text=True).stdout

    def write_config(self):
        parser = configparser.RawConfigParser()
        parser.optionxform = str
        parser.read_dict({group: {k: str(v) for k, v in values.items()} for group, values in self.config.items()})
        with open(self.path, "w") as file:
            parser.write(file)

    def check(self):
        """signetd --check: (exit status, what it printed on standard error)."""
        done = subprocess.run([BUILD / "signetd", "--config", self.path, "--check", *self.options], capture_output=True, text=True)
        return done.returncode, done.stderr

    def start(self):
        self._told()  # of the end before
        self._begun = False
        self.process = self.lab.spawn(self.name, [self.programs / "signetd", "--config", self.path, *self.options], ready=self._serves,
                                      env={**(self.environment or {}), "NOTIFY_SOCKET": f"@signet-lab-{self.folder}"})
        self.lab.wait_for(self.has_all_roles, "every role to run")

    def _serves(self):
        """Every role has begun, of several edges each one, and answers come."""
        self._begun = self._begun or b"READY=1" in self._told()
        return self._begun and self.is_up()

    def _told(self):
        """What the service manager was told since the last look."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._notices.recv(100))
        return found

    def has_all_roles(self):
        """A role that was forked a moment ago is not seen among pids() yet."""
        store = self.config["store"]
        several = {"edge": int(self.config["acme"].get("processes", 0)) or len(os.sched_getaffinity(0)),
                   "core": int(store.get("cores", 2 if "postgresql" in store else 1))}
        found = self.pids()
        return all(len(found.get(role, [])) == several.get(role, 1) for role in ROLES)

    def is_up(self):
        import urllib.error
        import urllib.request
        try:
            with urllib.request.urlopen(self.url + "/directory", context=self.tls_context(), timeout=60) as answer:
                if answer.status != 200:
                    return False
            request = urllib.request.Request(self.url + "/new-nonce", method="HEAD")
            with urllib.request.urlopen(request, context=self.tls_context(), timeout=60):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def tls_context(self):
        return ssl.create_default_context(cafile=str(self.tls))

    def stop(self):
        if self.process is not None:
            self.process.stop()

    def kill(self):
        """The parent by SIGKILL; returns when its roles have followed it."""
        roles = [pid for pids in self.pids().values() for pid in pids]
        self.process.send(signal.SIGKILL)
        self.lab.wait_for(lambda: not self.process.alive() and not any(os.path.exists(f"/proc/{pid}") for pid in roles),
                          "the roles to end")

    def log(self):
        return self.process.text()

    def pids(self):
        """{role: [pid, ...]} of the processes that run now."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == self.process.pid and len(words) > 1 and words[1].startswith(b"--role="):
                found.setdefault(words[1][7:].decode(), []).append(int(entry.name))
        return found

    def query(self, sql, *parameters):
        """Rows of the store, read beside the server; parameters with SQLite alone."""
        if "postgresql" in self.config["store"]:
            return postgres.rows(self.config["store"]["postgresql"], sql)
        store = sqlite3.connect(f"file:{self.folder}/store/signet.db?mode=ro", uri=True, timeout=30)
        try:
            return store.execute(sql, parameters).fetchall()
        finally:
            store.close()

    def hurry_mails(self):
        self.hurry("mail")

    def hurry(self, kind):
        """Brings forward the next try of every job of a kind; no configuration shortens the wait. Core looks at its jobs
        with the next request."""
        with contextlib.closing(sqlite3.connect(self.folder / "store/signet.db", timeout=30)) as store:
            store.execute("UPDATE job SET due_at = 0 WHERE kind = ?", (kind,))
            store.commit()

    def reload(self):
        """SIGHUP; returns when it is being obeyed."""
        before = self.log().count("event=reloading")
        self.process.send(signal.SIGHUP)
        self.lab.wait_for(lambda: self.log().count("event=reloading") > before, "the reload")

    def evidence(self, leaf):
        """What signetctl evidence show prints of a certificate or serial number, and the names of checks that failed: of a server that runs
        the audit log perhaps, whose last records wait for their checkpoint."""
        done = subprocess.run([BUILD / "signetctl", "evidence", "show", leaf if isinstance(leaf, str) else
                               f"{leaf.serial_number:x}", "--config", self.path],
                              capture_output=True, text=True)
        return done.stdout, set(re.findall(r"^FAILED  (.+?)(?: of .+?)?: ", done.stdout, re.M))

    def root(self):
        return x509.load_pem_x509_certificate((self.folder / "ca/root.pem").read_bytes())


class AcmeUser:
    """An account, driven by python3-acme's ClientNetwork and message classes. kind: "ES256" or "RS256"; key: an elliptic
    one that is there already."""

    def __init__(self, server, kind="ES256", register=True, key=None):
        self.server, self.kind = server, kind
        if kind == "ES256":
            self.key = josepy.JWKEC(key=key or new_key())
            algorithm = josepy.ES256
        else:
            self.key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
            algorithm = josepy.RS256
        self.net = acme_client.ClientNetwork(self.key, alg=algorithm, verify_ssl=str(server.tls), timeout=DEADLINE)
        self.directory = messages.Directory.from_json(self.net.get(server.url + "/directory").json())
        self.acme = acme_client.ClientV2(self.directory, self.net)
        agreed = True if self.directory.meta.terms_of_service else None
        self.account = self.acme.new_account(
            messages.NewRegistration(terms_of_service_agreed=agreed)) if register else None

    @property
    def thumbprint(self):
        return base64.urlsafe_b64encode(self.key.thumbprint()).rstrip(b"=").decode()

    def post(self, url, payload=None):
        """A signed POST of a plain dictionary (None: POST-as-GET); returns the response. Raises messages.Error."""
        body = RawJson(payload) if payload is not None else None
        return self.acme._post(url, body) if body is not None else self.acme._post_as_get(url)

    def get(self, url):
        return self.post(url).json()

    def new_order(self, *addresses):
        """The order as a dictionary, with its "url"."""
        identifiers = [{"type": "email", "value": address} for address in addresses]
        response = self.post(self.server.url + "/new-order", {"identifiers": identifiers})
        return dict(response.json(), url=response.headers["Location"])

    def authorization(self, order, index=0):
        """Fetches an authorization, which triggers its mail; its challenge is under "challenges"[0]."""
        return self.get(order["authorizations"][index])

    def respond(self, challenge):
        return self.post(challenge["url"], {}).json()

    def poll(self, url, until, deadline=DEADLINE):
        """Fetches url until until(object) is true; returns the object."""
        end = time.monotonic() + deadline
        while True:
            found = self.get(url)
            if until(found):
                return found
            if time.monotonic() > end:
                raise AssertionError(f"{url} stays {found}")
            time.sleep(0.1)

    def finalize(self, order, csr_der):
        return self.post(order["finalize"], {"csr": b64(csr_der)}).json()

    def certificate(self, order):
        """The chain (of x509.Certificate) of an order that is valid."""
        order = self.poll(order["url"], lambda o: o["status"] in ("valid", "invalid"))
        if order["status"] != "valid":
            raise AssertionError(f"the order is {order}")
        response = self.post(order["certificate"])
        pem = response.content
        if len(pem) != int(response.headers["Content-Length"]):  # the server was killed meanwhile; the library lets it pass
            raise requests.ConnectionError("the answer was cut off")
        return [x509.load_pem_x509_certificate(part) for part in
                re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", pem, re.S)]


class RawJson(josepy.JSONDeSerializable):
    """A dictionary as the library wants its payloads."""

    def __init__(self, fields):
        self.fields = fields

    def to_partial_json(self):
        return self.fields

    def to_json(self):
        return self.fields

    def json_dumps(self, **options):
        import json
        return json.dumps(self.fields)

    @classmethod
    def from_json(cls, jobj):
        return cls(jobj)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_csr(key, *addresses, usage=None):
    """A request in DER for rfc822Names; usage: names of x509.KeyUsage fields that are set."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
        x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses]), False)
    if usage is not None:
        fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                  "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
        builder = builder.add_extension(x509.KeyUsage(**{field: field in usage for field in fields}), True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(*addresses):
    """A certificate of no CA that names these addresses, PEM."""
    key, now = new_key(), datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
               .serial_number(x509.random_serial_number()).not_valid_before(now)
               .not_valid_after(now + datetime.timedelta(days=30)))
    if addresses:
        names = x509.SubjectAlternativeName([x509.RFC822Name(address) for address in addresses])
        builder = builder.add_extension(names, False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def token_part1(challenge_mail):
    """From the Subject of a challenge mail (an email.message.Message)."""
    return re.fullmatch(r"ACME: (\S+)", challenge_mail["Subject"]).group(1)


def digest(user, token1, token2):
    return b64(hashlib.sha256(f"{token1}{token2}.{user.thumbprint}".encode()).digest())


def reply_to(challenge_mail, address, response, **fields):
    """The reply that Python's e-mail library writes; fields: header fields over the usual ones (name with _ for -)."""
    reply = email.message.EmailMessage(policy=email.policy.SMTP)
    headers = {"From": address, "To": challenge_mail["Reply-To"] or challenge_mail["From"],
               "Subject": "Re: " + challenge_mail["Subject"], "In-Reply-To": challenge_mail["Message-ID"],
               "Date": email.utils.formatdate(), "Message-ID": email.utils.make_msgid(domain=address.split("@")[1])}
    headers.update({name.replace("_", "-"): value for name, value in fields.items()})
    for name, value in headers.items():
        if value is not None:
            reply[name] = value
    reply.set_content(f"-----BEGIN ACME RESPONSE-----\n{response}\n-----END ACME RESPONSE-----\n")
    return reply


class _Dkim(dkim.DKIM):
    """dkimpy's signer with tags of the test's own: in place of its own ones, new ones before h=."""

    tags = {}

    def gen_header(self, fields, *arguments, **options):
        own = {name for name, _ in fields}
        fields = [(name, self.tags.get(name, value)) for name, value in fields]
        place = [name for name, _ in fields].index(b"h")
        fields[place:place] = [(name, value) for name, value in self.tags.items() if name not in own]
        return super().gen_header(fields, *arguments, **options)


def dkim_sign(raw, key, *, domain=None, selector=None, headers=("from", "subject"), tags={}, algorithm="rsa-sha256",
              length=False, canon="relaxed/relaxed"):
    """The message (octets) with a signature of key (a DkimKey) on top, made by dkimpy. tags: {name: value}, further
    ones or in place of dkimpy's."""
    signer = _Dkim(raw)
    signer.tags = {name.encode(): str(value).encode() for name, value in tags.items()}
    pem = key.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                serialization.NoEncryption())
    field = signer.sign((selector or key.selector).encode(), (domain or key.domain).encode(), pem,
                        signature_algorithm=algorithm.encode(), include_headers=[name.encode() for name in headers],
                        canonicalize=tuple(part.encode() for part in canon.split("/")), length=length)
    return field + raw


def challenge_mail(maildir, challenge):
    """The challenge's mail (a lab.Mail) in a maildir: waits for it."""
    return maildir_wait(maildir, lambda mail: mail["From"] == challenge["from"])


def deliver(server, challenge, raw, sender="ann@user.test"):
    """Hands a reply straight to signetd's SMTP port."""
    submit(HOST, server.smtp, sender, challenge["from"], raw)


def prove(server, user, order, maildir, key, index=0, respond=True):
    """Carries an authorization to its end: the reply is signed here with key and delivered straight."""
    authorization = user.authorization(order, index)
    challenge, address = authorization["challenges"][0], authorization["identifier"]["value"]
    mail = challenge_mail(maildir, challenge).message
    reply = reply_to(mail, address, digest(user, token_part1(mail), challenge["token"]))
    deliver(server, challenge, dkim_sign(reply.as_bytes(), key), address)
    if respond:
        user.respond(challenge)
        user.poll(order["authorizations"][index], lambda a: a["status"] == "valid")


def lines(text):
    return text.replace("\n", "\r\n").encode()


def report(address, action="failed", status="5.1.1", words="550 5.1.1 no such user"):
    """What RFC 3464 says, by nobody's server."""
    return lines(f"""\
From: MAILER-DAEMON@user.test
To: x@ca.test
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

Something happened.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.user.test

Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--b--
""")
