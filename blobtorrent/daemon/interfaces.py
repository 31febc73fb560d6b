"""The ways to reach the engine from outside, as parts that a supervisor starts and stops."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from blobtorrent.config.schema import RestSettings, Settings
from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.supervisor import Part
from blobtorrent.daemon.token import admin_token
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.server import RestServer

TOKEN_FILE = "admin.token"


def build_interfaces(
    settings: Settings, gateway: Gateway, desk: Desk, *, state: Path, runtime: Path,
    inherited: Sequence[socket.socket],
) -> list[Part]:
    """What the settings ask for. `inherited` are listening sockets that stand in for `rest.listen`.

    Raises StorageError when the admin token can be neither read nor made.
    """
    places = list(inherited) or rest_places(settings.rest, runtime)
    if not places:
        return []
    # Another user's daemon has the usual port: nobody asked for it, so ours is content with its socket.
    is_usual = settings.rest.listen == RestSettings().listen
    server = RestServer(
        gateway, places, admin_token(state / TOKEN_FILE), hosts=settings.rest.allowed_hosts,
        dispensable=[place for place in places if is_usual and isinstance(place, ListenSpec)],
    )
    return [Part("rest", server.start, server.stop, (server.heart,), lambda: server.troubles)]


def rest_places(settings: RestSettings, runtime: Path) -> list[ListenSpec | Path | socket.socket]:
    """The addresses and sockets of `rest.listen`; relative paths are below the runtime directory."""
    return [spec if isinstance(spec, ListenSpec) else runtime / spec.path for spec in settings.listen]
