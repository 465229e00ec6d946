# SPDX-License-Identifier: Apache-2.0
"""What ca/ makes, examined by programs that share no code with it: python3-cryptography, `openssl`, the tools of NSS (the
library of Thunderbird) and `gpgsm`."""
import datetime
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import ExtensionOID, NameOID

MAKER = pathlib.Path(os.environ.get("SIGNET_BUILD", "build")) / "tests" / "ca_test_ceremony"
AT, NSS_AT, GPG_AT = "1772409600", "2603020000Z", "20260302T000000"  # a day after the ceremony's date
LEAVES = ("leaf", "revoked", "utf8", "anonymous")

BASIC, USAGE, SKI, AKI = "2.5.29.19", "2.5.29.15", "2.5.29.14", "2.5.29.35"
EKU, POLICIES, SAN, CDP = "2.5.29.37", "2.5.29.32", "2.5.29.17", "2.5.29.31"
AIA = "1.3.6.1.5.5.7.1.1"


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else \
        b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def url_point(url):
    return tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, tlv(0x86, url)))))


def url_access(url):
    return tlv(0x30, tlv(0x30, bytes.fromhex("06082b06010505073002"), tlv(0x86, url)))


def policies(*last):
    return tlv(0x30, *(tlv(0x30, tlv(0x06, bytes.fromhex("67810c010501")[:-1] + b"\x01" + n))
                       for n in last))


EMAIL_PROTECTION = bytes.fromhex("300a06082b06010505070304")
BASE = b"http://pki.example.org/"


class Chain(unittest.TestCase):
    key_type = "P-256"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        subprocess.run([MAKER, "--write", cls.path, cls.key_type], check=True)
        load = lambda name: (cls.path / name).read_bytes()
        cls.root = x509.load_pem_x509_certificate(load("root.pem"))
        cls.issuing = x509.load_pem_x509_certificate(load("issuing.pem"))
        cls.leaves = {n: x509.load_der_x509_certificate(load(n + ".der")) for n in LEAVES}
        cls.root_crl = x509.load_der_x509_crl(load("root.crl"))
        cls.crl = x509.load_der_x509_crl(load("issuing.crl"))
        for name in LEAVES:
            cls.openssl("x509", "-inform", "DER", "-in", name + ".der", "-out", name + ".pem")
        for name in ("root", "issuing"):
            cls.openssl("crl", "-inform", "DER", "-in", name + ".crl", "-out", name + ".crl.pem")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def openssl(cls, *arguments, check=True):
        return subprocess.run(["openssl", *arguments], cwd=cls.path, check=check,
                              capture_output=True, text=True)

    def extensions(self, certificate):
        return [(e.oid.dotted_string, e.critical, e.value.public_bytes())
                for e in certificate.extensions]

    def verify(self, leaf, purpose):
        return self.openssl("verify", "-x509_strict", "-purpose", purpose, "-attime", AT,
                            "-crl_check_all", "-extended_crl", "-CAfile", "root.pem", "-untrusted",
                            "issuing.pem", "-CRLfile", "root.crl.pem", "-CRLfile",
                            "issuing.crl.pem", leaf + ".pem", check=False)

    def test_openssl_verifies(self):
        """OpenSSL's smimeencrypt asks for keyEncipherment, which an EC key cannot have: RSA only."""
        for leaf, purpose in (("leaf", "smimesign"), ("utf8", "smimesign"),
                              ("anonymous", "smimeencrypt")):
            self.assertEqual(self.verify(leaf, purpose).returncode, 0, (leaf, purpose))

    def test_openssl_refuses(self):
        for leaf, purpose, why in (("revoked", "smimesign", "revoked"),
                                   ("utf8", "smimeencrypt", "purpose"),
                                   ("anonymous", "smimesign", "purpose"),
                                   ("leaf", "sslclient", "purpose"),
                                   ("leaf", "sslserver", "purpose")):
            result = self.verify(leaf, purpose)
            self.assertNotEqual(result.returncode, 0, (leaf, purpose))
            self.assertIn(why, result.stderr)

    # --- NSS ---

    def nss(self, *arguments):
        return subprocess.run([arguments[0], "-d", f"sql:{self.path}/nss", *arguments[1:]], cwd=self.path,
                              capture_output=True, text=True)

    def nss_database(self):
        """A new one that trusts the root for mail."""
        (self.path / "nss").mkdir()
        self.addCleanup(shutil.rmtree, self.path / "nss")
        self.nss("certutil", "-N", "--empty-password")
        for name in ("root", "issuing", *LEAVES):
            if name not in LEAVES:
                self.openssl("x509", "-in", name + ".pem", "-outform", "DER", "-out", name + ".der")
            done = self.nss("certutil", "-A", "-n", name, "-t", ",C," if name == "root" else ",,", "-i", name + ".der")
            self.assertEqual(done.returncode, 0, done.stderr)

    def nss_verdict(self, name, usage):
        done = self.nss("certutil", "-V", "-n", name, "-u", usage, "-e", "-b", NSS_AT)
        return done.stdout + done.stderr

    def nss_takes(self, crl):
        done = self.nss("crlutil", "-I", "-t", "1", "-i", crl)
        return done.returncode == 0 or done.stderr

    def test_nss(self):
        """Chains by what each certificate is for; the root's list, and one of the issuing CA that needs no
        issuingDistributionPoint. One that has it NSS refuses, for it knows this extension not at all."""
        self.nss_database()
        for name, usage in (("leaf", "S"), ("leaf", "R"), ("revoked", "S"), ("revoked", "R"), ("utf8", "S"),
                            ("anonymous", "R")):
            self.assertIn("certificate is valid", self.nss_verdict(name, usage), (name, usage))
        for name, usage, why in (("anonymous", "S", "key usage inadequate"), ("leaf", "V", "is invalid"),
                                 ("leaf", "L", "is invalid")):
            self.assertIn(why, self.nss_verdict(name, usage), (name, usage))
        self.assertEqual(self.nss_takes("root.crl"), True)
        self.assertIn("UNKNOWN_CRITICAL_EXTENSION", self.nss_takes("issuing.crl"))
        self.assertEqual(self.nss_takes("complete.crl"), True)
        self.assertIn("certificate is valid", self.nss_verdict("leaf", "S"))
        self.assertIn("revoked", self.nss_verdict("revoked", "S").lower().replace("issuer has been revoked", ""))
        octets = bytearray((self.path / "complete.crl").read_bytes())
        octets[-1] ^= 1
        (self.path / "changed.crl").write_bytes(octets)
        self.assertIn("signature", self.nss_takes("changed.crl"))

    # --- gpgsm ---

    def test_gpgsm(self):
        """Chains; certificates without a subject it does not read."""
        with tempfile.TemporaryDirectory() as home:
            (pathlib.Path(home) / "trustlist.txt").write_text(self.root.fingerprint(hashes.SHA1()).hex(":").upper() + " S\n")
            gpgsm = lambda *arguments: subprocess.run(
                ["gpgsm", "--homedir", home, "--batch", "--faked-system-time", GPG_AT, "--disable-dirmngr",
                 "--disable-crl-checks", *arguments], cwd=self.path, capture_output=True, text=True)
            try:
                named = [name for name in LEAVES if self.leaves[name].subject.rdns]
                gpgsm("--import", "root.pem", "issuing.pem", *(name + ".pem" for name in named))
                for name in named:
                    fingerprint = self.leaves[name].fingerprint(hashes.SHA1()).hex().upper()
                    done = gpgsm("--with-validation", "--list-keys", fingerprint)
                    self.assertIn("[certificate is good]", done.stdout, (name, done.stderr))
            finally:
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)

    def check_signature(self, signer, octets, signature, digest):
        key = signer.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, octets, ec.ECDSA(digest))
            self.assertEqual(digest.name, {256: "sha256", 384: "sha384"}[key.key_size])
        else:
            self.assertEqual(digest.name, "sha256")
            key.verify(signature, octets, padding.PKCS1v15(), digest)

    def test_signatures(self):
        signed = [(self.root, self.root), (self.root, self.issuing)]
        signed += [(self.issuing, leaf) for leaf in self.leaves.values()]
        for signer, c in signed:
            self.check_signature(signer, c.tbs_certificate_bytes, c.signature,
                                 c.signature_hash_algorithm)
            self.assertEqual(c.issuer.public_bytes(), signer.subject.public_bytes())
            self.assertEqual(c.version, x509.Version.v3)
            self.assertTrue(2 ** 128 <= c.serial_number < 2 ** 159)
        for signer, crl in ((self.root, self.root_crl), (self.issuing, self.crl)):
            self.check_signature(signer, crl.tbs_certlist_bytes, crl.signature,
                                 crl.signature_hash_algorithm)

    def test_algorithm_identifiers(self):
        """S/MIME BR 7.1.3.2, octet for octet, inside and outside what is signed."""
        wanted = {"P-256": "300a06082a8648ce3d040302", "P-384": "300a06082a8648ce3d040303",
                  "RSA-4096": "300d06092a864886f70d01010b0500"}[self.key_type]
        for thing in (self.root, self.issuing, *self.leaves.values(), self.root_crl, self.crl):
            tbs = thing.tbs_certlist_bytes if hasattr(thing, "next_update") else \
                thing.tbs_certificate_bytes
            outer = thing.public_bytes(serialization.Encoding.DER)
            self.assertIn(bytes.fromhex(wanted), tbs)
            self.assertEqual(outer.split(tbs)[1][:len(wanted) // 2].hex(), wanted)

    def identifier(self, certificate):
        spki = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        key = certificate.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            bits = key.public_bytes(serialization.Encoding.X962,
                                    serialization.PublicFormat.UncompressedPoint)
        else:
            bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        self.assertTrue(spki.endswith(bits))
        return hashlib.sha256(bits).digest()[:20]

    def ski(self, certificate):
        return SKI, False, tlv(0x04, self.identifier(certificate))

    def aki(self, certificate):
        return AKI, False, tlv(0x30, tlv(0x80, self.identifier(certificate)))

    def test_root_extensions(self):
        self.assertEqual(self.extensions(self.root), [
            (BASIC, True, bytes.fromhex("30030101ff")),
            (USAGE, True, bytes.fromhex("03020106")),
            self.ski(self.root)])

    def test_issuing_extensions(self):
        self.assertEqual(self.extensions(self.issuing), [
            (BASIC, True, bytes.fromhex("30060101ff020100")),
            (USAGE, True, bytes.fromhex("03020106")),
            self.ski(self.issuing),
            self.aki(self.root),
            (EKU, False, EMAIL_PROTECTION),
            (POLICIES, False, policies(b"\x03", b"\x02")),
            (CDP, False, url_point(BASE + b"root.crl")),
            (AIA, False, url_access(BASE + b"root.der"))])

    def leaf_extensions(self, name, usage, policy, names, critical):
        return [self.aki(self.issuing), self.ski(self.leaves[name]), (USAGE, True, usage),
                (POLICIES, False, policies(policy)), (SAN, critical, tlv(0x30, *names)),
                (BASIC, False, bytes.fromhex("3000")), (EKU, False, EMAIL_PROTECTION),
                (CDP, False, url_point(BASE + b"1.crl")),
                (AIA, False, url_access(BASE + b"issuing.der"))]

    def test_leaf_extensions(self):
        alice = tlv(0x81, b"alice@example.org")
        utf8 = tlv(0xA0, bytes.fromhex("06082b06010505070809"),
                   tlv(0xA0, tlv(0x0C, "ж@xn--bcher-kva.example".encode())))
        longer = tlv(0x81, b"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
                           b"@example.org")
        wanted = {
            "leaf": self.leaf_extensions("leaf", bytes.fromhex("03020388"), b"\x03", [alice],
                                         False),
            "revoked": self.leaf_extensions("revoked", bytes.fromhex("030205a0"), b"\x03",
                                            [alice], False),
            "utf8": self.leaf_extensions("utf8", bytes.fromhex("03020780"), b"\x02",
                                         [utf8, alice], False),
            "anonymous": self.leaf_extensions("anonymous", bytes.fromhex("03020520"), b"\x03",
                                              [longer], True),
        }
        for name, extensions in wanted.items():
            self.assertEqual(self.extensions(self.leaves[name]), extensions, name)

    def test_subjects(self):
        cn = lambda c: [a.value for a in c.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        self.assertEqual(cn(self.leaves["leaf"]), ["alice@example.org"])
        self.assertEqual(cn(self.leaves["utf8"]), ["ж@xn--bcher-kva.example"])
        self.assertEqual(self.leaves["anonymous"].subject.public_bytes(), b"\x30\x00")
        self.assertEqual([len(c.subject.rdns) for c in self.leaves.values()], [1, 1, 1, 0])

    def test_validity(self):
        second, day = datetime.timedelta(seconds=1), datetime.timedelta(days=1)
        for c in self.leaves.values():
            self.assertEqual(c.not_valid_after - c.not_valid_before, 365 * day - second)
        self.assertEqual(self.root.not_valid_after.year, 2046)
        self.assertEqual(self.issuing.not_valid_after.year, 2036)

    def test_crls(self):
        day = datetime.timedelta(days=1)
        self.assertEqual(self.crl.next_update - self.crl.last_update, 7 * day)
        self.assertEqual(self.root_crl.next_update - self.root_crl.last_update, 364 * day)
        self.assertEqual([r.serial_number for r in self.crl],
                         [self.leaves["revoked"].serial_number])
        reason = next(iter(self.crl)).extensions.get_extension_for_oid(
            x509.CRLEntryExtensionOID.CRL_REASON if hasattr(x509, "CRLEntryExtensionOID")
            else x509.oid.CRLEntryExtensionOID.CRL_REASON)
        self.assertFalse(reason.critical)
        self.assertEqual(reason.value.reason, x509.ReasonFlags.superseded)
        self.assertEqual(len(list(self.root_crl)), 0)
        point = self.crl.extensions.get_extension_for_oid(
            ExtensionOID.ISSUING_DISTRIBUTION_POINT)
        self.assertTrue(point.critical)
        self.assertTrue(point.value.only_contains_user_certs)
        self.assertEqual([n.value for n in point.value.full_name],
                         ["http://pki.example.org/1.crl"])
        self.assertEqual(sorted(e.oid.dotted_string for e in self.root_crl.extensions),
                         ["2.5.29.20", AKI])

    def test_keys_fit(self):
        for name, certificate in (("root", self.root), ("issuing", self.issuing)):
            key = serialization.load_pem_private_key((self.path / f"{name}.key").read_bytes(),
                                                     None)
            self.assertEqual(key.public_key().public_numbers(),
                             certificate.public_key().public_numbers())


class ChainP384(Chain):
    key_type = "P-384"


class ChainRsa(Chain):
    key_type = "RSA-4096"


if __name__ == "__main__":
    unittest.main()
