"""Announced: a running torrent as its trackers know it. Owned by the AnnounceManager."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.core.session.announcequeue import Line, Turn
from blobtorrent.core.session.announcetier import Tier, Tracker
from blobtorrent.core.session.commands import Tiers
from blobtorrent.model.ids import InfoHash


class Progress(NamedTuple):
    """What trackers are told of a torrent, in bytes."""

    left: int
    uploaded: int = 0
    downloaded: int = 0


class Announced:
    """A running torrent as its trackers know it."""

    def __init__(self, info_hash: InfoHash, progress: Progress, urls: Tiers, first_turn: Turn, *,
                 is_private: bool) -> None:
        self.info_hash = info_hash
        self.urls = urls
        self.progress = progress
        self.first_turn = first_turn
        self.is_private = is_private
        self.has_completed = False     # its download ended in this run
        self.tiers: list[Tier] = []
        self.trackers: dict[bytes, dict[str, Tracker]] = {}            # by wire form and URL
        self.lines: dict[Line, None] = {}                  # who was told of it, or is to be

    def tier_of(self, line: Line) -> Tier | None:
        """None when its tracker is none of the torrent's any more."""
        return next((tier for tier in self.tiers if tier.wire_hash == line.wire_hash and line.url in tier.trackers),
                    None)
