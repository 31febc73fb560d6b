"""uTP with libtorrent and Transmission, which speak it with everybody: content goes both ways and arrives as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.clients import SLOWEST_S, meet
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.libtorrent import ONLY_UTP, LibtorrentPeer
from tests.support.peers.transmission import TransmissionPeer
from tests.support.tools import require_module

pytestmark = pytest.mark.timeout(240)
WITHOUT_TCP = ("--set", "tcp.enabled=false")
BOTH_WAYS = {"enable_incoming_utp": True, "enable_outgoing_utp": True}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("a/first.bin", 16 * MIB + 1), ("a/b/second.bin", 3 * MIB - 77), ("third.bin", 12345)]
    return make_sample(tmp_path_factory.mktemp("sample"), "mixed", files, 256 * KIB)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


def libtorrent(role: Role, sample: Sample, folder: Path, *peers: str, **settings: bool) -> LibtorrentPeer:
    require_module("libtorrent")
    return LibtorrentPeer(Job(role, sample.torrent, folder, sample.info_hash, peers), settings=settings)


def us(role: Role, sample: Sample, folder: Path, *peers: str, options: tuple[str, ...] = ()) -> BlobTorrentGet:
    return BlobTorrentGet(Job(role, sample.torrent, folder, sample.info_hash, peers), options=options)


@pytest.mark.parametrize("options", [WITHOUT_TCP, (), ("--set", 'utp.dialing="utp-first"')],
                         ids=["without-tcp", "tcp-first", "utp-first"])
def test_we_download_from_libtorrent_that_speaks_utp_only(
        sample: Sample, folder: Path, options: tuple[str, ...]) -> None:
    with libtorrent(Role.SEED, sample, sample.folder, **ONLY_UTP) as seed, \
            us(Role.LEECH, sample, folder, seed.endpoint, options=options) as leech:
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []


@pytest.mark.parametrize("options", [WITHOUT_TCP, ()], ids=["without-tcp", "both"])
def test_libtorrent_that_speaks_utp_only_downloads_from_us(
        sample: Sample, folder: Path, options: tuple[str, ...]) -> None:
    with us(Role.SEED, sample, sample.folder, options=options) as seed, \
            libtorrent(Role.LEECH, sample, folder, seed.endpoint, **ONLY_UTP) as leech:
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []


def test_libtorrent_that_speaks_both_finds_us_without_tcp(sample: Sample, folder: Path) -> None:
    with us(Role.SEED, sample, sample.folder, options=WITHOUT_TCP) as seed, \
            libtorrent(Role.LEECH, sample, folder, seed.endpoint, **BOTH_WAYS) as leech:
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []


def test_a_seed_that_dials_us_by_utp_is_let_in(sample: Sample, folder: Path) -> None:
    with us(Role.LEECH, sample, folder, options=WITHOUT_TCP) as leech, \
            libtorrent(Role.SEED, sample, sample.folder, leech.endpoint, **ONLY_UTP):
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []


@pytest.mark.parametrize("role", [Role.SEED, Role.LEECH])
def test_transmission_meets_us_without_tcp(role: Role, sample: Sample, folder: Path) -> None:
    with meet("transmission") as meeting:
        assert meeting.namespace is not None

        def them(role: Role, folder: Path, *peers: str) -> TransmissionPeer:
            assert meeting.namespace is not None
            job = Job(role, sample.torrent, folder, sample.info_hash, peers, meeting.theirs, meeting.namespace.prefix)
            return TransmissionPeer(job, meeting.namespace, settings={"utp-enabled": True})

        def ours(role: Role, folder: Path, *peers: str) -> BlobTorrentGet:
            assert meeting.namespace is not None
            job = Job(role, sample.torrent, folder, sample.info_hash, peers, meeting.ours, meeting.namespace.prefix)
            return BlobTorrentGet(job, options=WITHOUT_TCP)

        if role is Role.SEED:
            with ours(Role.SEED, sample.folder) as seed, them(Role.LEECH, folder, seed.endpoint) as leech:
                leech.wait_complete(SLOWEST_S)
        else:
            with them(Role.SEED, sample.folder) as seed, ours(Role.LEECH, folder, seed.endpoint) as leech:
                leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []
