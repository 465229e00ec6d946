# SPDX-License-Identifier: Apache-2.0
"""DNS resolvers elsewhere for tests: Unbound that answers over HTTPS, honest or not, and servers that do worse."""

import http.server
import socket
import ssl
import threading

from lab import HOST, listening


class Resolver:
    """An Unbound that validates what it has from zones (a SignedZones) and answers over HTTPS. lies: records in zone-file
    form that it answers with instead, e.g. 'user.test. CAA 0 issuemail ";"'."""

    def __init__(self, lab, zones, authority, name, lies=()):
        self.lab, self.zones, self.name = lab, zones, name
        self.port, self.path = lab.free_port(), lab.folder(f"resolver-{name}")
        self.certificate, self.key = authority.pair(f"resolver-{name}")
        self.url = f"https://{HOST}:{self.port}/dns-query"
        self.setting = f"{name} {self.url}"
        self.process = None
        self.start(lies)

    def start(self, lies=()):
        (self.path / "unbound.conf").write_text(self._configuration(lies))
        self.process = self.lab.spawn(
            f"unbound-{self.name}", ["/usr/sbin/unbound", "-d", "-p", "-c", self.path / "unbound.conf"],
            lambda: listening(self.port))

    def restart(self, lies=()):
        self.stop()
        self.start(lies)

    def stop(self):
        self.process.stop()

    def _configuration(self, lies):
        names = sorted({lie.split()[0] for lie in lies})
        lines = ["server:", f"interface: {HOST}@{self.port}", f"https-port: {self.port}",
                 f'tls-service-key: "{self.key}"', f'tls-service-pem: "{self.certificate}"', 'chroot: ""',
                 'username: ""', f'directory: "{self.path}"', "use-syslog: no", "num-threads: 1",
                 "do-not-query-localhost: no", "unblock-lan-zones: yes", "insecure-lan-zones: yes", "verbosity: 1",
                 "cache-max-ttl: 1", "cache-max-negative-ttl: 1", f'trust-anchor-file: "{self.zones.anchor_file}"',
                 'local-zone: "test." transparent']
        lines += [f'local-zone: "{name}" typetransparent' for name in names]
        lines += [f"local-data: '{lie}'" for lie in lies]
        for stub in self.zones.stubs:
            zone, address = stub.split()
            lines += ["stub-zone:", f'name: "{zone}"', f"stub-addr: {address}"]
        return "\n".join(lines) + "\n"


class Silent:
    """Takes connections and says nothing."""

    def __init__(self, case):
        self._socket = socket.create_server((HOST, 0))
        case.addCleanup(self._socket.close)
        self.url = f"https://{HOST}:{self._socket.getsockname()[1]}/dns-query"


class Web:
    """An HTTPS server that answers POST by answer(path, body): (status, header fields, body)."""

    def __init__(self, case, certificate, key, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, fields, octets = answer(self.path, body)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *words):
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *words: None  # clients that break off
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        case.addCleanup(self._server.server_close)
        case.addCleanup(self._server.shutdown)
        self.port = self._server.server_address[1]
        self.url = f"https://{HOST}:{self.port}"
