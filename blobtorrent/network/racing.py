"""Races: dials that may go by TCP and by uTP. The way that connects first is taken, the other one is given up.

A way that connected and failed before the peer had greeted gives the other one its turn after all. A dial has failed
once both have. Nothing here touches a socket: the door is told what to begin and what to end. Owned by the door.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from blobtorrent.network.utpmessages import CancelUtp, DialUtp, Transport, UseTransports, UtpWanted

if TYPE_CHECKING:
    from blobtorrent.model.ids import InfoHash
    from blobtorrent.network.messages import Dial
    from blobtorrent.runtime.mailbox import Mailbox
    from blobtorrent.runtime.timers import Timer

_NO_ANSWER = frozenset(("net.timed-out", "net.refused"))
TCP, UTP = Transport.TCP, Transport.UTP
HEAD_START_S = 1.0                     # of TCP, where nothing is known of the peer
UTP_TIMEOUT_S = 3.0                    # without an answer: as libtorrent has it
MAX_UTP_DIALS = 100                    # under way at once; more wait their turn
NO_TRANSPORT = "net.no-transport"      # the settings leave no way to the peer
ONLY_UTP = "net.only-utp"              # they leave uTP, and it does not answer by that


class Leg(Enum):
    """How far one way is."""

    UNTRIED = "untried"
    RUNNING = "running"
    FAILED = "failed"


class Races:
    """`begin_tcp` has a dial made by TCP, `end_tcp` has that given up; `fail` tells that a dial led to nobody; `at`
    calls after so many seconds."""

    def __init__(self, at: Callable[[float, Callable[[], None]], Timer], begin_tcp: Callable[[Dial], None],
                 end_tcp: Callable[[Dial], None], fail: Callable[[Dial, str, str], None]) -> None:
        self.transports = UseTransports()
        self._at = at
        self._begin_tcp = begin_tcp
        self._end_tcp = end_tcp
        self._fail = fail
        self._udp: Mailbox[Any] | None = None
        self._has_no_utp = False       # the thread udp said so
        self._races: dict[int, _Race] = {}                 # by identity of their dials
        self._by_number: dict[int, _Race] = {}             # those that are under way by uTP
        self._waiting: deque[_Race] = deque()              # for the thread udp, or for a place
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._races)

    @property
    def has_utp(self) -> bool:
        """Whether dials may go by uTP, as far as is known."""
        return self.transports.utp and not self._has_no_utp

    def on_ready(self, mailbox: Mailbox[Any] | None) -> None:
        """The thread udp makes dials, or does not."""
        self._udp, self._has_no_utp = mailbox, mailbox is None
        if mailbox is not None:
            self._send_more()
            return
        for race in [race for race in self._races.values() if race.legs[UTP] is Leg.RUNNING and not race.is_connected]:
            self.failed(race.dial, UTP, NO_TRANSPORT, "there is no way for uTP")

    # ---- for the door

    def begin(self, dial: Dial) -> None:
        """A dial is to be made."""
        has_tcp = self.transports.tcp and not dial.only_utp
        if not self.has_utp:
            if has_tcp:
                self._begin_tcp(dial)
            else:
                self._fail(dial, NO_TRANSPORT, "tcp.enabled and utp.enabled leave no way to the peer")
            return
        race = self._races[id(dial)] = _Race(dial)
        if not has_tcp:
            race.legs[TCP] = Leg.FAILED
            race.is_without_tcp = not dial.only_utp
            self._start(race, UTP)
            return
        first, second_s = self._plan(dial)
        self._start(race, first)
        second = UTP if first is TCP else TCP
        if race.legs[first] is Leg.RUNNING and race.legs[second] is Leg.UNTRIED:
            if second_s:
                race.timer = self._at(second_s, partial(self._start_late, race, second))
            else:
                self._start(race, second)

    def _plan(self, dial: Dial) -> tuple[Transport, float]:
        """The way to begin with, and how many seconds later the other one follows."""
        if self.transports.dialing == "utp-first":
            return UTP, UTP_TIMEOUT_S
        return TCP, 0.0 if self.transports.dialing == "race" or dial.knows_utp else HEAD_START_S

    def connected(self, dial: Dial, way: Transport) -> None:
        """A way has reached the peer."""
        race = self._races.get(id(dial))
        if race is None:
            return
        race.stop_timer()
        race.is_connected = True
        other = TCP if way is UTP else UTP
        if race.legs[other] is Leg.RUNNING:
            race.legs[other] = Leg.UNTRIED
            self._end(race, other)

    def failed(self, dial: Dial, way: Transport, code: str, detail: str) -> None:
        """A way led to nobody: the other one is tried, or was; or the dial has failed."""
        race = self._races.get(id(dial))
        if race is None:
            self._fail(dial, code, detail)
            return
        race.is_connected = False
        race.legs[way] = Leg.FAILED
        if way is UTP:
            self._leave_utp(race)
        if way is TCP or not race.reason[0]:
            race.reason = code, detail
        other = TCP if way is UTP else UTP
        if race.legs[other] is Leg.UNTRIED:
            race.stop_timer()
            self._go_on_as(race, race.wish)                # how the peer wants to be met is seen by that way anew
            self._start(race, other)
        elif race.legs[other] is Leg.FAILED:
            self._forget(race)
            code, detail = race.reason
            if race.is_without_tcp and code in _NO_ANSWER:
                code, detail = ONLY_UTP, f"{detail}; tcp.enabled is false"
            self._fail(dial, code, detail)

    def again(self, dial: Dial, otherwise: Dial, way: Transport) -> None:
        """A way reached the peer, which is to be met otherwise: by the same way, in place of the first dial."""
        race = self._races.get(id(dial))
        if race is None:
            self._begin_tcp(otherwise)
            return
        race.is_connected = False
        self._go_on_as(race, otherwise)
        if way is UTP:
            self._leave_utp(race)
        self._start(race, way)

    def greeted(self, dial: Dial) -> None:
        """The peer has greeted: the dial has been made."""
        race = self._races.get(id(dial))
        if race is not None:
            self._forget(race)

    def reached(self, number: int) -> Dial | None:
        """A dial by uTP went through; None when nobody waits for it any more."""
        race = self._by_number.get(number)
        if race is None:
            return None
        race.stop_clock()
        self.connected(race.dial, UTP)
        return race.dial

    def unreached(self, number: int, code: str, detail: str) -> None:
        race = self._by_number.get(number)
        if race is not None:
            self.failed(race.dial, UTP, code, detail)

    def withdraw(self, info_hash: InfoHash | None, code: str, detail: str) -> None:
        """Give up what is under way of this torrent, or of all (None): neither way is begun any more. Legs by TCP, and
        by uTP when they are connected, are the door's to refuse."""
        for race in list(self._races.values()):
            if info_hash is not None and race.dial.info_hash != info_hash:
                continue
            race.stop_timer()
            for way, leg in race.legs.items():
                if leg is Leg.UNTRIED:
                    race.legs[way] = Leg.FAILED
            if race.legs[UTP] is Leg.RUNNING and not race.is_connected:
                self._end(race, UTP)
                self.failed(race.dial, UTP, code, detail)

    # ---- legs

    def _go_on_as(self, race: _Race, dial: Dial) -> None:
        del self._races[id(race.dial)]
        race.dial = dial
        self._races[id(dial)] = race

    def _start_late(self, race: _Race, way: Transport) -> None:
        race.timer = None
        if race.legs[way] is Leg.UNTRIED:
            self._start(race, way)

    def _start(self, race: _Race, way: Transport) -> None:
        race.legs[way] = Leg.RUNNING
        if way is TCP:
            self._begin_tcp(race.dial)
        elif not self.has_utp:
            self.failed(race.dial, UTP, NO_TRANSPORT, "there is no way for uTP")
        else:
            self._waiting.append(race)
            self._send_more()

    def _send_more(self) -> None:
        if self._udp is None and self.transports.reply_to is not None:
            self.transports.reply_to.post(UtpWanted())
        while self._udp is not None and self._waiting and len(self._by_number) < MAX_UTP_DIALS:
            race = self._waiting.popleft()
            race.number = next(self._numbers)
            self._by_number[race.number] = race
            late = partial(self._on_late, race)
            race.clock = self._at(UTP_TIMEOUT_S, late)
            self._udp.post(DialUtp(race.number, race.dial.endpoint))

    def _on_late(self, race: _Race) -> None:
        race.clock = None
        self._end(race, UTP)
        self.failed(race.dial, UTP, "net.timed-out", f"no answer by uTP in {UTP_TIMEOUT_S:g} s")

    def _end(self, race: _Race, way: Transport) -> None:
        if way is TCP:
            self._end_tcp(race.dial)
            return
        if race.number and self._udp is not None:
            self._udp.post(CancelUtp(race.number))
        self._leave_utp(race)

    def _leave_utp(self, race: _Race) -> None:
        race.stop_clock()
        if race.number:
            del self._by_number[race.number]
            race.number = 0
            self._send_more()
        elif race in self._waiting:
            self._waiting.remove(race)

    def _forget(self, race: _Race) -> None:
        race.stop_timer()
        self._leave_utp(race)
        del self._races[id(race.dial)]


class _Race:
    """One dial as it was wished, and as it is made. `number` is that of its dial by uTP, 0 while there is none."""

    __slots__ = ("clock", "dial", "is_connected", "is_without_tcp", "legs", "number", "reason", "timer", "wish")

    def __init__(self, wish: Dial) -> None:
        self.wish = self.dial = wish
        self.legs = dict.fromkeys(Transport, Leg.UNTRIED)
        self.number = 0
        self.is_connected = False      # one of the ways is, and the peer has not greeted yet
        self.is_without_tcp = False    # as the settings have it
        self.reason = ("", "")         # why it failed so far
        self.timer: Timer | None = None                    # to begin the other way
        self.clock: Timer | None = None                    # of the dial by uTP

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def stop_clock(self) -> None:
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None
