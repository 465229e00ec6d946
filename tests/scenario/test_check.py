# SPDX-License-Identifier: Apache-2.0
"""signetctl check: what a real server issued, revoked, signed and recorded is found good; and whatever somebody changes in
its store, its published lists or its signer's log is found."""

import datetime
import json
import re
import shutil
import sqlite3
import struct
import subprocess
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import faults
import lab
import share
import signet_lab as signet

MAILBOXES = 3
LOG_CASES = 12, 200  # random changes to the signer's log


def flip(octets, at=40):
    return octets[:at] + bytes([octets[at] ^ 0x40]) + octets[at + 1:]


def frames(log):
    """Where each frame of the signer's log begins, and its end (ca/signer_frame.h)."""
    at, found = 0, []
    while at < len(log):
        found.append(at)
        at += 24 + struct.unpack_from(">L", log, at + 16)[0] + 32
    return found + [at]


def first(column):
    """SQL that changes a column of the first certificate by a function of Python's."""
    return lambda change: (f"SELECT {column} FROM certificate ORDER BY id LIMIT 1",
                           f"UPDATE certificate SET {column} = ? WHERE id = (SELECT min(id) FROM certificate)", change)


# What is changed in the store, and what check all must say of it.
CHANGES = {
    "serial": (first("serial")(lambda octets: flip(octets, 3)), "its serial number is another than the row's"),
    "not_before": (first("not_before")(lambda at: at + 1000), "its notBefore is another than the row's"),
    "not_after": (first("not_after")(lambda at: at - 1000), "its notAfter is another than the row's"),
    "key": (first("key_digest")(lambda digest: flip(digest, 5)), "its key is another than the row's"),
    "recorded octets": (first("tbs")(flip), "it is not made of the octets that were recorded"),
    "certificate": (first("der")(lambda der: flip(der, len(der) - 5)), "its signature does not verify under any issuer"),
    "no certificate": (first("der")(lambda der: b"none"), "it is no certificate in DER"),
    "certificate taken away": (first("der")(lambda der: None), "the store has no certificate although its order ended"),
    "lint verdict": (first("findings")(lambda text: "validity: too long"), "it was signed although the lint had found"),
    "mailbox": ("UPDATE authz SET address = 'eve@user.test' WHERE order_id = (SELECT order_id FROM certificate ORDER BY id LIMIT 1)",
                "was not validated for its order"),
    "row": ("DELETE FROM certificate WHERE revoked_at IS NULL AND id = (SELECT max(id) FROM certificate)",
            "the signer's log has it, and the store does not know it"),
    "not revoked any more": ("UPDATE certificate SET revoked_at = NULL, reason = NULL",
                             "which the store does not have as revoked"),
    "not revoked any more, whatever the list": ("UPDATE certificate SET revoked_at = NULL, reason = NULL",
                                                "the audit log has it as revoked, and the store does not"),
    "revoked without a record": ("UPDATE certificate SET revoked_at = issued_at, reason = 4 WHERE revoked_at IS NULL",
                                 "it is revoked, and the audit log has no record of that"),
    "reason of a record": ("UPDATE certificate SET reason = 5 WHERE revoked_at IS NOT NULL",
                           "it is revoked for another reason than the audit log has"),
    "reason": ("UPDATE certificate SET reason = 5 WHERE revoked_at IS NOT NULL", "has another time or reason"),
    "revoked unseen": ("UPDATE certificate SET revoked_at = issued_at - 60000, reason = 4 WHERE revoked_at IS NULL", "it lacks certificate"),
    "list number": ("UPDATE crl_shard SET crl_number = crl_number - 1", "it is not list number"),
    "list": ("UPDATE crl_shard SET crl = NULL", "the store has no list for this shard"),
    "list time": ("UPDATE crl_shard SET next_update = next_update + 1000", "its times are others than the store's"),
    "digest in a record": ("UPDATE audit SET detail = replace(detail, 'sha256=\"', 'sha256=\"0') WHERE kind = 'signing'",
                           'the audit log has the record "signing" of other octets'),
    "record": ("DELETE FROM audit WHERE kind = 'issued'", 'the audit log has no record "issued"'),
}


class Check(lab.SharedLabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rng = share.seed()
        world = faults.World(cls)
        cls.server = world.server
        user = faults.new_user(cls.server)
        leaves = [world.issue(user, mailbox)[0] for mailbox in faults.MAILBOXES[:MAILBOXES]]
        cls.revoke(user, leaves[0])
        cls.live = cls.check(cls.server.path, "all")
        cls.server.stop()

    @classmethod
    def revoke(cls, user, leaf):
        number = cls.server.query("SELECT crl_number FROM crl_shard")
        der = leaf.public_bytes(serialization.Encoding.DER)
        user.post(cls.server.url + "/revoke-cert", {"certificate": signet.b64(der), "reason": 4})
        cls.lab.wait_for(lambda: cls.server.query("SELECT crl_number FROM crl_shard") > number and cls.server.query(
            "SELECT detail FROM audit WHERE kind = 'revocation list signed' AND detail LIKE '%entries=\"1\"%'"), "the list")
        cls.lab.wait_for(lambda: cls.check(cls.server.path, "crl")[0] == 0, "the list to be published")

    @staticmethod
    def check(path, *words):
        done = subprocess.run([signet.BUILD / "signetctl", "check", *words, "--config", path], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def copy(self, name):
        """The server's folder once more; its configuration, made to name the copy."""
        folder = self.lab.path / "copies" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.server.folder, folder, ignore=shutil.ignore_patterns("control", "*.log.*"))
        path = folder / "signet.conf"
        path.write_text(path.read_text().replace(str(self.server.folder), str(folder)))
        return folder

    def assert_fault(self, folder, sentence, words="all"):
        status, out, err = self.check(folder / "signet.conf", words)
        self.assertEqual(status, 1, out + err)
        self.assertRegex(out, f"FAULT: .*{re.escape(sentence)}")
        self.assertIn("there are faults", out)

    def test_good(self):
        """Beside the server, and after its stop."""
        for status, out, err in (self.live, self.check(self.server.path, "all")):
            self.assertEqual(status, 0, out + err)
            self.assertIn(f"certificates: {MAILBOXES} certificates, 0 never signed; {MAILBOXES} entries of the signer's log", out)
            self.assertIn("revocation lists: 1 lists with 1 entries, and 1 of roots; 0 faults", out)
            self.assertRegex(out, r"audit: \S+: \d+ records in 1 chains, \d+ checkpoints, 0 faults")
            self.assertIn("everything is as it should be", out)

    def test_report(self):
        report = self.lab.path / "report.json"
        for words, parts in (("certs", 1), ("crl", 1), ("audit", 1), ("all", 3)):
            self.assertEqual(self.check(self.server.path, words, "--report", report)[0], 0)
            found = json.loads(report.read_text())
            self.assertEqual((found["faults"], len(found["parts"])), (0, parts))
            self.assertTrue(all(part["sum"] and part["faults"] == [] for part in found["parts"]))

    def test_progress(self):
        _, _, err = self.check(self.server.path, "all", "--progress")
        self.assertRegex(err, rf"certificates: \d of {MAILBOXES}")

    def test_store(self):
        for name, (change, sentence) in CHANGES.items():
            with self.subTest(name):
                folder = self.copy("store")
                with sqlite3.connect(folder / "store/signet.db") as store:
                    if isinstance(change, str):
                        self.assertGreater(store.execute(change).rowcount, 0)
                    else:
                        read, write, function = change
                        store.execute(write, (function(store.execute(read).fetchone()[0]),))
                store.close()
                self.assert_fault(folder, sentence)

    @staticmethod
    def put_list(folder, shard, made, ends):
        """A list of the shard's revoked certificates as the issuing CA could have made it, in store and published folder."""
        ca = x509.load_pem_x509_certificate((folder / "ca/issuing.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca/issuing.key").read_bytes(), None)
        url = x509.UniformResourceIdentifier(f"http://ca.test/crl-{shard}.crl")
        times = [datetime.datetime.fromtimestamp(at, datetime.timezone.utc) for at in (made, ends)]
        builder = (x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(times[0]).next_update(times[1])
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), False)
                   .add_extension(x509.CRLNumber(made), False)
                   .add_extension(x509.IssuingDistributionPoint([url], None, True, False, None, False, False), True))
        with sqlite3.connect(folder / "store/signet.db") as store:
            for serial, at in store.execute("SELECT serial, revoked_at FROM certificate WHERE shard = ? AND revoked_at IS NOT NULL",
                                            (shard,)).fetchall():
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder().serial_number(int.from_bytes(serial, "big"))
                    .revocation_date(datetime.datetime.fromtimestamp(at // 1000, datetime.timezone.utc))
                    .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), False).build())
            der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
            store.execute("INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update, issuer)"
                          " SELECT ?, 0, 0, 0, 0, issuer FROM crl_shard WHERE number = 1 ON CONFLICT DO NOTHING", (shard,))
            store.execute("UPDATE crl_shard SET crl = ?, crl_number = ?, this_update = ?, next_update = ? WHERE number = ?",
                          (der, made, made * 1000, ends * 1000, shard))
        store.close()
        (folder / f"store/published/crl-{shard}.crl").write_bytes(der)

    def test_over(self):
        """A shard whose last certificate is over gets no further list, which is no fault; an open one that is not signed
        anew in time is."""
        day, now = 86400, int(time.time())
        folder = self.copy("over")
        self.put_list(folder, 1, now - 15 * day, now - 8 * day)
        self.put_list(folder, 2, now - 3600, now + 6 * day)

        def end(at):
            with sqlite3.connect(folder / "store/signet.db") as store:
                store.execute("UPDATE certificate SET not_after = ?", (at * 1000,))
            store.close()

        end(now - 20 * day)
        status, out, err = self.check(folder / "signet.conf", "crl")
        self.assertEqual(status, 0, out + err)
        end(now + day)
        self.assert_fault(folder, "crl-1.crl: it is past its next update", "crl")
        end(now - 20 * day)
        self.put_list(folder, 2, now - 7 * 3600, now + 6 * day)
        self.assert_fault(folder, "crl-2.crl: it was to be signed anew", "crl")

    def test_list_being_signed(self):
        """Its number is in the store already: the check beside the server waits for it."""
        folder = self.copy("signing")

        def change(number, until):
            with sqlite3.connect(folder / "store/signet.db", timeout=30) as store:
                store.execute("UPDATE crl_shard SET crl_number = crl_number + ?", (number,))
                store.execute("UPDATE job SET taken_until = ? WHERE kind = 'crl'", (until,))
            store.close()

        change(1, int(time.time() + 3600) * 1000)
        check = subprocess.Popen([signet.BUILD / "signetctl", "check", "crl", "--config", folder / "signet.conf"], stdout=subprocess.PIPE,
                                 text=True)
        with self.assertRaises(subprocess.TimeoutExpired):
            check.wait(1)
        change(-1, 0)
        out = check.communicate(timeout=lab.DEADLINE)[0]
        self.assertEqual(check.returncode, 0, out)
        self.assertIn("1 lists with 1 entries, and 1 of roots; 0 faults", out)

    def test_published(self):
        folder = self.copy("published")
        path = folder / "store/published/crl-1.crl"
        path.write_bytes(flip(path.read_bytes()))
        self.assert_fault(folder, "what is published is not the store's list", "crl")
        path = folder / "store/published/root.crl"
        path.write_bytes(flip(path.read_bytes(), len(path.read_bytes()) - 5))
        self.assert_fault(folder, "it is not published, or not signed by the root", "crl")

    def test_signer_log(self):
        """Any octet changed, frames taken away or reordered."""
        folder = self.copy("log")
        path = folder / "store/signer.log"
        whole = path.read_bytes()
        at = frames(whole)
        self.assertEqual(len(at), MAILBOXES + 1)
        parts = [whole[start:end] for start, end in zip(at, at[1:])]
        changed = [flip(whole, self.rng.randrange(len(whole))) for _ in range(share.share(*LOG_CASES))]
        changed += [b"".join(parts[:-1]), b"".join(parts[1:]), b"".join(parts[::-1]), whole[:self.rng.randrange(len(whole))], b""]
        for octets in changed:
            path.write_bytes(octets)
            status, out, err = self.check(folder / "signet.conf", "certs")
            self.assertEqual(status, 1, out + err)
            self.assertRegex(out, "FAULT: .*signer's log")

    def test_sample(self):
        """S/MIME BR 8.7: 30 certificates or 3 percent; fewer than 30 are all of them."""
        status, out, err = self.check(self.server.path, "sample", "--seed", "7")
        self.assertEqual(status, 0, out + err)
        self.assertIn(f"{MAILBOXES} of {MAILBOXES} certificates", out)
        self.assertEqual(len(set(re.findall(r"^\d+\. certificate ([0-9a-f]+)$", out, re.M))), MAILBOXES)
        self.assertEqual(out.count("octets, signature, row and lint: good"), MAILBOXES)
        self.assertEqual(len(re.findall(r"mailbox \S+@user.test: validated \S+Z; 1 mails and 1 replies kept", out)), MAILBOXES)
        self.assertEqual(len(re.findall(r"CAA of user.test: permitted", out)), MAILBOXES)
        again = re.search(r"repeated by: signetctl check (.*)", out)[1].split()
        self.assertEqual(self.check(self.server.path, *again)[1], out)
        self.assertEqual(self.check(self.server.path, "sample", "--percent", "2")[0], 2)
        self.assertIn("0 of 0 certificates", self.check(self.server.path, "sample", "--until", "2026-01-01T00:00:00Z")[1])

    def test_cannot_be_told(self):
        """Nothing to check is not the same as nothing found."""
        folder = self.copy("gone")
        (folder / "store/signet.db").unlink()
        for extra in ("signet.db-wal", "signet.db-shm"):
            (folder / "store" / extra).unlink(missing_ok=True)
        status, out, err = self.check(folder / "signet.conf", "all")
        self.assertEqual(status, 2, out + err)
        self.assertIn("not checked", err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
