"""Log records as text: a line for people, or a JSON object a line.

Fields and messages may hold strangers' words, so each is masked for secrets, escaped for screens and cut in length.
"""

from __future__ import annotations

import json
import logging
import time

from blobtorrent.model.text import clean
from blobtorrent.runtime.redact import redact

MAX_LOOKED_AT = 64 << 10               # characters of one value; of these 512 are told
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class TextFormatter(logging.Formatter):
    """`2024-05-01T12:00:00.123Z INFO blobtorrent.x: message key=value`, one line; a traceback follows, indented.

    With `for_journal` the time is left out and a priority stands in front (sd-daemon), since the journal keeps both.
    """

    def __init__(self, *, for_journal: bool = False) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{record.levelname} {record.name}: {summary(record)}", *indented_traceback(record)]
        if self._for_journal:
            return "\n".join(f"<{priority_of(record)}>{line}" for line in lines)
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


def summary(record: logging.LogRecord) -> str:
    """The message with its fields, `message key=value`, safe and on one line."""
    words = [safe(record.getMessage())]
    words += [f"{name}={_quoted(safe(value))}" for name, value in fields_of(record).items()]
    return " ".join(words)


def indented_traceback(record: logging.LogRecord) -> list[str]:
    """The safe lines of a record's traceback, indented; none without one."""
    return [f"    {safe(line)}" for line in traceback_of(record)]


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """The fields of a record; empty for one of a plain logger."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def traceback_of(record: logging.LogRecord) -> list[str]:
    """The lines of a record's traceback, if it has one."""
    if not record.exc_text and record.exc_info:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    return record.exc_text.splitlines() if record.exc_text else []


def priority_of(record: logging.LogRecord) -> int:
    """The priority of syslog: 2 critical, 3 error, 4 warning, 6 informational, 7 debug."""
    return next((number for level, number in _PRIORITIES if record.levelno >= level), 7)


def safe(value: object) -> str:
    """Any value as text fit for a log: secrets masked, control characters escaped, at most 512 characters."""
    return clean(redact(str(value)[:MAX_LOOKED_AT]))


def _quoted(text: str) -> str:
    if text and not set(text) & set(' "='):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json_value(value: object) -> object:
    return value if isinstance(value, (bool, int, float)) else safe(value)


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"
