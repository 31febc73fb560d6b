"""Whether another program runs on a session folder, where it keeps no lock that says so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")


class Habits(NamedTuple):
    """How a program is known, and how it is told where to keep its session.

    `names` begin the names of its processes, `options` precede the path of its folder on the command line, `variable`
    has it in the environment. Without either it is below the home of its user.
    """

    names: tuple[str, ...]
    options: tuple[str, ...]
    variable: str = ""


def using_process(habits: Habits, folder: Path) -> int | None:
    """The id of a process of this program that uses the session in `folder`, as far as we may look at it."""
    place = folder.resolve()
    for process in _processes(habits.names):
        base = _base_of(process, habits)
        if base is not None and place.is_relative_to(base):
            return int(process.name)
    return None


def _processes(names: Sequence[str]) -> Iterator[Path]:
    for process in PROCESSES.iterdir():
        if process.name.isdigit():
            try:
                name = (process / "comm").read_text(errors="replace")
            except OSError:            # it has ended
                continue
            if name.startswith(tuple(names)):
                yield process


def _base_of(process: Path, habits: Habits) -> Path | None:
    """The folder in which a process has its session; None when it has ended, or belongs to somebody else."""
    try:
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
        settings = dict(_setting(entry) for entry in (process / "environ").read_bytes().split(b"\0"))
        started_in = (process / "cwd").resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    told = _option(words, habits.options) or settings.get(habits.variable) or settings.get("HOME")
    return (started_in / told).resolve() if told else None


def _option(words: Sequence[str], options: Sequence[str]) -> str:
    for number, word in enumerate(words):
        name, _, value = word.partition("=")
        if name in options:
            return value or (words[number + 1] if number + 1 < len(words) else "")
    return ""


def _setting(entry: bytes) -> tuple[str, str]:
    name, _, value = os.fsdecode(entry).partition("=")
    return name, value
