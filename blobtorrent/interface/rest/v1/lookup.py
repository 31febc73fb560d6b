"""How a path names a torrent, and for whom it is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.model.errors import BlobTorrentError, Invalid, NotFound, Unavailable
from blobtorrent.model.ids import V1_BYTES, V2_BYTES, InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.pacing import paced

_DIGEST = re.compile(rf"[0-9A-Fa-f]{{{2 * V1_BYTES}}}|[0-9A-Fa-f]{{{2 * V2_BYTES}}}")


def require_torrents(gateway: Gateway) -> None:
    """Raises Unavailable ("session.starting") until all torrents are known: a part of them must not pass for all."""
    if gateway.session.state == "starting":
        raise Unavailable("session.starting", "the daemon is starting: its torrents are not all known yet, try again")


def digest_of(word: str) -> bytes:
    """The v1 or v2 info-hash that these hexadecimal digits are. Raises Invalid ("torrent.bad-hash")."""
    if not _DIGEST.fullmatch(word):
        raise Invalid("torrent.bad-hash", f"not an info-hash of {2 * V1_BYTES} or {2 * V2_BYTES} hexadecimal digits")
    return bytes.fromhex(word)


def find_torrent(gateway: Gateway, grant: Grant, word: str) -> TorrentStatus:
    """The torrent with this v1 or v2 info-hash, written in hexadecimal, if the caller may see it.

    Raises Invalid ("torrent.bad-hash"), NotFound ("torrent.unknown") or Unavailable ("session.starting").
    """
    return _visible(gateway, grant, torrent_with(gateway, digest_of(word)), word)


def find_torrents(
    gateway: Gateway, grant: Grant, words: Iterable[str]
) -> Iterator[TorrentStatus | BlobTorrentError]:
    """As `find_torrent` for each of many; what that would raise takes the place of the torrent."""
    torrents = paced(gateway.torrents.values())
    by_digest = {digest: status for status in torrents for digest in status.info_hash if digest}
    for word in words:
        try:
            yield _visible(gateway, grant, by_digest.get(digest_of(word)), word)
        except BlobTorrentError as error:
            yield error


def _visible(gateway: Gateway, grant: Grant, found: TorrentStatus | None, word: str) -> TorrentStatus:
    if found is None:
        require_torrents(gateway)
    if found is None or not grant.sees(found.labels):
        raise NotFound("torrent.unknown", f"no torrent {word.lower()}")
    return found


def torrent_with(gateway: Gateway, digest: bytes) -> TorrentStatus | None:
    """The torrent that has this digest as its v1 or v2 info-hash."""
    alone = InfoHash(v1=digest) if len(digest) == V1_BYTES else InfoHash(v2=digest)
    found = gateway.torrents.read(alone)
    if found is None:                  # a hybrid is known by both of its digests together
        found = next((status for key, status in gateway.torrents.read_all().items() if digest in key), None)
    return found
