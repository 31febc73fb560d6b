"""When a complete torrent has given enough."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import SeedGoal
from blobtorrent.core.session.goals import Given, met_goal, next_look_s

GIVEN = Given(uploaded_bytes=150, payload_bytes=100, seeding_s=60.0, idle_s=30.0)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (SeedGoal(), False),
        (SeedGoal(ratio=1.5), True),
        (SeedGoal(ratio=1.51), False),
        (SeedGoal(time_s=60.0), True),
        (SeedGoal(time_s=61.0), False),
        (SeedGoal(idle_s=30.0), True),
        (SeedGoal(idle_s=31.0), False),
        (SeedGoal(ratio=9.0, time_s=9000.0, idle_s=1.0), True),
    ],
)
def test_any_goal_that_is_reached_is_enough(goal: SeedGoal, expected: bool) -> None:
    assert bool(met_goal(goal, GIVEN)) is expected


def test_the_goal_that_is_reached_is_told_in_words() -> None:
    assert met_goal(SeedGoal(ratio=1.5, time_s=60.0), GIVEN) == "a ratio of 1.5"
    assert met_goal(SeedGoal(ratio=2.0, time_s=60.0), GIVEN) == "60 seconds of seeding"
    assert met_goal(SeedGoal(idle_s=30.0), GIVEN) == "30 seconds in which nobody took a byte"


@pytest.mark.parametrize(
    ("goal", "expected"),
    [(SeedGoal(ratio=2.0), None), (SeedGoal(time_s=100.0), 40.0), (SeedGoal(time_s=100.0, idle_s=35.0), 5.0),
     (SeedGoal(time_s=1.0), 0.0)],
)
def test_the_next_look_is_when_the_first_goal_of_time_could_be_reached(goal: SeedGoal, expected: float | None) -> None:
    assert next_look_s(goal, GIVEN) == expected
