"""How far callers reach on the disk who may not run code.

They have torrents, and say where their files are; but a file in a folder that programs look into is run by somebody
later. So such callers are kept to folders of data, and to files that are what they are said to be.
"""

from __future__ import annotations

import os
from typing import Final

from blobtorrent.interface.rtorrent.context import Context, Trust
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault
from blobtorrent.interface.rtorrent.values import shown

# Folders of the system, which no torrent is for; but disks that somebody plugs in are below /run/media.
_OF_PROGRAMS: Final = frozenset((
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr"))
_MEDIA: Final = ["run", "media"]


def require_folder(context: Context, folder: str, known: str) -> None:
    """Raises Fault (-507) when whoever asks may not have files put into `folder`. `known` is one that is right: what
    is below it is, too."""
    if context.trust is not Trust.FULL and not _is_below(folder, known) and _holds_programs(folder):
        raise Fault(REFUSED, f'The folder "{shown(folder)}" is not allowed here: programs look into it, and this '
                             "listener is not named in the setting rtorrent.trusted.")


def _is_below(folder: str, known: str) -> bool:
    real, root = os.path.realpath(folder), os.path.realpath(known)
    return os.path.isabs(known) and os.path.commonpath((real, root)) == root


def _holds_programs(folder: str) -> bool:
    """Whether a file in it, or in a folder of any name in it, may be one that is run: hidden folders, folders of the
    system, a home, and what homes are in."""
    real = os.path.realpath(folder)
    parts = real.split(os.sep)[1:]
    if any(part.startswith(".") for part in parts):
        return True
    if parts[0] in _OF_PROGRAMS and parts[:2] != _MEDIA:
        return True
    home = os.path.realpath(os.path.expanduser("~"))
    return os.path.commonpath((real, home)) == real
