"""What the core thread tells a shard about its swarms, and what a swarm tells back."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.store import Store


class PeerSource(Enum):
    """Where an address came from; a peer keeps it for life."""

    STATIC = "static"
    TRACKER = "tracker"


class SwarmSettings(NamedTuple):
    """What may change while a swarm runs."""

    max_links: int = 200               # links of this torrent
    upload_slots: int = 8              # peers unchoked at once
    choke_interval_s: float = 10.0
    snub_timeout_s: float = 20.0       # no block for so long while some were asked for: give them to others


class OpenSwarm(NamedTuple):
    """Start the live side of a torrent whose data were checked. SwarmReports go to `report_to`, once a second, on
    every change of state, and when asked. `have` becomes the swarm's."""

    info_hash: InfoHash
    metainfo: Metainfo
    store: Store
    have: Bitfield
    peer_id: PeerId
    settings: SwarmSettings
    report_to: Mailbox[Any]
    listen_port: int = 0               # told to peers (BEP 10); 0 when we do not listen
    client_version: bytes = b""        # our name for ourselves (BEP 10)


class ChangeSwarm(NamedTuple):
    info_hash: InfoHash
    settings: SwarmSettings


class CloseSwarm(NamedTuple):
    """Drain and close: pieces being hashed or written are finished, links closed. Answered by SwarmClosed."""

    info_hash: InfoHash
    reply_to: Mailbox[Any]


class SwarmClosed(NamedTuple):
    info_hash: InfoHash
    report: SwarmReport


class PeersFound(NamedTuple):
    """Addresses to try. Static ones are tried again for ever, others fall from the list when they keep failing."""

    info_hash: InfoHash
    endpoints: tuple[Endpoint, ...]
    source: PeerSource


class PeerReport(NamedTuple):
    """One link as seen at the time of the report."""

    endpoint: Endpoint
    client: str                        # untrusted text
    down_bytes_per_s: int
    up_bytes_per_s: int
    downloaded_bytes: int
    uploaded_bytes: int
    progress: float                    # 0..1
    is_incoming: bool
    flags: str                         # "D/d" we want and get / do not get, "U/u" they want and get / do not


class SwarmReport(NamedTuple):
    """A swarm's figures. `state` is "leeching", "endgame", "seeding", "starved", ...; `have_wire` in wire order."""

    info_hash: InfoHash
    state: str
    have_count: int
    have_wire: bytes
    done_bytes: int                    # verified and on disk, padding included
    left_bytes: int                    # not verified yet, padding excluded: what trackers are told
    downloaded_bytes: int              # payload received, waste included
    uploaded_bytes: int
    wasted_bytes: int                  # duplicates, unasked, spoiled
    down_bytes_per_s: int
    up_bytes_per_s: int
    links: int
    seeds: int                         # links whose peer has everything
    peers_known: int
    peers: tuple[PeerReport, ...] = ()
    availability: float = 0.0          # distributed copies
    error_code: str = ""               # why starved
    error_detail: str = ""
    spoiled_pieces: int = 0
