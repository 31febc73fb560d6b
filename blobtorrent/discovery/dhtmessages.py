"""What is asked of the DHT on the thread `udp`, and what it answers."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.discovery.messages import HostResolved
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.dht.items import Item
from blobtorrent.runtime.mailbox import Mailbox


class FindPeers(NamedTuple):
    """Look for peers of one swarm of a torrent, and announce us there to nodes of each family with a port.

    Answered by any number of DhtPeers and, unless ForgetPeers or the same order for a later round comes before the
    end, by one DhtSearched.
    """

    info_hash: InfoHash
    wire_hash: bytes                   # 20 bytes
    round: int                         # whatever the asker counts by
    port: int                          # where peers reach us by IPv4; 0 for nowhere
    port_ipv6: int
    is_seed: bool
    is_urgent: bool                    # before others that wait
    reply_to: Mailbox[Any]


class ForgetPeers(NamedTuple):
    """A torrent was stopped, is gone or turned out private: look for its peers no more, and announce it no more.

    Searches that wait or are under way end at once, without an answer.
    """

    info_hash: InfoHash


class DhtPeers(NamedTuple):
    """Some peers that were found."""

    info_hash: InfoHash
    endpoints: tuple[Endpoint, ...]


class DhtSearched(NamedTuple):
    """The search has ended, in both families: `nodes` answered, named so many `peers`, and so many took our announce.
    """

    info_hash: InfoHash
    wire_hash: bytes
    round: int
    nodes: int
    peers: int
    announced: int


class DhtAddress(NamedTuple):
    """Nodes at these addresses see us at `host`. Told to who wanted peers last."""

    host: str
    voters: tuple[str, ...]            # one of each provider, with zeros where addresses of it differ


class GetItem(NamedTuple):
    """Look for a stored item (BEP 44). Answered by ItemFound, for each family one."""

    target: bytes
    salt: bytes
    reply_to: Mailbox[Any]


class PutItem(NamedTuple):
    """Store an item; `cas` is the sequence number that it shall replace. Answered by ItemStored, for each family one.
    """

    item: Item
    cas: int | None
    reply_to: Mailbox[Any]


class ItemFound(NamedTuple):
    target: bytes
    item: Item | None


class ItemStored(NamedTuple):
    """So many nodes took it."""

    target: bytes
    nodes: int


class TryNode(NamedTuple):
    """A peer says that it is a node, too (BEP 5: port)."""

    endpoint: Endpoint


class BootstrapResolved(NamedTuple):
    """The addresses of a node to begin with."""

    answer: HostResolved
