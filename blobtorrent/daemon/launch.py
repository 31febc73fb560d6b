"""Launch: what the process of the daemon was started with."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from blobtorrent.daemon.notify import Notifier
    from blobtorrent.daemon.origin import Origin
    from blobtorrent.daemon.signals import Signals


START_LIMIT_S = 300.0                  # for the service manager to wait for READY: damaged state is rebuilt first


class Launch(NamedTuple):
    origin: Origin
    state: Path
    runtime: Path
    runtime_stays: bool                # when we are killed
    inherited: Mapping[str, list[socket.socket]]
    credentials: Path | None           # a folder of secrets that the service manager has for us
    signals: Signals
    notifier: Notifier

    @property
    def lasting_runtime(self) -> Path | None:
        """The runtime directory, if what lies there is there after a kill."""
        return self.runtime if self.runtime_stays else None
