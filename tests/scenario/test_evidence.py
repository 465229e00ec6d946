# SPDX-License-Identifier: Apache-2.0
"""signetctl evidence (ca-rules 6, 11 and 33): what a real issuance leaves is shown, exported, and verified from the file alone,
by signetctl and, in the main points, by other implementations."""

import base64
import hashlib
import json
import re
import struct
import subprocess
import unittest

import dkim
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import faults
import lab
import signet_lab as signet


def rows(lines, kind):
    return [line for line in lines if line.get("evidence") == kind]


def octets(row, name):
    return base64.b64decode(row[name]["base64"])


def spki(thing):
    return thing.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def serial(leaf):
    return f"{leaf.serial_number:x}"


class Evidence(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world = faults.World(cls, settings={"acme": {"terms-of-service": "https://ca.test/terms/3"}})
        cls.server = cls.world.server
        cls.user = signet.AcmeUser(cls.server)
        cls.leaves = [cls.world.issue(cls.user, "user0")[0], cls.issue_beforehand("user1")]
        cls.live = cls.run_ctl("export", serial(cls.leaves[0]), "--config", cls.server.path)
        cls.server.stop()
        cls.path = cls.export(cls.leaves[0], "evidence.jsonl")
        cls.lines = [json.loads(line) for line in cls.path.read_text().splitlines()]

    @classmethod
    def issue_beforehand(cls, mailbox):
        """The mailbox is proven before there is an order (RFC 8555 section 7.4.1)."""
        address = f"{mailbox}@user.test"
        made = cls.user.post(cls.server.url + "/new-authz", {"identifier": {"type": "email", "value": address}})
        challenge = made.json()["challenges"][0]
        cls.world.hand_in(address, challenge["from"], cls.world.reply(cls.user, challenge, mailbox))
        cls.user.respond(challenge)
        cls.user.poll(made.headers["Location"], lambda a: a["status"] == "valid")
        order = cls.user.new_order(address)
        cls.user.finalize(order, signet.make_csr(signet.new_key(), address))
        return cls.user.certificate(order)[0]

    @staticmethod
    def run_ctl(*words):
        done = subprocess.run([signet.BUILD / "signetctl", "evidence", *map(str, words)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    @classmethod
    def export(cls, leaf, name):
        path = cls.lab.path / name
        status, out, err = cls.run_ctl("export", serial(leaf), "--config", cls.server.path, "--output", path)
        assert (status, out, err) == (0, "", ""), (status, out, err)
        return path

    def verify(self, *words):
        status, out, err = self.run_ctl("verify", *words)
        self.assertEqual(err, "")
        return status, out

    def test_verifies(self):
        status, out = self.verify(self.path)
        self.assertEqual(status, 0, out)
        self.assertTrue(out.endswith(f"{self.path}: the evidence holds\n"), out)
        self.assertNotIn("FAILED", out)
        self.assertIn("the audit key is the one in the file, which is not proven", out)
        mailbox = "user0@user.test"
        for words in (f"reply of {mailbox}: received ", "DKIM d=user.test s=s1 rsa-sha256, its key at s1._domainkey.user.test"
                      " validated by DNSSEC", "CAA of user.test: asked ", "agreed to https://ca.test/terms/3 at ",
                      "lint: it had found nothing before the signature, and finds nothing today"):
            self.assertIn(words, out)
        self.assertEqual(set(re.findall(r"^(\w+)  ", out, re.M)), {"ok"})

    def test_with_keys_of_the_reader(self):
        status, out = self.verify("--issuer", self.server.folder / "ca/issuing.pem", "--audit-key",
                                  self.server.folder / "ca/audit.pub", self.path)
        self.assertEqual(status, 0, out)
        self.assertNotIn("not proven", out)
        self.server.ctl("audit", "key", "--key", self.lab.path / "other.key")
        status, out = self.verify("--audit-key", self.lab.path / "other.pub", self.path)
        self.assertEqual(status, 1)
        self.assertIn("it names an audit key that was not given", out)

    def test_live(self):
        """Beside a server that goes on; its records may wait for their checkpoint."""
        status, out, err = self.live
        self.assertEqual(status, 0, err)
        path = self.lab.path / "live.jsonl"
        path.write_text(out)
        status, out = self.verify(path)
        if err:
            self.assertIn("no checkpoint of the audit log covers the last records yet", err)
            self.assertEqual((status, set(re.findall(r"^FAILED  ([\w ]+):", out, re.M))), (1, {"audit log"}), out)
        else:
            self.assertEqual(status, 0, out)

    def test_nobody_elses(self):
        """Of other orders the file has hashes alone."""
        text = self.path.read_text()
        self.assertNotIn("user1@user.test", text)
        self.assertGreater(sum("hidden" in line for line in self.lines), 3)
        other = self.export(self.leaves[1], "other.jsonl")
        self.assertNotIn("user0@user.test", other.read_text())
        self.assertEqual(self.verify(other)[0], 0)

    def test_show(self):
        status, out, err = self.run_ctl("show", serial(self.leaves[0]), "--mails", "--config", self.server.path)
        self.assertEqual((status, err), (0, ""), out)
        for words in ("challenge\n", "token1: ", "      | Subject: ACME: ", "BEGIN ACME RESPONSE", "audit records\n", " issued: ",
                      "checks\nok      file: "):
            self.assertIn(words, out)

    def test_unknown(self):
        for word, why in (("00ff", "there is no certificate 00ff"), ("serial", "serial is no serial number")):
            status, out, err = self.run_ctl("export", word, "--config", self.server.path)
            self.assertEqual((status, out), (1, ""))
            self.assertIn(why, err)

    def test_no_evidence(self):
        path = self.lab.path / "none"
        for data, words in ((b"", "it was cut"), (b"\0\n", "is no line of such a file"), (b"{}\n[1]\n", "is of no kind that is known"),
                            (b'{"signet-evidence":1,"serial":3}\n', "there are no records")):
            path.write_bytes(data)
            status, out = self.verify(path)
            self.assertEqual(status, 1)
            self.assertIn(words, out)
        status, out, err = self.run_ctl("verify", self.lab.path / "missing")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("No such file", err)

    # --- by other implementations ---

    def test_mails(self):
        challenge, = rows(self.lines, "challenge")
        mails = {row["direction"]: row for row in rows(self.lines, "message")}
        evidence = mails["in"]["examined"]
        question, record, secure = re.search(r"'(s1\._domainkey\.user\.test)', '([^']*)', (\w+)", evidence).groups()
        self.assertEqual(secure, "true")
        raw = octets(mails["in"], "octets")
        self.assertTrue(dkim.verify(raw, dnsfunc=lambda name, timeout=5: record.encode()
                                    if name.decode().rstrip(".") == question else None))
        self.assertIn(b"Subject: ACME: " + challenge["token1"].encode(), octets(mails["out"], "octets"))
        expected = signet.digest(self.user, challenge["token1"], challenge["token2"])
        self.assertIn(expected.encode(), raw)

    def test_certificate(self):
        row, = rows(self.lines, "certificate")
        leaf = x509.load_der_x509_certificate(octets(row, "der"))
        self.assertEqual(leaf, self.leaves[0])
        self.assertEqual(leaf.tbs_certificate_bytes, octets(row, "tbs"))
        issuer = x509.load_pem_x509_certificate(next(line["issuer"] for line in self.lines if "issuer" in line).encode())
        issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))
        csr = x509.load_der_x509_csr(octets(rows(self.lines, "order")[0], "csr"))
        self.assertEqual(spki(csr), spki(leaf))
        facts = json.loads(row["facts"])
        self.assertEqual(facts["issuer-sha256"], issuer.fingerprint(hashes.SHA256()).hex())
        self.assertEqual((facts["thumbprints"][0], facts["terms"]), (self.user.thumbprint, "https://ca.test/terms/3"))
        self.assertRegex(facts["requirements"], r"S/MIME BR 1\.0\.\d+")

    def test_audit(self):
        """The chain, its signature and the digest of the evidence, from what docs/operating.md says of the file."""
        evidence = [line for line in self.path.read_bytes().splitlines(keepends=True) if line.startswith(b'{"evidence"')]
        digest = hashlib.sha256(b"".join(evidence)).hexdigest()
        issued, = [line for line in self.lines if line.get("kind") == "issued"]
        self.assertIn(f'evidence-sha256="{digest}"', issued["detail"])
        key, = [line["audit-key"].encode() for line in self.lines if "audit-key" in line]
        checkpoints = 0
        for line in self.lines:
            checkpoints += follow(line, serialization.load_pem_public_key(key))
        self.assertGreater(checkpoints, 0)


class Chain:
    id = previous = None


def framed(text):
    return struct.pack(">Q", len(text)) + text


def follow(line, key):
    """Follows a line of the audit log; whether it is a checkpoint."""
    number = line.get("record", line.get("hidden"))
    if "chain" in line:
        Chain.id, Chain.previous = bytes.fromhex(line["chain"]), bytes.fromhex(line["hash"]) or bytes(32)
    elif "checkpoint" in line:
        assert line["hash"] == Chain.previous.hex()
        key.verify(bytes.fromhex(line["signature"]), b"Signet audit checkpoint v1\0" + Chain.id + struct.pack(
            ">q", line["checkpoint"]) + Chain.previous + struct.pack(">qq", line["at"], line["previous"]))
        return True
    elif number is not None:
        content = line.get("content") or hashlib.sha256(struct.pack(">q", line["at"]) + b"".join(
            framed(line[name].encode()) for name in ("kind", "subject", "detail"))).hexdigest()
        Chain.previous = hashlib.sha256(framed(b"Signet audit record v2") + Chain.id + Chain.previous + struct.pack(
            ">q", number) + bytes.fromhex(content)).digest()
        assert line.get("hash", Chain.previous.hex()) == Chain.previous.hex()
    return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
