"""The values of the command language, and how one kind is read as another.

Text is `str`; bytes of it that are not UTF-8 live on as surrogates (`surrogateescape`) until the answer is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Union

from blobtorrent.interface.rtorrent.faults import Fault, failed, wrong_type

SMALLEST: Final = -(1 << 63)
LARGEST: Final = (1 << 63) - 1
MAX_TEXT: Final = 16 << 20      # characters a command may build; a text that doubles itself ends here
MAX_ANSWER_BYTES: Final = 64 << 20      # of a request, as they go out
MAX_NESTING: Final = 64         # lists in lists
MAX_VALUES: Final = 1 << 14     # in a list that is kept, those in its lists too
_LONGEST_NUMBER: Final = 4096   # characters

_DIGITS = re.compile(r"[ \t\n\v\f\r]*([+-]?)(0[xX](?=[0-9a-fA-F]))?([0-9a-zA-Z]*)")
_SHIFTS: Final = {"b": 0, "B": 0, "k": 10, "K": 10, "m": 20, "M": 20, "g": 30, "G": 30}
_PLAIN: Final = frozenset((int, str))
_TOO_LONG: Final = "Too long a text."
_WORDS: Final = {"yes": 1, "true": 1, "no": 0, "false": 0}


class Call(NamedTuple):
    """A function object: `(name,args)` is due (1) now, `((name,args))` one level later (2), `(((..)))` two (3).

    One whose time has come is only run by the command that holds it (0): a body, a condition, a handler.
    """

    name: str
    args: list[Value]
    due: int = 0


Value = Union[int, str, None, "list[Value]", "dict[str, Value]", Call]

# As 0.16 calls them.
_KINDS: Final = ((Call, "dict_key"), (int, "value"), (str, "string"), (list, "list"), (dict, "map"))


class Row(list["Value"]):
    """A row of a multicall that may be answered again. Nobody changes it.

    `marks` are what it was made of, of trackers `tracked`; `steps` is what its texts cost. Its values are of these very
    `kinds`, int and str, if that is known; rows of the same columns share them.
    """

    __slots__ = ("_kept", "kinds", "marks", "steps", "tracked")

    def __init__(self, values: list[Value], kinds: tuple[type, ...] | None, marks: tuple[object, ...], tracked: object,
                 steps: int) -> None:
        super().__init__(values)
        self.kinds = kinds
        self.marks = marks
        self.tracked = tracked
        self.steps = steps
        self._kept: tuple[object, bytes] = (None, b"")     # in one piece: several threads write answers

    def written(self, form: object, write: Callable[[Row], bytes]) -> bytes:
        """What `write` makes of it in this form of answers; from the second time on that is kept."""
        last, data = self._kept
        if last is form and data:
            return data
        data = write(self)
        self._kept = (form, data if last is form else b"")
        return data


def signed(number: int) -> int:
    """`number` as 64 signed bits, which is how it wraps."""
    return (number - SMALLEST & (1 << 64) - 1) + SMALLEST


def saturated(number: int) -> int:
    return max(SMALLEST, min(LARGEST, number))


def _digits(text: str, base: int) -> tuple[int, int] | None:
    """The number without any suffix that `text` begins with, and where it ends, or None."""
    found = _DIGITS.match(text[:_LONGEST_NUMBER])
    assert found is not None
    sign, prefix, digits = found.groups()
    start = found.start(3)
    if prefix and base not in (0, 16):
        digits, start = "0", found.start(2)
    elif base == 0:
        base = 16 if prefix else 8 if digits.startswith("0") else 10
    length = 0
    while length < len(digits) and int(digits[length], 36) < base:
        length += 1
    if not length:
        return None
    return saturated(_read(digits[:length], base) * (-1 if sign == "-" else 1)), start + length


def _read(digits: str, base: int) -> int:
    """The value of `digits`; past 64 bits only that it is large matters, so that a megabyte of them costs nothing."""
    significant = digits.lstrip("0")
    if len(significant) > 64:
        return LARGEST + 1
    return int(significant or "0", base)


def parse_number(text: str, base: int = 0, unit: int = 1) -> int | None:
    """Read `text` as one number, blanks around it allowed, or as yes, no, true or false; None when it is neither.

    `base` 0 goes by the prefix (0x, 0); a suffix b, k, m or g counts in powers of 1024, without one the number is in
    `unit`s.
    """
    word = _WORDS.get(text.lower()) if len(text) <= 5 else None
    if word is not None:
        return word
    found = _digits(text, base)
    if found is None:
        return None
    number, end = found
    if end < len(text) and text[end] in _SHIFTS:
        number, end = signed(number << _SHIFTS[text[end]]), end + 1
    else:
        number = signed(number * unit)
    return None if text[end:].strip(" \t\n") else number


def parse_digits(text: str, base: int) -> int | None:
    """Read `text` as digits of `base` and nothing else but blanks around; nothing at all is 0. None when it is not."""
    found = _digits(text, base)
    if found is None:
        return None if text.strip(" \t\n") else 0
    return None if text[found[1]:].strip(" \t\n") else found[0]


def leading_digits(text: str) -> int:
    """The decimal number that `text` begins with, or 0."""
    found = _digits(text, 10)
    return found[0] if found is not None else 0


def to_number(value: Value, base: int = 0, unit: int = 1) -> int:
    """`value` as an integer: numbers as they are, text read with `parse_number`. Raises Fault ("Not a value.")."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        number = parse_number(value, base, unit)
        if number is None:
            raise failed("Not a value.")
        return number
    raise _unlike("value", value)


def convert_number(value: Value) -> int:
    """`to_number` as arithmetic and definitions do it: other words when it cannot be, and lists of one are that one."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise failed("Not convertible to a value.")
    number = parse_number(value)
    if number is None:
        raise failed("Could not convert string to value.")
    return number


def to_text(value: Value) -> str:
    """`value` where a command needs exactly one text. Raises Fault."""
    if isinstance(value, str):
        return value
    raise _unlike("string", value)


def _unlike(expected: str, value: Value) -> Fault:
    """0.16 tells what there was instead."""
    kind = next((word for type_, word in _KINDS if isinstance(value, type_)), "none")
    return wrong_type(f"Wrong object type: expected: {expected} actual: {kind}")


def is_true(value: Value) -> bool:
    """Numbers that are not 0, texts that are not empty, lists whose first element is true. No value is false."""
    for _ in range(MAX_NESTING):
        if not isinstance(value, list) or not value:
            break
        value = value[0]
    if isinstance(value, (int, str)):
        return bool(value)
    return False


def flatten(values: Sequence[Value], depth: int = 0) -> Iterator[Value]:
    """The values, and those in lists among them in their place."""
    if depth > MAX_NESTING:
        raise failed("Too deep a list.")
    for value in values:
        if isinstance(value, list):
            yield from flatten(value, depth + 1)
        else:
            yield value


def measured(value: Value) -> Value:
    """`value` itself, where it may be kept: values that grow out of each other end here. Raises Fault."""
    waiting, count = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        inner = (part.args if isinstance(part, Call) else part if isinstance(part, list)
                 else list(part.values()) if isinstance(part, dict) else [])
        count += 1 + len(inner)
        if count > MAX_VALUES or inner and depth >= MAX_NESTING:
            raise failed("Too large a list.")
        waiting.extend((element, depth + 1) for element in inner)
    return value


def joined(values: Sequence[Value]) -> str:
    """What `cat` makes of `values`: texts as they are, numbers in decimal, lists flattened. Raises Fault for others."""
    if _PLAIN.issuperset(map(type, values)):               # as most are
        parts = [*map(str, values)]
        if sum(map(len, parts)) > MAX_TEXT:
            raise failed(_TOO_LONG)
    else:
        parts = []
        _collect(values, parts, 0, 0)
    return "".join(parts)


def _collect(values: Sequence[Value], parts: list[str], length: int, depth: int) -> int:
    """Add the parts of `values` to those that are `length` characters; the new length. Raises Fault."""
    if depth > MAX_NESTING:
        raise failed("Too deep a list.")
    for value in values:
        if isinstance(value, str):
            part = value
        elif isinstance(value, list):
            length = _collect(value, parts, length, depth + 1)
            continue
        elif isinstance(value, int):
            part = str(int(value))
        elif value is None:
            continue
        else:
            raise failed("Invalid type.")
        length += len(part)
        if length > MAX_TEXT:
            raise failed(_TOO_LONG)
        parts.append(part)
    return length


def text_of(value: Value) -> str:
    """One value as `cat` would write it."""
    return joined([value])


def argument_list(value: Value) -> list[Value]:
    """The arguments that a value stands for: a list is them all, no value is none, anything else is one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def single(args: Sequence[Value]) -> Value:
    """The one argument of a command that takes one: of more it is the list itself, which most then refuse."""
    if len(args) == 1:
        return args[0]
    return list(args) if args else None


def one_number(args: Sequence[Value], base: int = 0, unit: int = 1) -> int:
    """The argument of a command that takes a number. Raises Fault."""
    return to_number(args[0] if len(args) == 1 else list(args), base, unit)


def one_text(args: Sequence[Value]) -> str:
    """The argument of a command that takes a text. Raises Fault."""
    return to_text(args[0] if len(args) == 1 else list(args))


def answered(value: Value) -> Value:
    """`value` for an answer: function objects become lists of their name and what follows it."""
    if isinstance(value, Call):
        return [value.name, *map(answered, value.args or [None])]
    if isinstance(value, list):
        return [answered(part) for part in value]
    if isinstance(value, dict):
        return {key: answered(part) for key, part in value.items()}
    return value


def shown(text: str) -> str:
    """`text` for an answer or a log: bytes that were no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
