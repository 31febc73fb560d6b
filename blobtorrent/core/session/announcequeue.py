"""AnnounceQueue: which announces may go to their trackers now. Pure.

Thousands of torrents may start in the same second, often with the same few trackers. So a host is sent a few announces
at a time, one while it does not answer; what a user waits for goes before routine, and routine before torrents of
earlier runs, which can wait. Farewells have a lane of their own: a program that ends has little time for them.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections import OrderedDict
from enum import IntEnum
from typing import NamedTuple

from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin
from blobtorrent.model.urls import authority_of

PER_HOST = 4                           # calls under way to one host
PER_UDP_HOST = 32                      # a datagram holds no connection
PER_HOST_LEAVING = 24                  # the same while it is told that we leave and answers: somebody waits for it
PER_UDP_HOST_LEAVING = 128
MAX_CALLS = 32                         # under way over HTTP; each holds a thread
MORE_CALLS_LEAVING = 4                 # there are always some for these
MAX_DATAGRAM_CALLS = 512               # under way over UDP
MAX_DATAGRAM_CALLS_LEAVING = 640


class Turn(IntEnum):
    """Who goes first."""

    LEAVING = 0                        # the last that a tracker hears of a torrent
    SOON = 1                           # somebody waits for it: a new torrent, a wish, an event
    ROUTINE = 2
    LATER = 3                          # the first announce of a torrent of an earlier run


class Line(NamedTuple):
    """One tracker, one swarm, one of our addresses: it is told one thing at a time."""

    url: str
    wire_hash: bytes
    origin: Origin


_SILENT = ("tracker.timed-out", "tracker.dns")

Key = tuple[bool, str]                 # of a host: whether it is reached by datagrams, its name and port


class _Host:
    """The lines that wait for a place at one host, and how many have one."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.ready: tuple[OrderedDict[Line, Announce], ...] = tuple(OrderedDict() for _ in Turn)
        self.open = 0
        self.width = PER_HOST          # calls at a time: one more with each that it answered, one when it did not
        self.stands_in: list[dict[Key, _Host]] = []        # where it has room and something to send, by turn

    @property
    def is_udp(self) -> bool:
        return self.key[0]

    @property
    def is_idle(self) -> bool:
        return not (self.open or any(self.ready))

    @property
    def is_silent(self) -> bool:
        """It did not answer the last call."""
        return self.width == 1

    def on_done(self, answer: AnnounceDone) -> None:
        self.open -= 1
        code = "" if answer.error is None else answer.error.code
        if code and (answer.origin.family == 6 or code == "tracker.no-address"):
            return                     # few machines reach anybody by IPv6: that says nothing of the host
        self.width = 1 if code in _SILENT else min(max(self.width, PER_HOST - 1) + 1, PER_HOST_LEAVING)

    def turns(self) -> list[Turn]:
        """Of which it may be sent something now: farewells, and the first of the others."""
        turns = []
        if self.ready[Turn.LEAVING] and self.open < self._limit(PER_UDP_HOST_LEAVING, PER_HOST_LEAVING):
            turns.append(Turn.LEAVING)
        if self.open < self._limit(PER_UDP_HOST, PER_HOST):
            turns += [turn for turn in Turn if turn is not Turn.LEAVING and self.ready[turn]][:1]
        return turns

    def _limit(self, datagrams: int, calls: int) -> int:
        return datagrams if self.is_udp else min(self.width, calls)


class AnnounceQueue:
    """`put`, `withdraw` and `done` change it; `take` gives what may go. Each costs the same however much waits.

    A line has at most one announce here.
    """

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self.max_calls = max_calls     # under way over HTTP
        self._waiting: dict[Line, Turn] = {}
        self._sent_s: dict[Line, float] = {}               # when, of those that are under way
        self._hosts: dict[Key, _Host] = {}
        # Hosts that can be sent something, over HTTP and over UDP, by turn; one that was served goes to the end.
        self._standing: dict[bool, tuple[dict[Key, _Host], ...]] = {
            is_udp: tuple({} for _ in Turn) for is_udp in (False, True)}
        self._open = {False: 0, True: 0}                   # calls under way

    def __len__(self) -> int:
        """Announces that are not answered yet."""
        return len(self._waiting) + len(self._sent_s)

    def sent_s(self, line: Line) -> float | None:
        """When what is under way was sent; None when nothing is."""
        return self._sent_s.get(line)

    def is_silent(self, url: str) -> bool:
        """Its host did not answer the last call."""
        host = self._hosts.get(_key_of(url))
        return host is not None and host.is_silent

    def put(self, announce: Announce, turn: Turn) -> None:
        line, key = line_of(announce), _key_of(announce.url)
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(key)
        host.ready[turn][line] = announce
        self._waiting[line] = turn
        self._place(host)

    def withdraw(self, line: Line) -> bool:
        """Do not send what it waits with. False when nothing waits."""
        turn = self._waiting.pop(line, None)
        if turn is None:
            return False
        host = self._hosts[_key_of(line.url)]
        del host.ready[turn][line]
        self._place(host)
        return True

    def take(self, now: float) -> list[Announce]:
        """What may go now; it is under way until it is `done`."""
        taken: list[Announce] = []
        for is_udp, limit, limit_leaving in (
                (False, self.max_calls, self.max_calls + MORE_CALLS_LEAVING),
                (True, MAX_DATAGRAM_CALLS, MAX_DATAGRAM_CALLS_LEAVING)):
            for turn in Turn:
                hosts = self._standing[is_udp][turn]
                while hosts and self._open[is_udp] < (limit_leaving if turn is Turn.LEAVING else limit):
                    taken.append(self._take_one(next(iter(hosts.values())), turn, now))
        return taken

    def done(self, answer: AnnounceDone) -> bool:
        """The answer to one that was taken has come. False when there is none under way."""
        line = line_of(answer)
        if self._sent_s.pop(line, None) is None:
            return False
        host = self._hosts[_key_of(line.url)]
        self._open[host.is_udp] -= 1
        host.on_done(answer)
        self._place(host)
        return True

    def _take_one(self, host: _Host, turn: Turn, now: float) -> Announce:
        line, announce = host.ready[turn].popitem(last=False)
        del self._waiting[line]
        self._sent_s[line] = now
        host.open += 1
        self._open[host.is_udp] += 1
        self._place(host)
        return announce

    def _place(self, host: _Host) -> None:
        """Have the host stand where it has a turn, at the end; nowhere when it has no room, or nothing to send."""
        for standing in host.stands_in:
            del standing[host.key]
        host.stands_in = [self._standing[host.is_udp][turn] for turn in host.turns()]
        for standing in host.stands_in:
            standing[host.key] = host
        if host.is_idle:
            del self._hosts[host.key]


def line_of(told: Announce | AnnounceDone) -> Line:
    return Line(told.url, told.query.wire_hash, told.origin)


def is_udp(url: str) -> bool:
    return url[:6].lower() == "udp://"


def _key_of(url: str) -> Key:
    return is_udp(url), authority_of(url)
