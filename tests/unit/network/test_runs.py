"""Datagrams are read by the run, whether or not the kernel made them one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from blobtorrent.network.runs import (
    BYTES_PER_PASS,
    CALLS_PER_PASS,
    MAX_SEGMENTS,
    RunSender,
    join_what_comes,
    receive_runs,
)

Sockets = tuple[socket.socket, socket.socket, socket.socket]


def open_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Who reads, and two who send."""
    made = open_socket(), open_socket(), open_socket()
    join_what_comes(made[0])
    yield made
    for sock in made:
        sock.close()


def test_datagrams_of_one_size_and_sender_are_one_run(sockets: Sockets) -> None:
    reader, one, other = sockets
    to = reader.getsockname()
    for sock, data in ((one, b"aaa"), (one, b"bbb"), (one, b"c"), (one, b"ddd"), (other, b"eee"), (other, b"ffff"),
                       (other, b""), (other, b"g")):
        sock.sendto(data, to)
    a, b = one.getsockname(), other.getsockname()
    assert list(receive_runs(reader)) == [
        (b"aaabbbc", 3, a), (b"ddd", 3, a), (b"eee", 3, b), (b"ffff", 4, b), (b"", 0, b), (b"g", 1, b)]
    assert list(receive_runs(reader)) == []


def test_a_pass_has_an_end(sockets: Sockets) -> None:
    reader, one, _ = sockets
    for _ in range(CALLS_PER_PASS + 10):
        one.sendto(b"x", reader.getsockname())
    sizes = [len(data) for data, _, _ in receive_runs(reader)]
    assert sum(sizes) == CALLS_PER_PASS and max(sizes) == MAX_SEGMENTS
    assert sum(len(data) for data, _, _ in receive_runs(reader)) == 10


def test_what_is_sent_as_a_run_comes_whole(sockets: Sockets) -> None:
    reader, one, _ = sockets
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    datagrams = [(bytes((number,)) * 20, memoryview(bytes((number,)) * 1000)) for number in range(70)] + [(b"h", b"p")]
    sender, parts = RunSender(one), [part for pair in datagrams for part in pair]
    while parts:
        count = sender.send(parts, reader.getsockname())
        assert count <= MAX_SEGMENTS
        del parts[:2 * count]
    got = [data[at:at + size] for data, size, _ in receive_runs(reader) for at in range(0, len(data), size)]
    assert got == [header + bytes(payload) for header, payload in datagrams]


def test_large_ones_leave_time_for_others(sockets: Sockets) -> None:
    reader, one, _ = sockets
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sent = 0
    while sent < 2 * BYTES_PER_PASS:
        one.sendto(bytes(60_000), reader.getsockname())
        sent += 60_000
    sizes = [len(data) for data, _, _ in receive_runs(reader)]
    assert set(sizes) == {60_000}, "large ones are not joined"
    first = sum(sizes)
    assert 0 < first < BYTES_PER_PASS + 60_000
