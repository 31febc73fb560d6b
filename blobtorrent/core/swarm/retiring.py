"""Swarms that are about to leave: they begin no new piece, finish those under way, and stay as long as somebody takes
pieces that nobody else who is connected has. Runs on the shard's receive thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.messages import RetireSwarm, SwarmRetired
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    from blobtorrent.core.swarm.guard import Guard
    from blobtorrent.core.swarm.swarm import Swarm

LOOK_S = 0.25                          # between two looks whether they are done
LINGER_S = 2.0                         # for what was sent last to arrive: a link that is closed may take it with it


class _Waiting:
    def __init__(self, reply_to: Mailbox[Any], now: float, timeout_s: float) -> None:
        self.reply_to = reply_to
        self.end_s = now + timeout_s
        self.busy_at = now - LINGER_S                      # when it had something to do last


class Retirements:
    """Those of one shard. `at` calls back at a time, `now` tells it."""

    def __init__(self, at: Callable[[float, Callable[[], None]], Timer], now: Callable[[], float],
                 guard: Guard) -> None:
        self._guard = guard
        self._at = at
        self._now = now
        self._waiting: dict[Swarm, _Waiting] = {}

    def begin(self, swarm: Swarm, order: RetireSwarm) -> None:
        swarm.requests.begins_pieces = False
        swarm.departed.mask = 0        # who has left before does not count: nobody knows whether it is still there
        is_looking = bool(self._waiting)
        self._waiting[swarm] = _Waiting(order.reply_to, self._now(), order.timeout_s)
        if not is_looking:
            self._look()

    def end(self, swarm: Swarm) -> None:
        """The swarm is being closed, whatever is under way: who waits for it is told now."""
        waiting = self._waiting.pop(swarm, None)
        if waiting is not None:
            waiting.reply_to.post(SwarmRetired(
                swarm.info_hash, unique_mask(swarm).bit_count(), is_complete=not has_duties(swarm)))

    def _look(self) -> None:
        now = self._now()
        for swarm, waiting in list(self._waiting.items()):
            self._guard.run(swarm, self._look_at, swarm, waiting, now)
        if self._waiting:
            self._at(now + LOOK_S, self._look)

    def _look_at(self, swarm: Swarm, waiting: _Waiting, now: float) -> None:
        if has_duties(swarm):
            waiting.busy_at = now
        is_left = not (swarm.links or swarm.awaits_disk or swarm.awaits_sockets)
        if now >= waiting.end_s or now - waiting.busy_at >= LINGER_S or is_left:
            self.end(swarm)


def has_duties(swarm: Swarm) -> bool:
    """Whether it would be of use to wait: pieces are on their way here, or unique ones to somebody else."""
    if swarm.web_seeds is not None and swarm.web_seeds.is_busy:
        return True
    if swarm.awaits_disk or any(link.outstanding or link.arriving is not None for link in swarm.links):
        return True
    begun = swarm.pieces.partial_mask
    if begun and any(swarm.may_ask(link) and link.mask & begun for link in swarm.links):
        return True
    return _may_be_handed_on(swarm) and bool(unique_mask(swarm))


def _may_be_handed_on(swarm: Swarm) -> bool:
    """Whether more of what is here may be with others soon. The send thread tells late what it has sent, on a busy
    machine by seconds: a peer that has got all that it wanted may be content, or gone, before that is known."""
    if swarm.awaits_sockets or any(link.queued_upload_bytes for link in swarm.links):
        return True
    return swarm.settings.upload_slots > 0 and any(link.state.peer_interested for link in swarm.links)


def unique_mask(swarm: Swarm) -> int:
    """The pieces that are here, and that as far as we know neither a connected peer has nor one that left meanwhile."""
    elsewhere = swarm.availability.had_mask | swarm.departed.mask
    for link in swarm.links:
        elsewhere |= link.given.mask
    return swarm.pieces.have.mask & ~elsewhere
