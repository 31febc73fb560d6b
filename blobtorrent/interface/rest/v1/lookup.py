"""How a path names a torrent."""

from __future__ import annotations

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.model.errors import Invalid, NotFound, Unavailable
from blobtorrent.model.ids import V1_BYTES, V2_BYTES, InfoHash
from blobtorrent.model.status import TorrentStatus


def require_torrents(gateway: Gateway) -> None:
    """Raises Unavailable ("session.starting") until all torrents are known: a part of them must not pass for all."""
    if gateway.session.state == "starting":
        raise Unavailable("session.starting", "the daemon is starting: its torrents are not all known yet, try again")


def find_torrent(gateway: Gateway, text: str) -> TorrentStatus:
    """The torrent with this v1 or v2 info-hash, written in hexadecimal.

    Raises Invalid ("torrent.bad-hash"), NotFound ("torrent.unknown") or Unavailable ("session.starting").
    """
    digest = digest_of(text)
    alone = InfoHash(v1=digest) if len(digest) == V1_BYTES else InfoHash(v2=digest)
    found = gateway.torrents.read(alone)
    if found is None:                  # a hybrid is known by both of its digests together
        found = next((status for key, status in gateway.torrents.read_all().items() if digest in key), None)
    if found is None:
        require_torrents(gateway)
        raise NotFound("torrent.unknown", f"no torrent {text.lower()}")
    return found


def digest_of(text: str) -> bytes:
    """The v1 or v2 info-hash that is written in hexadecimal. Raises Invalid ("torrent.bad-hash")."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) not in (V1_BYTES, V2_BYTES) or len(text) != 2 * len(digest):
        raise Invalid("torrent.bad-hash", f"not an info-hash of {2 * V1_BYTES} or {2 * V2_BYTES} hexadecimal digits")
    return digest
