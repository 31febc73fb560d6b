"""The programs that every transfer test runs against, each with what it needs: tools, addresses, a namespace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.payload import Sample
from tests.support.peers.aria2 import Aria2Peer
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import LOOPBACK, Client, Job, Role, Wire
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.namespace import NetworkNamespace
from tests.support.peers.rtorrent import RtorrentPeer
from tests.support.peers.transmission import TransmissionPeer
from tests.support.tools import require_module, require_tool

OUR_ADDRESS, THEIR_ADDRESS = "10.77.0.1", "10.77.0.2"
CLIENTS = ("libtorrent", "transmission", "aria2", "rtorrent")
SLOWEST_S = 90.0                       # Transmission lets tens of seconds pass before it announces or unchokes


@dataclass(frozen=True)
class Meeting:
    """Where one of the programs and ours can reach each other."""

    client: str
    ours: str = LOOPBACK
    theirs: str = LOOPBACK
    namespace: NetworkNamespace | None = None

    def them(self, role: Role, sample: Sample, folder: Path, peers: tuple[str, ...] = (), wire: Wire = Wire.PLAIN,
             ) -> Client:
        job = Job(role, sample.torrent, folder, sample.info_hash, peers=peers, address=self.theirs, prefix=self._prefix,
                  wire=wire)
        if self.client == "transmission":
            assert self.namespace is not None
            return TransmissionPeer(job, self.namespace)
        if self.client == "aria2":
            return Aria2Peer(job)
        return RtorrentPeer(job) if self.client == "rtorrent" else LibtorrentPeer(job)

    def us(self, role: Role, sample: Sample, folder: Path, peers: tuple[str, ...] = (), options: Sequence[str] = (),
           ) -> BlobTorrentGet:
        return BlobTorrentGet(Job(role, sample.torrent, folder, sample.info_hash, peers=peers, address=self.ours,
                                  prefix=self._prefix), options=options)

    @property
    def _prefix(self) -> tuple[str, ...]:
        return self.namespace.prefix if self.namespace else ()


@contextmanager
def meet(client: str) -> Iterator[Meeting]:
    """Skip when the program is missing; make the namespace that Transmission needs, since it refuses peers on 127/8."""
    if client == "libtorrent":
        require_module("libtorrent")
    else:
        require_tool({"transmission": "transmission-daemon", "aria2": "aria2c", "rtorrent": "rtorrent"}[client])
    if client != "transmission":
        yield Meeting(client)
        return
    with namespace() as own:
        yield Meeting(client, OUR_ADDRESS, THEIR_ADDRESS, own)


@contextmanager
def namespace() -> Iterator[NetworkNamespace]:
    """A network namespace with both addresses; skips where one may not be made."""
    require_tool("unshare")
    require_tool("ip")
    made = NetworkNamespace(OUR_ADDRESS, THEIR_ADDRESS)
    try:
        made.__enter__()
    except PermissionError as error:
        pytest.skip(str(error))
    try:
        yield made
    finally:
        made.__exit__()
