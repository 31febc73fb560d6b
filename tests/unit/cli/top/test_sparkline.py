"""Rates drawn as a line."""

from __future__ import annotations

from blobtorrent.cli.progress import ASCII, UNICODE
from blobtorrent.cli.top.sparkline import MAX_SAMPLES, History, sparkline


def test_the_highest_sample_reaches_the_top_and_the_newest_stands_at_the_right():
    assert sparkline([0, 4, 8], 5, UNICODE) == "   ▄█"
    assert sparkline([100, 0, 4, 8], 3, UNICODE) == " ▄█"
    assert sparkline([1, 2], 2, ASCII) == "=#"


def test_a_little_is_not_nothing():
    assert sparkline([0, 1, 1_000_000], 3, UNICODE) == " ▁█"


def test_without_rates_or_room_nothing_is_drawn():
    assert sparkline([], 3, UNICODE) == "   "
    assert sparkline([0, 0], 3, UNICODE) == "   "
    assert sparkline([5], 0, UNICODE) == ""


def test_only_so_much_is_remembered():
    history = History()
    for number in range(2 * MAX_SAMPLES):
        history.add(number, 0)
    assert (len(history.down), history.down[-1], history.is_quiet) == (MAX_SAMPLES, 2 * MAX_SAMPLES - 1, False)
    for _ in range(MAX_SAMPLES):
        history.add(0, 0)
    assert history.is_quiet
