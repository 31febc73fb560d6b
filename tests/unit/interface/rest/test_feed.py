"""Event streams without sockets and threads: what each client gets, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.eventlog import KEPT_EVENTS
from blobtorrent.interface.rest import feed as feed_module
from blobtorrent.interface.rest.feed import (
    CATCH_UP_BYTES,
    CATCH_UP_S,
    HEARTBEAT_S,
    MAX_BACKLOG_BYTES,
    PIECES_AT_ONCE,
    PIECES_S,
    EventStream,
    Feed,
    Wanted,
)
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.model.events import Event, SettingsApplied, SpaceBack, StateChanged, TorrentRemoved
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.metrics import Registry
from tests.support.rest import info_hash, status_of

ADMIN = Grant("admin", frozenset({Scope.ADMIN}))
WALL = 1234.5
ALL, APPLIED = Wanted(ADMIN), SettingsApplied()
BOUND = Grant("tv", frozenset({Scope.READ}), frozenset({"tv"}))


class PlayedThread:
    """Calls wait until the test lets them go."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def run_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def run_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append((seconds, call))

    def settle(self) -> None:
        while self.soon:
            self.soon.pop(0)()

    def pass_time(self, seconds: float) -> None:
        """Everything that is due by then, once."""
        due = [call for after, call in self.later if after <= seconds]
        self.later = [(after, call) for after, call in self.later if after > seconds]
        for call in due:
            call()
        self.settle()


class PlayedChronicle:
    """Numbers what it is given."""

    run = "ab"

    def __init__(self) -> None:
        self.last = 0
        self.follower: Callable[[Told], None] = lambda told: None

    def follow(self, follower: Callable[[Told], None]) -> None:
        self.follower = follower

    def publish(self, event: Event, status: TorrentStatus | None = None) -> None:
        self.last += 1
        self.follower(tell(event, status, number=self.last, event_id=f"ab-{self.last}", wall=1.0))


class PlayedSink:
    def __init__(self) -> None:
        self.data = b""
        self.writes = 0
        self.backlog_bytes = 0
        self.is_stuck = False

    def write(self, data: bytes) -> None:
        self.data += data
        self.writes += 1
        if self.is_stuck:
            self.backlog_bytes += len(data)

    def close(self) -> None:
        raise AssertionError("nothing ends a feed but its client")

    def drain(self) -> None:
        self.is_stuck, self.backlog_bytes = False, 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of every event, after a look at its frame."""
        found = []
        for frame in self.data.decode("ascii").split("\n\n")[:-1]:
            if frame == ":" or frame.startswith("retry:"):
                continue
            fields = dict(line.split(": ", 1) for line in frame.split("\n"))
            event = json.loads(fields["data"])
            assert fields["event"] == event["type"] and fields.get("id") == event.get("id")
            found.append(event)
        return found

    @property
    def ids(self) -> list[str]:
        return [event.get("id", "") for event in self.events]


class Rig:
    def __init__(self) -> None:
        self.chronicle, self.thread = PlayedChronicle(), PlayedThread()
        self.board: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
        self.feed = Feed(self.chronicle, self.board, clock=FakeClock(wall_s=WALL))
        self.feed.serve_on(self.thread)

    def join(self, wanted: Wanted = ALL, since: str = "", sink: PlayedSink | None = None) -> PlayedSink:
        sink = sink or PlayedSink()
        self.stream = EventStream(self.feed, wanted, since)
        self.stream.begin(sink)
        self.thread.settle()
        return sink

    def publish(self, event: Event = APPLIED, status: TorrentStatus | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.chronicle.publish(event, status)
        self.thread.settle()


@pytest.fixture
def rig():
    return Rig()


def changed(number: int) -> StateChanged:
    return StateChanged(info_hash(number), "stopped", "seeding")


def test_a_client_gets_what_happens_after_it_came(rig):
    rig.publish()
    sink = rig.join()
    assert sink.data == b"retry: 2000\n\n"
    rig.publish(times=2)
    assert sink.ids == ["ab-2", "ab-3"]


def test_a_client_that_comes_back_misses_nothing(rig):
    rig.publish(times=5)
    assert rig.join(since="ab-2").ids == ["ab-3", "ab-4", "ab-5"]
    assert rig.join(since="ab-5").ids == []
    assert rig.join(since="ab-0").ids == ["ab-1", "ab-2", "ab-3", "ab-4", "ab-5"]


@pytest.mark.parametrize("since", ["cd-2", "ab-6", "nonsense"])
def test_a_client_from_another_run_is_told_of_a_gap_and_goes_on_from_here(rig, since):
    rig.publish(times=5)
    sink = rig.join(since=since)
    assert sink.events == [{"id": "ab-5", "type": "gap", "time": WALL, "missed": None}]
    rig.publish()
    assert sink.ids == ["ab-5", "ab-6"]


def test_a_client_that_was_away_for_too_long_is_told_how_much_it_missed_and_gets_the_rest(rig):
    rig.publish(times=KEPT_EVENTS + 7)
    sink = rig.join(since="ab-3")
    for _ in range(100):
        rig.thread.pass_time(1.0)
    gap, *others = sink.events
    assert (gap["type"], gap["missed"], gap["id"]) == ("gap", 4, "ab-7")
    assert [event["id"] for event in others] == [f"ab-{number}" for number in range(8, KEPT_EVENTS + 8)]


def test_an_event_that_arrived_before_a_client_came_and_was_not_taken_yet_is_not_lost_on_it(rig):
    rig.publish()
    rig.chronicle.publish(SettingsApplied())
    sink = rig.join(since="ab-1")
    assert sink.ids == ["ab-2"]


# ---- slow clients


def test_a_slow_client_gets_no_more_than_its_backlog_and_later_all_the_rest(rig):
    sink = PlayedSink()
    sink.is_stuck = True
    rig.join(sink=sink)
    for _ in range(KEPT_EVENTS // 20):
        rig.publish(changed(1), status_of(1, name="x" * 1000), times=10)
    assert MAX_BACKLOG_BYTES <= sink.backlog_bytes < MAX_BACKLOG_BYTES + 2 * CATCH_UP_BYTES
    sink.drain()
    for _ in range(100):
        rig.thread.pass_time(1.0)
    assert sink.ids == [f"ab-{number}" for number in range(1, KEPT_EVENTS // 2 + 1)]


def test_a_client_that_was_slow_for_too_long_is_told_of_one_gap(rig):
    sink = PlayedSink()
    sink.is_stuck = True
    rig.join(sink=sink)
    for _ in range(KEPT_EVENTS // 5):
        rig.publish(changed(1), status_of(1, name="x" * 1000), times=10)
    sink.drain()
    for _ in range(200):
        rig.thread.pass_time(1.0)
    events = sink.events
    (place,) = [at for at, event in enumerate(events) if event["type"] == "gap"]
    assert events[place]["missed"] == KEPT_EVENTS - place
    assert [event["id"] for event in events[place:]] == [
        f"ab-{number}" for number in range(KEPT_EVENTS, 2 * KEPT_EVENTS + 1)]


def test_a_slow_client_holds_nobody_up_and_gets_no_heartbeats(rig):
    slow = PlayedSink()
    slow.is_stuck, slow.backlog_bytes = True, MAX_BACKLOG_BYTES
    rig.join(sink=slow)
    quick = rig.join()
    before = slow.data
    rig.publish(times=3)
    rig.thread.pass_time(HEARTBEAT_S)
    assert len(quick.ids) == 3 and slow.data == before


def test_catching_up_is_cut_into_turns(rig):
    rig.publish(changed(1), status_of(1, name="x" * 10_000), times=100)
    sink = PlayedSink()
    EventStream(rig.feed, Wanted(ADMIN), "ab-0").begin(sink)
    sizes = [len(sink.data)]
    while rig.thread.soon:
        rig.thread.soon.pop(0)()
        sizes.append(len(sink.data))
    assert max(after - before for before, after in zip(sizes, sizes[1:])) < 2 * CATCH_UP_BYTES
    assert len(sizes) > 5 and len(sink.ids) == 100


def test_clients_that_are_full_are_looked_at_now_and_then_only(rig):
    sink = PlayedSink()
    sink.is_stuck, sink.backlog_bytes = True, MAX_BACKLOG_BYTES
    rig.join(sink=sink)
    rig.publish()
    assert sorted(after for after, _ in rig.thread.later) == [CATCH_UP_S, HEARTBEAT_S]
    rig.thread.pass_time(CATCH_UP_S)
    assert sorted(after for after, _ in rig.thread.later) == [CATCH_UP_S, HEARTBEAT_S]
    sink.drain()
    rig.thread.pass_time(CATCH_UP_S)
    assert sink.ids == ["ab-1"] and [after for after, _ in rig.thread.later] == [HEARTBEAT_S]


# ---- cost


def test_a_hundred_clients_cost_one_rendering(rig, monkeypatch):
    frames: list[str] = []
    render = feed_module._frame
    monkeypatch.setattr(feed_module, "_frame", lambda *args: frames.append(args[1]) or render(*args))
    sinks = [rig.join() for _ in range(100)]
    rig.publish(times=10)
    assert len(frames) == 10
    assert {tuple(sink.ids) for sink in sinks} == {tuple(f"ab-{number}" for number in range(1, 11))}


def test_events_that_come_together_are_written_together(rig):
    sink = rig.join()
    for _ in range(50):
        rig.chronicle.publish(SettingsApplied())
    assert len(rig.thread.soon) == 1
    rig.thread.settle()
    assert (sink.writes, len(sink.ids)) == (2, 50)         # the first is the opening


# ---- heartbeats


def test_a_silent_stream_is_kept_alive_by_comments(rig):
    sink = rig.join()
    rig.join()
    assert [after for after, _ in rig.thread.later] == [HEARTBEAT_S]
    rig.thread.pass_time(HEARTBEAT_S)
    rig.thread.pass_time(HEARTBEAT_S)
    assert sink.data.count(b":\n\n") == 2 and sink.events == []


def test_nothing_beats_when_nobody_listens(rig):
    rig.join()
    rig.stream.end()
    rig.thread.pass_time(HEARTBEAT_S)
    assert rig.thread.later == []


def test_the_streams_that_there_are_are_counted(rig):
    registry = Registry()
    rig.feed.measure(registry)
    rig.join()
    stream = rig.stream
    rig.join()
    stream.end()
    assert [(sample.name, sample.value) for sample in registry.snapshot()] == [("blobtorrent_rest_streams", 1)]


def test_a_stream_that_ended_is_written_to_no_more(rig):
    sink = rig.join()
    rig.stream.end()
    before = sink.data
    rig.publish()
    assert sink.data == before


# ---- who gets what


def published(rig: Rig) -> None:
    rig.publish(changed(1), status_of(1, labels=("tv",)))                # ab-1
    rig.publish(changed(2), status_of(2, labels=("film", "hd")))         # ab-2
    rig.publish(changed(3), status_of(3))                                # ab-3
    rig.publish(SpaceBack("/", 9))                                       # ab-4
    rig.publish(TorrentRemoved(info_hash(1), "one", ("tv",)))            # ab-5


@pytest.mark.parametrize(("wanted", "ids"), [
    (Wanted(ADMIN), ["ab-1", "ab-2", "ab-3", "ab-4", "ab-5"]),
    (Wanted(ADMIN, types=frozenset({"space-back", "torrent-removed"})), ["ab-4", "ab-5"]),
    (Wanted(ADMIN, types=frozenset({"piece-verified", "torrent-removed"})), ["ab-5"]),
    (Wanted(ADMIN, labels=frozenset({"hd", "tv"})), ["ab-1", "ab-2", "ab-5"]),
    (Wanted(ADMIN, digests=frozenset({info_hash(3).v1, info_hash(1).v1})), ["ab-1", "ab-3", "ab-5"]),
    (Wanted(ADMIN, digests=frozenset({info_hash(3).v1}), labels=frozenset({"tv"})), []),
    (Wanted(BOUND), ["ab-1", "ab-5"]),
    (Wanted(BOUND, labels=frozenset({"film"})), []),
    (Wanted(BOUND, types=frozenset({"space-back"})), []),
])
def test_a_client_gets_what_it_asked_for_and_may_see(rig, wanted, ids):
    sink = rig.join(wanted)
    published(rig)
    assert sink.ids == ids


def test_a_client_that_catches_up_gets_what_it_asked_for_and_may_see(rig):
    published(rig)
    assert rig.join(Wanted(BOUND), since="ab-0").ids == ["ab-1", "ab-5"]


def test_a_torrent_without_v2_is_no_match_for_an_empty_digest(rig):
    sink = rig.join(Wanted(ADMIN, digests=frozenset({info_hash(9).v1})))
    published(rig)
    assert sink.ids == []


# ---- single pieces

PIECES = frozenset({"piece-verified"})


def show(rig: Rig, number: int, pieces_wire: bytes, **fields: Any) -> None:
    rig.board.publish(info_hash(number), status_of(number, num_pieces=16, pieces_wire=pieces_wire, **fields))


def test_single_pieces_are_told_to_who_asks_for_them_by_name_and_have_no_id(rig):
    show(rig, 1, b"\x80\x00", labels=("tv",))
    show(rig, 2, b"\x00\x00")
    pieces, others = rig.join(Wanted(ADMIN, types=PIECES)), rig.join()
    bound = rig.join(Wanted(BOUND, types=PIECES))
    show(rig, 1, b"\xc0\x01", labels=("tv",))
    show(rig, 2, b"\x10\x00")
    rig.thread.pass_time(PIECES_S)
    told = [(event["hash"], event["piece"], event.get("id")) for event in pieces.events]
    assert told == [(info_hash(1).hex, 1, None), (info_hash(1).hex, 15, None), (info_hash(2).hex, 3, None)]
    assert others.events == [] and [event["piece"] for event in bound.events] == [1, 15]
    rig.thread.pass_time(PIECES_S)
    assert len(pieces.events) == 3


def test_nobody_looks_for_pieces_when_nobody_wants_them(rig):
    rig.join(Wanted(ADMIN, types=PIECES))
    rig.stream.end()
    rig.thread.pass_time(PIECES_S)
    assert [after for after, _ in rig.thread.later] == [HEARTBEAT_S]
    show(rig, 1, b"\x80\x00")
    sink = rig.join(Wanted(ADMIN, types=PIECES))           # and somebody who comes later hears of what is new then
    show(rig, 1, b"\xc0\x00")
    rig.thread.pass_time(PIECES_S)
    assert [event["piece"] for event in sink.events] == [1]


def test_many_pieces_are_told_in_turns_and_none_is_left_out(rig):
    size = 4 * PIECES_AT_ONCE
    rig.board.publish(info_hash(1), status_of(1, num_pieces=size, pieces_wire=bytes(size // 8), name="x" * 3000))
    sink = rig.join(Wanted(ADMIN, types=PIECES))
    rig.board.publish(info_hash(1), status_of(1, num_pieces=size, pieces_wire=b"\xff" * (size // 8), name="x" * 3000))
    rig.thread.pass_time(PIECES_S)
    rig.thread.pass_time(PIECES_S)
    assert [event["piece"] for event in sink.events] == list(range(size))
