"""What is told of downloads in another way where 0.16 is claimed, and times that are compared."""

from __future__ import annotations

from blobtorrent.interface.rtorrent.claimed import GENERATION_16
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FIXTURES


def stages() -> list[Stage]:
    """Where 0.9.8 is claimed, and where 0.16 is."""
    both = [Stage(), Stage(generation=GENERATION_16)]
    for stage in both:
        stage.engine.add("charlie")
    return both


def test_a_group_has_a_name_from_0_16_on() -> None:
    assert [stage.call("d.group.name", stage.only().hash) for stage in stages()] == [0, "default"]


def test_a_tracker_that_has_not_answered_is_told_of_with_the_least_intervals_of_0_16() -> None:
    columns = "", "t.min_interval=", "t.normal_interval="
    rows = [stage.call("t.multicall", stage.only().hash, *columns) for stage in stages()]
    assert [row for row in rows if isinstance(row, list)] == [[[600, 1800]] * 4, [[300, 600]] * 4]


def test_a_file_that_is_not_there_is_to_be_created_in_both_once_its_download_was_opened() -> None:
    for stage in stages():
        digits = stage.only().hash
        told = []
        for word in ("d.name", "d.open", "d.close"):
            stage.call(word, digits)
            told.append([stage.call(f"f.is_{what}_queued", f"{digits}:f0") for what in ("create", "resize")])
        assert told == [[0, 0], [1, 1], [1, 1]]


def test_that_a_new_download_is_saved_is_a_handler_in_0_16() -> None:
    keys, saved = [], []
    for stage in (Stage(), Stage(generation=GENERATION_16)):
        stage.side.events()
        keys.append(stage.call("method.list_keys", "", "event.download.inserted_new"))
        raw = (FIXTURES / "alpha.torrent").read_bytes().decode("utf-8", "surrogateescape")
        stage.call("load.raw", "", raw)
        saved.append(stage.kept)
    assert keys == [["1_prepare"], ["1_prepare", "~_save_full"]]
    assert saved == [["alpha.bin"], ["alpha.bin"] * 2]


def test_whether_a_download_was_started_after_a_time() -> None:
    stage, _ = stages()
    digits = stage.only().hash
    stage.call("d.timestamp.started.set", digits, 1000)
    assert [stage.call("d.timestamp.started.elapsed", digits, time) for time in (999, "1000")] == [1, 0]
