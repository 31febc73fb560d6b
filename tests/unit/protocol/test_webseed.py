"""Which bytes of which file make up pieces, where a file lies on a web seed, what an answer is worth."""

from __future__ import annotations

import random

import bencodepy
import pytest

from blobtorrent.model.errors import WebSeedError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.splitting import Split, in_parts
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.webseed import (
    MAX_RETRY_AFTER_S,
    MIN_PART_BYTES,
    Answer,
    Body,
    FileRange,
    SeedContent,
    body_of,
    headers_for,
    read_headers,
    retry_after_s,
)

PIECE = 16384


def torrent(info: dict[bytes, object], length: int) -> Metainfo:
    pieces = -(-length // PIECE)
    return parse_torrent(bencodepy.encode({b"info": {
        b"piece length": PIECE, b"pieces": bytes(20 * pieces), **info}}))


def several(*files: tuple[str, int], name: bytes = b"name") -> Metainfo:
    entries: list[dict[bytes, object]] = []
    for path, length in files:
        entry: dict[bytes, object] = {b"length": length, b"path": [part.encode() for part in path.split("/")]}
        if path.startswith(".pad"):
            entry[b"attr"] = b"p"
        entries.append(entry)
    return torrent({b"name": name, b"files": entries}, sum(length for _, length in files))


def single(length: int, name: bytes = b"one file") -> Metainfo:
    return torrent({b"name": name, b"length": length}, length)


# ---- ranges

def test_pieces_become_one_range_for_each_file_and_empty_files_none() -> None:
    content = SeedContent(several(("a", 10_000), ("empty", 0), ("b", 40_000), ("c", 1)))
    assert content.ranges([(0, 0, PIECE), (1, 0, PIECE), (2, 0, PIECE), (3, 0, 50_001 - 3 * PIECE)]) == [
        FileRange(0, 0, 10_000), FileRange(2, 0, 40_000), FileRange(3, 0, 1)]


def test_seeds_are_asked_for_the_files_of_the_torrent_however_they_are_kept() -> None:
    metainfo = several(("a", 10_000), ("b", 50_000), ("c", 1))
    content = SeedContent(in_parts(metainfo, Split(PIECE, ".part")))
    assert content.ranges([(0, 0, PIECE), (1, 0, PIECE), (2, 0, PIECE)]) == [
        FileRange(0, 0, 10_000), FileRange(1, 0, 3 * PIECE - 10_000)]
    assert content.length_of(1) == 50_000 and content.pieces_of(1) == range(4)
    assert content.url_of("http://h/d/", 1) == "http://h/d/name/b"
    alone = SeedContent(in_parts(single(50_000), Split(PIECE, ".part", is_lone=True)))
    assert alone.ranges([(0, 0, PIECE), (1, 0, PIECE)]) == [FileRange(0, 0, 2 * PIECE)]
    assert alone.url_of("http://h/some.bin", 0) == "http://h/some.bin"


def test_padding_is_named_as_such() -> None:
    content = SeedContent(several(("a", 10_000), (".pad/6384", 6384), ("b", 5)))
    assert content.ranges([(0, 0, PIECE), (1, 0, 5)]) == [
        FileRange(0, 0, 10_000), FileRange(1, 0, 6384, is_pad=True), FileRange(2, 0, 5)]


def test_pieces_that_are_no_neighbours_are_ranges_of_their_own() -> None:
    content = SeedContent(single(5 * PIECE))
    assert content.ranges([(0, 0, PIECE), (3, 100, 200)]) == [
        FileRange(0, 0, PIECE), FileRange(0, 3 * PIECE + 100, 200)]


@pytest.mark.parametrize("seed", range(20))
def test_ranges_put_together_are_the_bytes_of_the_pieces(seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.choice((0, 1, rng.randrange(1, 3 * PIECE))) for _ in range(rng.randrange(1, 12))] + [7]
    metainfo = several(*((f"f{number}", size) for number, size in enumerate(sizes)))
    files = [rng.randbytes(size) for size in sizes]
    whole = b"".join(files)
    first = rng.randrange(metainfo.geometry.num_pieces)
    last = rng.randrange(first, metainfo.geometry.num_pieces)
    spans = [(index, 0, metainfo.geometry.piece_size(index)) for index in range(first, last + 1)]
    ranges = SeedContent(metainfo).ranges(spans)
    got = b"".join(files[part.file][part.offset : part.offset + part.length] for part in ranges)
    assert got == whole[first * PIECE : (last + 1) * PIECE]
    assert all(part.length for part in ranges)


def test_the_pieces_of_a_file_are_those_that_need_it() -> None:
    content = SeedContent(several(("a", 10_000), ("b", 40_000)))
    assert (content.pieces_of(0), content.pieces_of(1)) == (range(1), range(4))


# ---- addresses

@pytest.mark.parametrize(("seed", "url"), [
    ("http://h/x.iso", "http://h/x.iso"),
    ("http://h/x.iso?sig=a%2Fb&e=1", "http://h/x.iso?sig=a%2Fb&e=1"),
    ("http://h/folder/", "http://h/folder/one%20file"),
    ("http://h/folder/?sig=1", "http://h/folder/one%20file?sig=1"),
    ("http://h", "http://h/one%20file"),
])
def test_a_single_file_lies_at_the_url_or_in_that_folder(seed: str, url: str) -> None:
    assert SeedContent(single(5)).url_of(seed, 0) == url


@pytest.mark.parametrize(("seed", "url"), [
    ("http://h/pub/", "http://h/pub/name/sub%20dir/%C3%BC%23%3F%2B"),
    ("http://h/pub", "http://h/pub/name/sub%20dir/%C3%BC%23%3F%2B"),
    ("http://h/pub/?key=1%2B2", "http://h/pub/name/sub%20dir/%C3%BC%23%3F%2B?key=1%2B2"),
])
def test_files_of_a_folder_lie_below_its_name_and_queries_stay_as_they_are(seed: str, url: str) -> None:
    assert SeedContent(several(("sub dir/ü#?+", 5))).url_of(seed, 0) == url


def test_names_are_those_of_the_torrent_and_not_those_on_the_disk() -> None:
    content = SeedContent(several(("con/a", 5), ("../b", 5), name=b"na\x01me"))
    assert content.url_of("http://h/", 0) == "http://h/na%01me/con/a"
    assert content.url_of("http://h/", 1) == "http://h/na%01me/_/b"


# ---- answers

ASKED = FileRange(0, 1000, 500)


@pytest.mark.parametrize(("status", "headers", "body"), [
    (206, {"content-range": "bytes 1000-1499/9000", "content-length": "500"}, Body(0, 500)),
    (206, {"content-range": "bytes 1000-1499/*"}, Body(0, 500)),
    (200, {"content-length": "9000"}, Body(1000, 500, is_whole=True)),
    (200, {}, Body(1000, 500, is_whole=True)),
    (206, {"content-range": "bytes 1000-1499/9000", "content-encoding": "identity"}, Body(0, 500)),
])
def test_what_an_answer_holds(status: int, headers: dict[str, str], body: Body) -> None:
    assert body_of(Answer(status, headers), ASKED, 9000) == body


@pytest.mark.parametrize(("status", "headers", "code"), [
    (206, {}, "webseed.bad-range"),
    (206, {"content-range": "bytes 0-499/9000"}, "webseed.bad-range"),
    (206, {"content-range": "bytes 1000-1500/9000"}, "webseed.bad-range"),
    (206, {"content-range": "bytes 1000-1099/9000"}, "webseed.bad-range"),
    (206, {"content-range": "bytes 1000-999/9000"}, "webseed.bad-range"),
    (206, {"content-range": "bytes 1000-1499/9001"}, "webseed.wrong-file"),
    (206, {"content-range": "bytes 1000-1499/9000", "content-length": "499"}, "webseed.bad-range"),
    (206, {"content-range": "bytes 1000-1499/9000", "content-encoding": "gzip"}, "webseed.encoded"),
    (200, {"content-length": "8999"}, "webseed.wrong-file"),
    (200, {"content-encoding": "gzip", "content-length": "9000"}, "webseed.encoded"),
    (404, {}, "webseed.no-file"),
    (403, {}, "webseed.denied"),
    (416, {}, "webseed.wrong-file"),
    (429, {}, "webseed.busy"),
    (503, {}, "webseed.busy"),
    (500, {}, "webseed.http-status"),
    (204, {}, "webseed.http-status"),
])
def test_answers_that_are_of_no_use(status: int, headers: dict[str, str], code: str) -> None:
    with pytest.raises(WebSeedError) as caught:
        body_of(Answer(status, headers), ASKED, 9000)
    assert caught.value.code == code


def test_a_server_may_send_less_than_is_asked_for_but_not_so_little_that_many_requests_are_needed() -> None:
    asked = FileRange(0, 0, 1 << 20)
    told = {"content-range": f"bytes 0-{MIN_PART_BYTES - 1}/{1 << 20}"}
    assert body_of(Answer(206, told), asked, 1 << 20) == Body(0, MIN_PART_BYTES)
    told = {"content-range": f"bytes 0-{MIN_PART_BYTES - 2}/{1 << 20}"}
    with pytest.raises(WebSeedError) as caught:
        body_of(Answer(206, told), asked, 1 << 20)
    assert caught.value.code == "webseed.bad-range"


def test_a_whole_file_is_not_read_for_its_end() -> None:
    with pytest.raises(WebSeedError) as caught:
        body_of(Answer(200, {}), FileRange(0, 1001, 5), 9000, max_skip=1000)
    assert caught.value.code == "webseed.no-ranges"


@pytest.mark.parametrize(("value", "seconds"), [
    (None, None), ("17", 17.0), (" 5 ", 5.0), ("99999999", MAX_RETRY_AFTER_S), ("soon", None), ("", None), ("-1", None),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 30.0), ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
    ("Wed, 21 Oct 9999999 07:00:00 GMT", None),
])
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, 1445412450.0) == seconds


# ---- secret headers

def test_a_secret_goes_only_where_it_belongs() -> None:
    headers = read_headers("# a comment\n\nhttps://h/a/ Authorization: Bearer x y\nhttps://h/ X-Key:1\n")
    assert headers_for("https://h/a/b", headers) == [("Authorization", "Bearer x y"), ("X-Key", "1")]
    assert headers_for("https://h/b", headers) == [("X-Key", "1")]
    assert headers_for("https://h.evil/a/b", headers) == headers_for("http://h/a/", headers) == []


@pytest.mark.parametrize("line", [
    "https://h Authorization: x", "Authorization: x", "ftp://h/ A: b", "https://h/ Host: x", "https://h/ range: x",
    "https://h/ A b", "https://h/ A: b\x7f",
])
def test_a_line_that_is_none_is_named_by_its_number_and_not_repeated(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not") as caught:
        read_headers(f"# first\n{line}")
    assert line not in str(caught.value)
