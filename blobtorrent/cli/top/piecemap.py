"""The map of a torrent's pieces: each character stands for a run of them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import Charset
from blobtorrent.cli.top.answers import understood

MANY = 9                               # the most copies that the map of availability tells apart

_BITS = [bytes(byte >> shift & 1 for shift in range(7, -1, -1)) for byte in range(256)]


class Pieces(NamedTuple):
    """`have` and `availability` have a byte for each piece: whether it is here, and how many peers have it."""

    piece_length: int
    have: bytes
    availability: bytes
    partial: frozenset[int]            # numbers of pieces that are being fetched

    @property
    def num_missing_everywhere(self) -> int:
        """Pieces that neither we nor any peer have."""
        return sum(1 for have, copies in zip(self.have, self.availability) if not have and not copies)


def read_pieces(told: Mapping[str, Any]) -> Pieces:
    """The daemon's answer. Raises NetworkError ("client.bad-answer") when it does not fit together."""
    with understood("pieces"):
        count = int(told["count"])
        bits = base64.b64decode(told["have"], validate=True)
        availability = base64.b64decode(told["availability"], validate=True)
        partial = frozenset(int(piece["index"]) for piece in told["partial"])
        if count < 0 or len(bits) != -(-count // 8):
            raise ValueError("bits that are not those of the pieces")
        have = b"".join(_BITS[byte] for byte in bits)[:count]
        return Pieces(int(told["length_bytes"]), have, availability[:count].ljust(count, b"\0"), partial)


def have_map(pieces: Pieces, columns: int, rows: int, chars: Charset) -> Iterator[list[Cell]]:
    """How much of each run is here: blank only for nothing, full only for all of it."""
    top = len(chars.levels) - 1
    # Something where nothing is: a blank map would not show where it ends.
    nothing = "_" if "." in chars.levels else "."

    def cell(start: int, end: int) -> Cell:
        here = sum(pieces.have[start:end])
        if here == end - start:
            return Cell(chars.levels[top], Style.GOOD)
        if any(number in pieces.partial for number in range(start, end)):
            return Cell(chars.levels[max(1, here * top // (end - start))], Style.BUSY)
        drawn = chars.levels[-(-here * (top - 1) // (end - start))] if here else nothing
        return Cell(drawn, Style.PLAIN if here else Style.FAINT)

    return _map(len(pieces.have), columns, rows, cell)


def availability_map(pieces: Pieces, columns: int, rows: int) -> Iterator[list[Cell]]:
    """How many peers have the rarest piece of each run: a digit, + for more than 9, ! for what not even we have."""

    def cell(start: int, end: int) -> Cell:
        copies = min(pieces.availability[start:end])
        if copies:
            return Cell(str(copies) if copies <= MANY else "+", Style.GOOD if copies > 1 else Style.PLAIN)
        lost = any(not have and not seen for have, seen in zip(
            pieces.have[start:end], pieces.availability[start:end]))
        return Cell("!", Style.BAD) if lost else Cell("0", Style.FAINT)

    return _map(len(pieces.have), columns, rows, cell)


def _map(count: int, columns: int, rows: int, cell: Any) -> Iterator[list[Cell]]:
    """The cells of all runs, line by line; those of a line that look alike are one."""
    cells = min(count, columns * rows)
    for first in range(0, cells, max(1, columns)):
        line: list[Cell] = []
        for number in range(first, min(first + columns, cells)):
            drawn = cell(number * count // cells, (number + 1) * count // cells)
            if line and line[-1].style is drawn.style:
                line[-1] = Cell(line[-1].text + drawn.text, drawn.style)
            else:
                line.append(drawn)
        yield line
