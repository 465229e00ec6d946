# SPDX-License-Identifier: Apache-2.0
"""signetctl ca: a root and CAs below it, their transcript, a root that is elsewhere (played by openssl), and two people
for what a public root signs (ca-rules 18, 18a)."""

import os
import pathlib
import re
import subprocess
import unittest

import lab
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from issuers import MODULE, SoftHsm
from signet_lab import BUILD, Signetd

URL = "http://pki.test/"
ANN, BOB = 61001, 61002  # system users; nobody else has these numbers
GROUP = 61000

# What a root that does as it is asked says in the certificate.
EXTENSIONS = {
    "basicConstraints": "critical,CA:TRUE,pathlen:0", "keyUsage": "critical,keyCertSign,cRLSign",
    "extendedKeyUsage": "emailProtection", "certificatePolicies": "2.23.140.1.5.1.3,2.23.140.1.5.1.2",
    "subjectKeyIdentifier": "hash", "authorityKeyIdentifier": "keyid:always",
    "crlDistributionPoints": f"URI:{URL}root.crl", "authorityInfoAccess": f"caIssuers;URI:{URL}root.der"}


def openssl(*argv, **named):
    return subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, text=True, **named).stdout


def ctl(*argv, user=None, groups=(), env=None):
    """(exit status, standard output, standard error)."""
    who = {"user": user, "group": user, "extra_groups": list(groups)} if user is not None else {}
    done = subprocess.run([BUILD / "signetctl", "ca", *map(str, argv)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, **who)
    return done.returncode, done.stdout, done.stderr


def load(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


def of(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


class Ceremony(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.folder = self.lab.folder("ca")

    def done(self, *argv, **named):
        status, out, err = ctl(*argv, **named)
        self.assertEqual(status, 0, err)
        return out

    def refused(self, words, *argv, status=1, **named):
        found, out, err = ctl(*argv, **named)
        self.assertEqual(found, status, out + err)
        self.assertRegex(err, words)
        return out + err

    def serial(self, path):
        return openssl("x509", "-in", path, "-noout", "-serial").strip().split("=")[1]

    def fingerprint(self, path):
        return openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").strip().split("=")[1].replace(":", "")


class Private(Ceremony):
    def test_root_and_below(self):
        d, words = self.folder, self.lab.path / "words"
        words.write_text("correct horse\n")
        self.done("root", "-d", d, "--name", "Example Root", "-o", "Example", "-c", "DE", "-k", "P-384", "--passphrase-file", words)
        self.assertIn("ENCRYPTED", (d / "root.key").read_text())
        self.assertEqual((d / "root.key").stat().st_mode & 0o777, 0o600)
        root = load(d / "root.pem")
        self.assertEqual(of(root, x509.BasicConstraints).value, x509.BasicConstraints(ca=True, path_length=None))
        with self.assertRaises(x509.ExtensionNotFound):
            of(root, x509.ExtendedKeyUsage)
        self.refused("the private key cannot be read", "issuing", "-d", d, "--name", "Example Issuing", "-u", URL)
        opened = ("--passphrase-file", words)
        self.done("issuing", "-d", d, "--name", "Example Issuing", "-u", URL, *opened)
        self.done("issuing", "-d", d, "--name", "Example Issuing 2", "-u", URL, "--output", "next", "--years", 5, "--key-type",
                  "RSA-4096", "--key-passphrase-file", words, *opened)
        # The same key in a new certificate.
        self.done("issuing", "-d", d, "--name", "Example Issuing", "-u", URL, "--output", "again", "--key", d / "issuing.key", *opened)
        self.assertEqual(*(load(d / f"{name}.pem").public_key().public_numbers() for name in ("issuing", "again")))
        for name in ("issuing", "next", "again"):
            certificate = load(d / f"{name}.pem")
            self.assertEqual(of(certificate, x509.BasicConstraints).value, x509.BasicConstraints(ca=True, path_length=0))
            self.assertEqual(list(of(certificate, x509.ExtendedKeyUsage).value), [ExtendedKeyUsageOID.EMAIL_PROTECTION])
            self.assertIn(": OK", openssl("verify", "-x509_strict", "-CAfile", d / "root.pem", d / f"{name}.pem"))
        self.refused("issuing.pem: exists already", "issuing", "-d", d, "--name", "X", "-u", URL, *opened)
        self.refused("root.pem: exists already", "root", "-d", d, "--name", "X")
        self.refused("longer than the root", "issuing", "-d", d, "--name", "X", "-u", URL, "--output", "x", "--years", 21, *opened)
        self.refused("is no name for files", "issuing", "-d", d, "--name", "X", "-u", URL, "--output", "../x", *opened)
        self.refused("RSA of 4096", "issuing", "-d", d, "--name", "X", "-u", URL, "--output", "x", "--key", self.key("rsa:2048"), *opened)
        shown = self.done("show", "-d", d)
        for name in ("root", "issuing", "next", "again"):
            self.assertIn(self.fingerprint(d / f"{name}.pem"), shown)
            self.assertIn(self.serial(d / f"{name}.pem"), shown)
        told = self.done("transcript", "-d", d)
        for name in ("root", "issuing", "next", "again"):
            self.assertIn(f"sha256: {self.fingerprint(d / f'{name}.pem')}\n", told)
        self.assertIn("by: root (uid 0)\n", told)
        self.assertRegex(told, "program: signetctl [0-9.]+\nlibrary: OpenSSL 3")
        self.assertNotIn("correct horse", told)
        self.assertNotIn("PRIVATE KEY", told)

    def key(self, kind):
        path = self.lab.path / f"{kind.replace(':', '-')}.pem"
        openssl("genrsa", "-out", path, kind.split(":")[1])
        return path

    def list_text(self, name="root.crl"):
        return openssl("crl", "-inform", "DER", "-in", self.folder / name, "-noout", "-text", "-CAfile", self.folder / "root.pem")

    def test_list(self):
        d = self.folder
        self.done("init", "-d", d, "-u", URL)
        serial = self.serial(d / "issuing.pem")
        self.assertIn("No Revoked Certificates", self.list_text())
        self.refused("go together", "crl", "-d", d, "--revoke", serial, status=2)
        self.refused("twelve months", "crl", "-d", d, "--days", 366, status=2)
        self.refused("no certificate with the serial number 1234", "crl", "-d", d, "--revoke", "1234", "--reason", "superseded")
        self.refused("is no reason for a CA", "crl", "-d", d, "--revoke", serial, "--reason", "unspecified")
        self.done("crl", "-d", d, "--revoke", serial.lower(), "--reason", "cACompromise", "--days", 100)
        text = self.list_text()
        self.assertIn(f"Serial Number: {serial}", text)
        self.assertIn("CA Compromise", text)
        number = int(openssl("crl", "-inform", "DER", "-in", d / "root.crl", "-noout", "-crlnumber").strip().split("=")[1], 16)
        self.done("crl", "-d", d)  # it stays
        self.assertIn(f"Serial Number: {serial}", self.list_text())
        self.assertGreater(x509.load_der_x509_crl((d / "root.crl").read_bytes()).extensions.get_extension_for_class(
            x509.CRLNumber).value.crl_number, number)
        crl = x509.load_der_x509_crl((d / "root.crl").read_bytes())
        self.assertLessEqual((crl.next_update - crl.last_update).days, 365)
        openssl("crl", "-inform", "DER", "-in", d / "root.crl", "-out", d / "crl.txt")
        done = subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", d / "root.pem", "-CRLfile", d / "crl.txt",
                               d / "issuing.pem"], capture_output=True, text=True)
        self.assertIn("certificate revoked", done.stdout + done.stderr)
        self.refused("is revoked already", "crl", "-d", d, "--revoke", serial, "--reason", "superseded")
        (d / "root.revoked").write_text("")
        self.refused(f"{serial} is in the root's revocation list, but not in", "crl", "-d", d)

    def test_transcript_that_was_changed(self):
        d, transcript = self.folder, self.folder / "transcript.txt"
        self.done("init", "-d", d, "-u", URL)
        before = transcript.read_text()
        for changed in (before.replace("operation: private", "operation: public"), before[before.index("entry 2"):],
                        before.replace("uid 0", "uid 1"), before[:-2]):
            transcript.write_text(changed)
            self.refused("is not as it was written", "crl", "-d", d)
            self.refused("NOT GOOD", "transcript", "-d", d)
        transcript.unlink()
        self.refused("put it back from a copy", "crl", "-d", d)
        transcript.write_text(before)
        self.done("crl", "-d", d)
        # A certificate that was made beside it all.
        openssl("req", "-x509", "-new", "-key", d / "root.key", "-subj", "/CN=Beside", "-out", d / "beside.pem")
        self.refused("beside.pem is not in the transcript", "transcript", "-d", d)
        (d / "root.pem").write_bytes((d / "beside.pem").read_bytes())
        self.refused("the transcript does not tell of this certificate", "crl", "-d", d)

    def test_cross(self):
        """A relying party that knows the first root alone verifies what the second one's issuing CA is."""
        one, two = self.folder, self.lab.folder("two")
        for d in (one, two):
            self.done("init", "-d", d, "-u", URL, "-n", d.name)
        self.done("cross", "-d", one, "-u", URL, "--certificate", two / "root.pem")
        self.assertIn(": OK", openssl("verify", "-CAfile", one / "root.pem", "-untrusted", one / "cross.pem", two / "issuing.pem"))
        self.assertEqual(of(load(one / "cross.pem"), x509.SubjectKeyIdentifier).value,
                         of(load(two / "root.pem"), x509.SubjectKeyIdentifier).value)

    def test_token(self):
        """The root's key in a token, the issuing CA's by a request."""
        token, pin = SoftHsm(self, "ca"), self.lab.path / "pin"
        key, d, other = self.lab.path / "root.pem", self.folder, self.lab.folder("other")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
        token.add(key, "root")
        pin.write_text(token.pin + "\n")
        place = ("--pkcs11-module", MODULE, "--passphrase-file", pin)
        self.done("root", "-d", d, "--name", "Root", "--key", "pkcs11:token=ca;object=root", *place)
        self.assertFalse((d / "root.key").exists())
        self.done("csr", "-d", other, "--name", "Sub", "-o", "Example")
        self.done("issuing", "-d", d, "--request", other / "issuing.csr", "-u", URL, "--root-key", "pkcs11:token=ca;object=root", *place)
        self.done("crl", "-d", d, "--root-key", "pkcs11:token=ca;object=root", *place)
        self.done("import", "-d", other, "--certificate", d / "issuing.pem", "--root", d / "root.pem")
        self.assertIn(": OK", openssl("verify", "-CAfile", d / "root.pem", other / "issuing.pem"))
        self.refused("the token has no private key", "crl", "-d", d, "--root-key", "pkcs11:token=ca;object=absent", *place)
        self.refused("--pkcs11-module is not given", "crl", "-d", d, "--root-key", "pkcs11:token=ca;object=root")
        told = self.done("transcript", "-d", d)
        self.assertIn("key: pkcs11:token=ca;object=root\n", told)
        self.assertNotIn(token.pin, told)


class OutsideRoot(Ceremony):
    def setUp(self):
        super().setUp()
        self.outside = self.lab.folder("outside")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "key", "-out", "root.pem",
                "-subj", "/O=Outside/CN=Outside Root", "-days", 3650, "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=self.outside)
        self.done("csr", "-d", self.folder, "--name", "Sub CA", "-o", "Example")

    def answer(self, request=None, signer="root.pem", key="key", days=1000, digest="-sha384", **changes):
        """What openssl makes of the request, with its own extensions; None leaves one out."""
        lines = {**EXTENSIONS, **changes}
        (self.outside / "ext").write_text("".join(f"{name}={value}\n" for name, value in lines.items() if value))
        openssl("x509", "-req", "-in", request or self.folder / "issuing.csr", "-CA", signer, "-CAkey", key, digest,
                "-set_serial", "0x5f00112233445566778899aabbccddee", "-days", days, "-extfile", "ext", "-out", "answer.pem", cwd=self.outside)
        return ("import", "-d", self.folder, "--certificate", self.outside / "answer.pem", "--root", self.outside / "root.pem")

    def test_request(self):
        text = openssl("req", "-in", self.folder / "issuing.csr", "-noout", "-text", "-verify")
        for words in ("CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "E-mail Protection", "2.23.140.1.5.1.3", "O = Example, CN = Sub CA"):
            self.assertIn(words, text)

    def test_answers(self):
        other = self.lab.folder("other")
        self.done("csr", "-d", other, "--name", "Sub CA", "-o", "Example")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "key2", "-out", "root2.pem",
                "-subj", "/O=Outside/CN=Outside Root", "-days", 3650, cwd=self.outside)
        for words, changes in (
                ("its key is not the one of the request", {"request": other / "issuing.csr"}),
                ("it was not issued by the root", {"signer": "root2.pem", "key": "key2"}),
                ("it ends later than the root", {"days": 4000}),
                ("not one with SHA-256", {"digest": "-sha1"}),
                ("no pathLenConstraint of 0", {"basicConstraints": "critical,CA:TRUE"}),
                ("it is not that of a CA", {"basicConstraints": "critical,CA:FALSE"}),
                ("its basicConstraints is not critical", {"basicConstraints": "CA:TRUE,pathlen:0"}),
                ("its keyUsage is not keyCertSign and cRLSign alone", {"keyUsage": "critical,keyCertSign,cRLSign,digitalSignature"}),
                ("its keyUsage is not critical", {"keyUsage": "keyCertSign,cRLSign"}),
                ("its extendedKeyUsage is not emailProtection alone", {"extendedKeyUsage": "emailProtection,serverAuth"}),
                ("it has no extendedKeyUsage", {"extendedKeyUsage": None}),
                ("its certificatePolicies name neither", {"certificatePolicies": "1.2.3.4"}),
                ("it has no cRLDistributionPoints", {"crlDistributionPoints": None}),
                ("its cRLDistributionPoints have no http:// URL", {"crlDistributionPoints": "URI:ldap://a/"}),
                ("its authorityInfoAccess has no caIssuers", {"authorityInfoAccess": f"OCSP;URI:{URL}"}),
                ("it has no authorityKeyIdentifier", {"authorityKeyIdentifier": "none"})):
            with self.subTest(words):
                self.refused(f"answer.pem: .*{words}", *self.answer(**changes))
                self.assertFalse((self.folder / "issuing.pem").exists())
        # All of them at once.
        printed = self.refused("3 faults in what the root's CA answered", *self.answer(
            basicConstraints="critical,CA:TRUE", extendedKeyUsage="emailProtection,clientAuth", crlDistributionPoints=None))
        self.assertEqual(len(printed.splitlines()), 4, printed)

    def test_good_answer(self):
        """What is imported is what signetd takes."""
        self.done(*self.answer())
        self.refused("issuing.pem: exists already", *self.answer())
        self.assertIn(": OK", openssl("verify", "-CAfile", self.folder / "issuing-root.pem", self.folder / "issuing.pem"))
        self.assertIn(f"sha256: {self.fingerprint(self.folder / 'issuing.pem')}\n", self.done("transcript", "-d", self.folder))
        self.refused("root.pem.*No such file", "crl", "-d", self.folder)
        (self.outside / "index").write_text("")
        (self.outside / "conf").write_text("[ca]\ndefault_ca=x\n[x]\ndatabase=index\ndefault_md=sha384\ndefault_crl_days=100\n")
        openssl("ca", "-config", "conf", "-gencrl", "-keyfile", "key", "-cert", "root.pem", "-out", "crl.pem", cwd=self.outside)
        openssl("crl", "-in", "crl.pem", "-outform", "DER", "-out", self.folder / "outside.crl", cwd=self.outside)
        server = Signetd(self.lab, start=False)
        server.config["ca"].update({"certificate": self.folder / "issuing.pem", "key": self.folder / "issuing.key",
                                    "root": self.folder / "issuing-root.pem", "root-crl": self.folder / "outside.crl"})
        server.write_config()
        self.assertEqual(server.check(), (0, ""))


class Server(lab.LabCase):
    def test_list_that_ends_soon(self):
        """signetd --check and the log say it while there is time; a new list and SIGHUP end that."""
        server = Signetd(self.lab, start=False)
        ca = server.folder / "ca"
        self.assertEqual(server.check(), (0, ""))
        server.ctl("ca", "crl", "--directory", ca, "--days", 20)
        status, printed = server.check()
        self.assertEqual(status, 0)
        self.assertRegex(printed, r"^warning: \S+: \[ca\] root-crl: it ends at \S+, in 19 days; make a new one with signetctl ca crl\n$")
        server.start()
        warned = r"level=warning role=core event=\"root's revocation list ends\" key=ca.root-crl reason=\"it ends at"
        self.lab.wait_for(lambda: re.search(warned, server.log()), "the warning")
        server.ctl("ca", "crl", "--directory", ca)
        self.assertEqual(server.check(), (0, ""))
        server.config["ca"]["root-crl-warning"] = "365d"
        server.write_config()
        self.assertRegex(server.check()[1], "in 363 days")

    def test_root_that_issues(self):
        server = Signetd(self.lab, start=False)
        server.config["ca"].update({"certificate": "ca/root.pem", "key": "ca/root.key"})
        server.write_config()
        status, printed = server.check()
        self.assertEqual(status, 78)
        self.assertIn("[ca] certificate: is a root's, which issues no certificates to subscribers", printed)


class TwoPeople(Ceremony):
    """A public CA: one system user asks, another one confirms."""

    def setUp(self):
        super().setUp()
        self.token, self.pin = SoftHsm(self, "ca"), self.lab.path / "pin"
        key = self.lab.path / "key.pem"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
        self.token.add(key, "root")
        self.pin.write_text(self.token.pin + "\n")
        for path in (self.folder, self.pin, self.token.conf, self.token.tokens, *self.token.tokens.rglob("*")):
            os.chown(path, ANN, GROUP)
        self.folder.chmod(0o710)
        self.place = ("--pkcs11-module", MODULE, "--passphrase-file", self.pin)
        self.uri, self.asked = "pkcs11:token=ca;object=root", 0

    def ask(self, *argv, user=ANN, env=None):
        """signetctl ca in the background; (process, ID)."""
        self.asked += 1
        process = self.lab.spawn(f"ask-{self.asked}", ["/usr/bin/setpriv", "--reuid", user, "--regid", GROUP, "--clear-groups",
                                         BUILD / "signetctl", "ca", *argv], env=env)
        found = self.lab.wait_for(lambda: re.search(r"signetctl ca confirm (\w+) --directory", process.text()) or
                                  (process.status() is not None and [process.text()]), "the ID")
        self.assertIsInstance(found, re.Match, process.text())
        return process, found[1]

    def confirm(self, identifier, *options, user=BOB, groups=(GROUP,)):
        return ctl("confirm", identifier, "-d", self.folder, *options, user=user, groups=groups)

    def ends(self, process, status, words):
        self.lab.wait_for(lambda: process.status() is not None, "the end")
        self.assertEqual(process.status(), status, process.text())
        self.assertRegex(process.text(), words)

    def root(self, *options, **named):
        return self.ask("root", "-d", self.folder, "--name", "Public Root", "-o", "Example", "-c", "DE", "--public", "--key", self.uri,
                        *self.place, *options, **named)

    def made_root(self):
        process, identifier = self.root()
        self.assertEqual(self.confirm(identifier, "--yes")[0], 0)
        self.ends(process, 0, "confirmed by uid 61002\nmade ")

    def test_who_confirms(self):
        process, identifier = self.root()
        self.assertFalse((self.folder / "root.pem").exists())
        self.assertGreaterEqual(len(identifier), 12)
        for user, groups, words in ((ANN, (), "asked for by the same system user .uid 61001."), (0, (), "root may be anybody"),
                                    (65534, (), "no permission; the folder has to let you in")):
            status, out, err = self.confirm(identifier, "--yes", user=user, groups=groups)
            self.assertEqual((status, "Public Root" in out), (1, False), out)
            self.assertRegex(err, words)
        status, out, err = self.confirm("wrongwrongwr", "--yes")
        self.assertRegex(err, "nothing with this ID waits here")
        # Looking at it and not saying yes leaves it waiting.
        status, out, err = self.confirm(identifier)
        self.assertEqual(status, 1)
        self.assertIn("not confirmed; it still waits", err)
        self.assertIsNone(process.status())
        status, out, err = self.confirm(identifier, "--yes")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"uid 61001 asks:\nthe root's key shall sign root.pem and the root's first revocation list\n")
        self.assertIn("Subject: C = DE, O = Example, CN = Public Root", out)
        self.ends(process, 0, "confirmed by uid 61002")
        shown = re.search(r"Serial Number:\s+([0-9a-f:]+)", out)[1].replace(":", "").upper()
        self.assertEqual(shown, self.serial(self.folder / "root.pem"))  # what was shown is what was signed
        told = self.done("transcript", "-d", self.folder)
        self.assertEqual(re.findall("^event: (.*)", told, re.M), ["asked", "confirmed", "made"])
        self.assertRegex(told, "event: asked\n.*\nby: uid 61001\n")
        self.assertIn("confirmed-by: uid 61002\n", told)

    def test_public_for_good(self):
        """What comes later needs two as well, without being told so; and keys in tokens."""
        self.made_root()
        d, below = self.folder, ("--root-key", self.uri, *self.place)
        other = self.lab.folder("other")
        self.done("csr", "-d", other, "--name", "Sub", "-o", "Example", "-c", "DE")
        self.refused("a public CA's key is in a token", "issuing", "-d", d, "--name", "Sub", "-u", URL, *below, user=ANN)
        self.refused("a public CA's key is in a token: give --root-key", "crl", "-d", d, user=ANN)
        process, identifier = self.ask("issuing", "-d", d, "--request", other / "issuing.csr", "-u", URL, *below)
        self.assertEqual(self.confirm(identifier, "--yes")[0], 0)
        self.ends(process, 0, "made .*issuing.pem")
        self.assertIn(": OK", openssl("verify", "-CAfile", d / "root.pem", d / "issuing.pem"))
        serial = self.serial(d / "issuing.pem")
        process, identifier = self.ask("crl", "-d", d, "--revoke", serial, "--reason", "superseded", *below)
        status, out, err = self.confirm(identifier, "--yes")
        self.assertIn(f"{serial} ", out)
        self.ends(process, 0, "made .*root.crl")
        self.assertEqual(len(x509.load_der_x509_crl((d / "root.crl").read_bytes())), 1)

    def test_refused_and_given_up(self):
        self.made_root()
        before, crl = (self.folder / "root.crl").read_bytes(), ("crl", "-d", self.folder, "--root-key", self.uri, *self.place)
        process, identifier = self.ask(*crl)
        self.refused("another command is at work there", *crl, user=ANN)
        self.assertEqual(self.confirm(identifier, "--refuse")[0], 0)
        self.ends(process, 1, "no list made: uid 61002 refused it")
        process, identifier = self.ask(*crl, "--wait", "1s")
        self.ends(process, 1, "no list made: nobody confirmed it within 1s")
        self.assertRegex(self.confirm(identifier, "--yes")[2], "nothing waits here for a second person")
        process, identifier = self.ask(*crl)
        for _ in range(5):
            self.assertEqual(self.confirm("guessguessgu", "--yes")[0], 1)
        self.ends(process, 1, "wrong IDs were tried")
        process, identifier = self.ask(*crl)
        process.send(15)
        self.ends(process, 1, "no list made: withdrawn")
        self.assertEqual((self.folder / "root.crl").read_bytes(), before)
        told = self.done("transcript", "-d", self.folder)
        self.assertEqual(re.findall("^event: (.*)", told, re.M)[3:], ["asked", "refused", "asked", "timed out", "asked",
                                                                     "given up: wrong IDs were tried", "asked", "withdrawn"])
        self.assertIn("refused-by: uid 61002\n", told)

    def test_ways_around(self):
        """Root asks and the same person confirms; a folder that nobody else can reach; a file as the key."""
        process, identifier = self.root(user=0, env={"SUDO_UID": str(BOB)})
        self.assertRegex(self.confirm(identifier, "--yes")[2], "asked for by uid 61002 as another user; somebody else has to")
        self.assertRegex(self.confirm(identifier, "--yes", user=0, groups=())[2], "the same system user .uid 0.")
        self.assertEqual(self.confirm(identifier, "--yes", user=61003)[0], 0)
        self.ends(process, 0, "confirmed by uid 61003")
        self.assertIn("logged-in-as: uid 61002\n", self.done("transcript", "-d", self.folder))
        closed = self.lab.folder("closed")
        closed.chmod(0o700)
        os.chown(closed, ANN, GROUP)
        name = ("--name", "Root", "-o", "Example", "-c", "DE", "--public")
        self.refused("nobody else can reach", "root", "-d", closed, *name, "--key", self.uri, *self.place, user=ANN)
        self.refused("a public CA's key is in a token: give --key", "root", "-d", closed, *name, user=ANN)
        self.refused("ca-subject .*organizationName", "root", "-d", closed, "--name", "Root", "--public", "--key", self.uri,
                     *self.place, user=ANN)
        # With --group they can reach it.
        process, _ = self.ask("root", "-d", closed, *name, "--key", self.uri, *self.place, "--group", "daemon", "--wait", "1s", user=0)
        self.assertEqual((closed.stat().st_mode & 0o777, closed.group()), (0o710, "daemon"))
        self.ends(process, 1, "nobody confirmed it within 1s")
        self.assertFalse((closed / "root.pem").exists())


if __name__ == "__main__":
    unittest.main()
