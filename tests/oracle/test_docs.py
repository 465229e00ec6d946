# SPDX-License-Identifier: Apache-2.0
"""What docs/ says about the code is so: functions and tests that are named exist, docs/acme.md leaves nothing empty, the
table of configuration keys is that of signetd --keys, the man pages name exactly the options of --help, links lead
somewhere."""

import functools
import math
import os
import pathlib
import re
import shlex
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


class Command:
    """One command as its program tells of it, and as its manual page does. words: the program first."""

    OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z0-9-]*)")
    PAGES = {"signetd": "signetd.8.md", "signetctl": "signetctl.8.md", "signet": "signet.1.md"}

    def __init__(self, *words):
        self.words, self.name = words, " ".join(words)
        self.text = run(words[0], *words[1:], "--help")
        self.page = (DOCS / "man" / self.PAGES[words[0]]).read_text()

    def meanings(self):
        """{option: what --help says of it}"""
        rows = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in self.text.splitlines() if re.match(r"\s+-", line)]
        return {option: row[-1] for row in rows for option in self.OPTION.findall(row[0])}

    def examples(self):
        return re.findall(r"^  (\S.*)", self.text.partition("\nExample:\n")[2], re.M)

    def section(self, title):
        """{option: what a section of the page, which may not be there, says of it}"""
        found = re.search(rf"^##+ {re.escape(title)}\n((?:(?!##+ ).*\n)*)", self.page, re.M)
        return {option: meaning for terms, meaning in re.findall(r"^(`-.*)\n:   (.*(?:\n    .*)*)", found[1] if found else "", re.M)
                for term in re.findall(r"`([^`]+)`", terms) for option in self.OPTION.findall(term)[:1]}

    def on_page(self):
        """The options that the page has for it: those of its own section, of signet those of the sections that it takes whole, too."""
        own = self.section("OPTIONS" if self.words == ("signetd",) else " ".join(self.words[1:]))
        if self.words[0] != "signet":
            return own
        shared = map(self.section, ("Server", "Account", "Mail", "Certificate"))
        found = {"-h": "", "--help": ""} if self.meanings() else {}
        for section in shared:
            if section.keys() <= self.meanings().keys():
                found.update(section)
        return {**found, **own}


@functools.cache
def commands():
    """All of them, from the tables that the programs print."""
    table = re.findall(r"^  ([a-z]+) +(?<=^.{14})([a-z]*) ", run("signetctl", "--help"), re.M)
    found = [("signetctl", *filter(None, row)) for row in table]
    for noun, verbs in re.findall(r"^signet ([a-z][a-z-]*)(?: ([a-z|]+))?", run("signet", "--help"), re.M):
        found += [("signet", noun, verb) for verb in verbs.split("|")] if "|" in verbs else [("signet", noun)]
    at = found.index(("signet", "gateway")) + 1
    found[at:at] = [("signet", "gateway", "status")]  # its noun has a form without a verb
    return {words: Command(*words) for words in [("signetd",), *found]}


class Commands(unittest.TestCase):
    """Every command of the three programs, now and later: what it says of itself, and what the pages say of it."""

    def test_they_are_found(self):
        for words in [("signetctl", "ca", "init"), ("signetctl", "ca", "transcript"), ("signetctl", "status"), ("signet", "request"),
                      ("signet", "account", "show"), ("signet", "import-help"), ("signetd",)]:
            self.assertIn(words, commands())
        self.assertGreater(len(commands()), 50)

    def fails(self, *words):
        """What it ends with, and its only line on standard error."""
        done = subprocess.run([BUILD / words[0], *words[1:]], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1), words)
        return done.returncode, done.stderr

    def test_help(self):
        """It says how it is called and, in a sentence, what it does, and needs no more than that."""
        for command in commands().values():
            with self.subTest(command.name):
                usage, text = re.match(r"Usage:\n  (.*)\n\n((?:.+\n)+)", command.text).groups()
                self.assertTrue(usage.startswith(command.name), usage)
                self.assertRegex(text, r"(?s)^[A-Z].*\.\n$")

    def test_wrong_use(self):
        for command in commands().values():
            with self.subTest(command.name):
                status, said = self.fails(*command.words, "--no-such-option")
                self.assertEqual(status, 64 if "64 wrong use" in command.text else 2)
                self.assertIn(f"{command.name} --help", said)
        for words in [(program, *more) for program in ("signetctl", "signet") for more in ((), ("nonsense",))] + [
                ("signetctl", "ca"), ("signetctl", "ca", "nonsense"), ("signet", "account"), ("signet", "account", "nonsense")]:
            status, said = self.fails(*words)
            self.assertEqual(status, 2, words)
            self.assertRegex(said, rf"{words[0]}( account)? --help", words)

    def test_commands_of_a_noun(self):
        for noun in {words[1] for words in commands() if words[0] == "signetctl" and len(words) == 3}:
            said = run("signetctl", noun, "--help")
            self.assertEqual(re.findall(r"^  ([a-z]+) +([a-z]+) ", said, re.M), [words[1:] for words in commands() if words[1:2] == (noun,) and
                                                                                  words[0] == "signetctl"])

    def test_options(self):
        for command in commands().values():
            with self.subTest(command.name):
                self.assertEqual(command.on_page().keys(), command.meanings().keys())

    def test_no_option_is_left_over(self):
        """What the page of signet tells of options in common is taken by some command."""
        taken = set().union(*(command.meanings() for words, command in commands().items() if words[0] == "signet"))
        for title in ("Server", "Account", "Mail", "Certificate"):
            section = commands()["signet", "request"].section(title)
            self.assertTrue(section)
            self.assertLessEqual(section.keys(), taken)

    def test_defaults(self):
        """What is needed, and what holds when an option is not given, stands in --help as it does on the page."""
        for command in commands().values():
            for option, told in command.on_page().items():
                meaning = command.meanings()[option].lower()
                told = re.sub(r"\s+", " ", told)
                default = re.search(r"Default: `?([\w./-]+)`?\.", told) or re.search(r"`([\w-]+)` \(default\)", told)
                with self.subTest(f"{command.name} {option}"):
                    if re.search(r"Needed\b", told):
                        self.assertIn("needed", meaning)
                    elif default and default[1] not in ("none", "all"):
                        self.assertIn(default[1].lower(), meaning)

    def test_signetctl_sections(self):
        """One for each command, in the order of the table."""
        titles = re.findall(r"^## ([a-z]+(?: [a-z]+)?)$", (DOCS / "man/signetctl.8.md").read_text(), re.M)
        self.assertEqual(titles, [" ".join(words[1:]) for words in commands() if words[0] == "signetctl"])

    def test_sections(self):
        for page in Command.PAGES.values():
            titles = re.findall(r"^## (.*)", (DOCS / "man" / page).read_text(), re.M)
            self.assertEqual((titles[:3], titles[-1]), (["NAME", "SYNOPSIS", "DESCRIPTION"], "SEE ALSO"), page)
            self.assertLessEqual({"EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"}, set(titles), page)
        for words, command in commands().items():
            synopsis = command.page.split("## SYNOPSIS")[1].split("## ")[0]
            self.assertRegex(synopsis, rf"(?m)^    {' '.join(words[:2])} ", command.name)

    def test_examples(self):
        """Those of --help are on the page, whose code has no command or option that there is not."""
        for command in commands().values():
            for line in command.examples():
                self.assertTrue(line.startswith(command.name), line)
                self.assertIn(f"    {line}\n", command.page)
        self.assertGreater(sum(len(command.examples()) for command in commands().values()), 40)


class CommandsInText(unittest.TestCase):
    """Every command in a block of code, anywhere in docs/."""

    # What SYNOPSIS and unit files have in their place.
    OPEN = re.compile(r"[{}\[\]|]|\.\.\.|\bCOMMAND\b")

    def blocks(self, page):
        text = re.sub(r"^```.*\n((?:.*\n)*?)```\n", lambda block: re.sub(r"(?m)^", "    ", block[1]), page.read_text(), flags=re.M)
        return re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.M)

    def lines(self):
        for page in [*DOCS.rglob("*.md"), SOURCE / "README.md"]:
            for block in self.blocks(page):
                for line in re.sub(r"\\\n\s*", "", block).splitlines():
                    call = re.match(r"    (?:[$#] )?(?:sudo (?:-u \w+ )?)?((?:signetd|signetctl|signet) .*)", line)
                    if call and not self.OPEN.search(call[1]):
                        yield page.name, call[1]

    def test_they_exist(self):
        seen, wrong = 0, []
        for page, line in self.lines():
            words = shlex.split(line, comments=True)
            if words[1:] in (["--version"], ["--help"]):
                continue
            command = next((commands()[tuple(words[:count])] for count in (3, 2, 1) if tuple(words[:count]) in commands()), None)
            options = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
            if command is None or options - command.meanings().keys():
                wrong.append(f"{page}: {line}")
            seen += 1
        self.assertEqual(wrong, [])
        self.assertGreater(seen, 100)


def literals(*folders):
    """The texts in the C sources of folders, each put together from its parts; what a format fills in is "...". """
    found = []
    for path in (path for folder in folders for path in (SOURCE / folder).glob("*.c")):
        code = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
        code = re.sub(r"^#.*?(?<!\\)$", "", code, flags=re.M | re.S)
        code = re.sub(r'"\s*(?:[A-Z]\w+\s*)?"', "", re.sub(r'"(\s*)PRI\w+(\s*)"|"(\s*)G_G\w+_FORMAT(\s*)"', "d", code))
        for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', code):
            text = re.sub(r"%%|%[-.*0-9]*(?:l*[dusx]|c|%)", lambda place: "%" if place[0] == "%%" else "...", text)
            found.append(text.replace('\\"', '"').replace("\\n", " "))
    return found


class Troubleshooting(unittest.TestCase):
    """What docs/troubleshooting.md quotes is said by the programs, and every warning and error of the log has a row."""

    FOLDERS = "base", "store", "mime", "smtp", "ca", "acme", "daemon", "client"

    def setUp(self):
        self.text = (DOCS / "troubleshooting.md").read_text()
        self.rows = [cells(line) for line in self.text.splitlines() if line.startswith("| ")]

    def test_rows(self):
        for row in self.rows:
            self.assertEqual((len(row), "" in row), (3, False), row)
        self.assertGreater(len(self.rows), 100)

    def test_what_is_quoted_is_said(self):
        said = "\n".join(literals(*self.FOLDERS))
        seen, wrong = 0, []
        for row in self.rows:
            for quoted in re.findall(r"`([^`]+)`", row[1]):
                if quoted.split()[0] in ("signet", "signetd", "signetctl", "journalctl", "systemctl", "order"):
                    continue
                seen += 1
                for part in filter(None, quoted.split("...")):
                    if part.strip(" .;:,()") and part.strip() not in said:
                        wrong.append((quoted, part))
        self.assertEqual(wrong, [])
        self.assertGreater(seen, 150)

    def test_every_warning_and_error_of_the_log(self):
        calls = "".join((path.read_text()) for folder in self.FOLDERS for path in (SOURCE / folder).glob("*.c"))
        events = set(re.findall(r'log_(?:warning|error)\((?:[^";]*\? )?"([^"]+)"', calls)) | set(
            re.findall(r'log_(?:warning|error)\([^";]*\? "[^"]+" : "([^"]+)"', calls))
        self.assertGreater(len(events), 60)
        self.assertEqual({event for event in events if f"`{event}`" not in self.text}, set())

    def test_every_rule_and_every_type(self):
        rules = re.findall(r'\{"([a-z-]+)", rule_\w+\}', (SOURCE / "acme/judge.c").read_text())
        types = re.findall(r'^ +\[PROBLEM_\w+\] = \{"(\w+)"', (SOURCE / "acme/problem.c").read_text(), re.M)
        self.assertGreater(len(rules) + len(types), 30)
        self.assertEqual({name for name in rules + types if f"`{name}`" not in self.text}, set())

    def test_keys(self):
        """What is named as a key of the configuration is one, here and in the guides."""
        known = {entry[:2] for entry in Configuration().keys()}
        for page in [DOCS / "troubleshooting.md", *DOCS.glob("guide-*.md")]:
            for group, key in re.findall(r"`\[([a-z]+)\] ([a-z][\w-]*)\b", page.read_text()):
                self.assertIn((group, key), known, page.name)


if __name__ == "__main__":
    unittest.main()
