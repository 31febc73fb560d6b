"""Forms with files, as browsers and curl upload them: multipart/form-data (RFC 7578). Pure.

As strict as the JSON reader: what two readers could understand differently is refused, and nothing is decoded that the
form does not need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from blobtorrent.interface.rest.http import Refused

FORM_TYPE = "multipart/form-data"
MAX_PARTS = 64
MAX_HEAD_BYTES = 4 << 10               # of a part
MAX_FIELD_BYTES = 64 << 10             # of a part that is no file

_BOUNDARY = "[0-9A-Za-z'()+_,./:=?-]{1,70}"
# Patterns as text: they are compiled when a form comes, which to most daemons never does.
_CONTENT_TYPE = rf"""multipart/form-data[ \t]*;[ \t]*boundary=(?:({_BOUNDARY})|"({_BOUNDARY})")"""
# Browsers write a quote in a name as %22, and nothing else is escaped.
_DISPOSITION = (
    r"""form-data[ \t]*;[ \t]*name="([^"\\\x00-\x1f\x7f]{1,64})"(?:[ \t]*;[ \t]*filename="([^"\x00-\x1f\x7f]*)")?""")
_HEADER = r"([A-Za-z-]+):[ \t]*([\t -~\x80-\U0010ffff]*)"


class Form(NamedTuple):
    """What a file was called was never looked at: nothing good can come of that."""

    fields: Mapping[str, str]
    files: Mapping[str, bytes]


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == FORM_TYPE


def read_form(content_type: str, body: bytes) -> Form:
    """The parts of a form by their names. Raises Refused (400, "rest.bad-form")."""
    found = re.fullmatch(_CONTENT_TYPE, content_type.strip(), re.IGNORECASE)
    if found is None:
        raise _bad_form("Content-Type names no boundary, or more than that")
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for head, data in _parts(body, b"--" + (found[1] or found[2]).encode("ascii")):
        name, is_file = _read_head(head)
        if name in fields or name in files:
            raise _bad_form("two parts with the same name")
        if is_file:
            files[name] = data
        else:
            fields[name] = _text_of(data)
    return Form(fields, files)


def _parts(body: bytes, delimiter: bytes) -> list[tuple[bytes, bytes]]:
    """The head and the data of each part."""
    parts: list[tuple[bytes, bytes]] = []
    if not body.startswith(delimiter):
        raise _bad_form("it does not begin with its boundary")
    place = len(delimiter)
    while body[place:place + 2] == b"\r\n":
        if len(parts) == MAX_PARTS:
            raise _bad_form(f"more than {MAX_PARTS} parts")
        # A part without headers would have its empty line here; one that says no name is refused anyway.
        end_of_head = body.find(b"\r\n\r\n", place + 2, place + 2 + MAX_HEAD_BYTES)
        if end_of_head < 0:
            raise _bad_form("a part without a head, or with one that is too long")
        end = body.find(b"\r\n" + delimiter, end_of_head + 2)
        if end < 0:
            raise _bad_form("a part that does not end")
        parts.append((body[place + 2:end_of_head], body[end_of_head + 4:end]))
        place = end + 2 + len(delimiter)
    if body[place:] not in (b"--", b"--\r\n"):
        raise _bad_form("something behind a boundary that does not belong there")
    return parts


def _read_head(head: bytes) -> tuple[str, bool]:
    """The name of a part, and whether it is a file."""
    disposition = None
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise _bad_form("a head that is not UTF-8") from None
    seen = set()
    for line in lines:
        found = re.fullmatch(_HEADER, line)
        name = found[1].lower() if found else ""
        if found is None or name in seen or name not in ("content-disposition", "content-type"):
            raise _bad_form("a part with a header that it cannot have")
        seen.add(name)
        if name == "content-disposition":
            disposition = re.fullmatch(_DISPOSITION, found[2].strip(" \t"), re.IGNORECASE)
    if disposition is None:
        raise _bad_form("a part without a name")
    return disposition[1], disposition[2] is not None


def _text_of(data: bytes) -> str:
    if len(data) > MAX_FIELD_BYTES:
        raise _bad_form(f"a field of more than {MAX_FIELD_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _bad_form("a field that is not UTF-8") from None


def _bad_form(detail: str) -> Refused:
    return Refused(400, "rest.bad-form", f"the body is not an acceptable form: {detail}")
