"""Paint: colours on terminals, where people want them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, TextIO

RESET = "\x1b[0m"


class Style(Enum):
    """What a text means; the values are the codes of terminals (ECMA-48) for how it looks."""

    PLAIN = ""
    TITLE = "1"                        # bold
    GOOD = "32"                        # green
    BUSY = "36"                        # cyan
    WAITING = "33"                     # yellow
    BAD = "31"                         # red
    FAINT = "2"


class Cell(NamedTuple):
    """Text that a terminal may be given, and what it means."""

    text: str
    style: Style = Style.PLAIN


STATE_STYLES: Mapping[str, Style] = {
    "downloading": Style.BUSY, "metadata": Style.BUSY, "seeding": Style.GOOD, "checking": Style.WAITING,
    "moving": Style.WAITING, "queued": Style.WAITING, "stopped": Style.FAINT, "error": Style.BAD,
}


class Painter:
    """Puts colours around texts, or leaves them as they are."""

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on

    def __call__(self, text: str, style: Style) -> str:
        return f"\x1b[{style.value}m{text}{RESET}" if self.is_on and style.value and text else text


def color_options() -> argparse.ArgumentParser:
    """The option --color, as a parent parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", metavar="WHEN",
                        help="auto (on a terminal, unless NO_COLOR is set), always or never")
    return parser


def painter_for(when: str, out: TextIO, environ: Mapping[str, str] = os.environ) -> Painter:
    """The painter for what --color says and where the text goes (no-color.org)."""
    if when != "auto":
        return Painter(when == "always")
    return Painter(out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb")
