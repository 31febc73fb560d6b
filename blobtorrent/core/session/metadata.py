"""MetadataFetcher: a torrent that came as a magnet link, from its info-hash to its metainfo (BEP 9). Owned by `core`.

The metadata is durable before the torrent does anything with it: nobody may be left to give it a second time. Until
then its record holds the link; one that was killed on the way looks first whether its .torrent file is there already.
A torrent of version 2 only also needs the piece layers of its files (BEP 52); those that came are put into its .torrent
file, which peers or its owner gave, while the others are fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.commands import FilePriority, Reply
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.nameslater import settle_names
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import facts_of
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing
from blobtorrent.core.session.splits import settle_split
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.core.swarm.metadatamessages import LayersFound, MetadataFailed, MetadataFound, MetadataReport
from blobtorrent.core.swarm.peers import OF_PRIVATE
from blobtorrent.discovery.messages import HostResolved, ResolveHost
from blobtorrent.model.address import Endpoint, parse_endpoint
from blobtorrent.model.errors import BlobTorrentError, BugError, FormatError, Invalid
from blobtorrent.model.events import TorrentChanged
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.magnet import MagnetLink
from blobtorrent.model.merkle import HASH_BYTES
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.reach import may_link
from blobtorrent.protocol.metafile import TORRENT_LIMITS
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.metadatareading import MetadataRead, ReadMetadata

if TYPE_CHECKING:
    from blobtorrent.storage.state.library import TorrentKept
    from blobtorrent.storage.state.statethread import Row

log = get_logger(__name__)

LEFT_UNKNOWN = 16384                   # bytes: a tracker that hears 0 takes us for a seed
MAX_NAMES = 10                         # of peers, in one link, that are looked up

# Where a torrent whose metadata came may be told to stop before its swarm has taken the links over.
_ON_THE_WAY = (TorrentState.LOADING, TorrentState.WAITING, TorrentState.HASHING)
_ENDED = (TorrentState.ERROR, TorrentState.CLOSING, TorrentState.REMOVING)


class MetadataFetcher:
    """Work of the state *metadata*. `on_idle(torrent)` is called when a job of a torrent has ended."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, announces: AnnounceManager,
                 metainfos: Metainfos, keeper: Keeper, sharing: Sharing, *, allow_loopback: bool,
                 on_idle: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._announces = announces
        self._metainfos = metainfos
        self._keeper = keeper
        self._sharing = sharing
        self._allow_loopback = allow_loopback
        self._on_idle = on_idle
        self._named: dict[tuple[str, int], dict[InfoHash, None]] = {}  # peers that are being looked up, and whose
        self.messages: Mapping[type[Any], Callable[[Any], None]] = {
            MetadataReport: self._on_report,
            MetadataFound: self._on_found,
            LayersFound: self._on_layers,
            MetadataFailed: self._on_failed,
            MetadataRead: self._on_read,
            HostResolved: self._on_resolved,
        }
        roster.at_exit(TorrentState.METADATA, self._leave)
        for state in _ON_THE_WAY:
            roster.at_exit(state, self._leave)

    def begin(self, torrent: Torrent) -> None:
        """Get the metadata: from the library if it was kept and no row says so, else from peers."""
        if self._outlets.library is None:
            self._ask_peers(torrent)
            return
        from blobtorrent.storage.state.library import AdoptTorrent

        torrent.jobs_in_flight += 1
        self._outlets.library.post(AdoptTorrent(
            torrent.info_hash, lambda answer: self._on_adopted(torrent, answer), self._outlets.inbox))

    def _on_adopted(self, torrent: Torrent, answer: TorrentKept) -> None:
        if answer.metainfo is not None:
            log.info("metadata was kept already", torrent=torrent.info_hash, name=answer.metainfo.name)
            self._on_kept(torrent, answer)
            return
        torrent.jobs_in_flight -= 1
        if torrent.state is TorrentState.METADATA:
            self._ask_peers(torrent)
        else:
            self._on_idle(torrent)

    def _ask_peers(self, torrent: Torrent) -> None:
        try:
            link = torrent.link
        except FormatError as error:   # its row is damaged, or of a version with other rules
            self._roster.fail(torrent, error)
            return
        assert link is not None
        self._swarms.open_metadata(torrent)
        if not torrent.record.facts.is_private:            # what is known when it was found once, and could not be kept
            endpoints, names = peers_of(link)
            self._tell_peers(torrent, endpoints)
            for name in names[:MAX_NAMES]:
                self._look_up(torrent, *name)
        self._announce(torrent)

    def _announce(self, torrent: Torrent) -> None:
        facts = torrent.record.facts
        self._announces.begin(torrent.info_hash, torrent.tiers, LEFT_UNKNOWN, is_private=facts.is_private,
                              added_at=facts.added_at)

    def _look_up(self, torrent: Torrent, host: str, port: int) -> None:
        askers = self._named.setdefault((host, port), {})
        if not askers:
            self._outlets.outcalls.post(ResolveHost(host, port, self._outlets.inbox))
        askers[torrent.info_hash] = None

    def _on_resolved(self, answer: HostResolved) -> None:
        for info_hash in self._named.pop((answer.host, answer.port), ()):
            torrent = self._roster.get(info_hash)
            if torrent is not None and not torrent.record.facts.is_private:
                self._tell_peers(torrent, answer.endpoints)

    def _tell_peers(self, torrent: Torrent, endpoints: tuple[Endpoint, ...]) -> None:
        """Those that the link names or that its names stand for, but for what no link may have us dial."""
        allowed = tuple(
            peer for peer in endpoints if may_link(peer.host, peer.port, allow_loopback=self._allow_loopback))
        self._swarms.tell_peers(torrent, allowed, PeerSource.MAGNET)

    def _leave(self, torrent: Torrent) -> None:
        """It is stopped, or failed: give up what is open. On the way to its swarm all of that stays."""
        if torrent.state in _ENDED:
            self._announces.end(torrent.info_hash)
            if torrent.metadata_is_open:
                self._swarms.close_metadata(torrent)
            if self._outlets.library is not None:
                torrent.lacks_layers = None                # it is read again

    def _on_report(self, report: MetadataReport) -> None:
        torrent = self._roster.get(report.info_hash)
        if torrent is None or not torrent.metadata_is_open:
            return
        self._swarms.count_metadata(torrent, report)
        if torrent.state is TorrentState.METADATA:
            torrent.metadata = report
            self._roster.publish(torrent)

    def _on_failed(self, failed: MetadataFailed) -> None:
        torrent = self._roster.get(failed.info_hash)
        if torrent is not None and torrent.metadata_is_open and torrent.state is TorrentState.METADATA:
            self._roster.fail(torrent, BugError("bug.swarm", "a bug in the program; the log has the reason"))

    def _on_found(self, found: MetadataFound) -> None:
        torrent = self._roster.get(found.info_hash)
        if torrent is None or torrent.state is not TorrentState.METADATA or not torrent.metadata_is_open:
            return                     # perhaps it was found as it was stopped, and it has been started again
        link = torrent.link
        assert link is not None
        torrent.peers = found.peers
        if says_private(found.info):
            self._withdraw(torrent)
        torrent.jobs_in_flight += 1
        # To read ten megabytes takes seconds, which the core thread does not have.
        if self._outlets.library is None:
            self._outlets.hashers.post(ReadMetadata(
                torrent.info_hash, found.info, link.tiers, link.web_seeds, self._outlets.inbox))
            return
        from blobtorrent.storage.state.library import KeepMetadata

        self._outlets.library.post(KeepMetadata(
            torrent.info_hash, found.info, link.tiers, link.web_seeds, lambda answer: self._on_kept(torrent, answer),
            self._outlets.inbox))

    def _fetch_layers(self, torrent: Torrent, metainfo: Metainfo) -> None:
        """Its metadata is here and safe, but not all hashes of its pieces. Raises Invalid ("torrent.too-long")."""
        lacking = metainfo.lacking_layers
        if len(metainfo.raw_info) + sum(lacking.values()) * HASH_BYTES > TORRENT_LIMITS.size_bytes:
            raise Invalid("torrent.too-long", f"{metainfo.name} has {sum(lacking.values())} pieces: their hashes would "
                          "be more than is kept of a torrent")
        record = torrent.record
        if metainfo.is_private and torrent.metadata_is_open:
            self._withdraw(torrent)
        torrent.lacks_layers = metainfo
        record.facts = record.facts._replace(name=metainfo.name, is_private=metainfo.is_private)
        torrent.jobs_in_flight -= 1
        self._roster.publish(torrent)
        self._roster.tell(TorrentChanged(torrent.info_hash))
        if torrent.state is not TorrentState.METADATA:
            self._on_idle(torrent)
            return
        log.info("piece layers are fetched", torrent=torrent.info_hash, name=metainfo.name, files=len(lacking))
        if torrent.metadata_is_open:
            self._swarms.fetch_layers(torrent)
        else:
            self._ask_peers(torrent)

    def _on_layers(self, found: LayersFound) -> None:
        torrent = self._roster.get(found.info_hash)
        if torrent is None or torrent.state is not TorrentState.METADATA or torrent.lacks_layers is None:
            return
        torrent.peers = found.peers
        before = torrent.lacks_layers
        torrent.lacks_layers = before._replace(piece_layers={**before.piece_layers, **found.layers})
        if self._outlets.library is None:
            if found.is_complete:
                torrent.jobs_in_flight += 1
                self._on_known(torrent, torrent.lacks_layers, None, None)
            return
        from blobtorrent.storage.state.library import KeepLayers

        def on_kept(answer: TorrentKept) -> None:
            if answer.error is not None or found.is_complete:
                self._on_kept(torrent, answer)
            else:
                torrent.jobs_in_flight -= 1
                if torrent.state is not TorrentState.METADATA:
                    self._on_idle(torrent)

        torrent.jobs_in_flight += 1
        self._outlets.library.post(KeepLayers(torrent.info_hash, found.layers, on_kept, self._outlets.inbox))

    def _withdraw(self, torrent: Torrent) -> None:
        """Before anything else is known of it: links and addresses from anywhere but its trackers are not for a private
        torrent, nor is any word of it to others, nor to more than one of them (BEP 27)."""
        torrent.record.facts = torrent.record.facts._replace(is_private=True)
        torrent.peers = tuple(peer for peer in torrent.peers if peer.source in OF_PRIVATE)
        self._swarms.close_metadata(torrent)
        self._announce(torrent)

    def take(self, torrent: Torrent, metainfo: Metainfo, raw: bytes, reply: Reply[Any]) -> None:
        """Somebody has its .torrent file. `reply` is given when that is safe; what goes wrong leaves all as it was."""
        torrent.jobs_in_flight += 1
        if self._outlets.library is None:
            self._accept(torrent, metainfo)
            self._end(torrent, None)
            reply.give(torrent.info_hash)
            return
        from blobtorrent.storage.state.library import KeepTorrent

        def on_kept(answer: TorrentKept) -> None:
            if answer.error is None:
                self._on_kept(torrent, answer._replace(metainfo=metainfo))
                reply.give(torrent.info_hash)
            else:
                torrent.jobs_in_flight -= 1
                self._on_idle(torrent)
                reply.give(answer.error)

        self._outlets.library.post(KeepTorrent(torrent.info_hash, raw, on_kept, self._outlets.inbox))

    def _on_read(self, answer: MetadataRead) -> None:
        """Of an engine that keeps nothing."""
        self._on_known(self._roster.known(answer.info_hash), answer.metainfo, answer.error, None)

    def _on_kept(self, torrent: Torrent, answer: TorrentKept) -> None:
        self._on_known(torrent, answer.metainfo, answer.error, answer.row)

    def _on_known(self, torrent: Torrent, metainfo: Metainfo | None, error: BlobTorrentError | None,
                  row: Row | None) -> None:
        if error is None:
            assert metainfo is not None
            try:
                if torrent.record.magnet and not metainfo.has_piece_hashes:
                    self._fetch_layers(torrent, metainfo)
                    return
                self._accept(torrent, metainfo)
            except BlobTorrentError as unfit:
                error = unfit
        if error is None:
            # What cannot be saved just now is saved with the next rows; the .torrent file is safe.
            self._keeper.save(torrent, lambda _: self._end(torrent, None), row)
        else:
            self._end(torrent, error)

    def _accept(self, torrent: Torrent, metainfo: Metainfo) -> None:
        """From now on it is a torrent as any other."""
        if metainfo.is_private and torrent.metadata_is_open:
            self._withdraw(torrent)
        record, link = torrent.record, torrent.link
        if link is None:
            return                     # it came twice, from peers and as a file
        log.info("metadata found", torrent=torrent.info_hash, name=metainfo.name, bytes=len(metainfo.raw_info))
        record.magnet = ""
        record.facts = facts_of(metainfo, record.facts.added_at)._replace(info_hash=torrent.info_hash)
        record.forget_pieces()
        if link.selected_files and not record.wishes.file_priorities:
            record.wishes = record.wishes._replace(file_priorities=unselected(metainfo, link))
        settle_names(record, metainfo)
        settle_split(record, metainfo)
        torrent.metadata = None
        torrent.lacks_layers = None
        self._metainfos.provide(torrent, metainfo)
        self._sharing.follow(torrent)                      # only now it is known what its files are called

    def _end(self, torrent: Torrent, error: BlobTorrentError | None) -> None:
        """It is known and safe; or it has failed, and the link stays."""
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


def says_private(info: bytes) -> bool:
    """Whether an info dictionary says that the torrent is private, in the way that all write it: told at once, however
    long it is. Other ways are noticed when all of it is read."""
    return b"7:privatei1e" in info


def peers_of(link: MagnetLink) -> tuple[tuple[Endpoint, ...], list[tuple[str, int]]]:
    """The peers that a link names by address, and those that it names by name."""
    endpoints, names = [], []
    for host, port in link.peers:
        try:
            endpoints.append(parse_endpoint(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        except FormatError:
            names.append((host, port))
    return tuple(endpoints), names


def unselected(metainfo: Metainfo, link: MagnetLink) -> dict[int, FilePriority]:
    """The files that a link does not select (BEP 53), by number: all are skipped, unless it selects none that exists.

    Numbers count the files of the info dictionary, its padding too, but not the padding that version 2 implies.
    """
    is_v1 = bool(metainfo.piece_hashes_v1)
    numbers = [number for number, entry in enumerate(metainfo.files) if is_v1 or not entry.is_pad]
    chosen = bytearray(len(numbers))
    for run in link.selected_files:
        run = run[:max(0, len(numbers) - run.start)]
        chosen[run.start:run.stop] = b"\1" * len(run)
    payload = [(number, is_chosen) for number, is_chosen in zip(numbers, chosen) if not metainfo.files[number].is_pad]
    if not any(is_chosen for _, is_chosen in payload):
        return {}
    return {number: FilePriority.SKIP for number, is_chosen in payload if not is_chosen}
