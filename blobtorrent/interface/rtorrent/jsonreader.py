"""Reading large JSON a little at a time: what Python has reads a document at once, and no other thread runs meanwhile.

Whatever fits into a window is read as ever; only what is larger - lists, maps and texts of megabytes - is taken apart
here. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from blobtorrent.runtime.pacing import Pace

WINDOW_CHARS: Final = 4 << 10          # that are read at once: some tens of microseconds
SLICE_CHARS: Final = 32 << 10          # of a long text
MAX_DEPTH: Final = 72                  # lists and maps in each other, a few more than requests may have

_WORD_CHARS: Final = 4 << 10           # of a number; what follows is no number any more
_BLANKS = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"[-+.0-9A-Za-z]*")
# As much of a text as can be read by itself: neither an escape nor a pair of them is cut.
_WHOLE = re.compile(
    r'(?:[^"\\]+|\\[^u]'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u(?:[^dD][\s\S]|[dD][^c-fC-F])))*"
)


def decoded(body: bytes) -> str:
    """The text of a body. Raises UnicodeDecodeError."""
    pace = Pace()
    parts: list[str] = []
    start = 0
    while start < len(body):
        end = min(len(body), start + SLICE_CHARS)
        while end < len(body) and end > start + 1 and body[end] & 0xC0 == 0x80:      # inside of a character
            end -= 1
        try:
            parts.append(body[start:end].decode())
        except UnicodeDecodeError as error:
            raise UnicodeDecodeError(
                error.encoding, body, start + error.start, start + error.end, error.reason) from None
        start = end
        pace.look()
    return "".join(parts)


def skip_blanks(text: str, position: int) -> int:
    """Where something else begins, or the end."""
    while True:
        found = _BLANKS.match(text, position, position + SLICE_CHARS)
        end = position if found is None else found.end()
        if end < position + SLICE_CHARS:
            return end
        position = end


class JsonReader:
    """Values of one text, read by `decoder`."""

    def __init__(self, text: str, decoder: json.JSONDecoder) -> None:
        self._text = text
        self._decoder = decoder
        self._pace = Pace()

    def value(self, position: int, depth: int = 0) -> tuple[Any, int]:
        """The value at `position`, and where it ends. Raises ValueError, RecursionError."""
        window = self._text[position:position + WINDOW_CHARS]
        is_rest = position + len(window) == len(self._text)
        try:
            value, end = self._decoder.raw_decode(window)
            if is_rest or end < len(window):               # else it may go on behind the window
                return value, position + end
        except (ValueError, RecursionError):
            if depth > MAX_DEPTH:
                raise RecursionError from None
        self._pace.look()
        first = window[:1]
        if first == '"':
            return self._string(position)
        if first == "[":
            return self._list(position + 1, depth + 1)
        if first == "{":
            return self._map(position + 1, depth + 1)
        return self._word(position)

    def _list(self, position: int, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        position = skip_blanks(self._text, position)
        if self._text.startswith("]", position):
            return items, position + 1
        while True:
            together, position = self._several(position)
            items += together
            item, position = self.value(position, depth)
            items.append(item)
            position = skip_blanks(self._text, position)
            if self._text.startswith("]", position):
                return items, position + 1
            position = self._behind(",", position)
            self._pace.look()

    def _several(self, position: int) -> tuple[list[Any], int]:
        """Elements of a list that fit into a window with the commas behind them, none if that cannot be told, and where
        the next one begins."""
        window = self._text[position:position + WINDOW_CHARS]
        cut = window.rfind(",")
        if cut > 0:
            try:
                items, end = self._decoder.raw_decode(f"[{window[:cut]}]")
            except (ValueError, RecursionError):
                return [], position
            if items and end == cut + 2:                   # what is cut in two is no list
                return items, skip_blanks(self._text, position + cut + 1)
        return [], position

    def _map(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        position = skip_blanks(self._text, position)
        if self._text.startswith("}", position):
            return members, position + 1
        while True:
            if not self._text.startswith('"', position):
                raise json.JSONDecodeError(
                    "Expecting property name enclosed in double quotes", self._text, position)
            name, position = self.value(position, depth)
            position = self._behind(":", skip_blanks(self._text, position))
            members[name], position = self.value(position, depth)
            position = skip_blanks(self._text, position)
            if self._text.startswith("}", position):
                return members, position + 1
            position = self._behind(",", position)
            self._pace.look()

    def _behind(self, delimiter: str, position: int) -> int:
        """Where the next value or name is."""
        if not self._text.startswith(delimiter, position):
            raise json.JSONDecodeError(f"Expecting '{delimiter}' delimiter", self._text, position)
        return skip_blanks(self._text, position + 1)

    def _string(self, begin: int) -> tuple[str, int]:
        parts: list[str] = []
        position = begin + 1
        while True:
            found = _WHOLE.match(self._text, position, position + SLICE_CHARS)
            end = position if found is None else found.end()
            if end == position:
                break
            try:
                parts.append(self._decoder.raw_decode(f'"{self._text[position:end]}"')[0])
            except json.JSONDecodeError as error:
                raise json.JSONDecodeError(error.msg, self._text, position + error.pos - 1) from None
            position = end
            self._pace.look()
        if self._text.startswith('"', position):
            return "".join(parts), position + 1
        if position == len(self._text):
            raise json.JSONDecodeError("Unterminated string starting at", self._text, begin)
        raise json.JSONDecodeError("Invalid \\escape", self._text, position)

    def _word(self, position: int) -> tuple[Any, int]:
        """A number, or one of the words that are values; or nothing that is one."""
        found = _WORD.match(self._text, position, position + _WORD_CHARS)
        end = position if found is None else found.end()
        try:
            value, length = self._decoder.raw_decode(self._text[position:end])
        except json.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, self._text, position + error.pos) from None
        return value, position + length
