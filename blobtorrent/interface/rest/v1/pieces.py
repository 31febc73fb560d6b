"""`/v1/torrents/{hash}/pieces`: which pieces there are, here and in the swarm, small enough to poll."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import PieceOf, PiecesOf
from blobtorrent.interface.rest.encode import Shape, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import (
    ANY_OBJECT,
    BASE64,
    BOOLEAN,
    COUNT,
    INTEGER,
    NUMBER,
    TEXT,
    answer_object,
    described,
    list_of,
    nullable,
    one_of,
)
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.details import PartialPiece, PieceGiver, PieceReport, PieceStory
from blobtorrent.model.errors import NotFound

MAX_DIGITS = 9                         # no torrent that is taken has so many pieces


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

GIVER: Shape[PieceGiver] = Shape({
    "peer": TEXT,
    "standing": described(one_of(("asked", "free", "busy", "chokes-us", "refused")),
                          "Whether it is asked for the piece, and what keeps it from being."),
    "worth": (described(ANY_OBJECT, "What the picker sees in the piece for this peer."),
              lambda giver: dict(giver.worth)),
})
STORY: Shape[PieceStory] = Shape({
    "piece": COUNT,
    "size_bytes": COUNT,
    "state": one_of(("skipped", "missing", "partial", "hashing", "spoiled", "writing", "have")),
    "text": described(TEXT, "For people: what becomes of it, or what it waits for."),
    "since_s": described(nullable(NUMBER), "For how long it has been in this state, if that is known."),
    "opened_s": described(nullable(NUMBER), "Since its first block was asked for."),
    "priority": INTEGER,
    "leeches": described(COUNT, "Connected ones that have it."),
    "seeds": described(COUNT, "Connected ones."),
    "web_seeds": described(COUNT, "Those that have it, as far as is known."),
    "blocks": COUNT,
    "blocks_here": COUNT,
    "blocks_unasked": described(COUNT, "Blocks of an open piece that nobody is asked for."),
    "is_for_one_alone": described(BOOLEAN, "It was spoiled before, so that one peer alone is to bring it."),
    "givers": (described(list_of(GIVER.schema), "Connected peers that have it, the first 50."),
               lambda story: [GIVER.object_of(giver) for giver in story.givers]),
    "history": (described(list_of(answer_object({
        "ago_s": NUMBER, "state": TEXT, "cause": TEXT})), "What went otherwise than usual, oldest first."),
        lambda story: [{"ago_s": ago_s, "state": state, "cause": cause} for ago_s, state, cause in story.history]),
})


class PieceResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/torrents/{hash}/pieces", self.read, Scope.READ, Operation(
            "The pieces of a torrent.", (Answer(200, "The pieces.", PIECES.schema),),
        ), for_labels=True)

        yield Route("GET", "/v1/torrents/{hash}/pieces/{piece}", self.read_one, Scope.READ, Operation(
            "One piece: how it stands, who could bring it, what keeps them from it.",
            (Answer(200, "The piece.", STORY.schema),),
        ), for_labels=True)

    def read_one(self, request: Request, digits: str, piece: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        return document(STORY.object_of(self._gateway.ask(PieceOf(info_hash, _piece_number(piece)))))

    def read(self, request: Request, digits: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        return document(PIECES.object_of(self._gateway.ask(PiecesOf(info_hash))))


def _piece_number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise NotFound("piece.unknown", "pieces have numbers, from 0 on")
    return int(digits)
