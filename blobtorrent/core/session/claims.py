"""PathClaims: of torrents that lie at the same place only one writes there. Pure.

A place is a torrent's own file or folder below its root. Who is complete only reads and needs no claim, so that two
torrents of the same content seed side by side.
"""

from __future__ import annotations

from pathlib import Path

from blobtorrent.model.ids import InfoHash


class PathClaims:
    """Who writes where, and who waits for it."""

    def __init__(self) -> None:
        self._writers: dict[Path, InfoHash] = {}
        self._claims: dict[InfoHash, Path] = {}
        self._waiting: dict[Path, dict[InfoHash, None]] = {}

    def take(self, path: Path, torrent: InfoHash) -> bool:
        """Claim `path`; False when another torrent has it: then `torrent` waits, and `release` will name it."""
        if self._writers.setdefault(path, torrent) != torrent:
            self._waiting.setdefault(path, {})[torrent] = None
            return False
        self._claims[torrent] = path
        return True

    def release(self, torrent: InfoHash) -> list[InfoHash]:
        """Give up the claim and the wait of a torrent, if it has any; returns those that may try now."""
        for path in [path for path, waiting in self._waiting.items() if torrent in waiting]:
            del self._waiting[path][torrent]
            if not self._waiting[path]:
                del self._waiting[path]
        claimed = self._claims.pop(torrent, None)
        if claimed is None:
            return []
        del self._writers[claimed]
        return list(self._waiting.pop(claimed, ()))

    def writer_of(self, path: Path) -> InfoHash | None:
        return self._writers.get(path)
