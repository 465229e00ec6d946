# SPDX-License-Identifier: Apache-2.0
"""A role that receives nonsense ends and says so; one that nobody started as a role refuses to run."""

import os
import pathlib
import re
import socket
import struct
import subprocess
import unittest

from signet_lab import BUILD, ROLES

MESSAGES = pathlib.Path(__file__).resolve().parents[2] / "daemon/messages.h"
KINDS = re.findall(r"^  MESSAGE_(\w+)", MESSAGES.read_text(), re.M)
CONFIG, PEER, START, REQUEST, RESPONSE = map(KINDS.index, ("CONFIG", "PEER", "START", "REQUEST", "RESPONSE"))


def frame(kind, body, number=0, length=None):
    """As base/channel.c writes one: length of the body, kind, id, body."""
    return struct.pack("=IIQ", len(body) if length is None else length, kind, number) + body


NONSENSE = {
    "kind 0": (frame(0, b""), "unknown kind"),
    "a kind that there is not": (frame(9999, b""), "unknown kind"),
    "a body of 2 MiB": (frame(CONFIG, b"", length=2 << 20), "too large"),
    "a body that is not of its type": (frame(CONFIG, b"\xff\xff\xff"), "not of its type"),
    "a question that the parent may not ask": (frame(REQUEST, b""), "may not send"),
    "an answer to no question": (frame(RESPONSE, b""), "may not send"),
    "a peer without its descriptor": (frame(PEER, struct.pack("=II", 2, 0)), "without its descriptor"),
    "start before configuration": (frame(START, struct.pack("=I", 0)), "start before configuration"),
    "a key that there is not": (frame(CONFIG, b"a.b\0c\0\4\7"), None),
}


def run_role(role, sent):
    """Starts a role on a socket pair, sends octets, returns (exit status, standard error)."""
    ours, theirs = socket.socketpair()
    command = f'exec "$0" --role={role} 3<&{theirs.fileno()}'
    process = subprocess.Popen(["bash", "-c", command, BUILD / "signetd"], pass_fds=[theirs.fileno()],
                               stderr=subprocess.PIPE, text=True)
    theirs.close()
    try:
        ours.sendall(sent)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
        ours.close()
    return process.returncode, said


class Nonsense(unittest.TestCase):
    def test_every_role(self):
        for role in ROLES:
            for name, (sent, reason) in NONSENSE.items():
                with self.subTest(role=role, nonsense=name):
                    status, said = run_role(role, sent)
                    self.assertEqual(status, 70, said)
                    self.assertIn('event="nonsense received" from=parent', said)
                    self.assertIn(reason or "reason=", said)

    def test_end_of_the_parent(self):
        """A role ends by itself, and well, when its control channel closes."""
        for role in ROLES:
            ours, theirs = socket.socketpair()
            process = subprocess.Popen(["bash", "-c", f'exec "$0" --role={role} 3<&{theirs.fileno()}', BUILD / "signetd"],
                                       pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
            theirs.close()
            ours.close()
            _, said = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, said)

    def test_not_started_by_signetd(self):
        done = subprocess.run(["bash", "-c", 'exec "$0" --role=core 3<&-', BUILD / "signetd"], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 2)
        self.assertIn("started by signetd itself", done.stderr)


if __name__ == "__main__":
    unittest.main()
