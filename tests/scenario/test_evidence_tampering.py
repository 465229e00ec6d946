# SPDX-License-Identifier: Apache-2.0
"""Tampering with the evidence of a certificate of a real server: signetctl evidence verify finds every one; also where somebody
makes all digests and signatures of the file anew, with keys of his own."""

import base64
import copy
import hashlib
import json
import re
import struct
import subprocess
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import faults
import lab
import share
import signet_lab as signet
import tampering

BATCH = 100  # files that one process verifies
DAY = 24 * 3600 * 1000


def dumps(line):
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def end_line(body):
    return dumps({"end": "signet-evidence", "lines": len(body), "sha256": hashlib.sha256(b"".join(body)).hexdigest()})


def rows(lines, kind):
    return [line for line in lines if line.get("evidence") == kind]


def mails(lines, direction):
    return [row for row in rows(lines, "message") if row["direction"] == direction]


def octets(value):
    return base64.b64decode(value["base64"])


def value(data):
    return {"base64": base64.b64encode(data).decode()}


def framed(text):
    return struct.pack(">Q", len(text)) + text


def set_pair(detail, name, text):
    return re.sub(rf'(^| ){name}="[0-9a-f]*"', rf'\g<1>{name}="{text}"', detail)


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class Forger:
    """Makes every hash, digest and signature over changed lines anew, with an audit key of his own."""

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()

    def record(self, lines, line, hashed):
        certificate, = rows(lines, "certificate")
        if line["kind"] == "signing":
            line["detail"] = set_pair(line["detail"], "tbs-sha256", hashlib.sha256(octets(certificate["tbs"])).hexdigest())
        if line["kind"] == "issued":
            for row in rows(lines, "audit"):
                row["hash"] = hashed[row["number"]]
            digest = hashlib.sha256(b"".join(dumps(row) for row in lines if "evidence" in row)).hexdigest()
            detail = set_pair(line["detail"], "evidence-sha256", digest)
            line["detail"] = set_pair(detail, "sha256", hashlib.sha256(octets(certificate["der"])).hexdigest())
        return hashlib.sha256(struct.pack(">q", line["at"]) + b"".join(
            framed(line[name].encode()) for name in ("kind", "subject", "detail"))).digest()

    def forge(self, lines):
        chain, previous, hashed = None, None, {}
        for line in lines:
            if "chain" in line:
                chain, previous = bytes.fromhex(line["chain"]), bytes.fromhex(line["hash"])
            elif "record" in line or "hidden" in line:
                number = line.get("record", line.get("hidden"))
                content = bytes.fromhex(line["content"]) if "hidden" in line else self.record(lines, line, hashed)
                previous = hashlib.sha256(framed(b"Signet audit record v2") + chain + previous + struct.pack(">q", number)
                                          + content).digest()
                hashed[number] = previous.hex()
                if "record" in line:
                    line["hash"] = previous.hex()
            elif "checkpoint" in line:
                signed = (b"Signet audit checkpoint v1\0" + chain + struct.pack(">q", line["checkpoint"]) + previous
                          + struct.pack(">qq", line["at"], line["previous"]))
                line.update(hash=previous.hex(), key=hashlib.sha256(spki_of(self.key)).hexdigest(),
                            signature=self.key.sign(signed).hex())
            elif "audit-key" in line:
                line["audit-key"] = self.key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        body = [dumps(line) for line in lines[:-1]]
        return body + [end_line(body)]


# --- what the forger changes, and the check that finds it from the raw material ---


def replace(row, old, new):
    data = octets(row["octets"])
    assert old in data, (old, data)
    row["octets"] = value(data.replace(old, new))


def other_token(lines):
    token = rows(lines, "challenge")[0]["token1"]
    replace(mails(lines, "out")[0], token.encode(), token[::-1].encode())


def other_body(lines):
    replace(mails(lines, "in")[0], b"-----END ACME", b"- ---END ACME")


def other_block(lines):
    data = octets(mails(lines, "in")[0]["octets"])
    block = re.search(rb"BEGIN ACME RESPONSE-----\r\n(\S+)", data)[1]
    replace(mails(lines, "in")[0], block, block[::-1])


def other_key_record(lines):
    row = mails(lines, "in")[0]
    record = lab.DkimKey("user.test", "s1").record()[2].strip('"').replace('" "', "")
    row["examined"] = re.sub(r"'v=DKIM1[^']*'", lambda _: f"'{record}'", row["examined"])


def swap_replies(lines):
    one, other = mails(lines, "in")
    one["octets"], other["octets"] = other["octets"], one["octets"]


def swap_mails(lines):
    one, other = mails(lines, "out")
    one["octets"], other["octets"] = other["octets"], one["octets"]


def change_facts(name, change):
    def do(lines):
        row, = rows(lines, "certificate")
        facts = json.loads(row["facts"])
        facts[name] = change(facts[name])
        row["facts"] = json.dumps(facts, separators=(",", ":"))
    return do


def change(kind, name, how, index=0):
    def do(lines):
        row = rows(lines, kind)[index]
        row[name] = how(row[name])
    return do


def late_reply(lines):
    mails(lines, "in")[0]["at"] = rows(lines, "challenge")[0]["deadline"]


def not_passed(lines):
    mails(lines, "in")[0]["verdict"] = "noted"


def without_reply(lines):
    lines.remove(mails(lines, "in")[0])


def other_request(lines):
    row, = rows(lines, "order")
    addresses = [a["address"] for a in rows(lines, "authorization")]
    key = signet.new_key()
    row["csr"], row["spki"] = value(signet.make_csr(key, *addresses)), value(spki_of(key))


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def flip_octet(at):
    return lambda found: value(flip(octets(found), at))


def caa_forbids(lines):
    for row in rows(lines, "caa"):
        row["rdata"], row["records"] = "000969737375656D61696C3B", '0 issuemail ";"'


def hide_record(lines):
    """A record of one's own, shown as if it were somebody else's."""
    at, line = next((i, l) for i, l in enumerate(lines) if l.get("kind") == "mail sent")
    content = hashlib.sha256(struct.pack(">q", line["at"]) + b"".join(
        framed(line[name].encode()) for name in ("kind", "subject", "detail"))).hexdigest()
    lines[at] = {"hidden": line["record"], "content": content}
    lines.remove(next(row for row in rows(lines, "audit") if row["number"] == line["record"]))


def sign_again(lines):
    """The same certificate by another CA of the same name, whose certificate is put in."""
    issuer = next(line for line in lines if "issuer" in line)
    old = x509.load_pem_x509_certificate(issuer["issuer"].encode())
    key = ec.generate_private_key(old.public_key().curve)
    builder = x509.CertificateBuilder(old.subject, old.subject, key.public_key(), old.serial_number, old.not_valid_before,
                                      old.not_valid_after, list(old.extensions))
    issuer["issuer"] = builder.sign(key, old.signature_hash_algorithm).public_bytes(serialization.Encoding.PEM).decode()
    row, = rows(lines, "certificate")
    leaf = x509.load_der_x509_certificate(octets(row["der"]))
    signature = key.sign(leaf.tbs_certificate_bytes, ec.ECDSA(leaf.signature_hash_algorithm))
    bits = b"\0" + signature
    algorithm = octets(row["der"])[len(octets(row["der"])) - len(leaf.signature) - 3 - 12:][:12]
    inner = leaf.tbs_certificate_bytes + algorithm + b"\x03" + bytes([len(bits)]) + bits
    row["der"] = value(b"\x30\x82" + struct.pack(">H", len(inner)) + inner)


FORGED = {
    "token-part1 of the mail": (other_token, "challenge mail of user0"),
    "mails exchanged": (swap_mails, "challenge mail of user1"),
    "From of the challenge": (change("challenge", "mail_from", lambda text: "x" + text), "challenge mail of user0"),
    "a mark of the reply": (other_body, "reply of user0"),
    "the block of the reply": (other_block, "reply of user0"),
    "key record": (other_key_record, "reply of user0"),
    "replies exchanged": (swap_replies, "reply of user1"),
    "token-part2": (change("challenge", "token2", lambda text: text[::-1]), "reply of user0"),
    "thumbprint": (change_facts("thumbprints", lambda list: [list[0][::-1]]), "account"),
    "account key": (change_facts("account-key", lambda text: text.replace("P-256", "P-384")), "account"),
    "late": (late_reply, "times of user0"),
    "a day and more": (change("challenge", "created_at", lambda at: at - DAY), "times of user0"),
    "validated early": (change("challenge", "validated_at", lambda at: at - 1), "times of user0"),
    "verdict": (not_passed, "verdict of user0"),
    "no reply": (without_reply, "reply of user0"),
    "request": (other_request, "request"),
    "signature of the request": (change("order", "csr", flip_octet(-1)), "request"),
    "CAA": (caa_forbids, "CAA of user.test"),
    "CAA as text": (change("caa", "records", lambda text: ""), "CAA of user.test"),
    "CAA too early": (change("caa", "at", lambda at: at - DAY), "CAA of user.test"),
    "CAA verdict": (change("caa", "verdict", lambda text: "forbidden"), "CAA of user.test"),
    "CAA identities": (change_facts("caa-identities", lambda list: ["other.test"]), "CAA of user.test"),
    "octets recorded": (change("certificate", "tbs", flip_octet(40)), "certificate"),
    "signature": (change("certificate", "der", flip_octet(-1)), "certificate"),
    "another CA": (sign_again, "issuer"),
    "address": (change("authorization", "address", lambda text: "x" + text), "request"),
    "lint": (change("certificate", "findings", lambda text: "validity"), "lint"),
    "number": (change("certificate", "serial", flip_octet(3)), "certificate"),
    "order of things": (change("order", "finalized_at", lambda at: at - DAY), "order"),
    "hidden record": (hide_record, "steps"),
}


class Tampering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(lab.Lab())
        cls.world = faults.World(cls)
        cls.server = cls.world.server
        cls.user = faults.new_user(cls.server)
        leaf = cls.issue(faults.MAILBOXES[:2])
        cls.server.stop()
        cls.path = cls.lab.path / "evidence.jsonl"
        cls.server.ctl("evidence", "export", f"{leaf.serial_number:x}", "--config", cls.server.path, "--output", cls.path)
        cls.whole = cls.path.read_bytes().splitlines(keepends=True)
        cls.rng = share.seed()

    @classmethod
    def issue(cls, names):
        """One certificate for several mailboxes."""
        addresses = [f"{name}@user.test" for name in names]
        order = cls.user.new_order(*addresses)
        for index, name in enumerate(names):
            challenge = cls.user.authorization(order, index)["challenges"][0]
            cls.world.hand_in(addresses[index], challenge["from"], cls.world.reply(cls.user, challenge, name))
            cls.user.respond(challenge)
            cls.user.poll(order["authorizations"][index], lambda a: a["status"] == "valid")
        cls.user.finalize(order, signet.make_csr(signet.new_key(), *addresses))
        return cls.user.certificate(order)[0]

    def verify(self, *words):
        """{path: number of failed checks}, and what was printed."""
        done = subprocess.run([signet.BUILD / "signetctl", "evidence", "verify", *map(str, words)], capture_output=True,
                              text=True)
        found = {path: int(count or 0) for path, count in
                 re.findall(r"^(\S+): (?:(\d+) checks FAILED|the evidence holds)$", done.stdout, re.M)}
        self.assertEqual((done.returncode, done.stderr), (1 if any(found.values()) else 0, ""), done.stdout[-3000:])
        return found, done.stdout

    def test_untouched(self):
        found, printed = self.verify(self.path)
        self.assertEqual(found, {str(self.path): 0}, printed)
        self.assertEqual([dumps(json.loads(line)) for line in self.whole], self.whole)

    def write(self, name, lines):
        path = self.lab.path / name
        path.write_bytes(b"".join(lines))
        return path

    def test_forged(self):
        """The forger's file is whole, and the raw material tells; with the CA's own audit key it is found at once."""
        forger = Forger()
        for name, (do, finder) in FORGED.items():
            with self.subTest(name):
                lines = [json.loads(line) for line in self.whole]
                do(lines)
                path = self.write("forged.jsonl", forger.forge(lines))
                _, printed = self.verify(path)
                for good in ("file", "audit log", "evidence"):
                    self.assertRegex(printed, rf"(?m)^ok      {good}: ")
                self.assertRegex(printed, rf"(?m)^FAILED  {finder}")
                _, printed = self.verify("--audit-key", self.server.folder / "ca/audit.pub", path)
                self.assertRegex(printed, r"(?m)^FAILED  audit log: .*it names an audit key that was not given")

    def test_forger_is_right_elsewhere(self):
        """Without a change his file verifies: what is found above is found for the change."""
        lines = [json.loads(line) for line in self.whole]
        path = self.write("forged.jsonl", Forger().forge(copy.deepcopy(lines)))
        found, printed = self.verify(path)
        self.assertEqual(found, {str(path): 0}, printed)

    def tampered(self, number):
        """A file changed at random; every second one with its end made anew."""
        sealed = number % 2 == 1
        lines = self.whole[:-1] if sealed else self.whole
        while True:
            changed, what = self.rng.choice(tampering.IN_FILE)(self.rng, lines)
            changed = [line + b"\n" for line in b"".join(changed).split(b"\n")[:-1]] if sealed else changed
            if sealed:
                changed = changed + [end_line(changed)]
            if b"".join(changed) != b"".join(self.whole):
                break
        return self.write(f"tampered-{number % BATCH}.jsonl", changed), f"{what}{', sealed' if sealed else ''}"

    def test_random(self):
        count = share.share(500, 10000)
        for start in range(0, count, BATCH):
            made = dict(self.tampered(number) for number in range(start, min(start + BATCH, count)))
            found, printed = self.verify(*made)
            self.assertEqual(len(found), len(made), printed[-3000:])
            for path, what in made.items():
                self.assertGreater(found[str(path)], 0, f"not found: {what}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
