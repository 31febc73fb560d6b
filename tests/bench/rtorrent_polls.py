"""Rows about what clients of rTorrent's interface cost a transfer, and about its answers while the daemon starts."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.contestants import OURS
from tests.bench.ground import RUN_TIMEOUT_S, Ground, note
from tests.bench.holds import quantile
from tests.bench.results import Better, Measure
from tests.bench.rtorrent_lists import (
    FLOOD,
    PATIENCE_S,
    RTORRENT,
    SOME,
    ask,
    load_many,
    own_daemon,
    wait_for_folder,
    warm_up,
)
from tests.bench.scale import fill_state
from tests.support.payload import Sample, with_tracker
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession, scgi_answer, scgi_call

MANY = 10_000
POLL_S = 1.0
# What Flood asks for besides its list, every time.
TOTALS = [{"methodName": f"throttle.global_{way}.{what}", "params": [""]}
          for way in ("down", "up") for what in ("rate", "total")]


# ---- what a transfer loses


def polls(ground: Ground) -> list[Measure]:
    loss = {how: Measure("1,000 polled", f"% that a transfer loses, {how}", Better.LOWER, 10.0, 5.0)
            for how in ("every second", "without pause")}
    told = {how: Measure("1,000 polled, beside", f"% that a transfer loses, {how}", Better.LOWER) for how in loss}
    took = {how: Measure("1,000 polled, beside", f"ms to the list, p50, {how}", Better.LOWER, 2.0, 1.0) for how in loss}
    sample = ground.sample("single")
    for number, contestant in ground.rounds():
        if contestant.name not in (OURS, RTORRENT):
            continue
        with _polled_program(ground, contestant.name) as rpc:
            quiet_s, _ = _transfer(ground, sample, contestant.name, rpc, None)
            for how, every_s in (("every second", POLL_S), ("without pause", 0.0)):
                polled_s, lists_s = _transfer(ground, sample, contestant.name, rpc, every_s)
                lost = 100 * (1 - quiet_s / polled_s)
                told[how].add(contestant.name, lost)
                took[how].add(contestant.name, 1e3 * quantile(lists_s, 0.5))
                if contestant.name == OURS:
                    loss[how].add(OURS, lost)
                note(f"1,000 polled {how}: run {number + 1}: {contestant.name} {sample.size_bytes / quiet_s / 1e6:.0f} "
                     f"MB/s alone, {sample.size_bytes / polled_s / 1e6:.0f} with it; {len(lists_s)} lists, p50 "
                     f"{1e3 * quantile(lists_s, 0.5):.0f} ms")
    return [*loss.values(), *told.values(), *took.values()]


@contextmanager
def _polled_program(ground: Ground, name: str) -> Iterator[Path]:
    """One of the two with a thousand torrents whose list has been asked for a while; where to ask."""
    if name == OURS:
        with own_daemon(ground, SOME) as (daemon, rpc):
            warm_up(rpc, FLOOD)
            wait_for_folder(daemon, SOME)
            yield rpc
        return
    with tempfile.TemporaryDirectory(dir=ground.content) as folder, RtorrentSession(
            Path(folder), "protocol.encryption.set = none") as session:
        wait_until(lambda: session.knows(0), PATIENCE_S, "rTorrent")
        load_many(session, Path(folder), SOME)
        rpc = Path(folder) / "rpc.sock"
        warm_up(rpc, FLOOD)
        yield rpc


def _transfer(ground: Ground, sample: Sample, name: str, rpc: Path,
              every_s: float | None) -> tuple[float, list[float]]:
    """Seconds of the download, and those of each list that somebody asks for meanwhile, so often (None: nobody)."""
    seed_job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    lists_s: list[float] = []
    is_done = threading.Event()

    def poll() -> None:
        while every_s is not None and not is_done.is_set():
            asked_s = time.monotonic()
            try:
                ask(rpc, "d.multicall2", "", "main", *FLOOD)
                ask(rpc, "system.multicall", TOTALS)
                lists_s.append(time.monotonic() - asked_s)
            except ConnectionResetError:
                if name == OURS:       # rTorrent does so when it is asked without pause
                    raise
            is_done.wait(every_s)

    with LibtorrentPeer(seed_job) as seed, ground.landing(2) as (folder, work), _leech(
            rpc, sample, folder, work) as digits:
        poller = threading.Thread(target=poll)
        began_s = time.monotonic()
        poller.start()
        try:
            scgi_call(rpc, "add_peer", digits, seed.endpoint)
            wait_until(lambda: scgi_call(rpc, "d.complete", digits), RUN_TIMEOUT_S, "the download", 0.05)
            return time.monotonic() - began_s, lists_s or [0.0]
        finally:
            is_done.set()
            poller.join()


@contextmanager
def _leech(rpc: Path, sample: Sample, folder: Path, work: Path) -> Iterator[str]:
    """One more torrent, which is started, and whose content goes to `folder`; its hash."""
    digits = sample.info_hash.hex().upper()
    torrent = with_tracker(sample.torrent, NO_TRACKER, work)
    scgi_call(rpc, "load.start", "", str(torrent), f'd.directory.set="{folder}"')
    wait_until(lambda: digits in scgi_call(rpc, "download_list"), PATIENCE_S, "the torrent")
    wait_until(lambda: scgi_call(rpc, "d.is_active", digits) and not scgi_call(rpc, "d.hashing", digits),
               PATIENCE_S, "its start")
    warm_up(rpc, FLOOD)
    yield digits
    scgi_call(rpc, "d.erase", digits)
    wait_until(lambda: digits not in scgi_call(rpc, "download_list"), PATIENCE_S, "its end")


# ---- while ten thousand are read


def early_lists(ground: Ground) -> list[Measure]:
    first = Measure("start with 10,000", "s to the first answer to rTorrent's clients", Better.LOWER, 5.0, 2.5)
    names = Measure("start with 10,000", "s to rTorrent's list of them", Better.LOWER)
    for number in range(ground.runs):
        with tempfile.TemporaryDirectory(dir=ground.content) as folder:
            daemon = Daemon(Path(folder))
            fill_state(daemon, MANY, seeding=False, tracker=NO_TRACKER)
            began_s = time.monotonic()
            daemon.start()
            try:
                rpc = _wait_for_socket(daemon)
                first.add(OURS, time.monotonic() - began_s)
                assert len(scgi_call(rpc, "d.multicall2", "", "main", "d.hash=", "d.name=")) == MANY
                names.add(OURS, time.monotonic() - began_s)
            finally:
                daemon.stop()
        note(f"start with 10,000: run {number + 1}: {first.runs[OURS][-1]:.2f} s, list {names.runs[OURS][-1]:.2f} s")
    return [first, names]


def _wait_for_socket(daemon: Daemon) -> Path:
    rpc = daemon.runtime / "rpc.sock"
    wait_until(lambda: _answers(rpc), PATIENCE_S, "the socket", 0.005)
    return rpc


def _answers(rpc: Path) -> bool:
    try:
        return bool(scgi_answer(rpc, "system.client_version"))
    except OSError:
        return False
