"""A minute of the soak with the suite, and what its verdict makes of figures; `python -m tests.soak` takes longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.clients import quantile
from tests.soak.owner import faults_in
from tests.soak.samples import drift, slope
from tests.soak.soak import soak
from tests.support.tools import require_module

SHORT_S = 60.0
SHORT_DRIFT = 0.4                      # pieces of Python's memory are touched for the first time in such a short time
SHORT_FLOOR_MIB = 30.0


def test_a_slope_is_that_of_most_points_and_no_matter_of_a_few() -> None:
    points = [(float(at), 100.0 + 0.5 * at) for at in range(100)]
    points[20], points[70] = (20.0, 900.0), (70.0, 0.0)
    assert slope(points) == pytest.approx(0.5, abs=0.01)
    assert slope([(1.0, 5.0)]) == 0.0


def test_a_drift_is_told_for_an_hour_and_as_a_share_of_the_run() -> None:
    told = drift("memory", [(float(at), 100.0 + at / 36.0) for at in range(0, 361, 5)])
    assert told.per_hour == pytest.approx(100.0)
    assert told.share == pytest.approx(10.0 / 105.0)
    assert (told.first, told.most) == (pytest.approx(100.5, abs=0.1), pytest.approx(110.0))


def test_our_own_faults_are_found_in_a_log() -> None:
    log = "WARNING blobtorrent.x: a peer is banned\nERROR blobtorrent.y: a swarm failed\nINFO blobtorrent.z: ready\n"
    assert faults_in(log) == ["ERROR blobtorrent.y: a swarm failed"]
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_minute_under_load_and_attack_leaves_all_bytes_right_and_nothing_behind(tmp_path: Path) -> None:
    require_module("libtorrent")
    report = soak(tmp_path, SHORT_S, seed=7, every_s=2.0, raids=2, crowds=False, max_drift=SHORT_DRIFT,
                  floor_mib=SHORT_FLOOR_MIB)
    assert report.faults == [], report.figures
    assert report.figures["downloads"] and report.figures["fetched by libtorrent"]
