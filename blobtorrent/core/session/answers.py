"""Answers: what the session tells of a torrent when somebody asks. Changes nothing. Owned by `core`.

What a swarm knows is asked of its shard, what only the .torrent file says is read by the thread `library`; both answer
later, and the token that goes with the question is what to do with the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.commands import Reply
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.metainfos import Metainfos, no_metadata
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.queries import (
    ContentOf,
    FileContent,
    MetainfoOf,
    Overview,
    OverviewsOf,
    PeersOf,
    PieceOf,
    PiecesOf,
    TrackersOf,
    WebSeedsOf,
)
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.availability import counts
from blobtorrent.core.swarm.messages import (
    PeersTold,
    PieceCounts,
    PiecesTold,
    PieceTold,
    TellPeers,
    TellPiece,
    TellPieces,
    TellWebSeeds,
    WebSeedsTold,
)
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.details import (
    PartialPiece,
    PeerReport,
    PieceReport,
    PieceStory,
    SourceStatus,
    TrackerStatus,
    WebSeedStatus,
)
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import in_parts
from blobtorrent.runtime.redact import redact

if TYPE_CHECKING:
    from blobtorrent.storage.state.library import TorrentRead, TorrentsSurveyed

WithPeers = Callable[[PeersTold], None]


class Answers:
    """Handlers of queries: `reply` is given when the answer is there, and is what they return until then."""

    def __init__(self, roster: Roster, outlets: Outlets, metainfos: Metainfos, announces: AnnounceManager) -> None:
        self._roster = roster
        self._outlets = outlets
        self._metainfos = metainfos
        self._announces = announces
        self.sources: Callable[[Torrent], tuple[SourceStatus, ...]] = lambda torrent: ()       # set by who knows them

    # ---- from its swarm

    def peers_of(self, query: PeersOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound."""
        torrent = self._roster.known(query.info_hash)
        self.with_peers(torrent, lambda told: reply.give(PeerReport(told.peers, self.sources(torrent))))
        return reply

    def with_peers(self, torrent: Torrent, then: WithPeers) -> None:
        """Call `then(told)` with what the torrent's swarm says, at once if it has none."""
        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(TellPeers(torrent.info_hash, then, self._outlets.inbox))
        else:
            then(PeersTold(torrent.info_hash, then))

    def on_peers(self, told: PeersTold) -> None:
        told.token(told)

    def pieces_of(self, query: PiecesOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound."""
        torrent = self._roster.known(query.info_hash)

        def give(told: PiecesTold) -> None:
            reply.give(piece_report(torrent, told.counts))

        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(TellPieces(torrent.info_hash, give, self._outlets.inbox))
        else:
            give(PiecesTold(torrent.info_hash, give))
        return reply

    def on_pieces(self, told: PiecesTold) -> None:
        told.token(told)

    def piece_of(self, query: PieceOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound ("piece.unknown" for the piece), Conflict ("torrent.no-metadata"), StorageError."""
        torrent, index = self._roster.known(query.info_hash), query.piece
        if torrent.record.magnet:
            raise no_metadata(torrent)
        if index >= torrent.record.facts.num_pieces:
            raise NotFound("piece.unknown", f"{torrent.name} has {torrent.record.facts.num_pieces} pieces: "
                                            f"the last one is {torrent.record.facts.num_pieces - 1}")

        def give(told: PieceTold) -> None:
            if told.story is None:
                self._with_metainfo(torrent, reply, lambda metainfo: idle_piece(torrent, metainfo, index))
            else:
                reply.give(told.story)

        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(
                TellPiece(torrent.info_hash, index, give, self._outlets.inbox))
        else:
            give(PieceTold(torrent.info_hash, give))
        return reply

    def on_piece(self, told: PieceTold) -> None:
        told.token(told)

    # ---- from its metainfo

    def trackers_of(self, query: TrackersOf, reply: Reply[Any]) -> Any:
        """Raises NotFound, StorageError."""
        torrent = self._roster.known(query.info_hash)
        if torrent.record.magnet:      # its link has them
            return self.trackers(torrent)
        self._with_metainfo(torrent, reply, lambda _: self.trackers(torrent))
        return reply

    def trackers(self, torrent: Torrent) -> tuple[TrackerStatus, ...]:
        """Of a torrent whose metainfo, or link, is loaded."""
        return self._announces.statuses(torrent.info_hash, torrent.tiers)

    def web_seeds_of(self, query: WebSeedsOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, StorageError."""
        torrent = self._roster.known(query.info_hash)

        def give(told: WebSeedsTold) -> None:
            if told.web_seeds:
                reply.give(told.web_seeds)
            else:                      # none is asked for anything
                self._with_metainfo(torrent, reply, lambda metainfo: tuple(
                    WebSeedStatus(url, redact(url, whole_queries=True), "unused") for url in metainfo.web_seeds))

        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(TellWebSeeds(torrent.info_hash, give, self._outlets.inbox))
        else:
            give(WebSeedsTold(torrent.info_hash, give))
        return reply

    def on_web_seeds(self, told: WebSeedsTold) -> None:
        told.token(told)

    def _with_metainfo(self, torrent: Torrent, reply: Reply[Any], make: Callable[[Metainfo], Any]) -> None:

        def loaded(error: BlobTorrentError | None) -> None:
            if error is not None:
                reply.give(error)
            else:
                assert torrent.metainfo is not None
                reply.give(make(torrent.metainfo))

        self._metainfos.with_metainfo(torrent, loaded)

    def overviews_of(self, query: OverviewsOf, reply: Reply[Any]) -> Any:
        """Raises nothing."""
        from blobtorrent.storage.state.library import SurveyTorrents

        torrents = list(filter(None, map(self._roster.get, query.info_hashes)))
        found = {torrent.info_hash: Overview(None if torrent.metainfo is None else torrent.metainfo.shape,
                                             self.trackers(torrent))
                 for torrent in torrents if torrent.metainfo is not None or torrent.record.magnet}
        unread = tuple(torrent.info_hash for torrent in torrents if torrent.info_hash not in found)
        if not unread:
            return found

        def give(metainfos: dict[InfoHash, Metainfo]) -> None:
            for info_hash, metainfo in metainfos.items():
                torrent = self._roster.get(info_hash)
                if torrent is not None:
                    own = torrent.record.wishes.trackers
                    tiers = metainfo.tiers if own is None else own
                    shape = in_parts(metainfo, torrent.record.place.split).shape
                    found[info_hash] = Overview(shape, self._announces.statuses(info_hash, tiers))
            reply.give(found)

        assert self._outlets.library is not None
        self._outlets.library.post(SurveyTorrents(unread, give, self._outlets.inbox))
        return reply

    def on_surveyed(self, answer: TorrentsSurveyed) -> None:
        answer.token(answer.metainfos)

    def content_of(self, query: ContentOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, Conflict ("torrent.moving"), StorageError."""
        torrent = self._roster.known(query.info_hash)
        if torrent.state is TorrentState.MOVING:
            raise Conflict("torrent.moving", f"{torrent.name} is being moved")
        self._with_metainfo(torrent, reply, lambda metainfo: file_content(torrent, metainfo, query.number))
        return reply

    def metainfo_of(self, query: MetainfoOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, Conflict ("torrent.no-metadata"), StorageError."""
        from blobtorrent.storage.state.library import ReadTorrent

        assert self._outlets.library is not None
        torrent = self._roster.known(query.info_hash)
        if torrent.record.magnet:
            raise no_metadata(torrent)
        self._outlets.library.post(ReadTorrent(torrent.info_hash, reply.give, self._outlets.inbox))
        return reply

    def on_read(self, answer: TorrentRead) -> None:
        answer.token(answer.raw if answer.error is None else answer.error)


def file_content(torrent: Torrent, metainfo: Metainfo, number: int) -> FileContent | NotFound:
    """Where to read a file of a torrent that nobody moves."""
    from blobtorrent.storage.naming import Naming

    if number >= len(metainfo.files) or metainfo.files[number].is_pad:
        return NotFound("file.unknown", f"{torrent.name} has no file {number}")
    entry, place = metainfo.files[number], torrent.record.place
    have = torrent.record.have if torrent.check is None else torrent.check.good
    path = Naming(metainfo.files, place.renames).paths[number]
    return FileContent(place.root, path, entry.length, entry.offset, metainfo.geometry.piece_length, have.to_wire())


def piece_report(torrent: Torrent, swarm: PieceCounts | None) -> PieceReport:
    """The pieces as the swarm tells of them; without one as the record does, or the check that is under way."""
    facts = torrent.record.facts
    if swarm is not None:
        have, availability, partial = swarm.have, counts(swarm.planes, swarm.seeds, facts.num_pieces), swarm.partial
    else:
        have = (torrent.record.have if torrent.check is None else torrent.check.good).mask
        availability, partial = bytes(facts.num_pieces), _kept_blocks(torrent)
    wire = Bitfield.from_mask(facts.num_pieces, have).to_wire()
    return PieceReport(facts.num_pieces, facts.piece_length, wire, availability, partial)


def idle_piece(torrent: Torrent, metainfo: Metainfo, index: int) -> PieceStory:
    """One piece of a torrent that is in no swarm."""
    geometry = metainfo.geometry
    blocks = geometry.num_blocks(index)
    if index in (torrent.record.have if torrent.check is None else torrent.check.good):
        return PieceStory(index, geometry.piece_size(index), "have", "it is verified and on disk", blocks=blocks,
                          blocks_here=blocks)
    kept = len(torrent.partial.get(index, ()))
    return PieceStory(index, geometry.piece_size(index), "missing", "it is lacking, and the torrent is in no swarm",
                      blocks=blocks, blocks_here=kept)


def _kept_blocks(torrent: Torrent) -> tuple[PartialPiece, ...]:
    """What the part store has, as far as it was looked at: it is when the torrent is loaded."""
    if torrent.metainfo is None:
        return ()
    geometry = torrent.metainfo.geometry
    return tuple(PartialPiece(piece, geometry.num_blocks(piece), len(blocks))
                 for piece, blocks in sorted(torrent.partial.items()))
