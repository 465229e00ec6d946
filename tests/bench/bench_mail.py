# SPDX-License-Identifier: Apache-2.0
"""Messages per second and processor time per message, of Signet and of Postfix with OpenDKIM in the same run.

inbound   replies signed with DKIM come in over several connections. Signet: taken, stored, examined with keys from the
          DNS, judged, the verdict committed. Postfix: OpenDKIM verifies as a milter and would refuse what fails, the
          message is queued, then given to discard, or delivered to a Maildir.
outbound  Signet: challenge mails whose jobs are due are composed, signed, handed to a relay, and kept. Postfix: the
          same messages without their signatures come in by SMTP, OpenDKIM signs them, they go to the same sink."""

import contextlib
import email
import json
import os
import pathlib
import re
import sqlite3
import sys
import tempfile
import time
import urllib.request

import lab
import measure
import signet_lab
from lab import HOST, DkimKey, Lab, OpenDKIM, Postfix, SignedZones, program

ABOUT = "mail: messages per second and processor time per message, beside Postfix with OpenDKIM"
TARGETS = ("signetd", "signetctl", "mail_fill", "smtp_load")
TTL = 86400  # keys come from the cache
SELECTOR = "bench"
POLL = 0.01


def options(parser):
    parser.add_argument("--messages", type=int, default=10000, metavar="N", help="measured in each round")
    parser.add_argument("--warm-up", type=int, default=500, metavar="N", help="sent before that")
    parser.add_argument("--connections", type=int, default=32, metavar="N",
                        help="inbound, and into Postfix, at a time; Signet takes at most 50 from one address")
    parser.add_argument("--size", type=int, default=4096, metavar="OCTETS", help="of an inbound message, at least")


class Bench:
    """One run: what its measurements share."""

    def __init__(self, options, progress, folder):
        self.options, self.progress, self.folder = options, progress, pathlib.Path(folder)
        self.user_key, self.ca_key = DkimKey("user.test", SELECTOR), DkimKey("ca.test", SELECTOR)
        self.count = options.warm_up + options.messages
        self.key_file = self.folder / "user.key"
        self.key_file.write_bytes(self.user_key.pem())
        self.replies, self.challenges = self.folder / "replies", self.folder / "challenges"  # spools

    def zones(self, laboratory):
        dmarc = ("_dmarc", "TXT", "v=DMARC1; p=reject")
        return SignedZones(laboratory, {"user.test": [self.user_key.record(), dmarc], "ca.test": [self.ca_key.record()]},
                           ttl=TTL)

    def load(self, laboratory, port, spool, first, count):
        return json.loads(laboratory.run(program("smtp_load"), port, self.options.connections, spool, first, count,
                                         timeout=self.options.seconds))

    def wait(self, predicate, what):
        end = time.monotonic() + self.options.seconds
        while not predicate():
            if time.monotonic() > end:
                raise lab.LabError(f"waited {self.options.seconds} s for {what}")
            time.sleep(POLL)

    def result(self, meter, **more):
        seconds, processor = meter.stop()
        count, spent = self.options.messages, sum(processor.values())
        return {"messages": count, "seconds": round(seconds, 3), "rate": round(count / seconds, 1),
                "processor_us": round(spent / count * 1e6, 1),
                "by_process_us": {name: round(value / count * 1e6, 1) for name, value in sorted(processor.items())},
                **more}


# --- Signet


def signet(bench, laboratory, zones, relay, *spool):
    """A signetd whose store holds challenges; spool: of their replies, and what that takes."""
    server = signet_lab.Signetd(laboratory, relay=relay, zones=zones, start=False,
                                settings={"log": {"level": "info"}, "ca": {"caa": "off"}})
    store = server.folder / "store"
    store.mkdir(mode=0o700)
    laboratory.run(program("mail_fill"), store, bench.count, *spool, timeout=bench.options.seconds)
    server.start()
    return server


def no_job(store, kind, before):
    """Whether none of a kind is due before a time, or taken."""
    return not store.execute("SELECT 1 FROM job WHERE kind = ? AND due_at < ? LIMIT 1", (kind, before)).fetchall()


def connect(server):
    return contextlib.closing(sqlite3.connect(f"file:{server.folder}/store/signet.db?mode=ro", uri=True, timeout=60))


def signet_inbound(bench):
    with Lab() as laboratory:
        zones = bench.zones(laboratory)
        server = signet(bench, laboratory, zones, f"{HOST}:9", bench.replies, bench.key_file, bench.options.size)
        with connect(server) as store:
            judged = lambda: no_job(store, "judge", 1 << 62)
            bench.load(laboratory, server.smtp, bench.replies, 0, bench.options.warm_up)
            bench.wait(judged, "the warm-up to be judged")
            meter = measure.Meter(server.process.pid)
            meter.start()
            load = bench.load(laboratory, server.smtp, bench.replies, bench.options.warm_up, bench.options.messages)
            bench.wait(judged, "every message to be judged")
            result = bench.result(meter, load=load)
            verdicts = dict(store.execute("SELECT verdict, count(*) FROM message WHERE direction = 'in' GROUP BY 1"))
        if verdicts != {"passed": bench.count}:
            raise lab.LabError(f"the verdicts are {verdicts}")
        return result


def make_due(server, count):
    """Core looks at its jobs with the next request."""
    with contextlib.closing(sqlite3.connect(server.folder / "store/signet.db", timeout=60)) as store:
        store.execute("UPDATE job SET due_at = 1 WHERE kind = 'mail' AND subject IN (SELECT subject FROM job"
                      " WHERE kind = 'mail' ORDER BY subject LIMIT ?)", (count,))
        store.commit()
    urllib.request.urlopen(server.url + "/directory", context=server.tls_context(), timeout=60).close()


def signet_outbound(bench):
    with Lab() as laboratory:
        sink = Sink(laboratory)
        server = signet(bench, laboratory, bench.zones(laboratory), f"{HOST}:{sink.port}")
        with connect(server) as store:
            sent = lambda: no_job(store, "mail", 2)
            make_due(server, bench.options.warm_up)
            bench.wait(sent, "the warm-up to be sent")
            meter = measure.Meter(server.process.pid)
            meter.start()
            make_due(server, bench.options.messages)
            bench.wait(sent, "every mail to be sent")
            result = bench.result(meter)
            octets = [row[0] for row in store.execute(
                "SELECT octets FROM raw JOIN message ON raw.id = message.raw_id WHERE direction = 'out'")]
        sink.expect(bench.count)
        if len(octets) != bench.count or not all(raw.startswith(b"DKIM-Signature:") for raw in octets):
            raise lab.LabError("not every mail was signed and kept")
        write_challenges(bench.challenges, octets)
        return {**result, "octets": round(sum(map(len, octets)) / bench.count)}


def write_challenges(spool, mails):
    """The mails as they were before Signet signed them."""
    with open(spool, "wb") as file:
        for mail in mails:
            raw = re.sub(rb"\ADKIM-Signature:.*?\r\n(?![ \t])", b"", mail, flags=re.S)
            fields = email.message_from_bytes(raw)
            file.write(f"{fields['From']} {fields['To']} {len(raw)}\n".encode() + raw)


# --- Postfix with OpenDKIM

# max_use: no process ends meanwhile, so that each has its own figure.
POSTFIX = {"in_flow_delay": "0", "queue_run_delay": "300s", "minimal_backoff_time": "300s", "maximal_backoff_time": "4000s",
           "smtpd_client_connection_count_limit": "0", "max_use": "1000000", "max_idle": "3600s"}
REFUSE = {f"On-{event}": "reject" for event in ("BadSignature", "KeyNotFound", "NoSignature", "SignatureError")}


class Sent:
    """How many messages a Postfix says it delivered."""

    def __init__(self, server):
        self.log, self.file, self.count, self.rest = server.log, None, 0, b""

    def reached(self, count):
        if self.file is None and not self.log.exists():
            return False
        self.file = self.file or open(self.log, "rb")
        text = self.rest + self.file.read()
        whole, newline, self.rest = text.rpartition(b"\n")
        self.count += (whole + newline).count(b"status=sent")
        return self.count >= count


def verifier(bench, laboratory):
    """OpenDKIM that refuses what does not verify. It has the key in a file: given a configuration for libunbound, without
    which that cannot be led to a port, OpenDKIM 2.11 reads it for each message, in several threads at once, and dies."""
    keys, key = laboratory.path / "keys", bench.user_key
    keys.write_text(f"{key.selector}._domainkey.{key.domain} {key.text()}\n")
    return OpenDKIM(laboratory, [], {"Mode": "v", "InternalHosts": "192.0.2.1", "TestPublicKeys": keys, **REFUSE})


def through_postfix(bench, laboratory, server, milter, spool, probe):
    """Measures the messages of a spool, after one to the mailbox probe has shown that the milter works: header fields
    that must be there."""
    sent = Sent(server)
    sender, recipient, expected = probe
    raw = first_message(spool)
    lab.submit(HOST, server.port, sender, recipient, raw)
    kept = lab.maildir_wait(server.maildir(recipient)).raw
    if not re.search(expected, kept):
        raise lab.LabError(f"OpenDKIM did nothing: {kept[:2000]}")
    bench.load(laboratory, server.port, spool, 0, bench.options.warm_up)
    bench.wait(lambda: sent.reached(1 + bench.options.warm_up), "the warm-up to be delivered")
    meter = measure.Meter(server.process.pid, milter.process.pid)
    meter.start()
    load = bench.load(laboratory, server.port, spool, bench.options.warm_up, bench.options.messages)
    bench.wait(lambda: sent.reached(1 + bench.count), "every message to be delivered")
    return bench.result(meter, load=load)


def first_message(spool):
    with open(spool, "rb") as file:
        return file.read(int(file.readline().split()[2]))


def postfix_inbound(bench, route):
    with Lab() as laboratory:
        milter = verifier(bench, laboratory)
        server = Postfix(laboratory, {"ca.test": ["acme-challenge"], "probe.test": ["probe"]}, milter=milter,
                         routes={"ca.test": route} if route else {}, settings=POSTFIX)
        probe = ("ann@user.test", "probe@probe.test", rb"(?s)\AReturn-Path.*Authentication-Results: .*dkim=pass")
        return through_postfix(bench, laboratory, server, milter, bench.replies, probe)


def postfix_outbound(bench):
    with Lab() as laboratory:
        sink = Sink(laboratory)
        milter = OpenDKIM(laboratory, [bench.ca_key])
        server = Postfix(laboratory, {"probe.test": ["probe"]}, milter=milter,
                         routes={"user.test": f"{HOST}:{sink.port}"}, settings=POSTFIX)
        probe = ("x@ca.test", "probe@probe.test", rb"(?s)\AReturn-Path.*DKIM-Signature: .*d=ca\.test")
        result = through_postfix(bench, laboratory, server, milter, bench.challenges, probe)
        sink.expect(bench.count)
        return result


class Sink:
    """Takes every mail and throws it away: Postfix's smtp-sink."""

    def __init__(self, laboratory):
        self.port = laboratory.free_port()
        self.process = laboratory.spawn("sink", ["/usr/sbin/smtp-sink", "-c", "-u", "postfix", f"{HOST}:{self.port}", "200"],
                                        lambda: lab.listening(self.port))

    def expect(self, count):
        """That so many came."""
        taken = re.findall(r"mesg=(\d+)", self.process.text()) or ["0"]
        if int(taken[-1]) != count:
            raise lab.LabError(f"the sink has {taken[-1]} messages of {count}")


# --- the run

PLAN = (("inbound", "Signet", signet_inbound),
        ("inbound", "Postfix+OpenDKIM, discarded", lambda bench: postfix_inbound(bench, "discard:")),
        ("inbound", "Postfix+OpenDKIM, Maildir", lambda bench: postfix_inbound(bench, None)),
        ("outbound", "Signet", signet_outbound),
        ("outbound", "Postfix+OpenDKIM", postfix_outbound))


def run(options, progress):
    if os.geteuid() != 0:
        sys.exit("tests/bench/run mail: Postfix and NSD are started by root")
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        bench = Bench(options, progress, folder)
        result = {"part": "mail", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                  "machine": measure.machine(folder), "options": measure.describe(options), "results": []}
        for number in range(1, options.rounds + 1):
            for direction, server, measured in PLAN:
                progress(f"round {number} of {options.rounds}: {direction}, {server}")
                one = measured(bench)
                progress(f"  {one['rate']:.0f} messages/s, {one['processor_us']:.0f} us each")
                result["results"].append({"round": number, "direction": direction, "server": server, **one})
    result["summary"] = summary(result["results"])
    return text(result), result


def summary(results):
    """The medians of each measurement, and Signet's as a share of them."""
    rows = []
    for direction, server, _ in PLAN:
        rounds = [one for one in results if (one["direction"], one["server"]) == (direction, server)]
        rows.append({"direction": direction, "server": server, "messages": sum(one["messages"] for one in rounds),
                     "rate": measure.median(rounds, "rate"), "processor_us": measure.median(rounds, "processor_us"),
                     "by_process_us": measure.middle(rounds)["by_process_us"]})
        ours = next(row for row in rows if row["direction"] == direction)
        rows[-1]["signet_rate"] = round(ours["rate"] / rows[-1]["rate"], 2)
        rows[-1]["signet_processor"] = round(ours["processor_us"] / rows[-1]["processor_us"], 2)
    return rows


def text(result):
    machine, options = result["machine"], result["options"]
    head = (f"{machine['cores']} cores, {machine['processor']}, {machine['file system']}, fsync {machine['fsync_ms']} ms;"
            f" {options['messages']} messages in each of {options['rounds']} rounds, {options['connections']} connections,"
            f" {options['size']} octets inbound")
    figures = measure.table(
        ("", "messages/s", "us of CPU each", "Signet's rate", "Signet's CPU"),
        [(f"{row['direction']}, {row['server']}", f"{row['rate']:.0f}", f"{row['processor_us']:.0f}",
          f"{row['signet_rate']:.2f} x", f"{row['signet_processor']:.2f} x") for row in result["summary"]])
    processes = measure.table(
        ("", "us of CPU each, by process"),
        [(f"{row['direction']}, {row['server']}", measure.by_process(row)) for row in result["summary"]])
    return f"{head}\n\n{figures}\n\n{processes}"
