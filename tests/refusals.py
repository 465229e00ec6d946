# SPDX-License-Identifier: Apache-2.0
"""The lab of tests that are refused: domains with CAA records of every kind, requests below python3-acme, and what a
refusal must be."""

import json
import re
import time
from http.client import HTTPSConnection

import josepy
import lab
import signet_lab
from lab import HOST
from signet_lab import AcmeUser, Signetd, b64

ID = "AAAAAAAAAAAAAAAAAAAAAA"


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def problem(self):
        return json.loads(self.body)


class RefusalsCase(lab.SharedLabCase):
    settings = {}
    test_mode = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = lab.DkimKey("user.test", "s1")
        record = cls.key.record()
        caa = lambda *values: [record] + [("@", "CAA", value) for value in values]
        cls.zones = lab.SignedZones(cls.lab, {
            "user.test": caa('0 issuemail "ca.test"'),
            "nobody.test": caa('0 issuemail ";"') + [("s1._domainkey.sub", "TXT", cls.key.text())],
            "other.test": caa('0 issuemail "other-ca.test"', '0 issue "ca.test"'),
            "both.test": caa('0 issuemail "other-ca.test"', '0 issuemail "ca.test"'),
            "critical.test": caa('128 tbs "unknown"', '0 issuemail "ca.test"'),
            "issue.test": caa('0 issue ";"', '0 issuewild ";"', '0 iodef "mailto:x@issue.test"'),
            "malformed.test": caa('0 issuemail "%%%"'),
            "account.test": caa('0 issuemail "ca.test; accounturi=https://elsewhere.test/account/1"'),
            "method.test": caa('0 issuemail "ca.test; validationmethods=http-01"'),
            "bogus.test": caa('0 issuemail "ca.test"'),
            "none.test": [record],
            "plain.test": [record],
            "plaindeny.test": caa('0 issuemail ";"'),
        }, {"plain.test": lab.INSECURE, "plaindeny.test": lab.INSECURE})
        cls.mail = lab.Postfix(cls.lab, {domain: ["ann"] for domain in [*cls.zones.records, "sub.nobody.test"]})
        cls.server = Signetd(cls.lab, relay=f"{HOST}:{cls.mail.port}", zones=cls.zones, settings=cls.settings,
                             test_mode=cls.test_mode)
        cls.pids = cls.server.pids()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.pids() == cls.pids, "a role died"

    def setUp(self):
        self.user = AcmeUser(self.server)

    def ready(self, *addresses, user=None):
        """An order for addresses that is ready."""
        user = user or self.user
        order = user.new_order(*addresses)
        for index, address in enumerate(addresses):
            local, domain = address.split("@")
            folder = self.mail.maildir(f"{local.split('+')[0]}@{domain}")
            key = lab.DkimKey.__new__(lab.DkimKey)
            key.domain, key.selector, key.key = domain, "s1", self.key.key
            signet_lab.prove(self.server, user, order, folder, key, index)
        self.assertEqual(user.get(order["url"])["status"], "ready")
        return order

    # --- requests below python3-acme

    def request(self, method, url, body=None, headers=None):
        connection = HTTPSConnection(HOST, self.server.https, context=self.server.tls_context(), timeout=60)
        try:
            connection.request(method, url[len(self.server.url):], body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def nonce(self):
        return self.request("HEAD", self.server.url + "/new-nonce").headers["Replay-Nonce"]

    def jws(self, target, payload=None, user=None, jwk=False, **changes):
        """A JWS as a dictionary. changes: of the protected header; None leaves a parameter out."""
        user = user or self.user
        header = {"alg": "ES256", "nonce": self.nonce(), "url": target}
        if jwk is True:
            header["jwk"] = user.key.public_key().to_json()
        else:
            header["kid"] = user.account.uri
        header.update(changes)
        header = {name: value for name, value in header.items() if value is not None}
        return self.seal(json.dumps(header), "" if payload is None else json.dumps(payload), user)

    def seal(self, header, payload, user=None):
        """header and payload: text or octets, as they are."""
        octets = lambda text: text.encode() if isinstance(text, str) else text
        protected, payload = b64(octets(header)), b64(octets(payload))
        signature = josepy.ES256.sign((user or self.user).key.key, f"{protected}.{payload}".encode())
        return {"protected": protected, "payload": payload, "signature": b64(signature)}

    def post(self, url, body, content_type="application/jose+json"):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return self.request("POST", url, body, {"Content-Type": content_type} if content_type else {})

    # --- what a refusal must be

    def store(self):
        """Every table, once what earlier requests set going has come to its end; a refused certificate request is recorded
        (ca-rules 33) and changes nothing else."""
        self.lab.wait_for(lambda: self.server.query(
            "SELECT count(*) FROM job WHERE kind IN ('mail', 'judge', 'issue', 'close', 'revoke')"
            " OR (kind = 'crl' AND (taken_until > 0 OR due_at <= ?))", int(time.time() * 1000))[0][0] == 0, "the jobs to be done")
        found = {table: self.server.query(f"SELECT * FROM {table} ORDER BY 1") for table in (
            "account", "orders", "authz", "challenge", "note", "message", "certificate", "caa_check", "audit")}
        found["audit"] = [row for row in found["audit"] if "certificate request refused" not in row]
        return found

    def assert_problem(self, answer, status, kind):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, "application/problem+json"),
                         answer.body)
        problem = answer.problem()
        self.assertEqual(problem["type"], "urn:ietf:params:acme:error:" + kind, problem)
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["detail"])
        return problem

    def assert_refused(self, make, status, kind, nonce=True):
        """make() is refused with a problem, nothing changes, the log says why."""
        before, logged = self.store(), len(self.server.log())
        answer = make()
        problem = self.assert_problem(answer, status, kind)
        if nonce:
            self.assertRegex(answer.headers["Replay-Nonce"], "^[A-Za-z0-9_-]{20,}$")
        self.assertEqual(self.store(), before)
        words = re.findall(r"[A-Za-z ]{5,}", problem["detail"])[-1]  # what no escaping changes
        reason = re.compile(r'event="request refused[^"]*".* reason=.*' + re.escape(words))
        self.lab.wait_for(lambda: reason.search(self.server.log()[logged:]), f"the log line of {problem}")
        return problem

    def assert_refused_by_library(self, call, kind):
        """The same through python3-acme."""
        with self.assertRaises(signet_lab.messages.Error) as refusal:
            call()
        self.assertEqual(refusal.exception.code, kind, refusal.exception)

    def assert_healthy(self):
        self.assertTrue(self.server.is_up())
        self.assertEqual(self.server.pids(), self.pids)
