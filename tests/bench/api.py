"""Rows about the REST interface: lists while a transfer runs, what a long list costs the other threads, slow clients,
and answers while the daemon starts."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from blobtorrent.daemon.assemble import GARBAGE_THRESHOLD
from blobtorrent.interface.rest.http import Request, parse_head
from tests.bench.contestants import OURS
from tests.bench.ground import RUN_TIMEOUT_S, Ground, note
from tests.bench.holds import longest_slice, quantile, waits
from tests.bench.results import Better, Measure
from tests.bench.scale import fill_state, make_torrent
from tests.support.besieged import Besieged
from tests.support.payload import MIB, Sample, with_tracker
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentPeer
from tests.support.resources import ADMIN, Resources
from tests.support.rest import status_of
from tests.support.slowclients import siege

TORRENTS = 1_000
MANY = 10_000
RTORRENT = "rtorrent"
EVERY_S = 0.05                         # between the beginnings of two lists
FIELDS = ("hash", "name", "state", "size_bytes", "done_bytes", "down_bytes_per_s", "up_bytes_per_s", "ratio",
          "peers_connected", "labels")
METHODS = ("d.hash=", "d.name=", "d.state=", "d.size_bytes=", "d.completed_bytes=", "d.down.rate=", "d.up.rate=",
           "d.ratio=", "d.peers_connected=", "d.custom1=")
SIEGE_S, SETTLE_S = 60.0, 3.0
ANSWER_TIMEOUT_S = 30.0
_DONE = count(1000)
START_TIMEOUT_S = 300.0


# ---- a list of a thousand torrents while one of them is downloaded


class _Ours:
    """A daemon with a thousand stopped torrents; the list comes over one connection to its UNIX socket."""

    def __init__(self, daemon: Daemon, sample: Sample) -> None:
        self._daemon = daemon
        self._sample = sample
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(ANSWER_TIMEOUT_S)
        self._sock.connect(str(daemon.runtime / "rest.sock"))
        self._link = http.client.HTTPConnection("localhost")
        self._link.sock = self._sock

    def begin(self, peer: str, folder: Path) -> None:
        self._daemon.call("POST", "/v1/torrents", {
            "source": str(self._sample.torrent), "download_dir": str(folder), "peers": [peer]})

    def list_all(self) -> bytes:
        self._link.request("GET", f"/v1/torrents?fields={','.join(FIELDS)}")
        return self._link.getresponse().read()

    def count(self) -> int:
        return len(json.loads(self.list_all())["torrents"])

    def is_complete(self) -> bool:
        told = self._daemon.call("GET", f"/v1/torrents/{self._sample.info_hash.hex()}")
        return bool(told["state"] == "seeding")

    def close(self) -> None:
        self._link.close()


class _Rtorrent:
    """rTorrent with as many; it takes a connection for each call."""

    def __init__(self, peer: RtorrentPeer, sample: Sample) -> None:
        self._peer = peer
        self._name = sample.info_hash.hex().upper()

    def begin(self, peer: str, _folder: Path) -> None:
        self._peer.call("add_peer", self._name, peer)

    def list_all(self) -> bytes:
        return self._peer.answer("d.multicall2", "", "main", *METHODS)

    def count(self) -> int:
        return len(self._peer.call("download_list"))

    def is_complete(self) -> bool:
        return bool(self._peer.call("d.complete", self._name))

    def close(self) -> None:
        """Nothing is open."""


_Side = _Ours | _Rtorrent


def lists(ground: Ground) -> list[Measure]:
    middle = Measure("list of 1,000", "ms in a transfer, p50", Better.LOWER, 5.0, 5.0)
    last = Measure("list of 1,000", "ms in a transfer, p99", Better.LOWER, 20.0, 20.0)
    loss = Measure("list of 1,000", "% that the transfer loses", Better.LOWER, 10.0, 5.0)
    beside = Measure("list of 1,000, beside", "ms in a transfer, p50", Better.LOWER, 1.0, 0.5)
    beside_last = Measure("list of 1,000, beside", "ms in a transfer, p99", Better.LOWER, 1.0, 0.5)
    beside_loss = Measure("list of 1,000, beside", "% that the transfer loses", Better.LOWER)
    sample = ground.sample("single")
    for number, contestant in ground.rounds():
        if contestant.name not in (OURS, RTORRENT):
            continue
        quiet_s, _ = _transfer(ground, sample, contestant.name, is_listed=False)
        listed_s, took_s = _transfer(ground, sample, contestant.name, is_listed=True)
        p50, p99, lost = (1e3 * quantile(took_s, 0.5), 1e3 * quantile(took_s, 0.99), 100 * (1 - quiet_s / listed_s))
        for measure, value in ((beside, p50), (beside_last, p99), (beside_loss, lost)):
            measure.add(contestant.name, value)
        if contestant.name == OURS:
            for measure, value in ((middle, p50), (last, p99), (loss, lost)):
                measure.add(OURS, value)
        note(f"list of 1,000: run {number + 1}: {contestant.name} p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(took_s)}; "
             f"{sample.size_bytes / quiet_s / 1e6:.0f} MB/s alone, {sample.size_bytes / listed_s / 1e6:.0f} with it")
    return [middle, last, loss, beside, beside_last, beside_loss]


def _transfer(ground: Ground, sample: Sample, name: str, *, is_listed: bool) -> tuple[float, list[float]]:
    """Seconds of the download, and those of each list meanwhile."""
    took_s: list[float] = []
    seed_job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with LibtorrentPeer(seed_job) as seed, ground.landing(2) as (folder, work), \
            _side(sample, name, folder, work) as side:
        began_s = time.monotonic()
        side.begin(seed.endpoint, folder)
        while not side.is_complete():
            if time.monotonic() > began_s + RUN_TIMEOUT_S:
                raise RuntimeError(f"{name} does not finish")
            if is_listed:
                asked_s = time.monotonic()
                side.list_all()        # nobody reads it: that would be the client's work
                took_s.append(time.monotonic() - asked_s)
            time.sleep(EVERY_S)
        return time.monotonic() - began_s, took_s


@contextmanager
def _side(sample: Sample, name: str, folder: Path, work: Path) -> Iterator[_Side]:
    """One of the two with all but the download, which goes to `folder`; `work` is for what it keeps."""
    if name == OURS:
        daemon = Daemon(work)
        fill_state(daemon, TORRENTS, seeding=False)
        with daemon:
            side: _Side = _Ours(daemon, sample)
            wait_until(lambda: side.count() == TORRENTS, START_TIMEOUT_S, "the torrents")
            yield side
            side.close()
        return
    with RtorrentPeer(Job(Role.LEECH, sample.torrent, folder, sample.info_hash)) as peer:
        plain = work / "plain"
        for number in range(TORRENTS):
            plain.write_bytes(make_torrent(number)[0])
            torrent = with_tracker(plain, NO_TRACKER, work).rename(work / f"{number}.torrent")
            peer.call("load.normal", "", str(torrent))
        side = _Rtorrent(peer, sample)
        wait_until(lambda: side.count() > TORRENTS, START_TIMEOUT_S, "the torrents", 0.5)
        yield side


# ---- ten thousand torrents in one answer


def long_list(ground: Ground) -> list[Measure]:
    hold = Measure("list of 10,000", "ms that others wait at most", Better.LOWER, 1.0, 0.8)
    usual = Measure("list of 10,000", "ms that others wait, p99", Better.LOWER, 1.0, 0.6)
    alone = Measure("list of 10,000", "ms that others wait at most, nothing asked", Better.LOWER)
    slices = Measure("list of 10,000", "ms of CPU between two pauses, at most", Better.LOWER, 1.0, 0.8)
    taken = Measure("list of 10,000", "ms to answer", Better.LOWER)
    rest = Resources()
    _renew(rest)
    gc.collect()
    gc.freeze()                        # as the daemon does when it has read its torrents
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    for number in range(ground.runs):
        _renew(rest)
        quiet, _ = waits(lambda: time.sleep(0.2))
        told, took_s = waits(lambda: _answer(rest))
        _renew(rest)
        slice_s = longest_slice(lambda: _answer(rest))
        hold.add(OURS, 1e3 * told[-1])
        usual.add(OURS, 1e3 * quantile(told, 0.99))
        alone.add(OURS, 1e3 * quiet[-1])
        taken.add(OURS, 1e3 * took_s)
        slices.add(OURS, 1e3 * slice_s)
        note(f"list of 10,000: run {number + 1}: others wait {1e3 * told[-1]:.2f} ms at most, p99 "
             f"{1e3 * quantile(told, 0.99):.2f} ms of {len(told)}; idle {1e3 * quiet[-1]:.2f} ms; took "
             f"{1e3 * took_s:.0f} ms; {1e3 * slice_s:.2f} ms of CPU at most between two pauses")
    return [hold, usual, alone, slices, taken]


def _renew(rest: Resources) -> None:
    """Other snapshots of all torrents: no row of them is kept."""
    done_bytes = next(_DONE)
    rest.session.show(*(status_of(number, labels=("a", "b"), downloaded_bytes=done_bytes)
                        for number in range(1, MANY + 1)))


def _answer(rest: Resources) -> None:
    answer = rest.router.answer(Request(parse_head("GET /v1/torrents HTTP/1.1\r\nHost: localhost"), b"", ADMIN))
    assert answer.status == 200 and isinstance(answer.body, tuple)


# ---- two thousand slow clients


def slow_clients(ground: Ground) -> list[Measure]:
    last = Measure("2,000 slow clients", "ms to health, p99", Better.LOWER, 200.0, 50.0)
    memory = Measure("2,000 slow clients", "MiB more", Better.LOWER, 50.0, 25.0)
    for number in range(ground.runs):
        with tempfile.TemporaryDirectory(dir=ground.content) as folder, Besieged(Path(folder)) as besieged:
            before_bytes = besieged.daemon.rss_bytes()
            with siege(besieged.port):
                time.sleep(SETTLE_S)
                took_s, peak_bytes = besieged.watch(SIEGE_S)
        last.add(OURS, 1e3 * quantile(took_s, 0.99))
        memory.add(OURS, (peak_bytes - before_bytes) / MIB)
        note(f"2,000 slow clients: run {number + 1}: p50 {1e3 * quantile(took_s, 0.5):.1f} ms, p99 "
             f"{last.runs[OURS][-1]:.1f} ms of {len(took_s)}; {memory.runs[OURS][-1]:.1f} MiB more")
    return [last, memory]


# ---- answers while ten thousand torrents are read


def early_answers(ground: Ground) -> list[Measure]:
    first = Measure("start with 10,000", "s to the first answer", Better.LOWER, 1.0, 0.5)
    ready = Measure("start with 10,000", "s until it is ready", Better.LOWER)
    silent = Measure("start with 10,000", "ms to an answer meanwhile, at most", Better.LOWER, 200.0, 100.0)
    with ground.landing() as (folder,):                    # in memory: it is about answers, not about a disk
        for number in range(ground.runs):
            daemon = Daemon(folder)
            if not number:
                fill_state(daemon, MANY, seeding=False)
            answers = _start(daemon)
            first.add(OURS, answers[0][0])
            ready.add(OURS, answers[-1][0])
            silent.add(OURS, 1e3 * max(took_s for _, took_s, _ in answers))
            told = [reason for _, _, reason in answers if reason]
            note(f"start with 10,000: run {number + 1}: answers from {answers[0][0]:.2f} s, ready at "
                 f"{answers[-1][0]:.2f} s, {len(told)} refusals{f', such as {told[-1]!r}' if told else ''}")
    return [first, ready, silent]


def _start(daemon: Daemon) -> list[tuple[float, float, str]]:
    """When each answer about readiness came, how long it took, and what it said while the daemon was not ready."""
    answers: list[tuple[float, float, str]] = []
    began_s = time.monotonic()
    daemon.start()
    try:
        while time.monotonic() < began_s + START_TIMEOUT_S:
            asked_s = time.monotonic()
            try:
                told = daemon.call("GET", "/v1/health/ready")
            except OSError:
                time.sleep(0.005)
                continue
            now = time.monotonic()
            answers.append((now - began_s, now - asked_s, "".join(told["reasons"])))
            if told["status"] == "ok":
                return answers
            time.sleep(0.01)
        raise RuntimeError("the daemon does not get ready")
    finally:
        daemon.stop()
