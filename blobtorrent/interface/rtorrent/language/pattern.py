"""Regular expressions that cannot run away: a pattern becomes steps that are followed all at once.

The work is at most the steps of the pattern times the characters of the text. What needs more - look-ahead and back
references - is refused. Syntax of ECMAScript, with the classes of POSIX in brackets, as rTorrent has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from blobtorrent.interface.rtorrent.context import Budget
from blobtorrent.interface.rtorrent.faults import failed

MAX_STEPS: Final = 4000             # of a pattern, its repeats written out
MAX_DEPTH: Final = 48               # groups in groups
MAX_PATTERN: Final = 4096           # characters
MAX_TEXT: Final = 1 << 16
_PATTERN_A_STEP: Final = 4          # characters of it
_MOVES_A_STEP: Final = 4            # moves in a pattern that are as much work as a command

Accepts = Callable[[str], bool]


class _Invalid(Exception):
    """The pattern is none. Such a pattern matches nothing."""


class _Step(NamedTuple):
    """One place in a pattern: a character it takes, an assertion it makes, or where it goes on, in places from here."""

    accepts: Accepts | None = None
    asserts: str = ""
    forks: tuple[int, ...] = ()


_Steps = list[_Step]

_POSIX: Final[dict[str, Accepts]] = {
    "alpha": str.isalpha, "digit": lambda c: c in "0123456789", "alnum": str.isalnum, "space": str.isspace,
    "upper": str.isupper, "lower": str.islower, "xdigit": lambda c: c in "0123456789abcdefABCDEF",
    "punct": lambda c: c.isprintable() and not c.isalnum() and c != " ", "blank": lambda c: c in " \t",
    "cntrl": lambda c: ord(c) < 32 or ord(c) == 127, "print": str.isprintable,
    "graph": lambda c: c.isprintable() and c != " ", "w": lambda c: c == "_" or c.isalnum()}
_CLASSES: Final[dict[str, Accepts]] = {"d": _POSIX["digit"], "w": _POSIX["w"], "s": str.isspace}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


def matches(pattern: str, text: str, budget: Budget) -> bool:
    """Whether all of `text` is what `pattern` describes. Raises Fault when it asks for too much."""
    if len(pattern) > MAX_PATTERN:
        raise failed("Too long a pattern for 'match'.")
    budget.spend(len(pattern) // _PATTERN_A_STEP)
    try:
        steps = _Parser(pattern).parse()
    except _Invalid:
        return False
    if len(text) > MAX_TEXT:
        raise failed("Too long a text for 'match'.")
    budget.spend(len(steps) * (len(text) + 1) // _MOVES_A_STEP)
    places = _reached(steps, {0}, text, 0)
    for at, character in enumerate(text):
        taken = {place + 1 for place in places if _takes(steps, place, character)}
        if not taken:
            return False
        places = _reached(steps, taken, text, at + 1)
    return len(steps) in places


def _takes(steps: _Steps, place: int, character: str) -> bool:
    accepts = steps[place].accepts if place < len(steps) else None
    return accepts is not None and accepts(character)


def _reached(steps: _Steps, places: set[int], text: str, at: int) -> set[int]:
    """All places that can be reached from `places` without taking a character."""
    waiting, found = list(places), set(places)
    while waiting:
        place = waiting.pop()
        if place == len(steps):
            continue
        step = steps[place]
        if step.accepts is not None:
            continue
        forks = step.forks if not step.asserts else (1,) if _holds(step.asserts, text, at) else ()
        for fork in forks:
            if place + fork not in found:
                found.add(place + fork)
                waiting.append(place + fork)
    return found


def _holds(assertion: str, text: str, at: int) -> bool:
    if assertion == "^":
        return at == 0
    if assertion == "$":
        return at == len(text)
    is_word = _POSIX["w"]
    is_edge = (at > 0 and is_word(text[at - 1])) != (at < len(text) and is_word(text[at]))
    return is_edge == (assertion == "b")


class _Parser:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> _Steps:
        steps = self._choice(0)
        if self._at < len(self._pattern):
            raise _Invalid     # a closing parenthesis too many
        return steps

    def _peek(self) -> str:
        return self._pattern[self._at:self._at + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise _Invalid
        self._at += 1
        return character

    def _accept(self, text: str) -> bool:
        if not self._pattern.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _choice(self, depth: int) -> _Steps:
        steps = self._sequence(depth)
        while self._accept("|"):
            other = self._sequence(depth)
            steps = _bounded([_Step(forks=(1, len(steps) + 2)), *steps, _Step(forks=(len(other) + 1,)), *other])
        return steps

    def _sequence(self, depth: int) -> _Steps:
        steps: _Steps = []
        while self._peek() not in ("", "|", ")"):
            steps = _bounded(steps + self._repeated(self._atom(depth)))
        return steps

    def _repeated(self, steps: _Steps) -> _Steps:
        first = self._peek()
        if first not in ("*", "+", "?", "{"):
            return steps
        self._at += 1
        least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}.get(first) or self._bounds()
        self._accept("?")       # lazy or not, a whole text is matched or it is not
        if not steps:
            return steps
        if max(least, most) * (len(steps) + 1) > MAX_STEPS:
            raise failed("Too long a pattern for 'match'.")
        written = steps * least
        if most < 0:
            return [*written, _Step(forks=(1, len(steps) + 2)), *steps, _Step(forks=(-len(steps) - 1,))]
        for _ in range(most - least):
            written = [*written, _Step(forks=(1, len(steps) + 1)), *steps]
        return written

    def _bounds(self) -> tuple[int, int]:
        least = self._number()
        most = least
        if self._accept(","):
            most = -1 if self._peek() == "}" else self._number()
        if not self._accept("}") or -1 < most < least:
            raise _Invalid
        return least, most

    def _number(self) -> int:
        start = self._at
        while self._peek().isascii() and self._peek().isdigit():
            self._at += 1
        if not 0 < self._at - start <= 5:
            raise _Invalid
        return int(self._pattern[start:self._at])

    def _atom(self, depth: int) -> _Steps:
        first = self._take()
        if first == "(":
            return self._group(depth + 1)
        if first == "[":
            return [_Step(self._set())]
        if first == ".":
            return [_Step(lambda character: character not in "\n\r\u2028\u2029")]
        if first in "^$":
            return [_Step(asserts=first)]
        if first == "\\":
            return [self._escaped()]
        if first in "*+?{":
            raise _Invalid
        return [_Step(first.__eq__)]

    def _group(self, depth: int) -> _Steps:
        if depth > MAX_DEPTH:
            raise failed("Too deep a pattern for 'match'.")
        if self._accept("?="):
            raise failed("Look-ahead is not supported by 'match'.")
        if self._accept("?!"):
            raise failed("Look-ahead is not supported by 'match'.")
        self._accept("?:")
        steps = self._choice(depth)
        if not self._accept(")"):
            raise _Invalid
        return steps

    def _escaped(self) -> _Step:
        if self._peek() and self._peek() in "bB":
            return _Step(asserts=self._take())
        if self._peek() and self._peek() in "123456789":
            raise failed("Back references are not supported by 'match'.")
        meaning = self._escape()
        return _Step(meaning.__eq__ if isinstance(meaning, str) else meaning)

    def _escape(self) -> str | Accepts:
        """What follows a backslash: a class of characters, or one."""
        letter = self._take()
        accepts = _CLASSES.get(letter.lower())
        if accepts is not None:
            return accepts if letter.islower() else _none_of([accepts])
        if letter in "xu":
            digits = self._pattern[self._at:self._at + (2 if letter == "x" else 4)]
            self._at += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise _Invalid from None
        return _CONTROLS.get(letter, letter)

    def _set(self) -> Accepts:
        is_inverted = self._accept("^")
        members: list[Accepts] = []
        while not self._accept("]"):
            low = self._member()
            if not isinstance(low, str):
                members.append(low)
            elif self._peek() == "-" and self._pattern[self._at + 1:self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member()
                if not isinstance(high, str) or high < low:
                    raise _Invalid
                members.append(_between(low, high))
            else:
                members.append(low.__eq__)
        return _none_of(members) if is_inverted else _one_of(members)

    def _member(self) -> str | Accepts:
        first = self._take()
        if first == "[" and self._peek() == ":":
            end = self._pattern.find(":]", self._at + 1)
            accepts = _POSIX.get(self._pattern[self._at + 1:end]) if end > 0 else None
            if accepts is None:
                raise _Invalid
            self._at = end + 2
            return accepts
        return self._escape() if first == "\\" else first


def _bounded(steps: _Steps) -> _Steps:
    if len(steps) > MAX_STEPS:
        raise failed("Too long a pattern for 'match'.")
    return steps


def _between(low: str, high: str) -> Accepts:
    return lambda character: low <= character <= high


def _one_of(members: list[Accepts]) -> Accepts:
    return lambda character: any(accepts(character) for accepts in members)


def _none_of(members: list[Accepts]) -> Accepts:
    return lambda character: not any(accepts(character) for accepts in members)
