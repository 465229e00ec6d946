# SPDX-License-Identifier: Apache-2.0
"""The layers of docs/design.md hold: no include runs upwards, or sideways between store, mime, smtp and ca;
and each library is spoken to only where it has its place."""

import pathlib
import re
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("base", "store", "mime", "smtp", "ca", "acme", "client", "daemon")

_MIDDLE = ("store", "mime", "smtp", "ca")
# What a folder may include, beside itself.
BELOW = {"base": (), **{folder: ("base",) for folder in _MIDDLE}, "acme": ("base", *_MIDDLE),
         "client": ("base", *_MIDDLE, "acme"), "daemon": ("base", *_MIDDLE, "acme")}

# Files and folders (ending in "/") that may include a library's headers.
HOMES = {
    "sqlite3": ("store/sqlite.c", "store/sqlite_copy.c"),
    "libpq": ("store/postgres.c", "store/postgres_link.c", "store/postgres_pipe.c", "store/postgres_pipe.h"),
    "unbound": ("base/resolver.c",),
    "idn2": ("base/mailbox.c",),
    "libpsl": ("mime/dmarc.c",),
    "libesmtp": ("smtp/sender_esmtp.c",),
    "gmime": ("mime/", "client/signet_main.c"),  # there g_mime_init alone
    "jansson": ("acme/", "client/", "daemon/ctl_", "daemon/backup_file.c", "daemon/role_linter"),
    "curl": ("client/", "smtp/sender_curl.c", "base/doh.c", "daemon/ctl_probe.c"),
    "ldns": ("base/doh_message.c",),
    "event2/http": ("acme/http_front",),
    "event2": ("base/channel", "base/stream_write", "base/resolver", "base/doh", "smtp/server", "acme/http_front",
               "client/mail_listen.c", "client/gateway", "daemon/"),
    "openssl": ("base/public_key", "base/sha256", "mime/", "smtp/server", "ca/", "acme/", "client/", "daemon/"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
# The functions by which gmime would read a whole message: never on a stranger's (docs/dependencies.md).
GMIME_PARSER = re.compile(r"\b(g_mime_parser_(?:new|construct)\w*|g_mime_message_new\w*)\s*\(")


def sources():
    for folder in FOLDERS:
        for path in sorted((SOURCE / folder).glob("*.[ch]")):
            yield folder, path.relative_to(SOURCE).as_posix(), path.read_text()


def includes():
    for folder, path, text in sources():
        for quote, name in INCLUDE.findall(text):
            yield folder, path, quote, name


class Layers(unittest.TestCase):
    def test_there_is_something_to_look_at(self):
        self.assertGreater(len(list(sources())), 100)
        self.assertEqual({folder for folder, _, _ in sources()}, set(FOLDERS))

    def test_no_include_runs_against_the_layers(self):
        wrong = []
        for folder, path, quote, name in includes():
            target = name.split("/")[0]
            if quote == '"' and target not in (folder, *BELOW[folder]):
                wrong.append(f"{path} includes {name}")
        self.assertEqual(wrong, [])

    def test_own_headers_are_named_by_folder(self):
        """So that the layer of every include can be seen."""
        wrong = [f"{path}: {name}" for _, path, quote, name in includes()
                 if quote == '"' and not (SOURCE / name).is_file()]
        self.assertEqual(wrong, [])

    def test_libraries_stay_where_they_belong(self):
        wrong = []
        for _, path, quote, name in includes():
            library = next((library for library in HOMES if name.startswith(library)), None)
            if quote == "<" and library and not path.startswith(HOMES[library]):
                wrong.append(f"{path} includes {name}")
        self.assertEqual(wrong, [])

    def test_gmime_never_parses_a_message(self):
        wrong = [f"{path}: {call}" for _, path, text in sources() for call in GMIME_PARSER.findall(text)]
        self.assertEqual(wrong, [])

    def test_every_file_names_its_licence(self):
        wrong = [path for _, path, text in sources() if "SPDX-License-Identifier: Apache-2.0" not in text[:200]]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
