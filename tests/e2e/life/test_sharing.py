"""Two torrents at one place: both seed what is the same, and neither ever writes over what the other has."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import bencodepy
import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

NAME = "sample.bin"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("first"), NAME, 2 * MIB, 256 * KIB)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Other bytes of the same name."""
    return make_sample(tmp_path_factory.mktemp("stranger"), NAME, 2 * MIB, 256 * KIB, seed=2)


@pytest.fixture(scope="module")
def twin(first: Sample, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The same bytes, as another site's torrent."""
    metafile = bencodepy.decode(first.torrent.read_bytes())
    metafile[b"info"][b"source"] = b"elsewhere"
    torrent = tmp_path_factory.mktemp("twin") / "twin.torrent"
    torrent.write_bytes(bencodepy.encode(metafile))
    return replace(first, torrent=torrent, info_hash=hashlib.sha1(bencodepy.encode(metafile[b"info"])).digest())


def test_a_stranger_does_not_touch_the_files_of_another_torrent(
    first: Sample, stranger: Sample, tmp_path: Path
) -> None:
    require_module("libtorrent")
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(stranger) as peer:
        shutil.copy(first.folder / NAME, seedbox.downloads)
        seedbox.add(first)
        seedbox.wait_state(first, "seeding")
        seedbox.add(stranger, peers=[peer.endpoint])
        error = seedbox.wait_state(stranger, "error")["error"]
        assert error["code"] == "torrent.path-taken"
        assert first.info_hash.hex() in error["message"]
        assert seedbox.status(first)["state"] == "seeding"
        assert seedbox.call("DELETE", f"/v1/torrents/{stranger.info_hash.hex()}?with_data=true") is None
        seedbox.wait_gone(stranger)
        assert first.differences(seedbox.downloads) == []
        seedbox.add(stranger, peers=[peer.endpoint])
        seedbox.wait_state(stranger, "error")
        seedbox.order(stranger, "move", download_dir=str(tmp_path / "other"))
        seedbox.wait_state(stranger, "seeding")
        assert stranger.differences(tmp_path / "other") == []
        seedbox.end()
    assert first.differences(seedbox.downloads) == []


def test_the_same_content_is_seeded_for_both_and_deleted_with_neither(
    first: Sample, twin: Sample, tmp_path: Path
) -> None:
    with Seedbox(tmp_path) as seedbox:
        shutil.copy(first.folder / NAME, seedbox.downloads)
        seedbox.add(first)
        seedbox.wait_state(first, "seeding")
        seedbox.add(twin)
        seedbox.wait_state(twin, "seeding")
        assert seedbox.call("DELETE", f"/v1/torrents/{twin.info_hash.hex()}?with_data=true") is None
        seedbox.wait_gone(twin)
        seedbox.order(first, "recheck")
        wait_until(lambda: seedbox.output().count("torrent checked") == 3, PATIENCE_S, "the check")
        assert seedbox.wait_state(first, "seeding")["done_bytes"] == first.size_bytes
        assert first.differences(seedbox.downloads) == []
        seedbox.end()
