"""libtorrent in this process, seeding or leeching a torrent of zeros, with its counters to be read at any time.

For tests of rates: what moves is counted by the other side.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import bencodepy

from tests.support.peers.client import LOOPBACK
from tests.support.peers.program import wait_until
from tests.support.tools import require_module

LISTEN_TIMEOUT_S = 10.0
BEGIN_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Blank:
    """A torrent whose content is zeros: quickly made however large, and a sparse file on disk."""

    torrent: Path
    folder: Path                       # holds the content complete
    info_hash: bytes


def make_blank(work: Path, name: str, size_bytes: int, piece_length: int) -> Blank:
    """`size_bytes` is a multiple of the piece length."""
    pieces = hashlib.sha1(bytes(piece_length)).digest() * (size_bytes // piece_length)
    info = {"name": name, "length": size_bytes, "piece length": piece_length, "pieces": pieces}
    folder = work / f"{name}.content"
    folder.mkdir(parents=True)
    with (folder / name).open("wb") as file:
        file.truncate(size_bytes)
    torrent = work / f"{name}.torrent"
    torrent.write_bytes(bencodepy.encode({"info": info}))
    return Blank(torrent, folder, hashlib.sha1(bencodepy.encode(info)).digest())


class MeteredPeer:
    """One session with one torrent. A context."""

    def __init__(self, blank: Blank, folder: Path, *, is_seed: bool) -> None:
        lt: Any = require_module("libtorrent")
        self._is_seed = is_seed
        self._session = lt.session({
            "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
            "enable_incoming_utp": False, "enable_outgoing_utp": False, "out_enc_policy": 2, "in_enc_policy": 2,
            "listen_interfaces": f"{LOOPBACK}:0", "allow_multiple_connections_per_ip": True,
            "close_redundant_connections": False, "max_out_request_queue": 2000, "alert_mask": 0,
        }, flags=0)
        wait_until(self._session.listen_port, LISTEN_TIMEOUT_S, "libtorrent listens")
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(str(blank.torrent))
        parameters.save_path = str(folder)
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        if is_seed:
            parameters.flags |= lt.torrent_flags.seed_mode
        self._handle = self._session.add_torrent(parameters)
        self.endpoint = f"{LOOPBACK}:{self._session.listen_port()}"

    def __enter__(self) -> MeteredPeer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._session.pause()

    def limit(self, bytes_per_s: int) -> None:
        """Send no faster from now on."""
        self._handle.set_upload_limit(bytes_per_s)

    def fetch_from(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._handle.connect_peer((host, int(port)))

    def wait_complete(self, timeout_s: float) -> None:
        wait_until(lambda: self._handle.status().is_seeding, timeout_s, "libtorrent has everything")

    @property
    def moved_bytes(self) -> int:
        """Payload that it sent, or a leech received."""
        status = self._handle.status()
        return int(status.total_payload_upload if self._is_seed else status.total_payload_download)


def rates(peers: Sequence[MeteredPeer], seconds: float, settle_s: float) -> list[float]:
    """Bytes a second of each peer over `seconds`, which begin when all have moved some, and `settle_s` after that."""
    wait_until(lambda: all(peer.moved_bytes for peer in peers), BEGIN_TIMEOUT_S, "payload moves")
    time.sleep(settle_s)
    begun_at, before = time.monotonic(), [peer.moved_bytes for peer in peers]
    time.sleep(seconds)
    passed = time.monotonic() - begun_at
    return [(peer.moved_bytes - moved) / passed for peer, moved in zip(peers, before, strict=True)]
