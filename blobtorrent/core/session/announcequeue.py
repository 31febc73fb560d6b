"""AnnounceQueue: which announces may go to their trackers now. Pure.

Thousands of torrents may start in the same second, often with the same few trackers. So a host is sent a few announces
at a time, one while it does not answer; what a user waits for goes before routine, and routine before torrents of
earlier runs, which can wait. What one tracker is told of one swarm goes in the order in which it happened.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections import OrderedDict, deque
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.urls import authority_of
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


Key = tuple[bool, str]                 # of a host: whether it is reached by datagrams, and its name


class _Host:
    """The lines that wait for a place at one host, and how many have one."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.ready: tuple[OrderedDict[Line, None], ...] = tuple(OrderedDict() for _ in Turn)
        self.open = 0
        self.is_silent = False         # it did not answer the last call
        self.stands_in: dict[Key, _Host] | None = None     # who has room and something to send, by turn

    @property
    def is_udp(self) -> bool:
        return self.key[0]

    def next_turn(self) -> Turn | None:
        return next((turn for turn in Turn if self.ready[turn]), None)

    def limit(self, event: AnnounceEvent) -> int:
        if self.is_udp:
            return PER_UDP_HOST
        if event is AnnounceEvent.STOPPED:
            return PER_HOST_LEAVING
        return 1 if self.is_silent else PER_HOST


class AnnounceQueue:
    """`put` and `done` change it; `take` gives what may go. Each costs the same however much waits."""

    def __init__(self) -> None:
        self._lines: dict[Line, deque[tuple[Announce, Turn]]] = {}
        self._hosts: dict[Key, _Host] = {}
        # Hosts that can be sent something, over HTTP and over UDP, by turn; one that was served goes to the end.
        self._standing: dict[bool, tuple[dict[Key, _Host], ...]] = {
            is_udp: tuple({} for _ in Turn) for is_udp in (False, True)}
        self._open = {False: 0, True: 0}                   # calls under way
        self._under_way: set[Line] = set()
        self._size = 0

    def __len__(self) -> int:
        """Announces that are not answered yet."""
        return self._size

    def is_under_way(self, line: Line) -> bool:
        return line in self._under_way

    def put(self, announce: Announce, turn: Turn) -> None:
        line = line_of(announce)
        orders = self._lines.setdefault(line, deque())
        orders.append((announce, turn))
        self._size += 1
        if len(orders) == 1:
            self._make_ready(line, turn)

    def take(self) -> list[Announce]:
        """What may go now; it is under way until it is `done`."""
        taken: list[Announce] = []
        for is_udp, limit in ((False, MAX_CALLS), (True, MAX_DATAGRAM_CALLS)):
            while self._open[is_udp] < limit:
                standing = next((hosts for hosts in self._standing[is_udp] if hosts), None)
                if standing is None:
                    break
                taken.append(self._take_one(next(iter(standing.values()))))
        return taken

    def done(self, answer: AnnounceDone) -> None:
        """The answer to one that was taken has come."""
        line = Line(answer.url, answer.query.wire_hash, answer.origin)
        host, orders = self._hosts[_host_of(line.url)], self._lines[line]
        orders.popleft()
        self._size -= 1
        self._under_way.discard(line)
        host.open -= 1
        self._open[host.is_udp] -= 1
        code = "" if answer.error is None else answer.error.code
        host.is_silent = code in ("tracker.timed-out", "tracker.dns")
        if orders:
            self._make_ready(line, orders[0][1])
        else:
            del self._lines[line]
            self._place(host)

    def withdraw(self, info_hash: InfoHash, lines: Iterable[Line]) -> None:
        """The torrent stops: what these lines have not sent need not be, except that it was completed and that we
        leave."""
        for line in lines:
            orders = self._lines.get(line)
            if orders is None:
                continue
            is_open = line in self._under_way
            kept = deque(
                (announce, turn) for number, (announce, turn) in enumerate(orders)
                if is_open and number == 0 or announce.info_hash != info_hash
                or announce.query.event in (AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED))
            if len(kept) == len(orders):
                continue
            self._size -= len(orders) - len(kept)
            if not is_open:
                self._make_unready(line)
            if kept:
                self._lines[line] = kept
                if not is_open:
                    self._make_ready(line, kept[0][1])
            else:
                del self._lines[line]

    def _take_one(self, host: _Host) -> Announce:
        turn = host.next_turn()
        assert turn is not None
        line, _ = host.ready[turn].popitem(last=False)
        host.open += 1
        self._open[host.is_udp] += 1
        self._under_way.add(line)
        self._place(host)
        return self._lines[line][0][0]

    def _make_ready(self, line: Line, turn: Turn) -> None:
        key = _host_of(line.url)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(key)
        host.ready[turn][line] = None
        self._place(host)

    def _make_unready(self, line: Line) -> None:
        host = self._hosts[_host_of(line.url)]
        for ready in host.ready:
            ready.pop(line, None)
        self._place(host)

    def _place(self, host: _Host) -> None:
        """Have the host stand where its next turn is, at the end; nowhere when it has no room, or nothing to send."""
        if host.stands_in is not None:
            del host.stands_in[host.key]
            host.stands_in = None
        turn = host.next_turn()
        if turn is None:
            if not host.open:
                del self._hosts[host.key]
            return
        event = self._lines[next(iter(host.ready[turn]))][0][0].query.event
        if host.open < host.limit(event):
            host.stands_in = self._standing[host.is_udp][turn]
            host.stands_in[host.key] = host


def line_of(announce: Announce) -> Line:
    return Line(announce.url, announce.query.wire_hash, announce.origin)


def is_udp(url: str) -> bool:
    return url[:6].lower() == "udp://"


def _host_of(url: str) -> Key:
    return is_udp(url), authority_of(url)
