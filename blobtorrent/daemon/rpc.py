"""The interface of rTorrent: it may begin before there is an engine, then its parts are started with the others.

What makes its commands is imported when they are made.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.config.schema import Settings
from blobtorrent.config.values import ListenSpec, UnixSpec, rpc_listeners
from blobtorrent.core.session.commands import NO_ANSWER
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.earlydesk import EarlyDesk
from blobtorrent.daemon.inherited import unopened
from blobtorrent.daemon.launch import START_LIMIT_S, Launch
from blobtorrent.daemon.supervisor import Part
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.listeners import SocketAccess, name_of
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.restroute import RpcResource
from blobtorrent.interface.rtorrent.rules import Rules
from blobtorrent.interface.rtorrent.server import Door, RpcServer
from blobtorrent.interface.rtorrent.standby import Standby
from blobtorrent.model.errors import ConfigError, Unavailable
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import Registry

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.service import Machinery
    from blobtorrent.interface.rtorrent.turns import Turns

log = get_logger(__name__)

SESSION_FOLDER = "rtorrent"            # below the state directory
LOOK_S = 0.1                           # between two looks whether we are told to end, while a configuration is run
STOP_S = 2.0


class _Configured(NamedTuple):
    """What came of a configuration: lines about those that failed, the session folder, and that of relative paths."""

    failures: list[str]
    session: Path
    started_in: Path


class Rpc:
    """Made before the engine, with the settings as they are then: a configuration of rTorrent changes none that matter
    here. `inherited` are listening sockets besides those of `rtorrent.listen`.
    """

    def __init__(
        self, launch: Launch, settings: Settings, inherited: Sequence[socket.socket], desk: EarlyDesk
    ) -> None:
        rpc = settings.rtorrent
        self._launch = launch
        self._settings = settings
        self._desk = desk
        self._standby = Standby(self._build)
        self._rules = Rules(rpc.client_version)
        self._keyring: Keyring | None = None
        self._server = RpcServer(
            doors_of(settings, launch.runtime, inherited), self._standby.turns.post, self._standby.perform,
            gate=RpcGate(self._open_token if rpc.http_tokens else None, settings.rest.allowed_hosts),
            access=SocketAccess(rpc.socket_mode, rpc.socket_group),
            rules=self._rules,
        )

    # ---- before there is an engine

    def configure(self) -> bool:
        """Run what was given of rTorrent's configuration; the early desk has the settings that come of it. False when
        we are told to end before that is done, or by it.

        A line that fails is told. A session of rTorrent that is configured is taken over.
        Raises ConfigError ("config.rtorrent") for lines that fail, if that is wanted, and what `take_over` does.
        """
        words = self._launch.rtorrent

        def run(machinery: Machinery) -> _Configured:
            failures: list[str] = []
            machinery.configure(words.options, words.file, failures.append)
            session = machinery.session
            return _Configured(failures, Path(session.system.session_folder), Path(session.working.path))

        done = self._standby.run_first(run)
        while not self._launch.signals.is_ending:
            try:
                configured = done.wait(LOOK_S)
            except Unavailable as error:
                if error.code != NO_ANSWER:
                    raise
                continue
            self._tell(configured.failures)
            if self._desk.must_stop:
                return False
            self._take_over(configured)
            return True
        return False

    def _take_over(self, configured: _Configured) -> None:
        """What rTorrent left in a folder that is ours from the start is not there."""
        if configured.session not in (Path(), self._launch.state / SESSION_FOLDER):
            from blobtorrent.daemon.takeover import take_over

            take_over(configured.session, self._launch.state, configured.started_in, self._must_end_early)

    def _must_end_early(self) -> bool:
        """Whether we are told to end while thousands of torrents come; the service manager hears that it goes on."""
        self._launch.notifier.extend(START_LIMIT_S)
        return self._launch.signals.is_ending

    def _tell(self, failures: list[str]) -> None:
        for line in failures:
            log.error("a line of rTorrent's configuration fails", detail=line)
            self._launch.tell(line)
        if failures and self._launch.rtorrent.is_strict:
            lines = "a line" if len(failures) == 1 else f"{len(failures)} lines"
            raise ConfigError("config.rtorrent", f"{lines} of rTorrent's configuration failed: {failures[0]}")

    def abandon(self) -> None:
        """Instead of starting the parts."""
        self._server.stop(STOP_S)
        self._standby.stop(STOP_S)

    # ---- with the engine

    def parts(
        self, gateway: Gateway, desk: Desk, registry: Registry, keyring: Callable[[], Keyring]
    ) -> list[Part]:
        """`keyring` opens that of the daemon, and raises StorageError when it cannot."""
        if self._settings.rtorrent.http_tokens:
            self._keyring = keyring()
        self._standby.begin = lambda machinery: machinery.begin(gateway, desk, registry)
        self._server.measure(registry)
        return [
            Part("rtorrent", self._standby.start, self._standby.stop, threads=lambda: self._standby.turns.threads),
            Part("rpc", self._server.start, self._server.stop, (self._server.heart,)),
        ]

    def routes(self) -> tuple[Route, ...]:
        """Have the REST server answer calls, too."""
        return RpcResource(self._standby.turns.post, self._standby.perform, self._rules).routes()

    def _open_token(self, secret: bytes) -> Grant | None:
        return None if self._keyring is None else self._keyring.open(secret)

    def _build(self, turns: Turns) -> Machinery:
        from blobtorrent.interface.rtorrent.service import Machinery, Surroundings, claims_of

        return Machinery(Surroundings(
            turns, self._desk, str(self._launch.state / SESSION_FOLDER),
            claims_of(self._settings.rtorrent.client_version), self._rules, self._open_place))

    def _open_place(self, place: str) -> None:
        from blobtorrent.interface.rtorrent.faults import failed
        from blobtorrent.model.errors import NetworkError

        try:
            (spec,) = rpc_listeners([place])
            self._server.open(_door(spec, self._launch.runtime, self._settings, is_http=False))
        except (NetworkError, ValueError) as error:
            raise failed(f"Could not listen: {error}") from None


def doors_of(settings: Settings, runtime: Path, inherited: Sequence[socket.socket] = ()) -> list[Door]:
    """Where to listen, and who is trusted there; relative paths are below the runtime directory. `inherited` sockets
    are listened at besides what `rtorrent.listen` names.
    """
    rpc = settings.rtorrent
    trusted = [str(spec) for spec in rpc.trusted]
    doors = [_door(spec, runtime, settings, is_http=False) for spec in rpc.listen]
    unopened_places = unopened([door.place for door in doors], inherited)
    return [
        *(Door(place, is_trusted=name_of(place) in trusted) for place in inherited),
        *(door for door in doors if door.place in unopened_places),
        *(_door(spec, runtime, settings, is_http=True) for spec in rpc.http_listen),
    ]


def _door(spec: ListenSpec | UnixSpec, runtime: Path, settings: Settings, *, is_http: bool) -> Door:
    place = runtime / spec.path if isinstance(spec, UnixSpec) else spec
    return Door(place, is_http, spec in settings.rtorrent.trusted)
