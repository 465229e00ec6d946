# SPDX-License-Identifier: Apache-2.0
"""Signet's verdicts on many replies at once, by the program reply_verdicts."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import threading
from typing import NamedTuple

BUILD = pathlib.Path(os.environ.get("SIGNET_BUILD", "build/release"))
NOW = 1762157720  # seconds: when every reply is received
TOKEN1 = "AQIDBAUGBwgJ-gsMDQ4PEBES_xQVFhcY"
TOKEN2 = "DGyRejmCefe7v4NfDGDKfADGyRejmCef"
THUMBPRINT = "hC4xyXNn8ZDH4yrcp93Zj3qgQs7LyT_GUL45YD7IVMQ"


def digest(token1=TOKEN1):
    hashed = hashlib.sha256(f"{token1}{TOKEN2}.{THUMBPRINT}".encode()).digest()
    return base64.urlsafe_b64encode(hashed).decode().rstrip("=")


class Question(NamedTuple):
    raw: bytes
    address: str
    keys: tuple = ()  # (question, record): a text, "!temporary" or "!bogus"
    policy: str = "covered"
    now: int = NOW

    def line(self):
        encode = lambda octets: base64.b64encode(octets).decode()
        keys = " ".join(f"{name}={record if record[:1] == '!' else encode(record.encode())}"
                        for name, record in self.keys)
        return "\t".join((str(self.now * 1000), self.address, TOKEN1, TOKEN2, THUMBPRINT, self.policy, keys,
                          encode(self.raw))) + "\n"


def judge(questions):
    """Signet's answer to each question, as reply_verdicts.c has it."""
    with subprocess.Popen([BUILD / "tests" / "reply_verdicts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          encoding="utf-8") as process:
        def feed():
            process.stdin.writelines(question.line() for question in questions)
            process.stdin.close()
        feeder = threading.Thread(target=feed)
        feeder.start()
        answers = [json.loads(line) for line in process.stdout]
        feeder.join()
    assert process.returncode == 0 and len(answers) == len(questions), (process.returncode, len(answers))
    return answers
