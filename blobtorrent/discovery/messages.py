"""What is asked of the discovery threads, and what they answer."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceQuery, AnnounceReply, SwarmCounts
from blobtorrent.runtime.mailbox import Mailbox


class Origin(NamedTuple):
    """From where a tracker is asked: it takes our address from there (BEP 7). `family` is 4, 6, or 0 for whichever
    the tracker has; `host` is one of our addresses, or empty for the one that the system chooses."""

    family: int = 0
    host: str = ""


ANYWHERE = Origin()


class Announce(NamedTuple):
    """Tell a tracker about a torrent. Answered on `reply_to` by AnnounceDone, exactly once.

    http and https go to Outcalls, udp to the thread of that name.
    """

    info_hash: InfoHash
    url: str                           # of the tracker, as the torrent has it
    query: AnnounceQuery
    reply_to: Mailbox[Any]
    timeout_s: float = 20.0            # for everything: connecting, redirects, the answer, names of peers
    origin: Origin = ANYWHERE


class AnnounceDone(NamedTuple):
    """How it went: `reply`, with all peers in `endpoints`, those that were names too; or `error`."""

    info_hash: InfoHash
    url: str
    query: AnnounceQuery
    endpoints: tuple[Endpoint, ...] = ()
    reply: AnnounceReply | None = None
    error: TrackerError | None = None
    origin: Origin = ANYWHERE


class Scrape(NamedTuple):
    """Ask a tracker how many peers some torrents have (BEP 48). Answered by ScrapeDone, exactly once."""

    url: str
    wire_hashes: tuple[bytes, ...]
    reply_to: Mailbox[Any]
    timeout_s: float = 20.0


class ScrapeDone(NamedTuple):
    """`counts` of those torrents that the tracker told of; or `error`."""

    url: str
    wire_hashes: tuple[bytes, ...]
    counts: Mapping[bytes, SwarmCounts] = {}
    error: TrackerError | None = None


class ResolveHost(NamedTuple):
    """Look up a name. Posted to Outcalls; answered by HostResolved, exactly once."""

    host: str
    port: int
    reply_to: Mailbox[Any]


class ResolvePeers(NamedTuple):
    """Look up a name that stands for peers, "HOST:PORT" or that of a service such as "_bittorrent._tcp.fleet.example".
    Posted to Outcalls; answered by PeersResolved, exactly once."""

    name: str
    reply_to: Mailbox[Any]


class PeersResolved(NamedTuple):
    """Where they are, each once; or `error`."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    error: NetworkError | None = None


class HostResolved(NamedTuple):
    """Its addresses, each once, in the order of preference; or `error`."""

    host: str
    port: int
    endpoints: tuple[Endpoint, ...] = ()
    error: NetworkError | None = None
