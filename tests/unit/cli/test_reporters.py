"""What the user is told of running torrents, and when."""

from __future__ import annotations

import io
import json
import os

import pytest

from blobtorrent.cli.reporters import JsonReporter, PlainReporter, ScreenReporter, make_reporter
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus

CHECKING = TorrentStatus(
    info_hash=InfoHash(v1=b"x" * 20), name="name", state="checking", size_bytes=100, num_pieces=1, download_dir="/d"
)
DOWNLOADING = CHECKING._replace(state="downloading", done_bytes=40, peers_connected=2)
SEEDING = CHECKING._replace(state="seeding", done_bytes=100)
STOPPED = SEEDING._replace(state="stopped")
FAILED = DOWNLOADING._replace(state="error", error_code="storage.disk-full", error_detail="no space left")

FIGURES = {"event", "torrent", "done_bytes", "size_bytes", "down_bytes_per_s", "up_bytes_per_s", "peers"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def events(capsys: pytest.CaptureFixture[str]) -> list[object]:
    return [line["event"] for line in lines(capsys)]


def test_every_json_line_has_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter()
    reporter.listening(["127.0.0.1:6881"])
    for now, status in enumerate([CHECKING, DOWNLOADING, SEEDING, STOPPED]):
        reporter.update([status], float(now))
    told = lines(capsys)
    assert all(line.keys() >= FIGURES for line in told)
    assert told[0]["listen"] == "127.0.0.1:6881"


def test_json_tells_milestones_at_once_and_progress_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = JsonReporter()
    for now, status in [(0.0, CHECKING), (0.1, DOWNLOADING), (0.5, DOWNLOADING), (1.0, DOWNLOADING), (1.1, SEEDING),
                        (1.2, SEEDING), (1.3, STOPPED), (5.0, STOPPED)]:
        reporter.update([status], now)
    assert events(capsys) == ["checking", "progress", "progress", "finished", "seeding", "stopped"]


def test_a_download_that_is_stopped_between_two_looks_is_finished_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reporter = JsonReporter()
    reporter.update([DOWNLOADING], 0.0)
    reporter.update([STOPPED], 0.1)
    assert events(capsys) == ["progress", "finished", "stopped"]


def test_a_failed_torrent_is_an_error_line_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    JsonReporter().update([FAILED], 0.0)
    (line,) = lines(capsys)
    assert line["event"] == "error"
    assert line["error"] == {"code": "storage.disk-full", "message": "no space left"}


def test_plain_lines_come_with_news_and_now_and_then() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    reporter.listening(["127.0.0.1:6881"])
    for now, status in [(0.0, DOWNLOADING), (5.0, DOWNLOADING), (10.0, DOWNLOADING), (11.0, STOPPED), (30.0, STOPPED)]:
        reporter.update([status], now)
    told = out.getvalue().splitlines()
    assert [line.partition(":")[0] for line in told] == ["listening on 127.0.0.1", "name", "name", "finished"]


def test_the_last_line_says_where_the_result_lies_and_how_fast_it_came() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    reporter.update([DOWNLOADING], 1.0)
    reporter.update([STOPPED], 3.0)
    assert out.getvalue().splitlines()[-1] == "finished: /d/name (60 B in 2.0s, 30 B/s)"


def test_a_torrent_that_was_there_already_has_no_speed() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out)
    reporter.update([CHECKING], 1.0)
    reporter.update([STOPPED], 3.0)
    assert out.getvalue().splitlines()[-1] == "finished: /d/name"


def test_the_screen_is_drawn_over_its_last_frame_and_news_stay_above() -> None:
    out = io.StringIO()
    reporter = ScreenReporter(out)
    reporter.update([DOWNLOADING, DOWNLOADING], 0.0)
    first = out.getvalue()
    assert "\x1b[2A" not in first
    reporter.update([DOWNLOADING, DOWNLOADING], 0.01)
    assert out.getvalue() == first
    reporter.update([DOWNLOADING, SEEDING._replace(info_hash=InfoHash(v1=b"y" * 20))], 0.02)
    second = out.getvalue()[len(first):]
    assert second.startswith("\x1b[2A")
    assert second.index("finished: /d/name") < second.index("40.0%")


def test_the_last_frame_shows_how_it_ended() -> None:
    out = io.StringIO()
    reporter = ScreenReporter(out)
    reporter.update([SEEDING], 0.0)
    reporter.update([STOPPED], 0.01)
    assert "100.0% of 100 B  done" not in out.getvalue()
    reporter.close()
    assert "100.0% of 100 B  done" in out.getvalue()


def test_more_torrents_than_rows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 10)))
    out = io.StringIO()
    ScreenReporter(out).update([DOWNLOADING] * 50, 0.0)
    assert out.getvalue().count("\n") <= 9
    assert "43 more lines" in out.getvalue()


def test_options_choose_the_reporter(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(make_reporter(as_json=True, quiet=True), JsonReporter)
    assert isinstance(make_reporter(as_json=False, quiet=False), PlainReporter)
    quiet = make_reporter(as_json=False, quiet=True)
    quiet.listening(["127.0.0.1:1"])
    quiet.update([SEEDING], 0.0)
    quiet.close()
    assert capsys.readouterr().out == ""
