"""MetadataFetcher: a torrent that came as a magnet link, from its info-hash to its metainfo (BEP 9). Owned by `core`.

The metadata is durable before the torrent does anything with it: nobody may be left to give it a second time. Until
then its record holds the link, so that a torrent that was killed on the way begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.checks import require_piece_hashes
from blobtorrent.core.session.commands import FilePriority
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import facts_of
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.core.swarm.metadatamessages import MetadataFound, MetadataReport
from blobtorrent.model.address import Endpoint, parse_endpoint
from blobtorrent.model.errors import BlobTorrentError, FormatError, StorageError
from blobtorrent.model.events import TorrentChanged
from blobtorrent.model.magnet import MagnetLink, parse_magnet
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import encode_torrent, parse_torrent
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.storage.state.library import TorrentKept

log = get_logger(__name__)

LEFT_UNKNOWN = 16384                   # bytes: a tracker that hears 0 takes us for a seed

# Where a torrent whose metadata came may be told to stop before its swarm has taken the links over.
_ON_THE_WAY = (TorrentState.LOADING, TorrentState.WAITING, TorrentState.HASHING)
_ENDED = (TorrentState.ERROR, TorrentState.CLOSING, TorrentState.REMOVING)

_TRUSTED_BY_PRIVATE = (PeerSource.TRACKER, PeerSource.STATIC)


class MetadataFetcher:
    """Work of the state *metadata*. `on_idle(torrent)` is called when a job of a torrent has ended."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, announces: AnnounceManager,
                 metainfos: Metainfos, keeper: Keeper, *, on_idle: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._announces = announces
        self._metainfos = metainfos
        self._keeper = keeper
        self._on_idle = on_idle
        self.messages: Mapping[type[Any], Callable[[Any], None]] = {
            MetadataReport: self._on_report,
            MetadataFound: self._on_found,
        }
        roster.at_exit(TorrentState.METADATA, self._leave)
        for state in _ON_THE_WAY:
            roster.at_exit(state, self._leave)

    def begin(self, torrent: Torrent) -> None:
        """Look for peers that have the metadata."""
        link = parse_magnet(torrent.record.magnet)
        self._swarms.open_metadata(torrent)
        self._swarms.tell_peers(torrent, endpoints_of(link), PeerSource.MAGNET)
        self._announces.begin(
            torrent.info_hash, torrent.tiers, LEFT_UNKNOWN, added_at=torrent.record.facts.added_at)

    def _leave(self, torrent: Torrent) -> None:
        """It is stopped, or failed: give up what is open. On the way to its swarm all of that stays."""
        if torrent.state in _ENDED:
            self._announces.end(torrent.info_hash)
            if torrent.metadata_is_open:
                self._swarms.close_metadata(torrent)

    def _on_report(self, report: MetadataReport) -> None:
        torrent = self._roster.get(report.info_hash)
        if torrent is not None and torrent.state is TorrentState.METADATA:
            torrent.metadata = report
            self._roster.publish(torrent)

    def _on_found(self, found: MetadataFound) -> None:
        torrent = self._roster.get(found.info_hash)
        if torrent is None or torrent.state is not TorrentState.METADATA:
            return
        link = parse_magnet(torrent.record.magnet)
        raw = encode_torrent(found.info, tiers=link.tiers, web_seeds=link.web_seeds)
        try:
            metainfo = parse_torrent(raw)
            require_piece_hashes(metainfo)
        except BlobTorrentError as error:
            self._roster.fail(torrent, error)
            return
        log.info("metadata found", torrent=torrent.info_hash, name=metainfo.name, bytes=len(found.info))
        torrent.peers = found.peers
        if metainfo.is_private:
            # Links and addresses from anywhere but its trackers are not for a private torrent (BEP 27).
            torrent.peers = tuple(peer for peer in found.peers if peer.source in _TRUSTED_BY_PRIVATE)
            self._swarms.close_metadata(torrent)
        torrent.jobs_in_flight += 1
        if self._outlets.library is None:
            self._accept(torrent, link, metainfo)
            self._on_saved(torrent, None)
            return
        from blobtorrent.storage.state.library import KeepTorrent

        def on_kept(answer: TorrentKept) -> None:
            if answer.error is not None:
                self._on_saved(torrent, answer.error)
            else:
                self._accept(torrent, link, metainfo)
                self._keeper.save(torrent, lambda _: self._on_saved(torrent, None), answer.row)

        self._outlets.library.post(KeepTorrent(torrent.info_hash, raw, on_kept, self._outlets.inbox))

    def _accept(self, torrent: Torrent, link: MagnetLink, metainfo: Metainfo) -> None:
        """From now on it is a torrent as any other."""
        record = torrent.record
        record.magnet = ""
        record.facts = facts_of(metainfo, record.facts.added_at)._replace(info_hash=torrent.info_hash)
        record.forget_pieces()
        if link.selected_files and not record.wishes.file_priorities:
            record.wishes = record.wishes._replace(file_priorities=unselected(metainfo, link))
        torrent.metadata = None
        self._metainfos.provide(torrent, metainfo)

    def _on_saved(self, torrent: Torrent, error: StorageError | None) -> None:
        """What could not be saved just now is saved with the next rows; without its .torrent file it cannot go on."""
        torrent.jobs_in_flight -= 1
        if error is None:
            self._roster.publish(torrent)
            self._roster.tell(TorrentChanged(torrent.info_hash))
        if torrent.state is not TorrentState.METADATA:
            self._on_idle(torrent)
        elif error is not None:
            self._roster.fail(torrent, error)
        else:
            self._roster.fire(torrent, TorrentEvent.KNOWN)


def endpoints_of(link: MagnetLink) -> tuple[Endpoint, ...]:
    """The peers that a link names by address. Names are for whoever can look them up."""
    found = []
    for host, port in link.peers:
        try:
            found.append(parse_endpoint(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        except FormatError:
            continue
    return tuple(found)


def unselected(metainfo: Metainfo, link: MagnetLink) -> dict[int, FilePriority]:
    """The files that a link does not select (BEP 53), by number: all are skipped, unless it selects none that exists.

    Numbers count the files of the info dictionary, its padding too, but not the padding that version 2 implies.
    """
    is_v1 = bool(metainfo.piece_hashes_v1)
    numbers = [number for number, entry in enumerate(metainfo.files) if is_v1 or not entry.is_pad]
    skipped = {number: FilePriority.SKIP for place, number in enumerate(numbers)
               if not any(place in run for run in link.selected_files) and not metainfo.files[number].is_pad}
    wanted = [number for number in numbers if number not in skipped and not metainfo.files[number].is_pad]
    return skipped if wanted else {}
