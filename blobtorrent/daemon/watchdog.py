"""Watchdog: asks threads for a beat and tells who owes one. Owned by the main thread."""

from __future__ import annotations

from collections.abc import Sequence

from blobtorrent.runtime.heartbeat import Heart


class Watchdog:
    """One question a thread is under way at a time, so that a thread that hangs does not collect them."""

    def __init__(self, hearts: Sequence[Heart]) -> None:
        self._hearts = hearts
        self._asked_at: list[int | None] = [None] * len(hearts)    # beats when asked; None: never asked

    def check(self) -> list[str]:
        """Names of the threads that have not answered the question of an earlier check; asks the others again."""
        late = []
        for number, heart in enumerate(self._hearts):
            beats = heart.beats
            if beats == self._asked_at[number]:
                late.append(heart.name)
                continue
            self._asked_at[number] = beats
            heart.ask_beat()
        return late
