"""Where log records end: a stream, or a file that may be rotated. Used by the thread `log` alone."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Protocol, TextIO


class Sink(Protocol):
    """Takes records one by one. What it cannot write is lost: there is nobody left to tell."""

    def write(self, record: logging.LogRecord) -> None: ...

    def reopen(self) -> None:
        """Write to what has the sink's name now; the old file may have been renamed."""

    def close(self) -> None: ...


class StreamSink:
    """Writes to a stream that somebody else owns."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        self._stream = stream
        self._formatter = formatter

    def write(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self._formatter.format(record) + "\n")
            self._stream.flush()
        except (OSError, ValueError):      # broken or closed
            return

    def reopen(self) -> None:
        """A stream has no name."""

    def close(self) -> None:
        """The stream stays open."""


class FileSink:
    """Appends to a file, made with mode 0640: logs are for the operator and his group."""

    def __init__(self, path: Path, formatter: logging.Formatter) -> None:
        """Raises OSError when the file cannot be opened."""
        self._path = path
        self._formatter = formatter
        self._stream = _open(path)

    def write(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self._formatter.format(record) + "\n")
            self._stream.flush()
        except (OSError, ValueError):      # the disk is full or gone
            return

    def reopen(self) -> None:
        """Go on in a file of the same name; in the old one, which is told so, where no new one can be made."""
        try:
            stream = _open(self._path)
        except OSError as error:
            text = f"cannot open the log file {self._path} anew ({error.strerror}): going on in the old one"
            self.write(logging.LogRecord(__name__, logging.ERROR, __file__, 0, text, None, None))
            return
        self.close()
        self._stream = stream

    def close(self) -> None:
        try:
            self._stream.close()
        except OSError:                # what was buffered could not be written
            return


def _open(path: Path) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")
