"""Settings that are kept as they were set, and the commands that read and set one.

Most stand for something that this engine does not have: whoever sets one reads it back, as rTorrent would answer, and
nothing else happens. Setters of rTorrent's own variables answer the new value, those of its library answer nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.values import Value, measured, one_number, one_text

MAX_KEPT = 64 << 10                    # characters that are kept as one variable


class Kind(Enum):
    """What a variable holds; the value is the word of XML-RPC."""

    NUMBER = "i8"
    TEXT = "string"
    LIST = "array"


class Variable(NamedTuple):
    """One row of the table. `key` is the name that it is kept under where two names share one value."""

    name: str
    kind: Kind
    initial: Value
    doc: str
    answers: bool = True               # the setter answers the new value
    is_neutral: bool = True
    key: str = ""
    is_flag: bool = False              # what is not 0 is 1
    check: Callable[[Value], None] | None = None       # raises Fault for what is refused


Follow = Callable[[Any], None]
"""Is told a value that was set."""


class Variables:
    """What was set, by key; `followers` do more with some of them. Owned by the interpreter's thread."""

    def __init__(self, table: Iterable[Variable], followers: Mapping[str, Follow] = MappingProxyType({})) -> None:
        self._followers = followers
        self._table = tuple(table)
        self._values: dict[str, Value] = {row.key or row.name: row.initial for row in self._table}

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __setitem__(self, key: str, value: Value) -> None:
        self._values[key] = value

    def commands(self) -> Iterator[Command]:
        """A getter and a setter for each row."""
        for row in self._table:
            yield from self._commands_of(row)

    def _commands_of(self, row: Variable) -> Iterator[Command]:
        key = row.key or row.name

        def read() -> Value:
            value = self._values[key]
            return list(value) if isinstance(value, list) else value

        def write(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
            value = read_argument(row.kind, args)
            if row.is_flag:
                value = int(bool(value))
            if row.check is not None:
                row.check(value)
            self._values[key] = value
            if key in self._followers:
                self._followers[key](value)
            return read() if row.answers else None

        yield getter(row.name, read, row.doc, returns=row.kind.value, category=category_of(row.name),
                     is_neutral=row.is_neutral)
        doc = f"Sets {row.name}; nothing goes by it." if row.is_neutral else f"Sets {row.name}."
        yield command(
            f"{row.name}.set", write, doc, returns=row.kind.value if row.answers else "none",
            category=category_of(row.name), is_neutral=row.is_neutral)


def category_of(name: str) -> str:
    """The heading that a command stands under: the first word of its name."""
    return name.partition(".")[0]


def read_argument(kind: Kind, args: Sequence[Value]) -> Value:
    """What a setter was given, as a value of its kind. Raises Fault."""
    if kind is Kind.NUMBER:
        return one_number(args)
    if kind is Kind.TEXT:
        return kept(one_text(args))
    values = list(args[0]) if len(args) == 1 and isinstance(args[0], list) else list(args)
    kept("".join([value for value in values if isinstance(value, str)]))
    return measured(values)


def kept(text: str) -> str:
    """A text that stays in memory. Raises Fault when it is too long for that."""
    if len(text) > MAX_KEPT:
        raise failed("Too long a text.")
    return text
