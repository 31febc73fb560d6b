"""`/v1/groups`: limits that the torrents of a group share. They are settings, made and changed here one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blobtorrent.config.transfers import MAX_RATE, GroupSettings
from blobtorrent.config.values import number, rate
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.encode import document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.router import path_of
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    COUNT,
    NUMBER,
    RATE_OPTION,
    TEXT,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
)
from blobtorrent.model.errors import NotFound
from blobtorrent.runtime.pacing import paced

_GROUP = answer_object({
    "name": TEXT,
    "down_limit_bytes_per_s": described(COUNT, "0: none."),
    "up_limit_bytes_per_s": COUNT,
    "weight": NUMBER,
    "torrents": COUNT,
    "down_bytes_per_s": COUNT,
    "up_bytes_per_s": COUNT,
})
_WEIGHT = {"type": "number", "minimum": 0.01, "maximum": 100}
_WANTED = Body(body_object({
    "down_limit_bytes_per_s": nullable(RATE_OPTION),
    "up_limit_bytes_per_s": nullable(RATE_OPTION),
    "weight": nullable(_WEIGHT),
}), is_required=False)
_READERS = {
    "down_limit_bytes_per_s": ("down_bytes_per_s", rate(MAX_RATE)),
    "up_limit_bytes_per_s": ("up_bytes_per_s", rate(MAX_RATE)),
    "weight": ("weight", number(0.01, 100)),
}


class GroupResource:
    def __init__(self, gateway: Gateway, desk: Desk) -> None:
        self._gateway = gateway
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        one = "/v1/groups/{name}"
        yield Route("GET", "/v1/groups", self.read_all, Scope.READ, Operation(
            "All groups that there are settings for.",
            (Answer(200, "The groups.", answer_object({"groups": list_of(_GROUP)})),),
        ))
        yield Route("GET", one, self.read, Scope.READ, Operation("One group.", (Answer(200, "The group.", _GROUP),)))
        yield Route("PUT", one, self.put, Scope.ADMIN, Operation(
            "Have a group with these limits; what is not said is as the settings files say.",
            (Answer(201, "It was made.", _GROUP), Answer(200, "It was there already.", _GROUP)), body=_WANTED,
        ))
        yield Route("DELETE", one, self.remove, Scope.ADMIN, Operation(
            "Forget what was set of it here. Its torrents stay in it, without limits.",
            (Answer(204, "There is no such group any more."), Answer(200, "A settings file has it.", _GROUP)),
        ))

    def read_all(self, _request: Request) -> Response:
        sums = self._sums()
        groups = self._desk.settings().groups
        return document({"groups": [_fields(name, group, sums) for name, group in groups.items()]})

    def read(self, _request: Request, name: str) -> Response:
        return self._document(name, 200)

    def put(self, request: Request, name: str) -> Response:
        fields = read_fields(request)
        limits = {key: fields.take(word, read, None) for word, (key, read) in _READERS.items()}
        fields.end()
        is_new = name not in self._desk.settings().groups
        self._desk.change({"groups": {name: limits}})
        if not is_new:
            return self._document(name, 200)
        return self._document(name, 201)._replace(headers=(("Location", path_of("groups", name)),))

    def remove(self, _request: Request, name: str) -> Response:
        self._known(name)
        self._desk.change({"groups": {name: None}})
        return self._document(name, 200) if name in self._desk.settings().groups else Response(204)

    def _document(self, name: str, status: int) -> Response:
        return document(_fields(name, self._known(name), self._sums()), status)

    def _known(self, name: str) -> GroupSettings:
        group = self._desk.settings().groups.get(name)
        if group is None:
            raise NotFound("group.unknown", "there is no such group")
        return group

    def _sums(self) -> dict[str, tuple[int, int, int]]:
        """By group: torrents, and what they receive and send."""
        sums: dict[str, tuple[int, int, int]] = {}
        for status in paced(self._gateway.torrents.values()):
            torrents, down, up = sums.get(status.group, (0, 0, 0))
            sums[status.group] = (torrents + 1, down + status.down_bytes_per_s, up + status.up_bytes_per_s)
        return sums


def _fields(name: str, group: GroupSettings, sums: dict[str, tuple[int, int, int]]) -> dict[str, Any]:
    torrents, down, up = sums.get(name, (0, 0, 0))
    return {
        "name": name,
        "down_limit_bytes_per_s": group.down_bytes_per_s,
        "up_limit_bytes_per_s": group.up_bytes_per_s,
        "weight": group.weight,
        "torrents": torrents,
        "down_bytes_per_s": down,
        "up_bytes_per_s": up,
    }
