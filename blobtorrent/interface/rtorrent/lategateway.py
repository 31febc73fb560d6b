"""LateGateway: the way to a session that may not be there yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.commands import Command, Reply
from blobtorrent.core.session.gateway import COMMAND_DEADLINE_S, Gateway
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.runtime.board import StatusBoard

if TYPE_CHECKING:
    from blobtorrent.core.session.queries import Query
    from blobtorrent.model.events import Event
    from blobtorrent.runtime.bus import Subscription


class LateGateway:
    """As a Gateway once it was given one. Until then there are no torrents, and what is asked is refused.

    Owned by the interpreter's thread.
    """

    def __init__(self) -> None:
        self._gateway: Gateway | None = None
        self.torrents: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()

    def attach(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.torrents = gateway.torrents

    @property
    def session(self) -> SessionStatus:
        return SessionStatus("starting") if self._gateway is None else self._gateway.session

    def submit(self, command: Command | Query) -> Reply[Any]:
        """As of the Gateway."""
        return self._there().submit(command)

    def ask(self, command: Command | Query, timeout_s: float = COMMAND_DEADLINE_S) -> Any:
        """As of the Gateway."""
        return self._there().ask(command, timeout_s)

    def subscribe(self, accepts: Callable[[Event], bool], size: int) -> Subscription:
        """To the events of the session."""
        return self._there().bus.subscribe(accepts, size)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._there().bus.unsubscribe(subscription)

    def _there(self) -> Gateway:
        """Raises Unavailable."""
        if self._gateway is None:
            raise Unavailable("session.starting", "the daemon is starting: there are no torrents yet")
        return self._gateway
