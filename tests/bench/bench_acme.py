# SPDX-License-Identifier: Apache-2.0
"""Requests per second of ACME clients, of Signet and of Debian's pebble in the same run; how long Signet takes for each
request at half of its highest rate; what idle connections cost it.

closed    connections that ask as fast as they are answered: the highest rate
open      requests come at half of Signet's highest rate whatever it does; time counts from when each was due
idle      connections that are kept alive and say nothing: memory of the edges"""

import contextlib
import json
import os
import subprocess
import tempfile
import time

import lab
import measure
import signet_lab
from lab import HOST, Lab, program

ABOUT = "acme: requests per second and their times, beside pebble; idle connections"
TARGETS = ("signetd", "signetctl", "acme_load", "acme_idle")
CYCLE = ("newNonce", "newAccount", "newOrder", "authorization", "order", "order")
KINDS = tuple(dict.fromkeys(CYCLE))
GOAL_MILLISECONDS, GOAL_MIB = 20, 256
ADDRESSES = 50  # that idle connections come from; an edge takes 1,000 of one


def options(parser):
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64, 256], metavar="N",
                        help="that requests come by, kept alive: each number is measured, the best one counts")
    parser.add_argument("--duration", type=float, default=5, metavar="S", help="of what is measured, each time")
    parser.add_argument("--warm-up", type=float, default=2, metavar="S", help="before that")
    parser.add_argument("--idle", type=int, default=10000, metavar="N", help="idle connections")


# --- servers


class Signet:
    identifier, writers = "email", 0

    def __init__(self, laboratory):
        # The mails of authorizations that were read are due after the measurement: those are another benchmark's.
        self.server = signet_lab.Signetd(laboratory, settings={"log": {"level": "info"}, "mail": {"challenge-delay": "10m"}})
        self.directory, self.ca, self.process = self.server.url + "/directory", self.server.tls, self.server.process

    def edges(self):
        return self.server.pids()["edge"]


class Pebble:
    """At its best: it waits for nothing, refuses no nonce at random, reuses nothing, and what it says is thrown away. One
    request at a time that makes an account or order: two at once can bring 2.4 to a stand for ever."""

    identifier, writers = "dns", 1

    def __init__(self, laboratory):
        folder, port, management = laboratory.folder("pebble"), laboratory.free_port(), laboratory.free_port()
        self.ca, key = signet_lab.tls_pair(folder)
        (folder / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{HOST}:{port}", "managementListenAddress": f"{HOST}:{management}",
            "certificate": str(self.ca), "privateKey": str(key), "httpPort": laboratory.free_port(),
            "tlsPort": laboratory.free_port(), "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        self.directory = f"https://{HOST}:{port}/dir"
        self.process = laboratory.spawn(
            "pebble", ["/bin/sh", "-c", 'exec pebble -config "$0" >/dev/null 2>&1', folder / "config.json"],
            lambda: lab.listening(port),
            env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"})


SERVERS = {"Signet": Signet, "pebble": Pebble}


# --- measurements


def load(options, server, connections, rate=0):
    """What acme_load counted, with the processor time of the server meanwhile."""
    command = [program("acme_load"), "--directory", server.directory, "--ca", server.ca, "--identifier", server.identifier,
               "--connections", connections, "--warm-up", options.warm_up, "--seconds", options.duration,
               "--cycle", ",".join(CYCLE), "--rate", rate, "--writers", server.writers]
    meter = measure.Meter(server.process.pid)
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as generator:
        if generator.stdout.readline() == "measuring\n":
            meter.start()
        text, _ = generator.communicate(timeout=options.seconds)
    if generator.returncode != 0:
        raise lab.LabError(f"the load generator ended with {generator.returncode}")
    _, spent = meter.stop()
    result = json.loads(text)
    check(result)
    each = lambda seconds: round(seconds / result["requests"] * 1e6, 1)
    return {**result, "processor_us": each(sum(spent.values())),
            "by_process_us": {name: each(seconds) for name, seconds in sorted(spent.items())}}


def check(result):
    """Only what was done counts."""
    refused = {status: count for kind in result["kinds"].values() for status, count in kind["statuses"].items()
               if not status.startswith("2")}
    if refused or result["unanswered"] or set(result["kinds"]) != set(KINDS):
        raise lab.LabError(f"refused: {refused}, unanswered: {result['unanswered']}, asked: {list(result['kinds'])}")


def closed(options, name, connections):
    with Lab() as laboratory:
        return load(options, SERVERS[name](laboratory), connections)


def open_loop(options, connections, rate):
    with Lab() as laboratory:
        return load(options, Signet(laboratory), connections, rate)


def pss_mib(pids):
    return round(sum(map(measure.pss, pids)) / 2 ** 20, 1)


def idle(options):
    with Lab() as laboratory:
        server = Signet(laboratory)
        edges = server.edges()
        before = pss_mib(edges)
        command = [program("acme_idle"), server.server.url + "/new-nonce", server.ca, options.idle, ADDRESSES]
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            if holder.stdout.readline() != "open\n":
                raise lab.LabError("the idle connections could not be opened")
            held = pss_mib(edges)
            text, _ = holder.communicate(timeout=options.seconds)
        if int(text) != options.idle:
            raise lab.LabError(f"of {options.idle} connections {int(text)} were open")
        return {"connections": options.idle, "edges": len(edges), "before_mib": before, "held_mib": held,
                "kib_each": round((held - before) * 1024 / options.idle, 1)}


# --- the run


def run(options, progress):
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        result = {"part": "acme", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "machine": measure.machine(folder), "options": measure.describe(options), "closed": [], "open": []}
    for number in range(1, options.rounds + 1):
        for connections in options.connections:
            for name in SERVERS:
                progress(f"round {number} of {options.rounds}: {name}, {connections} connections, closed loop")
                one = closed(options, name, connections)
                progress(f"  {one['rate']:.0f} requests/s, {one['processor_us']:.0f} us each")
                result["closed"].append({"round": number, "server": name, **one})
    result["summary"] = summary(result["closed"])
    best = result["best"] = {name: highest(result["summary"], name) for name in SERVERS}
    rate = round(best["Signet"]["rate"] / 2, 1)
    for number in range(1, options.rounds + 1):
        progress(f"round {number} of {options.rounds}: Signet, {rate:.0f} requests/s, open loop")
        result["open"].append({"round": number, **open_loop(options, best["Signet"]["connections"], rate)})
    progress(f"{options.idle} idle connections")
    result["idle"] = idle(options)
    return text(result), result


def summary(results):
    """The medians of each server and number of connections."""
    rows = []
    for name, connections in dict.fromkeys((one["server"], one["connections"]) for one in results):
        rounds = [one for one in results if (one["server"], one["connections"]) == (name, connections)]
        medians = {key: measure.median(rounds, key) for key in ("rate", "processor_us", "processor_share", "bad_nonces")}
        rows.append({"server": name, "connections": connections, **medians, "kinds": kinds(rounds),
                     "by_process_us": measure.middle(rounds)["by_process_us"]})
    return sorted(rows, key=lambda row: (list(SERVERS).index(row["server"]), row["connections"]))


def highest(rows, name):
    return max((row for row in rows if row["server"] == name), key=lambda row: row["rate"])


def kinds(rounds):
    """{kind: {"p50_ms", "p99_ms", "max_ms"}}: medians, and the longest of all."""
    found = {kind: [one["kinds"][kind] for one in rounds] for kind in KINDS}
    return {kind: {"p50_ms": measure.median(ones, "p50_ms"), "p99_ms": measure.median(ones, "p99_ms"),
                   "max_ms": max(one["max_ms"] for one in ones)} for kind, ones in found.items()}


def text(result):
    machine, chosen = result["machine"], result["options"]
    best = result["best"]
    head = (f"{machine['cores']} cores, {machine['processor']}, {machine['file system']}, fsync {machine['fsync_ms']} ms;"
            f" {chosen['duration']} s in each of {chosen['rounds']} rounds")
    name = lambda row: f"{row['server']}, {row['connections']} connections"
    rates = measure.table(
        ("closed loop", "requests/s", "us of CPU each", "generator's share of a core", "of pebble's highest rate"),
        [(name(row), f"{row['rate']:.0f}", f"{row['processor_us']:.0f}", f"{row['processor_share']:.2f}",
          f"{row['rate'] / best['pebble']['rate']:.2f} x") for row in result["summary"]])
    processes = measure.table(("closed loop", "us of CPU each, by process"),
                              [(name(row), measure.by_process(row)) for row in result["summary"]])
    times = kinds(result["open"])
    wanted = result["open"][0]["wanted_rate"]
    latencies = measure.table(
        (f"Signet, {wanted:.0f} requests/s", "p50 ms", "p99 ms", "longest ms", f"p99 <= {GOAL_MILLISECONDS} ms"),
        [(kind, f"{of['p50_ms']:.1f}", f"{of['p99_ms']:.1f}", f"{of['max_ms']:.1f}",
          "yes" if of["p99_ms"] <= GOAL_MILLISECONDS else "no") for kind, of in times.items()])
    held = result["idle"]
    memory = measure.table(
        ("idle connections", "edges before, MiB", "with them, MiB", "KiB each", f"< {GOAL_MIB} MiB"),
        [(held["connections"], held["before_mib"], held["held_mib"], held["kib_each"],
          "yes" if held["held_mib"] < GOAL_MIB else "no")])
    return "\n\n".join((head, rates, processes, latencies, memory))
