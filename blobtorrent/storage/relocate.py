"""Relocation: brings the files of a torrent to other places, so that at any moment they are whole at one of the two.

First every file gets its new name: as a hard link where that can be, else as a copy that was read back from the disk.
Only when all names are durable the old ones go. So whatever fails before is undone, and what is half done when the
process is killed is recognised and finished: a file at both places has two names, or the same bytes twice. Nothing that
was at the target before is ever replaced, and whatever is no file of the torrent stays where it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from blobtorrent.model.errors import DiskFull, StorageError
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.atomicfile import sync_folder
from blobtorrent.storage.copying import clone, copy
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import make_link, open_in
from blobtorrent.storage.folders import Parts, Spot, make_root
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.placing import place, remove
from blobtorrent.storage.removal import empty_workshop, remove_link, workshop_of
from blobtorrent.storage.spaces import measure_space
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.store import Store
from blobtorrent.storage.survey import Survey, survey

Progress = Callable[[int, int], None]  # (bytes done, bytes in all); may raise StorageError to stop

# The codes of errors that leave everything as it is, to be resumed.
INTERRUPTED = "storage.interrupted"    # by our own end: at the next start
UNFINISHED = "storage.half-moved"      # where it is cannot be found out now: when somebody tries again

log = get_logger(__name__)


def relocate(store: Store, root: Path, names: Naming | None, progress: Progress, *, is_resumed: bool,
             ) -> dict[int, FileStamp]:
    """Bring the files of a store below `root`, under these names, and tell it so; returns how they look there.

    `is_resumed` says that an earlier process may have begun: what it brought is ours. Raises StorageError: then
    everything is where it was, as far as the disk lets us, unless the code is INTERRUPTED or UNFINISHED.
    """
    store.require_mounted()
    store.close()
    target = Store(root, store.metainfo, store.pool, names=names)
    workshop = workshop_of(store.metainfo)
    Relocation(store.metainfo.files, store.spot(), target.spot(), workshop, progress).run(is_resumed=is_resumed)
    store.settle(root, names)
    stamps = store.stamps()
    store.close()
    return stamps


class Relocation:
    """One move of `files`. `workshop` is the name of a folder in the target's root that nobody else uses."""

    def __init__(
        self, files: Sequence[FileEntry], source: Spot, target: Spot, workshop: str, progress: Progress
    ) -> None:
        self._files = files
        self._source = source
        self._target = target
        self._workshop = workshop
        self._progress = progress
        self._found = Survey()
        self._is_resumed = False
        self._made_roots: list[Path] = []
        self._placed: list[tuple[int, bool]] = []      # number, and whether it has its old name still
        self._done_bytes = self._total_bytes = 0
        self._has_room = False

    def run(self, *, is_resumed: bool) -> None:
        """Do all of it, as `relocate` says."""
        try:
            self._prepare(is_resumed)
            for number in self._found.to_bring:
                self._bring(number)
            self._sync_target()
        except StorageError as error:
            if error.code not in (INTERRUPTED, UNFINISHED):
                self._undo()
            raise
        self._leave()

    # ---- to the target

    def _prepare(self, is_resumed: bool) -> None:
        root = self._target.folders.root
        try:
            self._made_roots = make_root(root)
            was_begun = self._target.folders.status((self._workshop,)) is not None
            self._found = survey(self._files, self._source, self._target, self._watch_survey)
            self._is_resumed = is_resumed and (was_begun or not self._found.to_bring)
            self._require_nothing_foreign()
            self._total_bytes = sum(status.st_size for status in self._found.to_bring.values())
            with self._target.folders.open((self._workshop,), create=True):
                pass
        except OSError as error:
            failure = storage_error(error, root)
            raise StorageError(UNFINISHED, failure.detail) if is_resumed else failure from error

    def _watch_survey(self, count: int) -> None:
        """Until it is known what is where nothing can be undone: whoever gives a resumed move up has to wait."""
        try:
            self._watch(count)
        except StorageError as error:
            if error.code == INTERRUPTED:
                raise

    def _require_nothing_foreign(self) -> None:
        foreign = list(self._found.in_the_way)
        if not self._is_resumed:       # empty files hold nothing that could be lost
            foreign += [number for number in self._found.at_target if self._files[number].length]
        if foreign:
            path = self._target.folders.root.joinpath(*self._target.path_of(min(foreign)))
            raise StorageError("storage.in-the-way", f"{path} is there already and is not ours: move it away first")

    def _bring(self, number: int) -> None:
        old, new = self._source.path_of(number), self._target.path_of(number)
        try:
            try:
                keeps_old = place(self._source.folders, old, self._target.folders, new)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(number, old, new)
            else:
                self._placed.append((number, keeps_old))
                self._watch(self._found.to_bring[number].st_size)
        except OSError as error:
            raise storage_error(error, self._target.folders.root.joinpath(*new)) from error

    def _copy(self, number: int, old: Parts, new: Parts) -> None:
        """Copy a file to the workshop, and give it its name when it is whole."""
        folders, own_path = self._target.folders, (self._workshop, str(number))
        with self._source.folders.open(old[:-1]) as before, folders.open(own_path[:-1], create=True) as shop:
            original = open_in(before, old[-1], writable=False)
            try:
                own = open_in(shop, own_path[-1], writable=True)
                try:
                    self._fill(number, original, own)
                finally:
                    os.close(own)
            finally:
                os.close(original)
        keeps_own = place(folders, own_path, folders, new)
        self._placed.append((number, True))
        if keeps_own:
            remove(folders, own_path)

    def _fill(self, number: int, original: int, own: int) -> None:
        status, present = os.fstat(original), os.fstat(own)
        if not present.st_size and clone(original, own):
            self._watch(status.st_size)
        else:
            self._require_room(number, present.st_blocks * 512)
            copy(original, own, self._watch)
        os.fchmod(own, stat.S_IMODE(status.st_mode))
        os.utime(own, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(own)

    def _require_room(self, number: int, has_already: int) -> None:
        """Refuse what cannot fit, before the first copy rather than hours later."""
        if self._has_room:
            return
        left = [found for other, found in self._found.to_bring.items() if other >= number]
        needed = sum(found.st_blocks for found in left) * 512 - has_already
        root = self._target.folders.root
        free = measure_space(root).free_bytes
        if free < needed:
            raise DiskFull("storage.disk-full", f"{root} has {free} bytes free, and {needed} are to be moved there")
        self._has_room = True

    def _sync_target(self) -> None:
        moved = [number for number, _ in self._placed] + self._found.at_both + self._found.at_target
        paths = [self._target.path_of(number) for number in moved]
        folders = {path[:length] for path in paths for length in range(len(path))}
        try:
            for parts in sorted(folders, key=len, reverse=True):
                self._target.folders.sync(parts)
            for made in reversed(self._made_roots):
                sync_folder(made.parent)
        except OSError as error:
            raise storage_error(error, self._target.folders.root) from error

    # ---- from the source

    def _leave(self) -> None:
        """Take the old names away. What cannot be removed is left: the torrent is whole at its new place."""
        numbers = [number for number, keeps_old in self._placed if keeps_old] + self._found.at_both
        left_behind = 0
        folders = set()
        for number in numbers:
            folders.add(self._source.path_of(number)[:-1])
            try:
                remove(self._source.folders, self._source.path_of(number))
            except OSError:
                left_behind += 1
        for parts in folders:
            with suppress(OSError):    # then an old name may come back after a power cut: the same file twice
                self._source.folders.sync(parts)
        if left_behind:
            log.warning("moved files stayed behind too", files=left_behind, root=str(self._source.folders.root))
        self._move_links()
        self._tidy(self._source)

    def _move_links(self) -> None:
        for number, entry in enumerate(self._files):
            if entry.symlink_target is None:
                continue
            try:
                remove_link(self._source, number)
                make_link(self._target.folders.root, self._target.path_of(number), self._target.link_target(number))
            except OSError as error:
                log.warning("a link was not moved", detail=str(storage_error(error, entry.path[-1])))

    def _undo(self) -> None:
        """Bring everything back, as far as the disk lets us."""
        back = list(self._placed)
        if self._is_resumed:
            back += [(number, True) for number in self._found.at_both]
            back += [(number, False) for number in self._found.at_target]
        for number, keeps_old in back:
            try:
                self._bring_back(number, keeps_old)
            except OSError as error:
                detail = str(storage_error(error, self._files[number].path[-1]))
                log.warning("a file could not be moved back", detail=detail)
        self._tidy(self._target)
        for made in self._made_roots:
            try:
                made.rmdir()
            except OSError:            # no longer empty
                break

    def _bring_back(self, number: int, keeps_old: bool) -> None:
        old, new = self._source.path_of(number), self._target.path_of(number)
        if keeps_old or place(self._target.folders, new, self._source.folders, old):
            remove(self._target.folders, new)

    def _tidy(self, spot: Spot) -> None:
        """Remove the workshop and the folders that are empty now."""
        try:
            empty_workshop(self._target.folders, self._workshop)
        except OSError as error:
            log.warning("a folder stayed behind", detail=str(storage_error(error, self._workshop)))
        numbers = [number for number, entry in enumerate(self._files) if not entry.is_pad]
        spot.folders.prune(spot.path_of(number) for number in numbers)
        self._source.folders.close()
        self._target.folders.close()

    def _watch(self, count: int) -> None:
        self._done_bytes += count
        self._progress(self._done_bytes, self._total_bytes)
