"""Which way a dial takes, and when the other one gets its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network import racing
from blobtorrent.network.messages import Dial
from blobtorrent.network.racing import HEAD_START_S, NO_TRANSPORT, ONLY_UTP, TCP, UTP, UTP_TIMEOUT_S, Races
from blobtorrent.network.utpmessages import CancelUtp, DialUtp, UseTransports, UtpWanted
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import Timer, TimerWheel

TORRENT, OTHER = InfoHash(v1=b"1" * 20), InfoHash(v1=b"2" * 20)
NO_MAILBOX: Any = None


def dial(number: int = 1, torrent: InfoHash = TORRENT, **facts: bool) -> Dial:
    return Dial(Endpoint("192.0.2.1", number), torrent, PeerId(b"p" * 20), NO_MAILBOX, **facts)


class Bench:
    """Races with a clock of their own, and what they had done, in order."""

    def __init__(self, dialing: str = "tcp-first", *, tcp: bool = True, utp: bool = True, is_ready: bool = True,
                 ) -> None:
        self.told: list[Any] = []
        self.wheel = TimerWheel()
        self.now = 0.0
        self.udp: Mailbox[Any] = Mailbox("udp")
        self.races = Races(self._at, lambda dial: self.told.append("tcp"), lambda dial: self.told.append("end tcp"),
                           lambda dial, code, detail: self.told.append(code))
        self.races.transports = UseTransports(tcp, utp, dialing)
        if is_ready:
            self.races.on_ready(self.udp)

    def _at(self, delay_s: float, call: Callable[[], None]) -> Timer:
        return self.wheel.at(self.now + delay_s, call)

    def after(self, seconds: float) -> list[Any]:
        """What was done since the last call, and in so many seconds more."""
        self.now += seconds
        self.wheel.expire(self.now)
        told, self.told = self.told, []
        for message in self.udp.drain():
            told.append("utp" if isinstance(message, DialUtp) else "end utp")
            if isinstance(message, DialUtp):
                self.number = message.number
            else:
                assert isinstance(message, CancelUtp)
        return told


def test_where_utp_is_off_a_dial_goes_by_tcp_and_nothing_is_remembered() -> None:
    bench, one = Bench(utp=False), dial()
    bench.races.begin(one)
    assert bench.after(9) == ["tcp"]
    assert not len(bench.races) and not len(bench.wheel)
    bench.races.failed(one, TCP, "net.refused", "")
    assert bench.after(9) == ["net.refused"]


def test_tcp_has_a_head_start_of_a_second() -> None:
    bench = Bench()
    bench.races.begin(dial())
    assert bench.after(HEAD_START_S - 0.01) == ["tcp"]
    assert bench.after(0.02) == ["utp"]


def test_a_dial_that_waits_for_utp_has_it_begun() -> None:
    bench, one, core = Bench(is_ready=False), dial(), Mailbox[Any]("core")
    bench.races.transports = UseTransports(True, True, reply_to=core)
    bench.races.begin(one)
    assert bench.after(HEAD_START_S - 0.01) == ["tcp"] and core.drain() == []
    assert bench.after(0.02) == [] and core.drain() == [UtpWanted()]
    bench.races.on_ready(bench.udp)
    assert bench.after(0) == ["utp"] and core.drain() == []


def test_tcp_that_connects_in_time_costs_no_datagram() -> None:
    bench, one = Bench(), dial()
    bench.races.begin(one)
    bench.races.connected(one, TCP)
    bench.races.greeted(one)
    assert bench.after(60) == ["tcp"]
    assert not len(bench.races)


def test_refused_by_tcp_it_goes_by_utp_at_once() -> None:
    bench, one = Bench(), dial()
    bench.races.begin(one)
    bench.races.failed(one, TCP, "net.refused", "")
    assert bench.after(0) == ["tcp", "utp"]
    assert bench.after(UTP_TIMEOUT_S) == ["net.refused", "end utp"]    # told as what TCP ended with
    assert not len(bench.races)


@pytest.mark.parametrize(("dialing", "facts"), [("race", {}), ("tcp-first", {"knows_utp": True})])
def test_both_ways_are_tried_at_once(dialing: str, facts: dict[str, bool]) -> None:
    bench = Bench(dialing)
    bench.races.begin(dial(**facts))
    assert bench.after(0) == ["tcp", "utp"]


def test_utp_first_falls_back_after_three_seconds() -> None:
    bench = Bench("utp-first")
    bench.races.begin(dial())
    assert bench.after(UTP_TIMEOUT_S - 0.01) == ["utp"]
    assert bench.after(0.02) == ["tcp", "end utp"]


@pytest.mark.parametrize("winner", [TCP, UTP])
def test_the_way_that_connects_first_ends_the_other(winner: racing.Transport) -> None:
    bench, one = Bench("race"), dial()
    bench.races.begin(one)
    assert bench.after(0) == ["tcp", "utp"]
    if winner is TCP:
        bench.races.connected(one, TCP)
        assert bench.after(0) == ["end utp"]
    else:
        assert bench.races.reached(bench.number) is one
        assert bench.after(0) == ["end tcp"]
    bench.races.greeted(one)
    assert bench.after(60) == []
    assert bench.races.reached(bench.number) is None       # a late answer finds nobody


@pytest.mark.parametrize("winner", [TCP, UTP])
def test_a_way_that_fails_before_the_greeting_gives_the_other_its_turn(winner: racing.Transport) -> None:
    bench, one = Bench("race"), dial()
    bench.races.begin(one)
    bench.after(0)
    if winner is TCP:
        bench.races.connected(one, TCP)
    else:
        bench.races.reached(bench.number)
    bench.after(0)
    bench.races.failed(one, winner, "net.reset", "")
    assert bench.after(0) == (["utp"] if winner is TCP else ["tcp"])
    if winner is TCP:
        bench.races.unreached(bench.number, "net.timed-out", "")
    else:
        bench.races.failed(one, TCP, "net.reset", "")
    assert bench.after(0) == ["net.reset"]
    assert not len(bench.races)


def test_where_only_utp_is_left_it_waits_for_no_tcp() -> None:
    for bench, one, code in ((Bench(tcp=False), dial(), ONLY_UTP), (Bench(), dial(only_utp=True), "net.timed-out")):
        bench.races.begin(one)
        assert bench.after(0) == ["utp"]
        bench.races.unreached(bench.number, "net.timed-out", "")
        assert bench.after(0) == [code]


def test_without_any_way_it_fails_and_says_why() -> None:
    bench = Bench(tcp=False, utp=False)
    bench.races.begin(dial())
    assert bench.after(0) == [NO_TRANSPORT]


def test_dials_wait_for_the_thread_to_begin() -> None:
    bench = Bench(tcp=False, is_ready=False)
    bench.races.begin(dial())
    assert bench.after(1) == []
    bench.races.on_ready(bench.udp)
    assert bench.after(0) == ["utp"]


def test_a_thread_that_takes_no_dials_leaves_tcp() -> None:
    bench = Bench("race", is_ready=False)
    one, only = dial(1), dial(2, only_utp=True)
    bench.races.begin(one)
    bench.races.begin(only)
    bench.races.on_ready(None)
    assert bench.after(0) == ["tcp", NO_TRANSPORT]
    bench.races.failed(one, TCP, "net.refused", "")
    bench.races.begin(dial(3))
    assert bench.after(60) == ["net.refused", "tcp"]


def test_so_many_are_under_way_by_utp_and_more_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "MAX_UTP_DIALS", 2)
    bench = Bench(tcp=False)
    for number in range(1, 5):
        bench.races.begin(dial(number))
    assert bench.after(0) == ["utp", "utp"]
    assert bench.after(UTP_TIMEOUT_S) == [ONLY_UTP] * 2 + ["end utp", "utp", "end utp", "utp"]


def test_a_withdrawn_torrent_ends_its_own_and_begins_nothing_more() -> None:
    bench, mine, other = Bench(), dial(1), dial(2, OTHER)
    for one in (mine, other):
        bench.races.begin(one)
    bench.races.withdraw(TORRENT, "net.withdrawn", "")
    bench.races.failed(mine, TCP, "net.withdrawn", "")     # by the door, which has that one
    assert bench.after(HEAD_START_S) == ["tcp", "tcp", "net.withdrawn", "utp"]
    bench.races.withdraw(None, "net.withdrawn", "")
    bench.races.failed(other, TCP, "net.withdrawn", "")
    assert bench.after(60) == ["net.withdrawn", "end utp"]
    assert not len(bench.races)
