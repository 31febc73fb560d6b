"""A swarm's figures as an immutable value. Reads the swarm, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import PeerReport, SwarmReport

if TYPE_CHECKING:
    from blobtorrent.core.swarm.swarm import Swarm

MAX_PEERS = 200                        # listed in a report


def make_report(swarm: Swarm) -> SwarmReport:
    """What the core is told once a second and on every change of state."""
    pieces, geometry = swarm.pieces, swarm.geometry
    done_bytes = len(pieces.have) * geometry.piece_length
    for index in {*geometry.short_pieces, geometry.num_pieces - 1}:
        if index in pieces.have:
            done_bytes -= geometry.piece_length - geometry.piece_size(index)
    return SwarmReport(
        info_hash=swarm.info_hash,
        state=swarm.machine.state.name.lower(),
        have_count=len(pieces.have),
        have_wire=pieces.have.to_wire(),
        done_bytes=done_bytes,
        left_bytes=swarm.left_bytes,
        downloaded_bytes=swarm.downloaded.total + sum(link.down.fresh for link in swarm.links),
        uploaded_bytes=swarm.uploaded.total + sum(link.up.fresh for link in swarm.links),
        wasted_bytes=swarm.wasted_bytes,
        down_bytes_per_s=int(swarm.downloaded.rate),
        up_bytes_per_s=int(swarm.uploaded.rate),
        links=len(swarm.links),
        seeds=swarm.availability.seeds,
        peers_known=len(swarm.peers),
        peers=tuple(_peer(link) for link, _ in zip(swarm.links, range(MAX_PEERS))),
        availability=swarm.availability.copies(geometry.num_pieces),
        error_code=swarm.error.code if swarm.error else "",
        error_detail=swarm.error.detail if swarm.error else "",
        spoiled_pieces=swarm.spoiled_pieces,
    )


def _peer(link: PeerLink) -> PeerReport:
    state = link.state
    flags = ("d" if state.peer_choking else "D") if state.am_interested else ""
    flags += ("u" if state.am_choking else "U") if state.peer_interested else ""
    return PeerReport(
        endpoint=link.endpoint,
        client=link.client,
        down_bytes_per_s=int(link.down.rate),
        up_bytes_per_s=int(link.up.rate),
        downloaded_bytes=link.down.total,
        uploaded_bytes=link.up.total,
        progress=bin(link.mask).count("1") / max(1, link.swarm.geometry.num_pieces),
        is_incoming=link.is_incoming,
        flags=flags,
    )
