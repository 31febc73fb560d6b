"""Torrents of every awkward shape go both ways between our engine and libtorrent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.clients import SLOWEST_S, meet
from tests.support.payload import KIB, MIB, Sample, make_sample, many_small_files
from tests.support.peers.client import Role

LONG_NAME = "n" * 251 + ".bin"         # 255 bytes, as much as file systems take
LONG_UNICODE_NAME = "ж" * 125 + "日.x"      # 255 bytes in UTF-8 as well, in fewer characters

SHAPES: dict[str, Callable[[Path], Sample]] = {
    "a single file": lambda work: make_sample(work, "single.bin", 9 * MIB + 5000),
    "a file smaller than a block": lambda work: make_sample(work, "tiny.bin", 700),
    "3,000 small files": lambda work: make_sample(work, "many", many_small_files(3000, 6 * KIB)),
    "empty files": lambda work: make_sample(
        work, "empties", [("0", 0), ("a", 400 * KIB), ("b/1", 0), ("c", 300 * KIB), ("d/e/2", 0)]),
    "pad files": lambda work: make_sample(
        work, "padded", [("a", 300 * KIB + 1), ("b", 5), ("c/d", 700 * KIB), ("e", MIB)], 256 * KIB, pad=True),
    "unicode names": lambda work: make_sample(
        work, "Füße 日本語 🎵", [("нота.txt", 90 * KIB), ("e\u0301 combining", 300 * KIB), ("שלום/عالم", 50 * KIB)]),
    "a last piece of 1 byte": lambda work: make_sample(work, "one-byte.bin", 8 * 256 * KIB + 1),
    "pieces of 16 KiB": lambda work: make_sample(work, "small-pieces.bin", 5 * MIB + 1, 16 * KIB),
    "pieces of 16 MiB": lambda work: make_sample(work, "large-pieces.bin", 40 * MIB + 1, 16 * MIB),
    "one piece larger than the content": lambda work: make_sample(work, "one-piece.bin", 100 * KIB, MIB),
}


@pytest.fixture(params=SHAPES)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    return SHAPES[request.param](tmp_path)


def test_we_download_it(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    with meet("libtorrent") as meeting, meeting.them(Role.SEED, sample, sample.folder) as seed, \
            meeting.us(Role.LEECH, sample, folder, (seed.endpoint,)) as leech:
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []
        assert not list(folder.rglob(".pad")), "pad files do not belong on disk"


def test_we_seed_it(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    with meet("libtorrent") as meeting, meeting.us(Role.SEED, sample, sample.folder) as seed, \
            meeting.them(Role.LEECH, sample, folder, (seed.endpoint,)) as leech:
        leech.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []


@pytest.mark.parametrize("client", ["aria2", "rtorrent"])
def test_names_of_255_bytes_go_both_ways(client: str, tmp_path: Path) -> None:
    """Not with libtorrent: it cuts names at 240 bytes on disk."""
    files = [(LONG_NAME, 300 * KIB), (f"{'d' * 255}/{LONG_UNICODE_NAME}", 200 * KIB)]
    sample = make_sample(tmp_path, "long", files, 64 * KIB)
    with meet(client) as meeting:
        for number, (seeding, leeching) in enumerate(((meeting.them, meeting.us), (meeting.us, meeting.them))):
            folder = tmp_path / str(number)
            folder.mkdir()
            with seeding(Role.SEED, sample, sample.folder) as seed, \
                    leeching(Role.LEECH, sample, folder, (seed.endpoint,)) as leech:
                leech.wait_complete(SLOWEST_S)
                assert sample.differences(folder) == []
