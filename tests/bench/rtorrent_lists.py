"""Rows about the interface of rTorrent: the lists that its clients poll, beside rTorrent, and what they cost the peers.

The calls are those that were recorded of Flood and ruTorrent. All torrents have a tracker that nobody listens at.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from blobtorrent.daemon.assemble import GARBAGE_THRESHOLD
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.exchange import read_request
from blobtorrent.model.details import TrackerStatus
from blobtorrent.model.status import TorrentStatus
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.pacing import let_go
from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.holds import longest_slice, quantile, waits
from tests.bench.results import Better, Measure
from tests.bench.scale import CONTENT_BYTES, fill_state, make_torrent
from tests.rtorrent.recorded import GOLDEN, read_lines
from tests.support.payload import Sample, with_tracker
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import Program, wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession, scgi_answer, scgi_call
from tests.support.rtorrentdownloads import Stage

TORRENTS, SOME, MANY = 5_000, 1_000, 10_000
COLUMNS = 40
AGAIN = 10                             # times that a list is asked for, once its rows are kept
FILES = 5_000
CALLS_AT_ONCE = 500                    # torrents, as cross-seed asks
PATIENCE_S = 300.0
RTORRENT = "rtorrent"
DETAILS = ("f.path=", "f.priority=", "f.size_bytes=", "f.size_chunks=", "f.completed_chunks=")
FIELDS = ("d.name", "d.hash", "d.bytes_done", "d.custom1", "d.directory", "d.is_active", "d.complete")


def _polled(client: str) -> list[str]:
    """The columns of the longest list that a client asks for."""
    calls = [call for call in read_lines(GOLDEN / f"{client}.jsonl") if call["name"] == "d.multicall2"]
    columns: list[str] = max((call["params"][2:] for call in calls), key=len)
    return columns


FLOOD, RUTORRENT = _polled("flood"), _polled("rutorrent")
LIST = [*FLOOD, *(column for column in RUTORRENT if column not in FLOOD)][:COLUMNS]


# ---- five thousand torrents


def long_lists(ground: Ground) -> list[Measure]:
    again = Measure("rTorrent's list of 5,000", "s of CPU, 40 columns polled", Better.LOWER, 0.15, 0.05)
    fresh = Measure("rTorrent's list of 5,000", "s of CPU, all rows new", Better.LOWER, 0.5, 0.15)
    first = Measure("rTorrent's list of 5,000", "s to the first answer", Better.LOWER, 5.0, 2.5)
    calls = Measure("rTorrent's list of 5,000", "s of CPU, 500 x 7 calls in one", Better.LOWER, 0.5, 0.25)
    kept = Measure("rTorrent's list of 5,000", "KiB each, while it is polled", Better.LOWER, 10.0, 6.0)
    left = Measure("rTorrent's list of 5,000", "KiB each, before", Better.LOWER)
    for number in range(ground.runs):
        with own_daemon(ground, TORRENTS) as (daemon, rpc):
            idle_bytes = daemon.rss_bytes()
            began_s = time.monotonic()
            ask(rpc, *_list_of(LIST))
            first.add(OURS, time.monotonic() - began_s)
            wait_for_folder(daemon, TORRENTS)
            left.add(OURS, (daemon.rss_bytes() - idle_bytes) / TORRENTS / 1024)
            # Other columns each time: the rows of none are there.
            fresh.add(OURS, _cpu_s(daemon, rpc, _turned(LIST)))
            warm_up(rpc, LIST)
            again.add(OURS, _cpu_s(daemon, rpc, [_list_of(LIST)] * AGAIN))
            kept.add(OURS, (daemon.rss_bytes() - idle_bytes) / TORRENTS / 1024)
            hashes = scgi_call(rpc, "download_list")[:CALLS_AT_ONCE]
            entries = [{"methodName": name, "params": [digits]} for digits in hashes for name in FIELDS]
            calls.add(OURS, _cpu_s(daemon, rpc, [("system.multicall", entries)] * 3))
        note(f"rTorrent's list of 5,000: run {number + 1}: first {first.runs[OURS][-1]:.2f} s, "
             f"new {fresh.runs[OURS][-1]:.3f} s of CPU, polled {again.runs[OURS][-1]:.3f} s, calls "
             f"{calls.runs[OURS][-1]:.3f} s, {left.runs[OURS][-1]:.1f} then {kept.runs[OURS][-1]:.1f} KiB each")
    return [again, fresh, first, calls, left, kept]


# ---- beside rTorrent


def beside(ground: Ground) -> list[Measure]:
    measures = {client: Measure(f"list of {client} of 1,000", "ms of CPU, polled", Better.LOWER, 2.0, 1.0)
                for client in ("Flood", "ruTorrent")}
    fresh = Measure("list of Flood of 1,000", "ms of CPU, all rows new", Better.LOWER, 3.0, 2.0)
    files = Measure("files of one of 5,000", "ms of CPU", Better.LOWER, 4.0, 2.0)
    many = ground.sample("many files", size=FILES * CONTENT_BYTES, files=FILES)
    for number, contestant in ground.rounds():
        if contestant.name not in (OURS, RTORRENT):
            continue
        with _of_both(ground, contestant.name, many) as (program, rpc, digits):
            ask(rpc, *_list_of(FLOOD))
            fresh.add(contestant.name, 1e3 * _cpu_s(program, rpc, _turned(FLOOD)))
            for client, columns in (("Flood", FLOOD), ("ruTorrent", RUTORRENT)):
                warm_up(rpc, columns)
                measures[client].add(contestant.name, 1e3 * _cpu_s(program, rpc, [_list_of(columns)] * AGAIN))
            files.add(contestant.name, 1e3 * _cpu_s(program, rpc, [("f.multicall", digits, "", *DETAILS)] * 5))
        told = ", ".join(f"{measure.work} {measure.figure}: {measure.runs[contestant.name][-1]:.1f}"
                         for measure in (*measures.values(), fresh, files))
        note(f"run {number + 1}: {contestant.name}: {told}")
    return [*measures.values(), fresh, files]


@contextmanager
def _of_both(ground: Ground, name: str, many: Sample) -> Iterator[tuple[Program, Path, str]]:
    """One of the two with a thousand stopped torrents and one of many files; where to ask, and the hash of that."""
    digits = many.info_hash.hex().upper()
    with ground.landing() as (work,):
        copy = with_tracker(many.torrent, NO_TRACKER, work)
        if name == OURS:
            with own_daemon(ground, SOME) as (daemon, rpc):
                ask(rpc, "d.multicall2", "", "main", "d.hash=")
                wait_for_folder(daemon, SOME)
                scgi_call(rpc, "load.normal", "", str(copy))
                wait_until(lambda: len(scgi_call(rpc, "download_list")) == SOME + 1, PATIENCE_S, "the torrent")
                yield daemon, rpc, digits
            return
        with RtorrentSession(work) as session:
            wait_until(lambda: session.knows(0), PATIENCE_S, "rTorrent")
            load_many(session, work, SOME)
            session.call("load.normal", "", str(copy))
            wait_until(lambda: session.knows(SOME + 1), PATIENCE_S, "the torrent")
            yield session, work / "rpc.sock", digits


def load_many(session: RtorrentSession, work: Path, count: int) -> None:
    """So many stopped torrents, when it has none yet."""
    for number in range(count):
        torrent = work / f"{number}.torrent"
        torrent.write_bytes(make_torrent(number, NO_TRACKER)[0])
        session.call("load.normal", "", str(torrent))
    wait_until(lambda: session.knows(count), PATIENCE_S, "the torrents", 0.5)


# ---- how long the other threads wait


def holds(ground: Ground) -> list[Measure]:
    hold = Measure("rTorrent's list of 5,000", "ms that others wait at most", Better.LOWER, 1.0, 0.8)
    usual = Measure("rTorrent's list of 5,000", "ms that others wait, p99", Better.LOWER, 1.0, 0.6)
    alone = Measure("rTorrent's list of 5,000", "ms that others wait at most, nothing asked", Better.LOWER)
    slices = Measure("rTorrent's list of 5,000", "ms of CPU between two pauses, at most", Better.LOWER, 1.0, 0.8)
    stage, answer = _played()
    gc.collect()
    gc.freeze()                        # as the daemon does when it has read its torrents
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    answer()
    uploaded = count(1)
    for number in range(ground.runs):
        quiet, _ = waits(lambda: time.sleep(0.2))
        _renew(stage, next(uploaded))
        new, _ = waits(answer)
        same, _ = waits(answer)
        _renew(stage, next(uploaded))
        slice_s = max(longest_slice(answer), longest_slice(answer))
        told = sorted(new + same)
        for measure, value_s in ((hold, told[-1]), (usual, quantile(told, 0.99)), (alone, quiet[-1]),
                                 (slices, slice_s)):
            measure.add(OURS, 1e3 * value_s)
        note(f"rTorrent's list of 5,000: run {number + 1}: others wait {1e3 * told[-1]:.2f} ms at most, p99 "
             f"{1e3 * quantile(told, 0.99):.2f} ms of {len(told)}; idle {1e3 * quiet[-1]:.2f} ms; {1e3 * slice_s:.2f} "
             "ms of CPU at most between two pauses")
    return [hold, usual, alone, slices]


def _played() -> tuple[Stage, Callable[[], None]]:
    """All commands on downloads with an engine that is played, and what asks them for the list and writes it."""
    stage = Stage()
    for number in range(TORRENTS):
        metainfo = parse_torrent(make_torrent(number, NO_TRACKER)[0])
        stage.engine.raw[metainfo.info_hash] = make_torrent(number, NO_TRACKER)[0]
        stage.engine.trackers[metainfo.info_hash] = (TrackerStatus(0, "v1", NO_TRACKER, NO_TRACKER, "idle"),)
        stage.engine.publish(TorrentStatus(
            metainfo.info_hash, metainfo.name, "stopped", CONTENT_BYTES, 1, "/srv", done_bytes=CONTENT_BYTES,
            pieces_wire=b"\x80", own_path=f"/srv/{metainfo.name}", custom={"custom1": "tag"}))
    calls = Calls(stage.interpreter, stage.side.aiming.read)
    params = "".join(f"<param><value><string>{word}</string></value></param>" for word in ("", "main", *LIST))
    body = f"<methodCall><methodName>d.multicall2</methodName><params>{params}</params></methodCall>".encode()

    def answer() -> None:
        exchange = read_request(body)
        exchange.perform(calls, Trust.FULL)
        told = exchange.render()
        assert told.length > TORRENTS * COLUMNS
        parts = list(told.parts)
        del told
        let_go(parts)                  # as they go when they are sent

    return stage, answer


def _renew(stage: Stage, uploaded_bytes: int) -> None:
    for status in stage.engine.torrents.values():
        stage.engine.publish(status._replace(uploaded_bytes=uploaded_bytes))
    stage.side.downloads.refresh()


# ---- asking


@contextmanager
def own_daemon(ground: Ground, torrents: int) -> Iterator[tuple[Daemon, Path]]:
    """One with so many stopped torrents, and where to ask it."""
    with tempfile.TemporaryDirectory(dir=ground.content) as folder:
        daemon = Daemon(Path(folder))
        fill_state(daemon, torrents, seeding=False, tracker=NO_TRACKER)
        with daemon:
            rpc = daemon.runtime / "rpc.sock"
            wait_until(lambda: daemon.call("GET", "/v1/session")["torrents"] == torrents, PATIENCE_S, "the torrents")
            yield daemon, rpc


def wait_for_folder(daemon: Daemon, torrents: int) -> None:
    """The files that clients look for are written once, when the first of them comes."""
    folder = daemon.state / "rtorrent"
    wait_until(lambda: len(list(folder.glob("*.torrent"))) == torrents, PATIENCE_S, "the session folder", 0.2)


def ask(rpc: Path, command: str, *arguments: Any) -> None:
    assert b"<fault>" not in scgi_answer(rpc, command, *arguments)[:200]


def warm_up(rpc: Path, columns: Sequence[str]) -> None:
    """As a client does that has been there for a while."""
    for _ in range(3):
        ask(rpc, *_list_of(columns))


def _list_of(columns: Sequence[str]) -> tuple[str, ...]:
    return ("d.multicall2", "", "main", *columns)


def _turned(columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Some lists of the same columns in other orders: their rows have not been asked for."""
    return [_list_of([*columns[turn:], *columns[:turn]]) for turn in range(1, 4)]


def _cpu_s(program: Program, rpc: Path, calls: Sequence[tuple[Any, ...]]) -> float:
    """What one of these costs the program."""
    before_s = program.cpu_s()
    for call in calls:
        ask(rpc, *call)
    return (program.cpu_s() - before_s) / len(calls)
