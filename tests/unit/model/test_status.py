from __future__ import annotations

import pytest

from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus


def status(**figures: object) -> TorrentStatus:
    return TorrentStatus(
        **{"info_hash": InfoHash(v1=bytes(20)), "name": "n", "state": "downloading", "size_bytes": 1000,
           "num_pieces": 1, "download_dir": "/d", **figures}
    )


def test_the_time_left_follows_from_the_rate():
    assert status(done_bytes=400, down_bytes_per_s=60).eta_s == pytest.approx(10.0)


@pytest.mark.parametrize("figures", [{}, {"done_bytes": 1000, "down_bytes_per_s": 5}])
def test_there_is_no_time_left_to_tell_when_nothing_moves_or_all_is_there(figures):
    assert status(**figures).eta_s is None


def test_what_was_checked_only_in_part_is_not_finished():
    assert status(done_bytes=1000, state="seeding").is_finished
    assert not status(done_bytes=1000, state="checking").is_finished


@pytest.mark.parametrize(
    ("uploaded", "downloaded", "size", "ratio"), [(50, 100, 1000, 0.5), (500, 0, 1000, 0.5), (0, 0, 0, 0.0)]
)
def test_the_ratio_counts_from_what_was_downloaded_or_else_from_the_size(uploaded, downloaded, size, ratio):
    figures = status(uploaded_bytes=uploaded, downloaded_bytes=downloaded, size_bytes=size)
    assert figures.ratio == ratio


def test_seconds_go_on_from_the_snapshot_and_never_back():
    figures = status(state="seeding", active_s=10.0, seeding_s=5.0, counted_at=1000.0)
    assert (figures.active_s_at(1002.5), figures.seeding_s_at(1002.5)) == (12.5, 7.5)
    assert figures.active_s_at(900.0) == 10.0              # somebody set the clock
    assert status(active_s=10.0, seeding_s=5.0, counted_at=1000.0).seeding_s_at(1002.5) == 5.0
    assert status(state="stopped", active_s=10.0).active_s_at(1002.5) == 10.0
