# SPDX-License-Identifier: Apache-2.0
"""signet every day: certificates requested and renewed through a real Postfix with OpenDKIM and a real Dovecot (IMAP with
IDLE, submission), by a timer's rules; their files, hooks, and PKCS#12 files read by others (RFC 9773, RFC 2177)."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import josepy
import lab
import signet_lab
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from lab import HOST

NOTHING = (0, "", "")
FOLDERS = threading.Lock()  # the lab is for one thread


class Daily(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        port = cls.lab.free_port()
        key = lab.DkimKey("user.test", "s1")
        names = ["ann", "bob", "imap", "plain", "trust", "cut", "left", "eve"]
        checked = "/^Subject: ACME:/ PREPEND Authentication-Results: mx.user.test; dkim=pass header.d=ca.test\n"
        rules = cls.lab.path / "results"
        rules.write_text(checked)
        cls.mail = lab.Postfix(cls.lab, {"user.test": names}, {"ca.test": f"{HOST}:{port}"},
                               milter=lab.OpenDKIM(cls.lab, [key]), settings={"header_checks": f"regexp:{rules}"})
        for name in names:
            for box in ("new", "cur", "tmp"):
                folder = cls.mail.maildir(f"{name}@user.test") / box
                folder.mkdir()
                shutil.chown(folder, "nobody", "nogroup")
        zones = lab.SignedZones(cls.lab, {"user.test": [key.record(), ("@", "CAA", '0 issuemail "ca.test"')], "ca.test": []})
        cls.server = signet_lab.Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=zones, start=False)
        cls.server.smtp, cls.server.config["mail"]["listen"] = port, f"{HOST}:{port}"
        cls.server.write_config()
        cls.server.start()
        zones.add("ca.test", cls.server.dkim.record())
        cls.authority = signet_lab.Authority(cls.lab.folder("authority"))
        cls.password = cls.lab.path / "password"
        cls.password.write_text("secret\n")

    def test_every_day(self):
        """At the same time: each waits some seconds between its questions."""
        self.own = threading.local()
        with ThreadPoolExecutor(16) as pool:
            runs = {part.__name__: pool.submit(self.run_part, part) for part in (
                self.by_the_servers_window, self.forced, self.one_of_two_fails, self.hook, self.listed, self.cut_off, self.left_pending,
                self.one_run_at_a_time, self.without_its_server, self.imap, self.imap_without_idle, self.expected_mail_alone,
                self.for_mail_programs)}
        for name, run in runs.items():
            with self.subTest(name):
                run.result()

    def run_part(self, part):
        with FOLDERS:
            self.own.out = self.lab.folder(part.__name__)
        part()

    @property
    def out(self):
        """The folder of certificates of this part."""
        return self.own.out

    @property
    def account(self):
        return self.own.out.with_suffix(".account")

    # --- running it ---

    def start(self, *arguments):
        return subprocess.Popen([signet_lab.BUILD / "signet", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def signet(self, *arguments):
        """To its end: (exit status, stdout, stderr)."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=400)
        return process.returncode, stdout, stderr

    def server_options(self):
        return ["--directory", self.server.url + "/directory", "--ca-file", self.server.tls, "--account-key", self.account,
                "--timeout", "300s"]

    def maildir_way(self, name):
        return ["--mail", "maildir", "--maildir", self.mail.maildir(f"{name}@user.test"), "--smtp", f"{HOST}:{self.mail.port}"]

    def request(self, name, *more):
        done = self.signet("request", f"{name}@user.test", *self.server_options(), "--out", self.out, *self.maildir_way(name),
                           *more)
        self.assertEqual(done[0], 0, done[2])
        return done

    def renew(self, *more):
        return self.signet("renew", self.out, *more)

    # --- what is there ---

    def leaf(self, name):
        return x509.load_pem_x509_certificate((self.out / f"{name}.pem").read_bytes())

    def key(self, path):
        return serialization.load_pem_private_key(path.read_bytes(), None).public_key().public_numbers()

    def check_pair(self, name):
        self.assertEqual(self.key(self.out / f"{name}.key"), self.leaf(name).public_key().public_numbers())
        password = (self.out / f"{name}.p12.password").read_bytes().strip()
        _, leaf, _ = pkcs12.load_key_and_certificates((self.out / f"{name}.p12").read_bytes(), password)
        self.assertEqual(leaf, self.leaf(name))
        self.assertEqual([path.name for path in self.out.iterdir() if path.name.endswith(".new")], [])

    def forget(self, name, *keys):
        """As if the time that these stand for had passed."""
        path = self.out / f"{name}.renewal"
        text = path.read_text()
        for key in keys:
            text, count = re.subn(rf"(?m)^{key}=.*\n", "", text)
            self.assertEqual(count, 1, (key, text))
        path.write_text(text)

    def ask_to_renew(self, name):
        """The operator wants it renewed; the client's next question is due."""
        self.server.ctl("renewal", "ask", f"{self.leaf(name).serial_number:x}", "--why", "https://ca.test/why", "--config",
                        self.server.path)
        self.forget(name, "ask-at")

    def orders(self):
        """(orders of this part's account, those of them that replace a certificate)"""
        thumbprint = josepy.JWK.load(self.account.read_bytes()).thumbprint()
        return self.server.query("SELECT count(*), count(orders.replaces) FROM orders JOIN account ON account_id = account.id"
                                 " WHERE thumbprint = ?", thumbprint)[0]

    # --- renewal ---

    def by_the_servers_window(self):
        """Silent while nothing is due; when the server asks for it a new key, the old one kept by serial number, the order
        says what it replaces."""
        self.request("ann")
        first, first_key = self.leaf("ann"), self.key(self.out / "ann.key")
        self.assertEqual((self.out / "ann.renewal").stat().st_mode & 0o777, 0o600)
        before = self.orders()
        self.assertEqual(self.renew(), NOTHING)
        status, stdout, stderr = self.renew("--dry-run")
        self.assertEqual((status, stderr), (0, ""))
        self.assertRegex(stdout, r"^ann: at 20\d\d-\S+Z \(the server suggests it\)\n$")
        self.assertRegex(self.renew("-v")[2], r"(?m)^due +ann: at 20\d\d-")
        self.ask_to_renew("ann")
        self.assertEqual(self.renew("--dry-run"), (0, "ann: now (the server suggests it, see https://ca.test/why)\n", ""))
        self.assertEqual((self.orders(), self.leaf("ann")), (before, first))
        status, stdout, stderr = self.renew()
        self.assertEqual((status, stderr), (0, ""))
        second = self.leaf("ann")
        shown = re.fullmatch(r"renewed ann until (\S+), serial number ([0-9a-f]+)\n", stdout)
        self.assertEqual((shown[1], int(shown[2], 16)), (f"{second.not_valid_after:%Y-%m-%d}", second.serial_number))
        self.assertNotEqual(first.serial_number, second.serial_number)
        self.check_pair("ann")
        self.assertNotEqual(self.key(self.out / "ann.key"), first_key)
        serial = next((self.out / "old").glob("ann.*.key")).name.split(".")[1]
        self.assertEqual(int(serial, 16), first.serial_number)
        self.assertEqual(self.key(self.out / f"old/ann.{serial}.key"), first_key)
        self.assertEqual(x509.load_pem_x509_certificate((self.out / f"old/ann.{serial}.pem").read_bytes()), first)
        self.assertEqual({path.name.rsplit(".", 1)[1]: path.stat().st_mode & 0o777 for path in (self.out / "old").iterdir()},
                         {"key": 0o600, "pem": 0o644, "p12": 0o600})
        self.assertEqual((before, self.orders()), ((1, 0), (2, 1)))
        self.assertEqual(self.renew(), NOTHING)

    def forced(self):
        """With the same key, and with another; with options of this run. Files of each are those of one pair."""
        self.request("bob", "--key-type", "P-384")
        key = self.key(self.out / "bob.key")
        self.assertEqual(self.renew("--force", "--keep-key")[0], 0)
        self.assertEqual(self.key(self.out / "bob.key"), key)
        self.check_pair("bob")
        self.assertEqual(self.renew("--force")[0], 0)
        self.assertNotEqual(self.key(self.out / "bob.key"), key)
        self.assertEqual(self.leaf("bob").public_key().curve.name, "secp384r1")  # as before
        self.check_pair("bob")
        self.assertEqual(self.renew("--force", "--maildir", "/nowhere")[0], 5)  # of that run alone

    def one_of_two_fails(self):
        """The other is renewed; the failure is reported once, kept, and not tried again at once."""
        both = [self.start("request", f"{name}@user.test", *self.server_options(), "--out", self.out, "--name", name[0],
                           *self.maildir_way(name)) for name in ("ann", "bob")]
        for process in both:
            self.assertEqual((process.communicate()[0], process.returncode), ("", 0))
        text = (self.out / "a.renewal").read_text()
        (self.out / "a.renewal").write_text(text.replace("maildir=" + str(self.mail.maildir("ann@user.test")),
                                                         "maildir=/nowhere"))
        for name in ("a", "b"):
            self.ask_to_renew(name)
        before = self.leaf("a"), self.leaf("b")
        status, stdout, stderr = self.renew()
        self.assertEqual(status, 5)
        self.assertRegex(stdout, r"^renewed b until .*\n$")
        self.assertRegex(stderr, r"^signet: a: /nowhere: no maildir.*\nsignet: 1 of 2 certificates need attention")
        self.assertEqual(self.leaf("a"), before[0])
        self.assertNotEqual(self.leaf("b"), before[1])
        self.assertRegex((self.out / "a.renewal").read_text(), r"failures=1\n(.*\n)*failure=/nowhere")
        self.assertEqual(self.renew(), NOTHING)
        self.assertRegex(self.renew("-n")[1], r"a: at .*\(it failed before.*\)\n")
        (self.out / "a.renewal").write_text(text)
        self.assertRegex(self.renew("--force", "--most", "1")[1], r"^renewed a")

    def hook(self):
        """Runs when the files are there, and again until it has worked, without another order."""
        seen, flag = self.out.with_suffix(".seen"), self.out.with_suffix(".flag")
        hook = f'env | grep ^SIGNET_ | grep -vE "^SIGNET_(BUILD|FULL|SEED|LAB_KEEP)=" > {seen}; test -r "$SIGNET_P12" && test -e {flag}'
        done = self.signet("request", "ann@user.test", *self.server_options(), "--out", self.out, *self.maildir_way("ann"),
                           "--hook", hook)
        self.assertEqual(done[0], 5)
        self.assertIn("the hook failed", done[2])
        found = dict(line.split("=", 1) for line in seen.read_text().splitlines())
        serial = f"{self.leaf('ann').serial_number:x}"
        self.assertEqual(int(found.pop("SIGNET_SERIAL"), 16), int(serial, 16))
        self.assertEqual(found, {
            "SIGNET_NAME": "ann", "SIGNET_ADDRESSES": "ann@user.test", "SIGNET_KEY": str(self.out / "ann.key"),
            "SIGNET_CERTIFICATE": str(self.out / "ann.pem"), "SIGNET_P12": str(self.out / "ann.p12"),
            "SIGNET_P12_PASSWORD_FILE": str(self.out / "ann.p12.password"),
            "SIGNET_EXPIRES": f"{self.leaf('ann').not_valid_after:%Y-%m-%d}"})
        before = self.orders()
        status, stdout, stderr = self.renew()
        self.assertEqual((status, stdout), (5, ""))
        self.assertIn("signet: ann: the hook failed", stderr)
        flag.touch()
        seen.unlink()
        self.assertEqual(self.renew(), NOTHING)
        self.assertTrue(seen.exists())
        seen.unlink()
        self.assertEqual(self.renew(), NOTHING)
        self.assertEqual((seen.exists(), self.orders()), (False, before))
        self.assertEqual(self.renew("--force")[0], 0)
        self.assertTrue(seen.exists())

    def listed(self):
        """Mailboxes of a list get what they lack, one of them two addresses; lines that are wrong stop no others."""
        listed = self.out.with_suffix(".list")
        listed.write_text("# who has one\neve@user.test eve+too@user.test\nnobody\n")
        options = ["--list", listed, *self.server_options(), *self.maildir_way("eve")]
        status, stdout, stderr = self.renew("-n", *options)
        self.assertEqual((status, stdout), (2, "eve@user.test: now (there is no certificate yet)\n"))
        self.assertIn("signet: nobody: nobody is no mail address", stderr)
        status, stdout, stderr = self.renew(*options)
        self.assertEqual(status, 2, stderr)
        self.assertRegex(stdout, r"^renewed eve@user.test until .*\n$")
        names = self.leaf("eve@user.test").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.RFC822Name), ["eve@user.test", "eve+too@user.test"])
        self.check_pair("eve@user.test")
        listed.write_text("eve@user.test\n")
        status, stdout, _ = self.renew("-n", *options)
        self.assertEqual((status, stdout), (0, "eve@user.test: now (the certificate is for other addresses)\n"))
        listed.write_text("eve+too@user.test eve@user.test eve@user.test\n")
        self.assertEqual(self.renew("-n", *options)[0], 2)

    def cut_off(self):
        """Killed when the server has the request and the client not yet the certificate: the next run fetches it, without
        another order."""
        self.request("cut")
        first, before = self.lab.wait_for(self.cut, "a run that was cut off in time")
        self.assertRegex((self.out / "cut.renewal").read_text(), r"(?m)^order=https://")
        self.assertTrue((self.out / "cut.key.new").exists())
        status, stdout, stderr = self.renew("--force")
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual(self.orders(), (before[0] + 1, before[1] + 1))
        self.assertNotEqual(self.leaf("cut"), first)
        self.check_pair("cut")

    def cut(self):
        """(certificate, orders) of before; None: it had the other certificate already."""
        first, before = self.leaf("cut"), self.orders()
        process = self.start("renew", self.out, "--force", "-v")
        try:
            for line in process.stderr:
                if line.startswith("finalize"):
                    break
        finally:
            process.send_signal(signal.SIGSTOP)  # the request is on its way or will be lost
            process.kill()
            process.communicate()
        ordered = re.search(r"(?m)^order=", (self.out / "cut.renewal").read_text())
        return (first, before) if ordered and self.leaf("cut") == first else None

    def left_pending(self):
        """Killed before the mail was answered: that order comes to nothing, and still is the one that replaces the
        certificate; the next is made without saying so."""
        self.request("left")
        first = self.leaf("left")
        nothing = self.out.with_suffix(".nothing")
        for box in ("new", "cur", "tmp"):
            (nothing / box).mkdir(parents=True)
        process = self.start("renew", self.out, "--force", "-v", "--maildir", nothing)
        try:
            for line in process.stderr:
                if line.startswith("mail"):
                    break
        finally:
            process.kill()
            process.communicate()
        status, stdout, stderr = self.renew("--force", "-v")
        self.assertEqual(status, 0, stderr)
        self.assertRegex(stderr, r"(?m)^order +without saying which certificate it replaces: the server refused that$")
        self.assertEqual(self.orders(), (3, 1))
        self.assertNotEqual(self.leaf("left"), first)
        self.check_pair("left")

    def one_run_at_a_time(self):
        self.request("ann")
        folder = os.open(self.out, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH)
            status, _, stderr = self.renew()
            self.assertEqual(status, 5)
            self.assertIn("another run of signet works there; try again", stderr)
        finally:
            os.close(folder)
        self.assertEqual(self.renew(), NOTHING)

    def without_its_server(self):
        """Nothing is due, and the server does not answer: no reason to bother anybody. By hand nothing renews itself."""
        done = self.request("ann")
        self.forget_window("ann")
        path = self.out / "ann.renewal"
        path.write_text(path.read_text().replace(self.server.url, f"https://{HOST}:9").replace("mail=maildir\n", ""))
        self.assertEqual(self.renew()[0], 2)  # --maildir without --mail maildir
        text = re.sub(r"(?m)^(maildir|smtp)=.*\n", "", path.read_text())
        path.write_text(text)
        self.assertEqual(self.renew(), NOTHING)
        self.assertRegex(self.renew("-n")[1], r"^ann: at .* \(by its lifetime\)")
        status, _, stderr = self.renew("--force")
        self.assertEqual(status, 2)
        self.assertIn("run \"signet renew\" at a terminal, or give it another --mail", stderr)

    def forget_window(self, name):
        """As of a server that never had one."""
        path = self.out / f"{name}.renewal"
        path.write_text(re.sub(r"(?m)^(window-start|window-end|ask-at)=.*\n", "", path.read_text()))

    # --- IMAP and submission ---

    def dovecot(self, capability=""):
        with FOLDERS:
            return lab.Dovecot(self.lab, self.mail, self.authority.pair(self.out.name), capability)

    def imap_way(self, server, name, tls="tls"):
        user = ["-user", f"{name}@user.test"], ["-password-file", self.password], ["-ca-file", self.authority.path]
        return ["--mail", "imap", "--imap", f"localhost:{server.imaps if tls == 'tls' else server.imap}", "--imap-tls", tls,
                "--smtp", f"localhost:{server.submission}", *(word for option, value in user for word in
                                                              (f"--imap{option}", value, f"--smtp{option}", value))]

    def imap(self):
        """By IMAP with IDLE and by submission with STARTTLS, in a folder with other mail; nothing in it is changed."""
        server, name = self.dovecot(), "imap"
        lab.submit(HOST, self.mail.port, "bob@user.test", "imap@user.test", b"Subject: lunch\r\n\r\nNow?\r\n")
        lab.maildir_wait(self.mail.maildir("imap@user.test"))
        options = ["request", "imap@user.test", *self.server_options(), "--out", self.out]
        status, _, stderr = self.signet(*options, *self.imap_way(server, name))
        self.assertEqual(status, 0, stderr)
        self.check_pair(name)
        self.assertEqual(self.renew("--force")[0], 0)  # the same way
        self.check_pair(name)
        # A mail that is there at the first look is not waited for.
        waited = lambda: re.search(r"S\d+ IDLE\r?\n(?:.*\n)*.*DONE", server.said())
        self.lab.wait_for(lambda: waited() or self.renew("--force")[0] != 0, "a mail that is waited for")
        said = server.said()
        self.assertRegex(said, r"S\d+ IDLE\r?\n(?:.*\n)*.*DONE")
        self.assertNotRegex(said, "STORE|EXPUNGE|SELECT|NOOP")
        self.assertRegex(said, r"UID FETCH \d+ BODY\.PEEK\[\]")
        wrong = self.lab.path / "wrong"
        wrong.write_text("guess\n")
        for words, change in (("[Ll]ogin|auth", {self.password: wrong}), ("certificate", {self.authority.path: self.server.tls}),
                              ("connect", {f"localhost:{server.imaps}": f"localhost:{self.lab.free_port()}"})):
            way = [change.get(word, word) for word in self.imap_way(server, name)]
            status, _, stderr = self.signet(*options, *way)
            self.assertEqual(status, 3, stderr)
            self.assertRegex(stderr, f"the IMAP server localhost:\\d+: .*(?:{words})")
        status, _, stderr = self.signet(*options, *self.imap_way(server, name), "--imap-folder", "Elsewhere")
        self.assertEqual(status, 3)
        self.assertRegex(stderr, "Mailbox doesn't exist")

    def imap_without_idle(self):
        """Asked by NOOP then, by STARTTLS; and a server that is away for a while."""
        server = self.dovecot("IMAP4rev1 LITERAL+")
        process = self.start("request", "plain@user.test", *self.server_options(), "--out", self.out,
                             *self.imap_way(server, "plain", "starttls"))
        text, away = "", False
        for line in process.stderr:
            text += line
            if line.startswith("account"):
                server.stop()
                away = True
            if away and re.match(r"note +the IMAP server .*; trying again", line):
                server.start()
                away = False
        self.assertEqual((process.wait(), process.stdout.read()), (0, ""), text)
        process.stdout.close()
        process.stderr.close()
        self.assertRegex(text, r"(?m)^note +the IMAP server .*; trying again")
        said = server.said()
        self.assertNotIn("IDLE", said)
        self.check_pair("plain")

    def expected_mail_alone(self):
        """With --authserv-id a challenge is answered when that server found its DKIM signature good, and only then."""
        options = ["request", "trust@user.test", *self.server_options(), *self.maildir_way("trust"), "--out", self.out]
        status, _, stderr = self.signet(*options, "--authserv-id", "mx.user.test")
        self.assertEqual(status, 0, stderr)
        status, _, stderr = self.signet(*options, "--authserv-id", "mx.other.test", "--timeout", "30s")
        self.assertEqual(status, 4, stderr)
        self.assertIn("named by --authserv-id did not find its DKIM signature good", stderr)

    # --- PKCS#12 ---

    def for_mail_programs(self):
        """Both forms are read by openssl, NSS and python3-cryptography; how they are imported is said."""
        done = self.request("ann", "--p12", "legacy", "--for", "thunderbird")
        self.assertIn(f"The file:      {self.out}/ann.p12\n", done[1])
        self.assertIn("Your Certificates", done[1])
        self.check_pack(self.out / "ann.p12", "pbeWithSHA1And3-KeyTripleDES-CBC", "pbeWithSHA1And40BitRC2-CBC", "sha1")
        modern = self.out.with_suffix(".p12")
        password = self.out / "ann.p12.password"
        export = ["export", self.out / "ann.pem", "--key", self.out / "ann.key", "--output", modern]
        self.assertEqual(self.signet(*export)[0], 2)
        self.assertEqual(self.signet(*export, "--p12-password-file", password), NOTHING)
        self.assertEqual(modern.stat().st_mode & 0o777, 0o600)
        self.check_pack(modern, "AES-256-CBC", "sha256")
        export[3] = self.account
        self.assertEqual(self.signet(*export, "--p12-password-file", password)[0], 5)
        programs = re.findall(r"[a-z-]+(?=,| or|$)", self.signet("import-help", "--help")[1].split("PROGRAM: ")[1].strip())
        self.assertEqual(len(programs), 6)
        for program in programs:
            status, stdout, _ = self.signet("import-help", program)
            self.assertEqual((status, "1. " in stdout), (0, True), program)
        self.assertEqual(self.signet("import-help", "mutt")[0], 2)
        self.check_gpgsm()

    def check_gpgsm(self):
        """That of GnuPG 2.2 reads the older form alone, and RSA keys alone."""
        pem, key, pack, home = (self.out.with_suffix(ending) for ending in (".rsa.pem", ".rsa.key", ".rsa.p12", ".gnupg"))
        password = self.out / "ann.p12.password"
        self.lab.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-subj", "/CN=ann",
                     "-addext", "subjectAltName=email:ann@user.test")
        self.assertEqual(self.signet("export", pem, "--key", key, "--output", pack, "--p12", "legacy", "--p12-password-file", password),
                         NOTHING)
        home.mkdir(mode=0o700)
        gpgsm = ["gpgsm", "--homedir", home, "--batch", "--disable-dirmngr"]
        try:
            done = subprocess.run([*gpgsm, "--pinentry-mode", "loopback", "--passphrase-fd", "0", "--import", pack],
                                  input=password.read_text(), capture_output=True, text=True, timeout=120)
            self.assertIn("secret keys imported: 1", done.stderr)
            self.assertIn("ann@user.test", self.lab.run(*gpgsm, "--list-secret-keys"))
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)

    def check_pack(self, path, *words):
        password = self.out / "ann.p12.password"
        shown = self.lab.run("openssl", "pkcs12", "-in", path, "-info", "-nodes", "-legacy", "-passin", f"file:{password}")
        for word in words:
            self.assertIn(word.lower(), shown.lower())
        usual = subprocess.run(["openssl", "pkcs12", "-in", path, "-noout", "-passin", f"file:{password}"], capture_output=True)
        self.assertEqual(usual.returncode == 0, "sha256" in words)  # without what OpenSSL 3 calls legacy
        key, leaf, others = pkcs12.load_key_and_certificates(path.read_bytes(), password.read_bytes().strip())
        self.assertEqual((key.public_key().public_numbers(), leaf, len(others)),
                         (self.key(self.out / "ann.key"), self.leaf("ann"), 1))
        base = self.lab.folder("nss")
        self.lab.run("certutil", "-N", "-d", base, "--empty-password")
        self.lab.run("pk12util", "-i", path, "-d", base, "-w", password)
        self.assertIn("u,u,u", self.lab.run("certutil", "-L", "-d", base))
        self.assertRegex(self.lab.run("certutil", "-K", "-d", base), r"(?m)^<.*0>")


if __name__ == "__main__":
    unittest.main()
