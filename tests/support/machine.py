"""Whole Debian systems for tests of packages: a root folder, in namespaces and a cgroup of its own, systemd included.

The folder that all machines begin with is made by tests/run. Nothing of a machine is left on this one when the
test ends, in whatever way: its mounts are its own, and its processes end with the one that started it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.tools import require_folder, require_tool

PROJECT = Path(__file__).resolve().parents[2]
BASE = PROJECT / ".venvs/debian-root"
START = Path(__file__).with_name("start-machine")

SYSTEMD = ("/lib/systemd/systemd", "--log-target=journal", "--show-status=no")
# What is not started by systemd: a process that stays until its input ends, and buries who has lost its parent.
STAY = ("bash", "-c", "while read -r; do :; done")

CGROUP = "blobtorrent-test-"           # then the process that has it
START_S = 60.0
COMMAND_S = 90.0
END_S = 30.0
POLL_S = 0.05


class Machine:
    """One that runs. Commands are root's."""

    def __init__(self, init_pid: int) -> None:
        self.init_pid = init_pid
        self._enter = [
            require_tool("nsenter"), "--target", str(init_pid), "--mount", "--pid", "--uts", "--ipc", "--net",
            "--cgroup", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
            "DEBIAN_FRONTEND=noninteractive",
        ]

    def path(self, name: str) -> Path:
        """A file of the machine, as it is reached from here."""
        return Path(f"/proc/{self.init_pid}/root", name.lstrip("/"))

    def try_(self, *command: str, timeout_s: float = COMMAND_S) -> subprocess.CompletedProcess[str]:
        """Run a command, and see how it ends."""
        return subprocess.run([*self._enter, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout_s, check=False)

    def run(self, *command: str, timeout_s: float = COMMAND_S) -> str:
        """What a command prints. It has to succeed."""
        done = self.try_(*command, timeout_s=timeout_s)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A command whose output is read while it runs. The caller ends it."""
        return subprocess.Popen([*self._enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def wait_until(self, *command: str, within_s: float = COMMAND_S) -> None:
        """Repeat a command until it succeeds."""
        deadline = time.monotonic() + within_s
        while (done := self.try_(*command)).returncode:
            assert time.monotonic() < deadline, f"{' '.join(command)}: {done.stdout}{done.stderr}"
            time.sleep(POLL_S)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit of systemd."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()


@contextmanager
def machine(folder: Path, *, layers: Sequence[Path] = (), keep: bool = False,
            init: Sequence[str] = STAY) -> Iterator[Machine]:
    """A machine whose root has `layers`, the topmost first, over the base. What it writes is in `folder`/upper, with
    `keep`, else nowhere.

    Skips where that is not allowed, and without the base, which under CI fails.
    """
    if os.geteuid():
        pytest.skip("a machine of our own takes root")
    require_folder(BASE, "tests/run makes it, as root on Debian")
    unshare = [require_tool("unshare"), "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"]
    probe = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"namespaces of our own are not allowed: {probe.stderr.strip()}")
    folder.mkdir(parents=True, exist_ok=True)
    cgroup = _new_cgroup()
    lowers = ":".join(str(layer) for layer in (*layers, BASE.resolve()))
    words = [require_tool("setpriv"), "--pdeathsig", "KILL", str(START), str(cgroup), str(folder),
             "keep" if keep else "forget", lowers, *init]
    launcher = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert launcher.stdin is not None and launcher.stdout is not None
    try:
        assert launcher.stdout.readline() == b"started\n", "the machine does not start"
        yield Machine(_child_of(launcher.pid))
    finally:
        launcher.kill()                # and with it the machine's first process, and with that all
        launcher.stdin.close()
        launcher.stdout.close()
        launcher.wait(END_S)
        _remove(cgroup)


@contextmanager
def booted(folder: Path, *, layers: Sequence[Path] = ()) -> Iterator[Machine]:
    """A machine that systemd has started."""
    with machine(folder, layers=layers, init=SYSTEMD) as running:
        running.wait_until("systemctl", "is-system-running", "--wait", within_s=START_S)
        yield running


def _new_cgroup() -> Path:
    """A name for one in the version 2 hierarchy. Those of tests that were killed are removed."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    hierarchy = next((Path(folder) for _device, folder, kind, *_rest in mounts if kind == "cgroup2"), None)
    if hierarchy is None or not os.access(hierarchy, os.W_OK):
        pytest.skip("there is no cgroup hierarchy of version 2 that we may use")
    for folder in hierarchy.glob(f"{CGROUP}*"):
        if not Path("/proc", folder.name.removeprefix(CGROUP).partition("-")[0]).exists():
            _remove(folder)
    return hierarchy / f"{CGROUP}{os.getpid()}-{time.monotonic_ns()}"


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _remove(cgroup: Path) -> None:
    """A cgroup and those in it, from the leaves on; their last processes may take a moment to go."""
    deadline = time.monotonic() + END_S
    for leaf in sorted((folder for folder in (cgroup, *cgroup.rglob("*")) if folder.is_dir()), reverse=True):
        while True:
            try:
                leaf.rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)
