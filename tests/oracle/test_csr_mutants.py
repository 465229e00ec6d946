# SPDX-License-Identifier: Apache-2.0
"""Generated certification requests, judged by Signet and by a second verifier (csr_rules.py): the verdicts are equal,
down to mailboxes, wishes and type of key, and a certificate for an order names exactly the order, whatever the request
holds. SIGNET_SEED repeats a run (keys and signatures apart, which are made anew)."""

import base64
import collections
import os
import pathlib
import random
import subprocess
import threading
import unittest
from concurrent import futures

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import csr_rules
from csr_mutation import Maker
from share import seed, share

BUILD = pathlib.Path(os.environ.get("SIGNET_BUILD", "build/release"))
WORKERS = 2
BATCH = 500


def driver_lines(process, mutants):
    """Signet's verdict on each mutant, split at the tabs."""
    def feed():
        for mutant in mutants:
            fields = ("dns" if mutant.dns_names else "mail", base64.b64encode(mutant.octets).decode(), *mutant.order)
            process.stdin.write("\t".join(fields) + "\n")
        process.stdin.flush()
    feeder = threading.Thread(target=feed)
    feeder.start()
    lines = [process.stdout.readline().rstrip("\n").split("\t") for _ in mutants]
    feeder.join()
    return lines


def names_of(certificate):
    """The addresses of a certificate's subjectAltName, each in the form it must have; anything else as its repr."""
    found = []
    for name in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value:
        if isinstance(name, x509.RFC822Name) and name.value.isascii():
            found.append(name.value)
        elif isinstance(name, x509.OtherName) and name.type_id.dotted_string == csr_rules.SMTP_UTF8:
            found.append(csr_rules.one(name.value, csr_rules.UTF8).decode())
        else:
            found.append(repr(name))
    return sorted(found)


def certificate_fault(octets, mutant):
    """What of a certificate is not as the order (and the request's key) says; None when all is."""
    certificate = x509.load_der_x509_certificate(octets)
    if names_of(certificate) != sorted(mutant.order):
        return f"certified {names_of(certificate)}, ordered {mutant.order}"
    if any(attribute.value not in mutant.order for attribute in certificate.subject):
        return f"subject {certificate.subject}"
    key = certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                serialization.PublicFormat.SubjectPublicKeyInfo)
    return None if key in mutant.octets else "another key"


def difference(mutant, verdict, line):
    """How Signet's line contradicts the second verifier; None when it does not."""
    if line[0] == "refused" or verdict.faults:
        agreed = line[0] == "refused" and line[1] in {code for _, code in verdict.faults}
        return None if agreed else f"Signet: {line[:3]}, second verifier: {sorted(verdict.faults)}"
    if line[1:4] != [verdict.wishes, verdict.kind, " ".join(verdict.mailboxes)]:
        return f"Signet: {line[1:4]}, second verifier: {verdict.wishes, verdict.kind, verdict.mailboxes}"
    matches = {csr_rules.mailbox(address)[0] for address in mutant.order} == set(verdict.mailboxes)
    if matches != (line[0] == "issued"):
        return f"{line[0]}: request {verdict.mailboxes}, order {mutant.order}"
    return certificate_fault(base64.b64decode(line[4]), mutant) if matches else None


def run(start, count):
    """(how often each thing was seen, differences) of count mutants."""
    seen, differences = collections.Counter(), []
    maker = Maker(random.Random(start))
    with subprocess.Popen([BUILD / "tests" / "csr_verdicts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          encoding="utf-8") as process:
        for first in range(0, count, BATCH):
            mutants = [maker.mutant() for _ in range(min(BATCH, count - first))]
            for mutant, line in zip(mutants, driver_lines(process, mutants)):
                verdict = csr_rules.judge(mutant.octets, mutant.dns_names)
                found = difference(mutant, verdict, line)
                seen[line[0]] += 1
                if len(verdict.faults) == 1:
                    seen[("alone", next(iter(verdict.faults))[0])] += 1
                if found is not None:
                    differences.append(f"{found}\n  {mutant.story} {'dns' if mutant.dns_names else 'mail'} "
                                       f"{base64.b64encode(mutant.octets).decode()}")
        process.stdin.close()
    return seen, differences


class Mutants(unittest.TestCase):
    # Rules that must have been the only one to stand against some request, in every run.
    ALONE = ("not DER", "list not DER", "extension not DER", "names not DER", "name of another type", "name refused",
             "name twice", "CN", "emailAddress", "purpose", "extension twice", "list twice", "challengePassword",
             "signature", "signature algorithm", "signature parameters", "key type", "version", "too long",
             "dNSName of another mailbox")
    # And in a full one.
    RARE = ("no names", "no list", "no extensions", "list with two values", "usage bit",
            "usage empty", "CA:TRUE", "attribute without value", "key not DER", "point form", "point not on curve",
            "rsa size", "rsa exponent", "rsa roca", "rsa small factor", "rsa close primes")

    def test_mutants(self):
        count, source = share(2000, 100000), seed()
        starts = [source.randrange(2 ** 32) for _ in range(WORKERS)]
        seen, differences = collections.Counter(), []
        with futures.ProcessPoolExecutor(WORKERS) as pool:
            for part, found in pool.map(run, starts, [count // WORKERS] * WORKERS):
                seen.update(part)
                differences += found
        alone = {rule: times for rule, times in ((k[1], v) for k, v in seen.items() if isinstance(k, tuple))}
        print(f"# refused {seen['refused']}, other than the order {seen['other']}, issued {seen['issued']}; "
              f"the only fault: {dict(sorted(alone.items()))}", flush=True)
        self.assertEqual(differences[:5], [], f"{len(differences)} differences")
        self.assertEqual(seen["refused"] + seen["other"] + seen["issued"], count)
        for verdict in ("refused", "other", "issued"):
            self.assertGreater(seen[verdict], count // 100)
        wanted = self.ALONE + (self.RARE if count > 2000 else ())
        self.assertEqual([rule for rule in wanted if rule not in alone], [])


if __name__ == "__main__":
    unittest.main()
