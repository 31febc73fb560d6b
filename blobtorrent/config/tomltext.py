"""TOML text: reading it, finding the line of a key in it, writing values."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from blobtorrent.model.errors import ConfigError

MAX_FILE_BYTES = 1 << 20

# A key of so many parts: the parser takes the square of their number in time and memory.
_DEEP_KEY = re.compile(r"""(?<![\w.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""")


def read_text(path: Path) -> str:
    """A file of settings. Raises FileNotFoundError, or ConfigError ("config.unreadable")."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError("config.unreadable", f"{path}: larger than {MAX_FILE_BYTES} bytes")
        return data.decode()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError("config.unreadable", f"{path}: {reason}") from None


def parse_document(text: str) -> dict[str, Any]:
    """Raises ValueError. The parser is loaded on first use: most runs have nothing to parse."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if _DEEP_KEY.search(text):
        raise ValueError("nested too deeply")
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def parse_value(text: str) -> Any:
    """One value without a key. Raises ValueError."""
    document = parse_document(f"value = {text}")
    if document.keys() != {"value"}:
        raise ValueError("more than one value")
    return document["value"]


def write_value(value: object) -> str:
    """A text, number, boolean, or list of them. JSON writes these as TOML does, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class KeyLines:
    """Where the keys of a file stand, when they are written plainly: `key = ...` below `[table]` or `[[tables]]`."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.partition("#")[0].strip()
            name = stripped.strip("[] \t")
            if stripped.startswith("[["):
                table = f"{name}.{counts.get(name, 0)}"
                counts[name] = counts.get(name, 0) + 1
                self._lines.setdefault(table, number)
            elif stripped.startswith("["):
                table = name
                self._lines.setdefault(table, number)
            elif "=" in stripped:
                key = stripped.partition("=")[0].strip().strip("\"'")
                self._lines.setdefault(f"{table}.{key}" if table else key, number)

    def place_of(self, key: str) -> str:
        """FILE:LINE of a dotted key (lists count from 0), else of the table around it; line 1 for other ways."""
        while key not in self._lines and "." in key:
            key = key.rpartition(".")[0]
        return f"{self._path}:{self._lines.get(key, 1)}"
