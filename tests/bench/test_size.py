# SPDX-License-Identifier: Apache-2.0
"""The benchmark of large stores in small: the loader's stores are served, whole and verified; table and JSON are whole.
No figure is judged."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from cryptography import x509

import lab
import signet_lab
from lab import HOST, program

HERE = pathlib.Path(__file__).resolve().parent
SIZES, ISSUANCES = (60, 120), 4


class Size(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("NSD is started by root")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "size.json"
            done = subprocess.run([HERE / "run", "size", f"--sizes={SIZES[0]},{SIZES[1]}", f"--issuances={ISSUANCES}",
                                   "--clients=2", "--requests=4", "--rounds=1", f"--json={path}"],
                                  stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise AssertionError(f"the benchmark ended with {done.returncode}")
            cls.text, cls.result = done.stdout, json.loads(path.read_text())

    def test_results(self):
        self.assertEqual([one["size"] for one in self.result["results"]], list(SIZES))
        for one in self.result["results"]:
            self.assertGreater(one["start"]["seconds"], 0)
            self.assertGreaterEqual(one["start"]["settled_seconds"], one["start"]["seconds"])
            self.assertEqual(one["issue"]["issuances"], ISSUANCES)
            self.assertEqual(one["crls"]["lists"], 1)
            self.assertGreater(one["crls"]["octets"], 100)
            self.assertEqual(set(one["memory"]), set(signet_lab.ROLES) | {"parent"})
            self.assertEqual(len(one["requests"]), 6)

    def test_stores(self):
        for store in self.result["stores"]:
            self.assertGreater(store["octets"]["database"], 8192 * store["size"])  # two mails each
            self.assertGreater(store["octets"]["signer's log"], 500 * store["size"])
            self.assertGreaterEqual(store["operator"]["orders"], store["size"] + ISSUANCES)
            self.assertGreaterEqual(store["operator"]["found"], 1)
            self.assertGreaterEqual(store["operator"]["records"], 15 * store["size"])
            self.assertGreater(store["full_crl"]["octets"], 30 * store["size"])
            self.assertGreater(store["start_cold"]["seconds"], 0)

    def test_table(self):
        self.assertEqual({int(size) for size in self.result["summary"][0]["values"]}, set(SIZES))
        for row in self.result["summary"]:
            self.assertRegex(self.text, rf"(?m)^\| {re.escape(row['what'])} +\| +[\d.]+ \| +[\d.]+ \|")

    def test_help(self):
        done = subprocess.run([HERE / "run", "size", "--help"], stdout=subprocess.PIPE, text=True, check=True)
        self.assertIn("--million", done.stdout)


class Loader(lab.SharedLabCase):
    """What size_fill.c makes is what a CA has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = server = signet_lab.Signetd(cls.lab, start=False)
        key_file, cls.key = server.folder / "account.key", signet_lab.new_key()
        key_file.write_bytes(signet_lab.pem_key(cls.key))
        store = server.folder / "store"
        store.mkdir(mode=0o700)
        cls.lab.run(program("size_fill"), store, 200, server.folder / "ca/issuing.pem", server.folder / "ca/issuing.key",
                    f"http://{HOST}:{server.http}/", 100, key_file)
        server.start()
        cls.user = signet_lab.AcmeUser(server, key=cls.key, register=False)
        try:
            cls.user.acme.new_account(signet_lab.messages.NewRegistration(only_return_existing=True))
        except signet_lab.errors.ConflictError as conflict:
            cls.user.net.account = signet_lab.messages.RegistrationResource(uri=conflict.location)

    def test_certificates(self):
        account = self.user.get(self.user.net.account.uri)
        urls = self.user.get(account["orders"])["orders"]
        self.assertEqual(len(urls), 50)
        leaf, issuer = self.user.certificate(dict(self.user.get(urls[1]), url=urls[1]))  # one of ten is revoked, the newest here
        issuer.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, signet_lab.ec.ECDSA(leaf.signature_hash_algorithm))
        self.user.post(self.server.url + "/revoke-cert", {"certificate": signet_lab.b64(leaf.public_bytes(
            signet_lab.serialization.Encoding.DER))})
        self.lab.wait_for(lambda: leaf.serial_number in self.listed(), "the certificate to be on a revocation list")

    def listed(self):
        data = signet_lab.requests.get(f"http://{HOST}:{self.server.http}/crl-1.crl", timeout=60).content
        return {entry.serial_number for entry in x509.load_der_x509_crl(data)}

    def test_revoked(self):
        self.lab.wait_for(lambda: len(self.listed()) >= 20, "a tenth to be on a revocation list")

    def test_checks(self):
        """Each certificate by the lint, the signer's log and the audit log, which is whole."""
        for words in (("audit", "verify"), ("check", "certs")):
            done = subprocess.run([signet_lab.BUILD / "signetctl", *words, "--config", self.server.path], capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
