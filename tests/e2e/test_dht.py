"""The DHT as the only way to find each other: no tracker, no local discovery, no peer named by hand."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.krpc import Query, read_message, write_response
from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.magnets import MetadataSeed, info_of, link_of
from tests.support.peers.program import wait_until

TIMEOUT_S = 60.0
QUIET_S = 3.0                          # in which who may send does so


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 3 * MIB + 5)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("secret"), "secret.bin", MIB, private=True)


class Listener:
    """A node that hears everything and answers nothing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def hears(self, timeout_s: float) -> bool:
        self._socket.settimeout(timeout_s)
        try:
            return bool(self._socket.recv(2048))
        except TimeoutError:
            return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


class Keeper:
    """A node that answers, but who looks for peers only when it is told to; it remembers what was asked."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked: list[bytes] = []
        self._held: list[tuple[bytes, Endpoint]] = []
        self._holds = True
        self._is_closed = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def release(self) -> None:
        self._holds = False
        for transaction, sender in self._held:
            self._answer(transaction, sender)

    def close(self) -> None:
        self._is_closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:    # who waits in recvfrom does not see a close
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            data, address = self._socket.recvfrom(2048)
            if self._is_closed:
                return
            query, sender = read_message(data), Endpoint(*address)
            if not isinstance(query, Query):
                continue
            self.asked.append(query.method)
            if query.method == b"get_peers" and self._holds:
                self._held.append((query.transaction, sender))
            else:
                self._answer(query.transaction, sender)

    def _answer(self, transaction: bytes, sender: Endpoint) -> None:
        data = write_response(transaction, {b"id": b"k" * 20, b"token": b"token"}, sender)
        self._socket.sendto(data, (sender.host, sender.port))


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.close()


def only_dht(*bootstrap: str) -> tuple[str, ...]:
    return ("--set", "lsd.enabled=false", "--set", f"dht.bootstrap={list(bootstrap)}")


def seed_of(sample: Sample) -> BlobTorrentGet:
    return BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash), options=only_dht())


def test_a_download_needs_nothing_but_the_dht(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed:
        job = Job(Role.LEECH, sample.torrent, tmp_path, sample.info_hash)
        with BlobTorrentGet(job, seed_for_s=0.0, options=only_dht(seed.endpoint)) as leech:
            leech.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path) == []


def test_a_magnet_link_needs_nothing_but_the_dht(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed:
        done = run("get", f"magnet:?xt=urn:btih:{sample.info_hash.hex()}", "--to", tmp_path, "--listen",
                   "127.0.0.1:0", "--timeout", "60", "--quiet", *only_dht(seed.endpoint))
    assert (done.returncode, done.stderr) == (0, "")
    assert sample.differences(tmp_path) == []


def test_a_third_one_is_found_by_a_node_that_only_knows_the_second(sample: Sample, tmp_path: Path) -> None:
    other = make_sample(tmp_path / "other", "other.bin", 1000, seed=2)
    with seed_of(other) as meeting_point:
        job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
        with BlobTorrentGet(job, options=only_dht(meeting_point.endpoint)):
            job = Job(Role.LEECH, sample.torrent, tmp_path / "leech", sample.info_hash)
            job.folder.mkdir()
            with BlobTorrentGet(job, seed_for_s=0.0, options=only_dht(meeting_point.endpoint)) as leech:
                leech.wait_complete(TIMEOUT_S)
    assert sample.differences(tmp_path / "leech") == []


def daemon_of(folder: Path, listener: Listener, *words: str) -> Daemon:
    return Daemon(folder, *only_dht(listener.endpoint), *words)


def test_a_public_torrent_makes_the_daemon_ask(sample: Sample, listener: Listener, tmp_path: Path) -> None:
    with daemon_of(tmp_path, listener) as daemon:
        assert not listener.hears(QUIET_S)                 # no torrent, no datagram
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
        assert listener.hears(TIMEOUT_S)


def test_a_private_torrent_sends_no_datagram(secret: Sample, listener: Listener, tmp_path: Path) -> None:
    with daemon_of(tmp_path, listener) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(secret.torrent)})
        daemon.call("POST", f"/v1/torrents/{secret.info_hash.hex()}/announce")
        assert not listener.hears(QUIET_S)


@pytest.mark.parametrize("is_private", [False, True])
def test_a_link_that_turns_out_private_is_not_announced_by_the_search_under_way(
    sample: Sample, secret: Sample, keeper: Keeper, tmp_path: Path, is_private: bool
) -> None:
    content = secret if is_private else sample
    torrent = f"/v1/torrents/{content.info_hash.hex()}"
    with MetadataSeed(content, info_of(content)) as seed, Daemon(tmp_path, *only_dht(keeper.endpoint)) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": link_of(content)})
        wait_until(lambda: b"get_peers" in keeper.asked, TIMEOUT_S, "the search")
        daemon.call("POST", f"{torrent}/peers", {"peers": [seed.endpoint]})
        wait_until(lambda: daemon.call("GET", torrent)["state"] != "metadata", TIMEOUT_S, "the metadata")
        keeper.release()
        if is_private:
            time.sleep(QUIET_S)
            assert b"announce_peer" not in keeper.asked
        else:
            wait_until(lambda: b"announce_peer" in keeper.asked, TIMEOUT_S, "the announce")


def test_off_is_off(sample: Sample, listener: Listener, tmp_path: Path) -> None:
    with daemon_of(tmp_path, listener, "--set", "dht.enabled=false") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
        assert not listener.hears(QUIET_S)
        assert not (daemon.state / "dht").exists()


def test_the_table_comes_back_with_the_daemon(sample: Sample, tmp_path: Path) -> None:
    with seed_of(sample) as seed:
        with Daemon(tmp_path, *only_dht(seed.endpoint)) as daemon:
            daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
            wait_until(lambda: (daemon.downloads / "sample.bin").exists(), TIMEOUT_S, "the download")
            wait_until(lambda: daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")["state"] == "seeding",
                       TIMEOUT_S, "the download")
        table = daemon.state / "dht"
        assert table.stat().st_mode & 0o777 == 0o600
        kept = table.read_bytes()
        assert socket.inet_aton("127.0.0.1") + int(seed.endpoint.rpartition(":")[2]).to_bytes(2, "big") in kept
        with Daemon(tmp_path, *only_dht()) as daemon:      # no bootstrap node but those of the table
            wait_until(lambda: daemon.metric('blobtorrent_dht_nodes{family="ipv4"}') >= 1, TIMEOUT_S, "the node")
