"""Logging through its thread."""

from __future__ import annotations

import io
import logging
import threading
from pathlib import Path

from blobtorrent.runtime.logformat import TextFormatter
from blobtorrent.runtime.logs import BACKLOG, QueuedLogging, get_logger
from blobtorrent.runtime.sinks import FileSink, StreamSink

PATIENCE_S = 20.0


def test_everything_logged_before_the_stop_is_written_in_order_and_the_old_handlers_come_back():
    before = logging.getLogger().handlers[:]
    stream = io.StringIO()
    logging_thread = QueuedLogging(StreamSink(stream, TextFormatter(for_journal=True)))
    logging_thread.start()
    log = get_logger("blobtorrent.test")
    for number in range(100):
        log.info("line", number=number)
    log.debug("too fine")
    assert logging_thread.stop(PATIENCE_S)
    expected = [f"<6>INFO blobtorrent.test: line number={number}" for number in range(100)]
    assert stream.getvalue().splitlines() == expected
    assert logging.getLogger().handlers == before


def test_the_level_changes_while_it_runs():
    stream = io.StringIO()
    logging_thread = QueuedLogging(StreamSink(stream, TextFormatter(for_journal=True)))
    logging_thread.start()
    log = get_logger("blobtorrent.test")
    log.debug("before")
    logging_thread.set_level(logging.DEBUG)
    log.debug("after")
    assert logging_thread.stop(PATIENCE_S)
    assert stream.getvalue() == "<7>DEBUG blobtorrent.test: after\n"


def test_a_rotated_file_is_left_and_a_new_one_begun(tmp_path: Path):
    path = tmp_path / "daemon.log"
    logging_thread = QueuedLogging(FileSink(path, TextFormatter(for_journal=True)))
    logging_thread.start()
    log = get_logger("blobtorrent.test")
    log.info("first")
    log.info("second")
    path.rename(tmp_path / "daemon.log.1")
    logging_thread.reopen()
    log.info("third")
    assert logging_thread.stop(PATIENCE_S)
    assert "third" not in (tmp_path / "daemon.log.1").read_text()
    assert path.read_text() == "<6>INFO blobtorrent.test: third\n"
    assert path.stat().st_mode & 0o137 == 0


def test_a_sink_that_hangs_does_not_hold_up_the_one_who_logs():
    class Stuck(io.StringIO):
        released = threading.Event()

        def write(self, text: str) -> int:
            self.released.wait(PATIENCE_S)
            return super().write(text)

    stream = Stuck()
    logging_thread = QueuedLogging(StreamSink(stream, TextFormatter()))
    logging_thread.start()
    for number in range(10):
        get_logger("blobtorrent.test").info("line", number=number)
    assert stream.getvalue() == ""
    stream.released.set()
    assert logging_thread.stop(PATIENCE_S)
    assert len(stream.getvalue().splitlines()) == 10


def test_what_was_dropped_is_counted_in_the_log():
    class Slow(io.StringIO):
        released = threading.Event()

        def write(self, text: str) -> int:
            self.released.wait(PATIENCE_S)
            return super().write(text)

    stream = Slow()
    logging_thread = QueuedLogging(StreamSink(stream, TextFormatter(for_journal=True)))
    logging_thread.start()
    for number in range(BACKLOG + 100):
        get_logger("blobtorrent.test").info("line", number=number)
    stream.released.set()
    assert logging_thread.stop(PATIENCE_S)
    told = [line for line in stream.getvalue().splitlines() if line.endswith("log records dropped")]
    assert len(told) == 1
    assert told[0].startswith("<4>WARNING blobtorrent.runtime.logs: ")


def test_a_broken_sink_ends_nothing():
    stream = io.StringIO()
    stream.close()
    logging_thread = QueuedLogging(StreamSink(stream, TextFormatter()))
    logging_thread.start()
    get_logger("blobtorrent.test").info("into the void")
    assert logging_thread.stop(PATIENCE_S)


def test_a_file_that_cannot_be_opened_anew_is_told_in_the_old_one(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    logging_thread = QueuedLogging(FileSink(folder / "daemon.log", TextFormatter()))
    logging_thread.start()
    folder.rename(tmp_path / "moved")
    logging_thread.reopen()
    get_logger("blobtorrent.test").info("still here")
    assert logging_thread.stop(PATIENCE_S)
    told, *rest = (tmp_path / "moved" / "daemon.log").read_text().splitlines()
    assert "No such file or directory" in told
    assert "still here" in rest[0]
