"""What the thread `portmap` is asked, and what it answers."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.mailbox import Mailbox


class MapPort(NamedTuple):
    """Have the router pass a port on to us, or go on with it. Answered by PortMapped or PortMapFailed, exactly once."""

    transport: Transport
    port: int
    wished_port: int                   # outside; the router may choose another one
    lifetime_s: int
    reply_to: Mailbox[Any]


class UnmapPort(NamedTuple):
    """Have the router forget what it agreed to for this port, if it did, also to what was asked just before. Not
    answered."""

    transport: Transport
    port: int


class PortMapped(NamedTuple):
    """`way` is "pcp", "nat-pmp" or "upnp"."""

    mapping: Mapping
    way: str


class PortMapFailed(NamedTuple):
    transport: Transport
    port: int
    error: NetworkError
