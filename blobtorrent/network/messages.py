"""What the network threads are told and what they tell. Every message is a batch or rare: none is per block."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import AddressFilter
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.wire.greeting import Greeting
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.protocol.mse.handshake import Obfuscation

# ---- to the door

class Listen(NamedTuple):
    """Accept peers on `host`, on the first free of `ports` (0 = any). Answered by Listening or ListenFailed."""

    host: str
    ports: range
    reply_to: Mailbox[Any]


class Serve(NamedTuple):
    """Greet incoming peers that ask for this torrent; they go to `arrivals` as PeerArrived."""

    info_hash: InfoHash
    peer_id: PeerId
    arrivals: Mailbox[Any]
    has_dht: bool = False              # we offer to name our node of the DHT (BEP 5)


class Withdraw(NamedTuple):
    """Refuse this torrent from now on and drop its half-made connections."""

    info_hash: InfoHash


class Dial(NamedTuple):
    """Connect to a peer and greet it. Answered on `reply_to` by PeerArrived or DialFailed, exactly once."""

    endpoint: Endpoint
    info_hash: InfoHash
    peer_id: PeerId
    reply_to: Mailbox[Any]
    has_dht: bool = False              # as of Serve
    knows_utp: bool = False            # the peer speaks uTP, as far as is known
    only_utp: bool = False             # nothing else reaches it: it opens its NAT for our datagrams now (BEP 55)
    encrypt: bool | None = None        # None: as the door sees fit, which says so itself when it tries again


class UseFilter(NamedTuple):
    """Have nothing to do with peers that this filter refuses, from now on; None: there is no filter any more.

    Shards are told too: they drop the links that it refuses, and dial nobody whom it refuses.
    """

    address_filter: AddressFilter | None


class DropLinks(NamedTuple):
    """For shards: end the links from these addresses of ours. They are ours no more, so nothing comes back."""

    hosts: frozenset[str]


class TunePeers(NamedTuple):
    """Sockets of peers that come or are dialled from now on have these: bytes that the kernel keeps in each direction,
    0 as it sees fit, and the type of service of what is sent (RFC 791, RFC 2474)."""

    send_bytes: int = 0
    receive_bytes: int = 0
    type_of_service: int = 0


class UseEncryption(NamedTuple):
    """Greet peers that come or are dialled from now on in this way: "disabled", "allowed", "preferred", "required"."""

    mode: str


class WatchAddresses(NamedTuple):
    """Tell `reply_to` by AddressesChanged whenever this machine has other addresses; and by WayChanged how the way is
    that the settings prescribe, if they do, now and whenever that changes."""

    reply_to: Mailbox[Any]


# ---- from the door

class AddressesChanged(NamedTuple):
    """`lost` are addresses that are ours no more: what is connected from there is dead. With `rebind` sockets that obey
    the policy have to be opened anew."""

    lost: frozenset[str]
    rebind: bool


class WayChanged(NamedTuple):
    """`interface` and `proxy` are as in the settings, empty where they name none; `addresses` those of the interface,
    none while it is gone. `code` and `detail` tell why the proxy does not do its work, if it does not. `may_relay`:
    whether it is one that could carry datagrams."""

    interface: str
    addresses: tuple[str, ...]
    proxy: str
    is_strict: bool
    may_relay: bool
    code: str = ""
    detail: str = ""


class Listening(NamedTuple):
    """The listener is open; `port` is the real one."""

    host: str
    port: int


class ListenFailed(NamedTuple):
    host: str
    code: str
    detail: str


class PeerArrived(NamedTuple):
    """A greeted peer. The receiver of this message owns `sock` (non-blocking, TCP options set) and must close it.

    `early` holds bytes that came behind the greeting, deciphered. `obfuscation` is what an encrypted handshake agreed
    on; None: the peer greeted in plain.
    """

    info_hash: InfoHash
    sock: socket.socket
    endpoint: Endpoint
    greeting: Greeting
    early: bytes
    is_incoming: bool
    transport: str = "tcp"             # or "utp"; then `sock` is one end of a pair
    obfuscation: "Obfuscation | None" = None


class PeerRefused(NamedTuple):
    """A peer came to us for a torrent that is served, and what the settings say of encryption was against it."""

    info_hash: InfoHash
    endpoint: Endpoint
    code: str
    detail: str


class DialFailed(NamedTuple):
    """`code` is "net.refused", "net.unreachable", "net.timed-out", "net.reset", "net.withdrawn", "net.interface-gone",
    "net.no-transport", "net.only-utp", "proxy.refused", "wire.bad-greeting", "wire.wrong-torrent", "wire.self", or one
    that begins with "encryption."."""

    info_hash: InfoHash
    endpoint: Endpoint
    code: str
    detail: str


# ---- to and from the thread udp

class BindUdp(NamedTuple):
    """Take datagrams on `host`, on this port if it is free, else on any. Answered by UdpBound or UdpBindFailed."""

    host: str
    port: int
    reply_to: Mailbox[Any]


class RebindUdp(NamedTuple):
    """Open all sockets anew: the policy leaves another way than before."""


class WatchRelay(NamedTuple):
    """Tell `reply_to` by RelayChanged how datagrams fare that go through a proxy; now, and whenever that changes."""

    reply_to: Mailbox[Any]


class RelayChanged(NamedTuple):
    """`state` is "idle" (nothing was sent yet), "open", "resting" or "refused"; in the last two with the reason."""

    state: str
    code: str = ""
    detail: str = ""


class UdpBound(NamedTuple):
    """The socket is open; `port` is the real one."""

    host: str
    port: int


class UdpBindFailed(NamedTuple):
    host: str
    code: str
    detail: str
