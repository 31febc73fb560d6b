"""PortManager: opens the listeners one after the other and knows the port that peers are told. Owned by `core`.

Addresses come and go: the door opens again by itself what could not stay open, and tells of it at any time.
"""

from __future__ import annotations

from typing import Any

from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import Reply
from blobtorrent.model.errors import Conflict, NetworkError
from blobtorrent.network.messages import Listen, ListenFailed, Listening
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox

log = get_logger(__name__)

# That there is no listener now is what the settings ask for.
_INTENDED = frozenset(("net.interface-gone", "net.proxy-only"))


class PortManager:
    """One address after the other, so that IPv4 and IPv6 get the same port where that is possible.

    It succeeds when any address could be opened: a machine without IPv6 refuses "::" and is served all the same.
    """

    def __init__(self, inbox: Mailbox[Any]) -> None:
        self._inbox = inbox
        self._waiting: list[ListenSpec] = []
        self.opened: list[tuple[str, int]] = []
        self.external_port = 0         # outside of our router, if it passes another one on to ours
        self._failure: ListenFailed | None = None
        self._asked_host = ""          # whose answer is waited for
        self._reply: Reply[Any] | None = None

    @property
    def port(self) -> int:
        """The port of our own that is open first; 0 while nothing is open."""
        return self.opened[0][1] if self.opened else 0

    @property
    def public_port(self) -> int:
        """What trackers and peers are told; 0 while nothing is open."""
        return self.external_port or self.port if self.opened else 0

    def public_port_of(self, *, is_ipv6: bool) -> int:
        """What peers of one family are told; 0 when they do not reach us. Only IPv4 passes through a mapping."""
        own = next((port for host, port in self.opened if (":" in host) == is_ipv6), 0)
        return own if is_ipv6 or not own else self.external_port or own

    @property
    def is_opening(self) -> bool:
        """Whether some address was not answered for yet."""
        return self._reply is not None

    def open(self, addresses: tuple[ListenSpec, ...], reply: Reply[Any]) -> Listen | None:
        """Begin with the first address; None when there is nothing to open, which is answered at once.

        Raises Conflict ("session.opening") while an earlier wish is under way.
        """
        if self._reply is not None:
            raise Conflict("session.opening", "other listeners are being opened")
        self._waiting = list(addresses)
        self._reply = reply
        return self._advance()

    def on_listening(self, message: Listening) -> Listen | None:
        log.info("listening", host=message.host, port=message.port)
        if self._is_answer(message):
            self.opened.append((message.host, message.port))
            return self._advance()
        self._forget(message.host)
        self.opened.append((message.host, message.port))
        return None

    def on_failed(self, message: ListenFailed) -> Listen | None:
        log.warning("cannot listen", host=message.host, code=message.code, detail=message.detail)
        if not self._is_answer(message):
            self._forget(message.host)
            return None
        if message.code not in _INTENDED:
            self._failure = message
        return self._advance()

    def _is_answer(self, message: Listening | ListenFailed) -> bool:
        """The door tells of listeners that were open before at any time, too."""
        return self._reply is not None and message.host == self._asked_host

    def _forget(self, host: str) -> None:
        self.opened = [(known, port) for known, port in self.opened if known != host]

    def _advance(self) -> Listen | None:
        if self._waiting:
            address = self._waiting.pop(0)
            self._asked_host = address.host
            return Listen(address.host, self._preferred(address.ports), self._inbox)
        if self._reply is not None:
            if self._failure is not None and not self.opened:
                self._reply.give(NetworkError(self._failure.code, self._failure.detail))
            else:
                self._reply.give(tuple(self.opened))
        self._reply = None
        return None

    def _preferred(self, ports: range) -> range:
        """From the port that is open already upwards, if it is one of these; any port becomes that port."""
        if ports == range(1):
            return range(self.port, self.port + 1)
        return range(self.port, ports.stop) if self.port in ports else ports
