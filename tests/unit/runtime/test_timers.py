from __future__ import annotations

import random

import pytest

from blobtorrent.runtime.timers import TimerWheel


def test_timers_fire_at_their_deadline_in_order():
    wheel = TimerWheel()
    fired: list[str] = []
    for deadline_s, name in ((3.0, "late"), (1.0, "early"), (2.0, "middle"), (1.0, "early too")):
        wheel.at(deadline_s, lambda name=name: fired.append(name))
    assert wheel.expire(0.9) == 0
    assert wheel.expire(2.0) == 3
    assert fired == ["early", "early too", "middle"]
    assert wheel.next_deadline() == 3.0


def test_an_empty_wheel_has_no_deadline():
    assert TimerWheel().next_deadline() is None


def test_a_cancelled_timer_neither_fires_nor_counts():
    wheel = TimerWheel()
    fired: list[int] = []
    timer = wheel.at(1.0, lambda: fired.append(1))
    wheel.at(2.0, lambda: fired.append(2))
    timer.cancel()
    timer.cancel()
    assert wheel.next_deadline() == 2.0
    assert wheel.expire(5.0) == 1
    assert fired == [2]


def test_a_timer_is_pending_until_it_fires_or_is_cancelled():
    wheel = TimerWheel()
    fires, cancelled = wheel.at(1.0, lambda: None), wheel.at(1.0, lambda: None)
    assert fires.is_pending
    cancelled.cancel()
    wheel.expire(1.0)
    assert (fires.is_pending, cancelled.is_pending) == (False, False)


def test_a_timer_set_by_a_timer_waits_for_the_next_expire_even_when_it_is_due():
    wheel = TimerWheel()
    rounds: list[float] = []

    def again() -> None:
        rounds.append(1.0)
        wheel.at(0.0, again)

    wheel.at(0.0, again)
    assert [wheel.expire(1.0), wheel.expire(1.0)] == [1, 1]
    assert len(rounds) == 2


def test_what_a_timer_cancels_in_the_same_expire_does_not_fire():
    wheel = TimerWheel()
    fired: list[int] = []
    victim = wheel.at(2.0, lambda: fired.append(2))
    wheel.at(1.0, victim.cancel)
    assert wheel.expire(3.0) == 1
    assert fired == []


def test_an_error_spends_its_own_timer_only():
    wheel = TimerWheel()
    fired: list[int] = []
    wheel.at(1.0, lambda: 1 // 0)
    wheel.at(1.0, lambda: fired.append(1))
    with pytest.raises(ZeroDivisionError):
        wheel.expire(1.0)
    assert wheel.next_deadline() == 1.0
    assert wheel.expire(1.0) == 1
    assert fired == [1]


@pytest.mark.parametrize("seed", range(20))
def test_the_wheel_agrees_with_a_sorted_list(seed):
    rng = random.Random(seed)
    wheel, fired = TimerWheel(), []
    pending = {}
    for number in range(200):
        deadline_s = float(rng.randrange(50))
        pending[number] = (deadline_s, wheel.at(deadline_s, lambda number=number: fired.append(number)))
    for number in rng.sample(range(200), 60):
        pending.pop(number)[1].cancel()
    for now in range(0, 50, 7):
        wheel.expire(float(now))
        due = sorted((deadline_s, number) for number, (deadline_s, _) in pending.items() if deadline_s <= now)
        assert fired == [number for _, number in due], f"seed {seed}"


def test_a_deadline_that_is_set_anew_for_ever_takes_no_memory():
    wheel, fired = TimerWheel(), []
    wheel.at(50.0, lambda: fired.append("other"))
    timer = wheel.at(60.0, lambda: fired.append("first"))
    for moved in range(10_000):
        timer.cancel()
        timer = wheel.at(60.0 + moved, lambda: fired.append("last"))
    assert len(wheel) < 200
    assert wheel.expire(20_000.0) == 2
    assert fired == ["other", "last"]


def test_timers_that_one_of_them_cancels_do_not_fire_with_it():
    wheel, fired = TimerWheel(), []
    others = [wheel.at(2.0, lambda: fired.append("other")) for _ in range(1_000)]
    wheel.at(1.0, lambda: [timer.cancel() for timer in others[:-1]])
    assert wheel.expire(3.0) == 2
    assert fired == ["other"]
    assert not len(wheel)
