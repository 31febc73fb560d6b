"""What the commands print, and the exit statuses they end with.

Names in torrents, peers' client names and trackers' texts are written by strangers: whatever of it reaches a terminal
goes through `clean` first. JSON needs no cleaning: it escapes by itself.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import Any

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 3
EXIT_BAD_PIECES = 4
EXIT_CONFIG = 78                       # EX_CONFIG of sysexits.h

MAX_TEXT = 512                         # characters of foreign text on one line

_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def clean(text: str, limit: int = MAX_TEXT) -> str:
    r"""Foreign text made harmless for a terminal: one line, no control or bidirectional characters, at most `limit` long.

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


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout, flushed: a reader at the other end of a pipe waits for whole lines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def fail(code: str, message: str, as_json: bool, status: int = EXIT_FAILED) -> int:
    """Tell an error: one clean line on stderr, with `as_json` also the object on stdout. Returns the exit status."""
    print(f"blobtorrent: {clean(message)} ({clean(code)})", file=sys.stderr)
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    return status
