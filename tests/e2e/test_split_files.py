"""Files that are kept in parts, with real daemons: from the addition over restarts to the removal with all data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample, with_web_seeds
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.seedserver import SeedServer

PATIENCE_S = 60.0
PIECE = 32 * KIB
SPLIT = 100 * KIB
NAMES = {
    "alone.bin.part000": 102_400, "alone.bin.part001": 102_400, "alone.bin.part002": 45_200,
    "several/small": 40_000, "several/sub/large.part000": 102_400, "several/sub/large.part001": 77_600,
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Sample]:
    root = tmp_path_factory.mktemp("samples")
    return (make_sample(root, "alone.bin", 250_000, PIECE),
            make_sample(root, "several", [("small", 40_000), ("sub/large", 180_000)], PIECE))


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, samples: tuple[Sample, Sample]) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("seed")) as running:
        for sample in samples:
            running.call("POST", "/v1/torrents", {"source": str(sample.torrent), "download_dir": str(sample.folder)})
        for sample in samples:
            wait_for(running, sample, "seeding")
        yield running


def daemon(folder: Path, *words: str) -> Daemon:
    return Daemon(folder, "--set", f"storage.split_size={SPLIT}", "--set", "network.allow_loopback=true", *words)


def of(running: Daemon, sample: Sample, page: str = "") -> Any:
    return running.call("GET", f"/v1/torrents/{sample.info_hash.hex()}{page}")


def wait_for(running: Daemon, sample: Sample, state: str) -> None:
    wait_until(lambda: of(running, sample).get("state") == state, PATIENCE_S, f"it to be {state}")


def add(running: Daemon, sample: Sample, seed: Daemon, **options: Any) -> None:
    running.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [seed.endpoint], **options})


def on_disk(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def content(folder: Path, name: str) -> bytes:
    """A file, from its parts."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{name}.part*")))


def assert_whole(folder: Path, samples: tuple[Sample, Sample]) -> None:
    assert content(folder, "alone.bin") == (samples[0].folder / "alone.bin").read_bytes()
    assert content(folder, "several/sub/large") == (samples[1].folder / "several/sub/large").read_bytes()


def test_parts_are_downloaded_kept_over_a_restart_checked_moved_and_removed(
    samples: tuple[Sample, Sample], seed: Daemon, tmp_path: Path,
) -> None:
    with daemon(tmp_path) as running:
        for sample in samples:
            add(running, sample, seed)
        for sample in samples:
            wait_for(running, sample, "seeding")
        assert on_disk(running.downloads) == NAMES
        assert_whole(running.downloads, samples)
        listed = {"/".join(file["path"]): file["size_bytes"]
                  for sample in samples for file in of(running, sample, "/files")["files"]}
        assert listed == NAMES

    # Another setting is for others: these stay as they are.
    with Daemon(tmp_path, "--set", "storage.split_size=0") as running:
        for sample in samples:
            wait_for(running, sample, "seeding")
            assert of(running, sample)["done_bytes"] == sample.size_bytes
        part = running.downloads / "alone.bin.part001"
        good = part.read_bytes()
        part.write_bytes(good[:5] + b"spoiled" + good[12:])
        running.call("POST", f"/v1/torrents/{samples[0].info_hash.hex()}/recheck")
        wait_until(lambda: part.read_bytes() == good, PATIENCE_S, "the piece to be fetched again")
        wait_for(running, samples[0], "seeding")
        moved = tmp_path / "elsewhere"
        for sample in samples:
            running.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/move", {"download_dir": str(moved)})
        wait_until(lambda: on_disk(moved) == NAMES, PATIENCE_S, "the move")
        wait_until(lambda: all(of(running, sample)["state"] == "seeding" for sample in samples), PATIENCE_S, "the end")
        assert_whole(moved, samples)
        for sample in samples:
            running.call("DELETE", f"/v1/torrents/{sample.info_hash.hex()}?with_data=true")
        wait_until(lambda: not any(moved.rglob("*")), PATIENCE_S, "all to be gone")


def test_what_is_skipped_is_skipped_in_all_its_parts(
    samples: tuple[Sample, Sample], seed: Daemon, tmp_path: Path,
) -> None:
    with daemon(tmp_path) as running:
        add(running, samples[1], seed, file_priorities={"1": "skip"})
        wait_for(running, samples[1], "seeding")
        files = of(running, samples[1], "/files")["files"]
        assert [(file["priority"], file["part_of"]) for file in files] == [(1, 0), (0, 1), (0, 1)]
        assert on_disk(running.downloads) == {"several/small": 40_000}


def test_a_file_in_parts_is_renamed_as_if_it_were_whole(
    samples: tuple[Sample, Sample], seed: Daemon, tmp_path: Path,
) -> None:
    with daemon(tmp_path) as running:
        add(running, samples[0], seed)
        wait_for(running, samples[0], "seeding")
        running.call("POST", f"/v1/torrents/{samples[0].info_hash.hex()}/rename", {"old": "alone.bin", "new": "new"})
        wait_until(lambda: (running.downloads / "new.part000").exists(), PATIENCE_S, "the rename")
        wait_for(running, samples[0], "seeding")
        assert sorted(on_disk(running.downloads)) == ["new.part000", "new.part001", "new.part002"]


def test_a_magnet_link_is_split_when_its_metadata_comes(
    samples: tuple[Sample, Sample], seed: Daemon, tmp_path: Path,
) -> None:
    with daemon(tmp_path) as running:
        link = f"magnet:?xt=urn:btih:{samples[1].info_hash.hex()}&so=1"
        running.call("POST", "/v1/torrents", {"source": link, "peers": [seed.endpoint]})
        wait_for(running, samples[1], "seeding")
        assert [file["priority"] for file in of(running, samples[1], "/files")["files"]] == [0, 1, 1]
        assert content(running.downloads, "several/sub/large") == (
            samples[1].folder / "several/sub/large").read_bytes()


def test_files_that_are_there_in_parts_are_found(samples: tuple[Sample, Sample], tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        raw = (samples[0].folder / "alone.bin").read_bytes()
        for number in range(3):
            part = running.downloads / f"alone.bin.part{number:03}"
            part.write_bytes(raw[number * SPLIT:(number + 1) * SPLIT])
        running.call("POST", "/v1/torrents", {"source": str(samples[0].torrent)})
        wait_for(running, samples[0], "seeding")


def test_files_that_are_there_whole_stay_so_when_that_is_said(samples: tuple[Sample, Sample], tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.call("POST", "/v1/torrents", {
            "source": str(samples[0].torrent), "download_dir": str(samples[0].folder), "split_files": False})
        wait_for(running, samples[0], "seeding")
        assert [file["path"] for file in of(running, samples[0], "/files")["files"]] == [["alone.bin"]]


def test_web_seeds_are_asked_for_whole_files(samples: tuple[Sample, Sample], tmp_path: Path) -> None:
    with SeedServer(samples[1].folder) as server, daemon(tmp_path) as running:
        torrent = with_web_seeds(samples[1].torrent, tmp_path, server.url)
        running.call("POST", "/v1/torrents", {"source": str(torrent)})
        wait_for(running, samples[1], "seeding")
        assert content(running.downloads, "several/sub/large") == (
            samples[1].folder / "several/sub/large").read_bytes()
        assert {asked.path for asked in server.asked} == {"/several/small", "/several/sub/large"}
