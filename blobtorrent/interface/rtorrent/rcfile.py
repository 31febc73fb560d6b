"""Configuration files of rTorrent, a command a line: `import`, `try_import`, and reading them when the daemon starts.

A line ends where a newline follows no backslash, or an even number of them; a line that begins with `#` is a comment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault, failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, one_text, shown

MAX_LINE: Final = 4094              # bytes, joined ones together; a comment may be longer
MAX_FILE: Final = 4 << 20           # bytes
MAX_IMPORTS: Final = 16             # files that import each other
_STEPS_A_FILE: Final = 100          # opening one is as much work as so many commands


class RcFiles:
    """Reads configuration files. Owned by the thread that runs commands.

    A line that fails ends the file. Only while the daemon starts the others are run nevertheless, and `report` is told.
    """

    def __init__(self) -> None:
        self._report: Callable[[str], None] | None = None
        self._open = 0

    def commands(self) -> Iterator[Command]:
        for name, is_optional, doc in (
                ("import", False, "Runs the commands of a file, a line each."),
                ("try_import", True, "The same; that there is no such file is only logged.")):
            yield Command(name, Target.NONE, partial(self._import, is_optional), "none", doc=doc, category="language",
                          is_code=True)

    def start(self, context: Context, options: Sequence[str], path: Path | None, report: Callable[[str], None]) -> None:
        """Run the `options` that were given in words (KEY=VALUE, several with commas between; a value is a text as it
        stands), then the file at `path`.

        What fails is told to `report`, one line each, and the rest is run.
        """
        self._report = report
        try:
            for option in options:
                for word in option.split(","):
                    name, equals, value = word.partition("=")
                    if name and equals:
                        self._attempt(context, name, value, f"Option {word}", report)
                    else:
                        report(shown(f"Option {word}: it should be KEY=VALUE."))
            if path is not None:
                self._attempt(context, "import", str(path), f"Configuration {path}", report)
        finally:
            self._report = None

    def _attempt(self, context: Context, name: str, value: str, what: str, report: Callable[[str], None]) -> None:
        try:
            context.interpreter.call(context, name, [value])
        except Fault as fault:
            report(shown(f"{what}: {fault.text}"))

    def _import(self, is_optional: bool, context: Context, item: Any, args: Sequence[Value]) -> Value:
        path = one_text(args)
        try:
            data = _read(path)
        except OSError:
            if not is_optional:
                raise failed(f"Could not open option file: {path}") from None
            context.interpreter.log(shown(f"Could not read resource file: {path}"))
            return None
        context.budget.spend(_STEPS_A_FILE)
        if self._open >= MAX_IMPORTS:
            raise Fault(REFUSED, "Too many files that import each other.")
        self._open += 1
        try:
            self._run(context, path, data)
        finally:
            self._open -= 1
        return None

    def _run(self, context: Context, path: str, data: bytes) -> None:
        for number, line in logical_lines(data):
            try:
                if len(line) > MAX_LINE and not line.lstrip().startswith(b"#"):
                    raise failed("Exceeded max line length.")
                context.text(line.decode("utf-8", "surrogateescape"))
            except Fault as fault:
                text = f"Error in option file: {path}:{number}: {fault.text}"
                if self._report is None or fault.code == REFUSED:
                    raise Fault(fault.code, text) from None
                self._report(shown(text))


def logical_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, continued ones joined, each with the number of its last line in the file, from 1."""
    joined = b""
    for number, line in enumerate(data.split(b"\n"), 1):
        stripped = line.rstrip(b"\\")
        if (len(line) - len(stripped)) % 2:
            joined += stripped
            continue
        yield number, joined + line
        joined = b""


def _read(path: str) -> bytes:
    """The file at `path`, where `~` is the home folder. Raises OSError, for what is no file as well."""
    name = os.path.expanduser(path.encode("utf-8", "surrogateescape")) if "\0" not in path else b""
    if not stat.S_ISREG(os.stat(name).st_mode):
        raise OSError("not a file")
    with open(name, "rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError("too long a file")
    return data
