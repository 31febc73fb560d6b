"""Completion: the way of a piece whose blocks are all here. Hash and disk judge it; a bad one has culprits.

It also moves open pieces to the part store when memory runs short, for they come back the same way. Owned by a swarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.phases import Event, State
from blobtorrent.core.swarm.pieces import DROPPED, Assembly
from blobtorrent.core.swarm.pieces import Event as PieceEvent
from blobtorrent.core.swarm.pieces import State as PieceState
from blobtorrent.model.errors import PeerError, StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.jobs import SPILLED, BlocksSpilled, FullPiece, PieceVerdicts

if TYPE_CHECKING:
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm

RETRY_WRITES_S = 5.0                   # after the disk refused


class Completion:
    """Pieces that are with the hasher, the disk or the part store."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._hashing = 0              # pieces with the hasher or the disk
        self._spilling = 0             # pieces on their way to the part store
        self._unwritten: list[FullPiece] = []              # verified, and the disk refused them

    def hash_finished(self) -> None:
        """Hand on the pieces that became complete in this pass."""
        swarm = self._swarm
        ready = []
        for assembly in swarm.finished:
            assembly.fire(PieceEvent.COMPLETE)
            swarm.requests.close(assembly)
            if not assembly.spilling:
                ready.append(FullPiece(assembly.index, assembly.size, assembly.slots, assembly))
        swarm.finished.clear()
        if ready:
            self._hashing += len(ready)
            self._outlets.hash_pieces(self._swarm, ready)

    def on_verdicts(self, verdicts: PieceVerdicts) -> None:
        if verdicts.written:
            self._hashing -= len(verdicts.written)
            self._on_written([piece.token for piece in verdicts.written])
        for piece in verdicts.spoiled:
            self._hashing -= 1
            self._on_spoiled(piece.token)
        for piece in verdicts.lost:
            self._hashing -= 1
            self._swarm.pieces.spoiled(piece.token)
            self._swarm.requests.forget([piece.token])
        if verdicts.unwritten:
            self._hashing -= len(verdicts.unwritten)
            self._on_unwritten(verdicts.unwritten, verdicts.error)
        self._swarm.refill()

    def _on_written(self, assemblies: list[Assembly]) -> None:
        self._swarm.pieces.written(assemblies)
        self._swarm.requests.forget(assemblies)
        for assembly in assemblies:
            if len(assembly.taken_from) == 1:
                (link,) = assembly.taken_from
                link.is_suspect = False
        if self._swarm.machine.state is State.STARVED:
            self._swarm.error = None
            self._swarm.machine.fire(Event.DISK_WORKS)
            for link in self._swarm.links:
                self._swarm.fill(link)
        self._swarm.on_new_pieces([assembly.index for assembly in assemblies])

    def _on_spoiled(self, assembly: Assembly) -> None:
        """Somebody sent rubbish: one sender alone is proof, several become suspects that work alone from now on."""
        self._swarm.pieces.spoiled(assembly)
        self._swarm.requests.forget([assembly])
        self._swarm.spoiled_pieces += 1
        self._swarm.on_waste(assembly.size)
        if len(assembly.taken_from) == 1:
            (link,) = assembly.taken_from
            self._swarm.peers.ban(link.endpoint, link.greeting.peer_id)            # even if it has left meanwhile
            self._swarm.lose(link, PeerError("peer.bad-piece", f"piece {assembly.index} does not match its hash"))
        else:
            for link in assembly.taken_from:
                link.is_suspect = True
        for link in self._swarm.links:
            self._swarm.fill(link)

    def _on_unwritten(self, pieces: list[FullPiece], error: StorageError | None) -> None:
        """The disk refused: keep what is verified, ask for nothing more, try again later."""
        for piece in pieces:
            piece.token.fire(PieceEvent.REFUSED)
        if not self._swarm.is_open:
            self._release(pieces)
            return
        self._swarm.error = error
        first = not self._unwritten
        self._unwritten += pieces
        self._swarm.machine.fire(Event.DISK_REFUSED)
        if first:
            self._outlets.at(self._swarm.now + RETRY_WRITES_S, self._retry_writes)

    def _retry_writes(self) -> None:
        pieces, self._unwritten = self._unwritten, []
        if pieces and self._swarm.is_open:
            self._hashing += len(pieces)
            self._outlets.write_pieces(self._swarm, pieces)

    def spill(self) -> bool:
        """Move the open piece that is least worked on to the part store; False when none holds memory."""
        held = [assembly for assembly in self._swarm.pieces.open.values()
                if assembly.state is PieceState.PARTIAL and not assembly.spilling and assembly.held_slots]
        if not held:
            return False
        assembly = min(held, key=lambda one: (one.links, -one.missing))
        assembly.spilling = True
        self._spilling += 1
        self._outlets.spill(self._swarm, assembly)
        return True

    def on_spilled(self, message: BlocksSpilled) -> None:
        """Blocks of an open piece moved to the part store, or could not."""
        assembly: Assembly = message.token
        self._spilling -= 1
        assembly.spilling = False
        if message.error is None:
            for block, _ in message.blocks:
                assembly.slots[block] = SPILLED
            self._swarm.requests.on_spilled(assembly)
        if assembly.state is PieceState.HASHING:
            self._hashing += 1
            self._outlets.hash_pieces(self._swarm, [FullPiece(assembly.index, assembly.size, assembly.slots, assembly)])
        elif assembly.missing and (message.error is not None or not self._swarm.is_open):
            self._drop(assembly)
        self._swarm.refill()

    def _drop(self, assembly: Assembly) -> None:
        """Give up what is here of an open piece. A block in the middle of arriving finds no place and is dropped."""
        self._swarm.memory.release([slot for _, slot in assembly.held_slots])
        self._swarm.order.store.parts.drop(assembly.index)
        self._swarm.on_waste((assembly.num_blocks - assembly.missing) * BLOCK_SIZE)
        assembly.slots = [DROPPED] * assembly.num_blocks
        self._swarm.requests.drop(assembly)
        self._swarm.pieces.drop(assembly)

    def give_up(self) -> None:
        """The torrent closes: drop what is neither with the hasher nor with the disk."""
        self.hash_finished()
        for assembly in list(self._swarm.pieces.open.values()):
            if assembly.state is PieceState.PARTIAL and not assembly.spilling:
                self._drop(assembly)
        self._release(self._unwritten)
        self._unwritten.clear()

    @property
    def is_idle(self) -> bool:
        """Nothing is with the hasher or the disk. While this is False, memory comes free without doing anything."""
        return not (self._hashing or self._spilling)

    def _release(self, pieces: list[FullPiece]) -> None:
        for piece in pieces:
            self._swarm.memory.release([slot for slot in piece.slots if slot != SPILLED])
            self._swarm.order.store.parts.drop(piece.index)
