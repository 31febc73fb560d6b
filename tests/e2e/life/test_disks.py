"""Disks that are full, away, or shared with others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.mounts import in_namespace, run_beside, seen_by, tmpfs
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

NAME = "sample.bin"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), NAME, 16 * MIB, 256 * KIB)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Where something is mounted, for the daemon only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def libtorrent() -> None:
    require_module("libtorrent")


def test_a_move_to_a_full_disk_says_so_and_loses_nothing(sample: Sample, tmp_path: Path, disk: Path) -> None:
    with Seedbox(tmp_path / "seedbox", prefix=tmpfs(disk, 8)) as seedbox:
        shutil.copy(sample.folder / NAME, seedbox.downloads)
        seedbox.add(sample)
        seedbox.wait_state(sample, "seeding")
        seedbox.order(sample, "move", download_dir=str(disk / "target"))
        status = seedbox.wait_state(sample, "error")
        assert status["error"]["code"] == "storage.disk-full"
        assert status["download_dir"] == str(seedbox.downloads)
        assert list(seen_by(seedbox.pid, disk).iterdir()) == []
        seedbox.order(sample, "start")
        seedbox.wait_state(sample, "seeding")
        seedbox.end()
    assert sample.differences(seedbox.downloads) == []


def test_a_complete_torrent_moves_to_its_folder_when_that_has_room_again(
    sample: Sample, tmp_path: Path, disk: Path
) -> None:
    settings = f"[storage]\nincomplete_dir = '{tmp_path}/incomplete'\n"
    with Seedbox(tmp_path / "seedbox", prefix=tmpfs(disk, 20), settings=settings) as seedbox, \
            MeasuredPeer(sample) as peer:
        seen = seen_by(seedbox.pid, disk)
        ballast = seen / "ballast"
        ballast.write_bytes(bytes(12 * MIB))
        seedbox.add(sample, peers=[peer.endpoint], download_dir=str(disk))
        status = seedbox.wait_state(sample, "error")
        assert (status["error"]["code"], status["done_bytes"]) == ("storage.disk-full", sample.size_bytes)
        assert sample.differences(tmp_path / "incomplete") == []
        ballast.unlink()
        seedbox.order(sample, "start")
        seedbox.wait_state(sample, "seeding")
        assert sample.differences(seen) == []
        assert list((tmp_path / "incomplete").iterdir()) == []
        seedbox.end()


def test_a_download_waits_for_room_on_a_full_disk_and_goes_on_by_itself(
    sample: Sample, tmp_path: Path, disk: Path
) -> None:
    settings = f"[storage]\ndownload_dir = '{disk}'\nreserve = 0\n"
    with Seedbox(tmp_path / "seedbox", prefix=tmpfs(disk, 20), settings=settings) as seedbox, \
            MeasuredPeer(sample) as peer:
        seen = seen_by(seedbox.pid, disk)
        ballast = seen / "ballast"
        ballast.write_bytes(bytes(12 * MIB))
        seedbox.add(sample, peers=[peer.endpoint], download_dir=str(disk))
        status = seedbox.wait_state(sample, "error")
        assert status["error"]["code"] == "storage.disk-full"
        ballast.unlink()
        status = seedbox.wait_state(sample, "seeding")
        assert (status["error"], status["wasted_bytes"]) == (None, 0)
        assert sample.differences(seen) == []
        seedbox.end()


def test_the_reserve_of_a_disk_is_left_free(sample: Sample, tmp_path: Path, disk: Path) -> None:
    settings = "[storage]\nreserve = '16 MiB'\n"
    with Seedbox(tmp_path / "seedbox", prefix=tmpfs(disk, 72), settings=settings) as seedbox, \
            MeasuredPeer(sample, bytes_per_s=4 * MIB) as peer:
        seen = seen_by(seedbox.pid, disk)
        ballast = seen / "ballast"
        ballast.write_bytes(bytes(50 * MIB))
        seedbox.add(sample, peers=[peer.endpoint], download_dir=str(disk))
        status = seedbox.wait_until(sample, lambda status: status["held_by"] == "space", "the reserve")
        assert (status["state"], status["error"]) == ("downloading", None)
        free = os.statvfs(seen)
        assert free.f_bavail * free.f_frsize > 12 * MIB
        ballast.unlink()
        peer.limit(0)
        assert seedbox.wait_state(sample, "seeding")["held_by"] is None
        assert sample.differences(seen) == []
        seedbox.end()


def test_a_torrent_is_not_made_anew_where_its_disk_is_not_mounted(sample: Sample, tmp_path: Path, disk: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    shutil.copy(sample.folder / NAME, real)
    mount = ("mount", "--bind", str(real), str(disk))
    seedbox = Seedbox(tmp_path / "seedbox", prefix=in_namespace(disk, "--bind", str(real)))
    with seedbox:
        seedbox.add(sample, download_dir=str(disk))
        seedbox.wait_state(sample, "seeding")
        run_beside(seedbox.pid, "umount", "--lazy", str(disk))
        seedbox.order(sample, "stop")
        seedbox.wait_state(sample, "stopped")
        seedbox.order(sample, "start")
        status = seedbox.wait_state(sample, "error")
        assert status["error"]["code"] == "storage.unmounted"
        assert str(disk) in status["error"]["message"]
        seedbox.end()
    unmounted = Seedbox(tmp_path / "seedbox", prefix=in_namespace(tmp_path, "--bind", str(tmp_path)))
    with unmounted, MeasuredPeer(sample) as peer:
        status = unmounted.wait_state(sample, "error")
        assert status["error"]["code"] == "storage.unmounted"
        peer.dial(unmounted.endpoint)
        run_beside(unmounted.pid, *mount)
        unmounted.order(sample, "start")
        status = unmounted.wait_state(sample, "seeding")
        assert (status["downloaded_bytes"], status["done_bytes"]) == (0, sample.size_bytes)
        assert "torrent checked" not in unmounted.output()
        unmounted.end()
    assert list(disk.iterdir()) == []


def damage(path: Path) -> bytes:
    """Turn a bit in the sixth piece; returns what the file holds then."""
    data = bytearray(path.read_bytes())
    data[5 * 256 * KIB + 1] ^= 1
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("policy", ["break", "write", "refuse"])
def test_what_others_share_by_a_hard_link_is_repaired_by_the_policy(
    sample: Sample, tmp_path: Path, policy: str
) -> None:
    shared = tmp_path / "library.bin"
    shutil.copy(sample.folder / NAME, shared)
    damaged = damage(shared)
    with Seedbox(tmp_path, settings=f"[storage]\nhardlinks = '{policy}'\n") as seedbox, MeasuredPeer(sample) as peer:
        own = seedbox.downloads / NAME
        own.hardlink_to(shared)
        seedbox.add(sample, peers=[peer.endpoint])
        if policy == "refuse":
            assert seedbox.wait_state(sample, "error")["error"]["code"] == "storage.hard-linked"
        else:
            status = seedbox.wait_state(sample, "seeding")
            assert status["downloaded_bytes"] == 256 * KIB
        seedbox.end()
    assert (shared.read_bytes() == damaged) == (policy != "write")
    assert (sample.differences(seedbox.downloads) == []) == (policy != "refuse")
    assert own.samefile(shared) == (policy != "break")


def test_a_recheck_finds_a_damaged_byte_and_only_its_piece_is_fetched_again(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(sample) as peer:
        shutil.copy(sample.folder / NAME, seedbox.downloads)
        seedbox.add(sample)
        seedbox.wait_state(sample, "seeding")
        damage(seedbox.downloads / NAME)
        seedbox.order(sample, "recheck")
        seedbox.wait_until(
            sample, lambda status: status["state"] == "downloading" and status["done_bytes"], "the end of the check")
        assert seedbox.status(sample)["done_bytes"] == sample.size_bytes - 256 * KIB
        peer.dial(seedbox.endpoint)
        status = seedbox.wait_state(sample, "seeding")
        assert status["downloaded_bytes"] == peer.sent_bytes == 256 * KIB
        assert sample.differences(seedbox.downloads) == []
