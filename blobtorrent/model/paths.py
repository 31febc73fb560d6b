"""Paths made from the names in a torrent: the one place where foreign bytes become file names.

A name may hold anything; a part that leaves here is valid UTF-8 of at most 255 bytes, is not empty, `.` or `..`, and
has no separator, control character or character that turns the direction of text. What a part may not hold becomes `_`,
bytes that are not UTF-8 become U+FFFD, and paths that would collide get a number, so no file overwrites another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from blobtorrent.model.errors import MetainfoError

Path = tuple[str, ...]

MAX_PART_BYTES = 255                   # NAME_MAX nearly everywhere
MAX_PATH_BYTES = 4096                  # PATH_MAX of Linux
MAX_DEPTH = 100                        # parts
MAX_FOLDERS = 1 << 18                  # of one torrent; a file of a few MB could ask for millions
MAX_LINK_STEPS = 100_000               # what following the symbolic links of one torrent may cost
MAX_LINK_HOPS = 8                      # links over links; macOS frameworks have two
_MAX_EXTENSION_BYTES = 16
_MAX_NUMBER_BYTES = len(" (9999999)")

_FORBIDDEN = re.compile("[/\\\\\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_EMPTY = re.compile("[/\\\\\x00\u202a-\u202e\u2066-\u2069]")           # nothing of these would be seen in a name
_NO_NAMES = frozenset(("", ".", ".."))


def safe_text(raw: bytes) -> str:
    """Foreign text for display: bad UTF-8 and control characters other than tab and line ends become U+FFFD."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", raw.decode("utf-8", "replace"))


def safe_part(raw: bytes, instead: str = "_") -> str:
    """One safe part of a path; `instead` stands for a name of which nothing usable is left."""
    text = raw.decode("utf-8", "replace")
    if text in _NO_NAMES:
        return instead
    if _FORBIDDEN.search(text):
        if _EMPTY.sub("", text) in _NO_NAMES:
            return instead
        text = _FORBIDDEN.sub("_", text)
    if len(raw) * 3 > MAX_PART_BYTES and len(text.encode()) > MAX_PART_BYTES:      # a bad byte becomes three
        return shorten_part(text)
    return text


def shorten_part(text: str) -> str:
    """Cut a name to 255 bytes; an extension is kept."""
    stem, extension = _cut(text, MAX_PART_BYTES)
    return stem + extension


def with_ending(path: Path, ending: str) -> Path:
    """The path with something behind its last part, of which as much is kept as a name may have bytes."""
    *folder, name = path
    kept = name.encode()[:MAX_PART_BYTES - len(ending.encode())].decode("utf-8", "ignore")
    return (*folder, kept + ending)


def _cut(text: str, limit: int) -> tuple[str, str]:
    """Stem and extension (with its dot) of a name, the stem cut so that both have at most `limit` bytes."""
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        stem, dot, extension = text, "", ""
    ending = dot + extension
    return stem.encode()[:limit - len(ending.encode())].decode("utf-8", "ignore"), ending


class _SafeParts(dict[bytes, str]):
    """The safe form of each part met so far: folders of a torrent repeat for each of their files."""

    def __missing__(self, raw: bytes) -> str:
        part = self[raw] = safe_part(raw)
        return part


class PathMaker:
    """Makes the paths of one torrent's files, all below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._safe_part = _SafeParts().__getitem__

    def make(self, raw_parts: Sequence[bytes]) -> Path:
        """Raises MetainfoError ("metainfo.bad-path") for a path that is too deep or too long."""
        if len(raw_parts) > MAX_DEPTH:
            raise MetainfoError("metainfo.bad-path", f"a path of {len(raw_parts)} parts")
        path = self._folder + tuple(map(self._safe_part, raw_parts))
        if len(path) * (MAX_PART_BYTES + 1) > MAX_PATH_BYTES and len("/".join(path).encode()) > MAX_PATH_BYTES:
            raise MetainfoError("metainfo.bad-path", f"a path of more than {MAX_PATH_BYTES} bytes")
        return path


def keep_apart(paths: Sequence[Path]) -> Sequence[Path]:
    """The same paths, where a file that has the path of an earlier file, or of any folder, gets " (2)" to its name."""
    taken = folders_of(paths)
    if len(set(paths)) == len(paths) and taken.isdisjoint(paths):
        return paths
    # The last number given, by folder, stem and extension. The stem is cut for any number alike: names that could meet
    # share a counter, and no set of names costs more than one step a name.
    numbers: dict[tuple[Path, str, str], int] = {}
    result = []
    for path in paths:
        distinct = path
        while distinct in taken:
            folder = path[:-1]
            stem, extension = _cut(path[-1], MAX_PART_BYTES - _MAX_NUMBER_BYTES)
            number = numbers.get((folder, stem, extension), 1) + 1
            numbers[folder, stem, extension] = number
            distinct = (*folder, f"{stem} ({number}){extension}")
        taken.add(distinct)
        result.append(distinct)
    return result


def folders_of(paths: Iterable[Path]) -> set[Path]:
    """Every folder that these files need. Raises MetainfoError ("metainfo.too-many-folders")."""
    folders: set[Path] = set()
    for path in paths:
        folder = path[:-1]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder[:-1]
        if len(folders) > MAX_FOLDERS:
            raise MetainfoError("metainfo.too-many-folders", f"more than {MAX_FOLDERS} folders")
    return folders


class LinkResolver:
    """Finds what the symbolic links of a torrent lead to (BEP 47): something of the same torrent, or nothing at all.

    `links` gives each link its target as read from `folder`, the torrent's own. Old torrents write targets as seen from
    the link, so where the one reading names nothing the other is tried.
    """

    def __init__(self, folder: Path, files: Iterable[Path], links: dict[Path, Path]) -> None:
        self._solid = set(files)
        self._solid |= folders_of([*self._solid, *links])
        self._links = {link: self._meant(link, target, folder, links) for link, target in links.items()}
        self._steps = MAX_LINK_STEPS

    def target_of(self, link: Path) -> Path | None:
        """The target if something is there, perhaps over other links; None otherwise.

        Links in a circle lead nowhere, and so do those that come after the work which one torrent may cost.
        """
        place: Path | None = self._links[link]
        for _ in range(MAX_LINK_HOPS):
            if place in self._solid:
                return self._links[link]
            if place is None:
                break
            place = self._follow_first_link(place)
        return None

    def _meant(self, link: Path, target: Path, folder: Path, links: dict[Path, Path]) -> Path:
        beside = link[:-1] + target[len(folder):]
        if target not in self._solid and target not in links and (beside in self._solid or beside in links):
            return beside
        return target

    def _follow_first_link(self, path: Path) -> Path | None:
        for length in range(1, len(path) + 1):
            self._steps -= 1
            if self._steps < 0:
                return None
            target = self._links.get(path[:length])
            if target is not None:
                return target + path[length:]
        return None
