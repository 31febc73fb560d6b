"""Entries of the journal: their bytes, and what arrives at its socket."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest

from blobtorrent.runtime.journal import JournalSink, encode_entry, is_journal
from tests.support.datagrams import DatagramSocket, read_entry


class KeptRecords:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []
        self.is_closed = False

    def write(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def record_of(message: str, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("blobtorrent.test", level, "f", 1, message, (), None)
    record.__dict__["fields"] = fields
    return record


@pytest.fixture
def journal(tmp_path: Path):
    with DatagramSocket(tmp_path / "socket") as listening:
        yield listening


@pytest.fixture
def sink(journal: DatagramSocket):
    sink = JournalSink("blobtorrentd", KeptRecords(), str(journal.path))
    yield sink
    sink.close()


def test_a_value_with_line_breaks_is_framed_by_its_length():
    entry = encode_entry([("MESSAGE", "a\nFORGED=1"), ("PRIORITY", "6")])
    assert entry == b"MESSAGE\n" + (10).to_bytes(8, "little") + b"a\nFORGED=1\nPRIORITY=6\n"
    assert read_entry(entry) == {"MESSAGE": "a\nFORGED=1", "PRIORITY": "6"}


def test_a_record_arrives_with_its_fields(journal, sink):
    sink.write(record_of("piece spoiled", torrent="abc", piece=7, url="http://t/announce?passkey=geheim"))
    (datagram,) = journal.take()
    entry = read_entry(datagram)
    assert entry["MESSAGE"] == 'piece spoiled torrent=abc piece=7 url="http://t/announce?passkey=***"'
    assert entry["PRIORITY"] == "4"
    assert entry["SYSLOG_IDENTIFIER"] == "blobtorrentd"
    assert entry["BLOBTORRENT_LOGGER"] == "blobtorrent.test"
    assert entry["BLOBTORRENT_PIECE"] == "7"
    assert entry["BLOBTORRENT_URL"] == "http://t/announce?passkey=***"


def test_strangers_words_forge_no_field(journal, sink):
    sink.write(record_of("peer says", client="x\nPRIORITY=0\nMESSAGE=all is well"))
    (datagram,) = journal.take()
    entry = read_entry(datagram)
    assert entry["PRIORITY"] == "4"
    assert entry["BLOBTORRENT_CLIENT"] == r"x\x0aPRIORITY=0\x0aMESSAGE=all is well"


def test_a_traceback_is_part_of_the_message(journal, sink):
    record = record_of("it failed")
    record.exc_text = "Traceback:\nValueError: bad \x1b name"
    sink.write(record)
    (datagram,) = journal.take()
    lines = read_entry(datagram)["MESSAGE"].splitlines()
    assert lines == ["it failed", "    Traceback:", r"    ValueError: bad \x1b name"]


def test_an_entry_that_fits_no_datagram_comes_as_a_sealed_file(journal, sink):
    record = record_of("it failed")
    record.exc_text = "\n".join(["x" * 500] * 2000)
    sink.write(record)
    ((datagram, descriptor),) = journal.take_with_descriptors()
    assert datagram == b""
    assert descriptor is not None
    entry = read_entry(os.pread(descriptor, 1 << 24, 0))
    assert len(entry["MESSAGE"].splitlines()) == 2001
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"x", 0)
    os.close(descriptor)


def test_without_a_journal_the_record_goes_elsewhere():
    fallback = KeptRecords()
    with tempfile.TemporaryDirectory() as folder:
        sink = JournalSink("blobtorrentd", fallback, f"{folder}/none")
        sink.write(record_of("hello"))
        sink.close()
    assert [record.getMessage() for record in fallback.records] == ["hello"]
    assert fallback.is_closed


def test_the_stream_of_the_journal_is_recognised(tmp_path):
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        name = f"{status.st_dev}:{status.st_ino}"
        assert is_journal(stream.fileno(), {"JOURNAL_STREAM": name})
        assert not is_journal(stream.fileno(), {"JOURNAL_STREAM": f"{name}0"})
        assert not is_journal(stream.fileno(), {})
    assert not is_journal(-1, {"JOURNAL_STREAM": name})
