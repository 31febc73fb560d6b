"""The route table: all resources of version 1 that need nothing but the session and the desk."""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rest.v1.adding import Adder
from blobtorrent.interface.rest.v1.files import FileResource
from blobtorrent.interface.rest.v1.health import HealthResource
from blobtorrent.interface.rest.v1.session import SessionResource
from blobtorrent.interface.rest.v1.torrent import TorrentResource
from blobtorrent.interface.rest.v1.torrents import TorrentsResource


def routes_of(gateway: Gateway) -> Iterator[Route]:
    adder = Adder(gateway)
    yield from HealthResource(gateway).routes()
    yield from SessionResource(gateway).routes()
    yield from TorrentsResource(gateway, adder).routes()
    yield from TorrentResource(gateway, adder).routes()
    yield from FileResource(gateway).routes()
