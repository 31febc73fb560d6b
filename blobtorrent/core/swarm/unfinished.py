"""UnfinishedPieces: blocks of open pieces and the part store.

They go there when memory runs short, and then leave memory; copies go there when a piece stays open for long, so that
a power cut spares them; and they come back when the torrent is opened again. Owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.pieces import DROPPED, EMPTY, Assembly, State
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.jobs import SPILLED, BlocksKept, BlocksSpilled

if TYPE_CHECKING:
    from blobtorrent.core.swarm.outlets import KeptPiece, Outlets
    from blobtorrent.core.swarm.swarm import Swarm

RETRY_S = 30.0                         # after the part store refused


class _Copies:
    """What the part store durably has of an open piece, and when to bring it up to date."""

    __slots__ = ("blocks", "due_at")

    def __init__(self, due_at: float, blocks: frozenset[int] = frozenset()) -> None:
        self.due_at = due_at
        self.blocks = blocks


class UnfinishedPieces:
    """While `assembly.being_stored`, the disk thread reads its slots: it is neither hashed nor dropped."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._under_way = 0            # jobs of the disk thread
        self._copies: dict[Assembly, _Copies] = {}

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way to the part store."""
        return not self._under_way

    @property
    def has_work(self) -> bool:
        """There are blocks that are to be copied when their time comes."""
        return self._swarm.order.keep_after_s is not None and not all(
            self._is_copied(assembly) for assembly in self._swarm.pieces.open.values())

    def _is_copied(self, assembly: Assembly) -> bool:
        copies = self._copies.get(assembly)
        return _blocks_here(assembly) <= (copies.blocks if copies is not None else frozenset())

    # ---- from an earlier run

    def restore(self, partial: Mapping[int, Iterable[int]]) -> None:
        """Open the pieces of which the part store has blocks. One that is whole goes to the hasher."""
        swarm = self._swarm
        for index, blocks in partial.items():
            if swarm.pieces.state(index) is not State.MISSING:
                swarm.order.store.parts.drop(index)
                continue
            assembly = swarm.pieces.restore(index, blocks, swarm.now)
            self._copies[assembly] = _Copies(swarm.now, _blocks_here(assembly))
            if assembly.missing:
                swarm.requests.offer(assembly)
            else:
                swarm.finished.append(assembly)

    # ---- memory runs short

    def spill(self) -> bool:
        """Move the open piece that is least worked on to the part store; False when none holds memory."""
        held = [assembly for assembly in self._swarm.pieces.open.values()
                if _is_free(assembly) and assembly.held_slots]
        if not held:
            return False
        assembly = min(held, key=lambda one: (one.links, -one.missing))
        assembly.being_stored = True
        self._under_way += 1
        self._outlets.spill(self._swarm, assembly)
        return True

    def on_spilled(self, message: BlocksSpilled) -> None:
        """Blocks of an open piece moved to the part store, or could not."""
        assembly: Assembly = message.token
        self._under_way -= 1
        if message.error is None:
            for block, _ in message.blocks:
                assembly.slots[block] = SPILLED
            self._swarm.requests.on_spilled(assembly)
        self._on_stored([assembly], is_over=message.error is not None)
        self._swarm.refill()

    # ---- the power may fail

    def keep(self, now: float) -> None:
        """Have blocks copied that wait for the rest of their piece for long. Called once a second."""
        after_s = self._swarm.order.keep_after_s
        if after_s is None:
            return
        known, self._copies = self._copies, {}
        due: list[Assembly] = []
        for assembly in self._swarm.pieces.open.values():
            if assembly.state is State.PARTIAL:
                copies = self._copies[assembly] = known.get(assembly) or _Copies(now + after_s)
                if now >= copies.due_at and not assembly.being_stored:
                    copies.due_at = now + after_s
                    due.append(assembly)
        self._copy(due)

    def _copy(self, assemblies: Iterable[Assembly]) -> list[Assembly]:
        """Have made durable what is not; returns those of which all is."""
        pieces: list[KeptPiece] = []
        token: list[tuple[Assembly, frozenset[int]]] = []
        done: list[Assembly] = []
        for assembly in assemblies:
            if self._is_copied(assembly):
                done.append(assembly)
                continue
            copies = self._copies.setdefault(assembly, _Copies(self._swarm.now))
            assembly.being_stored = True
            pieces.append((assembly.index, [(block, slot) for block, slot in assembly.held_slots
                                            if block not in copies.blocks]))
            token.append((assembly, _blocks_here(assembly)))
        if token:
            self._under_way += 1
            self._outlets.keep(self._swarm, pieces, token)
        return done

    def on_kept(self, message: BlocksKept) -> None:
        """Copies of blocks are durable, or could not be made."""
        self._under_way -= 1
        for assembly, blocks in message.token:
            copies = self._copies.setdefault(assembly, _Copies(self._swarm.now))
            if message.error is None:
                copies.blocks = blocks
            else:
                copies.due_at = self._swarm.now + RETRY_S
        is_over = message.error is not None and not self._swarm.is_open
        self._on_stored([assembly for assembly, _ in message.token], is_over=is_over)
        self._swarm.refill()

    # ---- what is not needed

    def drop_skipped(self) -> None:
        """Give up open pieces that nobody wants any more. Those with the hasher, or being stored, are left alone."""
        self._swarm.completion.hash_finished()
        for assembly in list(self._swarm.pieces.open.values()):
            if _is_free(assembly) and self._swarm.pieces.is_skipped(assembly.index):
                self._drop(assembly)

    def give_up(self) -> None:
        """The torrent closes: what is with the disk threads comes back, the rest is over."""
        self.let_go([assembly for assembly in self._swarm.pieces.open.values() if _is_free(assembly)])

    def let_go(self, assemblies: Iterable[Assembly]) -> None:
        """The torrent closes: keep these pieces if anything is kept, else drop them."""
        if self._swarm.order.keep_after_s is None:
            for assembly in assemblies:
                self._drop(assembly)
        else:
            for assembly in self._copy(assemblies):
                self.abandon(assembly)

    def _on_stored(self, assemblies: list[Assembly], *, is_over: bool) -> None:
        """The disk thread is done with the slots of these. `is_over`: those that are not whole are given up."""
        self._swarm.completion.hash_finished()
        whole: list[Assembly] = []
        left: list[Assembly] = []
        for assembly in assemblies:
            assembly.being_stored = False
            if assembly.state is State.HASHING:
                whole.append(assembly)
            elif is_over or self._swarm.pieces.is_skipped(assembly.index):
                self._drop(assembly)
            else:
                left.append(assembly)
        self._swarm.completion.hash(whole)
        if not self._swarm.is_open:
            self.let_go(left)

    def _drop(self, assembly: Assembly) -> None:
        """Give up what is here of an open piece, in the part store too."""
        self._swarm.order.store.parts.drop(assembly.index)
        self._swarm.on_waste((assembly.num_blocks - assembly.missing) * BLOCK_SIZE)
        self.abandon(assembly)

    def discard(self, assembly: Assembly, blocks: Sequence[int]) -> None:
        """Blocks of an open piece that nobody has in hand are not to be trusted: they are asked for again."""
        swarm, copies = self._swarm, self._copies.get(assembly)
        swarm.memory.release([slot for block in blocks if (slot := assembly.slots[block]) >= 0])
        for block in blocks:
            assembly.slots[block] = EMPTY
            swarm.order.store.parts.drop_block(assembly.index, block)
            swarm.on_waste(assembly.block_size(block))
        if copies is not None:
            copies.blocks = copies.blocks.difference(blocks)
        assembly.missing += len(blocks)
        swarm.requests.give_back(assembly, list(blocks))

    def abandon(self, assembly: Assembly) -> None:
        """Give an open piece up: the one way to do so. What is here of it stays in the part store, if anywhere.

        A block of it in the middle of arriving finds no place and is dropped.
        """
        self._swarm.memory.release([slot for _, slot in assembly.held_slots])
        assembly.slots = [DROPPED] * assembly.num_blocks
        self._copies.pop(assembly, None)
        self._swarm.requests.drop(assembly)
        self._swarm.pieces.drop(assembly)
        self._swarm.pieces.log.note(
            assembly.index, self._swarm.now, "missing",
            f"given up with {assembly.num_blocks - assembly.missing} blocks")


def _is_free(assembly: Assembly) -> bool:
    """Nobody else has it in hand."""
    return assembly.state is State.PARTIAL and not assembly.being_stored


def _blocks_here(assembly: Assembly) -> frozenset[int]:
    return frozenset([block for block, slot in enumerate(assembly.slots) if slot != EMPTY])
