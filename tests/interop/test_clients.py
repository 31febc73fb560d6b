"""Content goes both ways between our engine and each program that others wrote, and arrives as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.clients import CLIENTS, SLOWEST_S, meet
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.client import Role

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def mixed(tmp_path: Path) -> Sample:
    """Pieces that span files, a folder in a folder, a last piece that is not whole."""
    files = [("a/first.bin", 5 * MIB + 1), ("a/b/second.bin", 3 * MIB - 77), ("third.bin", 12345)]
    return make_sample(tmp_path, "mixed", files, 256 * KIB)


@pytest.mark.parametrize("client", CLIENTS)
def test_we_download_from(client: str, mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with meet(client) as meeting, meeting.them(Role.SEED, mixed, mixed.folder) as seed, \
            meeting.us(Role.LEECH, mixed, folder, (seed.endpoint,)) as leech:
        leech.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_we_seed_to(client: str, mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with meet(client) as meeting, meeting.us(Role.SEED, mixed, mixed.folder) as seed, \
            meeting.them(Role.LEECH, mixed, folder, (seed.endpoint,)) as leech:
        leech.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == []


@pytest.mark.parametrize("client", ["libtorrent", "rtorrent"])
def test_we_download_from_a_seed_that_dials_us(client: str, mixed: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with meet(client) as meeting, meeting.us(Role.LEECH, mixed, folder) as leech, \
            meeting.them(Role.SEED, mixed, mixed.folder, (leech.endpoint,)):
        leech.wait_complete(SLOWEST_S)
        assert mixed.differences(folder) == []


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
