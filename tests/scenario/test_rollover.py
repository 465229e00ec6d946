# SPDX-License-Identifier: Apache-2.0
"""The issuing CA changes: certificates of the earlier one keep their chain, their renewal information, their revocation
and their lists, each signed by its own key; new ones come from the new CA. Cross certificates are offered for each."""

import datetime
import json
import re
import sqlite3
import subprocess
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from faults import FaultCase, World, new_user
from issuers import SoftHsm, crl_of, crl_url, issuer_url, fetch, openssl_verify, pem
from signet_lab import BUILD, b64

KEPT = (x509.BasicConstraints, x509.KeyUsage, x509.SubjectKeyIdentifier, x509.ExtendedKeyUsage, x509.CertificatePolicies)


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def cross_certify(issuing, name):
    """Another root, and its certificate for the issuing CA's key."""
    key, end = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow() + datetime.timedelta(days=400)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    root = (x509.CertificateBuilder(subject, subject, key.public_key(), 1, issuing.not_valid_before, end)
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(issuing.extensions.get_extension_for_class(x509.KeyUsage).value, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False).sign(key, hashes.SHA256()))
    builder = x509.CertificateBuilder(subject, issuing.subject, issuing.public_key(), 2, issuing.not_valid_before, end)
    for extension in issuing.extensions:
        if isinstance(extension.value, KEPT):
            builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
    return builder.sign(key, hashes.SHA256()), root


class RollOver(FaultCase):
    def setUp(self):
        super().setUp()
        self.world = World(self, start=False)
        self.server = server = self.world.server
        self.a, self.root_a = self.read("ca")
        self.settings_a = {name: server.folder / server.config["ca"][name] for name in ("certificate", "key", "root", "root-crl")}

    def read(self, folder):
        return load(self.server.folder / folder / "issuing.pem"), load(self.server.folder / folder / "root.pem")

    def make(self, folder, name):
        """A further CA with a root of its own, whose files have names of their own below the published URL."""
        server = self.server
        server.ctl("ca", "init", "--directory", server.folder / folder, "--name", name, "--url",
                   f"http://127.0.0.1:{server.http}/")
        key = server.folder / folder / "root.key"
        root_key = serialization.load_pem_private_key(key.read_bytes(), None)
        old = load(server.folder / folder / "issuing.pem")
        builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number + 1,
                                          old.not_valid_before, old.not_valid_after)
        base = f"http://127.0.0.1:{server.http}/{folder}"
        place = lambda end: [x509.UniformResourceIdentifier(base + end)]
        changed = {x509.CRLDistributionPoints: x509.CRLDistributionPoints([x509.DistributionPoint(place("-root.crl"), None, None, None)]),
                   x509.AuthorityInformationAccess: x509.AuthorityInformationAccess([x509.AccessDescription(
                       x509.AuthorityInformationAccessOID.CA_ISSUERS, place("-root.der")[0])])}
        for extension in old.extensions:
            builder = builder.add_extension(changed.get(type(extension.value), extension.value), extension.critical)
        (server.folder / folder / "issuing.pem").write_bytes(pem(builder.sign(root_key, hashes.SHA256())))
        return self.read(folder)

    def settings(self, folder):
        return {"certificate": f"{folder}/issuing.pem", "key": f"{folder}/issuing.key", "root": f"{folder}/root.pem",
                "root-crl": f"{folder}/root.crl"}

    def restart(self):
        self.server.stop()
        self.server.write_config()
        self.assertEqual(self.server.check(), (0, ""))
        self.server.start()

    def issue(self, user, mailbox):
        """(leaf, chain above it, URL of the certificate)."""
        chain = self.world.issue(user, mailbox)
        url = self.server.query("SELECT id FROM certificate WHERE serial = ?",
                                chain[0].serial_number.to_bytes(17, "big"))[0][0]
        return chain[0], chain[1], f"{self.server.url}/certificate/{b64(url)}"

    def renewal_info(self, leaf):
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        name = f"{b64(authority)}.{b64(leaf.serial_number.to_bytes(17, 'big'))}"
        with urllib.request.urlopen(f"{self.server.url}/renewal-info/{name}", context=self.server.tls_context(),
                                    timeout=60) as answer:
            return json.load(answer)

    def revoke(self, user, leaf):
        user.post(f"{self.server.url}/revoke-cert", {"certificate": b64(leaf.public_bytes(serialization.Encoding.DER)),
                                                     "reason": 4})

    def assert_good(self, leaf, issuer, root):
        self.assertEqual(x509.load_der_x509_certificate(fetch(issuer_url(leaf))), issuer)
        self.assertTrue(crl_of(leaf).is_signature_valid(issuer.public_key()))
        self.assertEqual(openssl_verify(self.lab, leaf, [issuer], root)[0], 0)

    def assert_revoked(self, leaf, issuer, root):
        listed = lambda: crl_of(leaf).get_revoked_certificate_by_serial_number(leaf.serial_number)
        self.lab.wait_for(listed, "the certificate to be listed")
        self.assertTrue(crl_of(leaf).is_signature_valid(issuer.public_key()))
        self.assertIn("certificate revoked", openssl_verify(self.lab, leaf, [issuer], root)[1])

    def alternates(self, user, url):
        """The chains (above the leaf) that Link fields offer."""
        links = re.findall(r'<([^>]+)>;rel="alternate"', user.post(url).headers.get("Link", ""))
        return [re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", user.post(link).content, re.S)[1:]
                for link in links]

    def test_roll_over(self):
        server = self.server
        server.start()
        user = new_user(server)
        first, above, url = self.issue(user, "user1")
        second, _, _ = self.issue(user, "user2")
        self.assertEqual(above, self.a)
        # B is ready beforehand: its list is out, while A goes on issuing.
        b, root_b = self.make("b", "B")
        server.config["issuer next"] = self.settings("b")
        self.restart()
        self.assertTrue(self.changes("issuer next.certificate (content of %/b/issuing.pem)"))
        third, above, _ = self.issue(user, "user3")
        self.assertEqual(above, self.a)
        self.assertEqual(crl_url(third), crl_url(first))
        self.lab.wait_for(lambda: server.query("SELECT 1 FROM crl_shard WHERE number = 2 AND crl IS NOT NULL"), "B's first list")
        # B issues, with a cross certificate for each.
        cross_a, other_a = cross_certify(self.a, "Another root for A")
        cross_b, other_b = cross_certify(b, "Another root for B")
        for name, chain in (("cross-a.pem", (cross_a, other_a)), ("cross-b.pem", (cross_b, other_b))):
            (server.folder / name).write_bytes(pem(*chain))
        del server.config["issuer next"]
        server.config["issuer earlier"] = {**self.settings_a, "alternate-chains": "cross-a.pem"}
        server.config["ca"].update(self.settings("b"), **{"alternate-chains": "cross-b.pem"})
        del server.config["issuer earlier"]["root-crl"], server.config["issuer earlier"]["root"]
        server.config["issuer earlier"].update({"root": self.settings_a["root"], "root-crl": self.settings_a["root-crl"]})
        self.restart()
        self.assertTrue(self.changes("issuer earlier.alternate-chains (content of %/cross-a.pem)"))
        fourth, above, url_b = self.issue(user, "user4")
        self.assertEqual(above, b)
        self.assertNotEqual(crl_url(fourth), crl_url(first))
        self.assertEqual([x509.load_pem_x509_certificate(part) for part in
                          re.findall(b"-----BEGIN.*?-----END CERTIFICATE-----\n", user.post(url).content, re.S)], [first, self.a])
        self.assertEqual(self.alternates(user, url), [[pem(cross_a), pem(other_a)]])
        self.assertEqual(self.alternates(user, url_b), [[pem(cross_b), pem(other_b)]])
        for leaf in (first, fourth):
            self.assertIn("suggestedWindow", self.renewal_info(leaf))
        self.assert_good(second, self.a, self.root_a)
        self.assert_good(fourth, b, root_b)
        # Both are revoked, each in its own CA's list.
        self.revoke(user, first)
        self.revoke(user, fourth)
        self.assert_revoked(first, self.a, self.root_a)
        self.assert_revoked(fourth, b, root_b)
        self.assert_good(second, self.a, self.root_a)
        self.wait_idle(server)
        self.assert_sound(server)
        server.stop()
        for leaf in (first, fourth):
            shown, failed = server.evidence(leaf)
            self.assertEqual(failed, set(), shown)
            self.assertIn("\nok      issuer: the certificate is signed by it", shown)
        server.start()
        self.check_again()

    def changes(self, key):
        """What the audit log has of a change of the configuration; key: with % as in SQL."""
        return self.server.query("SELECT 1 FROM audit WHERE kind = 'configuration changed' AND detail LIKE ?",
                                 f'key="{key}"%sha256:%')

    def check(self, *words):
        done = subprocess.run([BUILD / "signetctl", "check", *words, "--config", self.server.path], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def check_again(self):
        """signetctl check knows every configured CA; a list belongs to the CA of its certificates."""
        server = self.server
        self.lab.wait_for(lambda: self.check("crl")[0] == 0, "the lists to be published")
        status, said = self.check("all")
        self.assertEqual(status, 0, said)
        self.assertIn("certificates: 4 certificates", said)
        self.assertIn("revocation lists: 2 lists with 2 entries, and 2 of roots; 0 faults", said)
        self.assertEqual(self.check("sample")[0], 0)
        server.stop()
        published = server.folder / "store/published"
        other = (published / "b-root.crl").read_bytes()
        own = (published / "root.crl").read_bytes()
        (published / "root.crl").write_bytes(other)
        self.assertIn("FAULT: root.crl: it is not published, or not signed by the root", self.check("crl")[1])
        (published / "root.crl").write_bytes(own)
        identifiers = server.query("SELECT issuer FROM crl_shard ORDER BY number")
        with sqlite3.connect(server.folder / "store/signet.db") as store:
            store.execute("UPDATE crl_shard SET issuer = ? WHERE number = 1", identifiers[1])
        store.close()
        self.assertIn("FAULT: crl-1.crl: it is not list number", self.check("crl")[1])
        with sqlite3.connect(server.folder / "store/signet.db") as store:
            store.execute("UPDATE crl_shard SET issuer = ? WHERE number = 1", identifiers[0])
        store.close()
        # Without the earlier CA its certificates are strangers, until it is named.
        earlier = server.config.pop("issuer earlier")
        server.write_config()
        status, said = self.check("all")
        self.assertEqual((status, said.count("its signature does not verify under any issuer")), (1, 3), said)
        self.assertIn("FAULT: crl-1.crl: it is not list number", said)
        status, said = self.check("all", "--issuer", earlier["certificate"])
        self.assertEqual(status, 0, said)

    def test_earlier_ca_is_missing(self):
        """Its lists are not signed by another key, and the log says what is missing."""
        self.server.start()
        user = new_user(self.server)
        leaf, _, url = self.issue(user, "user1")
        before = crl_of(leaf)
        self.make("b", "B")
        self.server.config["ca"].update(self.settings("b"))
        self.restart()
        self.revoke(user, leaf)
        self.lab.wait_for(lambda: re.search(r'revocation list not signed" file=crl-1.crl reason="its CA is not configured; give it as',
                                            self.server.log()), "the complaint")
        self.assertEqual(crl_of(leaf), before)

    def test_tokens(self):
        """Keys of both CAs in tokens of their own, with PINs of their own."""
        token, server = SoftHsm(self, "a"), self.server
        token.add(server.folder / "ca/issuing.key", "issuing")
        settings = token.settings("issuing", server.folder / "pin-a")
        server.config["ca"].update(settings)
        server.write_config()
        server.start()
        user = new_user(server)
        first, _, _ = self.issue(user, "user1")
        b, root_b = self.make("b", "B")
        token.init("b", "161803")
        token.add(server.folder / "b/issuing.key", "issuing", pin="161803")
        (server.folder / "pin-b").write_text("161803\n")
        server.config["issuer a"] = {**self.settings_a, "key": settings["key"], "passphrase-file": settings["passphrase-file"]}
        server.config["ca"].update(self.settings("b"), **{"key": "pkcs11:token=b;object=issuing", "passphrase-file": "pin-b"})
        self.restart()
        second, above, _ = self.issue(user, "user2")
        self.assertEqual(above, b)
        self.revoke(user, first)
        self.assert_revoked(first, self.a, self.root_a)
        self.assert_good(second, b, root_b)

    def test_mistakes(self):
        b, _ = self.make("b", "B")
        for changes, key, words in (
                ({"certificate": self.settings_a["certificate"], "key": self.settings_a["key"], "root": ""}, "certificate",
                 "has the key identifier of another configured CA"),
                ({"key": self.settings_a["key"]}, "key", "the private key is not the CA certificate's"),
                ({"root": "", "root-crl": ""}, None, "did not issue the CA's certificate"),
                ({"alternate-chains": self.settings_a["certificate"]}, "alternate-chains", "its subject is not")):
            with self.subTest(words):
                self.server.config["issuer next"] = {**self.settings("b"), **changes}
                self.server.write_config()
                status, printed = self.server.check()
                self.assertEqual(status, 78, printed)
                self.assertRegex(printed, rf"\[issuer next\] {key}: .*{words}" if key else words)


if __name__ == "__main__":
    unittest.main()
