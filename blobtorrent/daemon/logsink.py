"""Where the daemon's log goes, by its settings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from blobtorrent.config.shown import LogSettings
from blobtorrent.model.errors import ConfigError
from blobtorrent.runtime.journal import SOCKET_PATH, JournalSink, is_journal
from blobtorrent.runtime.logformat import JsonFormatter, TextFormatter
from blobtorrent.runtime.sinks import FileSink, Sink, StreamSink

IDENTIFIER = "blobtorrentd"


def open_sink(settings: LogSettings, environ: Mapping[str, str], journal: str = SOCKET_PATH) -> Sink:
    """The sink that `log.format` and `log.file` ask for. Raises ConfigError ("config.log-file")."""
    goes_to_journal = settings.file is None and is_journal(sys.stderr.fileno(), environ)
    formatter = JsonFormatter() if settings.format == "json" else TextFormatter(for_journal=goes_to_journal)
    sink: Sink
    if settings.file is None:
        sink = StreamSink(sys.stderr, formatter)
    else:
        try:
            sink = FileSink(settings.file, formatter)
        except OSError as error:
            raise ConfigError("config.log-file", f"log.file: {settings.file}: {error.strerror}") from None
    if settings.format == "journal" or (settings.format == "auto" and goes_to_journal):
        return JournalSink(IDENTIFIER, sink, journal)
    return sink


def is_seen_on_stderr(sink: Sink, environ: Mapping[str, str]) -> bool:
    """Whether what goes to the sink comes out where standard error does."""
    return isinstance(sink, StreamSink) or isinstance(sink, JournalSink) and is_journal(sys.stderr.fileno(), environ)


def level_of(settings: LogSettings) -> int:
    """`log.level` as the number that the logging module uses."""
    level: int = getattr(logging, settings.level.upper())
    return level
