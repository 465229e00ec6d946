# SPDX-License-Identifier: Apache-2.0
"""Security 1 and 7: every route of the table with every kind of caller, and what is left of an account, an
authorization and an order once their owner has deactivated something (RFC 8555 sections 7.3.6 and 7.5.2). The routes
are printed by the program's own table: one that is not in CASES fails the test."""

import collections
import json
import re
import subprocess
import unittest

import lab
import signet_lab
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from refusals import ID, RefusalsCase
from signet_lab import BUILD, AcmeUser, b64, make_csr, new_key

Route = collections.namedtuple("Route", "prefix id suffix access methods")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE")

# Of each route: what the caller sends (payloads, None: POST-as-GET), and what the owner gets for each. Routes without
# an id have nothing that is another's in their URL; the method named holds what their payloads name to its owner.
CASES = {
    ("/directory", ""): "test_open",
    ("/new-nonce", ""): "test_open",
    ("/renewal-info/*", ""): "test_open",
    ("/new-account", ""): "test_account_of_a_key",
    ("/new-authz", ""): "test_new_objects",
    ("/new-order", ""): "test_new_objects",
    ("/key-change", ""): "test_key_change",
    ("/revoke-cert", ""): "test_revocation",
    ("/account/", ""): [(None, 200), ({"contact": ["mailto:eve@user.test"]}, 200), ({"status": "deactivated"}, None)],
    ("/account/", "/orders"): [(None, 200)],
    ("/account/", "/orders/*"): [(None, 200)],
    ("/order/", ""): [(None, 200)],
    ("/order/", "/finalize"): [("csr", 200)],
    ("/authorization/", ""): [(None, 200), ({"status": "deactivated"}, None)],
    ("/challenge/", ""): [(None, 200), ({}, 200)],
    ("/certificate/", ""): [(None, 200)],
    ("/certificate/", "/alternate/*"): [(None, 200)],
}


def routes():
    lines = subprocess.run([BUILD / "tests/route_table"], check=True, capture_output=True, text=True).stdout
    return [Route(*line.split("\t")) for line in lines.splitlines()]


class OwnershipCase(RefusalsCase):
    settings = {"test": {"page": 1, "alternate-chain": "on", "reject-nonces": 0, "random-order": "off", "delay": "0s"}}
    test_mode = True

    def issue(self, address, user=None, key=None):
        """(the order, its certificate) of user."""
        user = user or self.user
        order = self.ready(address, user=user)
        user.finalize(order, make_csr(key or new_key(), address))
        leaf = user.certificate(order)[0]
        return dict(user.get(order["url"]), url=order["url"]), leaf

    @staticmethod
    def der(certificate):
        return b64(certificate.public_bytes(serialization.Encoding.DER))

    @staticmethod
    def renewal_identifier(leaf):
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        serial = leaf.serial_number
        return b64(issuer) + "." + b64(serial.to_bytes(serial.bit_length() // 8 + 1, "big"))

    def renewal_info(self, leaf):
        return f"{self.server.url}/renewal-info/{self.renewal_identifier(leaf)}"


class Matrix(OwnershipCase):
    def test_every_route_is_here(self):
        found = routes()
        self.assertGreater(len(found), 15)
        self.assertEqual({(route.prefix, route.suffix) for route in found}, set(CASES))
        for case in CASES.values():
            self.assertTrue(isinstance(case, list) or hasattr(self, case), case)

    def urls(self, user):
        """The URL of each route with an id: objects of user."""
        ready = self.ready("ann+ready@user.test", user=user)
        order, _ = self.issue("ann+own@user.test", user)
        authorization = order["authorizations"][0]
        certificate = user.post(order["certificate"])
        alternate = re.search(r'<([^>]+)>;rel="alternate"', certificate.headers["Link"])[1]
        orders = user.post(user.account.uri + "/orders")
        return {("/account/", ""): user.account.uri, ("/account/", "/orders"): user.account.uri + "/orders",
                ("/account/", "/orders/*"): re.search(r'<([^>]+)>;rel="next"', orders.headers["Link"])[1],
                ("/order/", ""): order["url"], ("/order/", "/finalize"): ready["finalize"],
                ("/authorization/", ""): authorization,
                ("/challenge/", ""): user.get(authorization)["challenges"][0]["url"],
                ("/certificate/", ""): order["certificate"], ("/certificate/", "/alternate/*"): alternate}

    @staticmethod
    def all_but_chance(answer):
        """An answer without what differs from one to the next."""
        return answer.status, answer.body, sorted(
            (name, value) for name, value in answer.headers.items() if name not in ("Date", "Replay-Nonce"))

    def answer_to(self, url, **changes):
        """assert_refused's maker, which keeps the answer."""
        payload, user = changes.pop("payload"), changes.pop("user", None)

        def make():
            self.answer = self.post(url, self.jws(url, payload, user, **changes))
            return self.answer
        return make

    def hold(self, route, url, payload):
        """Everybody but the owner, at one URL."""
        nowhere = re.sub(re.escape(route.prefix) + "[^/]{22}", route.prefix + ID, url, count=1)
        self.assertNotEqual(url, nowhere)
        self.assert_refused(self.answer_to(url, payload=payload), 404, "malformed")
        refused = self.answer
        self.assert_refused(self.answer_to(nowhere, payload=payload), 404, "malformed")
        self.assertEqual(self.all_but_chance(refused), self.all_but_chance(self.answer))  # nothing revealed
        self.assert_refused(self.answer_to(url, payload=payload, user=self.gone), 401, "unauthorized")
        self.assert_refused(self.answer_to(url, payload=payload, kid=self.server.url + "/account/" + ID), 400,
                            "accountDoesNotExist")
        self.assert_refused(self.answer_to(url, payload=payload, jwk=True), 400, "malformed")
        self.assert_refused(self.answer_to(url, payload=payload, user=self.owner, jwk=True), 400, "malformed")

    def test_matrix(self):
        self.owner, self.gone = AcmeUser(self.server), AcmeUser(self.server)
        urls = self.urls(self.owner)
        self.gone.post(self.gone.account.uri, {"status": "deactivated"})
        csr = {"csr": b64(make_csr(new_key(), "ann+ready@user.test"))}
        for route in routes():
            if not route.id:
                continue
            url = urls[(route.prefix, route.suffix)]
            for payload, status in CASES[(route.prefix, route.suffix)]:
                payload = csr if payload == "csr" else payload
                with self.subTest(f"{route.prefix}{route.suffix} {payload}"):
                    self.hold(route, url, payload)
                    if status is not None:
                        answer = self.post(url, self.jws(url, payload, self.owner))
                        self.assertEqual(answer.status, status, answer.body)

    def test_routes_without_an_id(self):
        """Those for accounts and keys: no account, a deactivated one, the other kind of signature."""
        gone = AcmeUser(self.server)
        gone.post(gone.account.uri, {"status": "deactivated"})
        leaf = self.issue("ann+form@user.test")[1]
        payloads = {"/new-authz": {"identifier": {"type": "email", "value": "ann@user.test"}},
                    "/new-order": {"identifiers": [{"type": "email", "value": "ann@user.test"}]},
                    "/key-change": {}, "/revoke-cert": {"certificate": self.der(leaf)}, "/new-account": {},
                    "/directory": None, "/new-nonce": None}
        for route in routes():
            if route.id or route.access == "get":
                continue
            url, payload = self.server.url + route.prefix, payloads[route.prefix]
            by_key = route.access == "key"
            with self.subTest(route.prefix):
                refused = lambda status, kind, **changes: self.assert_refused(
                    self.answer_to(url, payload=payload, **changes), status, kind)
                refused(401, "unauthorized", user=gone, jwk=by_key)
                refused(400, "malformed" if by_key else "accountDoesNotExist", kid=self.server.url + "/account/" + ID)
                if route.access == "either":
                    refused(403, "unauthorized", jwk=True)
                else:
                    refused(400, "malformed", jwk=not by_key)

    def test_methods(self):
        for route in routes():
            url = self.server.url + route.prefix.replace("*", "x") + (ID if route.id else "") \
                + route.suffix.replace("*", ID)
            allowed = route.methods.split(", ")
            self.assertEqual(allowed, {"get": ["GET", "HEAD"], "open": ["GET", "HEAD", "POST"],
                                       "edge": ["GET", "HEAD", "POST"]}.get(route.access, ["POST"]))
            for method in METHODS:
                if method in allowed:
                    continue
                with self.subTest(f"{method} {route.prefix}{route.suffix}"):
                    answer = self.request(method, url, b"" if method not in ("GET", "HEAD") else None)
                    self.assertEqual((answer.status, answer.headers["Allow"]), (405, route.methods), answer.body)
                    if method != "HEAD":
                        self.assert_problem(answer, 405, "malformed")
                        self.assertIn(method if route.access != "edge" else "HEAD", answer.problem()["detail"])
            with self.subTest(f"OPTIONS {route.prefix}{route.suffix}"):
                answer = self.request("OPTIONS", url)
                self.assertEqual((answer.status, answer.headers["Allow"], answer.body), (204, route.methods, b""))

    def test_no_such_resource(self):
        for path in ("/", "/x", "/order", "/order/", "/order/x", "/order/" + ID + "/", "/order/" + ID + "/x",
                     "/order/" + ID + "A", "/order//" + ID, "/Directory", "/directory/", "/%64irectory",
                     "/renewal-info", "/renewal-info/", "/renewal-info/a/b", "/account/" + ID + "/orders/",
                     "/certificate/" + ID + "/alternate", "/certificate/" + ID + "/alternate/1/2"):
            with self.subTest(path):
                self.assert_problem(self.request("GET", self.server.url + path), 404, "malformed")
                url = self.server.url + path
                self.assert_refused(lambda: self.post(url, self.jws(url)), 404, "malformed")

    # --- what a payload names

    def test_open(self):
        leaf = self.issue("ann+open@user.test")[1]
        for url in (self.server.url + "/directory", self.server.url + "/new-nonce", self.renewal_info(leaf)):
            self.assertIn(self.request("GET", url).status, (200, 204))
        answer = self.request("GET", self.renewal_info(leaf))
        self.assertEqual(list(answer.problem()), ["suggestedWindow"])  # and nothing of whose it is
        self.assertNotIn("Replay-Nonce", answer.headers)

    def test_open_by_post(self):
        """RFC 8555 section 6.3: directory and newNonce by POST-as-GET mean what they mean by GET."""
        url = self.server.url + "/directory"
        answer = self.post(url, self.jws(url))
        self.assertEqual((answer.status, answer.body), (200, self.request("GET", url).body))
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        url = self.server.url + "/new-nonce"
        for _ in range(2):
            answer = self.post(url, self.jws(url, nonce=answer.headers["Replay-Nonce"]))
            self.assertEqual((answer.status, answer.body, answer.headers["Cache-Control"]), (204, b"", "no-store"))
        for url in (url, self.server.url + "/directory"):
            self.assert_refused(lambda: self.post(url, self.jws(url, {})), 400, "malformed")

    def test_account_of_a_key(self):
        """newAccount tells of an account to the holder of its key only."""
        url = self.server.url + "/new-account"
        stranger = AcmeUser(self.server, register=False)
        ask = {"onlyReturnExisting": True}
        self.assert_refused(lambda: self.post(url, self.jws(url, ask, stranger, jwk=True)), 400, "accountDoesNotExist")
        answer = self.post(url, self.jws(url, ask, jwk=True))
        self.assertEqual((answer.status, answer.headers["Location"]), (200, self.user.account.uri))

    def test_new_objects(self):
        """newOrder takes nobody else's certificate as replaced, and nobody else's authorization made beforehand."""
        owner, leaf = AcmeUser(self.server), None
        order, leaf = self.issue("ann+new@user.test", owner)
        authz, url = self.server.url + "/new-authz", self.server.url + "/new-order"
        named = {"type": "email", "value": "ann+new@user.test"}
        made = self.post(authz, self.jws(authz, {"identifier": named}, owner))
        self.assertEqual(made.status, 201)
        ask = lambda replaces: lambda: self.post(url, self.jws(url, {"identifiers": [named], "replaces": replaces}))
        unknown = self.renewal_identifier(leaf)[:-2] + "AA"
        self.assertEqual(self.assert_refused(ask(self.renewal_identifier(leaf)), 400, "malformed"),
                         self.assert_refused(ask(unknown), 400, "malformed"))
        mine = self.post(url, self.jws(url, {"identifiers": [named]})).problem()
        self.assertNotIn(made.headers["Location"], mine["authorizations"])
        own = self.post(url, self.jws(url, {"identifiers": [named], "replaces": self.renewal_identifier(leaf)}, owner))
        self.assertEqual((own.status, own.problem()["authorizations"]), (201, [made.headers["Location"]]))

    def inner(self, account, old, new, url):
        """The inner JWS of a key change, signed by the user new."""
        header = json.dumps({"alg": "ES256", "jwk": new.key.public_key().to_json(), "url": url})
        return self.seal(header, json.dumps({"account": account.account.uri, "oldKey": old.key.public_key().to_json()}),
                         new)

    def test_key_change(self):
        owner, fresh = AcmeUser(self.server), AcmeUser(self.server, register=False)
        url = self.server.url + "/key-change"
        change = lambda *users: lambda: self.post(url, self.jws(url, self.inner(*users, url)))
        self.assert_refused(change(owner, owner, fresh), 403, "unauthorized")  # the account of another
        self.assert_refused(change(self.user, owner, fresh), 403, "unauthorized")  # the old key of another
        self.assert_problem(change(self.user, self.user, owner)(), 409, "malformed")  # a key in use
        answer = change(self.user, self.user, owner)()
        self.assertEqual(answer.headers["Location"], owner.account.uri)  # section 7.3.5 wants it
        self.assertEqual(change(self.user, self.user, fresh)().status, 200)
        self.assert_refused(lambda: self.post(self.user.account.uri, self.jws(self.user.account.uri)), 400, "malformed")
        fresh.account = self.user.account
        self.assertEqual(self.post(url := self.user.account.uri, self.jws(url, user=fresh)).status, 200)

    def test_revocation(self):
        owner, key = AcmeUser(self.server), new_key()
        order, leaf = self.issue("ann+revoke@user.test", owner, key)
        other = self.issue("ann+revoke2@user.test")[1]  # the caller has authorizations, but not this address
        url, ask = self.server.url + "/revoke-cert", {"certificate": self.der(leaf)}
        self.assert_refused(lambda: self.post(url, self.jws(url, ask)), 403, "unauthorized")
        self.assert_refused(lambda: self.post(url, self.jws(url, ask, jwk=True)), 403, "unauthorized")
        self.assert_refused(lambda: self.post(url, self.jws(url, {**ask, "reason": 1})), 403, "unauthorized")
        with self.subTest("by the key of another certificate"):
            wrong = AcmeUser(self.server, register=False)
            self.assert_refused(lambda: self.post(url, self.jws(url, ask, wrong, jwk=True)), 403, "unauthorized")
        self.assertEqual(self.post(url, self.jws(url, {"certificate": self.der(other)})).status, 200)
        self.assertEqual(self.post(url, self.jws(url, ask, owner)).status, 200)

    def test_pages_of_another(self):
        """The cursor of a page names an order; one of another's account shows nothing of that account."""
        owner = AcmeUser(self.server)
        theirs = [owner.new_order("ann@user.test")["url"] for _ in range(3)]
        mine = self.user.new_order("ann@user.test")["url"]
        for cursor in theirs:
            url = f"{self.user.account.uri}/orders/{cursor.rsplit('/', 1)[1]}"
            answer = self.post(url, self.jws(url))
            self.assertEqual(answer.status, 200)
            self.assertLessEqual(set(answer.problem()["orders"]), {mine})
            self.assertNotIn(owner.account.uri, str(answer.headers))


class Deactivated(OwnershipCase):
    def deactivate(self, url):
        self.assertEqual(self.user.post(url, {"status": "deactivated"}).json()["status"], "deactivated")

    def invalid(self, order, words):
        shown = self.user.get(order["url"])
        self.assertEqual((shown["status"], shown["error"]["type"]), ("invalid", "urn:ietf:params:acme:error:unauthorized"))
        self.assertIn(words, shown["error"]["detail"])
        csr = {"csr": b64(make_csr(new_key(), "ann@user.test"))}
        self.assert_refused(lambda: self.post(order["finalize"], self.jws(order["finalize"], csr)), 403, "orderNotReady")

    def test_authorization_pending(self):
        """Before the reply: the reply and the response change nothing any more."""
        order = self.user.new_order("ann+gone1@user.test")
        challenge = self.user.authorization(order)["challenges"][0]
        mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge).message
        self.deactivate(order["authorizations"][0])
        reply = signet_lab.reply_to(mail, "ann+gone1@user.test", signet_lab.digest(
            self.user, signet_lab.token_part1(mail), challenge["token"]))
        signet_lab.deliver(self.server, challenge, signet_lab.dkim_sign(reply.as_bytes(), self.key), "ann@user.test")
        self.user.respond(challenge)
        self.store()  # all is judged
        self.assertEqual(self.user.get(order["authorizations"][0])["status"], "deactivated")
        self.invalid(order, "authorization for ann+gone1@user.test was deactivated")

    def test_authorization_valid(self):
        order = self.ready("ann+gone2@user.test", "ann+gone3@user.test")
        self.deactivate(order["authorizations"][1])
        self.invalid(order, "authorization for ann+gone3@user.test was deactivated")
        self.assertEqual(self.user.get(order["authorizations"][0])["status"], "valid")
        with self.subTest("there is no way back"):
            url = order["authorizations"][1]
            for status in ("valid", "pending"):
                self.assert_refused(lambda: self.post(url, self.jws(url, {"status": status})), 400, "malformed")
            self.deactivate(url)

    def test_authorization_beforehand(self):
        """One that was deactivated serves no order."""
        url = self.server.url + "/new-authz"
        answer = self.post(url, self.jws(url, {"identifier": {"type": "email", "value": "ann+gone4@user.test"}}))
        made = answer.headers["Location"]
        self.deactivate(made)
        self.assertNotIn(made, self.user.new_order("ann+gone4@user.test")["authorizations"])

    def test_authorization_of_a_certificate(self):
        """What was issued stays; an account that held the authorization may not revoke by it any more."""
        owner = AcmeUser(self.server)
        leaf = self.issue("ann+gone5@user.test", owner)[1]
        order = self.ready("ann+gone5@user.test")
        self.deactivate(order["authorizations"][0])
        url, ask = self.server.url + "/revoke-cert", {"certificate": self.der(leaf)}
        self.assert_refused(lambda: self.post(url, self.jws(url, ask)), 403, "unauthorized")
        again = self.ready("ann+gone5@user.test")
        self.assertEqual(self.post(url, self.jws(url, ask)).status, 200)
        self.assertEqual(self.user.get(again["url"])["status"], "ready")

    def test_account(self):
        """Section 7.3.6: nothing goes on, nothing is answered, what was issued stays as it is."""
        issued, leaf = self.issue("ann+gone6@user.test", key=(key := new_key()))
        ready, pending = self.ready("ann+gone7@user.test"), self.user.new_order("ann+gone8@user.test")
        challenge = self.user.authorization(pending)["challenges"][0]
        mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge).message
        self.deactivate(self.user.account.uri)
        for url in (self.user.account.uri, issued["url"], issued["certificate"], ready["url"], challenge["url"]):
            self.assert_refused(lambda: self.post(url, self.jws(url)), 401, "unauthorized")
        for url, payload in ((ready["finalize"], {"csr": b64(make_csr(new_key(), "ann+gone7@user.test"))}),
                             (challenge["url"], {}), (self.user.account.uri, {"status": "valid"})):
            self.assert_refused(lambda: self.post(url, self.jws(url, payload)), 401, "unauthorized")
        url = self.server.url + "/new-account"
        for payload in ({}, {"onlyReturnExisting": True}):
            self.assert_refused(lambda: self.post(url, self.jws(url, payload, jwk=True)), 401, "unauthorized")
        reply = signet_lab.reply_to(mail, "ann+gone8@user.test", signet_lab.digest(
            self.user, signet_lab.token_part1(mail), challenge["token"]))
        try:
            signet_lab.deliver(self.server, challenge, signet_lab.dkim_sign(reply.as_bytes(), self.key), "ann@user.test")
        except lab.smtplib.SMTPRecipientsRefused:
            pass  # no open challenge has this address any more
        ended = lambda: self.server.query(
            "SELECT DISTINCT o.status, a.status FROM orders o JOIN authz a ON a.order_id = o.id JOIN account c"
            " ON c.id = o.account_id WHERE c.status = 'deactivated' AND o.status IN ('pending', 'ready', 'processing')")
        self.lab.wait_for(lambda: ended() == [], "its orders to end")
        self.assertEqual(self.request("GET", self.renewal_info(leaf)).status, 200)
        holder = AcmeUser(self.server, register=False)
        holder.key = type(self.user.key)(key=key)
        url, ask = self.server.url + "/revoke-cert", {"certificate": self.der(leaf)}
        self.assert_refused(lambda: self.post(url, self.jws(url, ask)), 401, "unauthorized")
        self.assertEqual(self.post(url, self.jws(url, ask, holder, jwk=True)).status, 200)


if __name__ == "__main__":
    unittest.main()
