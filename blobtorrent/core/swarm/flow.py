"""FlowControl: which links of a shard are limited, by what, and how they come to their turns.

What is received is limited by how much is asked for, what is sent by when blocks are handed to the sender; nothing
else ever waits. A link without any limit above it is never seen here. Owned by a host, on its receive thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import GroupRates, SetRates, SwarmSettings
from blobtorrent.core.swarm.throttle import Branch, Throttle, Valve
from blobtorrent.model.geometry import BLOCK_SIZE

if TYPE_CHECKING:
    from blobtorrent.core.swarm.guard import Guard
    from blobtorrent.core.swarm.swarm import Swarm


class FlowControl:
    """Both directions of one shard. `at(deadline, callback)` calls back once."""

    def __init__(self, at: Callable[[float, Callable[[], None]], Any], now: Callable[[], float], guard: Guard) -> None:
        self._guard = guard
        self._at = at
        self._now = now
        self._exempt_local = False
        self._swarms: dict[Swarm, SwarmSettings] = {}      # and what of its settings holds
        self._down = _Direction(
            now, partial(self._turn, _ask),
            valves=lambda swarm: swarm.requests.valves, rate=lambda rates: rates.down_bytes_per_s)
        self._up = _Direction(
            now, partial(self._turn, _serve),
            valves=lambda swarm: swarm.uploads.valves, rate=lambda rates: rates.up_bytes_per_s)
        self._wakes_at: float | None = None

    def set_rates(self, rates: SetRates) -> None:
        """Use other limits for everything."""
        self._exempt_local = rates.exempt_local
        for direction in (self._down, self._up):
            direction.set_rates(rates)
        for swarm in self._swarms:
            self._retune(swarm)
        self._settle()

    def add(self, swarm: Swarm) -> None:
        """A swarm opens; it has no links yet."""
        self._swarms[swarm] = swarm.settings
        for direction in (self._down, self._up):
            direction.set_torrent(swarm, swarm.settings)
        self._settle()

    def change(self, swarm: Swarm) -> None:
        """A swarm's own settings are new."""
        old, self._swarms[swarm] = self._swarms[swarm], swarm.settings
        if _limits(old) == _limits(swarm.settings):
            return
        for direction in (self._down, self._up):
            direction.set_torrent(swarm, swarm.settings)
        self._retune(swarm)
        self._settle()

    def meter_web_seeds(self, swarm: Swarm) -> None:
        """What comes from the swarm's web seeds counts against the limits above it as they are now."""
        seeds = swarm.web_seeds
        if seeds is not None:
            seeds.use_valve(self._down.new_valve(
                swarm, lambda budget, now: self._guard.run(swarm, seeds.move, budget, now) or 0))

    def remove(self, swarm: Swarm) -> None:
        """A swarm is closed; it has no links any more."""
        del self._swarms[swarm]
        for direction in (self._down, self._up):
            direction.forget(swarm)

    def admit(self, link: PeerLink) -> None:
        """A link joined its swarm."""
        for direction in (self._down, self._up):
            direction.tune(link, is_exempt=self._is_exempt(link))

    def lose(self, link: PeerLink) -> None:
        """A link left its swarm."""
        for direction in (self._down, self._up):
            direction.tune(link, is_exempt=True)

    def serve(self, now: float) -> None:
        """Let everybody that waits move what it may, and come back when it may move more."""
        for direction in (self._down, self._up):
            if direction.throttle.root.is_waiting:
                direction.throttle.run(now)
                self._wake_for(direction.throttle)

    def _turn(self, move: Callable[[PeerLink, int, float], int], link: PeerLink, budget: int, now: float) -> int:
        return self._guard.run(link.swarm, move, link, budget, now) or 0

    def _wake_for(self, throttle: Throttle) -> None:
        next_run_at = throttle.next_run_at
        if next_run_at is not None and (self._wakes_at is None or next_run_at < self._wakes_at):
            self._wakes_at = next_run_at
            self._at(next_run_at, self._wake)

    def _wake(self) -> None:
        self._wakes_at = None
        for direction in (self._down, self._up):
            direction.throttle.run(self._now())
            self._wake_for(direction.throttle)

    def _retune(self, swarm: Swarm) -> None:
        """Limits of a swarm's links changed."""
        self.meter_web_seeds(swarm)
        for link in list(swarm.links):
            self.admit(link)
        for link, valve in swarm.requests.valves.items():
            valve.charge(len(link.outstanding) * BLOCK_SIZE, self._down.changed)
            swarm.requests.trim(link, valve)
        for link in list(swarm.links):
            swarm.fill(link)           # what waited for a limit that is gone waits no more
            swarm.uploads.serve(link)
        swarm.wake()

    def _settle(self) -> None:
        """All links know of the limits that changed."""
        for direction in (self._down, self._up):
            direction.changed.clear()

    def _is_exempt(self, link: PeerLink) -> bool:
        return self._exempt_local and _is_local(link.endpoint.host)


class _Direction:
    """The limits on what is received, or on what is sent."""

    def __init__(
        self,
        now: Callable[[], float],
        move: Callable[[PeerLink, int, float], int],
        *,
        valves: Callable[[Swarm], dict[PeerLink, Valve]],
        rate: Callable[[SetRates | GroupRates | SwarmSettings], int],
    ) -> None:
        self.throttle = Throttle()
        self.changed: set[Branch] = set()      # limits that know nothing yet of what is on its way
        self._now = now
        self._move = move
        self._valves = valves
        self._rate = rate
        self._groups: dict[str, Branch] = {}
        self._rates: Mapping[str, GroupRates] = {}
        self._torrents: dict[Swarm, Branch] = {}

    def set_rates(self, rates: SetRates) -> None:
        self._limit(self.throttle.root, self._rate(rates))
        self._rates = rates.groups
        for name in self._groups:
            self._set_group(name)

    def set_torrent(self, swarm: Swarm, settings: SwarmSettings) -> None:
        group = self._groups.get(settings.group)
        if group is None:
            group = self._groups[settings.group] = Branch(self.throttle, self.throttle.root)
            self._set_group(settings.group)
        branch = self._torrents.get(swarm)
        if branch is None or branch.parent is not group:
            self._close_valves(swarm)
            branch = self._torrents[swarm] = Branch(self.throttle, group)
        branch.weight = settings.weight
        self._limit(branch, self._rate(settings))

    def forget(self, swarm: Swarm) -> None:
        self._close_valves(swarm)
        del self._torrents[swarm]

    def tune(self, link: PeerLink, *, is_exempt: bool) -> None:
        """Give a link a valve, or take it away."""
        valves = self._valves(link.swarm)
        branch = self._torrents[link.swarm]
        is_limited = not is_exempt and branch.is_limited
        if is_limited and link not in valves:
            valves[link] = Valve(branch, partial(self._move, link))
        elif not is_limited and link in valves:
            valves.pop(link).close()

    def new_valve(self, swarm: Swarm, move: Callable[[int, float], int]) -> Valve | None:
        """A valve for what comes otherwise than by links; None when nothing limits it."""
        branch = self._torrents[swarm]
        return Valve(branch, move) if branch.is_limited else None

    def _set_group(self, name: str) -> None:
        rates = self._rates.get(name) or GroupRates()
        self._groups[name].weight = rates.weight
        self._limit(self._groups[name], self._rate(rates))

    def _limit(self, branch: Branch, bytes_per_s: int) -> None:
        if bytes_per_s != branch.bytes_per_s:
            branch.limit(bytes_per_s, self._now())
            self.changed.add(branch)

    def _close_valves(self, swarm: Swarm) -> None:
        valves = self._valves(swarm)
        for valve in valves.values():
            valve.close()
        valves.clear()


def _ask(link: PeerLink, budget: int, now: float) -> int:
    """A link's turn to ask for blocks."""
    if not (link.swarm.may_ask(link) and link.swarm.download_slots.take(link)):
        return 0
    asked = link.swarm.requests.fill_within(link, budget, now)
    if asked:
        link.swarm.wake()
    return asked


def _serve(link: PeerLink, budget: int, _now: float) -> int:
    """A link's turn to be sent what it asked for."""
    served = link.swarm.uploads.serve_within(link, budget)
    if served:
        link.swarm.wake()
    return served


def _limits(settings: SwarmSettings) -> tuple[object, ...]:
    return settings.down_bytes_per_s, settings.up_bytes_per_s, settings.weight, settings.group


def _is_local(host: str) -> bool:
    address = ip_address(host)
    return address.is_loopback or address.is_link_local or address.is_private
