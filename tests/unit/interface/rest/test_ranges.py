"""Ranges of a file of ten bytes."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.http import Head, Refused
from blobtorrent.interface.rest.ranges import content_range, wanted_range

TAG = '"tag"'


def wanted(value: str | None, if_range: str | None = None, length: int = 10) -> range | None:
    headers = {"range": value, "if-range": if_range}
    given = {name: text for name, text in headers.items() if text is not None}
    return wanted_range(Head("GET", (), {}, given, 0, True), length, TAG)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-0", range(1)), ("bytes=0-9", range(10)), ("bytes=3-5", range(3, 6)), ("bytes=8-", range(8, 10)),
        ("bytes=-3", range(7, 10)), ("bytes=-99", range(10)), ("bytes=5-99999999999999999", range(5, 10)),
        ("Bytes = 1-2 ", range(1, 3)),
    ],
)
def test_a_range_is_cut_to_what_there_is(value, part):
    assert wanted(value) == part


@pytest.mark.parametrize(
    "value",
    [None, "", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "bytes=5-3", "items=0-1", "bytes 0-1", "bytes=+1-2",
     "bytes=1-2-3", "bytes=0x1-2", "bytes=\xb2-3", "bytes=1" + "0" * 30 + "-", "bytes=--1"],
)
def test_what_is_not_understood_is_all_of_it(value):
    assert wanted(value) is None


@pytest.mark.parametrize(("value", "length"), [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-",
                                                                                                           0)])
def test_bytes_that_there_are_none_of_are_refused_with_the_length(value, length):
    with pytest.raises(Refused) as caught:
        wanted(value, length=length)
    assert (caught.value.status, caught.value.headers) == (416, (("Content-Range", f"bytes */{length}"),))


def test_if_range_of_another_version_is_answered_with_all():
    assert wanted("bytes=0-1", TAG) == range(2)
    for other in ('"other"', f"W/{TAG}", "Sun, 22 Nov 2026 10:00:00 GMT"):
        assert wanted("bytes=0-1", other) is None


def test_the_part_is_named_as_it_is_sent():
    assert content_range(range(3, 6), 10) == ("Content-Range", "bytes 3-5/10")
