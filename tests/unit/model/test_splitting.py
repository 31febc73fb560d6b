"""Files that are kept in parts."""

from __future__ import annotations

import random
from pathlib import Path

import bencodepy
import pytest

from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import MAX_PARTS, MIN_SPLIT_BYTES, Split, fitting, in_parts, spread
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.author import Format, Recipe, make_torrent
from blobtorrent.storage.source import scan

PIECE = 16384


def torrent(*files: tuple[str, int] | tuple[str, int, dict[bytes, object]], name: bytes = b"t") -> Metainfo:
    """One with a folder; without files, a single file of a million bytes."""
    size = sum(file[1] for file in files) or 1_000_000
    pieces = bytes(20 * -(-size // PIECE))
    info: dict[bytes, object] = {b"name": name, b"piece length": PIECE, b"pieces": pieces}
    if files:
        info[b"files"] = [
            {b"path": [part.encode() for part in path.split("/")], b"length": length, **(more[0] if more else {})}
            for path, length, *more in files]
    else:
        info[b"length"] = size
    return parse_torrent(bencodepy.encode({b"info": info}))


def parts_of(metainfo: Metainfo, split: Split) -> Metainfo:
    fitted = fitting(split, metainfo)
    assert fitted is not None
    return in_parts(metainfo, fitted)


def listed(metainfo: Metainfo) -> list[tuple[str, int, int]]:
    return [("/".join(entry.path), entry.length, entry.offset) for entry in metainfo.files]


def test_what_is_larger_is_cut_and_the_last_part_has_the_rest() -> None:
    split = Split(100_000, ".part")
    metainfo = torrent(("small", 50_000), ("exact", 100_000), ("sub/twice", 200_000), ("sub/more", 100_001))
    assert listed(parts_of(metainfo, split)) == [
        ("t/small", 50_000, 0), ("t/exact", 100_000, 50_000),
        ("t/sub/twice.part000", 100_000, 150_000), ("t/sub/twice.part001", 100_000, 250_000),
        ("t/sub/more.part000", 100_000, 350_000), ("t/sub/more.part001", 1, 450_000)]


def test_a_torrent_of_one_file_stays_one_without_a_folder() -> None:
    metainfo = torrent()
    split = fitting(Split(600_000, ".z"), metainfo)
    assert split == Split(600_000, ".z", is_lone=True) and split.own_ending == ".z000"
    parts = in_parts(metainfo, split)
    assert listed(parts) == [("t.z000", 600_000, 0), ("t.z001", 400_000, 600_000)]
    assert not parts.shape.is_multi_file and parts.shape.num_files == 2


def test_more_than_a_thousand_parts_have_longer_numbers() -> None:
    parts = in_parts(torrent(("a", 1002 * PIECE)), Split(PIECE, "."))
    assert [entry.path[-1] for entry in parts.files][-3:] == ["a.999", "a.1000", "a.1001"]


def test_what_is_told_of_the_torrent_stays_as_it_was() -> None:
    metainfo = torrent(("a", 70_000), ("b", 5))
    parts = in_parts(metainfo, Split(20_000, ".part"))
    assert (parts.raw_info, parts.info_hash, parts.geometry, parts.name) == (
        metainfo.raw_info, metainfo.info_hash, metainfo.geometry, metainfo.name)
    assert parts.payload_bytes == metainfo.payload_bytes and parts.whole_files == metainfo.files


def test_nothing_is_done_twice_nor_without_a_wish() -> None:
    metainfo = torrent()
    split = Split(300_000, ".part", is_lone=True)
    parts = in_parts(metainfo, split)
    assert in_parts(parts, split) is parts and in_parts(metainfo, None) is metainfo


def test_torrents_without_large_files_have_no_split() -> None:
    assert fitting(Split(1_000_000, ".part"), torrent()) is None


@pytest.mark.parametrize("version", [Format.V2, Format.HYBRID])
def test_files_of_version_2_are_never_cut(tmp_path: Path, version: Format) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a").write_bytes(bytes(300_000))
    metainfo = parse_torrent(make_torrent(scan(tmp_path / "t"), Recipe(format=version)))
    assert fitting(Split(MIN_SPLIT_BYTES, ".part"), metainfo) is None


def test_padding_and_what_links_lead_to_stay_whole() -> None:
    metainfo = torrent(
        ("a", 50_000), (".pad/1", 50_000, {b"attr": b"p"}), ("b", 50_000),
        ("to b", 0, {b"attr": b"l", b"symlink path": [b"b"]}))
    assert [path for path, _, _ in listed(parts_of(metainfo, Split(30_000, ".part")))] == [
        "t/a.part000", "t/a.part001", "t/.pad/1", "t/b", "t/to b"]


def test_a_torrent_that_would_become_too_many_files_stays_whole() -> None:
    assert fitting(Split(MIN_SPLIT_BYTES, ".part"), torrent(("a", (MAX_PARTS + 1) * MIN_SPLIT_BYTES))) is None


def test_no_two_files_get_the_same_name_and_no_name_is_too_long() -> None:
    long = "ü" * 127
    parts = in_parts(torrent(("a", 40_000), ("a.part001", 7), (long, 40_000)), Split(30_000, ".part"))
    names = [entry.path[-1] for entry in parts.files]
    assert names[:3] == ["a.part000", "a.part001", "a (2).part001"] and len(set(names)) == len(names)
    assert names[3].endswith("ü.part000") and all(len(name.encode()) <= 255 for name in names)


def test_what_holds_for_a_file_holds_for_each_of_its_parts() -> None:
    metainfo = torrent(("a", 50_000), ("empty", 0), ("b", 90_000), ("c", 5))
    parts = in_parts(metainfo, Split(40_000, ".part"))
    assert spread({0: "x", 1: "e", 2: "y", 3: "z", 4: "nowhere"}, parts) == {
        0: "x", 1: "x", 2: "e", 3: "y", 4: "y", 5: "y", 6: "z"}
    assert spread({1: "e", 9: "nowhere"}, metainfo) == {1: "e"}


@pytest.mark.parametrize("seed", range(20))
def test_parts_of_random_torrents_cover_them_without_gap(seed: int) -> None:
    rng = random.Random(seed)
    metainfo = torrent(*((f"{number}", rng.choice((0, 1, 20_000, rng.randrange(1, 200_000)))) for number in range(9)))
    split = Split(rng.randrange(MIN_SPLIT_BYTES, 60_000), ".part")
    parts = in_parts(metainfo, split)
    at = 0
    for entry in parts.files:
        assert entry.offset == at and entry.length <= split.size_bytes, seed
        at += entry.length
    assert at == metainfo.geometry.size
