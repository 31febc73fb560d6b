"""Whole programs that meet by uTP: without TCP at all, killed in the middle, and through routers that let nobody in."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from blobtorrent.cli.output import EXIT_OK
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.source import ROOT

pytestmark = pytest.mark.timeout(180)
TIMEOUT_S = 90.0
BEHIND_NAT = ROOT / "tests/support/peers/scripts/behind_nat.py"
ALONE = ("dht.enabled=false", "lsd.enabled=false")
WITHOUT_TCP = (*ALONE, "tcp.enabled=false")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("one.bin", 9 * MIB + 1), ("folder/empty", 0), ("folder/two.bin", 3 * MIB)]
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", files, 64 * KIB)


def get(sample: Sample, folder: Path, *peers: str, settings: tuple[str, ...] = WITHOUT_TCP, seeds: bool = False,
        address: str = "127.0.0.1", seed_for_s: float = 86_400.0, behind_nat: bool = False) -> BlobTorrentGet:
    role = Role.SEED if seeds else Role.LEECH
    options = [word for setting in settings for word in ("--set", setting)]
    got = BlobTorrentGet(Job(role, sample.torrent, folder, sample.info_hash, peers, address), options=options,
                         seed_for_s=seed_for_s)
    if behind_nat:
        assert got._command[1:3] == ["-m", "blobtorrent"]
        got._command[:3] = [sys.executable, str(BEHIND_NAT)]
    return got


def test_without_tcp_a_download_is_exact_and_both_programs_end(sample: Sample, tmp_path: Path) -> None:
    with get(sample, sample.folder, seeds=True) as seed, \
            get(sample, tmp_path, seed.endpoint, seed_for_s=0.0) as leech:
        leech.wait_complete(TIMEOUT_S)
        assert leech.wait(TIMEOUT_S) == EXIT_OK
        seed.process.send_signal(signal.SIGINT)
        assert seed.wait(TIMEOUT_S) == EXIT_OK
    assert sample.differences(tmp_path) == []


def test_who_speaks_both_finds_one_without_tcp(sample: Sample, tmp_path: Path) -> None:
    with get(sample, sample.folder, seeds=True) as seed, \
            get(sample, tmp_path, seed.endpoint, settings=ALONE, seed_for_s=0.0) as leech:
        leech.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path) == []


def test_three_peers_share_and_one_that_is_killed_begins_again(sample: Sample, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    slow = (*WITHOUT_TCP, 'limits.up_bytes_per_s="3 MiB"')
    with ExitStack() as stack:
        seed = stack.enter_context(get(sample, sample.folder, settings=slow, seeds=True))
        first = stack.enter_context(get(sample, folders[0], seed.endpoint))
        second = stack.enter_context(get(sample, folders[1], seed.endpoint, first.endpoint))
        with get(sample, folders[2], seed.endpoint, first.endpoint, second.endpoint) as third:
            third.wait_event("progress", TIMEOUT_S)
            third.process.kill()
            third.wait(TIMEOUT_S)
        again = stack.enter_context(get(sample, folders[2], seed.endpoint, first.endpoint, second.endpoint))
        for leech in (first, second, again):
            leech.wait_complete(TIMEOUT_S)
    for folder in folders:
        assert sample.differences(folder) == []


@pytest.mark.parametrize("punches", [True, False])
def test_two_that_nobody_can_dial_meet_with_the_help_of_a_third(
        punches: bool, sample: Sample, tmp_path: Path) -> None:
    """The third gives next to nothing itself. The seed hears of nobody, so it does not dial the leech unasked."""
    relay_folder, folder = tmp_path / "relay", tmp_path / "leech"
    relay_folder.mkdir()
    folder.mkdir()
    word = "true" if punches else "false"
    hidden = (*WITHOUT_TCP, f"utp.hole_punching={word}")
    slow = (*WITHOUT_TCP, "limits.up_bytes_per_s=10000", "limits.down_bytes_per_s=10000")
    with get(sample, relay_folder, settings=slow, address="127.0.0.1") as relay, \
            get(sample, sample.folder, relay.endpoint, settings=(*hidden, "pex.enabled=false"), seeds=True,
                address="127.0.0.2", behind_nat=True), \
            get(sample, folder, relay.endpoint, settings=hidden, address="127.0.0.3", behind_nat=True) as leech:
        if punches:
            leech.wait_complete(TIMEOUT_S)
            assert sample.differences(folder) == []
        else:
            with pytest.raises(TimeoutError):
                leech.wait_complete(20.0)
