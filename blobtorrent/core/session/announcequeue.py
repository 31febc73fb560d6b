"""AnnounceQueue: which announces may go to their trackers now. Pure.

Thousands of torrents may start in the same second, often with the same few trackers. So a host is sent a few announces
at a time, one while it does not answer; what a user waits for goes before routine, and routine before torrents of
earlier runs, which can wait. What one tracker is told of one swarm goes in the order in which it happened.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections import deque
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceEvent

PER_HOST = 4                           # calls under way to one host
PER_UDP_HOST = 32                      # a datagram holds no connection
PER_HOST_LEAVING = 16                  # when the next is told that we leave, which somebody waits for
MAX_CALLS = 24                         # under way over HTTP; each holds a thread
MAX_DATAGRAM_CALLS = 512               # under way over UDP


class Turn(IntEnum):
    """Who goes first."""

    SOON = 0                           # somebody waits for it: a new torrent, a wish, an event
    ROUTINE = 1
    LATER = 2                          # the first announce of a torrent of an earlier run


class Line(NamedTuple):
    """What must be told in order: to one tracker, of one swarm, from one address."""

    url: str
    wire_hash: bytes
    origin: Origin


class _Host:
    """The lines that wait for a place at one host, and how many have one."""

    def __init__(self, is_udp: bool) -> None:
        self.is_udp = is_udp
        self.ready: tuple[deque[Line], ...] = tuple(deque() for _ in Turn)
        self.open = 0
        self.is_silent = False         # it did not answer the last call

    def next_turn(self) -> Turn | None:
        return next((turn for turn in Turn if self.ready[turn]), None)

    def limit(self, event: AnnounceEvent) -> int:
        if self.is_udp:
            return PER_UDP_HOST
        if event is AnnounceEvent.STOPPED:
            return PER_HOST_LEAVING
        return 1 if self.is_silent else PER_HOST


class AnnounceQueue:
    """`put` and `done` change it; `take` gives what may go."""

    def __init__(self) -> None:
        self._lines: dict[Line, deque[tuple[Announce, Turn]]] = {}
        self._hosts: dict[tuple[bool, str], _Host] = {}
        self._waiting: dict[tuple[bool, str], None] = {}   # hosts with ready lines; one that was served goes to the end
        self._open = {False: 0, True: 0}                   # calls under way, over HTTP and over UDP
        self._under_way: set[Line] = set()

    def __len__(self) -> int:
        """Announces that are not answered yet."""
        return sum(map(len, self._lines.values()))

    def is_under_way(self, line: Line) -> bool:
        return line in self._under_way

    def put(self, announce: Announce, turn: Turn) -> None:
        line = line_of(announce)
        orders = self._lines.setdefault(line, deque())
        orders.append((announce, turn))
        if len(orders) == 1:
            self._make_ready(line, turn)

    def take(self) -> list[Announce]:
        """What may go now; it is under way until it is `done`."""
        taken: list[Announce] = []
        for turn in Turn:
            found = True
            while found:
                found = False
                for key in list(self._waiting):
                    announce = self._take_one(key, turn)
                    if announce is not None:
                        taken.append(announce)
                        found = True
        return taken

    def done(self, answer: AnnounceDone) -> None:
        """The answer to one that was taken has come."""
        line = Line(answer.url, answer.query.wire_hash, answer.origin)
        key = _host_of(line.url)
        host, orders = self._hosts[key], self._lines[line]
        orders.popleft()
        self._under_way.discard(line)
        host.open -= 1
        self._open[host.is_udp] -= 1
        code = "" if answer.error is None else answer.error.code
        host.is_silent = code in ("tracker.timed-out", "tracker.dns")
        if orders:
            self._make_ready(line, orders[0][1])
        else:
            del self._lines[line]
        if not host.open and host.next_turn() is None:
            del self._hosts[key]

    def withdraw(self, info_hash: InfoHash) -> None:
        """The torrent stops: what was not sent need not be, except that it was completed and that we leave."""
        for line, orders in list(self._lines.items()):
            if orders[0][0].info_hash != info_hash and orders[-1][0].info_hash != info_hash:
                continue
            is_open = line in self._under_way
            kept = deque(
                (announce, turn) for number, (announce, turn) in enumerate(orders)
                if is_open and number == 0 or announce.info_hash != info_hash
                or announce.query.event in (AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED))
            if len(kept) == len(orders):
                continue
            if not is_open:
                self._make_unready(line)
            if kept:
                self._lines[line] = kept
                if not is_open:
                    self._make_ready(line, kept[0][1])
            else:
                del self._lines[line]

    def _take_one(self, key: tuple[bool, str], turn: Turn) -> Announce | None:
        host = self._hosts[key]
        if not host.ready[turn]:
            return None
        line = host.ready[turn][0]
        announce = self._lines[line][0][0]
        total = MAX_DATAGRAM_CALLS if host.is_udp else MAX_CALLS
        if self._open[host.is_udp] >= total or host.open >= host.limit(announce.query.event):
            return None
        host.ready[turn].popleft()
        del self._waiting[key]
        if host.next_turn() is not None:
            self._waiting[key] = None
        host.open += 1
        self._open[host.is_udp] += 1
        self._under_way.add(line)
        return announce

    def _make_ready(self, line: Line, turn: Turn) -> None:
        key = _host_of(line.url)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(is_udp=key[0])
        host.ready[turn].append(line)
        self._waiting[key] = None

    def _make_unready(self, line: Line) -> None:
        key = _host_of(line.url)
        host = self._hosts[key]
        for ready in host.ready:
            if line in ready:
                ready.remove(line)
        if host.next_turn() is None:
            self._waiting.pop(key, None)
            if not host.open:
                del self._hosts[key]


def line_of(announce: Announce) -> Line:
    return Line(announce.url, announce.query.wire_hash, announce.origin)


def is_udp(url: str) -> bool:
    return url[:6].lower() == "udp://"


def _host_of(url: str) -> tuple[bool, str]:
    """Whether it is reached by datagrams, and its name."""
    return is_udp(url), urlsplit(url).netloc.rpartition("@")[2].lower()
