"""Mailbox: how one thread tells another something. A `queue.Queue` whose `post` never blocks.

A WakingMailbox also makes a selector readable, so that a thread can wait for sockets and messages at once.
"""

from __future__ import annotations

import queue
import socket
from typing import Generic, TypeVar

T = TypeVar("T")

DRAIN_LIMIT = 1000


class Mailbox(Generic[T]):
    """Messages in the order they were posted. Anybody posts; the owner (or the workers of one pool) take."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._queue: queue.Queue[T] = queue.Queue()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, depth={self.depth})"

    @property
    def depth(self) -> int:
        """Messages waiting, as of now. Read without the lock: other threads may be posting anyway."""
        return len(self._queue.queue)

    def post(self, message: T) -> None:
        """Leave a message. Never blocks, from any thread."""
        self._queue.put(message)

    def get(self, timeout_s: float | None = None) -> T:
        """Take the oldest message, waiting for one. Raises queue.Empty when none came within `timeout_s` seconds."""
        return self._queue.get(timeout=timeout_s)

    def drain(self, limit: int = DRAIN_LIMIT) -> list[T]:
        """Take up to `limit` messages that are there now, oldest first, under one lock; empty when there are none."""
        waiting = self._queue.queue
        if not waiting:
            return []
        with self._queue.mutex:
            if len(waiting) <= limit:
                messages = list(waiting)
                waiting.clear()
            else:
                messages = [waiting.popleft() for _ in range(limit)]
        return messages


class WakingMailbox(Mailbox[T]):
    """A mailbox for a selector loop: `fileno` turns readable when the first message arrives in an empty mailbox.

    The loop drains it whenever it is readable. Only the step from empty to non-empty costs a system call, so posting
    to a busy loop is as cheap as to any mailbox.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)

    def fileno(self) -> int:
        return self._wake_in.fileno()

    def post(self, message: T) -> None:
        """Leave a message and wake the loop. Never blocks, from any thread; after `close` nobody reads it."""
        inner = self._queue
        with inner.mutex:
            was_empty = not inner.queue
            inner.queue.append(message)
            inner.not_empty.notify()
        if was_empty:
            self._wake()

    def drain(self, limit: int = DRAIN_LIMIT) -> list[T]:
        """Clear the wake, then take what is there: a message posted in between wakes again, none is lost."""
        try:
            self._wake_in.recv(64)
        except OSError:      # nothing to clear, or closed
            pass
        messages = super().drain(limit)
        if self._queue.queue:
            self._wake()
        return messages

    def close(self) -> None:
        """Stop waking. The owner calls it when its loop has ended."""
        self._wake_in.close()

    def _wake(self) -> None:
        try:
            self._wake_out.send(b"\0")
        except OSError:      # full: a wake is pending anyway; broken: the loop has ended
            pass

    def __del__(self) -> None:
        # Not in close(): the number of a descriptor closed while another thread is in send() may be somebody else's
        # file by then. Here no thread can hold the mailbox any more.
        self._wake_in.close()
        self._wake_out.close()
