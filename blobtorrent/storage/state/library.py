"""The library: the .torrent files of the state directory, and the rows that a torrent needs only while it is loaded.

Each file is there twice (HASH.torrent, HASH.torrent.1), because nothing can be downloaded again without it, and a
private tracker's metadata comes from nobody else. A row of the state file holds the digest of the whole file: the
info-hash alone would not notice a changed tracker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import BlobTorrentError, FileMissing, FormatError, ResumeCorrupt, StorageError, bare
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.pacing import paced
from blobtorrent.runtime.worker import Worker
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.metadatareading import read_metadata
from blobtorrent.storage.state.statethread import METAFILE, PEERS, STAMPS, Row, row_key

if TYPE_CHECKING:
    from blobtorrent.storage.sealed import Seal
    from blobtorrent.storage.state.statedir import StateDir

log = get_logger(__name__)


class KeepTorrent(NamedTuple):
    """Write the .torrent file of a new torrent. Answered by one TorrentKept, when it is durable."""

    info_hash: InfoHash
    raw: bytes
    token: Any
    reply_to: Mailbox[Any]


class KeepMetadata(NamedTuple):
    """Make the .torrent file of a torrent that was known by a link only, and read it. Answered by one TorrentKept, when
    it is durable; what is no torrent (FormatError) is not kept."""

    info_hash: InfoHash
    info: bytes
    tiers: tuple[tuple[str, ...], ...]
    web_seeds: tuple[str, ...]
    token: Any
    reply_to: Mailbox[Any]


class KeepLayers(NamedTuple):
    """Put piece layers (BEP 52) into the .torrent file that is there, by pieces root, and read it. Answered by one
    TorrentKept, when that is durable; layers that contradict it (FormatError) are not kept."""

    info_hash: InfoHash
    layers: Mapping[bytes, bytes]
    token: Any
    reply_to: Mailbox[Any]


class AdoptTorrent(NamedTuple):
    """Take the .torrent file that is there, though no row may tell of it. Answered by one TorrentKept, with FileMissing
    when there is none."""

    info_hash: InfoHash
    token: Any
    reply_to: Mailbox[Any]


class TorrentKept(NamedTuple):
    """`row` is to be saved with the torrent's other rows: it tells a damaged .torrent file from a whole one. `metainfo`
    is what the file says, for whoever did not know that before."""

    info_hash: InfoHash
    token: Any
    row: Row | None
    error: BlobTorrentError | None
    metainfo: Metainfo | None = None


class LoadTorrent(NamedTuple):
    """Read all that a torrent needs to run. Answered by one TorrentLoaded."""

    info_hash: InfoHash
    reply_to: Mailbox[Any]


class TorrentLoaded(NamedTuple):
    """`metainfo` is None when `error` says why: FileMissing or ResumeCorrupt. A body without a row is empty."""

    info_hash: InfoHash
    metainfo: Metainfo | None
    stamps: bytes
    peers: bytes
    error: StorageError | None


class ReadTorrent(NamedTuple):
    """Read the bytes of a .torrent file, as they were kept. Answered by one TorrentRead."""

    info_hash: InfoHash
    token: Any
    reply_to: Mailbox[Any]


class TorrentRead(NamedTuple):
    """`raw` is empty when `error` says why: FileMissing or ResumeCorrupt."""

    info_hash: InfoHash
    token: Any
    raw: bytes
    error: StorageError | None


class SurveyTorrents(NamedTuple):
    """Read many .torrent files for what they say. Answered by one TorrentsSurveyed."""

    info_hashes: tuple[InfoHash, ...]
    token: Any
    reply_to: Mailbox[Any]


class TorrentsSurveyed(NamedTuple):
    """Those that could not be read are left out."""

    token: Any
    metainfos: dict[InfoHash, Metainfo]


class DropTorrent(NamedTuple):
    """Delete the .torrent file and the part stores of a torrent whose rows are dropped. No answer."""

    info_hash: InfoHash


_Keeping = KeepTorrent | KeepMetadata | KeepLayers | AdoptTorrent
_Asking = _Keeping | LoadTorrent | ReadTorrent | SurveyTorrents
_Answer = TorrentKept | TorrentLoaded | TorrentRead | TorrentsSurveyed
LibraryJob = _Asking | DropTorrent

FILE_MODE = 0o600                      # announce URLs hold passkeys
_BUG = StorageError("storage.bug", "the library thread failed; the log has the traceback")


class _Kept(NamedTuple):
    """A .torrent file that is there, and what it says."""

    raw: bytes
    metainfo: Metainfo


class Library:
    """The work of the thread `library`; `on_damage` is called for every damaged file or row."""

    def __init__(self, folder: StateDir, on_damage: Callable[[Damage], None]) -> None:
        self._folder = folder
        self._on_damage = on_damage

    def keep(self, info_hash: InfoHash, raw: bytes) -> Row:
        """Write both copies of a .torrent file, durably. Raises StorageError."""
        for path in self._copies(info_hash):
            write_atomically(path, raw, mode=FILE_MODE)
        return Row(METAFILE, row_key(info_hash), metafile_digest(self._folder.seal, raw))

    def adopt(self, info_hash: InfoHash) -> tuple[Row, Metainfo]:
        """A .torrent file that is there already. Raises FileMissing or ResumeCorrupt."""
        kept = self._kept(info_hash, None)
        return Row(METAFILE, row_key(info_hash), metafile_digest(self._folder.seal, kept.raw)), kept.metainfo

    def keep_layers(self, info_hash: InfoHash, layers: Mapping[bytes, bytes]) -> tuple[Row, Metainfo]:
        """Write both copies of a .torrent file anew, with these layers too. Raises FormatError or StorageError."""
        from blobtorrent.protocol.metaedit import with_layers

        raw = with_layers(self._kept(info_hash, None).raw, layers)
        metainfo = parse_torrent(raw)
        return self.keep(info_hash, raw), metainfo

    def load(self, info_hash: InfoHash) -> TorrentLoaded:
        """All that is there of a torrent; what cannot be had is told in the answer."""
        bodies = self._rows_of((info_hash,), METAFILE, STAMPS, PEERS)[info_hash]
        try:
            metainfo = self._kept(info_hash, bodies.get(METAFILE)).metainfo
        except StorageError as error:
            return TorrentLoaded(info_hash, None, b"", b"", bare(error))
        return TorrentLoaded(info_hash, metainfo, bodies.get(STAMPS, b""), bodies.get(PEERS, b""), None)

    def read(self, info_hash: InfoHash) -> bytes:
        """The .torrent file. Raises FileMissing or ResumeCorrupt."""
        return self._kept(info_hash, self._digest_of(info_hash)).raw

    def survey(self, info_hashes: Sequence[InfoHash]) -> dict[InfoHash, Metainfo]:
        """What these .torrent files say; those that cannot be read are left out."""
        found = {}
        for info_hash, bodies in paced(self._rows_of(info_hashes, METAFILE).items()):
            try:
                found[info_hash] = self._kept(info_hash, bodies.get(METAFILE)).metainfo
            except StorageError as error:
                log.warning("a torrent file could not be read", torrent=info_hash.hex, code=error.code,
                            detail=error.detail)
        return found

    def mend(self, info_hash: InfoHash) -> None:
        """Make both copies of a .torrent file whole again, if one of them is. Raises FileMissing or ResumeCorrupt."""
        digest = self._digest_of(info_hash)
        copies = {path: _read(path) for path in self._copies(info_hash)}
        first, second = copies.values()
        if first is None or first != second or not self._is_whole(first, digest):
            self._rescued(copies, info_hash, digest)

    def drop(self, info_hash: InfoHash) -> None:
        """Delete what a torrent has in the state directory. Raises StorageError."""
        folder = self._folder
        # The first copy last: while it is there, the torrent is not gone for good.
        first, second = self._copies(info_hash)
        for path in (folder.parts_path(info_hash), folder.kept_path(info_hash), second, first):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error, path) from error

    def set_aside(self, info_hash: InfoHash) -> None:
        """Drop a torrent that no row tells of, but keep its .torrent file in quarantine: the rows may be old ones.

        Raises StorageError.
        """
        self._folder.quarantine.take(self._folder.torrent_path(info_hash))
        self.drop(info_hash)

    def _copies(self, info_hash: InfoHash) -> tuple[Path, Path]:
        path = self._folder.torrent_path(info_hash)
        return path, path.with_name(f"{path.name}.1")

    def _is_whole(self, raw: bytes, digest: bytes | None) -> bool:
        """Whether these are the bytes that were kept; without a digest only the info-hash can tell."""
        return digest is None or digest == metafile_digest(self._folder.seal, raw)

    def _digest_of(self, info_hash: InfoHash) -> bytes | None:
        return self._rows_of((info_hash,), METAFILE)[info_hash].get(METAFILE)

    def _rows_of(self, info_hashes: Sequence[InfoHash], *kinds: str) -> dict[InfoHash, dict[str, bytes]]:
        """Rows that only a loaded torrent needs. Those that are damaged are left out: all of them can be remade."""
        import sqlite3

        from blobtorrent.storage.state.rowfile import RowFile

        found: dict[InfoHash, dict[str, bytes]] = {info_hash: {} for info_hash in info_hashes}
        path = self._folder.state.path
        info_hash = info_hashes[0]
        try:
            with closing(RowFile(path, self._folder.seal, read_only=True)) as file:
                for info_hash, bodies in found.items():
                    key = row_key(info_hash)
                    for kind in kinds:
                        row = file.row(kind, key)
                        if row is not None:
                            bodies[kind] = row.body
        except sqlite3.Error as error:
            self._on_damage(Damage("row", f"{path}: {info_hash.hex}", str(error), "the torrent is checked"))
        return found

    def _kept(self, info_hash: InfoHash, digest: bytes | None) -> _Kept:
        """The .torrent file and what it says. Raises FileMissing, or ResumeCorrupt when both copies are damaged."""
        first, second = self._copies(info_hash)
        raw = _read(first)
        if raw is not None and self._is_whole(raw, digest):
            metainfo = parse_copy(raw, info_hash)
            if metainfo is not None:
                return _Kept(raw, metainfo)
        return self._rescued({first: raw, second: _read(second)}, info_hash, digest)

    def _rescued(self, copies: dict[Path, bytes | None], info_hash: InfoHash, digest: bytes | None) -> _Kept:
        """The first copy is missing or damaged: take the other one, or at least one that is the same content."""
        found = [raw for raw in copies.values() if raw is not None]
        path = self._folder.torrent_path(info_hash)
        if not found:
            raise FileMissing("storage.file-missing", f"{path} is gone: add the torrent again")
        found.sort(key=lambda raw: self._is_whole(raw, digest), reverse=True)
        for raw in found:
            metainfo = parse_copy(raw, info_hash)
            if metainfo is not None:
                if self._is_whole(raw, digest):
                    remedy = "restored from the other copy"
                else:
                    remedy = "pieces and names are right, but trackers and web seeds may not be: look at them"
                self._replace(copies, raw)
                self._on_damage(Damage("torrent file", str(path), "damaged or missing", remedy))
                return _Kept(raw, metainfo)
        self._on_damage(Damage("torrent file", str(path), "both copies are damaged", "add the torrent again"))
        raise ResumeCorrupt("storage.torrent-damaged", f"both copies of {path} are damaged: add the torrent again")

    def _replace(self, copies: dict[Path, bytes | None], whole: bytes) -> None:
        """Make both copies whole again; what was there goes to quarantine."""
        try:
            for path, raw in copies.items():
                if raw != whole:
                    self._folder.quarantine.take(path)
                    write_atomically(path, whole, mode=FILE_MODE)
        except StorageError as error:  # a full disk: the next start finds the other copy again
            log.warning("a damaged torrent file could not be replaced", code=error.code, detail=error.detail)


class LibraryThread:
    """The thread `library`: one is enough, each job is some milliseconds."""

    def __init__(self, library: Library) -> None:
        self.mailbox: Mailbox[LibraryJob] = Mailbox("library")
        self._library = library
        self._worker = Worker("library", self.mailbox, self._handle)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was posted, then end. False when that took longer than `timeout_s` seconds."""
        return self._worker.stop(timeout_s)

    def _handle(self, job: LibraryJob) -> None:
        if isinstance(job, DropTorrent):
            self._drop(job)
            return
        try:
            answer = self._answer(job)
        except BaseException:
            job.reply_to.post(_failure(job))
            raise
        job.reply_to.post(answer)

    def _answer(self, job: _Asking) -> _Answer:
        if isinstance(job, SurveyTorrents):
            return TorrentsSurveyed(job.token, self._library.survey(job.info_hashes))
        if isinstance(job, _Keeping):
            return self._keep(job)
        return self._read(job) if isinstance(job, ReadTorrent) else self._library.load(job.info_hash)

    def _read(self, job: ReadTorrent) -> TorrentRead:
        try:
            return TorrentRead(job.info_hash, job.token, self._library.read(job.info_hash), None)
        except StorageError as error:
            return TorrentRead(job.info_hash, job.token, b"", bare(error))

    def _keep(self, job: _Keeping) -> TorrentKept:
        metainfo = None
        try:
            if isinstance(job, AdoptTorrent):
                row, metainfo = self._library.adopt(job.info_hash)
            elif isinstance(job, KeepMetadata):
                raw, metainfo = read_metadata(job.info, tiers=job.tiers, web_seeds=job.web_seeds)
                row = self._library.keep(job.info_hash, raw)
            elif isinstance(job, KeepLayers):
                row, metainfo = self._library.keep_layers(job.info_hash, job.layers)
            else:
                row = self._library.keep(job.info_hash, job.raw)
        except BlobTorrentError as error:
            return TorrentKept(job.info_hash, job.token, None, bare(error))
        return TorrentKept(job.info_hash, job.token, row, None, metainfo)

    def _drop(self, job: DropTorrent) -> None:
        try:
            self._library.drop(job.info_hash)
        except StorageError as error:
            # It comes back as a stopped torrent at the next start, and can be removed again.
            log.warning("a removed torrent's files are left behind", torrent=job.info_hash.hex, code=error.code,
                        detail=error.detail)


def metafile_digest(seal: Seal, raw: bytes) -> bytes:
    """The body of a METAFILE row."""
    return seal.digest(b"metafile", raw)


def _failure(job: _Asking) -> _Answer:
    """The answer when a mistake of ours ended the job."""
    if isinstance(job, SurveyTorrents):
        return TorrentsSurveyed(job.token, {})
    if isinstance(job, _Keeping):
        return TorrentKept(job.info_hash, job.token, None, _BUG)
    if isinstance(job, ReadTorrent):
        return TorrentRead(job.info_hash, job.token, b"", _BUG)
    return TorrentLoaded(job.info_hash, None, b"", b"", _BUG)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def parse_copy(raw: bytes, info_hash: InfoHash) -> Metainfo | None:
    """The torrent, unless these bytes are not it. Of a hybrid one digest may be known."""
    try:
        metainfo = parse_torrent(raw)
    except FormatError:
        return None
    is_it = all(digest in (b"", own) for digest, own in zip(info_hash, metainfo.info_hash))
    return metainfo if is_it else None
