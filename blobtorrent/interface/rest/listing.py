"""Which torrents a client wants to see, in which order, and which page of them. Pure.

A page begins behind the last torrent of the one before it, by that torrent's place in the order and not by counting: so
torrents that come and go in between shift nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import merge
from typing import Any, NamedTuple

from blobtorrent.core.session.options import Fields, text
from blobtorrent.interface.rest.encode import TORRENT, TORRENT_STATES
from blobtorrent.interface.rest.routes import Schema
from blobtorrent.interface.rest.selecting import read_names
from blobtorrent.interface.rest.v1.lookup import digest_of
from blobtorrent.model.errors import Invalid, NotFound
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.pacing import paced

MAX_LIMIT = 10_000
MAX_TOKEN = 4096                       # characters; a name is in it
SORT_SLICE = 512                       # sorting holds the interpreter: so many at a time

# What a value of each scalar type has to be, in a token that somebody may have made himself.
_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),),
}


def _types(schema: Schema) -> list[str]:
    kind = schema.get("type", "object")
    return [kind] if isinstance(kind, str) else list(kind)


SORTABLE = tuple(name for name, schema in TORRENT.schemas.items() if _CLASSES.keys() >= set(_types(schema)))

Test = Callable[[TorrentStatus], bool]


class SortKey(NamedTuple):
    name: str
    is_descending: bool


class Place(NamedTuple):
    """A place in an order: the values of its sort keys, and the hash of the torrent there."""

    values: tuple[Any, ...]
    hash: str


class ListQuery(NamedTuple):
    """A listing as it was asked for. `limit` None: all; `since` None: all, and not what changed since then."""

    names: tuple[str, ...]
    tests: tuple[Test, ...]
    order: tuple[SortKey, ...]
    limit: int | None
    after: Place | None
    since: str | None

    def wants(self, status: TorrentStatus) -> bool:
        return all(test(status) for test in self.tests)


def read_list_query(query: Mapping[str, str]) -> ListQuery:
    """Raises Invalid ("option.*"), or NotFound for a page."""
    fields = Fields(query)
    order = fields.take("sort", _order, ())
    listing = ListQuery(
        names=read_names(fields.take("fields", text, None)),
        tests=tuple(fields.take(name, read) for name, read in _TESTS.items() if fields.has(name)),
        order=order,
        limit=fields.take("limit", _limit, None),
        after=fields.take("page", lambda token: _read_token(token, order), None),
        since=fields.take("since", text, None),
    )
    fields.end()
    if listing.since is not None and (listing.limit is not None or listing.after is not None):
        raise Invalid("option.bad-value", "since tells all changes, without pages: leave out limit and page")
    return listing


def one_page(found: Sequence[TorrentStatus], listing: ListQuery) -> tuple[Sequence[TorrentStatus], str | None]:
    """The torrents of the page in their order, and the token of the next one, None behind the last."""
    if not listing.order and listing.limit is None and listing.after is None:
        return found, None             # as the board has them: in the order that they were added
    order = listing.order or (SortKey("added_at", False),)
    if listing.after is not None:
        found = [status for status in found if _is_behind(status, listing.after, order)]
    found = in_order(found, order)
    if listing.limit is None or len(found) <= listing.limit:
        return found, None
    page = found[:listing.limit]
    return page, _write_token(listing.order, place_of(page[-1], order))


def in_order(found: Sequence[TorrentStatus], order: Sequence[SortKey]) -> Sequence[TorrentStatus]:
    """Sorted by the first key, where that is equal by the next one, and in the end by the hash."""
    found = _sorted(found, lambda status: status.info_hash.hex, is_descending=False)
    for key in reversed(order):
        found = _sorted(found, _ranker(key), is_descending=key.is_descending)
    return found


def place_of(status: TorrentStatus, order: Iterable[SortKey]) -> Place:
    return Place(tuple(_value(status, key.name) for key in order), status.info_hash.hex)


def _sorted(
    found: Sequence[TorrentStatus], read: Callable[[TorrentStatus], Any], *, is_descending: bool
) -> Sequence[TorrentStatus]:
    """Stable, in slices that are merged, so that other threads get their turn in between."""
    slices = [
        sorted(found[start : start + SORT_SLICE], key=read, reverse=is_descending)
        for start in paced(range(0, len(found), SORT_SLICE))
    ]
    return slices[0] if len(slices) == 1 else list(merge(*slices, key=read, reverse=is_descending))


def _value(status: TorrentStatus, name: str) -> Any:
    """What it is sorted by. Capital letters make no difference to people."""
    value = TORRENT.readers[name](status)
    return value.casefold() if isinstance(value, str) else value


def _ranker(key: SortKey) -> Callable[[TorrentStatus], Any]:
    return lambda status: _rank(_value(status, key.name), key)


def _rank(value: Any, key: SortKey) -> tuple[Any, ...]:
    """What compares as the values do, with what is absent last in either direction."""
    return (not key.is_descending,) if value is None else (key.is_descending, value)


def _is_behind(status: TorrentStatus, place: Place, order: Sequence[SortKey]) -> bool:
    for key, value in zip(order, place.values, strict=True):
        ours, theirs = _rank(_value(status, key.name), key), _rank(value, key)
        if ours != theirs:
            return (ours > theirs) is not key.is_descending
    return status.info_hash.hex > place.hash


# ---- page tokens: opaque to clients; one that is made up names a place like any other


def _write_token(order: Sequence[SortKey], place: Place) -> str:
    content = json.dumps([_written(order), *place.values, place.hash], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read_token(value: Any, order: Sequence[SortKey]) -> Place:
    """Raises NotFound ("rest.no-page"): nobody but us can say what a token is."""
    token = text(value)
    try:
        padded = token[:MAX_TOKEN].encode("ascii") + b"=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        content = None
    keys = order or (SortKey("added_at", False),)
    if not isinstance(content, list) or len(content) != len(keys) + 2 or not isinstance(content[-1], str):
        raise _no_page("this is no token of a next page")
    if content[0] != _written(order):
        raise _no_page("the token is of a listing with another sort")
    *values, last = content[1:]
    if not all(_is_value_of(key.name, value) for key, value in zip(keys, values, strict=True)):
        raise _no_page("this is no token of a next page")
    return Place(tuple(values), last)


def _no_page(detail: str) -> NotFound:
    return NotFound("rest.no-page", detail)


def _is_value_of(name: str, value: Any) -> bool:
    kinds = _types(TORRENT.schemas[name])
    if isinstance(value, bool):        # which is a number to Python
        return "boolean" in kinds
    return any(isinstance(value, _CLASSES[kind]) for kind in kinds)


def _written(order: Iterable[SortKey]) -> str:
    return ",".join(f"-{key.name}" if key.is_descending else key.name for key in order)


# ---- the fields of the query


def _order(value: Any) -> tuple[SortKey, ...]:
    order = [SortKey(word.removeprefix("-"), word.startswith("-")) for word in text(value).split(",")]
    for key in order:
        if key.name not in SORTABLE:
            raise ValueError(f"has {key.name!r}; there are {', '.join(SORTABLE)}, each with or without -")
    return tuple({key.name: key for key in reversed(order)}.values())[::-1]            # the first of each counts


def _limit(value: Any) -> int:
    digits = text(value)
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:9]) <= MAX_LIMIT and len(digits) < 9):
        raise ValueError(f"must be a number between 1 and {MAX_LIMIT}")
    return int(digits)


def boolean_word(value: Any) -> bool:
    """A boolean in a query. Raises ValueError."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return bool(value == "true")


def _is_state(value: Any) -> Test:
    states = frozenset(text(value).split(","))
    if not states <= set(TORRENT_STATES):
        raise ValueError(f"must be some of {', '.join(TORRENT_STATES)}, with commas")
    return lambda status: status.state in states


def _has_label(value: Any) -> Test:
    """An empty one: no label at all."""
    label = text(value)
    return lambda status: label in status.labels if label else not status.labels


def _is_in_group(value: Any) -> Test:
    group = text(value)
    return lambda status: status.group == group


def _is_private(value: Any) -> Test:
    wanted = boolean_word(value)
    return lambda status: status.is_private is wanted


def _is_held_by(value: Any) -> Test:
    holder = text(value)
    return lambda status: status.held_by == holder


def _has_error(value: Any) -> Test:
    wanted = boolean_word(value)
    return lambda status: bool(status.error_code) is wanted


def _is_named(value: Any) -> Test:
    part = text(value).casefold()
    return lambda status: part in status.name.casefold()


def _is_one_of(value: Any) -> Test:
    digests = frozenset(map(digest_of, text(value).split(",")))
    return lambda status: not digests.isdisjoint(status.info_hash)


_TESTS: dict[str, Callable[[Any], Test]] = {
    "state": _is_state,
    "label": _has_label,
    "group": _is_in_group,
    "private": _is_private,
    "held_by": _is_held_by,
    "error": _has_error,
    "name": _is_named,
    "hash": _is_one_of,
}
