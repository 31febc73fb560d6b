"""All recordings of rTorrent, replayed on daemons of ours that were started with rTorrent's own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rtorrent.reasons import LISTED
from tests.rtorrent.replay import ENOUGH, JOBS, Report, recordings, replay_file
from tests.rtorrent.servers import MODERN

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

Reports = dict[Path, "Future[Report]"]


@pytest.fixture(scope="module")
def reports() -> Iterator[Reports]:
    with ThreadPoolExecutor(JOBS) as pool:
        found = {path: pool.submit(replay_file, path, "blobtorrent") for path in longest_first()}
        yield found
        for report in found.values():
            report.cancel()


def longest_first() -> list[Path]:
    return sorted(recordings(), key=lambda path: -path.stat().st_size)


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.name)
def test_what_is_answered_in_another_way_is_listed_with_its_reason_and_nothing_else_is(
    path: Path, reports: Reports
) -> None:
    report = reports[path].result()
    assert report.compared and not report.num_unexplained and not report.stale, report.told()


def test_each_recording_that_is_listed_is_replayed() -> None:
    assert set(LISTED) <= {path.name for path in recordings()}


@pytest.mark.parametrize("is_modern", [False, True])
def test_99_of_100_answers_are_those_of_the_version_that_is_claimed(reports: Reports, is_modern: bool) -> None:
    found = [report.result() for path, report in reports.items() if (MODERN in path.name) is is_modern]
    same, compared = sum(report.num_same for report in found), sum(report.compared for report in found)
    assert compared > 1700 and same >= ENOUGH * compared, "\n".join(report.told(with_reasons=True) for report in found)


def test_a_difference_that_is_not_listed_and_one_that_is_gone_are_told() -> None:
    report = Report("rutorrent.jsonl")
    report.note("31 d.name", "d.name", "[]", ["answer: string 'a', now string 'b'"])
    assert (report.num_unexplained, report.stale) == (1, ["32 branch"])
    report.note("32 branch", "branch", "[]", ["answer: string 'x', now string ''"])
    assert (report.num_unexplained, report.stale) == (2, [])
    report.note("32 branch", "branch", "[]", ["answer: string 'initial_seed', now string ''"])
    assert (report.num_unexplained, report.num_same) == (2, 0)
