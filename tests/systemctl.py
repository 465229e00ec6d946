#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What stands for systemctl where no systemd runs, for tests/guides.py: starts, stops and reloads what the units of the
packages say. A timer's service is run once when the timer is started. Called loginctl it does nothing."""

import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

STATE = pathlib.Path("/run/lab-units")
SOURCE = pathlib.Path("/usr/lib/signet-lab")


def unit_path(name, user):
    return pathlib.Path("/usr/lib/systemd/user" if user else "/usr/lib/systemd/system") / name


def setting(path, key, default=""):
    found = re.findall(rf"^{key}=(.*)$", path.read_text(), re.M)
    return found[-1] if found else default


def pid_of(name):
    path = STATE / name
    return int(path.read_text()) if path.exists() else None


def is_alive(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1][:3]
    except OSError:
        return False


def run_once(path):
    """A unit of Type=oneshot: its environment and its command, as its user."""
    home = os.environ["HOME"]
    environment = dict(os.environ)
    for pair in shlex.split(setting(path, "Environment").replace("%h", home)):
        name, _, value = pair.partition("=")
        environment[name] = value
    command = setting(path, "ExecStart").replace("${FOLDER}", environment.get("FOLDER", "")).replace("$ARGUMENTS", environment.get("ARGUMENTS", ""))
    user = setting(path, "User")
    words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return subprocess.run([*words, *shlex.split(command)], env=environment).returncode


def start(name, user):
    path = unit_path(name, user)
    if name.endswith(".timer"):
        return run_once(unit_path(setting(path, "Unit", name.replace(".timer", ".service")), user))
    STATE.mkdir(exist_ok=True)
    notice = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notice.bind(f"\0lab-{name}-{os.getpid()}")
    notice.settimeout(150)
    with open(STATE / f"{name}.log", "ab") as log:
        child = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "/usr/bin/python3", SOURCE / "service.py", path],
                                 stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                 env={**os.environ, "NOTIFY_SOCKET": f"@lab-{name}-{os.getpid()}"})
    (STATE / name).write_text(str(child.pid))
    return 0 if notice.recv(100) == b"READY=1" else 1


def stop(name):
    pid = pid_of(name)
    if pid is None:
        return 0
    os.kill(pid, signal.SIGTERM)
    while is_alive(pid):
        time.sleep(0.05)
    (STATE / name).unlink()
    return 0


def reload(name):
    if name == "postfix.service":
        return subprocess.run(["postfix", "reload"]).returncode
    os.kill(pid_of(name), signal.SIGHUP)
    return 0


def main(words):
    user, now, everything = (word in words for word in ("--user", "--now", "--all"))
    verb, *names = [word for word in words if not word.startswith("--")]
    names = [name if "." in name else f"{name}.service" for name in names]
    if everything:
        names = [path.name for path in STATE.glob("*.service")]
    act = {"enable": lambda name: start(name, user) if now else 0, "start": lambda name: start(name, user), "stop": stop,
           "reload": reload, "restart": lambda name: stop(name) or start(name, user)}[verb]
    return max((act(name) for name in names), default=0)


if __name__ == "__main__":
    sys.exit(0 if sys.argv[0].endswith("loginctl") else main(sys.argv[1:]))
