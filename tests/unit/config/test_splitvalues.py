"""Readers of the settings of files that are kept in parts."""

from __future__ import annotations

import pytest

from blobtorrent.config.splitvalues import part_suffix, split_size


@pytest.mark.parametrize(("value", "size"), [(0, 0), (16384, 16384), ("4 GiB", 4 << 30), (1 << 48, 1 << 48)])
def test_a_part_has_a_size_or_there_is_none(value: object, size: int) -> None:
    assert split_size(value) == size


@pytest.mark.parametrize("value", [-1, 1, 16383, (1 << 48) + 1, True, 1.5, None, "large", []])
def test_what_can_be_no_size_of_a_part_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be|is not a size"):
        split_size(value)


@pytest.mark.parametrize("value", [".part", "", "-", " of ", ".ü", "x" * 64])
def test_a_suffix_is_what_may_be_in_a_name(value: str) -> None:
    assert part_suffix(value) == value


@pytest.mark.parametrize("value", ["a/b", "a\\b", "\0", "\n", "\u202e", "x" * 65, "ü" * 33, "\ud800", 1, None])
def test_what_can_be_in_no_name_is_no_suffix(value: object) -> None:
    with pytest.raises(ValueError, match="name of a file"):
        part_suffix(value)
