"""A download that ends in the very moment of a kill: its finish is told all the same, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import free_port, wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.peers.tracker import ListTracker
from tests.support.tools import require_module

pytestmark = pytest.mark.interop


@contextmanager
def nothing_saved(state: Path) -> Iterator[None]:
    """Meanwhile no row is written: a kill at the end is one before the next commit, however long that takes."""
    database = sqlite3.connect(state / "state.sqlite3", isolation_level=None, timeout=PATIENCE_S)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


@pytest.mark.parametrize("has_row", [False, True])
def test_a_finish_that_no_row_came_to_tell_of_is_told_after_the_kill(tmp_path: Path, has_row: bool) -> None:
    require_module("libtorrent")
    port = free_port()
    url = f"http://127.0.0.1:{port}/announce"              # nobody hears of the torrent before the kill
    sample = make_sample(tmp_path, "sample.bin", 8 * MIB, 256 * KIB, trackers=[url])
    with Seedbox(tmp_path / "box") as seedbox, MeasuredPeer(sample, bytes_per_s=MIB // 2) as peer:
        seedbox.add(sample, peers=[peer.endpoint])
        if has_row:
            seedbox.wait_until(sample, lambda status: status["active_s"] > 8, "a row while it downloads")
        with nothing_saved(seedbox.state):
            peer.limit(0)
            assert seedbox.wait_state(sample, "seeding")["finished_at"]
            seedbox.kill()
    with ListTracker(port=port) as tracker:
        with seedbox.again() as second:
            status = second.wait_state(sample, "seeding")
            assert status["finished_at"]
            assert (status["downloaded_bytes"], status["wasted_bytes"]) == (sample.size_bytes, 0)
            wait_until(lambda: tracker.events == ["started", "completed"], PATIENCE_S, "the tracker to hear of it")
            second.end()
        with second.again() as third:
            assert third.wait_state(sample, "seeding")["finished_at"] == status["finished_at"]
            third.wait_logged("announced torrent=")
            third.end()
        assert tracker.events == ["started", "completed", "stopped", "started", "stopped"]
