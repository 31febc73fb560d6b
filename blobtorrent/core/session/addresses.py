"""AddressManager: what follows when this machine gets other addresses, or loses some. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.session import Session
from blobtorrent.core.session.ways import WayManager
from blobtorrent.network.messages import (
    AddressesChanged,
    DropLinks,
    RebindUdp,
    RelayChanged,
    WatchAddresses,
    WayChanged,
)


def follow_addresses(outlets: Outlets, session: Session) -> None:
    """Have the session hear of changes from its first moment."""
    manager = AddressManager(outlets, lambda: session.on_addresses())
    ways = WayManager(outlets, session.tell_network)
    session.messages.update({
        AddressesChanged: manager.on_changed, WayChanged: ways.on_way, RelayChanged: ways.on_relay})
    session.at_begin.append(manager.begin)


class AddressManager:
    """Ends what is dead, and has sockets that obey the policy opened anew."""

    def __init__(self, outlets: Outlets, on_addresses: Callable[[], None]) -> None:
        self._outlets = outlets
        self._on_addresses = on_addresses

    def begin(self) -> None:
        self._outlets.door.post(WatchAddresses(self._outlets.inbox))

    def on_changed(self, message: AddressesChanged) -> None:
        if message.lost:
            for shard in self._outlets.shards:
                shard.post(DropLinks(message.lost))
        if message.rebind:
            self._outlets.udp.post(RebindUdp())
        if message.lost or message.rebind:
            self._on_addresses()
