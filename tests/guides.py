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
        done = subprocess.run(self.words(text), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
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


def main(script, case):
    """What the script of a guide does: its test case in a system of its own."""
    if "SIGNET_PACKAGES" in os.environ:
        unittest.main()
    elif os.geteuid() != 0:
        print("packages are installed by root")
    else:
        installed.run_inside(script, sys.argv[1:] or [case])
