"""Downloads: all of them by their hashes, in the order they came, and the way to the engine for everything of theirs.

The interpreter's thread owns it. It learns what is new from the engine's board when it looks; nothing is told of a
download that the engine has no torrent of.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from blobtorrent.core.session.commands import ChangeTorrent, FilePriority, FilesOf, MakeFiles, TorrentChanges
from blobtorrent.core.session.queries import MetainfoOf, OverviewsOf, PeersOf, PiecesOf
from blobtorrent.interface.rtorrent.downloads.download import (
    CREATE,
    FIRST,
    LAST,
    META_SHAPE,
    RESIZE,
    Download,
    preferred_in,
)
from blobtorrent.interface.rtorrent.faults import failed, no_such_download
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.splitting import in_parts
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.pacing import paced, paced_batches

if TYPE_CHECKING:
    from blobtorrent.core.session.commands import Command, Reply
    from blobtorrent.core.session.queries import Query
    from blobtorrent.model.details import PeerStatus, PieceReport, TrackerStatus
    from blobtorrent.model.metainfo import Metainfo, Shape
    from blobtorrent.model.status import FileStatus, TorrentStatus
    from blobtorrent.runtime.board import StatusBoard

log = get_logger(__name__)

T = TypeVar("T")

FRESH_S = 1.0                          # for so long an answer of the engine is good for more columns
TRACKERS_FRESH_S = 5.0
TRACKERS_KNOWN_S = 60.0                # for those who do not look
SAME_MOMENT_S = 0.5
MAX_METAINFOS = 16
OVERVIEWS_AT_ONCE = 32                 # so that nobody has to wait for the engine's thread
MAX_ANSWERS = 256
SAVE_S = 10.0                          # for what is to be durable
MAX_TEXTS = 1 << 18                    # characters of all texts of a download


class Engine(Protocol):
    """What of the Gateway is used here."""

    torrents: StatusBoard[InfoHash, TorrentStatus]

    def submit(self, command: Command | Query) -> Reply[Any]:
        """Send a command or query; the answer comes in the Reply."""

    def ask(self, command: Command | Query, timeout_s: float = SAVE_S) -> Any:
        """Send it and wait. Raises BlobTorrentError."""


class _Answers(Generic[T]):
    """The latest answers to one kind of question."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[InfoHash, tuple[float, T]] = OrderedDict()

    def get(self, key: InfoHash, not_before: float) -> T | None:
        kept = self._kept.get(key)
        return None if kept is None or kept[0] < not_before else kept[1]

    def put(self, key: InfoHash, now: float, answer: T) -> None:
        self._kept[key] = (now, answer)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def drop(self, key: InfoHash) -> None:
        self._kept.pop(key, None)


class Downloads:
    """`now` counts seconds since 1970, `elapsed` those of a clock that nobody sets."""

    def __init__(self, engine: Engine, *, now: Callable[[], float] = time.time,
                 elapsed: Callable[[], float] = time.monotonic) -> None:
        self.engine = engine
        self.now = now
        self._elapsed = elapsed
        self._revision = 0
        self._by_hash: dict[str, Download] = {}
        self._by_info_hash: dict[InfoHash, Download] = {}
        # Whose torrents the engine is still taking down, and when these were added.
        self._erased: dict[InfoHash, float] = {}
        self._under_way: list[Reply[Any]] = []
        self._is_hurrying = False
        self._with_wishes: dict[InfoHash, Download] = {}
        self._files: _Answers[tuple[FileStatus, ...]] = _Answers(MAX_ANSWERS)
        self._peers: _Answers[tuple[PeerStatus, ...]] = _Answers(MAX_ANSWERS)
        self._metainfos: _Answers[Metainfo] = _Answers(MAX_METAINFOS)

    # ---- which there are

    def refresh(self) -> None:
        """Take over what the engine's board says now."""
        board = self.engine.torrents
        if board.revision == self._revision:
            return
        changes = board.read_since(self._revision)
        self._revision = changes.revision
        if changes.is_full:
            for info_hash in self._by_info_hash.keys() - changes.changed.keys():
                self._drop(info_hash)
        for info_hash in changes.withdrawn:
            self._drop(info_hash)
        for info_hash, status in paced(changes.changed.items()):
            download = self._by_info_hash.get(info_hash)
            if download is not None:
                if _has_moved(download.status, status):
                    download.moved_at = int(self.now())
                download.update(status)
            elif self._erased.get(info_hash) != status.added_at:
                self._erased.pop(info_hash, None)          # it was gone and is back, all since the last look
                self._add(Download(status))

    def _add(self, download: Download) -> None:
        self._by_hash[download.hash] = self._by_info_hash[download.info_hash] = download

    def _drop(self, info_hash: InfoHash) -> None:
        self._erased.pop(info_hash, None)
        download = self._by_info_hash.pop(info_hash, None)
        if download is not None:
            download.is_gone = True
            self._by_hash.pop(download.hash, None)
        for answers in (self._files, self._peers, self._metainfos):
            answers.drop(info_hash)

    def forget(self, download: Download) -> None:
        """It was erased: nobody finds it any more, though the engine still takes it down."""
        self._drop(download.info_hash)
        status = self.engine.torrents.read(download.info_hash)
        if status is not None:
            self._erased[download.info_hash] = status.added_at

    def all(self) -> list[Download]:
        """In the order they came."""
        self.refresh()
        return list(self._by_hash.values())

    def __len__(self) -> int:
        self.refresh()
        return len(self._by_hash)

    def find(self, digits: str) -> Download:
        """By 40 hexadecimal digits. Raises Fault."""
        self.refresh()
        download = self._by_hash.get(digits.upper())
        if download is None:
            raise no_such_download()
        return download

    def of(self, info_hash: InfoHash) -> Download | None:
        self.refresh()
        return self._by_info_hash.get(info_hash)

    def has(self, download: Download) -> bool:
        """Whether it is there still: what fails for one that is not is no news."""
        self.refresh()
        return not download.is_gone

    # ---- what is done to them

    def ask(self, command: Command | Query, timeout_s: float = SAVE_S) -> Any:
        """Have the engine do it, and see what is so now. Raises Fault with the engine's words."""
        try:
            answer = self.engine.ask(command, timeout_s)
        except BlobTorrentError as error:
            raise failed(error.detail) from None
        self.refresh()
        return answer

    def try_to(self, command: Command, *harmless: str) -> bool:
        """The same; False for an error with one of the codes that mean that there is nothing to do."""
        try:
            self.engine.ask(command, SAVE_S)
        except BlobTorrentError as error:
            if error.code not in harmless:
                raise failed(error.detail) from None
            return False
        self.refresh()
        return True

    def change(self, download: Download, changes: TorrentChanges) -> None:
        """Safe when it returns, unless the download is being loaded, or somebody hurries. Raises Fault."""
        command = ChangeTorrent(download.info_hash, changes)
        if download.is_new or self._is_hurrying:
            self._under_way.append(self.engine.submit(command))
        else:
            self.ask(command)

    def set_texts(self, download: Download, texts: Mapping[str, str | None]) -> None:
        """Keep these small texts with it; None for those that go. Raises Fault."""
        self.note(download, texts)
        unsaved = dict(download.unsaved)
        if unsaved:
            self.change(download, TorrentChanges(custom=unsaved))

    def note(self, download: Download, texts: Mapping[str, str | None]) -> None:
        """The same, but they are saved with the next ones that matter more. Raises Fault when there are too many."""
        length = sum(len(key) + len(text) for key, text in download.texts.items())
        if length + sum(len(key) + len(text or "") for key, text in texts.items()) > MAX_TEXTS:
            raise failed("Too much text for one download.")
        custom = download.status.custom
        unsaved = {**download.unsaved, **texts}
        download.unsaved = {key: text for key, text in unsaved.items() if custom.get(key) != text}

    def settle(self) -> None:
        """Wait for what is under way, and apply what was put off: at the end of a request."""
        for download in list(self._with_wishes.values()):
            self.apply_priorities(download)
        self._wait()

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """Changes that are made meanwhile are waited for at the end, all at once: each one takes the disk its time."""
        was_hurrying, self._is_hurrying = self._is_hurrying, True
        try:
            yield
        finally:
            self._is_hurrying = was_hurrying
            if not was_hurrying:
                self._wait()

    def _wait(self) -> None:
        waiting, self._under_way = self._under_way, []
        for reply in waiting:
            try:
                reply.wait(SAVE_S)
            except BlobTorrentError as error:
                log.warning("a change was not saved", code=error.code, detail=error.detail)
        if waiting:
            self.refresh()

    def wish_priority(self, download: Download, number: int, priority: int) -> None:
        """How much a file is wanted, from the next `apply_priorities` on."""
        download.file_wishes[number] = priority
        self._with_wishes[download.info_hash] = download

    def wish_ends(self, download: Download) -> None:
        """Its texts name other ends of files that are preferred: they count from the next `apply_priorities` on."""
        download.ends_wished = True
        self._with_wishes[download.info_hash] = download

    def queue_file(self, download: Download, what: str, number: int, is_queued: bool) -> None:
        """A file is to be made (CREATE), or given its length (RESIZE), when the download is opened next, or not; the
        engine hears of it at the end of the request: tools say so of all files, one by one."""
        download.files_queued[what, number] = is_queued
        download.queue_wished = True
        self._with_wishes[download.info_hash] = download

    def apply_priorities(self, download: Download) -> None:
        """Have the engine follow. Raises nothing: a torrent that is gone has no files."""
        wishes, download.file_wishes = download.file_wishes, {}
        ends_wished, download.ends_wished = download.ends_wished, False
        self._with_wishes.pop(download.info_hash, None)
        if (wishes or ends_wished) and not download.is_gone:
            priorities = {number: FilePriority(priority) for number, priority in wishes.items()}
            ends = preferred_in(download.text(FIRST)), preferred_in(download.text(LAST))
            self._under_way.append(self.engine.submit(ChangeTorrent(download.info_hash, TorrentChanges(
                file_priorities=priorities or None, preferred_ends=ends if ends_wished else None))))
            self._files.drop(download.info_hash)
        if download.queue_wished:
            download.queue_wished = False
            if not download.is_gone:
                made, sized = (
                    frozenset(number for (what, number), is_queued in download.files_queued.items()
                              if is_queued and what == kind) for kind in (CREATE, RESIZE))
                self._under_way.append(self.engine.submit(MakeFiles(download.info_hash, made, sized)))

    # ---- what is asked of them

    def files(self, download: Download) -> tuple[FileStatus, ...]:
        """Raises Fault. None of a magnet link."""
        if download.status.lacks_metadata:
            return ()
        before = self._files.get(download.info_hash, 0.0)
        files = self._told(self._files, FilesOf, download)
        if before is not None and files is not before and _are_same(files, before):
            self._files.put(download.info_hash, self._elapsed(), before)       # who kept it sees that it is the same
            return before
        return files

    def trackers(self, download: Download) -> Sequence[TrackerStatus]:
        """One entry for each URL. Raises Fault.

        It may be old: who wants to know how they stand now looks at them before.
        """
        if not self._is_tracked(download, TRACKERS_KNOWN_S):
            self._overview([download])
        trackers = download.trackers
        if trackers is None:
            raise failed("Its trackers are not known: the .torrent file cannot be read.")
        return trackers

    def knows_trackers(self, download: Download) -> bool:
        """Whether `trackers` would answer what the download has."""
        return self._is_tracked(download, TRACKERS_KNOWN_S)

    def look_at_trackers(self, downloads: Sequence[Download]) -> None:
        """See how they stand; those that cannot be read are left as they are. Raises Fault."""
        self._overview([download for download in paced(downloads)
                        if not self._is_tracked(download, TRACKERS_FRESH_S)])

    def learn_shapes(self, downloads: Sequence[Download]) -> None:
        """Have the shapes of many at hand, as far as they can be read. Raises Fault."""
        self._overview([download for download in paced(downloads)
                        if download.shape is None and not download.status.lacks_metadata])

    def _is_tracked(self, download: Download, for_s: float) -> bool:
        # Nobody asks the trackers of a stopped torrent: what is known of them stays so.
        return download.trackers is not None and (
            download.status.state in ("stopped", "queued") or download.tracked_at >= self._elapsed() - for_s)

    def _overview(self, downloads: Sequence[Download]) -> None:
        """Look at what no snapshot has. Raises Fault."""
        for batch in paced_batches(downloads, OVERVIEWS_AT_ONCE):
            now = self._elapsed()
            overviews = self.ask(OverviewsOf(tuple([download.info_hash for download in batch])))
            for download in batch:
                overview = overviews.get(download.info_hash)
                if overview is not None:
                    download.tracked_at = now
                    download.shape = overview.shape
                    trackers = tuple({tracker.url: tracker for tracker in reversed(overview.trackers)}.values())[::-1]
                    if not _are_alike(trackers, download.trackers):
                        download.trackers = trackers

    def tracker_failure(self, download: Download) -> str:
        """What its trackers said last, if that was an error, and none of them serves; else nothing."""
        if not download.is_active:
            return ""
        failure = ""
        for tracker in self.trackers(download):
            if tracker.last_announce_at and not tracker.error_code:
                return ""
            failure = failure or (tracker.result if tracker.error_code else "")
        return failure

    def forget_trackers(self, info_hash: InfoHash) -> None:
        """They are others now, perhaps."""
        download = self._by_info_hash.get(info_hash)
        if download is not None:
            download.trackers = None

    def peers(self, download: Download) -> tuple[PeerStatus, ...]:
        """Raises Fault."""
        kept = self._peers.get(download.info_hash, self._elapsed() - FRESH_S)
        if kept is None:
            kept = self.ask(PeersOf(download.info_hash)).peers
            assert kept is not None
            self._peers.put(download.info_hash, self._elapsed(), kept)
        return kept

    def pieces(self, download: Download) -> PieceReport:
        """Raises Fault."""
        report: PieceReport = self.ask(PiecesOf(download.info_hash))
        return report

    def _told(self, answers: _Answers[T], question: Callable[[InfoHash], Command | Query], download: Download) -> T:
        kept = answers.get(download.info_hash, self._elapsed() - FRESH_S)
        if kept is None:
            kept = self.ask(question(download.info_hash))
            assert kept is not None
            answers.put(download.info_hash, self._elapsed(), kept)
        return kept

    def raw(self, download: Download) -> bytes:
        """The .torrent file. Raises Fault."""
        raw: bytes = self.ask(MetainfoOf(download.info_hash))
        return raw

    def metainfo(self, download: Download) -> Metainfo:
        """Its files as they lie on disk. Raises Fault, also for a magnet link."""
        from blobtorrent.protocol.metafile import parse_torrent

        kept = self._metainfos.get(download.info_hash, 0.0)
        if kept is None:
            try:
                kept = in_parts(parse_torrent(self.raw(download)), download.status.split)
            except BlobTorrentError as error:
                raise failed(error.detail) from None
            self._metainfos.put(download.info_hash, self._elapsed(), kept)
        return kept

    def learn(self, download: Download, metainfo: Metainfo) -> None:
        """What is in it, for whom the metainfo is at hand."""
        download.shape = in_parts(metainfo, download.status.split).shape

    def shape(self, download: Download) -> Shape:
        """Raises Fault when its metainfo cannot be read."""
        if download.status.lacks_metadata:
            return META_SHAPE
        if download.shape is None:
            download.shape = self.metainfo(download).shape
        return download.shape

    def directory(self, download: Download) -> str:
        """Where its files are; of one with a folder, that."""
        shape = download.shape or self.shape(download)
        return download.own_path if shape.is_multi_file else download.root

    def __iter__(self) -> Iterator[Download]:
        return iter(self.all())


def _has_moved(before: TorrentStatus, after: TorrentStatus) -> bool:
    return before.uploaded_bytes != after.uploaded_bytes or before.downloaded_bytes != after.downloaded_bytes


def _are_same(values: Sequence[T], before: Sequence[T]) -> bool:
    return len(values) == len(before) and all(one == other for one, other in paced(zip(values, before)))


def _are_alike(trackers: Sequence[TrackerStatus], before: Sequence[TrackerStatus] | None) -> bool:
    """Nothing has happened in between: when a tracker is asked next is told a little differently each time."""
    return before is not None and len(trackers) == len(before) and all(
        one == other or abs(one.next_announce_at - other.next_announce_at) < SAME_MOMENT_S
        and one == other._replace(next_announce_at=one.next_announce_at) for one, other in zip(trackers, before))
