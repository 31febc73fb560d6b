"""Naming: where the files of a torrent lie below their folder, after its user renamed some. Pure and immutable.

Only renames are kept, by the path that the torrent itself gives: {"Film/cd1": "Film/Disc 1"}. The longest of them that
a file lies in tells its place. So renaming the folder of a torrent of 100,000 files is one entry, and undoing it none.
Of a file that is kept in parts (see `model.splitting`), the whole can be renamed as if it were there, or a part alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from blobtorrent.model.errors import Conflict, Invalid, NotFound
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.model.paths import MAX_DEPTH, MAX_PATH_BYTES, Path, folders_of, safe_part, with_ending


class Naming:
    """The places of `files` under `renames`: the torrent's own path of a file or folder -> its path now, parts joined
    by slashes.

    Raises Invalid ("torrent.bad-name") when a path could lead out of the torrent's folder, or could not be made.
    """

    def __init__(self, files: Sequence[FileEntry], renames: Mapping[str, str] | None = None) -> None:
        self._files = files
        self._moved = {split_path(old): split_path(new) for old, new in (renames or {}).items()}

    @property
    def renames(self) -> dict[str, str]:
        """What to keep, to make the same naming again."""
        return {"/".join(old): "/".join(new) for old, new in sorted(self._moved.items())}

    @cached_property
    def paths(self) -> Sequence[Path]:
        """The place of each file, by its number."""
        return [self._place_of(entry) for entry in self._files]

    def place(self, path: Path) -> Path:
        """Where a file or folder of the torrent lies now. `path` is what the torrent itself calls it."""
        for length in range(len(path), 0, -1):
            moved = self._moved.get(path[:length])
            if moved is not None:
                return moved + path[length:]
        return path

    def _place_of(self, entry: FileEntry) -> Path:
        if entry.part is not None and entry.path not in self._moved:
            whole = self._moved.get(entry.part.whole)
            if whole is not None:
                return with_ending(whole, entry.part.ending)
        return self.place(entry.path)

    def rename(self, old: str, new: str) -> Naming:
        """Give the file or folder that is now called `old` another path, and all that lies in it.

        Folders that get the path of another folder join it.
        Raises NotFound ("torrent.no-such-path") when the torrent has no `old`, Invalid ("torrent.bad-name") for a
        path that cannot be, Conflict ("torrent.name-taken") when two files would have the same path, or a file the
        path of a folder.
        """
        before, after = split_path(old), split_path(new)
        targets = [self._target(entry, path, before, after) for entry, path in zip(self._files, self.paths)]
        if targets == self.paths and before != after:
            raise NotFound("torrent.no-such-path", f"the torrent has no {old}")
        renamed = Naming(self._files)
        renamed._moved = self._moves_to(targets, before, after)
        _require_apart([path for path, entry in zip(targets, self._files) if not entry.is_pad])
        return renamed

    def _target(self, entry: FileEntry, path: Path, before: Path, after: Path) -> Path:
        """Where the file that is now at `path` comes to lie."""
        if entry.part is not None and entry.path not in self._moved and self.place(entry.part.whole) == before:
            return with_ending(after, entry.part.ending)
        return _moved(path, before, after)

    def _moves_to(self, targets: Sequence[Path], before: Path, after: Path) -> dict[Path, Path]:
        """The fewest moves that give each file its place in `targets`."""
        moves = {own: _moved(place, before, after) for own, place in self._moved.items()}
        folders = folders_of(entry.path for entry in self._files)
        folders.update(entry.part.whole for entry in self._files if entry.part is not None)
        moves.update({own: after for own in folders if self.place(own) == before})
        trial = Naming(self._files)
        trial._moved = moves
        moves.update({
            entry.path: target for entry, target in zip(self._files, targets) if trial._place_of(entry) != target})
        for own in sorted(moves, key=len):         # what the folder above says already need not be said again
            place = moves.pop(own)
            if trial.place(own) != place:
                moves[own] = place
        return moves


def split_path(text: str) -> Path:
    """The parts of a path below a torrent's folder. Raises Invalid ("torrent.bad-name")."""
    parts = tuple(text.split("/"))
    if len(parts) > MAX_DEPTH or len(text.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise Invalid("torrent.bad-name", f"a path of {len(parts)} parts and {len(text)} characters is too long")
    for part in parts:
        if not part or safe_part(part.encode("utf-8", "surrogatepass"), instead="") != part:
            raise Invalid("torrent.bad-name", f"{part!r} cannot be the name of a file or folder")
    return parts


def _moved(path: Path, before: Path, after: Path) -> Path:
    """`path`, if it is `before` or lies in it, in its new place."""
    return after + path[len(before):] if path[:len(before)] == before else path


def _require_apart(paths: Sequence[Path]) -> None:
    folders, taken = folders_of(paths), set[Path]()
    for path in paths:
        if path in taken or path in folders:
            raise Conflict("torrent.name-taken", f"the torrent has another {'/'.join(path)}")
        taken.add(path)
