# SPDX-License-Identifier: Apache-2.0
"""signetctl report: its numbers are those of the store, also of a large one; the page is looked at by Debian's chromium, on
a phone's width and on a desk's."""

import collections
import datetime
import html.parser
import json
import os
import pathlib
import random
import re
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree

import lab
from browser import Browser
from signet_lab import BUILD
from simulated_clock import preload

SECOND, DAY = 1000, 86400000
NOW = int(time.time() * 1000)
FROM = NOW // DAY * DAY - 29 * DAY
URN = "urn:ietf:params:acme:error:"
# How orders end, how often, and what the report says.
FAILURES = {
    "no right reply came in time": (5, "incorrectResponse", "ann@user.test: No reply that passes was received in time; order anew."),
    "a reply with another digest": (3, "incorrectResponse", "ann@user.test: The digest is not the expected one."),
    "CAA records forbid it": (2, "caa", "CAA records of user.test <do not> permit it."),
    "expired before the client finalized it": (1, "malformed", "The order expired before it was finalized; order anew."),
    "other": (1, "rejectedIdentifier", "&<script>alert(1)</script>"),
}
RULES = ["from", "dkim", "subject", "<b>rule & \"more\"</b>"]
REASONS = {1: "keyCompromise", 4: "superseded", 5: "cessationOfOperation"}


class Filled:
    """A store whose rows are made here: what the report must say of it is counted along."""

    def __init__(self, folder, orders, seed=1):
        self.folder, self.random = folder, random.Random(seed)
        subprocess.run([lab.program("mail_fill"), folder, "1"], check=True)
        self.count, self.rules, self.reasons = collections.Counter(), collections.Counter(), collections.Counter()
        self.days, self.replies = collections.Counter(), []
        rows = {table: [] for table in ("orders", "authz", "challenge", "message", "certificate")}
        store = sqlite3.connect(folder / "signet.db")
        for table in ("orders", "authz", "challenge", "message", "job", "note"):
            store.execute(f"DELETE FROM {table}")
        self.account = store.execute("SELECT id FROM account").fetchone()[0]
        for number in range(orders):
            self.add(rows, number)
        store.execute("INSERT INTO crl_shard VALUES (1, ?, 1, ?, ?, x'', NULL)", (orders, NOW, NOW + DAY))
        for table, columns in (
                ("orders", "id, account_id, status, created_at, expires_at, error"),
                ("authz", "id, order_id, account_id, position, type, identifier, address, canonical, domain, status, expires_at"),
                ("challenge", "id, authz_id, status, token2, mail_from, created_at, deadline, notes, mails, mail_octets, queued_at, "
                              "sent_at, passed_at"),
                ("message", "id, raw_id, challenge_id, direction, at, verdict, rule"),
                ("certificate", "id, order_id, account_id, serial, shard, not_before, not_after, key_digest, tbs, findings, "
                                "signing_at, der, issued_at, revoked_at, reason")):
            marks = ", ".join("?" * len(columns.split(",")))
            store.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows[table])
        store.commit()
        store.close()

    def id(self, at, number):
        return int(at).to_bytes(6, "big") + number.to_bytes(4, "big") + self.random.randbytes(6)

    def status(self):
        return self.random.choices(("valid", "invalid", "pending"), (80, 16, 4))[0]

    def add(self, rows, number):
        # One in ten is older than what is reported.
        at = FROM - 5 * DAY if number % 10 == 0 else self.random.randrange(FROM, NOW - 60 * SECOND)
        seen = at >= FROM
        order, authorization, challenge = (self.id(at, number) for _ in range(3))
        status, error = self.status(), None
        if status == "invalid":
            words = self.random.choices(list(FAILURES), [case[0] for case in FAILURES.values()])[0]
            _, kind, detail = FAILURES[words]
            error = json.dumps({"type": URN + kind, "status": 400, "detail": detail}, separators=(",", ":"))
            self.count[words] += seen
        self.count[status] += seen
        if seen:
            self.days[at // DAY * DAY, status] += 1
        rows["orders"].append((order, self.account, status, at, at + 3 * DAY, error))
        rows["authz"].append((authorization, order, self.account, 0, "email", f"u{number}@user.test", f"u{number}@user.test",
                              f"u{number}@user.test", "user.test", "valid", at + 3 * DAY))
        wait = int(self.random.expovariate(1 / 600)) * SECOND
        passed = status == "valid"
        rows["challenge"].append((challenge, authorization, "valid", "t", f"acme+{number}@ca.test", at, at + DAY, 0, 1, 1, at,
                                  at + 5 * SECOND, at + 7 * SECOND + wait if passed else None))
        if passed:
            rows["message"].append((self.id(at, number), order, challenge, "in", at + 5 * SECOND + wait, "passed", "digest"))
            if seen:
                self.replies.append(wait)
            self.certificate(rows, order, at, number)
        elif number % 3 == 0:
            rule = self.random.choice(RULES)
            rows["message"].append((self.id(at, number), order, challenge, "in", at + SECOND, "noted", rule))
            self.rules[rule] += seen

    def certificate(self, rows, order, at, number):
        end, revoked, reason = at + self.random.choice((20, 90, 365)) * DAY, None, None
        if number % 50 == 1:
            revoked, reason = self.random.randrange(FROM, NOW), self.random.choice(list(REASONS))
            self.reasons[REASONS[reason]] += 1
        self.count["ends"] += end >= NOW and not revoked
        self.count["ends soon"] += NOW <= end < NOW + 28 * DAY and not revoked
        rows["certificate"].append((self.id(at, number), order, self.account, order, 1, at, end, b"", b"", "", at, b"d", at, revoked,
                                    reason))


class Text(html.parser.HTMLParser):
    """Words, tables, and everything that a page could fetch or run."""

    def __init__(self, page):
        super().__init__()
        self.words, self.tables, self.elements, self.attributes, self.cell = [], [], collections.Counter(), set(), None
        self.feed(page)
        self.words = " ".join(self.words)

    def handle_starttag(self, name, attributes):
        self.elements[name] += 1
        self.attributes |= {attribute for attribute, _ in attributes}
        if name == "table":
            self.tables.append([])
        elif name == "tr":
            self.tables[-1].append([])
        elif name in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = True

    def handle_endtag(self, name):
        if name in ("td", "th"):
            self.cell = None

    def handle_data(self, data):
        self.words.append(data)
        if self.cell:
            self.tables[-1][-1][-1] += data


class Report(unittest.TestCase):
    ORDERS = 3000

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="signet-report-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.small = cls.make("small", cls.ORDERS)
        done = cls.report("small", "page.html")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        cls.page = cls.folder / "page.html"
        cls.text = Text(cls.page.read_text())

    @classmethod
    def make(cls, name, orders):
        store = cls.folder / name
        store.mkdir()
        (cls.folder / f"{name}.conf").write_text(f"[acme]\nurl = https://acme.example.org/<x>&\n[store]\ndirectory = {store}\n")
        return Filled(store, orders) if orders is not None else None

    @classmethod
    def report(cls, name, output, *options):
        """At NOW: another day may begin meanwhile."""
        clock = {"LD_PRELOAD": preload("signetctl"), "FAKETIME": f"{NOW / SECOND - time.time():.3f}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return subprocess.run([BUILD / "signetctl", "report", "--config", cls.folder / f"{name}.conf", "--output",
                               cls.folder / output, *options], capture_output=True, text=True, env={**os.environ, **clock})

    def table(self, *head):
        found = [table for table in self.text.tables if table[0] == list(head)]
        self.assertEqual(len(found), 1, head)
        return found[0][1:]

    # --- numbers

    def test_orders(self):
        table = self.table("", "issued", "failed", "open")
        self.assertEqual([day for day, *_ in table], [
            datetime.datetime.utcfromtimestamp((FROM - DAY + number * DAY) / 1000).strftime("%Y-%m-%d")
            for number in range(len(table))])
        for day, *counts in table:
            at = int(datetime.datetime.fromisoformat(day + "T00:00:00+00:00").timestamp() * 1000)
            self.assertEqual([int(count) for count in counts],
                             [self.small.days[at, status] for status in ("valid", "invalid", "pending")], day)

    def bars(self, head, *, having):
        tables = [dict(rows[1:]) for rows in self.text.tables if rows[0] == [head, "count"]]
        found = [table for table in tables if having in table]
        self.assertEqual(len(found), 1, tables)
        return {text: int(count) for text, count in found[0].items()}

    def test_failures(self):
        found = self.bars("reason", having="other")
        self.assertEqual(found, {words: self.small.count[words] for words in FAILURES})
        self.assertEqual(list(found.values()), sorted(found.values(), reverse=True))
        self.assertEqual(self.bars("rule", having="dkim"), self.small.rules)

    def test_revocations(self):
        self.assertEqual(self.bars("reason", having="superseded"), self.small.reasons)
        self.assertEqual(sum(int(count) for _, count in self.table("", "revoked")), sum(self.small.reasons.values()))

    def test_ends(self):
        table = self.table("", "in use", "revoked")
        self.assertEqual(len(table), 53)
        self.assertEqual(sum(int(row[1]) for row in table), self.small.count["ends"])
        self.assertEqual(sum(int(row[1]) for row in table[:4]), self.small.count["ends soon"])

    def test_delays(self):
        waits = sorted(self.small.replies)
        classes = {"under 1 second": 0, "1 to 10 seconds": 1, "10 to 60 seconds": 10, "1 to 10 minutes": 60,
                   "10 to 60 minutes": 600, "1 to 6 hours": 3600, "6 hours or longer": 21600}
        starts = [*list(classes.values())[1:], float("inf")]
        wanted = {name: sum(start <= wait / SECOND < end for wait in waits)
                  for (name, start), end in zip(classes.items(), starts)}
        tables = [{name: int(count) for name, count in rows[1:]} for rows in self.text.tables if rows[0] == ["time", "count"]]
        self.assertEqual(len(tables), 3)
        self.assertEqual(tables[1], wanted)
        self.assertEqual(tables[0]["1 to 10 seconds"], len(waits))
        half = waits[(len(waits) - 1) // 2] // SECOND // 60
        self.assertIn(f"Half within {half} min", self.text.words)

    def test_span(self):
        day = datetime.datetime.utcfromtimestamp(FROM / 1000 + 86400).strftime("%Y-%m-%d")
        done = self.report("small", "day.html", "--from", day, "--to", day + "T05:30:00Z")
        self.assertEqual(done.returncode, 0, done.stderr)
        table = next(table for table in Text((self.folder / "day.html").read_text()).tables if "issued" in table[0])
        self.assertEqual([row[0] for row in table[1:]], [f"{day} {hour:02}:00" for hour in range(6)])

    # --- the command

    def test_mistakes(self):
        for options, words in ((("--from", "yesterday"), "is no time like"), (("--to", "2026-13-01"), "is no time like"),
                               (("--from", "2026-02-01", "--to", "2026-01-01"), "must be before"),
                               (("--nonsense",), "Unknown option"), (("more",), "takes no arguments")):
            done = self.report("small", "never.html", *options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn(words, done.stderr)
        done = subprocess.run([BUILD / "signetctl", "report"], capture_output=True, text=True)
        self.assertEqual((done.returncode, "--output" in done.stderr), (2, True))
        (self.folder / "none.conf").write_text(f"[store]\ndirectory = {self.folder}/nowhere\n")
        for name, words in (("none", "there is no store yet"), ("absent", "absent.conf")):
            done = self.report(name, "never.html")
            self.assertEqual(done.returncode, 1, name)
            self.assertIn("no report was written", done.stderr)
        self.assertFalse((self.folder / "never.html").exists())
        done = self.report("small", "no/such/folder.html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file or directory", done.stderr)

    def test_again(self):
        """The page is replaced whole; the store is not touched."""
        store = self.folder / "small/signet.db"
        before = store.read_bytes()
        (self.folder / "again.html").write_text("x" * 1000000)
        self.assertEqual(self.report("small", "again.html").returncode, 0)
        self.assertTrue((self.folder / "again.html").read_text().endswith("</html>\n"))
        self.assertEqual(store.read_bytes(), before)
        self.assertEqual(stat.S_IMODE((self.folder / "again.html").stat().st_mode) & 0o133, 0)

    def test_empty(self):
        self.make("empty", 0)
        self.assertEqual(self.report("empty", "empty.html").returncode, 0)
        text = Text((self.folder / "empty.html").read_text())
        for words in ("No order failed.", "Every reply was taken.", "No replies were found right.", "No certificate was revoked."):
            self.assertIn(words, text.words)
        self.assertEqual(text.tables, [])

    def test_large(self):
        """100,000 orders are a matter of seconds; how far it is is said."""
        large = self.make("large", 100000)
        begun = time.monotonic()
        done = self.report("large", "large.html", "--progress")
        print(f"# 100,000 orders: {time.monotonic() - begun:.1f} s", flush=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"\Asignetctl report: (orders|mails|certificates): \d+\n")
        self.text = Text((self.folder / "large.html").read_text())
        self.assertEqual(self.bars("reason", having="other"), {words: large.count[words] for words in FAILURES})
        self.assertLess((self.folder / "large.html").stat().st_size, 200000)

    # --- the page

    def test_stands_alone(self):
        """Nothing is fetched, nothing runs, and what came from outside is text."""
        page = self.page.read_text()
        self.assertEqual({"script", "link", "img", "iframe", "object", "base", "form", "b2"} & set(self.text.elements), set())
        self.assertEqual({name for name in self.text.attributes if name.startswith("on") or name in ("href", "src", "style")},
                         set())
        self.assertEqual(re.findall(r"url\(|@import|javascript:|<script", page), [])
        self.assertIn(RULES[3], self.text.words)
        self.assertIn("https://acme.example.org/<x>&", self.text.words)
        self.assertNotIn("@user.test", page)

    def test_drawings(self):
        """Well-formed, within their frames, each with a table; as high as the numbers say."""
        drawings = re.findall(r"<svg.*?</svg>", self.page.read_text(), re.S)
        for drawing in drawings:
            root = xml.etree.ElementTree.fromstring(drawing)
            width, height = map(float, root.get("viewBox").split()[2:])
            for rect in root.iter("rect"):
                x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
                self.assertLessEqual(x + float(rect.get("width")), width + 0.01)
                self.assertLessEqual(y + float(rect.get("height")), height + 0.02)
        orders = next(xml.etree.ElementTree.fromstring(drawing) for drawing in drawings if "Orders by the time" in drawing)
        rows = [[int(count) for count in row[1:]] for row in self.table("", "issued", "failed", "open")]
        most = max(map(sum, rows))
        for row, group in zip(rows, orders.iter("g"), strict=True):
            heights = {rect.get("class"): float(rect.get("height")) for rect in group.iter("rect")}
            for number, count in enumerate(row):
                self.assertAlmostEqual(heights.get(f"s{number}", 0), 100 * count / most, delta=0.01)
        self.assertEqual(self.text.elements["figure"], len(self.text.tables))

    def test_in_a_browser(self):
        pictures = pathlib.Path(os.environ.get("SIGNET_PICTURES") or self.folder)
        with Browser(self.folder) as browser:
            for width in (360, 1280):
                for dark in (False, True):
                    with self.subTest(width=width, dark=dark):
                        page = browser.open(self.page, width, dark=dark)
                        page.screenshot(pictures / f"report-{width}{'-dark' if dark else ''}.png")
                        self.look(page, width, dark)

    def look(self, page, width, dark):
        root = "document.scrollingElement"
        self.assertEqual(page.value("innerWidth"), width)
        for opened in (False, True):
            page.value(f"document.querySelectorAll('details').forEach(d => d.open = {str(opened).lower()})")
            self.assertLessEqual(page.value(f"{root}.scrollWidth"), width)
            self.assertEqual(page.value("[...document.querySelectorAll('body *')].filter(e => !e.closest('.table') && "
                                        f"e.getBoundingClientRect().right > {width}).length"), 0)
        sizes = page.value("[...document.querySelectorAll('p,li,span,th,td,h2,h3,summary,.most')]"
                           ".map(e => parseFloat(getComputedStyle(e).fontSize))")
        self.assertGreaterEqual(min(sizes), 12)
        self.assertGreater(page.value("document.querySelector('svg.columns').getBoundingClientRect().height"), 100)
        self.assertGreater(page.value("document.querySelector('svg.columns').getBoundingClientRect().width"), width * 0.7)
        background, text = (re.findall(r"\d+", page.value(f"getComputedStyle(document.body).{name}"))
                            for name in ("backgroundColor", "color"))
        self.assertEqual(int(background[0]) < 128, dark)
        self.assertGreater(abs(int(background[0]) - int(text[0])), 150)
        self.assertEqual(page.events("Log.entryAdded"), [])
        self.assertEqual([event["request"]["url"] for event in page.events("Network.requestWillBeSent")],
                         [self.page.as_uri()])


if __name__ == "__main__":
    unittest.main()
