"""What a .torrent file that clients send may say of the data that is there already: its `libtorrent_resume`.

Clients that know the data to be complete say so, to spare the check. They are believed as far as sizes and times of the
files say the same.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
from typing import Any, NamedTuple

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.bencode import decode
from blobtorrent.protocol.metafile import TORRENT_LIMITS

KEY = b"libtorrent_resume"


class Resume(NamedTuple):
    """`times` are those of the files that are not padding, in whole seconds since 1970, with their paths and sizes."""

    is_complete: bool
    times: tuple[tuple[tuple[str, ...], int, int], ...]
    priorities: dict[int, FilePriority]

    def fits(self, own_path: str) -> bool:
        """Whether the files have these sizes and times. `own_path` is their folder, whatever it is called, or the only
        file.
        """
        for path, size, mtime in self.times:
            try:
                found = os.stat(os.path.join(own_path, *path[1:]))
            except (OSError, ValueError):
                return False
            if found.st_size != size or int(found.st_mtime) != mtime:
                return False
        return True


def read_resume(raw: bytes, metainfo: Metainfo) -> Resume | None:
    """None when there is none, or one that makes no sense."""
    if KEY not in raw:
        return None
    try:
        told = decode(raw, limits=TORRENT_LIMITS, lenient=True)[KEY]
        return _read(told, metainfo)
    except (BlobTorrentError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _read(told: Any, metainfo: Metainfo) -> Resume | None:
    files, bitfield = told[b"files"], told[b"bitfield"]
    entries = [(number, entry) for number, entry in enumerate(metainfo.files) if not entry.is_pad]
    if len(files) != len(entries):
        return None
    num_pieces = metainfo.geometry.num_pieces
    if isinstance(bitfield, int):
        is_complete = bitfield == num_pieces
    else:
        is_complete = len(bitfield) == (num_pieces + 7) // 8 and _num_set(bitfield) == num_pieces
    times = tuple((entry.path, entry.length, int(row.get(b"mtime", 0))) for (_, entry), row in zip(entries, files))
    priorities = {number: FilePriority(row[b"priority"]) for (number, _), row in zip(entries, files)
                  if row.get(b"priority", 1) in (0, 2)}
    return Resume(is_complete, times, priorities)


def _num_set(field: bytes) -> int:
    return sum(bin(byte).count("1") for byte in field)
