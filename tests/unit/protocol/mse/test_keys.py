"""The exchange of keys."""

from __future__ import annotations

from hashlib import sha1

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.mse import keys
from blobtorrent.protocol.mse.keys import KEY_BYTES, PRIME, KeyPair


def pair(number):
    return KeyPair(number.to_bytes(20, "big"))


def test_the_prime_is_the_safe_prime_of_768_bits_that_all_use():
    """It begins as that of RFC 2409, section 6.1, and ends differently."""
    assert PRIME.bit_length() == 768
    assert hex(PRIME).startswith("0xffffffffffffffffc90fdaa22168c234")
    assert hex(PRIME).endswith("a63a36210000000000090563")
    for base in (2, 3, 5, 7, 11, 13):
        assert pow(base, PRIME - 1, PRIME) == 1            # it is a prime, as far as Fermat can tell
        assert pow(base, (PRIME - 1) // 2, PRIME) in (1, PRIME - 1)
    half = (PRIME - 1) // 2
    assert all(pow(base, half - 1, half) == 1 for base in (2, 3, 5, 7))


def test_both_sides_come_to_the_same_secret():
    ours, theirs = pair(0xA5 << 100 | 12345), pair(0x5A << 120 | 54321)
    secret = ours.shared(theirs.public)
    assert secret == theirs.shared(ours.public)
    assert int.from_bytes(secret, "big") == pow(2, (0xA5 << 100 | 12345) * (0x5A << 120 | 54321), PRIME)


def test_small_numbers_are_padded_with_zeros():
    assert pair(1).public == bytes(95) + b"\2"
    assert pair(2).shared(bytes(95) + b"\3") == bytes(95) + b"\x09"


@pytest.mark.parametrize("number", [0, 1, PRIME - 1, PRIME, PRIME + 1, (1 << 768) - 1])
def test_keys_by_which_everybody_would_know_the_secret_are_refused(number):
    with pytest.raises(PeerError) as caught:
        pair(77).shared(number.to_bytes(KEY_BYTES, "big"))
    assert caught.value.code == "encryption.bad-key"


@pytest.mark.parametrize("number", [2, 3, PRIME - 2])
def test_others_are_taken(number):
    assert len(pair(77).shared(number.to_bytes(KEY_BYTES, "big"))) == KEY_BYTES


def test_a_mark_behind_a_veil_is_the_mark_again():
    mark, veil = keys.torrent_mark(b"t" * 20), keys.torrent_veil(b"s" * 96)
    assert mark == sha1(b"req2" + b"t" * 20).digest() and veil == sha1(b"req3" + b"s" * 96).digest()
    assert keys.veiled(keys.veiled(mark, veil), veil) == mark
    assert keys.veiled(b"\0" * 19 + b"\1", bytes(20)) == b"\0" * 19 + b"\1"
