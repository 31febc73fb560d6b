"""A real daemon driven from outside: remote commands, the REST interface over TCP, watch folders."""

from __future__ import annotations

import http.client
import json
import re
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 4 * MIB + 3)


def command(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return run(*words, "--url", f"unix:{daemon.runtime / 'rest.sock'}")


def state_of(daemon: Daemon, sample: Sample) -> str:
    answer = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")
    return str(answer.get("state", answer.get("code")))


def wait_state(daemon: Daemon, sample: Sample, state: str) -> None:
    wait_until(lambda: state_of(daemon, sample) == state, TIMEOUT_S, state)


def tcp_port(daemon: Daemon) -> int:
    found = re.search(r"REST listens address=127\.0\.0\.1:(\d+)", daemon.output())
    assert found is not None
    return int(found[1])


def ask(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    status, body = response.status, response.read()
    connection.close()
    return status, json.loads(body)


def test_a_torrent_is_added_stopped_started_and_removed_by_commands(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        (daemon.downloads / "sample.bin").hardlink_to(sample.folder / "sample.bin")
        added = command(daemon, "add", str(sample.torrent), "--label", "test")
        assert (added.returncode, added.stderr) == (0, "")
        assert added.stdout == f"added sample.bin ({sample.info_hash.hex()})\n"
        assert command(daemon, "add", str(sample.torrent)).stdout.startswith("was there already: sample.bin")
        wait_state(daemon, sample, "seeding")
        (listed,) = json.loads(command(daemon, "list", "--json", "--label", "test").stdout)["torrents"]
        assert (listed["name"], listed["done_bytes"], listed["labels"]) == ("sample.bin", 4 * MIB + 3, ["test"])
        assert command(daemon, "stop", "sample.bin").stdout == "stopped sample.bin\n"
        wait_state(daemon, sample, "stopped")
        assert command(daemon, "start", sample.info_hash.hex()[:10]).returncode == 0
        wait_state(daemon, sample, "seeding")
        assert command(daemon, "remove", "sample.bin").returncode == 0
        wait_state(daemon, sample, "torrent.unknown")
        assert (daemon.downloads / "sample.bin").exists()
        assert command(daemon, "list").stdout.count("\n") == 1
        failed = command(daemon, "start", "sample.bin")
        assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)


def test_removing_with_data_deletes_the_files_of_the_torrent_only(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        (daemon.downloads / "sample.bin").write_bytes((sample.folder / "sample.bin").read_bytes())
        (daemon.downloads / "foreign").write_text("precious")
        assert command(daemon, "add", str(sample.torrent)).returncode == 0
        wait_state(daemon, sample, "seeding")
        assert command(daemon, "remove", "sample.bin", "--with-data").returncode == 0
        wait_until(lambda: not (daemon.downloads / "sample.bin").exists(), TIMEOUT_S, "the files to go")
        assert (daemon.downloads / "foreign").read_text() == "precious"


def test_a_running_torrent_is_changed_rechecked_and_moved_over_rest(sample: Sample, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with Daemon(tmp_path / "daemon") as daemon:
        (daemon.downloads / "sample.bin").write_bytes((sample.folder / "sample.bin").read_bytes())
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
        wait_state(daemon, sample, "seeding")
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        changed = daemon.call("PATCH", path, {"labels": ["new"], "priority": 3, "up_limit_bytes_per_s": "1 MiB/s"})
        assert (changed["labels"], changed["priority"]) == (["new"], 3)
        assert daemon.call("PATCH", path, {"file_priorities": {"9": "skip"}})["code"] == "torrent.no-such-file"
        daemon.call("POST", f"{path}/recheck")
        wait_until(lambda: daemon.output().count("torrent checked") == 2, TIMEOUT_S, "the check")
        wait_state(daemon, sample, "seeding")
        assert daemon.call("POST", f"{path}/announce")["state"] == "seeding"
        daemon.call("POST", f"{path}/move", {"download_dir": str(target)})
        wait_until((target / "sample.bin").exists, TIMEOUT_S, "the file")
        wait_state(daemon, sample, "seeding")
        (file,) = daemon.call("GET", f"{path}/files")["files"]
        assert (file["path"], file["done_bytes"]) == (["sample.bin"], 4 * MIB + 3)
    assert sample.differences(target) == []


def test_over_tcp_only_the_owner_of_the_token_gets_in(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        port, token_file = tcp_port(daemon), daemon.state / "admin.token"
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        right = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
        assert ask(port, "GET", "/v1/health/ready", {})[0] == 200
        assert ask(port, "GET", "/v1/session", right)[1]["state"] == "running"
        assert ask(port, "GET", "/v1/session", {})[0] == 401
        assert ask(port, "GET", "/v1/session", {"Authorization": "Bearer wrong"})[0] == 401
        assert ask(port, "GET", "/v1/session", {**right, "Host": "rebound.example"})[0] == 421
        assert ask(port, "GET", "/v1/session", {**right, "Origin": "http://evil.example"})[0] == 403
        listed = run("list", "--url", f"http://127.0.0.1:{port}", "--token-file", token_file)
        assert (listed.returncode, listed.stderr) == (0, "")
        assert token_file.read_text().strip() not in daemon.output()


def test_fifty_clients_at_once_are_served(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "start": False})

        def client(number: int) -> list[str]:
            daemon.call("PATCH", f"/v1/torrents/{sample.info_hash.hex()}", {"priority": number})
            return [torrent["hash"] for torrent in daemon.call("GET", "/v1/torrents")["torrents"]]

        with ThreadPoolExecutor(50) as pool:
            assert list(pool.map(client, range(200))) == [[sample.info_hash.hex()]] * 200


def test_a_torrent_in_a_watch_folder_is_added_with_its_options(sample: Sample, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    settings = f"[[watch]]\npath = '{watched}'\nlabel = 'watched'\n"
    with Daemon(tmp_path / "daemon", settings=settings) as daemon:
        (watched / "sample.toml").write_text(f"download_dir = '{sample.folder}'\nlabels = ['beside']\n")
        (watched / "sample.torrent").write_bytes(sample.torrent.read_bytes())
        (watched / "bad.torrent").write_text("no torrent")
        wait_state(daemon, sample, "seeding")
        torrent = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")
        assert (torrent["labels"], torrent["download_dir"]) == (["watched", "beside"], str(sample.folder))
        wait_until(lambda: (watched / "failed" / "bad.torrent.error").exists(), TIMEOUT_S, "the reason")
        assert sorted(path.name for path in (watched / "done").iterdir()) == ["sample.toml", "sample.torrent"]


def test_other_folders_are_watched_after_a_reload(sample: Sample, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    with Daemon(tmp_path / "daemon") as daemon:
        (watched / "sample.torrent").write_bytes(sample.torrent.read_bytes())
        daemon.config.write_text(f"[[watch]]\npath = '{watched}'\nstart = false\n")
        daemon.send_signal(signal.SIGHUP)
        wait_state(daemon, sample, "stopped")


def test_a_killed_daemon_leaves_nothing_in_the_way_of_the_next(tmp_path: Path) -> None:
    with Daemon(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(TIMEOUT_S)
        assert (first.runtime / "rest.sock").exists()
        with Daemon(tmp_path) as second:
            assert second.call("GET", "/v1/health/ready")["status"] == "ok"
