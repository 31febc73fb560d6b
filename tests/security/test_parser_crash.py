"""Parser crash: what is large, deep or broken is read or refused by an error of ours, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest

from blobtorrent.model.errors import BencodeError, FormatError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.metafile import TORRENT_LIMITS, parse_torrent
from tests.support.oddtorrents import listed, multi, odd_torrents, torrent

SIZE = 10 << 20
# A second where nothing else runs; a reader that took quadratic time would need hours.
READ_S = 6.0
MUTATIONS = 3000
SEED = 77

LARGE: dict[str, Callable[[], bytes]] = {
    "lists in lists": lambda: b"l" * SIZE, "maps in maps": lambda: b"d1:a" * (SIZE // 4),
    "digits": lambda: b"i" + b"9" * (SIZE - 2) + b"e", "length": lambda: b"9" * SIZE, "one text": lambda: (
        b"%d:" % (SIZE - 10) + bytes(SIZE - 10)),
    "small numbers": lambda: b"l" + b"i0e" * (SIZE // 3 - 2) + b"e",
    "empty texts": lambda: b"l" + b"0:" * (SIZE // 2 - 2),
    "the loop of three bytes": lambda: b"l0:" * (SIZE // 3), "ends": lambda: b"e" * SIZE,
    "keys": lambda: b"d" + b"".join(b"7:%07di0e" % number for number in range(SIZE // 12 - 1)) + b"e",
    "the same key": lambda: b"d" + b"1:ai0e" * (SIZE // 6 - 1) + b"e",
}


@pytest.mark.parametrize("name", LARGE)
def test_ten_megabytes_of_anything_are_read_or_refused_in_a_second_or_so(name: str) -> None:
    data = LARGE[name]()
    assert len(data) <= SIZE
    began_s = time.thread_time()
    try:
        bencode.decode(data, limits=TORRENT_LIMITS, lenient=True)
    except BencodeError:
        pass
    assert time.thread_time() - began_s < READ_S


def test_a_torrent_of_a_hundred_thousand_files_is_read_or_refused() -> None:
    data = torrent(multi([listed(1, b"%d" % (number % 1000), b"%d" % number) for number in range(100_000)]))
    began_s = time.thread_time()
    try:
        parse_torrent(data)
    except FormatError:
        pass
    assert time.thread_time() - began_s < 2 * READ_S


def test_mutated_torrents_raise_errors_of_ours_only() -> None:
    rng = Random(SEED)
    originals = [case.data for case in odd_torrents() if 0 < len(case.data) < 5000]
    for _ in range(MUTATIONS):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            how = rng.randrange(4)
            if how == 0:
                data[at] = rng.choice(b"0123456789:eildi-\x00\xff")
            elif how == 1:
                del data[at:at + rng.randrange(1, 8)]
            elif how == 2:
                data[at:at] = rng.choice((b"le", b"de", b"i-1e", b"i99999999999999999999e", b"0:", b"9999:", b"l"))
            else:
                data[at:at] = data[at:at + rng.randrange(1, 30)]
            if not data:
                break
        try:
            parse_torrent(bytes(data))
        except FormatError:
            pass
