"""All recordings of rTorrent, replayed on daemons of ours that were started with rTorrent's own configuration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

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
def test_whatever_is_answered_in_another_way_has_a_reason(path: Path, reports: Reports) -> None:
    report = reports[path].result()
    assert report.compared and not report.num_unexplained, report.told()


def test_99_of_100_answers_are_those_of_the_version_that_is_claimed(reports: Reports) -> None:
    found = [report.result() for path, report in reports.items() if MODERN not in path.name]
    same, compared = sum(report.num_same for report in found), sum(report.compared for report in found)
    assert compared > 2700 and same >= ENOUGH * compared, "\n".join(report.told(with_reasons=True) for report in found)
