"""Blame: who sent what does not belong to the torrent.

Of a piece that does not match its hash it is known who gave which of its blocks, and digests of them are kept. Who gave
all of it is proven to lie. Several are suspects: they work alone, so that the next failure has one author, until one of
them delivers a whole good piece or the piece comes right and the digests tell whose blocks were wrong. Nobody is
banned without proof. Owned by a swarm; made for the first piece that is spoiled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.core.swarm.pieces import State
from blobtorrent.model.errors import PeerError
from blobtorrent.model.reach import Reach, reach_of, site_of
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.pieces import Assembly
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.address import Endpoint
    from blobtorrent.model.ids import PeerId

MAX_PIECES = 64                        # spoiled ones that are remembered until they come right
MAX_FAILURES = 4                       # of each of them

log = get_logger(__name__)


class _Failure(NamedTuple):
    """One way in which a piece was wrong: a digest of each block, and which blocks came from whom."""

    digests: Sequence[bytes]
    shares: Mapping[PeerLink, int]

    def wrong(self, share: int, truth: Sequence[bytes]) -> bool:
        """Whether one of these blocks is not what it should be."""
        return any(share >> block & 1 and digest != right
                   for block, (digest, right) in enumerate(zip(self.digests, truth)))


class Blame:
    """Of one swarm. Links that have left are remembered as long as a piece of theirs is not judged."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._failures: dict[int, list[_Failure]] = {}
        self._doubts: Counter[str] = Counter()             # spoiled pieces that a host had a part in
        self.banned = 0                # peers whose lies were proven

    def doubts_about(self, endpoint: Endpoint, peer_id: PeerId) -> int:
        """How many spoiled pieces its host had a part in: it stays a suspect if it connects anew."""
        return self._doubts[_author(endpoint, peer_id)]

    def is_open(self, index: int) -> bool:
        """Whether it is worth knowing the blocks of a piece when it comes right."""
        return index in self._failures

    def on_spoiled(self, assembly: Assembly, digests: Sequence[bytes]) -> None:
        """A piece does not match its hash."""
        shares = assembly.shares
        full = (1 << assembly.num_blocks) - 1
        for link, share in shares.items():
            if share == full:
                self._convict(link, assembly.index)
                return
            self._suspect(link)
        if not shares:
            return                     # nobody that we know of sent any of it
        past = self._failures.setdefault(assembly.index, [])
        for link, share in shares.items():
            if any(self._contradicts(failure, link, share, digests) for failure in past):
                self._convict(link, assembly.index)
        past.append(_Failure(digests, shares))
        self._forget(past[:-MAX_FAILURES])
        del past[:-MAX_FAILURES]
        if len(self._failures) > MAX_PIECES:
            self._forget(self._failures.pop(next(iter(self._failures))))

    def on_good(self, assembly: Assembly, digests: Sequence[bytes]) -> None:
        """A piece matches its hash that did not before."""
        for failure in self._failures.pop(assembly.index, ()):
            for link, share in failure.shares.items():
                if failure.wrong(share, digests):
                    self._convict(link, assembly.index)
                else:
                    self._relieve(link)

    def acquit(self, link: PeerLink) -> None:
        """It delivered a whole good piece alone."""
        self._doubts.pop(_author_of(link), None)
        link.is_suspect = False

    def _contradicts(self, failure: _Failure, link: PeerLink, share: int, digests: Sequence[bytes]) -> bool:
        """Whether a peer sent one block in two ways."""
        return failure.wrong(failure.shares.get(link, 0) & share, digests)

    def _suspect(self, link: PeerLink) -> None:
        self._doubts[_author_of(link)] += 1
        link.is_suspect = True

    def _forget(self, failures: Iterable[_Failure]) -> None:
        """It will not be known who is to blame for these."""
        for failure in failures:
            for link in failure.shares:
                self._relieve(link)

    def _relieve(self, link: PeerLink) -> None:
        """Its part of a spoiled piece was right, or nobody will know."""
        author = _author_of(link)
        self._doubts[author] -= 1
        if self._doubts[author] <= 0:
            del self._doubts[author]
            for other in self._swarm.links:
                if _author_of(other) == author:
                    other.is_suspect = False

    def _convict(self, liar: PeerLink, index: int) -> None:
        """It has lied: it goes, even if it had left, with all that would be refused now, and what it gave is not used.
        """
        swarm = self._swarm
        if not swarm.peers.is_banned(liar.endpoint, liar.greeting.peer_id):
            self.banned += 1
            log.warning("a peer is banned: it sent what is not the torrent's", torrent=swarm.info_hash,
                        peer=str(liar.endpoint), client=liar.client, piece=index)
        swarm.peers.ban(liar.endpoint, liar.greeting.peer_id)
        self._doubts.pop(_author_of(liar), None)
        liars = [link for link in swarm.links if swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)]
        for link in liars:
            swarm.lose(link, PeerError("peer.bad-piece", f"piece {index} does not match its hash"))
        for assembly in list(swarm.pieces.open.values()):
            if assembly.missing and assembly.state is State.PARTIAL and not assembly.being_stored:
                for link in (liar, *liars):
                    if link in assembly.taken_from:
                        swarm.unfinished.discard(assembly, assembly.blocks_of(assembly.disown(link)))


def _author_of(link: PeerLink) -> str:
    return _author(link.endpoint, link.greeting.peer_id)


def _author(endpoint: Endpoint, peer_id: PeerId) -> str:
    """By what a culprit cannot easily change; on loopback, where all share one host, by its name."""
    is_own = reach_of(endpoint.host) is Reach.LOOPBACK
    return f"{endpoint.host} {peer_id.hex()}" if is_own else site_of(endpoint.host)
