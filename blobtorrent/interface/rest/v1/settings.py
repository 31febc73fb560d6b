"""`/v1/settings`: what holds and why, changes at run time, and the schema of it all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, SINGLE_TABLES
from blobtorrent.core.session.options import Fields
from blobtorrent.interface.desk import ChangeResult, Desk
from blobtorrent.interface.rest.conditional import CONDITIONS, require_match
from blobtorrent.interface.rest.encode import document, json_bytes
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_patch
from blobtorrent.interface.rest.listing import boolean_word
from blobtorrent.interface.rest.routes import JSON_TYPE, MERGE_PATCH_TYPE, Answer, Body, Operation, Parameter, Route
from blobtorrent.interface.rest.schemas import (
    ANY_OBJECT,
    BOOLEAN,
    TEXT,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
)
from blobtorrent.runtime.redact import redact

_SETTINGS = {
    **dict.fromkeys((*SINGLE_TABLES, *NAMED_TABLES), ANY_OBJECT),
    **{section: list_of(ANY_OBJECT) for section in LISTED_TABLES},
}
_PATCH = described(
    body_object({section: nullable(schema) for section, schema in _SETTINGS.items()}),
    "GET /v1/settings/schema tells what can be in it.")
CHANGED = {
    "applied": described(list_of(TEXT), "Full names of settings that are others now."),
    "need_restart": described(list_of(TEXT), "And of those that will be after a restart."),
}


def changed_fields(result: ChangeResult) -> dict[str, Any]:
    return {"applied": result.applied, "need_restart": result.need_restart}


class SettingsResource:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/settings", self.read, Scope.READ, Operation(
            "All settings, as they are written in a settings file.",
            (Answer(200, "By section; secrets in URLs are masked for who may not change them.", answer_object(
                {**_SETTINGS, "sources": described(ANY_OBJECT, "Where each comes from, by full name.")},
                optional=("sources",))),),
            query=(Parameter("sources", BOOLEAN, "Tell where each comes from, too."),),
        ))
        yield Route("PATCH", "/v1/settings", self.change, Scope.ADMIN, Operation(
            "Change what the body names (RFC 7396), all of it or nothing; null is back to what the files say.",
            (Answer(200, "What came of it.", answer_object({**CHANGED, "settings": answer_object(_SETTINGS)})),),
            body=Body(_PATCH, types=(JSON_TYPE, MERGE_PATCH_TYPE)), problems=(412,), headers=CONDITIONS,
        ))
        yield Route("GET", "/v1/settings/schema", self.read_schema, Scope.READ, Operation(
            "What can be set, as a JSON Schema.", (Answer(200, "The schema.", ANY_OBJECT),),
        ))

    def read(self, request: Request) -> Response:
        fields = Fields(request.query)
        with_sources = fields.take("sources", boolean_word, False)
        fields.end()
        settings = self._values(request.grant)
        if with_sources:
            settings["sources"] = dict(self._desk.sources())
        return document(settings)

    def change(self, request: Request) -> Response:
        patch = read_patch(request)
        result = self._desk.change(
            patch, lambda: require_match(request.head, json_bytes(self._values(request.grant))))
        return document({**changed_fields(result), "settings": self._values(request.grant)})

    def read_schema(self, _request: Request) -> Response:
        from blobtorrent.config.jsonschema import settings_schema  # seldom asked for

        return document(settings_schema())

    def _values(self, grant: Grant) -> dict[str, Any]:
        """The settings as a document; who may change them has to see what is there to do so."""
        mask = _as_it_is if grant.allows(Scope.ADMIN) else _masked
        settings: dict[str, Any] = {section: {} for section in (*SINGLE_TABLES, *NAMED_TABLES)}
        settings.update((section, []) for section in LISTED_TABLES)
        for setting in self._desk.listing():
            section, *inner, key = setting.name.split(".")
            table = settings[section]
            if section in NAMED_TABLES:
                table = table.setdefault(inner[0], {})
            elif section in LISTED_TABLES:
                if int(inner[0]) == len(table):
                    table.append({})
                table = table[int(inner[0])]
            table[key] = mask(setting.written)
        return settings


def _as_it_is(value: Any) -> Any:
    return value


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    return [_masked(item) for item in value] if isinstance(value, list) else value
