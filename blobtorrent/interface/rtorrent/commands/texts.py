"""Working on texts: `string.*`, which rTorrent has after 0.16.20 and rTorrent-PS had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command, Run
from blobtorrent.interface.rtorrent.values import MAX_TEXT, MAX_VALUES, Value, convert_number, text_of

CATEGORY = "language"
MAX_WIDTH: Final = 1 << 16          # characters that a text is filled up to
_CHARACTERS_A_STEP: Final = 1024    # that are looked through
_BLANKS: Final = " \t\r\n\v\f"


def commands() -> Iterator[Command]:
    def make(name: str, run: Run, returns: str, doc: str) -> Command:
        return Command(f"string.{name}", Target.NONE, run, returns, doc=doc, category=CATEGORY)

    yield make("equals", partial(_any, str.__eq__), "i8", "One when the text is one of the others.")
    yield make("starts_with", partial(_any, str.startswith), "i8", "One when the text begins with one of the others.")
    yield make("ends_with", partial(_any, str.endswith), "i8", "One when the text ends with one of the others.")
    yield make("contains", partial(_any, str.__contains__), "i8", "One when one of the others is in the text.")
    yield make("contains_i", partial(_any, _contains_in_any_case), "i8", "The same in any case of letters.")
    yield make("strip", partial(_strip, True, True), "string", "The text without blanks, or the others, at both ends.")
    yield make("lstrip", partial(_strip, True, False), "string", "The same at its beginning.")
    yield make("rstrip", partial(_strip, False, True), "string", "The same at its end.")
    yield make("lpad", partial(_pad, True), "string", "The text filled up at its beginning: text, length, [filling].")
    yield make("rpad", partial(_pad, False), "string", "The same at its end.")
    yield make("length", _length, "i8", "How many characters the text has.")
    yield make("join", _join, "string", "The values with a text between them: text, value...")
    yield make("split", _split, "array", "The parts of the text: text, separator.")
    yield make("substr", _substr, "string", "A part of the text: text, [position, [length, [default]]].")
    yield make("map", _map, "string", "What the text stands for: text, {text, other}...")
    yield make("replace", _replace, "string", "The text with parts replaced: text, {part, other}...")


def _texts(args: Sequence[Value], fewest: int, most: int) -> list[str]:
    """The arguments as texts. Raises Fault for another count of them."""
    if not fewest <= len(args) <= most:
        raise failed("Wrong argument count.")
    return [text_of(arg) for arg in args]


def _any(holds: Callable[[str, str], bool], context: Context, item: Any, args: Sequence[Value]) -> Value:
    text, *others = _texts(args, 2, MAX_VALUES)
    context.budget.spend(len(others) * (1 + len(text) // _CHARACTERS_A_STEP))
    return int(any(holds(text, other) for other in others))


def _contains_in_any_case(text: str, part: str) -> bool:
    return part.lower() in text.lower()


def _strip(at_beginning: bool, at_end: bool, context: Context, item: Any, args: Sequence[Value]) -> Value:
    """Again and again, as long as one of the others stands at an end."""
    text, *others = _texts(args, 1, MAX_VALUES)
    others = [other for other in others if other] or list(_BLANKS)
    start, end, was = 0, len(text), (-1, -1)
    while (start, end) != was:
        was = start, end
        context.budget.spend(len(others))
        for other in others:
            if at_beginning and text.startswith(other, start, end):
                start += len(other)
            if at_end and text.endswith(other, start, end):
                end -= len(other)
    return text[start:end]


def _pad(is_left: bool, context: Context, item: Any, args: Sequence[Value]) -> Value:
    text, width, filling = _texts(args[:3] if len(args) > 2 else [*args, " "], 3, 3)
    missing = min(convert_number(width), MAX_WIDTH) - len(text)
    if missing <= 0 or not filling:
        return text
    padding = (filling * (missing // len(filling) + 1))[:missing]
    return padding + text if is_left else text + padding


def _length(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return len(_texts(args, 1, 1)[0])


def _join(context: Context, item: Any, args: Sequence[Value]) -> Value:
    separator, *parts = _texts(context.flat(args), 1, MAX_TEXT)
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise failed("Too long a text.")
    return separator.join(parts)


def _split(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """Without a separator every character is a part."""
    text, separator = _texts(args, 2, 2)
    parts = text.split(separator, MAX_VALUES) if separator else list(text)
    if len(parts) > MAX_VALUES:
        raise failed("Too large a list.")
    return list[Value](parts)


def _substr(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """A position below 0 counts from the end; the default is for one behind it."""
    text, position, length, default = [*_texts(args, 1, 4), "", "", "", ""][:4]
    start = convert_number(position) if position else 0
    if start < 0:
        start = max(0, start + len(text))
    if start >= len(text):
        return default
    count = convert_number(length) if length else -1
    return text[start:start + count] if count >= 0 else text[start:]


def _pairs(args: Sequence[Value]) -> Iterator[tuple[str, str]]:
    for arg in args:
        if not isinstance(arg, list) or len(arg) != 2:
            raise wrong_type()
        yield text_of(arg[0]), text_of(arg[1])


def _map(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """The text itself when nothing is said of it."""
    text = _texts(args[:1], 1, 1)[0]
    return next((other for known, other in _pairs(args[1:]) if known == text), text)


def _replace(context: Context, item: Any, args: Sequence[Value]) -> Value:
    text = _texts(args[:1], 1, 1)[0]
    for part, other in _pairs(args[1:]):
        if not part:
            continue
        if len(text) + text.count(part) * len(other) > MAX_TEXT:
            raise failed("Too long a text.")
        context.budget.spend(1 + len(text) // _CHARACTERS_A_STEP)
        text = text.replace(part, other)
    return text
