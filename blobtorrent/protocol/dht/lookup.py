"""The search for the nodes nearest to a target: whom to ask next, and when it is over. Pure; the Node does the asking.

Who wants to be found instead of the honest nodes invents ids next to the target. Ids that fit their address (BEP 42)
cannot be invented, so only such nodes are the goal of a search while there are eight of them; of one network one
counts, of one provider two. Of the others a few are asked on the side, for what they know.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from enum import Enum

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import is_local, is_secure, network_of, number_of, pack_host, provider_of
from blobtorrent.protocol.dht.routing import K

ALPHA = 4                              # queries under way, those that take long not counted
SLOW_S = 1.0                           # then another one is asked beside it
MAX_CANDIDATES = 200                   # with invented ids, and as many others; the farthest go
MAX_ASKED = 120
MAX_DOUBTFUL = 16                      # nodes with invented ids that are asked
OF_PROVIDER = 2


class Stage(Enum):
    """How far one candidate is."""

    FRESH = "fresh"
    ASKED = "asked"
    ANSWERED = "answered"
    FAILED = "failed"


class Candidate:
    """`node_id` is empty for somebody known by address only, until the answer tells it."""

    __slots__ = ("node_id", "distance", "endpoint", "packed", "is_secure", "stage", "asked_s", "token")

    def __init__(self, node_id: bytes, distance: int, endpoint: Endpoint) -> None:
        self.node_id = node_id
        self.distance = distance
        self.endpoint = endpoint
        self.packed = pack_host(endpoint.host)
        self.is_secure = bool(node_id) and is_secure(node_id, self.packed)
        self.stage = Stage.FRESH
        self.asked_s = 0.0
        self.token: bytes | None = None

    def __lt__(self, other: Candidate) -> bool:
        return self.distance < other.distance


class Lookup:
    """One search. `target` and distances are numbers."""

    def __init__(self, target: bytes, own_id: bytes, alpha: int = ALPHA) -> None:
        self.target = number_of(target)
        self.asked = 0
        self._alpha = alpha
        self._own_id = own_id
        self._candidates: list[Candidate] = []             # nearest first
        self._doors: list[Candidate] = []                  # known by address only
        self._seen: set[Endpoint] = set()
        self._doubtful = 0
        self._num_invented = 0
        self._has_answer = False
        self._goal: list[Candidate] | None = None          # as of the last change

    def add(self, node_id: bytes, endpoint: Endpoint) -> None:
        """Somebody told of a node."""
        if endpoint in self._seen or node_id == self._own_id or len(self._seen) > 10 * MAX_CANDIDATES:
            return
        self._seen.add(endpoint)
        candidate = Candidate(node_id, number_of(node_id) ^ self.target, endpoint)
        if not candidate.is_secure:
            if self._num_invented >= MAX_CANDIDATES:
                return
            self._num_invented += 1
        insort(self._candidates, candidate)
        if len(self._candidates) > 2 * MAX_CANDIDATES:
            self._num_invented -= not self._candidates.pop().is_secure
        self._goal = None

    def add_door(self, endpoint: Endpoint) -> None:
        """Somebody who may know nodes, of unknown id."""
        if endpoint not in self._seen:
            self._seen.add(endpoint)
            self._doors.append(Candidate(b"", 0, endpoint))

    def next(self, now: float) -> list[Candidate]:
        """Whom to ask now; they count as asked."""
        if self.asked >= MAX_ASKED:
            return []
        everybody = [*self._doors, *self._candidates]
        free = self._alpha - sum(one.stage is Stage.ASKED and now - one.asked_s < SLOW_S for one in everybody)
        if free <= 0:
            return []
        goal = self._find_goal()
        chosen = [one for one in goal if one.stage is Stage.FRESH]
        chosen += self._asides(goal)
        if not chosen or self._needs_doors():
            # They alone: others who may be gone shall not take the room of whom they name.
            chosen = [one for one in self._doors if one.stage is Stage.FRESH] or chosen
        chosen = chosen[:free]
        for one in chosen:
            one.stage, one.asked_s = Stage.ASKED, now
        self.asked += len(chosen)
        return chosen

    def on_answer(self, candidate: Candidate, node_id: bytes, token: bytes | None) -> None:
        """It answered. One that is not who it was said to be is nobody's neighbour."""
        self._has_answer = True
        if not candidate.node_id:
            candidate.stage = Stage.ANSWERED
            return
        candidate.stage = Stage.ANSWERED if candidate.node_id == node_id else Stage.FAILED
        candidate.token = token
        self._goal = None

    def on_failure(self, candidate: Candidate) -> None:
        candidate.stage = Stage.FAILED
        self._goal = None

    @property
    def is_done(self) -> bool:
        """The nearest nodes have answered, or there is nobody left to ask."""
        goal = self._find_goal()
        if any(one.stage is Stage.ASKED for one in goal):
            return False
        if self.asked >= MAX_ASKED:
            return not any(one.stage is Stage.ASKED for one in (*self._doors, *self._candidates))
        if any(one.stage is Stage.FRESH for one in goal):
            return False
        if len(goal) >= K:
            return True
        return all(one.stage in (Stage.ANSWERED, Stage.FAILED) for one in self._doors) and not any(
            one.stage is Stage.ASKED for one in self._candidates)

    @property
    def is_short(self) -> bool:
        """Whether fewer nodes are known, but for those that did not answer, than are to be found."""
        return len(self._find_goal()) < K

    def closest(self) -> list[Candidate]:
        """The nearest that answered: whom to announce to."""
        return [one for one in self._find_goal() if one.stage is Stage.ANSWERED]

    def _needs_doors(self) -> bool:
        """Few are known, or those of an earlier run seem to be gone."""
        alive = sum(one.stage is not Stage.FAILED for one in self._candidates)
        return alive < K or (self.asked >= self._alpha and not self._has_answer)

    def _find_goal(self) -> list[Candidate]:
        """The nearest eight that may be the goal, asked or not; others than secure ones only if those are too few."""
        if self._goal is None:
            self._goal = self._choose_goal()
        return self._goal

    def _choose_goal(self) -> list[Candidate]:
        goal = _spread([one for one in self._candidates if one.is_secure and one.stage is not Stage.FAILED])
        if len(goal) < K:
            others = [one for one in self._candidates if not one.is_secure and one.stage is not Stage.FAILED]
            goal = _spread(sorted(goal + others), firm=goal)
        return goal

    def _asides(self, goal: list[Candidate]) -> list[Candidate]:
        """One of the doubtful nodes that seem nearer than the goal."""
        if len(goal) < K or self._doubtful >= MAX_DOUBTFUL:
            return []
        for one in self._candidates:
            if one.distance > goal[-1].distance:
                break
            if not one.is_secure and one.stage is Stage.FRESH:
                self._doubtful += 1
                return [one]
        return []


def _spread(candidates: list[Candidate], firm: list[Candidate] | None = None) -> list[Candidate]:
    """The first eight of which no network has two and no provider three; those in `firm` have their place anyway."""
    chosen: list[Candidate] = list(firm or ())
    networks = {network_of(one.packed) for one in chosen}
    providers = Counter(provider_of(one.packed) for one in chosen)
    for one in candidates:
        if len(chosen) >= K:
            break
        if one in chosen:
            continue
        if not is_local(one.packed):
            network, provider = network_of(one.packed), provider_of(one.packed)
            if network in networks or providers[provider] >= OF_PROVIDER:
                continue
            networks.add(network)
            providers[provider] += 1
        chosen.append(one)
    return sorted(chosen)
