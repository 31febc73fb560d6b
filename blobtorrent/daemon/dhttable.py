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
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import State, Worker

log = get_logger(__name__)

NAME = "dht"
MAX_BYTES = 64 << 10
FINISH_S = 1.0


def build_dht(
    udp: UdpLoop, resolve: Callable[[ResolveHost], None], settings: DhtSettings, state: Path | None
) -> DhtDriver:
    """`state` is the state directory, None for a table that ends with the process."""
    if state is None:
        return _driver(udp, resolve, settings, b"", lambda data: None)
    path = state / NAME
    writer = TableWriter(path)
    driver = _driver(udp, resolve, settings, read_table(path), writer.write)
    udp.at_stop(writer.finish)         # after the driver's own last word
    return driver


def _driver(
    udp: UdpLoop, resolve: Callable[[ResolveHost], None], settings: DhtSettings, kept: bytes,
    keep: Callable[[bytes], None],
) -> DhtDriver:
    return DhtDriver(
        udp, resolve, bootstrap=settings.bootstrap, routers=PUBLIC_ROUTERS, is_read_only=settings.read_only,
        kept=kept, keep=keep)


class TableWriter:
    """Writes the table on a thread of its own, `dht-table`: the disk may be slow, and `udp` has others to serve."""

    def __init__(self, path: Path) -> None:
        self._worker: Worker[bytes] = Worker("dht-table", Mailbox("dht-table"), lambda data: write_table(path, data))

    def write(self, data: bytes) -> None:
        if self._worker.state is State.NEW:
            self._worker.start()
        if not self._worker.mailbox.depth:                 # else the disk hangs: there will be newer ones
            self._worker.mailbox.post(data)

    def finish(self) -> None:
        """Wait for the disk, but not for long: without the table other nodes are asked."""
        if not self._worker.stop(FINISH_S):
            log.warning("the table of the DHT was not kept in time")


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
