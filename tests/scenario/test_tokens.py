# SPDX-License-Identifier: Apache-2.0
"""The CA's key in a token (PKCS#11, with SoftHSM): issuing, what is said when it cannot be opened, a token that goes
away and comes back, and that no other process than the signer has to do with it (ca-rules 18)."""

import pathlib
import re
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from faults import FaultCase, World, new_user
from issuers import MODULE, SoftHsm, crl_of, openssl_verify
from signet_lab import Signetd, make_csr, new_key


def load(path):
    return x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())


class Issue(FaultCase):
    def setUp(self):
        super().setUp()
        self.token = SoftHsm(self, "ca")
        self.world = World(self, start=False)
        self.server = self.world.server

    def use(self, kind, name, store="store"):
        """A CA whose keys are of a kind, its issuing key in the token."""
        server, folder = self.server, self.server.folder / name
        server.ctl("ca", "init", "--directory", folder, "--url", f"http://127.0.0.1:{server.http}/", "--key-type", kind)
        self.token.add(folder / "issuing.key", name)
        server.config["ca"].update(self.token.settings(name, server.folder / "pin"), certificate=folder / "issuing.pem",
                                   root=folder / "root.pem", **{"root-crl": folder / "root.crl"})
        server.config["store"]["directory"] = store
        server.write_config()
        self.assertEqual(server.check(), (0, ""))
        server.start()
        return load(folder / "issuing.pem"), load(folder / "root.pem")

    def assert_in_signer_alone(self):
        """The module is mapped in the signer and nowhere else, and the PIN stands in no log."""
        self.server.pids()
        for role, pids in {**self.server.pids(), "parent": [self.server.process.pid]}.items():
            for pid in pids:
                maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                self.assertEqual("libsofthsm2" in maps, role == "signer", role)
        self.assertNotIn(self.token.pin, self.server.log())

    def test_key_types(self):
        for kind, name in (("P-256", "p256"), ("P-384", "p384"), ("RSA-4096", "rsa")):
            with self.subTest(kind):
                issuer, root = self.use(kind, name, f"store-{name}")
                leaf, above = self.world.issue(new_user(self.server), "user1")
                self.assertEqual(above, issuer)
                if kind == "RSA-4096":
                    issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(),
                                               hashes.SHA256())
                else:
                    digest = hashes.SHA256() if kind == "P-256" else hashes.SHA384()
                    issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(digest))
                self.assertTrue(crl_of(leaf).is_signature_valid(issuer.public_key()))
                self.assertEqual(openssl_verify(self.lab, leaf, [issuer], root)[0], 0)
                self.assert_in_signer_alone()
                log = self.server.log()
                self.assertRegex(log, f'event="PKCS#11 module loaded" module={MODULE} uses=".*tokens; .*softhsm2.conf" rights=')
                self.assertRegex(log, f'event="key opened" key="?pkcs11:token=ca;object={name}')
                self.server.stop()

    def test_token_goes_away(self):
        """The order waits and the log says why; when the token is back the certificate comes."""
        self.use("P-256", "p256")
        user = new_user(self.server)
        self.world.issue(user, "user1")
        order = user.new_order("user2@user.test")
        challenge = user.authorization(order)["challenges"][0]
        self.world.hand_in("user2@user.test", challenge["from"], self.world.reply(user, challenge, "user2"))
        user.respond(challenge)
        self.assertEqual(self.world.poll(user, order, lambda o: o["status"] != "pending")["status"], "ready")
        self.token.away()
        user.finalize(order, make_csr(new_key(), "user2@user.test"))
        self.lab.wait_for(lambda: re.search('question refused" question=signed reason="the CA key cannot sign', self.server.log()),
                          "the refusal")
        self.lab.wait_for(lambda: re.search('key not opened" key=.* reason="there is no token pkcs11:token=ca', self.server.log()),
                          "the signer to begin anew")
        self.assertEqual(user.get(order["url"])["status"], "processing")
        self.token.back()

        def settled():
            self.server.hurry("issue")
            return user.get(order["url"])["status"] != "processing"
        self.lab.wait_for(settled, "the certificate")
        self.assertEqual(user.get(order["url"])["status"], "valid")
        self.wait_idle(self.server)
        self.assert_sound(self.server)


class Check(FaultCase):
    """signetd --check and the start: what is wrong with a key in a token, and in which line."""

    def setUp(self):
        super().setUp()
        self.token = SoftHsm(self, "ca")
        self.server = server = Signetd(self.lab, start=False)
        self.token.add(server.folder / "ca/issuing.key", "issuing")
        other = server.folder / "other.key"
        other.write_bytes(new_key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                  serialization.NoEncryption()))
        self.token.add(other, "other")
        self.token.init("empty", "111111")
        self.token.label = "ca"
        server.config["ca"].update(self.token.settings("issuing", server.folder / "pin"))
        (server.folder / "wrong-pin").write_text("999999\n")

    def assert_mistake(self, changes, key, words):
        before = dict(self.server.config["ca"])
        self.server.config["ca"].update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            del self.server.config["ca"][name]
        self.server.write_config()
        status, printed = self.server.check()
        self.server.config["ca"] = before
        self.assertEqual(status, 78, printed)
        self.assertEqual(len(printed.splitlines()), 2, printed)
        self.assertRegex(printed.splitlines()[0], rf"^\S+/signet.conf(:\d+)?: \[ca\] {key}: .*{words}")
        self.assertNotIn(self.token.pin, printed)

    def test_mistakes(self):
        maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
        libc = next(line.split()[-1] for line in maps if "libc.so" in line)
        for changes, key, words in (
                ({"pkcs11-module": None}, "key", "is in a token, and .ca. pkcs11-module is not given"),
                ({"pkcs11-module": "/absent/module.so"}, "pkcs11-module", "/absent/module.so cannot be used: .*No such file"),
                ({"pkcs11-module": libc}, "pkcs11-module", "it is no PKCS#11 module"),
                ({"pkcs11-paths": "/absent/socket"}, "pkcs11-paths", "/absent/socket is not there"),
                ({"key": "pkcs11:token=absent;object=issuing"}, "key", "there is no token pkcs11:token=absent"),
                ({"key": "pkcs11:token=empty;object=issuing", "passphrase-file": "empty-pin"}, "key", "or it has no private key at all"),
                ({"key": "pkcs11:token=ca;object=absent"}, "key", "the token has no private key pkcs11:token=ca;object=absent"),
                ({"key": "pkcs11:token=ca;object=other"}, "key", "the private key is not the CA certificate's"),
                ({"key": "pkcs11:token=ca"}, "key", "names no key"),
                ({"key": "pkcs11:tokem=ca;object=issuing"}, "key", '"tokem" is no attribute'),
                ({"key": "pkcs11:token=ca;object=a b"}, "key", '"object".* must be written as %HH'),
                ({"key": "pkcs11:token=ca;object=issuing;type=public"}, "key", "names no private key"),
                ({"key": "pkcs11:token=ca;object=issuing?pin-value=1"}, "key", "the PIN belongs into passphrase-file"),
                ({"passphrase-file": "wrong-pin"}, "passphrase-file", r"the token refuses the PIN \(PIN incorrect\)"),
                ({"passphrase-file": "absent-pin"}, "passphrase-file", "No such file")):
            (self.server.folder / "empty-pin").write_text("111111\n")
            with self.subTest(words):
                self.assert_mistake(changes, key, words)

    def test_pin_is_tried_once(self):
        """Tokens lock themselves after a few wrong PINs: with several CAs in one, the first refusal ends it."""
        self.server.config["ca"]["passphrase-file"] = "wrong-pin"
        for name in ("earlier", "coming"):
            self.server.config[f"issuer {name}"] = {k: self.server.config["ca"][k] for k in ("certificate", "key", "passphrase-file")}
        self.server.write_config()
        status, printed = self.server.check()
        self.assertEqual(status, 78)
        self.assertEqual(printed.count("the token refuses the PIN"), 1, printed)

    def test_public_operation(self):
        """A public CA's key is in a token and never in a file; there is no switch for that."""
        settings = self.server.config
        zone = self.server.folder / "anchor.key"
        zone.write_text(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
        settings["dns"] = {"trust-anchor": zone}
        settings["ca"]["operation"] = "public"
        self.server.write_config()
        self.assertNotIn("a public CA's key", self.server.check()[1])
        self.server.ctl("ca", "init", "--directory", self.server.folder / "files", "--url", "http://pki.test/")
        settings["ca"].update({"key": "files/issuing.key", "certificate": "files/issuing.pem", "root": "files/root.pem",
                               "root-crl": "files/root.crl", "passphrase-file": ""})
        self.server.write_config()
        status, printed = self.server.check()
        self.assertEqual(status, 78)
        self.assertRegex(printed, r":\d+: \[ca\] key: a public CA's key is in a token: a pkcs11: URI, and no file")


if __name__ == "__main__":
    unittest.main()
