"""What a program made with libtorrent left of a torrent, in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bencodepy
import pytest

from blobtorrent.core.session.commands import FilePriority, GoalAction, SeedGoal
from blobtorrent.core.session.from_libtorrent import left_by_libtorrent, place_of
from blobtorrent.core.session.importing import NOT_VOUCHED_FOR, SETTLED_S, Claims, Left
from blobtorrent.core.session.record import Lifetime, Place
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.fastresume import Progress, read_fastresume
from tests.support.stored import PAD, StoredTorrent

PIECE = 16384
# Pieces 0 and 1 are of file 0; piece 2 of file 1 and the padding, file 2; pieces 3 to 5 of file 3.
TORRENT = StoredTorrent([2 * PIECE, 100, (PAD, PIECE - 100), 2 * PIECE + 50], PIECE).metainfo._replace(
    tiers=(("http://a/",),))


def resume(**said: Any) -> Any:
    return read_fastresume(bencodepy.encode({"save_path": "/srv", **said}), {})


def left(progress: Progress | None = None, **said: Any) -> Left:
    return left_by_libtorrent("qBittorrent", TORRENT, resume(**said), progress, saved_at=500.9)


def test_figures_times_and_peers_are_kept() -> None:
    found = left(total_uploaded=5, total_downloaded=6, active_time=7, seeding_time=8, added_time=9, completed_time=10,
                 peers=b"\x0a\0\0\1\x1a\xe1")
    assert found.lifetime == Lifetime(6, 5, 0, 7.0, 8.0)
    assert (found.added_at, found.finished_at, found.is_started) == (9.0, 10.0, True)
    assert found.peers == (KnownAddress(Endpoint("10.0.0.1", 6881), PeerSource.TRACKER),)


def test_files_are_believed_that_did_not_change_after_the_last_save() -> None:
    assert left(Progress(0b111, 0)).claims == Claims(
        0b111, [(0, 500)] * 4, saved_at=500, settling_s=SETTLED_S)


def test_files_that_were_never_verified_are_not_believed() -> None:
    claims = left(Progress(0b111111, 0b100)).claims
    assert claims is not None
    assert claims.changed == [(0, 500), NOT_VOUCHED_FOR, (0, 500), (0, 500)]


def test_category_tags_and_names_are_kept() -> None:
    wishes = left(**{"qBt-category": "films", "qBt-tags": ["b", "films"], "qBt-name": "n"}).wishes
    assert wishes.labels == ("films", "b")
    assert wishes.custom == {"qbittorrent.category": "films", "qbittorrent.name": "n"}
    assert left().wishes.labels == ()


def test_trackers_and_priorities_of_files_are_kept() -> None:
    assert left().wishes.trackers is None
    assert left(trackers=[["http://a/"]]).wishes.trackers is None
    assert left(trackers=[["http://b/"], ["gopher://c/"]]).wishes.trackers == (("http://b/",),)
    assert left(file_priority=[7, 1, 0, 0, 0]).wishes.file_priorities == {
        0: FilePriority.HIGH, 3: FilePriority.SKIP}


@pytest.mark.parametrize(("said", "goal"), [
    ({}, None),
    ({"qBt-ratioLimit": -2000}, None),
    ({"qBt-ratioLimit": -1000}, SeedGoal()),
    ({"qBt-ratioLimit": 1500, "qBt-seedingTimeLimit": 2}, SeedGoal(ratio=1.5, time_s=120.0)),
    ({"qBt-inactiveSeedingTimeLimit": 1, "qBt-shareLimitAction": "Remove"},
     SeedGoal(idle_s=60.0, action=GoalAction.REMOVE)),
    ({"qBt-ratioLimit": 0, "qBt-shareLimitAction": "RemoveWithContent", "qBt-shareLimitsMode": "MatchAll"},
     SeedGoal(ratio=0.0, action=GoalAction.REMOVE_WITH_DATA)),
])
def test_limits_of_seeding_are_kept(said: dict[str, Any], goal: SeedGoal | None) -> None:
    assert left(**said).wishes.goal == goal
    assert left(**said).notes == ()


@pytest.mark.parametrize("said", [
    {"qBt-ratioLimit": 1, "qBt-shareLimitAction": "EnableSuperSeeding"},
    {"qBt-ratioLimit": 1, "qBt-seedingTimeLimit": 1, "qBt-shareLimitsMode": "MatchAll"}])
def test_limits_that_cannot_be_kept_are_told(said: dict[str, Any]) -> None:
    assert (left(**said).wishes.goal, len(left(**said).notes)) == (None, 1)


def test_it_moves_from_the_folder_for_unfinished_ones_when_it_is_complete() -> None:
    root = Path("/srv")
    assert place_of(TORRENT, resume(), "/srv/", "/srv") == place_of(TORRENT, resume(), "/srv", "") == Place(root, root)
    assert place_of(TORRENT, resume(), "/srv", "/done") == Place(Path("/done"), root, is_incomplete=True)


def test_files_that_were_renamed_are_found_and_padding_has_no_name() -> None:
    told = resume(mapped_files=["a", "", "t/folder1/file1", "t/b"])
    assert place_of(TORRENT, told, "/srv", "").renames == {"t/folder0/file0": "a", "t/folder0/file3": "t/b"}
