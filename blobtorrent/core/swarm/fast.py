"""Fast: what BEP 6 adds to one link, when both sides have it. Pure; owned by a link."""

from __future__ import annotations

from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import RejectRun

MAX_REJECTED = 4000                    # requests that a peer may have refused in a row; more is an attack
FAST_COPIES = 3                        # times that a choked peer is sent the blocks of a piece
FEW_PIECES = 10                        # a peer that has so many gets nothing more while choked


_KINDS = (wire.HaveAll, wire.HaveNone, wire.Suggest, wire.AllowedFast, RejectRun)


def check_negotiated(message: Any, *, has_fast: bool) -> None:
    """Raise PeerError ("wire.not-negotiated") for a message of the extension from who did not offer it."""
    if not has_fast and isinstance(message, _KINDS):
        raise PeerError("wire.not-negotiated", f"{type(message).__name__} without the fast extension")


class Fast:
    """Masks are integers: bit i is piece i."""

    __slots__ = ("allowed", "granted", "refused", "refused_at", "rejected")

    def __init__(self) -> None:
        self.allowed = 0               # pieces that the peer sends us even while it chokes us
        self.refused = 0               # pieces that it would not send though it did not choke us
        self.refused_at = 0.0          # when that was last
        self.granted: dict[int, int] = {}      # pieces that we send it while we choke it, and how many blocks of each
        self.rejected = 0              # requests of its that we refused since it was unchoked last

    def grant(self, index: int, num_blocks: int) -> None:
        """The peer may have this piece while it is choked, but not for ever."""
        self.granted[index] = FAST_COPIES * num_blocks

    def note_rejected(self, count: int) -> None:
        """So many requests were refused as the peer knew they would be. Raises PeerError for far too many."""
        self.rejected += count
        if self.rejected > MAX_REJECTED:
            raise PeerError("wire.too-many-requests", f"{self.rejected} requests that it cannot have answered")

    def spend(self, index: int) -> bool:
        """A choked peer asks for a block: whether it gets it."""
        left = self.granted.get(index, 0)
        if left:
            self.granted[index] = left - 1
        return left > 0
