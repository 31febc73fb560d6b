"""Logging that never waits for its sink: records go by mailbox to the thread `log`, which formats and writes them.

Messages are constant strings, what varies are fields: `log.info("piece spoiled", torrent=..., piece=..., code=...)`.
Fields and messages may hold strangers' words, so each is masked for secrets, escaped for screens and cut in length.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TextIO

from blobtorrent.model.text import clean
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.redact import redact
from blobtorrent.runtime.worker import Worker

BACKLOG = 10_000                       # records waiting for a sink that does not keep up; more are dropped and counted

FORMATS = ("text", "json", "journal")

if TYPE_CHECKING:
    _LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    _LoggerAdapter = logging.LoggerAdapter      # not subscriptable before 3.11


class FieldLogger(_LoggerAdapter):
    """A logger whose keyword arguments become fields; `bind` makes one that always adds some."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object] | None = None) -> None:
        super().__init__(logger, fields or {})

    def bind(self, **fields: object) -> FieldLogger:
        return FieldLogger(self.logger, {**(self.extra or {}), **fields})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        passed_on = {name: kwargs.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in kwargs}
        passed_on["extra"] = {"fields": {**(self.extra or {}), **kwargs}}
        return msg, passed_on


def get_logger(name: str) -> FieldLogger:
    """The logger of a module: `log = get_logger(__name__)`."""
    return FieldLogger(logging.getLogger(name))


class TextFormatter(logging.Formatter):
    """`2024-05-01T12:00:00.123Z INFO blobtorrent.x: message key=value`, one line; a traceback follows, indented.

    With `for_journal` the time is left out and a priority stands in front (sd-daemon), since the journal keeps both.
    """

    _PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def __init__(self, *, for_journal: bool = False) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        words = [f"{record.levelname} {record.name}: {safe(record.getMessage())}"]
        words += [f"{name}={_quoted(safe(value))}" for name, value in fields_of(record).items()]
        head = " ".join(words)
        lines = [head, *(f"    {safe(line)}" for line in traceback_of(record))]
        if self._for_journal:
            priority = next((number for level, number in self._PRIORITIES if record.levelno >= level), 7)
            return "\n".join(f"<{priority}>{line}" for line in lines)
        return "\n".join([f"{_timestamp(record)} {lines[0]}", *lines[1:]])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time, level, logger, thread, message`, the fields, `traceback` (a list of lines)."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {name: _json_value(value) for name, value in fields_of(record).items()}
        entry |= {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": safe(record.getMessage()),
        }
        lines = traceback_of(record)
        if lines:
            entry["traceback"] = [safe(line) for line in lines]
        return json.dumps(entry)


class QueueHandler(logging.Handler):
    """Hands records to the log thread; what points into the caller's objects becomes text before they change."""

    def __init__(self, mailbox: Mailbox[logging.LogRecord]) -> None:
        super().__init__()
        self.mailbox = mailbox
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self.mailbox.depth >= BACKLOG:
            self.dropped += 1
            return
        record.msg, record.args = record.getMessage(), None
        record.__dict__["fields"] = {
            name: value if isinstance(value, (bool, int, float)) else str(value)
            for name, value in fields_of(record).items()
        }
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        self.mailbox.post(record)


class QueuedLogging:
    """The log thread with its sink; between `start` and `stop` all logging of the process goes through it."""

    def __init__(self, stream: TextIO | None = None, *, style: str = "text", level: int = logging.INFO) -> None:
        """`style` is one of FORMATS; `stream` defaults to stderr. Raises ValueError for another style."""
        if style not in FORMATS:
            raise ValueError(f"log style {style!r} is none of {', '.join(FORMATS)}")
        self._stream = sys.stderr if stream is None else stream
        self._level = level
        self._formatter = JsonFormatter() if style == "json" else TextFormatter(for_journal=style == "journal")
        self._mailbox: Mailbox[logging.LogRecord] = Mailbox("log")
        self._handler = QueueHandler(self._mailbox)
        self._worker = Worker("log", self._mailbox, self._write)
        self._reported_drops = 0
        self._replaced: tuple[list[logging.Handler], int] = ([], logging.WARNING)

    def start(self) -> None:
        root = logging.getLogger()
        self._replaced = (root.handlers[:], root.level)
        root.handlers[:] = [self._handler]
        root.setLevel(self._level)
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what is waiting; logging is again as it was before. True when all was written within the time."""
        root = logging.getLogger()
        root.handlers[:] = self._replaced[0]
        root.setLevel(self._replaced[1])
        return self._worker.stop(timeout_s)

    def _write(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        try:
            self._stream.write(text + "\n")
            dropped = self._handler.dropped
            if dropped != self._reported_drops:
                self._stream.write(f"WARNING {__name__}: {dropped - self._reported_drops} log records dropped\n")
                self._reported_drops = dropped
            self._stream.flush()
        except (OSError, ValueError):      # a broken or closed sink: there is nobody left to tell
            return


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """The fields of a record; empty for one of a plain logger."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def traceback_of(record: logging.LogRecord) -> list[str]:
    """The lines of a record's traceback, if it has one."""
    if not record.exc_text and record.exc_info:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    return record.exc_text.splitlines() if record.exc_text else []


def safe(value: object) -> str:
    """Any value as text fit for a log: secrets masked, control characters escaped, at most 512 characters."""
    return clean(redact(str(value)))


def _quoted(text: str) -> str:
    if text and not set(text) & set(' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _json_value(value: object) -> object:
    return value if isinstance(value, (bool, int, float)) else safe(value)


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"
