"""`log.*` and `file.append`: files that are told what happens.

Records of the engine go to the files of their level and of those above it, as rTorrent's do. Files are opened and
written by the commands of trusted callers only.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import FileIO, TextIOWrapper
from typing import Any, Final, TextIO

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.words import LOG_GROUPS, require_word
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import Value, joined, one_text, shown, text_of, to_text
from blobtorrent.runtime.logformat import fields_of, summary
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

CATEGORY: Final = "log"
MAX_OUTPUTS: Final = 64
MAX_WAITING: Final = 1000              # lines that are not written yet
CLOSE_S: Final = 2.0                   # for those at the end
MAX_LINE: Final = 1023                 # characters, as rTorrent cuts them
_LETTERS: Final = {"critical": "C", "error": "E", "warn": "W", "notice": "N", "info": "I", "debug": "D"}
_CASCADE: Final = tuple(_LETTERS)      # what is written for one is for those behind it, too
_OF_LEVEL: Final = ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warn"),
                    (logging.INFO, "info"))
_OPENING: Final = (
    ("log.open_file", "w", "Opens a file to write to."),
    ("log.open_file.flush", "w", "The same."),
    ("log.open_file_pid", "w", "The same; the process id is added to its name."),
    ("log.append_file", "a", "Opens a file to write to its end."),
    ("log.append_file.flush", "a", "The same."),
    ("log.open_gz_file", "w", "Opens a file to write to, packed."),
    ("log.open_gz_file_pid", "w", "The same; the process id is added to its name."),
    ("log.append_gz_file", "a", "Opens a file to write to its end, packed."),
)


Line = tuple[str, str]                 # a group, and what is written for it


class LogFiles(logging.Handler):
    """Outputs by name, and which groups go to them. It takes records of any thread.

    Once a group has an output it is among the handlers of the process, and has a thread that writes: whoever logs
    does not wait for files. `close` writes what is left, takes it off and closes all files.
    """

    def __init__(self, working: WorkingFolder, wall: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._working = working
        self._wall = wall
        self._lines: Mailbox[Line] = Mailbox("rtorrent-log")
        self._writer: Worker[Line] | None = None
        self._guard = threading.Lock()                     # of the three below
        self._files: dict[str, TextIO] = {}
        self._groups: dict[str, list[str]] = {}
        self._special: dict[str, TextIO] = {}              # "execute" and "rpc"

    def commands(self) -> Iterator[Command]:
        for name, mode, doc in _OPENING:
            yield command(name, partial(self._open, name, mode), f"OUTPUT, PATH: {doc}", category=CATEGORY,
                          is_code=True)
        yield command("log.add_output", self._add, "GROUP, OUTPUT: has records of a group written to an output.",
                      category=CATEGORY, is_code=True)
        yield command("log.close", self._close_output, "OUTPUT: closes it.", category=CATEGORY, is_code=True)
        yield command("log.execute", partial(self._open_special, "execute"),
                      "PATH: has programs that are run noted in a file; empty: no more.", category=CATEGORY,
                      is_code=True)
        for name in ("log.xmlrpc", "log.rpc"):
            yield command(name, partial(self._open_special, "rpc"),
                          "PATH: has requests and answers noted in a file; empty: no more.", category=CATEGORY,
                          is_code=True)
        yield command("log.print", self._print, "GROUP, TEXT...: writes a line for a group.", category=CATEGORY)
        yield command("log.vmmap.dump", lambda _context, _item, _args: None, "PATH: does nothing.", category=CATEGORY,
                      is_neutral=True)
        yield command("file.append", self._append, "PATH, TEXT...: writes a line to the end of a file.",
                      category="file", is_code=True)

    # ---- what is written

    def emit(self, record: logging.LogRecord) -> None:
        level = next((word for least, word in _OF_LEVEL if record.levelno >= least), "debug")
        fields = fields_of(record)
        text = fields.get("text")      # of `print`
        self.write(level, str(text) if len(fields) == 1 and text is not None else summary(record))

    def write(self, group: str, text: str) -> None:
        """A line for a group. From any thread; what does not get written in time is dropped."""
        if self._writer is not None and self._lines.depth < MAX_WAITING:
            line = f"{int(self._wall())} {_LETTERS.get(group, ' ')} {shown(text)[:MAX_LINE]}\n"
            self._lines.post((group, line))

    def _write_line(self, message: Line) -> None:
        group, line = message
        below = _CASCADE[_CASCADE.index(group):] if group in _CASCADE else (group,)
        with self._guard:
            names = dict.fromkeys(name for word in below for name in self._groups.get(word, ()))
            for name in names:
                if name in self._files:
                    _write(self._files[name], line)

    def note_program(self, words: Sequence[str], status: int) -> None:
        """That a program was run. From any thread."""
        self._note("execute", f"{shown(' '.join(words))} -> {status}")

    def note_request(self, text: str) -> None:
        """A request or an answer. From any thread."""
        self._note("rpc", text)

    def _note(self, kind: str, text: str) -> None:
        with self._guard:
            if kind in self._special:
                _write(self._special[kind], f"{int(self._wall())} {text}\n")

    def close(self) -> None:
        if self._writer is not None:
            logging.getLogger().removeHandler(self)
            self._writer.stop(CLOSE_S)
            self._writer = None
        with self._guard:
            for file in (*self._files.values(), *self._special.values()):
                file.close()
            self._files.clear()
            self._special.clear()
        super().close()

    # ---- commands

    def _open(self, command_name: str, mode: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) < 2:
            raise failed("Invalid number of arguments.")
        name, path = to_text(args[0]), "".join(map(text_of, args[1:]))
        if command_name.endswith("_pid"):
            path = f"{path}.{os.getpid()}"
        if len(self._files) >= MAX_OUTPUTS and name not in self._files:
            raise failed("Too many log outputs.")
        file = _open_file(self._working.full(path), mode, is_packed="gz" in command_name)
        with self._guard:
            old = self._files.pop(name, None)
            self._files[name] = file
        if old is not None:
            old.close()
        return None

    def _add(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise failed("Invalid number of arguments.")
        group, name = map(to_text, args)
        require_word(group, LOG_GROUPS)
        with self._guard:
            if name not in self._files:
                raise failed("Log name not found.")
            names = self._groups.setdefault(group, [])
            if name not in names:
                names.append(name)
        if self._writer is None:
            self._writer = Worker("rtorrent-log", self._lines, self._write_line)
            self._writer.start()
            logging.getLogger().addHandler(self)
        return None

    def _close_output(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        with self._guard:
            file = self._files.pop(name, None)
            for names in self._groups.values():
                if name in names:
                    names.remove(name)
        if file is not None:
            file.close()
        return None

    def _open_special(self, kind: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        path = one_text(args)
        file = _open_file(self._working.full(path), "a", is_packed=False) if path else None
        with self._guard:
            old = self._special.pop(kind, None)
            if file is not None:
                self._special[kind] = file
        if old is not None:
            old.close()
        return None

    def _print(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Invalid number of arguments.")
        group = to_text(args[0])
        require_word(group, LOG_GROUPS)
        self.write(group, joined(args[1:]))
        return None

    def _append(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Invalid number of arguments.")
        path = self._working.full(to_text(args[0]))
        line = " ".join(map(text_of, args[1:]))
        try:
            with open(path, "ab") as file:
                file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        except (OSError, ValueError):
            raise failed(f"Could not append to file: {shown(path)}") from None
        return None


def _write(file: TextIO, line: str) -> None:
    """A full disk costs lines of the log, and nothing else."""
    try:
        file.write(line)
        file.flush()
    except OSError:
        return


def _open_file(path: str, mode: str, *, is_packed: bool) -> TextIO:
    """Raises Fault."""
    try:
        if is_packed:
            import gzip  # seldom wanted

            return TextIOWrapper(gzip.GzipFile(path, f"{mode}b"), encoding="utf-8")
        return TextIOWrapper(FileIO(path, mode), encoding="utf-8", write_through=True)
    except (OSError, ValueError):
        raise failed(f"Could not open log file: {shown(path)}") from None
