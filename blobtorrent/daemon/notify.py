"""Notifier: tells the service manager how the daemon is (sd_notify protocol of systemd).

A datagram of `VARIABLE=value` lines goes to the socket that NOTIFY_SOCKET names; without one nothing happens.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

from blobtorrent.model.text import clean

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 1.0                   # a manager that does not read must not hold us up


class Notifier:
    """Owned by the main thread. `watchdog_s` is within which time the manager wants to hear `alive`; 0: never."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        """`address` is a path, or begins with "@" for the abstract namespace; empty: nobody listens."""
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        self._is_lost = False          # the last word did not arrive

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Notifier:
        """What the manager asks for. Its variables are taken out: children are not to speak for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        period_us, for_pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        is_ours = for_pid in ("", str(os.getpid()))
        watchdog_s = int(period_us) / 1e6 if is_ours and period_us.isascii() and period_us.isdigit() else 0.0
        return cls(address if address[:1] in ("/", "@") else "", watchdog_s)

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager at all."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Serving: listeners are open. Also ends a reload."""
        self._send("READY=1", _status(status))

    def reloading(self, now: float) -> None:
        """A reload begins; `now` is monotonic seconds. READY follows also when it fails."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={round(now * 1e6)}", _status("reloading"))

    def stopping(self) -> None:
        self._send("STOPPING=1", _status("stopping"))

    def status(self, text: str) -> None:
        """One line for people who ask the manager."""
        self._send(_status(text))

    def extend(self, seconds: float) -> None:
        """Start or stop goes on: the manager is to wait so long for the next word, even beyond its own limit."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.settimeout(SEND_TIMEOUT_S)
            self._socket.sendto("\n".join(lines).encode(), self._address)
            self._is_lost = False
        except OSError as error:       # no manager is no reason to end; some listen only until we are ready
            if not self._is_lost:
                log.warning("the service manager cannot be told: %s", error)
            self._is_lost = True


def _status(text: str) -> str:
    return f"STATUS={clean(text)}"
