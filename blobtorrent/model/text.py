"""Foreign text made harmless for screens and logs: names in torrents, clients and trackers are written by strangers."""

from __future__ import annotations

import unicodedata

MAX_TEXT = 512                         # characters of foreign text in one place

_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def clean(text: str, limit: int = MAX_TEXT) -> str:
    r"""One line without control, bidirectional or unassigned characters, at most `limit` characters long.

    What is escaped becomes \xNN, \uNNNN or \UNNNNNNNN; what is cut ends in an ellipsis.
    """
    if text.isascii() and text.isprintable():
        harmless = text
    else:
        harmless = "".join(map(_escape, text[: limit + 1]))
    return harmless if len(harmless) <= limit else harmless[: limit - 1] + "…"


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
