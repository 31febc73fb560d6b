"""What is told to a tracker and what it answers, whatever carries it (BEP 3, 7, 23)."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import re
from enum import Enum
from typing import NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.model.reach import is_host

DEFAULT_INTERVAL_S = 1800
MIN_INTERVAL_S = 60
MAX_INTERVAL_S = 86_400
MAX_PEERS = 2000                       # of one answer; the rest is not read


class AnnounceEvent(Enum):
    """Why we announce. COMPLETED is told once, and never when the data were complete at the start (BEP 3)."""

    NONE = ""
    STARTED = "started"
    COMPLETED = "completed"
    STOPPED = "stopped"


class AnnounceQuery(NamedTuple):
    """One announce. Amounts are bytes; `left` is what is not verified yet, padding excluded."""

    wire_hash: bytes                   # 20 bytes; a hybrid torrent announces both of its own
    peer_id: PeerId
    port: int                          # where we accept peers
    uploaded: int
    downloaded: int
    left: int
    event: AnnounceEvent = AnnounceEvent.NONE
    num_want: int = 200                # peers we would like; 0 with STOPPED
    key: int = 0                       # 32 bits that stay while our address may change
    tracker_id: bytes = b""            # what this tracker told us to repeat
    own_host: str = ""                 # our IP address, for where the tracker sees another one


class AnnounceReply(NamedTuple):
    """What a tracker said. `hostnames` are peers given by name, as (name, port), unresolved and untrusted."""

    endpoints: tuple[Endpoint, ...] = ()
    hostnames: tuple[tuple[str, int], ...] = ()
    interval_s: int = DEFAULT_INTERVAL_S
    min_interval_s: int = MIN_INTERVAL_S
    seeds: int | None = None
    leechers: int | None = None
    downloads: int | None = None       # that were ever completed; few trackers say it with an announce
    warning: str = ""                  # untrusted text
    tracker_id: bytes = b""
    external_host: str = ""            # the address that the tracker sees us at (BEP 24); one vote among many


class SwarmCounts(NamedTuple):
    """What a tracker knows of a torrent, by scrape (BEP 48) or announce; None where it does not tell."""

    seeds: int | None = None
    leechers: int | None = None
    downloads: int | None = None


def clamped_interval(seconds: int) -> int:
    """An interval within reason: between a minute and a day."""
    return min(max(seconds, MIN_INTERVAL_S), MAX_INTERVAL_S)


def read_compact_peers(data: bytes, record_bytes: int) -> list[Endpoint]:
    """Read a packed peer list: records of 6 bytes (IPv4, BEP 23) or 18 (IPv6, BEP 7), address then port.

    Addresses that no peer can have are dropped, and so is a ragged end, which some trackers send. At most MAX_PEERS.
    """
    whole = min(len(data) // record_bytes, MAX_PEERS) * record_bytes
    endpoints = (Endpoint.from_compact(data[at:at + record_bytes]) for at in range(0, whole, record_bytes))
    return [endpoint for endpoint in endpoints if is_dialable(endpoint)]


def is_dialable(endpoint: Endpoint) -> bool:
    """Whether a peer could be there. Loopback and private addresses can be right; policy is for others."""
    return endpoint.port != 0 and is_host(endpoint.host)


def is_tracker_path(path: str) -> bool:
    """Whether a URL's path is one of a tracker, and nothing else in disguise. A torrent's author can name any tracker:
    on this machine only what looks like one is asked."""
    return re.fullmatch(r"/(?:announce|scrape)(?:\.php)?(?:/[A-Za-z0-9_-]+)?", path) is not None
