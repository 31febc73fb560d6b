"""Speeds: the links of a swarm in three classes, each of them four times as fast as the next. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from blobtorrent.model.geometry import BLOCK_SIZE

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink

SLOW, MEDIUM, FAST = range(3)          # a link of which nothing is known yet is medium
FACTOR = 4
TENTH = 10                             # of the links, the slowest are never waited for


def classify(links: Collection[PeerLink]) -> None:
    """Once a second: compare the rates at which they send."""
    top = max((link.down.rate for link in links), default=0.0)
    for link in links:
        rate = link.down.rate
        if not link.down.total or not top:
            link.speed = MEDIUM
        else:
            link.speed = FAST if rate * FACTOR >= top else MEDIUM if rate * FACTOR * FACTOR >= top else SLOW


def delivers_in_s(link: PeerLink, count: int) -> float:
    """Seconds until the link would have sent `count` more bytes; infinite when it sends nothing."""
    if not link.down.rate:
        return float("inf")
    return (len(link.outstanding) * BLOCK_SIZE + count) / link.down.rate


def is_among_slowest(link: PeerLink, links: Collection[PeerLink]) -> bool:
    """Whether nine of ten links that send are faster."""
    rates = sorted(other.down.rate for other in links if other.down.rate)
    return len(rates) > 1 and link.down.rate < rates[max(1, len(rates) // TENTH)]
