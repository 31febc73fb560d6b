"""Outstanding: the blocks that one link is asked for, as a bit mask for each piece.

Blocks are asked for and come in runs, so a run is added or taken with one operation on an integer: nothing is kept for
each block. A key is `index << 32 | begin`, as it stands in a block's header. Pure; owned by a link.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blobtorrent.model.geometry import BLOCK_SIZE

if TYPE_CHECKING:
    from blobtorrent.core.swarm.pieces import Assembly

BLOCK_BITS = 14                        # of a block's size
BEGIN_MASK = 0xFFFFFFFF


class _Asked:
    """What is asked for of one piece: bit i is block i."""

    __slots__ = ("assembly", "mask")

    def __init__(self, assembly: Assembly, mask: int) -> None:
        self.assembly = assembly
        self.mask = mask


class Outstanding:
    """`len()` is the number of blocks. A piece is asked for in one assembly at a time."""

    __slots__ = ("_count", "_pieces")

    def __init__(self) -> None:
        self._pieces: dict[int, _Asked] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, assembly: Assembly, first: int, count: int) -> None:
        """`count` blocks from block `first` on are asked for; none of them was."""
        mask = ((1 << count) - 1) << first
        asked = self._pieces.get(assembly.index)
        if asked is None:
            self._pieces[assembly.index] = _Asked(assembly, mask)
        else:
            asked.mask |= mask
        self._count += count

    def take(self, key: int, count: int = 1) -> Assembly | None:
        """Take a run of blocks off, all or none: None unless every one of them was asked for."""
        asked = self._pieces.get(key >> 32)
        mask = ((1 << count) - 1) << ((key & BEGIN_MASK) >> BLOCK_BITS)
        if asked is None or asked.mask & mask != mask or key & BLOCK_SIZE - 1:
            return None
        asked.mask ^= mask
        if not asked.mask:
            del self._pieces[key >> 32]
        self._count -= count
        return asked.assembly

    def get(self, key: int) -> Assembly | None:
        """The piece that a block is asked for, if it is."""
        asked = self._pieces.get(key >> 32)
        is_asked = asked is not None and asked.mask >> ((key & BEGIN_MASK) >> BLOCK_BITS) & 1
        return asked.assembly if asked is not None and is_asked and not key & BLOCK_SIZE - 1 else None

    def has(self, assembly: Assembly) -> bool:
        """Whether any block of this piece is asked for."""
        return assembly.index in self._pieces

    def items(self) -> Iterator[tuple[int, Assembly]]:
        """Every block's key and its piece; nothing may be added or taken meanwhile."""
        for asked in self._pieces.values():
            for block in asked.assembly.blocks_of(asked.mask):
                yield asked.assembly.index << 32 | block << BLOCK_BITS, asked.assembly

    def latest(self) -> Iterator[tuple[int, Assembly]]:
        """The same as `items`, from the piece that was begun last and each from its end."""
        for asked in reversed(self._pieces.values()):
            mask = asked.mask
            while mask:
                block = mask.bit_length() - 1
                mask ^= 1 << block
                yield asked.assembly.index << 32 | block << BLOCK_BITS, asked.assembly

    def of(self, assembly: Assembly) -> list[int]:
        """The keys of one piece's blocks, ascending."""
        asked = self._pieces.get(assembly.index)
        if asked is None or asked.assembly is not assembly:
            return []
        return [assembly.index << 32 | block << BLOCK_BITS for block in assembly.blocks_of(asked.mask)]

    def clear(self) -> list[tuple[int, Assembly]]:
        """Take everything off; returns what it was."""
        items = list(self.items())
        self._pieces.clear()
        self._count = 0
        return items
