"""RequestManager: which link is asked for which blocks, and what comes back unanswered.

A promise of arena memory goes with every request, so a block that arrives always has a slot. When promises run out,
read spans are dropped first; then the stalest open piece moves to the part store. A link with a rate limit asks when it
is its turn (core.swarm.throttle); what it is not sent after all is given back to the limit. Owned by a swarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from blobtorrent.core.swarm.congestion import QUEUE_LIMIT_S
from blobtorrent.core.swarm.endgame import Endgame
from blobtorrent.core.swarm.helping import Helping
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.masks import without
from blobtorrent.core.swarm.picker import Picker
from blobtorrent.core.swarm.pieces import EMPTY, Assembly, PieceManager
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol.wire.encode import RunEncoder, cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blobtorrent.core.swarm.throttle import Valve

RUN_BLOCKS = 64                        # blocks of one pick at most: 1 MiB
SMALL_PIECE_BLOCKS = 16                # pieces up to here are opened several at once
AHEAD_S = 2.0                          # a limited link is asked for what its share brings within this time, and a block
LEAST_PACED_BLOCKS = 16                # ... and for no fewer of these, unless its peer is slow to answer


class Memory(Protocol):
    """The promises of the arena."""

    capacity: int

    def reserve(self, count: int) -> bool: ...

    def unreserve(self, count: int) -> None: ...


class RequestManager:
    """All requests of one torrent. Keys are `index << 32 | begin`."""

    def __init__(self, pieces: PieceManager, picker: Picker, memory: Memory, relieve: Callable[[], bool],
                 wait: Callable[[], None], later: Callable[[float, Callable[[], None]], object]) -> None:
        self._pieces = pieces
        self._picker = picker
        self._memory = memory
        self._relieve = relieve        # asks for memory when promises run out; True when some is free at once
        self._wait = wait              # asks to be called when open pieces hold less
        self._budget = memory.capacity * 7 // 8            # slots that open pieces may come to need
        self._committed = 0            # slots that they may come to need as it is
        self._share = memory.capacity  # blocks that one link may be asked for
        self._orphans: dict[Assembly, None] = {}           # open pieces that nobody works on
        self._encoder = RunEncoder(pieces.geometry)
        self._blocks_per_piece = pieces.geometry.blocks_per_piece
        self.begins_pieces = True      # False: only those that are open are asked for
        self.hungry: dict[PeerLink, None] = {}             # would ask for more if there was memory
        self.endgame = Endgame(pieces, picker)
        self._helping = Helping(self, self.endgame, pieces, later)
        self.valves: dict[PeerLink, Valve] = {}            # of links with a rate limit

    def share_among(self, links: int) -> None:
        """So many links may be asked for blocks: none of them may hold all the memory.

        Together they hold less than open pieces may: what came is not written yet when the next blocks are asked for.
        """
        self._share = max(2, self._memory.capacity * 3 // 4 // max(1, links))

    def fill(self, link: PeerLink, now: float) -> None:
        """Ask a link for as much as its window takes, once a worthwhile part of the window is open."""
        if self.valves and link in self.valves:
            if self._room(link, self._paced_window(link, self.valves[link])):
                self.hungry.pop(link, None)
                self.valves[link].want()
            return
        room = self._room(link, link.window.size)
        if room:
            self._ask_blocks(link, room, now)

    def fill_within(self, link: PeerLink, budget: int, now: float) -> int:
        """It is the turn of a limited link: ask it for about `budget` bytes; returns how many were asked for."""
        room = self._room(link, self._paced_window(link, self.valves[link]))
        return self._ask_blocks(link, min(room, max(1, budget // BLOCK_SIZE)), now) * BLOCK_SIZE

    def trim(self, link: PeerLink, valve: Valve) -> None:
        """A link's limit changed: cancel what it is asked for beyond its share of it, the latest first."""
        surplus = len(link.outstanding) - 1 - int(AHEAD_S * valve.share_bytes_per_s / BLOCK_SIZE)
        if surplus <= 0:
            return
        for key, assembly in list(link.outstanding.items())[-surplus:]:
            is_elsewhere = self.endgame.leave(link, key)
            self.withdraw(link, key)
            if not is_elsewhere:
                self.give_back(assembly, [(key & 0xFFFFFFFF) >> 14])
                link.current = link.current or assembly    # rather than a new piece

    def _paced_window(self, link: PeerLink, valve: Valve) -> int:
        """What the limit lets through soon: a slow peer must not hold more of it than it can use."""
        window = link.window
        blocks_per_s = max(valve.share_bytes_per_s / BLOCK_SIZE, window.rate_blocks_per_s)
        size = window.size
        if window.queued_s < QUEUE_LIMIT_S and not link.snubbed:           # else it would miss turns, and its share
            size = max(size, LEAST_PACED_BLOCKS)
        return min(size, 1 + int(AHEAD_S * blocks_per_s))

    def _room(self, link: PeerLink, window: int) -> int:
        """How many blocks a link may be asked for now; 0 when it is not worth while."""
        if link.snubbed and link.arriving is not None:
            return 0                   # nothing can come before the rest of the block that it stopped in
        size = min(window, self._share)
        room = size - len(link.outstanding)
        return 0 if room < min(RUN_BLOCKS, size) >> 1 else max(0, room)

    def _ask_blocks(self, link: PeerLink, room: int, now: float) -> int:
        """Ask a link for up to so many blocks; returns how many."""
        self.hungry.pop(link, None)
        if not link.outstanding and link.arriving is None:
            link.last_block_at = now   # it had nothing to send until now
        asked = self._helping.with_urgent(link, now)
        while asked < room:
            count = self._ask_run(link, min(room - asked, RUN_BLOCKS), now)
            if not count:
                break
            asked += count
        if asked:
            link.window.on_asked(asked, link.expected_blocks, now)
        return asked

    def _ask_run(self, link: PeerLink, limit: int, now: float) -> int:
        """Ask for one run; returns its blocks, 0 when there is nothing to ask for or no memory."""
        assembly = link.current
        if assembly is None or not assembly.has_unrequested:
            link.current = assembly = self._begun(link)
        if assembly is None:
            fresh = link.askable & self._pieces.missing_mask if self.begins_pieces else 0
            if fresh and self._blocks_per_piece <= SMALL_PIECE_BLOCKS:
                if self._blocks_per_piece <= limit:
                    return self._ask_small_pieces(link, limit, now)
                if self._takes_whole_pieces(link):
                    return 0           # rather than part of one: there is room for all of it soon
            if fresh:
                assembly = self._open(link, now)
            else:
                assembly = self._partial(link)
            link.current = assembly
        if assembly is None:
            return 0 if link in self.hungry else self._helping.when_idle(link, now)
        limit = min(limit, assembly.num_unrequested)
        if not self.reserve(link, limit):
            return 0
        run = assembly.next_run(limit)
        if len(run) < limit:
            self._memory.unreserve(limit - len(run))
        if not assembly.has_unrequested:
            self._pieces.note_unrequested(assembly)
            link.current = None
        if run:
            self.ask(link, assembly, run)
        return len(run)

    def reserve(self, link: PeerLink, count: int) -> bool:
        """Have memory promised for blocks of a link; False when it has to wait for that."""
        if self._memory.reserve(count) or self._relieve() and self._memory.reserve(count):
            return True
        self.hungry[link] = None
        return False

    def ask(self, link: PeerLink, assembly: Assembly, run: range) -> None:
        """Ask a link for neighbouring blocks of a piece. Their memory is promised."""
        self._join(link, assembly)
        link.outstanding.add(assembly, run.start, len(run))
        link.send(self._encoder.requests(assembly.index, run.start, len(run)))

    def _join(self, link: PeerLink, assembly: Assembly) -> None:
        if assembly not in link.working_on:
            link.working_on[assembly] = None
            if not assembly.links:
                self._orphans.pop(assembly, None)
            assembly.links += 1
            assembly.asked_of(link)
            if self._is_for_alone(link, assembly.index):
                assembly.owner = link

    def _is_for_alone(self, link: PeerLink, index: int) -> bool:
        """Whether a piece is to come from this link only: it is a suspect, or somebody has spoiled the piece before."""
        return not link.snubbed and (link.is_suspect or bool(self._pieces.doubted_mask >> index & 1))

    def _takes_whole_pieces(self, link: PeerLink) -> bool:
        """Whether the link's window has room for several, and it has something to do until there is room for one."""
        return bool(link.outstanding) and link not in self.valves and link.window.size >= 2 * self._blocks_per_piece

    def _ask_small_pieces(self, link: PeerLink, limit: int, now: float) -> int:
        """Open a run of neighbouring pieces and ask for all their blocks at once."""
        per_piece = self._blocks_per_piece
        indices = self._picker.pick(link, limit // per_piece, now)
        if not indices or not self.reserve(link, per_piece * len(indices)):
            return 0
        assemblies = self._pieces.start_run(indices, now)
        outstanding, owner = link.outstanding, link if self._is_for_alone(link, indices.start) else None
        count = 0
        for assembly in assemblies:
            blocks = assembly.num_blocks
            assembly.links = 1
            assembly.taken_from[link] = None
            assembly.owner = owner
            outstanding.add(assembly, 0, blocks)
            count += blocks
        link.working_on.update(dict.fromkeys(assemblies))
        self._memory.unreserve(per_piece * len(indices) - count)
        link.send(self._encoder.whole_pieces(indices))
        return count

    def _open(self, link: PeerLink, now: float) -> Assembly | None:
        """A new piece, if there is memory for all of it; otherwise help with one that is open."""
        if self._committed and self._committed + self._blocks_per_piece > self._budget:
            helped = self._partial(link)
            if helped is None:
                self._wait()
                self.hungry[link] = None
            return helped
        indices = self._picker.pick(link, 1, now)
        if not indices:
            return self._partial(link)
        assembly = self._pieces.start(indices.start, now)
        assembly.committed = assembly.num_blocks
        self._committed += assembly.committed
        return assembly

    def _begun(self, link: PeerLink) -> Assembly | None:
        """An open piece to go on with before another one is begun."""
        helpful = link.askable & self._pieces.partial_mask
        if not helpful:
            return None
        left = self._picker.left_to_leeches(link)
        # The very next piece of a reader is left to others only while they work on it.
        _, first = self._picker.reading.need(self._pieces.lacking_mask) if left else (0.0, 0)
        return (self._orphan(link, without(helpful, without(left, 1 << first)))
                or self._of_equals(link, without(helpful, left)))

    def _orphan(self, link: PeerLink, helpful: int) -> Assembly | None:
        """An open piece that nobody works on any more. A suspect's own blocks must not mix with those of others."""
        for assembly in self._orphans:
            if helpful >> assembly.index & 1 and not (link.is_suspect and not assembly.is_untouched):
                return assembly
        return None

    def _of_equals(self, link: PeerLink, helpful: int) -> Assembly | None:
        """An open piece of links as fast as this one, which would be long at one of its own; at first, of any."""
        if link.works_alone or link.window.size >= self._blocks_per_piece:
            return None
        while helpful:
            bit = helpful & -helpful
            assembly = self._pieces.open[bit.bit_length() - 1]
            is_equal = any(other.speed == link.speed for other in assembly.taken_from)
            if assembly.owner is None and (is_equal or self._picker.is_beginning):
                return assembly
            helpful ^= bit
        return None

    def _partial(self, link: PeerLink) -> Assembly | None:
        """Any open piece that the link can help with. A suspect does so only when nothing is left to take alone."""
        helpful = link.askable & self._pieces.partial_mask
        while helpful:
            bit = helpful & -helpful
            assembly = self._pieces.open[bit.bit_length() - 1]
            if assembly.owner is None or assembly.owner is link:
                return assembly
            helpful ^= bit
        return None

    def on_arrived(self, blocks: Iterable[tuple[int, int]], link: PeerLink) -> None:
        """Blocks (key, slot) came while some were asked for twice: take the other requests back for those that stay."""
        for other, key in self.endgame.arrived(blocks, link):
            self.withdraw(other, key, is_double=True)

    # ---- what does not come

    def offer(self, assembly: Assembly) -> None:
        """A piece is open with blocks from an earlier run: somebody is to go on with it before new ones are begun."""
        self._orphans[assembly] = None

    def cancel_all(self, link: PeerLink) -> None:
        """Ask a link for nothing any more."""
        for key, assembly in link.outstanding.items():
            begin = key & 0xFFFFFFFF
            link.send(cancel(assembly.index, begin, assembly.block_size(begin >> 14)))
        self.take_back(link)

    def take_back(self, link: PeerLink) -> None:
        """Free everything that a link was asked for: it choked us, let it rot, or is gone."""
        outstanding = link.outstanding.clear()
        link.window.on_withdrawn()
        self._memory.unreserve(len(outstanding))
        self._refund(link, len(outstanding))
        link.remember_ghosts([key for key, _ in outstanding])
        returned: dict[Assembly, list[int]] = {}
        for key, assembly in outstanding:
            if not self.endgame.leave(link, key):
                returned.setdefault(assembly, []).append((key & 0xFFFFFFFF) >> 14)
        for assembly, blocks in returned.items():
            self.give_back(assembly, blocks)
        for assembly in list(link.working_on):
            self._leave(link, assembly)
        link.current = None
        self.hungry.pop(link, None)
        self._helping.forget(link)

    def _leave(self, link: PeerLink, assembly: Assembly) -> None:
        """A link does not work on a piece any more."""
        del link.working_on[assembly]
        assembly.links -= 1
        if assembly.owner is link:
            assembly.owner = None
        if not assembly.links and assembly.has_unrequested:
            self._orphans[assembly] = None

    def on_choked(self, link: PeerLink) -> None:
        """A peer chokes us. With the fast extension it says itself what it does not send (BEP 6)."""
        if link.fast is None:
            self.take_back(link)
        else:
            self.revise(link)

    def on_rejected(self, link: PeerLink, keys: list[int], lengths: list[int]) -> int:
        """Blocks will not come (BEP 6); returns a mask of their pieces, without those that had been taken back."""
        returned: dict[Assembly, list[int]] = {}
        count = 0
        for key, length in zip(keys, lengths):
            assembly = link.outstanding.get(key)
            block = (key & 0xFFFFFFFF) >> 14
            if assembly is None or assembly.block_size(block) != length:
                link.settle_ghost(key, came=False)
                continue
            link.outstanding.take(key)
            count += 1
            blocks = returned.setdefault(assembly, [])
            if not self.endgame.leave(link, key):
                blocks.append(block)
        if count:
            link.window.on_withdrawn()
            self._memory.unreserve(count)
            self._refund(link, count)
        for assembly, blocks in returned.items():
            self.give_back(assembly, blocks)
        return sum(1 << assembly.index for assembly in returned)

    def revise(self, link: PeerLink) -> None:
        """Leave pieces that the link would send nothing more of to others."""
        if link.current is not None and not link.askable >> link.current.index & 1:
            link.current = None
        for assembly in list(link.working_on):
            if not (link.askable >> assembly.index & 1 or link.outstanding.has(assembly)):
                self._leave(link, assembly)

    def abandon_arriving(self, link: PeerLink) -> None:
        """The link is gone in the middle of a block."""
        if link.arriving is not None:
            self.offer_arriving(link)
            link.arriving = None
            self._memory.unreserve(1)

    def offer_arriving(self, link: PeerLink) -> None:
        """A block stopped in the middle: others may be asked for it, even if the rest comes one day."""
        if link.arriving is None:
            return
        assembly, block = link.arriving
        if block in assembly.claimed:
            return
        key = assembly.index << 32 | block << 14
        link.was_offered = True
        self.endgame.forget(key)
        for other in assembly.taken_from:
            is_sending = other.arriving == link.arriving and not other.snubbed
            if other is not link and (is_sending or other.outstanding.get(key) is assembly):
                return
        self.give_back(assembly, [block])

    def settle(self, link: PeerLink, assembly: Assembly, block: int) -> None:
        """A block came that had been given up on: nobody else is to be asked for it, or to send it."""
        if block in assembly.returned:
            assembly.returned.remove(block)
            self._note(assembly)
        key = assembly.index << 32 | block << 14
        for other in assembly.taken_from:
            if other is not link and other.outstanding.get(key) is assembly:
                self.withdraw(other, key, is_double=True)

    def withdraw(self, link: PeerLink, key: int, *, is_double: bool = False) -> None:
        """Take one request back, if it is still open. `is_double`: the block is here, or others are asked for it."""
        assembly = link.outstanding.take(key)
        if assembly is not None:
            block = (key & 0xFFFFFFFF) >> 14
            link.send(cancel(assembly.index, block << 14, assembly.block_size(block)))
            link.window.on_withdrawn()
            link.remember_ghosts((key,), is_double=is_double)
            self._memory.unreserve(1)
            self._refund(link, 1)

    def _refund(self, link: PeerLink, blocks: int) -> None:
        """So many blocks are not expected any more; below 0: they came all the same."""
        if link in self.valves:
            self.valves[link].give_back(blocks * BLOCK_SIZE)

    def claim(self, assembly: Assembly, limit: int) -> range:
        """Up to `limit` neighbouring blocks of an open piece that no link is asked for: they come in another way."""
        run = assembly.next_run(limit)
        assembly.claimed = assembly.claimed.union(run)
        self._note(assembly)
        return run

    def disclaim(self, assembly: Assembly, blocks: range) -> None:
        """What `claim` gave will not come."""
        assembly.claimed = assembly.claimed.difference(blocks)
        self.give_back(assembly, list(blocks))

    def give_back(self, assembly: Assembly, blocks: list[int]) -> None:
        """Blocks that somebody was asked for will not come."""
        if self._pieces.open.get(assembly.index) is assembly and assembly.missing:
            assembly.give_back(blocks)
            self._note(assembly)

    def _note(self, assembly: Assembly) -> None:
        """Blocks were given back, or came although they had been."""
        self._pieces.note_unrequested(assembly)
        if assembly.has_unrequested and not assembly.links:
            self._orphans[assembly] = None
        else:
            self._orphans.pop(assembly, None)

    def adopt(self, link: PeerLink, key: int, slot: int) -> bool:
        """A block came that had been given up: True when it is still missing and was kept."""
        self._refund(link, -1)
        assembly = self._pieces.open.get(key >> 32)
        block = (key & 0xFFFFFFFF) >> 14
        if assembly is None or block >= assembly.cursor or assembly.slots[block] != EMPTY:
            return False
        if not self._memory.reserve(1):
            return False
        assembly.asked_of(link)
        assembly.slots[block] = slot
        assembly.missing -= 1
        if assembly.givers is not None:
            assembly.came_from(link, block, 1)
        self.settle(link, assembly, block)
        if not assembly.missing:
            link.swarm.finished.append(assembly)
        return True

    def drop(self, assembly: Assembly) -> None:
        """A piece is given up: nobody is to send any more of it, and it holds no memory."""
        for link in assembly.taken_from:
            for key in link.outstanding.of(assembly):
                self.endgame.forget(key)
                self.withdraw(link, key)
        assembly.cursor = assembly.num_blocks
        assembly.returned.clear()
        self.close(assembly)
        self.forget((assembly,))

    def close(self, assembly: Assembly) -> None:
        """A piece is complete or dropped: nobody works on it any more."""
        self._orphans.pop(assembly, None)
        for link in assembly.taken_from:
            if assembly in link.working_on:
                del link.working_on[assembly]
            if link.current is assembly:
                link.current = None
        assembly.links = 0

    def forget(self, assemblies: Iterable[Assembly]) -> None:
        """These pieces hold no memory any more: written, spoiled or dropped."""
        for assembly in assemblies:
            self._committed -= assembly.committed
            assembly.committed = 0

    def on_spilled(self, assembly: Assembly) -> None:
        """What is here of a piece moved to the part store: it holds no memory for now."""
        self.forget((assembly,))
