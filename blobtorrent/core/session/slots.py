"""SlotManager: shares slots among all torrents, of peers that are sent to or asked. Pure; owned by `core`.

Made while there is a limit to share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blobtorrent.model.ids import InfoHash

ROUND_S = 30.0                         # while there are too few, slots go round so often
KIB = 1024
SLOTS_AT_ONCE = 10                     # below so many KiB/s each brings a slot, beyond it five of them do
KIB_PER_SLOT = 5


class _Demand:
    """What one torrent has, and could use."""

    __slots__ = ("granted", "group", "least", "needed", "owed")

    def __init__(self) -> None:
        self.group = ""
        self.granted = 0
        self.least = 0                 # that it is promised
        self.needed = 0
        self.owed = 0.0                # what it got less than its fair share in the rounds before


class SlotManager:
    """At most `limit` slots in all.

    While there are enough, every torrent has one for each peer that it could use it for, and one more for the next that
    comes, if any are left. Else groups of torrents that want little get it, the others as much as their weights say
    however many torrents they have, and so do the torrents of a group among themselves, all of one weight. What cannot
    be divided goes to the one that it is owed most, so that with more torrents than slots each has its turn. A torrent
    may be promised a least number, which comes first; when there are too few for all promises, none counts.
    """

    def __init__(self, limit: int) -> None:
        self.weights: Mapping[str, float] = {}             # of groups that have another than 1
        self._limit = limit
        self._demands: dict[InfoHash, _Demand] = {}
        self._in_use = 0               # sum of what is granted
        self._next_round_s = 0.0

    def apply(self, limit: int) -> None:
        """Another limit, from the next share_out() on."""
        if limit < self._limit:
            self._next_round_s = 0.0
        self._limit = limit

    def granted(self, info_hash: InfoHash) -> int:
        demand = self._demands.get(info_hash)
        return 0 if demand is None else demand.granted

    def open(self, info_hash: InfoHash, group: str = "") -> None:
        """A swarm begins: it has a slot for who comes first, if one is left."""
        self.on_report(info_hash, 0, group)

    def on_report(self, info_hash: InfoHash, needed: int, group: str = "", least: int = 0) -> bool:
        """A torrent of a group could use so many now, and is promised `least` of these. True when it is granted more
        than before, of what nobody has."""
        demand = self._demands.get(info_hash)
        if demand is None:
            demand = self._demands[info_hash] = _Demand()
        demand.needed, demand.group, demand.least = needed, group, min(least, needed)
        more = min(needed + 1 - demand.granted, self._limit - self._in_use)
        return self._grant(demand, demand.granted + more) if more > 0 else False

    def close(self, info_hash: InfoHash) -> None:
        """A swarm ends: its slots are for the others, at the next share_out()."""
        demand = self._demands.pop(info_hash, None)
        if demand is not None:
            self._in_use -= demand.granted

    def share_out(self, now: float) -> list[InfoHash]:
        """Now and then: move slots to where they are needed. Returns the torrents whose grants changed."""
        short = [demand for demand in self._demands.values() if demand.granted < demand.needed]
        if not short and self._in_use <= self._limit:
            return []
        before = {info_hash: demand.granted for info_hash, demand in self._demands.items()}
        if self._in_use > self._limit or now >= self._next_round_s:
            self._next_round_s = now + ROUND_S
            self._hold_round()
        else:
            self._hand_on(short)
        return [info_hash for info_hash, demand in self._demands.items() if demand.granted != before[info_hash]]

    def _hand_on(self, short: list[_Demand]) -> None:
        """Between rounds only what others do not need is for those that are short."""
        for demand in self._demands.values():
            self._grant(demand, min(demand.granted, demand.needed))
        short.sort(key=lambda demand: demand.owed, reverse=True)
        while short and self._in_use < self._limit:
            for demand in short[:self._limit - self._in_use]:
                self._grant(demand, demand.granted + 1)
            short = [demand for demand in short if demand.granted < demand.needed]

    def _hold_round(self) -> None:
        groups: dict[str, list[_Demand]] = {}
        for demand in self._demands.values():
            groups.setdefault(demand.group, []).append(demand)
        promised = sum(demand.least for demand in self._demands.values())
        left, keeps = (self._limit - promised, 1) if promised <= self._limit else (self._limit, 0)
        needs = [(sum(demand.needed - keeps * demand.least for demand in members), self.weights.get(group, 1.0))
                 for group, members in groups.items()]
        shares: list[tuple[_Demand, int, float]] = []      # whole slots, and what is left of the fair share
        for members, part in zip(groups.values(), _fair_parts(left, needs)):
            wants = [(demand.needed - keeps * demand.least, 1.0) for demand in members]
            for demand, fair in zip(members, _fair_parts(part, wants)):
                if fair >= demand.needed - keeps * demand.least:
                    demand.owed = 0.0
                shares.append((demand, keeps * demand.least + int(fair), fair - int(fair)))
        undivided = round(sum(rest for _, _, rest in shares))
        shares.sort(key=lambda share: share[0].owed + share[2], reverse=True)
        for demand, whole, rest in shares:
            extra = int(undivided > 0 and rest > 0)
            undivided -= extra
            demand.owed += rest - extra
            self._grant(demand, whole + extra)

    def _grant(self, demand: _Demand, granted: int) -> bool:
        changed = granted != demand.granted
        self._in_use += granted - demand.granted
        demand.granted = granted
        return changed


def _fair_parts(total: float, needs: Sequence[tuple[int, float]]) -> list[float]:
    """Parts of a total for those that have these needs and weights: nobody gets more than it needs, and whoever gets
    less gets as much for its weight as all others that do."""
    parts = [0.0] * len(needs)
    left, weights = float(total), sum(weight for _, weight in needs)
    for number in sorted(range(len(needs)), key=lambda number: needs[number][0] / needs[number][1]):
        need, weight = needs[number]
        parts[number] = min(float(need), left * weight / weights)
        left -= parts[number]
        weights -= weight
    return parts


def slots_in_all(total: int, divisor: int, bytes_per_s: int) -> int:
    """How many all torrents may have together, 0 for any number: `total`, or what a limit of so many bytes a second
    can feed.

    Of a limit so many KiB a second, divided by `divisor`, are taken to feed a slot each, of what is more than ten five
    of them: many peers that get next to nothing help nobody. With a `divisor` of 0 the limit does not matter.
    """
    if not bytes_per_s or not divisor:
        return total
    share = bytes_per_s // KIB // divisor
    fed = 1 + share if share <= SLOTS_AT_ONCE else SLOTS_AT_ONCE + share // KIB_PER_SLOT
    return min(fed, total) if total else fed
