"""Columns: command texts that are run for row after row, made into functions of the row's target once.

Only commands that read can be (`Command.bind`), and texts that hold nothing else. What such a function answers is what
running the text would; whatever it cannot do is left to the interpreter, faults too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Flag
from typing import Any, Final, NamedTuple, Union

from blobtorrent.interface.rtorrent.context import Target, Trust
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.evaluate import require
from blobtorrent.interface.rtorrent.language.parser import parse_statement
from blobtorrent.interface.rtorrent.registry import Read, Registry
from blobtorrent.interface.rtorrent.values import Call, Value

MAX_INNER: Final = 16                  # texts inside of one column: nobody counts their steps
MAX_LENGTH: Final = 1024               # characters of one
_TEXTS: Final = ("string", "base64")
# What says that it answers such a value answers just that: no truth, no text that goes out in another way.
_KINDS: Final[Mapping[str, type]] = {"i8": int, "string": str}


class Needs(Flag):
    """What a column is made of. But for the state it has to be looked at before."""

    NOTHING = 0
    STATE = 1                          # of the target itself
    SHAPE = 2                          # what only the metainfo says
    TRACKERS = 4                       # which there are, and what they have said last
    LOOK = 8                           # what changes while the target does not


ReadText = Callable[[Any], str]


class Computed(NamedTuple):
    """An argument that is what another text answers. `text` answers what `cat` makes of that, if it can with less
    work."""

    read: Read
    text: ReadText | None = None


Argument = Union[Value, Computed]


class Plan:
    """Compiles columns on a kind of target for a caller of this trust.

    `needs` are those of the last one; it `is_text` when that is what it answers, and of this very `kind`, if that
    is known. A `Bind` may leave a `text` of what it has bound, see `Computed`, and that its answer `varies` in kind.
    `revision` is that of the registry.
    """

    def __init__(self, registry: Registry, trust: Trust) -> None:
        self.needs = Needs.NOTHING
        self.is_text = False
        self.kind: type | None = None
        self.text: ReadText | None = None
        self.varies = False
        self.revision = registry.revision
        self._registry = registry
        self._trust = trust
        self._num_inner = 0

    def column(self, text: Value, target: Target) -> Read | None:
        """What the first command of `text` answers of a target; None when that takes the interpreter."""
        self.needs = Needs.NOTHING
        self.is_text = False
        self.kind = None
        self._num_inner = 0
        return self.inner(text, target)

    def inner(self, text: Value, target: Target) -> Read | None:
        """The same for a text inside of another."""
        self._num_inner += 1
        if not isinstance(text, str) or len(text) > MAX_LENGTH or self._num_inner > MAX_INNER:
            return None
        try:
            statement = parse_statement(text)
            command = self._registry.find(statement.name)
            if command is None or command.bind is None or command.target not in (target, Target.NONE, Target.ANY):
                return None
            require(self._trust, command)
            args = self._arguments(statement.args, target)
            self.text, self.varies = None, False           # but for those of an argument
            read = None if args is None else command.bind(self, args)
        except Fault:
            return None
        self.is_text = command.returns in _TEXTS
        self.kind = None if self.varies else _KINDS.get(command.returns)
        return read

    def _arguments(self, values: Sequence[Value], target: Target) -> list[Argument] | None:
        args: list[Argument] = []
        for value in values:
            if isinstance(value, Call):
                return None
            if not isinstance(value, str) or not value.startswith("$"):
                args.append(value)
                continue
            read = self.inner(value[1:], target)
            if read is None:
                return None
            args.append(Computed(read, self.text))
        return args


def plain(args: Sequence[Argument]) -> list[Value] | None:
    """The arguments, unless one of them is computed."""
    values = [arg for arg in args if not isinstance(arg, Computed)]
    return values if len(values) == len(args) else None
