"""Bars of long operations."""

from __future__ import annotations

import io

import pytest

from blobtorrent.cli.meter import Meter, Pace


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """The time that the meter sees; the terminal has 80 columns."""
    now = [100.0]
    monkeypatch.setattr("blobtorrent.cli.meter.time.monotonic", lambda: now[0])
    monkeypatch.setenv("COLUMNS", "80")
    return now


def test_the_pace_is_that_of_the_last_seconds():
    pace = Pace(window_s=5.0)
    assert pace.per_s == 0.0
    pace.add(0, 0.0)
    assert pace.per_s == 0.0
    pace.add(1000, 1.0)
    assert pace.per_s == 1000.0
    for second in range(2, 20):
        pace.add(1000 + 10 * second, float(second))
    assert pace.per_s == pytest.approx(10.0)


def test_what_begins_anew_has_no_pace_yet():
    pace = Pace()
    pace.add(5000, 1.0)
    pace.add(9000, 2.0)
    pace.add(0, 3.0)
    assert pace.per_s == 0.0


def test_a_bar_tells_share_rate_and_time_left_and_is_erased(clock):
    out = Terminal()
    with Meter(out=out) as meter:
        meter.show(0, 4096)
        clock[0] += 1
        meter.show(1024, 4096, "checking")
    drawn = out.getvalue().split("\r\x1b[K")
    assert drawn[1] == "-" * 40 + " 0.0%"
    assert drawn[2] == "##########" + "-" * 30 + " 25.0%  1.0 KiB/s  ETA 3s  checking"
    assert drawn[3:] == [""]


def test_a_bar_is_not_drawn_more_often_than_people_see(clock):
    out = Terminal()
    with Meter(out=out) as meter:
        for done in range(100):
            clock[0] += 0.001
            meter.show(done, 100)
    assert out.getvalue().count("%") == 1


def test_a_bar_makes_room_for_a_line_and_comes_back(clock):
    out = Terminal()
    with Meter(out=out) as meter:
        meter.show_count(1, 4)
        meter.hide()
        meter.hide()
        out.write("a line\n")
        clock[0] += 1
        meter.show_count(2, 4)
    first, line, second, end = out.getvalue().split("\r\x1b[K")[1:]
    assert ("25.0%" in first, line, "50.0%" in second, end) == (True, "a line\n", True, "")


def test_things_are_counted_without_a_rate(clock):
    out = Terminal()
    with Meter(out=out) as meter:
        meter.show_count(3, 12)
    assert "25.0%  3 of 12" in out.getvalue()


def test_a_narrow_terminal_has_figures_and_no_bar(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    out = Terminal()
    with Meter(out=out) as meter:
        meter.show(1, 2, "moving files")
    assert out.getvalue() == "\r\x1b[K50.0%  mov~\r\x1b[K"


@pytest.mark.parametrize(("out", "is_wanted"), [(io.StringIO(), True), (Terminal(), False)])
def test_nothing_is_drawn_where_nobody_looks(clock, out, is_wanted):
    with Meter(is_wanted=is_wanted, out=out) as meter:
        meter.show(1, 2)
    assert out.getvalue() == ""
