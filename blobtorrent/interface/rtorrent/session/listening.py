"""`network.scgi.open_*`: places to listen at that a configuration file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import Value, single, text_of

CATEGORY: Final = "network"
MAX_PORT: Final = 65535
_PLACE: Final = re.compile(r"(?:(.*):)?([0-9]{1,5})")

Open = Callable[[str], None]
"""Takes a place as the settings have it, `unix:PATH` or `HOST:PORT`. Raises Fault."""


def already_open(_place: str) -> None:
    """As of a daemon that listens where its settings say."""
    raise failed("SCGI already enabled.")


def commands(open_place: Open, working: WorkingFolder) -> Iterator[Command]:
    yield command("network.scgi.open_local", partial(_open_local, open_place, working),
                  "PATH: listens at a UNIX socket.", category=CATEGORY, is_code=True)
    yield command("network.scgi.open_port", partial(_open_port, open_place), "[HOST:]PORT: listens at a TCP port.",
                  category=CATEGORY, is_code=True)
    yield command("network.scgi.open_systemd", lambda _context, _item, _args: already_open(""),
                  "Takes a socket of systemd: by the settings only.", category=CATEGORY, is_neutral=True, is_code=True)


def _open_local(
    open_place: Open, working: WorkingFolder, _context: Context, _item: Any, args: Sequence[Value]
) -> Value:
    path = text_of(single(args))
    if not path:
        raise failed("Could not bind socket: no path.")
    open_place(f"unix:{working.full(path)}")
    return None


def _open_port(open_place: Open, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
    found = _PLACE.fullmatch(text_of(single(args)))
    if found is None or not 0 < int(found[2]) <= MAX_PORT:
        raise failed("Invalid port number.")
    open_place(f"{found[1] or '127.0.0.1'}:{int(found[2])}")
    return None
