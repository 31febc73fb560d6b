"""The commands on downloads with an interpreter and an engine that is played."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from blobtorrent.interface.rtorrent.claimed import GENERATION_9, Generation
from blobtorrent.interface.rtorrent.commands import arithmetic, language, methods
from blobtorrent.interface.rtorrent.context import Target, Trust
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.making import action
from blobtorrent.interface.rtorrent.downloads.side import DownloadSide
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.session.priorities import FilePatterns
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.events import Event
from blobtorrent.runtime.bus import SUBSCRIPTION_SIZE, EventBus, Subscription
from tests.support.rtorrentengine import FakeEngine

NOW = 1795333738


class Heard(EventBus):
    """One without a thread: what is published is heard of at the next look."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: list[Subscription] = []

    def subscribe(self, accepts: Callable[[Event], bool] | None = None, size: int = SUBSCRIPTION_SIZE) -> Subscription:
        self._heard.append(Subscription(size, accepts))
        return self._heard[-1]

    def unsubscribe(self, subscription: Subscription) -> None:
        self._heard.remove(subscription)

    def publish(self, event: Event) -> None:
        for subscription in self._heard:
            subscription.offer(event)


class Stage:
    """`called` has the events that handlers heard of, with the names of their downloads; `logged` what was logged.
    Relative paths are below `folder`.
    """

    def __init__(self, *, uses_udp: bool = True, folder: str = "/", generation: Generation = GENERATION_9,
                 bus: EventBus | None = None, encodings: Sequence[str] = ()) -> None:
        self.engine = FakeEngine()
        self.bus = bus or EventBus()
        self.meanwhile: Callable[[], None] = lambda: None  # what others do while something is waited for
        self.logged: list[str] = []
        self.kept: list[str] = []
        self.registry = Registry()
        self.interpreter = Interpreter(self.registry, self.logged.append)
        self.side = DownloadSide(
            self.engine, self.bus, self.interpreter, wake=lambda: None, fetch=lambda url, from_loopback, then: None,
            keep=lambda download: self.kept.append(download.name), outside=self._outside, uses_udp=lambda: uses_udp,
            full=lambda path: os.path.join(folder, path), generation=generation,
            encodings=lambda: encodings)
        self.registry.extend(language.commands())
        self.registry.extend(arithmetic.commands(lambda: NOW))
        self.registry.extend(methods.commands(self.registry, Store(self.registry)))
        self.registry.extend(self.side.commands())
        # What builtin handlers use of the commands of the session.
        self.registry.add(action("ui.unfocus_download", lambda download: None, "Does nothing."))
        self.prefers_ends = False      # file.prioritize_toc
        self.registry.add(Command("file.prioritize_toc", Target.NONE,
                                  lambda context, item, args: int(self.prefers_ends)))
        self.registry.extend(FilePatterns().commands())
        self.max_file_size = 1 << 39
        self.registry.add(Command("system.file.max_size", Target.NONE, lambda context, item, args: self.max_file_size))
        self.seeds_as = "seed"         # protocol.connection.seed
        self.registry.add(Command("protocol.connection.seed", Target.NONE,
                                  lambda context, item, args: self.seeds_as))
        self.registry.add(Command("protocol.pex", Target.NONE, lambda context, item, args: 0))
        self.registry.add(Command("system.time", Target.NONE, lambda context, item, args: NOW))
        self.called: list[str] = []
        self.side.follower.listeners.append(lambda name, download: self.called.append(name))

    def call(self, name: str, *params: Any, trust: Trust = Trust.FULL) -> Value:
        """As a request does: the first parameter is the target. Raises Fault."""
        target, *args = params or ("",)
        context = self.interpreter.context(trust).at(self.side.aiming.read(target))
        try:
            return self.interpreter.call(context, name, args)
        finally:
            self.side.settle()

    def _outside(self, wait: Callable[[], object]) -> object:
        self.meanwhile()
        return wait()

    def only(self) -> Download:
        (download,) = self.side.downloads.all()
        return download
