# SPDX-License-Identifier: Apache-2.0
"""The load balancer of docs/scaling.md, with the lines that stand there, before the nodes of a test."""

import pathlib
import re
import socket

import requests

from lab import HOST

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs/scaling.md"
SOURCE = "127.0.0.2"  # for proxy-addresses of the nodes; others come to them without it
PLACES = {"first": "192.0.2.11", "second": "192.0.2.12"}  # of the nodes in the page
# What stands before its lines in Debian's haproxy.cfg, as far as it matters; and the address.
BEFORE = """global
    log stdout format raw local0
    stats socket {socket} mode 660 level admin
defaults
    log global
    mode http
    option httplog
    option dontlognull
    source {source}
    timeout connect 5000
    timeout client 50000
    timeout server 50000
"""


def sections():
    """{name: lines} of the page's listen sections."""
    found = re.findall(r"^    listen (\w+)\n((?:        .*\n)+)", PAGE.read_text(), re.M)
    return {name: f"listen {name}\n{lines}" for name, lines in found}


class Haproxy:
    """nodes: by their names in the page. https, http: where it listens."""

    def __init__(self, lab, nodes):
        self.lab, self.nodes = lab, nodes
        self.https, self.http = lab.free_port(), lab.free_port()
        folder = lab.folder("haproxy")
        self.socket = folder / "admin.sock"
        text = sections()
        acme = self._here(text["acme"], 443, self.https, {name: node.https for name, node in nodes.items()})
        published = self._here(text["published"], 80, self.http, {name: node.http for name, node in nodes.items()})
        path = folder / "haproxy.cfg"
        path.write_text(BEFORE.format(socket=self.socket, source=SOURCE) + acme + published)
        command = ["/usr/sbin/haproxy", "-f", path]
        said = lab.run(*command, "-c")
        assert "[WARNING]" not in said, said
        self.process = lab.spawn("haproxy", [*command, "-db"], ready=lambda: self.socket.exists() and all(
            self.state(name) == "UP" for name in nodes))

    @staticmethod
    def _here(text, port, listen, ports):
        text = text.replace(f"bind :{port}\n", f"bind {HOST}:{listen}\n")
        for name, found in ports.items():
            text = text.replace(f"{PLACES[name]}:{port}\n", f"{HOST}:{found}\n")
        assert not re.search(r":(443|80)$", text, re.M), text
        return text

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.socket))
            connection.sendall(f"{text}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def _field(self, name, field):
        head, *rows = [line.split(",") for line in self.command("show stat").removeprefix("# ").splitlines() if line]
        return next(row[head.index(field)] for row in rows if row[:2] == ["acme", name])

    def state(self, name):
        return self._field(name, "status").split()[0]

    def open_connections(self, name):
        return int(self._field(name, "scur"))


class Adapter(requests.adapters.HTTPAdapter):
    """Clients with the nodes' common URL come to the balancer."""

    def __init__(self, url, port):
        super().__init__()
        self.url, self.port = url, port

    def send(self, request, *args, **kwargs):
        request.url = request.url.replace(self.url, f"https://{HOST}:{self.port}", 1)
        return super().send(request, *args, **kwargs)
