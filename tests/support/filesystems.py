"""A second filesystem, and an operating system that stops working at a chosen call."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

CALLS = ("link", "unlink", "rename", "mkdir", "rmdir", "symlink", "pwrite", "fsync", "ftruncate", "utime", "fchmod")


class Killed(BaseException):
    """The process ends here: nothing catches it, and nothing is tidied up."""


@contextmanager
def another_filesystem(than: Path) -> Iterator[Path]:
    """A folder on another filesystem; skips the test where there is none to be had."""
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == than.stat().st_dev:
        pytest.skip("there is no second filesystem that may be written to")
    folder = Path(tempfile.mkdtemp(prefix="blobtorrent-test-", dir=shared_memory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def failing_at(number: int, error: BaseException, calls: tuple[str, ...] = CALLS) -> Iterator[list[str]]:
    """The system call with this number, counted from 0 over all that change a filesystem, raises instead.

    Yields the names of the calls as they come, so that a test knows whether it was reached.
    """
    made: list[str] = []

    def patched(name: str) -> Any:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            made.append(name)
            if len(made) == number + 1:
                raise error
            return real(*args, **options)

        return call

    with mock.patch.multiple(os, **{name: patched(name) for name in calls}):
        yield made


def listing(root: Path) -> dict[str, str | bytes]:
    """All below a folder: what each file holds, and where each link leads."""
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file()
    }
