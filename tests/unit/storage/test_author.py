"""Making torrents: they match their files, and are the same each time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from blobtorrent.model.errors import Invalid, StorageError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.author import Format, Recipe, make_torrent, usual_piece_length
from blobtorrent.storage.layout import PAD, Layout
from blobtorrent.storage.source import scan
from blobtorrent.storage.verifier import verifier_of

PIECE = 32768
SIZES = (0, 1, 16384, 16385, 32768, 32769, 65536, 100_000, 300_001)


def fill(root: Path, seed: int) -> Path:
    """A folder of files of all kinds of lengths."""
    rng = random.Random(seed)
    for number in range(rng.randint(1, 8)):
        path = root / rng.choice(("", "a", "a/b", "z z")) / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.choice(SIZES)))
    (root / "last").write_bytes(b"x")
    return root


def content_of(metainfo: Metainfo, folder: Path, index: int) -> bytes:
    geometry = metainfo.geometry
    content = b""
    for part in Layout(metainfo.files).parts(geometry.piece_offset(index), geometry.piece_size(index)):
        if part.file == PAD:
            content += bytes(part.length)
        else:
            data = folder.joinpath(*metainfo.files[part.file].path).read_bytes()
            content += data[part.offset:part.offset + part.length]
    return content


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("seed", range(5))
def test_every_piece_of_the_files_matches_the_torrent(tmp_path: Path, format: Format, seed: int) -> None:
    source = fill(tmp_path / "t", seed)
    metainfo = parse_torrent(make_torrent(scan(source), Recipe(format=format, piece_length=PIECE)))
    verifier = verifier_of(metainfo)
    assert metainfo.payload_bytes == sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    for index in range(metainfo.geometry.num_pieces):
        assert verifier.matches(index, [content_of(metainfo, tmp_path, index)])


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("size", [1, 16384, 32768, 32769, 100_000])
def test_a_single_file_has_no_folder_and_matches(tmp_path: Path, format: Format, size: int) -> None:
    (tmp_path / "f.bin").write_bytes(random.Random(size).randbytes(size))
    metainfo = parse_torrent(make_torrent(scan(tmp_path / "f.bin"), Recipe(format=format, piece_length=PIECE)))
    assert (metainfo.name, metainfo.files[0].path, metainfo.payload_bytes) == ("f.bin", ("f.bin",), size)
    verifier = verifier_of(metainfo)
    assert all(verifier.matches(index, [content_of(metainfo, tmp_path, index)])
               for index in range(metainfo.geometry.num_pieces))


@pytest.mark.parametrize("format", Format)
def test_the_same_content_and_options_make_the_same_bytes(tmp_path: Path, format: Format) -> None:
    recipe = Recipe(format=format, tiers=(("http://a/", "http://b/"),), web_seeds=("http://w/",), is_private=True,
                    source="s", comment="c", created_by="me", creation_date=5)
    first = make_torrent(scan(fill(tmp_path / "one" / "t", 3)), recipe)
    assert make_torrent(scan(fill(tmp_path / "two" / "t", 3)), recipe) == first
    metainfo = parse_torrent(first)
    assert (metainfo.is_private, metainfo.source, metainfo.comment) == (True, "s", "c")
    assert (metainfo.tiers, metainfo.web_seeds) == ((("http://a/", "http://b/"),), ("http://w/",))


def test_the_source_mark_changes_the_info_hash_and_the_comment_does_not(tmp_path: Path) -> None:
    source = scan(fill(tmp_path / "t", 1))
    plain, marked, commented = (
        parse_torrent(make_torrent(source, recipe)).info_hash
        for recipe in (Recipe(), Recipe(source="s"), Recipe(comment="c")))
    assert plain != marked
    assert plain == commented


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(20 << 20))
    seen: list[tuple[int, int]] = []
    make_torrent(scan(tmp_path / "f"), Recipe(), progress=lambda done, size: seen.append((done, size)))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (20 << 20, 20 << 20)


@pytest.mark.parametrize(("size", "length"), [
    (1, 16384), (32 << 20, 16384), ((32 << 20) + 1, 32768), (1 << 30, 512 << 10), (100 << 30, 16 << 20),
    (1 << 46, 32 << 20),
])
def test_the_usual_piece_length_keeps_torrents_small(size: int, length: int) -> None:
    assert usual_piece_length(size) == length


@pytest.mark.parametrize(("format", "length"), [
    (Format.V1, 8192), (Format.V1, 20_000), (Format.V1, 256 << 20), (Format.V2, 49152), (Format.HYBRID, 49152),
])
def test_piece_lengths_that_others_would_refuse_are_refused(tmp_path: Path, format: Format, length: int) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(Invalid) as caught:
        make_torrent(scan(tmp_path / "f"), Recipe(format=format, piece_length=length))
    assert caught.value.code == "create.bad-piece-size"


def test_a_v1_torrent_may_have_any_multiple_of_a_block(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(100_000))
    metainfo = parse_torrent(make_torrent(scan(tmp_path / "f"), Recipe(piece_length=49152)))
    assert metainfo.geometry.num_pieces == 3


def test_nothing_makes_no_torrent(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "empty").touch()
    with pytest.raises(Invalid) as caught:
        make_torrent(scan(tmp_path / "t"), Recipe())
    assert caught.value.code == "create.empty"


@pytest.mark.parametrize("change", [b"", b"longer than it was"])
def test_a_file_that_changes_in_between_is_an_error(tmp_path: Path, change: bytes) -> None:
    (tmp_path / "f").write_bytes(b"as it was")
    source = scan(tmp_path / "f")
    (tmp_path / "f").write_bytes(change)
    with pytest.raises(StorageError) as caught:
        make_torrent(source, Recipe())
    assert caught.value.code == "storage.file-changed"


def test_a_file_that_vanishes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    source = scan(tmp_path / "f")
    (tmp_path / "f").unlink()
    with pytest.raises(StorageError):
        make_torrent(source, Recipe())
