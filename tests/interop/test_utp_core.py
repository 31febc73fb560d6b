"""Streams of ours against libtorrent that speaks uTP only: it seeds to us, and it leeches from us."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.states import Accepted, Ended
from blobtorrent.protocol.utp.stream import UtpStream
from tests.conftest import require_module

BLOCK = 16 * 1024
SIZE = 8 << 20
PIECE = 256 * 1024
DEADLINE_S = 90.0


class Driver:
    """A UDP socket and a node on it."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.node = UtpNode(SystemRandom(), may_accept=lambda _: True)
        self.accepted: list[UtpStream] = []
        self.ended: list[str | None] = []

    def step(self) -> None:
        """Take what came, or wait a moment for it; send what is to be sent."""
        self.flush()
        due = self.node.next_due
        wait_s = 0.05 if due is None else min(0.05, max(0.0, due - time.monotonic()))
        if select.select([self.sock], [], [], wait_s)[0]:
            now = time.monotonic()
            for _ in range(64):
                try:
                    data, address = self.sock.recvfrom(65536)
                except BlockingIOError:
                    break
                self.node.receive(data, Endpoint(*address), now)
        self.node.tick(time.monotonic())
        for event in self.node.take_events():
            if isinstance(event, Accepted):
                self.accepted.append(event.stream)
            elif isinstance(event, Ended):
                self.ended.append(event.reason)
        self.flush()

    def flush(self) -> None:
        for to, packets, _ in self.node.take_outgoing(time.monotonic()):
            for packet in packets:
                try:
                    self.sock.sendto(packet, to)
                except BlockingIOError:
                    pass               # lost, as on any path

    def exchange(self, stream: UtpStream, data: bytes) -> None:
        rest = memoryview(data)
        deadline = time.monotonic() + DEADLINE_S
        while rest:
            assert time.monotonic() < deadline and not self.ended, self.ended
            rest = rest[stream.write(rest):]
            if rest:
                self.step()

    def read(self, stream: UtpStream, buffer: bytearray, size: int) -> bytes:
        """The next `size` bytes of the stream; what came beyond stays in the buffer."""
        deadline = time.monotonic() + DEADLINE_S
        while len(buffer) < size:
            assert time.monotonic() < deadline and not self.ended and not stream.is_eof, self.ended
            payloads = stream.read(1 << 20)
            for payload in payloads:
                buffer += payload
            if not payloads:
                self.step()
        data = bytes(buffer[:size])
        del buffer[:size]
        return data

    def message(self, stream: UtpStream, buffer: bytearray) -> bytes:
        length = int.from_bytes(self.read(stream, buffer, 4), "big")
        return self.read(stream, buffer, length)


def message(kind: int, *numbers: int) -> bytes:
    body = bytes([kind]) + b"".join(number.to_bytes(4, "big") for number in numbers)
    return len(body).to_bytes(4, "big") + body


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.sock.close()


@pytest.fixture
def lt() -> Any:
    return require_module("libtorrent")


@pytest.fixture
def session(lt: Any) -> Iterator[Any]:
    session = lt.session({
        "listen_interfaces": "127.0.0.1:0", "enable_outgoing_tcp": False, "enable_incoming_tcp": False,
        "enable_outgoing_utp": True, "enable_incoming_utp": True, "enable_dht": False, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, "allow_multiple_connections_per_ip": True,
        "out_enc_policy": int(lt.enc_policy.disabled), "in_enc_policy": int(lt.enc_policy.disabled),
    })
    yield session
    session.pause()


@pytest.fixture
def content() -> bytes:
    return Random(5).randbytes(SIZE)


def torrent(lt: Any, folder: Path, content: bytes) -> Any:
    (folder / "one.bin").write_bytes(content)
    files = lt.file_storage()
    lt.add_files(files, str(folder / "one.bin"))
    made = lt.create_torrent(files, PIECE, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(folder))
    return lt.torrent_info(lt.bdecode(lt.bencode(made.generate())))


def greeting(info_hash: bytes) -> bytes:
    return b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-XX0001-" + b"x" * 12


def until(is_so: Callable[[], bool], step: Callable[[], None] = lambda: time.sleep(0.05)) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        step()


def was_heard(stream: UtpStream) -> bool:
    return stream.stats.received_bytes > 0 or stream.is_eof


def greeted(driver: Driver, to: Endpoint, data: bytes) -> UtpStream:
    """A stream on which this was answered. libtorrent sends peers away as long as it looks at the files."""
    while True:
        stream = driver.node.connect(to, time.monotonic())
        driver.exchange(stream, data)
        until(partial(was_heard, stream), driver.step)
        if stream.stats.received_bytes:
            return stream
        stream.close(time.monotonic())
        until(lambda: bool(driver.ended), driver.step)
        driver.ended.clear()
        time.sleep(0.2)


def test_it_seeds_to_us(driver, lt, session, content, tmp_path):
    info = torrent(lt, tmp_path, content)
    handle = session.add_torrent({"ti": info, "save_path": str(tmp_path), "flags": lt.torrent_flags.seed_mode})
    until(lambda: handle.status().is_seeding)
    info_hash, buffer = info.info_hash().to_bytes(), bytearray()
    stream = greeted(driver, Endpoint("127.0.0.1", session.listen_port()), greeting(info_hash) + message(2))
    assert driver.read(stream, buffer, 68)[28:48] == info_hash
    while driver.message(stream, buffer)[:1] != b"\x01":
        pass                           # until unchoked
    begun = time.monotonic()
    got, asked = bytearray(SIZE), 0
    missing = SIZE // BLOCK
    while missing:
        while asked < SIZE and asked // BLOCK - (SIZE // BLOCK - missing) < 64:
            driver.exchange(stream, message(6, asked // PIECE, asked % PIECE, BLOCK))
            asked += BLOCK
        one = driver.message(stream, buffer)
        if one[:1] == b"\x07":
            at = int.from_bytes(one[1:5], "big") * PIECE + int.from_bytes(one[5:9], "big")
            got[at:at + BLOCK] = one[9:]
            missing -= 1
    assert got == content
    print(f"{SIZE / (time.monotonic() - begun) / 1e6:.0f} MB/s, {stream.stats}")
    stream.close(time.monotonic())
    until(lambda: bool(driver.ended), driver.step)
    assert driver.ended == [None]


def test_it_leeches_from_us(driver, lt, session, content, tmp_path):
    (tmp_path / "seed").mkdir()
    (tmp_path / "leech").mkdir()
    info = torrent(lt, tmp_path / "seed", content)
    handle = session.add_torrent({"ti": info, "save_path": str(tmp_path / "leech")})
    handle.connect_peer(("127.0.0.1", driver.port))
    until(lambda: bool(driver.accepted), driver.step)
    (stream,) = driver.accepted
    info_hash, buffer = info.info_hash().to_bytes(), bytearray()
    assert driver.read(stream, buffer, 68)[28:48] == info_hash
    pieces = SIZE // PIECE
    field = bytes([5]) + b"\xff" * (pieces // 8)
    driver.exchange(stream, greeting(info_hash) + len(field).to_bytes(4, "big") + field + message(1))
    begun = time.monotonic()
    served = 0
    while served < SIZE:
        one = driver.message(stream, buffer)
        if one[:1] == b"\x06":
            piece, begin, length = (int.from_bytes(one[at:at + 4], "big") for at in (1, 5, 9))
            body = b"\x07" + one[1:9] + content[piece * PIECE + begin:piece * PIECE + begin + length]
            driver.exchange(stream, len(body).to_bytes(4, "big") + body)
            served += length
    until(lambda: handle.status().is_seeding, driver.step)
    print(f"{SIZE / (time.monotonic() - begun) / 1e6:.0f} MB/s, {stream.stats}")
    assert (tmp_path / "leech" / "one.bin").read_bytes() == content
