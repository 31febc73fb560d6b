"""Where torrents come from: how a path or a URL becomes one. Blocking: called on the thread of whoever asks for it."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.model.errors import FormatError, Invalid, NetworkError, NotFound
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import TORRENT_LIMITS, parse_torrent

FETCH_MAX_BYTES = 10 << 20             # of a torrent behind a URL, as sent and unpacked
FETCH_TIMEOUT_S = 20.0


def load_source(source: str) -> Metainfo:
    """A torrent from a file or from an http or https URL.

    Raises FormatError when it is no torrent, NotFound or Invalid when the file cannot be read, NetworkError when the
    URL cannot.
    """
    scheme = source.partition(":")[0].lower()
    if scheme == "magnet":
        raise Invalid("source.magnet", "magnet links are not supported yet: give the .torrent file or its URL")
    if scheme in ("http", "https"):
        return parse_torrent(_fetch(source))
    return load_file(source)


def load_file(path: str) -> Metainfo:
    """A torrent from a file. Raises NotFound, Invalid or FormatError."""
    limit = TORRENT_LIMITS.size_bytes
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFound("source.no-file", f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Invalid("source.unreadable", f"{path}: {reason}") from None
    if len(data) > limit:
        raise FormatError("source.too-large", f"{path}: more than {limit} bytes, which no torrent has")
    return parse_torrent(data)


def _fetch(url: str) -> bytes:
    # Most runs fetch nothing: the modules for it are loaded by those that do.
    from blobtorrent.discovery.httpget import Deadline, http_get
    from blobtorrent.runtime.clock import SystemClock

    response = http_get(url, Deadline(SystemClock(), FETCH_TIMEOUT_S), max_bytes=FETCH_MAX_BYTES)
    if response.status != 200:
        raise NetworkError("source.http-status", f"{url}: HTTP status {response.status}")
    return response.body
