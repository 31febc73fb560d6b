"""Torrents of version 2 only: what their pieces are checked against comes from peers and is given to peers (BEP 52)."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import bencodepy
import pytest

from tests.support.payload import KIB, MIB
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.layers import LayerSeed
from tests.support.peers.magnets import LibtorrentMagnet
from tests.support.peers.program import wait_until
from tests.support.tools import require_module
from tests.support.v2payload import V2Sample, make_v2_sample

COMPLETE_S = 60.0
# One of more than a run of 512 pieces, one with a last run of a single piece, and three of at most a piece.
FILES = {"a.bin": 11 * MIB + 5, "b.bin": 100, "c.bin": 3 * 16 * KIB, "d.bin": 513 * 16 * KIB, "e.bin": 16 * KIB,
         "f.bin": 16 * KIB + 1, "g.bin": 1}


@pytest.fixture
def sample(tmp_path: Path) -> V2Sample:
    return make_v2_sample(tmp_path, "many", FILES, 16 * KIB)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def gets(sample: V2Sample, source: str | Path, folder: Path, *peers: str) -> None:
    job = Job(Role.LEECH, Path(source), folder, sample.info_hash, peers=peers)
    with BlobTorrentGet(job, seed_for_s=0) as leech:
        status = leech.wait(COMPLETE_S)
        leech.drain()
        assert status == 0, f"{leech.events[-5:]}; {leech.output()[-3000:]}"
    assert sample.differences(folder) == []


def seeding(sample: V2Sample) -> BlobTorrentGet:
    return BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash))


def test_a_link_is_enough_where_libtorrent_seeds(sample: V2Sample, folder: Path) -> None:
    require_module("libtorrent")
    with LibtorrentMagnet(sample.torrent, sample.folder) as seed:
        gets(sample, sample.link(f"x.pe={seed.endpoint}"), folder)


def test_a_torrent_file_without_its_piece_layers_is_enough_too(sample: V2Sample, folder: Path) -> None:
    require_module("libtorrent")
    with LibtorrentMagnet(sample.torrent, sample.folder) as seed:
        gets(sample, sample.bare, folder, seed.endpoint)


@pytest.mark.parametrize("piece_length", [16 * KIB, 64 * KIB])
def test_a_link_is_enough_for_libtorrent_where_we_seed(tmp_path: Path, folder: Path, piece_length: int) -> None:
    require_module("libtorrent")
    sample = make_v2_sample(tmp_path, "many", FILES, piece_length)
    with seeding(sample) as seed, LibtorrentMagnet(sample.link(), folder, seed.endpoint) as leech:
        assert leech.wait_metadata(COMPLETE_S) == "many"
        leech.wait_complete(COMPLETE_S)
    assert sample.differences(folder) == []


def test_a_link_is_enough_among_ourselves(sample: V2Sample, folder: Path) -> None:
    with seeding(sample) as seed:
        gets(sample, sample.link(f"x.pe={seed.endpoint}"), folder)


def test_who_lies_of_the_layers_does_not_keep_them_from_us(sample: V2Sample, folder: Path) -> None:
    with LayerSeed(sample, sample.trees, spoils=True, address="127.0.8.1") as liar, \
            LayerSeed(sample, {}, address="127.0.8.2") as poor, seeding(sample) as seed:
        gets(sample, sample.link(*(f"x.pe={peer}" for peer in (liar.endpoint, poor.endpoint, seed.endpoint))), folder)


# ---- what is durable

def state_of(daemon: Daemon, sample: V2Sample) -> dict[str, Any]:
    told: dict[str, Any] = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")
    return told


def kill(daemon: Daemon) -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(COMPLETE_S)


def test_a_daemon_that_is_killed_with_the_layers_alone_goes_on_to_the_data(sample: V2Sample, tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    with LayerSeed(sample, sample.trees) as source, Daemon(folder) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": sample.link(f"x.pe={source.endpoint}")})
        wait_until(lambda: state_of(daemon, sample)["state"] == "downloading", COMPLETE_S, "the layers")
        kill(daemon)
    with Daemon(folder) as daemon, seeding(sample) as seed:        # nobody gives the layers a second time
        wait_until(lambda: state_of(daemon, sample)["state"] == "downloading", COMPLETE_S, "the torrent")
        made = bencodepy.decode(daemon._ask("GET", f"{path}/metainfo", None))
        assert made[b"piece layers"] == sample.layers
        daemon.call("POST", f"{path}/peers", {"peers": [seed.endpoint]})
        wait_until(lambda: state_of(daemon, sample)["state"] == "seeding", COMPLETE_S, "the data")
        assert sample.differences(daemon.downloads) == []


@pytest.mark.parametrize("comes_as", ["link", "file"])
def test_layers_that_came_before_a_kill_are_not_asked_for_again(sample: V2Sample, tmp_path: Path,
                                                               comes_as: str) -> None:
    folder = tmp_path / "daemon"
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    first, *others = sample.trees
    with LayerSeed(sample, [first]) as source, Daemon(folder) as daemon:
        told = daemon.call("POST", "/v1/torrents", {
            "source": sample.link("dn=promise") if comes_as == "link" else str(sample.bare)})
        assert told["state"] == "metadata"
        daemon.call("POST", f"{path}/peers", {"peers": [source.endpoint]})
        wait_until(lambda: f"piece layers: 1 of {len(sample.trees)} files" in daemon.call(
            "GET", f"{path}/why")["causes"][0]["text"], COMPLETE_S, "a layer")
        assert state_of(daemon, sample)["name"] == "many"
        wait_until(lambda: b"12:piece layers" in next(
            (daemon.state / "torrents").glob("*.torrent")).read_bytes(), COMPLETE_S, "the layer on disk")
        kill(daemon)
    with LayerSeed(sample, others) as source, Daemon(folder) as daemon:
        wait_until(lambda: state_of(daemon, sample)["state"] == "metadata", COMPLETE_S, "the link")
        daemon.call("POST", f"{path}/peers", {"peers": [source.endpoint]})
        wait_until(lambda: state_of(daemon, sample)["state"] == "downloading", COMPLETE_S, "the other layers")
        assert first not in source.asked
        made = bencodepy.decode(daemon._ask("GET", f"{path}/metainfo", None))
        assert made[b"piece layers"] == sample.layers
        assert made.get(b"comment") == (None if comes_as == "link" else b"kept")
