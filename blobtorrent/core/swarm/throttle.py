"""Throttle: shares limited rates among those that wait. One direction of a shard: all > group > torrent > link.

Every limit is a token bucket. What is below it takes turns: next is who got least for its weight so far (start-time
fair queueing), so a fast link, or a torrent with many, takes nothing from the others. A limit whose tokens are used up
sleeps until there are some; nothing happens in between. Links without a limit never come here. Pure; owned by a host.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from heapq import heappop, heappush
from itertools import count
from math import ceil

from blobtorrent.model.geometry import BLOCK_SIZE

NAP_S = 0.02                           # a limit that is used up sleeps for so long at least
BELL_S = 0.01                          # limits that sleep are woken together, so often at most
TURN_S = 0.005                         # of its rate may be moved in one turn
SAVED_S = 0.25                         # of its rate is kept while nobody takes it
DEBT_S = 4.0                           # of its rate, that was moved beyond it, is held against it
LARGEST_TURN = 4 << 20                 # bytes

_numbers = count()                     # whoever waits longer is first among equals

Move = Callable[[int, float], int]     # (bytes allowed, now) -> bytes moved; a block may be begun with the last of them


class Branch:
    """What several links share. `bytes_per_s` of 0 is no limit of its own, `weight` its part of what is above it."""

    __slots__ = ("_at", "_floor", "_is_asleep", "_queue", "_throttle", "_tokens", "bytes_per_s", "clock", "is_waiting",
                 "num_valves", "parent", "weight")

    def __init__(self, throttle: Throttle, parent: Branch | None) -> None:
        self.parent = parent
        self.bytes_per_s = 0
        self.weight = 1.0
        self.num_valves = 0            # links below
        self.clock = 0.0               # bytes moved, over the weight; comparable within one parent
        self.is_waiting = False        # for a turn of its parent
        self._throttle = throttle
        self._queue: list[tuple[float, int, Branch | Valve]] = []
        self._floor = 0.0              # clock of the child that had the last turn
        self._is_asleep = False        # until there are tokens
        self._tokens = 0.0             # bytes; below 0 after a turn that took more than there was
        self._at = 0.0                 # when they were counted

    @property
    def is_limited(self) -> bool:
        """There is a limit here or further up."""
        return bool(self.bytes_per_s) or self.parent is not None and self.parent.is_limited

    def limit(self, bytes_per_s: int, now: float) -> None:
        """Use another rate, which begins with nothing in hand and no debt."""
        if bytes_per_s != self.bytes_per_s:
            self._tokens = 0.0
            self._at = now
            self.bytes_per_s = bytes_per_s
            self.wake()

    def join(self, child: Branch | Valve) -> None:
        """A child waits for its turn, together with those that wait already."""
        child.clock = max(child.clock, self._floor)
        heappush(self._queue, (child.clock, next(_numbers), child))
        if not self.is_waiting and not self._is_asleep:
            self._join_parent()

    def wake(self) -> None:
        """There are tokens again."""
        if self._is_asleep:
            self._is_asleep = False
            self._join_parent()

    def _join_parent(self) -> None:
        self.is_waiting = True
        if self.parent is not None:
            self.parent.join(self)

    def serve(self, budget: int, now: float) -> int:
        """Give one child a turn of about `budget` bytes; returns how many it moved."""
        rate = self.bytes_per_s
        if rate:
            self._tokens = min(SAVED_S * rate, self._tokens + rate * (now - self._at))
            self._at = now
            if self._tokens <= 0:
                self.is_waiting, self._is_asleep = False, True
                self._throttle.sleep(self, now + NAP_S - self._tokens / rate)
                return 0
            budget = min(budget, max(BLOCK_SIZE, int(TURN_S * rate)))
        child = heappop(self._queue)[2]
        self._floor = child.clock
        moved = child.serve(budget, now)
        child.clock += moved / child.weight
        if rate:
            self._tokens -= moved
        if child.is_waiting:
            heappush(self._queue, (child.clock, next(_numbers), child))
        self.is_waiting = bool(self._queue)
        return moved

    def give_back(self, size: int) -> None:
        """Bytes that were counted will not be moved; below 0: bytes were moved that were not counted."""
        rate, tokens = self.bytes_per_s, self._tokens
        if rate:
            self._tokens = min(SAVED_S * rate, tokens + size) if size > 0 else min(
                tokens, max(-DEBT_S * rate, tokens + size))

    def charge(self, size: int) -> None:
        """Count bytes that are on their way already: they will move whatever this limit says."""
        if self.bytes_per_s:
            self._tokens -= size


class Valve:
    """Where one link waits for its turns."""

    __slots__ = ("_move", "_parent", "clock", "is_waiting", "weight")

    def __init__(self, parent: Branch, move: Move) -> None:
        self.clock = 0.0
        self.weight = 1.0
        self.is_waiting = False
        self._parent = parent
        self._move: Move | None = move
        self._count(1)

    def want(self) -> None:
        """Have `move` called when it may move something."""
        if not self.is_waiting and self._move is not None:
            self.is_waiting = True
            self._parent.join(self)

    def serve(self, budget: int, now: float) -> int:
        """A turn. Who moved nothing is content for now."""
        moved = self._move(budget, now) if self._move is not None else 0
        self.is_waiting = moved > 0
        return moved

    def give_back(self, size: int) -> None:
        """See Branch.give_back."""
        branch: Branch | None = self._parent
        while branch is not None:
            branch.give_back(size)
            branch = branch.parent

    def charge(self, size: int, branches: Container[Branch]) -> None:
        """Count bytes that are on their way against those of the limits above that are in `branches`."""
        branch: Branch | None = self._parent
        while branch is not None:
            if branch in branches:
                branch.charge(size)
            branch = branch.parent

    def close(self) -> None:
        """The link is gone, or limited no more."""
        if self._move is not None:
            self._move = None
            self._count(-1)

    @property
    def share_bytes_per_s(self) -> float:
        """What it gets if all that share its limits want as much as they can have and weigh the same."""
        share = float("inf")
        branch: Branch | None = self._parent
        while branch is not None:
            if branch.bytes_per_s:
                share = min(share, branch.bytes_per_s / branch.num_valves)
            branch = branch.parent
        return share

    def _count(self, change: int) -> None:
        branch: Branch | None = self._parent
        while branch is not None:
            branch.num_valves += change
            branch = branch.parent


class Throttle:
    """The tree of limits of one direction."""

    def __init__(self) -> None:
        self.root = Branch(self, None)
        self._sleepers: list[tuple[float, int, Branch]] = []

    def sleep(self, branch: Branch, until: float) -> None:
        """Wake a branch then, or a moment later."""
        heappush(self._sleepers, (ceil(until / BELL_S) * BELL_S, next(_numbers), branch))

    def run(self, now: float) -> None:
        """Let everybody move what they may."""
        sleepers = self._sleepers
        while sleepers and sleepers[0][0] <= now:
            heappop(sleepers)[2].wake()
        while self.root.is_waiting:
            self.root.serve(LARGEST_TURN, now)

    @property
    def next_run_at(self) -> float | None:
        """When somebody that waits may move more; None while nobody waits."""
        return self._sleepers[0][0] if self._sleepers else None
