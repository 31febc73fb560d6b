"""The list of torrents, drawn with three lines for each: its name, how it goes, what there is to say. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import Charset, bar, percent
from blobtorrent.cli.top.drawing import Line, cut, window
from blobtorrent.cli.top.listing import BAR, state_cell
from blobtorrent.cli.top.model import Top
from blobtorrent.cli.top.torrent import Torrent
from blobtorrent.model.units import format_duration, format_size

LINES = 3                              # of each torrent


def full_lines(top: Top, columns: int, rows: int, chars: Charset) -> Iterator[Line]:
    """Only those that are seen are drawn."""
    start, end = window(top.number, len(top.roster), max(1, rows // LINES))
    for number, torrent in enumerate(top.roster.between(start, end), start):
        is_chosen = number == top.number
        mark = Cell("* " if is_chosen else "  ")
        yield cut([mark, Cell(torrent.name)], columns, chars, is_marked=is_chosen)
        yield cut([mark, *_going(torrent, chars)], columns, chars)
        yield cut([mark, *_told(torrent)], columns, chars)


def _going(torrent: Torrent, chars: Charset) -> Iterator[Cell]:
    state, (done, size) = state_cell(torrent), torrent.progress
    yield state
    yield Cell(f" {percent(done, size)} ")
    yield Cell(bar(done, size, BAR, chars), state.style)
    yield Cell(f" {format_size(done)} of {format_size(size)}, down {format_size(torrent.down_bytes_per_s)}/s, "
               f"up {format_size(torrent.up_bytes_per_s)}/s, ratio {torrent.ratio:.2f}")
    if torrent.eta_s is not None:
        yield Cell(f", {format_duration(torrent.eta_s)} left")


def _told(torrent: Torrent) -> Iterator[Cell]:
    """An error alone; else what is left to tell."""
    if torrent.error:
        yield Cell(torrent.error, Style.BAD)
        return
    yield Cell(f"peers {torrent.peers_connected} of {torrent.peers_known}, seeds {torrent.seeds_connected}")
    if torrent.priority:
        yield Cell(f", priority {torrent.priority:+}")
    yield Cell(f", {torrent.download_dir}", Style.FAINT)
    if torrent.labels:
        yield Cell(f" [{','.join(torrent.labels)}]", Style.FAINT)
