"""What a swarm tells of its peers and pieces to those who ask. Reads the swarm, changes nothing."""

from __future__ import annotations

from itertools import islice
from math import isinf
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import Insight, PeersTold, PieceCounts, PiecesTold, TellPeers, TellPieces
from blobtorrent.model.details import PartialPiece, PeerStatus

if TYPE_CHECKING:
    from blobtorrent.core.swarm.pieces import Assembly
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.core.swarm.terms import Terms

MAX_PIECES = 10                        # explained one by one
MAX_PEERS = 1000                       # told of one swarm: some 5 us each on the receive thread


def tell_peers(question: TellPeers, swarm: Swarm | None, *, waits_for_memory: bool) -> None:
    """Answer; a swarm that is not there has nobody to tell of."""
    answer = PeersTold(question.info_hash, question.token)
    if swarm is not None:
        answer = answer._replace(peers=peer_statuses(swarm), insight=insight(swarm, waits_for_memory=waits_for_memory))
    question.reply_to.post(answer)


def tell_pieces(question: TellPieces, swarm: Swarm | None) -> None:
    """Answer; of a swarm that is not there, None."""
    counts = None if swarm is None else piece_counts(swarm)
    question.reply_to.post(PiecesTold(question.info_hash, question.token, counts))


def peer_statuses(swarm: Swarm) -> tuple[PeerStatus, ...]:
    """The connected peers, in the order they came; at most MAX_PEERS."""
    now, num_pieces = swarm.now, max(1, swarm.geometry.num_pieces)
    return tuple(_peer_status(swarm, link, now, num_pieces) for link, _ in zip(swarm.links, range(MAX_PEERS)))


def insight(swarm: Swarm, *, waits_for_memory: bool) -> Insight:
    lacking = unavailable = swarm.pieces.lacking_mask
    for link in swarm.links:
        unavailable &= ~link.mask
    if swarm.web_seeds is not None:
        unavailable &= ~swarm.web_seeds.mask
    return Insight(
        upload_slots=swarm.settings.slots,
        lacks_slots=swarm.settings.slots < swarm.settings.upload_slots,
        addresses_dialled=swarm.peers.dialing,
        addresses_resting=swarm.peers.num_resting(swarm.now),
        known_by_source=swarm.peers.num_by_source(),
        pieces_lacking=lacking.bit_count(),
        pieces_unavailable=unavailable.bit_count(),
        waits_for_memory=waits_for_memory,
        is_super_seeding=swarm.super_seeding is not None,
        addresses_filtered=swarm.peers.filtered,
        addresses_off_limits=swarm.peers.off_limits,
        peers_unencrypted=swarm.peers.num_unencrypted,
        encryption_code=swarm.peers.encryption_code,
        spoiled_pieces=swarm.spoiled_pieces,
        peers_banned=swarm.completion.peers_proven_bad,
        rules_broken=dict(swarm.rules_broken),
        suspects=sum(link.is_suspect for link in swarm.links),
        open_pieces=tuple(_why_open(swarm, assembly) for assembly in islice(swarm.pieces.open.values(), MAX_PIECES)),
        web_seeds=() if swarm.web_seeds is None else swarm.web_seeds.statuses(),
    )


def _why_open(swarm: Swarm, assembly: Assembly) -> dict[str, Any]:
    """A piece that is under way; `worth` is what the picker sees in it, were it to choose now for who was asked first.
    """
    first = next(iter(assembly.taken_from), None)
    return {
        "piece": assembly.index,
        "state": assembly.state.name.lower(),
        "blocks": assembly.num_blocks,
        "blocks_here": assembly.num_blocks - assembly.missing,
        "asked_of": [str(link.endpoint) for link in assembly.taken_from],
        "is_for_one_alone": assembly.owner is not None,
        "was_spoiled": bool(swarm.pieces.doubted_mask >> assembly.index & 1),
        "worth": None if first is None else worth_of(swarm.picker.explain(assembly.index, first, swarm.now)),
    }


def worth_of(terms: Terms) -> dict[str, Any]:
    """As plain values: at an endless temperature, where everything is left to chance, there is none to tell."""
    told = terms._asdict()
    return {**told, "temperature": None} if isinf(terms.temperature) else told


def piece_counts(swarm: Swarm) -> PieceCounts:
    pieces, availability = swarm.pieces, swarm.availability
    return PieceCounts(
        have=pieces.have.mask,
        planes=availability.planes,
        seeds=availability.seeds,
        partial=tuple(
            PartialPiece(assembly.index, assembly.num_blocks, assembly.num_blocks - assembly.missing)
            for assembly in pieces.open.values()
        ),
    )


def _peer_status(swarm: Swarm, link: PeerLink, now: float, num_pieces: int) -> PeerStatus:
    state, had = link.state, link.mask.bit_count()
    return PeerStatus(
        host=link.endpoint.host,
        port=link.endpoint.port,
        peer_id=link.greeting.peer_id,
        client=link.client,
        source=swarm.peers.source_name(link),
        transport=link.transport,
        is_encrypted=link.is_encrypted,
        is_incoming=link.is_incoming,
        connected_s=now - link.linked_at,
        am_choking=state.am_choking,
        am_interested=state.am_interested,
        peer_choking=state.peer_choking,
        peer_interested=state.peer_interested,
        is_optimistic=link.turn.is_optimistic,
        is_snubbed=link.snubbed,
        is_seed=link.is_seed,
        pieces_had=had,
        progress=had / num_pieces,
        blocks_asked=link.expected_blocks,
        upload_queue_bytes=link.queued_upload_bytes,
        down_bytes_per_s=int(link.down.rate),
        up_bytes_per_s=int(link.up.rate),
        downloaded_bytes=link.down.total,
        uploaded_bytes=link.up.total,
        is_denied=link.is_denied,
        reserved=link.greeting.reserved,
        gained_bytes_per_s=int(link.gained.rate(now)),
        choke_history=tuple((now - at, is_unchoked, cause) for at, is_unchoked, cause in link.turn.history),
        is_suspect=link.is_suspect,
        cipher="none" if link.obfuscation is None else str(link.obfuscation.method.name).lower(),
    )
