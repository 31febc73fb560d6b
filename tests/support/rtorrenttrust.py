"""All commands of the rTorrent interface with engines that are played, and one that nobody may smuggle a call to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.interface.rtorrent import aliases
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.commands import arithmetic, conversions, language, methods, texts
from blobtorrent.interface.rtorrent.context import Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.downloads.aiming import FileAim, TrackerAim
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.following import EVENTS
from blobtorrent.interface.rtorrent.downloads.side import DownloadSide
from blobtorrent.interface.rtorrent.downloads.views import View
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.rcfile import RcFiles
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.session.catalogue import SessionCommands
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.errors import Invalid
from blobtorrent.runtime.bus import EventBus
from tests.support.rtorrentengine import FakeEngine
from tests.support.rtorrentsession import PlayedEngine

CANARY = "canary"
DAY_S = 86_400.0


class _Engine(FakeEngine):
    """One that takes no magnet links."""

    def _answer(self, command: Any) -> Any:
        if isinstance(command, AddTorrent) and command.metainfo is None:
            raise Invalid("torrent.no-magnets", "no magnet links")
        return super()._answer(command)


class TrustStage:
    """`sung` has who had the canary run. It is code: only a caller who is trusted with everything gets that far."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sung: list[str] = []
        self.doing = ""
        self.registry = Registry()
        self.interpreter = Interpreter(self.registry, lambda text: None)
        self.engine = _Engine()
        self.session = SessionCommands(PlayedEngine(), folder="", wall=lambda: 1_700_000_000.0, now=lambda: self.now_s)
        self.side = DownloadSide(self.engine, EventBus(), self.interpreter, wake=lambda: None,
                                 fetch=lambda url, from_loopback, then: None, keep=lambda download: None)
        store = Store(self.registry)
        for commands in (RcFiles().commands(), language.commands(), methods.commands(self.registry, store),
                         arithmetic.commands(lambda: 0), conversions.commands(lambda: 0), texts.commands(),
                         self.session.commands(), self.side.commands()):
            self.registry.extend(commands)
        self.side.events()
        aliases.install(self.registry)
        self.session.finish(self.interpreter)
        self.registry.add(Command(CANARY, Target.ANY, self._sing, "string", is_code=True))
        self.calls = Calls(self.interpreter, self.side.aiming.read)
        self._to_come = ["foxtrot", "echo", "delta", "charlie", "bravo"]
        self.interpreter.context(Trust.FULL).call("view.add", ["mine"])
        self.restock()

    def restock(self) -> None:
        """What was erased comes again."""
        if not self.side.downloads.all():
            self.engine.add("alpha")
            self.side.downloads.refresh()

    def _sing(self, context: Context, _item: Any, _args: Sequence[Value]) -> Value:
        self.sung.append(self.doing)
        return CANARY

    def aims(self) -> dict[Target, Aim]:
        """One target of each kind, as far as there are."""
        download = self.side.downloads.all()[0]
        return {
            Target.DOWNLOAD: Aim(Target.DOWNLOAD, download),
            Target.FILE: Aim(Target.FILE, FileAim(FileRows(self.side.downloads, download), 0)),
            Target.TRACKER: Aim(Target.TRACKER, TrackerAim(download, 0)),
        }

    def call(self, command: Command, args: Sequence[Value], trust: Trust) -> None:
        """Whatever comes of it. What it erases comes again."""
        self.restock()
        context = self.interpreter.context(trust)
        if command.target in self.aims():
            context = context.at(self.aims()[command.target])
        self.doing = f"{command.name} {args}"
        self._quietly(lambda: self.interpreter.call(context, command.name, args))

    def go_on(self) -> None:
        """What a daemon does by itself, and what its owner has it do, with all trust."""
        full = self.interpreter.context(Trust.FULL)
        self.now_s += DAY_S
        self.engine.add(self._to_come.pop())
        self.side.downloads.refresh()
        self.session.run_due(self.interpreter)
        for name in self.side.views.names():
            view = self.side.views.find(name)
            for look in (lambda view: self.side.views.members(view.name), partial(self.side.views.apply, full),
                         partial(self.side.views.sort, full), partial(self._show_again, full)):
                self._quietly(partial(look, view))
        for download in self.side.downloads.all():
            self.side.follower.tell(download, *EVENTS)
        for name in self.registry.names():
            if name.startswith(("group.", "event.")) or name == "on_ratio":
                self._quietly(partial(full.call, name, ["seeding"]))

    def _show_again(self, full: Context, view: View) -> None:
        for download, is_visible in product(self.side.downloads.all(), (False, True)):
            self.side.views.show(full, view, download, is_visible)

    @staticmethod
    def _quietly(do: Callable[[], object]) -> None:
        try:
            do()
        except Fault:
            pass
