# SPDX-License-Identifier: Apache-2.0
"""The guides of docs/, walked through as they are written: every block of commands in order, with the packages installed over this very
system in an overlay that vanishes, on a loopback network of its own, so that ports and paths are those of the guide.

What is not as written, and what stands in for it here:

  in the guide                       here
  sudo                               left out: the block is run by root, all others of the person by the person
  systemctl, loginctl, journalctl    tests/systemctl.py, which starts programs as their units say (tests/service.py)
  acme.example.org and other hosts   127.0.0.1 by /etc/hosts; their TLS certificates are of a CA that the overlay trusts
  the DNS                            a real name server with signed zones: [dns] trust-anchor and stub are added to signetctl setup
  the mail server, the provider      a real Postfix, OpenDKIM and Dovecot of tests/lab.py; /etc/postfix is its configuration
  what a person does by hand         the test does it, where the text says so: answer a mail, publish records, carry a file
"""

import os
import pathlib
import pwd
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import unittest
from unittest import mock

import installed
import lab
import signet_lab as signet
from lab import HOST, DkimKey, maildir_list

DOCS = installed.SOURCE / "docs"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def blocks(page):
    """The blocks of commands of a guide, in order."""
    return re.findall(r"^```sh\n((?:(?!```).*\n)*)```$", (DOCS / page).read_text(), re.M)


class GuideCase(lab.LabCase):
    """page: the guide, whose blocks are run one after the other by block(); hosts: names that stand for this host in it."""

    page = None
    hosts = ()

    def setUp(self):
        super().setUp()
        self.home, self.user = pathlib.Path("/root"), None
        self.left = blocks(self.page)
        for package in pathlib.Path(os.environ["SIGNET_PACKAGES"]).glob("*.deb"):
            shutil.copy(package, self.home)
        pathlib.Path("/etc/dpkg/dpkg.cfg.d/lab").write_text("force-unsafe-io\n")
        pathlib.Path("/etc/apt/apt.conf.d/99lab").write_text('APT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n')
        pathlib.Path("/etc/hosts").write_text("".join(f"{HOST} {name}\n" for name in ("localhost", *self.hosts)))
        pathlib.Path("/etc/resolv.conf").write_text(f"nameserver {HOST}\noptions attempts:1 timeout:1\n")
        for name in ("systemctl", "loginctl"):
            path = pathlib.Path("/usr/local/sbin") / name
            shutil.copy(installed.SOURCE / "tests/systemctl.py", path)
            path.chmod(0o755)
        pathlib.Path("/usr/lib/signet-lab").mkdir()
        shutil.copy(installed.SOURCE / "tests/service.py", "/usr/lib/signet-lab")
        self.authority = signet.Authority(self.lab.folder("authority"))
        with BUNDLE.open("a") as bundle:
            bundle.write(self.authority.path.read_text())

    def tearDown(self):
        self.sh("systemctl stop --all")

    def person(self, name):
        """Whose the blocks are from now on."""
        self.sh(f"useradd --create-home --shell /bin/sh {name}")
        self.user = pwd.getpwnam(name)
        for package in self.home.glob("*.deb"):
            shutil.copy(package, self.user.pw_dir)
        self.home = pathlib.Path(self.user.pw_dir)

    def words(self, text):
        """Each block stops at its first failure."""
        user = [] if self.user is None or text.startswith("sudo ") else [
            "setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        text = re.sub(r"(?m)^sudo ", "", text)
        return [*user, "env", "-i", "-C", str(self.home), f"HOME={self.home}", f"PATH={PATH}", "LC_ALL=C.UTF-8", "sh", "-e", "-c", text]

    def sh(self, text, status=0):
        done = subprocess.run(self.words(text), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        self.assertEqual(done.returncode, status, f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def block(self, word):
        """The next block, which has this word in it; what it printed."""
        text = self.left.pop(0)
        self.assertIn(word, text)
        return self.sh(self.changed(text))

    def changed(self, text):
        return text

    def provider(self, domain, *names, host, routes):
        """A mail server that signs, with mailboxes to be reached by IMAP and submission at the usual ports. Every password is "secret"."""
        self.dkim = DkimKey(domain, "s1")
        milter = lab.OpenDKIM(self.lab, [self.dkim])
        with mock.patch.object(self.lab, "free_port", side_effect=[25]):
            self.postfix = lab.Postfix(self.lab, {domain: names}, routes=routes, milter=milter)
        with mock.patch.object(self.lab, "free_port", side_effect=[143, 993, 587]):
            self.dovecot = lab.Dovecot(self.lab, self.postfix, self.authority.pair("mail", host))

    def signed(self, zones):
        """Beside them the domains above, which CAA records are asked of too."""
        return lab.SignedZones(self.lab, {**zones, "com": [("@", "TXT", "com")], "org": [("@", "TXT", "org")]})

    def inbox(self, address):
        return maildir_list(self.postfix.maildir(address))


class Person(GuideCase):
    page = "guide-person.md"
    hosts = "acme.example.org", "mail.example.com"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "ann", host="mail.example.com", routes={"ca.example.org": f"{HOST}:2525"})
        self.zones = self.signed({"example.com": [self.dkim.record()], "ca.example.org": [("@", "A", HOST)]})
        self.authority_server()
        self.person("ann")

    def authority_server(self):
        """Somebody else's CA."""
        certificate, key = self.authority.pair("acme", "acme.example.org")
        self.server = signet.Signetd(self.lab, relay=f"{HOST}:25", domain="ca.example.org", zones=self.zones, start=False, settings={
            "acme": {"url": "https://acme.example.org", "listen": f"{HOST}:443", "tls-certificate": certificate, "tls-key": key,
                     "terms-of-service": "https://acme.example.org/terms"},
            "mail": {"listen": f"{HOST}:2525"}})
        self.server.https, self.server.smtp = 443, 2525
        self.server.url, self.server.tls = "https://acme.example.org", self.authority.path
        self.server.start()

    def by_hand(self, text):
        """Step 2: pastes the subject, and answers with the text that is printed, as a mail program does."""
        client = subprocess.Popen(self.words(text), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(client.stdout.close)
        mail = self.lab.wait_for(lambda: self.inbox("ann@example.com"), "the challenge mail")[0].message
        client.stdin.write(mail["Subject"] + "\n")
        client.stdin.flush()
        printed = ""
        while "-----END ACME RESPONSE-----" not in printed:
            line = client.stdout.readline()
            if not line:
                self.fail(client.stderr.read())
            printed += line
        block = re.search(r"-----BEGIN ACME RESPONSE-----\n.*-----END ACME RESPONSE-----", printed, re.S)[0]
        self.answer(mail, block)
        out, error = client.communicate(timeout=120)
        self.assertEqual(client.returncode, 0, printed + out + error)

    def answer(self, mail, text):
        reply = signet.reply_to(mail, "ann@example.com", "")
        reply.set_content(text + "\n\nAnn\n")
        with smtplib.SMTP("mail.example.com", 587, local_hostname="ann.example.com", timeout=60) as session:
            session.starttls(context=ssl.create_default_context())
            session.login("ann@example.com", "secret")
            session.send_message(reply)

    def test_as_written(self):
        self.block("apt install")
        self.by_hand(self.left.pop(0))
        folder = self.home / "smime"
        self.assertEqual({path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")},
                         {"ann.p12", "ann.p12.password", "ann.pem", "ann.key", "ann.renewal"})
        first = (folder / "ann.pem").read_bytes()
        self.block("--mail imap")
        self.assertNotEqual((folder / "ann.pem").read_bytes(), first)
        said = self.block("import-help")
        self.assertIn("Thunderbird", said)
        self.sh("openssl pkcs12 -in smime/ann.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        self.block("export")
        self.sh("openssl pkcs12 -legacy -in smime/ann-old.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        self.assertIn("ann: at ", self.block("signet-renew.timer"))
        serial = self.serial()
        self.assertIn("renewed ann until", self.block("--force"))
        self.assertNotEqual(self.serial(), serial)
        self.assertTrue(any((folder / "old").glob("ann.*.p12")))
        self.sh("openssl pkcs12 -in smime/ann.p12 -passin file:smime/ann.p12.password -nokeys -noout")
        serial = self.serial()
        self.block("revoke")
        self.assertEqual(self.server.query("SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL"), [(1,)])
        key = self.home / ".config/signet/acme.example.org_directory.key"
        before = key.read_bytes()
        self.assertIn("agreed to", self.block("account show"))
        self.assertNotEqual(key.read_bytes(), before)
        self.assertEqual(self.left, [])

    def serial(self):
        return self.sh("openssl x509 -in smime/ann.pem -noout -serial")


class MailAdmin(GuideCase):
    page = "guide-mail-admin.md"
    hosts = "ca.example.com", "mail.example.com"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "postmaster", host="mail.example.com", routes={})
        self.zones = self.signed({"example.com": [self.dkim.record(), ("ca", "A", HOST), ("mail", "A", HOST)]})
        shutil.rmtree("/etc/postfix", ignore_errors=True)
        pathlib.Path("/etc/postfix").symlink_to(self.postfix.path / "etc")
        pathlib.Path("/var/mail/vhosts").symlink_to(self.postfix.mail)
        lab.submit(HOST, 25, "ann@example.com", "postmaster@example.com", b"From: ann@example.com\r\nSubject: hello\r\n\r\nhello\r\n")
        lab.maildir_wait(self.postfix.maildir("postmaster@example.com"))  # one that had mail before
        live = pathlib.Path("/etc/letsencrypt/live/ca.example.com")
        live.mkdir(parents=True)
        for path, name in zip(self.authority.pair("ca", "ca.example.com"), ("fullchain.pem", "privkey.pem")):
            shutil.copy(path, live / name)

    def changed(self, text):
        """The DNS of the lab in place of that of the world; its keys where Signet's user can read them."""
        if "signetctl setup" not in text:
            return text
        anchor = shutil.copy(self.zones.anchor_file, "/etc/signet/anchor")
        return text.replace("signetctl setup ", f"signetctl setup --set dns.trust-anchor={anchor} --set 'dns.stub={'; '.join(self.zones.stubs)}' ")

    def publish(self, text):
        """Step 5: what dns show printed, into the zone."""
        records = []
        for name, kind, data in re.findall(r"^(\S+)\.example\.com\. IN (\w+) (.*)$", text, re.M):
            parts = re.findall(r'"((?:[^"\\]|\\.)*)"', data)
            records.append((name, kind, "".join(parts) if kind == "TXT" else data))
        self.assertEqual(sorted(kind for _, kind, _ in records), ["MX", "TXT", "TXT", "TXT"])
        self.zones.add("example.com", *records)

    def test_as_written(self):
        self.block("apt install")
        self.block("install -o signet")
        self.block("postmap")
        self.assertNotIn("problem", self.block("signetctl setup"))
        self.block("/root/away")
        self.publish(self.block("dns show"))
        self.assertNotRegex(self.block("dns check"), "missing|wrong|unknown")
        self.assertIn("healthy", self.block("systemctl enable --now signetd"))
        self.block("signet-check.timer")
        self.assertIn("valid postmaster@example.com", self.block("signet request"))
        self.keep()
        self.watch()
        self.assertEqual(self.left, [])

    def keep(self):
        """A certificate that the backup does not know is there after the restore."""
        self.block("signetctl backup")
        self.sh("signet renew /root/smime --force")
        issued = self.sh("openssl x509 -in /root/smime/postmaster.pem -noout -serial").strip().split("=")[1]
        said = self.block("signetctl restore")
        self.assertIn("healthy", said)
        self.sh(f"signetctl certificate revoke {issued} --reason superseded")
        self.assertIn("lists", self.block("signetctl check all"))

    def watch(self):
        self.block("signetctl report")
        self.assertIn("<svg", pathlib.Path("/root/signet-report.html").read_text())
        self.assertIn("signet_build_info", self.block("curl"))


class CaOperator(GuideCase):
    page = "guide-ca-operator.md"
    hosts = "acme.example.org", "pki.example.org", "smtp.example.org"

    def setUp(self):
        super().setUp()
        self.provider("example.com", "ann", host="mail.example.com", routes={"ca.example.org": f"{HOST}:2525"})
        self.zones = self.signed({"example.com": [self.dkim.record()],
                                  "example.org": [("acme", "A", HOST), ("pki", "A", HOST), ("ca", "A", HOST), ("smtp", "A", HOST)]})
        lab.submit(HOST, 25, "ann@example.com", "ann@example.com", b"From: ann@example.com\r\nSubject: hello\r\n\r\nhello\r\n")
        lab.maildir_wait(self.postfix.maildir("ann@example.com"))
        pathlib.Path("/media/stick").mkdir()

    def changed(self, text):
        """Port 25 is the relay's, which is on this host too."""
        if "signetctl setup" not in text:
            return text
        anchor = shutil.copy(self.zones.anchor_file, "/etc/signet/anchor")
        return text.replace("signetctl setup ", f"signetctl setup --set dns.trust-anchor={anchor} --set 'dns.stub={'; '.join(self.zones.stubs)}' "
                            f"--set mail.listen={HOST}:2525 ")

    def carry(self, *paths):
        for path in paths:
            shutil.copy(path, "/media/stick")

    def test_as_written(self):
        self.block("ca root")
        self.assertIn("2 entries, good", self.block("ca transcript"))
        self.block("softhsm2-util")
        self.block("ca csr")
        self.carry("/etc/signet/ca/issuing.csr")
        self.block("ca issuing")
        self.carry(*(f"/media/root/{name}" for name in ("issuing.pem", "root.pem", "root.crl")))
        self.block("ca import")
        self.assertIn("healthy", self.block("signetctl setup"))
        self.block("check all")
        self.issue()
        self.block("audit verify")
        self.look()
        self.assertEqual(self.left, [])

    def issue(self):
        """A person of the CA."""
        installed.run("dpkg", "-i", *self.home.glob("signet-client_*.deb"))
        self.sh("signet request ann@example.com --directory https://acme.example.org/directory --ca-file /etc/signet/tls.pem --out /root "
                f"--mail maildir --maildir {self.postfix.maildir('ann@example.com')} --smtp {HOST}:25")

    def look(self):
        """Evidence, revocation, a bad day, retention."""
        self.sh("systemctl restart signetd")  # which signs the checkpoint that a minute would bring
        self.assertNotIn("FAILED", self.block("evidence verify"))
        self.block("certificate revoke")
        self.block("ca crl")
        self.block("issuance stop")
        self.block("purge show")


if __name__ == "__main__":
    GUIDES = ["Person", "MailAdmin", "CaOperator"]
    if "SIGNET_PACKAGES" in os.environ:
        unittest.main()
    elif os.geteuid() != 0:
        print("packages are installed by root")
    else:
        installed.run_inside(__file__, sys.argv[1:] or GUIDES)
