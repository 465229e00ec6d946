# SPDX-License-Identifier: Apache-2.0
"""Signed requests made by hand, fast and from many threads: what python3-acme is too slow and too polite for."""

import http.client
import json
import select
import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from lab import HOST
from signet_lab import b64


def kept(connection):
    """A connection of http.client for one more request. The server ends it when it is idle for a minute: then the request
    opens it again."""
    if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
        connection.close()
    return connection


class Client:
    """POSTs of one account; a connection for each thread that is kept."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.uri, self.path = user.account.uri, user.account.uri[len(server.url):]
        self.key = getattr(user.key.key, "_wrapped", user.key.key)
        self.threads = threading.local()
        self.opened = []

    def jws(self, nonce, url=None, payload=None):
        """The body of a POST, of a POST-as-GET of the account when nothing else is named."""
        protected = b64(json.dumps({"alg": "ES256", "kid": self.uri, "nonce": nonce, "url": url or self.uri}).encode())
        payload = b64(json.dumps(payload).encode()) if payload is not None else ""
        signed = self.key.sign(f"{protected}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signed)
        signature = b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return json.dumps({"protected": protected, "payload": payload, "signature": signature})

    def connection(self):
        if getattr(self.threads, "connection", None) is None:
            self.threads.connection = http.client.HTTPSConnection(
                HOST, self.server.https, context=self.server.tls_context(), timeout=60)
            self.opened.append(self.threads.connection)
        return kept(self.threads.connection)

    def ask(self, method, path, body=None):
        """(status, problem type or None, nonce); of one that was cut off by a restart None."""
        connection = self.connection()
        try:
            connection.request(method, path, body, {"Content-Type": "application/jose+json"} if body else {})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.threads.connection.close()
            self.threads.connection = None
            return None
        problem = json.loads(content)["type"].rsplit(":", 1)[1] if response.status >= 400 and content else None
        return response.status, problem, response.headers["Replay-Nonce"]

    def nonce(self, _=None):
        """A fresh one. An edge that has just begun has none yet, and says 503: it is asked again."""
        answers = []

        def is_there():
            answers.append(self.ask("HEAD", "/new-nonce"))
            return answers[-1] is not None and answers[-1][0] != 503

        self.server.lab.wait_for(is_there, "a nonce")
        status, _, nonce = answers[-1]
        assert (status, nonce is None) == (200, False), answers[-1]
        return nonce

    def post(self, nonce):
        return self.ask("POST", self.path, self.jws(nonce))

    def send(self, body, path=None):
        return self.ask("POST", path or self.path, body)

    def close(self):
        for connection in self.opened:
            connection.close()
