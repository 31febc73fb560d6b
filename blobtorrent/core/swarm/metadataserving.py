"""MetadataServer: gives the info dictionary of a torrent to peers that have only its hash (BEP 9). Owned by a swarm.

A host needs each piece once. It may come back for all of them a second time, at no more than a steady pace; what is
beyond that is rejected, so that nobody has us send without end for a few bytes of requests. To connect again changes
nothing about that for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.model.reach import Reach, reach_of, site_of
from blobtorrent.protocol.wire.extended import UT_METADATA
from blobtorrent.protocol.wire.metadata import (
    DATA,
    REJECT,
    REQUEST,
    MetadataMessage,
    metadata_piece,
    num_metadata_pieces,
)

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.swarm import Swarm

AT_ONCE = 64                           # pieces for one host: 1 MiB
PER_SECOND = 16.0                      # more of them, for the dictionaries that are larger
MAX_REJECTS = 1000                     # that one host hears in that time: it might not read them
TIMES = 2                              # how often a host gets the whole ...
FORGET_S = 3600.0                      # ... in such a time: others may live behind the same address
MAX_HOSTS = 500                        # that are remembered


class _Allowance:
    """What one host may still ask for."""

    __slots__ = ("at_once", "began_at", "left", "rejects", "seen_at")

    def __init__(self, left: int, now: float) -> None:
        self.left = left
        self.rejects = MAX_REJECTS
        self.began_at = now
        self.at_once = float(AT_ONCE)
        self.seen_at = now

    def take(self, now: float) -> bool:
        self.at_once = min(AT_ONCE, self.at_once + (now - self.seen_at) * PER_SECOND)
        self.seen_at = now
        if self.left <= 0 or self.at_once < 1:
            return False
        self.left -= 1
        self.at_once -= 1
        return True

    def reject(self) -> bool:
        """Whether it is told that it gets nothing."""
        self.rejects -= 1
        return self.rejects >= 0


class MetadataServer:
    """What each host has asked for."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._info = swarm.order.metainfo.raw_info
        self._allowances: dict[str | PeerLink, _Allowance] = {}        # by host, those that began last at the end

    def forget(self, link: PeerLink) -> None:
        """The link is gone."""
        self._allowances.pop(link, None)

    def on_message(self, link: PeerLink, payload: bytes) -> None:
        """Raises PeerError when it is no message of this extension."""
        message = MetadataMessage.decode(payload)
        if message.kind != REQUEST:
            return                     # we ask for nothing here: it comes late, or is of a later version
        allowance = self._allowance_of(link)
        data = metadata_piece(self._info, message.piece) if allowance.take(self._swarm.now) else b""
        if not data and not allowance.reject():
            return
        kind = DATA if data else REJECT
        answer = link.extended.message(
            UT_METADATA, MetadataMessage(kind, message.piece, len(self._info), data).encode())
        if answer is not None:
            link.send(answer)

    def _allowance_of(self, link: PeerLink) -> _Allowance:
        now, host = self._swarm.now, link.endpoint.host
        # On loopback all share one host.
        key = link if reach_of(host) is Reach.LOOPBACK else site_of(host)
        allowance = self._allowances.get(key)
        if allowance is None or now - allowance.began_at >= FORGET_S:
            self._allowances.pop(key, None)
            allowance = self._allowances[key] = _Allowance(TIMES * num_metadata_pieces(len(self._info)), now)
            if len(self._allowances) > MAX_HOSTS:
                del self._allowances[next(iter(self._allowances))]
        return allowance
