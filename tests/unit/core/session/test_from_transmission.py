"""What Transmission left of a torrent, in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bencodepy
import pytest

from blobtorrent.core.session.commands import FilePriority, SeedGoal
from blobtorrent.core.session.from_transmission import left_by_transmission, places_of
from blobtorrent.core.session.importing import SETTLED_S, Claims
from blobtorrent.core.session.record import Lifetime, Place, Wishes
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.transmissionresume import Progress, read_resume
from tests.support.stored import PAD, StoredTorrent

PIECE = 16384
TORRENT = StoredTorrent([2 * PIECE, 100, (PAD, PIECE - 100), 2 * PIECE + 50], PIECE).metainfo
ROOT = Path("/srv")


def resume(**said: Any) -> Any:
    return read_resume(bencodepy.encode({"destination": "/srv", **said}))


def wishes(**said: Any) -> Wishes:
    return left_by_transmission(TORRENT, resume(**said), None, written_at=500.0, saved_at=600.0).wishes


def test_figures_times_and_peers_are_kept() -> None:
    told = resume(uploaded=5, downloaded=6, corrupt=7, **{
        "downloading-time-seconds": 8, "seeding-time-seconds": 9, "added-date": 10, "done-date": 11},
        peers2=[{"socket-address": b"\x0a\0\0\1\x1a\xe1"}])
    left = left_by_transmission(TORRENT, told, Progress(0b1, ((0, 5),)), written_at=500.0, saved_at=600.9)
    assert left.lifetime == Lifetime(6, 5, 7, 17.0, 9.0)
    assert (left.added_at, left.finished_at, left.is_started) == (10.0, 11.0, True)
    assert left.claims == Claims(0b1, ((0, 5),), saved_at=600, settling_s=SETTLED_S)
    assert left.peers == (KnownAddress(Endpoint("10.0.0.1", 6881), PeerSource.TRACKER),)


def test_one_of_which_no_time_is_known_was_added_when_its_file_was_written() -> None:
    left = left_by_transmission(TORRENT, resume(paused=1), None, written_at=500.0, saved_at=600.0)
    assert (left.added_at, left.is_started, left.claims) == (500.0, False, None)


def test_labels_group_priority_and_order_are_kept() -> None:
    found = wishes(labels=["a", "a", "b\0"], group="slow", **{"bandwidth-priority": 1, "sequential-download": 1})
    assert (found.labels, found.group, found.priority, found.is_sequential) == (("a",), "slow", 1, True)


@pytest.mark.parametrize(("ratio", "idle", "goal"), [
    (0, 0, None), (1, 0, SeedGoal(ratio=2.0)), (0, 1, SeedGoal(idle_s=1800.0)),
    (1, 1, SeedGoal(ratio=2.0, idle_s=1800.0)), (2, 2, SeedGoal()), (2, 0, SeedGoal())])
def test_limits_of_seeding_are_its_own_those_of_all_or_none(ratio: int, idle: int, goal: SeedGoal | None) -> None:
    assert wishes(**{"ratio-limit": {"ratio-limit": "2.0", "ratio-mode": ratio},
                     "idle-limit": {"idle-limit": 30, "idle-mode": idle}}).goal == goal


def test_a_limit_of_nothing_at_all_becomes_the_slowest_there_is() -> None:
    found = wishes(**{"speed-limit-up": {"speed-Bps": 0, "use-speed-limit": 1},
                      "speed-limit-down": {"speed-Bps": 0, "use-speed-limit": 0}})
    assert (found.up_bytes_per_s, found.down_bytes_per_s) == (1, 0)


def test_priorities_of_files_are_kept_but_for_padding() -> None:
    found = wishes(dnd=[0, 0, 1, 1], priority=[1, -1, 1, 1])
    assert found.file_priorities == {0: FilePriority.HIGH, 3: FilePriority.SKIP}
    assert wishes(dnd=[1], priority=[1] * 5).file_priorities == {}


def test_it_lies_in_the_folder_for_unfinished_ones_or_where_it_is_to_be() -> None:
    assert places_of(TORRENT, resume(), "/srv", "") == (Place(ROOT, ROOT),)
    assert places_of(TORRENT, resume(), "/srv", "/part") == (
        Place(ROOT, Path("/part"), is_incomplete=True), Place(ROOT, ROOT))
    assert not places_of(TORRENT, resume(), "/srv", "/srv")[0].is_incomplete


def test_files_that_were_renamed_are_found() -> None:
    place, = places_of(TORRENT, resume(files=["t/x", "", "", ""]), "/srv", "")
    assert place.renames == {"t/folder0/file0": "t/x"}
