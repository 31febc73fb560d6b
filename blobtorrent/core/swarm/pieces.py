"""PieceManager: what is known of every piece, and the assemblies of those that are being fetched.

Most pieces are just missing, had or skipped, so their state is a bit; only an open piece has an object. A piece is
`have` when it is verified **and** on disk. Owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from blobtorrent.core.swarm.piecelog import PieceLog
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.runtime.machine import Table
from blobtorrent.storage.jobs import SPILLED

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.webseed import WebSeed

DROPPED: Final = -3                    # in Assembly.slots: the piece was given up
EMPTY: Final = -2                      # in Assembly.slots: the block is not here (SPILLED is -1, the rest are slots)


# One for all pieces: most come from peers alone.
_NO_SEEDS: Mapping[WebSeed, int] = MappingProxyType({})
_NO_BLOCKS: frozenset[int] = frozenset()


class State(Enum):
    __hash__ = object.__hash__         # by identity: every piece passes its machine, and Enum's own hash is Python

    SKIPPED = auto()
    MISSING = auto()
    PARTIAL = auto()
    HASHING = auto()
    SPOILED = auto()
    WRITING = auto()
    HAVE = auto()


class Event(Enum):
    __hash__ = object.__hash__

    WANT = auto()
    SKIP = auto()
    OPEN = auto()
    DROP = auto()                      # an open piece lost all its blocks
    COMPLETE = auto()
    MISMATCH = auto()
    RETRY = auto()
    REFUSED = auto()                   # the hash was right, the disk said no
    WRITTEN = auto()
    LOST = auto()                      # a recheck or a failed read found that it is not there


PIECE = Table({
    State.SKIPPED: {Event.WANT: State.MISSING},
    State.MISSING: {Event.SKIP: State.SKIPPED, Event.OPEN: State.PARTIAL},
    State.PARTIAL: {Event.COMPLETE: State.HASHING, Event.DROP: State.MISSING},
    State.HASHING: {Event.MISMATCH: State.SPOILED, Event.REFUSED: State.WRITING, Event.WRITTEN: State.HAVE},
    State.SPOILED: {Event.RETRY: State.MISSING},
    State.WRITING: {Event.REFUSED: State.WRITING, Event.WRITTEN: State.HAVE, Event.DROP: State.MISSING},
    State.HAVE: {Event.LOST: State.MISSING},
}, home=State.MISSING)


class Assembly:
    """One open piece: a list of slots that fills in any order, and what is still to be asked for."""

    __slots__ = ("being_stored", "claimed", "committed", "cursor", "givers", "helpers", "index", "is_restored",
                 "links", "missing", "num_blocks", "opened_at", "owner", "returned", "size", "slots", "state",
                 "state_at", "taken_from")

    def __init__(self, index: int, size: int, now: float) -> None:
        self.index = index
        self.size = size
        self.num_blocks = -(-size // BLOCK_SIZE)
        self.slots = [EMPTY] * self.num_blocks
        self.missing = self.num_blocks         # blocks that are not here
        self.cursor = 0                        # first block never asked for
        self.returned: list[int] = []          # asked for once, given back since
        self.links = 0                         # links that work on it
        self.owner: PeerLink | None = None     # a suspect works alone
        self.taken_from: dict[PeerLink, None] = {}         # who was asked, whether or not something came of it
        self.givers: dict[PeerLink, int] | None = None     # masks of blocks by who sent them, see keep_apart
        self.claimed = _NO_BLOCKS              # blocks that web seeds are to bring
        self.helpers = _NO_SEEDS               # web seeds that were asked for some of it, and the blocks that came
        self.committed = 0                     # arena slots set aside for it
        self.being_stored = False              # its blocks are on their way to the part store
        self.is_restored = False               # some of its blocks came in an earlier run, nobody knows from whom
        self.state = State.PARTIAL
        self.opened_at = self.state_at = now

    def block_size(self, block: int) -> int:
        return min(BLOCK_SIZE, self.size - block * BLOCK_SIZE)

    def blocks_of(self, mask: int) -> list[int]:
        """The block numbers whose bits are set."""
        return [block for block in range(self.num_blocks) if mask >> block & 1]

    @property
    def has_unrequested(self) -> bool:
        return self.cursor < self.num_blocks or bool(self.returned)

    @property
    def num_unrequested(self) -> int:
        """Blocks that nobody is asked for."""
        return self.num_blocks - self.cursor + len(self.returned)

    def next_run(self, limit: int) -> range:
        """Claim up to `limit` neighbouring blocks that nobody is asked for; empty when there are none."""
        returned = self.returned
        if not returned:
            first = self.cursor
            self.cursor = min(first + limit, self.num_blocks)
            return range(first, self.cursor)
        first = last = returned.pop()          # sorted descending: the lowest is last
        while returned and returned[-1] == last + 1 and last + 1 - first < limit:
            last = returned.pop()
        return range(first, last + 1)

    def give_back(self, blocks: list[int]) -> None:
        """Blocks that were claimed and will not come: somebody else may have them."""
        blocks = [block for block in blocks if self.slots[block] == EMPTY]
        if blocks:
            self.returned = sorted({*self.returned, *blocks}, reverse=True)

    # ---- who gave which block

    def asked_of(self, link: PeerLink) -> None:
        """One more link is asked for some of it."""
        if self.givers is None and self.taken_from and link not in self.taken_from:
            self.keep_apart()
        self.taken_from[link] = None

    def keep_apart(self) -> None:
        """From now on it is written down who gives what: others than one link do. What is here came from that one."""
        if self.givers is None:
            self.givers = dict.fromkeys(self.taken_from, self._here)

    def came_from(self, link: PeerLink, first: int, count: int) -> None:
        """Blocks found their places, while givers are kept apart."""
        assert self.givers is not None
        self.givers[link] = self.givers.get(link, 0) | (1 << count) - 1 << first

    def disown(self, link: PeerLink) -> int:
        """What is here from a link is not to be used; returns a mask of it."""
        if self.givers is None:
            return self._here
        return self.givers.pop(link, 0)

    def forget(self, link: PeerLink) -> None:
        """The link is gone. If it gave nothing it is not kept in mind: a piece may stay open for days, and be asked of
        thousands that come and go."""
        if link not in self.taken_from or (self._here if self.givers is None else self.givers.get(link, 0)):
            return
        del self.taken_from[link]
        if self.givers is not None:
            self.givers.pop(link, None)

    @property
    def shares(self) -> dict[PeerLink, int]:
        """Masks of the blocks that each link gave."""
        self.keep_apart()
        return {link: mask for link, mask in (self.givers or {}).items() if mask}

    @property
    def _here(self) -> int:
        """A mask of the blocks that are here."""
        return sum(1 << block for block, slot in enumerate(self.slots) if slot != EMPTY)

    def helped(self, seed: WebSeed, blocks: int) -> None:
        """So many more blocks came from a web seed; none when it is only asked."""
        self.keep_apart()
        self.helpers = {**self.helpers, seed: self.helpers.get(seed, 0) + blocks}

    @property
    def is_untouched(self) -> bool:
        """No block is here yet."""
        return self.missing == self.num_blocks

    @property
    def held_slots(self) -> list[tuple[int, int]]:
        """(block, slot) of what lies in memory."""
        return [(block, slot) for block, slot in enumerate(self.slots) if slot >= 0]

    def fire(self, event: Event) -> None:
        self.state = PIECE.next(self.state, event)


class PieceManager:
    """Every piece's state. Masks are integers: bit i is piece i."""

    def __init__(self, geometry: PieceGeometry, have: Bitfield, skipped: int = 0) -> None:
        self.geometry = geometry
        self.have = have
        self.open: dict[int, Assembly] = {}
        self.log = PieceLog()
        self.skipped_mask = 0          # nobody wants them
        self.lacking_mask = 0          # wanted and not had
        self.missing_mask = 0          # of these: nobody works on them
        self.partial_mask = 0          # open with blocks that nobody is asked for
        self.doubted_mask = 0          # spoiled before: who fetches one does so alone, and what it was is known then
        self.want_all_but(skipped)

    @property
    def all_mask(self) -> int:
        return (1 << self.geometry.num_pieces) - 1

    @property
    def wanted_now(self) -> int:
        """Pieces with blocks that nobody is asked for."""
        return self.missing_mask | self.partial_mask

    @property
    def is_complete(self) -> bool:
        """All that is wanted is had."""
        return not self.lacking_mask

    def state(self, index: int) -> State:
        if index in self.have:
            return State.HAVE
        assembly = self.open.get(index)
        if assembly is not None:
            return assembly.state
        return State.SKIPPED if self.is_skipped(index) else State.MISSING

    def num_bytes(self, mask: int) -> int:
        """Bytes in the pieces of a mask."""
        geometry = self.geometry
        count = mask.bit_count() * geometry.piece_length
        for index in {*geometry.short_pieces, geometry.num_pieces - 1}:
            if mask >> index & 1:
                count -= geometry.piece_length - geometry.piece_size(index)
        return count

    def is_skipped(self, index: int) -> bool:
        return bool(self.skipped_mask >> index & 1)

    def want_all_but(self, skipped: int) -> None:
        """From now on the pieces of this mask are unwanted, and no others. Open ones are the caller's business."""
        self.skipped_mask = skipped & self.all_mask
        self.lacking_mask = self.all_mask & ~(self.have.mask | skipped)
        self.missing_mask = self.lacking_mask
        for index in self.open:
            self.missing_mask &= ~(1 << index)

    def holds(self, key: int, slot: int) -> bool:
        """Whether a block (`index << 32 | begin`) of an open piece lies in this arena slot."""
        assembly = self.open.get(key >> 32)
        block = (key & 0xFFFFFFFF) // BLOCK_SIZE
        return assembly is not None and block < assembly.num_blocks and assembly.slots[block] == slot

    def start(self, index: int, now: float) -> Assembly:
        """Open a missing piece."""
        assembly = self.open[index] = Assembly(index, self.geometry.piece_size(index), now)
        bit = 1 << index
        self.missing_mask &= ~bit
        self.partial_mask |= bit
        return assembly

    def restore(self, index: int, blocks: Iterable[int], now: float) -> Assembly:
        """Open a missing piece of which the part store has some blocks."""
        assembly = self.start(index, now)
        self.log.note(index, now, "partial", "blocks of an earlier run are in the part store")
        for block in blocks:
            assembly.slots[block] = SPILLED
        assembly.missing = assembly.slots.count(EMPTY)
        assembly.cursor = assembly.num_blocks
        assembly.is_restored = True
        assembly.keep_apart()
        assembly.give_back(list(range(assembly.num_blocks)))
        self.note_unrequested(assembly)
        return assembly

    def start_run(self, indices: range, now: float) -> list[Assembly]:
        """Open several neighbouring missing pieces whose blocks are all asked for at once."""
        self.missing_mask &= ~(((1 << len(indices)) - 1) << indices.start)
        piece_size = self.geometry.piece_size
        assemblies = [Assembly(index, piece_size(index), now) for index in indices]
        for assembly in assemblies:
            assembly.cursor = assembly.num_blocks
        self.open.update(zip(indices, assemblies))
        return assemblies

    def note_unrequested(self, assembly: Assembly) -> None:
        """Bring partial_mask up to date after blocks were claimed or given back."""
        bit = 1 << assembly.index
        if assembly.has_unrequested:
            self.partial_mask |= bit
        elif self.partial_mask & bit:
            self.partial_mask ^= bit

    def written(self, assemblies: list[Assembly]) -> None:
        """Verified and on disk."""
        lowest = min(assembly.index for assembly in assemblies)
        mask = 0
        for assembly in assemblies:
            index = assembly.index
            assembly.fire(Event.WRITTEN)
            del self.open[index]
            self.have.add(index)
            mask |= 1 << index - lowest
        self.lacking_mask &= ~(mask << lowest)
        if self.doubted_mask:
            self.doubted_mask &= ~(mask << lowest)

    def spoiled(self, assembly: Assembly) -> None:
        """The hash did not match: fetch it again from the start."""
        assembly.fire(Event.MISMATCH)
        assembly.fire(Event.RETRY)
        self._close(assembly)

    def drop(self, assembly: Assembly) -> None:
        """Forget an open piece; its slots and requests are the caller's business (`UnfinishedPieces.abandon`)."""
        assembly.fire(Event.DROP)
        self._close(assembly)

    def lose(self, mask: int) -> int:
        """Pieces that are not on disk after all; returns the mask of those that we had."""
        had = self.have.mask
        lost = mask & had
        self.have = Bitfield.from_mask(self.have.size, had & ~lost)
        self.lacking_mask |= lost & ~self.skipped_mask
        self.missing_mask |= lost & ~self.skipped_mask
        return lost

    def _close(self, assembly: Assembly) -> None:
        """It is to be fetched from the start, if anybody still wants it."""
        del self.open[assembly.index]
        bit = 1 << assembly.index
        self.partial_mask &= ~bit
        if self.is_skipped(assembly.index):
            assembly.fire(Event.SKIP)
        else:
            self.missing_mask |= bit
