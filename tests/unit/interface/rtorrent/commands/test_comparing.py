"""Comparisons of two downloads, as views sort by them, and times. The rest is in the recordings."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.context import Aim, Target
from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentlanguage import NOW_S, LanguageStage, PlayedDownload


def pair(**fields: tuple[int | str, int | str]) -> Aim:
    left, right = PlayedDownload(), PlayedDownload()
    for name, (of_left, of_right) in fields.items():
        left.fields[f"d.{name}"], right.fields[f"d.{name}"] = of_left, of_right
    return Aim(Target.PAIR, left, right)


@pytest.mark.parametrize(("text", "result"), [
    ("less=d.size_bytes=", 1), ("greater=d.size_bytes=", 0), ("equal=d.size_bytes=", 0), ("less=d.name=", 0),
    ("branch=((less,((d.size_bytes)))),value=1", 1), ("compare=+,d.size_bytes=", 1), ("compare=-,d.size_bytes=", 0),
    ("compare=+-,d.complete=,d.size_bytes=", 0), ("compare=+,d.complete=,d.size_bytes=", 1),
    ("compare=d,d.name=", 1), ("compare=a,d.complete=", 0)])
def test_one_command_is_asked_of_both_downloads(text, result):
    aim = pair(size_bytes=(1, 2), name=("b", "a"), complete=(1, 1))
    assert LanguageStage().text(text, aim=aim) == result


@pytest.mark.parametrize("text", ["compare=x,d.name=", "compare=,d.name=", "compare=+", "d.name="])
def test_what_is_no_comparison_of_two_downloads_fails(text):
    with pytest.raises(Fault, match=r"Invalid order|Need at least|wrong type"):
        LanguageStage().text(text, aim=pair(name=("a", "b")))


@pytest.mark.parametrize(("text", "result"), [
    (f"elapsed.less={NOW_S - 5},10", 1), (f"elapsed.greater={NOW_S - 5},10", 0), (f"elapsed.less={NOW_S - 10},10", 0),
    (f"elapsed.greater={NOW_S - 11},10", 1), ("elapsed.less=0,10", 0), ("elapsed.greater=0,10", 0),
    (f"convert.elapsed_time={NOW_S - 3661}", " 1:01:01"), (f"convert.elapsed_time={NOW_S + 9}", " 0:00:00"),
    ("math.div=-9223372036854775808,-1", -(1 << 63)), ("math.mod=-9223372036854775808,-1", 0),
    ("convert.gm_date=9223372036854775807", None)])
def test_times_and_numbers_at_their_ends(text, result):
    assert LanguageStage().text(text) == result
