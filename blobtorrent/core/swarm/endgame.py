"""Endgame: nothing is left that nobody is asked for, so idle links are asked for what others may be slow to send.

A block that comes is taken back from everybody else who was asked for it. Pure; owned by a swarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.pieces import Assembly, PieceManager

MAX_REQUESTERS = 2                     # of one block
MAX_DOUBLED = 64                       # blocks that two links are asked for at a time
DOUBLE_PAUSE_S = 0.25                  # between two looks of one link for something to duplicate
ENDGAME_BLOCKS = 8                     # duplicated for one idle link at a time


class Endgame:
    """Who was asked for a block, for every block that more than one link was. Keys are `index << 32 | begin`."""

    def __init__(self, pieces: PieceManager) -> None:
        self.doubled: dict[int, list[PeerLink]] = {}
        self._pieces = pieces

    def choose(self, link: PeerLink, now: float) -> list[tuple[int, Assembly]]:
        """Blocks to ask an idle link for as well, with their pieces; none when there is something better to do."""
        is_busy = link.outstanding or link.is_suspect or link.snubbed or now < link.double_at
        if is_busy or self._pieces.wanted_now or len(self.doubled) >= MAX_DOUBLED:
            return []
        link.double_at = now + DOUBLE_PAUSE_S
        chosen: list[tuple[int, Assembly]] = []
        for assembly in self._pieces.open.values():
            if assembly.missing and assembly.owner is None and link.mask >> assembly.index & 1:
                chosen += self._slowest(assembly, link, ENDGAME_BLOCKS - len(chosen))
                if len(chosen) >= ENDGAME_BLOCKS:
                    break
        return chosen

    def _slowest(self, assembly: Assembly, asker: PeerLink, limit: int) -> list[tuple[int, Assembly]]:
        """Blocks of a piece that one other link alone was asked for; notes their holders."""
        chosen: list[tuple[int, Assembly]] = []
        holders = [holder for holder in assembly.taken_from if holder is not asker and holder.outstanding]
        for holder in sorted(holders, key=lambda holder: holder.down.rate):
            for key in reversed(holder.outstanding.of(assembly)):
                if len(chosen) >= limit:
                    return chosen
                if len(self.doubled.get(key, (holder,))) < MAX_REQUESTERS:
                    self.doubled.setdefault(key, [holder])
                    chosen.append((key, assembly))
        return chosen

    def join(self, link: PeerLink, key: int) -> None:
        """A link is asked for a block that `choose` named."""
        self.doubled[key].append(link)

    def leave(self, link: PeerLink, key: int) -> bool:
        """A link is asked for a block no more; True when somebody else still is."""
        others = self.doubled.get(key)
        if others is None:
            return False
        others.remove(link)
        if not others:
            del self.doubled[key]
        return bool(others)

    def forget(self, key: int) -> list[PeerLink]:
        """Keep no account of a block any more; returns who was asked for it, if more than one was."""
        return self.doubled.pop(key, [])

    def arrived(self, blocks: Iterable[tuple[int, int]], link: PeerLink) -> Iterator[tuple[PeerLink, int]]:
        """Blocks (key, slot) came by `link`: who was asked in vain for those that stay, and for which."""
        for key, slot in blocks:
            if key in self.doubled and self._pieces.holds(key, slot):
                for other in self.doubled.pop(key):
                    if other is not link:
                        yield other, key
