"""Requests that depend on what the client has already (RFC 9110, section 13): entity tags and what is asked of them."""

from __future__ import annotations

import hashlib
import re

from blobtorrent.interface.rest.http import Head, Refused, Response
from blobtorrent.interface.rest.routes import Parameter

TAG_BYTES = 12

_TEXT = {"type": "string"}
UNLESS_SAME = Parameter("If-None-Match", _TEXT, "Tags of what is there already: 304 when it still is that.")
CONDITIONS = (
    Parameter("If-Match", _TEXT, "Only change what has one of these tags, or * for anything that is there: else 412."),
    Parameter("If-None-Match", _TEXT, "Only change what has none of these tags; *: only what is not there. Else 412."),
)

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


def has_conditions(head: Head) -> bool:
    """Whether a change is wanted only of a certain document."""
    return not head.headers.keys().isdisjoint(("if-match", "if-none-match"))


def matches(head: Head, body: bytes | None) -> bool:
    """Whether a document, None when there is none, is what the client says that it is (If-Match) and is not
    (If-None-Match, of which `*` means that there is none)."""
    wanted = head.headers.get("if-match")
    if wanted is not None and (body is None or wanted.strip() != "*" and tag_of(body) not in _tags(wanted)):
        return False
    return body is None or not has_already(head, tag_of(body))


def require_match(head: Head, body: bytes | None) -> None:
    """Raises Refused (412) for a change of a document that is another one than the client says."""
    if not matches(head, body):
        raise changed()


def changed() -> Refused:
    return Refused(412, "rest.changed", "it is not what If-Match or If-None-Match say: read it again")


def _tags(value: str) -> list[str]:
    return _TAG.findall(value)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")
