"""Which sink the log settings mean."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.config.shown import LogSettings
from blobtorrent.daemon.logsink import is_seen_on_stderr, level_of, open_sink
from blobtorrent.model.errors import ConfigError
from tests.support.datagrams import DatagramSocket, read_entry


def record() -> logging.LogRecord:
    return logging.LogRecord("blobtorrent.test", logging.INFO, "f", 1, "hello", (), None)


def settings(*assignments: str) -> LogSettings:
    return load(assignments=assignments).log


@contextmanager
def journal_stream(path: Path) -> Iterator[dict[str, str]]:
    """Standard error is a file that stands for the journal's stream; the value is the environment that says so.

    Not a fixture: pytest has a standard error of its own for the test itself.
    """
    with path.open("w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        yield {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def test_text_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    open_sink(settings(), {}).write(record())
    assert capfd.readouterr().err.endswith("Z INFO blobtorrent.test: hello\n")


def test_the_journal_gets_entries_when_standard_error_is_its_stream(tmp_path: Path) -> None:
    with DatagramSocket(tmp_path / "journal") as journal, journal_stream(tmp_path / "stderr") as environ:
        sink = open_sink(settings(), environ, str(journal.path))
        sink.write(record())
        sink.close()
        (datagram,) = journal.take()
    assert read_entry(datagram)["SYSLOG_IDENTIFIER"] == "blobtorrentd"
    assert (tmp_path / "stderr").read_text() == ""


def test_without_its_socket_the_journal_gets_lines_with_priorities(tmp_path: Path) -> None:
    with journal_stream(tmp_path / "stderr") as environ:
        sink = open_sink(settings(), environ, str(tmp_path / "none"))
        sink.write(record())
        sink.close()
    assert (tmp_path / "stderr").read_text() == "<6>INFO blobtorrent.test: hello\n"


def test_a_file_may_hold_json(tmp_path: Path) -> None:
    sink = open_sink(settings(f"log.file='{tmp_path}/x.log'", "log.format='json'"), {})
    sink.write(record())
    sink.close()
    assert json.loads((tmp_path / "x.log").read_text())["message"] == "hello"


def test_a_file_that_cannot_be_opened_is_a_bad_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file: .*No such file") as caught:
        open_sink(settings(f"log.file='{tmp_path}/none/x.log'"), {})
    assert caught.value.code == "config.log-file"


def test_levels_are_those_of_the_logging_module() -> None:
    assert [level_of(settings(f"log.level='{word}'")) for word in ("debug", "info", "warning", "error")] == [
        logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR,
    ]


def test_it_is_known_whether_the_log_is_seen_on_standard_error(tmp_path: Path) -> None:
    with journal_stream(tmp_path / "stderr") as environ:
        journal = open_sink(settings("log.format='journal'"), environ)
        assert is_seen_on_stderr(journal, environ)
        assert not is_seen_on_stderr(journal, {})
        assert is_seen_on_stderr(open_sink(settings("log.format='json'"), {}), {})
        file = open_sink(settings(f"log.file='{tmp_path}/log'"), environ)
        assert not is_seen_on_stderr(file, environ)
        for sink in (journal, file):
            sink.close()
