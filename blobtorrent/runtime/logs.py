"""Logging that never waits for its sink: records go by mailbox to the thread `log`, which formats and writes them.

Messages are constant strings, what varies are fields: `log.info("piece spoiled", torrent=..., piece=..., code=...)`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from blobtorrent.runtime.logformat import TextFormatter, fields_of
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.sinks import Sink, StreamSink
from blobtorrent.runtime.worker import Worker

BACKLOG = 10_000                       # records waiting for a sink that does not keep up; more are dropped and counted

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


class QueueHandler(logging.Handler):
    """Hands records to the log thread; what points into the caller's objects becomes text before they change."""

    def __init__(self, mailbox: Mailbox[Any]) -> None:
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


class _Reopen:
    """Asks the log thread to reopen its sink."""


class QueuedLogging:
    """The log thread with its sink; between `start` and `stop` all logging of the process goes through it."""

    def __init__(self, sink: Sink | None = None, *, level: int = logging.INFO) -> None:
        """The sink becomes the log thread's, which closes it; the default is text on stderr."""
        self._sink = StreamSink(sys.stderr, TextFormatter()) if sink is None else sink
        self._level = level
        self._mailbox: Mailbox[logging.LogRecord | _Reopen] = Mailbox("log")
        self._handler = QueueHandler(self._mailbox)
        self._worker = Worker("log", self._mailbox, self._on_message)
        self._reported_drops = 0
        self._replaced: tuple[list[logging.Handler], int] = ([], logging.WARNING)

    def start(self) -> None:
        root = logging.getLogger()
        self._replaced = (root.handlers[:], root.level)
        root.handlers[:] = [self._handler]
        root.setLevel(self._level)
        self._worker.start()

    def set_level(self, level: int) -> None:
        """Let records of this level and above through from now on."""
        logging.getLogger().setLevel(level)

    def reopen(self) -> None:
        """Have the sink opened anew after what is waiting, as when its file was rotated."""
        self._mailbox.post(_Reopen())

    def stop(self, timeout_s: float) -> bool:
        """Write what is waiting; logging is again as it was before. True when all was written within the time."""
        root = logging.getLogger()
        root.handlers[:] = self._replaced[0]
        root.setLevel(self._replaced[1])
        ended = self._worker.stop(timeout_s)
        if ended:
            self._sink.close()
        return ended

    def _on_message(self, message: logging.LogRecord | _Reopen) -> None:
        if isinstance(message, _Reopen):
            self._sink.reopen()
            return
        self._sink.write(message)
        dropped = self._handler.dropped - self._reported_drops
        if dropped:
            self._reported_drops += dropped
            text = f"{dropped} log records dropped"
            self._sink.write(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))
