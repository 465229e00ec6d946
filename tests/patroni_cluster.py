# SPDX-License-Identifier: Apache-2.0
"""Three members of a Patroni cluster on loopback, as docs/scaling.md has it: synchronous_mode, and Patroni's own Raft as
the store of the cluster's state.

    cluster = Cluster(lab).start()
    cluster.conninfo("signet")     # names all members, and means the primary
    cluster.member("leader").kill()"""

import json
import os
import shutil
import signal
import urllib.error
import urllib.request

import yaml

import postgres
from lab import HOST

DEADLINE = 120


class Member:
    """One Patroni with its PostgreSQL."""

    def __init__(self, lab, number):
        self.lab, self.name = lab, f"db{number}"
        self.folder = lab.folder(self.name)
        self.data = self.folder / "data"
        self.port, self.rest, self.raft = lab.free_port(), lab.free_port(), lab.free_port()
        self.process = None
        if os.getuid() == 0:
            shutil.chown(self.folder, postgres.ADMIN, postgres.ADMIN)

    def configure(self, others, dcs):
        trusted = {"superuser": {"username": postgres.ADMIN}, "replication": {"username": "replicator"},
                   "rewind": {"username": "rewind"}}
        self.path = self.folder / "patroni.yml"
        self.path.write_text(yaml.safe_dump({
            "scope": "signet", "name": self.name,
            "restapi": {"listen": f"{HOST}:{self.rest}", "connect_address": f"{HOST}:{self.rest}"},
            "raft": {"self_addr": f"{HOST}:{self.raft}", "data_dir": str(self.folder / "raft"),
                     "partner_addrs": [f"{HOST}:{other.raft}" for other in others]},
            "bootstrap": {"dcs": dcs, "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "no-sync"],
                          "pg_hba": [f"host {what} all {HOST}/32 trust" for what in ("all", "replication")]},
            "postgresql": {"listen": f"{HOST}:{self.port}", "connect_address": f"{HOST}:{self.port}",
                           "data_dir": str(self.data), "bin_dir": os.path.dirname(postgres.program("postgres")),
                           "pgpass": str(self.folder / "pgpass"), "authentication": trusted,
                           "parameters": {"unix_socket_directories": "", "shared_buffers": "32MB"}},
            "watchdog": {"mode": "off"},
        }))

    def start(self):
        """Returns at once: a member waits for the others."""
        self.process = self.lab.spawn(self.name, postgres.as_user("/usr/bin/patroni", self.path), cwd="/",
                                      env={"PYTHONPATH": ""}, stop_signal=signal.SIGKILL)

    def says(self, path):
        """What its REST interface answers, None where it has none to give."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.rest}{path}", timeout=postgres.DEADLINE) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return None

    def server(self):
        """The first process of its PostgreSQL, None while there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            return None
        return pid if postgres.runs(pid) else None

    def kill(self):
        """Patroni and PostgreSQL, as when their machine fails, but for what the kernel keeps."""
        self.process.stop()
        server = self.server()
        if server is not None:
            pids = [server, *postgres.children(server)]
            postgres.kill_children(server)
            os.kill(server, signal.SIGKILL)
            postgres.until(lambda: postgres.gone(pids), "its processes end")


class Cluster:
    """settings: what Patroni keeps for all members, beside synchronous_mode."""

    def __init__(self, lab, **settings):
        dcs = {"synchronous_mode": True, "postgresql": {"use_pg_rewind": True}, **settings}
        self.lab, self.members = lab, [Member(lab, number) for number in (1, 2, 3)]
        for member in self.members:
            member.configure([other for other in self.members if other is not member], dcs)

    def start(self):
        for member in self.members:
            member.start()
        self.wait_whole()
        self.query(f"CREATE ROLE {postgres.OWNER} LOGIN")
        return self

    def close(self):
        for member in self.members:
            member.process.stop()
        for member in self.members:
            member.kill()

    def roles(self):
        """{name: role} of the members that run or follow, as any Patroni tells it."""
        told = next(filter(None, (member.says("/cluster") for member in self.members)), {"members": []})
        return {row["name"]: row["role"] for row in told["members"] if row["state"] in ("running", "streaming")}

    def wait_whole(self):
        """Until there are a primary, its synchronous standby, and a third one."""
        self.lab.wait_for(lambda: sorted(self.roles().values()) == ["leader", "replica", "sync_standby"],
                          "the members of the cluster", DEADLINE)

    def member(self, role):
        return self.lab.wait_for(lambda: next((member for member in self.members if self.roles().get(member.name) == role),
                                              None), f"a {role}", DEADLINE)

    def switch_over(self):
        """In order; the synchronous standby becomes the primary."""
        body = {"leader": self.member("leader").name, "candidate": self.member("sync_standby").name}
        request = urllib.request.Request(f"http://{HOST}:{self.member('leader').rest}/switchover", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.read().decode()

    def conninfo(self, database, user=postgres.OWNER):
        ports = ",".join(str(member.port) for member in self.members)
        return (f"host={','.join([HOST] * len(self.members))} port={ports} user={user} dbname={database}"
                " target_session_attrs=read-write")

    def query(self, sql, database="postgres"):
        """As the superuser, at the primary."""
        return postgres.ask(self.conninfo(database, postgres.ADMIN), sql)

    def make_database(self, name):
        self.query(f"CREATE DATABASE {name} OWNER {postgres.OWNER} ENCODING 'UTF8' TEMPLATE template0")
        return self.conninfo(name)
