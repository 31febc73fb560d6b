"""Filesystems that only a program under test sees: a folder of its own mount namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.tools import require_tool

_MOUNT_FIRST = 'mount {} "$1" && shift && exec "$@"'


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


def tmpfs(folder: Path, size_mib: int) -> Sequence[str]:
    """Mount an empty filesystem in memory."""
    return in_namespace(folder, "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs")


def seen_by(pid: int, path: Path) -> Path:
    """What a process sees as `path`."""
    return Path(f"/proc/{pid}/root", *path.parts[1:])


def run_beside(pid: int, *command: str) -> None:
    """Run a command in the namespaces of a process."""
    subprocess.run([require_tool("nsenter"), "--user", "--mount", "--preserve-credentials", "--target", str(pid),
                    *command], check=True)
