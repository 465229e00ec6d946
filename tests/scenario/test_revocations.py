# SPDX-License-Identifier: Apache-2.0
"""Revocation by the operator, and lists at size (ca-rules 30, 31): what signetctl revokes is on the published lists, which
openssl accepts; lists are served while nothing but an edge runs."""

import os
import signal
import subprocess
import time
import unittest
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import signet_lab as signet
from faults import FaultCase, World, new_user
from lab import HOST
from share import share

SHARD = 20000  # certificates of one list (store/certificate.h)


class Revocations(FaultCase):
    def setUp(self):
        super().setUp()
        self.world = World(self)
        self.server = self.world.server

    def ctl(self, *argv, status=0):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, argv), "--config", self.server.path],
                              capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def crl(self, number=1):
        with urllib.request.urlopen(f"http://{HOST}:{self.server.http}/crl-{number}.crl", timeout=60) as answer:
            return answer.read()

    def listed(self, number=1):
        """{serial: reason} of a published list."""
        found = {}
        for entry in x509.load_der_x509_crl(self.crl(number)):
            try:
                found[entry.serial_number] = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
            except x509.ExtensionNotFound:
                found[entry.serial_number] = None
        return found

    def assert_openssl_accepts(self, octets):
        path = self.lab.path / "list.der"
        path.write_bytes(octets)
        text = self.lab.run("openssl", "crl", "-inform", "DER", "-in", path, "-noout", "-CAfile",
                            self.server.folder / "ca/issuing.pem")
        self.assertIn("verify OK", text)

    def assert_nss_accepts(self, octets):
        """Programs with NSS take the list of a CA that has only one."""
        path, folder = self.lab.path / "list.der", self.lab.folder("nss")
        path.write_bytes(octets)
        self.lab.run("certutil", "-N", "-d", f"sql:{folder}", "--empty-password")
        for name, trust in (("root", ",C,"), ("issuing", ",,")):
            self.lab.run("certutil", "-A", "-d", f"sql:{folder}", "-n", name, "-t", trust, "-a", "-i",
                         self.server.folder / f"ca/{name}.pem")
        self.lab.run("crlutil", "-I", "-d", f"sql:{folder}", "-t", "1", "-i", path)

    def copies(self, count, shards=1):
        """Makes count certificates more in the store, as far as revocation looks at them, by copying the one that there is;
        their serial numbers."""
        self.server.stop()
        store = signet.sqlite3.connect(self.server.folder / "store/signet.db", isolation_level=None)
        store.execute("BEGIN")
        store.execute("CREATE TEMP TABLE more AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
                      " WHERE i + 1 < ?) SELECT i, CAST(printf('%016d', i) AS BLOB) AS id FROM n", (count,))
        store.execute("INSERT INTO orders (id, account_id, status, created_at, expires_at) SELECT m.id, o.account_id,"
                      " 'valid', 0, 0 FROM more m, (SELECT * FROM orders LIMIT 1) o")
        store.execute("INSERT INTO certificate (id, order_id, account_id, serial, shard, not_before, not_after, key_digest,"
                      " tbs, findings, signing_at, der, issued_at) SELECT m.id, m.id, c.account_id, m.id, 1 + m.i / ?,"
                      " c.not_before, c.not_after, zeroblob(32), x'', '', 0, x'30', 5"
                      " FROM more m, (SELECT * FROM certificate LIMIT 1) c", (SHARD,))
        for shard in range(2, shards + 1):
            store.execute("INSERT INTO crl_shard (number, issued, crl_number, this_update, next_update)"
                          " VALUES (?, ?, 0, 0, 0)", (shard, SHARD))
        store.execute("COMMIT")
        store.close()
        return [f"{i:016d}".encode().hex() for i in range(count)]

    def test_by_the_operator(self):
        user = new_user(self.server)
        leaves = [self.world.issue(user, f"user{i}")[0] for i in range(4)]
        serials = [leaf.serial_number for leaf in leaves]
        done = self.ctl("certificate", "revoke", f"{serials[0]:x}", "--reason", "superseded")
        self.assertEqual(done.stdout, "revoked 1, revoked before 0\n")
        self.lab.wait_for(lambda: serials[0] in self.listed(), "the list")
        certificate = self.lab.path / "leaf.pem"
        certificate.write_bytes(leaves[1].public_bytes(serialization.Encoding.PEM))
        done = self.ctl("certificate", "revoke", "--key", certificate, "--reason", "keyCompromise")
        self.assertEqual(done.stdout, "revoked 1\n")
        self.assertIn("reported compromised", self.ctl("key", "list").stdout)
        done = self.ctl("certificate", "revoke", "--address", "USER2@user.test", "--reason", "privilegeWithdrawn")
        self.assertEqual(done.stdout, "revoked 1\n")
        done = self.ctl("certificate", "revoke", "--domain", "user.test", "--reason", "cessationOfOperation")
        self.assertEqual(done.stdout, "revoked 1\n")
        expected = dict(zip(serials, ("superseded", "keyCompromise", "privilegeWithdrawn", "cessationOfOperation")))
        self.lab.wait_for(lambda: self.listed() == expected, "all four on the list")
        self.assert_openssl_accepts(self.crl())
        self.assert_nss_accepts(self.crl())
        done = self.ctl("certificate", "revoke", f"{serials[0]:x}", "--reason", "superseded")
        self.assertEqual(done.stdout, "revoked 0, revoked before 1\n")
        for argv, why, status in ((["01"], "needs --reason", 2), (["--reason", "superseded"], "needs one of", 2),
                                  (["01", "--domain", "a.test", "--reason", "superseded"], "needs one of", 2),
                                  (["01", "--reason", "superseded"], "No certificate with the serial number 01", 1),
                                  (["01", "--reason", "certificateHold"], 'no reason "certificateHold"', 1),
                                  (["--key", self.lab.path / "none", "--reason", "superseded"], "none", 1),
                                  (["--key", self.server.path, "--reason", "superseded"], "holds no certificate", 1)):
            self.assertIn(why, self.ctl("certificate", "revoke", *argv, status=status).stderr)
        self.assertIn("needs --why", self.ctl("key", "block", certificate, status=2).stderr)
        self.assertIn("blocked already", self.ctl("key", "block", certificate, "--why", "x", status=1).stderr)

    def test_a_thousand(self):
        """A list of 1,000 serial numbers; the published list has them within a minute, also for who asks an edge while
        every other role is dead."""
        self.world.issue(new_user(self.server), "user0")
        serials = self.copies(1000)
        self.server.start()
        file = self.lab.path / "serials"
        file.write_text("# from the incident report\n\n" + "".join(f"{serial} ann@example.org\n" for serial in serials))
        begun = time.monotonic()
        done = self.ctl("certificate", "revoke", "--file", file, "--reason", "superseded")
        self.assertEqual(done.stdout, "revoked 1000, revoked before 0\n")
        self.assertEqual(done.stderr.splitlines()[-1], "1000 of 1000")
        self.lab.wait_for(lambda: len(self.listed()) == 1000, "the list")
        print(f"# 1,000 revocations on the published list after {time.monotonic() - begun:.1f} s", flush=True)
        # Revocations that came while a list was being signed bring one more of the same.
        made = "SELECT count(*) FROM job WHERE kind = 'crl' AND (taken_until > 0 OR due_at <= ?)"
        self.lab.wait_for(lambda: self.server.query(made, int(time.time() * 1000)) == [(0,)], "the last list")
        octets = self.lab.wait_for(lambda: (found := self.crl()) == self.server.query(
            "SELECT crl FROM crl_shard WHERE number = 1")[0][0] and found, "it to be published")
        self.assert_openssl_accepts(octets)
        pids = self.server.pids()
        os.kill(self.server.process.pid, signal.SIGSTOP)  # so that nothing is started again
        try:
            for role in ("core", "signer", "inbound", "outbound", "lookup"):
                for pid in pids[role]:
                    os.kill(pid, signal.SIGKILL)
            self.assertEqual(self.crl(), octets)
        finally:
            os.kill(self.server.process.pid, signal.SIGCONT)

    def test_signer_dies(self):
        """While it is asked for a list: the next one makes it, with a higher number."""
        leaf = self.world.issue(new_user(self.server), "user0")[0]
        old = x509.load_der_x509_crl(self.crl())
        (signer,) = self.server.pids()["signer"]
        os.kill(signer, signal.SIGSTOP)
        self.ctl("certificate", "revoke", f"{leaf.serial_number:x}", "--reason", "superseded")
        query = "SELECT count(*) FROM job WHERE kind = 'crl' AND taken_until > 0"
        self.lab.wait_for(lambda: self.server.query(query)[0][0] == 1, "the signer to be asked")
        self.assertEqual(self.listed(), {})
        os.kill(signer, signal.SIGKILL)
        self.lab.wait_for(lambda: self.listed() == {leaf.serial_number: "superseded"}, "the list")
        number = lambda crl: crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self.assertGreater(number(x509.load_der_x509_crl(self.crl())), number(old))
        self.assert_openssl_accepts(self.crl())

    def test_size(self):
        """Everything is revoked at once: the lists, their size and the time until the last one is out."""
        count = share(SHARD, 50 * SHARD)
        shards = count // SHARD
        self.world.issue(new_user(self.server), "user0")
        self.copies(count, shards)
        store = signet.sqlite3.connect(self.server.folder / "store/signet.db")
        with store:
            store.execute("UPDATE certificate SET revoked_at = ?, reason = 4 WHERE der = x'30'", (int(time.time() * 1000),))
            store.execute("UPDATE crl_shard SET this_update = 0")
        store.close()
        begun = time.monotonic()
        self.server.start()
        started = time.monotonic()
        query = "SELECT count(*) FROM crl_shard WHERE this_update > 0"
        self.lab.wait_for(lambda: self.server.query(query)[0][0] == shards, "every list", 600)
        done = time.monotonic()
        sizes = [len(self.crl(number)) for number in range(1, shards + 1)]
        print(f"# {count} revoked: {shards} lists of at most {max(sizes)} octets; serving after {started - begun:.1f} s, "
              f"all signed and published {done - begun:.1f} s after the start", flush=True)
        self.assertLess(max(sizes), 1024 * 1024)
        self.assertEqual(len(self.listed(shards)), SHARD)
        for number in {1, shards}:
            self.assert_openssl_accepts(self.crl(number))


if __name__ == "__main__":
    unittest.main()
