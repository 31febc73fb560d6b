"""The .torrent files of a state directory. Damage is in test_damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import FileMissing
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import METAFILE, PEERS, STAMPS, Row, row_key
from tests.support.statedirs import make_torrent

INFO_HASH, RAW = make_torrent("kept")


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[StateDir]:
    state_dir = StateDir(tmp_path / "state")
    yield state_dir
    state_dir.close()


@pytest.fixture
def told() -> list[Damage]:
    return []


@pytest.fixture
def library(state_dir: StateDir, told: list[Damage]) -> Library:
    return Library(state_dir, told.append)


def test_a_kept_torrent_is_loaded_with_its_rows(state_dir: StateDir, library: Library, told: list[Damage]) -> None:
    metafile = library.keep(INFO_HASH, RAW)
    key = row_key(INFO_HASH)
    state_dir.state.commit([metafile, Row(STAMPS, key, b"stamps"), Row(PEERS, key, b"peers")])
    loaded = library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert (loaded.metainfo.name, loaded.metainfo.info_hash) == ("kept", INFO_HASH)
    assert (loaded.stamps, loaded.peers, loaded.error, told) == (b"stamps", b"peers", None, [])
    assert state_dir.torrent_path(INFO_HASH).read_bytes() == RAW


def test_a_torrent_without_rows_is_loaded_with_empty_ones(library: Library, told: list[Damage]) -> None:
    library.keep(INFO_HASH, RAW)
    loaded = library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert (loaded.stamps, loaded.peers, loaded.error, told) == (b"", b"", None, [])


def test_a_torrent_that_is_not_there_is_missing(library: Library) -> None:
    loaded = library.load(INFO_HASH)
    assert loaded.metainfo is None
    assert isinstance(loaded.error, FileMissing)


def test_a_torrent_file_of_another_torrent_is_not_believed(state_dir: StateDir, library: Library) -> None:
    _, other = make_torrent("other")
    library.keep(INFO_HASH, other)
    loaded = library.load(INFO_HASH)
    assert loaded.error is not None
    assert loaded.error.code == "storage.torrent-damaged"


def test_other_trackers_in_both_copies_are_told_but_the_content_is_the_same(
    state_dir: StateDir, library: Library, told: list[Damage]
) -> None:
    state_dir.state.commit([library.keep(INFO_HASH, RAW)])
    _, changed = make_torrent("kept", tracker="http://elsewhere.example/announce")
    library.keep(INFO_HASH, changed)
    loaded = library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert loaded.metainfo.info_hash == INFO_HASH
    assert "trackers" in told[0].remedy


def test_a_missing_first_copy_is_written_again(state_dir: StateDir, library: Library, told: list[Damage]) -> None:
    state_dir.state.commit([library.keep(INFO_HASH, RAW)])
    state_dir.torrent_path(INFO_HASH).unlink()
    assert library.load(INFO_HASH).metainfo is not None
    assert state_dir.torrent_path(INFO_HASH).read_bytes() == RAW
    assert len(told) == 1


def test_dropping_a_torrent_leaves_nothing_of_it_and_can_be_repeated(state_dir: StateDir, library: Library) -> None:
    library.keep(INFO_HASH, RAW)
    for path in (state_dir.parts_path(INFO_HASH), state_dir.kept_path(INFO_HASH)):
        path.write_bytes(b"blocks")
    library.drop(INFO_HASH)
    library.drop(INFO_HASH)
    assert list((state_dir.path / "torrents").iterdir()) == list((state_dir.path / "parts").iterdir()) == []


def test_the_digest_row_of_a_torrent_is_named_like_its_other_rows(library: Library) -> None:
    row = library.keep(INFO_HASH, RAW)
    assert (row.kind, row.key) == (METAFILE, row_key(INFO_HASH))


def test_a_torrent_file_is_read_as_it_was_kept(library: Library, state_dir: StateDir, told: list[Damage]) -> None:
    state_dir.state.commit([library.keep(INFO_HASH, RAW)])
    assert library.read(INFO_HASH) == RAW
    state_dir.torrent_path(INFO_HASH).write_bytes(RAW[:-5])
    assert library.read(INFO_HASH) == RAW
    assert len(told) == 1


def test_a_torrent_file_that_is_not_there_cannot_be_read(library: Library) -> None:
    with pytest.raises(FileMissing):
        library.read(INFO_HASH)
