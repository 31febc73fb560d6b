"""Chatter: messages that move no data. A peer has little reason for many of them, and each costs us more than it. Pure.

Requests, their refusals and blocks have limits of their own, and what a peer has anew is news. Interest and chokes come
and go with the pieces of a fast swarm, so of these only one in two counts, and a choke by what it takes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RejectRun, RequestRun

MESSAGES_PER_S = 2000.0                # of one peer, on average ...
BURST = 8000                           # ... over so many: all that it asked for may be cancelled at once
# What costs us as much as a message:
COST_OF_CHOKE = 10                     # while we are interested: everybody is looked at for what it leaves undone
BLOCKS_PER_MESSAGE = 8                 # to give to others what a choke keeps from us
_COUNTED_ELSEWHERE = frozenset((
    RequestRun, RejectRun, HaveRun, wire.Piece, wire.Choke, wire.Unchoke, wire.Interested, wire.NotInterested))


def chatter_of(messages: Iterable[Any]) -> int:
    """How many of these are nothing but talk."""
    count = 0
    for message in messages:           # a generator takes three times as long to begin: it is mostly one message
        if type(message) not in _COUNTED_ELSEWHERE:
            count += 1
    return count


def chatter_counted(spent_s: float, count: int, now: float) -> float:
    """Count so many messages of a peer: what it has spent by then, from `spent_s` before; 0 before the first.

    Raises PeerError ("wire.flood") when it talks all the time.
    """
    spent_s = max(spent_s, now) + count / MESSAGES_PER_S
    if spent_s > now + BURST / MESSAGES_PER_S:
        raise PeerError("wire.flood", f"more than {MESSAGES_PER_S:.0f} messages a second that say nothing")
    return spent_s
