"""Peers by name and peers of earlier runs as the only way to find each other: no tracker, no DHT, no announcement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TIMEOUT_S = 60.0
ALONE = ("--set", "lsd.enabled=false", "--set", "dht.enabled=false", "--set", "pex.enabled=false")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 3 * MIB + 5)


def seed_of(sample: Sample, port: str = "0") -> BlobTorrentGet:
    return BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash), options=(
        *ALONE, "--listen", f"127.0.0.1:{port}"))


def port_of(seed: BlobTorrentGet) -> str:
    return str(seed.endpoint).rpartition(":")[2]


def wait_seeding(daemon: Daemon, path: str) -> None:
    wait_until(lambda: daemon.call("GET", path)["state"] == "seeding", TIMEOUT_S, "the download")


def test_a_fleet_needs_nothing_but_a_name_in_the_settings(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed:
        names = f"network.static_peers=['localhost:{port_of(seed)}']"
        job = Job(Role.LEECH, sample.torrent, tmp_path, sample.info_hash)
        with BlobTorrentGet(job, seed_for_s=0.0, options=(*ALONE, "--set", names)) as leech:
            leech.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path) == []


def test_a_magnet_link_is_fetched_from_a_name_in_the_settings(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed:
        names = f"network.static_peers=['localhost:{port_of(seed)}']"
        done = run("get", f"magnet:?xt=urn:btih:{sample.info_hash.hex()}", "--to", tmp_path, "--listen", "127.0.0.1:0",
                   "--timeout", "60", "--quiet", *ALONE, "--set", names)
    assert (done.returncode, done.stderr) == (0, "")
    assert sample.differences(tmp_path) == []


def sources_of(daemon: Daemon, path: str) -> dict[str, Any]:
    return {source["source"]: source for source in daemon.call("GET", f"{path}/peers")["sources"]}


def test_how_names_stand_is_told(sample: Sample, tmp_path: Path) -> None:
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    with seed_of(sample) as seed, Daemon(tmp_path, *ALONE) as daemon:
        peers = [f"localhost:{port_of(seed)}", "nobody.invalid:1"]
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": peers})
        wait_until(lambda: "no-such-host" in str(sources_of(daemon, path).get("dns")), TIMEOUT_S, "the error")
        wait_until(lambda: sources_of(daemon, path)["dns"]["told"], TIMEOUT_S, "the answer")
        told = sources_of(daemon, path)
        assert told["dns"]["next_s"] > 0
        assert (told["dht"]["state"], told["tracker"]["state"]) == ("off", "off")
        assert daemon.call("GET", f"{path}/why")["facts"]["sources"][0]["source"] == "tracker"
        wait_until(lambda: "dns" in daemon.call("GET", path)["peers_from"], TIMEOUT_S, "the report")
        assert daemon.metric('blobtorrent_session_peers_from{kind="known",source="dns"}') >= 1


def test_a_peer_that_gave_us_the_data_is_found_again_after_a_restart(sample: Sample, tmp_path: Path) -> None:
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    with seed_of(sample) as seed:
        with Daemon(tmp_path, *ALONE, "--set", f"network.static_peers=['localhost:{port_of(seed)}']") as daemon:
            daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
            wait_seeding(daemon, path)
        (tmp_path / "downloads" / "sample.bin").unlink()
        with Daemon(tmp_path, *ALONE) as daemon:           # which nobody tells of any peer
            daemon.call("POST", f"{path}/recheck")
            wait_seeding(daemon, path)
    assert sample.differences(tmp_path / "downloads") == []
