"""`/v1/tokens`: who may ask for what."""

from __future__ import annotations

import time
from typing import Any

from blobtorrent.config import values
from blobtorrent.core.session.options import MAX_LABELS, text
from blobtorrent.interface.rest.encode import document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    INTEGER,
    TEXT,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
    one_of,
)
from blobtorrent.interface.rest.tokens import Token, is_token_name
from blobtorrent.model.errors import Invalid

MIN_LIFE_S = 1.0

_SCOPES = list_of(one_of([scope.value for scope in Scope]), at_least=1)
_LABELS = list_of({"type": "string", "minLength": 1, "maxLength": values.MAX_LABEL}, at_most=MAX_LABELS)
_TOKEN = {
    "name": TEXT, "scopes": _SCOPES, "labels": _LABELS,
    "created_at": nullable(INTEGER), "expires_at": nullable(INTEGER), "last_used_at": nullable(INTEGER),
}
_NEW_TOKEN = {**_TOKEN, "token": TEXT}
_WANTED = {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "scopes": _SCOPES, "labels": nullable(_LABELS),
    "expires_in_s": nullable(described(
        {"anyOf": [{"type": "number", "minimum": MIN_LIFE_S, "maximum": values.MAX_DURATION_S}, TEXT]},
        'Seconds, or text such as "30d"; null: for ever.')),
}


class TokenResource:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/v1/tokens", self.read_all, Scope.ADMIN, Operation(
                "All tokens and when they were last used, never their secrets.",
                (Answer(200, "The tokens.", answer_object({"tokens": list_of(answer_object(_TOKEN))})),),
            )),
            Route("POST", "/v1/tokens", self.create, Scope.ADMIN, Operation(
                "Make a token. Bound to labels, it is for torrents with one of them only.",
                (Answer(201, "The token with its secret, which is told this once.", answer_object(_NEW_TOKEN)),),
                body=Body(body_object(_WANTED, required=("name", "scopes"))), problems=(409,),
            )),
            Route("DELETE", "/v1/tokens/{name}", self.revoke, Scope.ADMIN, Operation(
                "Revoke a token: nobody gets in with it any more, and who did is cut off.",
                (Answer(204, "It is revoked."),), problems=(409,),
            )),
        )

    def read_all(self, _request: Request) -> Response:
        return document({"tokens": [_token_fields(token) for token in self._keyring.tokens()]})

    def create(self, request: Request) -> Response:
        fields = read_fields(request)
        name, scopes = fields.take("name", _name), fields.take("scopes", _scopes)
        bound_to = fields.take("labels", _labels, ())
        life_s = fields.take("expires_in_s", values.duration(MIN_LIFE_S), None)
        fields.end()
        if bound_to and Scope.ADMIN in scopes:
            raise Invalid("token.bad-scope", "a token with labels cannot have the scope admin: that is for the session")
        expires_at = None if life_s is None else time.time() + life_s
        token, secret = self._keyring.create(name, scopes, bound_to, expires_at)
        answer = document({**_token_fields(token), "token": secret}, 201)
        about = {"token": name, "scopes": ",".join(sorted(scope.value for scope in scopes))}
        return answer._replace(headers=(("Location", f"/v1/tokens/{name}"),), about=about)

    def revoke(self, _request: Request, name: str) -> Response:
        self._keyring.revoke(name)
        return Response(204)


def _token_fields(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": [scope.value for scope in Scope if scope in token.scopes],
        "labels": sorted(token.labels),
        "created_at": int(token.created_at) or None,
        "expires_at": None if token.expires_at is None else int(token.expires_at),
        "last_used_at": None if token.last_used_at is None else int(token.last_used_at),
    }


def _name(value: object) -> str:
    if not is_token_name(text(value)):
        raise ValueError("must be of 1 to 64 letters, digits, underscores and hyphens")
    return text(value)


def _scopes(value: object) -> frozenset[Scope]:
    words = [scope.value for scope in Scope]
    if not isinstance(value, list) or not value or not all(word in words for word in value):
        raise ValueError(f"must be a list of {', '.join(words)}")
    return frozenset(map(Scope, value))


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_LABELS or not all(map(values.label, value)):
        raise ValueError(f"must be a list of at most {MAX_LABELS} labels")
    return tuple(value)
