"""A reserve on every filesystem."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.spaces import EASE_BYTES, FAST_BYTES_PER_S, MIN_LOOK_S, Filesystem, SpaceManager

DISK = Filesystem(1, Path("/disk"))
OTHER = Filesystem(2, Path("/other"))
MIB = 1 << 20


def test_downloads_stop_below_the_reserve_and_go_on_with_a_little_more_than_it() -> None:
    spaces = SpaceManager(100 * MIB)
    assert spaces.on_measured(DISK, 100 * MIB) is None
    assert spaces.on_measured(DISK, 100 * MIB - 1) is True
    assert spaces.on_measured(DISK, 50 * MIB) is None
    assert spaces.on_measured(DISK, 100 * MIB + EASE_BYTES - 1) is None
    assert spaces.is_short(1)
    assert spaces.on_measured(DISK, 100 * MIB + EASE_BYTES) is False
    assert not spaces.is_short(1)


def test_a_filesystem_is_asked_again_only_after_its_answer() -> None:
    spaces = SpaceManager(100)
    assert spaces.to_measure([DISK, DISK, OTHER]) == [DISK, OTHER]
    assert spaces.to_measure([DISK, OTHER]) == []
    spaces.on_measured(OTHER, 1000)
    assert spaces.to_measure([DISK, OTHER]) == [OTHER]


def test_one_that_is_short_is_asked_although_nothing_is_downloaded_there() -> None:
    spaces = SpaceManager(100)
    spaces.on_measured(DISK, 1)
    assert spaces.to_measure([]) == [DISK]


def test_what_cannot_be_measured_changes_nothing() -> None:
    spaces = SpaceManager(100)
    spaces.on_measured(DISK, 1)
    assert spaces.on_measured(DISK, None) is None
    assert spaces.is_short(1)


def test_without_a_reserve_nothing_is_ever_short() -> None:
    assert SpaceManager(0).on_measured(DISK, 0) is None


def test_the_nearer_the_reserve_the_sooner_is_the_next_look() -> None:
    spaces = SpaceManager(100 * MIB)
    assert spaces.safe_s(100 * MIB + 3 * FAST_BYTES_PER_S) == 3.0
    assert spaces.safe_s(100 * MIB + 1) == MIN_LOOK_S
    assert SpaceManager(0).safe_s(1) == float("inf")
