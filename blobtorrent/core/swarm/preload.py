"""Preload: how much more of a piece is fetched from disk once a peer has asked for some of it. Pure values.

Without it the span that holds the request is read, see `uploads`. With it what follows in the same piece comes, too: by
the kernel, which is told that it will be wanted, or by ourselves, into memory.
"""

from __future__ import annotations

from typing import Final, NamedTuple

OFF: Final = "off"
ADVISE: Final = "advise"               # the kernel reads ahead, as it sees fit
READ: Final = "read"                   # we do

MAX_AHEAD_BYTES: Final = 4 << 20       # that are read for one request: a piece may be larger than all memory


class Preload(NamedTuple):
    """What is done, and for whom: in pieces of at least so many bytes, for links that take at least so much."""

    way: str = OFF
    min_piece_bytes: int = 256 << 10
    min_link_bytes_per_s: float = 5120

    def suits(self, piece_bytes: int, link_bytes_per_s: float) -> bool:
        return (self.way != OFF and piece_bytes >= self.min_piece_bytes
                and link_bytes_per_s >= self.min_link_bytes_per_s)


NO_PRELOAD: Final = Preload()
