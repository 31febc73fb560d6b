"""What the core thread tells local discovery, and what that answers."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.mailbox import Mailbox


class AnnounceLocally(NamedTuple):
    """From now on say that we have these torrents, and listen for others who do: each is answered by FoundLocally on
    `reply_to`. `listeners` are the addresses and ports where peers reach us now: it is announced on their interfaces
    only. Never to be asked of a private torrent."""

    torrents: tuple[InfoHash, ...]
    listeners: tuple[tuple[str, int], ...]
    reply_to: Mailbox[Any]


class HushLocally(NamedTuple):
    """Say and hear nothing of these torrents any more."""

    torrents: tuple[InfoHash, ...]


class FoundLocally(NamedTuple):
    """A peer on our network has announced the torrent."""

    info_hash: InfoHash
    endpoint: Endpoint
