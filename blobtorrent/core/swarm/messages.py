"""What the core thread tells a shard about its swarms, and what a swarm tells back."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.core.swarm.preload import NO_PRELOAD, Preload
from blobtorrent.core.swarm.weights import BALANCED, Weights, in_order
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import PeersFrom
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.model.details import PartialPiece, PeerStatus, PeerTreatment, PieceStory, WebSeedStatus
    from blobtorrent.storage.live.livefile import LiveTorrent


class PeerSource(Enum):
    """Where an address came from: of several, the one that is trusted most."""

    STATIC = "static"
    TRACKER = "tracker"
    INCOMING = "incoming"              # it dialled us in an earlier run, and said where it listens
    DHT = "dht"
    PEX = "pex"                        # other peers told of it
    LSD = "lsd"                        # it announced itself on the local network
    DNS = "dns"                        # a name that the user gave stands for it
    MAGNET = "magnet"                  # the link named it


class Totals(NamedTuple):
    """Bytes of payload, over the whole life of a torrent."""

    downloaded: int = 0
    uploaded: int = 0
    wasted: int = 0


class KnownAddress(NamedTuple):
    """A peer as it is kept between runs. `last_good_at` is seconds since 1970, 0 when it never was; `received_bytes` is
    the payload that it gave us, that of earlier runs halved with each of them."""

    endpoint: Endpoint
    source: PeerSource
    failures: int = 0
    last_good_at: float = 0.0
    tracker: str = ""                  # host name of the tracker that named it
    received_bytes: int = 0
    is_seed: bool = False              # as we saw while we were one: no reason to dial it before we lack something


class SwarmSettings(NamedTuple):
    """What may change while a swarm runs. A rate of 0 is no limit."""

    max_links: int = 200               # links of this torrent
    upload_slots: int = 8              # peers unchoked at once
    granted_slots: int | None = None   # of these, what all torrents together leave it; None: all
    most_slots: int = 0                # as many as this while peers take what they get, if that is more
    seed_mode: str = "round-robin"     # or "fastest" or "anti-leech": who is served by a seed with too few slots
    download_slots: int = 0            # peers asked for blocks at once; 0: any number
    granted_download_slots: int | None = None              # the same of these
    preload: Preload = NO_PRELOAD      # what of a piece is fetched from disk before it is asked for
    choke_interval_s: float = 10.0
    snub_timeout_s: float = 10.0       # no block for so long while some were asked for: give them to others
    picker: Weights = BALANCED         # how pieces are chosen
    is_sequential: bool = False        # in their order
    super_seeding: bool = False        # as a seed it shows each peer a few pieces only (BEP 16)
    exchanges_peers: bool = True       # tells peers of others, and learns from them; never of a private torrent
    punches_holes: bool = True         # meets peers through others, and helps them to meet (BEP 55); the same
    allow_loopback: bool = False       # anybody may send us to this machine and its network
    web_seeds: str = "always"          # "always", "when-slow" or "off": when they are asked (BEP 19)
    web_seed_slow_bytes_per_s: int = 64 << 10              # peers below this are slow
    web_seed_lanes: int = 2            # connections to one of them
    may_download: bool = True          # False: only give what is there, for instance while the disk is short of room
    down_bytes_per_s: int = 0          # of this torrent alone
    up_bytes_per_s: int = 0
    weight: float = 1.0                # its share of what its group may use
    listen_port: int = 0               # where peers reach us, told to them (BEP 10); 0 when they do not
    group: str = ""
    own_hosts: tuple[str, ...] = ()    # where others see us: at most one address of each family
    # Where our node of the DHT is by IPv4 and by IPv6, told to peers (BEP 5), 0 for nowhere; None: they hear nothing
    # and not listened to. Never of a private torrent.
    dht_ports: tuple[int, int] | None = None

    @property
    def weights(self) -> Weights:
        """What the picker goes by."""
        return in_order(self.picker) if self.is_sequential else self.picker

    @property
    def slots(self) -> int:
        """Peers that may be unchoked at once."""
        return self.upload_slots if self.granted_slots is None else min(self.upload_slots, self.granted_slots)

    @property
    def asked_at_once(self) -> int | None:
        """Peers that may be asked for blocks at once; None: any number."""
        limits = [limit for limit in (self.download_slots or None, self.granted_download_slots) if limit is not None]
        return min(limits, default=None)


class OpenSwarm(NamedTuple):
    """Start the live side of a torrent whose data were checked. SwarmReports go to `report_to`, once a second, on
    every change of state, and when asked. `have` becomes the swarm's.

    `partial` are blocks of unfinished pieces that lie in the store's part store; `skipped` is the mask of pieces that
    nobody wants, `priorities` names those that are wanted more than others. Counters start at `totals`. `live` is the
    torrent's part of the memory that outlives us, if there is one. After `keep_after_s` the blocks of a piece that is
    still unfinished are made durable; None: never.
    """

    info_hash: InfoHash
    metainfo: Metainfo
    store: Store
    have: Bitfield
    peer_id: PeerId
    settings: SwarmSettings
    report_to: Mailbox[Any]
    client_version: bytes = b""        # our name for ourselves (BEP 10)
    partial: Mapping[int, tuple[int, ...]] = {}
    skipped: int = 0
    priorities: Mapping[int, int] = {}
    peers: tuple[KnownAddress, ...] = ()
    totals: Totals = Totals()
    live: "LiveTorrent | None" = None
    keep_after_s: float | None = None


class ChangeSwarm(NamedTuple):
    info_hash: InfoHash
    settings: SwarmSettings


class GroupRates(NamedTuple):
    """What the torrents of one group share. A rate of 0 is no limit; `weight` is among groups."""

    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    weight: float = 1.0


class SetRates(NamedTuple):
    """The limits of a whole shard from now on. Torrents of a group that is not named share one without limits of its
    own, of weight 1.
    """

    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    groups: Mapping[str, GroupRates] = {}
    exempt_local: bool = False         # loopback, link-local and private addresses are not limited


class WantPieces(NamedTuple):
    """Other pieces are wanted from now on: `skipped` and `priorities` as in OpenSwarm."""

    info_hash: InfoHash
    skipped: int
    priorities: Mapping[int, int]


class LosePieces(NamedTuple):
    """The pieces of this mask may not be on disk after all: they are not had any more."""

    info_hash: InfoHash
    mask: int


class AskPeers(NamedTuple):
    """Tell which peers are worth keeping. Answered by PeersKept."""

    info_hash: InfoHash
    reply_to: Mailbox[Any]


class PeersKept(NamedTuple):
    info_hash: InfoHash
    peers: tuple[KnownAddress, ...]


class DropPeers(NamedTuple):
    """The torrent, a private one, has another tracker: part with all peers but those that the user named (BEP 27)."""

    info_hash: InfoHash


class TreatPeer(NamedTuple):
    """Deal with the connected peer at this address as its torrent's owner wants. Nothing happens when it is gone."""

    info_hash: InfoHash
    endpoint: Endpoint
    treatment: "PeerTreatment"


class RetireSwarm(NamedTuple):
    """Begin no new piece, finish those under way, hand on those that nobody else has, for at most so many seconds.
    Answered by SwarmRetired; then it is time for CloseSwarm."""

    info_hash: InfoHash
    timeout_s: float
    reply_to: Mailbox[Any]


class SwarmRetired(NamedTuple):
    """`unique_pieces` is the number of pieces that are here and with no peer that was connected meanwhile."""

    info_hash: InfoHash
    unique_pieces: int
    is_complete: bool                  # False: the time was over, or it is closed before all was done


class CloseSwarm(NamedTuple):
    """Drain and close: pieces being hashed or written are finished, links closed. Answered by SwarmClosed."""

    info_hash: InfoHash
    reply_to: Mailbox[Any]


class SwarmClosed(NamedTuple):
    info_hash: InfoHash
    report: "SwarmReport"


class TellPeers(NamedTuple):
    """Tell who is connected, and how the swarm fares. Answered by PeersTold, also when the swarm is closed already."""

    info_hash: InfoHash
    token: Any
    reply_to: Mailbox[Any]


class Insight(NamedTuple):
    """How a swarm fares, beyond its reports."""

    upload_slots: int                  # that it may use now
    addresses_dialled: int             # just now
    addresses_resting: int             # failed, and wait for the next try
    pieces_lacking: int                # wanted and not had
    pieces_unavailable: int            # of these: no connected peer has them
    waits_for_memory: bool
    addresses_filtered: int = 0        # refused by filter lists; who comes again is counted again
    addresses_off_limits: int = 0      # dials that failed because the settings rule out TCP, or both transports
    web_seeds: "tuple[WebSeedStatus, ...]" = ()            # none when they are not asked
    known_by_source: Mapping[str, int] = {}                # addresses to try, by what told of them (PeerSource)
    lacks_slots: bool = False          # it would have more of them if other torrents had less
    is_super_seeding: bool = False     # peers are shown a few pieces each, now
    peers_unencrypted: int = 0         # hosts that were lost to what the settings say of encryption
    encryption_code: str = ""          # why the last of them was
    spoiled_pieces: int = 0            # that did not match their hashes
    peers_banned: int = 0              # for that
    suspects: int = 0                  # connected peers that had a part in one, of which it is not known yet
    rules_broken: Mapping[str, int] = {}                   # peers that were cut for it, by what they did (codes)
    open_pieces: "tuple[Mapping[str, Any], ...]" = ()      # some that are under way: who is asked for each, and why it


class PeersTold(NamedTuple):
    """`insight` is None when there is no such swarm."""

    info_hash: InfoHash
    token: Any
    peers: "tuple[PeerStatus, ...]" = ()
    insight: Insight | None = None


class TellPieces(NamedTuple):
    """Tell what is had, what the peers have, and what is being fetched. Answered by PiecesTold, also when the swarm is
    closed already."""

    info_hash: InfoHash
    token: Any
    reply_to: Mailbox[Any]


class PieceCounts(NamedTuple):
    """The pieces of a swarm. `have` is a mask; `planes` and `seeds` are what `availability.counts` takes."""

    have: int
    planes: tuple[int, ...]
    seeds: int
    partial: "tuple[PartialPiece, ...]"


class PiecesTold(NamedTuple):
    """`counts` is None when there is no such swarm."""

    info_hash: InfoHash
    token: Any
    counts: PieceCounts | None = None


class TellPiece(NamedTuple):
    """Tell what becomes of one piece. Answered by PieceTold, also when the swarm is closed already."""

    info_hash: InfoHash
    piece: int
    token: Any
    reply_to: Mailbox[Any]


class PieceTold(NamedTuple):
    """`story` is None when there is no such swarm."""

    info_hash: InfoHash
    token: Any
    story: "PieceStory | None" = None


class TellWebSeeds(NamedTuple):
    """Tell how the web seeds fare. Answered by WebSeedsTold, also when the swarm is closed already."""

    info_hash: InfoHash
    token: Any
    reply_to: Mailbox[Any]


class WebSeedsTold(NamedTuple):
    """In the torrent's order; none when nothing is read from them."""

    info_hash: InfoHash
    token: Any
    web_seeds: "tuple[WebSeedStatus, ...]" = ()


class PeersFound(NamedTuple):
    """Addresses to try. Static ones are tried again for ever, others fall from the list when they keep failing."""

    info_hash: InfoHash
    endpoints: tuple[Endpoint, ...]
    source: PeerSource
    tracker: str = ""                  # host name of the tracker that named them


class AddressSeen(NamedTuple):
    """A peer at `by` sees us at the address `host`, or says so."""

    host: str
    by: str


class NodeNamed(NamedTuple):
    """A peer says that it is a node of the DHT, too (BEP 5)."""

    info_hash: InfoHash
    endpoint: Endpoint


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
    availability: float = 0.0          # distributed copies
    error_code: str = ""               # why starved
    error_detail: str = ""
    spoiled_pieces: int = 0
    skipped_bytes: int = 0             # of left_bytes: in pieces that nobody wants
    peers_revision: int = 0            # another number: AskPeers would be answered otherwise
    peers_from: tuple[PeersFrom, ...] = ()                 # of each source
    losses: int = 0                    # LosePieces that were heeded: `have_wire` is without those pieces
    wasted_bytes_per_s: int = 0
    exchanging: int = 0                # links on which both sides tell of other peers
    takers: int = 0                    # links whose peer wants data of us
    givers: int = 0                    # links whose peer would give what we want
    peers_banned: int = 0              # it was proven that they sent what is not the torrent's
