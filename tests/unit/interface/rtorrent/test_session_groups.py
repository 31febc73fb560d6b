"""Ratio groups, choke groups, and closing what fills a disk."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.context import NOTHING, Trust
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.reading import XML_OF_16
from blobtorrent.interface.rtorrent.values import Value
from tests.support.rtorrentsession import SessionStage

SEEDS = {"d.is_active": 1, "d.complete": 1, "d.bytes_done": 1000}


def group(**settings: int) -> SessionStage:
    """With one that has these bounds, and a download that seeds."""
    stage = SessionStage()
    stage.call("group.insert_persistent_view", "rg")
    for word, value in settings.items():
        stage.call(f"group.rg.ratio.{word}.set", value)
    stage.download.update(SEEDS)
    return stage


@pytest.mark.parametrize(("uploaded", "has_given"), [(1999, False), (2000, True), (3001, True)])
def test_a_ratio_counts_when_enough_was_sent(uploaded: int, has_given: bool) -> None:
    stage = group(min=200, max=300, upload=2000)
    stage.download["d.up.total"] = uploaded
    stage.call("on_ratio", "rg")
    assert stage.done == ([("d.try_close",), ("d.ignore_commands.set", "1")] if has_given else [])


def test_above_the_highest_ratio_the_amount_does_not_matter() -> None:
    stage = group(min=200, max=300, upload=1_000_000)
    stage.download["d.up.total"] = 3000
    stage.call("on_ratio", "rg")
    assert stage.done == []
    stage.download["d.up.total"] = 3001
    stage.call("on_ratio", "rg")
    assert stage.done != []


@pytest.mark.parametrize("fields", [{"d.is_active": 0}, {"d.complete": 0}, {"d.ignore_commands": 1}])
def test_who_does_not_seed_or_is_left_alone_is_passed_over(fields: dict[str, int]) -> None:
    stage = group(max=1, upload=0)
    stage.download.update({**fields, "d.up.total": 1_000_000})
    stage.call("on_ratio", "rg")
    assert stage.done == []


def test_a_group_is_looked_at_every_minute_once_it_is_enabled() -> None:
    stage = group()
    stage.call("group.rg.ratio.enable")
    stage.move(5)
    stage.move(60)
    assert stage.multicalls == [["rg", "group.look=rg"]] * 2
    stage.call("group.rg.ratio.disable")
    stage.move(60)
    assert len(stage.multicalls) == 2


def test_the_command_of_a_group_can_be_replaced() -> None:
    stage = group(max=1)
    stage.download["d.up.total"] = 1_000_000
    stage.call("method.set", "group.rg.ratio.command", "d.close=")
    stage.call("on_ratio", "rg")
    assert stage.done == [("d.close",)]


@pytest.mark.parametrize("name", ["", "a b", "x,print=1", "x;print=1", 'a"', "a}"])
def test_a_name_that_would_be_read_as_something_else_is_refused(name: str) -> None:
    stage = SessionStage()
    for call in (("group.insert", name, "main"), ("group.insert_persistent_view", name)):
        with pytest.raises(Fault):
            stage.call(*call)


def test_there_is_a_group_of_what_seeds_with_short_names() -> None:
    stage = SessionStage()
    assert [stage.call(f"ratio.{word}") for word in ("min", "max", "upload")] == [200, 300, 20 << 20]
    stage.call("ratio.min.set", 150)
    assert stage.call("group.seeding.ratio.min") == 150
    assert stage.call("group2.seeding.view") == "seeding"


def test_what_downloads_to_a_full_disk_is_closed_and_says_why() -> None:
    stage = SessionStage()
    stage.download.update({"d.is_active": 1, "d.free_diskspace": 99})
    stage.call("close_low_diskspace", 99)
    assert stage.done == []
    stage.call("close_low_diskspace", "100")
    assert stage.done == [("d.close",), ("d.hashing_failed.set", "1"), ("d.message.set", "Low diskspace.")]


@pytest.mark.parametrize(("fields", "is_closed"), [
    ({"d.complete": 1}, False), ({"d.is_active": 0}, False), ({"d.priority": 3}, False), ({"d.priority": 2}, True),
])
def test_only_what_downloads_and_is_not_important_is_closed(fields: dict[str, int], is_closed: bool) -> None:
    stage = SessionStage()
    stage.download.update({"d.is_active": 1, "d.free_diskspace": 0, **fields})
    stage.call("close_low_diskspace.normal", 100)
    assert bool(stage.done) is is_closed


def test_choke_groups_keep_what_is_set() -> None:
    stage = SessionStage()
    stage.call("choke_group.insert", "mine")
    assert stage.call("choke_group.list") == ["default", "mine"]
    assert stage.call("choke_group.index_of", "mine") == 1
    stage.call("choke_group.up.max.set", 1, 40)
    assert (stage.call("choke_group.up.max", "1"), stage.call("choke_group.up.max", 0)) == (40, -1)
    stage.call("choke_group.up.max.unlimited", 1)
    assert stage.call("choke_group.up.max", 1) == -1
    with pytest.raises(Fault, match="Choke group not found"):
        stage.call("choke_group.up.max", 2)
    with pytest.raises(Fault, match="Invalid option name"):
        stage.call("choke_group.tracker.mode.set", 0, "bogus")


@pytest.mark.parametrize("params", [["", 7], [7]])
def test_a_bound_of_a_group_is_set_with_an_empty_target_or_without(params: list[Value]) -> None:
    stage = group()
    calls = Calls(stage.interpreter, lambda _text: NOTHING, XML_OF_16)
    assert calls.answer("group.rg.ratio.min.set", params, Trust.FULL) == 7
    assert calls.answer("group.rg.ratio.min", [""], Trust.FULL) == 7


def test_a_bound_of_a_group_takes_no_target_where_0_9_8_is_claimed() -> None:
    stage = group()
    calls = Calls(stage.interpreter, lambda _text: NOTHING)
    with pytest.raises(Fault, match="Wrong object type"):
        calls.answer("group.rg.ratio.min.set", ["", 7], Trust.FULL)
    assert calls.answer("group.rg.ratio.min.set", [7], Trust.FULL) == 7
