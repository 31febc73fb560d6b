"""The scenarios of rTorrent 0.9.8, replayed on a daemon of ours that was started with rTorrent's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rtorrent.recorded import GOLDEN
from tests.rtorrent.replay import Report, replay_file

# Answers that differ without a reason in tests/rtorrent/reasons.py: there may be fewer, never more.
OPEN = {
    "builtin_views": 1, "client_crossseed": 1, "expressions": 1, "ip_filter": 2, "limits": 8, "load_glob": 3,
    "load_status_cache": 1, "ratio_groups": 2, "settings": 2, "throttles": 1, "trackers": 2,
}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("scenarios/*.jsonl")), ids=lambda path: path.stem)
def test_a_scenario_goes_as_recorded(path: Path) -> None:
    report = replay_file(path, "blobtorrent")
    assert report.num_unexplained <= OPEN.get(path.stem, 0), told(report)


def test_raw_requests_are_answered_as_recorded() -> None:
    report = replay_file(GOLDEN / "transport.json", "blobtorrent")
    assert report.compared > 20 and not report.num_unexplained, told(report)


def told(report: Report) -> str:
    return "\n".join(f"{found.place}: {found.what}" for found in report.differences if not found.reason)
