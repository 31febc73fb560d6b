from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from blobtorrent.discovery.connections import MAX_IDLE, MAX_IDLE_PER_PLACE, MAX_IDLE_S, SWEEP_S, Connections, Place
from blobtorrent.runtime.clock import FakeClock

HERE, THERE = Place("http", "a.test", 0, ""), Place("http", "b.test", 0, "")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_an_idle_connection_is_taken_once(pair):
    connections = Connections(FakeClock())
    connections.give(HERE, pair[0])
    assert (connections.take(THERE), connections.take(HERE), connections.take(HERE)) == (None, pair[0], None)
    assert connections.reused == 1


@pytest.mark.parametrize("end", [lambda theirs: theirs.close(), lambda theirs: theirs.send(b"unasked")])
def test_one_that_was_closed_or_spoken_on_is_not_taken(pair, end):
    connections = Connections(FakeClock())
    connections.give(HERE, pair[0])
    end(pair[1])
    assert connections.take(HERE) is None
    assert pair[0].fileno() == -1


def test_what_is_idle_for_long_is_closed_though_none_is_given_any_more(pair):
    clock = FakeClock()
    connections = Connections(clock)
    connections.give(HERE, pair[0])
    clock.advance(MAX_IDLE_S + SWEEP_S)
    assert connections.take(THERE) is None
    assert pair[0].fileno() == -1


def test_a_place_has_few_idle_connections():
    connections = Connections(FakeClock())
    pairs = [socket.socketpair() for _ in range(MAX_IDLE_PER_PLACE + 1)]
    for ours, _ in pairs:
        connections.give(HERE, ours)
    assert [ours.fileno() == -1 for ours, _ in pairs] == [False] * MAX_IDLE_PER_PLACE + [True]
    connections.close()
    assert all(ours.fileno() == -1 for ours, _ in pairs)
    for _, theirs in pairs:
        theirs.close()


def test_all_places_together_have_a_bound():
    connections = Connections(FakeClock())
    pairs = [socket.socketpair() for _ in range(MAX_IDLE + 1)]
    for number, (ours, _) in enumerate(pairs):
        connections.give(HERE._replace(netloc=f"{number // 2}.test"), ours)
    assert [ours.fileno() == -1 for ours, _ in pairs] == [False] * MAX_IDLE + [True]
    connections.close()
    for _, theirs in pairs:
        theirs.close()
