# SPDX-License-Identifier: Apache-2.0
"""Two nodes on one PostgreSQL, with what stands before them: a load balancer and two MX."""

import itertools
import os
import signal

import requests

import faults
from lab import HOST, listening


class Balancer(requests.adapters.HTTPAdapter):
    """Hands each request to the next node that is there, under the URL that both have."""

    def __init__(self, nodes):
        super().__init__()
        self.url, self.nodes = nodes[0].url, nodes
        self.next = itertools.cycle(nodes)

    def send(self, request, *args, **kwargs):
        some = itertools.islice(self.next, 2 * len(self.nodes))
        node = next((node for node in some if node in self.nodes and listening(node.https)), self.nodes[0])
        request.url = request.url.replace(self.url, f"https://{HOST}:{node.https}", 1)
        return super().send(request, *args, **kwargs)


class Nodes(faults.World):
    """A second node beside World's first one. Its settings are those of the first, but for where it listens."""

    def __init__(self, test, database, **settings):
        settings = {"ca": {"signatures-per-hour": 1000000}, "store": {"postgresql": database, "node": "first"}, **settings}
        super().__init__(test, start=False, settings=settings)
        first = self.server
        self.nodes = [first, first.another_node("second")]
        self.next_mail = itertools.count()
        for node in self.nodes:
            node.start()

    def new_user(self):
        user = faults.new_user(self.nodes[0])
        user.balancer = Balancer(list(self.nodes))
        user.net.session.mount("https://", user.balancer)
        return user

    def hand_in(self, sender, recipient, raw):
        turn, ports = next(self.next_mail) % len(self.nodes), [node.smtp for node in self.nodes]
        first, *others = ports[turn:] + ports[:turn]
        faults.deliver(first, sender, recipient, raw, *others)

    def lose(self, node):
        """The whole of it, at once."""
        for pids in node.pids().values():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        victims = [pid for pids in node.pids().values() for pid in pids]
        os.kill(node.process.pid, signal.SIGKILL)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        node.lab.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in victims), "the node's end")
