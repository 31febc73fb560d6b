"""The machines of these tests leave nothing on this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.machine import CGROUP, PROJECT, SYSTEMD, machine
from tests.support.peers.program import wait_until

pytestmark = pytest.mark.packages

HOLD = f"""
import sys
from pathlib import Path
from tests.support.machine import machine
with machine(Path(sys.argv[1]), init={SYSTEMD!r}) as running:
    running.wait_until("systemctl", "is-system-running", "--wait")
    print(running.init_pid, flush=True)
    sys.stdin.read()
"""
END_S = 20.0


def cgroups_of(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**/{CGROUP}{pid}-*"))


def assert_gone(init_pid: int, folder: Path) -> None:
    deadline = time.monotonic() + END_S
    while Path(f"/proc/{init_pid}").exists():
        assert time.monotonic() < deadline, "the machine runs on"
        time.sleep(0.05)
    assert str(folder) not in Path("/proc/self/mounts").read_text()


def test_nothing_stays_of_a_machine(tmp_path: Path) -> None:
    with machine(tmp_path / "one") as running:
        init_pid = running.init_pid
        wait_until(lambda: running.run("cat", "/proc/1/comm") == "bash\n", END_S, "its first program", 0.05)
        (cgroup,) = cgroups_of(os.getpid())
        assert str(init_pid) in (cgroup / "cgroup.procs").read_text().split()
    assert_gone(init_pid, tmp_path)
    assert not cgroup.exists()


def test_it_goes_with_a_test_that_is_killed(tmp_path: Path) -> None:
    with machine(tmp_path / "probe"):  # skips here, not in the other process
        pass
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "two")], cwd=PROJECT, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin is not None and holder.stdout is not None
    init_pid = int(holder.stdout.readline())
    assert cgroups_of(holder.pid)
    holder.kill()
    holder.wait(END_S)
    holder.stdin.close()
    holder.stdout.close()
    assert_gone(init_pid, tmp_path)
    with machine(tmp_path / "three"):  # tidies up
        assert cgroups_of(holder.pid) == []
