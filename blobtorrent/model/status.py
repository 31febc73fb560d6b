"""Snapshots: what is. Frozen values that an owner publishes on the status board and anybody reads."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from typing import NamedTuple

from blobtorrent.model.ids import InfoHash
from blobtorrent.model.splitting import Split


class FileStatus(NamedTuple):
    """One file of a torrent; `path` is relative to the download folder, padding files do not appear.

    `number` counts all files of the torrent, padding too; `priority` is 0 (not wanted), 1 or 2 (wanted more).
    """

    path: tuple[str, ...]
    size_bytes: int
    done_bytes: int
    number: int = 0
    priority: int = 1
    whole: int | None = None           # of a torrent with files in parts: the number of the file that it belongs to


class GoalStatus(NamedTuple):
    """When a torrent has seeded enough, and what happens then: "stop", "remove" or "remove-with-data"."""

    ratio: float | None
    time_s: float | None
    idle_s: float | None
    action: str


PEER_SOURCES = ("tracker", "dht", "pex", "lsd", "dns", "static", "magnet", "incoming", "cache")


class PeersFrom(NamedTuple):
    """Of one source, what it is called (of PEER_SOURCES), how many addresses are known, how many peers connected."""

    source: str
    known: int
    connected: int


class TorrentStatus(NamedTuple):
    """One torrent as of its last change, of which it is told within a second.

    `state` is one of stopped, queued, checking, metadata, downloading, seeding, moving, error. `done_bytes` is verified
    and on disk. `pieces_wire` is the bitfield in wire order (BEP 3), empty while unknown. Absent error: empty strings.
    Totals of bytes and seconds are those of the torrent's whole life. Times are seconds since 1970, 0 for never.
    """

    info_hash: InfoHash
    name: str
    state: str
    size_bytes: int
    num_pieces: int
    download_dir: str
    done_bytes: int = 0
    checked_bytes: int = 0             # while checking: how far it is
    moved_bytes: int = 0               # while moving: how far it is, as far as bytes have to be copied
    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    wasted_bytes: int = 0
    wasted_bytes_per_s: int = 0
    peers_connected: int = 0
    peers_known: int = 0
    peers_exchanging: int = 0          # of those that are connected: they and we tell each other of others
    seeds_connected: int = 0
    availability: float = 0.0          # distributed copies among the connected peers
    pieces_wire: bytes = b""
    error_code: str = ""
    error_detail: str = ""
    skipped_bytes: int = 0             # of pieces that nobody wants and that are not here
    labels: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0
    is_private: bool = False
    is_sequential: bool = False
    added_at: float = 0.0
    finished_at: float = 0.0
    active_s: float = 0.0              # seconds in a swarm
    seeding_s: float = 0.0             # of these, complete
    counted_at: float = 0.0            # when these two were so; they grow from there. 0: they stand still
    is_started: bool = False           # its owner wants it to run
    down_limit_bytes_per_s: int = 0    # its own; 0: none
    up_limit_bytes_per_s: int = 0
    upload_slots: int | None = None    # None, as for the next five: as in the settings
    max_peers: int | None = None
    exchanges_peers: bool | None = None
    peers_wanted: int | None = None    # of a tracker at a time
    min_peers: int | None = None       # below which trackers are asked sooner
    download_slots: int | None = None
    goal: GoalStatus | None = None
    held_by: str = ""                  # why nothing moves: "pause", "queue", "space", "disk", "goal" (seeded enough)
    peers_from: tuple[PeersFrom, ...] = ()                 # of each source that told of any, by name
    lacks_metadata: bool = False       # nobody has told yet what is in it, or what its pieces hash to
    custom: Mapping[str, str] = {}     # small texts of front-ends and scripts
    own_path: str = ""                 # where its own file or folder is now; of a file in parts, the first
    split: Split | None = None         # how its large files are kept in parts
    picker: Mapping[str, str | float] | None = None        # its own settings of the picker, by their names
    super_seeding: bool = False        # wanted, once it is complete
    spoiled_pieces: int = 0            # that did not match their hashes, since it was started
    peers_banned: int = 0              # for that
    was_whole: bool = False            # at the last look all was here that is wanted; while it is checked anew, too

    @property
    def wanted_bytes(self) -> int:
        """What there will be in the end."""
        return self.size_bytes - self.skipped_bytes

    @property
    def is_finished(self) -> bool:
        is_here = self.done_bytes >= self.wanted_bytes and self.state not in ("checking", "metadata")
        return is_here and not self.lacks_metadata

    @property
    def ratio(self) -> float:
        """Uploaded over downloaded, over the size when nothing was downloaded here; 0.0 for an empty torrent."""
        base = self.downloaded_bytes or self.size_bytes
        return self.uploaded_bytes / base if base else 0.0

    def active_s_at(self, wall: float) -> float:
        """Seconds in a swarm by now, `wall` being seconds since 1970: a quiet torrent has no newer snapshot."""
        return self.active_s + self._since(wall)

    def seeding_s_at(self, wall: float) -> float:
        return self.seeding_s + (self._since(wall) if self.state == "seeding" else 0.0)

    def _since(self, wall: float) -> float:
        return max(0.0, wall - self.counted_at) if self.counted_at else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until finished at the present rate; None when it is not coming nearer."""
        if self.is_finished or self.down_bytes_per_s <= 0:
            return None
        return (self.wanted_bytes - self.done_bytes) / self.down_bytes_per_s


class MappingStatus(NamedTuple):
    """A port of ours that the router is asked to pass on to us, for one transport: "tcp" or "udp".

    `state` is requesting, mapped, renewing or backoff; `way` is "pcp", "nat-pmp" or "upnp" once a router has agreed.
    The error is that of the last try, empty when it went well. Times are seconds since 1970, 0 for unknown or never.
    """

    transport: str
    state: str
    port: int
    way: str = ""
    external_host: str = ""            # as the router tells it, if it does
    external_port: int = 0
    lease_until: float = 0.0           # 0 while it is mapped: until the router restarts
    next_try_at: float = 0.0           # while none is under way
    error_code: str = ""
    error_detail: str = ""


class NetworkStatus(NamedTuple):
    """The way that traffic takes. `interface` and `proxy` are as in the settings, empty where they name none.

    `addresses` are those of the interface, none while it is gone. `datagrams` is "direct", "relay" (the proxy carries
    them), "waiting" (it will, as far as is known) or "none" (nothing carries them). Absent errors: empty strings.
    """

    interface: str = ""
    addresses: tuple[str, ...] = ()
    proxy: str = ""
    is_strict: bool = False
    proxy_error_code: str = ""         # why it carries no connections now
    proxy_error_detail: str = ""
    datagrams: str = "direct"
    datagrams_error_code: str = ""
    datagrams_error_detail: str = ""


class SessionStatus(NamedTuple):
    """The whole engine. `state` is starting, running, draining or stopped; `listen` holds the real "HOST:PORT" of every
    open listener; `external` the addresses that others see us at, as far as enough of them agree; `damages` says in
    words what was found damaged when the state was read. `loaded` of the `total` torrents that were there when it ended
    last are known again; while that goes on, some may be missing from the board. While it drains, `drained` of the
    `to_drain` torrents that ran have left their swarms. `warnings` says what the settings give up of its protection.
    """

    state: str
    listen: tuple[str, ...] = ()
    torrents: int = 0
    down_bytes_per_s: int = 0
    up_bytes_per_s: int = 0
    started_at: float = 0.0            # seconds since 1970
    damages: tuple[str, ...] = ()
    loaded: int = 0
    total: int = 0
    unique_pieces: int | None = None   # once it has been drained: pieces that no peer has who was connected
    external: tuple[str, ...] = ()
    network: NetworkStatus = NetworkStatus()
    mappings: tuple[MappingStatus, ...] = ()       # none where no router is asked
    drained: int = 0
    to_drain: int = 0
    warnings: tuple[str, ...] = ()
