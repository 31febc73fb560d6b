"""Rate limits of a real daemon, counted by a real libtorrent at the other end."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, MIB
from tests.support.peers.daemon import Daemon
from tests.support.peers.metered import Blank, MeteredPeer, make_blank, rates

SETTLE_S = 2.0
SLOW, FAST = 100 * KIB, 50 * MIB
PACES = [pytest.param(SLOW, 10.0, id="100 KiB/s"), pytest.param(FAST, 5.0, id="50 MiB/s")]


def blank_for(work: Path, name: str, rate: int, seconds: float) -> Blank:
    """A torrent that is not done before the measuring is."""
    piece_length = 64 * KIB if rate < MIB else MIB
    pieces = int(rate * (seconds + SETTLE_S) * 1.5) // piece_length + 16
    return make_blank(work, name, pieces * piece_length, piece_length)


def add(daemon: Daemon, blank: Blank, **options: Any) -> None:
    told = daemon.call("POST", "/v1/torrents", {"source": str(blank.torrent), **options})
    assert told.get("info_hash_v1") == blank.info_hash.hex(), told


def download(daemon: Daemon, stack: ExitStack, blank: Blank, **options: Any) -> MeteredPeer:
    """The daemon downloads it from a peer of its own."""
    seed = stack.enter_context(MeteredPeer(blank, blank.folder, is_seed=True))
    add(daemon, blank, peers=[seed.endpoint], **options)
    return seed


def seed_to(daemon: Daemon, stack: ExitStack, blank: Blank, folder: Path, **options: Any) -> MeteredPeer:
    """The daemon seeds it to a peer of its own."""
    add(daemon, blank, download_dir=str(blank.folder), skip_check=True, **options)
    folder.mkdir()
    leech = stack.enter_context(MeteredPeer(blank, folder, is_seed=False))
    leech.fetch_from(daemon.endpoint)
    return leech


@pytest.mark.parametrize(("rate", "seconds"), PACES)
def test_a_download_from_libtorrent_keeps_to_its_limit(tmp_path: Path, rate: int, seconds: float) -> None:
    blank = blank_for(tmp_path, "blank", rate, seconds)
    with ExitStack() as stack, Daemon(tmp_path / "us", settings=f"limits.down_bytes_per_s = {rate}\n") as daemon:
        seed = download(daemon, stack, blank)
        (measured,) = rates([seed], seconds, SETTLE_S)
        assert measured == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize(("rate", "seconds"), PACES)
def test_an_upload_to_libtorrent_keeps_to_its_limit(tmp_path: Path, rate: int, seconds: float) -> None:
    blank = blank_for(tmp_path, "blank", rate, seconds)
    with ExitStack() as stack, Daemon(tmp_path / "us", settings=f"limits.up_bytes_per_s = {rate}\n") as daemon:
        leech = seed_to(daemon, stack, blank, tmp_path / "them")
        (measured,) = rates([leech], seconds, SETTLE_S)
        assert measured == pytest.approx(rate, rel=0.05)


def test_groups_share_a_limit_by_weight_and_a_torrent_with_a_limit_of_its_own_holds_up_nobody(tmp_path: Path) -> None:
    settings = f"""
limits.down_bytes_per_s = {MIB}
[groups.heavy]
weight = 3
"""
    with ExitStack() as stack, Daemon(tmp_path / "us", settings=settings) as daemon:
        light, heavy, capped = [
            download(daemon, stack, blank_for(tmp_path, name, MIB, 10.0), **options)
            for name, options in (("light", {}), ("heavy", {"group": "heavy"}),
                                  ("capped", {"group": "heavy", "down_limit_bytes_per_s": 64 * KIB}))]
        measured = rates([light, heavy, capped],
                         8.0, SETTLE_S)
        assert sum(measured) == pytest.approx(MIB, rel=0.05)
        assert measured[0] == pytest.approx(MIB / 4, rel=0.1)
        assert measured[2] == pytest.approx(64 * KIB, rel=0.1)


def test_local_peers_can_be_free_of_limits(tmp_path: Path) -> None:
    blank = make_blank(tmp_path, "blank", 16 * MIB, 256 * KIB)
    settings = "limits.down_bytes_per_s = 1000\nlimits.exempt_local = true\n"
    with ExitStack() as stack, Daemon(tmp_path / "us", settings=settings) as daemon:
        download(daemon, stack, blank)
        wait_seeding(daemon, blank)


def test_the_alternative_limits_come_with_the_schedule_and_go_with_a_reload(tmp_path: Path) -> None:
    blank = make_blank(tmp_path, "blank", 64 * MIB, 256 * KIB)
    settings = f"""
[limits]
alternative = "scheduled"
alternative_down_bytes_per_s = {SLOW}
alternative_schedule = ["daily 00:00-24:00"]
"""
    with ExitStack() as stack, Daemon(tmp_path / "us", settings=settings) as daemon:
        seed = download(daemon, stack, blank)
        (measured,) = rates([seed], 5.0, SETTLE_S)
        assert measured == pytest.approx(SLOW, rel=0.1)
        daemon.config.write_text(settings.replace("scheduled", "never"))
        daemon.process.send_signal(signal.SIGHUP)
        wait_seeding(daemon, blank)


def wait_seeding(daemon: Daemon, blank: Blank) -> None:
    deadline = time.monotonic() + 20.0
    while daemon.call("GET", f"/v1/torrents/{blank.info_hash.hex()}")["state"] != "seeding":
        assert time.monotonic() < deadline, "still limited"
        time.sleep(0.1)
