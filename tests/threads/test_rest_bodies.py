"""Bodies that are sent as they come, over the real server: read from slow disks, pushed to slow clients, cut off."""

from __future__ import annotations

import socket

import pytest

from blobtorrent.interface.rest.connection import MIN_BYTES_PER_S, STALL_S, TRANSFER_S
from blobtorrent.interface.rest.http import Response
from blobtorrent.interface.rest.server import PART_BYTES, READERS, WORKERS
from blobtorrent.runtime.clock import FakeClock
from tests.support.bodies import Pushing, Reading, Serving, ask, receive_until, wait_for, wait_full
from tests.support.rest import PATIENCE_S, read_all, request_on


@pytest.fixture
def rig():
    with Serving() as running:
        yield running


# ---- parts


def test_a_body_in_parts_arrives_as_one(rig):
    parts = tuple(bytes([number % 256]) * (number % 5000) for number in range(2000))
    rig.response = Response(200, parts)
    with rig.connect() as sock:
        for _ in range(2):
            answer = request_on(sock, "GET", "/body")
            assert answer.body == b"".join(parts)
            assert answer.headers["content-length"] == str(len(answer.body))


# ---- read as it is sent


def test_a_body_that_is_read_as_it_is_sent_arrives_whole_and_is_closed_on_the_threads_for_that(rig):
    pull = Reading(bytes(range(256)) * 8192)
    rig.response = Response(200, pull)
    with rig.connect() as sock:
        assert request_on(sock, "GET", "/body").body == bytes(range(256)) * 8192
        wait_for(lambda: pull.closed)
        assert request_on(sock, "GET", "/v1/session").status == 200
    assert pull.closed == 1
    assert {name.rpartition("-")[0] for name in pull.threads} == {"body"}


def test_no_more_is_read_than_the_client_takes(rig):
    pull = Reading(bytes(64 << 20))
    rig.response = Response(200, pull)
    with rig.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        ask(sock)
        wait_full(lambda: pull.reads)
        assert pull.reads < 200        # of 640: what the kernel's buffers hold, and not the rest
    wait_for(lambda: pull.closed)


@pytest.mark.parametrize(
    "pull",
    [Reading(bytes(500_000), length=600_000), Reading(bytes(500_000), fails_at=200_000),
     Reading(bytes(500_000), length=450_000)],
)
def test_a_body_that_turns_out_shorter_or_longer_or_unreadable_is_never_passed_off_as_whole(rig, pull):
    rig.response = Response(200, pull)
    with rig.connect() as sock:
        ask(sock)
        head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert f"Content-Length: {pull.length}".encode() in head
    assert len(body) < pull.length
    wait_for(lambda: pull.closed)
    assert pull.closed == 1


def test_what_is_not_sent_is_closed_unread(rig):
    for method, status in (("HEAD", 200), ("GET", 304)):
        pull = Reading(bytes(100))
        rig.response = Response(status, pull)
        assert rig.request(method, "/body").body == b""
        wait_for(lambda pull=pull: pull.closed)
        assert pull.reads == 0


def test_an_empty_body_is_read_by_nobody(rig):
    pull = Reading(b"")
    rig.response = Response(200, pull)
    assert rig.request("GET", "/body").headers["content-length"] == "0"
    wait_for(lambda: pull.closed)
    assert pull.reads == 0


def test_a_client_that_leaves_while_its_body_is_read_costs_no_descriptor(rig):
    pull = Reading(bytes(10 << 20))
    pull.gate.clear()
    rig.response = Response(200, pull)
    with rig.connect() as sock:
        ask(sock)
        wait_for(lambda: pull.reads)
    pull.gate.set()
    wait_for(lambda: pull.closed)
    assert pull.closed == 1


def test_a_disk_that_does_not_answer_keeps_nobody_from_commands_and_snapshots(rig):
    pulls = [Reading(bytes(10)) for _ in range(READERS + 4)]
    waiting = []
    for pull in pulls:
        pull.gate.clear()
        rig.response = Response(200, pull)
        sock = rig.connect()
        ask(sock)
        waiting.append(sock)
        receive_until(sock, b"\r\n\r\n")
    for _ in range(2 * WORKERS):
        assert rig.request("GET", "/v1/session", address="127.0.0.9").status == 200
    for pull in pulls:
        pull.gate.set()
    for sock in waiting:
        assert len(receive_until(sock, bytes(10))) == 10
        sock.close()


def test_a_client_that_takes_nothing_of_a_body_is_left():
    clock = FakeClock()
    with Serving(clock=clock) as rig, rig.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        pull = Reading(bytes(64 << 20))
        rig.response = Response(200, pull)
        ask(sock)
        wait_full(lambda: pull.reads)
        clock.advance(TRANSFER_S + PART_BYTES / MIN_BYTES_PER_S + 1)
        rig.settle()
        wait_for(lambda: pull.closed)


# ---- pushed


@pytest.mark.parametrize(("version", "body"), [("1.1", b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"), ("1.0", b"abcdefg")])
def test_what_is_pushed_is_framed_as_the_client_understands_it(rig, version, body):
    push = Pushing()
    rig.response = Response(200, push, "text/event-stream")
    with rig.connect() as sock:
        ask(sock, version=version)
        wait_for(lambda: push.sink)
        head = receive_until(sock, b"\r\n\r\n")
        assert (b"Transfer-Encoding: chunked" in head) is (version == "1.1")
        assert b"Content-Length" not in head
        for data in (b"abc", b"", b"defg"):
            rig.on_rest(lambda data=data: push.sink.write(data))
        rig.on_rest(push.sink.close)
        assert receive_until(sock, body) == body
        assert push.ended == 1
        rig.on_rest(lambda: push.sink.write(b"late"))
        rig.on_rest(push.sink.close)
        if version == "1.1":
            assert request_on(sock, "GET", "/v1/session").status == 200
        else:
            assert read_all(sock) == b""
    assert push.ended == 1


def test_a_client_that_hangs_up_ends_the_stream_although_nothing_is_sent(rig):
    push = Pushing()
    rig.response = Response(200, push)
    with rig.connect() as sock:
        ask(sock)
        wait_for(lambda: push.sink)
    wait_for(lambda: push.ended)
    assert push.sink.backlog_bytes == 0


def test_a_client_that_speaks_out_of_turn_is_left(rig):
    push = Pushing()
    rig.response = Response(200, push)
    with rig.connect() as sock:
        ask(sock)
        wait_for(lambda: push.sink)
        sock.sendall(b"more")
        assert read_all(sock).endswith(b"\r\n\r\n")
    wait_for(lambda: push.ended)


def test_a_stream_that_is_quiet_lasts_and_one_that_stalls_is_cut():
    clock = FakeClock()
    with Serving(clock=clock) as rig, rig.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        push = Pushing()
        rig.response = Response(200, push)
        ask(sock)
        wait_for(lambda: push.sink)
        clock.advance(100 * STALL_S)
        rig.settle()
        assert not push.ended
        rig.on_rest(lambda: push.sink.write(bytes(32 << 20)))
        wait_full(lambda: push.sink.backlog_bytes)
        assert push.sink.backlog_bytes > 16 << 20
        clock.advance(STALL_S - 1)
        rig.settle()
        assert not push.ended
        clock.advance(2)
        rig.settle()
        assert push.ended == 1


def test_writing_to_a_client_that_is_gone_calls_nobody_back_in_the_middle():
    with Serving() as rig:
        push = Pushing()
        rig.response = Response(200, push)
        sock = rig.connect()
        ask(sock)
        wait_for(lambda: push.sink)
        receive_until(sock, b"\r\n\r\n")

        def write_to_the_dead() -> None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()               # resets the connection: the next write fails
            for _ in range(3):
                push.sink.write(b"data")
                assert not push.ended

        rig.on_rest(write_to_the_dead)
        wait_for(lambda: push.ended)
        assert push.ended == 1


def test_a_push_that_cannot_begin_costs_its_client_only(rig):
    push = Pushing()
    push.begin = lambda sink: 1 / 0
    rig.response = Response(200, push)
    with rig.connect() as sock:
        ask(sock)
        assert read_all(sock).endswith(b"\r\n\r\n")
    assert rig.request("GET", "/v1/session").status == 200


def test_the_end_of_the_server_ends_streams_in_order_and_leaves_readers():
    push, pull = Pushing(), Reading(bytes(64 << 20))
    rig = Serving()
    with rig, rig.connect() as streaming, rig.connect() as reading:
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        rig.response = Response(200, push)
        ask(streaming)
        wait_for(lambda: push.sink)
        rig.response = Response(200, pull)
        ask(reading)
        wait_for(lambda: pull.reads)
        assert rig.server.stop(PATIENCE_S)
        assert read_all(streaming).endswith(b"\r\n\r\n0\r\n\r\n")
        assert (push.ended, pull.closed) == (1, 1)


# ---- what cannot be sent


def test_an_answer_with_a_header_that_cannot_be_sent_is_a_500_and_no_more(rig):
    pull = Reading(bytes(10))
    rig.response = Response(200, pull, headers=(("Location", "/\r\nSet-Cookie: a=b"),))
    answer = rig.request("GET", "/body")
    assert (answer.status, answer.json["code"]) == (500, "bug.request")
    assert "set-cookie" not in answer.headers
    wait_for(lambda: pull.closed)
