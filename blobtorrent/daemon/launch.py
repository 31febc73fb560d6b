"""Launch: what the process of the daemon was started with."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from blobtorrent.daemon.notify import Notifier
    from blobtorrent.daemon.origin import Origin
    from blobtorrent.daemon.signals import Signals


START_LIMIT_S = 300.0                  # for the service manager to wait for READY: damaged state is rebuilt first


def said_by_the_log(_line: str) -> None:
    """It comes out where our standard error does."""


class RtorrentWords(NamedTuple):
    """What was given of rTorrent's own configuration: `-o` words, and a file."""

    options: tuple[str, ...] = ()
    file: Path | None = None
    is_strict: bool = False            # what fails in them ends the daemon

    @property
    def is_empty(self) -> bool:
        return not self.options and self.file is None


class Launch(NamedTuple):
    origin: Origin
    state: Path
    runtime: Path
    runtime_stays: bool                # when we are killed
    inherited: Mapping[str, list[socket.socket]]
    credentials: Path | None           # a folder of secrets that the service manager has for us
    signals: Signals
    notifier: Notifier
    rtorrent: RtorrentWords = RtorrentWords()
    tell: Callable[[str], None] = said_by_the_log          # a line for whoever started us

    @property
    def lasting_runtime(self) -> Path | None:
        """The runtime directory, if what lies there is there after a kill."""
        return self.runtime if self.runtime_stays else None
