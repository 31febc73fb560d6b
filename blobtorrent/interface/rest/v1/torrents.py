"""`/v1/torrents`: the list of torrents, and what has changed of it; adding torrents; doing one thing to many."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.conditional import has_already, not_modified
from blobtorrent.interface.rest.encode import TORRENT, TORRENT_STATES, document, json_bytes, torrent_fields
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Head, Request, Response
from blobtorrent.interface.rest.listing import MAX_LIMIT, SORTABLE, ListQuery, one_page, read_list_query
from blobtorrent.interface.rest.router import path_of
from blobtorrent.interface.rest.routes import Answer, Operation, Parameter, Route, Schema
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    COUNT,
    HASH,
    TEXT,
    answer_object,
    list_of,
    nullable,
    ref,
)
from blobtorrent.interface.rest.selecting import ROWS_PER_PART, Selection, Selections
from blobtorrent.interface.rest.v1.adding import ADDITION, Adder, read_torrent
from blobtorrent.interface.rest.v1.lookup import require_torrents
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.pacing import paced

FEW_MEMBERS = 12_000                   # a list with so many takes about 15 ms the first time, and one afterwards


def _some_of(words: Iterable[str]) -> Schema:
    """Words with commas between."""
    choice = "|".join(words)
    return {"type": "string", "pattern": f"^({choice})(,({choice}))*$"}


FIELDS = Parameter("fields", _some_of(TORRENT.readers), "Only these members, with commas.")

_LIST_QUERY = (
    FIELDS,
    Parameter("state", _some_of(TORRENT_STATES), "Only torrents in one of these states, with commas."),
    Parameter("label", TEXT, "Only torrents that have this label; empty: that have none."),
    Parameter("group", TEXT, "Only torrents of this group; empty: of none."),
    Parameter("private", BOOLEAN, "Only private ones, or only others."),
    Parameter("held_by", TEXT, "Only torrents that are held by this; empty: by nothing."),
    Parameter("error", BOOLEAN, "Only torrents with an error, or only others."),
    Parameter("name", TEXT, "Only torrents with this in their name; capitals make no difference."),
    Parameter("hash", _some_of((HASH["pattern"].strip("^$"),)), "Only these, with commas."),
    Parameter("sort", _some_of([*SORTABLE, *(f"-{name}" for name in SORTABLE)]),
              "By these members, with commas; those with - before them the other way round."),
    Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "At most so many on a page."),
    Parameter("page", TEXT, "The next_page of the answer before; the sort must be the same."),
    Parameter("since", TEXT, "The cursor of an answer before: only what has changed since then."),
)
_LIST = answer_object({
    "torrents": list_of(ref("SelectedTorrent")),
    "total": {**COUNT, "description": "Of all pages."},
    "next_page": nullable(TEXT),
    "removed": list_of(HASH),
    "is_full": {**BOOLEAN, "description": "The torrents are all that there are: forget those that are not among them."},
    "cursor": {**TEXT, "description": "For since."},
}, optional=("total", "next_page", "removed", "is_full"))


class TorrentsResource:
    def __init__(self, gateway: Gateway, adder: Adder) -> None:
        self._gateway = gateway
        self._adder = adder
        self._selections = Selections()
        self._run = os.urandom(4).hex()        # revisions count from the start of the process

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/torrents", self.read_all, Scope.READ, Operation(
            "All torrents, some of them, or what has changed of them.",
            (Answer(200, "The torrents.", _LIST),),
            query=_LIST_QUERY, problems=(404,),
        ), at_once=self._is_short, for_labels=True)
        yield Route("POST", "/v1/torrents", self.add, Scope.ADD, Operation(
            "Add a torrent.",
            (Answer(201, "It was added, and is safe on disk.", ref("Torrent")),
             Answer(200, "It was there already, and stays as it is.", ref("Torrent"))),
            body=ADDITION,
        ), for_labels=True)

    def _is_short(self, head: Head) -> bool:
        fields = head.query.get("fields")
        num_fields = len(TORRENT.readers) if fields is None else fields.count(",") + 1
        return len(self._gateway.torrents) * num_fields <= FEW_MEMBERS

    def read_all(self, request: Request) -> Response:
        listing = read_list_query(request.query)
        require_torrents(self._gateway)
        if listing.since is not None:
            return self._changes(request.grant, listing, listing.since)
        # Read before the torrents: what changes in between is told again to who asks with it.
        cursor = self._cursor(self._gateway.torrents.revision)
        tag = f'W/"{cursor}"'
        if has_already(request.head, tag):
            return not_modified(tag)
        found = _wanted(self._gateway.torrents.values(), request.grant, listing)
        page, next_page = one_page(found, listing)
        end = b'],"total":%d,"next_page":%b,"cursor":%b}' % (len(found), json_bytes(next_page), json_bytes(cursor))
        body = (b'{"torrents":[', *self._selection(listing).parts(page, time.time()), end)
        return Response(200, body, headers=(("ETag", tag),))

    def _changes(self, grant: Grant, listing: ListQuery, since: str) -> Response:
        run, _, number = since.partition("-")
        is_ours = run == self._run and number.isascii() and number.isdigit() and len(number) < 18
        # Who sees some torrents only is not told the hashes of others that are gone: they get all that they see.
        changes = self._gateway.torrents.read_since(int(number) if is_ours and not grant.is_bound else 0)
        found = _wanted(list(changes.changed.values()), grant, listing)
        told = {status.info_hash for status in found}
        gone = () if changes.is_full else (*changes.withdrawn, *changes.changed)
        removed = (b'"%b"' % info_hash.hex.encode() for info_hash in gone if info_hash not in told)
        page, _ = one_page(found, listing)
        selection, wall = self._selection(listing), time.time()
        rows = (selection.row(status, wall) for status in page)
        end = b'],"is_full":%b,"cursor":%b}' % (
            json_bytes(changes.is_full), json_bytes(self._cursor(changes.revision)))
        return Response(200, (
            b'{"torrents":[', *_joined(rows), b'],"removed":[', *_joined(removed), end))

    def _selection(self, listing: ListQuery) -> Selection:
        selection = self._selections.get(listing.names)
        selection.forget_beyond(len(self._gateway.torrents))
        return selection

    def _cursor(self, revision: int) -> str:
        return f"{self._run}-{revision}"

    def add(self, request: Request) -> Response:
        wanted = read_torrent(request, self._adder.reach)
        status, is_new = self._adder.add(request.grant, wanted)
        answer = document(torrent_fields(status, time.time()), 201 if is_new else 200)
        if not is_new:
            return answer
        return answer._replace(
            headers=(("Location", path_of("torrents", status.info_hash.hex)),), about={"torrent": status.info_hash.hex})


def _wanted(found: Sequence[TorrentStatus], grant: Grant, listing: ListQuery) -> Sequence[TorrentStatus]:
    if not grant.is_bound and not listing.tests:
        return found
    return [status for status in paced(found) if grant.sees(status.labels) and listing.wants(status)]


def _joined(members: Iterable[bytes]) -> Iterator[bytes]:
    """The members of a JSON list in parts that nobody has to join, with pauses for the threads of the network."""
    members = paced(members)
    separator = b""
    while part := b",".join(islice(members, ROWS_PER_PART)):
        yield separator + part
        separator = b","
