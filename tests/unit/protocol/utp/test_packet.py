"""Headers, extensions, and numbers that wrap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.utp.packet import (
    DATA,
    FIN,
    HEADER,
    HEADER_BYTES,
    LARGE,
    RESET,
    SACK,
    STATE,
    SYN,
    microseconds,
    read_extensions,
    write_large,
    write_sack,
)

BARE = bytes(HEADER_BYTES)


def test_the_header_is_as_the_bep_draws_it():
    assert (DATA, FIN, STATE, RESET, SYN) == (0x01, 0x11, 0x21, 0x31, 0x41)
    data = HEADER.pack(SYN, 0, 0x1234, 0x01020304, 0x05060708, 0x100000, 1, 0xFFFF)
    assert data.hex() == "4100" "1234" "01020304" "05060708" "00100000" "0001" "ffff"


def test_the_lowest_bit_of_a_sack_stands_for_the_second_packet_beyond_the_acknowledged():
    assert write_sack(0b1) == b"\x00\x04\x01\x00\x00\x00"
    assert write_sack(1 << 32) == b"\x00\x08" + b"\x00\x00\x00\x00\x01\x00\x00\x00"


@given(st.integers(1, (1 << 2016) - 1))
def test_a_sack_is_read_as_it_was_written(bits):
    written = write_sack(bits)
    assert read_extensions(BARE + written + b"payload", SACK) == (HEADER_BYTES + len(written), bits, 0)


def test_a_sack_of_more_than_fits_tells_the_nearest():
    assert read_extensions(BARE + write_sack((1 << 3000) - 1), SACK).sack == (1 << 2016) - 1


@pytest.mark.parametrize("length", [1, 3, 7])
def test_a_sack_of_libtorrent_may_have_any_length(length):
    assert read_extensions(BARE + bytes((0, length)) + b"\xff" * length, SACK).sack == (1 << 8 * length) - 1


def test_unknown_extensions_are_skipped():
    chain = b"\x09\x03abc" + b"\x01\x00" + b"\x00\x04\x05\x00\x00\x00"                     # 7, then 9, then SACK
    assert read_extensions(BARE + chain + b"rest", 7) == (HEADER_BYTES + len(chain), 5, 0)


def test_the_size_that_a_peer_takes_is_told():
    assert read_extensions(BARE + write_large(65507), LARGE).largest_bytes == 65507
    assert read_extensions(BARE + b"\x00\x02ab", LARGE).largest_bytes == 0


@pytest.mark.parametrize("chain", [b"", b"\x00", b"\x00\x01", b"\x01\x04abcd", b"\x01\x00" * 20])
def test_a_chain_that_does_not_end_in_its_packet_is_refused(chain):
    with pytest.raises(PeerError) as error:
        read_extensions(BARE + chain, 5)
    assert error.value.code == "utp.bad-extension"


def test_microseconds_wrap():
    assert microseconds(1.5) == 1_500_000
    assert microseconds(2**32 / 1e6 + 2.0) == 2_000_000
