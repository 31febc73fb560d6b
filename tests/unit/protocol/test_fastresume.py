"""What libtorrent keeps of a torrent: read as it means it, and refused when it is not what it claims to be."""

from __future__ import annotations

from typing import Any

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.fastresume import (
    AS_ALL,
    Progress,
    read_categories,
    read_collection,
    read_fastresume,
    read_progress,
    with_members,
)

RESUME: dict[str, Any] = {
    "info-hash": b"1" * 20, "info-hash2": bytes(32), "save_path": "/srv", "mapped_files": ["", "x/b"], "paused": 1,
    "auto_managed": 0, "sequential_download": 1, "file_priority": [0, 4, 7, 99], "trackers": [["a", "b"], ["c"], 5],
    "url-list": ["w", ""], "download_rate_limit": 1000, "upload_rate_limit": -1, "total_uploaded": 11,
    "total_downloaded": 12, "active_time": 13, "seeding_time": 14, "added_time": 15, "completed_time": -1,
    "peers": b"\x0a\0\0\1\x1a\xe1" + bytes(6), "peers6": b"\x20\1" + bytes(13) + b"\1\x1a\xe2",
    "qBt-savePath": "/done", "qBt-category": "films", "qBt-tags": ["b", 5, "ü"], "qBt-name": "n", "qBt-comment": "k",
    "qBt-ratioLimit": 2500, "qBt-seedingTimeLimit": -1, "qBt-inactiveSeedingTimeLimit": 30,
    "qBt-shareLimitAction": "Remove", "qBt-shareLimitsMode": "MatchAll",
}


def resume(beside: dict[bytes, Any] | None = None, **changes: Any) -> Any:
    return read_fastresume(bencodepy.encode({**RESUME, **changes}), beside or {})


def progress(num_pieces: int = 10, **told: Any) -> Progress:
    members = {name.replace("_version", "-version"): value for name, value in told.items()}
    return read_progress(bencodepy.encode(members), num_pieces)


def test_wishes_and_figures_are_read() -> None:
    found = resume()
    assert (found.info_hashes, found.save_path, found.final_path) == ((b"1" * 20,), b"/srv", b"/done")
    assert (found.paths, found.is_stopped, found.is_sequential) == ((b"", b"x/b"), True, True)
    assert (found.category, found.tags, found.name, found.comment) == ("films", ("b", "ü"), "n", "k")
    assert (found.priorities, found.trackers) == ((0, 4, 7, 7), ((b"a", b"b"), (b"c",)))
    assert (found.web_seeds, found.down_limit, found.up_limit) == ((b"w",), 1000, 0)
    assert (found.ratio, found.seeding_minutes, found.idle_minutes) == (2.5, -1, 30)
    assert (found.limit_action, found.needs_all_limits) == ("Remove", True)
    assert (found.uploaded_bytes, found.downloaded_bytes, found.active_s, found.seeding_s) == (11, 12, 13, 14)
    assert (found.added_at, found.completed_at) == (15, 0)
    assert [str(peer) for peer in found.peers] == ["10.0.0.1:6881", "[2001::1]:6882"]


def test_absent_keys_mean_what_they_mean_to_libtorrent() -> None:
    found = read_fastresume(bencodepy.encode({"save_path": "/x"}), {})
    assert (found.is_stopped, found.trackers, found.ratio, found.idle_minutes) == (False, None, AS_ALL, AS_ALL)


@pytest.mark.parametrize(("paused", "managed", "is_stopped"), [
    (1, 0, True), (1, 1, False), (0, 0, False), (0, 1, False)])
def test_one_that_waits_in_the_queue_is_not_stopped(paused: int, managed: int, is_stopped: bool) -> None:
    assert resume(paused=paused, auto_managed=managed).is_stopped is is_stopped


def test_what_is_kept_elsewhere_counts_more() -> None:
    found = resume({b"qBt-category": b"other", b"paused": 0})
    assert (found.category, found.is_stopped, found.name) == ("other", False, "n")


def test_old_versions_have_the_ratio_as_text() -> None:
    assert read_fastresume(bencodepy.encode({**RESUME, "qBt-ratioLimit": "1.5"}), {}).ratio == 1.5


@pytest.mark.parametrize("changes", [
    {"save_path": ""}, {"save_path": 5}, {"paused": "1"}, {"total_uploaded": -1}, {"added_time": 1 << 40},
    {"trackers": "x"}, {"mapped_files": {}}, {"qBt-ratioLimit": "nan"}, {"qBt-ratioLimit": []},
    {"qBt-ratioLimit": 1 << 60}, {"qBt-seedingTimeLimit": 1 << 40}, {"qBt-category": "x" * 5000}, {"peers": []},
    {"download_rate_limit": -2}, {"file_priority": 1}])
def test_wishes_of_a_wrong_type_or_size_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        resume(**changes)


def test_a_byte_a_piece_or_a_bit_a_piece_says_what_is_there() -> None:
    assert progress(3, pieces=b"\1\0\3") == Progress(0b101, 0)
    assert progress(3, pieces=b"\xa0", file_version=2) == Progress(0b101, 0)
    assert progress(3, pieces=b"\xff", file_version=2) == Progress(0b111, 0)


def test_what_its_owner_said_to_be_there_is_not_verified() -> None:
    assert progress(3, seed_mode=1) == Progress(0b111, 0b111)
    assert progress(3, seed_mode=1, pieces=b"\1\3\1") == Progress(0b111, 0b101)
    assert progress(3, seed_mode=1, pieces=b"\xe0", verified=b"\x80", file_version=2) == Progress(0b111, 0b110)


@pytest.mark.parametrize("told", [
    {}, {"pieces": b""}, {"pieces": b"\1"}, {"pieces": [1]}, {"pieces": b"\1" * 11},
    {"pieces": b"\1", "file_version": 2}, {"pieces": b"\1" * 10, "file_version": "x"}])
def test_progress_that_does_not_fit_the_torrent_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        progress(**told)


def test_members_come_into_the_torrent_whose_info_stays() -> None:
    info = b"d4:name1:x1:ai1ee"              # unsorted, so that encoding it again would change it
    torrent = b"d8:announce1:t4:info" + info + b"e"
    seeds = {b"url-list": [b"http://w/"]}
    assert with_members(torrent, seeds) == b"d8:announce1:t4:info" + info + b"8:url-listl9:http://w/ee"
    with_one = b"d4:info" + info + b"8:url-list1:ye"
    assert with_members(with_one, seeds) == with_one
    assert with_members(with_one, {**seeds, b"a": 1}) == b"d1:ai1e" + with_one[1:]
    assert with_members(b"5:other", seeds) == b"5:other"


def test_categories_may_have_folders() -> None:
    raw = b'{"a": {"save_path": "/x"}, "b": {"save_path": "rel"}, "c": {}, "d": 5, "e": {"save_path": 1}}'
    assert read_categories(raw) == {"a": "/x"}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_categories_that_cannot_be_read_are_told(raw: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        read_categories(raw)
    assert caught.value.code == "fastresume.bad-categories"


def test_the_collection_of_deluge_is_taken_apart() -> None:
    assert read_collection(bencodepy.encode({"a" * 40: b"de", "b": 5})) == {"a" * 40: b"de"}
    assert read_collection(b"le") == {}


_VALUES = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3))


@given(st.sampled_from([*RESUME, "pieces", "verified", "file-version", "seed_mode"]), _VALUES)
def test_nothing_but_a_format_error_comes_of_odd_values(key: str, value: Any) -> None:
    raw = bencodepy.encode({**RESUME, "pieces": b"\1" * 10, key: value})
    for read in (lambda: read_fastresume(raw, {}), lambda: read_progress(raw, 10)):
        try:
            read()
        except FormatError:
            continue


@given(st.binary(max_size=200))
def test_nothing_but_a_format_error_comes_of_odd_bytes(raw: bytes) -> None:
    for read in (lambda: read_fastresume(raw, {}), lambda: read_progress(raw, 10)):
        with pytest.raises(FormatError):
            read()
    for lenient in (lambda: with_members(raw, {b"w": 1}), lambda: read_collection(raw)):
        try:
            lenient()
        except FormatError:
            continue
