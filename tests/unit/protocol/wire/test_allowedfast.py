"""The allowed-fast set against the example of BEP 6."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.wire.allowedfast import allowed_fast_set

HASH = b"\xaa" * 20


@pytest.mark.parametrize(("size", "pieces"), [
    (7, [1059, 431, 808, 1217, 287, 376, 1188]),
    (9, [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]),
])
def test_the_example_of_the_bep(size, pieces):
    assert allowed_fast_set("80.4.4.200", HASH, 1313, size) == pieces


def test_neighbours_get_the_same_and_others_do_not():
    assert allowed_fast_set("80.4.4.1", HASH, 1313) == allowed_fast_set("80.4.4.200", HASH, 1313)
    assert allowed_fast_set("80.4.5.200", HASH, 1313) != allowed_fast_set("80.4.4.200", HASH, 1313)


@pytest.mark.parametrize("num_pieces", [1, 2, 9, 10])
def test_a_small_torrent_is_allowed_as_a_whole(num_pieces):
    assert sorted(allowed_fast_set("80.4.4.200", HASH, num_pieces)) == list(range(num_pieces))


def test_there_is_none_for_ipv6():
    assert allowed_fast_set("2a01::1", HASH, 1313) == []
