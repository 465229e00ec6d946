# SPDX-License-Identifier: Apache-2.0
"""The Debian packages, and this very system with a layer over it in which they can be installed."""

import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[1]
RELEASE = SOURCE / "build/release"
PACKAGES = "server", "client"


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def alone():
    """Of tests that install from the release build at once, one does: some of what is installed is made in that folder meanwhile."""
    with open(RELEASE.parent / "install.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(folder):
    """Both packages, made in a folder; of the release build that ./quickstart makes, too."""
    run(SOURCE / "scripts/build", "release")
    with alone():
        run("cpack", "--config", RELEASE / "CPackConfig.cmake", "-B", folder, cwd=RELEASE)
    return {name: next(folder.glob(f"signet-{name}_*.deb")) for name in PACKAGES}


# A layer over this system that takes all changes, at root below the folder $1, for the mount namespace that calls it.
OVERLAY = """set -e
mount -t tmpfs -o mode=755 signet-lab "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
"""

# Folders of other file systems are not in the overlay: the two that a test needs are put there again.
_ENTER = OVERLAY + """
for folder in "$2" "$3"; do mkdir -p "$1/root$folder"; mount --rbind "$folder" "$1/root$folder"; done
ip link set lo up
root=$1/root; shift 3
exec chroot "$root" "$@"
"""


def inside(packages, *words):
    """Runs words in a system of their own: all changes of files vanish at its end, and it has a loopback network that nobody
    else uses. packages: the folder of the packages, which is there too. The exit status."""
    with tempfile.TemporaryDirectory(prefix="signet-system-") as folder:
        return subprocess.run(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", folder, SOURCE, packages,
                               "env", "-C", SOURCE / "tests", *words], env={**os.environ, "SIGNET_PACKAGES": str(packages)}).returncode


def run_inside(script, names):
    """What a test script does when it is started: each of these test cases in a system of its own."""
    with tempfile.TemporaryDirectory(prefix="signet-packages-") as folder:
        os.chmod(folder, 0o755)
        built(pathlib.Path(folder))
        failed = [name for name in names if inside(folder, sys.executable, script, name) != 0]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
