"""The side of downloads, put together: what d.*, f.*, p.*, t.*, view.* and load.* need, and their commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from blobtorrent.interface.rtorrent.claimed import GENERATION_9, Generation
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.downloads import (
    changing,
    fields,
    files,
    getters,
    loading,
    multicalls,
    peers,
    trackers,
    viewcommands,
)
from blobtorrent.interface.rtorrent.downloads.aiming import Aiming
from blobtorrent.interface.rtorrent.downloads.arriving import Arrivals
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads, Engine
from blobtorrent.interface.rtorrent.downloads.following import EVENTS, OTHER_EVENTS, PREFIX, SAVING, Bus, Follower
from blobtorrent.interface.rtorrent.downloads.rows import Rows
from blobtorrent.interface.rtorrent.downloads.steering import Steering
from blobtorrent.interface.rtorrent.downloads.views import FILTERED_ON, Views

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.downloads.download import Download
    from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
    from blobtorrent.interface.rtorrent.registry import Command

Fetch = Callable[[str, bool, Callable[[bytes], None]], None]


class DownloadSide:
    """Made before the interpreter runs anything, on the thread that does, or before that begins.

    `wake()` has `poll` called soon, from any thread. `fetch(url, from_loopback, then)` gets bytes elsewhere and has
    `then(bytes)` called on the interpreter's thread. `keep(download)` writes HASH.torrent where clients look for it.
    `outside(wait)` waits while others have their turns. `rechecks_finished()` is what pieces.hash.on_completion says,
    `uses_udp()` what trackers.use_udp does; `full(path)` is the absolute path that is meant, `encodings()` what
    encoding.add added.

    To use it: add `commands()`, call `events`, read the configuration, then `begin`. A request ends with `settle`.
    """

    def __init__(self, engine: Engine, bus: Bus, interpreter: Interpreter, *, wake: Callable[[], None],
                 fetch: Fetch, keep: Callable[[Download], None],
                 outside: Callable[[Callable[[], object]], object] = lambda wait: wait(),
                 rechecks_finished: Callable[[], bool] = lambda: True, uses_udp: Callable[[], bool] = lambda: True,
                 full: Callable[[str], str] = os.path.expanduser, generation: Generation = GENERATION_9,
                 encodings: Callable[[], Sequence[str]] = lambda: ()) -> None:
        self._generation = generation
        self.downloads = Downloads(engine)
        self.rows = Rows(self.downloads)
        self.aiming = Aiming(self.downloads)
        self.follower = Follower(self.downloads, interpreter, bus, wake, rechecks_finished=rechecks_finished)
        self.views = Views(self.downloads, lambda: interpreter.context(Trust.FULL))
        self.follower.listeners.append(self.views.on_event)
        self.steering = Steering(self.downloads, self.follower)
        self.arrivals = Arrivals(
            self.downloads, self.follower, interpreter, bus, fetch, keep, outside=outside, full=full,
            uses_udp=uses_udp, encodings=encodings)
        self._interpreter = interpreter
        self._keep = keep

    def commands(self) -> Iterator[Command]:
        downloads, steering = self.downloads, self.steering
        yield from getters.commands(downloads, self._generation)
        yield from fields.commands(downloads)
        yield from changing.commands(downloads, steering, self._keep)
        yield from changing.list_commands(downloads)
        yield from files.commands(downloads, self._generation)
        yield from peers.commands(downloads)
        yield from trackers.commands(downloads, self._generation)
        yield from multicalls.commands(downloads, self.views, self.rows)
        yield from viewcommands.commands(downloads, self.views, steering)
        yield from loading.commands(downloads, self.arrivals, steering)

    def events(self) -> None:
        """Define the multi methods event.*, with the keys that rTorrent gives them."""
        context = self._interpreter.context(Trust.FULL)
        for name in (*(f"{PREFIX}{name}" for name in EVENTS), *OTHER_EVENTS):
            context.call("method.insert", [name, "multi|rlookup|static"])
        for name, keys in EVENTS.items():
            for key, body in keys.items():
                context.call("method.set_key", [f"{PREFIX}{name}", key, body])
        if self._generation.saves_by_key:
            context.call("method.set_key", SAVING)
        for view, names in FILTERED_ON.items():
            for name in names:
                context.call("method.set_key", [f"{PREFIX}{name}", f"!view.{view}", f"view.filter_download={view}"])

    def begin(self) -> None:
        """Follow the engine from now on; handlers hear of what is there, and then of what the configuration
        loads."""
        self.follower.begin()
        self.arrivals.release()

    def poll(self) -> None:
        """Handlers hear of what has happened since."""
        self.follower.poll()

    def settle(self) -> None:
        """What a request has changed is safe when this returns."""
        self.downloads.settle()

    def end(self) -> None:
        self.follower.end()
