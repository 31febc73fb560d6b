from __future__ import annotations

import pytest

from blobtorrent.runtime.clock import FakeClock, SystemClock


def test_a_fake_clock_stands_still_until_it_is_advanced():
    clock = FakeClock(start=10.0, wall_s=1000.0)
    assert (clock.now(), clock.wall()) == (10.0, 1000.0)
    clock.advance(2.5)
    assert (clock.now(), clock.wall()) == (12.5, 1002.5)


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match="cannot go back"):
        FakeClock().advance(-1)


def test_the_system_clock_is_monotonic_and_its_wall_time_is_of_this_century():
    clock = SystemClock()
    assert clock.now() <= clock.now()
    assert clock.wall() > 1_600_000_000
