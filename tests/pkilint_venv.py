# SPDX-License-Identifier: Apache-2.0
"""pkilint in a virtual environment below the build folder, made once, when pip can."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

VERSION = "0.13.3"
BUILD = pathlib.Path(os.environ["SIGNET_BUILD"])
ADAPTER = pathlib.Path(__file__).resolve().parents[1] / "contrib/signet-pkilint"


def _make(folder):
    for command in ([sys.executable, "-m", "venv", folder],
                    [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", f"pkilint=={VERSION}"]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            return (done.stderr.strip() or done.stdout.strip() or "it failed").splitlines()[-1]
    (folder / "complete").touch()
    return None


def python():
    """The interpreter that has pkilint; None, with the reason printed, where there is none to be had."""
    folder = BUILD.parent / f"pkilint-{VERSION}"
    with open(BUILD.parent / f"pkilint-{VERSION}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                why = _make(folder)
            except (OSError, subprocess.TimeoutExpired) as error:
                why = str(error)
            if why is not None:
                print(f"# pkilint: not run ({why})", flush=True)
                return None
    return folder / "bin/python3"
