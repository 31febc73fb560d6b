"""Where a swarm's decisions go. The host implements it with threads behind it, a simulation without."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import SwarmReport
from blobtorrent.core.swarm.pieces import Assembly
from blobtorrent.model.address import Endpoint
from blobtorrent.runtime.timers import Timer
from blobtorrent.storage.jobs import FullPiece

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm

KeptPiece = tuple[int, list[tuple[int, int]]]              # piece, and (block, slot) of what is to be kept of it


class Outlets(Protocol):
    """All calls return at once; answers come back through the swarm's `on_x` methods."""

    @property
    def now(self) -> float: ...

    def wall(self) -> float:
        """Seconds since 1970."""

    def touch(self, swarm: Swarm) -> None:
        """flush() is wanted at the end of this pass."""

    def at(self, swarm: Swarm, deadline_s: float, callback: Callable[[], None]) -> Timer: ...

    def dial(self, swarm: Swarm, endpoint: Endpoint) -> None: ...

    def close_link(self, link: PeerLink) -> None: ...

    def hash_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None: ...

    def write_pieces(self, swarm: Swarm, pieces: list[FullPiece]) -> None: ...

    def spill(self, swarm: Swarm, assembly: Assembly) -> None: ...

    def keep(self, swarm: Swarm, pieces: list[KeptPiece], token: Any) -> None: ...

    def compute(self, swarm: Swarm, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have a hashing thread do it; `then` is called with the result, or with None."""

    def when_memory(self, swarm: Swarm) -> None:
        """Call refill() when slots come free, and see to it that some do."""

    def memory_came(self, swarm: Swarm) -> None:
        """The swarm tries again by itself: it may wait anew."""

    def report(self, swarm: Swarm, report: SwarmReport) -> None: ...

    def fail(self, swarm: Swarm, error: Exception) -> None:
        """What a link's socket brought has shown a bug."""
