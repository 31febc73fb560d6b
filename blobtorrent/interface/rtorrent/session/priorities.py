"""`file.prioritize_toc.*`: patterns of files whose ends are wanted first.

The handlers of `event.download.inserted` go by them, as rTorrent's own do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.variables import Kind, read_argument
from blobtorrent.interface.rtorrent.values import Value, one_text

CATEGORY: Final = "file"


class FilePatterns:
    """Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._patterns: dict[str, list[Value]] = {"first": ["*.avi", "*.mp4", "*.mkv", "*.gz"], "last": ["*.zip"]}

    def commands(self) -> Iterator[Command]:
        for end in self._patterns:
            name = f"file.prioritize_toc.{end}"
            yield command(name, partial(self._read, end), f"Patterns of files whose {end} pieces are preferred.",
                          returns="array", category=CATEGORY)
            yield command(f"{name}.set", partial(self._write, end), f"PATTERN...: sets {name}.", returns="array",
                          category=CATEGORY)
            yield command(f"{name}.push_back", partial(self._add, end), f"PATTERN: adds to {name}.", category=CATEGORY)

    def _read(self, end: str, _context: Context, _item: Any, _args: Sequence[Value]) -> Value:
        return list(self._patterns[end])

    def _write(self, end: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        patterns = read_argument(Kind.LIST, args)
        self._patterns[end] = patterns if isinstance(patterns, list) else []
        return list(self._patterns[end])

    def _add(self, end: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._write(end, _context, _item, [*self._patterns[end], one_text(args)])
        return None
