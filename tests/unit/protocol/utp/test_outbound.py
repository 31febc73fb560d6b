"""Bytes that wait are cut into payloads of any size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.protocol.utp.outbound import Outbound


@given(st.lists(st.binary(max_size=50)), st.integers(1, 70))
def test_what_goes_in_comes_out(chunks, size):
    box = Outbound()
    for chunk in chunks:
        box.add(chunk)
    whole = b"".join(chunks)
    cut = []
    while box.size:
        cut.append(bytes(box.cut(min(size, box.size))))
    assert b"".join(cut) == whole
    assert all(len(one) == size for one in cut[:-1])


def test_a_part_of_a_chunk_is_no_copy():
    data = bytes(1000)
    box = Outbound()
    box.add(data)
    part = box.cut(400)
    assert isinstance(part, memoryview) and part.obj is data
    assert box.size == 600


@given(st.lists(st.binary(max_size=50)), st.integers(1, 70), st.integers(1, 9))
def test_runs_of_payloads_have_the_same_bytes_in_order(chunks, size, most):
    box = Outbound()
    for chunk in chunks:
        box.add(chunk)
    whole = b"".join(chunks)
    cut = []
    while box.size >= size:
        data, count = box.cut_run(size, min(most, box.size // size))
        assert 1 <= count <= most and len(data) == count * size
        cut.append(bytes(data))
    assert box.size == len(whole) % size
    assert b"".join(cut) == whole[:len(whole) - box.size]
