"""MetadataManager: fetches the info dictionary of a magnet link from many peers at once (BEP 9). Pure.

Nothing that a peer says is believed before the whole matches the info-hash, not even the size. Peers that claim the
same size fetch it together; other sizes are tried beside it, a few at a time, so that neither a liar's size nor many
liars' sizes decide. When what came from one peer alone does not match, that peer lied. When several had a share in it,
each of them is from then on tried alone: the honest ones deliver, the others are found out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from hashlib import sha1, sha256
from typing import Generic, TypeVar

from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.wire.metadata import MetadataMessage, metadata_piece_size, num_metadata_pieces

P = TypeVar("P", bound=Hashable)
_Key = tuple[int, P | None]             # the size, and who fetches it alone

MAX_ASKED = 2                          # requests of one peer at once
MAX_ATTEMPTS = 4                       # buffers that are filled at once
SMALL_BYTES = 1 << 20                  # most dictionaries are no longer: whatever larger sizes are claimed, these fit
MAX_LARGE_BYTES = 16 << 20             # claimed sizes above that, together: with three small ones less than 20 MB
MAX_ASKERS = 3                         # peers that are asked for the same piece
REQUEST_TIMEOUT_S = 10.0
DOUBLE_AFTER_S = 2.0                   # a piece that has not come by then may be asked of another peer too
FIRST_REST_S = 5.0                     # for a peer that did not answer, doubled each time
LONGEST_REST_S = 300.0
MAX_MISSES = 3                         # then others may have its place
REJECT_REST_S = 20.0                   # for one that has nothing yet
ATTEMPT_S = 30.0                       # for a buffer to be filled, while others wait, ...
ATTEMPT_S_PER_PIECE = 0.5              # ... and for each of its pieces
STALL_S = 30.0                         # without a new piece it is over as well
MAX_STANDINGS = 1000                   # origins of peers that are remembered


class _Standing:
    """How all that came from one place has fared so far; to connect again changes nothing about it."""

    __slots__ = ("lapses", "misses")

    def __init__(self) -> None:
        self.lapses = 0                # attempts of its peers that others had to wait for in vain
        self.misses = 0                # requests in a row that were left unanswered


class _Peer:
    """What one peer offers, and how it fares."""

    __slots__ = ("asked", "delivered", "is_suspect", "late", "rests_until", "size", "standing")

    def __init__(self, size: int, standing: _Standing) -> None:
        self.size = size
        self.standing = standing
        self.asked: dict[int, float] = {}          # pieces, and when it was asked for each
        self.late: set[int] = set()    # was asked for and given up: may still come
        self.delivered = 0             # pieces that came
        self.is_suspect = False        # had a share in something that did not match
        self.rests_until = 0.0

    def rest(self, now: float, seconds: float) -> None:
        self.rests_until = max(self.rests_until, now + seconds)

    def take(self, piece: int) -> bool:
        """A piece came: was it asked for?"""
        if self.asked.pop(piece, None) is None:
            if piece not in self.late:
                return False
            self.late.discard(piece)
        self.standing.misses, self.rests_until = 0, 0.0
        self.delivered += 1
        return True


class _Attempt(Generic[P]):
    """One buffer: what peers that claim the same size fetch together, or what one suspect delivers alone."""

    def __init__(self, size: int, now: float) -> None:
        self.size = size
        self.count = num_metadata_pieces(size)
        self.pieces: dict[int, bytes] = {}
        self.senders: dict[P, None] = {}
        self.ends_at = now + ATTEMPT_S + ATTEMPT_S_PER_PIECE * self.count
        self.stalls_at = now + STALL_S

    def add(self, piece: int, data: bytes, sender: P, now: float) -> bool:
        """Keep a piece, if it is lacking. Whether all are here now."""
        if piece in self.pieces:
            return False
        self.pieces[piece] = data
        self.senders[sender] = None
        self.stalls_at = now + STALL_S
        return len(self.pieces) == self.count

    def is_over(self, now: float) -> bool:
        """It had its time, if others wait."""
        return now >= min(self.ends_at, self.stalls_at)


class MetadataManager(Generic[P]):
    """`info` is the verified dictionary, once it is there. Peers, and where they come from, are named by whatever the
    caller likes."""

    def __init__(self, info_hash: InfoHash) -> None:
        self.info: bytes | None = None
        self._info_hash = info_hash
        self._peers: dict[P, _Peer] = {}
        self._attempts: dict[_Key[P], _Attempt[P]] = {}
        self._guilty: list[P] = []
        self._standings: dict[Hashable, _Standing] = {}    # by origin

    # ---- what peers say

    def offer(self, peer: P, size: int, origin: Hashable = None) -> None:
        """The peer has the dictionary, and says how long it is. Peers of the same `origin` answer for each other; None:
        it stands for itself. Raises PeerError ("metadata.other-size") when it said something else before."""
        known = self._peers.get(peer)
        if known is None:
            self._peers[peer] = _Peer(size, self._standing_of(peer if origin is None else origin))
        elif known.size != size:
            raise PeerError("metadata.other-size", f"metadata of {known.size} bytes, then of {size}")

    def _standing_of(self, origin: Hashable) -> _Standing:
        standing = self._standings.pop(origin, None) or _Standing()
        self._standings[origin] = standing
        if len(self._standings) > MAX_STANDINGS:
            del self._standings[next(iter(self._standings))]
        return standing

    def is_useless(self, peer: P) -> bool:
        """Whether little is to be hoped of a peer: it, or who came from there before, kept others waiting in vain."""
        known = self._peers.get(peer)
        return known is not None and (known.standing.misses >= MAX_MISSES or known.standing.lapses > 0)

    def delivered(self, peer: P) -> int:
        """How many pieces came from a peer."""
        known = self._peers.get(peer)
        return 0 if known is None else known.delivered

    def leave(self, peer: P) -> None:
        """The peer is gone; what it sent stays while nobody else needs the room."""
        known = self._peers.pop(peer, None)
        if known is not None and known.is_suspect:
            self._attempts.pop((known.size, peer), None)

    def on_data(self, peer: P, message: MetadataMessage, now: float) -> bool:
        """A piece came. False when the peer was not asked for it.

        Raises PeerError ("metadata.bad-piece") when it contradicts what the peer said of the size.
        """
        known = self._peers.get(peer)
        if known is None or not known.take(message.piece):
            return False
        size = metadata_piece_size(known.size, message.piece)
        if len(message.data) != size or message.total_size not in (0, known.size):
            raise PeerError("metadata.bad-piece", f"{len(message.data)} bytes for metadata piece {message.piece}")
        attempt = self._attempts.get(self._key(peer, known))
        if attempt is not None and attempt.add(message.piece, message.data, peer, now):
            self._judge(self._key(peer, known), attempt)
        return True

    def on_reject(self, peer: P, piece: int, now: float) -> None:
        """The peer cannot, or does not want to."""
        known = self._peers.get(peer)
        if known is not None and known.asked.pop(piece, None) is not None:
            known.rest(now, REJECT_REST_S)

    # ---- what is next

    def requests(self, now: float) -> Iterator[tuple[P, int]]:
        """Whom to ask for which piece now; they count as asked."""
        if self.info is not None:
            return
        self._expire(now)
        for key, peers in self._choose(now):
            attempt = self._attempts[key]
            missing = [piece for piece in range(attempt.count) if piece not in attempt.pieces]
            askers: dict[int, list[float]] = {}
            for peer in peers:
                for piece, asked_at in self._peers[peer].asked.items():
                    askers.setdefault(piece, []).append(asked_at)
            for _ in range(MAX_ASKED):             # one request each, then a second one: all take part
                for peer in peers:
                    mine = self._peers[peer].asked
                    if len(mine) >= MAX_ASKED:
                        continue
                    chosen = _best_of(missing, mine, askers, now)
                    if chosen is not None:
                        mine[chosen] = now
                        askers.setdefault(chosen, []).append(now)
                        yield peer, chosen

    def take_guilty(self) -> list[P]:
        """Who was found to have lied since the last call."""
        guilty, self._guilty = self._guilty, []
        return guilty

    @property
    def progress(self) -> tuple[int, int]:
        """Pieces that are here, and of how many, in the attempt that is furthest; (0, 0) before the first."""
        if self.info is not None:
            count = num_metadata_pieces(len(self.info))
            return count, count
        best = max(self._attempts.values(), key=lambda attempt: len(attempt.pieces), default=None)
        return (0, 0) if best is None else (len(best.pieces), best.count)

    # ---- attempts

    def _key(self, peer: P, known: _Peer) -> _Key[P]:
        return known.size, peer if known.is_suspect else None

    def _expire(self, now: float) -> None:
        for known in self._peers.values():
            late = [piece for piece, asked_at in known.asked.items() if now - asked_at >= REQUEST_TIMEOUT_S]
            for piece in late:
                del known.asked[piece]
                known.late.add(piece)
            if late:
                misses = known.standing.misses
                known.rest(now, min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(misses, 10)))
                known.standing.misses = misses + 1

    def _choose(self, now: float) -> list[tuple[_Key[P], list[P]]]:
        """The attempts to work on, and who may be asked for each. Others lose what they had."""
        helpers: dict[_Key[P], list[P]] = {}
        for peer, known in self._peers.items():
            if known.rests_until <= now:
                helpers.setdefault(self._key(peer, known), []).append(peer)
        chosen = self._best(helpers)
        over = [key for key in chosen if key in self._attempts and self._attempts[key].is_over(now)]
        if over and not helpers.keys() <= set(chosen):
            for key in over:
                del self._attempts[key]            # who filled it so slowly stands behind those who wait
                for peer in helpers.pop(key, ()):
                    self._peers[peer].rest(now, ATTEMPT_S)
                    self._peers[peer].standing.lapses += 1
            chosen = self._best(helpers)
        self._attempts = {key: self._attempts.get(key) or _Attempt(key[0], now) for key in chosen}
        return [(key, helpers.get(key, [])) for key in chosen]

    def _best(self, helpers: Mapping[_Key[P], list[P]]) -> list[_Key[P]]:
        """As many of the attempts that there are, or could be, as there is room for."""
        chosen: list[_Key[P]] = []
        room = MAX_LARGE_BYTES
        for key in sorted({**helpers, **self._attempts}, key=lambda key: self._rank(key, helpers.get(key, ()))):
            charge = key[0] if key[0] > SMALL_BYTES else 0
            if len(chosen) < MAX_ATTEMPTS and charge <= room:
                room -= charge
                chosen.append(key)
        return chosen

    def _rank(self, key: _Key[P], helpers: Iterable[P]) -> tuple[bool, bool, int, int, int, int]:
        """What nobody helps with comes last. What has begun goes on; then what most peers agree on and few of them
        failed at, small ones first."""
        standings = [self._peers[peer].standing for peer in helpers]
        return (not standings, key not in self._attempts, min((standing.lapses for standing in standings), default=0),
                min((standing.misses for standing in standings), default=0), -len(standings), key[0])

    def _judge(self, key: _Key[P], attempt: _Attempt[P]) -> None:
        """All pieces are here."""
        pieces = [attempt.pieces[piece] for piece in range(attempt.count)]
        del self._attempts[key]
        if _are_named(pieces, self._info_hash):            # not joined before: a liar's are not held twice
            self.info = b"".join(pieces)
            self._attempts.clear()
            return
        if len(attempt.senders) == 1:
            self._guilty += attempt.senders
        for peer in attempt.senders:
            known = self._peers.get(peer)
            if known is not None:
                known.is_suspect = True
                known.late.update(known.asked)
                known.asked.clear()


def _best_of(missing: Iterable[int], mine: Mapping[int, float], askers: Mapping[int, list[float]],
             now: float) -> int | None:
    """The piece to ask a peer for: one that nobody is asked for, else one that others let us wait for."""
    spare: int | None = None
    for piece in missing:
        asked = askers.get(piece)
        if asked is None:
            return piece
        if spare is None and piece not in mine and len(asked) < MAX_ASKERS and now - max(asked) >= DOUBLE_AFTER_S:
            spare = piece
    return spare


def is_named(info: bytes, info_hash: InfoHash) -> bool:
    """Whether these are the bytes that the info-hash names: by both digests, if it has both."""
    return _are_named([info], info_hash)


def _are_named(pieces: Iterable[bytes], info_hash: InfoHash) -> bool:
    """The same of what these are together."""
    v1, v2 = sha1(), sha256()
    for piece in pieces:
        if info_hash.v1:
            v1.update(piece)
        if info_hash.v2:
            v2.update(piece)
    return (not info_hash.v1 or v1.digest() == info_hash.v1) and (not info_hash.v2 or v2.digest() == info_hash.v2)
