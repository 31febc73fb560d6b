"""All resources of the interface, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from blobtorrent.core.session.filters import FilterManager
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.watch import WatchStatus
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.jobs import JobBook
from blobtorrent.interface.rest.feed import Feed
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.reach import Reach
from blobtorrent.interface.rest.routes import Route
from blobtorrent.interface.rest.v1.actions import ActionResource
from blobtorrent.interface.rest.v1.adding import Adder
from blobtorrent.interface.rest.v1.content import ContentResource
from blobtorrent.interface.rest.v1.events import EventResource
from blobtorrent.interface.rest.v1.files import FileResource
from blobtorrent.interface.rest.v1.filters import FilterResource
from blobtorrent.interface.rest.v1.groups import GroupResource
from blobtorrent.interface.rest.v1.health import HealthResource
from blobtorrent.interface.rest.v1.jobs import JobResource
from blobtorrent.interface.rest.v1.metainfo import MetainfoResource
from blobtorrent.interface.rest.v1.metrics import MetricsResource
from blobtorrent.interface.rest.v1.peers import PeerResource
from blobtorrent.interface.rest.v1.pieces import PieceResource
from blobtorrent.interface.rest.v1.session import SessionResource
from blobtorrent.interface.rest.v1.settings import SettingsResource
from blobtorrent.interface.rest.v1.stats import StatsResource
from blobtorrent.interface.rest.v1.tokens import TokenResource
from blobtorrent.interface.rest.v1.torrent import TorrentResource
from blobtorrent.interface.rest.v1.torrents import TorrentsResource
from blobtorrent.interface.rest.v1.trackers import TrackerResource
from blobtorrent.interface.rest.v1.watch import WatchResource
from blobtorrent.interface.rest.v1.why import WhyResource
from blobtorrent.runtime.metrics import Registry


class Resource(Protocol):
    def routes(self) -> Iterable[Route]:
        """What it answers to."""


class Sources(NamedTuple):
    """What the resources tell of, and what they have things done by."""

    gateway: Gateway
    desk: Desk
    jobs: JobBook
    watched: Callable[[], Iterable[WatchStatus]]
    keyring: Keyring
    feed: Feed
    registry: Registry
    filters: FilterManager
    is_metrics_open: bool = False


def all_routes(sources: Sources) -> list[Route]:
    """The routes of every resource, in the order of the manual."""
    gateway, desk = sources.gateway, sources.desk
    adder = Adder(gateway, Reach(desk))
    resources: tuple[Resource, ...] = (
        HealthResource(gateway),
        SessionResource(gateway, desk),
        SettingsResource(desk),
        StatsResource(gateway),
        TorrentsResource(gateway, adder),
        ActionResource(gateway),
        TorrentResource(gateway, adder),
        FileResource(gateway),
        ContentResource(gateway),
        PeerResource(gateway),
        TrackerResource(gateway),
        PieceResource(gateway),
        WhyResource(gateway),
        MetainfoResource(gateway),
        GroupResource(gateway, desk),
        WatchResource(sources.watched),
        FilterResource(sources.filters),
        JobResource(sources.jobs),
        EventResource(sources.feed),
        TokenResource(sources.keyring),
        MetricsResource(sources.registry, is_open=sources.is_metrics_open),
    )
    return [route for resource in resources for route in resource.routes()]
