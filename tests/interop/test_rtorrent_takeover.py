"""rTorrent is stopped, and BlobTorrent started with the same file in its place."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.support.fingerprint import fingerprint
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession, scgi_call
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PIECE = 64 * KIB
TIMEOUT_S = 30.0
SAME = ("d.name", "d.directory", "d.custom1", "d.priority", "d.size_files", "d.complete", "d.timestamp.finished")
QUIET = """
[storage]
memory_budget = "16 MiB"
[network]
allow_loopback = true
port_mapping = "off"
[lsd]
enabled = false
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    require_tool("rtorrent")
    return tmp_path


def samples_of(home: Path) -> list[Sample]:
    return [make_sample(home, f"sample {number}", 300_000, PIECE, seed=number, trackers=[NO_TRACKER])
            for number in range(3)]


def load(home: Path, samples: list[Sample]) -> None:
    """The last one is stopped."""
    *running, stopped = samples
    for sample in running:
        scgi_call(home / "rpc.sock", "load.start", "", str(sample.torrent), "d.directory.set=content",
                  'd.custom1.set="a%20label"')
    scgi_call(home / "rpc.sock", "load.normal", "", str(stopped.torrent), "d.directory.set=content")
    for sample in running:
        wait_until(partial(is_seeding, home, sample), TIMEOUT_S, f"{sample.name!r}")


def is_seeding(home: Path, sample: Sample) -> bool:
    return bool(ask(home, "d.is_active", sample) and ask(home, "d.complete", sample))


def ask(home: Path, getter: str, sample: Sample) -> object:
    return scgi_call(home / "rpc.sock", getter, sample.info_hash.hex().upper())


def in_its_place(home: Path) -> Daemon:
    """It is started in the same folder, with the same words."""
    return Daemon(home, "-n", "-o", f"import={home / 'rtorrent.rc'}", settings=QUIET)


def test_it_goes_on_where_rtorrent_was_and_nothing_is_hashed(home: Path) -> None:
    samples = samples_of(home)
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
        load(home, samples)
    before = fingerprint(home / "session"), fingerprint(home / "content")
    with in_its_place(home) as daemon:
        assert sorted(scgi_call(home / "rpc.sock", "download_list")) == sorted(
            sample.info_hash.hex().upper() for sample in samples)
        for sample in samples[:2]:
            wait_until(partial(is_seeding, home, sample), TIMEOUT_S, f"{sample.name!r}")
            assert ask(home, "d.custom1", sample) == "a%20label"
            assert ask(home, "d.directory", sample) == str(home / "content")
        assert (ask(home, "d.state", samples[2]), ask(home, "d.is_open", samples[2])) == (0, 0)
        assert "torrent checked" not in daemon.output()
        scgi_call(home / "rpc.sock", "d.erase", samples[0].info_hash.hex().upper())
        digits = samples[0].info_hash.hex().upper()
        wait_until(lambda: not list((home / "session").glob(f"{digits}*")), TIMEOUT_S, "its files to be gone")
    assert fingerprint(home / "content") == before[1]
    with in_its_place(home):           # what was removed does not come again
        assert len(scgi_call(home / "rpc.sock", "download_list")) == 2


def test_rtorrent_can_take_its_place_again(home: Path) -> None:
    samples = samples_of(home)
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
        load(home, samples)
    added = make_sample(home, "added here", [("a", 100_000), ("b/c", 100_000)], PIECE, seed=9, trackers=[NO_TRACKER])
    with in_its_place(home):
        for sample in samples[:2]:
            wait_until(partial(is_seeding, home, sample), TIMEOUT_S, f"{sample.name!r}")
        scgi_call(home / "rpc.sock", "load.start", "", str(added.torrent), f"d.directory.set={home / 'content'}",
                  "d.custom1.set=ours", "d.custom.set=note,ü", "d.priority.set=1")
        wait_until(partial(is_seeding, home, added), TIMEOUT_S, "the new one")
        scgi_call(home / "rpc.sock", "d.custom2.set", samples[0].info_hash.hex().upper(), "said later")
        scgi_call(home / "rpc.sock", "d.stop", samples[1].info_hash.hex().upper())
        told = {getter: ask(home, getter, added) for getter in SAME}
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(4), TIMEOUT_S, "rTorrent")
        for sample in (samples[0], added):
            wait_until(partial(is_seeding, home, sample), TIMEOUT_S, f"{sample.name!r}")
        assert {getter: ask(home, getter, added) for getter in SAME} == told
        assert scgi_call(home / "rpc.sock", "d.custom", added.info_hash.hex().upper(), "note") == "ü"
        assert ask(home, "d.custom2", samples[0]) == "said later"
        assert ask(home, "d.state", samples[1]) == 0


def test_magnet_links_whose_metadata_has_not_come_go_back_too(home: Path) -> None:
    links = {f"{number}123456789ABCDEF0123456789ABCDEF01234567": number for number in (0, 1)}
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
    with in_its_place(home):
        for digits, is_started in links.items():
            scgi_call(home / "rpc.sock", "load.start" if is_started else "load.normal", "",
                      f"magnet:?xt=urn:btih:{digits}&dn=some%20name&tr={NO_TRACKER}", "d.custom1.set=ours")
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(2), TIMEOUT_S, "rTorrent")
        for digits, is_started in links.items():
            told = [rtorrent.call(f"d.{name}", digits) for name in ("name", "is_meta", "state", "custom1")]
            assert told == [f"{digits}.meta", 1, is_started, "ours"]
            assert rtorrent.call("t.multicall", digits, "", "t.url=") == [[NO_TRACKER]]
    with in_its_place(home):
        assert sorted(scgi_call(home / "rpc.sock", "download_list")) == sorted(links)


def test_while_rtorrent_runs_it_does_not_start(home: Path) -> None:
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
        before = fingerprint(home / "session")
        os.unlink(home / "rpc.sock")   # two do not share it
        daemon = in_its_place(home)
        daemon.start()
        try:
            assert daemon.wait(TIMEOUT_S) == 1
        finally:
            daemon.stop()
        assert "rTorrent runs on" in daemon.output() and "import.rtorrent-runs" in daemon.output()
        assert fingerprint(home / "session") == before
        rtorrent.send_signal(signal.SIGKILL)
        rtorrent.wait(TIMEOUT_S)
    assert (home / "session" / "rtorrent.lock").exists()
    with in_its_place(home):           # of one that was killed only the lock is left
        assert scgi_call(home / "rpc.sock", "download_list") == []
