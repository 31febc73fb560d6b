"""Heartbeats: how it is seen from outside that a thread still handles its messages.

Asking leaves a message in the thread's mailbox; handling it counts a beat. A thread that is stuck in a lock, a system
call or an endless loop does not count.
"""

from __future__ import annotations

from typing import Protocol


class Heart(Protocol):
    """A thread that owns state: a SelectorLoop, or a Worker that is alone on its mailbox."""

    @property
    def name(self) -> str: ...

    @property
    def beats(self) -> int:
        """How often it was asked and answered."""

    def ask_beat(self) -> None:
        """Any thread may ask; never waits."""
