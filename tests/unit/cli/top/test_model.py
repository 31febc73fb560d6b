"""What keys and reports lead to."""

from __future__ import annotations

import pytest

from blobtorrent.cli.top.keys import KEYBOARDS, keys_of
from blobtorrent.cli.top.messages import (
    Add,
    Details,
    Happened,
    Limits,
    Lost,
    Order,
    Quit,
    Said,
    Session,
    Snapshot,
    Watch,
)
from blobtorrent.cli.top.model import KIB, Focus, Top
from blobtorrent.cli.top.pages import Tab, read_page
from blobtorrent.cli.top.prompt import Topic
from blobtorrent.cli.top.torrent import read_torrent
from tests.support.fakedaemon import torrent as told

SESSION_NOW = Session("1.0", "running", "192.0.2.1:6881", 0, 0)


def snapshot(*torrents: dict, removed: tuple[str, ...] = (), is_full: bool = False, limits: Limits | None = None,
             session: Session = SESSION_NOW) -> Snapshot:
    return Snapshot(session, [read_torrent(torrent) for torrent in torrents], removed, is_full, limits)


def top_with(*torrents: dict) -> Top:
    top = Top()
    top.take(snapshot(*torrents, is_full=True, limits=Limits(0, 0)))
    return top


def press(top: Top, *keys: str) -> list:
    """All that the keys lead to; a text is typed."""
    intents = []
    for key in keys:
        intents += top.press(key)
    return intents


def path(number: int) -> str:
    return f"/v1/torrents/{number:08x}{32 * '0'}"


def test_the_cursor_stays_with_its_torrent_when_others_come_and_go():
    top = top_with(told(1, added_at=1), told(2, added_at=2), told(3, added_at=3))
    press(top, "down")
    assert top.chosen.name == "torrent 2"
    top.take(snapshot(told(9, added_at=0)))
    assert (top.chosen.name, top.number) == ("torrent 2", 2)
    top.take(snapshot(removed=(told(9)["hash"], told(1)["hash"])))
    assert (top.chosen.name, top.number) == ("torrent 2", 0)
    top.take(snapshot(removed=(told(2)["hash"],)))
    assert (top.chosen.name, top.number) == ("torrent 3", 0)
    top.take(snapshot(removed=(told(3)["hash"],)))
    assert top.chosen is None


def test_the_cursor_does_not_leave_the_list():
    top = top_with(*(told(number, added_at=number) for number in range(50)))
    press(top, "up")
    assert top.number == 0
    press(top, "end")
    assert top.number == 49
    press(top, "down", "pgup")
    assert top.number == 49 - (top.screen_rows - 1)
    press(top, "home")
    assert top.number == 0


@pytest.mark.parametrize(("key", "method", "below", "body"), [
    ("^S", "POST", "/start", None), ("^D", "POST", "/stop", None), ("p", "POST", "/pause", None),
    ("^R", "POST", "/recheck", None), ("t", "POST", "/announce", None), ("+", "PATCH", "", {"priority": 1}),
    ("-", "PATCH", "", {"priority": -1}),
])
@pytest.mark.parametrize("opens", [False, True])
def test_keys_steer_the_chosen_torrent(key, method, below, body, opens):
    top = top_with(told(1, added_at=1), told(2, added_at=2))
    press(top, "down", *(["enter"] if opens else []))
    (order,) = press(top, key)
    assert (order.method, order.path, order.body) == (method, path(2) + below, body)
    assert order.told.endswith(": torrent 2")


@pytest.mark.parametrize("key", ["^S", "^D", "p", "^R", "t", "+", "-", "^T", "L", "enter", "up", "end", "pgdn"])
def test_without_a_torrent_there_is_nothing_to_steer(key):
    top = Top()
    assert press(top, key) == []
    assert (top.prompt, top.focus) == (None, Focus.LIST)


def test_quick_steps_of_priority_add_up():
    top = top_with(told(1))
    assert [order.body["priority"] for order in press(top, "+", "+", "-")] == [1, 2, 1]


def test_what_is_stopped_is_removed_after_a_question():
    top = top_with(told(1, state="stopped", started=False))
    assert press(top, "^D") == []
    assert (top.prompt.topic, top.prompt.about) == (Topic.REMOVE, "torrent 1")
    assert press(top, "n") == []
    assert top.prompt is None
    assert press(top, "^D", "^D") == []
    assert press(top, "^D", "y") == [Order("DELETE", path(1), "remove: torrent 1")]
    assert press(top, "^D", "d") == [
        Order("DELETE", path(1), "remove with its files: torrent 1", query={"with_data": "true"})]


def test_the_torrent_that_is_removed_is_the_one_that_was_asked_about():
    top = top_with(told(1, started=False, state="stopped"), told(2, started=False, state="stopped"))
    press(top, "^D")
    top.take(snapshot(removed=(told(1)["hash"],)))
    assert press(top, "y") == []


@pytest.mark.parametrize(("keys", "name", "kib"), [
    ("a", "up", [1]), ("s", "up", [5]), ("d", "up", [50]), ("dz", "up", [50, 49]), ("dx", "up", [50, 45]),
    ("dc", "up", [50, 0]), ("A", "down", [1]), ("SS", "down", [5, 10]), ("DDX", "down", [50, 100, 95]),
    ("DC", "down", [50, 0]), ("AZ", "down", [1, 0]), ("c", "up", [0]),
])
def test_the_limits_of_all_go_by_the_steps_of_rtorrent(keys, name, kib):
    top = top_with()
    orders = press(top, *keys)
    assert [order.body for order in orders] == [{"limits": {f"{name}_bytes_per_s": number * KIB}} for number in kib]
    assert {(order.method, order.path) for order in orders} == {("PATCH", "/v1/settings")}


def test_limits_that_may_not_be_read_are_not_changed():
    top = Top()
    top.take(snapshot(told(1), is_full=True))
    assert press(top, "a") == []
    assert top.said.is_bad


def test_limits_of_a_torrent_are_typed():
    top = top_with(told(1, down_limit_bytes_per_s=2 << 20))
    press(top, "^T")
    assert (top.prompt.topic, top.prompt.text) == (Topic.LIMITS, "2.0 MiB/s, 0")
    (order,) = press(top, "^U", *"1M, 500 KiB/s", "enter")
    assert order.path == path(1)
    assert order.body == {"down_limit_bytes_per_s": 1 << 20, "up_limit_bytes_per_s": 500 * KIB}
    for typed in ("1", "1,2,3", "fast, slow", ""):
        assert press(top, "^T", "^U", *typed, "enter") == []
        assert top.said.is_bad


def test_labels_are_typed():
    top = top_with(told(1, labels=["tv", "old"]))
    press(top, "L")
    assert top.prompt.text == "tv, old"
    (order,) = press(top, *", new ,", "enter")
    assert order.body == {"labels": ["tv", "old", "new"]}


def test_a_torrent_is_added_by_what_is_typed():
    top = Top()
    assert press(top, "backspace", *"~/a b.torrentX", "backspace", "enter") == [Add("~/a b.torrent")]
    assert press(top, "backspace", "enter") == []
    assert press(top, "backspace", *"x", "esc") == []


def test_a_filter_works_while_it_is_typed():
    top = top_with(told(1, name="Alpha"), told(2, name="beta"))
    press(top, "/", *"bet")
    assert [len(top.roster), top.chosen.name] == [1, "beta"]
    press(top, "enter")
    assert len(top.roster) == 1
    press(top, "esc")
    assert len(top.roster) == 2
    press(top, "/", *"zzz")
    assert top.chosen is None
    press(top, "esc")
    assert len(top.roster) == 2


def test_number_keys_choose_views_in_the_list_and_pages_in_the_details():
    top = top_with(told(1), told(2, state="stopped", started=False))
    press(top, "4")
    assert (top.roster.view.name, top.chosen.name) == ("stopped", "torrent 2")
    assert press(top, "enter", "4") == [Watch(told(2)["hash"], Tab.INFO), Watch(told(2)["hash"], Tab.TRACKERS)]
    assert press(top, "right", "tab") == [Watch(told(2)["hash"], Tab.PIECES), Watch(told(2)["hash"], Tab.WHY)]
    assert press(top, "1", "left") == [Watch(told(2)["hash"], Tab.INFO), Watch(None, Tab.INFO)]
    assert top.focus is Focus.LIST


def test_details_stay_with_their_torrent_though_its_view_loses_it():
    top = top_with(told(1, added_at=1, up_bytes_per_s=5), told(2, added_at=2, up_bytes_per_s=5))
    press(top, "0", "down", "enter")
    top.take(snapshot(told(2, added_at=2, up_bytes_per_s=0)))
    assert top.chosen.name == "torrent 2"
    press(top, "l")
    top.take(snapshot(told(2, added_at=2, up_bytes_per_s=0)))
    press(top, "q")
    assert (top.focus, top.chosen.name) == (Focus.DETAILS, "torrent 2")
    press(top, "q")
    assert (top.focus, top.chosen.name) == (Focus.LIST, "torrent 1")


def test_a_page_that_comes_late_is_not_shown_in_place_of_another():
    top = top_with(told(1))
    press(top, "enter", "2")
    top.take(Details(told(1)["hash"], Tab.INFO, None, "late"))
    assert top.details is None
    top.take(Details(told(1)["hash"], Tab.FILES, None, "right"))
    assert top.details.problem == "right"


def test_a_file_is_wanted_more_then_not_then_as_others():
    top = top_with(told(1))
    press(top, "enter", "2")
    files = [{"number": 0, "path": ["a"], "size_bytes": 1, "done_bytes": 0, "priority": 1},
             {"number": 7, "path": ["b"], "size_bytes": 1, "done_bytes": 0, "priority": 2}]
    top.take(Details(told(1)["hash"], Tab.FILES, read_page(Tab.FILES, {"files": files}, 0.0)))
    (first,) = press(top, " ")
    (second,) = press(top, "down", "down", " ")
    assert first.body == {"file_priorities": {"0": "high"}}
    assert (second.path, second.body) == (f"{path(1)}/files", {"file_priorities": {"7": "skip"}})


def test_a_daemon_that_goes_away_is_noticed_once_and_its_return_too():
    top = top_with(told(1))
    top.take(Lost("refused"))
    top.take(Lost("refused"))
    assert top.lost == "refused"
    assert top.chosen.name == "torrent 1"
    top.take(snapshot())
    assert top.lost == ""
    assert list(top.log) == ["the daemon does not answer: refused", "the daemon answers again"]


def test_the_log_has_what_was_said_and_what_happened_and_its_end_is_followed():
    top = top_with()
    top.screen_rows = 3
    for number in range(5):
        top.take(Happened(f"event {number}"))
    top.take(Said("done"))
    press(top, "l")
    assert top.hold_line(len(top.log), 3) == 3
    top.take(Happened("last"))
    assert top.hold_line(len(top.log), 3) == 4
    press(top, "up")
    top.take(Happened("more"))
    assert top.hold_line(len(top.log), 3) == 3


def test_rates_are_remembered_while_anything_moves():
    top = top_with(told(1), told(2, down_bytes_per_s=3))
    digits = told(2)["hash"]
    top.take(snapshot())
    assert list(top.histories) == [digits]
    assert list(top.histories[digits].down) == [3, 3]
    top.take(snapshot(told(2, down_bytes_per_s=0)))
    assert list(top.histories[digits].down) == [3, 3, 0]
    top.take(snapshot(removed=(digits,)))
    assert top.histories == {}


@pytest.mark.parametrize("keys", [["q"], ["^Q"], ["^C"], ["enter", "^Q"], ["l", "^Q"], ["enter", "q", "q"]])
def test_it_can_be_left_from_everywhere(keys):
    assert press(top_with(told(1)), *keys)[-1] == Quit()


def test_help_and_log_are_left_for_what_was_there_before():
    top = top_with(told(1))
    press(top, "enter", "?")
    assert top.focus is Focus.HELP
    press(top, "l", "?", "?")
    assert top.focus is Focus.DETAILS


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_no_key_has_two_meanings_in_one_place(keyboard):
    for keymap in keys_of(keyboard)[:3]:
        keys = [key for binding in keymap.bindings for key in binding.keys]
        assert len(keys) == len(set(keys))
        assert all(len(binding.values) in (0, len(binding.keys)) for binding in keymap.bindings)


@pytest.mark.parametrize("keyboard", KEYBOARDS)
@pytest.mark.parametrize(("page", "opens"), [("listing", []), ("details", ["enter"])])
def test_every_key_does_something_that_is_there(page, opens, keyboard):
    for key in (key for binding in getattr(keys_of(keyboard), page).bindings for key in binding.keys):
        top = top_with(told(1, added_at=1), told(2, added_at=2))
        top.keys = keys_of(keyboard)
        before = (top.number, top.line, top.focus, top.tab, top.roster.view.name, top.roster.order, top.prompt)
        intents = press(top, *opens, key)
        after = (top.number, top.line, top.focus, top.tab, top.roster.view.name, top.roster.order, top.prompt)
        turns = "S" if keyboard == "dvorak" else "O"
        is_at_rest = key in ("up", "^P", "pgup", "home", "1", "esc", turns, " ")
        assert intents or after != before or is_at_rest, key


def test_a_line_is_edited_like_others():
    top = Top()
    press(top, "/", *"abc", "left", "left", "X", "delete", "home", "Y", "end", "Z", "\x00", "pgup", "\u202e")
    assert (top.prompt.text, top.prompt.cursor) == ("YaXcZ", 5)
    press(top, "left", "^K", "left", "^U")
    assert (top.prompt.text, top.prompt.cursor) == ("c", 0)
