"""What the shards are told of limits, and when."""

from __future__ import annotations

import time

import pytest

from blobtorrent.config.timewindows import time_windows
from blobtorrent.config.transfers import GroupSettings, LimitSettings
from blobtorrent.core.session.bandwidth import BandwidthManager
from blobtorrent.core.swarm.messages import GroupRates, SetRates
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

MONDAY_NOON = time.mktime((2023, 11, 13, 12, 0, 0, 0, 0, -1))


class Told:
    """A manager, its shards, and time."""

    def __init__(self, shards=1, groups=None, **limits):
        self.clock = FakeClock(wall_s=MONDAY_NOON)
        self.timers = TimerWheel()
        self.shards = [Mailbox(f"shard {number}") for number in range(shards)]
        self.manager = BandwidthManager(
            self.shards, LimitSettings(**limits), groups or {}, clock=self.clock, timers=self.timers)
        self.manager.begin()

    def news(self):
        """What each shard was told since the last call."""
        return [list(shard.drain()) for shard in self.shards]

    def wait(self, seconds):
        end = self.clock.now() + seconds
        while (deadline := self.timers.next_deadline()) is not None and deadline <= end:
            self.clock.advance(deadline - self.clock.now())
            self.timers.expire(self.clock.now())
        self.clock.advance(end - self.clock.now())


def test_without_limits_nobody_is_told_anything_and_nothing_is_waited_for():
    told = Told()
    assert told.news() == [[]]
    assert told.timers.next_deadline() is None


def test_limits_and_groups_are_told_at_the_start_and_when_they_change():
    told = Told(down_bytes_per_s=1000, exempt_local=True,
                groups={"slow": GroupSettings(up_bytes_per_s=10, weight=0.5)})
    assert told.news() == [[SetRates(1000, 0, {"slow": GroupRates(0, 10, 0.5)}, exempt_local=True)]]
    told.manager.apply(LimitSettings(up_bytes_per_s=7), {})
    assert told.news() == [[SetRates(0, 7)]]
    told.manager.apply(LimitSettings(up_bytes_per_s=7), {})
    assert told.news() == [[]]


def test_shards_get_equal_parts_and_never_none():
    told = Told(shards=4, down_bytes_per_s=1000, up_bytes_per_s=1)
    assert told.news() == [[SetRates(250, 1)]] * 4


@pytest.mark.parametrize(("alternative", "rate"), [("never", 500), ("always", 50)])
def test_the_alternative_limits_hold_always_or_never(alternative, rate):
    told = Told(down_bytes_per_s=500, alternative=alternative, alternative_down_bytes_per_s=50)
    assert told.news() == [[SetRates(rate)]]
    assert told.timers.next_deadline() is None


def test_the_alternative_limits_come_and_go_with_the_minutes_of_their_schedule():
    told = Told(down_bytes_per_s=500, alternative="scheduled", alternative_down_bytes_per_s=50,
                alternative_schedule=time_windows(["mon 12:10-12:20"]))
    assert told.news() == [[SetRates(500)]]
    told.wait(599)
    assert told.news() == [[]]
    told.wait(1)
    assert told.news() == [[SetRates(50)]]
    assert told.manager.is_alternative
    told.wait(600)
    assert told.news() == [[SetRates(500)]]
    told.manager.apply(LimitSettings(), {})
    assert told.news() == [[SetRates()]]
    assert told.timers.next_deadline() is None, "no schedule, nothing to look for"
