"""What the host of the swarms of a shard is asked about one of them, and who answers."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.messages import (
    AskPeers,
    PeersKept,
    TellPeers,
    TellPiece,
    TellPieces,
    TellWebSeeds,
    WebSeedsTold,
)

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.ids import InfoHash


def question_handlers(swarms: Mapping[InfoHash, Swarm], waiting: Container[Swarm | None],
                      ) -> dict[type, Callable[[Any], None]]:
    """By the type of the question. `waiting` are the swarms that wait for memory. What few ask is loaded when they do.
    """

    def ask_peers(question: AskPeers) -> None:
        swarm = swarms.get(question.info_hash)
        if swarm is not None:          # who asks about one that is gone knows more than we do
            question.reply_to.post(PeersKept(question.info_hash, swarm.peers_to_keep()))

    def peers(question: TellPeers) -> None:
        from blobtorrent.core.swarm.telling import tell_peers

        swarm = swarms.get(question.info_hash)
        tell_peers(question, swarm, waits_for_memory=swarm in waiting)

    def pieces(question: TellPieces) -> None:
        from blobtorrent.core.swarm.telling import tell_pieces

        tell_pieces(question, swarms.get(question.info_hash))

    def piece(question: TellPiece) -> None:
        from blobtorrent.core.swarm.piecetelling import tell_piece

        tell_piece(question, swarms.get(question.info_hash))

    def web_seeds(question: TellWebSeeds) -> None:
        swarm = swarms.get(question.info_hash)
        seeds = None if swarm is None else swarm.web_seeds
        question.reply_to.post(WebSeedsTold(
            question.info_hash, question.token, () if seeds is None else seeds.statuses()))

    return {AskPeers: ask_peers, TellPeers: peers, TellPieces: pieces, TellPiece: piece, TellWebSeeds: web_seeds}
