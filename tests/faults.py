# SPDX-License-Identifier: Apache-2.0
"""Issuance through faults: clients and mail servers that try again as real ones do, and what must be true of the store
and the signer's log afterwards."""

import email.policy
import hashlib
import re
import smtplib
import struct
import time

import dkim
import requests
from acme import errors, messages
from cryptography import x509

import lab
import signet_lab as signet
from lab import HOST

DEADLINE = 120  # for one step of a client, restarts and their back-off included
MAILBOXES = [f"user{i}" for i in range(8)]


def patient(call):
    """Does call() as an RFC 8555 client does: again while the server is away, busy, or wants another nonce."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return call()
        except (requests.RequestException, errors.NonceError) as error:
            failure = error
        except ValueError as error:  # the library's name for a refused connection
            if not str(error).startswith("Requesting"):
                raise
            failure = error
        except messages.Error as error:
            if error.code not in ("badNonce", "serverInternal"):
                raise
            failure = error
        except errors.ClientError as error:
            failure = error
        if time.monotonic() > end:
            raise AssertionError(f"in vain for {DEADLINE} s") from failure
        time.sleep(0.05)


def new_user(server):
    user = patient(lambda: signet.AcmeUser(server, register=False))

    def register():
        try:
            user.account = user.acme.new_account(messages.NewRegistration())
        except errors.ConflictError as error:  # it was made, and its answer lost
            user.account = messages.RegistrationResource(uri=error.location, body=messages.Registration())
            user.net.account = user.account

    patient(register)
    return user


def deliver(port, sender, recipient, message):
    """Hands message over as a mail server does: again until the 250 to the end of DATA, never after it."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            code, text = offer(port, sender, recipient, message)
        except (OSError, smtplib.SMTPException) as error:
            code, text = 0, error
        if code == 250:
            return
        if code >= 500 or time.monotonic() > end:
            raise AssertionError(f"not taken: {code} {text}")
        time.sleep(0.05)


def offer(port, sender, recipient, message):
    """One attempt: the reply to the end of DATA, or the first one that is no success."""
    session = smtplib.SMTP(HOST, port, local_hostname="mail.user.test", timeout=20)
    try:
        for step in (session.ehlo, lambda: session.mail(sender), lambda: session.rcpt(recipient)):
            code, text = step()
            if code != 250:
                return code, text
        try:
            return session.data(message)
        except smtplib.SMTPDataError as error:
            return error.smtp_code, error.smtp_error
    finally:
        session.close()


class World:
    """A user's domain with its zone and mail server, and signetd between them."""

    def __init__(self, test, start=True, before_start=None, **options):
        self.key = lab.DkimKey("user.test", "s1")
        zones = lab.SignedZones(test.lab, {"user.test": [self.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]})
        self.mail = lab.Postfix(test.lab, {"user.test": MAILBOXES})
        options.setdefault("settings", {"ca": {"signatures-per-hour": 1000000}})
        self.server = signet.Signetd(test.lab, relay=f"{HOST}:{self.mail.port}", zones=zones, start=False, **options)
        if before_start:
            before_start(self.server)
        if start:
            self.server.start()

    def reply(self, user, challenge, mailbox):
        """Waits for the challenge mail; the signed reply to it, its bytes."""
        mail = lab.maildir_wait(self.mail.maildir(f"{mailbox}@user.test"),
                                lambda m: challenge["from"] in m["From"], DEADLINE)
        digest = signet.digest(user, signet.token_part1(mail.message), challenge["token"])
        raw = signet.reply_to(mail.message, f"{mailbox}@user.test", digest).as_bytes(policy=email.policy.SMTP)
        return dkim.sign(raw, b"s1", b"user.test", self.key.pem(), canonicalize=(b"relaxed", b"relaxed")) + raw

    def issue(self, user, mailbox, acknowledged=None):
        """One issuance from newOrder to the chain; what was acknowledged on the way goes to a list."""
        seen = [] if acknowledged is None else acknowledged
        order = patient(lambda: user.new_order(f"{mailbox}@user.test"))
        seen.append(("order", order["url"]))
        challenge = patient(lambda: user.authorization(order))["challenges"][0]
        raw = self.reply(user, challenge, mailbox)
        deliver(self.server.smtp, f"{mailbox}@user.test", challenge["from"], raw)
        seen.append(("mail", re.search(rb"^Message-ID: (\S+)", raw, re.M | re.I)[1].decode()))
        return self.finish(user, order, challenge, mailbox)

    def finish(self, user, order, challenge, mailbox):
        """From the reply on; returns the chain."""
        patient(lambda: user.respond(challenge))
        ready = self.poll(user, order, lambda o: o["status"] not in ("pending",))
        assert ready["status"] == "ready", ready
        key = signet.new_key()

        def finalize():
            try:
                user.finalize(order, signet.make_csr(key, f"{mailbox}@user.test"))
            except messages.Error as error:
                if error.code != "orderNotReady":  # it was taken, and its answer lost
                    raise

        patient(finalize)
        done = self.poll(user, order, lambda o: o["status"] not in ("ready", "processing"))
        assert done["status"] == "valid", done
        chain = patient(lambda: user.certificate(order))
        assert chain[0].public_key().public_numbers() == key.public_key().public_numbers()
        return chain

    def poll(self, user, order, until):
        end = time.monotonic() + DEADLINE
        while True:
            found = patient(lambda: user.get(order["url"]))
            if until(found):
                return found
            assert time.monotonic() < end, f"the order stays {found}"
            time.sleep(0.1)


# --- what the store and the logs must show ---


def order_id(url):
    return signet.base64.urlsafe_b64decode(url.rsplit("/", 1)[1] + "==")


def audit_faults(server):
    """Recomputes the chain of audit records (store/audit.h)."""
    previous, rows = bytes(32), server.query("SELECT number, at, kind, subject, detail, hash FROM audit ORDER BY number")
    for expected, (number, at, kind, subject, detail, found) in enumerate(rows, 1):
        if number != expected:
            return f"record {expected} is missing"
        data = previous + struct.pack(">qq", number, at)
        for text in (kind, subject, detail):
            data += struct.pack(">Q", len(text.encode())) + text.encode()
        previous = hashlib.sha256(data).digest()
        if previous != found:
            return f"record {number} does not fit"
    return None if rows else "there are no records"


def signer_records(path):
    """(digest of the to-be-signed octets, certificate) of every signature (ca/signer_frame.h)."""
    data, at, chain, number, records = path.read_bytes(), 0, bytes(32), 0, []
    while at < len(data):
        magic, found, length, _ = struct.unpack_from(">8sQLL", data, at)
        number += 1
        assert (magic, found) == (b"SIGNETL1", number), f"a bad frame at {at}"
        end = at + 24 + length
        chain = hashlib.sha256(chain + data[at:end]).digest()
        assert data[end:end + 32] == chain, f"frame {number} breaks the chain"
        at += 24
        while at < end:
            _, digest, size = struct.unpack_from(">q32sL", data, at)
            records.append((digest, data[at + 44:at + 44 + size]))
            at += 44 + size
        at = end + 32
    return records


TROUBLE = re.compile(r"ERROR: \w+Sanitizer|runtime error:|CRITICAL|nonsense received|handler failed|job cannot begin")


class FaultCase(lab.LabCase):
    def assert_sound(self, server, ignore="(?!)"):
        """What holds whenever no issuance is in flight."""
        self.assertIsNone(audit_faults(server))
        rows = server.query("SELECT c.order_id, c.serial, c.tbs, c.der, o.status FROM certificate c"
                            " JOIN orders o ON o.id = c.order_id")
        self.assertEqual(len({row[0] for row in rows}), len(rows), "an order has two certificates")
        self.assertEqual(len({row[1] for row in rows}), len(rows), "a serial is there twice")
        signed = signer_records(server.folder / "store/signer.log")
        self.assertEqual(len({digest for digest, _ in signed}), len(signed), "something was signed twice")
        self.assertEqual({(hashlib.sha256(tbs).digest(), der) for _, _, tbs, der, _ in rows}, set(signed),
                         "the signer's log and the store differ")
        for _, serial, _, der, status in rows:
            self.assertEqual(status, "valid")
            self.assertEqual(x509.load_der_x509_certificate(der).serial_number, int.from_bytes(serial, "big"))
        valid = server.query("SELECT count(*) FROM orders WHERE status = 'valid'")[0][0]
        self.assertEqual(valid, len(rows), "a valid order has no certificate")
        bad = [line for line in server.log().splitlines() if TROUBLE.search(line) and not re.search(ignore, line)]
        self.assertEqual(bad, [])

    def wait_idle(self, server):
        """Until nothing but periodic work is left."""
        self.lab.wait_for(lambda: not server.query("SELECT 1 FROM job WHERE kind IN ('mail', 'judge', 'issue')"),
                          "the jobs to be done", DEADLINE)
