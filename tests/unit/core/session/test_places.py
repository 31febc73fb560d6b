"""Who lies where."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.places import Places
from blobtorrent.model.ids import InfoHash

A, B, C = (InfoHash(v1=bytes([number]) * 20) for number in range(3))


def placed(*places: tuple[str, str]) -> Places:
    """A at the first, B at the second, ..."""
    found = Places()
    for torrent, place in zip((A, B, C), places):
        found.put(torrent, [place])
    return found


def test_torrents_at_one_place_are_near_and_others_are_not() -> None:
    places = placed(("/d", "x"), ("/d", "y"), ("/d", "x"))
    assert places.near(A) == [C]
    assert places.near(B) == []


@pytest.mark.parametrize("inner", [("/d/x", "y"), ("/d/x/season", "y"), ("/d/x/a/b/c", "x")])
def test_a_torrent_in_the_folder_of_another_is_near(inner: tuple[str, str]) -> None:
    places = placed(("/d", "x"), inner)
    assert places.near(A) == [B]
    assert places.near(B) == [A]


@pytest.mark.parametrize("other", [("/d/xy", "z"), ("/d", "xy"), ("/e", "x"), ("/", "x"), ("/d/y", "x")])
def test_a_name_that_only_looks_alike_is_not_near(other: tuple[str, str]) -> None:
    places = placed(("/d", "x"), other)
    assert places.near(A) == []
    assert places.near(B) == []


def test_the_root_of_all_folders_is_a_folder_too() -> None:
    places = placed(("/", "x"), ("/x", "y"))
    assert places.near(A) == [B]
    assert places.near(B) == [A]


def test_who_moves_away_is_not_near_any_more() -> None:
    places = placed(("/d", "x"), ("/d", "x"))
    places.put(B, [("/e", "x")])
    assert places.near(A) == []
    places.put(A, [("/d", "x"), ("/e", "x")])              # on its way
    assert places.near(A) == [B]
    places.drop(B)
    assert places.near(A) == []
