"""Manners: how much a peer may say that brings nobody anything. Pure; the count is a link's.

A word costs a peer a few bytes and us some microseconds, with the answers, and the receive thread serves everybody:
four peers that changed their interest all the time brought a download to a stop. Blocks, what they are asked for with,
and pieces that the peer did not have before are no idle words: they are bounded by what is moved.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun, RequestRun

WORDS_PER_S = 500                      # on average ...
BURST_WORDS = 5000                     # ... over so many; who has asked for much takes back much at once (BEP 3)

_FREE = 0                              # counted where it is known what they are good for
_DEAR = 10                             # these have us look at all that was asked for, or at all pieces
_COSTS: dict[type, int] = {
    RequestRun: _FREE, HaveRun: _FREE, wire.Piece: _FREE,
    wire.Choke: _DEAR, wire.Unchoke: _DEAR, wire.Interested: _DEAR, wire.NotInterested: _DEAR,
    wire.BitfieldMessage: _DEAR, wire.HaveAll: _DEAR, wire.HaveNone: _DEAR, wire.AllowedFast: _DEAR,
}


def words_in(messages: list[Any]) -> int:
    """What they count: each is a word, but some are none and some are many."""
    return sum(_COSTS.get(type(message), 1) for message in messages)


def words_counted(spent_s: float, now: float, count: int) -> float:
    """Count so many words of a peer: what it has spent by then, from `spent_s` before; 0 before the first.

    Raises PeerError ("wire.flood") when it talks too much.
    """
    spent_s = max(spent_s, now) + count / WORDS_PER_S
    if spent_s > now + BURST_WORDS / WORDS_PER_S:
        raise PeerError("wire.flood", "it talks without end and says nothing")
    return spent_s
