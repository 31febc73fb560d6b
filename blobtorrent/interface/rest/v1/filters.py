"""`/v1/filters`: the filter lists, what came of them, and whom they refuse. They are settings, and changed as these."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from blobtorrent.core.session.filters import OWN_LIST, FilterManager
from blobtorrent.interface.rest.encode import Shape, document, whole_seconds
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.schemas import COUNT, TEXT, answer_object, described, list_of, nullable
from blobtorrent.model.details import FilterListStatus
from blobtorrent.model.errors import Invalid

_BAD_LINE = answer_object({"line": COUNT, "reason": TEXT})

LIST: Shape[FilterListStatus] = Shape({
    "path": TEXT,
    "ranges_v4": described(COUNT, "Ranges in force, after what overlaps was joined."),
    "ranges_v6": COUNT,
    "lines": described(COUNT, "Lines that name a range."),
    "malformed": described(COUNT, "Lines that are not understood, and were passed over."),
    "first_malformed": (
        list_of(_BAD_LINE),
        lambda status: [{"line": bad.number, "reason": bad.reason} for bad in status.first_malformed],
    ),
    "read_at": (nullable(COUNT), lambda status: whole_seconds(status.read_at)),
    "error": (
        described(nullable(answer_object({"code": TEXT, "message": TEXT})),
                  "Why the file could not be used last; what was read before is in force."),
        lambda status: {"code": status.error_code, "message": status.error_detail} if status.error_code else None,
    ),
})

_LISTED = answer_object({**LIST.schemas, "refused": described(COUNT, "Peers, since the start; again when again.")})
_TOLD = answer_object({
    "address": TEXT,
    "refused_by": described(nullable(TEXT), "The list that covers it: a path, or filters.block."),
})


class FilterResource:
    def __init__(self, filters: FilterManager) -> None:
        self._filters = filters

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/filters", self.read_all, Scope.READ, Operation(
            "The filter lists and what came of them.",
            (Answer(200, "The lists.", answer_object({
                "lists": list_of(_LISTED),
                "refused_by_settings": described(COUNT, "Peers that filters.block covers."),
            })),),
        ))
        yield Route("GET", "/v1/filters/{address}", self.read, Scope.READ, Operation(
            "Whether peers at an address are refused.", (Answer(200, "Who refuses it, if anybody.", _TOLD),),
            problems=(422,),
        ))

    def read_all(self, _request: Request) -> Response:
        hits = self._filters.hits
        return document({
            "lists": [{**LIST.object_of(status), "refused": hits[status.path]} for status in self._filters.statuses],
            "refused_by_settings": hits[OWN_LIST],
        })

    def read(self, _request: Request, address: str) -> Response:
        try:
            host = str(ip_address(address))
        except ValueError:
            raise Invalid("filters.bad-address", f"{address!r} is not an IP address") from None
        return document({"address": host, "refused_by": self._filters.refuser_of(host)})
