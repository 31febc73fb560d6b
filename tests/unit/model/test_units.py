"""Quantities as people write and read them."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import (
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(("text", "size"), [
    ("0", 0), ("65536", 65536), ("16 B", 16), ("64 KiB", 65536), ("64K", 65536), ("64k", 65536), (" 1 MiB ", 1 << 20),
    ("1MB", 1_000_000), ("1 kB", 1000), ("1.5 GiB", 3 << 29), ("2g", 2 << 30), ("1 TiB", 1 << 40), ("0.5 K", 512),
])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [
    "", "x", "-1", "1e3", "64 KiBs", "1 XB", "1..5", "٣", "9" * 80, "99999 PiB", "1_000", "i", "1.5.2",
])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_size(text)
    assert caught.value.code == "units.bad-size"


def test_a_rate_may_say_that_it_is_one() -> None:
    assert parse_rate("2 MiB/s") == parse_rate("2MiB") == 2 << 20


@pytest.mark.parametrize(("text", "seconds"), [
    ("90", 90.0), ("90s", 90.0), ("1.5h", 5400.0), ("1h 30m", 5400.0), ("1h30m", 5400.0), ("2d", 172800.0),
    ("250ms", 0.25), ("1w", 604800.0),
])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1x", "-5", "1h 30", "1e9", "9" * 80])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_duration(text)
    assert caught.value.code == "units.bad-duration"


@pytest.mark.parametrize(("size", "text"), [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), ((1 << 20) - 1, "1.0 MiB"),
    (1 << 30, "1.0 GiB"), (5 << 60, "5120.0 PiB"),
])
def test_sizes_are_written_with_binary_units(size: int, text: str) -> None:
    assert format_size(size) == text


def test_rates_are_sizes_a_second() -> None:
    assert format_rate(1536.0) == "1.5 KiB/s"


@pytest.mark.parametrize(("seconds", "text"), [
    (-1, "0s"), (0, "0s"), (59.4, "59s"), (60, "1m 00s"), (184, "3m 04s"), (7500, "2h 05m"),
    (4 * 86400 + 3 * 3600, "4d 03h"),
])
def test_durations_are_written_with_their_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
