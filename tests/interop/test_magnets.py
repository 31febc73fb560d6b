"""Magnet links: the metadata comes from any peer that tells the truth, and is given to those that need it."""

from __future__ import annotations

import random
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.magnets import LibtorrentMagnet, MetadataSeed, info_of, link_of
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import Opentracker
from tests.support.tools import require_module, require_tool

COMPLETE_S = 60.0


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Its metadata has several pieces."""
    return make_sample(tmp_path, "content.bin", 40 * MIB + 3, 16 * KIB)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def getting(sample: Sample, link: str, folder: Path) -> BlobTorrentGet:
    """Our program, which is given nothing but the link."""
    return BlobTorrentGet(Job(Role.LEECH, Path(link), folder, sample.info_hash), seed_for_s=0)


def gets(sample: Sample, link: str, folder: Path) -> BlobTorrentGet:
    with getting(sample, link, folder) as leech:
        assert leech.wait(COMPLETE_S) == 0
    assert sample.differences(folder) == []
    leech.drain()
    return leech


def test_a_link_with_a_peer_is_enough(sample: Sample, folder: Path) -> None:
    require_module("libtorrent")
    with LibtorrentMagnet(sample.torrent, sample.folder) as seed:
        leech = gets(sample, link_of(sample, f"x.pe={seed.endpoint}"), folder)
    begin = leech.wait_event("metadata", 0.0)[0]
    assert leech.wait_event("checking", 0.0)[0] - begin < 2.0


def test_a_link_with_the_name_of_a_peers_host_is_enough(sample: Sample, folder: Path) -> None:
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed:
        port = seed.endpoint.rpartition(":")[2]
        gets(sample, link_of(sample, f"x.pe=localhost:{port}"), folder)


def test_a_link_with_a_tracker_is_enough(sample: Sample, folder: Path, tmp_path: Path) -> None:
    require_tool("opentracker")
    with Opentracker([sample.info_hash]) as tracker:
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        with BlobTorrentGet(Job(Role.SEED, torrent, sample.folder, sample.info_hash)):
            wait_until(lambda: tracker.count(sample.info_hash) == (1, 0), COMPLETE_S, "the announce of the seed")
            gets(sample, link_of(sample, f"tr={quote(tracker.url, safe='')}"), folder)


def test_libtorrent_gets_the_metadata_and_all_else_from_us(sample: Sample, folder: Path) -> None:
    require_module("libtorrent")
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed, \
            LibtorrentMagnet(link_of(sample), folder, seed.endpoint) as leech:
        assert leech.wait_metadata(COMPLETE_S) == "content.bin"
        leech.wait_complete(COMPLETE_S)
    assert sample.differences(folder) == []


def test_a_peer_that_got_the_metadata_gives_it_to_the_next(sample: Sample, folder: Path, tmp_path: Path) -> None:
    """The first has not one piece of the content yet."""
    require_module("libtorrent")
    (tmp_path / "first").mkdir()
    with MetadataSeed(sample, info_of(sample)) as source, \
            Daemon(tmp_path / "daemon", settings="[limits]\ndown_bytes_per_s = '16 KiB'\n") as first:
        first.call("POST", "/v1/torrents", {"source": link_of(sample, f"x.pe={source.endpoint}")})
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: first.call("GET", path)["state"] == "downloading", COMPLETE_S, "the metadata")
        with LibtorrentMagnet(link_of(sample), folder, first.endpoint) as second:
            assert second.wait_metadata(COMPLETE_S) == "content.bin"


def test_liars_do_not_keep_the_metadata_from_coming(sample: Sample, folder: Path) -> None:
    """They come first, with wrong bytes, with wrong sizes and with none at all; the honest one waits for them."""
    info, rng, gate = info_of(sample), random.Random(1), threading.Event()
    with ExitStack() as stack:
        liars = [stack.enter_context(liar) for liar in (
            MetadataSeed(sample, rng.randbytes(len(info)), address="127.0.7.1"),
            MetadataSeed(sample, rng.randbytes(len(info)), address="127.0.7.2"),
            MetadataSeed(sample, rng.randbytes(len(info) + 1), address="127.0.7.3"),
            MetadataSeed(sample, info, size=7 << 20, address="127.0.7.4"),
            MetadataSeed(sample, info, size=(7 << 20) + 1, is_mute=True, address="127.0.7.5"),
            MetadataSeed(sample, info, size=1 << 31, address="127.0.7.6"),
        )]
        honest = stack.enter_context(MetadataSeed(sample, info, gate=gate, address="127.0.7.7"))
        peers = [f"x.pe={peer.endpoint}" for peer in (*liars, honest)]
        with getting(sample, link_of(sample, *peers), folder) as leech:
            for liar in liars[:4]:
                assert liar.was_asked.wait(COMPLETE_S)
            gate.set()
            assert leech.wait(COMPLETE_S) == 0
    assert sample.differences(folder) == []


def test_a_daemon_that_is_killed_goes_on_with_its_links(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    path = f"/v1/torrents/{sample.info_hash.hex()}"
    with Daemon(folder) as daemon:
        told = daemon.call("POST", "/v1/torrents", {"source": link_of(sample, "dn=promise"), "labels": ["kept"]})
        assert (told["state"], told["name"], told["size_bytes"]) == ("metadata", "promise", 0)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(COMPLETE_S)
    with Daemon(folder) as daemon:
        wait_until(lambda: daemon.call("GET", path)["state"] == "metadata", COMPLETE_S, "the link")
        assert daemon.call("GET", path)["labels"] == ["kept"]
        assert daemon.call("GET", f"{path}/files")["code"] == "torrent.no-metadata"
        assert daemon.call("GET", f"{path}/why")["causes"][0]["code"] == "metadata.no-peers"
        with MetadataSeed(sample, info_of(sample)) as source:
            daemon.call("POST", f"{path}/peers", {"peers": [source.endpoint]})
            wait_until(lambda: daemon.call("GET", path)["state"] != "metadata", COMPLETE_S, "the metadata")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(COMPLETE_S)
    with Daemon(folder) as daemon:     # nobody gives the metadata a second time
        wait_until(lambda: daemon.call("GET", path)["state"] == "downloading", COMPLETE_S, "the torrent")
        assert daemon.call("GET", path)["name"] == "content.bin"
        assert len(daemon.call("GET", f"{path}/files")["files"]) == 1
