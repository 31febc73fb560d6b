"""Where torrents come from: how a path or a URL becomes one. Blocking: called on the thread of whoever asks for it."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.model.errors import FormatError, Invalid, NetworkError, NotFound
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.metafile import TORRENT_LIMITS, parse_torrent

FETCH_MAX_BYTES = 10 << 20             # of a torrent behind a URL, as sent and unpacked
FETCH_TIMEOUT_S = 20.0


def load_source(source: str, binding: Binding) -> Metainfo:
    """A torrent from a file or from an http or https URL. Raises what `read_source` does, FormatError when it is none.
    """
    return parse_torrent(read_source(source, binding=binding))


def read_source(source: str, *, binding: Binding, from_loopback: bool = True) -> bytes:
    """The bytes of a .torrent file, from its path or from an http or https URL, which may lead to this machine itself
    `from_loopback`.

    Raises NotFound or Invalid when the file cannot be read, NetworkError when the URL cannot, FormatError when there
    are more bytes than a torrent has.
    """
    scheme = source.partition(":")[0].lower()
    if scheme == "magnet":
        raise Invalid("source.magnet", "a magnet link is no .torrent file: give it to the commands get or add")
    if scheme in ("http", "https"):
        return _fetch(source, from_loopback=from_loopback, binding=binding)
    return read_file(source)


def load_file(path: str) -> Metainfo:
    """A torrent from a file. Raises NotFound, Invalid or FormatError."""
    return parse_torrent(read_file(path))


def read_file(path: str) -> bytes:
    """The bytes of a .torrent file. Raises NotFound, Invalid or FormatError."""
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
    return data


def _fetch(url: str, *, from_loopback: bool, binding: Binding) -> bytes:
    # Most runs fetch nothing: the modules for it are loaded by those that do.
    from blobtorrent.discovery.httpcall import Deadline
    from blobtorrent.discovery.httpget import http_get
    from blobtorrent.runtime.clock import SystemClock

    response = http_get(
        url, Deadline(SystemClock(), FETCH_TIMEOUT_S), max_bytes=FETCH_MAX_BYTES,
        on_loopback=lambda _path: from_loopback,
        binding=binding)
    if response.status != 200:
        raise NetworkError("source.http-status", f"{url}: HTTP status {response.status}")
    return response.body
