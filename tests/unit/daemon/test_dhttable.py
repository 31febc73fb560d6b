"""The file of the DHT's table, and the thread that writes it."""

from __future__ import annotations

import threading
from pathlib import Path

from blobtorrent.daemon import dhttable
from blobtorrent.daemon.dhttable import NAME, TableWriter, read_table, write_table


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    assert read_table(tmp_path / NAME) == b""
    for data in (b"one", b"two"):
        write_table(tmp_path / NAME, data)
    assert read_table(tmp_path / NAME) == b"two"
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_directory_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    write_table(tmp_path / "gone" / NAME, b"data")
    assert read_table(tmp_path / "gone" / NAME) == b""


def test_what_is_to_be_kept_at_the_end_is_on_the_disk_then(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path / NAME)
    writer.write(b"last words")
    writer.finish()
    assert read_table(tmp_path / NAME) == b"last words"


def test_without_anything_to_keep_there_is_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = TableWriter(tmp_path / NAME)
    assert threading.active_count() == before
    writer.finish()


def test_a_disk_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    hangs, written = threading.Event(), []

    def write(path: Path, data: bytes) -> None:
        written.append(data)
        assert hangs.wait(60.0)

    monkeypatch.setattr(dhttable, "write_table", write)
    monkeypatch.setattr(dhttable, "FINISH_S", 0.01)
    writer = TableWriter(tmp_path / NAME)
    for number in range(100):
        writer.write(bytes([number]))
    writer.finish()
    assert len(written) <= 1
    assert writer._worker.mailbox.depth <= 2               # of a hundred, and the word to end
    hangs.set()
    assert writer._worker.join(10.0)
