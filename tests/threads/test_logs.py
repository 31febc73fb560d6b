"""Logging through its thread."""

from __future__ import annotations

import io
import logging
import threading

from blobtorrent.runtime.logs import QueuedLogging, get_logger

PATIENCE_S = 20.0


def test_everything_logged_before_the_stop_is_written_in_order_and_the_old_handlers_come_back():
    before = logging.getLogger().handlers[:]
    stream = io.StringIO()
    logging_thread = QueuedLogging(stream, style="journal", level=logging.INFO)
    logging_thread.start()
    log = get_logger("blobtorrent.test")
    for number in range(100):
        log.info("line", number=number)
    log.debug("too fine")
    assert logging_thread.stop(PATIENCE_S)
    expected = [f"<6>INFO blobtorrent.test: line number={number}" for number in range(100)]
    assert stream.getvalue().splitlines() == expected
    assert logging.getLogger().handlers == before


def test_a_sink_that_hangs_does_not_hold_up_the_one_who_logs():
    class Stuck(io.StringIO):
        released = threading.Event()

        def write(self, text: str) -> int:
            self.released.wait(PATIENCE_S)
            return super().write(text)

    stream = Stuck()
    logging_thread = QueuedLogging(stream, style="journal")
    logging_thread.start()
    for number in range(10):
        get_logger("blobtorrent.test").info("line", number=number)
    assert stream.getvalue() == ""
    stream.released.set()
    assert logging_thread.stop(PATIENCE_S)
    assert len(stream.getvalue().splitlines()) == 10


def test_a_broken_sink_ends_nothing():
    stream = io.StringIO()
    stream.close()
    logging_thread = QueuedLogging(stream)
    logging_thread.start()
    get_logger("blobtorrent.test").info("into the void")
    assert logging_thread.stop(PATIENCE_S)
