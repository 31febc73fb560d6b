"""Files of a torrent: some are not wanted, some are called otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

FIRST, UNWANTED, LAST = range(3)       # numbers of the files


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The file in the middle shares a piece with each of the others, and has one of its own between these."""
    files = [("first.bin", MIB + 100 * KIB), ("in/middle.bin", 600 * KIB), ("last.bin", MIB)]
    return make_sample(tmp_path_factory.mktemp("sample"), "set", files, 256 * KIB)


@pytest.fixture(autouse=True)
def libtorrent() -> None:
    require_module("libtorrent")


def kept(seedbox: Seedbox, sample: Sample) -> Path:
    return seedbox.state / "parts" / f"{sample.info_hash.hex()}.kept"


def priorities(**named: str) -> dict[str, str]:
    return {{"first": "0", "middle": "1", "last": "2"}[name]: word for name, word in named.items()}


def test_an_unwanted_file_is_neither_fetched_nor_made_until_it_is_wanted(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(sample) as peer:
        seedbox.add(sample, peers=[peer.endpoint], file_priorities=priorities(middle="skip"))
        status = seedbox.wait_state(sample, "seeding")
        assert sorted(path.name for path in (seedbox.downloads / "set").iterdir()) == ["first.bin", "last.bin"]
        assert [line for line in sample.differences(seedbox.downloads) if "middle" not in line] == []
        assert status["done_bytes"] == status["wanted_bytes"] < sample.size_bytes
        assert kept(seedbox, sample).stat().st_size > 0
        files = seedbox.files(sample)
        assert [file["priority"] for file in files] == [1, 0, 1]
        assert files[LAST]["done_bytes"] == files[LAST]["size_bytes"]
        seedbox.end()
    with seedbox.again() as again, MeasuredPeer(sample) as peer:
        assert again.wait_state(sample, "seeding")["downloaded_bytes"] == status["downloaded_bytes"]
        peer.dial(again.endpoint)
        again.change(sample, file_priorities=priorities(middle="normal"))
        again.wait_until(sample, lambda status: status["done_bytes"] == sample.size_bytes, "the whole torrent")
        assert again.status(sample)["downloaded_bytes"] == sample.size_bytes
        again.end()
    assert not kept(again, sample).exists() or not kept(again, sample).stat().st_size
    assert sample.differences(seedbox.downloads) == []


def test_what_becomes_unwanted_during_the_download_is_fetched_no_more(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(sample, bytes_per_s=512 * KIB) as peer:
        seedbox.add(sample, peers=[peer.endpoint], file_priorities=priorities(middle="skip", last="skip"))
        seedbox.wait_until(sample, lambda status: status["done_bytes"], "the first piece")
        seedbox.change(sample, file_priorities=priorities(first="skip", last="high"))
        peer.limit(0)
        status = seedbox.wait_state(sample, "seeding")
        assert status["done_bytes"] < sample.size_bytes - 256 * KIB
        assert not any("last" in line for line in sample.differences(seedbox.downloads))
        assert not (seedbox.downloads / "set" / "in").exists()
        seedbox.end()


def test_names_that_were_given_hold_while_it_runs_and_after_a_restart(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(sample, bytes_per_s=2 * MIB) as peer:
        seedbox.add(sample, peers=[peer.endpoint])
        seedbox.wait_until(sample, lambda status: status["done_bytes"], "the first piece")
        seedbox.order(sample, "rename", old="set", new="renamed")
        seedbox.order(sample, "rename", old="renamed/in", new="renamed/inner")
        peer.limit(0)
        seedbox.wait_state(sample, "seeding")
        seedbox.order(sample, "stop")
        seedbox.wait_state(sample, "stopped")
        seedbox.order(sample, "rename", old="renamed/inner/middle.bin", new="renamed/centre.bin")
        for old, new, code in (
            ("renamed/centre.bin", "../outside", "torrent.bad-name"),
            ("renamed/centre.bin", "renamed/last.bin", "torrent.name-taken"),
            ("set", "other", "torrent.no-such-path"),
        ):
            path = f"/v1/torrents/{sample.info_hash.hex()}/rename"
            assert seedbox.call("POST", path, {"old": old, "new": new})["code"] == code
        expected = {"first.bin", "centre.bin", "last.bin"}
        assert {path.name for path in (seedbox.downloads / "renamed").iterdir()} == expected
        assert [path.name for path in seedbox.downloads.iterdir()] == ["renamed"]
        seedbox.end()
    with seedbox.again() as again:
        again.order(sample, "start")
        status = again.wait_state(sample, "seeding")
        assert status["downloaded_bytes"] == sample.size_bytes
        assert {file["path"][-1] for file in again.files(sample)} == expected
        assert "torrent checked" not in again.output()


def test_what_is_not_to_be_checked_is_believed_of_files_that_are_not_wanted_too(tmp_path: Path) -> None:
    names = [("first.bin", 300 * KIB), ("second.bin", 300 * KIB)]
    sample = make_sample(tmp_path / "unaligned", "two", names, 256 * KIB)
    options = {"skip_check": True, "download_dir": str(sample.folder), "file_priorities": {"1": "skip"}}
    with Seedbox(tmp_path / "whole") as seedbox:
        seedbox.add(sample, **options)
        assert seedbox.wait_state(sample, "seeding")["done_bytes"] == 600 * KIB
        assert "torrent checked" not in seedbox.output()
    (sample.folder / "two" / "second.bin").unlink()
    with Seedbox(tmp_path / "cut") as seedbox:
        seedbox.add(sample, **options)
        assert seedbox.wait_state(sample, "downloading")["done_bytes"] == 256 * KIB   # the next piece is in both
