"""Builds the DHT on the thread `udp`, and keeps its table in a file of the state directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from blobtorrent.config.schema import PUBLIC_ROUTERS, DhtSettings
from blobtorrent.discovery.dht import DhtDriver
from blobtorrent.discovery.messages import ResolveHost
from blobtorrent.network.udp import UdpLoop
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

NAME = "dht"
MAX_BYTES = 64 << 10


def build_dht(
    udp: UdpLoop, resolve: Callable[[ResolveHost], None], settings: DhtSettings, state: Path | None
) -> DhtDriver:
    """`state` is the state directory, None for a table that ends with the process."""
    path = None if state is None else state / NAME
    return DhtDriver(
        udp, resolve, bootstrap=settings.bootstrap, routers=PUBLIC_ROUTERS, is_read_only=settings.read_only,
        kept=b"" if path is None else read_table(path),
        keep=(lambda data: None) if path is None else lambda data: write_table(path, data))


def read_table(path: Path) -> bytes:
    """What was written last; nothing when it cannot be read: then other nodes are asked."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        log.warning("the table of the DHT cannot be read", path=path, reason=error.strerror)
        return b""


def write_table(path: Path, data: bytes) -> None:
    """Replace it. Nobody waits for the disk: what a power cut takes is found again, and what it damages is noticed."""
    temporary = path.with_name(f".{NAME}.tmp")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
        temporary.replace(path)
    except OSError as error:
        log.warning("the table of the DHT cannot be kept", path=path, reason=error.strerror)
