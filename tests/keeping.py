# SPDX-License-Identifier: Apache-2.0
"""A signetd that is backed up, destroyed and restored, for scenario/test_backup.py, test_restores.py, test_backup_kills.py and test_upgrade.py."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import tarfile
import threading

from acme import messages
from cryptography import x509

import faults
import lab
import share
import signet_lab as signet


def serial_of(leaf):
    return f"{leaf.serial_number:x}"


def flipped(octets, at):
    """With one octet changed."""
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


class KeepingCase(lab.LabCase):
    def setUp(self):
        super().setUp()
        self.rng = share.seed()
        self.world = faults.World(self)
        self.server = self.world.server
        self.user = faults.new_user(self.server)
        self.store = self.server.folder / "store"
        self.file = self.lab.path / "signet.backup"

    def ctl(self, *words):
        done = subprocess.run([signet.BUILD / "signetctl", *map(str, words), "--config", self.server.path],
                              capture_output=True, text=True, timeout=200)
        return done.returncode, done.stdout, done.stderr

    def good(self, *words):
        status, out, err = self.ctl(*words)
        self.assertEqual((status, err), (0, ""), out)
        return out

    def bad(self, *words, why, status=1):
        found, out, err = self.ctl(*words)
        self.assertEqual(found, status, out + err)
        self.assertIn(why, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)

    def issue(self, mailbox):
        return self.world.issue(self.user, mailbox)[0]

    def listed(self):
        """The published list: its number, {serial number: (time, reason)}."""
        crl = x509.load_der_x509_crl((self.store / "published/crl-1.crl").read_bytes())
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number, {
            entry.serial_number: (entry.revocation_date, entry.extensions.get_extension_for_class(x509.CRLReason).value.reason)
            for entry in crl}

    def wait_listed(self, *leaves):
        wanted = {leaf.serial_number for leaf in leaves}
        self.lab.wait_for(lambda: wanted <= set(self.listed()[1]), "the list")
        return self.listed()

    def revoke(self, leaf, reason):
        self.good("certificate", "revoke", serial_of(leaf), "--reason", reason)

    def destroy(self):
        (self.store / "signet.db").write_bytes(self.rng.randbytes(5000))
        for name in ("signet.db-wal", "signet.db-shm"):
            (self.store / name).unlink(missing_ok=True)

    def assert_refuses(self):
        with self.assertRaises(messages.Error) as raised:
            self.user.new_order("user7@user.test")
        self.assertIn("run signetctl store reconcile", raised.exception.detail)
        self.bad("issuance", "start", why="run signetctl store reconcile first")

    def assert_all_good(self):
        self.lab.wait_for(lambda: self.ctl("check", "crl")[0] == 0, "the list to be published")
        out = self.good("check", "all")
        self.assertIn("everything is as it should be", out)

    def known(self):
        return {row[0] for row in self.server.query("SELECT der FROM certificate WHERE der IS NOT NULL AND der <> ''")}

    def backup_while_issuing(self, mailbox):
        """Backups one after another until an issuance beside them is done."""
        found, backups = [], 0
        thread = threading.Thread(target=lambda: found.append(self.issue(mailbox)))
        thread.start()
        while thread.is_alive() or backups == 0:
            self.good("backup", self.file)
            backups += 1
        thread.join()
        return found[0]

    def look_into(self, path):
        """The backup opened by others: its members, the store checked by SQLite."""
        folder = self.lab.path / "opened"
        shutil.rmtree(folder, ignore_errors=True)
        with tarfile.open(path) as archive:
            names = archive.getnames()
            archive.extractall(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        for member in manifest["files"]:
            octets = (folder / member["name"]).read_bytes()
            self.assertEqual((len(octets), hashlib.sha256(octets).hexdigest()), (member["size"], member["sha256"]))
        with sqlite3.connect(folder / "signet.db") as store:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            count = store.execute("SELECT count(*) FROM certificate").fetchone()[0]
        self.assertEqual(count, manifest["certificates"])
        return names, manifest
