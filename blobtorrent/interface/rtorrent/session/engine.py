"""What these commands ask of the engine, and how it is asked. A fake of it is all that their tests need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from blobtorrent.core.session.queries import StatsOf
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.lategateway import LateGateway
from blobtorrent.model.details import Figures, SessionStats
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.runtime.metrics import Registry as Metrics

if TYPE_CHECKING:
    from blobtorrent.config.schema import Settings


class SessionEngine(Protocol):
    """What cannot be done raises Fault, with the words of the engine."""

    def settings(self) -> Settings:
        """What holds now."""

    def change(self, patch: Mapping[str, Any]) -> None:
        """Merge a patch into the settings, as `Desk.change` does."""

    def status(self) -> SessionStatus:
        """The snapshot of the session."""

    def torrents(self) -> Iterable[TorrentStatus]:
        """The snapshots of all torrents."""

    def stats(self) -> SessionStats:
        """Sums of this run and of all."""

    def figures(self, name: str) -> Mapping[str, float]:
        """The figures that are exported under a name, by their labels in one text; none where there is no such part."""

    def stop(self) -> None:
        """End the daemon."""


class Keeper(Protocol):
    """Keeps the settings: what of the Desk is used here. `change` raises BlobTorrentError."""

    def settings(self) -> Settings: ...

    def change(self, patch: Mapping[str, Any]) -> object: ...

    def stop(self) -> None: ...


class GatewayEngine:
    """The engine itself, by its gateway and the daemon's desk. Until `attach` there is none: `keeper` has the settings
    that it will be made with.
    """

    def __init__(self, gateway: LateGateway, keeper: Keeper) -> None:
        self._gateway = gateway
        self._keeper = keeper
        self._metrics: Metrics | None = None

    def attach(self, desk: Keeper, metrics: Metrics) -> None:
        """The engine is there, and so is its gateway."""
        self._keeper = desk
        self._metrics = metrics

    def settings(self) -> Settings:
        return self._keeper.settings()

    def change(self, patch: Mapping[str, Any]) -> None:
        try:
            self._keeper.change(patch)
        except BlobTorrentError as error:
            raise failed(error.detail) from None

    def status(self) -> SessionStatus:
        return self._gateway.session

    def torrents(self) -> Iterable[TorrentStatus]:
        return self._gateway.torrents.values()

    def stats(self) -> SessionStats:
        if self._metrics is None:
            return SessionStats(Figures(), Figures(), (), self.settings().storage.memory_budget, 0)
        try:
            stats: SessionStats = self._gateway.ask(StatsOf())
        except BlobTorrentError as error:
            raise failed(error.detail) from None
        return stats

    def figures(self, name: str) -> Mapping[str, float]:
        return {} if self._metrics is None else {
            ",".join(value for _, value in sample.labels): sample.value
            for sample in self._metrics.snapshot() if sample.name == name
        }

    def stop(self) -> None:
        self._keeper.stop()
