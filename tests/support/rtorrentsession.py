"""The session commands of the rTorrent interface, with an engine that is played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from blobtorrent.config.schema import Settings
from blobtorrent.interface.rtorrent.commands import language, methods
from blobtorrent.interface.rtorrent.context import Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.rules import USUAL_VERSION, Rules
from blobtorrent.interface.rtorrent.session.catalogue import SessionCommands
from blobtorrent.interface.rtorrent.session.listening import Open, already_open
from blobtorrent.interface.rtorrent.session.system import Claims
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.values import Value, text_of
from blobtorrent.model.details import Figures, SessionStats
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.status import SessionStatus, TorrentStatus
from tests.support.desk import PlayedDesk

# What the one download answers; None: something is done to it.
DOWNLOAD: dict[str, Value] = {
    "d.is_active": 0, "d.complete": 0, "d.ignore_commands": 0, "d.bytes_done": 1000, "d.up.total": 0,
    "d.free_diskspace": 1 << 30, "d.priority": 2, "d.close": None, "d.try_close": None, "d.hashing_failed.set": None,
    "d.message.set": None, "d.ignore_commands.set": None,
}


class PlayedEngine:
    """What the test says, and settings that are changed and checked as in the daemon."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.desk = PlayedDesk(document)
        self.session = SessionStatus("running", listen=("0.0.0.0:51401",))
        self.rows: list[TorrentStatus] = []
        self.of_run = Figures()
        self.exported: dict[str, dict[str, float]] = {}
        self.was_stopped = False

    def settings(self) -> Settings:
        return self.desk.settings()

    def change(self, patch: Mapping[str, Any]) -> None:
        before = self.desk.document
        try:
            self.desk.change(patch)
            self.desk.settings()
        except BlobTorrentError as error:
            self.desk.document = before
            raise failed(error.detail) from None

    def status(self) -> SessionStatus:
        return self.session

    def torrents(self) -> Iterable[TorrentStatus]:
        return self.rows

    def stats(self) -> SessionStats:
        return SessionStats(self.of_run, self.of_run, (), memory_budget_bytes=1 << 26, memory_used_bytes=1 << 16)

    def figures(self, name: str) -> Mapping[str, float]:
        return self.exported.get(name, {})

    def stop(self) -> None:
        self.was_stopped = True


class SessionStage:
    """All commands of the session and of the language. Times stand still until the test moves them."""

    def __init__(self, document: Mapping[str, Any] | None = None, *, folder: str = "/srv/session",
                 open_place: Open = already_open, rules: Rules | None = None, version: str = USUAL_VERSION) -> None:
        self.engine = PlayedEngine(document)
        self.now_s = 1000.0
        self.wall_s = 1_700_000_000.25
        self.logged: list[str] = []
        self.views: list[Value] = ["main", "started"]
        self.multicalls: list[list[Value]] = []
        self.download = dict(DOWNLOAD)
        self.done: list[tuple[str, ...]] = []            # to it
        self.registry = Registry()
        self.interpreter = Interpreter(self.registry, self.logged.append)
        self.commands = SessionCommands(
            self.engine, folder=folder, wall=lambda: self.wall_s, now=lambda: self.now_s, open_place=open_place,
            rules=rules, claims=Claims(version))
        self.registry.extend(self.commands.commands())
        self.registry.extend(language.commands())
        self.registry.extend(methods.commands(self.registry, Store(self.registry)))
        self.registry.extend(self._views())
        self.commands.finish(self.interpreter)

    def _views(self) -> Iterator[Command]:
        """As much of views as groups are made with."""

        def add(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
            if args[0] in self.views:
                raise failed("View with same name already inserted.")
            self.views.append(args[0])
            return None

        yield Command("view.add", Target.NONE, add)
        yield Command("view.persistent", Target.NONE, lambda _context, _item, _args: None)
        yield Command("view.sort_current", Target.NONE, lambda _context, _item, _args: None)
        for name in ("event.download.finished", "event.download.erased", "event.view.hide", "event.view.show"):
            self.call("method.insert", name, "multi")
        yield Command("view.list", Target.NONE, lambda _context, _item, _args: list(self.views))
        yield Command("d.multicall2", Target.ANY, self._multicall)
        for name in DOWNLOAD:
            yield Command(name, Target.DOWNLOAD, partial(self._of_download, name))

    def _of_download(self, name: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if DOWNLOAD[name] is None:
            self.done.append((name, *(text_of(arg) for arg in args if arg != "")))
        return self.download[name]

    def _multicall(self, context: Context, _item: Any, args: Sequence[Value]) -> Value:
        """Of a view with one download."""
        self.multicalls.append(list(args))
        download = context.at(Aim(Target.DOWNLOAD, "the download"))
        return [[download.text(str(column)) for column in args[1:]]]

    def call(self, name: str, *args: Value, trust: Trust = Trust.FULL) -> Value:
        return self.interpreter.call(self.interpreter.context(trust), name, args)

    def move(self, seconds: float) -> None:
        """Let time pass, and run what is due then."""
        self.now_s += seconds
        self.commands.run_due(self.interpreter)
