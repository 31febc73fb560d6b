"""What the view and its threads say to one another. Frozen values that go through queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Union

from blobtorrent.cli.top.pages import Page, Tab
from blobtorrent.cli.top.torrent import Torrent


class Session(NamedTuple):
    """The daemon as a whole. Texts are clean."""

    version: str
    state: str
    listen: str                        # where peers reach it, empty for nowhere
    down_bytes_per_s: int
    up_bytes_per_s: int


class Limits(NamedTuple):
    """Those of all torrents together, in bytes per second; 0 is none."""

    down_bytes_per_s: int
    up_bytes_per_s: int


class Screen(NamedTuple):
    """What the daemon's settings say of the screen."""

    layout: str                        # "full" or "compact"
    keys: str                          # a keyboard; see `keys`


class Snapshot(NamedTuple):
    """What has changed since the last one; with `is_full` the torrents are all that there are.

    `limits` and `screen` are None when they were not read, or may not be.
    """

    session: Session
    torrents: Sequence[Torrent]
    removed: Sequence[str]
    is_full: bool
    limits: Limits | None
    screen: Screen | None = None


class Details(NamedTuple):
    """A page of a torrent, or what keeps it from being shown."""

    digits: str
    tab: Tab
    page: Page | None
    problem: str = ""


class Lost(NamedTuple):
    """The daemon does not answer, or not yet."""

    reason: str


class Said(NamedTuple):
    """What came of an order."""

    text: str
    is_bad: bool = False


class Happened(NamedTuple):
    """An event of the daemon, as a line."""

    text: str


Report = Union[Snapshot, Details, Lost, Said, Happened]


class Order(NamedTuple):
    """A request that changes something. `told` says what it does, in clean text."""

    method: str
    path: str
    told: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None


class Add(NamedTuple):
    """Have the daemon add the torrent that lies there: a path of this machine, or a URL."""

    source: str


class Watch(NamedTuple):
    """Which page of which torrent is looked at; None: no one's."""

    digits: str | None
    tab: Tab


class Quit(NamedTuple):
    """Nobody looks any more."""


Intent = Union[Order, Add, Watch, Quit]
