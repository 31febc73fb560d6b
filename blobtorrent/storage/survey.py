"""Survey: before the files of a torrent are moved, what is where. Reads only."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack

from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage.copying import Watch, are_equal
from blobtorrent.storage.files import open_in
from blobtorrent.storage.folders import Folders, Parts, Spot


class Survey:
    """Numbers of files, by what the two places have of them."""

    def __init__(self) -> None:
        self.to_bring: dict[int, os.stat_result] = {}          # only at the source, with what they are
        self.at_both: list[int] = []   # two names of one file, or two files with the same bytes
        self.at_target: list[int] = []         # only at the target, brought by an earlier run or foreign
        self.in_place: list[int] = []  # one and the same: nothing to do
        self.in_the_way: list[int] = []        # something else is at the target


def survey(files: Sequence[FileEntry], source: Spot, target: Spot, watch: Watch) -> Survey:
    """Look at both places of every file. Raises OSError; "ELOOP" or "ENOTDIR" when a link or a file is in the way.

    Files that are at both places are read: `watch(0)` is called meanwhile, and may raise to stop.
    """
    found = Survey()
    for number, entry in enumerate(files):
        if entry.is_pad or entry.symlink_target is not None:
            continue
        old, new = source.path_of(number), target.path_of(number)
        before, there = source.folders.status(old), target.folders.status(new)
        if before is not None and not stat.S_ISREG(before.st_mode):
            before = None              # not ours
        if there is None:
            if before is not None:
                found.to_bring[number] = before
        elif not stat.S_ISREG(there.st_mode):
            found.in_the_way.append(number)
        elif before is None:
            found.at_target.append(number)
        elif _is_one_name(source.folders, old, before, target.folders, new, there):
            found.in_place.append(number)
        elif os.path.samestat(before, there) or _are_equal(source.folders, old, target.folders, new, watch):
            found.at_both.append(number)
        else:
            found.in_the_way.append(number)
    return found


def _is_one_name(one: Folders, old: Parts, before: os.stat_result, other: Folders, new: Parts, there: os.stat_result,
                 ) -> bool:
    """Whether both paths lead to the same entry of the same folder, over links or mounts above the roots."""
    if not os.path.samestat(before, there):
        return False
    if before.st_nlink == 1:           # names that differ in case, where that makes no difference
        return True
    with one.open(old[:-1]) as first, other.open(new[:-1]) as second:
        return old[-1] == new[-1] and os.path.samestat(os.fstat(first), os.fstat(second))


def _are_equal(one: Folders, old: Parts, other: Folders, new: Parts, watch: Watch) -> bool:
    with ExitStack() as stack:
        descriptors = []
        for folders, path in ((one, old), (other, new)):
            folder = stack.enter_context(folders.open(path[:-1]))
            descriptors.append(open_in(folder, path[-1], writable=False))
            stack.callback(os.close, descriptors[-1])
        return are_equal(descriptors[0], descriptors[1], lambda count: watch(0))
