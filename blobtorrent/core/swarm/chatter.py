"""Chatter: messages that move no data. A peer has little reason for many of them, and each costs us more than it. Pure.

Requests, their refusals and blocks have limits of their own, and what a peer has anew is news.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RejectRun, RequestRun

MESSAGES_PER_S = 2000.0                # of one peer, on average ...
BURST = 8000                           # ... over so many: all that it asked for may be cancelled at once
COST_OF_CHOKE = 100                    # in messages: all that is asked for is given to others, or asked for anew
COST_OF_INTEREST = 5                   # slots are given and taken; a leech beside us may change it with every piece
RUNS_PER_MESSAGE = 512                 # of waiting requests, that a cancel has to be found among
_COUNTED_ELSEWHERE = frozenset((RequestRun, RejectRun, HaveRun, wire.Piece))


def chatter_of(messages: Iterable[Any]) -> int:
    """How many of these are nothing but talk."""
    return sum(type(message) not in _COUNTED_ELSEWHERE for message in messages)


def chatter_counted(spent_s: float, count: int, now: float) -> float:
    """Count so many messages of a peer: what it has spent by then, from `spent_s` before; 0 before the first.

    Raises PeerError ("wire.flood") when it talks all the time.
    """
    spent_s = max(spent_s, now) + count / MESSAGES_PER_S
    if spent_s > now + BURST / MESSAGES_PER_S:
        raise PeerError("wire.flood", f"more than {MESSAGES_PER_S:.0f} messages a second that say nothing")
    return spent_s
