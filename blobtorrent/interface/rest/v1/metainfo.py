"""`/v1/torrents/{hash}/metainfo`: the .torrent file, byte for byte as it was added."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import MetainfoOf
from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.v1.lookup import find_torrent

TORRENT_TYPE = "application/x-bittorrent"


class MetainfoResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        # Its trackers may have the owner's passkey in them: reading alone is not enough.
        yield Route("GET", "/v1/torrents/{hash}/metainfo", self.read, Scope.CONTROL, Operation(
            "The torrent file as it was added.", (Answer(200, "The file.", content_type=TORRENT_TYPE),),
        ), for_labels=True)

    def read(self, request: Request, digits: str) -> Response:
        status = find_torrent(self._gateway, request.grant, digits)
        raw = self._gateway.ask(MetainfoOf(status.info_hash))
        return Response(200, raw, TORRENT_TYPE, (disposition(f"{status.name}.torrent"),))
