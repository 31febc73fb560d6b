"""The pages of one torrent, drawn. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.cli.paint import STATE_STYLES, Cell, Style
from blobtorrent.cli.progress import Charset, bar, columns_of, percent
from blobtorrent.cli.table import laid_out
from blobtorrent.cli.top.drawing import Line, cut, window
from blobtorrent.cli.top.model import Top
from blobtorrent.cli.top.pages import TABS, Facts, Rows, Tab, Text
from blobtorrent.cli.top.piecemap import Pieces, availability_map, have_map
from blobtorrent.cli.top.sparkline import sparkline
from blobtorrent.cli.top.torrent import Torrent
from blobtorrent.model.units import format_duration, format_rate, format_size

MAX_BAR = 40                           # columns
MARGIN = 2                             # columns before names of facts
SPARKLINE_ROWS = 2


def head_lines(top: Top, torrent: Torrent, columns: int, chars: Charset) -> Iterator[Line]:
    """Which torrent it is, how it goes, and which pages there are."""
    yield cut([Cell(torrent.name, Style.TITLE)], columns, chars)
    done, size = torrent.progress
    figures = f" {percent(done, size)} of {format_size(size)}  peers {torrent.peers_connected}"
    if torrent.eta_s is not None:
        figures += f"  {format_duration(torrent.eta_s)} left"
    state = Cell(torrent.state, STATE_STYLES.get(torrent.state, Style.PLAIN))
    room = columns - columns_of(state.text) - columns_of(figures) - 1
    drawn = f" {bar(done, size, min(room, MAX_BAR), chars)}" if room >= 8 else " "
    yield cut([state, Cell(drawn), Cell(figures)], columns, chars)
    yield cut(_tab_cells(top.tab), columns, chars)


def _tab_cells(open_tab: Tab) -> Iterator[Cell]:
    for number, tab in enumerate(TABS, 1):
        is_open = tab is open_tab
        yield Cell(f"[{number} {tab.value}]" if is_open else f" {number} {tab.value} ",
                   Style.TITLE if is_open else Style.FAINT)


def page_lines(top: Top, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    """The open page, as much of it as is seen."""
    details = top.details
    if details is None:
        yield cut([Cell("...", Style.FAINT)], columns, chars)
    elif details.page is None:
        yield cut([Cell(details.problem, Style.BAD)], columns, chars)
    elif isinstance(details.page, Facts):
        yield from _facts(top, details.page, details.digits, columns, rows, chars)
    elif isinstance(details.page, Rows):
        yield from _table(top, details.page, columns, rows, chars)
    elif isinstance(details.page, Text):
        lines = details.page.lines
        start = top.hold_line(len(lines), rows)
        yield from (cut(line, columns, chars) for line in lines[start : start + rows])
    else:
        yield from _pieces(top, details.page, columns, rows, chars)


def rate_line(word: str, samples: list[int], now: int, columns: int, chars: Charset) -> Line:
    """A name, the rate now, and how it was before."""
    label = f"{word:>4} {format_rate(now):>12} "
    return cut([Cell(label), Cell(sparkline(samples, columns - len(label), chars), Style.BUSY)], columns, chars)


def _facts(top: Top, page: Facts, digits: str, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    history, torrent = top.histories.get(digits), top.chosen
    if history is not None and torrent is not None and rows > 2 * SPARKLINE_ROWS:
        yield rate_line("down", list(history.down), torrent.down_bytes_per_s, columns, chars)
        yield rate_line("up", list(history.up), torrent.up_bytes_per_s, columns, chars)
        rows -= SPARKLINE_ROWS
    start = top.hold_line(len(page.facts), rows)
    width = max((len(name) for name, _ in page.facts), default=0) + MARGIN
    for name, cell in page.facts[start : start + rows]:
        yield cut([Cell(f"{name + ':':{width}}", Style.FAINT), cell], columns, chars)


def _table(top: Top, page: Rows, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    """Laid out by the rows that are seen: of a hundred thousand files the others take no time."""
    number = top.hold_line(len(page.rows))
    start, end = window(number, len(page.rows), rows - 1)
    lines = laid_out(page.columns, page.rows[start:end], width=columns, chars=chars)
    yield cut(next(lines), columns, chars)
    for place, line in enumerate(lines, start):
        yield cut(line, columns, chars, is_marked=place == number)


def _pieces(top: Top, pieces: Pieces, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    count, here = len(pieces.have), sum(pieces.have)
    what = "copies among the peers" if top.shows_availability else "what is here"
    yield cut([
        Cell(f"{here} of {count} pieces of {format_size(pieces.piece_length)}, {len(pieces.partial)} under way, "),
        Cell(f"{pieces.num_missing_everywhere} nowhere",
             Style.BAD if pieces.num_missing_everywhere else Style.PLAIN),
        Cell(f"; space: {what}", Style.FAINT),
    ], columns, chars)
    if top.shows_availability:
        drawn = availability_map(pieces, columns, rows - 1)
    else:
        drawn = have_map(pieces, columns, rows - 1, chars)
    yield from (Line(tuple(line)) for line in drawn)
