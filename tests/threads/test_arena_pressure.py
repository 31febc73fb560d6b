"""More open pieces than memory, with every real thread: arena, hashers, disk lanes, door and shard over loopback."""

from __future__ import annotations

import queue
import random
import socket
import threading
import time

import pytest

from blobtorrent.core.swarm.host import SwarmHost
from blobtorrent.core.swarm.messages import (
    CloseSwarm,
    OpenSwarm,
    PeersFound,
    PeerSource,
    SwarmClosed,
    SwarmReport,
    SwarmSettings,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.door import Door
from blobtorrent.network.receiver import SCATTER_UNITS
from blobtorrent.network.shard import Shard
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder, RequestRun
from blobtorrent.protocol.wire.greeting import GREETING_BYTES, OUR_RESERVED, Greeting
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.store import Store
from tests.support.stored import StoredTorrent

K = 1024
SLOTS = 64
LIMIT_S = 60.0


class PartialSeed:
    """Has some pieces; sends `limit` blocks, then it is gone."""

    def __init__(self, torrent: StoredTorrent, pieces: range, limit: int) -> None:
        self._torrent = torrent
        self._pieces = pieces
        self._left = limit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT_S)
        self.endpoint = Endpoint(*self._listener.getsockname())
        self.is_gone = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self.is_gone.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)      # wakes the thread if nobody ever dialled
        except OSError:
            pass
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._listener:
                link, _ = self._listener.accept()
            with link:
                self._serve(link)
        except OSError:
            pass                       # the other side ended first
        self.is_gone.set()

    def _serve(self, link: socket.socket) -> None:
        link.settimeout(0.2)
        geometry = self._torrent.geometry
        while len(link.recv(GREETING_BYTES, socket.MSG_PEEK)) < GREETING_BYTES:
            time.sleep(0.01)
        link.recv(GREETING_BYTES)
        own = Greeting(OUR_RESERVED, self._torrent.metainfo.info_hash.v1, PeerId(random.randbytes(20)))
        field = wire.BitfieldMessage(Bitfield(geometry.num_pieces, self._pieces).to_wire())
        link.sendall(own.encode() + field.encode() + wire.Unchoke().encode())
        decoder = Decoder()
        while self._left and not self.is_gone.is_set():
            try:
                data = link.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                return
            for message in decoder.feed(data):
                if isinstance(message, RequestRun):
                    self._answer(link, message)

    def _answer(self, link: socket.socket, run: RequestRun) -> None:
        for key, length in list(zip(run.keys, run.lengths))[:self._left]:
            begin = key & 0xFFFFFFFF
            link.sendall(wire.Piece(key >> 32, begin, self._torrent.piece(key >> 32)[begin:begin + length]).encode())
            self._left -= 1


class Engine:
    """What the daemon assembles, as far as one download needs it."""

    def __init__(self, torrent, root):
        self.torrent = torrent
        self.inbox = Mailbox("core")
        self.arena = Arena(SLOTS * SLOT_SIZE, scratch_slots=SCATTER_UNITS)
        self.disks = DiskPool(self.arena)
        self.hashers = HasherPool(self.arena, self.disks, 2)
        self.door = Door(ANYWHERE, SystemClock())
        self.shard = Shard(0, self.arena)
        host = SwarmHost(
            self.shard, self.arena, self.hashers.post, self.disks.post, self.door.mailbox, random.Random(1))
        self.store = Store(root, torrent.metainfo, FilePool(16))
        self.store.prepare()
        self.hashers.start()
        self.door.start()
        self.shard.start(host)
        self.most_reserved = 0
        self.tell(OpenSwarm(
            torrent.metainfo.info_hash, torrent.metainfo, self.store, Bitfield(torrent.geometry.num_pieces),
            PeerId(random.randbytes(20)), SwarmSettings(snub_timeout_s=3.0), self.inbox,
        ))

    def tell(self, message):
        self.shard.mailbox.post(message)

    def find(self, seeds):
        endpoints = tuple(seed.endpoint for seed in seeds)
        self.tell(PeersFound(self.torrent.metainfo.info_hash, endpoints, PeerSource.STATIC))

    def wait(self, is_true):
        """The first message from the swarm for which it is true."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                message = self.inbox.get(1.0)
            except queue.Empty:
                continue
            self.most_reserved = max(self.most_reserved, self.arena.reserved)
            if is_true(message):
                return message
        raise AssertionError(f"not within {LIMIT_S} s")

    def stop(self):
        assert self.door.stop(10.0)
        assert self.shard.stop(10.0)
        assert self.hashers.stop(10.0)
        assert self.disks.stop(10.0)
        self.store.close()


@pytest.mark.parametrize("blocks", [32, 64])
def test_pieces_abandoned_half_way_are_finished_through_the_part_store(tmp_path, blocks):
    torrent = StoredTorrent([20 * blocks * 16 * K - 7], blocks * 16 * K)
    count = torrent.geometry.num_pieces
    engine = Engine(torrent, tmp_path)
    crowd = [PartialSeed(torrent, range(index, index + 1), 5 + turn) for index in range(count) for turn in range(2)]
    whole = [PartialSeed(torrent, range(count), 1 << 30) for _ in range(2)]
    try:
        engine.find(crowd)
        engine.wait(lambda _: sum(seed.is_gone.is_set() for seed in crowd) >= len(crowd) * 3 // 4)
        assert engine.store.parts.num_blocks, "more blocks came than memory holds"
        engine.find(whole)
        done = engine.wait(lambda message: isinstance(message, SwarmReport) and not message.left_bytes)
        assert done.spoiled_pieces == 0
        engine.tell(CloseSwarm(torrent.metainfo.info_hash, engine.inbox))
        engine.wait(lambda message: isinstance(message, SwarmClosed))
    finally:
        for seed in crowd + whole:
            seed.join()
        engine.stop()
    assert torrent.is_on_disk(tmp_path)
    assert engine.arena.reserved == 0
    assert engine.arena.free == len(engine.arena.views) - len(engine.shard.scatter.slots)
    assert engine.store.parts.num_blocks == 0
    assert engine.most_reserved <= SLOTS
