"""`/v1/torrents/{hash}/files/{number}/content`: the bytes of a file, as far as they are verified, also while it is
downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterable

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.options import MAX_FILES
from blobtorrent.core.session.queries import ContentOf, FileContent
from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.interface.rest.conditional import has_already, not_modified
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.ranges import RANGE_HEADERS, content_range, wanted_range
from blobtorrent.interface.rest.routes import Answer, Operation, Route
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.errors import Conflict, FileMissing, NotFound, StorageError
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.files import open_folder, open_in

# Never what the name says: a page of a torrent must not become a page of this address.
CONTENT_TYPE = "application/octet-stream"


class ContentResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", "/v1/torrents/{hash}/files/{number}/content", self.read, Scope.READ, Operation(
            "The bytes of a file, all or those of the header Range. 409 for bytes that are not verified yet.",
            (Answer(200, "The whole file.", content_type=CONTENT_TYPE),
             Answer(206, "The part that was asked for.", content_type=CONTENT_TYPE)),
            problems=(409, 416, 507), headers=RANGE_HEADERS,
        ), for_labels=True)

    def read(self, request: Request, digits: str, number: str) -> Response:
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        place = _file_number(number)
        content = self._gateway.ask(ContentOf(info_hash, place))
        tag = f'"{info_hash.hex}-{place}"'                # the bytes of a torrent never change
        if has_already(request.head, tag):
            return not_modified(tag)
        part = wanted_range(request.head, content.length, tag)
        headers = (("ETag", tag), ("Accept-Ranges", "bytes"), disposition(content.path[-1]))
        wanted = range(content.length) if part is None else part
        require_verified(content, wanted)
        body = FileBody(content, wanted) if wanted else b""
        if part is None:
            return Response(200, body, CONTENT_TYPE, headers)
        return Response(206, body, CONTENT_TYPE, (*headers, content_range(part, content.length)))


class FileBody:
    """A part of a file, read as fast as the client takes it. It keeps its own hold of the file: whatever becomes of the
    torrent meanwhile, these are its bytes."""

    def __init__(self, content: FileContent, part: range) -> None:
        """Raises Conflict ("file.incomplete") when the file does not have them, StorageError."""
        self.length = len(part)
        self._at = part.start
        self._end = part.stop
        self._path = content.root.joinpath(*content.path)
        try:
            self._file = _open(content)
        except OSError as error:
            problem = storage_error(error, self._path)
            if isinstance(problem, FileMissing):
                raise _incomplete("the file is not there") from None
            raise problem from None
        if os.fstat(self._file).st_size < part.stop:
            self.close()
            raise _incomplete("the file is shorter than it was: recheck the torrent")

    def read(self, max_bytes: int) -> bytes:
        try:
            data = os.pread(self._file, min(max_bytes, self._end - self._at), self._at)
        except OSError as error:
            raise storage_error(error, self._path) from None
        if not data and self._at < self._end:
            raise StorageError("storage.short-file", f"{self._path} became shorter while it was read")
        self._at += len(data)
        return data

    def close(self) -> None:
        os.close(self._file)


def require_verified(content: FileContent, part: range) -> None:
    """Raises Conflict ("file.incomplete") that tells the first byte of the part that is not verified and on disk."""
    if not part:
        return
    first, last = ((content.offset + at) // content.piece_length for at in (part.start, part.stop - 1))
    for piece in range(first, last + 1):
        if not content.have_wire[piece >> 3] & 0x80 >> (piece & 7):
            at = max(part.start, piece * content.piece_length - content.offset)
            raise _incomplete(f"byte {at} of {content.length} is not there yet")


def _open(content: FileContent) -> int:
    folder = open_folder(content.root, content.path[:-1])
    try:
        return open_in(folder, content.path[-1], writable=False)
    finally:
        os.close(folder)


def _file_number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_FILES))):
        raise NotFound("file.unknown", "files have numbers")
    return int(digits)


def _incomplete(detail: str) -> Conflict:
    return Conflict("file.incomplete", detail)
