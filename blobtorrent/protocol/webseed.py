"""Web seeds (BEP 19): which bytes of which file make up pieces, where a file lies on a seed, what an answer is worth.

A web seed is any HTTP server that has the torrent's files. Pieces know nothing of files, so a run of pieces becomes
ranges, one for each file that it touches; padding (BEP 47) is on no server. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from blobtorrent.model.errors import WebSeedError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.bencode import decode
from blobtorrent.protocol.filelist import info_name, read_file_list, read_file_tree
from blobtorrent.protocol.metafile import TORRENT_LIMITS

# A server that knows no ranges sends files from their start. So much is thrown away to come to what is asked for.
MAX_SKIP_BYTES = 16 << 20
MIN_PART_BYTES = 64 << 10              # a server may send less than is asked for, but not by the byte
MAX_RETRY_AFTER_S = 3600.0

REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SAFE_IN_NAMES = "-._~!*()"             # object stores take a plus for a space: better to escape too much
_CONTENT_RANGE = re.compile(r"bytes +(\d{1,16})-(\d{1,16})/(\d{1,16}|\*)")
_DIGITS = re.compile(r"\d{1,16}")

_CODES = {401: "webseed.denied", 403: "webseed.denied", 404: "webseed.no-file", 410: "webseed.no-file",
          416: "webseed.wrong-file", 429: "webseed.busy", 503: "webseed.busy"}


class FileRange(NamedTuple):
    """`length` bytes of a file from `offset` on; `file` is its number in the torrent. Padding is zeros."""

    file: int
    offset: int
    length: int
    is_pad: bool = False


class Answer(NamedTuple):
    """What a server said, as far as it matters. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]


class Body(NamedTuple):
    """The body that follows: `skip` bytes that nobody asked for, then at most `length` that were.

    `is_whole` when it is the file from its start although a range was asked for: the server knows no ranges.
    """

    skip: int
    length: int
    is_whole: bool = False


class SeedContent:
    """The files of a torrent as web seeds have them. Made by the thread that asks for them: it may take a while."""

    def __init__(self, metainfo: Metainfo) -> None:
        self._geometry = metainfo.geometry
        self._files = metainfo.whole_files or metainfo.files           # how they are kept here is no matter there
        self._raw_info = metainfo.raw_info

    def length_of(self, file: int) -> int:
        """Bytes of the whole file."""
        return self._files[file].length

    def ranges(self, spans: Iterable[tuple[int, int, int]]) -> list[FileRange]:
        """The ranges that hold these (piece, begin, length), in this order; what is contiguous in a file is one."""
        found: list[FileRange] = []
        for index, begin, length in spans:
            for part in self._ranges_of(self._geometry.piece_offset(index) + begin, length):
                last = found[-1] if found else None
                if last is not None and last.file == part.file and last.offset + last.length == part.offset:
                    found[-1] = last._replace(length=last.length + part.length)
                else:
                    found.append(part)
        return found

    def _ranges_of(self, start: int, length: int) -> Iterable[FileRange]:
        number = bisect_right(self._offsets, start) - 1
        while length:
            entry = self._files[number]
            here = min(length, entry.offset + entry.length - start)
            if here > 0:
                yield FileRange(number, start - entry.offset, here, entry.is_pad)
                start += here
                length -= here
            number += 1

    def url_of(self, seed: str, file: int) -> str:
        """Where a file lies on a seed. A query of the seed's URL stays behind every path: it may be a signature.

        A torrent of one file lies at the URL itself, unless that is a folder.
        """
        parts = urlsplit(seed)
        path = parts.path or "/"
        if self._is_single and not path.endswith("/"):
            return parts._replace(fragment="").geturl()
        names = self._names[file] if self._is_single else (self._folder, *self._names[file])
        folder = path if path.endswith("/") else f"{path}/"
        return parts._replace(path=folder + "/".join(map(_escaped, names)), fragment="").geturl()

    def pieces_of(self, file: int) -> range:
        """The pieces that need bytes of a file."""
        entry = self._files[file]
        return self._geometry.pieces_of_span(entry.offset, entry.length)

    @cached_property
    def _offsets(self) -> list[int]:
        return [entry.offset for entry in self._files]

    @cached_property
    def _is_single(self) -> bool:
        payload = [entry for entry in self._files if not entry.is_pad]
        return len(payload) == 1 and len(payload[0].path) == 1

    @cached_property
    def _folder(self) -> bytes:
        return info_name(self._info)

    @cached_property
    def _names(self) -> list[tuple[bytes, ...]]:
        """The names as the torrent has them: on the disk some are written otherwise, on the server they are not."""
        info = self._info
        if b"pieces" in info:
            return [file.path for file in read_file_list(info)]
        in_tree = iter(read_file_tree(info))
        return [() if entry.is_pad else next(in_tree).path for entry in self._files]

    @cached_property
    def _info(self) -> dict[bytes, object]:
        info: dict[bytes, object] = decode(self._raw_info, limits=TORRENT_LIMITS, lenient=True)
        return info


def body_of(answer: Answer, asked: FileRange, file_length: int, *, max_skip: int = MAX_SKIP_BYTES) -> Body:
    """What the body of an answer holds of the range that was asked for; it may be less than all of it.

    Raises WebSeedError: "webseed.wrong-file" when the file there is another one, "webseed.no-ranges" when it would come
    from the start and the range lies deep in it, "webseed.encoded", "webseed.bad-range", "webseed.no-file",
    "webseed.denied", "webseed.busy", "webseed.http-status".
    """
    status, headers = answer
    if status not in (200, 206):
        raise WebSeedError(_CODES.get(status, "webseed.http-status"), f"HTTP status {status}")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise WebSeedError("webseed.encoded", "the answer is compressed although that was not asked for")
    body = _part(headers, asked, file_length) if status == 206 else _whole(asked, max_skip)
    told = headers.get("content-length", "").strip()
    expected = body.length if status == 206 else file_length
    if _DIGITS.fullmatch(told) and int(told) != expected:
        code = "webseed.wrong-file" if status == 200 else "webseed.bad-range"
        raise WebSeedError(code, f"{int(told)} bytes in the answer instead of {expected}")
    return body


def _part(headers: Mapping[str, str], asked: FileRange, file_length: int) -> Body:
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        raise WebSeedError("webseed.bad-range", "a part of the file, and no word which")
    first, last, total = int(match[1]), int(match[2]), match[3]
    if total != "*" and int(total) != file_length:
        raise WebSeedError("webseed.wrong-file", f"the file there has {int(total)} bytes instead of {file_length}")
    if first != asked.offset or not first <= last < asked.offset + asked.length:
        raise WebSeedError("webseed.bad-range", "another part of the file than was asked for")
    if last - first + 1 < min(asked.length, MIN_PART_BYTES):
        raise WebSeedError("webseed.bad-range", "so small a part of the file that it would take many to read it")
    return Body(0, last - first + 1)


def _whole(asked: FileRange, max_skip: int) -> Body:
    if asked.offset > max_skip:
        raise WebSeedError("webseed.no-ranges", "the server knows no ranges, and these bytes lie deep in the file")
    return Body(asked.offset, asked.length, is_whole=True)


def retry_after_s(value: str | None, wall: float) -> float | None:
    """How long a server wants to be left alone, from its Retry-After: seconds or a date. None: it does not say."""
    if value is None:
        return None
    value = value.strip()
    if _DIGITS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_S)
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, at - wall), MAX_RETRY_AFTER_S)


class SecretHeader(NamedTuple):
    """A header for all URLs that begin with `prefix`."""

    prefix: str
    name: str
    value: str


_HEADER_LINE = re.compile(r"(https?://[^\s/]+/\S*)\s+([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e]*)")
_OUR_OWN = frozenset(("host", "range", "connection", "accept-encoding", "content-length", "transfer-encoding"))


def read_headers(text: str) -> tuple[SecretHeader, ...]:
    """The lines `URL-PREFIX NAME: VALUE` of a file with secret headers; empty lines and those that begin with # do not
    count. The prefix has a path, at least /, so that no other host begins like it.

    Raises ValueError with the number of a line that is none; what it says is nobody else's business.
    """
    headers = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _HEADER_LINE.fullmatch(line)
        if match is None or match[2].lower() in _OUR_OWN:
            raise ValueError(f"line {number} is not of the form http://HOST/PATH NAME: VALUE")
        headers.append(SecretHeader(match[1], match[2], match[3].rstrip()))
    return tuple(headers)


def headers_for(url: str, headers: Sequence[SecretHeader]) -> list[tuple[str, str]]:
    """Those that go with a request for this URL."""
    return [(header.name, header.value) for header in headers if url.startswith(header.prefix)]


def _escaped(name: bytes) -> str:
    # Dots alone would lead to another folder of the server, escaped ones too.
    return "_" if name in (b".", b"..") else quote(name, safe=_SAFE_IN_NAMES)
