"""Two engines on loopback, each `blobtorrent get` in its own process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, EXIT_TIMEOUT
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.payload import MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet, command_line, environment, run
from tests.support.peers.client import Job, Role
from tests.support.peers.tracker import ListTracker

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("one.bin", 5 * MIB + 1), ("folder/empty", 0), ("folder/two.bin", 3 * MIB), ("folder/ünï 你好", 777)]
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", files)


def seed_of(sample: Sample, **options: float) -> BlobTorrentGet:
    return BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash), **options)


def leech_of(sample: Sample, folder: Path, *peers: str, seed_for_s: float = 0.0) -> BlobTorrentGet:
    return BlobTorrentGet(
        Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers), seed_for_s=seed_for_s, timeout_s=TIMEOUT_S
    )


def test_a_download_is_exact_and_ends_by_itself(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed, leech_of(sample, tmp_path, seed.endpoint) as leech:
        leech.wait_complete(TIMEOUT_S)
        _, last = leech.wait_event("stopped", TIMEOUT_S)
        assert leech.wait(TIMEOUT_S) == EXIT_OK
        assert last["done_bytes"] == last["size_bytes"] == sample.size_bytes
        assert last["downloaded_bytes"] >= sample.size_bytes
    assert sample.differences(tmp_path) == []


def test_what_lies_there_already_is_not_fetched_again(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "sample").mkdir()
    kept = (sample.folder / "sample/one.bin").read_bytes()
    (tmp_path / "sample/one.bin").write_bytes(kept[: 4 * MIB] + bytes(len(kept) - 4 * MIB))
    with seed_of(sample) as seed, leech_of(sample, tmp_path, seed.endpoint) as leech:
        _, last = leech.wait_event("stopped", TIMEOUT_S)
        assert last["downloaded_bytes"] <= sample.size_bytes - 4 * MIB
    assert sample.differences(tmp_path) == []


def test_a_v2_torrent_is_exact_too(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    for name, size in (("one", 300_001), ("two", 70_000), ("three", 1)):
        (content / name).write_bytes(os.urandom(size))
    torrent = tmp_path / "v2.torrent"
    assert run("create", content, "-o", torrent, "--format", "v2", "--piece-size", "64 KiB").returncode == EXIT_OK
    with BlobTorrentGet(Job(Role.SEED, torrent, tmp_path, b"")) as seed:
        done = run("get", torrent, "--to", tmp_path / "out", "--listen", "127.0.0.1:0", "--peer", seed.endpoint,
                   "--timeout", "60", "--quiet")
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert all((tmp_path / "out/content" / path.name).read_bytes() == path.read_bytes() for path in content.iterdir())


def test_a_reader_that_goes_away_ends_it_without_a_word(sample: Sample, tmp_path: Path) -> None:
    command = command_line("get", str(sample.torrent), "--to", str(tmp_path), "--listen", "127.0.0.1:0", "--json")
    process = subprocess.Popen(command, env={**os.environ, **environment()}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(TIMEOUT_S) == EXIT_FAILED
    assert process.stderr.read() == b""
    process.stderr.close()


def test_engines_find_one_another_by_their_tracker(sample: Sample, tmp_path: Path) -> None:
    with ListTracker() as tracker, seed_of(sample) as seed:
        tracker.peers = (seed.endpoint,)
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        done = run("get", torrent, "--to", tmp_path / "out", "--listen", "127.0.0.1:0", "--timeout", "60", "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (EXIT_OK, "", "")
        assert tracker.events[0] == "started"
        assert sorted(tracker.events[1:]) == ["completed", "stopped"]
    assert sample.differences(tmp_path / "out") == []


def test_a_download_seeds_to_the_next_one(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed, leech_of(sample, tmp_path / "b", seed.endpoint, seed_for_s=TIMEOUT_S) as middle:
        middle.wait_complete(TIMEOUT_S)
        seed.stop()
        with leech_of(sample, tmp_path / "c", middle.endpoint) as last:
            last.wait_complete(TIMEOUT_S)
            assert last.wait(TIMEOUT_S) == EXIT_OK
    assert sample.differences(tmp_path / "c") == []


def test_a_peer_that_nobody_named_comes_by_itself(sample: Sample, tmp_path: Path) -> None:
    with leech_of(sample, tmp_path) as leech:
        job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, (leech.endpoint,))
        with BlobTorrentGet(job, seed_for_s=TIMEOUT_S):
            leech.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path) == []


def test_several_torrents_come_in_one_run(sample: Sample, tmp_path: Path) -> None:
    other = make_sample(tmp_path / "other", "single.bin", 2 * MIB + 5, seed=2)
    with seed_of(sample) as first, seed_of(other) as second:
        done = run("get", sample.torrent, other.torrent, sample.torrent, "--to", tmp_path / "out", "--timeout", "60",
                   "--listen", "127.0.0.1:0", "--peer", first.endpoint, "--peer", second.endpoint, "--json")
    assert done.returncode == EXIT_OK
    finished = [line["torrent"] for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "finished"]
    assert sorted(finished) == sorted([sample.info_hash.hex(), other.info_hash.hex()])
    assert sample.differences(tmp_path / "out") == other.differences(tmp_path / "out") == []


def test_a_torrent_behind_a_url_is_fetched_first(sample: Sample, tmp_path: Path) -> None:
    with serve(sample.torrent.read_bytes()) as url:
        done = run("get", url, "--to", sample.folder, "--listen", "127.0.0.1:0", "--quiet")
    assert (done.returncode, done.stderr) == (EXIT_OK, "")


@pytest.mark.parametrize(("number", "done"), [(signal.SIGINT, True), (signal.SIGTERM, True),
                                              (signal.SIGINT, False), (signal.SIGTERM, False)])
def test_a_signal_ends_it_in_order_and_the_status_says_whether_the_work_was_done(
    sample: Sample, tmp_path: Path, number: int, done: bool
) -> None:
    with seed_of(sample) if done else leech_of(sample, tmp_path) as program:
        program.send_signal(number)
        assert program.wait(TIMEOUT_S) == (EXIT_OK if done else EXIT_FAILED)
        program.wait_event("stopped", TIMEOUT_S)
        assert ("interrupted" in program.output()) == (not done)
        assert program.output().count("\n") == (0 if done else 1)


def test_running_out_of_time_has_its_own_status(sample: Sample, tmp_path: Path) -> None:
    done = run("get", sample.torrent, "--to", tmp_path, "--listen", "127.0.0.1:0", "--timeout", "0.5")
    assert done.returncode == EXIT_TIMEOUT
    assert done.stderr.count("\n") == 1


def test_a_time_limit_does_not_end_the_seeding(sample: Sample, tmp_path: Path) -> None:
    done = run("get", sample.torrent, "--to", sample.folder, "--listen", "127.0.0.1:0", "--timeout", "0.2",
               "--seed-for", "1")
    assert done.returncode == EXIT_OK


def test_a_folder_that_cannot_be_made_fails_with_one_line(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("get", sample.torrent, "--to", tmp_path / "file" / "below", "--listen", "127.0.0.1:0", "--timeout", "30")
    assert done.returncode == EXIT_FAILED
    assert done.stderr.count("\n") == 1
    assert "storage." in done.stderr


def test_a_port_that_is_taken_fails_with_one_line(sample: Sample, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("get", sample.torrent, "--to", tmp_path, "--listen", listen, "--timeout", "30")
    assert done.returncode == EXIT_FAILED
    assert done.stderr.count("\n") == 1


@contextmanager
def serve(body: bytes) -> Iterator[str]:
    """A URL that answers with `body`."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.answer(body)

    with HttpServer(Handler) as server:
        yield f"{server.origin}/sample.torrent"
