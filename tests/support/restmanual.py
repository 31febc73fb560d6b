"""The parts of blobtorrent-rest(7) that come from the code: `python -m tests.support.restmanual` puts them in.

They are between comments that say so; what stands outside of these is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from blobtorrent.interface.rest.encode import TORRENT
from blobtorrent.interface.rest.routes import Route, Schema
from tests.support.resources import Resources
from tests.support.source import ROOT

PAGE = ROOT / "man" / "blobtorrent-rest.7"

_PART = re.compile(r'(\.\\" BEGIN (\w+), made by tests/support/restmanual\.py\n).*?(\.\\" END \2\n)', re.DOTALL)


def with_parts(page: str) -> str:
    """The page with its made parts as they should be."""
    parts = {"resources": _resources(), "torrent": _torrent()}
    made = {name: "".join(f"{line}\n" for line in lines) for name, lines in parts.items()}
    return _PART.sub(lambda found: found[1] + made[found[2]] + found[3], page)


def _resources() -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for route in Resources().router.routes:
        yield f".It Sy {route.method} Pa {route.pattern}"
        yield from _text(route.doc.summary)
        if route.scope is None:
            yield "Needs no token."
        else:
            yield f".Pq Sy {route.scope.value}"
        yield from _answers(route)
        yield from _members("Query", ((parameter.name, parameter.doc) for parameter in route.doc.query))
        if route.doc.body is not None:
            yield from _members("Body", _described(route.doc.body.schema))
    yield ".El"


def _answers(route: Route) -> Iterator[str]:
    if [answer.status for answer in route.doc.answers] == [200]:
        return
    for answer in route.doc.answers:
        yield from _text(f"{answer.status}: {answer.doc}")


def _members(title: str, members: Iterable[tuple[str, str]]) -> Iterator[str]:
    members = list(members)
    if not members:
        return
    yield ".br"
    yield f"{title}:"
    yield ".Bl -tag -width Ds -compact"
    for name, doc in members:
        yield f".It Li {name}"
        yield from _text(doc)
    yield ".El"


def _torrent() -> Iterator[str]:
    yield ".Bl -tag -width Ds -compact"
    for name, doc in _described({"properties": TORRENT.schemas}):
        yield f".It Li {name}"
        yield from _text(doc)
    yield ".El"


def _described(schema: Schema) -> Iterator[tuple[str, str]]:
    """The members of an object and what is known of them: words, or which there are."""
    for name, member in schema.get("properties", {}).items():
        inner = next((option for option in member.get("anyOf", ()) if option.get("type") != "null"), member)
        words = inner.get("enum") or member.get("enum") or ()
        doc = member.get("description") or inner.get("description") or ""
        choice = f"One of {', '.join(map(str, words))}." if words else ""
        yield name, " ".join(filter(None, (doc, choice)))


def _text(text: str) -> Iterator[str]:
    """Every sentence on lines of its own, as mdoc wants it."""
    for sentence in re.split(r"(?<=[.:]) (?=[A-Z])", text):
        line = ""
        for word in sentence.replace("\\", "\\e").split():
            if len(line) + len(word) > 78:
                yield line
                line = ""
            line = f"{line} {word}" if line else word
        if line:
            yield f"\\&{line}" if line[0] in ".'" else line


if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text()))
