"""The list of torrents, drawn: a line for each that there is room for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from blobtorrent.cli.paint import STATE_STYLES, Cell, Style
from blobtorrent.cli.progress import Charset, bar, columns_of, fit, percent
from blobtorrent.cli.top.drawing import Line, cut, window
from blobtorrent.cli.top.model import Top
from blobtorrent.cli.top.torrent import Torrent
from blobtorrent.model.units import format_duration, format_size

MIN_NAME = 18                          # columns of a name, while other columns can go for it
BAR = 12                               # columns

_Draw = Callable[[Torrent, Charset], Cell]


class _Column(NamedTuple):
    """`importance`: where room is short the columns with the lowest go first."""

    title: str
    width: int
    importance: int
    draw: _Draw
    is_number: bool = True


def _rate(bytes_per_s: int) -> str:
    return format_size(bytes_per_s) if bytes_per_s else ""


_COLUMNS = (
    _Column("STATE", 11, 9, lambda torrent, _: state_cell(torrent), is_number=False),
    _Column("DONE", 6, 10, lambda torrent, _: Cell(percent(*torrent.progress))),
    _Column("", BAR, 0, lambda torrent, chars: Cell(bar(*torrent.progress, BAR, chars), state_cell(torrent).style)),
    _Column("SIZE", 10, 5, lambda torrent, _: Cell(format_size(torrent.size_bytes))),
    _Column("DOWN/s", 10, 8, lambda torrent, _: Cell(_rate(torrent.down_bytes_per_s))),
    _Column("UP/s", 10, 7, lambda torrent, _: Cell(_rate(torrent.up_bytes_per_s))),
    _Column("RATIO", 6, 2, lambda torrent, _: Cell(f"{torrent.ratio:.2f}")),
    _Column("PEERS", 7, 4, lambda torrent, _: Cell(f"{torrent.peers_connected}/{torrent.peers_known}")),
    _Column("LEFT", 7, 6, lambda torrent, _: Cell("" if torrent.eta_s is None else format_duration(torrent.eta_s))),
    _Column("PRI", 3, 3, lambda torrent, _: Cell(f"{torrent.priority:+}" if torrent.priority else "")),
    _Column("LABELS", 14, 1, lambda torrent, _: Cell(",".join(torrent.labels), Style.FAINT), is_number=False),
)


def title_line(columns: int, chars: Charset) -> Line:
    kept, name = _fitted(columns)
    titles = [Cell(_aligned(column.title, column, chars), Style.TITLE) for column in kept]
    return cut(_spaced(Cell(fit("  NAME", name, chars), Style.TITLE), titles), columns, chars)


def torrent_lines(top: Top, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    """Only those that are seen are drawn."""
    kept, name = _fitted(columns)
    start, end = window(top.number, len(top.roster), rows)
    for number, torrent in enumerate(top.roster.between(start, end), start):
        is_chosen = number == top.number
        drawn = []
        for column in kept:
            cell = column.draw(torrent, chars)
            drawn.append(cell._replace(text=_aligned(cell.text, column, chars)))
        title = Cell(fit(f"{'*' if is_chosen else ' '} {torrent.name}", name, chars))
        yield cut(_spaced(title, drawn), columns, chars, is_marked=is_chosen)


def _fitted(columns: int) -> tuple[list[_Column], int]:
    """The columns there is room for, and the width of the name before them."""
    kept = list(_COLUMNS)
    while kept and columns - _width(kept) < MIN_NAME:
        kept.remove(min(reversed(kept), key=lambda column: column.importance))
    return kept, max(1, columns - _width(kept))


def _width(kept: Sequence[_Column]) -> int:
    return sum(column.width + 1 for column in kept)


def _aligned(text: str, column: _Column, chars: Charset) -> str:
    fitted = fit(text, column.width, chars)
    if not column.is_number:
        return fitted
    stripped = fitted.rstrip()
    return " " * (column.width - columns_of(stripped)) + stripped


def _spaced(name: Cell, others: Sequence[Cell]) -> Iterator[Cell]:
    yield name
    for cell in others:
        yield Cell(" ")
        yield cell


def state_cell(torrent: Torrent) -> Cell:
    """What it does; what holds it back is the better word for it, such as a pause."""
    style = STATE_STYLES.get(torrent.state, Style.PLAIN)
    if torrent.error:
        return Cell("error", Style.BAD)
    if torrent.held_by:
        return Cell(torrent.held_by, Style.WAITING)
    return Cell(torrent.state, style)
