"""The .torrent files of a state directory. Damage is in test_damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.model.errors import FileMissing, MetainfoError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.state.statethread import METAFILE, PEERS, STAMPS, Row, row_key
from tests.support.statedirs import FreshState, fresh_state, make_torrent
from tests.support.v2payload import make_v2_sample

INFO_HASH, RAW = make_torrent("kept")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[FreshState]:
    with fresh_state(tmp_path) as fresh:
        yield fresh


def test_a_kept_torrent_is_loaded_with_its_rows(fresh: FreshState) -> None:
    metafile = fresh.library.keep(INFO_HASH, RAW)
    key = row_key(INFO_HASH)
    fresh.dir.state.commit([metafile, Row(STAMPS, key, b"stamps"), Row(PEERS, key, b"peers")])
    loaded = fresh.library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert (loaded.metainfo.name, loaded.metainfo.info_hash) == ("kept", INFO_HASH)
    assert (loaded.stamps, loaded.peers, loaded.error, fresh.told) == (b"stamps", b"peers", None, [])
    assert fresh.dir.torrent_path(INFO_HASH).read_bytes() == RAW


def test_a_torrent_without_rows_is_loaded_with_empty_ones(fresh: FreshState) -> None:
    fresh.library.keep(INFO_HASH, RAW)
    loaded = fresh.library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert (loaded.stamps, loaded.peers, loaded.error, fresh.told) == (b"", b"", None, [])


def test_a_torrent_that_is_not_there_is_missing(fresh: FreshState) -> None:
    loaded = fresh.library.load(INFO_HASH)
    assert loaded.metainfo is None
    assert isinstance(loaded.error, FileMissing)


def test_a_torrent_file_of_another_torrent_is_not_believed(fresh: FreshState) -> None:
    _, other = make_torrent("other")
    fresh.library.keep(INFO_HASH, other)
    loaded = fresh.library.load(INFO_HASH)
    assert loaded.error is not None
    assert loaded.error.code == "storage.torrent-damaged"


def test_other_trackers_in_both_copies_are_told_but_the_content_is_the_same(
    fresh: FreshState
) -> None:
    fresh.dir.state.commit([fresh.library.keep(INFO_HASH, RAW)])
    _, changed = make_torrent("kept", tracker="http://elsewhere.example/announce")
    fresh.library.keep(INFO_HASH, changed)
    loaded = fresh.library.load(INFO_HASH)
    assert loaded.metainfo is not None
    assert loaded.metainfo.info_hash == INFO_HASH
    assert "trackers" in fresh.told[0].remedy


def test_a_missing_first_copy_is_written_again(fresh: FreshState) -> None:
    fresh.dir.state.commit([fresh.library.keep(INFO_HASH, RAW)])
    fresh.dir.torrent_path(INFO_HASH).unlink()
    assert fresh.library.load(INFO_HASH).metainfo is not None
    assert fresh.dir.torrent_path(INFO_HASH).read_bytes() == RAW
    assert len(fresh.told) == 1


def test_dropping_a_torrent_leaves_nothing_of_it_and_can_be_repeated(fresh: FreshState) -> None:
    fresh.library.keep(INFO_HASH, RAW)
    for path in (fresh.dir.parts_path(INFO_HASH), fresh.dir.kept_path(INFO_HASH)):
        path.write_bytes(b"blocks")
    fresh.library.drop(INFO_HASH)
    fresh.library.drop(INFO_HASH)
    assert list((fresh.dir.path / "torrents").iterdir()) == list((fresh.dir.path / "parts").iterdir()) == []


def test_the_digest_row_of_a_torrent_is_named_like_its_other_rows(fresh: FreshState) -> None:
    row = fresh.library.keep(INFO_HASH, RAW)
    assert (row.kind, row.key) == (METAFILE, row_key(INFO_HASH))


def test_a_torrent_file_is_read_as_it_was_kept(fresh: FreshState) -> None:
    fresh.dir.state.commit([fresh.library.keep(INFO_HASH, RAW)])
    assert fresh.library.read(INFO_HASH) == RAW
    fresh.dir.torrent_path(INFO_HASH).write_bytes(RAW[:-5])
    assert fresh.library.read(INFO_HASH) == RAW
    assert len(fresh.told) == 1


def test_a_torrent_file_that_is_not_there_cannot_be_read(fresh: FreshState) -> None:
    with pytest.raises(FileMissing):
        fresh.library.read(INFO_HASH)


def test_piece_layers_are_put_into_the_torrent_file_as_they_come(fresh: FreshState, tmp_path: Path) -> None:
    sample = make_v2_sample(tmp_path, "many", {"a": 40_000, "b": 90_000}, 16384)
    info_hash = InfoHash(v2=sample.info_hash)
    fresh.library.keep(info_hash, sample.bare.read_bytes())
    (first, one), (second, other) = sample.layers.items()
    _, metainfo = fresh.library.keep_layers(info_hash, {first: one})
    assert list(metainfo.lacking_layers) == [second]
    assert fresh.library.adopt(info_hash)[1].piece_layers == {first: one}
    row, metainfo = fresh.library.keep_layers(info_hash, {second: other})
    fresh.dir.state.commit([row])
    assert metainfo.has_piece_hashes
    for copy in (fresh.dir.torrent_path(info_hash), fresh.dir.torrent_path(info_hash).with_suffix(".torrent.1")):
        whole = parse_torrent(copy.read_bytes())
        assert (whole.piece_layers, whole.raw_info, whole.comment) == (sample.layers, sample.info, "kept")
    assert fresh.library.read(info_hash) == fresh.dir.torrent_path(info_hash).read_bytes()
    assert fresh.told == []


def test_wrong_piece_layers_change_nothing(fresh: FreshState, tmp_path: Path) -> None:
    sample = make_v2_sample(tmp_path, "many", {"a": 40_000}, 16384)
    info_hash = InfoHash(v2=sample.info_hash)
    fresh.library.keep(info_hash, sample.bare.read_bytes())
    ((root, layer),) = sample.layers.items()
    with pytest.raises(MetainfoError):
        fresh.library.keep_layers(info_hash, {root: layer[:-1] + b"x"})
    assert fresh.dir.torrent_path(info_hash).read_bytes() == sample.bare.read_bytes()
