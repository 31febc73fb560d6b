"""RequestWindow: how many blocks one link may have asked for at once.

Additive increase, multiplicative decrease, above the transport: what is measured is how long a block waits in the
peer's own queue. A shallow queue loses little when the peer chokes or stops, and is quick to turn to what is urgent;
0.3 s of it keep any path full, and 6 MiB the fastest. While that much is not queued the window grows, from 1 s on it
shrinks. Between the two it holds. But blocks that come all at once did not wait for each other, as with a peer that
answers at each tick of a slow clock: now and then twice as much is asked for, and if that comes as soon, it grows.

One request is watched at a time, so one number is compared for each stretch of blocks, and there is one sample a round
trip. Pure: time is given, in seconds. Owned by a link.
"""

from __future__ import annotations

START_BLOCKS = 4
MIN_BLOCKS = 2                         # but a peer that let requests rot gets one
MAX_BLOCKS = 2000                      # 31 MiB
DEFAULT_PEER_QUEUE = 250               # `reqq` of a peer that does not say (BEP 10)
QUEUE_GOAL_S = 0.3                     # waiting at the peer, up to which the window grows
QUEUE_LIMIT_S = 1.0                    # ... and above which it shrinks
QUEUE_GOAL_BLOCKS = 384                # ... 6 MiB keep the fastest path full: more only push each other out of caches
SHRINK = 0.7
SLACK = 1.25                           # of what the measured rate needs, when slow start ends
LARGE_STEP_BLOCKS = 64                 # a window so large grows by a part of itself, rather than by one block
TRY_GAP = 0.6                          # of a round trip without a block are worth a trial of more, ...
TRY_LEAST = 1.25                       # ... of as many blocks to come, or it was none
TRY_PAUSE_S = 10.0                     # ... so long after one that was in vain
SLOWEST_CLOCK_S = 1.0                  # a peer answers as often as this, however slow its clock
BASE_MEMORY_S = 120.0                  # the least time from request to block is that of the last so many seconds
SHORTEST_S = 0.001                     # clocks are no better than a pass of the loop

_NEVER = 1 << 62
_UNKNOWN = float("inf")


class RequestWindow:
    """`size` is in blocks of 16 KiB."""

    __slots__ = (
        "_base_before_s", "_base_recent_s", "_base_turns_at", "_came_at", "_credit", "_expected", "_gain", "_gap_s",
        "_is_starting", "_received", "_received_before", "_shrunk_at", "_tried", "_tries_at", "_watched",
        "_watched_since", "base_s", "block_s", "peer_queue", "queued_s", "rate_blocks_per_s", "size",
        "smoothed_s",
    )

    def __init__(self) -> None:
        self.size = START_BLOCKS
        self.peer_queue = DEFAULT_PEER_QUEUE
        self.rate_blocks_per_s = 0.0   # by the second
        self.base_s = _UNKNOWN         # from request to block when nothing waits before it
        self.smoothed_s = 0.0          # the same as it is now; 0 while unknown
        self.queued_s = 0.0            # of these, waiting at the peer, as of the last sample
        self.block_s = 0.0             # between two blocks, as of the last sample; 0 while unknown
        self._is_starting = True
        self._gain = 1.0               # blocks that the window grows by with each that comes
        self._credit = 0.0             # what it has grown by, while that is less than a block
        self._received = 0
        self._watched = _NEVER         # the sample is taken when so many were received
        self._watched_since = 0.0
        self._received_before = 0      # blocks, when it was asked for, ...
        self._expected = 0             # ... and those to come then
        self._base_recent_s = self._base_before_s = _UNKNOWN       # of this half of BASE_MEMORY_S, of the one before
        self._base_turns_at = 0.0
        self._shrunk_at = -_UNKNOWN
        self._came_at = 0.0            # the last block, but not before the watched one was asked for
        self._gap_s = 0.0              # the longest time without one since the watched one was asked for
        self._tried: tuple[int, int, float] | None = None        # before a trial: window, blocks to come, their wait
        self._tries_at = 0.0           # not before then

    @property
    def limit(self) -> int:
        return min(MAX_BLOCKS, self.peer_queue)

    def on_peer_queue(self, requests: int) -> None:
        """The peer says how many requests it queues; it drops what is above (BEP 10)."""
        self.peer_queue = requests
        self.size = min(self.size, self.limit)

    def on_asked(self, count: int, expected: int, now: float) -> None:
        """So many more blocks were asked for, and `expected` are to come altogether.

        If none is watched, the last one is; but the first when it waits for no other, as that tells how long the path
        is, and no trial wants to know how many come.
        """
        if self._watched == _NEVER:
            self._watched = self._received + (expected if expected > count or self._tried else 1)
            self._received_before = self._received
            self._expected = expected
            self._watched_since = self._came_at = now
            self._gap_s = 0.0

    def on_blocks(self, count: int, now: float) -> None:
        """Blocks came that were asked for."""
        self._received += count
        if now - self._came_at > self._gap_s:
            self._gap_s = now - self._came_at
        self._came_at = now
        if self._received >= self._watched:
            self._measure(now)
        elif self._is_starting and self._is_late(QUEUE_GOAL_S, now):
            self._gain = 0.0           # it is late already: with each block that comes meanwhile two would be asked for
        if self._gain and self.size < self.limit:
            self._credit += count * self._gain
            whole = int(self._credit)
            self._credit -= whole
            self.size = min(self.limit, self.size + whole)

    def on_withdrawn(self) -> None:
        """Some of what was asked for will not come: a sample would tell nothing."""
        self._watched = _NEVER

    def on_choke(self) -> None:
        """Half of the window is for the next time."""
        self.on_withdrawn()
        self._resize(self.size // 2)

    def on_refusal(self, now: float) -> None:
        """The peer does not answer what it was asked for, though it does not choke us: it is too much for it."""
        self.on_withdrawn()
        self._shrink(now)

    def on_snub(self) -> None:
        """The peer let requests rot: trust it with one, and begin anew when that comes."""
        self.on_withdrawn()
        self.size = 1
        self._begin_anew()

    def on_tick(self, blocks: int, elapsed_s: float, now: float) -> None:
        """About once a second: so many blocks came since. A watched one that is late already has waited too long."""
        self.rate_blocks_per_s += 0.4 * (blocks / elapsed_s - self.rate_blocks_per_s)
        if self._is_late(QUEUE_LIMIT_S, now):
            self._shrink(now)

    def patience_s(self, least_s: float) -> float:
        """How long no block may come before requests count as rotten."""
        return max(least_s, 4 * self.smoothed_s)

    def _is_late(self, queued_s: float, now: float) -> bool:
        """Whether the watched block waits at the peer for longer than this."""
        return self._watched != _NEVER and now - self._watched_since > self.base_s + queued_s

    def _measure(self, now: float) -> None:
        """The watched block is here."""
        taken_s = max(SHORTEST_S, now - self._watched_since)
        self._watched = _NEVER
        self.block_s = taken_s / (self._received - self._received_before)
        self.smoothed_s += (taken_s - self.smoothed_s) * (0.125 if self.smoothed_s else 1.0)
        self._note_base(taken_s, now)
        self.queued_s = queued_s = taken_s - self.base_s
        goal_s = self._goal_s()
        is_used = self.size <= 2 * self._expected + START_BLOCKS         # else it is not what the rate is due to
        is_whole = self._received - self._received_before >= self._expected
        self._gain = 0.0
        if self._tried:
            self._end_trial(self._tried, taken_s, now)
        elif queued_s > QUEUE_LIMIT_S and not self._is_starting:
            self._shrink(now)
        elif is_used and self._is_starting and (queued_s > goal_s or self.size >= self.limit):
            if is_whole:               # few that came first tell nothing of how many come in a while
                self._settle()
        elif is_used and queued_s < goal_s:
            self._gain = 1.0 if self._is_starting else max(1.0, self.size / LARGE_STEP_BLOCKS) / self.size
        elif is_used and is_whole and queued_s > QUEUE_GOAL_S and self._gap_s > TRY_GAP * taken_s:
            self._try_more(taken_s, now)

    def _try_more(self, taken_s: float, now: float) -> None:
        """For a round trip."""
        if now >= self._tries_at:
            self._tried = (self.size, self._expected, taken_s)
            self._resize(max(2 * self.size, START_BLOCKS + self.size))

    def _end_trial(self, tried: tuple[int, int, float], taken_s: float, now: float) -> None:
        """If more came nearly as soon, the wait is the path's, and slow start finds the window for it.

        Where less was asked for than the trial meant, as after a choke, nothing is learned.
        """
        size, expected, before_s = tried
        self._tried = None
        more = self._expected / expected
        if more < TRY_LEAST or 2 * taken_s >= before_s * (1 + more):
            self._tries_at = now + TRY_PAUSE_S
            self._resize(min(self.size, size))
        elif self.base_s < SLOWEST_CLOCK_S:
            self.base_s = self._base_recent_s = min(SLOWEST_CLOCK_S, taken_s)
            self._base_before_s = _UNKNOWN
            self._base_turns_at = now + BASE_MEMORY_S / 2
            self._begin_anew()

    def _settle(self) -> None:
        """Slow start is over: from now on a window for what comes at this rate."""
        self._is_starting = False
        self._gain = 0.0
        self._resize(int(SLACK * (self.base_s + self._goal_s()) / self.block_s))

    def _goal_s(self) -> float:
        """Up to which wait at the peer the window grows."""
        return min(QUEUE_GOAL_S, QUEUE_GOAL_BLOCKS * self.block_s)

    def _note_base(self, taken_s: float, now: float) -> None:
        """A sample of a window so deep that blocks surely waited tells nothing of the path, unless it is the least.

        With few blocks it is the path all the same: it may have become longer for good.
        """
        if now >= self._base_turns_at:
            self._base_before_s, self._base_recent_s = self._base_recent_s, _UNKNOWN
            self._base_turns_at = now + BASE_MEMORY_S / 2
        if taken_s <= 1.5 * self.base_s or self._expected <= MIN_BLOCKS:
            self._base_recent_s = min(self._base_recent_s, taken_s)
            known_s, self.base_s = self.base_s, min(self._base_recent_s, self._base_before_s)
            if self.base_s > known_s + QUEUE_GOAL_S:
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._is_starting = True
        self._gain = 1.0
        self._credit = 0.0
        self._tried = None

    def _shrink(self, now: float) -> None:
        """At most once a round trip: what was asked for before knows nothing of it."""
        self._is_starting = False
        self._gain = 0.0
        if now - self._shrunk_at >= self.smoothed_s:
            self._shrunk_at = now
            self._resize(int(self.size * SHRINK))

    def _resize(self, blocks: int) -> None:
        self.size = min(self.limit, max(MIN_BLOCKS, blocks))
