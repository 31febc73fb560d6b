"""What a real daemon tells of what happens: streams, hooks and figures."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.eventstream import Listener
from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.rest import read_all, unix_connection
from tests.support.webserver import WebServer

TIMEOUT_S = 60.0
MAX_SERIES = 500
CANARY = "$(touch canary);`touch canary`;touch canary|'\";touch canary;&&touch canary"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), f"{CANARY}.bin", 2 * MIB + 3)


def listen(daemon: Daemon, query: str = "", since: str = "") -> Listener:
    return Listener(unix_connection(daemon.runtime / "rest.sock"), query, since=since)


def add_complete(daemon: Daemon, sample: Sample, **options: Any) -> None:
    """Of a torrent whose files are there already."""
    name = sample.name.decode()
    if not (daemon.downloads / name).exists():
        (daemon.downloads / name).hardlink_to(sample.folder / name)
    daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), **options})


def figures_of(daemon: Daemon) -> dict[tuple[str, ...], float]:
    """Every series, by its name and the values of its labels."""
    connection = unix_connection(daemon.runtime / "rest.sock")
    with connection, connection.makefile("rb") as stream:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = stream.read().partition(b"\r\n\r\n")
    assert b"200 OK" in head and b"application/openmetrics-text; version=1.0.0" in head
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode()) for sample in family.samples
    }


def test_a_torrent_is_followed_from_its_addition_to_its_removal(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, listen(daemon) as client, listen(daemon, "?labels=tv&types=torrent-removed") as tv:
        add_complete(daemon, sample, labels=["tv"])
        added = client.next_of("torrent-added")
        assert (added["hash"], added["name"], added["labels"]) == (sample.info_hash.hex(), f"{CANARY}.bin", ["tv"])
        assert client.next_of("torrent-checked")["bad"] == 0
        assert client.next_of("state-changed")["new"] == "seeding"
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        daemon.call("POST", f"{path}/stop")
        while client.next_of("state-changed")["new"] != "stopped":
            pass
        daemon.call("DELETE", path)
        assert client.next_of("torrent-removed")["labels"] == ["tv"] == tv.next()["labels"]


def test_a_client_misses_nothing_while_it_was_away_and_is_told_when_it_did(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        with listen(daemon) as client:
            add_complete(daemon, sample)
            seen = client.next()["id"]
            others = [client.next()["id"]]
            while len(others) < 3:
                others.append(client.next()["id"])
        with listen(daemon, since=seen) as client:
            assert [client.next()["id"] for _ in others] == others
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(TIMEOUT_S) == 0
    with Daemon(tmp_path) as daemon, listen(daemon, since=seen) as client:
        gap = client.next()
        assert (gap["type"], gap["missed"]) == ("gap", None)
        assert gap["id"].split("-")[0] != seen.split("-")[0]


def test_a_finished_download_runs_a_program_and_tells_a_server(sample: Sample, tmp_path: Path) -> None:
    told, cwd = tmp_path / "told", tmp_path / "daemon"
    secret = tmp_path / "secret"
    secret.write_text("hush")
    program = tmp_path / "hook"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$BLOBTORRENT_EVENT" "$BLOBTORRENT_NAME" "$BLOBTORRENT_PATH" "$1" >{told}.new\n'
        f'sha256sum <"$BLOBTORRENT_PATH" >>{told}.new\nmv {told}.new {told}\n')
    program.chmod(0o700)
    with WebServer() as server:
        settings = (
            f'[[hooks]]\nprogram = ["{program}", "$(touch canary)"]\n'
            f'[[hooks]]\nevents = ["torrent-added", "torrent-finished"]\nurl = "{server.url}"\n'
            f'secret_file = "{secret}"\nconcurrency = 1\n'
        )
        job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, ())
        with BlobTorrentGet(job) as seed, Daemon(cwd, settings=settings) as daemon:
            daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [seed.endpoint]})
            wait_until(told.exists, TIMEOUT_S, "the program")
            wait_until(lambda: len(server.posts) == 2, TIMEOUT_S, "the server")
            wait_until(lambda: figures_of(daemon).get(("blobtorrent_hook_attempts_total", "ok")) == 3, TIMEOUT_S, "3")
    event, name, path, word, digest = told.read_text().splitlines()
    assert (event, name, word) == ("torrent-finished", f"{CANARY}.bin", "$(touch canary)")
    assert path == str(daemon.downloads / f"{CANARY}.bin")
    assert digest.split()[0] == sample.digests[sample.name]
    added, finished = server.posts
    assert (added.json["type"], finished.json["type"]) == ("torrent-added", "torrent-finished")
    assert finished.json["hash"] == sample.info_hash.hex()
    expected = hmac.new(b"hush", finished.body, hashlib.sha256).hexdigest()
    assert finished.headers["x-blobtorrent-signature"] == f"sha256={expected}"
    assert list(tmp_path.rglob("canary")) == [] and not Path("canary").exists()
    assert "hush" not in daemon.output() and "key=value" not in daemon.output()


def test_every_piece_of_a_download_is_told_to_who_asks(sample: Sample, tmp_path: Path) -> None:
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, ())
    with BlobTorrentGet(job) as seed, Daemon(tmp_path) as daemon, listen(daemon, "?types=piece-verified") as client:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [seed.endpoint]})
        told = [client.next() for _ in range(sample.num_pieces)]
    assert sorted(event["piece"] for event in told) == list(range(sample.num_pieces))
    assert all("id" not in event and event["hash"] == sample.info_hash.hex() for event in told)


def test_hooks_are_changed_while_it_runs_by_who_may(sample: Sample, tmp_path: Path) -> None:
    with WebServer() as server, Daemon(tmp_path) as daemon:
        patch = {"hooks": [{"url": server.url, "events": ["torrent-added"]}]}
        assert daemon.call("PATCH", "/v1/settings", {"hooks": [{"url": "ftp://x/"}]})["code"] == "config.bad-value"
        assert "hooks" in daemon.call("PATCH", "/v1/settings", patch)["applied"]
        add_complete(daemon, sample)
        wait_until(lambda: server.posts, TIMEOUT_S, "the server")
    assert server.posts[0].json["type"] == "torrent-added"


def test_a_hook_that_hangs_does_not_keep_the_daemon_from_ending(sample: Sample, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = tmp_path / "hook"
    program.write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ >{pid}\nwhile :; do sleep 1; done\n")
    program.chmod(0o700)
    settings = f'[[hooks]]\nevents = ["torrent-added"]\nprogram = ["{program}"]\n'
    with Daemon(tmp_path / "daemon", settings=settings) as daemon:
        add_complete(daemon, sample)
        wait_until(lambda: pid.exists() and pid.read_text(), TIMEOUT_S, "the program")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(TIMEOUT_S) == 0
    wait_until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists(), TIMEOUT_S, "the end of the program")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_hook_was_not_told_yet_it_is_told_after_the_next_start(
    sample: Sample, tmp_path: Path, how: signal.Signals
) -> None:
    journal = tmp_path / "state" / "hooks.journal"
    with WebServer(204) as server:
        server.gate.clear()
        settings = f'[[hooks]]\nevents = ["torrent-added", "torrent-removed"]\nurl = "{server.url}"\nconcurrency = 1\n'
        with Daemon(tmp_path, settings=settings) as daemon:
            add_complete(daemon, sample)
            wait_until(lambda: server.posts, TIMEOUT_S, "the first event, which is not answered yet")
            daemon.call("DELETE", f"/v1/torrents/{sample.info_hash.hex()}")
            wait_until(lambda: journal.read_bytes().count(b"\n") == 2, TIMEOUT_S, "the second event, which waits")
            daemon.send_signal(how)
            daemon.wait(TIMEOUT_S)
        server.gate.set()
        with Daemon(tmp_path, settings=settings):
            wait_until(lambda: len(server.posts) >= 3, TIMEOUT_S, "what was left")
            wait_until(lambda: not journal.read_bytes(), TIMEOUT_S, "an empty journal")
    first, again, removed = server.posts[:3]               # what the second daemon may have to tell itself comes later
    assert (again.body, again.headers["x-blobtorrent-id"]) == (first.body, first.headers["x-blobtorrent-id"])
    assert (first.json["type"], removed.json["type"]) == ("torrent-added", "torrent-removed")
    assert first.json["id"].split("-")[0] == removed.json["id"].split("-")[0]
    assert (tmp_path / "state" / "hooks.journal").exists()


def test_open_streams_end_with_the_daemon_and_do_not_hold_it_up(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, listen(daemon) as client, listen(daemon) as other:
        begun_s = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(TIMEOUT_S) == 0
        assert time.monotonic() - begun_s < 10.0
        assert client.is_over() and other.is_over()


@pytest.mark.parametrize("request_line", ["HEAD /v1/events HTTP/1.1", "HEAD /metrics HTTP/1.1"])
def test_asking_for_the_head_of_what_goes_on_does_not_begin_it(tmp_path: Path, request_line: str) -> None:
    with Daemon(tmp_path) as daemon, unix_connection(daemon.runtime / "rest.sock") as sock:
        sock.sendall(f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body == b""


def test_the_figures_are_all_there_and_bounded(sample: Sample, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        add_complete(daemon, sample)
        wait_until(lambda: figures_of(daemon)["blobtorrent_session_torrents", "seeding"] == 1, TIMEOUT_S, "the seed")
        daemon.call("GET", "/v1/torrents")
        figures = figures_of(daemon)
    assert figures["blobtorrent_session_ready",] == 1
    assert figures["blobtorrent_torrents_added_total",] == 1
    assert figures["blobtorrent_rest_responses_total", "GET /v1/torrents", "2xx"] == 1
    assert figures["blobtorrent_arena_bytes", "budget"] == 64 * MIB
    assert figures["blobtorrent_process_resident_bytes",] > MIB
    assert {"core", "rest", "hooks", "door"} <= {key[1] for key in figures if key[0] == "blobtorrent_loop_passes_total"}
    for name, kind in (("rest_request", "read"), ("rest_request", "change"), ("hash_job", "check")):
        assert figures[f"blobtorrent_{name}_seconds_count", kind] >= 1
        assert figures[f"blobtorrent_{name}_seconds_sum", kind] > 0
    assert figures["blobtorrent_tracker_announce_seconds_count", "http"] == 0
    assert len(figures) < MAX_SERIES
    text = json.dumps([list(key) for key in figures])
    assert sample.info_hash.hex() not in text and "canary" not in text


def test_probes_are_told_how_far_the_start_is(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        assert daemon.call("GET", "/v1/health/startup") == {"status": "ok", "loaded": 0, "total": 0}
        assert daemon.call("GET", "/v1/health/ready") == {"status": "ok", "reasons": []}
        stats = daemon.call("GET", "/v1/stats")
        assert stats["all_time"]["runs"] == 1 and stats["memory"]["budget_bytes"] == 64 * MIB
