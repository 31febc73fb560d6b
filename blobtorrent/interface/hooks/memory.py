"""Memory: the thread `hook-journal`, which keeps what hooks are still to be told. It may wait for the disk: nobody else
does, and when it falls far behind, events are told without being kept.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable, Container, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.config.doors import HookSettings
from blobtorrent.interface.eventjson import Told
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

if TYPE_CHECKING:
    from blobtorrent.interface.hooks.journal import Journal

MAX_ORDERS = 10_000
KEY_BYTES = 8


class _Order(NamedTuple):
    hook: str
    told: Told
    is_done: bool


class _Load:
    """Say what the last process left."""


class Memory:
    """`on_loaded(left)` gets what the last process left for each hook, by its key, on the thread."""

    def __init__(self, folder: Path, clock: Clock, on_loaded: Callable[[Mapping[str, Sequence[Told]]], None]) -> None:
        self._folder = folder
        self._clock = clock
        self._on_loaded = on_loaded
        self._journal: Journal | None = None               # of the thread
        self._mailbox: Mailbox[_Order | _Load] = Mailbox("hook-journal")
        self._worker: Worker[_Order | _Load] = Worker("hook-journal", self._mailbox, self._work)

    def start(self) -> None:
        """Once."""
        self._mailbox.post(_Load())
        self._worker.start()

    def keep(self, hook: str, told: Told) -> None:
        self._order(_Order(hook, told, is_done=False))

    def forget(self, hook: str, told: Told) -> None:
        """One that is not kept is no matter."""
        self._order(_Order(hook, told, is_done=True))

    def stop(self, timeout_s: float) -> bool:
        """When all is written, or the time is over: False then."""
        is_done = self._worker.stop(timeout_s)
        if is_done and self._journal is not None:
            self._journal.close()
        return is_done

    def _order(self, order: _Order) -> None:
        if self._mailbox.depth < MAX_ORDERS:
            self._mailbox.post(order)

    def _work(self, order: _Order | _Load) -> None:
        if isinstance(order, _Load):
            self._load()
        elif self._journal is not None:
            (self._journal.forget if order.is_done else self._journal.keep)(order.hook, order.told)

    def _load(self) -> None:
        from blobtorrent.interface.hooks.journal import Journal

        left: dict[str, list[Told]] = {}
        try:
            journal = Journal(self._folder, self._clock)
            for kept in journal.load():
                left.setdefault(kept.hook, []).append(kept.told)
            self._journal = journal
        finally:                       # a failure of ours is logged by the worker, and must not hold the others
            self._on_loaded(left)


def key_of(settings: HookSettings, taken: Container[str]) -> str:
    """How a hook is known in later runs: by whom it tells of what. Of several alike each has its own."""
    said = (settings.program, settings.url, settings.events, settings.labels)
    keys = (blake2b(repr((*said, number)).encode("utf-8", "surrogateescape"), digest_size=KEY_BYTES).hexdigest()
            for number in count())
    return next(key for key in keys if key not in taken)
