"""Completion: the way of a piece whose blocks are all here. Hash and disk judge it; a bad one has culprits.

Owned by a swarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.phases import Event, State
from blobtorrent.core.swarm.pieces import Assembly
from blobtorrent.core.swarm.pieces import Event as PieceEvent
from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import FullPiece, PieceVerdicts

if TYPE_CHECKING:
    from blobtorrent.core.swarm.blame import Blame
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.address import Endpoint
    from blobtorrent.model.ids import PeerId

log = get_logger(__name__)

RETRY_WRITES_S = 5.0                   # after the disk refused


class Completion:
    """Pieces that are with the hasher or the disk."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._hashing = 0              # pieces with the hasher or the disk
        self._unwritten: list[FullPiece] = []              # verified, and the disk refused them
        self._blame: Blame | None = None

    @property
    def blame(self) -> Blame:
        """Who spoiled what. Most swarms never ask, and do without the module."""
        if self._blame is None:
            from blobtorrent.core.swarm.blame import Blame

            self._blame = Blame(self._swarm)
        return self._blame

    @property
    def peers_proven_bad(self) -> int:
        return 0 if self._blame is None else self._blame.banned

    def is_doubted(self, endpoint: Endpoint, peer_id: PeerId) -> bool:
        """Whether a peer, or its host, had a part in what was spoiled."""
        return self._blame is not None and bool(self._blame.doubts_about(endpoint, peer_id))

    def hash_finished(self) -> None:
        """Hand on the pieces that became complete in this pass."""
        swarm = self._swarm
        finished, swarm.finished = swarm.finished, []      # once each, whatever becomes of one of them
        ready = []
        for assembly in finished:
            assembly.fire(PieceEvent.COMPLETE)
            assembly.state_at = swarm.now
            swarm.requests.close(assembly)
            if not assembly.being_stored:
                ready.append(assembly)
        self.hash(ready)

    def hash(self, assemblies: Sequence[Assembly]) -> None:
        """Have complete pieces judged."""
        if assemblies:
            self._hashing += len(assemblies)
            self._outlets.hash_pieces(self._swarm, [
                FullPiece(assembly.index, assembly.size, assembly.slots, assembly,
                          is_doubted=self._blame is not None and self._blame.is_open(assembly.index))
                for assembly in assemblies])

    def on_verdicts(self, verdicts: PieceVerdicts) -> None:
        if verdicts.written:
            self._hashing -= len(verdicts.written)
            if self._blame is not None:
                for piece in verdicts.written:
                    if piece.digests:
                        self._blame.on_good(piece.token, piece.digests)
            self._on_written([piece.token for piece in verdicts.written])
        for piece in verdicts.spoiled:
            self._hashing -= 1
            self._on_spoiled(piece.token, piece.digests)
        for piece in verdicts.lost:
            self._hashing -= 1
            self._swarm.pieces.spoiled(piece.token)
            self._swarm.pieces.log.note(
                piece.token.index, self._swarm.now, "missing", "blocks in the part store are gone")
            self._swarm.requests.forget([piece.token])
        if verdicts.unwritten:
            self._hashing -= len(verdicts.unwritten)
            self._on_unwritten(verdicts.unwritten, verdicts.error)
        self._swarm.refill()

    def _on_written(self, assemblies: list[Assembly]) -> None:
        self._swarm.pieces.written(assemblies)
        self._swarm.requests.forget(assemblies)
        self._swarm.picker.on_written([assembly.index for assembly in assemblies], self._swarm.now)
        for assembly in assemblies:
            if assembly.helpers and self._swarm.web_seeds is not None:
                self._swarm.web_seeds.on_good(assembly)
            elif len(assembly.taken_from) == 1:
                (link,) = assembly.taken_from
                if link.is_suspect and self._blame is not None:
                    self._blame.acquit(link)
        self._swarm.error = None
        if self._swarm.machine.state is State.STARVED:
            self._swarm.machine.fire(Event.DISK_WORKS)
            for link in self._swarm.links:
                self._swarm.fill(link)
        self._swarm.on_new_pieces([assembly.index for assembly in assemblies])

    def _on_spoiled(self, assembly: Assembly, digests: Sequence[bytes]) -> None:
        """Somebody sent rubbish: it is fetched again."""
        self._swarm.pieces.spoiled(assembly)
        givers = ", ".join(str(link.endpoint) for link in assembly.shares) or "nobody that is still known"
        self._swarm.pieces.log.note(
            assembly.index, self._swarm.now, "spoiled", f"its hash is wrong; blocks came from {givers}")
        self._swarm.pieces.doubted_mask |= 1 << assembly.index
        self._swarm.requests.forget([assembly])
        self._swarm.spoiled_pieces += 1
        self._swarm.on_waste(assembly.size)
        if assembly.is_restored:       # a peer that is to blame for its other blocks is found by the pieces to come
            log.warning("damage found, or a peer sent rubbish: a piece with blocks of the run before is fetched again",
                        torrent=self._swarm.info_hash, piece=assembly.index)
        if assembly.helpers and self._swarm.web_seeds is not None:
            self._swarm.web_seeds.on_spoiled(assembly)
        self.blame.on_spoiled(assembly, digests)
        for link in self._swarm.links:
            self._swarm.fill(link)

    def _on_unwritten(self, pieces: list[FullPiece], error: StorageError | None) -> None:
        """The disk refused: keep what is verified, ask for nothing more, try again later."""
        now, log = self._swarm.now, self._swarm.pieces.log
        for piece in pieces:
            piece.token.fire(PieceEvent.REFUSED)
            piece.token.state_at = now
            log.note(piece.token.index, now, "writing", "the disk refused it" if error is None else error.detail)
        if not self._swarm.is_open:
            self._swarm.unfinished.let_go([piece.token for piece in pieces])
            return
        self._swarm.error = error
        first = not self._unwritten
        self._unwritten += pieces
        self._swarm.machine.fire(Event.DISK_REFUSED)
        if first:
            self._outlets.at(self._swarm, self._swarm.now + RETRY_WRITES_S, self._retry_writes)

    def _retry_writes(self) -> None:
        pieces, self._unwritten = self._unwritten, []
        if pieces and self._swarm.is_open:
            self._hashing += len(pieces)
            self._outlets.write_pieces(self._swarm, pieces)

    def give_up(self) -> None:
        """The torrent closes: what the disk refused is not tried again."""
        self.hash_finished()
        refused, self._unwritten = self._unwritten, []
        self._swarm.unfinished.let_go([piece.token for piece in refused])

    @property
    def is_idle(self) -> bool:
        """Nothing is with the hasher or the disk."""
        return not self._hashing
