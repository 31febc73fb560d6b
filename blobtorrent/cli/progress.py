"""How the progress of a torrent is drawn: bars, piece maps and lines. Pure: a snapshot and a width in, text out."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from blobtorrent.cli.output import clean
from blobtorrent.model.status import TorrentStatus
from blobtorrent.model.units import format_duration, format_rate, format_size

MAP_COLUMNS = 100                      # from this width on there is room for a piece map
NAME_COLUMNS = 32
MAX_NAME = 200


class Charset(NamedTuple):
    """What bars and maps are made of; `levels` go from nothing to all pieces of a column."""

    full: str
    empty: str
    levels: str
    down: str
    up: str
    ellipsis: str


UNICODE = Charset(full="█", empty="░", levels=" ▁▂▃▄▅▆▇█", down="↓", up="↑", ellipsis="…")
ASCII = Charset(full="#", empty="-", levels=" .:-=+*%#", down="down", up="up", ellipsis="~")


def charset_for(encoding: str | None) -> Charset:
    """The nicer set if the terminal's encoding has its characters."""
    try:
        "".join((UNICODE.full, UNICODE.empty, UNICODE.levels, UNICODE.down)).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return UNICODE


def columns_of(text: str) -> int:
    """The width of a text on a terminal: East Asian wide characters take two columns, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def fit(text: str, columns: int, chars: Charset) -> str:
    """Cut or pad a text to exactly `columns`."""
    width = columns_of(text)
    if width <= columns:
        return text + " " * (columns - width)
    while text and columns_of(text) > columns - 1:
        text = text[:-1]
    return fit(text + chars.ellipsis, columns, chars)


def bar(done: int, size: int, columns: int, chars: Charset) -> str:
    """A bar that is full only when everything is done."""
    filled = columns if done >= size else done * columns // size
    return chars.full * filled + chars.empty * (columns - filled)


def piece_map(pieces_wire: bytes, num_pieces: int, columns: int, chars: Charset) -> str:
    """Which pieces are there, as one line: each column stands for a run of pieces, its level for how many of them.

    A column is blank only when it has no piece and full only when it has all.
    """
    columns = min(columns, num_pieces)
    bits = int.from_bytes(pieces_wire, "big") >> (len(pieces_wire) * 8 - num_pieces)
    top = len(chars.levels) - 1
    line = []
    for column in range(columns):
        start, end = column * num_pieces // columns, (column + 1) * num_pieces // columns
        have = bin(bits >> (num_pieces - end) & ((1 << (end - start)) - 1)).count("1")
        level = -(-have * (top - 1) // (end - start)) if have < end - start else top
        line.append(chars.levels[level])
    return "".join(line)


def percent(done: int, size: int) -> str:
    """"99.9%", and "100.0%" only for all."""
    share = 1000 if done >= size else min(999, done * 1000 // size)
    return f"{share // 10}.{share % 10}%"


def figures(status: TorrentStatus, chars: Charset) -> str:
    """The numbers behind the bar, as far as they mean something in this state."""
    if status.state == "checking":
        return f"checking {percent(status.checked_bytes, status.size_bytes)}"
    if status.state == "metadata":
        return f"metadata  {_peers(status)}"
    if status.state == "error":
        return f"error: {clean(status.error_detail)}"
    amount = f"{percent(status.done_bytes, status.size_bytes)} of {format_size(status.size_bytes)}"
    if status.state == "stopped":
        return f"{amount}  {'done' if status.is_finished else 'stopped'}"
    rates = f"{format_rate(status.down_bytes_per_s)} {chars.down}  {format_rate(status.up_bytes_per_s)} {chars.up}"
    peers = _peers(status)
    if status.is_finished:
        return f"{amount}  {rates}  {peers}  seeding, ratio {status.ratio:.2f}"
    eta = "" if status.eta_s is None else f"  ETA {format_duration(status.eta_s)}"
    return f"{amount}  {rates}  {peers}{eta}"


def _peers(status: TorrentStatus) -> str:
    return f"{status.peers_connected} peer{'' if status.peers_connected == 1 else 's'}"


def plain_line(status: TorrentStatus) -> str:
    """One line for logs and pipes."""
    return f"{clean(status.name, MAX_NAME)}: {figures(status, ASCII)}"


def screen_lines(status: TorrentStatus, columns: int, chars: Charset) -> list[str]:
    """What a torrent looks like on a terminal of this width: name, bar and figures, and a map where there is room."""
    done = status.checked_bytes if status.state == "checking" else status.done_bytes
    name = fit(clean(status.name, MAX_NAME), min(NAME_COLUMNS, columns // 4), chars)
    text = figures(status, chars)
    room = columns - columns_of(name) - columns_of(text) - 4
    drawn = f" {bar(done, status.size_bytes, min(room, 40), chars)} " if room >= 8 else " "
    lines = [fit(f"{name} {drawn} {text}", columns, chars).rstrip()]
    if columns >= MAP_COLUMNS and status.num_pieces > 1 and not status.is_finished and status.pieces_wire:
        lines.append(f"  |{piece_map(status.pieces_wire, status.num_pieces, columns - 4, chars)}|")
    return lines
