"""From a command text to a tree of names and arguments.

    statement := blanks [name blanks '=' args] [';' or newline]       name: a letter, then letters, digits, `_` and `.`
    args      := object { ',' object }                                nothing at all is one empty text
    object    := '{' args '}' | '('{1,3} name [',' args] ')'{as many} | text
    text      := '"' characters '"' | characters up to a delimiter

Blanks around objects are skipped; a backslash takes the next character as it is, in quotes and outside.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.values import Call, Value

MAX_NESTED: Final = 48                  # braces and parentheses in each other
MAX_OBJECTS: Final = 1 << 16            # beside each other
MAX_PARENTHESES: Final = 3              # of one object, each a level later
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_BLANKS = re.compile(r"[ \t]*")
_PLAIN = {ends: re.compile(rf"[^{re.escape(ends)}\\]*") for ends in (", \t\n\v\f\r;\0", ",}", ",)", '"')}
_COMMAND_ENDS, _LIST_ENDS, _CALL_ENDS, _QUOTE = _PLAIN


class Statement(NamedTuple):
    """A command of a text; of an empty one or a comment the name is empty."""

    name: str
    args: list[Value]
    end: int            # where the next statement begins
    is_plain: bool      # nothing among the arguments is to be run first


def parse_statement(text: str, start: int = 0) -> Statement:
    """Read the command that begins at `start`, to its end and no further. Raises Fault."""
    at = _blanks(text, start)
    if at == len(text) or text[at] == "#":
        return Statement("", [], len(text), True)
    found = _NAME.match(text, at)
    if found is None:
        raise failed("Invalid start of command name.")
    name = found.group()
    at = _blanks(text, found.end())
    if at == len(text) or text[at] != "=":
        raise failed(f"Could not find '=' in command '{name}'.")
    args, at = _objects(text, at + 1, _COMMAND_ENDS, 0)
    if at < len(text):
        if text[at] not in "\n;\0":
            raise failed("Junk at end of input.")
        at += 1
    if len(args) == 1 and isinstance(args[0], list):
        args = args[0]
    return Statement(name, args, at, all(_is_plain(arg) for arg in args))


def _is_plain(arg: Value) -> bool:
    return not (isinstance(arg, Call) or isinstance(arg, str) and arg.startswith("$"))


def _blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found is not None else at


def _objects(text: str, at: int, ends: str, depth: int) -> tuple[list[Value], int]:
    """Objects with commas between, and where they end."""
    found: list[Value] = []
    while True:
        value, at = _object(text, _blanks(text, at), ends, depth)
        found.append(value)
        if len(found) > MAX_OBJECTS:
            raise failed("Too many arguments.")
        at = _blanks(text, at)
        if text[at:at + 1] != ",":
            return found, at
        at += 1


def _object(text: str, at: int, ends: str, depth: int) -> tuple[Value, int]:
    first = text[at:at + 1]
    if first not in ("{", "("):
        return _text(text, at, ends)
    if depth >= MAX_NESTED:
        raise failed("Too deep a nesting of objects.")
    if first == "{":
        values, at = _objects(text, at + 1, _LIST_ENDS, depth + 1)
        if text[at:at + 1] != "}":
            raise failed("Could not find closing '}'.")
        return values, at + 1
    return _call(text, at, depth)


def _call(text: str, at: int, depth: int) -> tuple[Call, int]:
    """A function object; it opens at `at`."""
    inside = at
    while text[inside:inside + 1] == "(":
        inside += 1
    due = inside - at
    if due > MAX_PARENTHESES:
        raise failed("Max 3 parantheses per object allowed.")
    name, at = _text(text, inside, _CALL_ENDS)
    at = _blanks(text, at)
    args: list[Value] = []
    if text[at:at + 1] == ",":
        args, at = _objects(text, at + 1, _CALL_ENDS, depth + 1)
    elif text[at:at + 1] != ")":
        raise failed("Could not find closing ')'.")
    if text[at:at + due] != ")" * due:
        raise failed("Parantheses mismatch.")
    return Call(name, args, due), at + due


def _text(text: str, at: int, ends: str) -> tuple[str, int]:
    """A quoted text, or one up to a character of `ends`."""
    is_quoted = text[at:at + 1] == '"'
    if is_quoted:
        at, ends = at + 1, _QUOTE
    plain = _PLAIN[ends]
    parts: list[str] = []
    while True:
        run = plain.match(text, at)
        assert run is not None
        parts.append(run.group())
        at = run.end()
        if at == len(text):
            if is_quoted:
                raise failed("Missing closing quote.")
            break
        if text[at] != "\\":
            at += is_quoted
            break
        if at + 1 == len(text):
            raise failed("Escape character at end of input.")
        parts.append(text[at + 1])
        at += 2
    return "".join(parts), at
