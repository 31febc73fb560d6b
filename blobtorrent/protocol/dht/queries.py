"""Queries of ours that nobody answered yet. An answer counts from whom it was asked of only."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import Randomness
from blobtorrent.protocol.dht.krpc import Response
from blobtorrent.protocol.dht.search import Walk

TRANSACTION_BYTES = 4
ANSWER_S = 4.0                         # a query that is not answered by then has failed
MAX_OPEN = 1000

# The answer and its datagram, or None.
OnEnd = Callable[[Response | None, bytes], None]


class OpenQuery:
    """One of them; `on_end` is None for a mere ping, and `walk` for what is no step of one."""

    __slots__ = ("endpoint", "expires_s", "on_end", "walk")

    def __init__(self, endpoint: Endpoint, expires_s: float, on_end: OnEnd | None, walk: Walk | None) -> None:
        self.endpoint = endpoint
        self.expires_s = expires_s
        self.on_end = on_end
        self.walk = walk


class OpenQueries:
    """By transaction, the oldest first."""

    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._queries: dict[bytes, OpenQuery] = {}
        self._owed: dict[Endpoint, set[bytes]] = {}        # the transactions that each has to answer

    def __len__(self) -> int:
        return len(self._queries)

    def is_asked(self, endpoint: Endpoint) -> bool:
        """Whether somebody may have an answer for us."""
        return endpoint in self._owed

    def may_answer(self, endpoint: Endpoint, data: bytes) -> bool:
        """Whether a datagram may be an answer, as far as can be seen without reading it."""
        return any(transaction in data for transaction in self._owed.get(endpoint, ()))

    def add(self, endpoint: Endpoint, on_end: OnEnd | None, walk: Walk | None, now: float) -> bytes | None:
        """The transaction id of one more; None when there are too many."""
        if len(self._queries) >= MAX_OPEN:
            return None
        transaction = self._rng.randbytes(TRANSACTION_BYTES)
        while transaction in self._queries:
            transaction = self._rng.randbytes(TRANSACTION_BYTES)
        self._queries[transaction] = OpenQuery(endpoint, now + ANSWER_S, on_end, walk)
        self._owed.setdefault(endpoint, set()).add(transaction)
        return transaction

    def take(self, transaction: bytes, endpoint: Endpoint) -> OpenQuery | None:
        """The query that somebody answers."""
        query = self._queries.get(transaction)
        if query is None or query.endpoint != endpoint:
            return None
        self._remove(transaction, query)
        return query

    def take_late(self, now: float) -> list[OpenQuery]:
        """Those that nobody answered in time."""
        late: list[tuple[bytes, OpenQuery]] = []
        for transaction, query in self._queries.items():
            if query.expires_s > now:
                break
            late.append((transaction, query))
        for transaction, query in late:
            self._remove(transaction, query)
        return [query for _, query in late]

    def _remove(self, transaction: bytes, query: OpenQuery) -> None:
        del self._queries[transaction]
        owed = self._owed[query.endpoint]
        owed.remove(transaction)
        if not owed:
            del self._owed[query.endpoint]
