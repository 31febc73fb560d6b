"""`directory.watch.*`: folders whose new files a command is called for, with the path of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Trust
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import Value, to_text

CATEGORY: Final = "directory"
LOOK_S: Final = 2.0                    # between two looks at the folders
MAX_FOLDERS: Final = 64
MAX_FILES: Final = 10_000              # of a folder that are looked at

Stamp = tuple[int, int]                # of a file: its size, and when it was changed


class _Folder:
    """A folder, the files that were there at the last look, and those of them that are still to be told of."""

    def __init__(self, path: str, command_name: str) -> None:
        self.path = path
        self.command_name = command_name
        self.files = _files_of(path)
        self.waiting: set[str] = set()

    def look(self) -> list[str]:
        """Paths of new files that have not changed since the last look: somebody may be writing to others yet."""
        before, self.files = self.files, _files_of(self.path)
        self.waiting = {name for name in self.files if name not in before or name in self.waiting}
        ready = sorted(name for name in self.waiting if before.get(name) == self.files[name])
        self.waiting.difference_update(ready)
        return [os.path.join(self.path, name) for name in ready]


class Watching:
    """Owned by the interpreter's thread, which calls `run_due`. `now` is a clock that is never set back."""

    def __init__(self, now: Callable[[], float], working: WorkingFolder) -> None:
        self._working = working
        self._now = now
        self._folders: list[_Folder] = []
        self._next_s: float | None = None

    def commands(self) -> Iterator[Command]:
        for word in ("added", "ready"):
            yield command(f"directory.watch.{word}", self._watch,
                          "FOLDER, COMMAND: calls a command for each file that comes into a folder, when it is whole.",
                          category=CATEGORY, is_code=True)

    def _watch(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise failed("Too few arguments." if len(args) < 2 else "Too many arguments.")
        path, name = map(to_text, args)
        path = self._working.full(path)
        if not os.path.isdir(path):
            raise failed(f"Could not open directory: {path}")
        if len(self._folders) >= MAX_FOLDERS:
            raise failed("Too many watched directories.")
        self._folders.append(_Folder(path, name))
        if self._next_s is None:
            self._next_s = self._now() + LOOK_S
        return None

    def next_due_s(self) -> float | None:
        return self._next_s

    def run_due(self, interpreter: Interpreter) -> None:
        """Look, and call the commands. What fails is logged."""
        if self._next_s is None or self._now() < self._next_s:
            return
        self._next_s = self._now() + LOOK_S
        for folder in self._folders:
            for path in folder.look():
                try:
                    interpreter.call(interpreter.context(Trust.FULL), folder.command_name, [path])
                except Fault as fault:
                    interpreter.log(f"Command 'directory.watch.added' failed: {fault.text}")


def _files_of(path: str) -> dict[str, Stamp]:
    """The files of a folder by name; none where it is gone."""
    files: dict[str, Stamp] = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if len(files) >= MAX_FILES:
                    break
                if entry.is_file():
                    status = entry.stat()
                    files[entry.name] = status.st_size, status.st_mtime_ns
    except OSError:
        return files
    return files
