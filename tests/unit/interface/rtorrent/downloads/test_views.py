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
