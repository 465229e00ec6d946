# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the installed package for tests: a temporary folder, a free loopback port, its own superuser
"postgres" and the role "signet", which may make databases. Nothing of the system's clusters is touched.

    with Postgres() as server:
        server.conninfo(database)      # for [store] postgresql and libpq
        with server.standby() as standby:
            server.kill()
            standby.promote()

As a program: python3 postgres.py COMMAND..., which finds the server in SIGNET_TEST_POSTGRES (a connection string to
which a dbname is added)."""

import contextlib
import fcntl
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ports import HOST, free_port

DEADLINE = 150
ADMIN = "postgres"  # also the system's user that runs it when root does the tests
OWNER = "signet"


class PostgresError(AssertionError):
    """The server did not do what it was asked."""


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise PostgresError(f"{name} is missing: scripts/packages test")
    return found[-1]


def as_user(*command):
    """The server refuses root. It ends when the test does."""
    user = ["--reuid", ADMIN, "--regid", ADMIN, "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "INT", *command]


def until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise PostgresError(f"{what}: not within {DEADLINE} s")
        time.sleep(0.02)


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def runs(pid):
    """Whether there is such a process; one that ended and that nobody has asked about is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def gone(pids):
    return not any(runs(pid) for pid in pids)


def kill_children(pid):
    """Of a server's first process, which is halted before, so that it puts no one in the place of those that die."""
    os.kill(pid, signal.SIGSTOP)
    for child in children(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def ask(conninfo, sql):
    run = subprocess.run([program("psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo, "-c", sql],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise PostgresError(f"{sql}: {run.stderr}")
    return run.stdout.strip()


def rows(conninfo, sql):
    """Rows of a store as tuples, octets as bytes."""
    def value(found):
        return bytes.fromhex(found[2:]) if isinstance(found, str) and found.startswith("\\x") else found

    found = ask(conninfo, f"SET search_path = signet; SELECT coalesce(json_agg(q), '[]') FROM ({sql}) q")
    return json.loads(found, object_pairs_hook=lambda row: tuple(value(each) for _, each in row))


def _initialize(data):
    subprocess.run(as_user(program("initdb"), "-D", data, "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C",
                            "--locale-provider=icu", "--icu-locale=en-US",  # orders otherwise than by octets
                            "--no-sync", "--no-instructions"), check=True, stdout=subprocess.DEVNULL)


class Postgres:
    """durable: with fsync, as in production. settings: further ones, name to value."""

    def __init__(self, durable=False, settings=None, _primary=None, _port=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signet-postgres-"))
        self.data = self.folder / "data"
        self.port = _port or free_port()
        self.durable = durable
        self.settings = dict(settings or {})
        self.process = None
        self.folder.chmod(0o755)
        if os.getuid() == 0:
            shutil.chown(self.folder, ADMIN, ADMIN)
        if _primary is None:
            self._make()
        else:
            _primary._copy_to(self)

    def __enter__(self):
        return self if self.process is not None else self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder)

    def _make(self):
        """A server that was made once before is copied, where there is a build folder to keep it in."""
        build = os.environ.get("SIGNET_BUILD")
        if build is None:
            _initialize(self.data)
            return
        kept = pathlib.Path(build) / "postgres-template"
        with open(f"{kept}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                _initialize(self.data)
                shutil.copytree(self.data, f"{kept}.new")
                os.rename(f"{kept}.new", kept)
                return
        subprocess.run(["cp", "-r", "--preserve=mode", kept, self.data], check=True)
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{ADMIN}:{ADMIN}", self.data], check=True)

    def _options(self):
        common = {"listen_addresses": HOST, "port": self.port, "unix_socket_directories": "", "max_connections": 100,
                  "fsync": "on" if self.durable else "off", "full_page_writes": "on" if self.durable else "off",
                  "wal_level": "replica", "max_wal_senders": 8, "hot_standby": "on", "shared_buffers": "32MB",
                  "log_line_prefix": "%m [%p] %a ", "logging_collector": "off", "deadlock_timeout": "100ms",
                  "autovacuum": "off", "max_wal_size": "256MB",
                  "wal_sender_timeout": "5s", "wal_receiver_timeout": "5s", "wal_retrieve_retry_interval": "100ms"}
        common.update(self.settings)
        return [word for name, value in common.items() for word in ("-c", f"{name}={value}")]

    # --- running ---

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(as_user(program("postgres"), "-D", self.data, *self._options()),
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                                            start_new_session=True)
        until(self._answers, "the database server starts")
        if not self.is_standby() and not self.query(f"SELECT 1 FROM pg_roles WHERE rolname = '{OWNER}'"):
            self.query(f"CREATE ROLE {OWNER} LOGIN CREATEDB")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise PostgresError(f"the database server ended: {self.log()[-2000:]}")
        asked = subprocess.run([program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port)], check=False)
        return asked.returncode == 0

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def _end(self, number):
        pids = children(self.process.pid)
        self.process.send_signal(number)
        self.process.wait(timeout=DEADLINE)
        self.process = None
        until(lambda: gone(pids), "its processes end")

    def stop(self):
        """In order; whoever is connected is thrown out."""
        if self.process is not None:
            self._end(signal.SIGINT)

    def kill(self):
        """As when the machine fails, but for what the kernel keeps."""
        kill_children(self.process.pid)
        self._end(signal.SIGKILL)

    # --- standbys ---

    def is_standby(self):
        return (self.data / "standby.signal").exists()

    def _copy_to(self, standby):
        subprocess.run(as_user(program("pg_basebackup"), "-h", HOST, "-p", str(self.port), "-U", ADMIN, "-D",
                                standby.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                                "-d", f"application_name=standby{standby.port}"), check=True)

    def standby(self, synchronous=True, port=None):
        """Another server that follows this one; port: that of one that is gone for good."""
        found = Postgres(self.durable, self.settings, _primary=self, _port=port).start()
        name = f"standby{found.port}"
        until(lambda: self.query(f"SELECT state FROM pg_stat_replication WHERE application_name = '{name}'")
               == "streaming", "the standby follows")
        if synchronous:
            self.query(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            self.query("SELECT pg_reload_conf()")
            until(lambda: self.query(f"SELECT sync_state FROM pg_stat_replication WHERE application_name = '{name}'")
                   == "sync", "the standby is synchronous")
        return found

    def promote(self):
        """Of a standby: it becomes a primary, without a standby of its own."""
        self.query("SELECT pg_promote(wait => true)")
        self.query("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.query("SELECT pg_reload_conf()")

    # --- speaking to it ---

    def conninfo(self, database=None, user=OWNER):
        return f"host={HOST} port={self.port} user={user}" + (f" dbname={database}" if database else "")

    def query(self, sql, database="postgres"):
        """As the superuser; rows as lines, columns separated by "|"."""
        return ask(self.conninfo(database, ADMIN), sql)

    def make_database(self, name):
        self.query(f"CREATE DATABASE {name} OWNER {OWNER}")
        return self.conninfo(name)


def main(command):
    with Postgres() as server:
        environment = {**os.environ, "SIGNET_TEST_POSTGRES": server.conninfo()}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
