"""LayerManager: fetches the piece layers that a torrent came without, from many peers at once (BEP 52). Pure.

A layer is asked for in runs of at most 512 hashes. Each run comes with the hashes that lead from it to the root of its
file, which the info dictionary names: so nothing that a peer sends is believed, and who sends a wrong run has lied. A
layer counts once all of its runs are here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from blobtorrent.model.errors import PeerError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.merkle import HASH_BYTES, proven_root, split_layer, tree_width
from blobtorrent.protocol.wire.hashes import MAX_HASHES, Hashes, HashRun

P = TypeVar("P", bound=Hashable)

MAX_ASKED = 4                          # runs that one peer is asked for at once
MAX_ASKERS = 2                         # peers that are asked for the same run
REQUEST_TIMEOUT_S = 10.0
DOUBLE_AFTER_S = 2.0                   # a run that has not come by then may be asked of another peer too
FIRST_REST_S = 1.0                     # for a peer that rejects or does not answer, doubled each time
LONGEST_REST_S = 300.0
MAX_MISSES = 3                         # then others may have its place
TELL_SHARE = 8                         # news are told when they are this part of what was told before, ...
TELL_AFTER_S = 10.0                    # ... or so old: who keeps them writes all of them


class _Peer:
    """How one peer fares."""

    __slots__ = ("asked", "delivered", "late", "misses", "rests_until")

    def __init__(self) -> None:
        self.asked: dict[HashRun, float] = {}              # and when
        self.late: set[HashRun] = set()                    # asked for and given up: may still come
        self.delivered = 0
        self.misses = 0                # in a row
        self.rests_until = 0.0

    def miss(self, now: float) -> None:
        self.rests_until = now + min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(self.misses, 10))
        self.misses += 1


class _Layer:
    """What is here of one layer."""

    __slots__ = ("num_pieces", "num_runs", "run_length", "runs")

    def __init__(self, num_pieces: int) -> None:
        self.num_pieces = num_pieces
        self.run_length = min(MAX_HASHES, tree_width(num_pieces))
        self.num_runs = -(-num_pieces // self.run_length)
        self.runs: dict[int, bytes] = {}                   # by their index

    def add(self, run: HashRun, hashes: bytes) -> bool:
        """Whether the layer is whole now."""
        self.runs[run.first] = hashes[:run.length * HASH_BYTES]
        return len(self.runs) == self.num_runs

    def whole(self) -> bytes:
        """Without what fills the tree up behind the end of the file."""
        return b"".join(self.runs[index] for index in sorted(self.runs))[:self.num_pieces * HASH_BYTES]


class LayerManager(Generic[P]):
    """Peers are named by whatever the caller likes. `is_done` once every layer is here."""

    def __init__(self, lacking: Mapping[bytes, int], piece_length: int) -> None:
        """`lacking` is how many pieces each file has, by pieces root (see Metainfo.lacking_layers)."""
        self._level = (piece_length // BLOCK_SIZE).bit_length() - 1
        self._open = {root: _Layer(num_pieces) for root, num_pieces in lacking.items()}
        self._total = len(self._open)
        self._fresh = self._all_runs()
        self._again: deque[HashRun] = deque()              # were asked for in vain
        self._asked: dict[HashRun, dict[P, float]] = {}
        self._peers: dict[P, _Peer] = {}
        self._news: dict[bytes, bytes] = {}                # layers that nobody was told of yet
        self._news_bytes = self._told_bytes = 0
        self._news_since: float | None = None

    # ---- peers

    def join(self, peer: P) -> None:
        """The peer may be asked."""
        self._peers.setdefault(peer, _Peer())

    def leave(self, peer: P) -> None:
        known = self._peers.pop(peer, None)
        for run in known.asked if known is not None else ():
            self._give_up(peer, run)

    def is_useless(self, peer: P) -> bool:
        """Whether little is to be hoped of a peer: it lets us wait, or has nothing to give."""
        known = self._peers.get(peer)
        return known is not None and known.misses >= MAX_MISSES

    def delivered(self, peer: P) -> int:
        """How many runs came from a peer."""
        known = self._peers.get(peer)
        return 0 if known is None else known.delivered

    def on_hashes(self, peer: P, message: Hashes, now: float) -> bool:
        """A run came. False when the peer was not asked for it.

        Raises PeerError ("hashes.mismatch") when it does not belong to the file: the peer lies.
        """
        known, run = self._peers.get(peer), message.run
        if known is None or (known.asked.pop(run, None) is None and run not in known.late):
            return False
        known.late.discard(run)
        nodes = split_layer(message.hashes)
        if proven_root(nodes[:run.length], nodes[run.length:], run.first, run.base_layer) != run.root:
            self._give_up(peer, run)
            raise PeerError("hashes.mismatch", "its hashes do not belong to the file")
        known.delivered += 1
        known.misses, known.rests_until = 0, 0.0
        for other in self._asked.pop(run, {}):
            if other != peer:
                self._peers[other].asked.pop(run, None)
                self._peers[other].late.add(run)
        layer = self._open.get(run.root)
        if layer is not None and layer.add(run, message.hashes):
            del self._open[run.root]
            self._news[run.root] = whole = layer.whole()
            self._news_bytes += len(whole)
            if self._news_since is None:
                self._news_since = now
        return True

    def on_reject(self, peer: P, run: HashRun, now: float) -> None:
        """The peer does not have it, or does not want to give it."""
        known = self._peers.get(peer)
        if known is not None and known.asked.pop(run, None) is not None:
            known.miss(now)
            self._give_up(peer, run)

    # ---- what is next

    def requests(self, now: float) -> Iterator[tuple[P, HashRun]]:
        """Whom to ask for which run now; they count as asked."""
        self._expire(now)
        willing = {peer: known for peer, known in self._peers.items() if known.rests_until <= now}
        while willing:                 # one each, then a second one: all take part
            for peer, known in list(willing.items()):
                run = self._next_for(known, now) if len(known.asked) < (1 if known.misses else MAX_ASKED) else None
                if run is None:
                    del willing[peer]
                    continue
                known.asked[run] = now
                self._asked.setdefault(run, {})[peer] = now
                yield peer, run

    def take_news(self, now: float) -> dict[bytes, bytes]:
        """Layers to tell of now, by pieces root; empty while it is better to wait for more."""
        since = self._news_since
        if since is None or (self._open and self._news_bytes * TELL_SHARE < self._told_bytes
                             and now - since < TELL_AFTER_S):
            return {}
        news, self._news, self._news_since = self._news, {}, None
        self._told_bytes += self._news_bytes
        self._news_bytes = 0
        return news

    @property
    def is_done(self) -> bool:
        return not self._open

    @property
    def progress(self) -> tuple[int, int]:
        """Layers that are here, and of how many."""
        return self._total - len(self._open), self._total

    # ---- runs

    def _all_runs(self) -> Iterator[HashRun]:
        """Every run once; made one by one, since there may be hundreds of thousands."""
        for root, layer in list(self._open.items()):
            proof_layers = tree_width(layer.num_pieces).bit_length() - 2
            for number in range(layer.num_runs):
                yield HashRun(root, self._level, number * layer.run_length, layer.run_length, proof_layers)

    def _next_for(self, known: _Peer, now: float) -> HashRun | None:
        """One that nobody is asked for, else one that others let us wait for."""
        fresh = next(self._fresh, None)
        if fresh is not None:
            return fresh
        while self._again:
            run = self._again.popleft()
            if not self._is_here(run):             # it came late
                return run
        for run, askers in self._asked.items():
            if run not in known.asked and len(askers) < MAX_ASKERS and now - max(askers.values()) >= DOUBLE_AFTER_S:
                return run
        return None

    def _is_here(self, run: HashRun) -> bool:
        layer = self._open.get(run.root)
        return layer is None or run.first in layer.runs

    def _expire(self, now: float) -> None:
        for peer, known in self._peers.items():
            late = [run for run, asked_at in known.asked.items() if now - asked_at >= REQUEST_TIMEOUT_S]
            for run in late:
                del known.asked[run]
                known.late.add(run)
                self._give_up(peer, run)
            if late:
                known.miss(now)

    def _give_up(self, peer: P, run: HashRun) -> None:
        """This peer is not asked for it any more; if nobody is, somebody else will be."""
        askers = self._asked.get(run)
        if askers is not None and askers.pop(peer, None) is not None and not askers:
            del self._asked[run]
            self._again.append(run)
