"""The window and what moves it; the delay that it looks at; the time that an answer takes."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.utp.delay import SPAN_S, SPANS, DelayHistory
from blobtorrent.protocol.utp.ledbat import LEAST_PACKETS, Ledbat
from blobtorrent.protocol.utp.rtt import FIRST_S, LEAST_S, MOST_S, RoundTrip

PACKET = 1000
RTT_S = 0.1


def ledbat(window: float, delay_us: int = 0, *, slow_start: bool = False) -> Ledbat:
    one = Ledbat(PACKET)
    if not slow_start:
        one.on_loss(PACKET, 0.5, 1.0)
        one.on_ack(0, PACKET, RTT_S, 1.0, is_full=False)
    one.window = window
    one.delay.queueing_us = delay_us
    return one


def round_trip(one: Ledbat, now: float, *, is_full: bool = True) -> None:
    """A window's worth of packets is acknowledged, one by one."""
    for _ in range(max(1, int(one.window / PACKET))):
        one.on_ack(PACKET, PACKET, RTT_S, now, is_full=is_full)


def test_at_first_the_window_doubles_until_there_is_delay():
    one = ledbat(4 * PACKET, slow_start=True)
    round_trip(one, 1.0)
    assert one.window == 8 * PACKET
    one.delay.queueing_us = 80_000
    round_trip(one, 1.1)
    assert one.window <= 9 * PACKET


def test_below_the_target_it_grows_by_a_packet_in_a_round_trip():
    one = ledbat(50 * PACKET, 20_000)
    round_trip(one, 1.0)
    assert one.window == pytest.approx(51 * PACKET, abs=20)


def test_above_the_target_it_shrinks_in_proportion_to_itself():
    small, large = ledbat(50 * PACKET, 200_000), ledbat(500 * PACKET, 200_000)
    round_trip(small, 1.0)
    round_trip(large, 1.0)
    assert small.window < 30 * PACKET and large.window < 300 * PACKET
    assert large.window / small.window == pytest.approx(10, rel=0.1)


def test_far_above_the_target_it_goes_down_to_the_least_and_never_below():
    one = ledbat(100 * PACKET, 2_000_000)
    for number in range(20):
        round_trip(one, 1.0 + number)
    assert one.window == LEAST_PACKETS * PACKET


@pytest.mark.parametrize("slow_start", [True, False])
def test_a_window_that_is_not_used_does_not_grow(slow_start):
    one = ledbat(10 * PACKET, slow_start=slow_start)
    round_trip(one, 1.0, is_full=False)
    assert one.window == 10 * PACKET


def test_losses_halve_it_once_for_what_was_on_the_path_together():
    one = ledbat(80 * PACKET, slow_start=True)
    one.on_loss(PACKET, 4.9, 5.0)
    one.on_loss(PACKET, 4.95, 5.01)
    assert one.window == 40 * PACKET
    one.on_loss(PACKET, 5.05, 5.2)
    assert one.window == 20 * PACKET


def test_after_a_time_out_it_climbs_quickly_to_half():
    one = ledbat(64 * PACKET)
    one.on_timeout(PACKET, 2.0)
    assert one.window == LEAST_PACKETS * PACKET
    for number in range(5):
        round_trip(one, 2.1 + number / 10)
    assert 32 * PACKET <= one.window <= 36 * PACKET


def test_after_a_pause_it_begins_small_and_is_soon_where_it_was():
    one = ledbat(64 * PACKET)
    one.on_idle(PACKET)
    assert one.window == 4 * PACKET
    for number in range(4):
        round_trip(one, 2.1 + number / 10)
    assert 64 * PACKET <= one.window <= 68 * PACKET


def test_growth_is_bound_by_what_was_acknowledged():
    one = ledbat(10 * PACKET, slow_start=True)
    one.on_ack(2 * PACKET, PACKET, RTT_S, 1.0, is_full=True)
    assert one.window == 12 * PACKET


def slowdowns(one: Ledbat, delay_us: int, seconds: float) -> int:
    """How often the window closes while the delay is so."""
    count, before, now = 0, one.window, 2.0
    while now < 2.0 + seconds:
        one.delay.queueing_us = delay_us if one.window > PACKET else 0
        round_trip(one, now)
        count += one.window == PACKET and before > PACKET
        before = one.window
        now += RTT_S
    return count


def test_a_queue_is_left_to_drain_now_and_then():
    assert 2 <= slowdowns(ledbat(50 * PACKET), 85_000, 60.0) <= 25


def test_where_there_is_no_queue_nothing_is_interrupted():
    assert slowdowns(ledbat(50 * PACKET), 5_000, 60.0) == 0


# ---- the delay


def test_the_least_of_the_last_two_minutes_is_the_path():
    history = DelayHistory()
    history.on_sample(5_000, RTT_S, 0.0)
    assert history.queueing_us == 0
    for number in range(3):
        history.on_sample(45_000, RTT_S, 1.0 + number)
    assert history.queueing_us == 40_000
    for number in range(int(SPAN_S * SPANS) + 10):
        history.on_sample(45_000, RTT_S, 5.0 + number)
    assert history.queueing_us == 0, "another route, or clocks that drifted"


def test_one_late_packet_is_no_delay():
    history = DelayHistory()
    for sample in (5_000, 5_100, 90_000):
        history.on_sample(sample, RTT_S, 0.0)
    assert history.queueing_us == 0


@pytest.mark.parametrize("offset", [0, 2**32 - 10_000, 2**31 - 10_000, 2**31 + 5])
def test_clocks_may_be_apart_by_anything(offset):
    history = DelayHistory()
    for sample in (20_000, 50_000, 60_000, 50_000):
        history.on_sample((sample + offset) % 2**32, RTT_S, 0.0)
    assert history.queueing_us == 30_000
    history.on_sample((10_000 + offset) % 2**32, RTT_S, 0.1)
    assert history.queueing_us == 0


def test_a_clock_that_was_set_is_no_queue():
    history = DelayHistory()
    history.on_sample(5_000, RTT_S, 0.0)
    for number in range(4):
        history.on_sample(3_600_000_000, RTT_S, 1.0 + number)
    assert history.queueing_us == 0
    for _ in range(3):
        history.on_sample(3_600_050_000, RTT_S, 9.0)
    assert history.queueing_us == 50_000


# ---- the round trip


def test_the_time_to_wait_follows_the_round_trip():
    rtt = RoundTrip()
    assert rtt.timeout_s == FIRST_S and rtt.smoothed_s is None
    rtt.on_sample(0.4)
    assert (rtt.smoothed_s, rtt.timeout_s) == (0.4, pytest.approx(0.4 + 4 * 0.2))
    for _ in range(100):
        rtt.on_sample(0.05)
    assert rtt.smoothed_s == pytest.approx(0.05, abs=0.001) and rtt.timeout_s == LEAST_S


def test_it_doubles_until_something_comes():
    rtt = RoundTrip()
    waits = []
    for _ in range(7):
        waits.append(rtt.timeout_s)
        rtt.on_timeout()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, MOST_S, MOST_S]
    rtt.on_progress()
    assert rtt.timeout_s == 1.0
