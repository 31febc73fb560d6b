"""What rTorrent keeps beside a torrent: read as it means it, and refused when it is not what it claims to be."""

from __future__ import annotations

from typing import Any

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.rtorrentsession import (
    MAX_CUSTOM_BYTES,
    SavedPeer,
    TrackerChoice,
    read_progress,
    read_wanted,
    unresolved_magnet,
)

WANTED: dict[str, Any] = {
    "directory": "/srv/dl", "state": 1, "priority": 3, "custom1": "a%20b,c%2Cd,,a%20b", "custom5": "five",
    "custom": {"addtime": "1600000000\n", "seedingtime": "1"}, "views": ["foo", 7], "throttle_name": "slow",
    "total_uploaded": 11, "total_downloaded": 12, "timestamp.started": 13, "timestamp.finished": 14,
}
PROGRESS: dict[str, Any] = {
    "bitfield": b"\xa0\x00", "files": [{"completed": 1, "mtime": 1600, "priority": 2}, {"priority": 0}],
    "uncertain_pieces": b"\0\0\0\x02\0\0\0\x63\0", "uncertain_pieces.timestamp": 99,
    "peers": [{"inet": b"\x0a\0\0\x01\x1a\xe1", "failed": 2, "last": 77}, {"inet": b"short"}, {"inet": bytes(6)}, 5],
    "trackers": {"http://a/": {"enabled": 0}, "http://b/": {"extra_tracker": 1, "group": 4}, "dht://": 1},
}


def wanted(**changes: Any) -> Any:
    return read_wanted(bencodepy.encode({**WANTED, **changes}))


def progress(num_pieces: int = 10, **changes: Any) -> Any:
    return read_progress(bencodepy.encode({**PROGRESS, **changes}), num_pieces, 2)


def test_what_was_wanted_is_read() -> None:
    found = wanted()
    assert (found.directory, found.is_started, found.priority, found.throttle) == (b"/srv/dl", True, 3, "slow")
    assert found.custom == {
        "custom1": "a%20b,c%2Cd,,a%20b", "custom5": "five", "custom.addtime": "1600000000\n", "custom.seedingtime": "1"}
    assert (found.uploaded_bytes, found.downloaded_bytes, found.started_at, found.finished_at) == (11, 12, 13, 14)
    assert found.views == ("foo",)


def test_labels_are_the_decoded_parts_of_the_first_custom_field() -> None:
    assert wanted().labels == ("a b", "c,d")
    assert wanted(custom1="").labels == ()


@pytest.mark.parametrize(("custom", "added_at"), [
    ({"addtime": "1600000000\n"}, 1_600_000_000), ({"tm_loaded": "5"}, 5), ({"addtime": "soon"}, 13),
    ({"addtime": "9" * 40}, 13), ({"addtime": "9" * 12}, 13), ({"addtime": "-4"}, 13), ({}, 13)])
def test_it_was_added_when_front_ends_say_or_when_it_was_started_first(custom: dict[str, str], added_at: int) -> None:
    assert wanted(custom=custom).added_at == added_at


def test_text_that_is_not_utf8_survives() -> None:
    assert wanted(custom2=b"\xff\xfe").custom["custom2"].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_absent_keys_mean_what_they_mean_to_rtorrent() -> None:
    found = read_wanted(bencodepy.encode({"directory": "/x"}))
    assert (found.is_started, found.priority, found.custom, found.added_at) == (False, 2, {}, 0)


@pytest.mark.parametrize("changes", [
    {"directory": ""}, {"directory": 5}, {"state": "1"}, {"priority": 4}, {"priority": -1}, {"total_uploaded": -1},
    {"timestamp.started": 1 << 40},
    {"total_downloaded": (1 << 63) - 1}, {"custom": []}, {"views": "x"}, {"custom3": 1},
    {"custom": {"big": "x" * MAX_CUSTOM_BYTES}}])
def test_wishes_of_a_wrong_type_or_size_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        wanted(**changes)


def test_progress_is_read() -> None:
    found = progress()
    assert found.have == 0b101
    assert (found.mtimes, found.priorities) == ((1600, -1), (2, 0))
    assert (found.uncertain, found.saved_at) == (0b100, 99)
    assert found.peers == (SavedPeer(Endpoint("10.0.0.1", 6881), 2, 77),)
    assert found.trackers == (
        TrackerChoice(b"http://a/", False, None), TrackerChoice(b"http://b/", True, 4))


@pytest.mark.parametrize(("bitfield", "have"), [
    (0, 0), (10, (1 << 10) - 1), (b"\xff\xff", (1 << 10) - 1), (b"\x00\x7f", 0b10 << 8)])
def test_a_bitfield_may_be_a_number_or_have_spare_bits_set(bitfield: object, have: int) -> None:
    assert progress(bitfield=bitfield).have == have


@pytest.mark.parametrize("changes", [
    {"bitfield": 9}, {"bitfield": b"\xff"}, {"bitfield": []}, {"files": [{}]}, {"files": [1, 2]}, {"files": {}},
    {"files": [{"priority": 3}, {}]}, {"files": [{"mtime": "x"}, {}]}, {"trackers": []}, {"peers": {}},
    {"peers": [{"inet": b"\x0a\0\0\x01\x1a\xe1", "failed": "x"}]}])
def test_progress_that_does_not_fit_the_torrent_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        progress(**changes)


def test_progress_without_a_bitfield_is_refused() -> None:
    with pytest.raises(FormatError):
        read_progress(bencodepy.encode({"files": [{}, {}]}), 10, 2)


@pytest.mark.parametrize(("value", "link"), [
    ({"info": {"meta_download": 1, "name": "X.meta", "pieces": "h"}, "magnet-uri": "magnet:?xt=x"}, "magnet:?xt=x"),
    ({"info": {"meta_download": 1}}, ""), ({"info": {"pieces": "h"}, "magnet-uri": "magnet:?xt=x"}, None),
    ({"info": 5}, None), ({}, None), (5, None)])
def test_a_magnet_link_without_its_torrent_is_known(value: object, link: str | None) -> None:
    assert unresolved_magnet(bencodepy.encode(value)) == link


def test_damaged_bytes_are_no_magnet_link() -> None:
    assert unresolved_magnet(b"d4:info") is None


def test_what_else_was_said_of_it_has_the_names_of_the_commands() -> None:
    assert wanted(tied_to_file="/w/a.torrent", ignore_commands=1, state_counter=0, **{
        "choke_heuristics.up.seed": "upload_seed"}).said == {
        "tied_to_file": "/w/a.torrent", "ignore_commands": "1", "timestamp.started": "13", "timestamp.finished": "14",
        "up.choke_heuristics.seed": "upload_seed"}


_VALUES = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3))


@given(st.sampled_from([key.encode() for key in (*WANTED, *PROGRESS)]), _VALUES)
def test_nothing_but_a_format_error_comes_of_odd_values(key: bytes, value: Any) -> None:
    for read in (lambda: wanted(**{key.decode(): value}), lambda: progress(**{key.decode(): value})):
        try:
            read()
        except FormatError:
            continue


@given(st.binary(max_size=200))
def test_nothing_but_a_format_error_comes_of_odd_bytes(raw: bytes) -> None:
    for read in (lambda: read_wanted(raw), lambda: read_progress(raw, 10, 2)):
        with pytest.raises(FormatError):
            read()
