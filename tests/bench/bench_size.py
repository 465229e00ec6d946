# SPDX-License-Identifier: Apache-2.0
"""What grows with the store: the same measured on stores of several sizes in the same run.

Each store is filled by size_fill.c, gets a signetd of its own, and is measured in turn with the others, for several
rounds: start, processor time of issuances and of single requests, revocation lists, memory. After the last round: lists and
audit log read by an operator, a revocation list that is full, a start with nothing in the page cache."""

import contextlib
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import lab
import measure
import signet_lab
from lab import HOST, DkimKey, Lab, SignedZones, program

ABOUT = "size: start, processor time, revocation lists, memory and disk with 1,000 to 1,000,000 certificates"
TARGETS = ("signetd", "signetctl", "size_fill", "issue_load")
TTL = 86400  # keys and CAA records come from the cache
SELECTOR = "bench"
POLL = 0.002
REPLY_OCTETS = 4096


def options(parser):
    parser.add_argument("--sizes", default="1000,100000", metavar="N,N...", help="certificates of each store")
    parser.add_argument("--million", action="store_true", help="also one of 1,000,000, which takes 25 GB and some minutes")
    parser.add_argument("--issuances", type=int, default=500, metavar="N", help="measured on each store in each round")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="that have them issued at a time")
    parser.add_argument("--requests", type=int, default=500, metavar="N", help="of each kind, one after the other")
    parser.add_argument("--revoked", type=int, default=10, metavar="N", help="of 1,000 certificates, in the store")


class Bench:
    """One run: what its measurements share."""

    def __init__(self, options, progress, laboratory):
        self.options, self.progress, self.laboratory = options, progress, laboratory
        self.user_key = DkimKey("user.test", SELECTOR)
        self.key_file = laboratory.path / "user.key"
        self.key_file.write_bytes(self.user_key.pem())
        self.account_key = signet_lab.new_key()
        self.account_file = laboratory.path / "account.key"
        self.account_file.write_bytes(signet_lab.pem_key(self.account_key))
        self.zones = SignedZones(laboratory, {
            "user.test": [self.user_key.record(), ("@", "CAA", '0 issuemail "ca.test"')], "ca.test": []}, ttl=TTL)

    def wait(self, predicate, what):
        end = time.monotonic() + self.options.seconds
        while not predicate():
            if time.monotonic() > end:
                raise lab.LabError(f"waited {self.options.seconds} s for {what}")
            time.sleep(POLL)


class Installation:
    """A store of some size with the signetd that has it."""

    def __init__(self, bench, size):
        self.bench, self.size, self.sink = bench, size, bench.laboratory.free_port()
        self.server = signet_lab.Signetd(bench.laboratory, relay=f"{HOST}:{self.sink}", zones=bench.zones, start=False,
                                         settings={"log": {"level": "info"}, "ca": {"signatures-per-hour": 1000000}},
                                         name=f"signetd-{size}")
        self.store = self.server.folder / "store"
        self.store.mkdir(mode=0o700)
        begun = time.monotonic()
        subprocess.run([program("size_fill"), self.store, str(size), self.server.folder / "ca/issuing.pem",
                        self.server.folder / "ca/issuing.key", f"http://{HOST}:{self.server.http}/",
                        str(bench.options.revoked), bench.account_file], check=True, stdout=sys.stderr)
        self.fill_seconds = round(time.monotonic() - begun, 1)
        self.filled_octets, self.orders = self.octets(), []

    def octets(self):
        return {name: sum(path.stat().st_size for path in self.store.glob(pattern)) for name, pattern in
                (("database", "signet.db*"), ("signer's log", "signer.log"), ("published", "published/*"))}

    def database(self, mode="ro"):
        return contextlib.closing(sqlite3.connect(f"file:{self.store}/signet.db?mode={mode}", uri=True, timeout=60))

    # --- start

    def start(self, cached):
        """{seconds until the first answers, processor time of each role until nothing is left to do}"""
        if not cached:
            drop_cached(self.store)
        begun = time.monotonic()
        server = self.server
        server.process = self.bench.laboratory.spawn(
            server.name, [signet_lab.BUILD / "signetd", "--config", server.path])
        context = server.tls_context()
        self.bench.wait(lambda: answers(server.url + "/directory", context) and
                        answers(server.url + "/new-nonce", context), "signetd to answer")
        seconds = time.monotonic() - begun
        self.bench.wait(server.has_all_roles, "every role to run")
        self.bench.wait(self.is_settled, "revocation lists and checkpoint")
        spent = measure.processor_seconds(server.process.pid)
        return {"seconds": round(seconds, 3), "settled_seconds": round(time.monotonic() - begun, 3),
                "processor_s": round(sum(spent.values()), 2), "by_role_s": {name: round(value, 2) for name, value in
                                                                            sorted(spent.items()) if value}}

    def is_settled(self):
        """The signer has answered, and every shard has a list."""
        with self.database() as store:
            return not store.execute("SELECT 1 FROM job WHERE kind IN ('crl', 'checkpoint') AND (due_at <= ? OR taken_until"
                                     " > 0) LIMIT 1", (int(time.time() * 1000),)).fetchall()

    def stop(self):
        self.server.stop()

    # --- what the server does for others

    def issue(self):
        """Whole issuances: processor time of each, after some that warm everything up."""
        count, clients = self.bench.options.issuances, self.bench.options.clients
        load = subprocess.Popen([program("issue_load"), str(self.server.https), str(self.server.smtp), str(self.sink),
                                 str(clients), str(self.bench.key_file), str(REPLY_OCTETS), "client"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with load:
            issued(load, max(clients, count // 10))
            meter = measure.Meter(self.server.process.pid)
            meter.start()
            done = issued(load, count)
            seconds, spent = meter.stop()
            load.stdin.close()
        return {"issuances": count, "rate": round(count / seconds, 1), "load": done, **each(spent, count)}

    def requests(self):
        """Processor time of requests one after the other, by the account that has the first orders."""
        user = known_user(self.server, self.bench.account_key)
        account = user.get(user.net.account.uri)
        if not self.orders:
            self.orders = [dict(user.get(url), url=url) for url in user.get(account["orders"])["orders"]]
        orders = self.orders
        leaf = signet_lab.x509.load_pem_x509_certificate(user.post(orders[0]["certificate"]).content)
        plans = {
            "newOrder": lambda n: user.new_order(f"user{n % self.size:07}@user.test"),
            "order": lambda n: user.post(orders[n % len(orders)]["url"]),
            "orders": lambda n: user.post(account["orders"]),
            "authorization": lambda n: user.post(orders[n % len(orders)]["authorizations"][0]),
            "certificate": lambda n: user.post(orders[n % len(orders)]["certificate"]),
            "renewalInfo": lambda n: user.net.get(renewal_url(user, leaf)),
        }
        return {name: self.request(call) for name, call in plans.items()}

    def request(self, call):
        count = self.bench.options.requests
        call(0)
        meter = measure.Meter(self.server.process.pid)
        meter.start()
        for number in range(count):
            call(number)
        return each(meter.stop()[1], count)

    # --- revocation lists

    def crls(self, shards):
        """Makes the lists of some shards (None: of all) anew: seconds, processor time, octets, the longest answer of core
        meanwhile."""
        with self.database("rw") as store:
            numbers = shards or [row[0] for row in store.execute("SELECT number FROM crl_shard")]
            before = dict(store.execute("SELECT number, crl_number FROM crl_shard"))
            store.executemany("UPDATE job SET due_at = 1 WHERE kind = 'crl' AND subject = ?",
                              [(number.to_bytes(16, "big"),) for number in numbers])
            store.commit()
            made = lambda: all(number > before[shard] for shard, number in store.execute(
                "SELECT number, crl_number FROM crl_shard") if shard in numbers) and self.is_settled()
            meter, probe = measure.Meter(self.server.process.pid), Probe(self.server)
            meter.start()
            with probe:
                self.bench.wait(made, "the revocation lists")
            seconds, spent = meter.stop()
        sizes = [len(self.published(number)) for number in numbers]
        return {"lists": len(numbers), "seconds": round(seconds, 3), "octets": sum(sizes), "longest_answer_ms": probe.longest(),
                "processor_ms": round(sum(spent.values()) * 1000, 1)}

    def published(self, shard):
        """The shard's list of the store: it is published once it is stored."""
        with self.database() as store:
            kept, = store.execute("SELECT crl FROM crl_shard WHERE number = ?", (shard,)).fetchone()
        self.bench.wait(lambda: fetch(f"http://{HOST}:{self.server.http}/crl-{shard}.crl") == kept, "the list's publication")
        return kept

    def revoke_first_shard(self):
        with self.database("rw") as store:
            store.execute("UPDATE certificate SET revoked_at = ?, reason = 4 WHERE shard = 1 AND revoked_at IS NULL",
                          (int(time.time() * 1000),))
            store.commit()

    # --- an operator

    def command(self, *words):
        begun = time.monotonic()
        done = subprocess.run([signet_lab.BUILD / "signetctl", *words, "--config", self.server.path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise lab.LabError(f"signetctl {' '.join(words)}: {done.stdout[-2000:]}")
        return round(time.monotonic() - begun, 3), done.stdout

    def operator(self):
        with self.database() as store:
            records = store.execute("SELECT max(number) FROM audit").fetchone()[0]
        listed, text = self.command("order", "list")
        found, one = self.command("order", "list", "--address", "user0000000@user.test")
        verified, _ = self.command("audit", "verify")
        return {"orders": len(text.splitlines()), "list_seconds": listed, "found": len(one.splitlines()),
                "find_seconds": found, "records": records, "verify_seconds": verified,
                "records_per_second": round(records / verified)}


class Probe:
    """Asks core something every few milliseconds, over one connection, as long as the block runs."""

    def __init__(self, server):
        self.server, self.taken, self.ended = server, [], threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        connection = http.client.HTTPSConnection(HOST, self.server.https, context=self.server.tls_context(), timeout=60)
        while not self.taken or not self.ended.wait(0.005):
            begun = time.monotonic()
            connection.request("GET", "/renewal-info/AA.AA", headers={"User-Agent": "bench"})
            connection.getresponse().read()
            self.taken.append(time.monotonic() - begun)
        connection.close()

    def longest(self):
        return round(max(self.taken) * 1000, 1)


def each(spent, count):
    return {"processor_us": round(sum(spent.values()) / count * 1e6, 1),
            "by_role_us": {name: round(value / count * 1e6, 1) for name, value in sorted(spent.items())}}


def issued(load, count):
    load.stdin.write(f"{count}\n")
    load.stdin.flush()
    line = load.stdout.readline()
    if not line:
        raise lab.LabError("issue_load ended")
    return json.loads(line)


def answers(url, context):
    try:
        with urllib.request.urlopen(url, context=context, timeout=60) as answer:
            return answer.status in (200, 204)
    except OSError:
        return False


def fetch(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def drop_cached(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def known_user(server, key):
    user = signet_lab.AcmeUser(server, key=key, register=False)
    try:
        user.acme.new_account(signet_lab.messages.NewRegistration(only_return_existing=True))
    except signet_lab.errors.ConflictError as conflict:
        user.net.account = signet_lab.messages.RegistrationResource(uri=conflict.location,
                                                                    body=signet_lab.messages.Registration())
    return user


def renewal_url(user, leaf):
    """RFC 9773 section 4.1."""
    authority = leaf.extensions.get_extension_for_class(signet_lab.x509.AuthorityKeyIdentifier).value.key_identifier
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")
    return f"{user.directory.to_partial_json()['renewalInfo']}/{signet_lab.b64(authority)}.{signet_lab.b64(serial)}"


def memory(server):
    """{role: PSS in MiB, of all its processes}"""
    found = {"parent": measure.pss(server.process.pid)}
    for role, pids in server.pids().items():
        found[role] = sum(map(measure.pss, pids))
    return {role: round(value / 2**20, 1) for role, value in found.items()}


# --- the run


def measured(one):
    """A round of one installation."""
    start = one.start(cached=True)
    idle = memory(one.server)
    result = {"start": start, "requests": one.requests(), "issue": one.issue(),
              "crl": one.crls([1]), "crls": one.crls(None), "memory_idle": idle, "memory": memory(one.server)}
    one.stop()
    return result


def afterwards(one):
    """What is measured once, since it takes long or leaves the store another one."""
    one.start(cached=True)
    operator = one.operator()
    one.revoke_first_shard()
    full = one.crls([1])
    one.stop()
    cold = one.start(cached=False)
    one.stop()
    return {"operator": operator, "full_crl": full, "start_cold": cold}


def sizes_of(options):
    return [int(size) for size in options.sizes.split(",")] + ([1000000] if options.million else [])


def run(options, progress):
    if os.geteuid() != 0:
        sys.exit("tests/bench/run size: NSD is started by root")
    with Lab() as laboratory:
        bench, installed = Bench(options, progress, laboratory), []
        result = {"part": "size", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "machine": measure.machine(laboratory.path), "options": measure.describe(options), "stores": [], "results": []}
        for size in sizes_of(options):
            progress(f"fill a store with {size} certificates")
            one = Installation(bench, size)
            first = one.start(cached=True)
            one.stop()
            progress(f"  {one.fill_seconds} s; first start, with all revocation lists: {first['settled_seconds']} s")
            result["stores"].append({"size": size, "fill_seconds": one.fill_seconds, "octets": one.filled_octets,
                                     "octets_each": {name: round(octets / size) for name, octets in
                                                     one.filled_octets.items()}, "first_start": first})
            installed.append(one)
        for number in range(1, options.rounds + 1):
            for one in installed:
                progress(f"round {number} of {options.rounds}: {one.size} certificates")
                found = measured(one)
                progress(f"  start {found['start']['seconds']} s, {found['issue']['processor_us']:.0f} us an issuance")
                result["results"].append({"round": number, "size": one.size, **found})
        for one, store in zip(installed, result["stores"]):
            progress(f"lists and audit log of {one.size} certificates")
            store.update(afterwards(one))
    result["summary"] = summary(result)
    return text(result), result


# What the table has: its name, where it is in a round, how it is printed.
ROWS = (("start to the first answer, s", ("start", "seconds"), "{:.2f}"),
        ("processor time of a start, s", ("start", "processor_s"), "{:.2f}"),
        ("us of CPU an issuance", ("issue", "processor_us"), "{:.0f}"),
        ("us of CPU a newOrder", ("requests", "newOrder", "processor_us"), "{:.0f}"),
        ("us of CPU an order's poll", ("requests", "order", "processor_us"), "{:.0f}"),
        ("us of CPU a page of orders", ("requests", "orders", "processor_us"), "{:.0f}"),
        ("us of CPU an authorization", ("requests", "authorization", "processor_us"), "{:.0f}"),
        ("us of CPU a certificate", ("requests", "certificate", "processor_us"), "{:.0f}"),
        ("us of CPU a renewalInfo", ("requests", "renewalInfo", "processor_us"), "{:.0f}"),
        ("one revocation list, ms of CPU", ("crl", "processor_ms"), "{:.0f}"),
        ("all revocation lists, s", ("crls", "seconds"), "{:.2f}"),
        ("longest answer meanwhile, ms", ("crls", "longest_answer_ms"), "{:.0f}"),
        ("PSS of all roles, idle, MiB", ("memory_idle", None), "{:.1f}"),
        ("PSS of core, idle, MiB", ("memory_idle", "core"), "{:.1f}"),
        ("PSS of the signer, idle, MiB", ("memory_idle", "signer"), "{:.1f}"),
        ("PSS of core after that, MiB", ("memory", "core"), "{:.1f}"))

ONCE = (("start with nothing in the page cache, s", ("start_cold", "seconds"), "{:.2f}"),
        ("octets of disk a certificate: database", ("octets_each", "database"), "{:.0f}"),
        ("octets of disk a certificate: signer's log", ("octets_each", "signer's log"), "{:.0f}"),
        ("a list of the first shard, all revoked, ms of CPU", ("full_crl", "processor_ms"), "{:.0f}"),
        ("longest answer meanwhile, ms", ("full_crl", "longest_answer_ms"), "{:.0f}"),
        ("signetctl order list, s", ("operator", "list_seconds"), "{:.2f}"),
        ("signetctl order list --address, s", ("operator", "find_seconds"), "{:.2f}"),
        ("audit records verified a second", ("operator", "records_per_second"), "{:.0f}"))


def value_at(found, path):
    for key in path:
        found = sum(found.values()) if key is None else found[key]
    return found


def summary(result):
    """The medians of each size: [{"what": .., "values": {size: ..}}]"""
    rows = []
    for what, path, form in ROWS:
        values = {store["size"]: round(statistics.median(value_at(one, path) for one in result["results"]
                                                         if one["size"] == store["size"]), 3) for store in result["stores"]}
        rows.append({"what": what, "values": values, "form": form})
    for what, path, form in ONCE:
        rows.append({"what": what, "values": {store["size"]: value_at(store, path) for store in result["stores"]},
                     "form": form})
    return rows


def text(result):
    machine, options = result["machine"], result["options"]
    sizes = [store["size"] for store in result["stores"]]
    head = (f"{machine['cores']} cores, {machine['processor']}, {machine['file system']}, fsync {machine['fsync_ms']} ms;"
            f" in each of {options['rounds']} rounds {options['issuances']} issuances by {options['clients']} clients,"
            f" {options['requests']} requests of each kind; {options['revoked']} of 1,000 certificates revoked")
    rows = []
    for row in result["summary"]:
        first = row["values"][sizes[0]]
        cells = [row["form"].format(row["values"][size]) for size in sizes]
        ratios = [f"{row['values'][size] / first:.2f} x" if first else "" for size in sizes[1:]]
        rows.append((row["what"], *cells, *ratios))
    names = [f"{size:,}" for size in sizes]
    return head + "\n\n" + measure.table(("certificates", *names, *(f"{name} / {names[0]}" for name in names[1:])), rows)
