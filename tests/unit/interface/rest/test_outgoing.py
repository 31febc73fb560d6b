"""What is still to be sent, wherever the sending stops."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rest.outgoing import MAX_PARTS, Outgoing


@given(st.lists(st.binary(max_size=20), max_size=30), st.lists(st.integers(1, 30), min_size=1))
def test_all_bytes_leave_in_order_whatever_the_kernel_takes(parts, turns):
    outgoing, sent = Outgoing(), b""
    for part in parts:
        outgoing.put(part)
    number = 0
    while outgoing.size_bytes:
        turn = turns[number % len(turns)]
        offered = outgoing.peek(turn)
        assert 0 < sum(map(len, offered)) <= turn
        taken = b"".join(offered)[:(number * 7) % turn + 1]
        outgoing.drop(len(taken))
        sent += taken
        number += 1
    assert sent == b"".join(parts)
    assert outgoing.peek(10) == []


def test_one_turn_has_a_bounded_number_of_parts():
    outgoing = Outgoing()
    for _ in range(3 * MAX_PARTS):
        outgoing.put(b"a")
    assert len(outgoing.peek(1000)) == MAX_PARTS


def test_what_is_cleared_is_not_sent():
    outgoing = Outgoing()
    outgoing.put(b"abc")
    outgoing.clear()
    assert (outgoing.size_bytes, outgoing.peek(10)) == (0, [])
