# SPDX-License-Identifier: Apache-2.0
"""Loses connections to PostgreSQL under their commits."""

import contextlib
import re
import select
import socket
import threading

from postgres import HOST


class Cutter:
    """Between a client and the server. It finds the messages that run COMMIT, and then does with the connection what
    `plan` returns for that commit: "pass", "before" (cut, nothing of the commit's batch gets to the server), "after"
    (cut when the server has answered it, nothing of that gets to the client), "blind" (cut when it is sent). While it
    is shut new connections end at once. swallow(): those that there are end, and new ones are taken and never answered;
    `looks` has them, until answer_again()."""

    def __init__(self, port, plan):
        self.server = port
        self.plan = plan
        self.cuts = []
        self.shut = False
        self.swallows = False
        self.pairs, self.looks = set(), []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def swallow(self):
        self.swallows = True
        for pair in list(self.pairs):
            for one in pair:
                with contextlib.suppress(OSError):  # the other one's end has ended it
                    one.shutdown(socket.SHUT_RDWR)

    def answer_again(self):
        self.swallows = False
        for look in self.looks:
            look.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        if self.shut:
            client.close()
            return
        if self.swallows:
            self.looks.append(client)
            return
        with client, socket.create_connection((HOST, self.server)) as server:
            self.pairs.add((client, server))
            try:
                self._relay(client, server)
            except OSError:
                pass
            self.pairs.remove((client, server))

    def _relay(self, client, server):
        name = None  # of the prepared COMMIT
        while True:
            for ready in select.select([client, server], [], [])[0]:
                octets = ready.recv(1 << 16)
                if not octets:
                    return
                if ready is server:
                    client.sendall(octets)
                    continue
                prepared = re.search(rb"P....(s\d+)\0COMMIT\0", octets, re.DOTALL)
                name = prepared.group(1) if prepared else name
                if name is None or not re.search(rb"B....\0" + name + rb"\0", octets, re.DOTALL):
                    server.sendall(octets)
                    continue
                what = self.plan(len(self.cuts))
                self.cuts.append(what)
                if what != "before":
                    server.sendall(octets)
                if what == "after":
                    server.recv(1 << 16)
                if what != "pass":
                    return
