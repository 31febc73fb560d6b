"""When a complete torrent has given enough. Pure."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.core.session.commands import SeedGoal


class Given(NamedTuple):
    """What a torrent did so far: over all its runs, and the seconds since somebody last took a byte of it."""

    uploaded_bytes: int
    payload_bytes: int
    seeding_s: float
    idle_s: float


def met_goal(goal: SeedGoal, given: Given) -> str:
    """The first of the goals that are set and reached, in words; empty when none is."""
    if goal.ratio is not None and given.uploaded_bytes >= goal.ratio * given.payload_bytes:
        return f"a ratio of {goal.ratio:g}"
    if goal.time_s is not None and given.seeding_s >= goal.time_s:
        return f"{goal.time_s:g} seconds of seeding"
    if goal.idle_s is not None and given.idle_s >= goal.idle_s:
        return f"{goal.idle_s:g} seconds in which nobody took a byte"
    return ""


def next_look_s(goal: SeedGoal, given: Given) -> float | None:
    """Seconds until a goal of time could be reached, without anything else happening; None when there is none."""
    waits = []
    if goal.time_s is not None:
        waits.append(goal.time_s - given.seeding_s)
    if goal.idle_s is not None:
        waits.append(goal.idle_s - given.idle_s)
    return max(0.0, min(waits)) if waits else None
