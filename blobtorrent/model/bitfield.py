"""Bitfield: which pieces somebody has, in wire order (BEP 3: the high bit of the first byte is piece 0)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from blobtorrent.model.errors import PeerError

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Bitfield:
    """A mutable set of piece numbers below `size`. `mask` is the same set as an integer whose bit i is piece i."""

    __slots__ = ("size", "_data", "_count")

    def __init__(self, size: int, pieces: Iterable[int] = ()) -> None:
        self.size = size
        self._data = bytearray(-(-size // 8))
        self._count = 0
        for index in pieces:
            self.add(index)

    @classmethod
    def full(cls, size: int) -> Bitfield:
        return cls.from_mask(size, (1 << size) - 1)

    @classmethod
    def from_mask(cls, size: int, mask: int) -> Bitfield:
        field = cls(size)
        field._data[:] = mask.to_bytes(len(field._data), "little").translate(_REVERSED)
        field._count = bin(mask).count("1")
        return field

    @classmethod
    def from_wire(cls, data: bytes | memoryview, size: int) -> Bitfield:
        """Read a peer's bitfield. Raises PeerError ("wire.bad-bitfield") on a wrong length or a dirty tail (BEP 3)."""
        if len(data) != -(-size // 8):
            raise PeerError("wire.bad-bitfield", f"bitfield of {len(data)} bytes for {size} pieces")
        mask = int.from_bytes(bytes(data).translate(_REVERSED), "little")
        if mask >> size:
            raise PeerError("wire.bad-bitfield", "bitfield with spare bits set")
        return cls.from_mask(size, mask)

    @property
    def mask(self) -> int:
        return int.from_bytes(self._data.translate(_REVERSED), "little")

    def to_wire(self) -> bytes:
        return bytes(self._data)

    def add(self, index: int) -> bool:
        """Add a piece; True when it is new. Raises IndexError outside 0..size-1."""
        if not 0 <= index < self.size:
            raise IndexError(f"piece {index} of {self.size}")
        byte, bit = index >> 3, 0x80 >> (index & 7)
        if self._data[byte] & bit:
            return False
        self._data[byte] |= bit
        self._count += 1
        return True

    def discard(self, index: int) -> bool:
        """Remove a piece; True when it was there."""
        if index not in self:
            return False
        self._data[index >> 3] &= ~(0x80 >> (index & 7))
        self._count -= 1
        return True

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int):
            return False
        return 0 <= index < self.size and bool(self._data[index >> 3] & (0x80 >> (index & 7)))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return (index for index in range(self.size) if self._data[index >> 3] & (0x80 >> (index & 7)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bitfield) and self.size == other.size and self._data == other._data

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Bitfield({self._count} of {self.size})"

    @property
    def is_full(self) -> bool:
        return self._count == self.size

    def copy(self) -> Bitfield:
        return Bitfield.from_mask(self.size, self.mask)
