"""Which torrents a view has, and the orders that they can stand in. The keys are those of rTorrent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from blobtorrent.cli.top.torrent import Torrent

Rank = tuple[Any, ...]                 # torrents stand in the order of their ranks


class View(NamedTuple):
    """`order` is the one that comes with the view, or None: it stays as it is."""

    key: str
    name: str
    wants: Callable[[Torrent], bool]
    order: str | None = None


VIEWS = (
    View("1", "main", lambda torrent: True, "added"),
    View("2", "name", lambda torrent: True, "name"),
    View("3", "started", lambda torrent: torrent.is_started),
    View("4", "stopped", lambda torrent: not torrent.is_started),
    View("5", "complete", lambda torrent: torrent.is_complete),
    View("6", "incomplete", lambda torrent: not torrent.is_complete),
    View("7", "hashing", lambda torrent: torrent.state == "checking"),
    View("8", "seeding", lambda torrent: torrent.state == "seeding"),
    View("9", "leeching", lambda torrent: torrent.state in ("downloading", "metadata")),
    View("0", "active", lambda torrent: torrent.is_active),
    View("!", "error", lambda torrent: torrent.state == "error" or bool(torrent.error)),
)
MAIN = VIEWS[0]

# Numbers go from the largest to the smallest: what moves most, or is most, is looked for at the top.
ORDERS: dict[str, Callable[[Torrent], Rank]] = {
    "added": lambda torrent: (torrent.added_at,),
    "name": lambda torrent: (),
    "state": lambda torrent: (torrent.state,),
    "done": lambda torrent: (-_share(torrent),),
    "size": lambda torrent: (-torrent.size_bytes,),
    "down": lambda torrent: (-torrent.down_bytes_per_s,),
    "up": lambda torrent: (-torrent.up_bytes_per_s,),
    "ratio": lambda torrent: (-torrent.ratio,),
    "peers": lambda torrent: (-torrent.peers_connected,),
    "eta": lambda torrent: (torrent.eta_s is None, torrent.eta_s or 0),
    "priority": lambda torrent: (-torrent.priority,),
}


def view_named(name: str) -> View:
    """One of VIEWS. Raises LookupError."""
    for view in VIEWS:
        if view.name == name:
            return view
    raise LookupError(name)


def _share(torrent: Torrent) -> float:
    done, size = torrent.progress
    return done / size if size else 1.0
