"""Bytes arrive, in order and once, whatever the path does to their packets."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobtorrent.protocol.utp.states import Accepted, Connected, Ended, UtpState
from tests.support.utplink import A, B, Link, Party, lossy, perfect


def transfer(link: Link, there: bytes, back: bytes = b"", seconds: float = 600.0) -> tuple[Party, Party]:
    """A connects to B, both write and close; all of it must arrive and both must end well."""
    a, b = link.parties[A], link.parties[B]
    b.closes_at_end = a.closes_at_end = True
    stream = a.node.connect(B, link.now)
    a.send(stream, there, link.now, close=not back)
    link.run(seconds, until=lambda: bool(b.accepted or a.ended(stream)))
    if not b.accepted:                 # even a SYN may be lost three times
        assert a.ended(stream) == ["no answer"]
        return transfer(link, there, back, seconds)
    (other,) = b.accepted
    if back:
        b.send(other, back, link.now)
        link.run(seconds, until=lambda: len(b.received.get(other, b"")) == len(there)
                 and len(a.received.get(stream, b"")) == len(back))
        stream.close(link.now)
    link.run(seconds, until=lambda: bool(a.ended(stream) and b.ended(other)))
    assert bytes(b.received.get(other, b"")) == there
    assert bytes(a.received.get(stream, b"")) == back
    assert (a.ended(stream), b.ended(other)) == ([None], [None])
    return a, b


def parties(seed: int = 1, **options: int) -> tuple[Party, Party]:
    return Party(A, seed, **options), Party(B, seed + 1000, **options)


def test_what_is_written_is_read_and_both_sides_end():
    link = Link(*parties(), perfect)
    a, b = transfer(link, Random(1).randbytes(3_000_000))
    (stream,) = [one.stream for one in a.events if isinstance(one, Connected)]
    assert [type(one) for one in b.events if isinstance(one, Accepted | Ended)] == [Accepted, Ended]
    assert stream.state is UtpState.CLOSED
    assert stream.stats.sent_bytes == 3_000_000 and stream.stats.retransmits == 0
    assert stream.stats.mtu == 1500
    assert 0.019 < stream.stats.rtt_s < 0.05
    link.run(60.0)
    assert (len(a.node), len(b.node)) == (0, 0), "nothing is kept of what is over"
    assert a.node.next_due is None and b.node.next_due is None


def test_both_directions_at_once():
    rng = Random(2)
    transfer(Link(*parties(), perfect), rng.randbytes(2_000_000), rng.randbytes(2_500_000))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_what_gets_lost_is_sent_again(share):
    rng = Random(3)
    a, _ = transfer(Link(*parties(), lossy(share)), rng.randbytes(300_000), rng.randbytes(300_000))
    (stream,) = [one.stream for one in a.events if isinstance(one, Connected)]
    assert stream.stats.retransmits > 0


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 30), loss=st.floats(0, 0.3), doubled=st.floats(0, 0.5), jitter_s=st.floats(0, 0.5),
    there=st.integers(1, 60_000), back=st.integers(0, 60_000),
)
def test_any_order_loss_and_doubling_delivers_the_same_bytes(seed, loss, doubled, jitter_s, there, back):
    rng = Random(seed)
    link = Link(*parties(seed), lossy(loss / 2, jitter_s=jitter_s, doubled=doubled), seed)
    transfer(link, rng.randbytes(there), rng.randbytes(back), seconds=3600.0)
