"""The work that hasher and disk threads do, and what they answer. Jobs are batches; every job is answered exactly once.

A block of a piece in memory lies in an arena slot; SPILLED marks one that lies in the torrent's part store instead.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Collection, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.storage.live.recovery import Recovered

SPILLED = -1


class FullPiece:
    """All blocks of one piece: `slots[block]` is an arena slot id or SPILLED. `token` is the sender's own.

    Who hashes it leaves `digests` of its blocks if it `is_doubted` or does not match: a few bytes each.
    """

    __slots__ = ("digests", "index", "is_doubted", "size", "slots", "token")

    def __init__(self, index: int, size: int, slots: list[int], token: Any = None, *, is_doubted: bool = False) -> None:
        self.digests: Sequence[bytes] = ()
        self.is_doubted = is_doubted
        self.index = index
        self.size = size
        self.slots = slots
        self.token = token


class HashPieces(NamedTuple):
    """Hash these pieces; write those that match, without passing the sender. Posted to the hasher pool.

    Answered by one PieceVerdicts for the pieces that did not match (if any) and one or more for the others.
    """

    info_hash: InfoHash
    store: Store
    pieces: list[FullPiece]
    reply_to: Mailbox[Any]


class WritePieces(NamedTuple):
    """Write pieces whose hash was checked. Posted to the store's disk lane; answered by PieceVerdicts."""

    info_hash: InfoHash
    store: Store
    pieces: list[FullPiece]
    reply_to: Mailbox[Any]


class PieceVerdicts(NamedTuple):
    """`written` are on disk and `spoiled` did not match: the slots of both are already released.

    `unwritten` matched but the disk refused (`error` says why): they still hold their slots; post them again as
    WritePieces later or release them.
    `lost` could not be hashed, because spilled blocks could not be read back (`error` says why): their slots are
    released, they must be fetched again, and no peer is to blame.
    """

    info_hash: InfoHash
    written: list[FullPiece]
    spoiled: list[FullPiece]
    unwritten: list[FullPiece]
    error: StorageError | None = None
    lost: Sequence[FullPiece] = ()


class Span:
    """Bytes of one piece to read into `slots` (16 KiB each, the last may be short). `token` is the sender's own.

    So many `announced_bytes` behind it will be wanted soon: the kernel may fetch them meanwhile.
    """

    __slots__ = ("announced_bytes", "begin", "index", "length", "slots", "token")

    def __init__(self, index: int, begin: int, length: int, slots: list[int], token: Any = None) -> None:
        self.index = index
        self.begin = begin
        self.length = length
        self.slots = slots
        self.token = token
        self.announced_bytes = 0


class ReadSpans(NamedTuple):
    """Read verified bytes for uploads. Posted to the store's disk lane; answered by one SpansRead."""

    info_hash: InfoHash
    store: Store
    spans: list[Span]
    reply_to: Mailbox[Any]


class SpansRead(NamedTuple):
    """`spans` are filled. `failed` could not be read (`error` says why); their slots are still the asker's."""

    info_hash: InfoHash
    spans: list[Span]
    failed: list[Span]
    error: StorageError | None = None


class SpillBlocks:
    """Move unverified blocks of a stalled piece to the part store.

    Posted to the disk lane; answered by BlocksSpilled. The piece is neither hashed nor spilled again before that.
    """

    __slots__ = ("blocks", "index", "info_hash", "reply_to", "store", "token")

    def __init__(self, info_hash: InfoHash, store: Store, index: int, blocks: list[tuple[int, int]],
                 reply_to: Mailbox[Any], token: Any = None) -> None:
        self.info_hash = info_hash
        self.store = store
        self.index = index
        self.blocks = blocks           # (block, slot)
        self.reply_to = reply_to
        self.token = token


class BlocksSpilled:
    """The blocks lie in the part store, their slots are released; or `error`, and the slots are still the asker's."""

    __slots__ = ("blocks", "error", "index", "info_hash", "token")

    def __init__(self, info_hash: InfoHash, index: int, blocks: list[tuple[int, int]], token: Any,
                 error: StorageError | None = None) -> None:
        self.info_hash = info_hash
        self.index = index
        self.blocks = blocks
        self.token = token
        self.error = error


class KeepBlocks(NamedTuple):
    """Copy unverified blocks to the torrent's part store and make them durable, so that a power cut spares them.

    `pieces` are (index, [(block, slot), ...]). Posted to the disk lane; answered by one BlocksKept. The slots stay the
    asker's; none of the pieces is hashed, spilled or given up before the answer.
    """

    info_hash: InfoHash
    store: Store
    pieces: list[tuple[int, list[tuple[int, int]]]]
    reply_to: Mailbox[Any]
    token: Any = None


class BlocksKept(NamedTuple):
    """Without `error`, all of the blocks are in the part store, durably."""

    info_hash: InfoHash
    token: Any
    error: StorageError | None = None


class SyncStore(NamedTuple):
    """Make durable what was written to the torrent's files. Posted to the disk lane; answered by StoreSynced.

    What was written before this was posted is covered; of what is written meanwhile nothing is known. `have` is the
    mask of pieces that were written: files that are whole with them are looked at, as by FindLost.
    """

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]
    have: int = 0


class StoreSynced(NamedTuple):
    """The files that were synced, as they are now. With `error`, pages may be lost: none of the new pieces counts, and
    nothing of `gone_files`, which lost their names. `lost` are pieces that were written and are not there.
    """

    info_hash: InfoHash
    stamps: Mapping[int, FileStamp]
    error: StorageError | None = None
    gone_files: Sequence[int] = ()
    lost: Sequence[int] = ()


class FindLost(NamedTuple):
    """See whether all of the files that are whole with the pieces in the mask `have` is still there: somebody else may
    have cut them short while they were written. Posted to the disk lane; answered by LostFound."""

    info_hash: InfoHash
    store: Store
    have: int
    reply_to: Mailbox[Any]


class LostFound(NamedTuple):
    """`lost` are pieces that were written and are not there. With `error`, files could not be looked at."""

    info_hash: InfoHash
    lost: Sequence[int]
    error: StorageError | None = None


class CheckPieces(NamedTuple):
    """Read and hash what lies on disk. Posted to the hasher pool; answered by one PiecesChecked.

    A torrent is checked by many jobs of some 16 MiB, a few at a time: pieces of other torrents wait in the same queue.
    """

    info_hash: InfoHash
    store: Store
    indices: range
    reply_to: Mailbox[Any]


class PiecesChecked(NamedTuple):
    """`missing` lacked bytes on disk, `bad` had all bytes but another hash. With `error`, nothing is known."""

    info_hash: InfoHash
    indices: range
    good: list[int]
    bad: list[int]
    missing: list[int]
    error: StorageError | None = None


class PrepareStore(NamedTuple):
    """Make the folder, empty files, links and (if asked) allocation; find what is left of unfinished pieces.

    Posted to the disk lane, before any other job of the store; answered by StorePrepared. `stamps` are the files as
    they were when the torrent was saved, `have` the pieces that are verified, `recovered` what a killed process left
    of the torrent in memory: its blocks go to the part store. The files `made`, by their numbers, are made though they
    are empty, those `sized` are given their length; not those that nobody wants.
    """

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]
    stamps: Mapping[int, FileStamp] = {}
    have: Container[int] = ()
    recovered: "Recovered | None" = None
    made: Collection[int] = ()
    sized: Collection[int] = ()


class StorePrepared(NamedTuple):
    """`has_data` is False when none of the torrent's files held a byte before: nothing to check then.

    `partial` are the blocks in the part store of pieces that are not had: piece -> block numbers, ascending; a piece
    may be there as a whole. `changed` are files that are not as their stamp says, `missing_files` had one and are gone.
    `damaged_blocks` were in the part stores and were not what was put there.
    """

    info_hash: InfoHash
    has_data: bool
    error: StorageError | None = None
    partial: Mapping[int, tuple[int, ...]] = {}
    changed: Sequence[int] = ()
    missing_files: Sequence[int] = ()
    damaged_blocks: int = 0


class CloseStore(NamedTuple):
    """Close descriptors. Posted to the disk lane, after all other jobs of the store; answered by StoreClosed.

    What is in the part store stays for the next PrepareStore, unless it is one without a name.
    """

    info_hash: InfoHash
    store: Store
    reply_to: Mailbox[Any]


class StoreClosed(NamedTuple):
    info_hash: InfoHash
