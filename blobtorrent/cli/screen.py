"""Screen: what the commands print on stdout for people, as wide and as colourful as stdout allows."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence

from blobtorrent.cli.paint import Cell, Painter, Style, painter_for
from blobtorrent.cli.progress import charset_for
from blobtorrent.cli.table import Column, table


class Screen:
    """Stdout of a command that has the options of `color_options`."""

    def __init__(self, args: Namespace) -> None:
        self.paint: Painter = painter_for(args.color, sys.stdout)
        self.chars = charset_for(sys.stdout.encoding)
        # A pipe has no width: whoever reads it gets every column, and texts as long as they are.
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]]) -> None:
        for line in table(columns, rows, width=self._width, paint=self.paint, chars=self.chars):
            print(line)

    def facts(self, facts: Iterable[tuple[str, str | Cell]]) -> None:
        """Names and values, one below the other; a fact without a value is left out."""
        told = [(name, value if isinstance(value, Cell) else Cell(value)) for name, value in facts]
        told = [(name, value) for name, value in told if value.text]
        width = max((len(name) for name, _ in told), default=0) + 1
        for name, value in told:
            label = f"{name + ':':{width}}"
            print(f"{self.paint(label, Style.FAINT)} {self.paint(value.text, value.style)}")
