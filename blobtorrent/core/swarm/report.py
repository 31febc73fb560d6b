"""A swarm's figures as an immutable value, told to the core when they changed. Reads the swarm, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.messages import SwarmReport
from blobtorrent.model.payload import PayloadMap

if TYPE_CHECKING:
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm


class Reporter:
    """Knows what the core was told last."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._told: SwarmReport | None = None
        self._payload: PayloadMap | None = None            # made when something is missing: most swarms seed

    def tell(self) -> None:
        """Post a report, unless it says the same as the one before."""
        report = self.make()
        if report != self._told:
            self._told = report
            self._outlets.report(self._swarm, report)

    def make(self) -> SwarmReport:
        swarm = self._swarm
        pieces, geometry = swarm.pieces, swarm.geometry
        absent = pieces.all_mask & ~pieces.have.mask
        return SwarmReport(
            info_hash=swarm.info_hash,
            state=swarm.machine.state.name.lower(),
            have_count=len(pieces.have),
            have_wire=pieces.have.to_wire(),
            done_bytes=pieces.num_bytes(pieces.have.mask),
            left_bytes=self._payload_of(absent),
            downloaded_bytes=swarm.downloaded.total,
            uploaded_bytes=swarm.uploaded.total,
            wasted_bytes=swarm.wasted.total,
            down_bytes_per_s=int(swarm.downloaded.rate),
            up_bytes_per_s=int(swarm.uploaded.rate),
            links=len(swarm.links),
            seeds=swarm.availability.seeds,
            peers_known=len(swarm.peers),
            peers_from=swarm.peers.by_source(swarm.links),
            availability=swarm.availability.copies(geometry.num_pieces),
            error_code=swarm.error.code if swarm.error else "",
            error_detail=swarm.error.detail if swarm.error else "",
            spoiled_pieces=swarm.spoiled_pieces,
            peers_banned=swarm.completion.peers_proven_bad,
            skipped_bytes=self._payload_of(absent & pieces.skipped_mask),
            peers_revision=swarm.peers.revision,
            losses=swarm.losses,
            wasted_bytes_per_s=int(swarm.wasted.rate),
            takers=sum(link.wants_data for link in swarm.links),
            givers=sum(link.state.am_interested and not link.state.peer_choking for link in swarm.links),
            exchanging=0 if swarm.exchange is None else swarm.exchange.num_partners,
        )

    def _payload_of(self, mask: int) -> int:
        """Bytes in these pieces, without padding."""
        if not mask:
            return 0
        if self._payload is None:
            self._payload = PayloadMap(self._swarm.order.metainfo)
        return self._payload.of_mask(mask)
