"""What is asked of the discovery threads, and what they answer."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceQuery, AnnounceReply
from blobtorrent.runtime.mailbox import Mailbox


class Announce(NamedTuple):
    """Tell a tracker about a torrent. Posted to Outcalls; answered on `reply_to` by AnnounceDone, exactly once."""

    info_hash: InfoHash
    url: str                           # of the tracker, as the torrent has it
    query: AnnounceQuery
    reply_to: Mailbox[Any]
    timeout_s: float = 20.0            # for everything: connecting, redirects, the answer, names of peers


class AnnounceDone(NamedTuple):
    """How it went: `reply`, with all peers in `endpoints`, those that were names too; or `error`."""

    info_hash: InfoHash
    url: str
    query: AnnounceQuery
    endpoints: tuple[Endpoint, ...] = ()
    reply: AnnounceReply | None = None
    error: TrackerError | NetworkError | None = None
