"""Encrypted connections with programs that others wrote, which insist on them here, and with one that knows none.

What they insist on is what is proved: a transfer that ends went the way that they let it go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.clients import CLIENTS, SLOWEST_S, meet
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role, Wire
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.magnets import link_of
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Pieces that span files, and a last piece that is not whole."""
    files = [("a/first.bin", 5 * MIB + 1), ("a/b/second.bin", 3 * MIB - 77), ("third.bin", 12345)]
    return make_sample(tmp_path_factory.mktemp("mixed"), "mixed", files, 256 * KIB)


def in_mode(mode: str) -> tuple[str, str]:
    return "--set", f'encryption.mode="{mode}"'


# Those that we are in are the extremes: "allowed" dials them in plain first, and has to find out.
MODES_FOR_RC4 = ("allowed", "required")


@pytest.mark.parametrize("mode", MODES_FOR_RC4)
@pytest.mark.parametrize("client", CLIENTS)
def test_we_download_from_a_seed_that_insists_on_rc4(client: str, mode: str, mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with meet(client) as meeting, meeting.them(Role.SEED, mixed, mixed.folder, wire=Wire.RC4) as seed, \
            meeting.us(Role.LEECH, mixed, folder, (seed.endpoint,), in_mode(mode)) as leech:
        leech.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == []


@pytest.mark.parametrize("mode", MODES_FOR_RC4)
@pytest.mark.parametrize("client", CLIENTS)
def test_we_seed_to_a_leech_that_insists_on_rc4(client: str, mode: str, mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with meet(client) as meeting, meeting.us(Role.SEED, mixed, mixed.folder, (), in_mode(mode)) as seed, \
            meeting.them(Role.LEECH, mixed, folder, (seed.endpoint,), Wire.RC4) as leech:
        leech.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == []


@pytest.mark.parametrize("mode", ["allowed", "preferred"])
@pytest.mark.parametrize("client", ["libtorrent", "rtorrent", "aria2"])
def test_a_plain_stream_behind_an_encrypted_handshake_goes_both_ways(
        client: str, mode: str, mixed: Sample, tmp_path: Path) -> None:
    folder, other = _folder(tmp_path), tmp_path / "other"
    other.mkdir()
    with meet(client) as meeting:
        with meeting.them(Role.SEED, mixed, mixed.folder, wire=Wire.HANDSHAKE) as seed, \
                meeting.us(Role.LEECH, mixed, folder, (seed.endpoint,), in_mode(mode)) as leech:
            leech.wait_complete(SLOWEST_S)
        with meeting.us(Role.SEED, mixed, mixed.folder, (), in_mode(mode)) as ours, \
                meeting.them(Role.LEECH, mixed, other, (ours.endpoint,), Wire.HANDSHAKE) as theirs:
            theirs.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == mixed.differences(other) == []


def test_what_brought_the_metadata_by_rc4_brings_the_rest(mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    job = Job(Role.SEED, mixed.torrent, mixed.folder, mixed.info_hash)
    with BlobTorrentGet(job, options=in_mode("required")) as seed:
        link = Path(link_of(mixed, f"x.pe={seed.endpoint}"))
        job = Job(Role.LEECH, link, folder, mixed.info_hash)
        with BlobTorrentGet(job, options=in_mode("required"), seed_for_s=0) as leech:
            leech.wait_complete(SLOWEST_S)
    assert mixed.differences(folder) == []


@pytest.mark.parametrize("wire", [Wire.PLAIN, Wire.HANDSHAKE, Wire.RC4])
def test_preferring_encryption_we_reach_everybody_and_tell_how(wire: Wire, mixed: Sample, tmp_path: Path) -> None:
    seed = LibtorrentPeer(Job(Role.SEED, mixed.torrent, mixed.folder, mixed.info_hash, wire=wire))
    with seed, Seedbox(tmp_path / "box", settings='encryption.mode = "preferred"\n') as box:
        box.add(mixed, peers=[seed.endpoint], down_limit_bytes_per_s=MIB)
        wait_until(lambda: _peers(box, mixed), PATIENCE_S, "the peer")
        (peer,) = _peers(box, mixed)
        assert peer["cipher"] == {Wire.PLAIN: "none", Wire.HANDSHAKE: "plaintext", Wire.RC4: "rc4"}[wire]
        assert peer["encrypted"] == (wire is Wire.RC4)
        assert {"E", "e"} & set(peer["flags"]) == {Wire.PLAIN: set(), Wire.HANDSHAKE: {"e"}, Wire.RC4: {"E"}}[wire]


def test_with_a_peer_that_knows_no_encryption_nothing_is_exchanged_where_it_is_required_until_it_is_not(
        mixed: Sample, tmp_path: Path) -> None:
    seed = LibtorrentPeer(Job(Role.SEED, mixed.torrent, mixed.folder, mixed.info_hash))
    with seed, Seedbox(tmp_path / "box") as box:
        box.call("PATCH", "/v1/settings", {"encryption": {"mode": "required"}})
        box.add(mixed, peers=[seed.endpoint])
        wait_until(lambda: "encryption.required" in _codes(box, mixed), PATIENCE_S, "that to be the cause")
        seed.dial(box.endpoint)                      # it dials us too, in plain
        wait_until(lambda: box.metric('blobtorrent_encryption_handshakes_total{direction="in",result="refused"}'),
                   PATIENCE_S, "its greeting to be refused")
        torrent = box.call("GET", f"/v1/torrents/{mixed.info_hash.hex()}")
        assert (torrent["peers_connected"], torrent["done_bytes"], torrent["downloaded_bytes"]) == (0, 0, 0)
        box.call("PATCH", "/v1/settings", {"encryption": {"mode": "preferred"}})
        seed.dial(box.endpoint)
        box.wait_until(mixed, lambda status: status["state"] == "seeding", "the download")


def _peers(box: Seedbox, sample: Sample) -> list[Any]:
    return list(box.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/peers")["peers"])


def _codes(box: Seedbox, sample: Sample) -> list[str]:
    return [cause["code"] for cause in box.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/why")["causes"]]


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
