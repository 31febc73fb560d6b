"""WayManager: which way traffic takes now, for the status: interface, proxy, datagrams. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.model.status import NetworkStatus
from blobtorrent.network.messages import RelayChanged, WatchRelay, WayChanged

_WAITING, _NONE, _DIRECT = "waiting", "none", "direct"
_DATAGRAMS = {"idle": _WAITING, "open": "relay", "resting": _WAITING, "refused": _NONE}


class WayManager:
    """`tell(status)` is called with every other state."""

    def __init__(self, outlets: Outlets, tell: Callable[[NetworkStatus], None]) -> None:
        self._outlets = outlets
        self._tell = tell
        self._way: WayChanged | None = None
        self._relay = RelayChanged("idle")

    def on_way(self, message: WayChanged) -> None:
        if message.may_relay and self._way is None:
            self._outlets.udp.post(WatchRelay(self._outlets.inbox))
        self._way = message
        self._tell(self._status(message))

    def on_relay(self, message: RelayChanged) -> None:
        self._relay = message
        if self._way is not None:
            self._tell(self._status(self._way))

    def _status(self, way: WayChanged) -> NetworkStatus:
        datagrams, relay = _DIRECT, RelayChanged("")
        if way.may_relay:
            datagrams, relay = _DATAGRAMS[self._relay.state], self._relay
        elif way.is_strict:
            datagrams, relay = _NONE, RelayChanged("", "net.proxy-only", "an HTTP proxy carries no datagrams")
        if datagrams == _NONE and not way.is_strict:
            datagrams = _DIRECT
        return NetworkStatus(way.interface, way.addresses, way.proxy, way.is_strict, way.code, way.detail,
                             datagrams, relay.code, relay.detail)
