"""WebSeed: what is known of one HTTP source of a torrent (BEP 19), and when it is asked again. Owned by a swarm."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.link import RateMeter
from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts
from blobtorrent.model.details import WebSeedStatus
from blobtorrent.model.errors import BlobTorrentError, WebSeedError
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.redact import redact

if TYPE_CHECKING:
    from blobtorrent.core.swarm.picker import Rng
    from blobtorrent.core.swarm.pieces import Assembly
    from blobtorrent.core.swarm.throttle import Valve
    from blobtorrent.core.swarm.webseeds import WebSeeds
    from blobtorrent.discovery.seedreader import SeedReader

FIRST_REST_S = 10.0                    # after a failure; twice as long after each that follows, ...
LONGEST_REST_S = 600.0                 # ... up to this
MAX_DOUBTS = 3                         # that others have a share in
KEEP_S = 10.0                          # a connection stays open for more; without ranges it is far into a file
FORGET_FILES_S = 600.0                 # a file that was not there is asked for again after so long
MAX_REFUSALS = 8                       # files in a row that are not there; then it rests
FIRST_RUN_BYTES = 1 << 20
RUN_S = 4.0                            # a run is as long as the seed takes so many seconds for, ...
SHORTEST_RUN_BYTES = 256 << 10         # ... from this ...
LONGEST_RUN_BYTES = 16 << 20           # ... up to this
SLOW_RUN_S = 4 * RUN_S                 # after so long a run is slow ...
SLOW_SHARE = 8                         # ... when it brings this part of what it was meant to, ...
SLOW_BYTES_PER_S = 16 << 10            # ... or less than this

_OF_ONE_FILE = frozenset(("webseed.no-file", "webseed.wrong-file", "webseed.denied"))


class State(Enum):
    IDLE = "idle"
    FETCHING = "fetching"
    RESTING = "resting"                # it failed, or asked us to wait
    BANNED = "banned"                  # it sent what is not the torrent's


class Event(Enum):
    BEGIN = "begin"
    DONE = "done"                      # the last of its connections has nothing to read any more
    FAIL = "fail"
    RESTED = "rested"
    SPOILED = "spoiled"


SEED = Table({
    State.IDLE: {Event.BEGIN: State.FETCHING, Event.FAIL: State.RESTING, Event.SPOILED: State.BANNED},
    State.FETCHING: {Event.BEGIN: State.FETCHING, Event.DONE: State.IDLE, Event.FAIL: State.RESTING,
                     Event.SPOILED: State.BANNED},
    State.RESTING: {Event.DONE: State.RESTING, Event.FAIL: State.RESTING, Event.RESTED: State.IDLE,
                    Event.SPOILED: State.BANNED},
}, home=State.IDLE, faults=(State.RESTING,), ends=(State.BANNED,))


class Lane:
    """One connection to a seed: what is read over it, and where it goes on. The token of its orders."""

    __slots__ = ("begun_at", "bytes", "next_piece", "order", "reader", "seed", "seeds", "valve")

    def __init__(self, seeds: WebSeeds, seed: WebSeed) -> None:
        self.seeds = seeds
        self.seed = seed
        self.reader: SeedReader | None = None              # while nothing is read; the reading thread has it meanwhile
        self.order: FetchParts | None = None
        self.begun_at = 0.0
        self.bytes = 0                 # that came of the order
        self.valve: Valve | None = None                    # that the order was counted against
        self.next_piece = 0            # behind the last run


class WebSeed:
    """One URL. Masks are integers: bit i is piece i."""

    def __init__(self, seeds: WebSeeds, url: str, lanes: int) -> None:
        self.url = url
        self.machine: Machine[State, Event] = Machine(SEED)
        self.lanes = [Lane(seeds, self) for _ in range(lanes)]
        self.down = RateMeter()
        self.has_ranges = True
        self._busy_at = 0.0            # when an order ended last
        self._refusals = 0             # files in a row that it does not have or give
        self._is_known = False         # it has answered once, so that we know whether it has ranges
        self.absent_mask = 0           # pieces with bytes of files that it does not have
        self.run_bytes = FIRST_RUN_BYTES
        self.wasted_bytes = 0
        self.failures = 0              # in a row
        self.doubts = 0                # spoiled pieces that it gave some of, since it gave all of a good one
        self.error: BlobTorrentError | None = None         # the last one, until something comes
        self.rest_until = 0.0
        self._forget_files_at = 0.0

    @property
    def is_banned(self) -> bool:
        return self.machine.state is State.BANNED

    @property
    def is_busy(self) -> bool:
        return any(lane.order is not None for lane in self.lanes)

    def free_lane(self) -> Lane | None:
        """A connection that may be used now. A server without ranges gets one: two would read the same bytes."""
        takes_several = self._is_known and self.has_ranges
        if self.machine.state not in (State.IDLE, State.FETCHING) or not takes_several and self.is_busy:
            return None
        return next((lane for lane in self.lanes if lane.order is None), None)

    def begin(self, lane: Lane, order: FetchParts, now: float) -> None:
        lane.order, lane.begun_at, lane.bytes, lane.reader = order, now, 0, None
        self.machine.fire(Event.BEGIN)

    def came(self, lane: Lane, count: int) -> None:
        """So many bytes came over one of its connections."""
        lane.bytes += count
        self.down.add(count)
        self.failures = self._refusals = 0
        if self.machine.state is State.FETCHING:
            self.error = None

    def end(self, lane: Lane, ended: FetchEnded, now: float, rng: Rng) -> None:
        """An order is over, well or not."""
        knew_no_ranges, self.has_ranges = not self.has_ranges, self.has_ranges and ended.has_ranges
        lane.order, lane.reader, self._busy_at = None, ended.reader, now
        self._is_known = self._is_known or lane.bytes > 0
        elapsed_s = max(0.001, now - lane.begun_at)
        if lane.bytes:
            self.run_bytes = int(min(max(RUN_S * lane.bytes / elapsed_s, SHORTEST_RUN_BYTES), LONGEST_RUN_BYTES))
        error = ended.error
        if error is not None and not self.is_banned:
            self.error = error
            if error.code in _OF_ONE_FILE and ended.file is not None:
                self._lacks(ended, ended.file, now)
                self._refusals += 1
                if error.code == "webseed.denied" or self._refusals % MAX_REFUSALS == 0:
                    self._rest(ended.retry_after_s, now, rng)
            elif error.code != "webseed.no-ranges" or knew_no_ranges:
                self._rest(ended.retry_after_s, now, rng)
        if not self.is_busy and self.machine.can(Event.DONE):
            self.machine.fire(Event.DONE)

    def may_go_on_with(self, assembly: Assembly) -> bool:
        """Whether a piece that is open would show who is to blame if it was spoiled: no other seed is in it, and with
        a suspect nobody at all."""
        if any(blocks or other.is_busy for other, blocks in assembly.helpers.items() if other is not self):
            return False
        return not self.doubts or assembly.helpers.get(self, 0) == assembly.num_blocks - assembly.missing

    def spoiled(self, piece: int, now: float, rng: Rng, *, is_proof: bool) -> list[FetchParts]:
        """A piece that it gave some of does not match its hash. With proof, or too often, it is asked no more; else it
        rests, and works alone from then on. Returns what to cancel."""
        if self.is_banned:
            return []
        self.doubts += 1
        if is_proof or self.doubts >= MAX_DOUBTS:
            self.error = WebSeedError("webseed.bad-piece", f"piece {piece} does not match its hash")
            self.machine.fire(Event.SPOILED)
            return [lane.order for lane in self.lanes if lane.order is not None]
        self.error = WebSeedError(
            "webseed.bad-piece", f"piece {piece}, of which others gave some, does not match its hash")
        self._rest(None, now, rng)
        return []

    def is_slow(self, lane: Lane, now: float) -> bool:
        """What is read over this connection comes far more slowly than the seed made us think."""
        order, elapsed_s = lane.order, now - lane.begun_at
        if order is None or order.is_cancelled or elapsed_s < SLOW_RUN_S:
            return False
        rate = max(SLOW_BYTES_PER_S, self.run_bytes / RUN_S / SLOW_SHARE)
        if order.bytes_per_s:
            rate = min(rate, order.bytes_per_s / 2)
        return order.received_bytes < rate * elapsed_s

    def leave(self, lane: Lane, now: float, rng: Rng) -> None:
        """Others are to bring what is read over this connection."""
        if lane.order is not None:
            lane.order.is_cancelled = True
            self.run_bytes = SHORTEST_RUN_BYTES
            self.error = WebSeedError("webseed.slow", "it is too slow for what others can bring")
            self._rest(None, now, rng)

    def tick(self, now: float, elapsed_s: float) -> None:
        """Once a second."""
        self.down.tick(elapsed_s)
        if self.machine.state is State.RESTING and now >= self.rest_until and not self.is_busy:
            self.machine.fire(Event.RESTED)
        if self.absent_mask and now >= self._forget_files_at:
            self.absent_mask = 0
        if not self.is_busy and (self.machine.state is not State.IDLE or now - self._busy_at >= KEEP_S):
            self.close_idle()

    def close_idle(self) -> None:
        """Nothing is to be had from it for now: connections that are kept for more go."""
        for lane in self.lanes:
            if lane.reader is not None:
                lane.reader.close()

    def _lacks(self, ended: FetchEnded, file: int, now: float) -> None:
        if not self.absent_mask:
            self._forget_files_at = now + FORGET_FILES_S
        pieces = ended.reader.content.pieces_of(file)
        self.absent_mask |= ((1 << len(pieces)) - 1) << pieces.start

    def _rest(self, asked_s: float | None, now: float, rng: Rng) -> None:
        """Leave it alone, each node for another time: many may have failed at the same moment."""
        self.failures += 1
        longer = 2.0 ** (min(self.failures, 16) - 1)
        rest_s = min(LONGEST_REST_S, FIRST_REST_S * longer) if asked_s is None else max(
            asked_s, min(LONGEST_REST_S, longer))
        self.rest_until = now + rest_s * (1.0 + rng.randrange(500) / 1000)
        self.machine.fire(Event.FAIL)

    def status(self, now: float) -> WebSeedStatus:
        state = self.machine.state
        return WebSeedStatus(
            url=self.url,
            url_shown=redact(self.url, whole_queries=True),
            state=state.value,
            error_code="" if self.error is None else self.error.code,
            result="" if self.error is None else redact(self.error.detail),
            failures=self.failures,
            next_try_s=max(0.0, self.rest_until - now) if state is State.RESTING else None,
            connections=sum(lane.order is not None for lane in self.lanes),
            down_bytes_per_s=int(self.down.rate),
            downloaded_bytes=self.down.total,
            wasted_bytes=self.wasted_bytes,
            has_ranges=self.has_ranges,
        )
