"""Changing a .torrent file without touching what it is."""

from __future__ import annotations

import bencodepy
import pytest

from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.metaedit import Edits, edit_torrent, with_layers
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.oddtorrents import leaf, single, torrent, tree
from tests.support.v2payload import make_v2_sample

ORIGINAL = torrent(single(), comment=b"old", url__list=b"http://w/", created_by=b"me", creation_date=7)


def test_nothing_said_is_nothing_changed():
    assert edit_torrent(ORIGINAL, Edits()) == ORIGINAL


def test_what_stands_outside_info_is_replaced():
    tiers = (("http://a/x", "udp://b:1"), ("https://c/",))
    edited = edit_torrent(ORIGINAL, Edits(tiers=tiers, web_seeds=("http://v/", "http://u/"), comment="new"))
    before, after = parse_torrent(ORIGINAL), parse_torrent(edited)
    assert (after.tiers, after.web_seeds, after.comment) == (tiers, ("http://v/", "http://u/"), "new")
    assert (after.info_hash, after.raw_info) == (before.info_hash, before.raw_info)
    assert (after.created_by, after.creation_date) == ("me", 7)
    assert bencodepy.decode(edited)[b"announce"] == b"http://a/x"


def test_one_tracker_needs_no_list():
    edited = bencodepy.decode(edit_torrent(torrent(single(), announce__list=[[b"http://x/"]]), Edits(tiers=(("http://a/",),))))
    assert (edited[b"announce"], b"announce-list" in edited) == (b"http://a/", False)


def test_empty_values_take_things_away():
    edited = edit_torrent(ORIGINAL, Edits(tiers=(), web_seeds=(), comment=""))
    assert not {b"announce", b"announce-list", b"url-list", b"comment"} & bencodepy.decode(edited).keys()
    assert parse_torrent(edited).info_hash == parse_torrent(ORIGINAL).info_hash


@pytest.mark.parametrize("edits", [Edits(is_private=True), Edits(source="mark")])
def test_private_and_source_make_another_torrent(edits):
    edited = parse_torrent(edit_torrent(ORIGINAL, edits))
    assert edited.info_hash != parse_torrent(ORIGINAL).info_hash
    assert (edited.is_private, edited.source) == (bool(edits.is_private), edits.source)
    assert edited.files == parse_torrent(ORIGINAL).files


def test_taking_the_marks_away_again_gives_the_first_torrent_back():
    marked = edit_torrent(ORIGINAL, Edits(is_private=True, source="mark"))
    assert edit_torrent(marked, Edits(is_private=False, source="")) == ORIGINAL


def test_a_mark_that_is_there_already_changes_no_byte():
    info = b"d6:lengthi5e12:piece lengthi16384e4:name1:a6:pieces20:" + bytes(20) + b"7:privatei1ee"
    odd = b"d8:announce9:http://a/4:info" + info + b"e"
    assert edit_torrent(odd, Edits(is_private=True)) == odd


def test_an_info_that_its_writer_did_not_sort_keeps_its_bytes():
    info = b"d6:pieces20:" + bytes(20) + b"4:name1:a6:lengthi5e12:piece lengthi16384ee"
    odd = b"d4:info" + info + b"8:announce9:http://a/e"
    edited = edit_torrent(odd, Edits(comment="c"))
    assert b"4:info" + info in edited
    assert parse_torrent(edited).info_hash == parse_torrent(odd).info_hash


def test_values_that_nobody_knows_stay():
    odd = torrent(single(), x_private={b"b": [1, b"\xff"], b"a": 2})
    assert bencodepy.decode(edit_torrent(odd, Edits(comment="c")))[b"x private"] == {b"b": [1, b"\xff"], b"a": 2}


def test_a_torrent_of_version_2_can_be_edited():
    original = torrent(tree({b"f": leaf(b"x")}))
    edited = edit_torrent(original, Edits(is_private=True))
    assert parse_torrent(edited).info_hash.v2 != parse_torrent(original).info_hash.v2
    assert parse_torrent(edited).is_private


@pytest.mark.parametrize("data", [b"", b"de", b"d4:infodee", b"i1e"])
def test_what_is_no_torrent_is_refused(data):
    with pytest.raises(FormatError):
        edit_torrent(data, Edits(comment="c"))


def test_piece_layers_join_those_that_are_there_and_all_else_stays(tmp_path):
    sample = make_v2_sample(tmp_path, "many", {"a": 40_000, "b": 90_000}, 16384)
    (first, one), (second, other) = sample.layers.items()
    bare = sample.bare.read_bytes()
    with_one = with_layers(bare, {first: one})
    assert parse_torrent(with_one).piece_layers == {first: one}
    whole = parse_torrent(with_layers(with_one, {second: other}))
    assert whole == parse_torrent(bare)._replace(piece_layers=sample.layers)


def test_piece_layers_that_are_there_already_change_no_byte(tmp_path):
    sample = make_v2_sample(tmp_path, "many", {"a": 40_000}, 16384)
    unsorted = b"d4:spam0:" + sample.torrent.read_bytes()[1:]
    assert with_layers(unsorted, sample.layers) == unsorted
