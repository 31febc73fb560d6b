"""The 68-byte greeting and peer ids."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire.greeting import GREETING_BYTES, Greeting, GreetingReader, reserved_bits
from blobtorrent.protocol.wire.peerid import MAX_NAME, client_name, make_peer_id

GREETING = Greeting(reserved_bits(has_fast=True), bytes(range(20)), PeerId(b"-BQ0100-abcdefghijkl"))


def test_a_greeting_is_laid_out_as_bep_3_says():
    assert GREETING.encode() == (
        b"\x13BitTorrent protocol" + b"\0\0\0\0\0\x10\0\x04" + bytes(range(20)) + b"-BQ0100-abcdefghijkl"
    )
    assert len(GREETING.encode()) == GREETING_BYTES


@pytest.mark.parametrize("cut", range(GREETING_BYTES + 1))
def test_a_greeting_is_read_wherever_the_stream_is_cut(cut):
    stream = GREETING.encode() + b"early"
    reader = GreetingReader()
    reader.feed(stream[:cut])
    reader.feed(stream[cut:])
    assert reader.greeting == GREETING
    assert reader.early == b"early"


def test_the_torrent_is_known_before_the_peer_id():
    reader = GreetingReader()
    reader.feed(GREETING.encode()[:47])
    assert reader.info_hash is None
    reader.feed(GREETING.encode()[47:48])
    assert reader.info_hash == GREETING.info_hash
    assert reader.greeting is None


@pytest.mark.parametrize("at", range(20))
def test_another_protocol_is_noticed_at_its_first_wrong_byte(at):
    stream = bytearray(GREETING.encode())
    stream[at] ^= 0x20
    reader = GreetingReader()
    reader.feed(stream[:at])
    with pytest.raises(PeerError, match="does not speak BitTorrent"):
        reader.feed(stream[at:at + 1])


@pytest.mark.parametrize(("reserved", "flags"), [
    (bytes(8), (False, False, False, False)),
    (b"\0\0\0\0\0\x10\0\0", (True, False, False, False)),
    (b"\0\0\0\0\0\0\0\x04", (False, True, False, False)),
    (b"\0\0\0\0\0\0\0\x01", (False, False, True, False)),
    (b"\0\0\0\0\0\0\0\x10", (False, False, False, True)),
    (b"\xff" * 8, (True, True, True, True)),
])
def test_reserved_bits_tell_what_the_peer_can_do(reserved, flags):
    greeting = Greeting(reserved, bytes(20), PeerId(bytes(20)))
    assert (greeting.has_extensions, greeting.has_fast, greeting.has_dht, greeting.has_v2) == flags


def test_our_peer_id_names_the_program_and_keeps_the_random_bytes():
    peer_id = make_peer_id(bytes(range(100, 120)))
    assert len(peer_id) == 20
    assert peer_id.startswith(b"-BQ") and peer_id[7:8] == b"-"
    assert peer_id.endswith(bytes(range(108, 120)))
    assert client_name(peer_id).startswith("BlobTorrent ")


@pytest.mark.parametrize(("version", "digits"), [("0.1.0", b"0100"), ("2.10.35", b"2AZ0"), ("1.99.2", b"1Z20")])
def test_a_version_of_any_size_fits_into_our_peer_id(version, digits):
    assert make_peer_id(bytes(12), version)[3:7] == digits


def test_too_few_random_bytes_make_no_peer_id():
    with pytest.raises(ValueError, match="11 random bytes"):
        make_peer_id(bytes(11))


@pytest.mark.parametrize(("peer_id", "name"), [
    (b"-lt0D80-............", "rTorrent 0.D.8.0"),
    (b"-TR3000-............", "Transmission 3.0.0.0"),
    (b"-zz1234-............", "zz 1.2.3.4"),
    (b"M7-9-2--............", "unknown"),
    (b"-\x1b[31m1-............", "unknown"),
    (b"-\xe9\xe91234-............", "unknown"),
    (bytes(20), "unknown"),
    (b"", "unknown"),
])
def test_a_peer_id_tells_the_client_or_nothing(peer_id, name):
    assert client_name(peer_id) == name


def test_what_a_peer_calls_itself_is_shortened_and_cannot_steer_a_terminal():
    name = client_name(b"-TR3000-............", b"evil\x1b]0;x\x07\xff\n" + b"a" * 500)
    assert name.startswith("evil\\x1b]0;x\\x07")
    assert name.isprintable()
    assert len(name) == MAX_NAME
