"""The interface of rTorrent as parts that a supervisor starts and stops. Imported only when it is on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.schema import Settings
from blobtorrent.config.values import ListenSpec, UnixSpec, rpc_listeners
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.launch import Launch
from blobtorrent.daemon.supervisor import Part
from blobtorrent.daemon.token import open_keyring
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.listeners import SocketAccess
from blobtorrent.interface.rest.server import Answers
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.restroute import RpcRouter
from blobtorrent.interface.rtorrent.server import Door, RpcServer
from blobtorrent.interface.rtorrent.service import (
    Configuration,
    Machinery,
    Surroundings,
    claims_of,
    dialect_of,
)
from blobtorrent.model.errors import NetworkError
from blobtorrent.runtime.metrics import Registry

SESSION_FOLDER = "rtorrent"            # below the state directory


class RpcParts(NamedTuple):
    """`route` has the REST server answer calls, too."""

    parts: list[Part]
    route: Callable[[Answers], Answers]


def build_rpc(
    settings: Settings, gateway: Gateway, desk: Desk, registry: Registry, launch: Launch
) -> RpcParts:
    """Raises StorageError when HTTP wants tokens and they can be neither read nor made."""
    rpc, words, state = settings.rtorrent, launch.rtorrent, launch.state

    def open_place(place: str) -> None:
        try:
            (spec,) = rpc_listeners([place])
            server.open(_door(spec, launch.runtime, is_http=False, is_trusted=spec in rpc.trusted))
        except (NetworkError, ValueError) as error:
            raise failed(f"Could not listen: {error}") from None

    machinery = Machinery(Surroundings(
        gateway, desk, registry, str(state / SESSION_FOLDER), claims_of(rpc.client_version), open_place,
        Configuration(words.options, words.file, words.is_strict),
    ))
    known: Callable[[bytes], Grant | None] | None = open_keyring(state).open if rpc.http_tokens else None
    server = RpcServer(
        doors_of(settings, launch.runtime), machinery.turns.post, machinery.perform,
        gate=RpcGate(known, settings.rest.allowed_hosts), access=SocketAccess(rpc.socket_mode, rpc.socket_group),
        dialect=dialect_of(rpc.client_version),
    )
    server.measure(registry)
    return RpcParts(
        [Part("rtorrent", machinery.start, machinery.stop), Part("rpc", server.start, server.stop, (server.heart,))],
        lambda router: RpcRouter(router, machinery.turns.post, machinery.perform, dialect_of(rpc.client_version)),
    )


def doors_of(settings: Settings, runtime: Path) -> list[Door]:
    """Where to listen, and who is trusted there; relative paths are below the runtime directory."""
    rpc = settings.rtorrent
    return [
        _door(spec, runtime, is_http=is_http, is_trusted=spec in rpc.trusted)
        for specs, is_http in ((rpc.listen, False), (rpc.http_listen, True))
        for spec in specs
    ]


def _door(spec: ListenSpec | UnixSpec, runtime: Path, *, is_http: bool, is_trusted: bool) -> Door:
    return Door(runtime / spec.path if isinstance(spec, UnixSpec) else spec, is_http, is_trusted)
