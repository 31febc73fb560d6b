"""`/v1/torrents`: listing, adding and steering torrents."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import time
from collections.abc import Callable
from typing import Any

from blobtorrent.core.session.commands import (
    AddTorrent,
    ChangeTorrent,
    Command,
    MoveTorrent,
    Reannounce,
    RecheckTorrent,
    RemoveTorrent,
    RenamePath,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.core.session.gateway import COMMAND_DEADLINE_S, Gateway
from blobtorrent.core.session.options import Fields, absolute_folder, read_addition, read_changes, text
from blobtorrent.core.session.sources import read_source
from blobtorrent.interface.pacing import paced
from blobtorrent.interface.rest.encode import document, json_bytes, torrent_fields
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.v1.lookup import find_torrent, require_torrents
from blobtorrent.model.errors import Conflict, Invalid
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.protocol.metafile import parse_torrent

ADD_DEADLINE_S = 30.0                  # an addition is answered when it is safe on disk
RENAME_DEADLINE_S = 30.0               # a rename when the torrent was stopped for it, and its files have the new names


class TorrentResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read_all(self, request: Request) -> Response:
        """All torrents in the order they were added; `?state=` and `?label=` leave out others."""
        fields = Fields(request.query)
        state, label = fields.take("state", text, None), fields.take("label", text, None)
        fields.end()
        require_torrents(self._gateway)
        found = (
            json_bytes(torrent_fields(status, time.time()))
            for status in paced(self._gateway.torrents.read_all().values())
            if (state is None or status.state == state) and (label is None or label in status.labels)
        )
        return Response(200, b'{"torrents":[' + b",".join(found) + b"]}")

    def read(self, _request: Request, digits: str) -> Response:
        return document(torrent_fields(find_torrent(self._gateway, digits), time.time()))

    def add(self, request: Request) -> Response:
        """201 with the torrent; 200 when it was there already, and it stays as it is."""
        fields = read_fields(request)
        raw = _read_metainfo(fields)
        options = read_addition(fields)
        fields.end()
        metainfo = parse_torrent(raw)
        try:
            info_hash = self._gateway.ask(AddTorrent(metainfo, raw=raw, **options), ADD_DEADLINE_S)
        except Conflict as error:
            if error.code != "torrent.present":
                raise
            return document(torrent_fields(find_torrent(self._gateway, metainfo.info_hash.hex), time.time()))
        location = ("Location", f"/v1/torrents/{info_hash.hex}")
        added = find_torrent(self._gateway, info_hash.hex)
        return document(torrent_fields(added, time.time()), 201)._replace(headers=(location,))

    def change(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        changes = read_changes(fields)
        fields.end()
        return self._command(digits, lambda info_hash: ChangeTorrent(info_hash, changes))

    def remove(self, request: Request, digits: str) -> Response:
        """`?with_data=true` also deletes the torrent's files."""
        fields = Fields(request.query)
        with_data = fields.take("with_data", _boolean_word, False)
        fields.end()
        self._gateway.ask(RemoveTorrent(self._find(digits).info_hash, with_data))
        return Response(204)

    def start(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, StartTorrent)

    def stop(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, StopTorrent)

    def recheck(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, RecheckTorrent)

    def announce(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, Reannounce)

    def move(self, request: Request, digits: str) -> Response:
        """To the folder `download_dir`; the answer comes when it begins."""
        fields = read_fields(request)
        folder = fields.take("download_dir", absolute_folder)
        fields.end()
        return self._command(digits, lambda info_hash: MoveTorrent(info_hash, folder))

    def rename(self, request: Request, digits: str) -> Response:
        """Its file or folder `old` is called `new` from now on; the answer comes when it is so."""
        fields = read_fields(request)
        old, new = fields.take("old", text), fields.take("new", text)
        fields.end()
        return self._command(digits, lambda info_hash: RenamePath(info_hash, old, new), RENAME_DEADLINE_S)

    def _find(self, digits: str) -> TorrentStatus:
        return find_torrent(self._gateway, digits)

    def _plain_command(self, request: Request, digits: str, command: Callable[[InfoHash], Command]) -> Response:
        """A command that has nothing to say but the torrent."""
        read_fields(request).end()
        return self._command(digits, command)

    def _command(
        self, digits: str, command: Callable[[InfoHash], Command], deadline_s: float = COMMAND_DEADLINE_S
    ) -> Response:
        """Have it done; the answer is the torrent as it is then."""
        self._gateway.ask(command(self._find(digits).info_hash), deadline_s)
        return document(torrent_fields(self._find(digits), time.time()))


def _read_metainfo(fields: Fields) -> bytes:
    """The bytes of the torrent, from `metainfo` or from where `source` says."""
    if fields.has("source") == fields.has("metainfo"):
        raise Invalid("option.bad-value", "give either source or metainfo")
    if fields.has("metainfo"):
        return fields.take("metainfo", _base64)
    return read_source(fields.take("source", _source))


def _source(value: Any) -> str:
    """A URL, a magnet link or the path of a file on this machine. What could keep a reader waiting is no file."""
    source = text(value)
    if not source.lower().startswith(("http:", "https:", "magnet:")):
        if not os.path.isabs(source):
            raise ValueError("must be a URL, a magnet link or an absolute path")
        if "\0" in source or _is_no_file(source):
            raise ValueError("is no file")
    return source


def _is_no_file(path: str) -> bool:
    """Whether something else is there. What cannot be looked at is left to its reader, who has words for it."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(text(value), validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None


def _boolean_word(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"
