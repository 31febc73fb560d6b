"""Threads at work, for tests that talk to them."""

from __future__ import annotations

import time

from blobtorrent.runtime.heartbeat import Heart

WAIT_S = 20.0


def settle(heart: Heart) -> None:
    """Wait until a thread has handled all that was posted to it before."""
    beats, end = heart.beats, time.monotonic() + WAIT_S
    heart.ask_beat()
    while heart.beats == beats:
        assert time.monotonic() < end, f"{heart.name} does not come to its messages"
        time.sleep(0.001)
