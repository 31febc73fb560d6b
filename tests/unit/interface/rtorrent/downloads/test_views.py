"""Views: filters, orders, and who is in them."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentdownloads import Stage


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    for name in ("foxtrot", "bravo", "alpha"):
        stage.engine.add(name)
    return stage


def names(stage: Stage, view: str) -> list[str]:
    rows = stage.call("d.multicall2", "", view, "d.name=")
    assert isinstance(rows, list)
    return [row[0] for row in rows]  # type: ignore[index, misc]


def test_a_filter_shows_those_that_it_holds_for(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", "d.is_multi_file=")
    assert names(stage, "some") == ["bravo"]
    assert (stage.call("view.size", "", "some"), stage.call("view.size_not_visible", "", "some")) == (1, 2)


@pytest.mark.parametrize("broken", [
    "greater=d.name=,d.size_bytes=", "less=d.name=,m", "d.nosuch=", "match=d.size_bytes=,x"])
def test_a_filter_does_not_hold_for_what_it_fails_on(stage: Stage, broken: str) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", broken)
    assert names(stage, "some") == []
    stage.engine.add("delta")
    assert names(stage, "some") == []
    assert stage.call("d.multicall.filtered", "", "main", broken, "d.name=") == []
    assert len(set(stage.logged)) == len(stage.logged) == 1     # not once for each


def test_texts_are_compared_by_filters(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", "less=d.name=,cat=b")
    assert sorted(names(stage, "some")) == ["Fóxtrot ünï.txt", "alpha.bin"]
    rows = stage.call("d.multicall.filtered", "", "main", "greater=d.name=,cat=b", "d.name=")
    assert rows == [["bravo"]]


def test_an_order_that_fails_leaves_things_as_they_are(stage: Stage) -> None:
    before = names(stage, "main")
    stage.call("view.sort_current", "", "main", "less=d.nosuch=")
    stage.call("view.sort", "", "main")
    assert names(stage, "main") == before


def test_what_a_filter_may_not_do_is_told(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("method.insert", "", "endless", "simple", "endless=")
    with pytest.raises(Fault, match="Too deep a nesting"):
        stage.call("view.filter", "", "some", "endless=")
    with pytest.raises(Fault, match="Too deep a nesting"):
        stage.call("d.multicall.filtered", "", "main", "endless=", "d.name=")


def test_what_is_put_in_stays_until_it_is_filtered_again(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", "d.is_multi_file=")
    digits = next(download.hash for download in stage.side.downloads if download.name == "alpha.bin")
    stage.call("view.set_visible", digits, "some")
    assert names(stage, "some") == ["bravo", "alpha.bin"]
    stage.call("view.filter_all", "", "some")
    assert names(stage, "some") == ["bravo"]


def test_a_new_download_is_asked_about_when_it_comes(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", "d.is_multi_file=")
    stage.engine.add("delta")
    assert names(stage, "some") == ["bravo", "delta"]


def test_one_that_is_gone_is_in_no_view(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    assert len(names(stage, "some")) == 3
    stage.call("d.erase", next(download.hash for download in stage.side.downloads if download.name == "bravo"))
    assert names(stage, "some") == ["Fóxtrot ünï.txt", "alpha.bin"]


def test_a_view_is_sorted_by_its_comparison(stage: Stage) -> None:
    stage.call("view.sort_current", "", "main", "greater=d.size_bytes=")
    stage.call("view.sort", "", "main")
    assert names(stage, "main") == ["alpha.bin", "bravo", "Fóxtrot ünï.txt"]


def test_a_view_that_is_not_there_is_a_fault(stage: Stage) -> None:
    with pytest.raises(Fault, match="Could not find view: none"):
        stage.call("view.filter", "", "none", "d.complete=")
    with pytest.raises(Fault, match="Could not find view."):
        stage.call("d.multicall2", "", "none", "d.name=")


def test_downloads_themselves_say_that_they_are_in_a_persistent_view(stage: Stage) -> None:
    stage.call("view.add", "", "group")
    stage.call("view.persistent", "", "group")
    stage.call("view.filter_all", "", "group")
    digits = stage.side.downloads.all()[0].hash
    assert names(stage, "group") == []
    stage.call("view.set_visible", digits, "group")
    assert stage.call("d.views", digits) == ["group"]
    stage.call("view.filter_all", "", "group")
    assert stage.call("view.size", "", "group") == 1
    stage.call("view.set_not_visible", digits, "group")
    assert stage.call("d.views", digits) == []


@pytest.mark.parametrize("view", ["seeding", "group"])
def test_a_view_with_a_filter_is_not_made_persistent(stage: Stage, view: str) -> None:
    stage.call("view.add", "", "group")
    stage.call("view.persistent", "", "group")
    with pytest.raises(Fault, match="modified views"):
        stage.call("view.persistent", "", view)


def test_a_download_that_an_event_has_looked_at_comes_last(stage: Stage) -> None:
    before = stage.call("download_list", "", "incomplete")
    assert isinstance(before, list)
    first, *others = before
    stage.call("view.filter_download", first, "incomplete")
    assert stage.call("download_list", "", "incomplete") == [*others, first]
    assert stage.call("download_list", "", "main") == before
