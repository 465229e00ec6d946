# SPDX-License-Identifier: Apache-2.0
"""Whole issuances by some clients at once, everything on: ACME over TLS, challenge mail and reply with DKIM, the key and
CAA from a signed zone, durable commits. Beside them what the cryptography alone costs in the same run."""

import collections
import contextlib
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import bench_floor
import lab
import measure
import signet_lab
from lab import HOST, DkimKey, Lab, SignedZones, program
from postgres import Postgres

ABOUT = "whole issuances: rate, latency, processor time, memory, commits and fsyncs"
TARGETS = ("signetd", "signetctl", "crypto_floor", "issue_load", "fsync_shim")
TTL = 86400  # key and CAA records come from the cache
SELECTOR = "bench"
FLOOR_TIMES = 100
SETTINGS = {"log": {"level": "info"}, "ca": {"signatures-per-hour": 10000000}}
STEPS = ("connect", "newNonce", "newOrder", "authorization", "mail", "reply", "challenge", "validated", "finalize", "issued",
         "certificate", "whole")


def clients(text):
    return [int(word) for word in text.split(",")]


def options(parser):
    parser.add_argument("--clients", type=clients, default="1,8,64,256", metavar="N,N", help="at a time, a measurement each")
    parser.add_argument("--issuances", type=int, default=2000, metavar="N",
                        help="in each measurement; with one client a quarter of them")
    parser.add_argument("--warm-up", type=int, default=100, metavar="N",
                        help="issuances before that, at least one of each client, in which the accounts are made")
    parser.add_argument("--store", choices=sorted(STORES), default="sqlite", help="where core keeps everything")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="core processes of each node, with PostgreSQL")
    parser.add_argument("--nodes", type=int, default=1, metavar="N",
                        help="whole signetd installations on one PostgreSQL, among which connections and mails are spread in turn")
    parser.add_argument("--connection", choices=("issuance", "client"), default="issuance",
                        help="what a TLS connection is kept for: one issuance, as the floor has it, or all of a client")
    parser.add_argument("--fsync-ms", type=int, default=0, metavar="MS", help="each fsync takes so much longer")
    parser.add_argument("--size", type=int, default=4096, metavar="OCTETS", help="of a reply, at least")
    parser.add_argument("--profile", action="store_true", help="what perf finds in each role, during one more measurement")


# --- what is durable


class Sync(ctypes.Structure):
    """As in fsync_shim.c."""
    _fields_ = [("name", ctypes.c_char * 56), ("taken", ctypes.c_int), ("ready", ctypes.c_int), ("count", ctypes.c_long)]


class Syncs:
    """The file that fsync_shim.c counts in."""

    ROWS = 64

    def __init__(self, folder, delay):
        self.path = pathlib.Path(folder) / "fsyncs"
        self.path.write_bytes(bytes(ctypes.sizeof(Sync) * self.ROWS))
        self.path.chmod(0o666)  # the database server has a user of its own
        sanitizer = [line.decode() for line in program("signetd").read_bytes().split(b"\0") if line.startswith(b"libasan.so")]
        shim = str(program("libfsync_shim.so"))
        self.of_database = {"LD_PRELOAD": shim, "SIGNET_FSYNCS": str(self.path), "SIGNET_FSYNC_MS": str(delay)}
        self.of_server = {**self.of_database, "LD_PRELOAD": " ".join([*sanitizer, shim])}  # which must be the first

    def read(self):
        """{"ROLE FILE": count}"""
        rows = (Sync * self.ROWS).from_buffer_copy(self.path.read_bytes())
        return {row.name.decode(): row.count for row in rows if row.ready}


@contextlib.contextmanager
def environment(values):
    saved = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# --- the stores


class Sqlite:
    """settings: of signetd; roots: further processes whose time counts; commits: all so far that changed something."""

    settings, roots = {}, ()

    def start(self, cores):
        pass

    def commits(self, syncs):
        return syncs.get("core commit", 0)

    def certificates(self, server):
        return server.query("SELECT count(*) FROM certificate")[0][0]

    def close(self):
        pass


class Postgresql:
    """A server of its own with fsync; its processes count, all as one role."""

    server = None

    def start(self, cores):
        self.server = Postgres(durable=True).start()
        self.settings = {"store": {"postgresql": self.server.make_database("signet"), "cores": cores}}
        self.roots = (self.server.process.pid,)

    def commits(self, syncs):
        return int(self.server.query("SELECT sum(commits) FROM signet.writer", "signet"))

    def certificates(self, server):
        return int(self.server.query("SELECT count(*) FROM signet.certificate", "signet"))

    def close(self):
        if self.server is not None:
            self.server.__exit__()


STORES = {"sqlite": Sqlite, "postgresql": Postgresql}


# --- the world


class World:
    """A signetd, or several on one database, whose relay is the load generator, with that one's clients."""

    def __init__(self, laboratory, store, options, count):
        self.laboratory, self.store, self.options = laboratory, store, options
        user, sink = DkimKey("user.test", SELECTOR), laboratory.free_port()
        key_file = laboratory.path / "user.key"
        key_file.write_bytes(user.pem())
        zones = SignedZones(laboratory, {"user.test": [user.record(), ("@", "CAA", '0 issuemail "ca.test"'),
                                                       ("_dmarc", "TXT", "v=DMARC1; p=reject")], "ca.test": []}, ttl=TTL)
        self.syncs = Syncs(laboratory.path, options.fsync_ms)
        with environment(self.syncs.of_database):
            self.store.start(options.cores)
        settings = {**SETTINGS, **self.store.settings}
        first = signet_lab.Signetd(laboratory, relay=f"{HOST}:{sink}", zones=zones, settings=settings, start=False)
        self.nodes = [first, *(first.another_node(f"node{number}") for number in range(2, options.nodes + 1))]
        with environment(self.syncs.of_server):
            for node in self.nodes:
                node.start()
        self.meters = {f"node {number}": measure.Meter(node.process.pid) for number, node in enumerate(self.nodes, 1)}
        self.meters.update({"database": measure.Meter(pid) for pid in self.store.roots})
        ports = [",".join(str(port) for port in of_nodes) for of_nodes in
                 ([node.https for node in self.nodes], [node.smtp for node in self.nodes])]
        self.load = subprocess.Popen(
            [program("issue_load"), *ports, str(sink), str(count), key_file, str(options.size), options.connection],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self):
        """Ends the load generator, which says by its status whether it was whole."""
        self.load.stdin.close()
        try:
            status = self.load.wait(60)
        except subprocess.TimeoutExpired:
            self.load.kill()
            status = self.load.wait()
        for node in self.nodes:
            node.stop()
        if status != 0:
            raise lab.LabError(f"the load generator ended with {status}")

    def issue(self, count):
        """What the load generator says of so many issuances."""
        self.load.stdin.write(f"{count}\n")
        self.load.stdin.flush()
        line = self.load.stdout.readline()
        if not line:
            raise lab.LabError("the load generator ended")
        return json.loads(line)

    def measure(self, count):
        """One measurement; all figures of the server are per issuance."""
        syncs, commits = self.syncs.read(), self.store.commits(self.syncs.read())
        for meter in self.meters.values():
            meter.start()
        load = self.issue(count)
        by_place = {place: meter.stop()[1] for place, meter in self.meters.items()}
        processor = sum(map(collections.Counter, by_place.values()), collections.Counter())
        after = self.syncs.read()
        each = lambda value: round(value / count, 3)
        durable = {name: each(value - syncs.get(name, 0)) for name, value in sorted(after.items())
                   if value > syncs.get(name, 0) and not name.endswith(" commit")}
        return {"issuances": load["issuances"], "seconds": load["seconds"], "rate": round(count / load["seconds"], 1),
                "steps": load["steps"], "requests": each(load["requests"]), "early_polls": each(load["early_polls"]),
                "load_us": round(load["processor_seconds"] / count * 1e6, 1),
                "processor_us": round(sum(processor.values()) / count * 1e6, 1),
                "by_role_us": {name: round(value / count * 1e6, 1) for name, value in sorted(processor.items())},
                "by_place_us": {place: round(sum(spent.values()) / count * 1e6, 1) for place, spent in by_place.items()},
                "commits": each(self.store.commits(after) - commits), "fsyncs": round(sum(durable.values()), 3),
                "fsyncs_by_file": durable}

    def memory(self):
        """{role: KiB} of all processes of all nodes, their proportional share of what is shared (PSS)."""
        return {role: sum(pss(pid) for pid in pids) for role, pids in sorted(self.pids().items())}

    def pids(self):
        """{role: [pid]} of all nodes."""
        found = {"parent": [node.process.pid for node in self.nodes]}
        for node in self.nodes:
            for role, pids in node.pids().items():
                found.setdefault(role, []).extend(pids)
        return found

    def certificates(self):
        return self.store.certificates(self.nodes[0])


def pss(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1])


@contextlib.contextmanager
def world(options, count):
    with Lab() as laboratory, contextlib.closing(STORES[options.store]()) as store:
        one = World(laboratory, store, options, count)
        try:
            yield one
        finally:
            one.close()


# --- perf


def profile(one, count):
    """{role: [(per cent, symbol, object)]} while so many issuances are made: for each role its objects, then its first 25
    symbols."""
    folder = one.laboratory.folder("perf")
    recorders = {}
    for role, pids in one.pids().items():
        recorders[role] = subprocess.Popen(
            ["perf", "record", "-q", "-F", "499", "-e", "cpu-clock", "-o", folder / role, "-p", ",".join(map(str, pids))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    one.issue(count)
    found = {}
    for role, recorder in recorders.items():
        recorder.send_signal(signal.SIGINT)
        recorder.wait(60)
        objects = re.findall(r"^\s*([\d.]+)%\s+(\S+)", report(folder / role, "dso"), re.M)
        symbols = re.findall(r"^\s*([\d.]+)%\s+\[.\] (.+?)\s{2,}(\S+)", report(folder / role, "symbol,dso"), re.M)
        found[role] = [[float(share), "all", os.path.basename(file)] for share, file in objects if float(share) >= 1]
        found[role] += [[float(share), name, os.path.basename(file)] for share, name, file in symbols[:25]]
    return found


def report(data, keys):
    return subprocess.run(["perf", "report", "-q", "--stdio", "--no-children", "-i", data, "--sort", keys],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


# --- the run


def run(options, progress):
    if os.geteuid() != 0:
        sys.exit("tests/bench/run issue: NSD is started by root")
    if options.store == "sqlite" and (options.nodes, options.cores) != (1, 1):
        sys.exit("tests/bench/run issue: --nodes and --cores want --store postgresql")
    result = {"part": "issue", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "machine": measure.machine(options.directory), "options": measure.describe(options), "results": []}
    for number in range(1, options.rounds + 1):
        for count in options.clients:
            progress(f"round {number} of {options.rounds}: {count} clients")
            one = measured(options, count)
            progress(f"  {one['rate']:.0f} issuances/s, {one['processor_us']:.0f} us each, {one['ratio']:.2f} x the floor,"
                     f" {one['commits']:.2f} commits, {one['fsyncs']:.2f} fsyncs")
            result["results"].append({"round": number, "clients": count, **one})
    result["summary"] = [summary([one for one in result["results"] if one["clients"] == count]) for count in options.clients]
    if options.profile:
        count = options.clients[-1]
        progress(f"profile: {count} clients")
        with world(options, count) as one:
            one.issue(max(options.warm_up, count))
            result["profile"] = profile(one, options.issuances)
    return text(result), result


def measured(options, count):
    floor = bench_floor.measured(3, FLOOR_TIMES)
    issuances = options.issuances if count > 1 else max(1, options.issuances // 4)
    with world(options, count) as one:
        idle = one.memory()
        one.issue(max(options.warm_up, count))
        result = one.measure(issuances)
        busy = one.memory()
        certificates = one.certificates()
    if certificates != issuances + max(options.warm_up, count):
        raise lab.LabError(f"the store has {certificates} certificates")
    return {**result, "floor_us": round(floor["floor_us"], 1), "floor": floor["operations"],
            "ratio": round(result["processor_us"] / floor["floor_us"], 3), "idle_kib": idle, "busy_kib": busy}


def summary(rounds):
    """The medians of one number of clients; what has parts, from the round with the median processor time."""
    middle = sorted(rounds, key=lambda one: one["processor_us"])[(len(rounds) - 1) // 2]
    medians = {key: measure.median(rounds, key) for key in
               ("rate", "processor_us", "floor_us", "ratio", "commits", "fsyncs", "requests", "early_polls", "load_us")}
    parts = ("clients", "steps", "by_role_us", "by_place_us", "fsyncs_by_file", "idle_kib", "busy_kib")
    return {"issuances": sum(one["issuances"] for one in rounds), **medians, **{key: middle[key] for key in parts}}


def text(result):
    machine, chosen, rows = result["machine"], result["options"], result["summary"]
    of_nodes = f", {chosen['nodes']} nodes" if chosen["nodes"] > 1 else ""
    head = (f"{machine['cores']} cores, {machine['processor']}, {machine['file system']}, fsync {machine['fsync_ms']} ms"
            f" + {chosen['fsync_ms']} ms; store {chosen['store']}{of_nodes}, a TLS connection for each {chosen['connection']},"
            f" medians of {chosen['rounds']} rounds")
    figures = measure.table(
        ("clients", "issuances/s", "us of CPU each", "floor", "ratio", "commits", "fsyncs", "requests", "load generator"),
        [(row["clients"], f"{row['rate']:.0f}", f"{row['processor_us']:.0f}", f"{row['floor_us']:.0f}", f"{row['ratio']:.2f} x",
          f"{row['commits']:.2f}", f"{row['fsyncs']:.2f}", f"{row['requests']:.2f}", f"{row['load_us']:.0f} us") for row in rows])
    columns = lambda head, form, value, names: measure.table(
        (head, *names), [(row["clients"], *(form(value(row).get(name)) for name in names)) for row in rows])
    number = lambda value: "-" if value is None else f"{value:.0f}"
    roles = sorted({name for row in rows for name in row["by_role_us"]}, key=lambda name: -rows[-1]["by_role_us"].get(name, 0))
    files = sorted({name for row in rows for name in row["fsyncs_by_file"]})
    places = sorted(rows[0]["idle_kib"])
    sums = lambda row: {f"{state} {name}": value / 1024 for state in ("idle", "busy")
                        for name, value in {**row[f"{state}_kib"], "sum": sum(row[f"{state}_kib"].values())}.items()}
    steps = lambda row: {name: f"{one['p50_ms']:.1f} / {one['p99_ms']:.1f}" for name, one in row["steps"].items()}
    shown = [figures,
             columns("us of CPU each, by role; clients", number, lambda row: row["by_role_us"], roles),
             *([columns("by place; clients", number, lambda row: row["by_place_us"], rows[0]["by_place_us"])] if of_nodes else []),
             measure.table(("ms, half within / 99 % within", *(f"{row['clients']} clients" for row in rows)),
                           [(step, *(steps(row).get(step, "-") for row in rows)) for step in STEPS]),
             columns("fsyncs each; clients", lambda value: f"{value or 0:.2f}", lambda row: row["fsyncs_by_file"], files),
             measure.table(("MiB of memory (PSS)", *(f"{row['clients']} clients" for row in rows)),
                           [(name, *(f"{sums(row)[name]:.1f}" for row in rows)) for state in ("idle", "busy")
                            for name in [f"{state} {place}" for place in [*places, "sum"]]])]
    shown += [measure.table((role, "%", "in"), [(name, share, place) for share, name, place in found])
              for role, found in result.get("profile", {}).items()]
    return "\n\n".join([head, *shown])
