"""Every source of peers at once, each with a seed that only it knows: whichever is left alone, the download ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bencodepy
import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.nginx import Nginx
from tests.support.peers.nodejs import NodeRing, NodeTracker
from tests.support.peers.program import free_port, wait_until
from tests.support.peers.tracker import ListTracker
from tests.support.tools import require_tool

SOURCES = ("tracker over HTTP", "tracker over UDP", "DHT", "peer by hand", "web seed")
RING = 12
COMPLETE_S, FIRST_PEER_S = 90.0, 20.0
RATE = "4 MiB"                         # a second
CRAWL = 64 << 10                       # while sources end


class Sources:
    """All of them, as context managers that can be ended one by one; `torrent` names those that a torrent can name."""

    def __init__(self, sample: Sample, folder: Path) -> None:
        self.sample = sample
        self._folder = folder
        self._running: dict[str, ExitStack] = {}
        self._trackers: list[str] = []
        self._web_seeds: list[str] = []
        self.peers: list[str] = []
        self.bootstrap: list[str] = []

    def begin(self, name: str) -> None:
        stack = self._running[name] = ExitStack()
        begin: Callable[[ExitStack], None] = {
            "tracker over HTTP": self._http, "tracker over UDP": self._udp, "DHT": self._dht,
            "peer by hand": self._by_hand, "web seed": self._web_seed,
        }[name]
        begin(stack)

    def name_dead(self, name: str) -> None:
        """Name a source of this kind where nobody is any more."""
        nobody = f"127.0.0.1:{free_port()}"
        if name.startswith("tracker"):
            self._trackers.append(f"{'http' if 'HTTP' in name else 'udp'}://{nobody}/announce")
        elif name == "web seed":
            self._web_seeds.append(f"http://{nobody}/")
        else:
            (self.bootstrap if name == "DHT" else self.peers).append(nobody)

    def end(self, name: str) -> None:
        self._running.pop(name).close()

    def end_all(self) -> None:
        for name in list(self._running):
            self.end(name)

    @property
    def torrent(self) -> Path:
        metafile = bencodepy.decode(self.sample.torrent.read_bytes())
        metafile[b"announce-list"] = [[url] for url in self._trackers]
        metafile[b"url-list"] = self._web_seeds
        path = self._folder / "all.torrent"
        path.write_bytes(bencodepy.encode(metafile))
        return path

    def _seed(self, stack: ExitStack, torrent: Path | None = None, address: str = "127.0.0.1") -> str:
        job = Job(Role.SEED, torrent or self.sample.torrent, self.sample.folder, self.sample.info_hash, address=address)
        return stack.enter_context(BlobTorrentGet(job)).endpoint

    def _http(self, stack: ExitStack) -> None:
        self._trackers.append(stack.enter_context(ListTracker([self._seed(stack)])).url)

    def _udp(self, stack: ExitStack) -> None:
        tracker = stack.enter_context(NodeTracker())
        metafile = bencodepy.decode(self.sample.torrent.read_bytes())
        path = self._folder / "udp.torrent"
        path.write_bytes(bencodepy.encode({**metafile, b"announce": tracker.udp_url}))
        self._seed(stack, path)
        self._trackers.append(tracker.udp_url)

    def _dht(self, stack: ExitStack) -> None:
        ring = stack.enter_context(NodeRing(RING))
        seed = self._seed(stack, address=ring.endpoints[-1].rpartition(":")[0])
        ring.announce(self.sample.info_hash, int(seed.rpartition(":")[2]))
        self.bootstrap = list(ring.endpoints[:2])

    def _by_hand(self, stack: ExitStack) -> None:
        self.peers.append(self._seed(stack))

    def _web_seed(self, stack: ExitStack) -> None:
        self._web_seeds.append(stack.enter_context(Nginx(self._folder / "nginx", self.sample.folder)).url)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "content.bin", 12 * MIB + 3)


@pytest.fixture
def sources(sample: Sample, tmp_path: Path) -> Iterator[Sources]:
    require_tool("nginx")
    sources = Sources(sample, tmp_path)
    yield sources
    sources.end_all()


@contextmanager
def daemon_with(sources: Sources, folder: Path, *words: str) -> Iterator[tuple[Daemon, str]]:
    """A daemon that has begun the torrent of these sources, and has no others, and that torrent's path in REST."""
    with Daemon(folder / "ours", "--set", "lsd.enabled=false", "--set", f"dht.bootstrap={sources.bootstrap}",
                *words) as daemon:
        daemon.call("POST", "/v1/torrents", {
            "source": str(sources.torrent), "peers": sources.peers, "download_dir": str(folder / "downloads")})
        yield daemon, f"/v1/torrents/{sources.sample.info_hash.hex()}"


@pytest.mark.parametrize("last", SOURCES)
def test_when_all_others_end_on_the_way_the_last_source_completes_the_download(
        sources: Sources, tmp_path: Path, last: str) -> None:
    for name in SOURCES:
        sources.begin(name)
    with daemon_with(sources, tmp_path, "--set", f"limits.down_bytes_per_s='{RATE}'") as (daemon, path):
        wait_until(lambda: daemon.call("GET", path)["done_bytes"] > 0, COMPLETE_S, "the first piece")
        daemon.call("PATCH", path, {"down_limit_bytes_per_s": CRAWL})      # it must not be over before they are
        for name in SOURCES:
            if name != last:
                sources.end(name)
        assert daemon.call("GET", path)["state"] == "downloading"
        daemon.call("PATCH", path, {"down_limit_bytes_per_s": 0})
        wait_until(lambda: daemon.call("GET", path)["state"] == "seeding", COMPLETE_S, f"the end, by {last}")
    assert sources.sample.differences(tmp_path / "downloads") == []


@pytest.mark.parametrize("only", SOURCES)
def test_a_source_alone_is_enough_and_soon(sources: Sources, tmp_path: Path, only: str) -> None:
    """The others are dead from the beginning: nothing waits for their time-outs."""
    for name in SOURCES:
        (sources.begin if name == only else sources.name_dead)(name)
    with daemon_with(sources, tmp_path) as (daemon, path):
        wait_until(lambda: daemon.call("GET", path)["done_bytes"] > 0, FIRST_PEER_S, f"the first piece, by {only}")
        wait_until(lambda: daemon.call("GET", path)["state"] == "seeding", COMPLETE_S, f"the end, by {only}")
    assert sources.sample.differences(tmp_path / "downloads") == []
