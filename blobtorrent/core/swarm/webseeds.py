"""WebSeeds: which pieces of a torrent are read from its web seeds (BEP 19), and what becomes of them. Owned by a swarm.

A web seed works on pieces that nobody else works on, in runs of several. The blocks of a run are claimed and their
memory is promised before it is asked for; they come filled, and go the way of all blocks: to the hasher, then to the
disk. What a web seed was asked for cannot be taken back, so peers leave it alone, in the endgame too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.gaps import choose_run
from blobtorrent.core.swarm.phases import State
from blobtorrent.core.swarm.pieces import EMPTY, Assembly
from blobtorrent.core.swarm.pieces import State as PieceState
from blobtorrent.core.swarm.webseed import SHORTEST_RUN_BYTES, Lane, WebSeed
from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, Part, PartsFetched
from blobtorrent.model.details import WebSeedStatus
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol.webseed import SeedContent

if TYPE_CHECKING:
    from blobtorrent.core.swarm.picker import Rng
    from blobtorrent.core.swarm.seeddesk import SeedDesk
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.core.swarm.throttle import Valve

OFF, ALWAYS, WHEN_SLOW = "off", "always", "when-slow"

SLOW_AFTER_S = 4.0                     # peers are slow when they were for so long, ...
SLOW_JITTER_S = 4                      # ... and up to so much longer: a thousand nodes do not begin at once
LAST_SHARE = 20                        # in the last twentieth of a torrent ...
LAST_RUN_BYTES = 1 << 20               # ... runs are short, so that none of them is waited for
LOOK_PAUSE_S = 0.25                    # memory comes free with every piece: most often nothing is to be asked for
PACED_S = 2.0                          # under a limit a run is what comes within this time


class WebSeeds:
    """All web seeds of one torrent."""

    def __init__(self, swarm: Swarm, desk: SeedDesk, rng: Rng) -> None:
        self.swarm = swarm
        self._desk = desk
        self._rng = rng
        self._content = SeedContent(swarm.order.metainfo)
        self._seeds = [WebSeed(self, url, swarm.settings.web_seed_lanes) for url in swarm.order.metainfo.web_seeds]
        self._valve: Valve | None = None
        self._slow_after_s = SLOW_AFTER_S + rng.randrange(1000 * SLOW_JITTER_S) / 1000
        self._fast_at = swarm.now      # when peers alone were fast enough
        self._turn = 0                 # the seed that is looked at first
        self._look_at = 0.0            # not before then, after a look for something to ask for found nothing
        self._is_open = True

    # ---- what the swarm sees

    def num_with(self, index: int) -> int:
        """How many of them have a piece, as far as is known."""
        return sum(not seed.is_banned and not seed.absent_mask >> index & 1 for seed in self._seeds)

    @property
    def is_busy(self) -> bool:
        """Something is being read."""
        return any(seed.is_busy for seed in self._seeds)

    @property
    def is_watched(self) -> bool:
        """Something is read, or may be before long."""
        return self.is_busy or self._is_leeching and not all(seed.is_banned for seed in self._seeds)

    @property
    def mask(self) -> int:
        """The pieces that can be had here."""
        if self.swarm.settings.web_seeds == OFF:
            return 0
        mask = 0
        for seed in self._seeds:
            if not seed.is_banned:
                mask |= self.swarm.all_mask & ~seed.absent_mask
        return mask

    def statuses(self) -> tuple[WebSeedStatus, ...]:
        return tuple(seed.status(self.swarm.now) for seed in self._seeds)

    def use_valve(self, valve: Valve | None) -> None:
        """What comes counts against these limits from now on."""
        if self._valve is not None:
            self._valve.close()
        self._valve = valve
        self.fill()

    def tick(self, now: float, elapsed_s: float) -> None:
        """Once a second."""
        self._look_at = 0.0
        for seed in self._seeds:
            seed.tick(now, elapsed_s)
        settings = self.swarm.settings
        if sum(link.down.rate for link in self.swarm.links) >= max(1, settings.web_seed_slow_bytes_per_s):
            self._fast_at = now
        self._leave_slow_ones(now)
        self.fill()

    def on_change(self) -> None:
        """Settings, wishes or the state of the swarm changed."""
        self._look_at = 0.0
        if not self._is_leeching:
            self._cancel_all()
        for order in self._orders():
            if not any(self._is_claimed(part) for part in order.parts):
                order.is_cancelled = True
        self.fill()

    def on_spoiled(self, assembly: Assembly) -> None:
        """A piece does not match its hash. A seed that gave all of it is to blame; who helped is a suspect."""
        self._look_at = 0.0
        for seed, blocks in assembly.helpers.items():
            if blocks:
                seed.wasted_bytes += min(blocks * BLOCK_SIZE, assembly.size)
                for order in seed.spoiled(
                        assembly.index, self.swarm.now, self._rng, is_proof=blocks == assembly.num_blocks):
                    order.is_cancelled = True

    def on_good(self, assembly: Assembly) -> None:
        """A piece of which web seeds gave some matches its hash."""
        for seed, blocks in assembly.helpers.items():
            if blocks == assembly.num_blocks:
                seed.doubts = 0

    def close(self) -> None:
        """The torrent closes: nobody waits for what is being read."""
        self._is_open = False
        self._cancel_all()
        self._desk.forget(self)
        if self._valve is not None:
            self._valve.close()
            self._valve = None
        for seed in self._seeds:
            seed.close_idle()

    # ---- slow ones

    def _leave_slow_ones(self, now: float) -> None:
        """What comes too slowly is left where somebody else could bring it, or the thread is needed for others."""
        for seed in self._seeds:
            for lane in seed.lanes:
                if seed.is_slow(lane, now) and (self._desk.is_short_for_others(self) or self._has_taker(seed, lane)):
                    seed.leave(lane, now, self._rng)

    def _has_taker(self, seed: WebSeed, lane: Lane) -> bool:
        """Another seed that is not known to be slow has something of what is read, or an idle peer has."""
        if lane.order is None:
            return False
        mask = 0
        for part in lane.order.parts:
            if self._is_claimed(part):
                mask |= 1 << part.piece
        for other in self._seeds:
            is_free = other is not seed and other.free_lane() is not None and other.run_bytes > SHORTEST_RUN_BYTES
            if is_free and mask & ~other.absent_mask:
                return True
        swarm, wanted = self.swarm, self.swarm.pieces.wanted_now
        return any(link.mask & mask and not link.mask & wanted and not link.outstanding and not link.snubbed
                   and swarm.may_ask(link) for link in swarm.links)

    # ---- asking

    @property
    def _is_leeching(self) -> bool:
        swarm = self.swarm
        return (self._is_open and swarm.machine.state in (State.NORMAL, State.ENDGAME) and swarm.settings.may_download
                and swarm.settings.web_seeds != OFF)

    @property
    def _may_fetch(self) -> bool:
        if not self._is_leeching:
            return False
        return self.swarm.settings.web_seeds == ALWAYS or self.swarm.now - self._fast_at >= self._slow_after_s

    def fill(self) -> None:
        """Ask for as much as may be asked for."""
        if self.swarm.now < self._look_at or not self._may_fetch:
            return
        if self._valve is not None:
            self._valve.want()
            return
        while self._begin_one(0):
            pass
        self._look_at = self.swarm.now + LOOK_PAUSE_S

    def on_room(self) -> None:
        """There are threads again for what had to wait."""
        self._look_at = 0.0
        self.fill()

    def move(self, _budget: int, _now: float) -> int:
        """It is the turn of what comes under a limit: ask for a run; returns its bytes."""
        if not self._may_fetch or self._valve is None:
            return 0
        share = self._valve.share_bytes_per_s
        return self._begin_one(0 if share == float("inf") else max(1, int(share)))

    def _begin_one(self, bytes_per_s: int) -> int:
        """Begin a run from whoever has one, each seed in its turn; returns its bytes, 0 when there is none."""
        if not self._desk.has_room(self):
            return 0
        seeds = self._seeds
        for place in range(len(seeds)):
            seed = seeds[(self._turn + place) % len(seeds)]
            lane = seed.free_lane()
            parts = [] if lane is None else self._claim(seed, lane, bytes_per_s)
            if lane is not None and parts:
                self._turn += place + 1
                lane.next_piece = parts[-1].piece + 1
                lane.valve = self._valve
                order = FetchParts(seed.url, self._content, parts, self._desk.inbox, lane, reader=lane.reader,
                                   bytes_per_s=bytes_per_s)
                seed.begin(lane, order, self.swarm.now)
                self._desk.post(order)
                return sum(part.length for part in parts)
        return 0

    def _claim(self, seed: WebSeed, lane: Lane, bytes_per_s: int) -> list[Part]:
        """Blocks for one run, with their slots; none when nothing is wanted or there is no memory."""
        pieces = self.swarm.pieces
        limit = self._run_blocks(seed, bytes_per_s)
        fresh = pieces.missing_mask & ~seed.absent_mask if self.swarm.requests.begins_pieces else 0
        per_piece = pieces.geometry.blocks_per_piece
        if fresh and per_piece <= max(limit, self._most_blocks):
            fresh = self.swarm.picker.foremost(fresh)
            run = choose_run(fresh, lane.next_piece, max(1, limit // per_piece), self._rng,
                             in_order=self.swarm.picker.is_sequential or not seed.has_ranges)
            if not self.swarm.memory.reserve(sum(map(pieces.geometry.num_blocks, run))):
                run = run[:1]
                if not self._reserve(pieces.geometry.num_blocks(run.start)):
                    return []
            return [self._part(assembly, range(assembly.num_blocks))
                    for assembly in pieces.start_run(run, self.swarm.now)]
        assembly = self._open_alone(seed, fresh)
        if assembly is None:
            return []
        limit = min(limit, self._most_blocks, assembly.num_unrequested)
        if not self._reserve(limit):
            return []
        blocks = self.swarm.requests.claim(assembly, limit)
        assembly.helped(seed, 0)
        self.swarm.memory.unreserve(limit - len(blocks))
        return [self._part(assembly, blocks)]

    def _open_alone(self, seed: WebSeed, fresh: int) -> Assembly | None:
        """A piece that is open and that no link works on; else one that is too large to be asked for as a whole.

        When nothing else is left, or there is no memory for another piece, also one that others have begun.
        """
        pieces = self.swarm.pieces
        others: Assembly | None = None
        partial = pieces.partial_mask & ~seed.absent_mask
        while partial:
            bit = partial & -partial
            assembly = pieces.open[bit.bit_length() - 1]
            if not assembly.links and assembly.owner is None:
                if seed.may_go_on_with(assembly):
                    return assembly
                others = others or assembly
            partial ^= bit
        room = 1 if others is None else pieces.geometry.blocks_per_piece
        if not fresh or not self.swarm.memory.reserve(room):
            return others
        self.swarm.memory.unreserve(room)
        return pieces.start((fresh & -fresh).bit_length() - 1, self.swarm.now)

    def _run_blocks(self, seed: WebSeed, bytes_per_s: int) -> int:
        """How long a run may be: a few seconds of what the seed gives, shorter when little is left."""
        pieces = self.swarm.pieces
        size = seed.run_bytes
        if bytes_per_s:
            size = min(size, int(PACED_S * bytes_per_s))
        left = pieces.missing_mask.bit_count() * pieces.geometry.piece_length
        if left * LAST_SHARE <= pieces.geometry.size:
            size = min(size, LAST_RUN_BYTES)
        lanes = sum(len(other.lanes) for other in self._seeds if not other.is_banned)
        size = min(size, max(LAST_RUN_BYTES, left // (2 * max(1, lanes))))
        return max(1, min(size // BLOCK_SIZE, self._most_blocks))

    @property
    def _most_blocks(self) -> int:
        """All runs together hold no more than half of the memory."""
        return max(1, self.swarm.memory.capacity // 2 // self._desk.limit)

    def _reserve(self, count: int) -> bool:
        memory = self.swarm.memory
        return memory.reserve(count) or self.swarm.relieve() and memory.reserve(count)

    def _part(self, assembly: Assembly, blocks: range) -> Part:
        begin = blocks.start * BLOCK_SIZE
        length = min(blocks.stop * BLOCK_SIZE, assembly.size) - begin
        return Part(assembly.index, begin, length, self.swarm.memory.take(len(blocks)), assembly)

    # ---- answers

    def on_fetched(self, lane: Lane, message: PartsFetched) -> None:
        """Parts of a run are here."""
        swarm, count = self.swarm, 0
        for part in message.parts:
            count += part.length
            if self._is_open and self._is_claimed(part):
                self._place(lane.seed, part)
            else:
                swarm.memory.release(part.slots)
                swarm.on_waste(part.length)
        lane.seed.came(lane, count)
        swarm.downloaded.add(count)
        swarm.wake()

    def _place(self, seed: WebSeed, part: Part) -> None:
        """The blocks of a part get their places, unless they came in another way meanwhile."""
        swarm, assembly = self.swarm, part.token
        first, kept = part.begin // BLOCK_SIZE, []
        for block, slot in enumerate(part.slots, first):
            if assembly.slots[block] == EMPTY:
                assembly.slots[block] = slot
                kept.append((part.piece << 32 | block * BLOCK_SIZE, slot))
            else:
                swarm.memory.release((slot,))
                swarm.on_waste(assembly.block_size(block))
        assembly.missing -= len(kept)
        if kept:
            assembly.helped(seed, len(kept))
        if swarm.live is not None and kept:
            swarm.live.note_blocks([key for key, _ in kept], [slot for _, slot in kept])
        if kept and not assembly.missing:
            swarm.finished.append(assembly)

    def on_ended(self, lane: Lane, message: FetchEnded) -> None:
        """A run is over. What did not come of it may be had elsewhere."""
        swarm, self._look_at = self.swarm, 0.0
        useless = 0 if lane.order is None else max(0, lane.order.received_bytes - lane.bytes)
        lane.seed.wasted_bytes += useless
        swarm.downloaded.add(useless)
        swarm.on_waste(useless)
        if lane.valve is not None:
            lane.valve.give_back(sum(part.length for part in message.left) - useless)
        lane.seed.end(lane, message, swarm.now, self._rng)
        if not self._is_open:
            lane.seed.close_idle()
            return
        for part in message.left:
            if self._is_claimed(part):
                self._give_back(part)
        swarm.refill()

    def _give_back(self, part: Part) -> None:
        """A part will not come. A piece of which nothing is here is as if it had never been opened."""
        swarm, assembly = self.swarm, part.token
        blocks = range(part.begin // BLOCK_SIZE, -(-(part.begin + part.length) // BLOCK_SIZE))
        if assembly.is_untouched and len(blocks) == assembly.num_blocks:
            swarm.unfinished.abandon(assembly)
        else:
            swarm.requests.disclaim(assembly, blocks)

    def _is_claimed(self, part: Part) -> bool:
        """The piece is still open as it was when the part was asked for."""
        assembly = part.token
        is_open = self.swarm.pieces.open.get(part.piece) is assembly
        return is_open and assembly.state is PieceState.PARTIAL

    def _orders(self) -> Iterator[FetchParts]:
        for seed in self._seeds:
            for lane in seed.lanes:
                if lane.order is not None:
                    yield lane.order

    def _cancel_all(self) -> None:
        for order in self._orders():
            order.is_cancelled = True
