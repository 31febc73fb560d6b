"""The main thread's order of things, with everything around it played."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.load import load
from blobtorrent.core.session.commands import NO_ANSWER, OpenListeners, Reply
from blobtorrent.daemon.notify import Notifier
from blobtorrent.daemon.service import Service
from blobtorrent.model.errors import BugError, ConfigError, NetworkError, Unavailable
from blobtorrent.model.status import SessionStatus
from tests.support.datagrams import DatagramSocket


class PlayedGateway:
    def __init__(self, calls: list[str]) -> None:
        self.session = SessionStatus("running", torrents=1, down_bytes_per_s=2048)
        self.silent_waits = 0          # how often nothing is answered yet
        self._calls = calls

    def submit(self, command: Any) -> Reply[Any]:
        assert isinstance(command, OpenListeners)
        self._calls.append("listen")
        return PlayedReply(self)


class PlayedReply(Reply[Any]):
    def __init__(self, gateway: PlayedGateway) -> None:
        self._gateway = gateway

    def wait(self, _timeout_s: float) -> None:
        if self._gateway.silent_waits:
            self._gateway.silent_waits -= 1
            raise Unavailable(NO_ANSWER, "no answer yet")


class PlayedThreads:
    """An engine, or a supervisor of interfaces."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.gateway = PlayedGateway(calls)
        self.dead: list[str] = []
        self.late: list[str] = []
        self.start_error: Exception | None = None
        self.trouble: list[str] = []
        self.stops_cleanly = True
        self._name = name
        self._calls = calls

    def start(self) -> None:
        self._calls.append(f"start {self._name}")
        if self.start_error is not None:
            raise self.start_error

    def restore(self) -> Iterator[None]:
        for step in ("restore some", "restore the rest"):
            self._calls.append(step)
            yield

    def stop(self, _timeout_s: float = 0.0) -> bool:
        self._calls.append(f"stop {self._name}")
        return self.stops_cleanly

    def troubles(self) -> list[str]:
        return self.trouble

    def dead_threads(self) -> list[str]:
        return self.dead

    def late_threads(self) -> list[str]:
        return self.late


class PlayedSignals:
    """Each wait takes the next step: a signal, or something that happens while nothing is signalled.

    `early` are signals that come before the start is over, one for each look.
    """

    def __init__(self, steps: list[signal.Signals | Callable[[], None]], calls: list[str]) -> None:
        self.early: list[signal.Signals] = []
        self._steps = iter(steps)
        self._calls = calls

    def poll(self) -> signal.Signals | None:
        return self.early.pop(0) if self.early else None

    def wait(self, _timeout_s: float) -> signal.Signals | None:
        step = next(self._steps)
        if isinstance(step, signal.Signals):
            return step
        step()
        return None

    def release(self) -> None:
        self._calls.append("release signals")


class PlayedReloader:
    def __init__(self, calls: list[str]) -> None:
        self.settings = load()
        self.error: Exception | None = None
        self._calls = calls

    def reload(self) -> None:
        self._calls.append("reload")
        if self.error is not None:
            raise self.error


class PlayedDesk:
    def __init__(self) -> None:
        self.must_stop = False
        self.is_draining = False
        self.is_drained = False
        self.has_served = self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def serve(self) -> None:
        self.has_served = True


class PlayedLogs:
    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def reopen(self) -> None:
        self._calls.append("reopen log")


class World:
    """A service whose surroundings are all played; a watchdog of no patience has every wait followed by a check."""

    def __init__(self, manager: DatagramSocket, *steps: signal.Signals | Callable[[], None]) -> None:
        self.calls: list[str] = []
        self.manager = manager
        self.engine = PlayedThreads("engine", self.calls)
        self.interfaces = PlayedThreads("interfaces", self.calls)
        self.signals = PlayedSignals([*steps], self.calls)
        self.reloader = PlayedReloader(self.calls)
        self.desk = PlayedDesk()
        self.service = Service(
            self.engine, self.interfaces, self.reloader, self.desk, signals=self.signals,
            logs=PlayedLogs(self.calls), notifier=Notifier(manager.address, watchdog_s=1e-9),
        )

    def heard(self) -> list[str]:
        return [datagram.decode().partition("\n")[0] for datagram in self.manager.take()]


@pytest.fixture
def manager(tmp_path: Path):
    with DatagramSocket(tmp_path / "notify") as listening:
        yield listening


def nothing() -> None:
    """A wait that ends without a signal."""


def test_it_starts_from_the_inside_out_and_stops_from_the_outside_in(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGTERM)
    assert world.service.run() == 0
    assert world.calls == [
        "start engine", "start interfaces", "restore some", "restore the rest", "listen", "release signals",
        "stop interfaces", "stop engine",
    ]
    assert world.heard() == ["READY=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=60000000"]


def test_an_interface_that_cannot_start_ends_all_and_readiness_is_never_told(manager: DatagramSocket) -> None:
    world = World(manager)
    world.interfaces.start_error = NetworkError("net.port-taken", "127.0.0.1:7070 is taken")
    with pytest.raises(NetworkError):
        world.service.run()
    assert world.calls[-2:] == ["stop interfaces", "stop engine"]
    assert "READY=1" not in world.heard()


def test_the_watchdog_is_fed_while_all_threads_answer(manager: DatagramSocket) -> None:
    world = World(manager, nothing, nothing, signal.SIGTERM)
    world.service.run()
    assert world.heard().count("WATCHDOG=1") == 2


@pytest.mark.parametrize("which", ["engine", "interfaces"])
def test_a_thread_that_hangs_starves_the_watchdog_until_it_answers(
    manager: DatagramSocket, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[list[str]] = []

    def hang() -> None:
        heard.append(world.heard())
        threads.late = ["core"]

    def answer() -> None:
        heard.append(world.heard())
        threads.late = []

    world = World(manager, hang, nothing, answer, nothing, signal.SIGTERM)
    threads = getattr(world, which)
    world.service.run()
    assert "WATCHDOG=1" not in heard[1]
    assert world.heard().count("WATCHDOG=1") == 2
    assert caplog.text.count("threads do not answer") == 1
    assert "all threads answer again" in caplog.text


@pytest.mark.parametrize("which", ["engine", "interfaces"])
def test_a_dead_thread_ends_the_daemon_in_order_as_a_failure(manager: DatagramSocket, which: str) -> None:
    world = World(manager, nothing)
    getattr(world, which).dead = ["disk-1-0"]
    assert world.service.run() == 1
    assert world.calls[-2:] == ["stop interfaces", "stop engine"]


def test_a_reload_is_told_from_its_beginning_to_its_end(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGHUP, signal.SIGINT)
    world.service.run()
    assert world.calls[5:7] == ["reopen log", "reload"]
    heard = world.heard()
    assert heard[heard.index("RELOADING=1"):][:2] == ["RELOADING=1", "READY=1"]


def test_signals_that_keep_coming_do_not_keep_the_watchdog_from_being_fed(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGHUP, signal.SIGTERM)
    world.service.run()
    assert world.heard().count("WATCHDOG=1") == 1


def test_the_status_says_how_it_goes(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGTERM)
    world.engine.gateway.session = SessionStatus("running", torrents=2, up_bytes_per_s=1024, damages=("x",))
    world.service.run()
    ready = manager.take()[0].decode()
    assert ready == "READY=1\nSTATUS=2 torrents, down 0 B/s, up 1.0 KiB/s; 1 damaged, see the log"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_ends_it_in_order(manager: DatagramSocket, number: signal.Signals) -> None:
    world = World(manager)
    world.engine.gateway.silent_waits = 5
    world.signals.early = [signal.SIGHUP, number]
    assert world.service.run() == 0
    assert world.calls[-3:] == ["release signals", "stop interfaces", "stop engine"]
    assert "READY=1" not in world.heard()


def test_a_signal_while_the_torrents_are_read_ends_it_before_the_next_step(manager: DatagramSocket) -> None:
    world = World(manager)
    world.signals.early = [signal.SIGTERM]
    assert world.service.run() == 0
    assert world.calls == [
        "start engine", "start interfaces", "restore some", "release signals", "stop interfaces", "stop engine"]
    assert "READY=1" not in world.heard()


def test_a_reload_that_is_asked_for_while_it_starts_is_done_when_it_serves(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGTERM)
    world.signals.early = [signal.SIGHUP]
    world.engine.gateway.silent_waits = 1
    world.service.run()
    assert world.calls[4:7] == ["listen", "reopen log", "reload"]


def test_a_thread_that_dies_while_it_starts_is_not_waited_for(manager: DatagramSocket) -> None:
    world = World(manager)
    world.engine.gateway.silent_waits = 1
    world.engine.dead = ["core"]
    with pytest.raises(BugError, match="core"):
        world.service.run()
    assert world.calls[-2:] == ["stop interfaces", "stop engine"]


def test_an_end_that_is_not_clean_is_a_failure(manager: DatagramSocket, caplog: pytest.LogCaptureFixture) -> None:
    world = World(manager, signal.SIGTERM)
    world.engine.stops_cleanly = False
    assert world.service.run() == 1
    assert "the end was not clean" in caplog.text


def test_the_status_tells_what_is_done_without(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGTERM)
    world.interfaces.trouble = ["cannot listen on 127.0.0.1:7070"]
    world.service.run()
    assert manager.take()[0].decode().endswith("up 0 B/s; cannot listen on 127.0.0.1:7070")


def test_settings_that_are_refused_are_told_and_all_goes_on(
    manager: DatagramSocket, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(manager, signal.SIGHUP, signal.SIGTERM)
    world.reloader.error = ConfigError("config.bad-value", "x.toml:1: no")
    assert world.service.run() == 0
    assert "the new settings are refused, the old ones stay" in caplog.text
    assert world.heard().count("READY=1") == 2


def test_a_client_may_end_it(manager: DatagramSocket) -> None:
    world = World(manager, signal.SIGUSR1, lambda: setattr(world.desk, "must_stop", True))
    assert world.service.run() == 0
    assert world.calls[-1] == "stop engine"
    assert world.desk.has_served and world.desk.is_closed


def test_a_client_may_end_it_before_all_is_started(manager: DatagramSocket) -> None:
    world = World(manager)
    world.desk.must_stop = True
    assert world.service.run() == 0
    assert not world.desk.has_served


def test_it_ends_when_the_session_is_drained(manager: DatagramSocket) -> None:
    world = World(manager, nothing, lambda: setattr(world.desk, "is_drained", True))
    world.desk.is_draining = True
    assert world.service.run() == 0
    assert world.calls[-2:] == ["stop interfaces", "stop engine"]
