"""The mark UNTRUSTED_CONNECTION: a web server, or ruTorrent, says of a request that it is somebody else's. Pure.

A mark takes trust away and never gives any. So every spelling counts that a header has on its way through web servers,
and of several marks the one that trusts less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MARK: Final = "UNTRUSTED_CONNECTION"
_PREFIX: Final = "HTTP_"               # of what a client sent to the web server in front


class UnknownMark(Exception):
    """A mark that is neither 0 nor 1: whoever wrote it meant something, and it is not known what."""


def is_marked(headers: Mapping[str, str]) -> bool:
    """Whether the headers of a request, of SCGI or HTTP, say that it is not to be trusted. Raises UnknownMark."""
    marks = [value for name, value in headers.items()
             if name.upper().replace("-", "_").removeprefix(_PREFIX) == _MARK]
    if any(mark not in ("0", "1") for mark in marks):
        raise UnknownMark
    return "1" in marks
