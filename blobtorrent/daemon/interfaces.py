"""The ways to reach the engine from outside, as parts that a supervisor starts and stops."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.config.doors import RestSettings
from blobtorrent.config.schema import Settings
from blobtorrent.config.values import HttpsSpec, ListenSpec, UnixSpec
from blobtorrent.core.session.filters import FilterManager
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.watcher import Watcher
from blobtorrent.daemon.inherited import unopened
from blobtorrent.daemon.supervisor import Part
from blobtorrent.daemon.token import admin_token
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.jobs import JobBook
from blobtorrent.interface.rest.catalogue import Sources, all_routes
from blobtorrent.interface.rest.feed import Feed
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.listeners import Place, SocketAccess
from blobtorrent.interface.rest.router import Router
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rest.server import RestServer
from blobtorrent.model.errors import ConfigError, StorageError
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import Registry

if TYPE_CHECKING:
    from ssl import SSLContext

log = get_logger(__name__)


def build_interfaces(
    settings: Settings, gateway: Gateway, desk: Desk, *, chronicle: Chronicle, watcher: Watcher, registry: Registry,
    filters: FilterManager, state: Path, runtime: Path, inherited: Sequence[socket.socket],
    credentials: Path | None, keyring: Callable[[], Keyring], more: Sequence[Route] = (),
) -> list[Part]:
    """What the settings ask for. `inherited` are listening sockets besides those of `rest.listen`; `more` are
    routes besides those of REST; `keyring` opens that of the daemon.

    Raises StorageError when the tokens can be neither read nor made, ConfigError when https lacks its certificate.
    """
    rest = settings.rest
    places: list[Place] = [*inherited, *unopened(rest_places(rest, runtime), inherited)]
    if not places:
        return []
    keys = keyring()
    feed = Feed(chronicle, gateway.torrents)
    jobs = JobBook()
    routes = all_routes(Sources(
        gateway, desk, jobs, lambda: watcher.statuses, keys, feed, registry, filters,
        is_metrics_open=rest.metrics_open))
    # Another user's daemon has the usual port: nobody asked for it, so ours is content with its socket.
    is_usual = rest.listen == RestSettings().listen
    server = RestServer(
        Router((*routes, *more)), places, keys, hosts=rest.allowed_hosts,
        dispensable=[place for place in places if is_usual and isinstance(place, ListenSpec)],
        access=SocketAccess(rest.socket_mode, rest.socket_group),
        identify=_identification(rest) if any(isinstance(place, HttpsSpec) for place in places) else None,
        max_per_network=rest.connections_per_address,
    )
    feed.serve_on(server)
    server.measure(registry)
    feed.measure(registry)

    def reload() -> None:
        server.reload()
        try:
            keys.replace_first(admin_token(state, credentials))
        except StorageError as error:
            log.error("the first token stays as it was", code=error.code, detail=error.detail)

    return [
        Part("jobs", jobs.start, jobs.stop),
        Part("rest", server.start, server.stop, (server.heart,), lambda: server.troubles, reload),
    ]


def rest_places(settings: RestSettings, runtime: Path) -> list[Place]:
    """The addresses and sockets of `rest.listen`; relative paths are below the runtime directory."""
    return [runtime / spec.path if isinstance(spec, UnixSpec) else spec for spec in settings.listen]


def _identification(settings: RestSettings) -> Callable[[], SSLContext]:
    """What loads the certificate. `ssl` takes its time, so it is imported only for who listens for https."""
    if settings.tls_certificate is None or settings.tls_key is None:
        raise ConfigError("config.missing-key", "rest.listen has https: set rest.tls_certificate and rest.tls_key")
    from blobtorrent.interface.rest.tls import load_identity

    return partial(load_identity, settings.tls_certificate, settings.tls_key)
