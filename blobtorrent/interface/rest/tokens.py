"""Tokens as they are kept: who they are for and what they open, but of the secret only its digest. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.model.errors import FormatError

FORMAT = 1

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Token(NamedTuple):
    """Times are seconds since 1970. The secret is 256 random bits: no slower digest would protect it better."""

    name: str
    scopes: frozenset[Scope]
    digest: str                        # SHA-256 of the secret, hexadecimal
    labels: frozenset[str] = frozenset()
    created_at: float = 0.0
    expires_at: float | None = None
    last_used_at: float | None = None

    @property
    def grant(self) -> Grant:
        return Grant(self.name, self.scopes, self.labels, self.digest)

    def is_expired(self, wall: float) -> bool:
        return self.expires_at is not None and wall >= self.expires_at


def is_token_name(text: str) -> bool:
    """A word that can stand in a path and on a command line."""
    return _NAME.fullmatch(text) is not None


def digest_of(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def write_tokens(tokens: Iterable[Token]) -> bytes:
    """The tokens as a JSON document."""
    rows = [
        {
            **token._asdict(),
            "scopes": sorted(scope.value for scope in token.scopes),
            "labels": sorted(token.labels),
        }
        for token in tokens
    ]
    return json.dumps({"format": FORMAT, "tokens": rows}, indent=1).encode() + b"\n"


def read_tokens(data: bytes) -> tuple[Token, ...]:
    """What `write_tokens` wrote. Raises FormatError: "token.newer", when a later version did, or "token.damaged"."""
    try:
        document = json.loads(data)
        if isinstance(document["format"], int) and document["format"] > FORMAT:
            raise FormatError("token.newer", "the tokens were written by a later version")
        return tuple(map(_read_token, document["tokens"]))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise FormatError("token.damaged", f"the tokens cannot be read: {error}") from None


def _read_token(row: dict[str, Any]) -> Token:
    token = Token(**{
        **row,
        "scopes": frozenset(map(Scope, row["scopes"])),
        "labels": frozenset(row["labels"]),
    })
    times = (token.created_at, token.expires_at, token.last_used_at)
    if not (
        is_token_name(token.name)
        and re.fullmatch("[0-9a-f]{64}", token.digest)
        and token.scopes
        and all(isinstance(label, str) for label in token.labels)
        and all(time is None or isinstance(time, (int, float)) for time in times)
    ):
        raise ValueError(f"a token that makes no sense: {token.name!r}")
    return token
