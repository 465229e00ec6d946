# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: what is in them, and their life: installed over this very system in an overlay that vanishes, set up,
started under the restrictions of their own unit as far as they can run without systemd, a certificate, upgraded, purged."""

import gzip
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import lab
from installed import OVERLAY, RELEASE, SOURCE, alone, built, run
from lab import HOST, DkimKey

PROGRAMS = {"server": ("usr/sbin/signetd", "usr/bin/signetctl"), "client": ("usr/bin/signet",)}
SERVER_PAGES = "operating", "configuration", "guide-mail-admin", "guide-ca-operator", "monitoring", "scaling", "troubleshooting"
PAGES = {"signetd": 8, "signetctl": 8, "signet.conf": 5, "signet": 1}
UNIT = "/usr/lib/systemd/system/signetd.service"
ADDRESS = "127.83.71.1"  # of the loopback network, so that ports below 1024 are free
DOMAIN = "ca.test"
NET_BIND_SERVICE = 1 << 10
PRIVATE = "unshare", "--mount", "--propagation", "private"


class PackageCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="signet-packages-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.packages = built(cls.folder)
        cls.version = re.search(r"VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text().split("project(")[1])[1]


class Contents(PackageCase):
    def unpacked(self, name):
        folder = self.folder / f"{name}-files"
        if not folder.exists():
            run("dpkg-deb", "-R", self.packages[name], folder)
        return folder

    def files(self, name):
        folder = self.unpacked(name)
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "DEBIAN" not in path.parts}

    def test_files(self):
        shared = {"usr/share/doc/signet-{}/copyright", "usr/share/doc/signet-{}/changelog.gz"}
        for name, programs in PROGRAMS.items():
            words = [program.rsplit("/", 1)[1] for program in programs]
            wanted = {*programs, *(path.format(name) for path in shared),
                      *(f"usr/share/bash-completion/completions/{word}" for word in words),
                      *(f"usr/share/man/man{section}/{page}.{section}.gz" for page, section in PAGES.items()
                        if (page in words) or (page == "signet.conf" and name == "server"))}
            if name == "server":
                wanted |= {"usr/share/signet/signet.conf", "usr/lib/sysusers.d/signet.conf", "usr/lib/tmpfiles.d/signet.conf",
                           *(f"usr/lib/systemd/system/{unit}" for unit in ("signetd.service", "signet-check.service", "signet-check.timer")),
                           *(f"usr/share/doc/signet-server/{page}.md" for page in SERVER_PAGES),
                           "usr/share/doc/signet-server/monitoring/signet.rules.yml", "usr/share/doc/signet-server/monitoring/signet-dashboard.json"}
            else:
                wanted |= {*(f"usr/lib/systemd/user/signet-renew.{kind}" for kind in ("service", "timer")),
                           "usr/lib/systemd/system/signet-gateway.service",
                           "usr/share/doc/signet-client/gateway.md", "usr/share/doc/signet-client/guide-person.md"}
            self.assertEqual(self.files(name), wanted)
            for program in programs:
                self.assertTrue(os.access(self.unpacked(name) / program, os.X_OK))

    def test_control(self):
        for name in PROGRAMS:
            fields = dict(re.findall(r"^(\w[\w-]*): (.*)", (self.unpacked(name) / "DEBIAN/control").read_text(), re.M))
            self.assertEqual((fields["Package"], fields["Version"]), (f"signet-{name}", self.version))
            for library in ("libc6", "libssl3", "libglib2.0-0", "ca-certificates"):
                self.assertRegex(fields["Depends"], rf"(^|, ){library}\b")
        with gzip.open(self.unpacked("server") / "usr/share/doc/signet-server/changelog.gz", "rt") as file:
            text = file.read()
        self.assertTrue(text.startswith(f"signet ({self.version}) "))
        self.assertIn(f"\n -- {fields['Maintainer']}  ", text)

    def test_lintian(self):
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *self.packages.values()],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_configuration(self):
        """Every key, none set."""
        text = (self.unpacked("server") / "usr/share/signet/signet.conf").read_text()
        self.assertEqual(text, run(RELEASE / "signetd", "--template"))
        keys = re.findall(r"^#?([a-z0-9-]+) =", run(RELEASE / "signetd", "--keys"), re.M)
        self.assertEqual(re.findall(r"^#([a-z0-9-]+) =", text, re.M), keys)
        self.assertEqual(re.findall(r"^[^#\[\n].*", text, re.M), [])

    def test_man_pages(self):
        """Readable without a word of warning, with every option of the source."""
        for page, section in PAGES.items():
            path = self.unpacked("client" if page == "signet" else "server") / f"usr/share/man/man{section}/{page}.{section}.gz"
            done = subprocess.run(["man", "--warnings", "-P", "cat", "-l", path], capture_output=True, text=True, check=True,
                                  env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
            self.assertEqual(done.stderr, "")
            text = re.sub(r"\s+", " ", done.stdout.replace("\u2010\n", "").replace("\u2010", "-"))
            source = (SOURCE / f"docs/man/{page}.{section}.md").read_text()
            for option in set(re.findall(r"^`(-[^`]*)`", source, re.M)):
                self.assertIn(option, text)
            for title in re.findall(r"^## (.*)", source, re.M):
                self.assertIn(title, text)

    def test_install_by_cmake(self):
        """Below another prefix the units name the programs there; a configuration that is there stays."""
        stage = self.folder / "stage"
        (stage / "etc/signet").mkdir(parents=True)
        (stage / "etc/signet/signet.conf").write_text("# mine\n")
        with alone():
            run("cmake", "--install", RELEASE, "--prefix", "/opt/signet", env={**os.environ, "DESTDIR": str(stage)})
        self.assertEqual((stage / "etc/signet/signet.conf").read_text(), "# mine\n")
        for program in sum(PROGRAMS.values(), ()):
            self.assertTrue((stage / "opt/signet" / program.removeprefix("usr/")).exists())
        unit = (stage / "opt/signet/lib/systemd/system/signetd.service").read_text()
        self.assertIn("\nExecStart=/opt/signet/sbin/signetd\n", unit)

    def complete(self, *words):
        """What bash offers for the last word."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _signet; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for program in ("signetd", "signetctl", "signet"):
            if not (folder / program).exists():
                (folder / program).symlink_to(RELEASE / program)
        done = run("bash", "-c", script, "bash", SOURCE / "packaging/completion/signet.bash", *words,
                   env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
        return set(done.split())

    def test_completion(self):
        """Every command and every option of --help, and nothing else."""
        table = [(line[2:13].strip(), line[14:24].strip()) for line in run(RELEASE / "signetctl", "--help").splitlines()
                 if re.match(r"  [a-z]", line)]
        self.assertEqual(self.complete("signetctl", ""), {noun for noun, _ in table})
        self.assertEqual(self.complete("signetctl", "ca", "is"), {"issuing"})
        self.assertEqual(self.complete("signetctl", "ca", ""), {verb for noun, verb in table if noun == "ca"})
        self.assertEqual(self.complete("signetctl", "nonsense", "x"), set())
        self.assertEqual(self.complete("signet", "re"), {"renew", "request", "revoke"})
        for words in (("signetctl", "ca", "issuing"), ("signetctl", "health"), ("signet", "request"), ("signetd",)):
            lines = [line for line in run(RELEASE / words[0], *words[1:], "--help").splitlines() if re.match(r" +-", line)]
            options = {option for line in lines for option in re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", re.split(r"\s{2,}", line.strip())[0])}
            self.assertTrue(options)
            self.assertEqual(self.complete(*words, "-"), options, words)
            self.assertEqual(self.complete(*words, "--h"), {option for option in options if option.startswith("--h")})


class Overlay:
    """This system with a layer over it that takes all changes, in a mount namespace that ends with the lab."""

    SCRIPT = OVERLAY + 'touch "$1/root/tmp/ready"\nexec sleep infinity\n'

    def __init__(self, laboratory):
        folder = laboratory.folder("overlay")
        self.root = folder / "root"
        self.holder = laboratory.spawn("overlay", [*PRIVATE, "sh", "-c", self.SCRIPT, "sh", folder])
        laboratory.wait_for(lambda: self.outside("/tmp/ready").exists(), "the overlay")

    def outside(self, path):
        """A path of it as seen from here."""
        return pathlib.Path(f"/proc/{self.holder.pid}/root{self.root}{path}")

    def words(self, *words, private=()):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", *private, "chroot", str(self.root), "env", "-C", "/", *map(str, words)]

    def run(self, *words):
        return run(*self.words(*words))


@unittest.skipUnless(os.geteuid() == 0, "packages are installed by root")
class Life(PackageCase):
    def setUp(self):
        self.lab = lab.Lab().__enter__()
        self.addCleanup(lambda: self.lab.leave(self._outcome.result is None or not self._outcome.success))
        self.system = Overlay(self.lab)

    def test_life(self):
        self.install()
        self.check_unit()
        self.set_up()
        self.start()
        self.check_restrictions()
        self.check_lmtp()
        self.issue()
        self.check_nightly()
        self.stop()
        self.upgrade()
        self.purge()

    def install(self):
        for package in self.packages.values():
            shutil.copy(package, self.system.outside("/tmp"))
        shutil.copy(SOURCE / "tests/service.py", self.system.outside("/usr/lib/service.py"))
        said = self.system.run("sh", "-c", "dpkg --force-unsafe-io -i /tmp/signet-*.deb")
        self.assertIn("next, signetctl setup", said)
        self.assertRegex(self.system.run("getent", "passwd", "signet"), r"^signet:x:\d+:\d+:Signet:/var/lib/signet:\S*/nologin$")
        self.assertEqual(self.system.run("find", "/etc/systemd/system", "-name", "signet*"), "")
        self.assertEqual(self.system.run("stat", "-c", "%U:%G %a", "/etc/signet", "/var/lib/signet", "/var/log/signet", "/etc/signet/signet.conf"),
                         "root:signet 750\nsignet:signet 700\nsignet:signet 750\nroot:signet 640\n")

    def check_unit(self):
        for unit in (UNIT, UNIT.replace("signetd", "signet-check"), UNIT.replace("signetd.service", "signet-check.timer"),
                     UNIT.replace("signetd", "signet-gateway")):
            done = subprocess.run(self.system.words("systemd-analyze", "verify", "--man=yes", unit), capture_output=True, text=True)
            self.assertEqual([line for line in done.stderr.splitlines() if "signet" in line], [])
        # 0 is best, 10 is worst; the network and a port below 1024 are needed.
        for unit in (UNIT, UNIT.replace("signetd", "signet-check")):
            self.system.run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)

    def set_up(self):
        self.key = DkimKey("user.test", "s1")
        (self.lab.path / "user.pem").write_bytes(self.key.pem())
        shutil.copy(self.lab.path / "user.pem", self.system.outside("/root"))
        zone = self.system.outside("/etc/signet/zone.txt")
        zone.write_text(f'{self.key.selector}._domainkey.user.test. IN TXT {lab.txt_data(self.key.text())}\n')
        zone.chmod(0o644)
        self.relay = f"{HOST}:{self.lab.free_port()}"
        self.setup = ["signetctl", "setup", "--offline", "--domain", DOMAIN, "--relay", self.relay, "--url", f"https://{ADDRESS}",
                      *(word for setting in (f"acme.listen={ADDRESS}:443", f"publish.listen={ADDRESS}:80", f"mail.listen={ADDRESS}:25",
                                             "dns.local-data=/etc/signet/zone.txt", "mail.challenge-delay=0s") for word in ("--set", setting))]
        self.add_lmtp()
        said = self.system.run(*self.setup)
        self.assertIn("good     signetd --check\n", said)
        self.assertIn("systemctl enable --now signetd\n", said)
        self.assertNotIn("made ", self.system.run(*self.setup))
        self.encrypt_keys()

    def add_lmtp(self):
        """A socket for the mail server of the host, as docs/operating.md has it: without the folder signetd may not make one in /run."""
        text = (SOURCE / "docs/operating.md").read_text()
        socket_path = re.search(r"^    lmtp = (/run/\S+)$", text, re.M)[1]
        directive = re.search(r"`systemctl edit signetd` and `(RuntimeDirectory=\S+)` below `\[Service\]`", text)[1]
        drop_in = self.system.outside("/etc/systemd/system/signetd.service.d/override.conf")
        drop_in.parent.mkdir()
        drop_in.write_text(f"[Service]\n{directive}\n" + self.credential()[1])
        self.socket = socket_path
        self.setup += ["--set", f"mail.lmtp={socket_path}"]

    def credential(self):
        """The passphrase of the CA's keys as the unit proposes it: its place for signetd, the directive."""
        text = self.system.outside(UNIT).read_text()
        place, directive = (re.search(rf"(?m)^#{pattern}", text)[1] for pattern in (r" \[ca\] passphrase-file = (\S+)$", r"(LoadCredential=\S+\n)"))
        return place, directive

    def encrypt_keys(self):
        """From now on signetd has to be given the passphrase by the service manager."""
        place, directive = self.credential()
        secret = directive.strip().split(":")[1]
        self.system.run("sh", "-e", "-c", f"""
mkdir {os.path.dirname(secret)}; (umask 077; echo "open, please" > {secret})
for name in issuing audit; do
  key=/etc/signet/ca/$name.key
  openssl pkcs8 -topk8 -in $key -out $key.new -passout file:{secret}; cat $key.new > $key; rm $key.new
done
sed -i '/^\[ca\]/a passphrase-file = {place}' /etc/signet/signet.conf""")

    def check_lmtp(self):
        """Health asks it too; the mail server's user may."""
        script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(3).decode())"
        self.assertEqual(self.system.run("setpriv", "--reuid=postfix", "--regid=postfix", "--clear-groups",
                                         "/usr/bin/python3", "-c", script, self.socket), "220\n")

    def start(self):
        """Type=notify: it says when it is ready."""
        notice = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notice.close)
        name = f"signet-lab-{os.getpid()}"
        notice.bind("\0" + name)
        notice.setblocking(False)
        self.notice = notice
        self.server = self.lab.spawn("signetd", self.system.words(f"NOTIFY_SOCKET=@{name}", "/usr/bin/python3", "/usr/lib/service.py", UNIT,
                                                                  private=PRIVATE), self.is_ready)
        self.assertEqual(self.system.run("signetctl", "health"), "healthy\n")

    def heard(self):
        """What the service manager was told, if it was."""
        try:
            return self.notice.recv(100)
        except BlockingIOError:
            return b""

    def is_ready(self):
        return self.heard() == b"READY=1"

    def roles(self):
        return [int(pid) for pid in pathlib.Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()]

    def check_restrictions(self):
        uid = int(self.system.run("id", "-u", "signet"))
        for pid in (self.server.pid, *self.roles()):
            status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            self.assertEqual({int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")}, {NET_BIND_SERVICE})
            mounts = {fields[4]: fields[5].split(",")[0] for fields in
                      map(str.split, pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())}
            self.assertEqual([mounts[path] for path in ("/", "/run", "/run/signet-lmtp", "/var/lib/signet", "/root")], ["ro", "ro", "rw", "rw", "ro"])

    def issue(self):
        port = self.relay.rsplit(":", 1)[1]
        said = self.system.run(
            "signet", "request", "ann@user.test", "--directory", f"https://{ADDRESS}/directory", "--ca-file", "/etc/signet/tls.pem",
            "--account-key", "/root/account.key", "--out", "/root", "--mail", "listen", "--listen", f"{HOST}:{port}", "--smtp", f"{ADDRESS}:25",
            "--dkim-key", "/root/user.pem", "--dkim-domain", "user.test", "--dkim-selector", self.key.selector, "--timeout", "5m")
        self.assertTrue(self.system.outside("/root/ann.pem").exists(), said)
        self.assertRegex(self.system.run("signetctl", "status"), r"(?m)^ +last certificate \d+ s ago$")

    def check_nightly(self):
        """What the timer starts, restricted as its unit says."""
        run(*self.system.words("/usr/bin/python3", "/usr/lib/service.py", UNIT.replace("signetd", "signet-check"), private=PRIVATE))
        self.assertTrue(self.system.outside("/var/log/signet/check.json").exists())

    def stop(self):
        self.server.send(signal.SIGTERM)
        self.assertEqual(self.lab.wait_for(self.heard, "word of the stop"), b"STOPPING=1")
        self.lab.wait_for(lambda: not self.server.alive(), "signetd to stop")
        self.assertEqual(self.server.status(), 0, self.server.text())
        # The restrictions are in nobody's way.
        self.assertEqual(re.findall(r".*level=(?:warning|error).*", self.server.text()), [])

    def upgrade(self):
        """To a version with another template: the configuration stays as set-up wrote it, and nobody is asked about it."""
        next_one = self.folder / "next"
        run("dpkg-deb", "-R", self.packages["server"], next_one)
        for name, old, new in (("DEBIAN/control", f"Version: {self.version}\n", f"Version: {self.version}+1\n"),
                               ("usr/share/signet/signet.conf", "[acme]\n", "[acme]\n# a new key\n")):
            text = (next_one / name).read_text()
            self.assertIn(old, text)
            (next_one / name).write_text(text.replace(old, new))
        (next_one / "DEBIAN/md5sums").unlink()
        run("dpkg-deb", "-b", next_one, self.system.outside("/tmp/next.deb"))
        conf = self.system.outside("/etc/signet/signet.conf")
        before = conf.read_bytes()
        said = self.system.run("sh", "-c", "dpkg --force-unsafe-io -i /tmp/next.deb </dev/null")
        self.assertNotIn("next, signetctl setup", said)
        self.assertEqual(self.system.run("dpkg-query", "-W", "-f", "${Version}", "signet-server"), f"{self.version}+1")
        self.assertEqual(conf.read_bytes(), before)

    def purge(self):
        """Programs and configuration go; the CA does not."""
        self.system.run("dpkg", "--force-unsafe-io", "-P", "signet-server", "signet-client")
        for gone in ("/usr/sbin/signetd", "/usr/bin/signet", "/etc/signet/signet.conf", "/var/log/signet", UNIT):
            self.assertFalse(self.system.outside(gone).exists(), gone)
        for kept in ("/etc/signet/ca/issuing.key", "/etc/signet/dkim.key", "/var/lib/signet/signet.db"):
            self.assertTrue(self.system.outside(kept).exists(), kept)


if __name__ == "__main__":
    unittest.main()
