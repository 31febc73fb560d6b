"""HashServer: gives peers the hash trees of a torrent's files (BEP 52). Owned by a swarm; made when a peer asks.

From the piece layer up a tree is made of what the .torrent file has. Leaves are hashed anew, from pieces that are on
disk, by the hashing threads. All peers are answered, choked ones too, at a steady pace: libtorrent asks again at once
when it is rejected, and waits when it is not answered yet. What is beyond the pace waits, and beyond that is rejected.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.merkle import HASH_BYTES, LayerTree, root_of, tree_width, zero_root
from blobtorrent.model.reach import Reach, reach_of, site_of
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRun
from blobtorrent.storage.leaves import read_leaves

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.metainfo import FileEntry

AT_ONCE = 128                          # runs for one host: 2 MiB
PER_SECOND = 64.0
LEAVES_PER_RUN = 8                     # to read and hash so many blocks is worth a run more
TIMES = 4                              # how often a host gets all runs of the piece layers, ...
SPARE = 1000                           # ... and other runs, ...
FORGET_S = 3600.0                      # ... in such a time: others may live behind the same address
MAX_WAITING = 32                       # requests of one host
MAX_JOBS = 4                           # with the hashing threads at once: pieces that come in are hashed there too
MAX_REJECTS = 1000                     # that one host hears in that time: it might not read them
MAX_HOSTS = 500                        # that are remembered
SERVE_AGAIN_S = 0.25
QUICK_PIECES = 4096                    # of a file whose tree is made at once: some 3 ms


class _Host:
    """What one host may still ask for."""

    __slots__ = ("at_once", "began_at", "left", "rejects", "seen_at", "waiting")

    def __init__(self, left: float, now: float) -> None:
        self.left = left
        self.rejects = MAX_REJECTS
        self.began_at = self.seen_at = now
        self.at_once = float(AT_ONCE)
        self.waiting = 0

    def take(self, runs: float, now: float) -> bool:
        self.at_once = min(AT_ONCE, self.at_once + (now - self.seen_at) * PER_SECOND)
        self.seen_at = now
        if self.at_once < runs:
            return False
        self.at_once -= runs
        self.left -= runs
        return True


class _Asked(NamedTuple):
    link: PeerLink
    host: _Host
    run: HashRun


class _File(NamedTuple):
    """A file with a tree. `layer` is empty for one of a single piece, which has none, and where it is not known."""

    entry: FileEntry
    num_layers: int                    # above the leaves
    piece_layers: int                  # so many of them are below the piece layer; all, in a single piece
    layer: bytes


class HashServer:
    """`jobs_in_flight` are with the hashing threads."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        metainfo = swarm.order.metainfo
        self.jobs_in_flight = 0
        self._swarm = swarm
        self._outlets = outlets
        self._piece_length = metainfo.geometry.piece_length
        self._files = {entry.pieces_root: entry for entry in metainfo.files if entry.pieces_root and not entry.is_pad}
        self._trees: dict[bytes, LayerTree] = {}
        self._awaited: dict[bytes, list[Callable[[LayerTree], None]]] = {}         # trees that are being made
        self._waiting: deque[_Asked] = deque()
        self._is_due = False
        self._hosts: dict[str | PeerLink, _Host] = {}      # those that began last at the end

    def on_request(self, link: PeerLink, run: HashRun) -> None:
        host = self._host_of(link)
        asked = _Asked(link, host, run)
        if host.left <= 0 or host.waiting >= MAX_WAITING:
            self._reject(asked)
            return
        host.waiting += 1
        self._waiting.append(asked)
        self._serve()

    # ---- pace

    def _serve(self) -> None:
        """Answer whom the pace allows; the others wait."""
        waiting, self._waiting = self._waiting, deque()
        if not waiting:
            return
        now = self._swarm.now
        for asked in waiting:
            if asked.link.closing is not None:
                asked.host.waiting -= 1
            elif self.jobs_in_flight < MAX_JOBS and asked.host.take(_price_of(asked.run), now):
                asked.host.waiting -= 1
                self._answer(asked)
            else:
                self._waiting.append(asked)
        if self._waiting and not self._is_due:
            self._is_due = True
            self._outlets.at(self._swarm, now + SERVE_AGAIN_S, self._serve_again)
        self._swarm.wake()

    def _serve_again(self) -> None:
        self._is_due = False
        self._serve()

    def _host_of(self, link: PeerLink) -> _Host:
        now, address = self._swarm.now, link.endpoint.host
        # On loopback all share one host.
        key = link if reach_of(address) is Reach.LOOPBACK else site_of(address)
        host = self._hosts.get(key)
        if host is None or now - host.began_at >= FORGET_S:
            self._hosts.pop(key, None)
            layers = self._swarm.order.metainfo.piece_layers.values()
            num_runs = sum(-(-len(layer) // (LayerTree.RUN * HASH_BYTES)) for layer in layers)
            host = self._hosts[key] = _Host(TIMES * num_runs + SPARE, now)
            if len(self._hosts) > MAX_HOSTS:
                del self._hosts[next(iter(self._hosts))]
        return host

    # ---- answers

    def _answer(self, asked: _Asked) -> None:
        run, file = asked.run, self._file_of(asked.run.root)
        if file is None or not run.fits(file.num_layers):
            self._reject(asked)
        elif file.layer and run.base_layer >= file.piece_layers:
            self._with_tree(file, lambda tree: self._give(asked, (
                tree.nodes(run.base_layer, run.first, run.length), *(tree.node(*place) for place in run.siblings()))))
        elif run.base_layer:
            self._reject(asked)        # nobody has to have what is between leaves and pieces
        elif file.layer:
            self._with_tree(file, lambda tree: self._give_leaves(asked, file, tree))
        else:
            self._give_leaves(asked, file, None)

    def _file_of(self, root: bytes) -> _File | None:
        """None unless its tree can be given."""
        entry = self._files.get(root)
        if entry is None:
            return None
        if entry.length <= self._piece_length:
            num_layers = _height_of(-(-entry.length // BLOCK_SIZE))
            return _File(entry, num_layers, num_layers, b"")
        layer = self._swarm.order.metainfo.piece_layers.get(root, b"")
        below = _height_of(self._piece_length // BLOCK_SIZE)
        return _File(entry, below + _height_of(len(layer) // HASH_BYTES), below, layer) if layer else None

    def _with_tree(self, file: _File, then: Callable[[LayerTree], None]) -> None:
        root = file.entry.pieces_root
        tree = self._trees.get(root)
        if tree is None and len(file.layer) <= QUICK_PIECES * HASH_BYTES:
            tree = self._trees[root] = LayerTree(file.layer, file.piece_layers)
        if tree is not None:
            then(tree)
            return
        awaiting = self._awaited.setdefault(root, [])
        awaiting.append(then)
        if len(awaiting) == 1:
            self._compute(partial(LayerTree, file.layer, file.piece_layers), partial(self._on_tree, root))

    def _on_tree(self, root: bytes, tree: LayerTree | None) -> None:
        awaiting = self._awaited.pop(root)
        if tree is not None:
            self._trees[root] = tree
            for then in awaiting:
                then(tree)

    def _give_leaves(self, asked: _Asked, file: _File, tree: LayerTree | None) -> None:
        """Read the pieces that the run is of, hash them, and prove them by the tree, if there is more than a piece."""
        run, entry = asked.run, file.entry
        width = 1 << file.piece_layers                     # leaves of a piece
        first = run.first // width                         # piece of the file
        begin = first * self._piece_length
        size = min(max(1, run.length // width) * self._piece_length, entry.length - begin)
        pieces = self._swarm.geometry.pieces_of_span(entry.offset + begin, size)
        if not pieces or not all(index in self._swarm.pieces.have for index in pieces):
            self._reject(asked)
            return
        self._compute(partial(read_leaves, self._swarm.order.store, entry.offset + begin, size),
                      partial(self._on_leaves, asked, file, tree, first * width))

    def _on_leaves(self, asked: _Asked, file: _File, tree: LayerTree | None, first: int,
                   leaves: list[bytes] | None) -> None:
        """`first` is the place of the first of them in the file."""
        if leaves is None:
            self._reject(asked)
            return

        def node(layer: int, index: int) -> bytes:
            if tree is not None and layer >= file.piece_layers:
                return tree.node(layer, index)
            start = (index << layer) - first
            here = leaves[start:start + (1 << layer)]
            return root_of(here, 1 << layer) if here else zero_root(layer)

        run = asked.run
        self._give(asked, (*(node(0, run.first + at) for at in range(run.length)),
                           *(node(*place) for place in run.siblings())))

    def _give(self, asked: _Asked, hashes: tuple[bytes, ...]) -> None:
        if asked.link.closing is None:
            asked.link.send(Hashes(asked.run, b"".join(hashes)).encode())

    def _reject(self, asked: _Asked) -> None:
        if asked.link.closing is None and asked.host.rejects > 0:
            asked.host.rejects -= 1
            asked.link.send(HashReject(asked.run).encode())

    # ---- what takes long

    def _compute(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self.jobs_in_flight += 1
        self._outlets.compute(self._swarm, work, partial(self._on_computed, then))

    def _on_computed(self, then: Callable[[Any], None], result: Any) -> None:
        self.jobs_in_flight -= 1
        then(result)
        self._serve()
        self._swarm.wake()


def _height_of(nodes: int) -> int:
    return tree_width(nodes).bit_length() - 1


def _price_of(run: HashRun) -> float:
    """In runs. Proofs are short; leaves are read and hashed."""
    return 1.0 if run.base_layer else 1.0 + min(run.length, LayerTree.RUN) / LEAVES_PER_RUN
