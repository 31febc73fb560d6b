"""Posts one event to a URL. Its own place decides where it goes: only who may change settings can name it. Blocking."""

from __future__ import annotations

import hmac
from pathlib import Path

from blobtorrent.discovery.httpcall import (
    USER_AGENT,
    Deadline,
    connect,
    exchange,
    failure_of,
    split_url,
    target_of,
)
from blobtorrent.interface.eventjson import Told
from blobtorrent.interface.hooks.outcome import FAILED, OK, REFUSED, TIMED_OUT, Outcome
from blobtorrent.model.errors import NetworkError, TimedOut
from blobtorrent.model.reach import is_public
from blobtorrent.network.binding import ANYWHERE, Binding
from blobtorrent.network.outgoing import known_address
from blobtorrent.runtime.clock import Clock

MAX_SECRET_BYTES = 4096

# An answer with one of these may be another one the next time.
_PASSING = frozenset((408, 425, 429))


def post_event(url: str, told: Told, *, secret_file: Path | None, timeout_s: float, clock: Clock,
               binding: Binding) -> Outcome:
    """Any answer of 2xx is success; a redirect is none. The whole exchange ends within `timeout_s` seconds.

    `binding` holds for the internet. What is given by an address of this machine or a private network is near, and
    nobody but us has named it: there the system's way is taken.
    """
    try:
        secret = None if secret_file is None else read_secret(secret_file)
    except OSError as error:
        return Outcome(FAILED, f"the secret cannot be read: {error.strerror}")
    if secret == b"":
        return Outcome(FAILED, "the secret file is empty")
    try:
        parts = split_url(url)
        deadline = Deadline(clock, timeout_s)
        try:
            way = ANYWHERE if _is_near(parts.hostname or "") else binding
            with connect(parts, deadline, lambda _address: True, binding=way, web=binding.web) as sock:
                request = _head(parts.netloc, target_of(parts), told, secret) + told.json
                status = exchange(sock, request, deadline, None).status
        except OSError as error:
            raise failure_of(error) from None
    except TimedOut as error:
        return Outcome(TIMED_OUT, error.detail)
    except NetworkError as error:
        return Outcome(FAILED, error.detail)
    if 200 <= status < 300:
        return Outcome(OK)
    return Outcome(FAILED if status >= 500 or status in _PASSING else REFUSED, f"answered with status {status}")


def _is_near(host: str) -> bool:
    address = known_address(host)
    return address is not None and not is_public(address)


def signature_of(secret: bytes, body: bytes) -> str:
    """What is said in X-BlobTorrent-Signature: the receiver makes the same and compares."""
    return f"sha256={hmac.new(secret, body, 'sha256').hexdigest()}"


def read_secret(path: Path) -> bytes:
    """The text of the file without white space around it. Raises OSError."""
    with path.open("rb") as file:
        return file.read(MAX_SECRET_BYTES).strip()


def _head(host: str, target: str, told: Told, secret: bytes | None) -> bytes:
    lines = [
        f"POST {target} HTTP/1.1", f"Host: {host}", f"User-Agent: {USER_AGENT}", "Accept: */*", "Connection: close",
        "Content-Type: application/json", f"Content-Length: {len(told.json)}",
        f"X-BlobTorrent-Event: {told.type}", f"X-BlobTorrent-Id: {told.fields['id']}",
    ]
    if secret is not None:
        lines.append(f"X-BlobTorrent-Signature: {signature_of(secret, told.json)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
