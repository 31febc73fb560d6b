"""What a running daemon is told: pauses, trackers, files moved by hand, settings, and to leave. All over REST."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_still, wait_until
from tests.support.peers.tracker import ListTracker

TIMEOUT_S = 60.0
QUIET_S = 1.5                          # for what was on its way to come
STILL_S = 2.0                          # and for something to move that must not
RATE = 512 * KIB
SLOW = "--set", f"limits.up_bytes_per_s={RATE}"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 6 * MIB + 5, 64 * KIB)


def add(daemon: Daemon, sample: Sample, **options: Any) -> str:
    """Have it seed the sample; returns the path of the torrent's resource."""
    daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "download_dir": str(sample.folder), **options})
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    wait_until(lambda: state(daemon, path) == "seeding", TIMEOUT_S, "the seed")
    return path


def state(daemon: Daemon, path: str) -> str:
    found: str = daemon.call("GET", path)["state"]
    return found


def uploaded(daemon: Daemon, path: str) -> int:
    count: int = daemon.call("GET", path)["uploaded_bytes"]
    return count


def leech(sample: Sample, folder: Path, *peers: str) -> BlobTorrentGet:
    folder.mkdir()
    return BlobTorrentGet(Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers), seed_for_s=0.0)


def test_a_pause_stops_the_transfer_and_keeps_the_peers_and_outlives_a_restart(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path / "daemon", *SLOW) as daemon:
        path = add(daemon, sample)
        with leech(sample, tmp_path / "leech", daemon.endpoint) as peer:
            wait_until(lambda: uploaded(daemon, path) > RATE, TIMEOUT_S, "the transfer")
            paused = daemon.call("POST", f"{path}/pause")
            assert (paused["state"], paused["held_by"]) == ("seeding", "pause")
            before = wait_still(lambda: uploaded(daemon, path), QUIET_S, TIMEOUT_S, "the transfer")
            time.sleep(STILL_S)
            assert uploaded(daemon, path) == before < sample.size_bytes
            assert daemon.call("GET", path)["peers_connected"] == 1
            assert daemon.call("POST", f"{path}/start")["held_by"] is None
            peer.wait_complete(TIMEOUT_S)
        daemon.call("POST", f"{path}/pause")
    assert sample.differences(tmp_path / "leech") == []
    with Daemon(tmp_path / "daemon") as daemon:
        wait_until(lambda: state(daemon, path) == "seeding", TIMEOUT_S, "the next start")
        assert daemon.call("GET", path)["held_by"] == "pause"


def test_a_paused_download_asks_for_nothing_until_it_is_started(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path / "seed", *SLOW) as seed, Daemon(tmp_path / "leech") as daemon:
        add(seed, sample)
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [seed.endpoint]})
        wait_until(lambda: daemon.call("GET", path)["done_bytes"], TIMEOUT_S, "the download")
        daemon.call("POST", f"{path}/pause")
        before = wait_still(lambda: daemon.call("GET", path)["downloaded_bytes"], QUIET_S, TIMEOUT_S, "the download")
        time.sleep(STILL_S)
        now = daemon.call("GET", path)
        assert (now["state"], now["downloaded_bytes"]) == ("downloading", before)
        daemon.call("POST", f"{path}/start")
        wait_until(lambda: state(daemon, path) == "seeding", TIMEOUT_S, "the rest")
    assert sample.differences(daemon.downloads) == []


def test_trackers_are_replaced_while_it_runs_and_the_torrent_file_stays(sample: Sample, tmp_path: Path) -> None:
    with ListTracker() as first, ListTracker() as second, Daemon(tmp_path / "daemon") as daemon:
        path = add(daemon, sample)
        daemon.call("PUT", f"{path}/trackers", {"tiers": [[first.url]]})
        wait_until(lambda: first.events == ["started"], TIMEOUT_S, "the first announce")
        daemon.call("PUT", f"{path}/trackers", {"tiers": [[second.url]]})
        wait_until(lambda: second.events == ["started"], TIMEOUT_S, "the announce to the other")
        wait_until(lambda: first.events == ["started", "stopped"], TIMEOUT_S, "the farewell")
        refused = daemon.call("PUT", f"{path}/trackers", {"tiers": [["ftp://x/"]]})
        assert refused["code"] == "trackers.bad-url"
        daemon.call("POST", f"{path}/trackers", {"tiers": [[first.url]]})
        wait_until(lambda: first.events[2:] == ["started"], TIMEOUT_S, "the first again")
    with Daemon(tmp_path / "daemon") as daemon:
        wait_until(lambda: state(daemon, path) == "seeding", TIMEOUT_S, "the next start")
        told = daemon.call("GET", f"{path}/trackers")["trackers"]
        assert [(tracker["tier"], tracker["url"]) for tracker in told] == [(0, second.url), (1, first.url)]


def test_files_that_were_moved_by_hand_are_used_where_they_are_without_being_hashed(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "moved.bin", 3 * MIB + 1, 64 * KIB)
    with Daemon(tmp_path / "daemon") as daemon:
        path = add(daemon, sample)
        daemon.call("POST", f"{path}/stop")
        wait_until(lambda: state(daemon, path) == "stopped", TIMEOUT_S, "the stop")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        os.rename(sample.folder / "moved.bin", elsewhere / "moved.bin")
        moved = daemon.call("POST", f"{path}/move", {"download_dir": str(elsewhere), "move_files": False})
        assert (moved["download_dir"], moved["done_bytes"]) == (str(elsewhere), sample.size_bytes)
        checks = daemon.output().count("checked")
        daemon.call("POST", f"{path}/start")
        wait_until(lambda: state(daemon, path) == "seeding", TIMEOUT_S, "the seed at the other place")
        assert daemon.output().count("checked") == checks
        with leech(sample, tmp_path / "leech", daemon.endpoint) as peer:
            peer.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path / "leech") == []
    assert list(sample.folder.iterdir()) == []


def test_other_files_at_the_new_place_are_not_taken_for_its_own(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "moved.bin", 3 * MIB + 1, 64 * KIB)
    with Daemon(tmp_path / "daemon") as daemon:
        path = add(daemon, sample)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "moved.bin").write_bytes(bytes(sample.size_bytes))
        daemon.call("POST", f"{path}/move", {"download_dir": str(elsewhere), "move_files": False})
        wait_until(lambda: state(daemon, path) == "downloading", TIMEOUT_S, "the end of the check")
        assert daemon.call("GET", path)["done_bytes"] == 0


def test_settings_that_are_changed_hold_at_once_and_after_a_restart(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    with Daemon(folder, *SLOW[:1], "limits.up_bytes_per_s=0") as daemon:
        refused = daemon.call("PATCH", "/v1/settings", {"limits": {"up_bytes_per_s": RATE}})
        assert (refused["status"], refused["code"]) == (409, "config.overridden")
        assert "--set limits.up_bytes_per_s" in refused["detail"]
    with Daemon(folder, settings="[network]\nupload_slots = 3\n") as daemon:
        path = add(daemon, sample)
        changed = daemon.call("PATCH", "/v1/settings", {
            "limits": {"up_bytes_per_s": RATE}, "network": {"upload_slots": 5}, "storage": {"disk_threads": 4},
            "groups": {"slow": {"up_bytes_per_s": 1000}}})
        assert sorted(changed["applied"]) == ["groups.slow", "limits.up_bytes_per_s", "network.upload_slots"]
        assert changed["need_restart"] == ["storage.disk_threads"]
        started_s = time.monotonic()
        with leech(sample, tmp_path / "leech", daemon.endpoint) as peer:
            peer.wait_complete(TIMEOUT_S)
        assert time.monotonic() - started_s > 0.7 * sample.size_bytes / RATE
        overrides = daemon.state / "settings.toml"
        assert stat.S_IMODE(overrides.stat().st_mode) == 0o600
        refused = daemon.call("PATCH", "/v1/settings", {"limits": {"up_bytes_per_s": 1}, "netwerk": {}})
        assert refused["code"] == "config.unknown-key"
    assert path
    with Daemon(folder, settings="[network]\nupload_slots = 3\n") as daemon:
        settings = daemon.call("GET", "/v1/settings?sources=true")
        assert (settings["limits"]["up_bytes_per_s"], settings["storage"]["disk_threads"]) == (RATE, 4)
        assert settings["sources"]["network.upload_slots"].startswith(f"{overrides}:")
        dumped = run("config", "dump", "--config", daemon.config, "--state-dir", daemon.state, "--sources", "--json")
        assert json.loads(dumped.stdout)["groups.slow.up_bytes_per_s"]["source"].startswith(f"{overrides}:")
        changed = daemon.call("PATCH", "/v1/settings", {"network": None, "groups": None})
        assert sorted(changed["applied"]) == ["groups.slow", "network.upload_slots"]
        assert daemon.call("GET", "/v1/settings")["network"]["upload_slots"] == 3


def test_a_watch_folder_that_is_set_while_it_runs_is_watched(sample: Sample, tmp_path: Path) -> None:
    watch = tmp_path / "watch"
    watch.mkdir()
    with Daemon(tmp_path / "daemon") as daemon:
        daemon.call("PATCH", "/v1/settings", {"watch": [{"path": str(watch), "download_dir": str(sample.folder)}]})
        (watch / "a.torrent").write_bytes(sample.torrent.read_bytes())
        wait_until(lambda: (watch / "done" / "a.torrent").exists(), TIMEOUT_S, "the watched torrent")
        assert daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")["name"] == "sample.bin"


def test_a_drained_daemon_hands_on_what_only_it_has_and_ends(sample: Sample, tmp_path: Path) -> None:
    with ListTracker() as tracker, Daemon(tmp_path / "daemon", *SLOW) as daemon:
        path = add(daemon, sample)
        daemon.call("PUT", f"{path}/trackers", {"tiers": [[tracker.url]]})
        with leech(sample, tmp_path / "leech", daemon.endpoint) as peer:
            wait_until(lambda: uploaded(daemon, path) > 0, TIMEOUT_S, "the transfer")
            answer = daemon.call("POST", "/v1/session/drain", {"timeout_s": TIMEOUT_S})
            assert answer["state"] == "draining"
            ready = daemon.call("GET", "/v1/health/ready")
            assert ready["status"] == "unavailable"
            refused = daemon.call("POST", "/v1/torrents", {"source": str(make_sample(tmp_path, "b", 5).torrent)})
            assert (refused["status"], refused["code"]) == (503, "session.draining")
            peer.wait_complete(TIMEOUT_S)
            assert daemon.wait(TIMEOUT_S) == 0
        assert "drained complete=True unique_pieces=0" in daemon.output()
        assert "stopped clean=True" in daemon.output()
        assert tracker.events[-1] == "stopped"
    assert sample.differences(tmp_path / "leech") == []


def test_a_drain_that_nobody_profits_from_ends_at_once_and_counts_what_is_left_behind(
    sample: Sample, tmp_path: Path
) -> None:
    with Daemon(tmp_path / "daemon") as daemon:
        add(daemon, sample)
        daemon.call("POST", "/v1/session/drain")
        assert daemon.wait(10.0) == 0
        assert f"drained complete=True unique_pieces={sample.num_pieces}" in daemon.output()


def test_a_drain_ends_when_its_time_is_over(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path / "daemon", "--set", "limits.up_bytes_per_s=20000") as daemon:
        path = add(daemon, sample)
        with leech(sample, tmp_path / "leech", daemon.endpoint):
            wait_until(lambda: uploaded(daemon, path) > 0, TIMEOUT_S, "the transfer")
            daemon.call("POST", "/v1/session/drain", {"timeout_s": 2})
            assert daemon.wait(TIMEOUT_S) == 0
        assert "drained complete=False" in daemon.output()


def test_a_client_can_end_it(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path / "daemon") as daemon:
        daemon.call("POST", "/v1/session/stop")
        assert daemon.wait(TIMEOUT_S) == 0
        assert "stopped clean=True" in daemon.output()


def test_one_torrent_more_than_the_queue_lets_runs_when_it_is_wanted_now(tmp_path: Path) -> None:
    samples = [make_sample(tmp_path / name, name, 100 * KIB) for name in ("a", "b")]
    with Daemon(tmp_path / "daemon", "--set", "queue.active_seeds=1") as daemon:
        first, second = (f"/v1/torrents/{sample.info_hash.hex()}" for sample in samples)
        add(daemon, samples[0])
        daemon.call("POST", "/v1/torrents", {
            "source": str(samples[1].torrent), "download_dir": str(samples[1].folder)})
        wait_until(lambda: state(daemon, second) == "queued", TIMEOUT_S, "the queue")
        daemon.call("POST", f"{second}/start", {"now": True})
        wait_until(lambda: state(daemon, second) == "seeding", TIMEOUT_S, "the urgent one")
        assert state(daemon, first) == "seeding"


def test_changes_that_are_damaged_keep_no_daemon_from_starting(tmp_path: Path) -> None:
    with Daemon(tmp_path / "daemon") as daemon:
        for limit in (5, 6):
            daemon.call("PATCH", "/v1/settings", {"queue": {"active_seeds": limit}})
        overrides = daemon.state / "settings.toml"
    overrides.write_bytes(overrides.read_bytes().replace(b"=", b"\xbd"))
    with Daemon(tmp_path / "daemon") as daemon:
        assert daemon.call("GET", "/v1/settings")["queue"]["active_seeds"] == 5
        assert "settings.toml" in daemon.call("GET", "/v1/session")["damages"][0]
        assert [path.name.partition(".2")[0] for path in (daemon.state / "quarantine").iterdir()] == ["settings.toml"]
    with Daemon(tmp_path / "daemon") as daemon:
        assert daemon.call("GET", "/v1/settings")["queue"]["active_seeds"] == 5
        assert not daemon.call("GET", "/v1/session")["damages"]
