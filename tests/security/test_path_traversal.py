"""Path traversal: whatever files are called in a torrent, they lie below the folder of the download."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from blobtorrent.model.errors import BlobTorrentError, MetainfoError
from blobtorrent.model.paths import MAX_DEPTH, MAX_PART_BYTES, MAX_PATH_BYTES, PathMaker, safe_part
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.oddtorrents import listed, multi, odd_torrents, torrent

NAMES = 100_000
SEED = 20_181
BRICKS = (
    b"..", b".", b"/", b"\\", b"\0", b"~", b"a", b"b.txt", b"C:", b"c$", b"\xc0\xaf", b"\xc0\xae\xc0\xae", b"%2e%2e",
    b"%2f", b"..\\", b"../", b"\xe2\x80\xae", b"\xef\xbc\x8f", b"\xe2\x88\x95", b"etc", b"passwd", b".ssh", b"\n",
    b"\r", b"\x1b[2J", b"\xff\xfe", b" ", b"...", b"nul", b"\xed\xa0\x80", b"//", b"x" * 90, b"\xc2\x85",
    b"-rf", b"$(id)", b"`id`",
)


def below(root: Path, parts: tuple[str, ...]) -> bool:
    """What the system makes of it, as far as names decide."""
    return os.path.normpath(os.path.join(root, *parts)).startswith(f"{root}{os.sep}")


def test_a_hundred_thousand_names_stay_in_their_folder() -> None:
    rng, root = Random(SEED), Path("/srv/downloads")
    refused = 0
    maker = PathMaker(("torrent",))
    for _ in range(NAMES // 4):
        raw = [b"".join(rng.choices(BRICKS, k=rng.randrange(4))) for _ in range(rng.randrange(1, 8))]
        try:
            path = maker.make(raw)
        except MetainfoError:
            refused += 1
            continue
        assert below(root / "torrent", path[1:]), (SEED, raw)
        assert len("/".join(path).encode()) <= MAX_PATH_BYTES
        for part in path:
            assert part not in ("", ".", ".."), (SEED, raw)
            assert not set(part) & {"/", "\\", "\0", "\n", "\x1b", "\u202e"}, (SEED, raw)
            assert len(part.encode()) <= MAX_PART_BYTES
    assert refused < NAMES // 8


@pytest.mark.parametrize("case", odd_torrents(), ids=lambda case: case.name)
def test_the_odd_torrents_stay_in_their_folder(case, tmp_path: Path) -> None:
    try:
        metainfo = parse_torrent(case.data)
    except BlobTorrentError:
        return
    root = tmp_path.resolve()
    for entry in metainfo.files:
        assert below(root, entry.path)
        assert Path(os.path.realpath(root.joinpath(*entry.path))).is_relative_to(root)
        if entry.symlink_target is not None:
            assert below(root, entry.symlink_target)


@pytest.mark.parametrize("parts", [
    (b"..", b"..", b"etc", b"passwd"), (b"/etc/passwd",), (b"..\\..\\x",), (b"a/../../b",), (b"\0",), (b"",),
    (b".",), (b"....//",), (b"\xc0\xaf..",), (b"~root",), (b"C:\\x",),
])
def test_a_path_that_leads_out_is_mended_or_refused(parts: tuple[bytes, ...], tmp_path: Path) -> None:
    try:
        metainfo = parse_torrent(torrent(multi([listed(5, *parts)], name=b"../../x")))
    except BlobTorrentError:
        return
    for entry in metainfo.files:
        assert below(tmp_path, entry.path)


def test_a_path_has_a_length_and_a_depth() -> None:
    maker = PathMaker(("t",))
    assert len(safe_part(b"\xff" * 5000).encode()) <= MAX_PART_BYTES
    for raw in ([b"a"] * (MAX_DEPTH + 1), [b"n" * 255] * 17):
        with pytest.raises(MetainfoError):
            maker.make(raw)
