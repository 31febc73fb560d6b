"""What is told of a torrent, or of the whole, when somebody asks: too much, or too seldom wanted, for the snapshots."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple


class PeerStatus(NamedTuple):
    """One connected peer. `client` is untrusted text, made fit for a screen.

    `source` says how we learned of it: "static" (the owner named it), "tracker", "dht", "pex" (other peers told of it),
    "lsd" (it announced itself on our network), "dns", "incoming" (it dialled us), "cache" (it dialled us in an earlier
    run). The owner's choking and interest are those of this program.
    """

    host: str
    port: int
    peer_id: bytes
    client: str
    source: str
    transport: str                     # "tcp" or "utp"
    is_encrypted: bool                 # all of its stream
    is_incoming: bool
    connected_s: float
    am_choking: bool
    am_interested: bool
    peer_choking: bool
    peer_interested: bool
    is_optimistic: bool                # it has the slot that goes round
    is_snubbed: bool                   # it was asked for blocks, and sends none
    is_seed: bool
    pieces_had: int                    # by the peer
    progress: float                    # the same as a share, 0..1
    blocks_asked: int                  # that we are waiting for
    upload_queue_bytes: int            # on their way to it
    down_bytes_per_s: int
    up_bytes_per_s: int
    downloaded_bytes: int
    uploaded_bytes: int
    is_denied: bool = False            # its owner wants nothing sent to it
    reserved: bytes = bytes(8)         # what it can do, as it said first (BEP 3)
    gained_bytes_per_s: int = 0        # by the peer, from us and others, as far as it tells
    # When it was choked or unchoked, or another cause came to hold: how many seconds ago, whether it may ask for data
    # since then, and why. The last is what holds now; of many the first are forgotten.
    choke_history: tuple[tuple[float, bool, str], ...] = ()
    is_suspect: bool = False           # it had a part in a spoiled piece, and works alone until it is known which
    cipher: str = "none"               # "rc4"; or "plaintext": an encrypted handshake, and behind it a plain stream

    @property
    def has_encrypted_handshake(self) -> bool:
        return self.cipher != "none"

    @property
    def choke_cause(self) -> str:
        """Why it may ask for data, or may not; empty when nobody has said."""
        return self.choke_history[-1][2] if self.choke_history else ""

    @property
    def flags(self) -> str:
        """In one letter each: "D/d" we want and get / do not get, "U/u" it wants and gets / does not, "O" tried out,
        "S" snubbed, "I" it dialled us, "E" encrypted, "e" only its handshake was, "P" by uTP."""
        letters = ("d" if self.peer_choking else "D") if self.am_interested else ""
        letters += ("u" if self.am_choking else "U") if self.peer_interested else ""
        told = ((self.is_optimistic, "O"), (self.is_snubbed, "S"), (self.is_incoming, "I"), (self.is_encrypted, "E"),
                (self.has_encrypted_handshake and not self.is_encrypted, "e"), (self.transport == "utp", "P"))
        return letters + "".join(letter for holds, letter in told if holds)


class PeerTreatment(Enum):
    """What the owner of a torrent wants done with one of its peers."""

    PART = "part"                      # the connection ends; it may come again
    BAN = "ban"                        # the same, and it may not, nor others of its host, until the daemon ends
    DENY = "deny"                      # nothing is sent to it any more
    SERVE = "serve"                    # it is sent to like others again


class TrackerStatus(NamedTuple):
    """One tracker of one of the torrent's swarms (a hybrid torrent has two). Times are seconds since 1970, 0 for never.

    `state` is "idle" (the torrent does not run, or another of its tier serves), "announcing", "waiting", "backoff", or
    "disabled" (we do not speak its protocol). `result` says in words what it answered last, untrusted text made fit
    for a screen. Counts that it did not tell are None.
    """

    tier: int                          # from 0
    swarm: str                         # "v1" or "v2"
    url: str                           # may hold the owner's passkey
    url_shown: str                     # the same without secrets
    state: str
    result: str = ""
    error_code: str = ""               # of the last announce; empty when it was answered
    failures: int = 0                  # in a row
    last_announce_at: float = 0.0
    next_announce_at: float = 0.0
    seeds: int | None = None
    leeches: int | None = None
    downloads: int | None = None
    peers_got: int = 0                 # with the last answer


class PartialPiece(NamedTuple):
    """A piece that is being fetched: how many of its blocks are here."""

    piece: int
    num_blocks: int
    done_blocks: int


class PieceStep(NamedTuple):
    """A piece came into a state, for a cause that is not the usual one; `at` is monotonic seconds."""

    at: float
    state: str
    cause: str


class PieceGiver(NamedTuple):
    """A connected peer that has a piece. `standing` tells whether it is asked for that one, and what keeps it
    from being: "asked", "free", "busy", "chokes-us" or "refused". `worth` is what the picker sees in it for that
    peer."""

    peer: str
    standing: str
    worth: dict[str, object]


class PieceStory(NamedTuple):
    """One piece and what becomes of it. `state` is as of its machine. Seconds are those until now; None where nobody
    knows. Of a torrent that is in no swarm only the first four and its blocks are told."""

    piece: int
    size_bytes: int
    state: str
    text: str                          # for people
    since_s: float | None = None       # in this state
    opened_s: float | None = None      # since the first of its blocks was asked for
    priority: int = 0
    leeches: int = 0                   # connected ones that have it
    seeds: int = 0
    web_seeds: int = 0
    blocks: int = 0
    blocks_here: int = 0
    blocks_unasked: int = 0            # that nobody is asked for
    is_for_one_alone: bool = False     # it was spoiled before, so that one peer alone is to bring it
    givers: tuple[PieceGiver, ...] = ()
    history: tuple[tuple[float, str, str], ...] = ()       # seconds ago, state, cause


class PieceReport(NamedTuple):
    """The pieces of a torrent. `have_wire` is the bitfield in wire order (BEP 3), `availability` has one byte a piece:
    how many connected peers have it, 255 for that many or more."""

    num_pieces: int
    piece_length: int
    have_wire: bytes
    availability: bytes
    partial: tuple[PartialPiece, ...] = ()


class BadLine(NamedTuple):
    """A line of a filter list that is not understood; the first one is 1."""

    number: int
    reason: str


class FilterListStatus(NamedTuple):
    """A filter list that is in a file. The time is in seconds since 1970, 0 while none of it is in force."""

    path: str
    ranges_v4: int = 0                 # after what overlaps was joined
    ranges_v6: int = 0
    lines: int = 0                     # that name a range
    malformed: int = 0
    first_malformed: tuple[BadLine, ...] = ()
    read_at: float = 0.0
    error_code: str = ""               # why the file could not be used last; empty when it could
    error_detail: str = ""


class WebSeedStatus(NamedTuple):
    """One web seed (BEP 19). `state` is "idle" (nothing is wanted of it now), "fetching", "resting" (it failed, or
    asked to be left alone), "banned" (it sent what is not the torrent's), or "unused": nothing is fetched from any.

    `result` says in words what went wrong last, untrusted text made fit for a screen; empty when all is well.
    """

    url: str                           # may hold a password or a signature
    url_shown: str                     # without secrets
    state: str
    error_code: str = ""
    result: str = ""
    failures: int = 0                  # in a row
    next_try_s: float | None = None    # until it is asked again, while it rests
    connections: int = 0               # that something is read over now
    down_bytes_per_s: int = 0
    downloaded_bytes: int = 0          # in this run
    wasted_bytes: int = 0              # of these: pieces that did not match their hashes
    has_ranges: bool = True            # False: it sends whole files only


class SourceStatus(NamedTuple):
    """One source of peers, as it stands for one torrent.

    `state` is "waiting" (for its next turn, or for whoever comes), "asking", "failing", "rests" (the torrent does not
    run, or nothing is asked of it now), "off" (by the settings, or there is none), or "private" (not for private
    torrents). `told` addresses it named when it did last, new ones or not.
    """

    source: str
    state: str
    known: int                         # addresses to try
    connected: int
    told: int
    told_s: float | None               # since then; None: never in this run
    result: str                        # of the last time, in words
    error_code: str                    # of what is wrong now; empty: nothing
    next_s: float | None               # until it is asked again


class PeerReport(NamedTuple):
    """Who is connected, and how each source of peers stands."""

    peers: "tuple[PeerStatus, ...]"
    sources: tuple[SourceStatus, ...]


class PeerNameStatus(NamedTuple):
    """A name that peers are found by. `state` is asking, known or backoff; no error: empty strings."""

    name: str
    state: str
    addresses: int                     # as of the last answer that was one
    error_code: str = ""
    error_detail: str = ""
    next_s: float | None = None        # until it is looked up again; None while it is


class Cause(NamedTuple):
    """One reason why a torrent is as it is. `code` is stable, `text` says it in words, `advice` names the next step.

    `since_s` is for how long it has been so, as far as that is known.
    """

    code: str
    text: str
    advice: str
    since_s: float | None = None


class Explanation(NamedTuple):
    """Why a torrent does what it does, most important first. `facts` are the figures behind it, as JSON has them."""

    state: str                         # of TorrentStatus
    summary: str
    causes: tuple[Cause, ...]
    facts: Mapping[str, Any]


class Figures(NamedTuple):
    """What was done in some time. `finished` counts torrents that were completed by downloading."""

    downloaded_bytes: int = 0          # of payload, waste included
    uploaded_bytes: int = 0
    wasted_bytes: int = 0
    seconds: float = 0.0               # that the program ran
    runs: int = 0
    torrents_added: int = 0
    torrents_finished: int = 0


class FilesystemStatus(NamedTuple):
    """A filesystem that is downloaded to, as it was measured last, at `measured_at` seconds since 1970."""

    path: str
    free_bytes: int
    reserve_bytes: int
    is_short: bool
    measured_at: float


class SessionStats(NamedTuple):
    """Figures of this run and of all runs, and where disks and memory stand."""

    this_run: Figures
    all_time: Figures
    filesystems: tuple[FilesystemStatus, ...]
    memory_budget_bytes: int           # for pieces
    memory_used_bytes: int
