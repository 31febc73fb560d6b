"""A node of the DHT in one family, sans I/O: what came and `now` go in, `take()` has what is to be sent.

Two of them, one for IPv4 and one for IPv6, share what they keep for others (`Answerer`). A node must be told the time
(`tick`) whenever `deadline_s` is reached. BEP 5, 32, 42, 43.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from math import inf
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DhtError
from blobtorrent.protocol.dht.answers import Answerer
from blobtorrent.protocol.dht.ids import (
    ID_BYTES,
    Randomness,
    is_local,
    is_secure,
    is_usable,
    make_node_id,
    network_of,
)
from blobtorrent.protocol.dht.krpc import (
    Failure,
    NodeInfo,
    Query,
    Response,
    compact,
    packed_host,
    read_message,
    read_nodes,
    write_query,
)
from blobtorrent.protocol.dht.limits import HEADER_BYTES, Allowance
from blobtorrent.protocol.dht.lookup import ALPHA, Candidate, Lookup
from blobtorrent.protocol.dht.queries import ANSWER_S, OnEnd, OpenQueries, OpenQuery
from blobtorrent.protocol.dht.routing import RoutingTable
from blobtorrent.protocol.dht.search import Search, SearchEvent, SearchResult, SearchState, Walk, token_of
from blobtorrent.protocol.dht.voting import AddressVote
from blobtorrent.runtime.machine import Machine, Table

STEP_S = 0.25                          # between two looks at searches under way
UPKEEP_S = 5.0                         # between two looks at the table
MIN_SEARCHES, MAX_SEARCHES = 8, 32     # that look at the same time, as many others wait
WAITING_FOR_ONE = 25                   # so many more that wait let one more look
SEARCH_S = 60.0                        # then it has to be content with whom it found
MAX_WAITING = 20_000                   # searches that wait for others to end
PATIENCE_S = 20.0                      # that they wait for the network to be found
MEETINGS_PER_S, MEETINGS_BURST = 4.0, 16.0                 # strangers that are asked whether they are there
PING_BYTES = 64 + HEADER_BYTES         # of a ping, at most
MEET_AGAIN_S = 60.0                    # strangers of one network
BOOTSTRAP_ALPHA = 8
FIRST_RETRY_S = 5.0                    # of the bootstrap; doubled with every failure
LAST_RETRY_S = 300.0
FIRST_ASKED = 16                       # contacts of ours that a search begins with
SETTLED_S = 1800.0                     # that an id is kept, whatever becomes of our address
WIDE_SEARCHES = 3                      # after it, for nodes that are far from us
MAX_HINTS = 60                         # nodes of an earlier run that the bootstrap begins with


class NodeState(Enum):
    """How well a node is connected."""

    COLD = "cold"
    BOOTSTRAPPING = "bootstrapping"
    READY = "ready"
    ISOLATED = "isolated"              # nobody answers: tried again


class NodeEvent(Enum):
    """What changes it."""

    BEGIN = "begin"
    FOUND = "found"                    # there is a node in the table
    FAILED = "failed"
    LOST = "lost"                      # there is none any more


NODE = Table(
    {
        NodeState.COLD: {NodeEvent.BEGIN: NodeState.BOOTSTRAPPING},
        NodeState.BOOTSTRAPPING: {
            NodeEvent.BEGIN: NodeState.BOOTSTRAPPING,
            NodeEvent.FOUND: NodeState.READY,
            NodeEvent.FAILED: NodeState.ISOLATED,
        },
        NodeState.READY: {NodeEvent.BEGIN: NodeState.BOOTSTRAPPING, NodeEvent.LOST: NodeState.ISOLATED},
        NodeState.ISOLATED: {NodeEvent.BEGIN: NodeState.BOOTSTRAPPING, NodeEvent.FOUND: NodeState.READY},
    },
    home=NodeState.READY,
    start=NodeState.COLD,
    faults=(NodeState.ISOLATED,),
)


def _ignore(_result: SearchResult) -> None:
    """A search for the sake of the nodes that are met on the way."""


class Node:
    """`on_address(packed)` is called when the world agrees on our outer address, once at least in every run; `address`
    is what it was in an earlier one.
    """

    def __init__(
        self,
        answerer: Answerer,
        rng: Randomness,
        now: float,
        *,
        is_ipv6: bool = False,
        node_id: bytes | None = None,
        address: bytes | None = None,
        is_read_only: bool = False,
        on_address: Callable[[bytes], None] = lambda packed: None,
    ) -> None:
        self.is_ipv6 = is_ipv6
        self.is_read_only = is_read_only
        self.machine = Machine(NODE)
        self.vote = AddressVote()
        self.counts: Counter[str] = Counter()              # datagrams, by what became of them
        self.bootstrap: list[Endpoint] = []                # ordinary nodes to begin with
        self.routers: list[Endpoint] = []                  # public ones that are for beginning only
        self.answerer = answerer
        self._rng = rng
        self._on_address = on_address
        self._outbox: list[tuple[Endpoint, bytes]] = []
        self._queries = OpenQueries(rng)
        # Who asked us, and whom peers named, apart, so that neither takes the turns of the other.
        self._strangers = Allowance(MEETINGS_PER_S, MEETINGS_BURST, now)
        self._named = Allowance(MEETINGS_PER_S, MEETINGS_BURST, now)
        self._met: dict[bytes, float] = {}                 # networks whose strangers were asked -> not again until
        self._walks: list[Walk] = []
        self._bootstrap_walk: Walk | None = None           # the last one
        self._waiting: OrderedDict[Hashable, tuple[Search, float]] = OrderedDict()         # and how long each waits
        self._hints: list[NodeInfo] = []
        self._retry_s = FIRST_RETRY_S
        self._begins_s: float | None = None
        self._upkeep_s = now
        self._stepped_s = now
        self._settles_s = now          # not before that the id may change
        self.address = address
        self.node_id = node_id or make_node_id(None, rng)
        self.table = RoutingTable(self.node_id, now)
        answerer.tables[is_ipv6] = self.table

    # ---- what the owner asks

    def begin(self, now: float) -> None:
        """Find the network, or find it again when our own address is another."""
        self._retry_s = FIRST_RETRY_S
        walk = self._bootstrap_walk
        if walk is None or walk not in self._walks:
            self._begin(now)
            return
        for endpoint in (*self.bootstrap, *self.routers):  # some may be known only now
            walk.lookup.add_door(endpoint)
        self._step(now)

    def search(self, search: Search, now: float, *, is_urgent: bool = False) -> bool:
        """Begin a search, or have it wait for others to end; False when too many wait. Then it never calls back, nor
        does one that waits while another comes with its key."""
        if len(self._waiting) >= MAX_WAITING and search.key not in self._waiting:
            return False
        self._wait(search, now + PATIENCE_S, is_urgent=is_urgent)
        self._begin_waiting(now)
        return True

    def forget(self, key: Hashable) -> None:
        """End searches where they are: nobody is told anything from now on, and they never call back."""
        self._waiting.pop(key, None)
        for walk in list(self._walks):
            if walk.search.key == key:
                walk.search.machine.fire(SearchEvent.ENOUGH)
                self._walks.remove(walk)

    def add_contact(self, endpoint: Endpoint, now: float) -> None:
        """Somebody who may be a node, such as a peer that said so: find out, unless there are too many of them."""
        if (endpoint.is_ipv6 == self.is_ipv6 and is_usable(packed_host(endpoint)) and self.table.get(endpoint) is None
                and self._named.take(now)):
            self._try_out(endpoint, now)

    def take(self) -> list[tuple[Endpoint, bytes]]:
        """What is to be sent now."""
        outbox, self._outbox = self._outbox, []
        return outbox

    @property
    def deadline_s(self) -> float:
        """When `tick` must be called."""
        if self._walks or len(self._queries):
            return min(self._stepped_s + STEP_S, self._upkeep_s)
        return self._upkeep_s

    def known_nodes(self, most: int) -> list[NodeInfo]:
        """Nodes that are worth trying first in another run, the best ones; hints where there are no better ones."""
        contacts = sorted(self.table, key=lambda one: (one.failures, not one.is_secure, -one.answered_s))
        known = {one.endpoint: NodeInfo(one.node_id, one.endpoint) for one in contacts}
        for hint in self._hints:
            known.setdefault(hint.endpoint, hint)
        return list(known.values())[:most]

    def hint(self, nodes: Iterable[NodeInfo]) -> None:
        """Nodes that were there some time ago."""
        self._hints = [node for node in nodes if node.endpoint.is_ipv6 == self.is_ipv6]

    # ---- what comes

    def on_datagram(self, data: bytes, sender: Endpoint, now: float) -> None:
        """Somebody sent this. What breaks the rules is counted and dropped."""
        try:
            packed = packed_host(sender)
            if sender.port == 0 or sender.is_ipv6 != self.is_ipv6 or not is_usable(packed):
                raise DhtError("dht.bad-sender", "an address that nobody can have")
            is_owed = self._queries.may_answer(sender, data)
            if not self.answerer.limits.may_be_heard(packed, now, is_owed=is_owed):
                raise DhtError("dht.flood", "more than anybody has to say")
            message = read_message(data)
        except DhtError as error:
            self.counts[error.code] += 1
            return
        if isinstance(message, Query):
            self._on_query(message, data, sender, now)
            return
        query = self._queries.take(message.transaction, sender)
        if query is None:
            self.counts["dht.unasked"] += 1
            return
        if isinstance(message, Failure):
            self.counts["refused"] += 1
            if query.on_end is not None:
                query.on_end(None, data)
        else:
            self._on_response(message, data, query, now)
        if query.walk is not None:
            self._go_on(query.walk, now)
            self._begin_waiting(now)

    def _on_query(self, query: Query, data: bytes, sender: Endpoint, now: float) -> None:
        if self.is_read_only or query.sender_id == self.node_id:
            return
        if not self.answerer.limits.may_answer(packed_host(sender), now):
            self.counts["dht.flood"] += 1
            return
        self.counts["query"] += 1
        is_met = self._may_meet(query, sender, now)
        answer = self.answerer.answer(
            query, data, sender, self.node_id, now, besides=PING_BYTES if is_met else 0)
        self.answerer.limits.on_answered(len(answer), now)
        self._outbox.append((sender, answer))
        if is_met:
            self._met[_meeting_place(sender)] = now + MEET_AGAIN_S
            self._try_out(sender, now)

    def _may_meet(self, query: Query, sender: Endpoint, now: float) -> bool:
        """Whether somebody who asked us something is asked whether he is there: that alone brings a node into the
        table. Queries are forged easily, so this is for few."""
        return (not query.is_read_only and not self.table.on_query(query.sender_id, sender, now)
                and self.table.has_room_for(query.sender_id) and not self._queries.is_asked(sender)
                and _meeting_place(sender) not in self._met and self._strangers.take(now))

    def _on_response(self, response: Response, data: bytes, query: OpenQuery, now: float) -> None:
        self.counts["answer"] += 1
        sender = query.endpoint
        packed = packed_host(sender)
        self.answerer.limits.prove(packed, now)
        if query.on_end is not None:   # first of all: who waits for it waits for nothing else
            query.on_end(response, data)
        if sender not in self.routers and self.table.on_answer(response.sender_id, sender, now) is not None:
            if self.machine.state is NodeState.ISOLATED:   # no bootstrap is under way: find those who are near us
                self._wait(Search(self.node_id, _ignore), inf, is_urgent=True)
            self._note(NodeEvent.FOUND)
        if response.seen_as is not None and self.vote.add(response.seen_as, packed):
            self.address = response.seen_as
            self._on_address(response.seen_as)
            self._settle(now)

    # ---- time

    def tick(self, now: float) -> None:
        """Give up what was not answered, go on with searches, look after the table."""
        for query in self._queries.take_late(now):
            self.counts["unanswered"] += 1
            self.table.on_failure(query.endpoint)
            if query.on_end is not None:
                query.on_end(None, b"")
        if now >= self._upkeep_s:
            self._upkeep_s = now + UPKEEP_S
            self._keep_up(now)
        self._step(now)

    def _keep_up(self, now: float) -> None:
        self.answerer.expire(now)
        self._met = {place: until_s for place, until_s in self._met.items() if until_s > now}
        self._settle(now)
        if self._begins_s is not None and now >= self._begins_s:
            self._begin(now)
        if self.machine.state is NodeState.READY and not any(not one.failures for one in self.table):
            self.machine.fire(NodeEvent.LOST)
            self._begin_later(now)
        if self.machine.state is not NodeState.READY:
            self._give_up_waiting(now)
        doubtful = self.table.questionable(now)
        if doubtful is not None:
            self._try_out(doubtful.endpoint, now)
        if self.machine.state is NodeState.READY:
            target = self.table.stale_target(now, self._rng.randbytes(ID_BYTES))
            if target is not None:
                self.search(Search(target.to_bytes(ID_BYTES, "big"), _ignore), now)

    def _give_up_waiting(self, now: float) -> None:
        """There is no network yet: searches end without anything found rather than never."""
        for search, until_s in list(self._waiting.values()):
            if until_s <= now:
                del self._waiting[search.key]
                search.finish()

    # ---- the bootstrap

    def _begin(self, now: float) -> None:
        self._begins_s = None
        self.machine.fire(NodeEvent.BEGIN)
        lookup = self._lookup(self.node_id, now, BOOTSTRAP_ALPHA)
        for node_id, endpoint in self._hints[:MAX_HINTS]:
            lookup.add(node_id, endpoint)
        self._hints = self._hints[MAX_HINTS:] + self._hints[:MAX_HINTS]                    # others the next time
        for endpoint in (*self.bootstrap, *self.routers):
            lookup.add_door(endpoint)
        self._bootstrap_walk = Walk(Search(self.node_id, self._on_begun), lookup, now + SEARCH_S)
        self._walks.append(self._bootstrap_walk)
        self._step(now)

    def _on_begun(self, _result: SearchResult) -> None:
        if len(self.table):
            self._retry_s = FIRST_RETRY_S
            self._note(NodeEvent.FOUND)
            for _ in range(WIDE_SEARCHES):
                self._wait(Search(self._rng.randbytes(ID_BYTES), _ignore), inf)
        elif self.machine.can(NodeEvent.FAILED):
            self.machine.fire(NodeEvent.FAILED)
            self._begin_later(self._stepped_s)

    def _begin_later(self, now: float) -> None:
        """Half as long or as long as the retry time, so that a fleet does not come back at once."""
        self._begins_s = now + self._retry_s * (0.5 + 0.5 * self._rng.random())
        self._retry_s = min(LAST_RETRY_S, 2 * self._retry_s)

    def _note(self, event: NodeEvent) -> None:
        if self.machine.can(event):
            self.machine.fire(event)
            self._begins_s = None

    def _settle(self, now: float) -> None:
        """Have an id that fits our address, and the contacts that we have in the places they have as seen from it.

        Not often: whatever is announced to us is looked for where we were.
        """
        if self.address is None or now < self._settles_s or is_secure(self.node_id, self.address):
            return
        self._settles_s = now + SETTLED_S
        contacts = list(self.table)
        self.node_id = make_node_id(self.address, self._rng)
        self.table = RoutingTable(self.node_id, now)
        self.answerer.tables[self.is_ipv6] = self.table
        for contact in contacts:
            self.table.on_answer(contact.node_id, contact.endpoint, contact.answered_s)
        self._wait(Search(self.node_id, _ignore), inf, is_urgent=True)

    # ---- searches

    def _lookup(self, target: bytes, now: float, alpha: int = ALPHA) -> Lookup:
        lookup = Lookup(target, self.node_id, alpha)
        self._add_contacts(lookup, now)
        return lookup

    def _add_contacts(self, lookup: Lookup, now: float) -> None:
        nearest = self.table.closest(lookup.target, now, FIRST_ASKED)
        trusted = self.table.closest(lookup.target, now, FIRST_ASKED, only_secure=True)
        for contact in (*nearest, *trusted):
            lookup.add(contact.node_id, contact.endpoint)

    def _wait(self, search: Search, until_s: float, *, is_urgent: bool = False) -> None:
        self._waiting[search.key] = (search, until_s)
        if is_urgent:
            self._waiting.move_to_end(search.key, last=False)

    def _begin_waiting(self, now: float) -> None:
        """Those that tell only do not count: what they wait for costs nothing."""
        if self.machine.state is not NodeState.READY or not self._waiting:
            return
        most = min(MAX_SEARCHES, MIN_SEARCHES + len(self._waiting) // WAITING_FOR_ONE)
        free = most - sum(walk.search.machine.state is SearchState.LOOKING for walk in self._walks)
        while free > 0 and self._waiting:
            free -= 1
            _, (search, _) = self._waiting.popitem(last=False)
            walk = Walk(search, self._lookup(search.target, now), now + SEARCH_S)
            self._walks.append(walk)
            self._go_on(walk, now)

    def _step(self, now: float) -> None:
        """Ask whom the searches want to ask next; end those that are over."""
        self._stepped_s = now
        for walk in list(self._walks):
            self._go_on(walk, now)
        self._begin_waiting(now)

    def _go_on(self, walk: Walk, now: float) -> None:
        search, lookup = walk.search, walk.lookup
        if search.machine.state is SearchState.LOOKING:
            if lookup.is_short:        # it may have begun with the first node that we met, who names nobody
                self._add_contacts(lookup, now)
            if not search.is_satisfied:
                for candidate in lookup.next(now):
                    self._ask_candidate(walk, candidate, now)
            is_over = lookup.is_done and not (lookup.is_short and self._is_finding_others(walk))
            if search.is_satisfied or is_over or now >= walk.until_s:
                self._arrive(walk, now)
        if search.machine.state is SearchState.TELLING and (not search.untold or now >= walk.until_s + ANSWER_S):
            self._walks.remove(walk)
            search.finish()

    def _is_finding_others(self, walk: Walk) -> bool:
        """Whether the bootstrap is under way: whom it meets are for all other searches, too."""
        bootstrap = self._bootstrap_walk
        return (bootstrap is not None and bootstrap is not walk
                and bootstrap.search.machine.state is SearchState.LOOKING)

    def _arrive(self, walk: Walk, now: float) -> None:
        """Tell the nearest nodes what there is to tell."""
        walk.search.machine.fire(SearchEvent.ARRIVED)
        walk.until_s = now
        for candidate in walk.lookup.closest():
            told = walk.search.tell(candidate) if candidate.token is not None else None
            if told is None:
                continue

            def on_end(response: Response | None, data: bytes) -> None:
                walk.search.untold -= 1
                walk.search.told += response is not None

            if self._ask(candidate.endpoint, told[0], told[1], on_end, now, walk):
                walk.search.untold += 1

    def _ask_candidate(self, walk: Walk, candidate: Candidate, now: float) -> None:
        def on_end(response: Response | None, data: bytes) -> None:
            if walk.search.machine.state is not SearchState.LOOKING:
                return
            if response is None:
                walk.lookup.on_failure(candidate)
                return
            for node_id, endpoint in read_nodes(response.values, candidate.packed, is_ipv6=self.is_ipv6):
                walk.lookup.add(node_id, endpoint)
            walk.lookup.on_answer(candidate, response.sender_id, token_of(response))
            walk.search.on_answer(response, data, candidate)

        if not self._ask(candidate.endpoint, walk.search.method, walk.search.arguments(), on_end, now, walk):
            walk.lookup.on_failure(candidate)

    # ---- queries

    def _try_out(self, endpoint: Endpoint, now: float) -> None:
        """See whether a node answers; that alone brings it into the table."""
        if not self._queries.is_asked(endpoint):
            self._ask(endpoint, b"ping", {}, None, now)

    def _ask(
        self, endpoint: Endpoint, method: bytes, arguments: dict[bytes, Any], on_end: OnEnd | None, now: float,
        walk: Walk | None = None,
    ) -> bool:
        transaction = self._queries.add(endpoint, on_end, walk, now)
        if transaction is None:
            return False
        self._outbox.append((endpoint, write_query(
            transaction, method, {b"id": self.node_id, **arguments}, is_read_only=self.is_read_only)))
        return True


def _meeting_place(endpoint: Endpoint) -> bytes:
    """Of each network one stranger is asked; at home all are of one."""
    packed = packed_host(endpoint)
    return compact(endpoint) if is_local(packed) else network_of(packed)
