"""Searches that are under way: what is asked of each node, and what becomes of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.bencode import decode
from blobtorrent.protocol.dht.ids import is_local, provider_of
from blobtorrent.protocol.dht.items import Item, Refused, read_item
from blobtorrent.protocol.dht.krpc import Response, read_values
from blobtorrent.protocol.dht.lookup import Candidate, Lookup
from blobtorrent.runtime.machine import Machine, Table

MAX_PEERS_OF_PROVIDER = 100            # that the nodes of one provider may name in a search
MAX_TOKEN_BYTES = 64


class SearchState(Enum):
    """What a search is at."""

    LOOKING = "looking"
    TELLING = "telling"                # the nearest nodes are told what they shall keep
    DONE = "done"


class SearchEvent(Enum):
    """What moves it on."""

    ARRIVED = "arrived"                # at the nearest nodes
    ENOUGH = "enough"                  # nothing is to be told, or nobody to be told it


SEARCH = Table(
    {
        SearchState.LOOKING: {
            SearchEvent.ARRIVED: SearchState.TELLING,
            SearchEvent.ENOUGH: SearchState.DONE,
        },
        SearchState.TELLING: {SearchEvent.ENOUGH: SearchState.DONE},
    },
    home=SearchState.DONE,
    start=SearchState.LOOKING,
    ends=(SearchState.DONE,),
)


class SearchResult(NamedTuple):
    """How a search ended: nodes that answered, peers found, nodes that took what they were told, and the item found."""

    answered: int = 0
    peers: int = 0
    told: int = 0
    item: Item | None = None


class Search:
    """A walk to the nodes nearest to a target. `on_done(result)` is called once."""

    method = b"find_node"

    def __init__(self, target: bytes, on_done: Callable[[SearchResult], None]) -> None:
        self.target = target
        self.machine = Machine(SEARCH)
        self.answered = 0
        self.peers = 0
        self.told = 0
        self.untold = 0                # told, and not answered yet
        self.item: Item | None = None
        self._on_done = on_done

    @property
    def key(self) -> Hashable:
        """Of two searches with the same key one is enough."""
        return self

    @property
    def result(self) -> SearchResult:
        return SearchResult(self.answered, self.peers, self.told, self.item)

    def arguments(self) -> dict[bytes, Any]:
        """Of the query to every node on the way."""
        return {b"target": self.target}

    def on_answer(self, response: Response, data: bytes, candidate: Candidate) -> None:
        """A node on the way answered."""
        self.answered += 1

    @property
    def is_satisfied(self) -> bool:
        """Whether there is no need to go on looking."""
        return False

    def tell(self, candidate: Candidate) -> tuple[bytes, dict[bytes, Any]] | None:
        """The query to each of the nearest nodes: method and arguments; None for nothing."""
        return None

    def finish(self) -> None:
        self.machine.fire(SearchEvent.ENOUGH)
        self._on_done(self.result)


def token_of(response: Response) -> bytes | None:
    token = response.values.get(b"token")
    return token if isinstance(token, bytes) and len(token) <= MAX_TOKEN_BYTES else None


def peers_of(info_hash: bytes) -> Hashable:
    """The key of searches for the peers of a torrent."""
    return PeerSearch.method, info_hash


class PeerSearch(Search):
    """Finds peers of a torrent, and announces us to the nearest nodes if `port` is not 0.

    `on_peers(endpoints)` is called with peers not named before, as they come.
    """

    method = b"get_peers"

    def __init__(
        self, info_hash: bytes, on_peers: Callable[[list[Endpoint]], None], on_done: Callable[[SearchResult], None],
        *, port: int = 0, is_seed: bool = False,
    ) -> None:
        super().__init__(info_hash, on_done)
        self._on_peers = on_peers
        self._port = port
        self._is_seed = is_seed
        self._known: set[Endpoint] = set()
        self._named: Counter[bytes] = Counter()            # how many peers, by the provider of who named them

    @property
    def key(self) -> Hashable:
        return peers_of(self.target)

    def arguments(self) -> dict[bytes, Any]:
        return {b"info_hash": self.target}

    def on_answer(self, response: Response, data: bytes, candidate: Candidate) -> None:
        super().on_answer(response, data, candidate)
        packed = candidate.packed
        provider = packed if is_local(packed) else provider_of(packed)
        found = dict.fromkeys(peer for peer in read_values(response.values, packed) if peer not in self._known)
        new = list(found)[:MAX_PEERS_OF_PROVIDER - self._named[provider]]
        if new:
            self._named[provider] += len(new)
            self._known.update(new)
            self.peers += len(new)
            self._on_peers(new)

    def tell(self, candidate: Candidate) -> tuple[bytes, dict[bytes, Any]] | None:
        if not self._port:
            return None
        arguments: dict[bytes, Any] = {
            b"info_hash": self.target, b"port": self._port, b"implied_port": 0, b"token": candidate.token}
        if self._is_seed:
            arguments[b"seed"] = 1
        return b"announce_peer", arguments


class ItemSearch(Search):
    """Finds the item of a target: an immutable one is what it hashes to, of a mutable one the newest counts."""

    method = b"get"

    def __init__(self, target: bytes, on_done: Callable[[SearchResult], None], *, salt: bytes = b"") -> None:
        super().__init__(target, on_done)
        self._salt = salt

    def on_answer(self, response: Response, data: bytes, candidate: Candidate) -> None:
        super().on_answer(response, data, candidate)
        if b"v" not in response.values:
            return
        try:
            # What a node calls the salt is of no matter: the target says which it is.
            fields = {name: value for name, value in response.values.items() if name != b"salt"}
            item = read_item(fields, data, self._salt)
        except Refused:
            return
        if item.target == self.target and (self.item is None or item.seq > self.item.seq):
            self.item = item

    @property
    def is_satisfied(self) -> bool:
        return self.item is not None and not self.item.key


class ItemPut(Search):
    """Brings an item to the nearest nodes."""

    method = b"get"

    def __init__(self, item: Item, on_done: Callable[[SearchResult], None], *, cas: int | None = None) -> None:
        super().__init__(item.target, on_done)
        self.item = item
        self._cas = cas

    def tell(self, candidate: Candidate) -> tuple[bytes, dict[bytes, Any]] | None:
        item = self.item
        assert item is not None
        arguments: dict[bytes, Any] = {b"v": decode(item.value), b"token": candidate.token}
        if item.key:
            arguments.update({b"k": item.key, b"seq": item.seq, b"sig": item.signature})
            if item.salt:
                arguments[b"salt"] = item.salt
            if self._cas is not None:
                arguments[b"cas"] = self._cas
        return b"put", arguments


class Walk:
    """A search, where it is, and how long it may look for more."""

    __slots__ = ("search", "lookup", "until_s")

    def __init__(self, search: Search, lookup: Lookup, until_s: float) -> None:
        self.search = search
        self.lookup = lookup
        self.until_s = until_s
