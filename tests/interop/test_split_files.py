"""Files that are kept in parts: real rTorrent and we list the same ones, and what comes from libtorrent is in them."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.interop.clients import meet
from tests.support.payload import KIB, Sample, make_sample, with_tracker
from tests.support.peers.client import Role
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PIECE = 32 * KIB
# Not f.match_depth_next: rTorrent does not count it for parts.
COLUMNS = ("f.path=", "f.size_bytes=", "f.size_chunks=", "f.offset=", "f.range_first=", "f.range_second=",
           "f.path_depth=", "f.path_components=", "f.priority=")
FACTS = ("name", "base_filename", "size_files", "is_multi_file", "size_bytes", "size_chunks")
SPLITS = ((100_000, ".part"), (60_000, ".zz"), (250_000, ".part"), (-1, ".part"))

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sample]:
    root = tmp_path_factory.mktemp("samples")
    files = [("a.txt", 50_000), ("exact", 100_000), ("twice", 200_000), ("sub/b.txt", 99_999), ("sub/b.txt.part1", 1)]
    return make_sample(root, "alone.bin", 250_000, PIECE), make_sample(root, "several", files, PIECE)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RtorrentSession, RpcDaemon]]:
    require_tool("rtorrent")
    home = tmp_path_factory.mktemp("home")
    with RtorrentSession(home, f"directory.default.set = {home}") as rtorrent:
        wait_until(lambda: rtorrent.knows(0), PATIENCE_S, "rTorrent")
        with RpcDaemon(home / "daemon", rc=(f"directory.default.set = {home / 'daemon'}",)) as daemon:
            yield rtorrent, daemon


def told(call: Call, home: Path, raw: bytes, name: str) -> tuple[list[Any], list[list[Any]], list[str]]:
    """What is said of one that is loaded and opened, and of its files; it is erased again."""
    call("load.raw_start", "", xmlrpc.client.Binary(raw))
    wait_until(lambda: name in call("download_list", ""), PATIENCE_S, "it to be loaded")
    wait_until(lambda: call("d.is_open", name), PATIENCE_S, "it to be open")
    facts = [call(f"d.{fact}", name) for fact in FACTS]
    rows = call("f.multicall", name, "", *COLUMNS)
    places = [str(Path(path).relative_to(home)) for path in (
        call("d.base_path", name), *(row[0] for row in call("f.multicall", name, "", "f.frozen_path=")))]
    call("d.erase", name)
    wait_until(lambda: name not in call("download_list", ""), PATIENCE_S, "it to be erased")
    return facts, rows, places


@pytest.mark.parametrize(("size", "suffix"), SPLITS)
def test_the_same_files_are_listed(
    both: tuple[RtorrentSession, RpcDaemon], samples: Sequence[Sample], tmp_path: Path, size: int, suffix: str,
) -> None:
    rtorrent, daemon = both
    for call in (rtorrent.call, daemon.ask):
        assert call("system.file.split_size.set", "", size) == size == call("system.file.split_size")
        assert call("system.file.split_suffix.set", "", suffix) == suffix == call("system.file.split_suffix")
    for sample in samples:
        raw = with_tracker(sample.torrent, NO_TRACKER, tmp_path).read_bytes()
        theirs = told(rtorrent.call, rtorrent.home, raw, digits(sample))
        assert told(daemon.ask, daemon.folder, raw, digits(sample)) == theirs


def test_what_libtorrent_sends_is_in_the_parts(samples: Sequence[Sample], tmp_path: Path) -> None:
    with meet("libtorrent") as meeting, RpcDaemon(tmp_path, rc=(
            f"directory.default.set = {tmp_path / 'here'}", "system.file.split_size.set = 100000")) as daemon:
        for sample in samples:
            with meeting.them(Role.SEED, sample, sample.folder) as seed:
                daemon.ask("load.raw_start", "", xmlrpc.client.Binary(sample.torrent.read_bytes()))
                name = digits(sample)
                wait_until(lambda name=name: name in daemon.ask("download_list"), PATIENCE_S, "it to be loaded")
                daemon.ask("add_peer", name, seed.endpoint)
                daemon.wait_for(sample, 1, "complete")
        alone = (samples[0].folder / "alone.bin").read_bytes()
        parts = sorted((tmp_path / "here").glob("alone.bin*"))
        assert [path.name for path in parts] == [f"alone.bin.part{number:03}" for number in range(3)]
        assert [path.read_bytes() for path in parts] == [alone[:100_000], alone[100_000:200_000], alone[200_000:]]
        twice = (samples[1].folder / "several" / "twice").read_bytes()
        folder = tmp_path / "here" / "several"
        assert (folder / "twice.part000").read_bytes() + (folder / "twice.part001").read_bytes() == twice
        assert not (folder / "twice").exists()
