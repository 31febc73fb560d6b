"""RC4, by the library and in Python."""

from __future__ import annotations

import mmap
import sys
from itertools import accumulate

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from blobtorrent.protocol.mse import cipher
from blobtorrent.protocol.mse.cipher import SlowRc4, decipher, has_fast_rc4, rc4

TEXT = bytes(range(256)) * 300


@pytest.fixture
def no_fast_rc4(monkeypatch):
    """As with an OpenSSL that has none."""
    def refuse(_key):
        raise UnsupportedAlgorithm("no RC4")

    monkeypatch.setattr(cipher, "_library_rc4", refuse)
    has_fast_rc4.cache_clear()
    yield
    has_fast_rc4.cache_clear()


@pytest.mark.parametrize(("key", "text", "expected"), [
    (b"Key", b"Plaintext", "bbf316e8d940af0ad3"),
    (b"Wiki", b"pedia", "1021bf0420"),
    (b"Secret", b"Attack at dawn", "45a01f645fc35b383552544b9bf5"),
])
def test_the_slow_one_gives_what_was_published(key, text, expected):
    assert SlowRc4(key).update(text).hex() == expected


def test_the_first_kilobyte_is_passed_over():
    """RFC 6229: the key 0102...10, from byte 1024 of its stream on."""
    assert rc4(bytes(range(1, 17))).update(bytes(16)).hex() == "bdf0324e6083dcc6d3cedd3ca8c53c16"


def test_without_the_library_s_the_slow_one_is_used(no_fast_rc4):
    assert not has_fast_rc4()
    made = rc4(bytes(range(1, 17)))
    assert isinstance(made, SlowRc4)
    assert made.update(bytes(16)).hex() == "bdf0324e6083dcc6d3cedd3ca8c53c16"


@pytest.mark.filterwarnings("ignore:ARC4 has been moved")
def test_the_old_place_in_the_library_will_do_too(monkeypatch):
    """Before its release 43 there is no `decrepit`."""
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    from cryptography.hazmat.primitives.ciphers import algorithms

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.decrepit.ciphers.algorithms", None)
    monkeypatch.setattr(algorithms, "ARC4", decrepit.ARC4, raising=False)
    has_fast_rc4.cache_clear()
    assert has_fast_rc4()
    assert rc4(bytes(20)).update(TEXT) == _slow(bytes(20)).update(TEXT)


def _slow(key):
    made = SlowRc4(key)
    made.update(bytes(1024))
    return made


@pytest.mark.parametrize("make", [rc4, _slow])
def test_it_does_not_matter_how_a_stream_is_cut(make):
    whole = make(b"k" * 20).update(TEXT)
    stream = make(b"k" * 20)
    cuts = [0, *accumulate([1, 12, 16384, 1000, 13, 16384])]
    parts = [stream.update(memoryview(TEXT)[a:b]) for a, b in zip(cuts, [*cuts[1:], len(TEXT)])]
    assert b"".join(parts) == whole


@pytest.mark.parametrize("make", [rc4, _slow])
@pytest.mark.parametrize("count", [0, 1, 13, 14, 13 + 16384, 13 + 16384 + 13 + 100, 13 + 16384 + 13 + 20000])
def test_buffers_are_deciphered_in_place_and_in_order_and_no_byte_more(make, count):
    memory = memoryview(mmap.mmap(-1, 65536))
    lengths, buffers, at = (13, 16384, 13, 20000), [], 100
    for length in lengths:
        buffers.append(memory[at:at + length])
        at += length + 7
    said = make(b"k" * 20).update(TEXT[:count])
    rest = said
    for buffer in buffers:
        part, rest = rest[:len(buffer)], rest[len(buffer):]
        buffer[:len(part)] = part
    stream = make(b"k" * 20)
    decipher(stream, buffers, count)
    joined = b"".join(buffers)
    assert joined[:count] == TEXT[:count]
    assert joined[count:] == bytes(len(joined) - count)
    assert memory[113:120] == bytes(7)
    follower = make(b"k" * 20)
    follower.update(TEXT[:count])
    assert stream.update(b"next") == follower.update(b"next")
