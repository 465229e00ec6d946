# SPDX-License-Identifier: Apache-2.0
"""What docs/ says about the code is so: functions and tests that are named exist, docs/acme.md leaves nothing empty, the
table of configuration keys is that of signetd --keys, the man pages name exactly the options of --help, links lead
somewhere."""

import math
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCS = SOURCE / "docs"
BUILD = pathlib.Path(os.environ.get("SIGNET_BUILD", SOURCE / "build/release"))
FOLDERS = "base|store|mime|smtp|ca|acme|client|daemon|tests|docs|docker|scripts|packaging"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]+\.\w+)(?::(/?[\w/-]+))?`")
ROWS = {"CA": [str(n) for n in range(1, 19)] + ["18a"] + [str(n) for n in range(19, 35)],
        "Interoperation": [str(n) for n in range(1, 34)], "Security": [str(n) for n in range(1, 25)]}

# The sections 6 and 7 of RFC 8555 that have text of their own.
RFC_8555 = """6.1 6.2 6.3 6.4 6.4.1 6.5 6.5.1 6.5.2 6.6 6.7 6.7.1 7.1 7.1.1 7.1.2 7.1.2.1 7.1.3 7.1.4 7.1.5 7.1.6 7.2 7.3
7.3.1 7.3.2 7.3.3 7.3.4 7.3.5 7.3.6 7.4 7.4.1 7.4.2 7.5 7.5.1 7.5.2 7.6""".split()


def run(program, *arguments):
    done = subprocess.run([BUILD / program, *arguments], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.stdout


def defines(path, name):
    """Whether a file has a C function or table, a Python function, or a test path of that name, which may be
    written in two parts: a macro holds the first."""
    text = path.read_text()
    if name.startswith("/"):
        return f'"{name}"' in text or any(f'"{name[:at]}" ' in text and f'"{name[at:]}"' in text
                                          for at in range(1, len(name)) if name[at - 1] == "/")
    if path.suffix == ".py":
        return re.search(rf"^\s*def {name}\(", text, re.M) is not None
    return re.search(rf"^(?!return\b)\w[\w\s*]*?[\s*]{name}(\(|\[\] =)", text, re.M) is not None


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


class Names(unittest.TestCase):
    def test_what_is_named_exists(self):
        wrong, seen = [], 0
        for page in [*DOCS.rglob("*.md"), SOURCE / "README.md", SOURCE / "CHANGELOG.md"]:
            for path, name in NAMED.findall(page.read_text()):
                seen += 1
                file = SOURCE / path
                if not file.is_file() or name and not defines(file, name):
                    wrong.append(f"{page.name}: {path}{':' + name if name else ''}")
        self.assertEqual(wrong, [])
        self.assertGreater(seen, 200)

    def test_links(self):
        wrong = []
        for page in [*DOCS.rglob("*.md"), SOURCE / "README.md", SOURCE / "CHANGELOG.md"]:
            for link in re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
                if not (page.parent / link).exists():
                    wrong.append(f"{page.name}: {link}")
        self.assertEqual(wrong, [])


class Map(unittest.TestCase):
    def setUp(self):
        self.sections = re.split(r"^## ", (DOCS / "map.md").read_text(), flags=re.M)

    def test_every_rule_has_a_row(self):
        for title, numbers in ROWS.items():
            section = next(text for text in self.sections if text.startswith(title))
            rows = [cells(line) for line in section.splitlines() if re.match(r"\| \d", line)]
            self.assertEqual([row[0] for row in rows], numbers, title)
            for row in rows:
                self.assertEqual(len(row), 4, row)
                self.assertTrue("not yet" in row[2] + row[3] or "`" in row[2] or row[2].startswith("as "), row)

    def test_every_lint_rule_has_a_row(self):
        section = next(text for text in self.sections if text.startswith("Certificate profile"))
        rows = re.findall(r"^\| ([a-z-]+) \| .+? \| (.+?) \| `ca/lint_\w+\.c:(lint_\w+)` \|$", section, re.M)
        table = re.findall(r'\{"([a-z-]+)", "([^"]+)", [A-Z_ |]+,\s+(lint_\w+)\}', (SOURCE / "ca/lint.c").read_text())
        self.assertEqual(rows, table)


class Acme(unittest.TestCase):
    def setUp(self):
        self.sections = re.split(r"^## ", (DOCS / "acme.md").read_text(), flags=re.M)[1:]

    def tables(self, section):
        """The rows of each table in a section, the head first."""
        runs = re.findall(r"(?:^\|.*\n)+", section, re.M)
        return [[cells(line) for line in run.splitlines() if not line.startswith("|---")] for run in runs]

    def test_no_cell_is_empty(self):
        rows = 0
        for section in self.sections:
            for head, *table in self.tables(section):
                self.assertGreater(len(table), 0, head)
                for row in [head] + table:
                    self.assertEqual((len(row), "" in row), (len(head), False), row)
                rows += len(table)
        self.assertGreater(rows, 50)

    def test_every_section_of_rfc_8555(self):
        """From 6.1 to 7.6 each has a table of its own; every row names code or says why there is none, and a test or
        why there is none."""
        section = next(text for text in self.sections if text.startswith("RFC 8555\n"))
        parts = re.findall(r"^### ([\d.]+) .+\n((?:(?!###).*\n)*)", section, re.M)
        numbers = [number for number, _ in parts]
        self.assertEqual(numbers, sorted(numbers, key=lambda number: [int(part) for part in number.split(".")]))
        self.assertEqual([number for number in numbers if number[0] in "67"], RFC_8555)
        for number, text in parts:
            (head, *table), = self.tables(text)
            self.assertEqual(head, ["section", "requirement", "code", "test"])
            for row in table:
                self.assertEqual(row[0], number)
                self.assertRegex(row[2], r"`\w+/\S+\.\w+:\w+`|^does not apply: |^differs: |^not yet ", row)
                self.assertRegex(row[3], r"`tests/\S+:\S+`|^–: \S", row)


class Configuration(unittest.TestCase):
    def keys(self, *options):
        """(group, key, default, meaning) as signetd prints them; default None: needed."""
        found, group, meaning = [], None, None
        for line in run("signetd", "--keys", *options).splitlines():
            if line.startswith("["):
                group = line.strip("[]")
            elif line.startswith("# "):
                meaning = line[2:]
            elif " =" in line:
                key, value = line.lstrip("#").split(" =", 1)
                found.append((group, key, value.strip() if line.startswith("#") else None, meaning))
        return found

    def test_table(self):
        group, table = None, []
        for line in (DOCS / "configuration.md").read_text().splitlines():
            if line.startswith("## ["):
                group = line[4:-1]
            elif group and line.startswith("| `"):
                key, default, _, meaning = cells(line)
                default = {"*needed*": None, "*empty*": ""}.get(default, default.strip("`"))
                table.append((group, key.strip("`"), default, meaning))
        self.assertEqual(table, self.keys())

    def test_presets_of_test_mode(self):
        usual = {entry[:2]: entry for entry in self.keys()}
        printed = {entry[1]: entry[2] for entry in self.keys("--test-mode") if entry[0] == "test"}
        other = [entry for entry in self.keys("--test-mode") if entry != usual[entry[:2]] and entry[0] != "test"]
        section = (DOCS / "configuration.md").read_text().split("## [test]")[1].split("## [")[0]
        rows = [cells(line) for line in section.splitlines() if line.startswith("| `")]
        table = {row[0].strip("`"): row[2].split("; ")[1].strip("`").replace("*empty*", "") for row in rows}
        section = (DOCS / "man/signet.conf.5.md").read_text().split("## [test]")[1].split("## [")[0]
        page = dict(re.findall(r"^`([\w-]+)`\n: .* In test mode: (?:empty|`(.*?)`)\.", section, re.M))
        self.assertEqual((table, page, other), (printed, printed, []))

    def ranges(self):
        """(group, key) -> (least, greatest), as the table in the code has them."""
        units = {"CLOCK_SECOND": 1000, "CLOCK_MINUTE": 60000, "CLOCK_HOUR": 3600000, "CLOCK_DAY": 86400000}
        found = {}
        for group, key, low, high in re.findall(
                r'\{"(\w+)", "([\w-]+)", CONFIG_(?:INTEGER|DURATION|SIZE), "[^"]*", ([^,]+), ([^,]+),',
                (SOURCE / "base/config_keys.c").read_text()):
            found[group, key] = tuple(
                math.prod(units[word] if word in units else int(word) for word in bound.split(" * "))
                for bound in (low, high))
        return found

    def test_ranges(self):
        units = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000, "k": 1024, "": 1}
        group, table = None, {}
        for line in (DOCS / "configuration.md").read_text().splitlines():
            if line.startswith("## ["):
                group = line[4:-1]
            bounds = re.fullmatch(r"\| `([\w-]+)` \| .* \| \w+, (\d+)(\w*) to (\d+)(\w*)(?:; .*)? \| .*", line)
            if bounds:
                key, low, low_unit, high, high_unit = bounds.groups()
                table[group.split()[0], key] = int(low) * units[low_unit], int(high) * units[high_unit]
        self.assertEqual(table, self.ranges())

    def test_man_page(self):
        group, table = None, []
        text = (DOCS / "man/signet.conf.5.md").read_text().split("## EXAMPLE")[0]
        for line in re.findall(r"^## \[[\w ]+\]$|^`[\w-]+`\n: .*$", text, re.M):
            if line.startswith("## "):
                group = line[4:-1]
                continue
            key, rest = line.split("\n:   ")
            default = re.search(r"(Needed|Default: (?:empty|`(.*)`))\.$", rest)
            table.append((group, key.strip("`"), default[2] or ("" if "empty" in default[1] else None)))
            meaning = next(entry[3] for entry in self.keys() if entry[:2] == (group, key.strip("`")))
            self.assertTrue(rest.startswith(meaning + "."), rest)
        self.assertEqual(table, [entry[:3] for entry in self.keys()])


class ManPages(unittest.TestCase):
    OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z0-9-]*)")

    def help(self, program, *words):
        lines = [line for line in run(program, *words, "--help").splitlines() if re.match(r"\s+-", line)]
        return {option for line in lines for option in self.OPTION.findall(re.split(r"\s{2,}", line.strip())[0])}

    def page(self, name, *titles):
        """The options defined in a page, or in its sections of these titles: lines that begin with one."""
        sections = re.split(r"^##+ ", (DOCS / "man" / name).read_text(), flags=re.M)[1:]
        chosen = [text for text in sections if not titles or text.split("\n", 1)[0] in titles]
        self.assertTrue(chosen, titles)
        lines = [line for text in chosen for line in re.findall(r"^`-.*\n(?=:)", text, re.M)]
        return {option for line in lines for term in re.findall(r"`([^`]+)`", line)
                for option in self.OPTION.findall(term)[:1]}

    def test_signetd(self):
        self.assertEqual(self.page("signetd.8.md", "OPTIONS"), self.help("signetd"))

    def test_signetctl(self):
        text = (DOCS / "man/signetctl.8.md").read_text()
        commands = [tuple(filter(None, map(str.strip, columns))) for columns in
                    re.findall(r"^  ([a-z]+ *)(?<=^.{13}) (.{10}) ", run("signetctl", "--help"), re.M)]
        self.assertEqual(re.findall(r"^## ([a-z]+(?: [a-z]+)?)$", text, re.M), [" ".join(words) for words in commands])
        for words in commands:
            self.assertEqual(self.page("signetctl.8.md", " ".join(words)), self.help("signetctl", *words), words)

    def test_signet(self):
        usual, proofs = {"-h", "--help"}, ("Server", "Account", "Mail")
        sections = {
            "request": ("request", "Certificate", *proofs), "renew": ("renew", "Certificate", *proofs),
            "revoke": ("revoke", *proofs), "account show": ("Server",),
            "account update": ("account update", "Server"), "account rollover": ("account rollover", "Server"),
            "account deactivate": ("account deactivate", "Server")}
        for command, titles in sections.items():
            self.assertEqual(self.page("signet.1.md", *titles) | usual, self.help("signet", *command.split()), command)
        shown = re.findall(r"^signet ([a-z-]+) ", run("signet", "--help"), re.M)
        self.assertEqual(shown, ["request", "renew", "revoke", "account", "export", "import-help"])
        self.assertEqual(self.help("signet", "export") - usual,
                         {"--key", "-o", "--output", "--p12-password-file", "--p12", "--for"})
        for command in shown:
            self.assertIn(f"signet {command} ", run("signet", *command.split(), "--help") + "\n", command)


if __name__ == "__main__":
    unittest.main()
