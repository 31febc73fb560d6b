"""Texts in other forms, for clients that cannot be sure of UTF-8, and paths with their links followed."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from blobtorrent.interface.rtorrent.context import Target
from blobtorrent.interface.rtorrent.downloads.making import getter
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.language.columns import Argument, Needs, Plan
from blobtorrent.interface.rtorrent.registry import Bind, Command
from blobtorrent.interface.rtorrent.xmlanswer import Binary

Read = Callable[[Any], str]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _base64(text: str) -> str:
    return base64.b64encode(_bytes(text)).decode("ascii")


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


# The suffix of the command, how it writes a text, and how that is said.
FORMS: dict[str, tuple[Callable[[str], str], str]] = {
    "as_binary": (Binary, "as bytes"),
    "base64": (_base64, "in base64"),
    "base64_as_binary": (Binary, "as bytes"),
    "hex": (lambda text: _bytes(text).hex().upper(), "in hexadecimal"),
    "or_as_binary": (lambda text: text if _is_utf8(text) else Binary(text), "as bytes unless it is UTF-8"),
    "or_base64": (lambda text: text if _is_utf8(text) else _base64(text), "in base64 unless it is UTF-8"),
}


def with_forms(name: str, read: Read, doc: str, *, target: Target = Target.DOWNLOAD) -> Iterator[Command]:
    """A getter of a text, and of all its forms."""
    yield getter(name, read, doc, target=target, returns="string")
    for suffix, (write, words) in FORMS.items():
        made = getter(f"{name}.{suffix}", _written(read, write), f"{doc.rstrip('.')}, {words}.", target=target,
                      returns="base64" if write is Binary else "string")
        yield made._replace(bind=_varying(made.bind)) if suffix == "or_as_binary" else made


def _varying(bind: Bind | None) -> Bind:
    """The same, of which a plan is told that it does not always answer the same kind."""
    assert bind is not None

    def bound(plan: Plan, args: Sequence[Argument]) -> Any:
        read = bind(plan, args)
        plan.varies = True
        return read

    return bound


def real_paths(name: str, read: Read, *, target: Target = Target.DOWNLOAD) -> Iterator[Command]:
    """Getters of where a path leads to."""
    yield getter(f"{name}.realpath.or_empty", lambda item: _real(read(item)),
                 f"Where {name} leads to; empty when it is not there.", target=target, returns="string",
                 needs=Needs.LOOK)
    yield getter(f"{name}.realpath.or_throw", lambda item: _real_or_fault(read(item)),
                 f"Where {name} leads to; a fault when it is not there.", target=target, returns="string",
                 needs=Needs.LOOK)


def _written(read: Read, write: Callable[[str], str]) -> Read:
    return lambda item: write(read(item))


def _real(path: str) -> str:
    return os.path.realpath(path) if path and os.path.lexists(path) else ""


def _real_or_fault(path: str) -> str:
    found = _real(path)
    if not found:
        raise failed(f"Could not resolve path: {path}")
    return found
