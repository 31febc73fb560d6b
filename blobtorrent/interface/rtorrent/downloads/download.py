"""Download: one torrent as rTorrent knows it. Where the two programs think differently, this stands between them.

rTorrent opens a download (its files are at hand), checks it, and lets it be active; whether it is to be started is a
wish of its own, which closing leaves alone. The engine knows torrents that run or are stopped. What only rTorrent has
is kept here while it is of this run, and as small texts with the torrent when it is to outlive it.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from blobtorrent.model.details import TrackerStatus
from blobtorrent.model.metainfo import Shape
from blobtorrent.model.status import TorrentStatus

NORMAL_PRIORITY = 2                    # 0 off, 1 low, 2 normal, 3 high; the engine counts from normal
PRIORITY_NAMES = ("off", "low", "normal", "high")

CLOSED = "closed"                      # the text that says: started, as far as its owner goes, and yet closed
FIELD = "custom."                      # what the texts of d.custom begin with

_RUNNING = ("downloading", "seeding", "metadata")
_BUSY = (*_RUNNING, "checking")


FIRST, LAST = "files.first", "files.last"                  # texts: numbers of files whose ends are preferred
CREATE, RESIZE = "create", "resize"    # what may be done about a file when its download is opened
META_SHAPE = Shape(1, False, 1, 0)     # of a magnet link: one file of one byte, as rTorrent has it


class Phase(NamedTuple):
    """What the handlers of events have been told of a download."""

    is_open: bool = False
    is_checking: bool = False
    is_active: bool = False


class Moment(NamedTuple):
    """How a download was when an event happened, which its handlers are told of a little later."""

    is_complete: bool
    hashing: int


class Download:
    """Owned by the interpreter's thread, for as long as the engine has the torrent.

    `unsaved` are texts that are changed and that no snapshot shows yet, None for those that go.
    """

    __slots__ = (
        "connection", "ends_wished", "file_wishes", "files_queued", "hash", "info_hash", "is_checked", "is_closing",
        "is_failed", "is_gone", "is_new", "is_open", "is_rechecking", "is_resumed", "message", "moment", "moved_at",
        "phase", "queue_wished", "shape", "status", "tracked_at", "tracker_rows", "trackers", "unsaved",
        "was_complete", "was_opened",
    )

    def __init__(self, status: TorrentStatus) -> None:
        self.status = status
        self.info_hash = status.info_hash
        # Of a torrent that has no other, the truncated digest is its name among peers, too.
        self.hash = status.info_hash.wire_forms[0].hex().upper()
        self.shape: Shape | None = None
        self.trackers: Sequence[TrackerStatus] | None = None           # as of the moment `tracked_at`
        self.tracked_at = 0.0
        self.tracker_rows: Any = None  # see trackerrows
        self.unsaved: Mapping[str, str | None] = {}        # replaced by every change
        self.file_wishes: dict[int, int] = {}              # priorities that wait for d.update_priorities
        # What was said of files by f.set_create_queued and its like, by that word and the file's number: until it is
        # opened.
        self.files_queued: dict[tuple[str, int], bool] = {}
        self.queue_wished = False      # the engine was not told of these
        self.ends_wished = False       # other ends of files are preferred, and the engine was not told
        self.connection = ("", False)                      # as d.connection_current was set, and whether complete then
        self.message = ""
        self.moved_at = 0              # when payload was seen to have moved last, in this run
        self.phase = Phase()
        self.moment: Moment | None = None                  # while handlers run: that of their event
        self.is_gone = False
        self.is_new = False            # being loaded: its changes need not be waited for one by one
        self.is_open = False
        self.is_checked = False        # since it was opened
        self.is_rechecking = False     # somebody asked for it
        self.is_closing = False        # it was told to, and the engine has not done so yet
        self.is_failed = False
        self.is_resumed = False        # it runs, though it was not started: d.resume does no more
        # One that we find in a check, as after a kill, is what its row says until the check has ended.
        self.was_complete = status.was_whole
        self.was_opened = status.active_s > 0 or status.done_bytes > 0
        self.update(status)

    def update(self, status: TorrentStatus) -> None:
        """Take a newer snapshot."""
        if self.status.is_started and not status.is_started:
            self.is_resumed = False
        before, self.status = self.status.state, status
        state = status.state
        if state in _BUSY:
            if not self.is_closing:
                if self.files_queued and not self.is_open:
                    self.files_queued = {}
                self.is_open = self.was_opened = True
        else:
            self.is_closing = False
        if state != "checking":
            self.was_complete = status.is_finished
            if state in _RUNNING or before == "checking" and state == "stopped":
                self.is_checked = self.is_open
        if state == "error":
            self.is_open = self.is_checked = False
        if self.unsaved:
            self.unsaved = {key: text for key, text in self.unsaved.items() if status.custom.get(key) != text}

    def end_check(self) -> None:
        """A check has ended, however long it took."""
        self.is_rechecking = False
        self.is_checked = self.is_open

    # ---- texts

    def text(self, key: str, default: str = "") -> str:
        if self.unsaved and key in self.unsaved:
            text = self.unsaved[key]
            return default if text is None else text
        return self.status.custom.get(key, default)

    def number(self, key: str, default: int = 0) -> int:
        text = self.text(key)
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            return default

    def has(self, key: str) -> bool:
        return self.unsaved[key] is not None if key in self.unsaved else key in self.status.custom

    @property
    def texts(self) -> Mapping[str, str]:
        """All of them."""
        merged = {**self.status.custom, **self.unsaved}
        return {key: text for key, text in merged.items() if text is not None}

    @property
    def fields(self) -> dict[str, str]:
        """Those of d.custom, by their names."""
        return {key[len(FIELD):]: text for key, text in sorted(self.texts.items()) if key.startswith(FIELD)}

    @property
    def views(self) -> list[str]:
        """The names of d.views."""
        return [name for name in self.text("views").split(",") if name]

    # ---- where it stands

    @property
    def is_started(self) -> bool:
        """What its owner wants."""
        return self.status.is_started and not self.is_resumed or self.has(CLOSED)

    @property
    def is_active(self) -> bool:
        status = self.status
        return status.state in _RUNNING and status.is_started and status.held_by != "pause" and not self.is_closing

    @property
    def is_checking(self) -> bool:
        """A check that rTorrent would do, too: it need not look again at files that it has kept open."""
        return self.status.state == "checking" and (self.is_rechecking or not self.is_checked)

    @property
    def hashing(self) -> int:
        """0 for none, 1 for the first check, 3 for one that was asked for."""
        if self.status.state != "checking":
            return 0
        return 0 if not self.is_checking else 3 if self.is_rechecking else 1

    @property
    def is_complete(self) -> bool:
        return self.was_complete

    @property
    def shown_hashing(self) -> int:
        """What handlers see is how it was when their event happened."""
        return self.hashing if self.moment is None else self.moment.hashing

    @property
    def shown_complete(self) -> bool:
        return self.was_complete if self.moment is None else self.moment.is_complete

    @property
    def has_failed(self) -> bool:
        return self.is_failed or self.status.state == "error"

    @property
    def shown_message(self) -> str:
        return self.message or (self.status.error_detail if self.status.state == "error" else "")

    @property
    def current(self) -> Phase:
        """How it is now, in the words of events."""
        return Phase(self.is_open, self.is_checking, self.is_active)

    # ---- figures

    @property
    def name(self) -> str:
        status = self.status
        if status.lacks_metadata:
            return f"{self.hash}.meta"
        if "\ufffd" in status.name:    # no UTF-8: it lies under the name that it was understood as, if it was
            return self.own_name
        return status.name

    @property
    def size_bytes(self) -> int:
        return 1 if self.status.lacks_metadata else self.status.size_bytes

    @property
    def num_pieces(self) -> int:
        return 1 if self.status.lacks_metadata else self.status.num_pieces

    @property
    def have(self) -> bytes:
        """The pieces that are here, in wire order; nothing before it was opened for the first time."""
        if not self.was_opened:
            return b""
        return self.status.pieces_wire or bytes((self.num_pieces + 7) // 8)

    @property
    def num_done(self) -> int:
        return int.from_bytes(self.status.pieces_wire, "big").bit_count()

    @property
    def num_wanted(self) -> int:
        """Pieces that are still to come. What nobody wants is among them until it was looked what is there."""
        status = self.status
        if not (self.is_checked or self.was_opened and not self.is_open) or not status.size_bytes:
            return self.num_pieces - self.num_done
        left = status.wanted_bytes - status.done_bytes
        return min(self.num_pieces - self.num_done, -(-left * status.num_pieces // status.size_bytes))

    @property
    def left_bytes(self) -> int:
        return self.size_bytes - self.status.done_bytes

    @property
    def ratio(self) -> int:
        """Uploaded by what is done, in thousandths."""
        done = self.status.done_bytes
        return self.status.uploaded_bytes * 1000 // done if done else 0

    @property
    def priority(self) -> int:
        priority = self.status.priority + NORMAL_PRIORITY
        return 0 if priority < 0 else 3 if priority > 3 else priority

    # ---- paths

    @property
    def own_path(self) -> str:
        """Its own file or folder; of a file that is kept in parts, the first."""
        status = self.status
        if status.lacks_metadata:
            return os.path.join(status.download_dir, self.name)
        return status.own_path or os.path.join(status.download_dir, status.name)

    @property
    def own_name(self) -> str:
        """What its own file or folder is called; a file that is kept in parts as if it were whole."""
        split = self.status.split
        return os.path.basename(self.own_path).removesuffix("" if split is None else split.own_ending)

    @property
    def root(self) -> str:
        """The folder that its own file or folder is in."""
        path = self.own_path
        folder = path.rpartition("/")[0]
        return folder if folder and folder[-1] != "/" else os.path.dirname(path)       # which takes its time

    @property
    def base_path(self) -> str:
        return self.own_path if self.was_opened else ""


def preferred_in(text: str) -> frozenset[int]:
    """The numbers of files in a text FIRST or LAST."""
    return frozenset(int(number) for number in text.split(",") if number.isdecimal())


def text_reader(key: str, default: str = "") -> Callable[[Download], str]:
    """What reads one text of a download: rows have many of them, and nearly always all are saved."""

    def read(download: Download) -> str:
        if download.unsaved:
            return download.text(key, default)
        return download.status.custom.get(key, default)

    return read
