"""What a peer says before anybody can understand it."""

from __future__ import annotations

import tracemalloc

import pytest

from blobtorrent.core.swarm.said import MAX_ALLOWED, MAX_BITS_BYTES, Said
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import HaveRun


def said_of(*messages):
    said = Said()
    for message in messages:
        said.hear(message)
    return said


def mask_in(said, num_pieces):
    fields = [message for message in said.messages(num_pieces) if isinstance(message, wire.BitfieldMessage)]
    mask = 0
    for field in fields:
        mask |= Bitfield.from_wire(field.data, num_pieces).mask
    return mask


def test_who_said_nothing_says_nothing():
    assert Said().messages(10) == []


def test_pieces_are_said_again_whatever_they_were_said_with():
    field = wire.BitfieldMessage(Bitfield(20, [1, 2]).to_wire())
    said = said_of(field, HaveRun([7, 19]), wire.BitfieldMessage(Bitfield(20, [3]).to_wire()), HaveRun([0]))
    assert mask_in(said, 20) == sum(1 << index for index in (0, 1, 2, 3, 7, 19))


def test_an_empty_bitfield_is_a_word_too():
    assert said_of(wire.BitfieldMessage(b"\0\0")).messages(9) == [wire.BitfieldMessage(b"\0\0")]


@pytest.mark.parametrize(("messages", "last"), [
    ([wire.Unchoke(), wire.Choke(), wire.Interested()], [wire.Interested()]),
    ([wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested()], [wire.Unchoke()]),
])
def test_of_chokes_and_interest_the_last_counts(messages, last):
    assert said_of(*messages).messages(1) == last


def test_a_have_beyond_the_last_piece_is_said_again_as_that():
    (message,) = said_of(HaveRun([3, 40])).messages(10)
    assert isinstance(message, HaveRun) and min(message.indices) >= 10


def test_bitfields_of_two_lengths_are_of_no_torrent():
    with pytest.raises(PeerError) as caught:
        said_of(wire.BitfieldMessage(b"\0"), wire.BitfieldMessage(b"\0\0"))
    assert caught.value.code == "wire.bad-bitfield"


@pytest.mark.parametrize("message", [
    wire.BitfieldMessage(bytes(MAX_BITS_BYTES + 1)), HaveRun([1, 8 * MAX_BITS_BYTES]), HaveRun([0xffffffff])])
def test_what_no_torrent_needs_is_too_much(message):
    assert said_of(message).is_too_much
    assert not said_of(wire.BitfieldMessage(bytes(MAX_BITS_BYTES)), HaveRun([8 * MAX_BITS_BYTES - 1])).is_too_much


def test_what_is_kept_is_bounded_however_much_is_said():
    said = Said()
    tracemalloc.start()
    try:
        for number in range(20_000):
            for message in (wire.BitfieldMessage(b""), wire.Interested(), HaveRun([number % 64]), wire.Unchoke()):
                said.hear(message)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000


def test_one_word_for_all_or_nothing_is_said_again():
    assert said_of(wire.HaveAll(), HaveRun([1])).messages(20)[0] == wire.HaveAll()
    assert said_of(wire.HaveNone()).messages(20) == [wire.HaveNone()]


def test_pieces_that_are_allowed_while_choked_are_said_again_but_not_any_number():
    said = said_of(*[wire.AllowedFast(index) for index in range(10 * MAX_ALLOWED)], wire.Suggest(3))
    assert said.messages(20) == [wire.AllowedFast(index) for index in range(MAX_ALLOWED)]
