"""Arriving: torrents that load.* brings, from bytes, files, patterns of files, magnet links and URLs, to downloads.

The answer comes when what there is to load here and now is loaded; what has to be fetched comes later, on a thread of
its own. Whatever is wrong with it is only logged: the client sees that no download appears.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import base64
import binascii
import fnmatch
import glob
import os
import queue
import stat
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.core.session.commands import AddTorrent, RecheckTorrent, StartTorrent, StopTorrent
from blobtorrent.interface.rtorrent.context import Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.downloads.download import CLOSED, Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.following import Bus, Follower
from blobtorrent.interface.rtorrent.downloads.getters import INITIAL_SEED, USUAL_MAX_FILE_SIZE
from blobtorrent.interface.rtorrent.downloads.resumedata import Resume, read_resume
from blobtorrent.interface.rtorrent.downloads.steering import MAX_FILE_SIZE, TOO_LARGE, has_too_large
from blobtorrent.interface.rtorrent.downloads.trackerrows import switch_off
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.values import Value, to_number
from blobtorrent.model.errors import BlobTorrentError, Conflict
from blobtorrent.model.events import TorrentRemoved
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
    from blobtorrent.model.magnet import MagnetLink
    from blobtorrent.model.metainfo import Metainfo

log = get_logger(__name__)

ADD_S = 30.0                           # for an addition to be safe on disk
LEAVE_S = 5.0                          # for one of the same torrent that was erased just now to be gone
MAX_MATCHES = 10_000                   # files of one pattern
MAX_SEEN = 100_000                     # names that are held against it
MAX_CACHED = 100_000

_URL_SCHEMES = ("http:", "https:")
_DATA = "data:"


class Order(NamedTuple):
    """What load.* was asked for: whether the download is to run, and what is run on it first."""

    start: bool
    bodies: tuple[Value, ...] = ()
    is_verbose: bool = False
    must_load: bool = False            # whoever asks is told when nothing was loaded


class Arrivals:
    """Owned by the interpreter's thread. `fetch(url, from_loopback, then)` has somebody else get the bytes behind a
    URL, which may lead to this machine or may not, and calls `then(bytes)` on this thread, if they come.
    `outside(wait)` waits while others have their turns. `keep(download)` writes its .torrent file where clients look
    for it. `encodings()` are those that names may have that are no UTF-8.
    """

    def __init__(self, downloads: Downloads, follower: Follower, interpreter: "Interpreter", bus: Bus,
                 fetch: Callable[[str, bool, Callable[[bytes], None]], None], keep: Callable[[Download], None], *,
                 outside: Callable[[Callable[[], object]], object] = lambda wait: wait(),
                 full: Callable[[str], str] = os.path.expanduser, uses_udp: Callable[[], bool] = lambda: True,
                 encodings: Callable[[], Sequence[str]] = lambda: ()) -> None:
        self._downloads = downloads
        self._follower = follower
        self._interpreter = interpreter
        self._bus = bus
        self._outside = outside
        self._fetch = fetch
        self._keep = keep
        self._full = full
        self._uses_udp = uses_udp
        self._encodings = encodings
        self._mtimes: dict[str, int] = {}                  # of the files that were loaded, in nanoseconds
        self._held: list[Callable[[], None]] | None = None     # what was to be loaded before anything can be

    @property
    def num_cached(self) -> int:
        """Files that are not loaded again while they stay as they are."""
        return len(self._mtimes)

    def prune(self) -> None:
        """Forget those that are gone."""
        self._mtimes = {path: mtime for path, mtime in self._mtimes.items() if os.path.exists(path)}

    def hold(self) -> None:
        """Load nothing before `release`: a configuration is run while there is no engine yet."""
        self._held = []

    def release(self) -> None:
        """Load what was held back, as far as that can be done; what goes wrong is logged."""
        held, self._held = self._held or (), None
        for load in held:
            try:
                load()
            except Fault as fault:
                self._complain("Could not load", fault.text)

    # ---- ways in

    def load(self, context: Context, source: str, order: Order) -> None:
        """A path, a pattern of paths, a URL, a magnet link, or a data URI."""
        if self._held is not None:
            self._held.append(lambda: self.load(self._later(context), source, order))
            return
        lowered = source[:16].lower()
        if lowered.startswith("magnet:"):
            self._load_magnet(context, source, order)
        elif lowered.startswith(_DATA):
            self._load_data(context, source, order)
        elif lowered.startswith(_URL_SCHEMES):
            # As over REST: services of this machine trust who is on it, and most callers over TCP could be anybody.
            self._fetch(source, context.trust is Trust.FULL, lambda raw: self.load_raw(
                self._later(context), raw, order._replace(must_load=False), source))
        else:
            for path in matches(self._full(source) if source else ""):
                self._load_path(context, path, order)

    def _later(self, context: Context) -> Context:
        """The same caller, when its request has ended."""
        return Context(self._interpreter, context.trust)

    def _load_magnet(self, context: Context, link: str, order: Order) -> None:
        from blobtorrent.model.magnet import parse_magnet

        try:
            magnet = parse_magnet(link)
        except BlobTorrentError as error:
            self._complain("Could not load magnet link", error.detail, order)
            return
        self._add(context, order, magnet=magnet)

    def _load_data(self, context: Context, source: str, order: Order) -> None:
        kind, _, text = source.partition(",")
        try:
            raw = base64.b64decode(text) if kind.endswith(";base64") else text.encode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError) as error:
            self._complain("Could not read data URI", str(error), order)
            return
        self.load_raw(context, raw, order)

    def _load_path(self, context: Context, path: str, order: Order) -> None:
        from blobtorrent.core.session.sources import read_file

        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):           # a pipe or a device would have everybody wait
                raise ValueError("it is no file")
        except (OSError, ValueError) as error:
            self._complain(f"Could not open file: {path}", str(error), order)
            return
        mtime = status.st_mtime_ns
        if self._mtimes.get(path) == mtime:
            return
        if len(self._mtimes) >= MAX_CACHED:
            self._mtimes.clear()
        self._mtimes[path] = mtime
        try:
            raw = read_file(path)
        except BlobTorrentError as error:
            self._complain(f"Could not load {path}", error.detail, order)
            return
        self.load_raw(context, raw, order, path, is_tied=True)

    def load_raw(self, context: Context, raw: bytes, order: Order, source: str = "", *, is_tied: bool = False) -> None:
        """The bytes of a .torrent file, which came from `source` if that is known."""
        from blobtorrent.protocol.metafile import parse_torrent

        if self._held is not None:
            self._held.append(lambda: self.load_raw(self._later(context), raw, order, source, is_tied=is_tied))
            return
        try:
            metainfo = parse_torrent(raw)
        except BlobTorrentError as error:
            self._complain("Could not create download", error.detail, order)
            return
        self._add(context, order, metainfo=metainfo, raw=raw, source=source if is_tied else "")

    def _complain(self, what: str, reason: str, order: Order | None = None) -> None:
        """Raises Fault when the order is one that must be carried out."""
        if order is not None and order.must_load:
            raise failed(f"{what}: {reason}")
        log.warning("nothing was loaded", what=what, reason=reason)
        self._interpreter.log(f"{what}: {reason}")

    # ---- the download

    def _add(self, context: Context, order: Order, *, metainfo: "Metainfo | None" = None, raw: bytes = b"",
             magnet: "MagnetLink | None" = None, source: str = "") -> None:
        info_hash = metainfo.info_hash if metainfo is not None else magnet.info_hash  # type: ignore[union-attr]
        resume = None if metainfo is None else read_resume(raw, metainfo)
        custom = {"tied_to_file": source, "loaded_file": source} if source else {}
        custom["state_changed"] = str(int(self._downloads.now()))
        limit = to_number(context.call("system.file.max_size"))
        if limit != USUAL_MAX_FILE_SIZE:
            custom[MAX_FILE_SIZE] = str(limit)
        command = AddTorrent(metainfo, raw=raw, magnet=magnet, start=False, custom=custom,
                             only_public_peers=magnet is not None and context.trust is not Trust.FULL,
                             super_seeding=context.call("protocol.connection.seed") == INITIAL_SEED,
                             renames={} if metainfo is None else self._renames(raw, metainfo),
                             encodings=tuple(self._encodings()) if metainfo is None else (),
                             skip_check=resume is not None and resume.is_complete,
                             file_priorities={} if resume is None else resume.priorities)
        self._follower.adding(info_hash)
        try:
            self._ask_to_add(command, info_hash)
        except BlobTorrentError as error:
            self._follower.not_added(info_hash)
            self._complain("Could not create download", error.detail, order)
            return
        download = self._downloads.of(info_hash)
        if download is None:           # somebody was quicker to remove it
            return
        if metainfo is not None:
            self._downloads.learn(download, metainfo)
            if not self._uses_udp() and any(url.lower().startswith("udp:") for url in chain(*metainfo.tiers)):
                self._quietly(lambda: switch_off(self._downloads, download, "udp"))
        self._settle_in(context, download, order, resume)

    def _renames(self, raw: bytes, metainfo: "Metainfo") -> Mapping[str, str]:
        """Of names that are no UTF-8: what they are in the encoding that the torrent tells, or encoding.add did."""
        if not any("\ufffd" in part for entry in metainfo.files for part in entry.path):
            return {}                  # nearly always
        from blobtorrent.core.session.importing import renames_of
        from blobtorrent.protocol.legacynames import meant_paths

        try:
            return renames_of(metainfo, meant_paths(raw, metainfo, self._encodings()))
        except BlobTorrentError:       # paths that cannot be
            return {}

    def _ask_to_add(self, command: AddTorrent, info_hash: InfoHash) -> None:
        """Raises BlobTorrentError. One that was erased a moment ago is waited for."""
        try:
            self._downloads.engine.ask(command, ADD_S)
        except Conflict as error:
            if error.code != "torrent.removing":
                raise
            self._wait_until_gone(info_hash)
            self._downloads.engine.ask(command, ADD_S)

    def _wait_until_gone(self, info_hash: InfoHash) -> None:
        """Others have their turns meanwhile. Raises Fault when the daemon stops."""
        gone = self._bus.subscribe(
            lambda event: isinstance(event, TorrentRemoved) and event.info_hash == info_hash, 1)
        try:
            if self._downloads.engine.torrents.read(info_hash) is not None:    # else it was, before anybody listened
                self._outside(lambda: gone.get(LEAVE_S))
        except queue.Empty:
            log.warning("a download that was erased is still being taken down", torrent=info_hash)
        finally:
            self._bus.unsubscribe(gone)
        self._downloads.refresh()

    def _settle_in(self, context: Context, download: Download, order: Order, resume: Resume | None) -> None:
        """Run what is to be run on it, then have it be as it is wanted."""
        self._follower.tell(download, "inserted")
        here = context.at(Aim(Target.DOWNLOAD, download))
        download.is_new = True
        fault: Fault | None = None
        try:
            for body in order.bodies:
                here.run(body)
        except Fault as raised:
            fault = raised
        finally:
            download.is_new = False
            self._downloads.settle()
        if fault is not None:
            download.message = f"Command on torrent creation failed: {fault.text}"
            download.is_failed = True
            self._interpreter.log(download.message)
            if order.start:
                self._quietly(lambda: self._downloads.set_texts(download, {CLOSED: "1"}))
            return
        if download.is_gone:
            return
        if resume is not None and resume.is_complete and not resume.fits(download.own_path):
            self._quietly(lambda: self._downloads.ask(RecheckTorrent(download.info_hash)))
        if order.start and not download.status.is_started:
            self._quietly(lambda: self._start(download))
        if download.is_gone:
            return
        self._follower.inserted_new(download, is_started=order.start)
        if not order.start and download.is_started:
            self._quietly(lambda: self._downloads.try_to(StopTorrent(download.info_hash), "torrent.not-running"))
        self._keep(download)
        self._follower.poll()

    def _start(self, download: Download) -> None:
        if has_too_large(self._downloads, download):
            raise failed(TOO_LARGE)
        self._downloads.try_to(StartTorrent(download.info_hash), "torrent.not-stopped")

    def _quietly(self, do: Callable[[], object]) -> None:
        try:
            do()
        except Fault as fault:
            self._complain("A download was loaded, but", fault.text)


def matches(pattern: str) -> Sequence[str]:
    """The path itself, or those that a pattern matches, sorted. Raises Fault when there is too much to look through:
    others wait meanwhile."""
    path = os.path.expanduser(pattern)
    if not path or "\0" in path:
        return ()
    if not glob.has_magic(path):
        return (path,)
    found, num_seen = ["/" if path.startswith("/") else ""], 0
    for part in filter(None, path.split("/")):
        if not glob.has_magic(part):
            found = [os.path.join(folder, part) for folder in found]
            continue
        folders, found = found, []
        for folder in folders:
            names = _names_in(folder)
            num_seen += 1 + len(names)
            if num_seen > MAX_SEEN:
                raise failed("Too many files to look through.")
            found += [os.path.join(folder, name) for name in fnmatch.filter(names, part)
                      if not name.startswith(".") or part.startswith(".")]
    return sorted(filter(os.path.lexists, found))[:MAX_MATCHES]


def _names_in(folder: str) -> list[str]:
    """What is in a folder; nothing when it is none, or may not be read."""
    try:
        with os.scandir(folder or ".") as entries:
            return [entry.name for entry in islice(entries, MAX_SEEN + 1)]
    except OSError:
        return []
