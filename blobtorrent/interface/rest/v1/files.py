"""`/v1/torrents/{hash}/files`: the files of a torrent."""

from __future__ import annotations

from blobtorrent.core.session.commands import FilesOf
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.rest.encode import document, file_fields
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.v1.lookup import find_torrent


class FileResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read_all(self, _request: Request, text: str) -> Response:
        """All files but padding, with how much of each is verified and on disk."""
        files = self._gateway.ask(FilesOf(find_torrent(self._gateway, text).info_hash))
        return document({"files": [file_fields(status) for status in files]})
