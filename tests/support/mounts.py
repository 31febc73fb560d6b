"""Filesystems that only a program under test sees: a folder of its own mount namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.tools import require_tool

_MOUNT_FIRST = 'mount {} "$1" && shift && exec "$@"'
_HOLD = ("sh", "-c", "echo mounted && exec cat")
END_S = 10.0


class Held(NamedTuple):
    """A mount that is there for every command with `prefix` before it; we see what is mounted as `folder`."""

    prefix: Sequence[str]
    folder: Path


def in_namespace(folder: Path, *mount: str) -> Sequence[str]:
    """What to put before a command, so that for it something is mounted on `folder`: `mount` are the words for that.

    Skips where that is not allowed.
    """
    unshare = [require_tool("unshare"), "--mount", "--map-root-user"]
    prefix = [*unshare, "sh", "-c", _MOUNT_FIRST.format(" ".join(mount)), "sh", str(folder)]
    probe = subprocess.run([*prefix, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"mounting in a namespace of our own is not allowed: {probe.stderr.strip()}")
    return prefix


def tmpfs(folder: Path, size_mib: float) -> Sequence[str]:
    """Mount an empty filesystem in memory. Every command gets one of its own."""
    return in_namespace(folder, "-t", "tmpfs", "-o", f"size={size_mib * 1024:.0f}k", "tmpfs")


@contextmanager
def held_tmpfs(folder: Path, size_mib: float) -> Iterator[Held]:
    """An empty filesystem in memory that is the same one for all commands until the end of this context."""
    holder = subprocess.Popen([*tmpfs(folder, size_mib), *_HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"mounted\n"
        yield Held(beside(holder.pid), seen_by(holder.pid, folder))
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(END_S)


def seen_by(pid: int, path: Path) -> Path:
    """What a process sees as `path`."""
    return Path(f"/proc/{pid}/root", *path.parts[1:])


def beside(pid: int) -> Sequence[str]:
    """What to put before a command, so that it runs in the namespaces of a process."""
    return [require_tool("nsenter"), "--user", "--mount", "--preserve-credentials", "--target", str(pid)]


def run_beside(pid: int, *command: str) -> None:
    """Run a command in the namespaces of a process."""
    subprocess.run([*beside(pid), *command], check=True)
