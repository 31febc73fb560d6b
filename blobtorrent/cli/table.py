"""Tables for people: columns as wide as their widest cell, numbers to the right. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blobtorrent.cli.progress import columns_of

GAP = "  "


class Column(NamedTuple):
    title: str
    is_number: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, its titles first. Cells are text that a terminal may be given."""
    lines = [[column.title for column in columns], *rows]
    widths = [max(columns_of(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        cells = (
            _padded(cell, width, to_the_right=column.is_number) for cell, width, column in zip(line, widths, columns)
        )
        yield GAP.join(cells).rstrip()


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    space = " " * (width - columns_of(cell))
    return space + cell if to_the_right else cell + space
