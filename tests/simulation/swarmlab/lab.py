"""Runs a scenario: who joins when, who leaves, and what is measured meanwhile."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache, partial
from math import log
from typing import Any

from blobtorrent.model.address import Endpoint
from tests.simulation.swarmlab.events import US, Events, Journal
from tests.simulation.swarmlab.metrics import Result, measure
from tests.simulation.swarmlab.node import LabNode
from tests.simulation.swarmlab.players import Player
from tests.simulation.swarmlab.policies import POLICIES
from tests.simulation.swarmlab.scenarios import Scenario
from tests.support.stored import StoredTorrent

SAMPLE_US = US
STUCK_S = 300                          # nothing was written anywhere for so long: those who lack something are stranded
MIGHT = 100


@lru_cache(maxsize=2)
def _torrent(size: int, piece_length: int, files: int) -> StoredTorrent:
    sizes = [size // files] * files
    sizes[-1] += size - sum(sizes)
    return StoredTorrent(sizes, piece_length)


class Lab:
    """One run of a scenario with one policy and one seed of its random numbers."""

    def __init__(self, scenario: Scenario, policy: str, seed: int) -> None:
        self.scenario = scenario
        self.events = Events()
        self.journal = Journal()
        self.torrent = _torrent(scenario.size, scenario.piece_length, scenario.files)
        self._policy = POLICIES[policy]
        self._name = f"{scenario.name}:{seed}"             # equal for all policies: they meet the same swarm
        self._rng = random.Random(f"{self._name}:world")
        self.nodes: list[LabNode] = []                     # that have joined
        self._by_endpoint: dict[Endpoint, LabNode] = {}
        self._distances: dict[tuple[int, int], int] = {}
        self.seeds = [self._node(up) for up in scenario.seeds]
        self.leechers = [self._node(up) for up in self._ups()]
        self.players: list[Player] = []
        self.lowest_copies: list[int] = []                 # once a second: of the rarest piece
        self.entropies: list[float] = []                   # ... how evenly copies are spread, 1 is best
        self.files_in_hand: list[float] = []               # ... of each who lacks something
        self.outstanding: list[int] = []
        self.copies_until_spread: float | None = None      # sent by the seed, when others had every piece
        self.copies_until_second: float | None = None
        self.seed_quit_at: float | None = None

    def _ups(self) -> list[int]:
        scenario = self.scenario
        ups = [self._rng.choice(scenario.ups) for _ in range(scenario.leechers)]
        for number in range(scenario.mighty):
            ups[number] *= MIGHT
        return ups

    def _node(self, up: int) -> LabNode:
        scenario, number = self.scenario, len(self._by_endpoint)
        is_liar = len(scenario.seeds) - scenario.liars <= number < len(scenario.seeds)
        node = LabNode(
            number, self._name, self.torrent, self.events, self.journal, up=up, down=max(scenario.down, up),
            grid_us=scenario.grid_us, slots=scenario.slots, lies=scenario.lies if is_liar else 0.0,
            picker=self._policy, reach=self._by_endpoint.get, delay_us=self._delay_us)
        self._by_endpoint[node.endpoint] = node
        return node

    def _delay_us(self, one: LabNode, other: LabNode) -> int:
        """Half a round trip between two."""
        pair = min(one.number, other.number), max(one.number, other.number)
        if pair not in self._distances:
            least, most = self.scenario.rtt_ms
            rng = random.Random(f"{self._name}:{pair[0]}-{pair[1]}:distance")
            self._distances[pair] = 500 * rng.randint(least, most)
        return self._distances[pair]

    # ---- the run

    def run(self) -> Result:
        scenario = self.scenario
        for seed in self.seeds:
            self._join(seed, have=True, upload_slots=scenario.seed_slots)
        at_s = 0.0
        free = round(scenario.free_riders * len(self.leechers))
        watching = round(scenario.readers * len(self.leechers))
        for place, node in enumerate(self.leechers):
            at_s += self._rng.expovariate(1 / scenario.joins_s) if scenario.joins_s else 1 / len(self.leechers)
            settings = {"upload_slots": 0} if place >= len(self.leechers) - free else {}
            self.events.at(int(at_s * US), partial(self._arrive, node, reads=place < watching, **settings))
        self._quiet_since = 0.0
        self._written = -1
        end_us = SAMPLE_US
        while not self._is_over():
            self.events.run(end_us)
            self._sample()
            end_us += SAMPLE_US
        return measure(self)

    def _arrive(self, node: LabNode, *, reads: bool, **settings: Any) -> None:
        self._join(node, have=False, **settings)
        if reads:
            self._watch(node)

    def _join(self, node: LabNode, *, have: bool, **settings: Any) -> None:
        peers = [other for other in self.nodes if not other.is_gone and not (have and other in self.seeds)]
        if len(peers) > self.scenario.contacts:
            peers = self._rng.sample(peers, self.scenario.contacts)
        self.nodes.append(node)
        node.join(have=have, peers=peers, **self._policy.settings, **settings)

    def _watch(self, node: LabNode) -> None:
        player = Player(node, self.scenario.play_pieces_per_s)
        self.players.append(player)
        player.start()

    def _is_over(self) -> bool:
        if len(self.nodes) < len(self.seeds) + len(self.leechers):
            return False
        if all(node.completed_at is not None for node in self.leechers):
            return all(player.is_over for player in self.players)
        now = self.events.now
        return now >= self.scenario.limit_s or now - self._quiet_since >= STUCK_S

    def _sample(self) -> None:
        scenario, now = self.scenario, self.events.now
        written = sum(len(node.written) for node in self.leechers)
        if written != self._written:
            self._written, self._quiet_since = written, now
        present = [node for node in self.nodes if not node.is_gone]
        lowest = self._sample_copies(present)
        lacking = [node for node in self.leechers if node in present and node.completed_at is None]
        if lacking:
            self.files_in_hand.append(sum(node.files_in_hand() for node in lacking) / len(lacking))
            self.outstanding.append(sum(node.outstanding_blocks() for node in lacking) // len(lacking))
        first = self.seeds[0]
        copies = first.uplink.sent_bytes / scenario.size
        if self.copies_until_spread is None and lowest > sum(seed in present for seed in self.seeds):
            self.copies_until_spread = copies
        if self.copies_until_second is None and any(node.completed_at is not None for node in self.leechers):
            self.copies_until_second = copies
        if scenario.quits_after is not None and copies >= scenario.quits_after and not first.is_gone:
            first.leave()
            self.seed_quit_at = now
        if scenario.dies_at is not None and len(self.leechers[0].written) >= scenario.dies_at * scenario.pieces:
            self.seeds[-1].die()
        if not scenario.stays:
            for node in self.leechers:
                if node.completed_at is not None and not node.is_gone:
                    node.leave()

    def _sample_copies(self, present: Sequence[LabNode]) -> int:
        """Returns how many have the rarest piece."""
        counts = [0] * self.scenario.pieces
        for node in present:
            if node in self.seeds:
                counts = [count + 1 for count in counts]
            else:
                for _, index in node.written:
                    counts[index] += 1
        total = sum(counts)
        self.lowest_copies.append(min(counts))
        if total:
            spread = -sum(count / total * log(count / total) for count in counts if count)
            self.entropies.append(spread / log(len(counts)))
        return self.lowest_copies[-1]
