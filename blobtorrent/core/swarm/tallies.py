"""Tallies: a torrent's totals in the memory that outlives the process, exact at every moment. Owned by a swarm.

Whole blocks are counted there as they come, so most passes need no more than that. The totals themselves carry a
digest, which costs as much as a hundred blocks, and are stored when something else moved.
"""

from __future__ import annotations

from typing import Protocol

from blobtorrent.core.swarm.messages import Totals
from blobtorrent.model.geometry import BLOCK_SIZE


class Live(Protocol):
    def save_tally(self, downloaded: int, uploaded: int, wasted: int) -> None: ...


class Tallies:
    """`most_blocks` may come between two stores at most: a reader takes more for damage."""

    def __init__(self, live: Live, stored: Totals, most_blocks: int) -> None:
        self._live = live
        self._stored = stored
        self._most_bytes = max(1, most_blocks // 4) * BLOCK_SIZE       # a pass may bring many more

    def follow(self, downloaded: int, uploaded: int, wasted: int) -> None:
        """The totals after a pass."""
        stored = self._stored
        came = downloaded - stored.downloaded
        is_told = not came % BLOCK_SIZE and came < self._most_bytes     # of blocks that were noted
        if not is_told or uploaded != stored.uploaded or wasted != stored.wasted:
            self._stored = Totals(downloaded, uploaded, wasted)
            self._live.save_tally(downloaded, uploaded, wasted)
