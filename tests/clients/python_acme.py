# SPDX-License-Identifier: Apache-2.0
"""Debian's python3-acme by the methods of its ClientV2. The first argument is {"directory", "tls", "identifier"}.

identifier "dns": the library as it is. It takes the names of an order from the dNSNames of the request, and knows no
identifier type but dns and ip: what says "email" it cannot read.
identifier "email": the type is registered with the library, and new_order, which writes dns and ip alone, is written
anew of the library's own messages. All else is the library's.

The challenge is an UnrecognizedChallenge to it. The response is that of challenges with a key authorization, an empty
object on the wire; ChallengeResponse itself would become no payload at all."""

import datetime
import json
import sys

import josepy
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import crypto

from client_process import serve


class EmailClient(client.ClientV2):
    def new_order(self, csr_pem):
        names = x509.load_pem_x509_csr(csr_pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kind = messages.IdentifierType("email")
        order = messages.NewOrder(identifiers=[messages.Identifier(typ=kind, value=name)
                                               for name in names.get_values_for_type(x509.RFC822Name)])
        response = self._post(self.directory["newOrder"], order)
        body = messages.Order.from_json(response.json())
        return messages.OrderResource(
            body=body, uri=response.headers["Location"], csr_pem=csr_pem,
            authorizations=[self._authzr_from_response(self._post_as_get(url), uri=url) for url in body.authorizations])


class Client:
    def __init__(self, directory, tls, identifier):
        self.key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
        net = client.ClientNetwork(self.key, verify_ssl=tls, user_agent="python3-acme")
        kind = EmailClient if identifier == "email" else client.ClientV2
        self.acme = kind(client.ClientV2.get_directory(directory, net), net)
        self.registration = self.order_resource = self.chain = None

    def keep(self, registration):
        """Without the binding, which the server returns (RFC 8555 section 7.3.4) and this library sends again at each
        change of an account, but cannot write."""
        self.registration = registration.update(body=registration.body.update(external_account_binding=None))
        return self.about_account()

    def about_account(self):
        body = self.registration.body
        return {"url": self.registration.uri, "status": str(body.status), "contact": list(body.contact)}

    def reads_email(self):
        """Whether the library can read an identifier of type email."""
        try:
            messages.Identifier.from_json({"type": "email", "value": "ann@user.test"})
            return {"reads": True}
        except josepy.DeserializationError:
            return {"reads": False}

    def register(self, contact, binding):
        bound = None if binding is None else messages.ExternalAccountBinding.from_data(
            self.key.public_key(), binding["kid"], binding["key"], self.acme.directory)
        account = self.keep(self.acme.new_account(messages.NewRegistration.from_data(
            email=contact, terms_of_service_agreed=True, external_account_binding=bound)))
        return {**account, "terms": self.acme.directory.meta.terms_of_service,
                "binding_required": bool(self.acme.external_account_required())}

    def update(self, contact):
        return self.keep(self.acme.update_registration(
            self.registration, messages.Registration.from_data(email=contact)))

    def query(self):
        return self.keep(self.acme.query_registration(self.registration))

    def order(self, addresses, csr):
        self.order_resource = self.acme.new_order(csr.encode())
        found = []
        for authorization in self.order_resource.authorizations:
            challenge, = authorization.body.challenges
            assert isinstance(challenge.chall, challenges.UnrecognizedChallenge), challenge
            found.append({"url": authorization.uri, "type": authorization.body.identifier.typ.name,
                          "value": authorization.body.identifier.value,
                          "key_authorization": self.key_authorization(challenge)})
        return {"url": self.order_resource.uri, "authorizations": found}

    def respond(self):
        for authorization in self.order_resource.authorizations:
            challenge = authorization.body.challenges[0]
            self.acme.answer_challenge(challenge, challenges.KeyAuthorizationChallengeResponse(
                key_authorization=self.key_authorization(challenge)))

    def key_authorization(self, challenge):
        thumbprint = josepy.b64encode(self.key.thumbprint()).decode()
        return f"{challenge.chall.jobj['token']}.{thumbprint}"

    def obtain(self):
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=60)
        self.order_resource = self.acme.poll_authorizations(self.order_resource, deadline)
        self.order_resource = self.acme.finalize_order(self.order_resource, deadline, fetch_alternative_chains=True)
        self.chain = self.order_resource.fullchain_pem
        return {"chain": self.chain}

    def revoke(self, reason):
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, self.chain.encode())
        self.acme.revoke(josepy.ComparableX509(certificate), reason)

    def deactivate_authorization(self):
        found = self.acme.deactivate_authorization(self.order_resource.authorizations[0])
        return {"status": found.body.status.name}

    def deactivate(self):
        return self.keep(self.acme.deactivate_registration(self.registration))


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if settings["identifier"] == "email":
        messages.IdentifierType("email")
    serve(Client(**settings), messages.Error, errors.Error)
