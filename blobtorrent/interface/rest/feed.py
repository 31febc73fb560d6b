"""Feed: event streams (server-sent events) for any number of clients, each event made into bytes once.

Owned by the thread `rest`. Every stream has a place in the log and is given what comes after it, as long as its client
takes it; one that was slow goes on where it was, and hears of a gap when the log reaches no longer so far back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.eventjson import Told, encoded
from blobtorrent.interface.eventlog import Entry, EventLog
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.streams import Sink
from blobtorrent.model.eventnames import GAP, PIECE_VERIFIED
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox

HEARTBEAT_S = 15.0                     # proxies cut what is silent for longer
RECONNECT_MS = 2000                    # for a client to wait when its stream broke
MAX_BACKLOG_BYTES = 1 << 20            # of a client; then it gets no more until it has taken some
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


class EventStream:
    """The body of one answer: a Push. `since` is the id of the last event that the client has seen; empty: none."""

    def __init__(self, feed: Feed, wanted: Wanted, since: str) -> None:
        self.wanted = wanted
        self.since = since
        self.seen = 0                  # number of the last event that was passed on, or was not wanted
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
            self.seen = entry.number or self.seen
            if size >= CATCH_UP_BYTES:
                break
        self.write(b"".join(frames))


class Feed:
    """Follows the chronicle. `serve_on` names the thread that it belongs to, before the engine starts."""

    def __init__(self, chronicle: Chronicle, *, clock: Clock | None = None) -> None:
        self.log = EventLog(chronicle.run)
        self._chronicle = chronicle
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

    @property
    def num_streams(self) -> int:
        return len(self._streams)

    def _on_told(self, told: Told) -> None:
        """On the thread `events`."""
        self._arrived.post(told)
        if not self._is_called:
            self._is_called = True
            self._require_thread().run_soon(self._take)

    # ---- on the thread rest

    def join(self, stream: EventStream) -> None:
        """Give the stream what it missed, and from now on all that it wants."""
        self._take()
        self._streams[stream] = None
        seen = self.log.number_of(stream.since) if stream.since else self.log.last
        stream.seen = self.log.last if seen is None else seen
        if seen is None:
            stream.write(self._gap(None, self.log.last))
        self._on_streams_changed()
        self._catch_up()
        self._beat_later()

    def leave(self, stream: EventStream) -> None:
        """Of a stream that is not there is nothing to forget."""
        self._streams.pop(stream, None)
        self._on_streams_changed()

    def _on_streams_changed(self) -> None:
        self._chronicle.tells_pieces = any(stream.wanted.has_pieces for stream in self._streams)

    def _take(self) -> None:
        """Keep what arrived, and pass it on."""
        self._is_called = False
        before = self.log.last
        fresh = [_entry_of(told, self.log) for told in self._arrived.drain()]
        for entry in fresh:
            if entry.number:
                self.log.add(entry)
        if self._arrived.depth:        # more than are taken at once
            self._require_thread().run_soon(self._take)
        for stream in list(self._streams):
            if stream.seen == before and not stream.is_full:
                stream.pass_on(fresh)
        self._catch_up()

    def _catch_up(self) -> None:
        """Have those who are behind get what they can take, in turns between which others are served."""
        behind = [stream for stream in self._streams if stream.seen < self.log.last]
        if self._is_catching_up or not behind:
            return
        self._is_catching_up = True
        if all(stream.is_full for stream in behind):
            self._require_thread().run_later(CATCH_UP_S, self._go_on)
        else:
            self._require_thread().run_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_catching_up = False
        for stream in list(self._streams):
            if stream.seen < self.log.last and not stream.is_full:
                missed = self.log.first - 1 - stream.seen
                if missed > 0:
                    stream.seen = self.log.first - 1
                    stream.write(self._gap(missed, stream.seen))
                stream.pass_on(self.log.after(stream.seen))
        self._catch_up()

    def _gap(self, missed: int | None, number: int) -> bytes:
        """Tells a client to read anew what it knows; None: nobody knows how much it missed."""
        event_id = self.log.id_of(number)
        fields = {"id": event_id, "type": GAP, "time": round(self._clock.wall(), 3), "missed": missed}
        return _frame(event_id, GAP, encoded(fields))

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
