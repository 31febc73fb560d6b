"""What a torrent went through lately, for those who ask why it is as it is. Pure."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState

MAX_STEPS = 10                         # of each torrent, in memory only: some hundred bytes


class Step(NamedTuple):
    """The torrent came into `state`, which the outside calls `name`, at `at_s` of the monotonic clock."""

    state: TorrentState
    name: str
    event: TorrentEvent
    at_s: float


class Heard(NamedTuple):
    """What a source of peers told last: so many addresses, new ones or not, at `at_s` of the monotonic clock."""

    addresses: int
    at_s: float


History = tuple[Step, ...]             # the oldest first


def since_s(history: History) -> float | None:
    """When it came into the state that the outside sees; None if that was before we knew it."""
    found = None
    for step in reversed(history):
        if step.name != history[-1].name:
            return found
        found = step.at_s
    return found if len(history) < MAX_STEPS else None


def with_step(history: History, step: Step) -> History:
    """The history with one more step, without the oldest if it becomes too long."""
    return (*history[1 - MAX_STEPS:], step)
