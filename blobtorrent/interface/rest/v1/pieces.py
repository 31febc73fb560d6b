"""`/v1/torrents/{hash}/pieces`: which pieces there are, here and in the swarm, small enough to poll."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import PiecesOf
from blobtorrent.interface.rest.encode import Shape, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import BASE64, COUNT, described, list_of
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.details import PartialPiece, PieceReport


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


PARTIAL_PIECE: Shape[PartialPiece] = Shape({
    "index": (COUNT, lambda piece: piece.piece),
    "blocks": (COUNT, lambda piece: piece.num_blocks),
    "done": (COUNT, lambda piece: piece.done_blocks),
})
PIECES: Shape[PieceReport] = Shape({
    "count": (COUNT, lambda report: report.num_pieces),
    "length_bytes": (COUNT, lambda report: report.piece_length),
    "have": (described(BASE64, "A bit a piece, the first one in the highest bit of the first byte (BEP 3)."),
             lambda report: _base64(report.have_wire)),
    "availability": (described(BASE64, "A byte a piece: so many connected peers have it, 255 or more."),
                     lambda report: _base64(report.availability)),
    "partial": (described(list_of(PARTIAL_PIECE.schema), "Pieces that are being fetched."),
                lambda report: [PARTIAL_PIECE.object_of(piece) for piece in report.partial]),
})


class PieceResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/torrents/{hash}/pieces", self.read, Scope.READ, Operation(
            "The pieces of a torrent.", (Answer(200, "The pieces.", PIECES.schema),),
        ), for_labels=True)

    def read(self, request: Request, digits: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        return document(PIECES.object_of(self._gateway.ask(PiecesOf(info_hash))))
