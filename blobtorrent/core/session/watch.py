"""Which files of a watch folder are ready to be added, and what the files beside them say. Pure.

A file is ready when two looks in a row found it the same: before that somebody may still be writing it. `NAME.toml` or
`NAME.json` beside `NAME.torrent` has options for it, under the names that the REST interface uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from blobtorrent.config.tomltext import parse_document
from blobtorrent.core.session.options import Fields, read_addition
from blobtorrent.model.errors import Invalid

TORRENT_SUFFIX = ".torrent"
SIDECAR_SUFFIXES = (".toml", ".json")


class Sighting(NamedTuple):
    """One regular file as a look found it."""

    size: int
    mtime_ns: int
    inode: int


class Find(NamedTuple):
    """A torrent file that is ready, by name, and the file of options beside it."""

    torrent: str
    sidecar: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.torrent,) if self.sidecar is None else (self.torrent, self.sidecar)


class WatchStatus(NamedTuple):
    """A watch folder and what came of it since it is watched. The time is in seconds since 1970, 0 for never."""

    path: str
    is_readable: bool = True
    added: int = 0                     # torrents, also those that were there already
    failed: int = 0
    last_file: str = ""
    last_at: float = 0.0
    error_code: str = ""               # of the last file; empty when it was added
    error_detail: str = ""


class WatchScanner:
    """Remembers the last look at one folder. A file that was found once is found again only when it has changed."""

    def __init__(self) -> None:
        self._last: dict[Find, tuple[Sighting, ...]] = {}
        self._found: dict[Find, tuple[Sighting, ...]] = {}

    def look(self, files: Mapping[str, Sighting]) -> list[Find]:
        """What became ready, in the order of the names. `files` are all regular files of the folder by name."""
        now = {find: tuple(files[name] for name in find.names) for find in _candidates(files)}
        ready = [find for find, seen in now.items() if self._last.get(find) == seen != self._found.get(find)]
        self._last = now
        self._found = {find: seen for find, seen in self._found.items() if find in now}
        self._found.update((find, now[find]) for find in ready)
        return ready

    def forget(self, find: Find) -> None:
        """It could not be dealt with now: find it again."""
        self._found.pop(find, None)


def read_sidecar(name: str, data: bytes) -> dict[str, Any]:
    """The arguments of AddTorrent that a file of options gives. Raises Invalid ("watch.bad-sidecar", "option.*")."""
    try:
        options = parse_document(data.decode()) if name.endswith(".toml") else json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid("watch.bad-sidecar", f"{name}: {error}") from None
    if not isinstance(options, dict):
        raise Invalid("watch.bad-sidecar", f"{name}: not a table of options")
    fields = Fields(options, f"{name}: ")
    addition = read_addition(fields)
    fields.end()
    return addition


def _candidates(files: Mapping[str, Sighting]) -> Iterator[Find]:
    for name in sorted(files):
        if name.endswith(TORRENT_SUFFIX) and not name.startswith("."):
            beside = (f"{PurePath(name).stem}{suffix}" for suffix in SIDECAR_SUFFIXES)
            yield Find(name, next((sidecar for sidecar in beside if sidecar in files), None))
