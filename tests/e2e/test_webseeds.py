"""Torrents from web seeds (BEP 19): alone, beside peers, and from servers that are up to no good."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.output import EXIT_OK, EXIT_TIMEOUT
from tests.support.payload import KIB, MIB, Sample, make_sample, with_web_seeds
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.nginx import NO_RANGES, Nginx, nginx
from tests.support.peers.program import wait_until
from tests.support.seedserver import Answer, Asked, SeedServer

TIMEOUT_S = 60.0
Behaviour = Callable[[SeedServer, Asked], Answer]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("one.bin", 5 * MIB + 1), ("folder/empty", 0), ("folder/two.bin", 3 * MIB), ("folder/ünï 你好", 777)]
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", files)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("large"), "large.bin", 24 * MIB + 5)


def get(torrent: Path, folder: Path, *words: str, timeout_s: float = TIMEOUT_S) -> int:
    return run("get", torrent, "--to", folder, "--listen", "127.0.0.1:0", "--timeout", f"{timeout_s:g}", "--quiet",
               *words).returncode


def web_seeds_of(daemon: Daemon, sample: Sample) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/webseeds")["web_seeds"]
    return told


def add(daemon: Daemon, torrent: Path, **members: Any) -> None:
    daemon.call("POST", "/v1/torrents", {"source": str(torrent), **members})


def wait_done(daemon: Daemon, sample: Sample) -> None:
    wait_until(lambda: daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")["state"] == "seeding",
               TIMEOUT_S, "the download")


# ---- alone

@pytest.mark.parametrize("behave", [SeedServer.serve, SeedServer.serve_whole], ids=["ranges", "no ranges"])
def test_a_torrent_with_nothing_but_a_web_seed_completes(sample: Sample, tmp_path: Path, behave: Behaviour) -> None:
    with SeedServer(sample.folder, behave) as server:
        assert get(with_web_seeds(sample.torrent, tmp_path, server.url), tmp_path / "out") == EXIT_OK
        # Without ranges the first run shows that, and is sent a second time.
        assert server.sent_bytes <= sample.size_bytes * (1 if behave is SeedServer.serve else 2)
    assert sample.differences(tmp_path / "out") == []


@pytest.mark.skipif(nginx() is None, reason="nginx is not installed")
@pytest.mark.parametrize("options", ["", NO_RANGES], ids=["ranges", "no ranges"])
def test_nginx_is_a_web_seed(sample: Sample, tmp_path: Path, options: str) -> None:
    with Nginx(tmp_path / "nginx", sample.folder, options) as server:
        assert get(with_web_seeds(sample.torrent, tmp_path, server.url), tmp_path / "out") == EXIT_OK
        assert all(" 206 " in line or " 200 " in line for line in server.requests)
    assert sample.differences(tmp_path / "out") == []


@pytest.mark.skipif(nginx() is None, reason="nginx is not installed")
def test_nginx_that_compresses_and_wants_a_password_is_one_too(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("user:{PLAIN}pass word\n")
    options = f"gzip on; gzip_types *; auth_basic files; auth_basic_user_file {tmp_path}/users;"
    with Nginx(tmp_path / "nginx", sample.folder, options) as server:
        url = server.url.replace("//", "//user:pass%20word@")
        assert get(with_web_seeds(sample.torrent, tmp_path, url), tmp_path / "out") == EXIT_OK
    assert sample.differences(tmp_path / "out") == []


def test_large_pieces_and_little_memory_are_no_obstacle(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "sample.bin", 20 * MIB + 7, 8 * MIB)
    with SeedServer(sample.folder) as server:
        torrent = with_web_seeds(sample.torrent, tmp_path, f"{server.url}sample.bin")
        assert get(torrent, tmp_path / "out", "--set", "storage.memory_budget='4 MiB'") == EXIT_OK
    assert sample.differences(tmp_path / "out") == []


def test_padding_is_asked_of_nobody(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "padded", [("a", 100_000), ("b", 3), ("c", 300_000)], 32 * KIB, pad=True)
    with SeedServer(sample.folder) as server:
        assert get(with_web_seeds(sample.torrent, tmp_path, server.url), tmp_path / "out") == EXIT_OK
        assert server.sent_bytes == 400_003
    assert sample.differences(tmp_path / "out") == []


def test_a_v2_torrent_comes_from_a_web_seed(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    for name, size in (("one", 300_001), ("two", 70_000), ("three", 1)):
        (content / name).write_bytes(bytes([size % 251]) * size)
    torrent = tmp_path / "v2.torrent"
    with SeedServer(tmp_path) as server:
        assert run("create", content, "-o", torrent, "--format", "v2", "--piece-size", "64 KiB", "--web-seed",
                   server.url).returncode == EXIT_OK
        assert get(torrent, tmp_path / "out") == EXIT_OK
    assert all((tmp_path / "out/content" / path.name).read_bytes() == path.read_bytes() for path in content.iterdir())


def test_what_lies_there_already_is_not_fetched_again(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "out/sample").mkdir(parents=True)
    kept = (sample.folder / "sample/one.bin").read_bytes()
    (tmp_path / "out/sample/one.bin").write_bytes(kept[: 4 * MIB] + bytes(len(kept) - 4 * MIB))
    with SeedServer(sample.folder) as server:
        assert get(with_web_seeds(sample.torrent, tmp_path, server.url), tmp_path / "out") == EXIT_OK
        assert server.sent_bytes <= sample.size_bytes - 4 * MIB
    assert sample.differences(tmp_path / "out") == []


def test_only_wanted_files_are_fetched(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder) as server, Daemon(tmp_path / "daemon") as daemon:
        add(daemon, with_web_seeds(sample.torrent, tmp_path, server.url), file_priorities={"0": "skip"})
        wait_done(daemon, sample)
        assert server.sent_bytes < 4 * MIB
    assert (daemon.downloads / "sample/folder/two.bin").read_bytes() == (
        sample.folder / "sample/folder/two.bin").read_bytes()


# ---- beside peers

@pytest.mark.alone
def test_a_peer_and_a_web_seed_together_are_faster_than_either(large: Sample, tmp_path: Path) -> None:
    rate = 4 * MIB
    job = Job(Role.SEED, large.torrent, large.folder, large.info_hash)
    with SeedServer(large.folder, lambda server, asked: server.serve(asked)._replace(bytes_per_s=rate)) as server, \
            BlobTorrentGet(job, options=("--set", f"limits.up_bytes_per_s={2 * rate}")) as seed:
        took = []
        for number, (urls, peers) in enumerate((
                ((), (seed.endpoint,)), ((server.url,), ()), ((server.url,), (seed.endpoint,)))):
            torrent = with_web_seeds(large.torrent, tmp_path, *urls)
            began = time.monotonic()
            words = [word for peer in peers for word in ("--peer", peer)]
            assert get(torrent, tmp_path / f"out-{number}", *words) == EXIT_OK
            took.append(time.monotonic() - began)
            assert large.differences(tmp_path / f"out-{number}") == []
    assert took[2] < 0.8 * min(took[:2]), took


@pytest.mark.parametrize(("policy", "most"), [("off", 0.0), ("when-slow", 0.0), ("always", 1.0)])
def test_a_policy_says_when_web_seeds_are_asked(large: Sample, tmp_path: Path, policy: str, most: float) -> None:
    job = Job(Role.SEED, large.torrent, large.folder, large.info_hash)
    with SeedServer(large.folder) as server, BlobTorrentGet(job) as seed:
        assert get(with_web_seeds(large.torrent, tmp_path, server.url), tmp_path / "out", "--peer", seed.endpoint,
                   "--set", f"webseeds.policy='{policy}'", "--set", f"limits.down_bytes_per_s={16 * MIB}") == EXIT_OK
        assert bool(server.sent_bytes) == bool(most)
    assert large.differences(tmp_path / "out") == []


def test_web_seeds_that_are_off_are_left_alone(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder) as server:
        torrent = with_web_seeds(sample.torrent, tmp_path, server.url)
        assert get(torrent, tmp_path / "out", "--set", "webseeds.policy='off'", timeout_s=3) == EXIT_TIMEOUT
        assert server.connections == 0


def test_peers_that_stay_away_are_made_up_for_within_seconds(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder) as server:
        torrent = with_web_seeds(sample.torrent, tmp_path, server.url)
        began = time.monotonic()
        assert get(torrent, tmp_path / "out", "--set", "webseeds.policy='when-slow'") == EXIT_OK
        assert 3 < time.monotonic() - began < 12
    assert sample.differences(tmp_path / "out") == []


def test_limits_hold_for_web_seeds(large: Sample, tmp_path: Path) -> None:
    with SeedServer(large.folder) as server:
        torrent = with_web_seeds(large.torrent, tmp_path, server.url)
        for number, setting in enumerate(("limits.down_bytes_per_s", "webseeds.down_bytes_per_s")):
            began = time.monotonic()
            assert get(torrent, tmp_path / f"out-{number}", "--set", f"{setting}={6 * MIB}") == EXIT_OK
            assert 2.5 < time.monotonic() - began < 8


# ---- servers that are up to no good

def spoil(server: SeedServer, asked: Asked) -> Answer:
    """Bytes of the right number and another kind."""
    answer = server.serve(asked)
    return answer._replace(body=bytes(len(answer.body)))


def test_a_web_seed_that_sends_rubbish_is_banned_and_the_rest_completes(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder, spoil) as liar, SeedServer(sample.folder) as honest, \
            Daemon(tmp_path / "daemon") as daemon:
        add(daemon, with_web_seeds(sample.torrent, tmp_path, liar.url, honest.url))
        wait_done(daemon, sample)
        first, second = web_seeds_of(daemon, sample)
        assert (first["state"], first["error_code"]) == ("banned", "webseed.bad-piece")
        assert first["wasted_bytes"] > 0
        assert (second["state"], second["error_code"]) == ("idle", None)
        assert second["downloaded_bytes"] >= sample.size_bytes
    assert sample.differences(daemon.downloads) == []


def test_nothing_unverified_reaches_the_files(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder, spoil) as liar:
        torrent = with_web_seeds(sample.torrent, tmp_path, liar.url)
        assert get(torrent, tmp_path / "out", timeout_s=3) == EXIT_TIMEOUT
        assert liar.sent_bytes <= sample.size_bytes
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and any(path.read_bytes())]
    assert written == []


def test_a_file_that_one_web_seed_lacks_comes_from_another(sample: Sample, tmp_path: Path) -> None:
    def lacks_two(server: SeedServer, asked: Asked) -> Answer:
        return server.serve(asked) if "two" not in asked.path else Answer(404, (("Content-Length", "0"),))

    def lacks_one(server: SeedServer, asked: Asked) -> Answer:
        return server.serve(asked) if "one" not in asked.path else Answer(404, (("Content-Length", "0"),))

    # The piece that both files share comes from neither: the third one has it.
    with SeedServer(sample.folder, lacks_two) as a, SeedServer(sample.folder, lacks_one) as b, \
            SeedServer(sample.folder) as c:
        assert get(with_web_seeds(sample.torrent, tmp_path, a.url, b.url, c.url), tmp_path / "out") == EXIT_OK
        assert len([asked for asked in a.asked if "two" in asked.path]) <= 2
    assert sample.differences(tmp_path / "out") == []


def test_who_asks_for_time_gets_it(sample: Sample, tmp_path: Path) -> None:
    def busy_once(server: SeedServer, asked: Asked) -> Answer:
        if len(server.asked) <= 2:
            return Answer(503, (("Retry-After", "1"), ("Content-Length", "0")))
        return server.serve(asked)

    with SeedServer(sample.folder, busy_once) as server, Daemon(tmp_path / "daemon") as daemon:
        add(daemon, with_web_seeds(sample.torrent, tmp_path, server.url))
        wait_until(lambda: web_seeds_of(daemon, sample)[0]["state"] == "resting", TIMEOUT_S, "the rest")
        told = web_seeds_of(daemon, sample)[0]
        assert told["error_code"] == "webseed.busy" and told["next_try_s"] > 0
        before = len(server.asked)
        wait_done(daemon, sample)
        assert before <= 2
    assert sample.differences(daemon.downloads) == []


def test_what_a_url_keeps_secret_is_in_no_log(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder) as server, Daemon(tmp_path / "daemon", "--set", "log.level='debug'") as daemon:
        url = server.url.replace("//", "//user:geheim@")
        add(daemon, with_web_seeds(sample.torrent, tmp_path, url))
        wait_done(daemon, sample)
        assert "geheim" not in daemon.output()


def test_a_policy_that_is_changed_holds_at_once(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder) as server, \
            Daemon(tmp_path / "daemon", settings="[webseeds]\npolicy = 'off'\n") as daemon:
        add(daemon, with_web_seeds(sample.torrent, tmp_path, server.url))
        wait_until(lambda: daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")["state"] == "downloading",
                   TIMEOUT_S, "the start")
        assert [seed["state"] for seed in web_seeds_of(daemon, sample)] == ["unused"]
        daemon.call("PATCH", "/v1/settings", {"webseeds": {"policy": "always"}})
        wait_done(daemon, sample)
    assert sample.differences(daemon.downloads) == []


def test_a_daemon_that_is_killed_goes_on_where_it_was(large: Sample, tmp_path: Path) -> None:
    with SeedServer(large.folder, lambda server, asked: server.serve(asked)._replace(bytes_per_s=3 * MIB)) as server:
        with Daemon(tmp_path / "daemon") as daemon:
            add(daemon, with_web_seeds(large.torrent, tmp_path, server.url))
            wait_until(lambda: server.sent_bytes > 8 * MIB, TIMEOUT_S, "a part")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(TIMEOUT_S)
        with Daemon(tmp_path / "daemon") as daemon:
            wait_done(daemon, large)
        # What was in the middle of arriving comes again: two runs at most, of 16 MiB in the worst case, here less.
        assert server.sent_bytes < 1.8 * large.size_bytes
    assert large.differences(daemon.downloads) == []


def test_a_torrent_is_stopped_at_once_while_a_web_seed_stalls(sample: Sample, tmp_path: Path) -> None:
    with SeedServer(sample.folder, lambda server, asked: Answer(pause_s=60)) as server, \
            Daemon(tmp_path / "daemon") as daemon:
        add(daemon, with_web_seeds(sample.torrent, tmp_path, server.url))
        wait_until(lambda: server.asked, TIMEOUT_S, "a request")
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 5
        assert "stopped clean=True" in daemon.log.read_text()
