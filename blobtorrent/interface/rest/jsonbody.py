"""Strict JSON for request bodies: whatever two readers could understand differently is refused. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from blobtorrent.core.session.options import Fields
from blobtorrent.interface.rest.http import Refused, Request
from blobtorrent.interface.rest.routes import JSON_TYPE, MERGE_PATCH_TYPE

MAX_DEPTH = 64
MAX_DIGITS = 20                        # more than any number here has; thousands of them take forever to convert


def read_fields(request: Request) -> Fields:
    """The JSON object of a body; no body is an empty object.

    Raises Refused: 415 when the body does not say that it is JSON, 400 when it is not, or is no object.
    """
    return Fields(read_object(request))


def read_object(request: Request, types: Collection[str] = (JSON_TYPE,)) -> dict[str, Any]:
    """As `read_fields`, for a body of one of these media types, all of which are JSON."""
    if not request.body:
        return {}
    content_type = request.head.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in types:
        raise Refused(415, "rest.not-json", f"send the body as Content-Type: {' or '.join(types)}")
    value = parse_json(request.body)
    if not isinstance(value, dict):
        raise _bad_json("not an object")
    return value


def read_patch(request: Request) -> dict[str, Any]:
    """A body that is a merge patch (RFC 7396), with or without saying so. Raises as `read_fields` does."""
    return read_object(request, (JSON_TYPE, MERGE_PATCH_TYPE))


def parse_json(data: bytes) -> Any:
    """Raises Refused (400): not UTF-8 or JSON, NaN and infinities, a key given twice, too deep, numbers too long."""
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_short_int,
            parse_float=_finite,
        )
    except RecursionError:
        raise _bad_json("nested too deeply") from None
    except ValueError as error:
        raise _bad_json(str(error)) from None
    _check_depth(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key that is given twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _short_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number that is too long")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise _bad_json("nested too deeply")


def _bad_json(detail: str) -> Refused:
    return Refused(400, "rest.bad-json", f"the body is not acceptable JSON: {detail}")
