"""Selections: only what was asked for, rows of the same snapshot made once, and seconds that never stand still."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from blobtorrent.interface.rest.encode import TORRENT
from blobtorrent.interface.rest.selecting import MAX_KEPT, ROWS_PER_PART, Selection, Selections, read_names
from blobtorrent.model.errors import Invalid
from blobtorrent.model.status import TorrentStatus
from tests.support.rest import status_of


def test_members_come_once_in_the_order_of_a_torrent():
    assert read_names("name,hash,name") == ("hash", "name")
    assert read_names(None) == tuple(TORRENT.readers)


def test_a_member_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(Invalid) as caught:
        read_names("name,nmae")
    assert "'nmae'" in caught.value.detail and "down_bytes_per_s" in caught.value.detail


def test_a_row_has_what_was_asked_for():
    row = Selection(("name", "ratio", "error")).row(status_of(1, name='ä"\n', uploaded_bytes=1500), wall=0.0)
    assert json.loads(row) == {"name": 'ä"\n', "ratio": 1.5, "error": None}
    assert row.isascii()


def test_the_row_of_a_snapshot_is_made_once_and_that_of_the_next_one_anew():
    selection, status = Selection(("name",)), status_of(1)
    first = selection.row(status, wall=0.0)
    assert selection.row(status, wall=9.0) is first
    assert selection.row(status_of(1, name="other"), wall=9.0) == b'{"name":"other"}'
    assert selection.row(status, wall=9.0) == first


def test_seconds_of_a_running_torrent_are_those_of_now():
    selection = Selection(("active_s", "seeding_s"))
    running = status_of(1, state="seeding", active_s=100.0, seeding_s=50.0, counted_at=1000.0)
    assert [selection.row(running, wall) for wall in (1000.0, 1060.0)] == [
        b'{"active_s":100,"seeding_s":50}', b'{"active_s":160,"seeding_s":110}']


def test_rows_of_torrents_that_are_gone_are_not_kept_for_ever():
    selection, first = Selection(("name",)), status_of(1)
    row = selection.row(first, 0.0)
    selection.row(status_of(2), 0.0)
    selection.forget_beyond(2)
    assert selection.row(first, 0.0) is row
    selection.forget_beyond(1)
    assert selection.row(first, 0.0) is not row


def list_of(selection: Selection, page: Sequence[TorrentStatus], wall: float = 0.0) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(b"[" + b"".join(selection.parts(page, wall)) + b"]")
    return made


@pytest.mark.parametrize("length", [0, 1, ROWS_PER_PART - 1, ROWS_PER_PART, ROWS_PER_PART + 1, 3 * ROWS_PER_PART])
def test_parts_are_the_members_of_one_list(length):
    page = [status_of(number) for number in range(length)]
    selection = Selection(("hash", "name"))
    rows = [json.loads(selection.row(status, 0.0)) for status in page]
    assert list_of(selection, page) == list_of(selection, page) == rows


def test_a_part_of_the_same_snapshots_is_made_once_and_another_leaves_its_neighbours():
    page = [status_of(number) for number in range(3 * ROWS_PER_PART)]
    selection = Selection(("name",))
    first = list(selection.parts(page, 0.0))
    page[ROWS_PER_PART] = status_of(ROWS_PER_PART, name="other")
    second = list(selection.parts(page, 0.0))
    assert [after is before for before, after in zip(first, second)] == [True, False, True]
    assert json.loads(b"[" + b"".join(second) + b"]")[ROWS_PER_PART] == {"name": "other"}


def test_lists_of_one_selection_in_another_order_or_of_other_torrents_are_right():
    selection = Selection(("hash",))
    page = [status_of(number) for number in range(100)]
    for other in (page, page[::-1], page[:50], page[7:], [], page):
        assert list_of(selection, other) == [{"hash": status.info_hash.hex} for status in other]


def test_seconds_in_a_list_are_those_of_now():
    selection = Selection(("active_s",))
    page = [status_of(1), status_of(2, state="seeding", active_s=100.0, counted_at=1000.0)]
    assert [list_of(selection, page, wall)[1]["active_s"] for wall in (1000.0, 1060.0)] == [100, 160]


def test_parts_of_torrents_that_are_gone_are_not_kept_for_ever():
    selection, page = Selection(("name",)), [status_of(1), status_of(2)]
    first = list(selection.parts(page, 0.0))
    selection.forget_beyond(1)
    assert list(selection.parts(page, 0.0))[0] is not first[0]


def test_selections_that_are_asked_for_again_keep_their_rows_and_others_make_room():
    selections = Selections()
    often = selections.get(("name",))
    for name in list(TORRENT.readers)[:20]:
        if name != "name":
            selections.get((name,))
        assert selections.get(("name",)) is often
    rare = selections.get(("hash", "name"))
    for name in list(TORRENT.readers)[:MAX_KEPT]:
        selections.get((name, "ratio"))
    assert selections.get(("hash", "name")) is not rare
