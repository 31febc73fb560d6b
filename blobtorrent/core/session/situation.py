"""Everything that tells why a torrent does what it does, gathered at one moment. Values."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.core.session.history import History
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.queueing import QueuePlace
from blobtorrent.core.swarm.messages import Insight
from blobtorrent.model.details import FilesystemStatus, PeerStatus, SourceStatus, TrackerStatus
from blobtorrent.model.status import SessionStatus, TorrentStatus

NEARLY = 0.9                           # of a limit: it holds the torrent back


class Limit(NamedTuple):
    """A limit of the rate that counts for the torrent, and how much of it is used, by others too."""

    whose: str                         # "torrent", "group NAME", "all torrents"
    raised_by: str                     # what is to be changed for more
    direction: str                     # "down" or "up"
    bytes_per_s: int
    used_bytes_per_s: int

    @property
    def is_reached(self) -> bool:
        return self.used_bytes_per_s >= NEARLY * self.bytes_per_s


class Aims(NamedTuple):
    """The goal of a complete torrent and how far it has come; a goal that is not set is None."""

    ratio: float | None
    time_s: float | None
    idle_s: float | None
    ratio_now: float
    seeding_s: float
    idle_s_now: float
    met: str                           # which of them is reached, in words; empty when none is


class DhtRound(NamedTuple):
    """The last search for the torrent in the DHT: nodes that answered, peers that they named, nodes that know of us."""

    nodes: int
    peers: int
    announced: int
    asked_s: float | None              # since it began; None before the first
    next_s: float | None               # until the next one


class Situation(NamedTuple):
    """Seconds named `x_s` are those until now. `ahead` counts the others that are loaded or hashed before it; `insight`
    is None while it has no swarm."""

    status: TorrentStatus
    state: TorrentState
    session: SessionStatus
    now_s: float                       # monotonic, as the times of `history`
    wall: float
    history: History = ()
    state_s: float | None = None       # in the state that the outside sees
    held_s: float | None = None        # held by the same
    still_s: float | None = None       # since a byte of it came or went last, while it has a swarm
    should_run: bool = True
    is_removing: bool = False
    is_renaming: bool = False
    line: QueuePlace | None = None     # of one that is queued
    ahead: int = 0
    aims: Aims | None = None
    trackers: tuple[TrackerStatus, ...] = ()
    dht: DhtRound | None = None        # of one that is looked for there
    peers: tuple[PeerStatus, ...] = ()
    sources: tuple[SourceStatus, ...] = ()                 # of peers
    insight: Insight | None = None
    layers: tuple[int, int] | None = None                  # files whose piece layers came, of how many that lack them
    limits: tuple[Limit, ...] = ()
    room: FilesystemStatus | None = None                   # where it is downloaded to
