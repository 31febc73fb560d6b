"""An engine for the commands on downloads: six torrents as they were when rTorrent was asked about its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blobtorrent.core.session.changes import changed
from blobtorrent.core.session.commands import (
    AddTorrent,
    ChangeTorrent,
    FilesOf,
    HandlePeer,
    MakeFiles,
    MoveTorrent,
    PauseTorrent,
    RecheckTorrent,
    RemoveTorrent,
    Reply,
    SetTrackers,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.core.session.filestatus import file_statuses
from blobtorrent.core.session.queries import (
    MetainfoOf,
    Overview,
    OverviewsOf,
    PeersOf,
    PiecesOf,
    ScrapeTrackers,
    TrackersOf,
)
from blobtorrent.core.session.record import Wishes
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.details import PeerReport, PeerStatus, PieceReport, TrackerStatus
from blobtorrent.model.errors import BlobTorrentError, Conflict, Invalid
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import TorrentStatus
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.board import StatusBoard

FIXTURES = Path(__file__).parents[1] / "rtorrent" / "golden" / "fixtures"
FOLDER = "/srv/bt/a/dl"
LOADED_AT = 1795333738


class FakeEngine:
    """Answers like a session would, at once; `asked` are all commands that it got."""

    def __init__(self) -> None:
        self.torrents: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
        self.raw: dict[InfoHash, bytes] = {}
        self.trackers: dict[InfoHash, tuple[TrackerStatus, ...]] = {}
        self.peers: dict[InfoHash, tuple[PeerStatus, ...]] = {}
        self.wishes: dict[InfoHash, Wishes] = {}
        self.asked: list[Any] = []

    def add(self, name: str, *, folder: str = FOLDER, have: bytes = b"", **status: Any) -> InfoHash:
        """A torrent of the fixtures, in the state that is said."""
        raw = (FIXTURES / f"{name}.torrent").read_bytes()
        metainfo = parse_torrent(raw)
        info_hash = metainfo.info_hash
        num_pieces = metainfo.geometry.num_pieces
        field = Bitfield.from_wire(have, num_pieces) if have else Bitfield(num_pieces)
        done = metainfo.payload_bytes if field.is_full else len(field) * metainfo.geometry.piece_length
        self.raw[info_hash] = raw
        self.wishes[info_hash] = Wishes()
        self.trackers[info_hash] = _idle_trackers(metainfo)
        self.publish(TorrentStatus(**{
            "info_hash": info_hash, "name": metainfo.name, "state": "stopped", "size_bytes": metainfo.payload_bytes,
            "num_pieces": metainfo.geometry.num_pieces, "download_dir": folder, "done_bytes": done,
            "pieces_wire": field.to_wire(), "is_private": metainfo.is_private, "added_at": float(LOADED_AT),
            "own_path": f"{folder}/{metainfo.name}", **status}))
        return info_hash

    def publish(self, status: TorrentStatus) -> None:
        self.torrents.publish(status.info_hash, status)

    def status(self, info_hash: InfoHash) -> TorrentStatus:
        status = self.torrents.read(info_hash)
        assert status is not None
        return status

    def submit(self, command: Any) -> Reply[Any]:
        reply: Reply[Any] = Reply()
        try:
            reply.give(self._answer(command))
        except BlobTorrentError as error:
            reply.give(error)
        return reply

    def ask(self, command: Any, timeout_s: float = 1.0) -> Any:
        return self.submit(command).wait(0)

    def metainfo(self, info_hash: InfoHash) -> Metainfo:
        return parse_torrent(self.raw[info_hash])

    def _answer(self, command: Any) -> Any:
        self.asked.append(command)
        if isinstance(command, AddTorrent):
            return self._add_torrent(command)
        if isinstance(command, OverviewsOf):
            return {info_hash: Overview(self.metainfo(info_hash).shape, self.trackers[info_hash])
                    for info_hash in command.info_hashes if info_hash in self.raw}
        info_hash = command.info_hash
        status = self.status(info_hash)
        if isinstance(command, FilesOf):
            field = Bitfield.from_wire(status.pieces_wire, status.num_pieces)
            return file_statuses(self.metainfo(info_hash), field, self.wishes[info_hash].file_priorities, {})
        if isinstance(command, MetainfoOf):
            return self.raw[info_hash]
        if isinstance(command, TrackersOf):
            return self.trackers[info_hash]
        if isinstance(command, PeersOf):
            return PeerReport(self.peers.get(info_hash, ()), ())
        if isinstance(command, PiecesOf):
            length = self.metainfo(info_hash).geometry.piece_length
            return PieceReport(status.num_pieces, length, status.pieces_wire, bytes(status.num_pieces))
        self._do(command, status)
        return None

    def _add_torrent(self, command: AddTorrent) -> InfoHash:
        if command.magnet is not None:
            return self._add_link(command, command.magnet.info_hash)
        metainfo = command.metainfo
        assert metainfo is not None
        info_hash = metainfo.info_hash
        if self.torrents.read(info_hash) is not None:
            raise Conflict("torrent.present", f"{metainfo.name} is there already")
        self.raw[info_hash] = command.raw
        self.wishes[info_hash] = Wishes(custom=dict(command.custom))
        self.trackers[info_hash] = _idle_trackers(metainfo)
        self.publish(TorrentStatus(
            info_hash, metainfo.name, "stopped", metainfo.payload_bytes, metainfo.geometry.num_pieces, FOLDER,
            added_at=float(LOADED_AT), custom=command.custom, own_path=f"{FOLDER}/{metainfo.name}"))
        return info_hash

    def _add_link(self, command: AddTorrent, info_hash: InfoHash) -> InfoHash:
        self.wishes[info_hash], self.trackers[info_hash] = Wishes(custom=dict(command.custom)), ()
        self.publish(TorrentStatus(
            info_hash, info_hash.hex, "stopped", 0, 0, FOLDER, added_at=float(LOADED_AT), custom=command.custom,
            lacks_metadata=True))
        return info_hash

    def _do(self, command: Any, status: TorrentStatus) -> None:
        if isinstance(command, ChangeTorrent):
            wishes = changed(self.wishes[status.info_hash], command.changes)
            self.wishes[status.info_hash] = wishes
            self.publish(status._replace(
                custom=wishes.custom, priority=wishes.priority, upload_slots=wishes.upload_slots,
                max_peers=wishes.max_peers, is_sequential=wishes.is_sequential,
                super_seeding=wishes.super_seeding, exchanges_peers=wishes.exchanges_peers,
                peers_wanted=wishes.peers_wanted, min_peers=wishes.min_peers, group=wishes.group,
                download_slots=wishes.download_slots))
        elif isinstance(command, StartTorrent):
            state = "seeding" if status.is_finished else "downloading"
            self.publish(status._replace(state=state, is_started=True, held_by=""))
        elif isinstance(command, StopTorrent):
            self.publish(status._replace(state="stopped", is_started=False, held_by=""))
        elif isinstance(command, PauseTorrent):
            self.publish(status._replace(held_by="pause"))
        elif isinstance(command, RecheckTorrent):
            self.publish(status._replace(state="checking"))
        elif isinstance(command, RemoveTorrent):
            self.torrents.withdraw(status.info_hash)
        elif isinstance(command, SetTrackers):
            self.trackers[status.info_hash] = tuple(
                TrackerStatus(number, "v1", url, url, "idle")
                for number, tier in enumerate(command.tiers or ()) for url in tier)
        elif isinstance(command, MoveTorrent):
            name = command.name or Path(status.own_path).name
            self.publish(status._replace(
                download_dir=str(command.download_dir), own_path=str(command.download_dir / name)))
        elif not isinstance(command, HandlePeer | MakeFiles | ScrapeTrackers):
            raise Invalid("fake.unknown", f"{type(command).__name__} is not known to this engine")


def _idle_trackers(metainfo: Metainfo) -> tuple[TrackerStatus, ...]:
    return tuple(
        TrackerStatus(number, "v1", url, url, "idle") for number, tier in enumerate(metainfo.tiers) for url in tier)
