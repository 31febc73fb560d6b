"""A session of rTorrent that no rTorrent made."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import bencodepy

from blobtorrent.daemon.importing import Reader, Source
from blobtorrent.daemon.programs import open_program

MTIME = 1_600_000_000
CONTENT = b"x" * 1000


class HandMade:
    """A session folder, and a folder with the content of its torrents, one file each."""

    def __init__(self, home: Path) -> None:
        self.session, self.content = home / "session", home / "content"
        self.session.mkdir()
        self.content.mkdir()

    def put(self, name: str, *, wanted: dict[str, Any] | None = None, progress: dict[str, Any] | None = None) -> str:
        path = self.content / name
        path.write_bytes(CONTENT)
        os.utime(path, (MTIME, MTIME))
        info = {"length": 1000, "name": name, "piece length": 16384, "pieces": hashlib.sha1(CONTENT).digest()}
        digits = hashlib.sha1(bencodepy.encode(info)).hexdigest().upper()
        said = {"directory": str(self.content), "state": 1, "priority": 2, **(wanted or {})}
        done = {"bitfield": 1, "files": [{"mtime": MTIME, "priority": 1}], **(progress or {})}
        for ending, value in (("", {"info": info}), (".rtorrent", said), (".libtorrent_resume", done)):
            (self.session / f"{digits}.torrent{ending}").write_bytes(bencodepy.encode(value))
        return digits

    def sources(self) -> list[Source]:
        with closing(open_program("rtorrent", self.session)) as session:
            reader = Reader(session, {})
            return [reader.read(name) for name in session.names()]
