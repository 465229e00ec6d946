# SPDX-License-Identifier: Apache-2.0
"""Loopback ports for the servers of tests."""

import random
import socket

HOST = "127.0.0.1"
_given = set()


def free_port():
    """A port free for TCP and UDP, below those that the system gives to clients and those that ./quickstart looks at. No
    other test gets it as long as this process lives, whether somebody listens there or not."""
    while True:
        port = random.randint(10000, 19999)
        if port in _given:
            continue
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0signet-test-port-{port}")
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((HOST, port))
        except OSError:
            name.close()
            continue
        name.detach()  # open, and so taken, until the process ends
        _given.add(port)
        return port
