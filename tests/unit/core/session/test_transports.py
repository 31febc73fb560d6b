"""When the thread `udp` begins with uTP, and when it ends."""

from __future__ import annotations

import types
from typing import Any

import pytest

from blobtorrent.config.schema import UtpSettings
from blobtorrent.core.session.transports import DELAY_S, TransportManager
from blobtorrent.network.utpmessages import CloseUtp, OpenUtp, UtpWanted
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

ON, OFF, RACE = UtpSettings(), UtpSettings(enabled=False), UtpSettings(dialing="race")
NO_TORRENT: Any = None


class Bench:
    def __init__(self, utp: UtpSettings = ON, tcp: bool = True) -> None:
        self.now, self.wheel, self.udp, self.door = 0.0, TimerWheel(), Mailbox[Any]("udp"), Mailbox[Any]("door")
        outlets: Any = types.SimpleNamespace(udp=self.udp, door=self.door)
        clock: Any = types.SimpleNamespace(now=lambda: self.now)
        self.manager = TransportManager(outlets, tcp, utp, clock=clock, timers=self.wheel)

    def after(self, seconds: float) -> list[Any]:
        self.now += seconds
        self.wheel.expire(self.now)
        return self.udp.drain()


def test_a_short_run_that_is_served_by_tcp_pays_nothing_for_utp() -> None:
    bench = Bench()
    assert bench.after(60) == []       # no torrent wants peers
    bench.manager.on_open(NO_TORRENT)
    assert bench.after(DELAY_S - 0.01) == []
    bench.manager.on_open(NO_TORRENT)
    assert bench.after(0.02) == [OpenUtp(bench.door)]
    assert bench.after(60) == []


def test_the_first_dial_that_waits_for_it_has_it_begun_at_once() -> None:
    bench = Bench()
    bench.manager.on_open(NO_TORRENT)
    bench.manager.on_wanted(UtpWanted())
    bench.manager.on_wanted(UtpWanted())
    assert bench.after(60) == [OpenUtp(bench.door)]


@pytest.mark.parametrize("bench", [Bench(RACE), Bench(tcp=False)])
def test_where_every_dial_takes_it_there_is_no_delay(bench: Bench) -> None:
    bench.manager.on_open(NO_TORRENT)
    assert bench.after(0) == [OpenUtp(bench.door)]


def test_where_it_was_turned_off_nobody_has_it_begun() -> None:
    bench = Bench()
    bench.manager.on_open(NO_TORRENT)
    bench.manager.apply(True, OFF, is_used=True)
    bench.manager.on_wanted(UtpWanted())
    assert bench.after(60) == []
    bench.manager.apply(True, ON, is_used=True)
    assert bench.after(0) == [OpenUtp(bench.door)]
    bench.manager.apply(True, OFF, is_used=True)
    assert bench.after(0) == [CloseUtp()]
