"""Neighbours: verified bytes of files that nobody wants, and that came with the pieces of wanted files beside them.

They must be kept, or the piece could neither be checked nor served; and an unwanted file must not appear in the user's
folder for a few of its bytes. So the blocks that touch one lie in a part store of their own, until the file is wanted.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator

from blobtorrent.model.errors import FileMissing, StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.storage.files import Cutter
from blobtorrent.storage.layout import Layout, Part
from blobtorrent.storage.partstore import DAMAGED, PartStore


class Neighbours:
    """The kept blocks of one torrent. Written to by one thread at a time, read by many.

    `diverted` are the numbers of the files whose bytes go here, and lie here.
    """

    def __init__(self, kept: PartStore, metainfo: Metainfo, layout: Layout) -> None:
        self.diverted: frozenset[int] = frozenset()
        self._kept = kept
        self._files = metainfo.files
        self._geometry = metainfo.geometry
        self._layout = layout
        self._blocks: dict[int, set[int]] = {}         # piece -> the blocks of it that lie here

    def load(self) -> None:
        """Find what was kept before the store was closed last. Raises StorageError."""
        self._blocks = {index: set(blocks) for index, blocks in self._kept.load_existing().items()}

    @property
    def damaged_blocks(self) -> int:
        """How many were found that are not what was kept."""
        return self._kept.damaged_blocks

    @property
    def is_empty(self) -> bool:
        return not self._blocks

    def files(self) -> set[int]:
        """The files of which a block is here; wanted neighbours are among them."""
        return {part.file for index, blocks in self._blocks.items() for block in blocks
                for part in self._parts(index, block)}

    def keep(self, offset: int, buffers: list[memoryview]) -> None:
        """Keep the whole blocks of a stretch of the linear space that touch a diverted file. Raises StorageError.

        The stretch starts with a block and ends with one, or with a piece.
        """
        cutter = Cutter(buffers)
        for index, block, length in self._blocks_of(offset, sum(map(len, buffers))):
            data = cutter.take(length)
            if self._touches_diverted(index, block) and block not in self._blocks.get(index, ()):
                whole = bytearray(BLOCK_SIZE)
                whole[:length] = b"".join(data)
                self._kept.save(index, [(block, memoryview(whole))])
                self._blocks.setdefault(index, set()).add(block)

    def read(self, offset: int, buffers: list[memoryview]) -> None:
        """Fill the buffers from `offset` of the linear space, which lies in one diverted file.

        Raises StorageError; FileMissing for bytes that nobody kept.
        """
        data = bytearray()
        end = offset + sum(map(len, buffers))
        while offset < end:
            index, begin = divmod(offset, self._geometry.piece_length)
            block, skipped = divmod(begin, BLOCK_SIZE)
            if block not in self._blocks.get(index, ()):
                raise FileMissing("storage.file-missing", f"bytes of unwanted files in piece {index} were not kept")
            view = memoryview(bytearray(self._geometry.block_size(index, block)))
            self._load(index, block, view)
            taken = view[skipped : skipped + end - offset]
            data += taken
            offset += len(taken)
        at = 0
        for buffer in buffers:
            buffer[:] = data[at : at + len(buffer)]
            at += len(buffer)

    def covers(self, offset: int, length: int) -> bool:
        """Whether all blocks of a stretch are here."""
        return all(block in self._blocks.get(index, ()) for index, block, _ in self._blocks_of(offset, length))

    def lacking_files(self, have: Container[int]) -> list[int]:
        """The diverted files of which bytes are not here, in pieces that are said to be had."""
        return [number for number in sorted(self.diverted) if self._lacks(self._files[number], have)]

    def parts_of(self, files: Collection[int]) -> Iterator[tuple[Part, memoryview]]:
        """All that is here of some files: which part, and its bytes. Raises StorageError."""
        for index, blocks in sorted(self._blocks.items()):
            for block in sorted(blocks):
                parts = [part for part in self._parts(index, block) if part.file in files]
                if parts:
                    yield from self._load_parts(index, block, parts)

    def forget(self) -> None:
        """Drop the pieces that touch no diverted file any more."""
        for index, blocks in list(self._blocks.items()):
            if not any(self._touches_diverted(index, block) for block in blocks):
                self._kept.drop(index)
                del self._blocks[index]

    def sync(self) -> None:
        """Make what is here durable. Raises StorageError."""
        self._kept.sync()

    def close(self) -> None:
        self._kept.close()

    def _load(self, index: int, block: int, view: memoryview) -> None:
        """A block that is not what was kept is forgotten: the piece comes again, and then it is kept anew."""
        try:
            self._kept.load(index, block, [view])
        except StorageError as error:
            if error.code == DAMAGED:
                self._blocks[index].discard(block)
                self._kept.drop_block(index, block)
            raise

    def _load_parts(self, index: int, block: int, parts: list[Part]) -> Iterator[tuple[Part, memoryview]]:
        data = memoryview(bytearray(self._geometry.block_size(index, block)))
        self._load(index, block, data)
        start = self._offset_of(index, block)
        for part in parts:
            at = self._files[part.file].offset + part.offset - start
            yield part, data[at : at + part.length]

    def _lacks(self, entry: FileEntry, have: Container[int]) -> bool:
        for index in self._geometry.pieces_of_span(entry.offset, entry.length):
            if index in have:
                start = self._geometry.piece_offset(index)
                offset = max(start, entry.offset)
                end = min(start + self._geometry.piece_size(index), entry.offset + entry.length)
                if not self.covers(offset, end - offset):
                    return True
        return False

    def _touches_diverted(self, index: int, block: int) -> bool:
        return any(part.file in self.diverted for part in self._parts(index, block))

    def _parts(self, index: int, block: int) -> list[Part]:
        return self._layout.parts(self._offset_of(index, block), self._geometry.block_size(index, block))

    def _offset_of(self, index: int, block: int) -> int:
        return self._geometry.piece_offset(index) + block * BLOCK_SIZE

    def _blocks_of(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """(piece, block, bytes) of all blocks of which the stretch holds any byte."""
        geometry, end = self._geometry, offset + length
        for index in geometry.pieces_of_span(offset, length):
            start = geometry.piece_offset(index)
            size = geometry.piece_size(index)
            first = max(0, offset - start) // BLOCK_SIZE
            last = -(-min(size, end - start) // BLOCK_SIZE)
            for block in range(first, last):
                yield index, block, geometry.block_size(index, block)
