"""BandwidthManager: tells the shards their rates, by settings and time of the week. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.messages import GroupRates, SetRates
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.config.transfers import GroupSettings, LimitSettings
    from blobtorrent.runtime.clock import Clock
    from blobtorrent.runtime.mailbox import Mailbox
    from blobtorrent.runtime.timers import Timer, TimerWheel

log = get_logger(__name__)

MINUTE_S = 60.0


class BandwidthManager:
    """Every shard may move an equal part of each limit. A shard that was told nothing is without limits."""

    def __init__(self, shards: Sequence[Mailbox[Any]], limits: LimitSettings, groups: Mapping[str, GroupSettings], *,
                 clock: Clock, timers: TimerWheel) -> None:
        self.is_alternative = False    # the alternative limits hold
        # Called when limits begin to hold; `in_force` has them.
        self.on_rates: Callable[[], None] = lambda: None
        self._shards = shards
        self._limits = limits
        self._groups = groups
        self._clock = clock
        self._timers = timers
        self._timer: Timer | None = None
        self._told = SetRates()

    def begin(self) -> None:
        """Tell the shards what holds now, and look again when that may be something else."""
        self._look()

    def in_force(self) -> SetRates:
        """The limits of the whole daemon that hold now."""
        return rates_of(self._limits, self._groups, is_alternative=self.is_alternative, parts=1)

    def apply(self, limits: LimitSettings, groups: Mapping[str, GroupSettings]) -> None:
        """Use other settings from now on."""
        self._limits, self._groups = limits, groups
        self._look()

    def _look(self) -> None:
        limits, wall = self._limits, self._clock.wall()
        is_scheduled = limits.alternative == "scheduled" and bool(limits.alternative_schedule)
        is_alternative = limits.alternative == "always" or is_scheduled and self._is_scheduled_at(wall)
        if is_alternative != self.is_alternative:
            self.is_alternative = is_alternative
            log.info("the alternative limits hold" if is_alternative else "the normal limits hold")
        rates = rates_of(limits, self._groups, is_alternative=is_alternative, parts=len(self._shards))
        if rates != self._told:
            self._told = rates
            for shard in self._shards:
                shard.post(rates)
            self.on_rates()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if is_scheduled:               # not at the next change itself: the clock of the machine may be set meanwhile
            self._timer = self._timers.at(self._clock.now() + MINUTE_S - wall % MINUTE_S, self._look)

    def _is_scheduled_at(self, wall: float) -> bool:
        from blobtorrent.core.session.schedule import is_within

        return is_within(self._limits.alternative_schedule, wall)


def rates_of(
    limits: LimitSettings, groups: Mapping[str, GroupSettings], *, is_alternative: bool, parts: int
) -> SetRates:
    """The limits of one of so many shards."""
    down, up = limits.down_bytes_per_s, limits.up_bytes_per_s
    if is_alternative:
        down, up = limits.alternative_down_bytes_per_s, limits.alternative_up_bytes_per_s
    return SetRates(
        down_bytes_per_s=_part(down, parts),
        up_bytes_per_s=_part(up, parts),
        groups={
            name: GroupRates(_part(group.down_bytes_per_s, parts), _part(group.up_bytes_per_s, parts), group.weight)
            for name, group in groups.items()
        },
        exempt_local=limits.exempt_local,
    )


def _part(bytes_per_s: int, parts: int) -> int:
    """A part of a limit, at least a byte: 0 would be no limit."""
    return -(-bytes_per_s // parts)
