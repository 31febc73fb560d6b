"""Chronicle: numbers, dates and renders what happens, once for everybody who is told of it.

It runs on the thread `events`, so its followers must be quick: they leave what they are told in a mailbox of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.model.events import Event
from blobtorrent.runtime.clock import Clock, SystemClock

RUN_BYTES = 4


class Chronicle:
    """`follow` before the engine starts; then nothing is missed, not even what was found damaged before.

    `run` names this run of the process: an id, "RUN-NUMBER", is unique, and tells whether its event can still be known.
    """

    def __init__(self, gateway: Gateway, *, clock: Clock | None = None, run: str | None = None) -> None:
        self.run = os.urandom(RUN_BYTES).hex() if run is None else run
        self._gateway = gateway
        self._clock: Clock = SystemClock() if clock is None else clock
        self._followers: list[Callable[[Told], None]] = []
        self._last = 0                 # number of the latest event

    def follow(self, follower: Callable[[Told], None]) -> None:
        """Tell `follower(told)` of every event. Raises RuntimeError when events are under way already."""
        if not self._followers:
            self._gateway.bus.listen(self._on_event)
        self._followers.append(follower)

    def start(self) -> None:
        """Nothing to do: it has no thread."""

    def stop(self, _timeout_s: float) -> bool:
        """Tell nothing more of what happens from now on."""
        if self._followers:
            self._gateway.bus.ignore(self._on_event)
        return True

    def _on_event(self, event: Event) -> None:
        self._last += 1
        info_hash = getattr(event, "info_hash", None)
        told = tell(
            event,
            None if info_hash is None else self._gateway.torrents.read(info_hash),
            number=self._last,
            event_id=event_id(self.run, self._last),
            wall=self._clock.wall(),
        )
        for follower in self._followers:
            follower(told)


def event_id(run: str, number: int) -> str:
    return f"{run}-{number}"
