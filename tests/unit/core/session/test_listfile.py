"""Filter lists are read from files as they are found in the world, and from those that are none."""

from __future__ import annotations

import gzip
import os

import pytest

from blobtorrent.core.session import listfile
from blobtorrent.core.session.listfile import Abandoned, read_list, stamp_of
from blobtorrent.model.addressfilter import number_of
from blobtorrent.model.details import BadLine
from blobtorrent.model.errors import BlobTorrentError

LINES = b"# a list\n\none:192.0.2.0-192.0.2.9\nsome words\r\ntwo:192.0.2.5-192.0.2.20\r\n2001:db8::/32"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list"


def covers(read, host):
    return read.ranges.covers(*number_of(host))


@pytest.mark.parametrize("pack", [
    bytes,
    gzip.compress,
    lambda data: gzip.compress(data[:30]) + gzip.compress(data[30:]),      # members, as appending makes them
    lambda data: gzip.compress(data) + bytes(600),                         # padded, as tapes are
])
def test_a_list_is_read_packed_or_not(path, pack):
    path.write_bytes(pack(LINES))
    read = read_list(path)
    assert (read.ranges.num_v4, read.ranges.num_v6, read.lines) == (1, 1, 3)
    assert covers(read, "192.0.2.20") and covers(read, "2001:db8::1") and not covers(read, "192.0.2.21")
    assert (read.malformed, read.first_malformed) == (1, (BadLine(4, "no address, network or range"),))
    assert read.stamp == stamp_of(path)


def test_lines_are_numbered_across_chunks_and_only_the_first_bad_ones_are_told(path, monkeypatch):
    monkeypatch.setattr(listfile, "CHUNK_BYTES", 7)
    path.write_bytes(b"192.0.2.1\n" * 10 + b"bad line\n" * 9 + b"192.0.2.3\n")
    read = read_list(path)
    assert (read.lines, read.malformed) == (11, 9)
    assert [bad.number for bad in read.first_malformed] == [11, 12, 13, 14, 15]


def test_a_line_without_end_is_one_bad_line_and_takes_no_memory(path, monkeypatch):
    monkeypatch.setattr(listfile, "CHUNK_BYTES", 4096)
    path.write_bytes(b"192.0.2.1\n" + b"x" * 1_000_000 + b"\n192.0.2.2\n")
    read = read_list(path)
    assert (read.lines, read.malformed) == (2, 1)
    assert read.first_malformed[0].number == 2


@pytest.mark.parametrize(("data", "code", "words"), [
    (b"", "filters.not-a-list", "no line of it names"),
    (b"# nothing but this\n", "filters.not-a-list", "no line of it names"),
    (b"some words\n", "filters.not-a-list", "line 1: no address"),
    (b"PK\x03\x04" + bytes(100), "filters.not-a-list", "zip archive"),
    (b"\xff\xff\xff\xffP2B\x02" + bytes(100), "filters.not-a-list", "binary P2B"),
    (b"\n<!DOCTYPE html>\n<p>192.0.2.1\n", "filters.not-a-list", "for browsers"),
    (gzip.compress(LINES)[:-9], "filters.bad-gzip", "ends too early"),
    (gzip.compress(LINES)[:-8] + bytes(8), "filters.bad-gzip", "damaged"),
    (gzip.compress(LINES) + b"more", "filters.bad-gzip", "damaged"),
    (b"\x1f\x8bnonsense", "filters.bad-gzip", "damaged"),
])
def test_what_is_no_list_is_refused_with_a_reason(path, data, code, words):
    path.write_bytes(data)
    with pytest.raises(BlobTorrentError) as raised:
        read_list(path)
    assert raised.value.code == code
    assert words in raised.value.detail and str(path) in raised.value.detail


def test_what_cannot_be_read_says_so(path, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place, words in ((path, "no such file"), (tmp_path, "regular file"), (pipe, "not a regular file")):
        with pytest.raises(BlobTorrentError) as raised:
            read_list(place)
        assert raised.value.code == "filters.unreadable"
        assert words in raised.value.detail or place == tmp_path


def test_what_unpacks_to_too_much_is_given_up(path, monkeypatch):
    monkeypatch.setattr(listfile, "MAX_TEXT_BYTES", 1 << 20)
    path.write_bytes(gzip.compress(bytes(20 << 20)))
    with pytest.raises(BlobTorrentError) as raised:
        read_list(path)
    assert raised.value.code == "filters.too-long"


def test_zeros_without_end_behind_a_packed_list_are_given_up(path, monkeypatch):
    monkeypatch.setattr(listfile, "MAX_TEXT_BYTES", 1 << 20)
    path.write_bytes(gzip.compress(LINES))
    os.truncate(path, 1 << 34)         # it takes no space
    with pytest.raises(BlobTorrentError) as raised:
        read_list(path)
    assert raised.value.code == "filters.bad-gzip"


def test_reading_zeros_ends_when_nobody_wants_it_any_more(path):
    path.write_bytes(gzip.compress(LINES))
    os.truncate(path, 1 << 24)
    looks = iter([False, False, False])
    with pytest.raises(Abandoned):
        read_list(path, lambda: next(looks, True))


def test_lines_without_end_are_given_up(path, monkeypatch):
    monkeypatch.setattr(listfile, "MAX_LINES", 10)
    path.write_bytes(b"192.0.2.1\n" + b"x\n" * 11)
    with pytest.raises(BlobTorrentError) as raised:
        read_list(path)
    assert raised.value.code == "filters.too-long"


def test_more_ranges_than_memory_is_planned_for_are_too_long(path, monkeypatch):
    monkeypatch.setattr(listfile, "MAX_RANGES", 10)
    path.write_bytes(b"192.0.2.1\n" * 11)
    with pytest.raises(BlobTorrentError) as raised:
        read_list(path)
    assert raised.value.code == "filters.too-long"


def test_a_file_that_is_written_while_it_is_read_is_left_for_later(path):
    path.write_bytes(b"192.0.2.1\n")

    def write():
        if path.stat().st_size < 100:
            path.write_bytes(b"192.0.2.2\n" * 11)
        return False

    with pytest.raises(BlobTorrentError) as raised:
        read_list(path, write)
    assert raised.value.code == "filters.changing"


def test_reading_ends_when_nobody_wants_it_any_more(path):
    path.write_bytes(b"192.0.2.1\n" * 100)
    with pytest.raises(Abandoned):
        read_list(path, lambda: True)
