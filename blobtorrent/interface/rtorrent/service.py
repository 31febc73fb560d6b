"""Machinery: the interpreter with all its commands and what they share, and the turns in which they are called."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rtorrent import aliases
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.commands import arithmetic, conversions, language, methods, texts
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.downloads.fetching import Fetcher
from blobtorrent.interface.rtorrent.downloads.keeping import SessionFolder
from blobtorrent.interface.rtorrent.downloads.side import DownloadSide
from blobtorrent.interface.rtorrent.exchange import Exchange
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.rcfile import RcFiles
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.session.catalogue import SessionCommands
from blobtorrent.interface.rtorrent.session.engine import GatewayEngine
from blobtorrent.interface.rtorrent.session.listening import already_open
from blobtorrent.interface.rtorrent.session.system import Claims
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.turns import Turns
from blobtorrent.interface.rtorrent.xmlanswer import V0_9, V0_16, Dialect
from blobtorrent.network.policy import binding_of
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import Registry as Metrics

log = get_logger(__name__)

LOOK_S = 0.02                          # between two looks whether all torrents are known
_MODERN = (0, 16, 0)                   # from this version on answers are written in another way


class Configuration(NamedTuple):
    """Commands to be run first: those of the `options`, then those of a file."""

    options: tuple[str, ...] = ()
    file: Path | None = None
    is_strict: bool = False            # the daemon ends when one fails


class Surroundings(NamedTuple):
    """What the interface is built on. `folder` is the session folder, empty for none; `open_place` listens at one more
    place, as the settings have it, and raises Fault.
    """

    gateway: Gateway
    desk: Desk
    metrics: Metrics
    folder: str
    claims: Claims
    open_place: Callable[[str], None] = already_open
    configuration: Configuration = Configuration()


class Machinery:
    """Everything that runs commands. After `begin` its state belongs to whoever has the turn."""

    def __init__(self, around: Surroundings) -> None:
        self.turns = Turns()
        self._gateway = around.gateway
        self._desk = around.desk
        self._open_place = around.open_place
        self._configuration = around.configuration
        self._is_configuring = False
        self._is_stopping = False
        self._is_filling = False       # there are clients who may look into the session folder
        self._is_awake = False         # somebody is about to look what has happened
        self.registry = Registry()
        self.interpreter = Interpreter(self.registry, _note)
        self.store = Store(self.registry)
        self.session = SessionCommands(
            GatewayEngine(around.gateway, around.desk, around.metrics), folder=around.folder, wall=time.time,
            now=time.monotonic, outside=self.turns.outside, open_place=self._listen_at, claims=around.claims,
        )
        self._rc_files = RcFiles()
        self._add(self._rc_files.commands())
        self._add(language.commands())
        self._add(methods.commands(self.registry, self.store))
        self._add(arithmetic.commands(_seconds))
        self._add(conversions.commands(_seconds))
        self._add(texts.commands())
        self._add(self.session.commands())
        self._folder = SessionFolder(lambda: self.session.system.session_folder)
        self._fetcher = Fetcher(self.turns.post, lambda: binding_of(around.desk.settings().network))
        self.downloads = DownloadSide(
            around.gateway, around.gateway.bus, self.interpreter, wake=self._wake, fetch=self._fetcher.fetch,
            keep=self._folder.write, rechecks_finished=self._rechecks_finished)
        self._folder.downloads = self.downloads.downloads
        self.downloads.follower.listeners.append(self._folder.on_event)
        self._add(self.downloads.commands())
        self.downloads.events()
        aliases.install(self.registry)
        self.session.finish(self.interpreter)
        self.registry.close_own()
        self._calls = Calls(self.interpreter, self.downloads.aiming.read)

    def start(self) -> None:
        self.turns.next_due_s = self.session.next_due_s
        self.turns.run_due = self._run_due
        self.turns.post(self._configure)
        self.turns.post(self._begin)
        self.turns.start()

    def stop(self, timeout_s: float) -> bool:
        self._is_stopping = True
        ended = self.turns.stop(timeout_s)
        self.downloads.end()
        self.session.close()
        return self._fetcher.stop(timeout_s) and ended

    def perform(self, exchange: Exchange, trust: Trust) -> None:
        """To be called by whoever has the turn."""
        self.downloads.poll()
        exchange.perform(self._calls, trust)
        self.downloads.settle()
        self.downloads.poll()
        if not self._is_filling:
            self._is_filling = True
            self.turns.post(self._fill)

    def _add(self, commands: Iterable[Command]) -> None:
        self.registry.extend(commands)

    def _run_due(self) -> None:
        self.session.run_due(self.interpreter)

    def _configure(self) -> None:
        """Run what was given to begin with. That something fails is told, and ends the daemon only if that is wanted.
        """
        wanted, failures = self._configuration, 0

        def report(line: str) -> None:
            nonlocal failures
            failures += 1
            log.error("a line of rTorrent's configuration fails", detail=line)

        self._wait_for_session()
        self._is_configuring = True
        try:
            self._rc_files.start(self.interpreter.context(Trust.FULL), wanted.options, wanted.file, report)
        finally:
            self._is_configuring = False
            self.session.system.enable()
        if failures and wanted.is_strict:
            log.critical("rTorrent's configuration is not right, and --strict is given", lines=failures)
            self._desk.stop()

    def _listen_at(self, place: str) -> None:
        """Only a configuration opens places; later there is one already, as rTorrent says."""
        (self._open_place if self._is_configuring else already_open)(place)

    def _begin(self) -> None:
        """Follow the engine's torrents, once they are all known."""
        self._wait_for_session()
        self.downloads.begin()

    def _wait_for_session(self) -> None:
        """What is asked before waits for its turn."""
        while self._gateway.session.state == "starting" and not self._is_stopping:
            time.sleep(LOOK_S)

    def _wake(self) -> None:
        """Something happened to a torrent; on any thread. One look is enough for all that has happened by then."""
        if not self._is_awake:
            self._is_awake = True
            self.turns.post(self._look)

    def _fill(self) -> None:
        """There are clients: have the session folder as they expect it, a little at a time."""
        if self._folder.fill():
            self.turns.post(self._fill)

    def _look(self) -> None:
        self._is_awake = False
        self.downloads.poll()

    def _rechecks_finished(self) -> bool:
        return bool(self.interpreter.context(Trust.FULL).call("pieces.hash.on_completion"))


def dialect_of(version: str) -> Dialect:
    """How a version of rTorrent writes its answers."""
    return V0_16 if tuple(map(int, version.split("."))) >= _MODERN else V0_9


def claims_of(version: str) -> Claims:
    """What goes with a version of rTorrent; its library had the same numbers from 0.15 on."""
    if version == Claims().client_version:
        return Claims()
    first, second, third = map(int, version.split("."))
    if (first, second) < (0, 15):
        return Claims(version, f"0.13.{third}" if second == 9 else f"0.14.{third}", "10")
    return Claims(version, version, "11")


def _note(text: str) -> None:
    log.info("rtorrent", text=text)


def _seconds() -> int:
    return int(time.time())
