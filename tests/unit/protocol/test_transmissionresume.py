"""What Transmission keeps of a torrent: read as it means it, and refused when it is not what it claims to be."""

from __future__ import annotations

import struct
from typing import Any

import bencodepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import FormatError
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.protocol.transmissionresume import (
    LAG_S,
    OWN,
    Progress,
    read_progress,
    read_resume,
    unresolved_magnet,
)

BLOCK = 16384
# Five pieces of two blocks, the last of one and a bit; pieces 0 to 2 hold a byte of file 0, 2 to 4 of file 1.
GEOMETRY = PieceGeometry(9 * BLOCK + 5, 2 * BLOCK)
FILES = (range(3), range(2, 5))
ALL = 0b11111

RESUME: dict[str, Any] = {
    "destination": "/srv/dl", "incomplete-dir": "/srv/part", "files": ["", "new/b"], "paused": 1,
    "labels": ["a", 5, "ü"], "group": "slow", "bandwidth-priority": -1, "dnd": [0, 1], "priority": [1, -1],
    "speed-limit-down": {"speed-Bps": 1000, "use-speed-limit": 1, "use-global-speed-limit": 1},
    "speed-limit-up": {"speed-Bps": 1000, "use-speed-limit": 0},
    "ratio-limit": {"ratio-limit": "2.500000", "ratio-mode": 1}, "idle-limit": {"idle-limit": 30, "idle-mode": 2},
    "uploaded": 11, "downloaded": 12, "corrupt": 13, "downloading-time-seconds": 14, "seeding-time-seconds": 15,
    "added-date": 16, "done-date": 17, "sequential-download": 1,
}
OLD: dict[str, Any] = {"blocks": "all", "time-checked": [100, 200]}
NEW: dict[str, Any] = {"blocks": "all", "pieces": "all", "mtimes": [100, 200]}


def resume(**changes: Any) -> Any:
    return read_resume(bencodepy.encode({**RESUME, **changes}))


def progress(told: dict[str, Any], **changes: Any) -> Progress:
    return read_progress(bencodepy.encode({"progress": {**told, **changes}}), GEOMETRY, FILES)


def bits(text: str) -> bytes:
    digits = text.ljust(-(-len(text) // 8) * 8, "0")
    return bytes(int(digits[start:start + 8], 2) for start in range(0, len(digits), 8))


# ---- wishes and figures

def test_wishes_and_figures_are_read() -> None:
    found = resume()
    assert (found.destination, found.incomplete_dir, found.paths) == (b"/srv/dl", b"/srv/part", (b"", b"new/b"))
    assert (found.is_paused, found.is_sequential, found.labels, found.group) == (True, True, ("a", "ü"), "slow")
    assert (found.priority, found.unwanted, found.priorities) == (-1, (False, True), (1, -1))
    assert (found.down_limit, found.up_limit) == (1000, None)
    assert (found.ratio_mode, found.ratio, found.idle_mode, found.idle_minutes) == (OWN, 2.5, 2, 30)
    assert (found.uploaded_bytes, found.downloaded_bytes, found.corrupt_bytes) == (11, 12, 13)
    assert (found.downloading_s, found.seeding_s, found.added_at, found.done_at) == (14, 15, 16, 17)


def test_later_versions_write_underscores() -> None:
    def underscored(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key.replace("-", "_").replace("ratio_limit", "seed_ratio_limit"): underscored(inner)
                for key, inner in value.items()}

    assert read_resume(bencodepy.encode(underscored(RESUME))) == resume()


def test_absent_keys_mean_what_they_mean_to_transmission() -> None:
    found = read_resume(bencodepy.encode({"destination": "/x"}))
    assert (found.is_paused, found.priority, found.down_limit) == (False, 0, None)
    assert (found.ratio_mode, found.labels) == (0, ())


def test_limits_of_old_versions_are_in_kibibytes() -> None:
    assert resume(**{"speed-limit-up": {"speed": 3, "use-speed-limit": 1}}).up_limit == 3072


@pytest.mark.parametrize("changes", [
    {"destination": ""}, {"destination": 5}, {"paused": "1"}, {"uploaded": -1}, {"added-date": 1 << 40},
    {"labels": "x"}, {"dnd": 1}, {"files": {}}, {"ratio-limit": 2}, {"ratio-limit": {"ratio-limit": "nan"}},
    {"ratio-limit": {"ratio-limit": "-1"}}, {"ratio-limit": {"ratio-mode": 3}}, {"idle-limit": {"idle-mode": -1}},
    {"speed-limit-down": {"use-speed-limit": 1, "speed-Bps": -5}}, {"group": "x" * 5000}])
def test_wishes_of_a_wrong_type_or_size_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        resume(**changes)


def _old_peer(family: int, address: bytes, port: int) -> bytes:
    return struct.pack("<I16s", family, address) + struct.pack(">H", port) + bytes(2)


def test_peers_of_all_versions_are_read() -> None:
    four, six = b"\x0a\0\0\1", b"\x20\1" + bytes(13) + b"\1"
    old = resume(peers2=_old_peer(0, four, 6881) + _old_peer(7, four, 1), **{"peers2-6": _old_peer(1, six, 6882)})
    new = resume(peers2=[{"socket-address": four + b"\x1a\xe1"}, {"socket_address": six + b"\x1a\xe2"}, 5, {}])
    assert [str(peer) for peer in old.peers] == ["10.0.0.1:6881", "[2001::1]:6882"]
    assert new.peers == old.peers
    assert resume(peers2=b"x" * 23).peers == resume(peers2=_old_peer(0, four, 0)).peers == ()


# ---- progress

def test_blocks_make_pieces() -> None:
    assert progress(OLD).have == progress(NEW).have == ALL
    assert progress(OLD, blocks="none").have == 0
    assert progress(OLD, blocks=bits("1101111110")).have == 0b01101
    assert progress(OLD, blocks=bits("1111111111")).have == ALL


@pytest.mark.parametrize("piece_length", [3 * 8192, 16384, 8192])
def test_blocks_of_other_pieces_are_counted_as_each_version_did(piece_length: int) -> None:
    geometry = PieceGeometry(48 * 1024, piece_length)
    old_block = 12288 if piece_length == 3 * 8192 else min(piece_length, BLOCK)
    for told, block in ((OLD, old_block), (NEW, BLOCK)):
        count = -(-geometry.size // block)
        raw = bencodepy.encode({"progress": {**told, "blocks": bits("1" * (count - 1) + "0")}})
        have = read_progress(raw, geometry, (range(geometry.num_pieces),) * 2).have
        assert have == (1 << (count - 1) * block // piece_length) - 1


def test_a_file_is_believed_up_to_the_time_it_was_checked_and_a_whole_one_a_little_longer() -> None:
    assert progress(OLD).changed == ((0, 100 + LAG_S), (0, 200 + LAG_S))
    assert progress(OLD, blocks=bits("1111110000")).changed == ((0, 100 + LAG_S), (0, 200))
    assert progress(OLD, blocks="none").changed == ((0, 100), (0, 200))
    assert progress(OLD, **{"time-checked": [0, -5]}).changed == ((1, 0), (1, 0))


def test_of_the_pieces_a_file_has_the_one_checked_first_counts() -> None:
    told = {"time-checked": [[99, 3, 2, 4], 200]}
    assert progress(OLD, **told).changed[0] == (0, 101 + LAG_S)
    assert progress(OLD, blocks=bits("1100110000"), **told).changed[0] == (0, 102)
    assert progress(OLD, **{"time-checked": [[99, 3, 0, 4], 200]}).changed[0] == (1, 0)
    assert progress(OLD, **{"time-checked": [[99, 3], []]}).changed == ((1, 0), (1, 0))


def test_later_versions_note_the_times_of_files_and_what_was_checked() -> None:
    both = ((100 - LAG_S, 100 + LAG_S), (200 - LAG_S, 200 + LAG_S))
    assert progress(NEW).changed == both
    assert progress(NEW, pieces=bits("11110")).changed == (both[0], (1, 0))
    assert progress(NEW, pieces="none").changed == ((1, 0), (1, 0))
    assert progress(NEW, pieces="none", blocks="none").changed == both
    assert progress(NEW, mtimes=[0, "x"]).changed == ((1, 0), (1, 0))


@pytest.mark.parametrize("changes", [
    {"blocks": 5}, {"blocks": b"\xff"}, {"blocks": b"\xff" * 3}, {"time-checked": [1]}, {"time-checked": {}}])
def test_progress_that_does_not_fit_the_torrent_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        progress(OLD, **changes)


@pytest.mark.parametrize("told", [{}, {"progress": 5}, {"progress": {"bitfield": "x"}}])
def test_progress_without_blocks_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        read_progress(bencodepy.encode(told), GEOMETRY, FILES)


def test_a_magnet_link_without_its_torrent_is_known() -> None:
    assert unresolved_magnet(bencodepy.encode({"magnet-info": {"info_hash": "x"}}))
    assert not unresolved_magnet(bencodepy.encode({"info": {}, "magnet-info": {}}))


_VALUES = st.recursive(
    st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3))


@given(st.sampled_from([*RESUME, "peers2"]), _VALUES)
def test_nothing_but_a_format_error_comes_of_odd_wishes(key: str, value: Any) -> None:
    try:
        resume(**{key: value})
    except FormatError:
        pass


@given(st.sampled_from([(OLD, "blocks"), (OLD, "time-checked"), (NEW, "pieces"), (NEW, "mtimes")]), _VALUES)
def test_nothing_but_a_format_error_comes_of_odd_progress(where: tuple[dict[str, Any], str], value: Any) -> None:
    told, key = where
    try:
        progress(told, **{key: value})
    except FormatError:
        pass


@given(st.binary(max_size=200))
def test_nothing_but_a_format_error_comes_of_odd_bytes(raw: bytes) -> None:
    for read in (lambda: read_resume(raw), lambda: read_progress(raw, GEOMETRY, FILES)):
        with pytest.raises(FormatError):
            read()
