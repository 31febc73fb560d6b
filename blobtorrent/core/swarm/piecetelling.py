"""What a swarm tells of one piece: how it stands, who could bring it, and what keeps them from it. Changes nothing."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.messages import PieceTold, TellPiece
from blobtorrent.core.swarm.pieces import State
from blobtorrent.core.swarm.telling import worth_of
from blobtorrent.model.details import PieceGiver, PieceStory

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.pieces import Assembly
    from blobtorrent.core.swarm.swarm import Swarm

MAX_GIVERS = 50                        # told one by one: the receive thread has other work

_SETTLED = {
    State.HAVE: "it is verified and on disk",
    State.SKIPPED: "no file that lies in it is wanted",
    State.HASHING: "all of it is here: its hash is being checked, then it is written",
    State.WRITING: "its hash is right, and the disk refused it; that is tried again",
    State.SPOILED: "its hash was wrong; it is fetched again",
}


def tell_piece(question: TellPiece, swarm: Swarm | None) -> None:
    """Answer; of a swarm that is not there, None."""
    story = None if swarm is None else piece_story(swarm, question.piece)
    question.reply_to.post(PieceTold(question.info_hash, question.token, story))


def piece_story(swarm: Swarm, index: int) -> PieceStory:
    """Of a piece of the torrent, by its number."""
    now, pieces = swarm.now, swarm.pieces
    state, assembly = pieces.state(index), pieces.open.get(index)
    having = [link for link in swarm.links if link.mask >> index & 1]
    givers = tuple(_giver(swarm, link, index, assembly) for link in islice(having, MAX_GIVERS))
    web_seeds = 0 if swarm.web_seeds is None else swarm.web_seeds.num_with(index)
    story = PieceStory(
        index,
        pieces.geometry.piece_size(index),
        state.name.lower(),
        _SETTLED.get(state) or _in_words(givers, assembly, web_seeds),
        priority=swarm.picker.priority_of(index),
        leeches=sum(not link.is_seed for link in having),
        seeds=sum(link.is_seed for link in having),
        web_seeds=web_seeds,
        blocks=pieces.geometry.num_blocks(index),
        blocks_here=pieces.geometry.num_blocks(index) if state is State.HAVE else 0,
        givers=givers,
        history=tuple((now - step.at, step.state, step.cause) for step in pieces.log.of(index)),
    )
    if assembly is None:
        return story
    return story._replace(
        since_s=now - assembly.state_at,
        opened_s=now - assembly.opened_at,
        blocks_here=assembly.num_blocks - assembly.missing,
        blocks_unasked=assembly.num_unrequested if state is State.PARTIAL else 0,
        is_for_one_alone=assembly.owner is not None,
    )


def _giver(swarm: Swarm, link: PeerLink, index: int, assembly: Assembly | None) -> PieceGiver:
    worth = worth_of(swarm.picker.explain(index, link, swarm.now))
    return PieceGiver(str(link.endpoint), _standing(link, index, assembly), worth)


def _standing(link: PeerLink, index: int, assembly: Assembly | None) -> str:
    if assembly is not None and link.outstanding.of(assembly):
        return "asked"
    if not link.askable >> index & 1:
        return "chokes-us" if link.state.peer_choking else "refused"
    return "busy" if link.outstanding else "free"


def _in_words(givers: tuple[PieceGiver, ...], assembly: Assembly | None, web_seeds: int) -> str:
    """Of a piece that is lacking and nowhere on its way to the disk."""
    asked = [giver for giver in givers if giver.standing == "asked"]
    if asked:
        alone = ", who alone is to bring it, since it was spoiled before" if (
            assembly is not None and assembly.owner is not None) else ""
        return f"it is asked of {', '.join(giver.peer for giver in asked)}{alone}"
    if assembly is not None and assembly.helpers and not assembly.has_unrequested:
        return "it is asked of web seeds"
    if not givers:
        return "no connected peer has it" if not web_seeds else "only web seeds have it, and they bring other pieces"
    able = [giver for giver in givers if giver.standing in ("busy", "free")]
    if not able:
        return f"{len(givers)} connected peers have it, and none of them would send it now"
    if any(giver.standing == "free" for giver in able):
        return "a peer that has it is free: it is about to be asked, unless memory or a limit holds requests back"
    return f"{len(able)} peers would send it, and are busy with pieces that are rarer, or were worth more when chosen"
