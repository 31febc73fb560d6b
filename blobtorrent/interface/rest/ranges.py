"""Parts of a file, as clients ask for them (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re

from blobtorrent.interface.rest.http import Head, Refused
from blobtorrent.interface.rest.routes import Parameter

_TEXT = {"type": "string"}
RANGE_HEADERS = (
    Parameter("Range", _TEXT, "One range, as bytes=0-99, bytes=100- or bytes=-100; anything else means all of it."),
    Parameter("If-Range", _TEXT, "The tag of what the range is to be of; all of it when that is another one."),
)

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


def wanted_range(head: Head, length: int, tag: str) -> range | None:
    """The bytes of a document of `length` bytes that a request is for; None for all of it.

    What we do not understand, and several ranges at once, is answered with all, as the standard lets us; so is what is
    only wanted If-Range of another tag. Raises Refused (416) for bytes that there are none of.
    """
    value = head.headers.get("range")
    found = None if value is None else _RANGE.fullmatch(value)
    if found is None or found[1] == found[2] == "" or head.headers.get("if-range", tag) != tag:
        return None
    first, last = found[1], found[2]
    if not first:
        wanted = range(max(0, length - int(last)), length)
    elif not last:
        wanted = range(int(first), length)
    elif int(first) > int(last):
        return None
    else:
        wanted = range(int(first), min(int(last) + 1, length))
    if not wanted:
        raise Refused(416, "rest.no-such-range", f"there are {length} bytes", (("Content-Range", f"bytes */{length}"),))
    return wanted


def content_range(part: range, length: int) -> tuple[str, str]:
    """The header that says which part of the whole an answer has."""
    return "Content-Range", f"bytes {part.start}-{part.stop - 1}/{length}"
