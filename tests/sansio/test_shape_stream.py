"""Property of the shape reader: it takes in what the general decoder alone would, and keeps count of its slots."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.shape import BLOCK
from tests.sansio.test_wire_stream import one_by_one
from tests.support.shaped import Reader, random_limits

ODD = 777
OTHERS = st.sampled_from([
    wire.KeepAlive(), wire.Choke(), wire.Unchoke(), wire.Have(5), wire.Request(1, 0, BLOCK),
    wire.Extended(3, b"x" * 40), wire.BitfieldMessage(bytes(300)), wire.Piece(99, 0, bytes(BLOCK)),
    wire.Piece(99, BLOCK, b"short"), wire.Piece(98, 0, bytes(2 * BLOCK)),
])


@given(st.integers(0, 12), st.booleans(), st.lists(OTHERS, max_size=8), st.integers(0, 2**32))
def test_the_shape_reader_takes_in_what_the_decoder_would(blocks, has_odd, others, seed):
    rng = random.Random(seed)
    keys = [(rng.randrange(4) << 32) + (place << 14) for place in range(blocks)]
    sizes = dict.fromkeys(keys, BLOCK) | ({7 << 32: ODD} if has_odd else {})
    messages = [wire.Piece(key >> 32, key & 0xFFFFFFFF, rng.randbytes(size)) for key, size in sizes.items()] + others
    rng.shuffle(messages)
    stream = b"".join(message.encode() for message in messages)

    plain = list(one_by_one(Decoder().feed(stream)))
    reader = Reader(sizes)
    reader.receive_all(stream, random_limits(rng))

    wanted = {message.index << 32 | message.begin: message.payload for message in plain
              if isinstance(message, wire.Piece) and message.index < 98}
    unwanted = [message.index << 32 | message.begin if isinstance(message, wire.Piece) else message
                for message in plain if not (isinstance(message, wire.Piece) and message.index < 98)]
    assert reader.sink.blocks == wanted
    said = [message for entry in reader.sink.said
            for message in ([entry] if isinstance(entry, int) else one_by_one([entry]))]
    assert said == unwanted
    assert reader.intake.in_shape
    reader.check_slots()
