"""Requests that depend on what the client has already (RFC 9110, section 13): entity tags and what is asked of them."""

from __future__ import annotations

import hashlib
import re

from blobtorrent.interface.rest.http import Head, Refused, Response

TAG_BYTES = 12

_TAG = re.compile(r'\s*((?:W/)?"[!#-~\x80-\xff]*")\s*(?:,|$)')
_READING = ("GET", "HEAD")


def tag_of(body: bytes) -> str:
    """The strong tag of a document: another one for other bytes."""
    return f'"{hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest()}"'


def with_tag(head: Head, response: Response) -> Response:
    """The answer with the tag of its document, or 304 when the client has it already.

    What is made piece by piece has no tag, unless its resource gave it one.
    """
    if head.method not in _READING or response.status != 200 or not isinstance(response.body, bytes):
        return response
    if any(name == "ETag" for name, _ in response.headers):
        return response
    tag = tag_of(response.body)
    if has_already(head, tag):
        return not_modified(tag)
    return response._replace(headers=(*response.headers, ("ETag", tag)))


def has_already(head: Head, tag: str) -> bool:
    """Whether the client says that it has the document with this tag; weak comparison, as for If-None-Match."""
    wanted = head.headers.get("if-none-match")
    if wanted is None:
        return False
    return wanted.strip() == "*" or _opaque(tag) in map(_opaque, _tags(wanted))


def not_modified(tag: str) -> Response:
    return Response(304, headers=(("ETag", tag),))


def require_match(head: Head, body: bytes | None) -> None:
    """For a change of a document, None when there is none: refuse it (412) unless it is what the client says that it
    is (If-Match) and is not (If-None-Match, of which `*` means that there is none)."""
    wanted = head.headers.get("if-match")
    if wanted is not None:
        if body is None:
            raise Refused(412, "rest.changed", "there is nothing that If-Match could mean")
        if wanted.strip() != "*" and tag_of(body) not in _tags(wanted):
            raise Refused(412, "rest.changed", "it is no longer what If-Match says: read it again")
    if body is not None and has_already(head, tag_of(body)):
        raise Refused(412, "rest.changed", "it is there already, and If-None-Match says that it is not")


def _tags(value: str) -> list[str]:
    return _TAG.findall(value)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")
