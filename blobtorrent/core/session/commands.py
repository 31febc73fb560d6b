"""What the session can be asked for, and the Reply that the answer comes in."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import queue
from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from blobtorrent.config.schema import Settings
from blobtorrent.config.values import ListenSpec
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, Unavailable, bare
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.core.session.queries import Query
    from blobtorrent.model.details import PeerTreatment
    from blobtorrent.model.magnet import MagnetLink

T = TypeVar("T")

NO_ANSWER = "command.no-answer"        # the code of waiting in vain: what was asked for may happen yet


class GoalAction(Enum):
    """What happens to a torrent that has seeded enough."""

    STOP = "stop"
    REMOVE = "remove"                  # forget it, keep its files
    REMOVE_WITH_DATA = "remove-with-data"


class SeedGoal(NamedTuple):
    """When a complete torrent has done enough: as soon as one of the limits that are set is reached. None set: never.

    `ratio` is uploaded bytes over payload bytes, `time_s` counts the seconds it was seeding, over all its runs, and
    `idle_s` those since somebody took a byte of it last.
    """

    ratio: float | None = None
    time_s: float | None = None
    idle_s: float | None = None
    action: GoalAction = GoalAction.STOP


class FilePriority(IntEnum):
    """How much a file is wanted."""

    SKIP = 0
    NORMAL = 1
    HIGH = 2


class Reset(Enum):
    """Stands for "as if nothing had ever been said about it", where None already means "as it is"."""

    RESET = "reset"


RESET = Reset.RESET

Tiers = tuple[tuple[str, ...], ...]    # trackers of a torrent: all of a tier stand for the same (BEP 12)


class OpenListeners(NamedTuple):
    """Answered by the tuple of addresses (host, port) that are open; NetworkError when none could be opened.

    Torrents that are to run begin to when it is answered.
    """

    addresses: tuple[ListenSpec, ...]


class AddTorrent(NamedTuple):
    """Prepare, check what lies on disk, then download and seed. Answered by the InfoHash; Conflict when it is there.

    It is given by its `metainfo`, or by a `magnet` link: then its metadata is fetched from peers first. A session that
    keeps state answers when the torrent is safe on disk, and needs `raw`, the bytes of the .torrent file.
    `download_dir` is the folder that gets the torrent's file or folder, None that of the settings, as for `goal`.
    `peers` are tried for ever, and so is who is found by the `peer_names` (see `config.values.peer_name`).
    `file_priorities` names the files, by number, that are not NORMAL; `renames` are other names than its own for some,
    as in `record.Place`. With `skip_check` what lies on disk is believed
    to be complete when all sizes are right. Who may not do everything sets `only_public_peers`: the link names nobody
    near us then.
    """

    metainfo: Metainfo | None
    download_dir: Path | None = None
    peers: tuple[Endpoint, ...] = ()
    goal: SeedGoal | None = None
    raw: bytes = b""
    start: bool = True
    labels: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0                  # among torrents: higher ones are started first
    file_priorities: Mapping[int, FilePriority] = {}
    down_bytes_per_s: int = 0          # 0: no limit of its own
    up_bytes_per_s: int = 0
    is_sequential: bool = False
    upload_slots: int | None = None    # None: as in the settings
    max_peers: int | None = None
    skip_check: bool = False
    magnet: "MagnetLink | None" = None
    peer_names: tuple[str, ...] = ()
    custom: Mapping[str, str] = {}     # small texts of front-ends and scripts, which mean nothing to us
    picker: Mapping[str, str | float] | None = None        # as in the settings, but for what is named; see picking
    super_seeding: bool = False
    only_public_peers: bool = False
    renames: Mapping[str, str] = {}
    encodings: tuple[str, ...] = ()    # of a link: that its names may have which are no UTF-8
    splits_files: bool = True          # as the settings say; else large files are whole whatever they say


class AddPeers(NamedTuple):
    """Peers that are tried for ever, and names that they are found by. Answered by None; NotFound for an unknown
    torrent."""

    info_hash: InfoHash
    peers: tuple[Endpoint, ...]
    names: tuple[str, ...] = ()


class HandlePeer(NamedTuple):
    """Deal with a connected peer in another way. Answered by None at once; NotFound for an unknown torrent. Nothing
    happens when the peer is gone."""

    info_hash: InfoHash
    peer: Endpoint
    treatment: "PeerTreatment"


class StartTorrent(NamedTuple):
    """Have a torrent run as soon as the queue lets it, or go on if it is paused. Answered by None; NotFound, or
    Conflict when it runs already.

    With `now` it runs until it is stopped, whatever its goal says, and beyond the queue: at once, and without taking a
    place from those that wait.
    """

    info_hash: InfoHash
    now: bool = False


class StopTorrent(NamedTuple):
    """Close the swarm and the files, keep the torrent. Answered by None; NotFound, or Conflict when it is stopped."""

    info_hash: InfoHash


class PauseTorrent(NamedTuple):
    """Transfer nothing, but keep the connections and the place in the queue, until it is started or stopped.

    Answered by None when that is safe on disk; NotFound, or Conflict when it does not run or is paused already.
    """

    info_hash: InfoHash


class RemoveTorrent(NamedTuple):
    """Stop and forget a torrent. Answered by None; NotFound, or Conflict when it is being removed.

    With `with_data` its own files are deleted, and folders that are empty then.
    """

    info_hash: InfoHash
    with_data: bool = False


class RecheckTorrent(NamedTuple):
    """Hash everything that lies on disk. A stopped torrent is stopped afterwards. Answered by None when it is begun;
    NotFound, or Conflict while it is being moved or removed.

    With `if_unknown` only when nobody has looked yet what there is, and then as its first start does: what was added
    with `skip_check` is believed.
    """

    info_hash: InfoHash
    if_unknown: bool = False


class Reannounce(NamedTuple):
    """Ask all trackers for peers now. Answered by None; NotFound, or Conflict when it does not run."""

    info_hash: InfoHash


class MoveTorrent(NamedTuple):
    """Keep the files in another folder. Answered by None when the wish is recorded; TorrentMoved tells the end.

    Of a torrent in the incomplete folder only the folder that it moves to when it is complete changes. Without
    `move_files` the files stay where they are and the torrent uses what lies in the other folder: somebody has moved
    them there. What does not look as it was left is hashed. Then the torrent's own file or folder may have another
    `name` there, one part of a path.
    """

    info_hash: InfoHash
    download_dir: Path
    move_files: bool = True
    name: str | None = None            # None: as it is called now


class RenamePath(NamedTuple):
    """Give a file or folder another name. Answered by None when it is done; NotFound, Invalid, Conflict, StorageError.

    `old` and `new` are paths below the download folder, parts joined by slashes; the first part is the torrent's own
    file or folder.
    """

    info_hash: InfoHash
    old: str
    new: str


class TorrentChanges(NamedTuple):
    """What may be changed of a torrent at any time. None: as it is; RESET: as of one that was added without a word."""

    labels: tuple[str, ...] | Reset | None = None
    group: str | Reset | None = None
    priority: int | Reset | None = None
    goal: SeedGoal | Reset | None = None
    down_bytes_per_s: int | Reset | None = None
    up_bytes_per_s: int | Reset | None = None
    is_sequential: bool | Reset | None = None
    upload_slots: int | Reset | None = None
    max_peers: int | Reset | None = None
    exchanges_peers: bool | Reset | None = None            # never those of a private torrent
    peers_wanted: int | Reset | None = None                # of a tracker at a time
    picker: Mapping[str, str | float] | Reset | None = None                # in place of what there was
    super_seeding: bool | Reset | None = None
    min_peers: int | Reset | None = None                   # below which trackers are asked sooner
    file_priorities: Mapping[int, FilePriority] | Reset | None = None      # of these files; others keep theirs
    download_slots: int | Reset | None = None              # peers that are asked for blocks at once; 0: any number
    # Files of which the first, and the last, piece is wanted as much as those of files that are HIGH.
    preferred_ends: tuple[frozenset[int], frozenset[int]] | Reset | None = None
    min_upload_slots: int | Reset | None = None            # that it is promised of those that all torrents share
    min_download_slots: int | Reset | None = None
    custom: Mapping[str, str | None] | Reset | None = None # these texts, None for those that go; others stay


class ChangeTorrent(NamedTuple):
    """Answered by None when the change is safe on disk; NotFound, or Invalid for a file that does not exist.

    With `is_current` it is made only if that says so of the snapshot of the moment, on the session's thread; else
    Conflict ("torrent.changed").
    """

    info_hash: InfoHash
    changes: TorrentChanges
    is_current: Callable[[TorrentStatus], bool] | None = None


class MakeFiles(NamedTuple):
    """When the torrent is opened next, the files `made`, by their numbers, are there from then on, if empty, and the
    files `sized` have their whole length. In place of what was said before, and not kept for another run.

    Answered by None; NotFound.
    """

    info_hash: InfoHash
    made: frozenset[int]
    sized: frozenset[int]


class SetTrackers(NamedTuple):
    """Announce to these trackers and no others; None: to those that the .torrent file names. A running torrent does at
    once.

    Answered by None when that is safe on disk; NotFound, or Invalid ("trackers.bad-url", "trackers.too-many").
    """

    info_hash: InfoHash
    tiers: Tiers | None


class AddTrackers(NamedTuple):
    """Announce to these trackers too, in tiers behind those that there are; what is there already is passed over.

    Answered as SetTrackers is.
    """

    info_hash: InfoHash
    tiers: Tiers


class FilesOf(NamedTuple):
    """Answered by a tuple of FileStatus, one for each file that is not padding; NotFound, StorageError."""

    info_hash: InfoHash


class ApplySettings(NamedTuple):
    """Use these settings from now on, as far as they can change while the session runs. Answered by None."""

    settings: Settings


class DrainSession(NamedTuple):
    """Begin nothing more, finish the pieces under way, and hand on those that nobody else has, as long as somebody
    takes them; at most for `timeout_s` seconds. Then it is time for StopSession.

    Answered by None when that has begun; the session's snapshot tells the end, by its `unique_pieces`. Unavailable
    ("session.starting").
    """

    timeout_s: float


class StopSession:
    """Stop everything. Answered when the trackers were told and all is closed and saved (True), or the time is over."""


TorrentCommand = (
    AddTorrent | AddPeers | HandlePeer | StartTorrent | StopTorrent | PauseTorrent | RemoveTorrent | RecheckTorrent
    | Reannounce | MoveTorrent | RenamePath | ChangeTorrent | MakeFiles | SetTrackers | AddTrackers | FilesOf
)
Command = OpenListeners | TorrentCommand | ApplySettings | DrainSession | StopSession


class Reply(Generic[T]):
    """The answer to one command, given once by the session and awaited once by the asker."""

    def __init__(self) -> None:
        self._box: Mailbox[T | BlobTorrentError] = Mailbox("reply")

    def give(self, answer: T | BlobTorrentError) -> None:
        self._box.post(bare(answer) if isinstance(answer, BlobTorrentError) else answer)

    def wait(self, timeout_s: float) -> T:
        """The answer. Raises the error that it is, or Unavailable ("command.no-answer") after `timeout_s` seconds."""
        try:
            answer = self._box.get(timeout_s)
        except queue.Empty:
            raise Unavailable(NO_ANSWER, f"no answer within {timeout_s:g} s") from None
        if isinstance(answer, BlobTorrentError):
            try:
                raise answer
            finally:
                del answer             # a frame and the error that knows it would keep each other
        return answer


class Ask(NamedTuple):
    """A command or query on its way to the session."""

    command: "Command | Query"
    reply: Reply[Any]
