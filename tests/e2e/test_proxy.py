"""Downloads that go through a proxy, and nowhere else: our own `get`, proxies of the test and dante."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.output import EXIT_OK, EXIT_TIMEOUT
from blobtorrent.model.address import Endpoint
from tests.support.payload import MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import ListTracker
from tests.support.proxies import TestProxy, dante_configuration
from tests.support.tools import require_tool
from tests.threads.test_udp_tracker import FakeUdpTracker

TIMEOUT_S = 60.0
LOGIN = ("me", "secret:word")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", [("one.bin", 2 * MIB + 1)])


@pytest.fixture(scope="module")
def seed(sample: Sample) -> Iterator[BlobTorrentGet]:
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed:
        yield seed


def fetch(torrent: Path, folder: Path, proxy: str, *options: str, timeout_s: float = TIMEOUT_S,
          ) -> subprocess.CompletedProcess[str]:
    return run("get", torrent, "--to", folder, "--quiet", "--timeout", str(timeout_s),
               "--set", f'network.proxy="{proxy}"', *options)


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("login", [None, LOGIN], ids=["free", "with-login"])
def test_a_download_goes_through_the_proxy(kind: str, login: tuple[str, str] | None, sample: Sample,
                                           seed: BlobTorrentGet, tmp_path: Path) -> None:
    options: list[str] = []
    if login is not None:
        (tmp_path / "login").write_text(":".join(login) + "\n")
        (tmp_path / "login").chmod(0o600)
        options = ["--set", f'network.proxy_login_file="{tmp_path}/login"']
    with TestProxy(kind, login) as proxy:
        done = fetch(sample.torrent, tmp_path, proxy.url, "--peer", seed.endpoint, *options)
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert sample.differences(tmp_path) == []
    host, _, port = seed.endpoint.rpartition(":")
    assert proxy.asked == [(host, int(port))]


@pytest.mark.parametrize("kind", ["socks5", "http"])
def test_a_tracker_is_asked_through_the_proxy_by_its_name(kind: str, sample: Sample, seed: BlobTorrentGet,
                                                          tmp_path: Path) -> None:
    with ListTracker([seed.endpoint]) as tracker, TestProxy(kind) as proxy:
        named = tracker.url.replace("127.0.0.1", "localhost")
        torrent = with_tracker(sample.torrent, named, tmp_path)
        done = fetch(torrent, tmp_path / "out", proxy.url)
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert sample.differences(tmp_path / "out") == []
    assert ("localhost", int(tracker.url.split(":")[2].partition("/")[0])) in proxy.asked
    assert tracker.events[0] == "started"


def test_a_strict_proxy_lets_nobody_listen(sample: Sample, tmp_path: Path) -> None:
    with TestProxy("socks5") as proxy, BlobTorrentGet(
            Job(Role.LEECH, sample.torrent, tmp_path, sample.info_hash),
            options=["--set", f'network.proxy="{proxy.url}"']) as leech:
        assert leech.wait_event("listening", TIMEOUT_S)[1]["listen"] in (None, "", [])


def test_a_proxy_that_is_down_sends_nobody_beside_it(sample: Sample, seed: BlobTorrentGet, tmp_path: Path) -> None:
    with TestProxy("socks5") as gone:
        pass
    done = fetch(sample.torrent, tmp_path, gone.url, "--peer", seed.endpoint, timeout_s=3)
    assert done.returncode == EXIT_TIMEOUT
    assert not any(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())


def test_dante_carries_a_download(sample: Sample, seed: BlobTorrentGet, tmp_path: Path) -> None:
    danted = require_tool("danted")
    configuration, port = dante_configuration(tmp_path)
    with subprocess.Popen([danted, "-f", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as dante:
        try:
            _wait_for(port)
            with ListTracker([seed.endpoint]) as tracker:
                torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
                done = fetch(torrent, tmp_path / "out", f"socks5://127.0.0.1:{port}")
        finally:
            dante.terminate()
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert sample.differences(tmp_path / "out") == []
    log = (tmp_path / "danted.log").read_text()
    assert f".{seed.endpoint.rpartition(':')[2]}" in log


def test_dante_carries_the_questions_to_a_tracker_over_udp(
        sample: Sample, seed: BlobTorrentGet, tmp_path: Path) -> None:
    danted = require_tool("danted")
    configuration, port = dante_configuration(tmp_path)
    host, _, seed_port = seed.endpoint.rpartition(":")
    with FakeUdpTracker() as tracker, subprocess.Popen(
            [danted, "-f", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as dante:
        tracker.peer = Endpoint(host, int(seed_port))
        try:
            _wait_for(port)
            torrent = with_tracker(sample.torrent, tracker.url(), tmp_path)
            done = fetch(torrent, tmp_path / "out", f"socks5://127.0.0.1:{port}")
        finally:
            dante.terminate()
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert sample.differences(tmp_path / "out") == []
    assert tracker.announces
    log = (tmp_path / "danted.log").read_text()
    assert "udp" in log and f".{tracker.port}" in log, log


@pytest.mark.parametrize(("refusal", "datagrams"), [(0, "relay"), (7, "none")])
def test_the_daemon_tells_whether_its_proxy_carries_datagrams(
        refusal: int, datagrams: str, sample: Sample, tmp_path: Path) -> None:
    with (TestProxy("socks5", relay_refusal=refusal) as proxy, FakeUdpTracker() as tracker,
          Daemon(tmp_path / "daemon", "--set", f'network.proxy="{proxy.url}"') as daemon):
        def told() -> dict[str, Any]:
            answer: dict[str, Any] = daemon.call("GET", "/v1/session")["proxy"]
            return answer

        assert (told()["url"], told()["strict"], told()["datagrams"]) == (proxy.url, True, "waiting")
        torrent = with_tracker(sample.torrent, tracker.url(), tmp_path)
        daemon.call("POST", "/v1/torrents", {"source": str(torrent)})
        wait_until(lambda: told()["datagrams"] == datagrams, TIMEOUT_S, f"datagrams by way of {datagrams!r}")
        assert daemon.metric('blobtorrent_proxy_up{kind="datagrams"}') == (datagrams == "relay")
        if refusal:
            assert told()["datagrams_error"]["code"] == "proxy.refused"
            assert daemon.output().count("the proxy carries no datagrams") == 1
        else:
            wait_until(lambda: tracker.announces, TIMEOUT_S, "an announce")
    assert bool(tracker.announces) is not bool(refusal)


def _wait_for(port: int) -> None:
    import socket

    end_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end_s, "dante does not start"
            time.sleep(0.05)
