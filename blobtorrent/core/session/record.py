"""What is kept of a torrent for ever: all that a stopped one needs, and all that two rows of the state file say.

`Facts` never change; `Wishes` are what its owner asked for; the record itself holds where it stands. Pure.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.core.session.commands import AddTorrent, FilePriority, SeedGoal, Tiers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import Split

if TYPE_CHECKING:
    from blobtorrent.model.magnet import MagnetLink


class Facts(NamedTuple):
    """What the torrent is, without its metainfo being loaded. `size_bytes` is without padding."""

    info_hash: InfoHash
    name: str
    size_bytes: int
    num_pieces: int
    piece_length: int
    is_private: bool
    added_at: float                    # seconds since 1970


class Wishes(NamedTuple):
    """What its owner wants of it. `goal`, `upload_slots`, `max_peers`, `exchanges_peers`, `peers_wanted`,
    `min_peers`, `download_slots` and `picker` None: as in the settings; `trackers` None: those of the .torrent file.
    Files that are not named are NORMAL."""

    labels: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0
    goal: SeedGoal | None = None
    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    is_sequential: bool = False
    upload_slots: int | None = None
    max_peers: int | None = None
    exchanges_peers: bool | None = None
    trackers: Tiers | None = None
    file_priorities: Mapping[int, FilePriority] = {}
    static_peers: tuple[Endpoint, ...] = ()
    peer_names: tuple[str, ...] = ()   # that static peers are found by
    custom: Mapping[str, str] = {}     # fields of front-ends and scripts, which mean nothing to us
    peers_wanted: int | None = None    # of a tracker at a time
    picker: Mapping[str, str | float] | None = None        # settings of the picker that are other for it
    super_seeding: bool = False        # as a seed it shows each peer a few pieces only (BEP 16)
    min_peers: int | None = None       # below which trackers are asked sooner
    download_slots: int | None = None  # 0: any number
    min_upload_slots: int | None = None                    # that it is promised of those that all torrents share
    min_download_slots: int | None = None
    # Files whose beginning, and whose end, is wanted more than what lies between.
    preferred_ends: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    encodings: tuple[str, ...] = ()    # that its names may have, until its metadata is here

    @property
    def skipped_files(self) -> frozenset[int]:
        return frozenset(number for number, priority in self.file_priorities.items() if priority is FilePriority.SKIP)


class Place(NamedTuple):
    """Where its files lie (`root`) and where they are to be in the end (`download_dir`).

    The two differ while the torrent is incomplete in the incomplete folder, and until a move that was begun has ended.
    `mount_point` is that of the filesystem that `root` was on when it was first used, empty before that. `renames` are
    paths that the metainfo gives and what they are instead, parts joined by slashes. `renaming` is the rename under
    way, `is_moving` says that files may lie at both places, `is_unseen` that its owner says they are here and nobody
    has looked yet.
    """

    download_dir: Path
    root: Path
    is_incomplete: bool = False
    mount_point: str = ""
    renames: Mapping[str, str] = {}
    renaming: tuple[str, str] | None = None
    is_moving: bool = False
    is_unseen: bool = False
    split: Split | None = None         # how its large files are kept in parts; before its metainfo is here, a wish

    def must_move(self, *, is_complete: bool) -> bool:
        """Whether the files are not where they are to be now, or only some of them are."""
        return self.is_moving or self.root != self.download_dir and (is_complete or not self.is_incomplete)


class Lifetime(NamedTuple):
    """Of the torrent's whole life: payload bytes, and seconds in a swarm and of these seeding."""

    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    wasted_bytes: int = 0
    active_s: float = 0.0
    seeding_s: float = 0.0


class Running(NamedTuple):
    """A torrent that has a swarm, at `at` (seconds since 1970): what its lifetime was then."""

    at: float
    is_seeding: bool
    lifetime: Lifetime


REMOVAL_KEEP = "keep-data"
REMOVAL_DELETE = "delete-data"


class TorrentRecord:
    """`have` are the pieces that are verified and on disk, as far as we know; `is_checked` is False until they were
    looked for. `durable` is the mask of those that a row claims, `recent` of those that only the last one added."""

    __slots__ = (
        "done_bytes", "durable", "error", "facts", "finished_at", "foreign", "has_given_enough", "have", "is_checked",
        "is_forced", "is_paused", "is_suspect", "lifetime", "magnet", "owes_finish", "place", "recent", "removal",
        "running", "should_run", "skipped_bytes", "wishes",
    )

    def __init__(self, facts: Facts, wishes: Wishes, place: Place, *, should_run: bool = True) -> None:
        self.facts = facts
        self.wishes = wishes
        self.place = place
        self.should_run = should_run
        self.is_paused = False         # it should run, and is to transfer nothing
        self.is_forced = False         # it should run whatever the queue and its goal say
        self.has_given_enough = False  # it stopped because its goal was met
        self.magnet = ""               # the link that it came as, until its metadata is here
        self.removal = ""              # REMOVAL_*: it is being removed
        self.error: tuple[str, str] = ("", "")             # code and detail: why it is in *error*
        self.is_checked = False
        self.is_suspect = False        # it ran when a process ended without order, and was not looked at since
        self.have = Bitfield(facts.num_pieces)
        self.durable = 0
        self.recent = 0
        self.done_bytes = 0            # payload of `have`
        self.skipped_bytes = 0         # payload that is neither had nor wanted
        self.finished_at = 0.0
        self.owes_finish = False       # it lacked something when it ran last, and nobody was told yet that it has it
        self.lifetime = Lifetime()
        self.running: Running | None = None                # how the last process left it
        self.foreign: Mapping[str, Any] | None = None      # what its row says that only later versions understand

    @property
    def info_hash(self) -> InfoHash:
        return self.facts.info_hash

    @property
    def own_path(self) -> Path:
        """The torrent's own file or folder; of a file that is kept in parts, the first."""
        name = self.place.renames.get(self.facts.name, self.facts.name)
        return self.place.root / (name if self.place.split is None else name + self.place.split.own_ending)

    def forget_pieces(self) -> None:
        """It is to be checked anew."""
        self.have = Bitfield(self.facts.num_pieces)
        self.durable = self.recent = self.done_bytes = self.skipped_bytes = 0
        self.is_checked = False

    @property
    def left_bytes(self) -> int:
        """Payload that is wanted and not there."""
        return max(0, self.facts.size_bytes - self.done_bytes - self.skipped_bytes)

    @property
    def is_complete(self) -> bool:
        """Everything that is wanted was there at the last look."""
        return self.is_checked and not self.left_bytes

    @property
    def must_move(self) -> bool:
        return self.place.must_move(is_complete=self.is_complete)

    @property
    def unsaved(self) -> int:
        """The mask of pieces that are on disk and that no row claims yet."""
        return self.have.mask & ~self.durable


def facts_of(metainfo: Metainfo, added_at: float) -> Facts:
    geometry = metainfo.geometry
    return Facts(metainfo.info_hash, metainfo.name, metainfo.payload_bytes, geometry.num_pieces,
                 geometry.piece_length, metainfo.is_private, added_at)


def facts_of_link(link: "MagnetLink", added_at: float) -> Facts:
    """What is known before the metadata is here: little. A link's word on the size is no more than advice."""
    return Facts(link.info_hash, link.name or link.info_hash.hex, 0, 0, 0, False, added_at)


def wishes_of(command: AddTorrent) -> Wishes:
    return Wishes(
        labels=command.labels,
        group=command.group,
        priority=command.priority,
        goal=command.goal,
        down_bytes_per_s=command.down_bytes_per_s,
        up_bytes_per_s=command.up_bytes_per_s,
        is_sequential=command.is_sequential,
        upload_slots=command.upload_slots,
        max_peers=command.max_peers,
        file_priorities=dict(command.file_priorities),
        static_peers=command.peers,
        peer_names=command.peer_names,
        custom=dict(command.custom),
        picker=command.picker,
        super_seeding=command.super_seeding,
        encodings=command.encodings,
    )
