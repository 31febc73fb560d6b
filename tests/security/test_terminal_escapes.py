"""Terminal escapes and log forging: no stranger's word moves a cursor, turns text around or begins a line of its own.

Through everything that prints: lines of the log in each of its forms, entries of the journal, and the command line.
"""

from __future__ import annotations

import json
import logging
import socket
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.cli import output
from blobtorrent.cli.fields import flat, shown
from blobtorrent.cli.main import main
from blobtorrent.model.text import MAX_TEXT, clean
from blobtorrent.runtime.journal import JournalSink
from blobtorrent.runtime.logformat import JsonFormatter, TextFormatter
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.redact import mask_parts, redact
from tests.support.oddtorrents import listed, multi, torrent

FORGERIES = {
    "clear the screen": "\x1b[2J\x1b[H", "title": "\x1b]0;owned\x07", "C1 CSI": "\x9b31m", "C1 OSC": "\x9d0;x\x9c",
    "a line of its own": "x\n2026-01-01T00:00:00.000Z INFO blobtorrent: all is well", "carriage return": "bad\rgood",
    "right to left": "\u202egpj.exe", "isolates": "\u2066a\u2069", "marks": "a\u200f\u061cb", "deleted": "a\x7f\x08",
    "line separator": "a\u2028b\u2029c", "next line": "a\x85b", "NUL": "a\0b", "bell": "\x07", "tab": "a\tb",
    "no UTF-8": b"\xff\xfe\x1b[31m".decode("utf-8", "surrogateescape"), "a tag": "\U000e0041", "private": "\ue000",
    "zero width": "a\u200b\u2060\ufeffb", "unassigned": "\u0378", "hyperlink": "\x1b]8;;http://evil\x1b\\x",
    "end of a field": '" code=fine peer="', "endless": "x" * 100_000, "endless escapes": "\x1b" * 100_000,
    "an endless scheme": "a" * 100_000 + " ://", "endless URLs": "http://" * 20_000, "endless parts": "://a@" * 20_000,
    "an endless query": "http://a/?" + "a=b1&" * 20_000, "endless words": "password=authorization: bearer " * 3000,
}
HARMFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def harmful(text: str) -> list[str]:
    return [character for character in text if unicodedata.category(character) in HARMFUL]


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    logger, handler = logging.getLogger("blobtorrent.security"), Keep()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield kept
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_any_word_is_cleaned_and_cut(forgery: str) -> None:
    text = clean(forgery)
    assert harmful(text) == [] and len(text) <= MAX_TEXT == 512
    assert clean(text) == text


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_to_look_for_secrets_takes_no_time(forgery: str) -> None:
    """It is done in one call, during which no other thread runs."""
    began_s = time.thread_time()
    redact(forgery)
    redact(forgery, whole_queries=True)
    mask_parts(forgery, "http://tracker.example/abcdefghijkl1234/announce?passkey=abcdefgh1234")
    assert time.thread_time() - began_s < 1.0


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_record_is_one_line_whatever_is_in_it(records: list[logging.LogRecord], forgery: str) -> None:
    log = get_logger("blobtorrent.security")
    log.warning("a peer said", client=forgery, name=Path(forgery.replace("\0", "")) if len(forgery) < 500 else "x")
    logging.getLogger("blobtorrent.security").warning("%s", forgery)
    try:
        raise ValueError(forgery)
    except ValueError:
        log.error("it failed", exc_info=True)
    for record in records:
        line = TextFormatter().format(record)
        assert harmful(line.replace("\n    ", "")) == [], "a traceback is indented"
        for text in line.split("\n")[1:]:
            assert text.startswith("    ")
        assert len(line.split("\n")[0]) < 3 * MAX_TEXT
        told = JsonFormatter().format(record)
        assert "\n" not in told and harmful(told) == []
        assert isinstance(json.loads(told), dict)
        assert "code" not in json.loads(told)


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_an_entry_of_the_journal_has_the_fields_that_we_gave_it(
        records: list[logging.LogRecord], forgery: str, tmp_path: Path) -> None:
    class Nowhere:
        def write(self, record: logging.LogRecord) -> None:
            raise AssertionError("the journal is there")

        def reopen(self) -> None: ...

        def close(self) -> None: ...

    get_logger("blobtorrent.security").warning("a peer said", client=forgery)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        sink = JournalSink("blobtorrent", Nowhere(), str(tmp_path / "journal"))
        sink.write(records[0])
        sink.close()
        entry = journal.recv(65536)
    lines = entry.decode().removesuffix("\n").split("\n")
    assert [line.partition("=")[0] for line in lines] == [
        "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "BLOBTORRENT_LOGGER", "BLOBTORRENT_THREAD", "BLOBTORRENT_CLIENT"]
    assert harmful("".join(lines)) == []


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_the_command_line_prints_nothing_of_it(forgery: str, capsys: pytest.CaptureFixture[str]) -> None:
    for field in ("name", "state", "error", "labels", "client", "download_dir", "path"):
        for value in (forgery, [forgery], {"message": forgery, "code": "x"}):
            try:
                cell = shown(field, value)
            except (TypeError, ValueError, AttributeError):
                continue
            assert harmful(str(cell.text if hasattr(cell, "text") else cell)) == []
        for title, cell in flat(field, {forgery[:50]: forgery}):
            assert harmful(title) == [] and harmful(cell.text) == []
    output.fail("x.y", forgery, as_json=False)
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and harmful(printed.rstrip("\n")) == []


@pytest.mark.parametrize("forgery", [name for name in FORGERIES if "endless" not in name])
def test_a_torrent_is_shown_without_it(forgery: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = FORGERIES[forgery].encode("utf-8", "surrogateescape")
    file = tmp_path / "odd.torrent"
    file.write_bytes(torrent(multi([listed(5, raw, b"a" + raw)], name=b"n" + raw, source=raw), comment=raw,
                             created__by=raw))
    main(["show", str(file)])
    plain = capsys.readouterr()
    assert harmful((plain.out + plain.err).replace("\n", "").replace("\t", "")) == []
    main(["show", str(file), "--json"])
    told = capsys.readouterr().out
    assert harmful(told.replace("\n", "")) == [] and json.loads(told)
