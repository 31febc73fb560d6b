"""Properties of the wire decoder: cuts do not matter, rubbish ends in PeerError and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, HaveRun, RejectRun, RequestRun
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest, HashRun

U32 = st.integers(0, 2**32 - 1)
RUNS = st.builds(HashRun, st.binary(min_size=32, max_size=32), U32, U32, st.integers(0, 4), st.integers(0, 4))
BLOCK_LENGTH = st.integers(1, wire.MAX_BLOCK)
MESSAGES = st.one_of(
    st.sampled_from([
        wire.KeepAlive(), wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested(), wire.HaveAll(),
        wire.HaveNone(),
    ]),
    st.builds(wire.Have, U32),
    st.builds(wire.Suggest, U32),
    st.builds(wire.AllowedFast, U32),
    st.builds(wire.Request, U32, U32, BLOCK_LENGTH),
    st.builds(wire.Cancel, U32, U32, BLOCK_LENGTH),
    st.builds(wire.Reject, U32, U32, BLOCK_LENGTH),
    st.builds(wire.Piece, U32, U32, st.binary(min_size=1, max_size=200)),
    st.builds(wire.BitfieldMessage, st.binary(max_size=50)),
    st.builds(wire.Port, st.integers(0, 65535)),
    st.builds(wire.Extended, st.integers(0, 255), st.binary(max_size=50)),
    st.builds(HashRequest, RUNS),
    st.builds(HashReject, RUNS),
    RUNS.map(lambda run: Hashes(run, bytes(32 * (run.length + run.num_uncles)))),
)


def one_by_one(decoded):
    """Runs taken apart: a run is as long as the cut of the stream allows."""
    for message in decoded:
        if isinstance(message, (RequestRun, RejectRun)):
            kind = wire.Request if isinstance(message, RequestRun) else wire.Reject
            for key, length in zip(message.keys, message.lengths, strict=True):
                yield kind(key >> 32, key & 0xFFFFFFFF, length)
        elif isinstance(message, HaveRun):
            yield from map(wire.Have, message.indices)
        else:
            yield message


def feed_in_pieces(stream, cuts):
    decoder = Decoder()
    decoded = []
    start = 0
    for end in (*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)):
        decoded += decoder.feed(stream[start:end])
        start = end
    return decoded, decoder


@given(st.lists(MESSAGES, max_size=30), st.lists(st.integers(0, 10**6), max_size=20))
def test_the_same_messages_come_out_wherever_the_stream_is_cut(messages, cuts):
    stream = b"".join(message.encode() for message in messages)
    decoded, decoder = feed_in_pieces(stream, cuts)
    assert list(one_by_one(decoded)) == messages
    assert not decoder.rest


@given(st.lists(MESSAGES, max_size=5))
def test_the_same_messages_come_out_byte_by_byte(messages):
    stream = b"".join(message.encode() for message in messages)
    decoded, _ = feed_in_pieces(stream, range(len(stream)))
    assert list(one_by_one(decoded)) == messages


@given(st.lists(MESSAGES, min_size=1, max_size=10), st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=3))
def test_an_unfinished_message_keeps_its_bytes(messages, keep, cuts):
    stream = b"".join(message.encode() for message in messages)
    stream = stream[:keep % len(stream)]
    decoded, decoder = feed_in_pieces(stream, cuts)
    again = b"".join(message.encode() for message in one_by_one(decoded)) + decoder.take_rest()
    assert again == stream


@given(st.binary(max_size=400), st.lists(st.integers(0, 10**6), max_size=5))
def test_rubbish_is_a_peer_error_or_harmless(stream, cuts):
    try:
        feed_in_pieces(stream, cuts)
    except PeerError as error:
        assert error.code.startswith("wire.")


@given(st.lists(MESSAGES, min_size=1, max_size=5), st.integers(0, 10**6), st.integers(0, 255))
def test_a_flipped_byte_is_a_peer_error_or_another_stream(messages, at, value):
    stream = bytearray(b"".join(message.encode() for message in messages))
    stream[at % len(stream)] = value
    try:
        feed_in_pieces(bytes(stream), [])
    except PeerError as error:
        assert error.code.startswith("wire.")
