"""The interface of rTorrent as parts that a supervisor starts and stops. Imported only when it is on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blobtorrent.config.schema import Settings
from blobtorrent.config.values import UnixSpec
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.supervisor import Part
from blobtorrent.daemon.token import open_keyring
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.listeners import SocketAccess
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.server import Door, RpcServer
from blobtorrent.interface.rtorrent.service import Machinery, Surroundings, claims_of, dialect_of
from blobtorrent.runtime.metrics import Registry

SESSION_FOLDER = "rtorrent"            # below the state directory


def build_rpc(
    settings: Settings, gateway: Gateway, desk: Desk, registry: Registry, *, state: Path, runtime: Path
) -> list[Part]:
    """Raises StorageError when HTTP wants tokens and they can be neither read nor made."""
    rpc = settings.rtorrent
    machinery = Machinery(Surroundings(
        gateway, desk, registry, folder=str(state / SESSION_FOLDER), claims=claims_of(rpc.client_version)))
    known: Callable[[bytes], Grant | None] | None = open_keyring(state).open if rpc.http_tokens else None
    server = RpcServer(
        doors_of(settings, runtime), machinery.turns.post, machinery.perform,
        gate=RpcGate(known, settings.rest.allowed_hosts), access=SocketAccess(rpc.socket_mode, rpc.socket_group),
        dialect=dialect_of(rpc.client_version),
    )
    server.measure(registry)
    return [
        Part("rtorrent", machinery.start, machinery.stop),
        Part("rpc", server.start, server.stop, (server.heart,)),
    ]


def doors_of(settings: Settings, runtime: Path) -> list[Door]:
    """Where to listen, and who is trusted there; relative paths are below the runtime directory."""
    rpc = settings.rtorrent
    return [
        Door(runtime / spec.path if isinstance(spec, UnixSpec) else spec, is_http, spec in rpc.trusted)
        for specs, is_http in ((rpc.listen, False), (rpc.http_listen, True))
        for spec in specs
    ]
