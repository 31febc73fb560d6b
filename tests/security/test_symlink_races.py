"""Symlink attacks in download folders: whoever else may write there leads no file of ours out of it.

A thread swaps a folder for a link to another place, thousands of times, while files in it are written, renamed, moved
and deleted. What lies at the other place stays as it was.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from blobtorrent.storage import files, placing
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.folders import Folders

SWAPS = 25_000
PATIENCE_S = 60.0
SWITCH_S, USUAL_SWITCH_S = 50e-6, sys.getswitchinterval()         # threads take turns between any two calls

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def exchange(one: Path, other: Path) -> None:
    """Give each the name of the other (renameat2)."""
    if _LIBC.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


class Swapper:
    """Makes `folder/inside` a folder and a link to `outside` in turn, in one step each, as fast as it can."""

    def __init__(self, folder: Path, outside: Path) -> None:
        self.inside = folder / "inside"
        self._other = folder / "other"
        self.inside.mkdir()
        (self.inside / "foreign").touch()                  # so that it stays, whatever is deleted
        self._other.symlink_to(outside)
        self.swaps = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        rng = Random(self.swaps)
        while not self._is_over:
            exchange(self.inside, self._other)
            self.swaps += 1
            for _ in range(rng.randrange(300)):            # so as not to keep step with whom it attacks
                pass

    def __enter__(self) -> Swapper:
        sys.setswitchinterval(SWITCH_S)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._is_over = True
        self._thread.join(PATIENCE_S)
        sys.setswitchinterval(USUAL_SWITCH_S)
        assert not self._thread.is_alive()


@contextmanager
def attacked(folder: Path) -> Iterator[tuple[Swapper, Path]]:
    root, outside = folder / "downloads", folder / "precious"
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"years of work")
    (outside / "inner").mkdir()
    before = listing(outside)
    with Swapper(root, outside) as swapper:
        yield swapper, root
    assert listing(outside) == before


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def write(root: Path) -> None:
    folder = files.open_folder(root, ["inside"], create=True)
    try:
        descriptor = files.open_in(folder, "file", writable=True)
    finally:
        os.close(folder)
    try:
        files.write_all(descriptor, [memoryview(b"foreign bytes")], 0)
    finally:
        os.close(descriptor)


def rename(root: Path) -> None:
    pool = FilePool(8)
    folders = Folders(root, pool, "t")
    try:
        write(root)
        placing.place(folders, ("inside", "file"), folders, ("inside", "other"))
        placing.remove(folders, ("inside", "other"))
    finally:
        folders.close()


def delete(root: Path) -> None:
    pool = FilePool(8)
    folders = Folders(root, pool, "t")
    try:
        write(root)
        placing.remove(folders, ("inside", "file"))
        folders.prune([("inside", "inner", "file")])
    finally:
        folders.close()


def make_folder(root: Path) -> None:
    os.close(files.open_folder(root, ["inside", "inner", "more"], create=True))


def link(root: Path) -> None:
    files.make_link(root, ("inside", "new"), ("inside", "file"))


STEPS = {"write": write, "rename and move": rename, "delete": delete, "make folders": make_folder, "make a link": link}


@pytest.mark.parametrize("step", STEPS)
def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path: Path, step: str) -> None:
    done = refused = 0
    with attacked(tmp_path) as (swapper, root):
        deadline = threading.Event()
        timer = threading.Timer(PATIENCE_S, deadline.set)
        timer.start()
        while swapper.swaps < SWAPS // len(STEPS) and not deadline.is_set():
            try:
                STEPS[step](root)
                done += 1
            except OSError:
                refused += 1
        timer.cancel()
        assert swapper.swaps >= SWAPS // len(STEPS)
    assert done and refused, "it met both"


@pytest.mark.parametrize("planted", ["link to a folder", "link to a file", "dangling link"])
def test_what_was_planted_before_is_an_error(tmp_path: Path, planted: str) -> None:
    root, outside = tmp_path / "downloads", tmp_path / "precious"
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"years of work")
    if planted == "link to a folder":
        (root / "inside").symlink_to(outside)
    else:
        (root / "inside").mkdir()
        (root / "inside" / "file").symlink_to(outside / ("file" if planted == "link to a file" else "new"))
    with pytest.raises(OSError):
        write(root)
    assert listing(outside) == {"file": b"years of work"}
