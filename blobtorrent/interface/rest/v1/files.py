"""`/v1/torrents/{hash}/files`: the files of a torrent, and how much each is wanted."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.commands import ChangeTorrent, FilesOf
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.options import Fields, read_changes
from blobtorrent.interface.rest.encode import FILE, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_patch
from blobtorrent.interface.rest.routes import JSON_TYPE, MERGE_PATCH_TYPE, Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    FILE_PRIORITIES_OPTION,
    answer_object,
    body_object,
    list_of,
    nullable,
    ref,
)
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.ids import InfoHash

_FILES = "/v1/torrents/{hash}/files"
_LIST = (Answer(200, "All files but padding, with how much of each is verified and on disk.",
                answer_object({"files": list_of(ref("File"))})),)


class FileResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", _FILES, self.read_all, Scope.READ, Operation(
            "The files of a torrent.", _LIST,
        ), for_labels=True)
        yield Route("PATCH", _FILES, self.change, Scope.CONTROL, Operation(
            "Say how much files are wanted; those that are not named stay as they are.", _LIST,
            body=Body(body_object({"file_priorities": nullable(FILE_PRIORITIES_OPTION)}),
                      types=(JSON_TYPE, MERGE_PATCH_TYPE)),
        ), for_labels=True)

    def read_all(self, request: Request, digits: str) -> Response:
        return self._list(find_torrent(self._gateway, request.grant, digits).info_hash)

    def change(self, request: Request, digits: str) -> Response:
        patch = read_patch(request)
        fields = Fields({name: value for name, value in patch.items() if name == "file_priorities"})
        changes = read_changes(fields)
        Fields({name: value for name, value in patch.items() if name != "file_priorities"}).end()
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        self._gateway.ask(ChangeTorrent(info_hash, changes))
        return self._list(info_hash)

    def _list(self, info_hash: InfoHash) -> Response:
        return document({"files": [FILE.object_of(status) for status in self._gateway.ask(FilesOf(info_hash))]})
