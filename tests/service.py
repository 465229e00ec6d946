# SPDX-License-Identifier: Apache-2.0
"""What systemd would do for a unit, as far as it can be done without systemd: reads a .service file, and starts its
program under the restrictions that stand there. Run by root in a mount namespace of its own:

    service.py UNIT           mounts, user, capabilities; then itself again as that user:
    service.py --filter UNIT  system calls and address families; then the program

Directives that it does not know end it: none is passed over in silence. tests/scenario/test_packages.py uses it."""

import errno
import os
import pathlib
import resource
import shlex
import shutil
import socket
import subprocess
import sys

# Of no meaning for what a single start may do.
PASSED_OVER = {"Type", "Nice", "NotifyAccess", "ExecReload", "Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "RemoveIPC",
               "ConfigurationDirectoryMode", "StateDirectoryMode", "LogsDirectoryMode", "Group", "SystemCallArchitectures",
               "ProtectHostname", "ProtectClock", "SystemCallErrorNumber"}
# What systemd makes of them: the system calls that they forbid (systemd.exec(5)).
FORBID_CALLS = {"ProtectKernelModules": ["@module"], "ProtectKernelLogs": ["syslog"], "ProtectClock": ["@clock"]}
WRITABLE = {"StateDirectory": "/var/lib", "LogsDirectory": "/var/log", "RuntimeDirectory": "/run"}
DROP_INS = pathlib.Path("/etc/systemd/system")
PROT_WRITE, PROT_EXEC = 2, 4
NAMESPACES = 0x7e020080  # CLONE_NEW*
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def directives(path):
    """[Service] as (name, value) in order; a name may stand there again."""
    section, found = None, []
    for line in pathlib.Path(path).read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif line and line[0] not in "#;" and section == "[Service]":
            name, _, value = line.partition("=")
            found.append((name, value))
    return found


class Unit:
    """With what the operator added to it."""

    def __init__(self, path):
        self.path, self.left = path, directives(path)
        for more in sorted((DROP_INS / f"{pathlib.Path(path).name}.d").glob("*.conf")):
            self.left += directives(more)

    def take(self, name, default=None):
        values = [value for found, value in self.left if found == name]
        self.left = [pair for pair in self.left if pair[0] != name]
        return values[-1] if values else default

    def take_all(self, name):
        values = [value for found, value in self.left if found == name]
        self.left = [pair for pair in self.left if pair[0] != name]
        return values

    def is_on(self, name):
        return self.take(name) in ("yes", "true", "on", "1")

    def finish(self):
        unknown = {name for name, _ in self.left} - PASSED_OVER
        if unknown:
            sys.exit(f"service.py knows nothing of {', '.join(sorted(unknown))}")


def run(*words):
    subprocess.run(words, check=True)


def mount(unit, uid, gid):
    """ProtectSystem=strict and its sisters: the whole tree read-only, but for the service's own folders."""
    kept = []
    for name, parent in WRITABLE.items():
        value = unit.take(name)
        if value is None:
            continue
        folder = f"{parent}/{value}"
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, uid, gid)
        kept.append(folder)
    assert os.path.isdir(f"/etc/{unit.take('ConfigurationDirectory')}")
    assert unit.take("ProtectSystem") == "strict"
    for folder in kept:
        run("mount", "--bind", folder, folder)
    credentials = f"/run/credentials/{os.path.basename(unit.path)}"
    for value in unit.take_all("LoadCredential"):
        name, _, path = value.partition(":")
        os.makedirs(credentials, exist_ok=True)
        shutil.copy(path, f"{credentials}/{name}")
        os.chown(f"{credentials}/{name}", uid, gid)
        os.chmod(f"{credentials}/{name}", 0o400)
    if unit.is_on("PrivateTmp"):
        for folder in ("/tmp", "/var/tmp"):
            run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", folder)
    if unit.is_on("ProtectHome"):
        for folder in filter(os.path.isdir, ("/home", "/root", "/run/user")):
            run("mount", "-t", "tmpfs", "-o", "mode=0,ro", "tmpfs", folder)
    if unit.is_on("PrivateDevices"):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")
        for name in DEVICES:
            pathlib.Path("/mnt", name).touch()
            run("mount", "--bind", f"/dev/{name}", f"/mnt/{name}")
        run("mount", "--move", "/mnt", "/dev")
    hide, subset = unit.take("ProtectProc"), unit.take("ProcSubset")
    run("mount", "-t", "proc", "-o", f"hidepid={hide},subset={subset}", "proc", "/proc")
    for name in ("ProtectKernelTunables", "ProtectControlGroups"):
        assert unit.is_on(name)  # /proc/sys is not there by ProcSubset, /sys is read-only
    for folder in filter(os.path.ismount, ("/", "/run")):
        run("mount", "-o", "remount,bind,ro", folder)


def restricted(unit):
    """The words that give the program its user, capabilities and limits, and what root has done before."""
    import pwd
    user = pwd.getpwnam(unit.take("User"))
    mount(unit, user.pw_uid, user.pw_gid)
    capabilities = [name.lower().removeprefix("cap_") for name in unit.take("CapabilityBoundingSet").split()]
    ambient = [name.lower().removeprefix("cap_") for name in unit.take("AmbientCapabilities", "").split()]
    os.umask(int(unit.take("UMask"), 8))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = min(int(unit.take("LimitNOFILE", most)), most)  # not every root may raise it
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    words = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
             "--init-groups", "--inh-caps=-all" + "".join(f",+{name}" for name in ambient),
             "--ambient-caps=-all" + "".join(f",+{name}" for name in ambient),
             "--bounding-set=-all" + "".join(f",+{name}" for name in capabilities)]
    if unit.is_on("NoNewPrivileges"):
        words.append("--no-new-privs")
    return words


def expand(names):
    """The system calls in a list of names and @groups, as systemd knows them."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        lines = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
        calls |= expand(word for line in lines.splitlines()[1:] if (word := line.strip()) and not word.startswith("#"))
    return calls


def allowed_calls(values):
    calls = set()
    for value in values:
        names = expand(value.lstrip("~").split())
        calls = calls - names if value.startswith("~") else calls | names
    return calls


def load_filters(unit):
    import seccomp
    denied = seccomp.ERRNO(errno.EPERM)
    calls = allowed_calls(unit.take_all("SystemCallFilter"))
    families = unit.take("RestrictAddressFamilies").split()
    more = seccomp.SyscallFilter(seccomp.ALLOW)  # a call must pass both
    for name, groups in FORBID_CALLS.items():
        if unit.is_on(name):
            calls -= expand(groups)
    if unit.is_on("MemoryDenyWriteExecute"):
        both = PROT_WRITE | PROT_EXEC
        more.add_rule(denied, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, both, both))
        more.add_rule(denied, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    if unit.is_on("RestrictNamespaces"):
        calls -= {"unshare", "setns"}
        for bit in (bit for bit in range(32) if NAMESPACES >> bit & 1):
            more.add_rule(denied, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, 1 << bit, 1 << bit))
    if unit.is_on("RestrictSUIDSGID"):
        for call, at in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2)):
            for bit in (0o4000, 0o2000):
                more.add_rule(denied, call, seccomp.Arg(at, seccomp.MASKED_EQ, bit, bit))
    if unit.is_on("RestrictRealtime"):
        calls -= {"sched_setscheduler", "sched_setattr"}
    if unit.is_on("LockPersonality"):
        calls -= {"personality"}
    unit.finish()
    for number in range(1, socket.AF_ALG + 10):
        if number not in {getattr(socket, family) for family in families}:
            more.add_rule(denied, "socket", seccomp.Arg(0, seccomp.EQ, number))
    main = seccomp.SyscallFilter(denied)
    for call in calls:
        try:
            main.add_rule(seccomp.ALLOW, call)
        except RuntimeError:  # unknown on this machine
            pass
    more.load()
    main.load()


def main(argv):
    unit = Unit(argv[-1])
    words = shlex.split(unit.take("ExecStart"))
    if argv[1] == "--filter":
        for name in (*WRITABLE, "ConfigurationDirectory", "ProtectSystem", "PrivateTmp", "ProtectHome", "PrivateDevices", "ProtectProc",
                     "ProcSubset", "ProtectKernelTunables", "ProtectControlGroups", "User", "CapabilityBoundingSet",
                     "AmbientCapabilities", "LoadCredential", "UMask", "LimitNOFILE", "NoNewPrivileges"):
            unit.take(name)
        load_filters(unit)
        os.execv(words[0], words)
    prefix = restricted(unit)
    os.execvp(prefix[0], [*prefix, sys.executable, os.path.abspath(argv[0]), "--filter", os.path.abspath(argv[-1])])


if __name__ == "__main__":
    main(sys.argv)
