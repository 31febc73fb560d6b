"""Feed: event streams (server-sent events) for any number of clients, each event made into bytes once.

Owned by the thread `rest`. Every stream has a place in the log and is given what comes after it, as long as its client
takes it; one that was slow goes on where it was, and hears of a gap when the log reaches no longer so far back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.eventjson import Told, encoded, tell
from blobtorrent.interface.eventlog import Entry, EventLog
from blobtorrent.interface.piecewatch import PieceWatch
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.streams import Push, Sink
from blobtorrent.model.eventnames import GAP, PIECE_VERIFIED
from blobtorrent.model.events import PieceVerified
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry

HEARTBEAT_S = 15.0                     # proxies cut what is silent for longer
RECONNECT_MS = 2000                    # for a client to wait when its stream broke
MAX_BACKLOG_BYTES = 1 << 20            # of a client; then it gets no more until it has taken some
PIECES_S = 1.0                         # between two looks for verified pieces, while a client wants to hear of them
PIECES_AT_ONCE = 500                   # told in a row
CATCH_UP_BYTES = 128 << 10             # to one client in a row; the others have their turn in between
CATCH_UP_S = 0.1                       # between two looks at clients that are behind and full

_OPENING = b"retry: %d\n\n" % RECONNECT_MS
_HEARTBEAT = b":\n\n"


class RestThread(Protocol):
    """The thread that owns all connections."""

    def run_soon(self, call: Callable[[], None]) -> None:
        """Have it called there. From any thread."""

    def run_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have it called there after so long. From that thread only."""


class Wanted(NamedTuple):
    """Which events a client asked for: all that are not restricted, except that pieces must be asked for by name.

    `digests` are info-hashes, of either version. What a grant does not show is never told.
    """

    grant: Grant
    types: frozenset[str] | None = None
    digests: frozenset[bytes] | None = None
    labels: frozenset[str] | None = None

    @property
    def has_pieces(self) -> bool:
        return self.types is not None and PIECE_VERIFIED in self.types

    def accepts(self, entry: Entry) -> bool:
        if entry.type == PIECE_VERIFIED if self.types is None else entry.type not in self.types:
            return False
        if entry.info_hash is None:    # of the whole session
            return self.digests is None and self.labels is None and not self.grant.labels
        if self.digests is not None and self.digests.isdisjoint(entry.info_hash):
            return False
        if self.labels is not None and self.labels.isdisjoint(entry.labels):
            return False
        return self.grant.sees(entry.labels)


class EventStream(Push):
    """The body of one answer: a Push. `since` is the id of the last event that the client has seen; empty: none."""

    def __init__(self, feed: Feed, wanted: Wanted, since: str) -> None:
        self.wanted = wanted
        self.since = since
        # Number of the last event that was passed on, or was not wanted. It begins before the head of the answer is on
        # its way: what a client does when it has that must not be missed.
        self.seen = feed.newest()
        self._feed = feed
        self._sink: Sink | None = None

    def begin(self, sink: Sink) -> None:
        self._sink = sink
        sink.write(_OPENING)
        self._feed.join(self)

    def end(self) -> None:
        self._sink = None
        self._feed.leave(self)

    @property
    def is_full(self) -> bool:
        """The client has to take some of what it was sent first."""
        return self._sink is not None and self._sink.backlog_bytes >= MAX_BACKLOG_BYTES

    def write(self, data: bytes) -> None:
        if self._sink is not None and data:
            self._sink.write(data)

    def pass_on(self, entries: Iterable[Entry]) -> None:
        """Send what is wanted of these, the next ones in order, up to about CATCH_UP_BYTES."""
        frames: list[bytes] = []
        size = 0
        for entry in entries:
            if self.wanted.accepts(entry):
                frames.append(entry.frame)
                size += len(entry.frame)
            self.seen = entry.number
            if size >= CATCH_UP_BYTES:
                break
        self.write(b"".join(frames))


class Feed:
    """Follows the chronicle. `serve_on` names the thread that it belongs to, before the engine starts.

    Single pieces are looked for on the `board`, as long as a stream wants them.
    """

    def __init__(
        self, chronicle: Chronicle, board: StatusBoard[InfoHash, TorrentStatus], *, clock: Clock | None = None
    ) -> None:
        self.log = EventLog(chronicle.run)
        self._chronicle = chronicle
        self._board = board
        self._pieces: Iterator[tuple[PieceVerified, TorrentStatus]] = iter(())
        self._piece_watch: PieceWatch | None = None
        self._clock: Clock = SystemClock() if clock is None else clock
        self._thread: RestThread | None = None
        self._arrived: Mailbox[Told] = Mailbox("feed")
        self._is_called = False        # the thread knows that something arrived
        self._streams: dict[EventStream, None] = {}
        self._is_catching_up = False
        self._is_beating = False

    def serve_on(self, thread: RestThread) -> None:
        self._thread = thread
        self._chronicle.follow(self._on_told)

    def measure(self, registry: Registry) -> None:
        registry.gauge("blobtorrent_rest_streams", "Clients that are told of events.", lambda: len(self._streams))

    def _on_told(self, told: Told) -> None:
        """On the thread `events`."""
        self._arrived.post(told)
        if not self._is_called:
            self._is_called = True
            self._require_thread().run_soon(self._take)

    # ---- on the thread rest

    def newest(self) -> int:
        """Number of the last event that there is; 0: there was none."""
        self._take()
        return self.log.last

    def join(self, stream: EventStream) -> None:
        """Give the stream what it missed, and from now on all that it wants."""
        self._take()
        self._streams[stream] = None
        if stream.since:
            seen = self.log.number_of(stream.since)
            stream.seen = self.log.last if seen is None else seen
            if seen is None:
                stream.write(self._gap(None, self.log.last))
        if stream.wanted.has_pieces and self._piece_watch is None:
            self._piece_watch = PieceWatch(self._board, self._clock.wall())
            self._require_thread().run_later(PIECES_S, self._look_for_pieces)
        self._pass_on()
        self._beat_later()

    def leave(self, stream: EventStream) -> None:
        """Of a stream that is not there is nothing to forget."""
        self._streams.pop(stream, None)

    def _take(self) -> None:
        """Keep what arrived, and pass it on."""
        self._is_called = False
        for told in self._arrived.drain():
            self.log.add(_entry_of(told, self.log))
        if self._arrived.depth:        # more than are taken at once
            self._require_thread().run_soon(self._take)
        self._pass_on()

    def _pass_on(self) -> None:
        """Give all streams what is next for them, as far as they take it; of much of it a part now, the rest soon."""
        for stream in list(self._streams):
            if stream.seen < self.log.last and not stream.is_full:
                missed = self.log.first - 1 - stream.seen
                if missed > 0:
                    stream.seen = self.log.first - 1
                    stream.write(self._gap(missed, stream.seen))
                stream.pass_on(self.log.after(stream.seen))
        behind = [stream for stream in self._streams if stream.seen < self.log.last]
        if self._is_catching_up or not behind:
            return
        self._is_catching_up = True
        if all(stream.is_full for stream in behind):
            self._require_thread().run_later(CATCH_UP_S, self._catch_up)
        else:
            self._require_thread().run_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._is_catching_up = False
        self._pass_on()

    def _gap(self, missed: int | None, number: int) -> bytes:
        """Tells a client to read anew what it knows; None: nobody knows how much it missed."""
        event_id = self.log.id_of(number)
        fields = {"id": event_id, "type": GAP, "time": round(self._clock.wall(), 3), "missed": missed}
        return _frame(event_id, GAP, encoded(fields))

    def _look_for_pieces(self) -> None:
        assert self._piece_watch is not None
        if not any(stream.wanted.has_pieces for stream in self._streams):
            self._piece_watch = None
            return
        self._pieces = self._piece_watch.look()
        self._tell_pieces()

    def _tell_pieces(self) -> None:
        """To those who want them and keep up. They are not kept: nobody gets them later."""
        wall = self._clock.wall()
        entries = [
            _entry_of(tell(event, status, number=0, event_id=None, wall=wall), self.log)
            for event, status in islice(self._pieces, PIECES_AT_ONCE)
        ]
        for stream in list(self._streams):
            if stream.wanted.has_pieces and not stream.is_full:
                stream.write(b"".join(entry.frame for entry in entries if stream.wanted.accepts(entry)))
        if len(entries) == PIECES_AT_ONCE:
            self._require_thread().run_soon(self._tell_pieces)
        else:
            self._require_thread().run_later(PIECES_S, self._look_for_pieces)

    def _beat_later(self) -> None:
        if not self._is_beating:
            self._is_beating = True
            self._require_thread().run_later(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        self._is_beating = False
        for stream in list(self._streams):
            if not stream.is_full:
                stream.write(_HEARTBEAT)
        if self._streams:
            self._beat_later()

    def _require_thread(self) -> RestThread:
        assert self._thread is not None, "serve_on comes first"
        return self._thread


def _entry_of(told: Told, log: EventLog) -> Entry:
    event_id = log.id_of(told.number) if told.number else None
    return Entry(told.number, told.type, told.info_hash, told.labels, _frame(event_id, told.type, told.json))


def _frame(event_id: str | None, kind: str, data: bytes) -> bytes:
    """One server-sent event. Without an id the client goes on knowing the one before."""
    first = b"" if event_id is None else b"id: %s\n" % event_id.encode("ascii")
    return b"%sevent: %s\ndata: %s\n\n" % (first, kind.encode("ascii"), data)
