"""Torrent: what the session keeps of one torrent, and how it looks from outside. Owned by the core thread.

A stopped one is its record and little more; what its files and its swarm need is there only while it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.session.checks import CheckPlan
from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.session.goals import Given
from blobtorrent.core.session.history import Heard, History
from blobtorrent.core.session.lifecycle import TORRENT, TorrentEvent, TorrentState
from blobtorrent.core.session.record import Lifetime, Running, TorrentRecord
from blobtorrent.core.session.wanted import skipped_pieces
from blobtorrent.core.swarm.messages import PeerSource, SwarmReport
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import BlobTorrentError, FormatError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.payload import PayloadMap
from blobtorrent.model.status import GoalStatus, TorrentStatus
from blobtorrent.runtime.machine import Machine
from blobtorrent.runtime.timers import Timer
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.core.swarm.messages import KnownAddress
    from blobtorrent.core.swarm.metadatamessages import MetadataReport
    from blobtorrent.model.magnet import MagnetLink
    from blobtorrent.storage.live.recovery import Recovered
    from blobtorrent.storage.stamps import FileStamp

# What the outside sees. A torrent that is being closed still shows what it was: "stopped" means that all is closed.
# If it is closed because its files are to go elsewhere, it is being moved already: its `download_dir` is the new one.
_PUBLIC_NAMES = {
    TorrentState.STOPPED: "stopped",
    TorrentState.QUEUED: "queued",
    TorrentState.METADATA: "metadata",
    TorrentState.LOADING: "checking",
    TorrentState.WAITING: "checking",
    TorrentState.HASHING: "checking",
    TorrentState.DOWNLOADING: "downloading",
    TorrentState.SEEDING: "seeding",
    TorrentState.MOVING: "moving",
    TorrentState.ERROR: "error",
}

HELD_BY_GOAL = "goal"
HELD_BY_PAUSE = "pause"
HELD_BY_QUEUE = "queue"
HELD_BY_SPACE = "space"
HELD_BY_DISK = "disk"


class Torrent:
    """`jobs_in_flight` counts what others still do for this torrent: its files are closed when that is 0."""

    __slots__ = (
        "_link", "_peers_revision", "_public_name", "active_since_s", "check", "claimed", "doubtful", "error",
        "files_to_make", "goal_timer", "heard", "held_by", "held_since_s", "history", "is_adopting", "is_prepared",
        "is_stalled", "jobs_in_flight", "lacks_layers", "last_given_s", "last_moved_s", "losses", "machine",
        "metadata", "metadata_is_open", "metainfo", "moved_bytes", "partial", "peers", "record", "recovered",
        "report", "rescued", "seeding_since_s", "skip_check", "skipped", "stamps", "stamps_are_new", "store",
        "store_is_open", "swarm_is_open", "wants_check", "was_adopted",
    )

    def __init__(self, record: TorrentRecord) -> None:
        self.record = record
        self.machine = Machine(TORRENT)
        self.error: BlobTorrentError | None = BlobTorrentError(*record.error) if record.error[0] else None
        self.held_by = ""              # see TorrentStatus; what the record says comes on top
        self.held_since_s: float | None = None             # when the outside was told of that
        self.history: History = ()
        self.claimed = record.durable  # the mask of pieces that its row claims now
        self.skip_check = False        # it is new, and what lies on disk is to be believed
        self.wants_check = False       # all of it is to be hashed at the next start
        # Numbers of those that are to be there, and to have their length, when it is opened next.
        self.files_to_make: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self.recovered: Recovered | None = None            # what a killed process left of it in memory
        self.rescued = 0               # the mask of pieces that it wrote, and that no row claims yet
        self.is_adopting = False       # it is loaded only to make that durable
        self.was_adopted = False       # that was tried
        self.jobs_in_flight = 0
        self.store_is_open = False
        self.is_prepared = False       # so is the store, and its files can be synced
        self.swarm_is_open = False
        self.metadata_is_open = False  # peers are asked for its metadata, or hold on until its swarm opens
        self.metadata: MetadataReport | None = None        # how that goes
        self.lacks_layers: Metainfo | None = None          # its metadata is here, but not all of its piece layers
        self.moved_bytes = 0           # by the move under way
        self.doubtful = 0              # the mask of pieces to hash
        self.check: CheckPlan | None = None
        self.report: SwarmReport | None = None
        self.active_since_s: float | None = None
        self.seeding_since_s: float | None = None
        self.last_given_s = 0.0        # when a byte of it was uploaded last
        self.last_moved_s = 0.0        # when a byte of it came or went last
        self.losses = 0                # times that its open swarm was told of pieces that are gone
        self.is_stalled = False
        self.goal_timer: Timer | None = None
        self._link: MagnetLink | None = None
        self._public_name = "stopped"
        self._peers_revision = 0       # of the peers that were asked for last
        self.heard: dict[PeerSource, Heard] = {}           # what each source of peers told last, in this run
        self.metainfo: Metainfo | None = None
        self.store: Store | None = None
        self.stamps: dict[int, FileStamp] = {}             # how the files looked when they were last known
        self.stamps_are_new = False    # and no row says so
        self.unload()

    def unload(self) -> None:
        """Keep no more than the record."""
        self.metainfo = None
        self.store = None
        if not self.stamps_are_new:
            self.stamps = {}
        self.peers: tuple[KnownAddress, ...] = ()
        self.partial: dict[int, tuple[int, ...]] = {}
        self.skipped = 0               # the mask of pieces that nobody wants

    @property
    def info_hash(self) -> InfoHash:
        return self.record.info_hash

    @property
    def name(self) -> str:
        return self.record.facts.name

    @property
    def state(self) -> TorrentState:
        return self.machine.state

    @property
    def is_idle(self) -> bool:
        """Nothing of it is open or under way."""
        return self.state in (TorrentState.STOPPED, TorrentState.QUEUED)

    @property
    def must_adopt(self) -> bool:
        """A killed process left something of it, and it does not run yet."""
        return self.recovered is not None and not self.was_adopted

    @property
    def has_peers(self) -> bool:
        """It is on the network, so that peers and trackers are of use."""
        return self.swarm_is_open or self.metadata_is_open

    @property
    def can_stop(self) -> bool:
        return self.machine.can(TorrentEvent.STOP)

    @property
    def public_name(self) -> str:
        """The state's name in snapshots and events."""
        state = self.machine.state
        if state is TorrentState.CLOSING and self.record.must_move:
            state = TorrentState.MOVING
        self._public_name = _PUBLIC_NAMES.get(state, self._public_name)
        return self._public_name

    @property
    def link(self) -> MagnetLink | None:
        """The link that it came as; None when its metadata is here. Raises FormatError for one that cannot be read."""
        if not self.record.magnet:
            self._link = None
        elif self._link is None:
            from blobtorrent.model.magnet import MAX_WRITTEN_CHARACTERS, parse_magnet

            self._link = parse_magnet(self.record.magnet, max_characters=MAX_WRITTEN_CHARACTERS)
        return self._link

    @property
    def tiers(self) -> Tiers:
        """Its trackers, tier by tier: those that its owner named, else those of its metainfo, which is loaded, or of
        its link."""
        own = self.record.wishes.trackers
        if own is None and self.record.magnet:
            try:
                link = self.link
            except FormatError:        # it is told when the torrent is to run
                return ()
            return () if link is None else link.tiers
        if own is None:
            assert self.metainfo is not None
            return self.metainfo.tiers
        return own

    # ---- what it has

    @property
    def lacking(self) -> int:
        """The mask of pieces that are wanted and not there."""
        return ((1 << self.record.facts.num_pieces) - 1) & ~(self.record.have.mask | self.skipped)

    def follow_wishes(self) -> None:
        """Its owner's wishes about files are others, or its metainfo has come, which says what their pieces are."""
        assert self.metainfo is not None
        self.skipped = skipped_pieces(self.metainfo, self.record.wishes.file_priorities)
        self._count_skipped(PayloadMap(self.metainfo))

    def set_have(self, have: Bitfield) -> None:
        """After a check, or a loss: these are the pieces that there are. The metainfo is loaded."""
        assert self.metainfo is not None
        payload = PayloadMap(self.metainfo)
        self.record.have = have
        self.record.durable &= have.mask
        self.record.done_bytes = (
            self.metainfo.payload_bytes if have.is_full else sum(map(payload.of_piece, have)))
        self._count_skipped(payload)

    def _count_skipped(self, payload: PayloadMap) -> None:
        self.record.skipped_bytes = payload.of_mask(self.skipped & ~self.record.have.mask)

    def take_report(self, report: SwarmReport, now: float) -> None:
        """What the swarm tells, put into the record."""
        record, before = self.record, self.record.lifetime
        if report.uploaded_bytes != before.uploaded_bytes:
            self.last_given_s = now
        if (report.uploaded_bytes, report.downloaded_bytes) != (before.uploaded_bytes, before.downloaded_bytes):
            self.last_moved_s = now
        self.report = report
        record.lifetime = before._replace(
            downloaded_bytes=report.downloaded_bytes,
            uploaded_bytes=report.uploaded_bytes,
            wasted_bytes=report.wasted_bytes,
        )
        if report.losses < self.losses:
            return                     # made before the swarm heard of it: it claims what is gone
        if report.have_count != len(record.have) or report.error_code:
            record.have = Bitfield.from_wire(report.have_wire, record.have.size)
            record.durable &= record.have.mask
        record.done_bytes = record.facts.size_bytes - report.left_bytes
        record.skipped_bytes = report.skipped_bytes

    # ---- its peers

    @property
    def has_other_peers(self) -> bool:
        """Its swarm knows of peers that no row tells of."""
        return self.swarm_is_open and self.report is not None and self.report.peers_revision != self._peers_revision

    def saw_peers(self) -> None:
        """They are asked for now."""
        self._peers_revision = 0 if self.report is None else self.report.peers_revision

    # ---- time

    def begin_run(self, now: float) -> None:
        """Its swarm opens."""
        self.report = None
        self.saw_peers()
        self.is_stalled = False
        self.last_moved_s = now

    def running(self, now: float, wall: float) -> Running | None:
        """What the next start needs to count the seconds after the last row; None while it does not run."""
        if self.active_since_s is None:
            return None
        return Running(wall, self.seeding_since_s is not None, self.lifetime(now))

    def lifetime(self, now: float) -> Lifetime:
        """The record's, with the seconds of this run."""
        kept = self.record.lifetime
        return kept._replace(
            active_s=kept.active_s + (now - self.active_since_s if self.active_since_s is not None else 0.0),
            seeding_s=kept.seeding_s + (now - self.seeding_since_s if self.seeding_since_s is not None else 0.0),
        )

    def run_clock(self, now: float) -> None:
        """From now on the seconds count as those of the state that it is in, unless it is paused."""
        self.stop_clock(now)
        if not self.record.is_paused:
            self.active_since_s = now
            self.seeding_since_s = now if self.state is TorrentState.SEEDING else None

    def stop_clock(self, now: float) -> None:
        """Put the seconds of this run into the record; no more of them count."""
        self.record.lifetime = self.lifetime(now)
        self.active_since_s = self.seeding_since_s = None

    def given(self, now: float) -> Given:
        lifetime = self.lifetime(now)
        return Given(
            uploaded_bytes=lifetime.uploaded_bytes,
            payload_bytes=self.record.facts.size_bytes,
            seeding_s=lifetime.seeding_s,
            idle_s=now - max(self.last_given_s, self.seeding_since_s or now),
        )

    # ---- the outside

    def status(self, now: float, wall: float) -> TorrentStatus:
        """A snapshot of now, by both clocks."""
        record, check, lifetime = self.record, self.check, self.lifetime(now)
        facts, wishes = record.facts, record.wishes
        report = self.report if self.swarm_is_open else None
        live = report if self.swarm_is_open else self.metadata
        return TorrentStatus(
            info_hash=facts.info_hash,
            name=facts.name,
            state=self.public_name,
            size_bytes=facts.size_bytes,
            num_pieces=facts.num_pieces,
            download_dir=str(record.place.download_dir),
            done_bytes=record.done_bytes if check is None else check.good_bytes,
            checked_bytes=check.checked_bytes if check is not None else 0,
            moved_bytes=self.moved_bytes if self.state is TorrentState.MOVING else 0,
            down_bytes_per_s=live.down_bytes_per_s if live else 0,
            up_bytes_per_s=live.up_bytes_per_s if live else 0,
            downloaded_bytes=lifetime.downloaded_bytes,
            uploaded_bytes=lifetime.uploaded_bytes,
            wasted_bytes=lifetime.wasted_bytes,
            wasted_bytes_per_s=report.wasted_bytes_per_s if report else 0,
            spoiled_pieces=report.spoiled_pieces if report else 0,
            peers_banned=report.peers_banned if report else 0,
            peers_connected=live.links if live else 0,
            peers_known=live.peers_known if live else 0,
            peers_exchanging=report.exchanging if report else 0,
            peers_from=live.peers_from if live else (),
            seeds_connected=live.seeds if live else 0,
            availability=live.availability if live else 0.0,
            pieces_wire=(record.have if check is None else check.good).to_wire(),
            error_code=self.error.code if self.error else "",
            error_detail=self.error.detail if self.error else "",
            skipped_bytes=record.skipped_bytes,
            labels=wishes.labels,
            group=wishes.group,
            priority=wishes.priority,
            is_private=facts.is_private,
            is_sequential=wishes.is_sequential,
            super_seeding=wishes.super_seeding,
            is_started=record.should_run,
            down_limit_bytes_per_s=wishes.down_bytes_per_s,
            up_limit_bytes_per_s=wishes.up_bytes_per_s,
            upload_slots=wishes.upload_slots,
            max_peers=wishes.max_peers,
            exchanges_peers=wishes.exchanges_peers,
            peers_wanted=wishes.peers_wanted,
            picker=wishes.picker,
            min_peers=wishes.min_peers,
            download_slots=wishes.download_slots,
            goal=None if wishes.goal is None else GoalStatus(*wishes.goal[:3], wishes.goal.action.value),
            added_at=facts.added_at,
            finished_at=record.finished_at,
            active_s=lifetime.active_s,
            seeding_s=lifetime.seeding_s,
            counted_at=wall if self.active_since_s is not None else 0.0,
            held_by=self._holder,
            lacks_metadata=bool(record.magnet),
            custom=wishes.custom,
            own_path=str(record.own_path),
            split=None if record.magnet else record.place.split,
            was_whole=record.is_complete,
        )

    @property
    def _holder(self) -> str:
        if self.record.is_paused:
            return HELD_BY_PAUSE
        return HELD_BY_GOAL if self.record.has_given_enough else self.held_by
