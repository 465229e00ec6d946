# SPDX-License-Identifier: Apache-2.0
"""What every benchmark needs: the CPU time of a server's processes, the machine, tables, JSON, progress."""

import collections
import contextlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


class Progress:
    """What is done now, on standard error: each on a line of its own, with the time since the beginning."""

    def __init__(self):
        self.begun = time.monotonic()

    def __call__(self, text):
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", file=sys.stderr, flush=True)


# --- processor time


def _stat(pid):
    """(name, parent, seconds of its own, seconds of its children that ended) of a process."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    name, fields = text[text.index("(") + 1:text.rindex(")")], text.rpartition(")")[2].split()
    own, ended = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return name, int(fields[1]), own / TICK, ended / TICK


def _role(pid, name):
    """The role of a process of signetd, else its name."""
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    roles = [word[7:].decode() for word in words if word.startswith(b"--role=")]
    return roles[0] if roles else name


def processor_seconds(*roots):
    """{name or role: user and system time} of the processes with these pids and of all below them; what ended and
    was waited for counts for its parent's name."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
                found[int(entry.name)] = _stat(entry.name)
    below = collections.defaultdict(list)
    for pid, (_, parent, _, _) in found.items():
        below[parent].append(pid)
    seconds, waiting = collections.Counter(), list(roots)
    while waiting:
        pid = waiting.pop()
        waiting += below[pid]
        name, _, own, ended = found[pid]
        with contextlib.suppress(OSError):
            seconds[_role(pid, name)] += own + ended
    return seconds


class Meter:
    """Wall clock and processor time between start() and stop(). A process that begins and ends between them counts,
    as long as its parent waits for it."""

    def __init__(self, *roots):
        self.roots = roots

    def start(self):
        self._before, self._begun = processor_seconds(*self.roots), time.monotonic()

    def stop(self):
        """(seconds, {name: seconds of processor time})"""
        seconds = time.monotonic() - self._begun
        spent = processor_seconds(*self.roots)
        spent.subtract(self._before)
        return seconds, {name: round(value, 2) for name, value in spent.items() if value > 0}


# --- memory


def pss(pid):
    """Octets of a process, what it shares with others in parts."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) * 1024


# --- the machine


def _first_line(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.splitlines()[0].strip() if done.stdout else "?"


def machine(folder):
    """What the figures depend on; folder: where the servers write."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"processor": model[1] if model else platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "file system": _first_line("findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)),
            "fsync_ms": fsync_milliseconds(folder), "load": os.getloadavg()[0]}


def fsync_milliseconds(folder):
    """The median of some appends of 4 KiB with fsync: what a durable commit waits at least."""
    path, taken = pathlib.Path(folder) / "fsync.probe", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(50):
            begun = time.monotonic()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            taken.append((time.monotonic() - begun) * 1000)
    path.unlink()
    return round(statistics.median(taken), 3)


# --- what is printed and kept


def table(head, rows):
    """A table in Markdown; the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    align = lambda row: "| " + " | ".join([row[0].ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]) + " |"
    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (width + 1) + ":" for width in widths[1:]]) + "|"
    return "\n".join([align(cells[0]), rule] + [align(row) for row in cells[1:]])


def describe(options):
    """What was chosen, as it is kept."""
    return {name: value if isinstance(value, (int, float, list)) else str(value) for name, value in vars(options).items()}


def keep(path, result):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def median(results, key):
    """Of a key over several rounds."""
    return statistics.median(result[key] for result in results)


def middle(rounds):
    """The round with the median processor time."""
    return sorted(rounds, key=lambda one: one["processor_us"])[(len(rounds) - 1) // 2]


def by_process(row):
    """The processor time of a row by process, most first, as text."""
    return ", ".join(f"{name} {value:.0f}" for name, value in sorted(row["by_process_us"].items(), key=lambda pair: -pair[1]))
