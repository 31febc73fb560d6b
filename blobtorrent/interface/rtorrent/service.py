"""Machinery: the interpreter with all its commands, and what they share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.claimed import generation_of
from blobtorrent.interface.rtorrent.commands import arithmetic, conversions, language, methods, texts
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.downloads.fetching import Fetcher
from blobtorrent.interface.rtorrent.downloads.keeping import SessionFolder
from blobtorrent.interface.rtorrent.downloads.side import DownloadSide
from blobtorrent.interface.rtorrent.exchange import Exchange
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.lategateway import LateGateway
from blobtorrent.interface.rtorrent.rcfile import RcFiles
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.rules import Rules
from blobtorrent.interface.rtorrent.session.catalogue import SessionCommands
from blobtorrent.interface.rtorrent.session.engine import GatewayEngine, Keeper
from blobtorrent.interface.rtorrent.session.listening import already_open
from blobtorrent.interface.rtorrent.session.sessionlock import SessionLock
from blobtorrent.interface.rtorrent.session.system import Claims
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.turns import Turns
from blobtorrent.network.policy import binding_of
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import Registry as Metrics

log = get_logger(__name__)

LOOK_S = 0.02                          # between two looks whether all torrents are known


class Surroundings(NamedTuple):
    """What the interface is built on. `folder` is the session folder, empty for none; `keeper` has the settings until
    there is an engine; `rules` are those of the server; `open_place` listens at one more place, as the settings have
    it, and raises Fault.
    """

    turns: Turns
    keeper: Keeper
    folder: str
    claims: Claims
    rules: Rules
    open_place: Callable[[str], None] = already_open


class Machinery:
    """Everything that runs commands, on the turns it was given: its state belongs to whoever has the turn.

    First, if there is one, `configure` runs a configuration, while there is no engine: it says with what settings that
    is to be made. Then `begin` is given the engine, and from there on requests are performed.
    """

    def __init__(self, around: Surroundings) -> None:
        generation = generation_of(around.claims.client_version)
        self._turns = around.turns
        self._open_place = around.open_place
        self._is_configuring = False
        self._is_filling = False       # there are clients who may look into the session folder
        self._is_awake = False         # somebody is about to look what has happened
        self._gateway = LateGateway()
        self._engine = GatewayEngine(self._gateway, around.keeper)
        self.registry = Registry()
        self.interpreter = Interpreter(self.registry, _note)
        self.store = Store(self.registry)
        self.session = SessionCommands(
            self._engine, folder=around.folder, wall=time.time, now=time.monotonic, outside=self._turns.outside,
            open_place=self._listen_at, claims=around.claims, rules=around.rules,
        )
        self._lock = SessionLock()
        self._rc_files = RcFiles()
        self._add(self._rc_files.commands())
        self._add(language.commands())
        self._add(methods.commands(self.registry, self.store, tells_kinds=generation.tells_kinds))
        self._add(arithmetic.commands(_seconds))
        self._add(conversions.commands(_seconds))
        self._add(texts.commands())
        self._add(self.session.commands())
        self._folder = SessionFolder(
            lambda: self.session.system.session_folder,
            saves_finished=lambda: bool(self.session.variables["session.on_completion"]))
        self._fetcher = Fetcher(self._turns.post, lambda: binding_of(self._engine.settings().network))
        self.downloads = DownloadSide(
            self._gateway, self._gateway, self.interpreter, wake=self._wake, fetch=self._fetcher.fetch,
            keep=self._folder.write, outside=self._turns.outside, rechecks_finished=self._rechecks_finished,
            uses_udp=lambda: self._engine.settings().trackers.udp, full=self.session.working.full,
            generation=generation, encodings=lambda: self.session.words.encodings)
        self._folder.downloads = self.downloads.downloads
        self._add(self._folder.commands())
        self.downloads.follower.listeners.append(self._folder.on_event)
        self._add(self.downloads.commands())
        self.downloads.events()
        self.session.finish(self.interpreter)
        self.registry.close_own()
        self._calls = Calls(self.interpreter, self.downloads.aiming.read, generation.reading)

    def configure(self, options: Sequence[str], file: Path | None, report: Callable[[str], None]) -> None:
        """Run the `options` and the lines of a file, before `begin`. `report` is told what fails, a line each. What is
        loaded comes when there is an engine.
        """
        self.downloads.arrivals.hold()
        self.session.configure()
        self._is_configuring = True
        try:
            self._rc_files.start(self.interpreter.context(Trust.FULL), options, file, report)
        finally:
            self._is_configuring = False
            self.session.enable()

    def begin(self, gateway: Gateway, desk: Desk, metrics: Metrics) -> None:
        """Follow the engine's torrents, once they are all known. What is asked before waits for its turn."""
        while gateway.session.state == "starting" and not self._turns.ending.wait(LOOK_S):
            pass                       # its board tells nobody
        self._gateway.attach(gateway)
        self._engine.attach(desk, metrics)
        if self.session.system.session_folder and self.session.variables["session.use_lock"]:
            self._lock.take(self.session.system.session_folder, gateway.session.started_at)
        self.downloads.begin()
        self._turns.next_due_s = self._next_due_s
        self._turns.run_due = self._run_due

    def end(self, timeout_s: float) -> bool:
        """When there are no turns any more. True when all that it has begun has ended within so many seconds."""
        self._folder.end()
        self.downloads.end()
        self.session.close()
        self._lock.release()
        return self._fetcher.stop(timeout_s)

    def perform(self, exchange: Exchange, trust: Trust) -> None:
        self.downloads.poll()
        exchange.perform(self._calls, trust)
        self.downloads.settle()
        self.downloads.poll()
        if not self._is_filling:
            self._is_filling = True
            self._turns.post(self._fill)

    def _add(self, commands: Iterable[Command]) -> None:
        self.registry.extend(commands)

    def _next_due_s(self) -> float | None:
        times = (self.session.next_due_s(), self.downloads.rows.next_due_s(), self._folder.next_due_s())
        return min((due_s for due_s in times if due_s is not None), default=None)

    def _run_due(self) -> None:
        self.session.run_due(self.interpreter)
        self.downloads.rows.forget()
        self._folder.run_due()

    def _listen_at(self, place: str) -> None:
        """Only a configuration opens places; later there is one already, as rTorrent says."""
        (self._open_place if self._is_configuring else already_open)(place)

    def _wake(self) -> None:
        """Something happened to a torrent; on any thread. One look is enough for all that has happened by then."""
        if not self._is_awake:
            self._is_awake = True
            self._turns.post(self._look)

    def _fill(self) -> None:
        """There are clients: have the session folder as they expect it, a little at a time."""
        if self._folder.fill():
            self._turns.post(self._fill)

    def _look(self) -> None:
        self._is_awake = False
        self.downloads.poll()

    def _rechecks_finished(self) -> bool:
        return bool(self.interpreter.context(Trust.FULL).call("pieces.hash.on_completion"))


def claims_of(version: str) -> Claims:
    """What goes with a version of rTorrent; its library had the same numbers from 0.15 on."""
    if version == Claims().client_version:
        return Claims()
    first, second, third = map(int, version.split("."))
    if (first, second) < (0, 15):
        return Claims(version, f"0.13.{third}" if second == 9 else f"0.14.{third}", "10")
    return Claims(version, version, "25" if (first, second, third) >= (0, 16, 20) else "11")


def _note(text: str) -> None:
    log.info("rtorrent", text=text)


def _seconds() -> int:
    return int(time.time())
