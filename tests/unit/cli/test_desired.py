"""What a file says that there shall be, and what has to be done for it."""

from __future__ import annotations

import pytest

from blobtorrent.cli.desired import (
    Details,
    file_priorities,
    plan_for,
    read_desired,
    settings_that_differ,
    tracker_tiers,
    write_entry,
)
from blobtorrent.model.errors import Invalid
from tests.support.fakedaemon import torrent

ONE, TWO = torrent(1)["hash"], torrent(2)["hash"]


def plan(options, *present, digits=ONE, priorities=None, tiers=()):
    details = Details(lambda _: priorities or {}, lambda _: list(tiers))
    return plan_for([(digits, "name", options)], present, details)


def test_a_file_has_torrents_with_their_options_and_settings():
    desired = read_desired(f"""
        [settings.limits]
        up_bytes_per_s = "1 MiB/s"
        [defaults]
        labels = ["fleet"]
        priority = 1
        [[torrents]]
        torrent = "a.torrent"
        [[torrents]]
        hash = "{ONE.upper()}"
        priority = 2
        [torrents.seeding]
        ratio = 2
    """)
    first, second = desired.entries
    assert (first.origin, first.options) == ({"torrent": "a.torrent"}, {"labels": ["fleet"], "priority": 1})
    assert second.origin == {"hash": ONE}
    assert second.options == {"labels": ["fleet"], "priority": 2, "seeding": {"ratio": 2}}
    assert desired.settings == {"limits": {"up_bytes_per_s": "1 MiB/s"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[torrents]]\n", "number 1: say torrent, url or hash"),
        ("[[torrents]]\ntorrent = 'a'\nurl = 'http://b/'", "say torrent, url or hash"),
        ("[[torrents]]\nhash = 'abc'", "hexadecimal"),
        ("[[torrents]]\ntorrent = 3", "has to be text"),
        ("[[torrents]]\ntorrent = 'a'\npriorty = 3", "no option priorty"),
        ("[[torrents]]\ntorrent = 'a'\npriority = 'x'", "priority is 'x'"),
        ("[[torrents]]\ntorrent = 'a'\npriority = true", "priority is True"),
        ("[[torrents]]\ntorrent = 'a'\nstart = 1", "start is 1"),
        ("[[torrents]]\ntorrent = 'a'\nlabels = 'x'", "labels is 'x'"),
        ("[[torrents]]\ntorrent = 'a'\ndown_limit_bytes_per_s = 'fast'", "not a size"),
        ("[[torrents]]\ntorrent = 'a'\nseeding = {times = 1}", "seeding is"),
        ("[[torrents]]\ntorrent = 'a'\nfile_priorities = {1 = 'no'}", "file_priorities is"),
        ("[[torrents]]\ntorrent = 'a'\nfile_priorities = {1 = ['no']}", "file_priorities is"),
        ("[[torrents]]\ntorrent = 'a'\ntrackers = ['http://a/']", "list of lists"),
        ("[defaults]\nhash = 'a'", "defaults: there is no option hash"),
        ("torrents = 3", r"write \[\[torrents\]\]"),
        ("settings = 3", "tables"),
        ("[torrent]\n", "no table torrent"),
        ("[[torrents", "Expected"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text, words):
    with pytest.raises(Invalid, match=words):
        read_desired(text)


def test_a_torrent_that_is_missing_is_added_with_its_options():
    (step,) = plan({"priority": 1}, torrent(2)).add
    assert (step.hash, step.name, step.options, step.differing) == (ONE, "name", {"priority": 1}, ())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"labels": ["a", "b"]}, {"labels": ["a", "b"]}),
        ({"group": ""}, {"group": None}),
        ({"group": "tv"}, {"group": "tv"}),
        ({"start": True}, {"started": True}),
        ({"down_limit_bytes_per_s": "1 MiB/s"}, {"down_limit_bytes_per_s": 1 << 20}),
        ({"seeding": {"ratio": 2, "time_s": "1h"}},
         {"seeding": {"ratio": 2.0, "time_s": 3600.0, "idle_s": None, "action": "stop"}}),
        ({"upload_slots": 3, "max_peers": 9}, {"upload_slots": 3, "max_peers": 9}),
        ({"download_dir": "/downloads", "sequential": False, "priority": 0}, {}),
    ],
)
def test_what_is_so_already_is_no_difference(said, told):
    found = plan(said, torrent(1, **told))
    assert (found.add, found.change, found.prune, found.unchanged) == ((), (), (), 1)


@pytest.mark.parametrize(
    "said", [{"labels": ["b", "a"]}, {"group": "x"}, {"start": False}, {"up_limit_bytes_per_s": 5}, {"seeding": {}},
             {"upload_slots": 1}, {"download_dir": "/elsewhere"}, {"sequential": True}],
)
def test_what_is_otherwise_is_told_by_name(said):
    (step,) = plan({"priority": 0, **said}, torrent(1, labels=["a", "b"])).change
    assert step.differing == tuple(said)


def test_priorities_of_files_are_compared_one_by_one():
    said = {"file_priorities": {"0": "normal", "2": "skip"}}
    assert plan(said, torrent(1), priorities={"2": "skip", "5": "high"}).unchanged == 1
    assert plan(said, torrent(1), priorities={"0": "high", "2": "skip"}).change[0].differing == ("file_priorities",)
    files = [{"number": 0, "priority": 1}, {"number": 2, "priority": 0}, {"number": 3, "priority": 2}]
    assert file_priorities(files) == {"2": "skip", "3": "high"}


def test_priorities_of_parts_are_those_of_their_files():
    levels = ((0, 0), (0, 2), (1, 0), (1, 0), (2, 1), (4, 2))
    files = [{"number": number, "part_of": whole, "priority": priority}
             for number, (whole, priority) in enumerate(levels)]
    assert file_priorities(files) == {"0": "high", "1": "skip", "4": "high"}


def test_a_hybrid_is_found_by_either_hash_and_others_would_be_pruned():
    hybrid = torrent(1, info_hash_v2="e" * 64)
    found = plan({}, hybrid, torrent(2), digits="e" * 64)
    assert (found.add, found.unchanged) == ((), 1)
    assert [step.hash for step in found.prune] == [TWO]


def test_settings_differ_by_name():
    present = {"limits": {"up_bytes_per_s": 5, "down_bytes_per_s": 0}, "groups": {}}
    wanted = {"limits": {"up_bytes_per_s": 5, "down_bytes_per_s": 1}, "groups": {"tv": {"weight": 2}}}
    assert settings_that_differ(wanted, present) == ("limits.down_bytes_per_s", "groups.tv.weight")


def test_a_torrent_that_was_written_is_read_as_it_is():
    told = torrent(
        1, labels=["ü", 'a"b'], group="tv", priority=-2, started=False, upload_slots=3, down_limit_bytes_per_s=7,
        seeding={"ratio": 1.5, "time_s": None, "idle_s": 60.0, "action": "remove"}, sequential=True,
        picker={"preset": "archive", "guard": 4.0}, super_seeding=True,
    )
    tiers = [["http://a/", "http://b/"], ["udp://c:1"]]
    text = write_entry({"torrent": "a.torrent"}, told, {"3": "skip"}, tiers)
    (entry,) = read_desired(text).entries
    assert entry.origin == {"torrent": "a.torrent"}
    assert "max_peers" not in entry.options
    assert plan(entry.options, told, priorities={"3": "skip"}, tiers=tiers).unchanged == 1
    assert plan(entry.options, told, priorities={"3": "skip"}, tiers=tiers[1:]).change[0].differing == ("trackers",)


def test_trackers_of_both_swarms_of_a_hybrid_are_the_same():
    told = [{"tier": tier, "url": url, "swarm": swarm}
            for swarm in ("v1", "v2") for tier, url in ((1, "udp://c:1"), (0, "http://a/"), (0, "http://b/"))]
    assert tracker_tiers(told) == [["http://a/", "http://b/"], ["udp://c:1"]]
