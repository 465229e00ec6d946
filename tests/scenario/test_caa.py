# SPDX-License-Identifier: Apache-2.0
"""CAA of a whole signetd (ca-rules 8-13): an order with many domains, and the further perspectives."""

import unittest

import lab
from lab import HOST
from signet_lab import AcmeUser, Signetd, make_csr, new_key, prove

MANY = 20
URN = "urn:ietf:params:acme:error:"


def key_at(key, domain):
    """The same key under another domain's name."""
    found = lab.DkimKey.__new__(lab.DkimKey)
    found.domain, found.selector, found.key = domain, key.selector, key.key
    return found


class ManyDomains(lab.LabCase):
    """ca-rules 8, 9: every domain of an order is asked for when it is finalized."""

    def setUp(self):
        super().setUp()
        self.key = lab.DkimKey("d00.test", "s1")
        self.domains = [f"d{number:02}.test" for number in range(MANY)]
        records = [self.key.record(), ("@", "CAA", '0 issuemail "ca.test"')]
        self.zones = lab.SignedZones(self.lab, dict.fromkeys(self.domains, records),
                                     dict.fromkeys(self.domains[1::3], lab.INSECURE))
        self.mail = lab.Postfix(self.lab, {domain: ["ann"] for domain in self.domains})
        self.server = Signetd(self.lab, relay=f"{HOST}:{self.mail.port}", zones=self.zones)
        self.user = AcmeUser(self.server)

    def finalized(self, change=lambda: None):
        addresses = [f"ann@{domain}" for domain in self.domains]
        order = self.user.new_order(*addresses)
        for index, domain in enumerate(self.domains):
            prove(self.server, self.user, order, self.mail.maildir(addresses[index]), key_at(self.key, domain), index)
        change()
        self.user.finalize(order, make_csr(new_key(), *addresses))
        return self.user.poll(order["url"], lambda o: o["status"] != "processing")

    def test_each_is_asked(self):
        self.assertEqual(self.finalized()["status"], "valid")
        self.assertEqual(
            self.server.query("SELECT domain, verdict, secure, records FROM caa_check ORDER BY domain"),
            [(domain, "permitted", int(self.zones.modes[domain] == lab.SIGNED), '0 issuemail "ca.test"')
             for domain in self.domains])
        # the last one forbids now: an earlier order's answer counts for nothing
        order = self.finalized(lambda: self.zones.replace(self.domains[-1], "@", "CAA", '0 issuemail ";"'))
        self.assertEqual((order["status"], order["error"]["type"]), ("invalid", URN + "caa"))
        self.assertIn(self.domains[-1], order["error"]["detail"])
        self.assertEqual(self.server.query("SELECT count(*), sum(verdict = 'forbidden') FROM caa_check"), [(2 * MANY, 1)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
