"""`log.*` and `file.append`: files that are told what happens.

Records of the engine go to the files of their level and of those above it, as rTorrent's do. Files are opened and
written by the commands of trusted callers only.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import FileIO, TextIOWrapper
from typing import Any, Final, TextIO

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.rules import Rules
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
MAX_NOTE: Final = 1 << 16              # bytes of a request or an answer
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


Job = Callable[[], None]


class LogFiles(logging.Handler):
    """Outputs by name, and which groups go to them. It takes records of any thread.

    Files belong to a thread that there is from the first of them on: whoever logs does not wait for disks. Once a group
    has an output, this is among the handlers of the process; `rules` tells requests as long as there is a file for
    them. `close` writes what is left and ends that.
    """

    def __init__(
        self, working: WorkingFolder, wall: Callable[[], float] = time.time, rules: Rules | None = None
    ) -> None:
        super().__init__()
        self._working = working
        self._wall = wall
        self._names: set[str] = set()                      # of outputs that are open
        self._rules = rules or Rules()
        self._is_listening = False
        self._jobs: Mailbox[Job] = Mailbox("rtorrent-log")
        self._writer: Worker[Job] | None = None
        # The rest belongs to the thread.
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
        if self._is_listening and self._jobs.depth < MAX_WAITING:
            line = f"{int(self._wall())} {_LETTERS.get(group, ' ')} {shown(text)[:MAX_LINE]}\n"
            self._jobs.post(partial(self._write_line, group, line))

    def note_program(self, words: Sequence[str], status: int) -> None:
        """That a program was run."""
        self._note("execute", f"{int(self._wall())} {shown(' '.join(words))} -> {status}\n")

    def note_request(self, data: bytes) -> None:
        """A request or an answer, as it was sent, the first of it where it is long. From any thread."""
        left_out = f"[{len(data) - MAX_NOTE} bytes more]\n" if len(data) > MAX_NOTE else ""
        self._note("rpc", f"{data[:MAX_NOTE].decode('utf-8', 'replace')}\n{left_out}---\n")

    def _note(self, kind: str, text: str) -> None:
        if self._writer is not None and self._jobs.depth < MAX_WAITING:
            self._jobs.post(partial(self._write_special, kind, text))

    def close(self) -> None:
        self._rules.note = None
        if self._is_listening:
            logging.getLogger().removeHandler(self)
            self._is_listening = False
        if self._writer is not None:
            self._jobs.post(self._close_all)
            self._writer.stop(CLOSE_S)
            self._writer = None
        super().close()

    # ---- the thread

    def _write_line(self, group: str, line: str) -> None:
        below = _CASCADE[_CASCADE.index(group):] if group in _CASCADE else (group,)
        for name in dict.fromkeys(name for word in below for name in self._groups.get(word, ())):
            _write(self._files[name], line)

    def _write_special(self, kind: str, line: str) -> None:
        if kind in self._special:
            _write(self._special[kind], line)

    def _put_file(self, name: str, file: TextIO) -> None:
        if name in self._files:
            self._files[name].close()
        self._files[name] = file

    def _put_special(self, kind: str, file: TextIO | None) -> None:
        if kind in self._special:
            self._special.pop(kind).close()
        if file is not None:
            self._special[kind] = file

    def _put_group(self, group: str, name: str) -> None:
        names = self._groups.setdefault(group, [])
        if name not in names:
            names.append(name)

    def _drop_file(self, name: str) -> None:
        for names in self._groups.values():
            if name in names:
                names.remove(name)
        self._files.pop(name).close()

    def _close_all(self) -> None:
        for file in (*self._files.values(), *self._special.values()):
            file.close()

    # ---- commands

    def _open(self, command_name: str, mode: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) < 2:
            raise failed("Invalid number of arguments.")
        name, path = to_text(args[0]), "".join(map(text_of, args[1:]))
        if command_name.endswith("_pid"):
            path = f"{path}.{os.getpid()}"
        if len(self._names) >= MAX_OUTPUTS and name not in self._names:
            raise failed("Too many log outputs.")
        is_packed = "gz" in command_name
        self._tell(partial(self._put_file, name, _open_file(self._working.full(path), mode, is_packed=is_packed)))
        self._names.add(name)
        return None

    def _add(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise failed("Invalid number of arguments.")
        group, name = map(to_text, args)
        require_word("log_group", group, LOG_GROUPS)
        if name not in self._names:
            raise failed("Log name not found.")
        self._tell(partial(self._put_group, group, name))
        if not self._is_listening:
            logging.getLogger().addHandler(self)
            self._is_listening = True
        return None

    def _close_output(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name in self._names:
            self._names.remove(name)
            self._tell(partial(self._drop_file, name))
        return None

    def _open_special(self, kind: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        path = one_text(args)
        file = _open_file(self._working.full(path), "a", is_packed=False) if path else None
        self._tell(partial(self._put_special, kind, file))
        if kind == "rpc":
            self._rules.note = self.note_request if file is not None else None
        return None

    def _tell(self, job: Job) -> None:
        if self._writer is None:
            self._writer = Worker("rtorrent-log", self._jobs, _do)
            self._writer.start()
        self._jobs.post(job)

    def _print(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Invalid number of arguments.")
        group = to_text(args[0])
        require_word("log_group", group, LOG_GROUPS)
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
        except OSError as error:
            raise failed(f"Could not append to file '{shown(path)}': {error.strerror}") from None
        except ValueError:
            raise failed(f"Could not append to file '{shown(path)}'.") from None
        return None


def _do(job: Job) -> None:
    job()


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
        raise failed(f"Could not open log file '{shown(path)}'.") from None
