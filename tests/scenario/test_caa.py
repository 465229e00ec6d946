# SPDX-License-Identifier: Apache-2.0
"""CAA of a whole signetd (ca-rules 8-13): an order with many domains, reports of what was refused, and the further
perspectives."""

import json
import re
import unittest

import lab
from lab import HOST
from perspectives import Resolver
from signet_lab import AcmeUser, Authority, Signetd, make_csr, new_key, prove

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
                                     dict.fromkeys(self.domains[1::3], lab.INSECURE), ttl=0)  # nothing is cached
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


class Reports(lab.SharedLabCase):
    """ca-rules 11: a domain that forbids an order is told by mail where its iodef records say, and nobody else is."""

    DENY = ("@", "CAA", '0 issuemail ";"')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = lab.DkimKey("deny.test", "s1")
        iodef = lambda *urls: [cls.key.record(), cls.DENY] + [("@", "CAA", f'0 iodef "{url}"') for url in urls]
        cls.zones = lab.SignedZones(cls.lab, {
            "deny.test": iodef("mailto:security%2Bcaa@deny.test", "mailto:victim@other.test", "https://deny.test/iodef",
                               "mailto:bob@deny.test?cc=victim@other.test", "mailto:bob@deny.test,victim@other.test"),
            "plain.test": iodef("mailto:security@plain.test"),
            "beyond.test": iodef("mailto:j%C3%B6rg@beyond.test"),
            "hostile.test": iodef("mailto:victim@other.test", "mailto:security@hostile.test?body=x",
                                  "mailto:security%0D%0ABcc:victim@hostile.test", "http://hostile.test/", "mailto:"),
            "bogus.test": iodef("mailto:security@bogus.test"),
        }, {"plain.test": lab.INSECURE})
        cls.mail = lab.Postfix(cls.lab, {
            **{domain: ["ann", "bob", "security"] for domain in cls.zones.records}, "beyond.test": ["ann", "j\u00f6rg"],
            "other.test": ["victim"]})
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones,
                             settings={"ca": {"iodef": "mail"}, "mail": {"language": "de en"}})
        cls.user = AcmeUser(cls.server)

    def refused(self, domain, kind="caa", change=lambda: None):
        """The order's id."""
        order = self.user.new_order(f"ann@{domain}")
        prove(self.server, self.user, order, self.mail.maildir(f"ann@{domain}"), key_at(self.key, domain))
        change()
        self.user.finalize(order, make_csr(new_key(), f"ann@{domain}"))
        ended = self.user.poll(order["url"], lambda o: o["status"] != "processing")
        self.assertEqual((ended["status"], ended["error"]["type"]), ("invalid", URN + kind))
        return order["url"].rsplit("/", 1)[1]

    def reports(self, domain):
        """Written in the commit that ended the order: what is not there now never comes."""
        return [row[0] for row in self.server.query("SELECT recipient FROM iodef_report WHERE domain = ?", domain)]

    def report(self, address):
        mail = lab.maildir_wait(self.mail.maildir(address), lambda mail: mail["From"] == "acme-notice@ca.test")
        self.assertEqual(mail.message["Return-Path"], "<>")
        return mail.message

    def test_report(self):
        """In words; once a day, however often somebody asks."""
        incident = self.refused("deny.test")
        message = self.report("security@deny.test")
        self.assertEqual((message["To"], message["Auto-Submitted"]), ("security+caa@deny.test", "auto-generated"))
        self.assertEqual(message.get_content_type(), "text/plain")
        self.assertEqual(message["Subject"], "Ein S/MIME-Zertifikat wurde wegen der CAA-Eintr\u00e4ge Ihrer Domain abgelehnt / "
                                             "An S/MIME certificate was refused by your domain's CAA records")
        text = message.get_content()
        for words in ("domain: deny.test", "mailbox: ann@deny.test", f"incident: {incident}", f"Vorgang: {incident}",
                      '    deny.test. CAA 0 issuemail ";"\n', self.server.url, "No certificate was"):
            self.assertIn(words, text)
        self.lab.wait_for(lambda: self.server.query("SELECT 1 FROM audit WHERE kind = 'iodef report sent'"
                                                    " AND detail LIKE '%deny.test%'"), "the record")
        for kind in ("queued", "sent"):
            [(detail, subject)] = self.server.query("SELECT detail, subject FROM audit WHERE kind = ? AND detail LIKE"
                                                    " '%deny.test%'", "iodef report " + kind)
            self.assertIn("security+caa@deny.test", detail)
            self.assertIn(incident, subject)
        show = lambda *options: self.server.ctl("order", "show", incident, *options, "--config", self.server.path)
        [shown] = json.loads(show("--json"))["reports"]
        self.assertEqual((shown["domain"], shown["to"]), ("deny.test", "security+caa@deny.test"))
        self.assertNotIn("due", shown)
        self.assertRegex(show(), rf"reports by iodef\n *queued +\S+ +security\+caa@deny\.test\n *sent +{shown['sent']}\n")
        self.refused("deny.test")
        self.assertEqual(self.reports("deny.test"), ["security+caa@deny.test"])

    def test_insecure(self):
        self.refused("plain.test")
        self.assertIn("plain.test. CAA", self.report("security@plain.test").get_content())

    def test_beyond_ascii(self):
        """The relay offers SMTPUTF8."""
        self.refused("beyond.test")
        self.report("j\u00f6rg@beyond.test")

    def test_hostile(self):
        self.refused("hostile.test")
        self.assertEqual(self.reports("hostile.test"), [])

    def test_bogus(self):
        self.refused("bogus.test", "dns", lambda: self.zones.mode("bogus.test", lab.BOGUS))
        self.assertEqual(self.reports("bogus.test"), [])

    @classmethod
    def tearDownClass(cls):
        assert lab.maildir_list(cls.mail.maildir("victim@other.test")) == []


class Perspectives(lab.SharedLabCase):
    """ca-rules 13: four Unbounds elsewhere are asked over HTTPS, and three must agree."""

    NAMES = ("ams", "fra", "nyc", "sin")
    DENIES = 'user.test. CAA 0 issuemail ";"'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key, cls.other = lab.DkimKey("user.test", "s1"), lab.DkimKey("user.test", "s1")
        records = [cls.key.record(), ("@", "CAA", '0 issuemail "ca.test"'), ("@", "MX", "10 mx.user.test.")]
        cls.zones = lab.SignedZones(cls.lab, {"user.test": records})
        authority = Authority(cls.lab.folder("authority"))
        cls.resolvers = {name: Resolver(cls.lab, cls.zones, authority, name) for name in cls.NAMES}
        cls.mail = lab.Postfix(cls.lab, {"user.test": ["ann"]})
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones, settings={"dns": {
            "perspectives": "; ".join(resolver.setting for resolver in cls.resolvers.values()),
            "perspectives-ca": authority.path}})

    def setUp(self):
        self.user = AcmeUser(self.server)
        self.lies({})

    def lies(self, lies):
        """name -> what that resolver answers from now on; None: it is gone. The others are honest."""
        for name, resolver in self.resolvers.items():
            wanted = lies.get(name, ())
            if getattr(resolver, "lies", ()) == wanted:
                continue
            resolver.stop()
            if wanted is not None:
                resolver.start(wanted)
            resolver.lies = wanted

    def address_of_this_test(self):
        return f"ann+{self.id().rsplit('.', 1)[1].replace('_', '-')}@user.test"

    def ready(self):
        self.address = self.address_of_this_test()
        order = self.user.new_order(self.address)
        prove(self.server, self.user, order, self.mail.maildir("ann@user.test"), self.key)
        self.assertEqual(self.user.get(order["url"])["status"], "ready")
        return order

    def finalize(self, order):
        self.user.finalize(order, make_csr(new_key(), self.address))

    def ended(self, order):
        return self.user.poll(order["url"], lambda o: o["status"] != "processing")

    def answers(self, where):
        return self.server.query(
            "SELECT p.perspective, p.outcome, p.secure, p.records, p.url FROM perspective_answer p"
            f" WHERE p.question {where} AND p.at >= (SELECT max(created_at) FROM orders)"
            " ORDER BY p.at, p.perspective")

    def test_one_lies(self):
        """Three of four permit it; every answer is kept with who gave it."""
        self.lies({"sin": (self.DENIES,)})
        order = self.ready()
        self.finalize(order)
        self.assertEqual(self.ended(order)["status"], "valid")
        us, nobody = '0 issuemail "ca.test"', '0 issuemail ";"'
        self.assertEqual(sorted(self.answers("= 'CAA user.test'")), [
            (name, "found", int(name != "sin"), nobody if name == "sin" else us, self.resolvers[name].url)
            for name in self.NAMES])
        self.assertEqual(sorted(self.answers("= 'TXT s1._domainkey.user.test'")), [
            (name, "found", 1, self.key.text(), self.resolvers[name].url) for name in self.NAMES])
        self.assertEqual(sorted(self.answers("= 'MX user.test'")), sorted(
            [(name, "found", 1, "10 mx.user.test", self.resolvers[name].url) for name in self.NAMES]
            + [("primary", "found", 1, "10 mx.user.test", "")]))
        shown = json.loads(self.server.ctl("order", "show", order["url"], "--json", "--config", self.server.path))
        self.assertEqual(len(shown["perspectives"]), 4 + 4 + 5)
        said = [{name: value for name, value in answer.items() if name != "at"} for answer in shown["perspectives"]]
        self.assertIn({"perspective": "sin", "question": "CAA user.test", "outcome": "found", "secure": False,
                       "records": nobody, "reason": "found at user.test", "url": self.resolvers["sin"].url}, said)
        self.assertIn("sin: CAA user.test found", self.server.ctl("order", "show", order["url"], "--config",
                                                                  self.server.path))
        self.assertRegex(self.server.query("SELECT explanation FROM caa_check ORDER BY at DESC LIMIT 1")[0][0],
                         '3 of 4 network perspectives permit it, 3 must: sin: CAA at user.test: .*permits nobody')
        shown, failed = self.server.evidence(self.user.certificate(order)[0])
        self.assertLessEqual(failed, {"audit log"}, shown)
        self.assertEqual(shown.count("\nperspective\n"), 4 + 4 + 5)

    def test_two_disagree(self):
        self.lies({"nyc": (self.DENIES,), "sin": ('user.test. CAA 0 issuemail "other-ca.test"',)})
        order = self.ready()
        self.finalize(order)
        order = self.ended(order)
        self.assertEqual((order["status"], order["error"]["type"]), ("invalid", URN + "caa"))
        self.assertIn("only 2 of 4 network perspectives permit it, 3 must: nyc: CAA at user.test", order["error"]["detail"])
        self.assertRegex(order["error"]["detail"], "sin: CAA at user.test: .* names another CA")
        self.assertNotIn("certificate", order)
        self.assertEqual(self.server.query("SELECT verdict, secure FROM caa_check ORDER BY at DESC LIMIT 1"),
                         [("forbidden", 1)])

    def test_two_are_gone(self):
        """Asked again until one is back."""
        order = self.ready()
        self.lies({"nyc": None, "sin": None})
        before = self.server.query("SELECT count(*) FROM caa_check")[0][0]
        self.finalize(order)
        self.lab.wait_for(lambda: self.server.query("SELECT count(*) FROM caa_check")[0][0] > before, "the first answer")
        verdict, explanation = self.server.query("SELECT verdict, explanation FROM caa_check ORDER BY at DESC LIMIT 1")[0]
        self.assertEqual(verdict, "failed")
        self.assertIn("only 2 of 4 network perspectives permit it, 3 must: nyc: CAA: no answer", explanation)
        self.assertEqual(self.user.get(order["url"])["status"], "processing")
        self.lies({"nyc": None})
        self.assertEqual(self.ended(order)["status"], "valid")

    def test_two_see_another_key(self):
        """The reply proves nothing until they see the same key; DNSSEC is what tells the resolver here."""
        lie = (f's1._domainkey.user.test. TXT "{self.other.text()[:200]}" "{self.other.text()[200:]}"',)
        self.lies({"nyc": lie, "sin": lie})
        self.address = self.address_of_this_test()
        order = self.user.new_order(self.address)
        prove(self.server, self.user, order, self.mail.maildir("ann@user.test"), self.key, respond=False)
        note = self.lab.wait_for(lambda: self.server.query(
            "SELECT n.problem FROM note n JOIN challenge c ON c.id = n.challenge_id JOIN authz a ON a.id = c.authz_id"
            " WHERE a.address = ?", self.address), "the note")[0][0]
        self.assertIn("only 2 of 4 network perspectives see its key record, 3 must: nyc: another key record; sin: ", note)
        self.assertEqual(self.user.authorization(order)["status"], "pending")
        self.lies({"sin": lie})
        self.user.respond(self.user.authorization(order)["challenges"][0])
        self.user.poll(order["authorizations"][0], lambda a: a["status"] == "valid")

    def test_configuration(self):
        """A public CA has enough of them, or says why not."""
        dns, ca = self.server.config["dns"], self.server.config["ca"]
        kept = dict(dns), dict(ca)
        some = lambda count: "; ".join(f"p{number} https://{HOST}:{number + 1}/q" for number in range(count))
        empty = self.server.folder / "empty"
        empty.write_text("")
        try:
            for operation, changes, words in (
                    ("private", {}, None), ("public", {}, None),
                    ("public", {"perspectives": ""}, "are 0, fewer than perspectives-minimum = 4"),
                    ("public", {"perspectives": some(3)}, "are 3, fewer than perspectives-minimum = 4"),
                    ("public", {"perspectives": some(3), "perspectives-minimum": 3}, None),
                    ("public", {"perspectives": "", "perspectives-missing-reason": "CPS 4.2"}, None),
                    ("private", {"perspectives": ""}, None),
                    ("public", {"perspectives-quorum": 2}, "is too low for 4 perspectives"),
                    ("private", {"perspectives-quorum": 2}, None),
                    ("private", {"perspectives-quorum": 5}, "is more than there are perspectives: 4"),
                    ("private", {"perspectives": "a http://x/"}, '"a http://x/" is no https:// URL'),
                    ("private", {"perspectives": "a https://x/q; a https://y/q"}, "names a perspective twice"),
                    ("private", {"perspectives": "a https://x/q; b https://x/q"}, "names a perspective twice"),
                    ("private", {"perspectives": "a https://x/q; b https://X:443/q"}, "names a perspective twice"),
                    ("private", {"perspectives": some(17)}, "are more than 16"),
                    ("private", {"perspectives-ca": empty}, "has no certificate in PEM"),
                    ("private", {"perspectives-ca": "missing"}, "No such file")):
                with self.subTest(operation, **changes):
                    dns.clear()
                    dns.update(kept[0], **changes)
                    ca["operation"] = operation
                    self.server.write_config()
                    status, said = self.server.check()
                    self.assertEqual("[dns] perspectives" in said, words is not None, said)
                    self.assertIn(words or "", said)
                    self.assertTrue(words is None or status != 0)
                    said_why = re.search(r"\[dns\] perspectives.*\(\[ca\] operation = public\)$", said, re.M)
                    self.assertEqual(said_why is not None, operation == "public" and words is not None, said)
        finally:
            dns.clear()
            dns.update(kept[0])
            ca.clear()
            ca.update(kept[1])
            self.server.write_config()


if __name__ == "__main__":
    unittest.main(verbosity=2)
