# SPDX-License-Identifier: Apache-2.0
"""The numbers of a real signetd: they move as what happens says, whoever dies; their text is read by Debian's
python3-prometheus-client and by promtool; the alert rules and the dashboard name nothing that is not there."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.parser import text_string_to_metric_families

import faults
import lab
import signet_lab
from lab import HOST
from postgres import Postgres
from refusals import RefusalsCase
from signet_lab import BUILD, AcmeUser, make_csr, messages, new_key

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MONITORING = SOURCE / "docs/monitoring"
# What a scrape has only after something that no test brings about cheaply.
SELDOM = {"signet_steps_lost_total"}


# Of each alert: what it warns of and the same when all is well, as numbers of each minute ("a+bxn": a, then n times b more).
ALERTS = {
    "SignetDown": {'up{job="signet"}': ("0x120", "1x120")},
    "SignetRoleDown": {'signet_role_up{role="core",index="0"}': ("0x120", "1x120")},
    "SignetRoleRestarts": {'signet_role_restarts_total{role="core",index="0"}': ("0+1x120", "0x120")},
    "SignetIssuanceHeld": {"signet_issuance_held": ("1x120", "0x120")},
    "SignetRevocationListOverdue": {"signet_revocation_lists_overdue": ("1x120", "0x120")},
    "SignetRevocationListEnds": {"signet_revocation_list_next_update_timestamp_seconds": ("86400x120", "864000x120")},
    "SignetCaEnds": {'signet_end_timestamp_seconds{what="root"}': ("864000x120", "864000000x120")},
    "SignetCertificateEnds": {'signet_end_timestamp_seconds{what="TLS certificate"}': ("864000x120", "8640000x120")},
    "SignetDkimKeyOld": {'signet_end_timestamp_seconds{what="DKIM key"}': ("60x120", "8640000x120")},
    "SignetJobsOverdue": {'signet_job_overdue_seconds{kind="mail"}': ("1000x120", "10x120")},
    "SignetMailsNotTaken": {'signet_mails_total{mail="challenge",outcome="refused"}': ("0+2x120", "0+1x120"),
                            'signet_mails_total{mail="challenge",outcome="accepted"}': ("0+1x120", "0+9x120")},
    "SignetCommitsSlow": {'signet_commit_seconds_bucket{le="1"}': ("0+1x120", "0+9x120"),
                          'signet_commit_seconds_bucket{le="5"}': ("0+9x120", "0+9x120"),
                          'signet_commit_seconds_bucket{le="+Inf"}': ("0+9x120", "0+9x120")},
    "SignetTurnsFail": {"signet_turn_failures_total": ("0+1x120", "0x120")},
    "SignetStepsLost": {'signet_steps_lost_total{step="sign"}': ("0+1x120", "0x120")},
    "SignetServerErrors": {'signet_http_requests_total{listener="acme",code="503"}': ("0+1x120", "0x120"),
                           'signet_http_requests_total{listener="acme",code="200"}': ("0+9x120", "0+9x120")},
    "SignetOrdersFail": {'signet_order_transitions_total{status="invalid"}': ("0+2x120", "0+1x120"),
                         'signet_order_transitions_total{status="valid"}': ("0+1x120", "0+9x120")},
    "SignetLintRefused": {'signet_events_total{event="lint refused"}': ("0x100 1x20", "0x120")},
}


class Scrape(dict):
    """{(name, other labels): value}."""

    def __init__(self, text):
        self.text, self.families = text, list(text_string_to_metric_families(text))
        for family in self.families:
            for sample in family.samples:
                labels = frozenset((name, value) for name, value in sample.labels.items() if name != "core")
                assert (sample.name, labels) not in self, sample
                self[sample.name, labels] = sample.value

    def of(self, name, **labels):
        """The sum of a metric over all samples with these labels; None: there is none."""
        found = [value for (other, has), value in self.items() if other == name and labels.items() <= dict(has).items()]
        return sum(found) if found else None

    def names(self):
        return {name for name, _ in self}


class Metrics(RefusalsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = cls.lab.free_port()
        cls.server.stop()
        cls.server.config["metrics"] = {"listen": f"{HOST}:{cls.port}; {cls.server.folder}/store/metrics"}
        cls.server.write_config()
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        pass  # roles die here

    def fetch(self, path="/metrics", method="GET"):
        request = urllib.request.Request(f"http://{HOST}:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def scrape(self):
        return Scrape(self.fetch()[1])

    def settled(self):
        """A scrape once all that earlier requests set going has come to its end."""
        self.store()
        return self.scrape()

    def ctl(self, *words):
        done = subprocess.run([BUILD / "signetctl", *words, "--config", self.server.path], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def grown(self, before, name, by=1, **labels):
        """Waits until a counter is that much above an earlier scrape, or more: other processes tell theirs within a second."""
        wanted = (before.of(name, **labels) or 0) + by
        self.lab.wait_for(lambda: (self.scrape().of(name, **labels) or 0) >= wanted, f"{name} {labels} to be {wanted}")

    def counts(self, before, name, **labels):
        return (self.scrape().of(name, **labels) or 0) - (before.of(name, **labels) or 0)

    # --- numbers move

    def issue(self, address="ann@user.test"):
        order = self.ready(address)
        self.user.finalize(order, make_csr(new_key(), address))
        return self.user.certificate(order)[0]

    def test_issuance(self):
        before = self.settled()
        self.issue()
        self.grown(before, "signet_mails_total", mail="challenge", outcome="accepted")  # maybe after the reply
        for status in ("pending", "ready", "processing", "valid"):
            self.assertEqual(self.counts(before, "signet_order_transitions_total", status=status), 1, status)
        for status in ("pending", "processing", "valid"):
            self.assertEqual(self.counts(before, "signet_challenge_transitions_total", status=status), 1, status)
        self.assertEqual(self.counts(before, "signet_authorization_transitions_total", status="valid"), 1)
        self.assertEqual(self.counts(before, "signet_replies_judged_total", verdict="passed"), 1)
        self.assertEqual(self.counts(before, "signet_mails_total", mail="challenge", outcome="accepted"), 1)
        for step in ("mail", "examine", "caa", "build", "sign"):
            self.assertEqual(self.counts(before, "signet_step_seconds_count", step=step), 1, step)
        self.assertEqual(self.counts(before, "signet_problems_total"), 0)
        self.assertGreater(self.counts(before, "signet_commit_seconds_count"), 8)
        self.grown(before, "signet_smtp_replies_total", code="354")
        now = self.scrape()
        self.assertGreater(now.of("signet_last_certificate_timestamp_seconds"),
                           now.of("signet_core_start_time_seconds"))
        self.assertGreater(now.of("signet_store_bytes", file="signet.db"), 0)
        self.assertEqual((now.of("signet_issuance_held"), now.of("signet_revocation_lists")), (0, 1))
        self.assertEqual((now.of("signet_certificates_ending", days="30"), now.of("signet_jobs", kind="mail")), (0, 0))

    def test_refusals(self):
        address, before = "ann@nobody.test", self.settled()
        order = self.ready(address)
        self.user.finalize(order, make_csr(new_key(), address))
        self.user.poll(order["url"], lambda o: o["status"] == "invalid")
        self.assertEqual(self.counts(before, "signet_order_transitions_total", status="invalid"), 1)
        self.assertEqual(self.counts(before, "signet_order_failures_total", problem="caa"), 1)
        with self.assertRaises(messages.Error):
            self.user.new_order("no address")
        self.assertEqual(self.counts(before, "signet_problems_total"), 1)
        self.grown(before, "signet_http_requests_total", listener="acme", code="400")

    def test_replies(self):
        before = self.settled()
        order = self.user.new_order("ann@user.test")
        challenge = self.user.authorization(order)["challenges"][0]
        mail = signet_lab.challenge_mail(self.mail.maildir("ann@user.test"), challenge).message
        right = signet_lab.digest(self.user, signet_lab.token_part1(mail), challenge["token"])
        unsigned = signet_lab.reply_to(mail, "ann@user.test", right).as_bytes()
        signet_lab.deliver(self.server, challenge, unsigned)
        self.lab.wait_for(lambda: self.counts(before, "signet_replies_judged_total", verdict="noted") == 1,
                          "the note on the reply without signature")
        self.assertEqual(self.counts(before, "signet_challenge_notes_total"), 1)
        wrong = signet_lab.reply_to(mail, "ann@user.test", "A" * 43).as_bytes()
        key = lab.DkimKey.__new__(lab.DkimKey)
        key.domain, key.selector, key.key = "user.test", "s1", self.key.key
        signet_lab.deliver(self.server, challenge, signet_lab.dkim_sign(wrong, key))
        self.lab.wait_for(lambda: self.counts(before, "signet_replies_judged_total", verdict="wrong digest") == 1,
                          "the verdict on the wrong reply")
        self.assertEqual(self.counts(before, "signet_challenge_failures_total", problem="incorrectResponse"), 1)
        self.assertEqual(self.counts(before, "signet_order_failures_total", problem="incorrectResponse"), 1)

    def test_limits_and_stop(self):
        before = self.settled()
        account = self.user.account.uri.rsplit("/", 1)[1]
        self.ctl("limit", "set", "orders-per-account", account, "1/1h")
        self.user.new_order("ann@user.test")
        with self.assertRaises(messages.Error):
            self.user.new_order("ann@user.test")
        self.assertEqual(self.counts(before, "signet_limit_hits_total", limit="orders-per-account"), 1)
        self.assertEqual(self.counts(before, "signet_problems_total", problem="rateLimited", code="429"), 1)
        self.ctl("issuance", "stop", "test")
        self.assertEqual(self.scrape().of("signet_issuance_held"), 1)
        self.ctl("issuance", "start")
        self.assertEqual(self.scrape().of("signet_issuance_held"), 0)
        self.assertEqual(self.counts(before, "signet_events_total", event="issuance stopped"), 1)

    def test_files(self):
        before = self.scrape()
        for path, code in (("root.der", 200), ("nothing.crl", 404)):
            try:
                urllib.request.urlopen(f"http://{HOST}:{self.server.http}/{path}", timeout=60).close()
            except urllib.error.HTTPError as answer:
                self.assertEqual(answer.code, code)
            self.grown(before, "signet_http_requests_total", listener="files", code=str(code))

    # --- whoever dies

    def kill(self, role, index=0):
        before = self.scrape().of("signet_role_restarts_total", role=role)
        pid = self.server.pids()[role][index]
        os.kill(pid, signal.SIGKILL)
        self.lab.wait_for(lambda: pid not in self.server.pids().get(role, []) and self.server.has_all_roles(),
                          f"another {role}")
        self.lab.wait_for(self.server.is_up, "the server")
        self.lab.wait_for(lambda: self.answers() and self.scrape().of("signet_role_restarts_total", role=role) ==
                          before + 1, f"the restart of {role} in the numbers")
        self.lab.wait_for(lambda: self.scrape().of("signet_role_up", role=role) == len(self.server.pids()[role]), f"{role} to be up")

    def answers(self):
        try:
            return self.fetch()
        except (OSError, urllib.error.HTTPError):
            return False

    def test_a_role_dies(self):
        self.kill("lookup")
        self.kill("core")
        after = self.scrape()
        self.assertEqual(after.of("signet_order_transitions_total", status="valid"), 0)  # what is counted begins anew
        self.assertEqual(after.of("signet_revocation_lists"), 1)  # what is read does not
        self.user = AcmeUser(self.server)
        self.lab.wait_for(lambda: self.scrape().of("signet_http_requests_total", listener="acme"), "what the edges counted")
        served = self.scrape()
        for index in range(len(self.server.pids()["edge"])):
            self.kill("edge", index)
        self.assertGreaterEqual(self.scrape().of("signet_http_requests_total", listener="acme"),
                                served.of("signet_http_requests_total", listener="acme"))  # no sum falls
        self.issue()

    def test_without_core(self):
        """From the third death on there is none for a second or more."""
        def is_away():
            for pid in self.server.pids().get("core", []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                self.fetch()
            except urllib.error.HTTPError as answer:
                return answer.code == 503
            except OSError:
                return False
        self.lab.wait_for(is_away, "503")
        self.lab.wait_for(self.server.has_all_roles, "every role")
        self.lab.wait_for(self.answers, "an answer again")

    # --- the text

    def test_text(self):
        self.issue()
        kind, text = self.fetch()
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        table = dict(re.findall(r'"(signet_\w+)",\s+((?:"[^"]*"\s*)+),', (SOURCE / "base/metrics_table.c").read_text()))
        for family in Scrape(text).families:
            name = family.name + ("_total" if family.type == "counter" else "")
            self.assertEqual(family.documentation, "".join(re.findall(r'"([^"]*)"', table[name])), name)
            self.assertIn(family.type, ("counter", "gauge", "histogram"), family.name)
            self.assertTrue(family.samples, family.name)
            for sample in family.samples:
                self.assertEqual(sample.labels["core"], "local")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_nothing_of_anybody(self):
        self.issue()
        text = self.fetch()[1]
        for secret in ("@", "user.test", "127.0.0", self.user.account.uri.rsplit("/", 1)[1]):
            self.assertNotIn(secret, text)
        for value in re.findall(r'="([^"]*)"', text):
            self.assertRegex(value, r"^[A-Za-z0-9 .+'/-]{1,64}$")

    def test_command(self):
        """signetctl gives the same, but for what happens between."""
        self.store()  # when all is done
        told, fetched = Scrape(self.ctl("metrics")), self.scrape()
        self.assertEqual(told.names() - fetched.names(), set())
        self.assertEqual(fetched.of("signet_order_transitions_total"), told.of("signet_order_transitions_total"))
        status = json.loads(self.ctl("status", "--json"))
        self.assertEqual(fetched.of("signet_role_up"), len(status["roles"]))
        for row in status["jobs"]:
            self.assertEqual(told.of("signet_jobs", kind=row["kind"]), row["count"], row)
        for row in status["ends"]:
            days = (told.of("signet_end_timestamp_seconds", what=row["what"]) -
                    told.of("signet_core_start_time_seconds")) / 86400
            self.assertAlmostEqual(days, row["days"], delta=1.5)

    def test_revocation_lists(self):
        """Their age and their end are those of the lists that are out."""
        made, ends = self.server.query("SELECT min(this_update), min(next_update) FROM crl_shard WHERE crl IS NOT NULL")[0]
        before, now, after = time.time(), self.scrape(), time.time()
        self.assertEqual(now.of("signet_revocation_list_next_update_timestamp_seconds"), ends / 1000)
        age = now.of("signet_revocation_list_age_seconds")
        self.assertTrue(before - made / 1000 - 1 <= age <= after - made / 1000 + 1, (before, made, age, after))
        self.assertEqual(now.of("signet_revocation_lists_overdue"), 0)

    # --- who may ask

    def test_scrapers(self):
        """Several at once; those that ask for nothing, or read slowly, keep nobody from it and get it whole."""
        idle = [socket.create_connection((HOST, self.port), timeout=60) for _ in range(20)]
        slow = socket.create_connection((HOST, self.port), timeout=60)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.sendall(b"GET /metrics HTTP/1.0\r\nHost: signet\r\n\r\n")
        with ThreadPoolExecutor(4) as pool:
            texts = list(pool.map(lambda _: self.fetch()[1], range(40)))
        told = b""
        while part := slow.recv(500):
            told += part
        for text in (*texts, told.split(b"\r\n\r\n", 1)[1].decode()):
            self.assertTrue(text.endswith("\n"))
            self.assertIn("signet_build_info", Scrape(text).names())
        for one in (*idle, slow):
            one.close()

    def test_listener(self):
        for path, method, code in (("/", "GET", 404), ("/metrics/x", "GET", 404), ("/metrics", "POST", 405)):
            with self.assertRaises(urllib.error.HTTPError) as refusal:
                self.fetch(path, method)
            self.assertEqual(refusal.exception.code, code)

    def test_socket(self):
        done = subprocess.run(["curl", "-sS", "--unix-socket", self.server.folder / "store/metrics",
                               "http://signet/metrics"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("signet_build_info", Scrape(done.stdout).names())

    def test_loopback_alone(self):
        saved = self.server.config["metrics"]
        try:
            for listen in ("0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464"):
                self.server.config["metrics"] = {"listen": listen}
                self.server.write_config()
                status, said = self.server.check()
                self.assertNotEqual(status, 0)
                self.assertIn("LOOPBACK-ADDRESS", said)
        finally:
            self.server.config["metrics"] = saved
            self.server.write_config()

    # --- rules and dashboard

    def test_what_rules_and_dashboard_name(self):
        rules = (MONITORING / "signet.rules.yml").read_text()
        dashboard = json.loads((MONITORING / "signet-dashboard.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        named = set(re.findall(r"\bsignet_\w+", " ".join(expressions) + rules))
        self.test_issuance()
        self.test_refusals()
        self.test_replies()
        self.test_limits_and_stop()
        self.test_files()
        there = self.scrape()
        self.assertEqual(named - there.names() - SELDOM, set())
        self.assertEqual({re.sub("_bucket$|_sum$|_count$", "", name) for name in there.names()} -
                         {re.sub("_bucket$", "", name) for name in re.findall(r"\bsignet_\w+", " ".join(expressions))},
                         {"signet_core_start_time_seconds", "signet_authorization_transitions_total", "signet_events_total",
                          "signet_revocation_lists", "signet_revocation_lists_overdue"})
        for name, label, values in re.findall(r'(signet_\w+)\{[^}]*?(\w+)=~?"([\w |.*\']+)"', rules):
            for value in values.split("|") if label != "code" else ():
                pattern = re.compile(value)
                self.assertTrue(any(other == name and pattern.fullmatch(dict(has).get(label, ""))
                                    for other, has in there), (name, label, value))

    def test_rules(self):
        done = subprocess.run(["promtool", "check", "rules", MONITORING / "signet.rules.yml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def alert_case(self, name, series, fires, words):
        """Two hours of these numbers, and what is said then."""
        severity, summary, description = words
        labels = {"instance": "here", **dict(re.findall(r'(\w+)="([^"]*)"', "".join(series)))}
        said = re.findall(r"\$labels\.(\w+)", summary)
        told = lambda text: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text).replace(
            "{{ $value | humanizeDuration }}", "9d 22h 0m 0s")
        kept = {label: labels[label] for label in {*said, "instance"} | ({"job"} & labels.keys())}
        alert = {"exp_labels": {**kept, "severity": severity},
                 "exp_annotations": {"summary": told(summary), "description": told(description)}}
        inputs = [{"series": (one if "{" in one else one + "{}").replace("}", ',instance="here"}').replace("{,", "{"), "values": values}
                  for one, values in series.items()]
        return {"interval": "1m", "input_series": inputs, "alert_rule_test": [
            {"eval_time": "2h", "alertname": name, "exp_alerts": [alert] if fires else []}]}

    def test_alerts(self):
        """Each comes when it is to come and says of whom, and not when all is well."""
        rules = (MONITORING / "signet.rules.yml").read_text()
        words = {name: (severity, json.loads(summary), json.loads(description)) for name, severity, summary, description in re.findall(
            r'- alert: (\w+)\n.*?severity: (\w+)\}.*?summary: (".*?")\n\s+description: (".*?")\n', rules, re.S)}
        self.assertEqual(list(words), list(ALERTS))
        cases = [self.alert_case(name, {one: values[not fires] for one, values in series.items()}, fires, words[name])
                 for name, series in ALERTS.items() for fires in (True, False)]
        path = self.lab.folder("alerts") / "alerts.yml"
        path.write_text(json.dumps({"rule_files": [str(MONITORING / "signet.rules.yml")], "evaluation_interval": "1m", "tests": cases}))
        done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_expressions_of_the_dashboard(self):
        dashboard = json.loads((MONITORING / "signet-dashboard.json").read_text())
        rules = {"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{panel['id']}:{target['refId']}", "expr": target["expr"].replace("$__rate_interval", "5m")}
            for panel in dashboard["panels"] for target in panel["targets"]]}]}
        path = self.lab.folder("dashboard") / "rules.yml"
        path.write_text(json.dumps(rules))
        done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_table_of_the_documentation(self):
        """docs/monitoring.md has every metric with its labels."""
        table = re.findall(r"^\| `(signet_\w+)` \| (\w+) \| (.*?) \|", (SOURCE / "docs/monitoring.md").read_text(), re.M)
        code = []
        text = (SOURCE / "base/metrics_table.c").read_text()
        for name, kind, arguments in re.findall(r'\{"(signet_\w+)",\s+(?:"[^"]*"\s*)+,\s+([A-Z]+)\((.*?)\)\}', text, re.S):
            labels = re.findall(r'"(\w+)"', arguments)
            code.append((name, kind.lower(), ", ".join(f"`{label}`" for label in labels) or "–"))
        self.assertEqual(table, code)
        self.assertGreater(len(table), 30)


class SeveralCores(lab.LabCase):
    def test_scrape(self):
        """One text of all cores, by the label core; when one dies the numbers of the other go on."""
        database = Postgres().start()
        self.addCleanup(lambda: database.__exit__(None, None, None))
        port = self.lab.free_port()
        server = signet_lab.Signetd(self.lab, settings={"store": {"postgresql": database.make_database("signet"), "cores": 2},
                                                        "metrics": {"listen": f"{HOST}:{port}"}})

        def samples():
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=60) as answer:
                text = answer.read().decode()
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
            return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

        def orders():
            return {sample.labels["core"]: sample.value for sample in samples() if sample.name == "signet_order_transitions_total"
                    and sample.labels["status"] == "pending"}

        for _ in range(8):
            AcmeUser(server).new_order("ann@user.test")
        first = self.lab.wait_for(lambda: len(found := orders()) == 2 and sum(found.values()) == 8 and found, "the orders in the numbers")
        pid = server.pids()["core"][0]
        os.kill(pid, signal.SIGKILL)
        self.lab.wait_for(lambda: pid not in server.pids().get("core", []) and server.has_all_roles(), "another core")

        def of_the_survivor():
            with contextlib.suppress(urllib.error.HTTPError):  # the new one is not there yet
                return len(found := orders()) == 2 and set(found.values()) & set(first.values())
        self.lab.wait_for(of_the_survivor, "both cores in the numbers")
        faults.new_user(server).new_order("ann@user.test")


if __name__ == "__main__":
    unittest.main()
