"""Short ways to make the commands of this package, and who may call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.registry import Command, Run
from blobtorrent.interface.rtorrent.session.safe import SAFE
from blobtorrent.interface.rtorrent.values import Value

Answer = Callable[[], Value]


def command(
    name: str, run: Run, doc: str, *, returns: str = "none", category: str, target: Target = Target.NONE,
    is_neutral: bool = False, is_code: bool = False, is_public: bool = True,
) -> Command:
    """A command of the session, marked as safe when rTorrent does so."""
    return Command(name, target, run, returns, name in SAFE, is_neutral, doc, category, is_code, is_public)


def getter(
    name: str, answer: Answer, doc: str, *, returns: str = "i8", category: str, is_neutral: bool = False
) -> Command:
    """A command that takes nothing; what it is given is passed over, as rTorrent does."""
    return command(name, partial(_answer, answer), doc, returns=returns, category=category, is_neutral=is_neutral)


def _answer(answer: Answer, _context: Context, _item: Any, _args: Sequence[Value]) -> Value:
    return answer()
