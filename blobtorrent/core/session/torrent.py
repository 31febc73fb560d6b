"""Torrent: what the session keeps of one torrent, and how it looks from outside. Owned by the core thread."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.checks import CheckPlan
from blobtorrent.core.session.commands import SeedGoal
from blobtorrent.core.session.lifecycle import TORRENT, TorrentState
from blobtorrent.core.swarm.messages import PeerReport, SwarmReport
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import PeerStatus, TorrentStatus
from blobtorrent.runtime.machine import Machine
from blobtorrent.storage.store import Store

# What the outside sees. A torrent that is being closed still shows what it was: "stopped" means that all is closed.
_PUBLIC_NAMES = {
    TorrentState.LOADING: "checking",
    TorrentState.WAITING: "checking",
    TorrentState.HASHING: "checking",
    TorrentState.STOPPED: "stopped",
    TorrentState.DOWNLOADING: "downloading",
    TorrentState.SEEDING: "seeding",
    TorrentState.ERROR: "error",
}


class Torrent:
    """`jobs_in_flight` counts what others still do for this torrent: its files are closed when that is 0."""

    def __init__(
        self,
        metainfo: Metainfo,
        download_dir: Path,
        store: Store,
        *,
        static_peers: tuple[Endpoint, ...],
        goal: SeedGoal,
    ) -> None:
        self.metainfo = metainfo
        self.download_dir = download_dir
        self.store = store
        self.static_peers = static_peers
        self.goal = goal
        self.machine = Machine(TORRENT)
        self.have = Bitfield(metainfo.geometry.num_pieces)     # what the last check found
        self.checked_done_bytes = 0
        self.check: CheckPlan | None = None
        self.report: SwarmReport | None = None
        self.error: BlobTorrentError | None = None
        self.seeding_since_s: float | None = None
        self.jobs_in_flight = 0
        self.store_is_open = False
        self.swarm_is_open = False
        self._public_name = _PUBLIC_NAMES[self.machine.state]

    @property
    def info_hash(self) -> InfoHash:
        return self.metainfo.info_hash

    @property
    def state(self) -> TorrentState:
        return self.machine.state

    @property
    def public_name(self) -> str:
        """The state's name in snapshots and events."""
        self._public_name = _PUBLIC_NAMES.get(self.machine.state, self._public_name)
        return self._public_name

    @property
    def downloaded_bytes(self) -> int:
        return self.report.downloaded_bytes if self.report else 0

    @property
    def uploaded_bytes(self) -> int:
        return self.report.uploaded_bytes if self.report else 0

    @property
    def done_bytes(self) -> int:
        """Payload that is verified and on disk."""
        if self.check is not None:
            return self.check.good_bytes
        if self.report is not None:
            return self.metainfo.payload_bytes - self.report.left_bytes
        return self.checked_done_bytes

    @property
    def left_bytes(self) -> int:
        return self.metainfo.payload_bytes - self.done_bytes

    def forget_last_run(self) -> None:
        """Begin anew: nothing is known to be on disk until it was checked."""
        self.have = Bitfield(self.metainfo.geometry.num_pieces)
        self.checked_done_bytes = 0
        self.report = self.error = self.seeding_since_s = None

    def has_reached_goal(self, now: float) -> bool:
        """Whether a complete torrent has seeded enough."""
        ratio, time_s, since_s = self.goal.ratio, self.goal.time_s, self.seeding_since_s
        if ratio is not None and self.uploaded_bytes >= ratio * self.metainfo.payload_bytes:
            return True
        return time_s is not None and since_s is not None and now >= since_s + time_s

    def status(self) -> TorrentStatus:
        """A snapshot of now."""
        report, check = self.report, self.check
        have = check.good if check is not None else self.have
        live = report if report is not None and self.swarm_is_open else None
        return TorrentStatus(
            info_hash=self.info_hash,
            name=self.metainfo.name,
            state=self.public_name,
            size_bytes=self.metainfo.payload_bytes,
            num_pieces=self.metainfo.geometry.num_pieces,
            download_dir=str(self.download_dir),
            done_bytes=self.done_bytes,
            checked_bytes=check.checked_bytes if check is not None else 0,
            down_bytes_per_s=live.down_bytes_per_s if live else 0,
            up_bytes_per_s=live.up_bytes_per_s if live else 0,
            downloaded_bytes=self.downloaded_bytes,
            uploaded_bytes=self.uploaded_bytes,
            wasted_bytes=report.wasted_bytes if report else 0,
            peers_connected=live.links if live else 0,
            peers_known=live.peers_known if live else 0,
            seeds_connected=live.seeds if live else 0,
            availability=live.availability if live else 0.0,
            pieces_wire=report.have_wire if report else have.to_wire(),
            error_code=self.error.code if self.error else "",
            error_detail=self.error.detail if self.error else "",
            peers=tuple(map(_peer_status, live.peers)) if live else (),
        )


def _peer_status(peer: PeerReport) -> PeerStatus:
    return PeerStatus(
        endpoint=str(peer.endpoint),
        client=peer.client,
        down_bytes_per_s=peer.down_bytes_per_s,
        up_bytes_per_s=peer.up_bytes_per_s,
        downloaded_bytes=peer.downloaded_bytes,
        uploaded_bytes=peer.uploaded_bytes,
        progress=peer.progress,
        is_incoming=peer.is_incoming,
        flags=peer.flags,
    )
