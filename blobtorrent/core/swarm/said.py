"""Said: what a peer has said of itself before anybody could understand it. Small, however much a peer says.

How many pieces there are is known with the metadata only; then it is all said again, in as few messages as can be.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun

MAX_ALLOWED = 32                       # pieces that a peer allows while it chokes us; others send 10
MAX_BITS_BYTES = 96 << 10              # of a bitfield, and of what haves add up to: nearly 800,000 pieces


class Said:
    """Of one link. `is_too_much` when more was said than is kept: then the link cannot be handed on."""

    __slots__ = ("_allowed", "_bitfield", "_has_all", "_haves", "_is_interested", "_is_unchoking", "_spoke",
                 "is_too_much")

    def __init__(self) -> None:
        self.is_too_much = False
        self._bitfield: bytes | None = None
        self._haves = bytearray()      # in the order of a bitfield
        self._has_all = False          # in one word (BEP 6)
        self._spoke = False            # of what it has, though it may be nothing
        self._allowed: dict[int, None] = {}                # pieces that it sends even while it chokes us (BEP 6)
        self._is_unchoking = False
        self._is_interested = False

    def hear(self, message: Any) -> None:
        """Raises PeerError ("wire.bad-bitfield") for two bitfields that cannot be of one torrent."""
        if isinstance(message, wire.BitfieldMessage):
            self._hear_bitfield(message.data)
        elif isinstance(message, HaveRun):
            self._hear_haves(message.indices)
        elif isinstance(message, (wire.HaveAll, wire.HaveNone)):
            self._spoke = True
            self._has_all |= isinstance(message, wire.HaveAll)
        elif isinstance(message, wire.AllowedFast):
            if len(self._allowed) < MAX_ALLOWED:
                self._allowed[message.index] = None
        elif isinstance(message, (wire.Choke, wire.Unchoke)):
            self._is_unchoking = isinstance(message, wire.Unchoke)
        elif isinstance(message, (wire.Interested, wire.NotInterested)):
            self._is_interested = isinstance(message, wire.Interested)

    def messages(self, num_pieces: int) -> list[Any]:
        """All of it, for a torrent of so many pieces. Whether it can be true is for the receiver to judge."""
        said: list[Any] = []
        if self._has_all:
            said.append(wire.HaveAll())
        elif self._spoke:
            said.append(wire.HaveNone())
        if self._bitfield is not None:
            said.append(wire.BitfieldMessage(self._bitfield))
        size = -(-num_pieces // 8)
        if len(self._haves) > size:
            said.append(HaveRun([8 * len(self._haves)]))   # beyond the last piece
        elif self._haves:
            said.append(wire.BitfieldMessage(bytes(self._haves).ljust(size, b"\0")))
        said += [wire.AllowedFast(index) for index in self._allowed]
        if self._is_unchoking:
            said.append(wire.Unchoke())
        if self._is_interested:
            said.append(wire.Interested())
        return said

    def _hear_bitfield(self, data: bytes) -> None:
        if len(data) > MAX_BITS_BYTES:
            self._give_up()
        elif self._bitfield is None:
            self._bitfield = data
        elif len(data) != len(self._bitfield):
            raise PeerError("wire.bad-bitfield", f"a bitfield of {len(self._bitfield)} bytes, then of {len(data)}")
        else:                          # a later one adds to the first, as in a swarm
            both = int.from_bytes(self._bitfield, "big") | int.from_bytes(data, "big")
            self._bitfield = both.to_bytes(len(data), "big")

    def _hear_haves(self, indices: list[int]) -> None:
        last = max(indices) >> 3
        if last >= MAX_BITS_BYTES:
            self._give_up()
            return
        if last >= len(self._haves):
            self._haves += bytes(last + 1 - len(self._haves))
        for index in indices:
            self._haves[index >> 3] |= 0x80 >> (index & 7)

    def _give_up(self) -> None:
        self.is_too_much = True
        self._bitfield = None
        self._haves.clear()
