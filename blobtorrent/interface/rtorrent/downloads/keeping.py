"""The session folder as clients look into it: HASH.torrent of every download, with what rTorrent keeps beside it.

Nothing of ours depends on it: the engine keeps its own. Clients read these files, some rewrite HASH.torrent before they
load it again, and rTorrent can go on from there.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads import sessionfiles
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.following import CHANGED
from blobtorrent.interface.rtorrent.downloads.making import command
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.rtorrentsession import unresolved_magnet
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

FOLDER_MODE = 0o700
FILE_MODE = 0o660                      # less what the umask takes away
DOWNLOADS_AT_ONCE = 5
SETTLE_S = 5.0                         # from a change to when it is written: more may follow
PAUSE_S = 0.05                         # between some that are written and others
ROUND_S = 1200.0                       # between two times that the figures of all that are active are written
MAX_LINK_FILE = 1 << 16                # bytes; a longer .torrent file is none
END_S = 0.5                            # for those that are still to be written at the end
_ENDINGS = ("", ".rtorrent", ".libtorrent_resume")
# What is written at once. That one was started, as all are when we are, is written with the figures.
_TOLD = frozenset((CHANGED, "closed", "paused"))


class SessionFolder:
    """`path()` is where it is, empty for nowhere. Owned by the interpreter's thread.

    What came with the session is written when somebody shows an interest: by `fill`, a little at a time. What lies
    beside is written again some seconds after a change: by `run_due`. That of a download that is complete is written at
    once if `saves_finished()`, else with the figures. `elapsed` is a clock that nobody sets.
    """

    def __init__(self, path: Callable[[], str], elapsed: Callable[[], float] = time.monotonic, *,
                 saves_finished: Callable[[], bool] = lambda: True) -> None:
        self._path = path
        self._saves_finished = saves_finished
        self._elapsed = elapsed
        self.downloads: Downloads | None = None            # set by whoever knows them
        self._missing: deque[Download] = deque()
        self._changed: dict[Download, None] = {}
        self._links: set[Download] = set()                 # whose files are of magnet links
        self._written: dict[Download, int] = {}            # the figures that were written last
        self._due_s: float | None = None
        self._round_s: float | None = None

    def commands(self) -> Iterator[Command]:
        def save(_context: Context, _item: object, _args: Sequence[Value]) -> Value:
            self._note_figures(is_for_all=True)
            self._due_s = self._due_s and self._elapsed()
            return None

        yield command("session.save", save, "Writes the session folder anew, for clients that look there.",
                      target=Target.NONE, category="session")

    def write(self, download: Download) -> None:
        """Its .torrent file is there, as it was added, and what belongs beside. What goes wrong is logged."""
        if self.downloads is not None and not download.status.lacks_metadata:
            self._links.discard(download)
            self._write(download, "", self.downloads.raw)
        self._write_beside(download)

    def _write_beside(self, download: Download) -> None:
        downloads = self.downloads
        if downloads is None:
            return
        self._written[download] = _figures(download)
        self._write(download, ".rtorrent", lambda one: sessionfiles.wanted_file(downloads, one))
        if download.status.lacks_metadata:
            self._links.add(download)
            self._write(download, "", lambda one: sessionfiles.link_file(downloads, one))
            return
        self._write(download, ".libtorrent_resume", lambda one: sessionfiles.progress_file(downloads, one))
        if download in self._links:    # what it is the link of has come
            self._links.discard(download)
            self._write(download, "", downloads.raw)

    def _write(self, download: Download, ending: str, content: Callable[[Download], bytes]) -> None:
        folder = self._path()
        if not folder:
            return
        path = os.path.join(folder, f"{download.hash}.torrent{ending}")
        try:
            raw = content(download)
            os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            with open(f"{path}.new", "wb", opener=_for_the_group) as file:
                file.write(raw)
            os.replace(f"{path}.new", path)
        except (OSError, Fault) as error:
            log.warning("a file of the session folder was not written", path=path, reason=str(error))

    def write_missing(self, download: Download) -> None:
        """The same of those files that are not there: what a client has written is left."""
        folder = self._path()
        is_there = [os.path.exists(os.path.join(folder, f"{download.hash}.torrent{ending}")) for ending in _ENDINGS]
        if folder and not is_there[0]:
            self.write(download)
        elif folder and not all(is_there):
            if not download.status.lacks_metadata and _is_link(os.path.join(folder, f"{download.hash}.torrent")):
                self._links.add(download)
            self._write_beside(download)

    # ---- what has changed

    def note_change(self, download: Download) -> None:
        """Something is otherwise that is to be written beside its .torrent file."""
        if self._path():
            self._changed[download] = None
            now = self._elapsed()
            self._due_s = self._due_s or now + SETTLE_S
            self._round_s = self._round_s or now + ROUND_S

    def _note_figures(self, *, is_for_all: bool = False) -> None:
        """Those that are not as they were written, as far as they are active."""
        for download in self.downloads or ():
            if (is_for_all or download.is_active) and self._written.get(download) != _figures(download):
                self.note_change(download)

    def next_due_s(self) -> float | None:
        """When `run_due` has something to do; None: never, as it is now."""
        return min((due_s for due_s in (self._due_s, self._round_s) if due_s is not None), default=None)

    def run_due(self) -> None:
        now = self._elapsed()
        if self._round_s is not None and self._round_s <= now:
            self._round_s = now + ROUND_S
            self._note_figures()
        if self._due_s is not None and self._due_s <= now:
            for _ in range(DOWNLOADS_AT_ONCE):
                self._write_next()
            self._due_s = now + PAUSE_S if self._changed else None

    def end(self) -> None:
        """Write what is left to be written, as far as there is time."""
        self._note_figures()
        end_s = self._elapsed() + END_S
        while self._changed and self._elapsed() < end_s:
            self._write_next()
        if self._changed:
            log.info("files of the session folder are as they were a while ago", torrents=len(self._changed))

    def _write_next(self) -> None:
        if self._changed:
            download = next(iter(self._changed))
            del self._changed[download]
            if not download.is_gone:
                self._write_beside(download)

    # ---- what comes and goes

    def fill(self) -> bool:
        """Have the folder, and write a few of those that are missing; whether there are more."""
        if folder := self._path():
            try:
                os.makedirs(folder, FOLDER_MODE, exist_ok=True)
            except OSError as error:
                log.warning("the session folder cannot be made", path=folder, reason=str(error))
        for _ in range(min(DOWNLOADS_AT_ONCE, len(self._missing))):
            download = self._missing.popleft()
            if not download.is_gone:
                self.write_missing(download)
        return bool(self._missing)

    def drop(self, download: Download) -> None:
        """It was erased: what rTorrent once kept of it goes, too."""
        self._written.pop(download, None)
        self._links.discard(download)
        folder = self._path()
        for ending in _ENDINGS if folder else ():
            try:
                os.unlink(os.path.join(folder, f"{download.hash}.torrent{ending}"))
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("a file of the session folder was not deleted", download=download.hash, reason=str(error))

    def on_event(self, name: str, download: Download) -> None:
        """A listener of the follower."""
        if name == "inserted_new":
            self.write_missing(download)
        elif name == "inserted_session":
            self._missing.append(download)
        elif name == "erased":
            self.drop(download)
        elif name == "finished":
            self._note_finish(download)
        elif name in _TOLD and not (name != CHANGED and download.phase.is_active):
            self.note_change(download)         # else it stops and goes on only because it is complete

    def _note_finish(self, download: Download) -> None:
        if not self._path():
            return
        if self._saves_finished():
            self._changed.pop(download, None)
            self._write_beside(download)
        now = self._elapsed()
        self._round_s = self._round_s or now + ROUND_S


def _is_link(path: str) -> bool:
    """Whether a .torrent file is there for a magnet link only."""
    try:
        with open(path, "rb") as file:
            return unresolved_magnet(file.read(MAX_LINK_FILE)) is not None
    except (OSError, FormatError):
        return False


def _figures(download: Download) -> int:
    """Another number when something else is to be written, apart from files and trackers."""
    status = download.status
    return hash((
        status.uploaded_bytes, status.downloaded_bytes, status.done_bytes, status.is_started, status.priority,
        download.own_path, download.is_complete, tuple(sorted(download.texts.items()))))


def _for_the_group(path: str, flags: int) -> int:
    """Announce URLs hold passkeys: front-ends read them as members of the group, nobody else does."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
