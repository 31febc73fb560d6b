"""Places: which torrents lie where, so that those at one place are found without looking at all. Pure.

A place is a folder that torrents lie in, an absolute path, and the name of a torrent's own file or folder there. Paths
are compared as they are written: two ways to one folder, through a symbolic link, are two places.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from blobtorrent.model.ids import InfoHash

Place = tuple[str, str]                # folder, name


class Places:
    """Every torrent has one place or two."""

    def __init__(self) -> None:
        self._places: dict[InfoHash, tuple[Place, ...]] = {}
        self._folders: dict[str, dict[str, tuple[InfoHash, ...]]] = {}

    def put(self, torrent: InfoHash, places: Iterable[Place]) -> None:
        """The torrent lies here, and no longer where it did."""
        now = tuple(dict.fromkeys(places))
        if self._places.get(torrent) == now:
            return
        self.drop(torrent)
        self._places[torrent] = now
        for folder, name in now:
            names = self._folders.setdefault(folder, {})
            names[name] = (*names.get(name, ()), torrent)

    def drop(self, torrent: InfoHash) -> None:
        """The torrent lies nowhere."""
        for folder, name in self._places.pop(torrent, ()):
            names = self._folders[folder]
            names[name] = tuple(other for other in names[name] if other != torrent)
            if not names[name]:
                del names[name]
            if not names:
                del self._folders[folder]

    def near(self, torrent: InfoHash) -> list[InfoHash]:
        """The others at its places, below them, or that it lies in."""
        found: dict[InfoHash, None] = {}
        for place in self._places.get(torrent, ()):
            for others in self._overlapping(*place):
                found.update(dict.fromkeys(others))
        found.pop(torrent, None)
        return list(found)

    def _overlapping(self, folder: str, name: str) -> Iterator[tuple[InfoHash, ...]]:
        inside = posixpath.join(folder, name)
        for other, names in self._folders.items():         # torrents in the torrent's own folder
            if other == inside or other.startswith(f"{inside}/"):
                yield from names.values()
        while name:                                        # at its place, and in whose folder it lies
            yield self._folders.get(folder, {}).get(name, ())
            folder, name = posixpath.split(folder)
