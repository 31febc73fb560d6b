"""The pages of a torrent's details: where the daemon tells what is on each, and how that is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Union

from blobtorrent.cli.commands import files, peers, trackers
from blobtorrent.cli.commands.show import torrent_facts
from blobtorrent.cli.commands.why import explanation_lines
from blobtorrent.cli.paint import Cell
from blobtorrent.cli.table import Column
from blobtorrent.cli.top.answers import understood
from blobtorrent.cli.top.piecemap import Pieces, read_pieces


class Tab(Enum):
    INFO = "info"
    FILES = "files"
    PEERS = "peers"
    TRACKERS = "trackers"
    PIECES = "pieces"
    WHY = "why"


TABS = tuple(Tab)

_RESOURCES = {
    Tab.INFO: "", Tab.FILES: "/files", Tab.PEERS: "/peers", Tab.TRACKERS: "/trackers", Tab.PIECES: "/pieces",
    Tab.WHY: "/why",
}


class Facts(NamedTuple):
    """Names and values."""

    facts: Sequence[tuple[str, Cell]]


class Rows(NamedTuple):
    """A table. `keys` are, where rows can be acted on, a number and a value of each."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]
    keys: Sequence[tuple[int, int]] = ()


class Text(NamedTuple):
    """Lines as they are."""

    lines: Sequence[Sequence[Cell]]


Page = Union[Facts, Rows, Text, Pieces]


def resource_of(digits: str, tab: Tab) -> str:
    """The path of what a page shows."""
    return f"/v1/torrents/{digits}{_RESOURCES[tab]}"


def read_page(tab: Tab, told: Mapping[str, Any], now: float) -> Page:
    """The daemon's answer as a page; `now` in seconds since 1970. Raises NetworkError ("client.bad-answer")."""
    with understood(f"{tab.value} of a torrent"):
        return _READERS[tab](told, now)


def _info(told: Mapping[str, Any], _now: float) -> Page:
    return Facts([(name, cell) for name, cell in torrent_facts(told) if cell.text])


def _files(told: Mapping[str, Any], _now: float) -> Page:
    rows = [files.row(file) for file in told["files"]]
    return Rows(files.COLUMNS, rows, [(int(file["number"]), int(file["priority"])) for file in told["files"]])


def _peers(told: Mapping[str, Any], _now: float) -> Page:
    return Rows(peers.COLUMNS, [peers.row(peer) for peer in told["peers"]])


def _trackers(told: Mapping[str, Any], now: float) -> Page:
    return Rows(trackers.COLUMNS, [trackers.row(tracker, now) for tracker in told["trackers"]])


def _pieces(told: Mapping[str, Any], _now: float) -> Page:
    return read_pieces(told)


def _why(told: Mapping[str, Any], _now: float) -> Page:
    return Text(list(explanation_lines(told)))


_READERS: dict[Tab, Callable[[Mapping[str, Any], float], Page]] = {
    Tab.INFO: _info, Tab.FILES: _files, Tab.PEERS: _peers, Tab.TRACKERS: _trackers, Tab.PIECES: _pieces, Tab.WHY: _why,
}
