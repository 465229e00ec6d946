# SPDX-License-Identifier: Apache-2.0
"""docker/ without a Docker engine: whatever the Dockerfile runs is a script of this repository, and every one of
them is run here, below a temporary folder and on loopback; compose.yml agrees with Dockerfile and configuration."""

import json
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

import dns.message
import dns.query
import yaml

from ports import HOST, free_port

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCKER = SOURCE / "docker"
# Every command of the Dockerfile, and the test that runs it.
TESTED = {
    "scripts/packages build": "test_packages", "scripts/packages run": "test_packages",
    "scripts/packages relay": "test_packages", "scripts/packages resolver": "test_packages",
    "docker/stage /stage": "test_signet", "docker/account": "test_account", "docker/entrypoint": "test_signet",
    "docker/health": "test_signet", "docker/relay": "test_relay", "docker/resolver": "test_resolver",
}


def instructions():
    """The Dockerfile as (stage, word, rest)."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    stage = None
    for line in filter(None, map(str.strip, text.splitlines())):
        word, rest = line.split(None, 1)
        if word == "FROM":
            stage = re.fullmatch(r"\S+ AS (\w+)", rest)[1]
        yield stage, word, rest


def commands():
    for stage, word, rest in instructions():
        if word == "RUN":
            yield stage, re.sub(r"^(--\S+\s+)+", "", rest)
        elif word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            yield stage, " ".join(json.loads(rest[rest.index("["):]))


def of_stage(stage, word):
    return [rest for at, name, rest in instructions() if at == stage and name == word]


def wait_for(what, seconds=150):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return what()
        except OSError:
            time.sleep(0.2)
    return what()


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="signet-docker-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def run_script(self, *words, **environment):
        done = subprocess.run([str(word) for word in words], cwd=SOURCE, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *words, **environment):
        """A process that is stopped, with its session, after the test."""
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen([str(word) for word in words], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, env={**os.environ, **environment}, start_new_session=True)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(150)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return process.wait()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


class Dockerfile(Case):
    def test_every_command_is_a_tested_script(self):
        found = {command for _, command in commands()}
        self.assertEqual(found, set(TESTED))
        for command in found:
            script = SOURCE / command.split()[0]
            self.assertTrue(os.access(script, os.X_OK), script)
        tests = {name for case in (Scripts, Signet) for name in dir(case)}
        self.assertLessEqual(set(TESTED.values()), tests)

    def test_every_command_is_in_its_stage(self):
        """Nothing is run that was not copied; a script's configuration files come with it."""
        for stage, command in commands():
            copied = set()
            for rest in of_stage(stage, "COPY"):
                words = [word for word in rest.split() if not word.startswith("--")]
                copied.update(["."] if words[0] == "." else words[:-1])
            script = command.split()[0]
            self.assertTrue(script in copied or "." in copied, f"{stage}: {command}")
            for name in re.findall(r"\$here/([\w.]+)", (SOURCE / script).read_text()):
                self.assertIn(f"docker/{name}", copied)

    def test_copied_files_exist(self):
        for _, word, rest in instructions():
            words = [part for part in rest.split() if not part.startswith("--")]
            if word == "COPY" and "--from" not in rest:
                for name in words[:-1]:
                    self.assertTrue((SOURCE / name).exists(), name)

    def test_image(self):
        """Multi-stage from Debian 12 slim, not root, one volume, a health check, no secrets."""
        self.assertEqual([rest.split()[0] for _, word, rest in instructions() if word == "FROM"],
                         ["debian:12-slim"] * 4)
        self.assertEqual(of_stage("signet", "USER"), ["990:990"])
        self.assertEqual(of_stage("signet", "VOLUME"), ["/var/lib/signet"])
        self.assertEqual(len(of_stage("signet", "HEALTHCHECK")), 1)
        self.assertEqual([word for _, word, _ in instructions() if word in ("ENV", "ARG", "ADD")], [])
        for path in DOCKER.iterdir():
            self.assertNotIn("PRIVATE KEY", path.read_text(), path)


class Scripts(Case):
    def test_packages(self):
        """./check has installed them all, so nothing is left to do."""
        for _, command in commands():
            if command.startswith("scripts/packages "):
                self.run_script(*shlex.split(command))
        refused = subprocess.run([SOURCE / "scripts/packages", "nonsense"], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("none of build", refused.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "makes folders of another user")
    def test_account(self):
        (self.folder / "etc").mkdir()
        for name in ("passwd", "group"):
            (self.folder / "etc" / name).write_text("root:x:0:\n")
        for _ in range(2):
            self.run_script(DOCKER / "account", self.folder)
        self.assertEqual((self.folder / "etc/passwd").read_text().count("signet:x:990:990:"), 1)
        status = (self.folder / "var/lib/signet").stat()
        self.assertEqual((status.st_uid, status.st_gid, status.st_mode & 0o777), (990, 990, 0o750))

    @unittest.skipUnless(os.geteuid() == 0, "Postfix is started by root")
    def test_relay(self):
        self.folder.chmod(0o755)
        port = free_port()
        relay = self.start(DOCKER / "relay", self.folder / "relay", RELAY_LISTEN=HOST, RELAY_PORT=str(port),
                           RELAY_HOSTNAME="relay.ca.test", RELAY_NETWORKS="192.0.2.0/24")

        def talk(*lines):
            with socket.create_connection((HOST, port), 60) as peer:
                stream = peer.makefile("rw", newline="\r\n")
                answers = [stream.readline()]
                for line in lines:
                    stream.write(line + "\n")
                    stream.flush()
                    answers.append(stream.readline())
                return answers

        greeting = wait_for(lambda: talk("QUIT"))
        self.assertEqual(greeting[0], "220 relay.ca.test ESMTP Postfix\r\n", self.log())
        # Strangers get nothing relayed.
        answers = talk("HELO x.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>")
        self.assertRegex(answers[-1], "^[45]5[0-9] ")
        self.assertEqual(self.stop(relay), -signal.SIGTERM, self.log())  # as Postfix ends

    def test_relay_is_one_that_postfix_understands(self):
        for name in ("relay.cf", "relay.master.cf"):
            self.assertTrue((DOCKER / name).is_file())
        known = subprocess.run(["postconf", "-d"], capture_output=True, text=True, check=True).stdout
        for key in re.findall(r"^(\w+) *=", (DOCKER / "relay.cf").read_text(), re.M):
            self.assertRegex(known, rf"(?m)^{key} =")

    def test_resolver(self):
        port = free_port()
        resolver = self.start(DOCKER / "resolver", self.folder / "resolver", RESOLVER_LISTEN=f"{HOST}@{port}")

        def ask():
            try:
                return dns.query.tcp(dns.message.make_query("localhost.", "A"), HOST, port=port, timeout=5)
            except dns.exception.DNSException as error:
                raise OSError(error) from error

        self.assertIn("127.0.0.1", str(wait_for(ask).answer), self.log())
        self.assertEqual(self.stop(resolver), 0, self.log())


class Signet(Case):
    def test_signet(self):
        """Build, install, first start, health, a second start, stop; and a command in place of the start."""
        stage, home = self.folder / "stage", self.folder / "home"
        home.mkdir()
        self.run_script(DOCKER / "stage", stage)
        for name in ("usr/sbin/signetd", "usr/bin/signetctl", "usr/bin/signet"):
            self.assertTrue(os.access(stage / name, os.X_OK), name)
        https, http, smtp = (free_port() for _ in range(3))
        environment = {
            "PATH": f"{stage}/usr/sbin:{stage}/usr/bin:{os.environ['PATH']}", "SIGNET_HOME": str(home),
            "SIGNET_LISTEN": HOST, "SIGNET_HTTPS_PORT": str(https), "SIGNET_HTTP_PORT": str(http),
            "SIGNET_SMTP_PORT": str(smtp), "SIGNET_URL": f"https://localhost:{https}/acme",
            "SIGNET_PUBLISH": f"http://localhost:{http}/pki/", "SIGNET_RELAY": "relay:25",
            "SIGNET_RESOLVER": f"{HOST}@9"}
        sick = subprocess.run([DOCKER / "health"], env={**os.environ, **environment}, capture_output=True, text=True)
        self.assertEqual((sick.returncode, sick.stdout), (1, ""))
        first = self.first_start(home, environment)
        context = ssl.create_default_context(cafile=str(home / "tls.pem"))
        with urllib.request.urlopen(f"https://localhost:{https}/acme/directory", context=context) as answer:
            self.assertIn(b'"newOrder"', answer.read())
        self.assertEqual(self.stop(first), 0, self.log())
        self.assertIn("entrypoint: no ", self.log())
        before = {path: path.read_bytes() for path in (home / "ca").iterdir()}
        second = self.start(DOCKER / "entrypoint", **environment)
        wait_for(lambda: self.healthy(environment))
        self.assertEqual(self.stop(second), 0, self.log())
        self.assertEqual(before, {path: path.read_bytes() for path in (home / "ca").iterdir()})
        self.assertEqual(self.log().count("making a first configuration"), 1)
        self.assertRegex(self.run_script(DOCKER / "entrypoint", "signetctl", "--version", **environment),
                         r"^signetctl \d")

    def first_start(self, home, environment):
        process = self.start(DOCKER / "entrypoint", **environment)
        wait_for(lambda: self.healthy(environment))
        for told in ("signet._domainkey.ca.test. IN TXT", "/ca/root.key to a safe place"):
            self.assertIn(told, self.log())
        for name in ("ca/root.key", "ca/issuing.key", "dkim.key", "tls.key"):
            self.assertEqual((home / name).stat().st_mode & 0o077, 0, name)
        return process

    def healthy(self, environment):
        done = subprocess.run([DOCKER / "health"], env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(done.stderr + self.log())
        self.assertEqual(done.stdout, "healthy\n")


class Compose(Case):
    def setUp(self):
        super().setUp()
        self.compose = yaml.safe_load((DOCKER / "compose.yml").read_text())
        self.services = self.compose["services"]

    def test_services_are_stages(self):
        self.assertEqual(set(self.services), {"signet", "relay", "resolver"})
        for name, service in self.services.items():
            self.assertEqual(service["build"]["target"], name)
            self.assertEqual((DOCKER / service["build"]["context"]).resolve(), SOURCE)
            self.assertTrue((SOURCE / service["build"]["dockerfile"]).is_file())
            self.assertTrue(any(stage == name for stage, _, _ in instructions()))

    def test_ports_are_those_of_the_image(self):
        exposed = of_stage("signet", "EXPOSE")[0].split()
        self.assertEqual([port.split(":")[1] for port in self.services["signet"]["ports"]], exposed)
        script = (DOCKER / "entrypoint").read_text()
        self.assertEqual(re.findall(r"SIGNET_\w+_PORT:-(\d+)", script), exposed)

    def test_environment_is_known_to_the_entrypoint(self):
        script = (DOCKER / "entrypoint").read_text()
        for name in self.services["signet"]["environment"]:
            self.assertIn("${" + name + ":-", script)

    def test_volumes_and_networks(self):
        volumes, networks = set(self.compose["volumes"]), set(self.compose["networks"])
        used = {volume.split(":")[0] for service in self.services.values() for volume in service.get("volumes", [])}
        self.assertEqual(used, volumes)
        self.assertEqual(self.services["signet"]["volumes"][0].split(":")[1], of_stage("signet", "VOLUME")[0])
        self.assertEqual({name for service in self.services.values() for name in service["networks"]}, networks)

    def test_names_and_addresses_agree(self):
        environment = self.services["signet"]["environment"]
        address = self.services["resolver"]["networks"]["mail"]["ipv4_address"]
        subnet = self.compose["networks"]["mail"]["ipam"]["config"][0]["subnet"]
        self.assertEqual(environment["SIGNET_RESOLVER"], f"{address}@53")
        self.assertEqual(environment["SIGNET_RELAY"], "relay:25")
        self.assertIn(subnet, (DOCKER / "relay").read_text())
        self.assertIn(subnet, (DOCKER / "resolver").read_text())
        self.assertEqual(set(self.services["signet"]["depends_on"]), {"relay", "resolver"})


if __name__ == "__main__":
    unittest.main()
