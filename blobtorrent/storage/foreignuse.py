"""Whether another program runs on a session folder, where it keeps no lock that says so."""

from __future__ import annotations

import fcntl
import os
import pwd
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")

_RECORD_LOCK = struct.Struct("@hhqqi0q")                   # struct flock: type, whence, start, length, process


class Habits(NamedTuple):
    """How a program is known, and how it is told where to keep its session.

    `names` begin the names of its processes, `options` precede the path of its folder on the command line, `variable`
    has it in the environment. Without either it is below the home of its user.
    """

    names: tuple[str, ...]
    options: tuple[str, ...]
    variable: str = ""


def using_process(habits: Habits, folder: Path) -> int | None:
    """The id of a process of this program that uses the session in `folder`, as far as we may look at it.

    In a container it may have that under another path.
    """
    place = folder.resolve()
    for process in _processes(habits.names):
        base = _base_of(process, habits)
        if base is not None and (place.is_relative_to(base) or _is_below(place, process / "root", base)):
            return int(process.name)
    return None


def lock_holder(file: Path) -> int | None:
    """The id of the process that holds a record lock on a file; 0 for one that has no id here, None for nobody."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        wanted = _RECORD_LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        state, _, _, _, number = _RECORD_LOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
    except OSError:                    # its filesystem has no locks
        return None
    finally:
        os.close(descriptor)
    return None if state == fcntl.F_UNLCK else max(number, 0)


def _processes(names: Sequence[str]) -> Iterator[Path]:
    for process in PROCESSES.iterdir():
        if process.name.isdigit():
            try:
                name = (process / "comm").read_text(errors="replace")
            except OSError:            # it has ended
                continue
            if name.removeprefix(".").startswith(tuple(names)):    # NixOS wraps PROGRAM around .PROGRAM-wrapped
                yield process


def _base_of(process: Path, habits: Habits) -> Path | None:
    """The folder in which a process has its session, as it knows it; None when it has ended.

    Of somebody else's we see the command line only, and take the home of its user.
    """
    try:
        words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
        told = _option(words, habits.options)
        try:
            settings = dict(_setting(entry) for entry in (process / "environ").read_bytes().split(b"\0"))
            started_in = (process / "cwd").resolve(strict=True)
        except PermissionError:
            settings, started_in = {"HOME": pwd.getpwuid(process.stat().st_uid).pw_dir}, None
    except (OSError, RuntimeError, KeyError):
        return None
    told = told or settings.get(habits.variable, "") or settings.get("HOME", "")
    if not told or started_in is None and not os.path.isabs(told):
        return None
    return Path(os.path.normpath(told if started_in is None else started_in / told)).resolve()


def _is_below(place: Path, root: Path, base: Path) -> bool:
    """Whether a folder is below what is called `base` in another root: the same folders, whatever their paths."""
    with suppress(OSError):
        found = os.stat(root / base.relative_to("/"))
        return any(os.path.samestat(found, folder.stat()) for folder in (place, *place.parents))
    return False


def _option(words: Sequence[str], options: Sequence[str]) -> str:
    for number, word in enumerate(words):
        name, _, value = word.partition("=")
        if name in options:
            return value or (words[number + 1] if number + 1 < len(words) else "")
    return ""


def _setting(entry: bytes) -> tuple[str, str]:
    name, _, value = os.fsdecode(entry).partition("=")
    return name, value
