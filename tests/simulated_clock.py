# SPDX-License-Identifier: Apache-2.0
"""Simulated time for programs under test, by libfaketime; what they measure by the monotonic clock goes on as it is."""

import datetime

import lab

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def preload(program):
    """What LD_PRELOAD must have for a program of Signet."""
    sanitizer = [line.decode() for line in lab.program(program).read_bytes().split(b"\0") if line.startswith(b"libasan.so")]
    return " ".join([*sanitizer, LIBRARY])


class Clock:
    """The time of who is started with environment, in whole days from now on."""

    def __init__(self, laboratory):
        self.file, self.days = laboratory.path / "days", 0
        self.turn(0)
        self.environment = {"LD_PRELOAD": preload("signetd"), "FAKETIME_TIMESTAMP_FILE": str(self.file),
                            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.plain = {**self.environment, "LD_PRELOAD": LIBRARY}

    def turn(self, days):
        self.days += days
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"+{self.days}d\n")
        fresh.rename(self.file)

    def now(self):
        return datetime.datetime.utcnow() + datetime.timedelta(days=self.days)
