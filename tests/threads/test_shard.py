"""A shard with its two threads and real sockets: order, tokens, back-pressure and the one way to close."""

from __future__ import annotations

import queue
import socket
import threading
import time
from itertools import pairwise

import pytest

from blobtorrent.network.receiver import SCATTER_UNITS
from blobtorrent.network.sealed import MIN_CHUNK_BYTES
from blobtorrent.network.sender import MAX_QUEUED_BYTES, LinkBroken, LinkClosed, Sent
from blobtorrent.network.shard import Shard
from blobtorrent.protocol.mse.cipher import rc4
from blobtorrent.protocol.mse.handshake import Method, Obfuscation
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.shape import BLOCK, FULL_LENGTH, HEADER, PIECE_ID, Intake
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from tests.support.shaped import AskingSink

ANSWER_S = 10.0


class TestLink(AskingSink):
    """One link whose messages and end are told to the test."""

    __test__ = False

    def __init__(self, pool, asked, told):
        super().__init__(pool, asked)
        self.told = told
        self.lost = None

    def on_messages(self, messages):
        super().on_messages(messages)
        self.told.put(("said", list(messages)))

    def on_lost(self, error):
        self.lost = error
        self.told.put(("lost", error))


class Handler:
    """Runs what the test posts on the receive thread, and passes on what the send thread tells."""

    def __init__(self, shard):
        self.shard = shard
        self.told = queue.Queue()
        self.outgoing = []
        self.stopped = threading.Event()

    def on_message(self, message, now):
        if callable(message):
            message()
        else:
            self.told.put(message)

    def on_pass(self, now):
        batches, self.outgoing = self.outgoing, []
        self.shard.end_pass(batches)

    def on_stop(self):
        self.stopped.set()


class Bench:
    def __init__(self):
        self.arena = Arena(256 * SLOT_SIZE, scratch_slots=SCATTER_UNITS)
        self.shard = Shard(0, self.arena)
        self.handler = Handler(self.shard)
        self.shard.start(self.handler)
        self.peers = []

    def run(self, call):
        """Call it on the receive thread, in a pass of its own; returns the result."""
        done = queue.Queue()
        self.shard.mailbox.post(lambda: done.put(call()))
        return done.get(timeout=ANSWER_S)

    def connect(self, asked=None, *, small=False, obfuscation=None):
        """A link (or None to read nothing), its number and the peer's end of it."""
        ours, theirs = socket.socketpair()
        self.peers.append(theirs)
        if small:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        ours.setblocking(False)
        theirs.settimeout(ANSWER_S)
        link = TestLink(self.arena, asked or {}, self.handler.told)
        link.intake = Intake(link, Decoder(), self.shard.scatter)

        def open_link():
            number = self.shard.open_link(ours, obfuscation)
            self.shard.attach(number, link)
            return number

        return link, self.run(open_link), theirs

    def send(self, *batches):
        """(link, buffers, token), all in one pass."""
        sized = [(link, list(buffers), sum(map(len, buffers)), token) for link, buffers, token in batches]
        self.run(lambda: self.handler.outgoing.extend(sized))

    def next(self, kind=object):
        """What comes next of this kind."""
        while True:
            told = self.handler.told.get(timeout=ANSWER_S)
            if isinstance(told, kind):
                return told

    def tokens(self, count):
        found = []
        while len(found) < count:
            found += self.next(Sent).done
        return found


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    assert bench.shard.stop(ANSWER_S)
    assert bench.handler.stopped.is_set()
    for peer in bench.peers:
        peer.close()


def read_exactly(sock, count):
    data = bytearray()
    while len(data) < count:
        part = sock.recv(1 << 16)
        assert part, "closed too early"
        data += part
    return bytes(data)


def test_batches_of_many_passes_arrive_in_order_and_every_token_once(bench):
    _, number, peer = bench.connect()
    expected = b""
    for token in range(50):
        parts = [bytes([token]) * (token * 37 + 1), b"end"]
        bench.send((number, parts, token), (number, [b"small"], None))
        expected += b"".join(parts) + b"small"
    assert read_exactly(peer, len(expected)) == expected
    assert bench.tokens(50) == [(number, token) for token in range(50)]


def test_what_a_slow_peer_does_not_take_waits_and_is_sent_whole(bench):
    _, number, peer = bench.connect(small=True)
    data = [bytes([n % 251]) * 100_000 for n in range(40)]
    bench.send(*[(number, [part], token) for token, part in enumerate(data)])
    time.sleep(0.1)                                        # the socket is full by now
    assert bench.handler.told.qsize() <= 1
    assert read_exactly(peer, 4_000_000) == b"".join(data)
    assert sorted(bench.tokens(40)) == [(number, token) for token in range(40)]


def test_one_peer_that_reads_nothing_does_not_hold_up_another(bench):
    _, stuck, _ = bench.connect(small=True)
    _, free, peer = bench.connect()
    bench.send((stuck, [bytes(3 << 20)], "stuck"), (free, [b"hello"], "free"))
    assert read_exactly(peer, 5) == b"hello"
    assert bench.tokens(1) == [(free, "free")]


def test_a_link_with_too_much_queued_is_broken_and_its_tokens_come_with_the_close(bench):
    _, number, _ = bench.connect(small=True)
    bench.send((number, [bytes(MAX_QUEUED_BYTES)], 1), (number, [bytes(1 << 20)], 2))
    broken = bench.next(LinkBroken)
    assert (broken.link, broken.code) == (number, "net.peer-reads-nothing")
    bench.send((number, [b"too late"], 3))
    bench.run(lambda: bench.shard.close_link(number))
    closed = bench.next(LinkClosed)
    assert (closed.link, closed.tokens) == (number, [1, 2, 3])


def test_so_is_one_whose_peer_reads_nothing_while_more_is_queued(bench):
    _, number, _ = bench.connect(small=True)
    for token in range(20):
        bench.send((number, [bytes(1 << 20)], token))
    broken = bench.next(LinkBroken)
    assert (broken.link, broken.code) == (number, "net.peer-reads-nothing")


def test_of_a_batch_that_is_cut_off_what_the_peer_can_read_is_told(bench):
    _, number, peer = bench.connect(small=True)
    bench.send((number, [b"small"], None), (number, [bytes(1000)] * 3000, "cut"), (number, [b"never"], "behind"))
    bench.run(lambda: bench.shard.close_link(number))
    closed = bench.next(LinkClosed)
    assert closed.tokens == ["cut", "behind"]
    received = 0
    while part := peer.recv(1 << 16):
        received += len(part)
    assert 0 < closed.sent_bytes == received - len(b"small") < 3_000_000


def test_buffers_of_the_pass_that_closes_a_link_go_out_before_it_closes(bench):
    _, number, peer = bench.connect()

    def last_words():
        bench.shard.close_link(number)
        bench.handler.outgoing.append((number, [b"bye"], 3, "token"))

    bench.run(last_words)
    assert peer.recv(10) == b"bye"
    assert peer.recv(10) == b""
    first, second = bench.next((Sent, LinkClosed)), bench.next((Sent, LinkClosed))
    assert first.done == [(number, "token")], "told while the link's number still means something"
    assert (second.link, second.tokens) == (number, [])


def test_a_peer_that_is_gone_breaks_the_link_and_no_token_is_lost(bench):
    link, number, peer = bench.connect()
    peer.close()
    assert bench.next(tuple)[0] == "lost"
    assert link.lost.code == "net.closed"
    bench.run(lambda: bench.shard.close_link(number))
    assert bench.next(LinkClosed).link == number


def test_sending_to_a_peer_that_is_gone_is_told_as_a_broken_link(bench):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    number = bench.run(lambda: bench.shard.open_link(ours))            # nobody reads: only the send thread sees it
    theirs.close()
    bench.send((number, [b"x"], 7))
    broken = bench.next(LinkBroken)
    assert (broken.link, broken.code) == (number, "net.reset")


def test_blocks_and_messages_come_through_as_the_peer_sent_them(bench):
    keys = [index << 32 for index in range(20)]
    link, _, peer = bench.connect(dict.fromkeys(keys, BLOCK))
    payload = {key: bytes([key >> 32]) * BLOCK for key in keys}
    assert bench.arena.reserve(len(keys))
    stream = b"".join(wire.Piece(key >> 32, 0, payload[key]).encode() + wire.Have(key >> 32).encode() for key in keys)
    peer.sendall(stream)
    heard = []
    while len(heard) < len(keys):
        told = bench.next(tuple)
        heard += [index for run in told[1] if not isinstance(run, wire.Piece) for index in run.indices]
    assert heard == list(range(20))
    assert bench.run(lambda: link.blocks) == payload


def test_a_choke_that_comes_alone_is_heard_although_blocks_are_expected(bench):
    link, _, peer = bench.connect({0: BLOCK})
    peer.sendall(wire.Choke().encode())
    assert bench.next(tuple) == ("said", [wire.Choke()])


def test_a_peer_that_breaks_the_rules_is_told_as_lost(bench):
    link, _, peer = bench.connect()
    peer.sendall(b"\xff" * 20)
    assert bench.next(tuple)[0] == "lost"
    assert link.lost.code == "wire.too-long"


def test_stopping_closes_every_socket():
    bench = Bench()
    _, _, peer = bench.connect()
    assert bench.shard.stop(ANSWER_S)
    assert peer.recv(1) == b""
    peer.close()


# ---- encrypted links

INCOMING, OUTGOING = b"i" * 20, b"o" * 20


def encrypted():
    return Obfuscation(Method.RC4, rc4(INCOMING), rc4(OUTGOING))


def test_what_an_encrypted_peer_sends_is_deciphered_once_in_shape_and_out_of_it(bench):
    blocks = {(3 << 32 | n * BLOCK): bytes([n]) * BLOCK for n in range(20)}
    last = (4 << 32, b"short" * 20)
    link, _, peer = bench.connect({**dict.fromkeys(blocks, BLOCK), last[0]: 100}, obfuscation=encrypted())
    stream = b"".join(HEADER.pack(FULL_LENGTH, PIECE_ID, key) + data for key, data in blocks.items())
    stream += wire.Have(7).encode() + HEADER.pack(109, PIECE_ID, last[0]) + last[1] + wire.Unchoke().encode()
    sealed = rc4(INCOMING).update(stream)
    cuts = [*range(0, 40_000, 777), 40_000, 40_001, 100_000, len(sealed)]      # as it comes from a network
    for start, end in pairwise(cuts):
        peer.sendall(sealed[start:end])
    said = []
    while wire.Unchoke() not in said:
        kind, what = bench.next(tuple)
        assert kind == "said"
        said += what
    assert bench.run(lambda: link.blocks) == {**blocks, last[0]: last[1]}
    assert said[0].indices == [7]


def test_what_an_encrypted_peer_is_sent_is_enciphered_once_and_what_it_was_made_of_stays(bench):
    _, number, peer = bench.connect(obfuscation=encrypted())
    shared = memoryview(bytearray(b"cached span" * 30_000))
    before = bytes(shared)
    expected = b""
    for token in range(20):
        parts = [b"head", shared, bytes([token]) * (token * 37 + 1)]
        bench.send((number, parts, token), (number, [b"small"], None))
        expected += b"".join(parts) + b"small"
    assert read_exactly(peer, len(expected)) == rc4(OUTGOING).update(expected)
    assert bench.tokens(20) == [(number, token) for token in range(20)]
    assert shared == before


def test_what_a_slow_encrypted_peer_does_not_take_is_sent_later_and_not_enciphered_again(bench):
    _, number, peer = bench.connect(small=True, obfuscation=encrypted())
    data = [bytes([n % 251]) * 100_000 for n in range(40)]
    bench.send(*[(number, [part], token) for token, part in enumerate(data)])
    time.sleep(0.1)                                        # the socket is full by now
    received = bytearray()
    while len(received) < 4_000_000:                       # in dribs, so that sends are cut in many places
        received += peer.recv(7_001)
    assert bytes(received) == rc4(OUTGOING).update(b"".join(data))
    assert sorted(bench.tokens(40)) == [(number, token) for token in range(40)]
    half = bench.shard._sender._halves[number]
    assert not half.sock._ready and half.sock._chunk_bytes >= MIN_CHUNK_BYTES


def test_of_an_encrypted_batch_that_is_cut_off_what_the_peer_can_read_is_told(bench):
    _, number, peer = bench.connect(small=True, obfuscation=encrypted())
    bench.send((number, [bytes(1000)] * 3000, "cut"), (number, [b"never"], "behind"))
    bench.run(lambda: bench.shard.close_link(number))
    closed = bench.next(LinkClosed)
    assert closed.tokens == ["cut", "behind"]
    received = b""
    while part := peer.recv(1 << 16):
        received += part
    assert received == rc4(OUTGOING).update(bytes(closed.sent_bytes))


def test_a_plain_stream_behind_an_encrypted_handshake_is_left_alone(bench):
    link, number, peer = bench.connect(obfuscation=Obfuscation(Method.PLAINTEXT, None, None))
    peer.sendall(wire.Have(7).encode())
    assert bench.next(tuple)[1][0].indices == [7]
    bench.send((number, [b"plain"], None))
    assert read_exactly(peer, 5) == b"plain"
