from __future__ import annotations

import json
import logging

import pytest

from blobtorrent.runtime.logformat import JsonFormatter, TextFormatter
from blobtorrent.runtime.logs import BACKLOG, QueueHandler, get_logger
from blobtorrent.runtime.mailbox import Mailbox


class Captured(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.created, record.msecs = 0.25, 250.0
        self.records.append(record)


@pytest.fixture
def captured():
    handler = Captured()
    logger = logging.getLogger("blobtorrent.test")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


log = get_logger("blobtorrent.test")


def text_of(captured: Captured, formatter: logging.Formatter) -> str:
    return formatter.format(captured.records[-1])


def test_keyword_arguments_become_fields(captured):
    log.info("piece spoiled", torrent="abc", piece=7, client="two words")
    assert text_of(captured, TextFormatter()) == (
        '1970-01-01T00:00:00.250Z INFO blobtorrent.test: piece spoiled torrent=abc piece=7 client="two words"'
    )


def test_a_bound_logger_adds_its_fields_to_every_record(captured):
    bound = log.bind(torrent="abc").bind(peer="10.0.0.1:2")
    bound.warning("link closed", code="net.reset")
    assert text_of(captured, TextFormatter()).endswith("link closed torrent=abc peer=10.0.0.1:2 code=net.reset")


def test_plain_loggers_work_too(captured):
    logging.getLogger("blobtorrent.test").info("%d of %s", 3, "four")
    assert text_of(captured, TextFormatter()).endswith("INFO blobtorrent.test: 3 of four")


def test_strangers_cannot_forge_lines_or_colours(captured):
    log.info("peer says", client="a\nERROR forged\x1b[31m\u202e")
    text = text_of(captured, TextFormatter())
    assert "\n" not in text
    assert "\x1b" not in text
    assert r"\\x0aERROR forged\\x1b[31m\\u202e" in text


def test_strangers_cannot_end_a_quotation_to_forge_a_field(captured):
    log.info("peer says", client='a\\" code=forged')
    assert text_of(captured, TextFormatter()).endswith(r'''client="a\\\" code=forged"''')


def test_fields_are_capped_and_secrets_masked(captured):
    log.info("announce", url="http://t/announce?passkey=geheim", reply="x" * 5000)
    text = text_of(captured, TextFormatter())
    assert "geheim" not in text
    assert len(text) < 700


def test_a_traceback_follows_indented_and_harmless(captured):
    try:
        raise ValueError("bad \x1b name")
    except ValueError:
        log.exception("it failed")
    lines = text_of(captured, TextFormatter()).split("\n")
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == r"    ValueError: bad \x1b name"


def test_the_journal_gets_priorities_instead_of_times(captured):
    log.error("disk full")
    log.debug("detail")
    lines = [TextFormatter(for_journal=True).format(record) for record in captured.records]
    assert lines == ["<3>ERROR blobtorrent.test: disk full", "<7>DEBUG blobtorrent.test: detail"]


def test_json_keeps_numbers_and_puts_one_object_on_a_line(captured):
    try:
        raise ValueError("no\nway")
    except ValueError:
        log.exception("failed", piece=7, name="a\nb")
    text = text_of(captured, JsonFormatter())
    entry = json.loads(text)
    assert "\n" not in text
    assert (entry["level"], entry["piece"], entry["name"]) == ("error", 7, r"a\x0ab")
    assert entry["traceback"][-1] == "way"


def test_what_is_queued_does_not_change_with_the_callers_objects():
    mailbox: Mailbox[logging.LogRecord] = Mailbox("log")
    handler = QueueHandler(mailbox)
    peers = ["a"]
    record = logging.LogRecord("x", logging.INFO, "f", 1, "peers: %s", (peers,), None)
    record.fields = {"list": peers, "count": 1}
    handler.emit(record)
    peers.append("b")
    queued = mailbox.get()
    assert queued.getMessage() == "peers: ['a']"
    assert queued.fields == {"list": "['a']", "count": 1}


def test_a_sink_that_does_not_keep_up_costs_records_not_memory():
    mailbox: Mailbox[logging.LogRecord] = Mailbox("log")
    handler = QueueHandler(mailbox)
    for _ in range(BACKLOG + 3):
        handler.emit(logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None))
    assert (mailbox.depth, handler.dropped) == (BACKLOG, 3)
