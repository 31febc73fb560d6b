"""One torrent: read, changed by merge patches, made what it should be by PUT, steered by words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from blobtorrent.core.session.commands import (
    RESET,
    AddTorrent,
    ChangeTorrent,
    FilesOf,
    GoalAction,
    MoveTorrent,
    PauseTorrent,
    RemoveTorrent,
    SeedGoal,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.model.errors import Conflict
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.splitting import Split
from blobtorrent.model.status import FileStatus, GoalStatus
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.resources import Resources, grant_of
from tests.support.rest import info_hash, status_of, tiny_torrent

ONE = f"/v1/torrents/{info_hash(1).hex}"
RAW = tiny_torrent()
METAINFO = parse_torrent(RAW)
TINY = f"/v1/torrents/{METAINFO.info_hash.hex}"
WITH_BYTES = {"metainfo": base64.b64encode(RAW).decode()}


@pytest.fixture
def rest():
    resources = Resources()
    resources.session.show(status_of(1))
    return resources


# ---- reading


def test_a_torrent_is_found_by_either_of_its_hashes(rest):
    hybrid = InfoHash(v1=b"\x01" * 20, v2=b"\x02" * 32)
    rest.session.show(status_of(2, info_hash=hybrid))
    for digits in ("01" * 20, "02" * 32):
        told = rest.ask("GET", f"/v1/torrents/{digits}").json
        assert (told["hash"], told["info_hash_v1"], told["info_hash_v2"]) == ("01" * 20, "01" * 20, "02" * 32)


@pytest.mark.parametrize("digits", ["x", "0" * 39, "0" * 41, "g" * 40, "0" * 20 + "%20" * 20, "%EF%BC%91" * 40,
                                    "+" * 40])
def test_what_is_no_hash_is_told_as_that(rest, digits):
    told = rest.ask("GET", f"/v1/torrents/{digits}")
    assert (told.status, told.code) == (422, "torrent.bad-hash")


def test_only_some_members_can_be_asked_for(rest):
    assert rest.ask("GET", f"{ONE}?fields=name,state").json == {"name": "torrent 1", "state": "stopped"}


def test_who_has_the_torrent_already_is_not_sent_it(rest):
    tag = rest.ask("GET", ONE).headers["etag"]
    assert rest.ask("GET", ONE, if_none_match=tag).status == 304


# ---- changing


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"labels": ["b", "a", "b"]}, TorrentChanges(labels=("b", "a"))),
        ({"labels": None, "priority": None}, TorrentChanges(labels=RESET, priority=RESET)),
        ({"down_limit_bytes_per_s": "2 MiB/s", "upload_slots": 0},
         TorrentChanges(down_bytes_per_s=2 << 20, upload_slots=0)),
        ({"seeding": {"ratio": 2, "action": "remove"}}, TorrentChanges(goal=SeedGoal(2.0, action=GoalAction.REMOVE))),
        ({"seeding": None}, TorrentChanges(goal=RESET)),
        ({}, TorrentChanges()),
    ],
)
def test_a_patch_becomes_a_change(rest, body, changes):
    assert rest.ask("PATCH", ONE, body).status == 200
    assert rest.commands == [ChangeTorrent(info_hash(1), changes)]


def test_a_merge_patch_says_so_or_not(rest):
    for content_type, status in (("application/merge-patch+json", 200), ("application/json", 200), ("text/plain", 415)):
        assert rest.ask("PATCH", ONE, {"priority": 1}, content_type=content_type).status == status


def test_the_goals_are_merged_with_those_that_there_are(rest):
    rest.session.show(status_of(1, goal=GoalStatus(2.0, 3600.0, None, "remove")))
    rest.ask("PATCH", ONE, {"seeding": {"ratio": None, "idle_s": 60}})
    goal = SeedGoal(None, 3600.0, 60.0, GoalAction.REMOVE)
    assert rest.commands == [ChangeTorrent(info_hash(1), TorrentChanges(goal=goal))]


def test_what_is_said_of_the_picker_is_merged_with_what_was(rest):
    rest.session.show(status_of(1, picker={"preset": "archive", "guard": 5.0}))
    assert rest.ask("GET", ONE).json["picker"] == {"preset": "archive", "guard": 5.0}
    rest.ask("PATCH", ONE, {"picker": {"guard": None, "temperature": 0.3}})
    rest.ask("PATCH", ONE, {"picker": None})
    assert rest.commands == [
        ChangeTorrent(info_hash(1), TorrentChanges(picker={"preset": "archive", "temperature": 0.3})),
        ChangeTorrent(info_hash(1), TorrentChanges(picker=RESET))]


@pytest.mark.parametrize(
    "body",
    [{"label": []}, {"labels": "a"}, {"labels": [""]}, {"labels": ["a\n"]}, {"priority": 1.5}, {"priority": True},
     {"picker": {"preset": "best"}}, {"picker": "archive"}, {"picker": {"temperature": 100}},
     {"priority": 10**10}, {"sequential": "yes"}, {"down_limit_bytes_per_s": -1}, {"seeding": []}, {"max_peers": 0},
     {"seeding": {"ratio": "2"}}, {"seeding": {"nope": 1}}, {"file_priorities": {"x": "high"}}, {"name": "other"},
     {"file_priorities": {"0": "urgent"}}, {"priority": 1, "group": 7}],
)
def test_a_patch_that_cannot_be_used_changes_nothing(rest, body):
    told = rest.ask("PATCH", ONE, body)
    assert (told.status, rest.commands) == (422, [])
    assert told.headers["content-type"] == "application/problem+json"


def test_a_patch_of_what_has_changed_since_is_refused(rest):
    tag = rest.ask("GET", f"{ONE}?fields=labels").headers["etag"]
    rest.session.show(status_of(1, down_bytes_per_s=9))
    assert rest.ask("PATCH", f"{ONE}?fields=labels", {"labels": ["a"]}, if_match=tag).status == 200
    rest.session.show(status_of(1, labels=("b",)))
    told = rest.ask("PATCH", f"{ONE}?fields=labels", {"labels": ["c"]}, if_match=tag)
    assert (told.status, told.code, len(rest.commands)) == (412, "rest.changed", 1)


def test_the_session_looks_again_when_it_comes_to_a_change(rest):
    """Between the look of the interface and the change somebody else may have been faster."""
    before = status_of(1)
    tag = rest.ask("GET", f"{ONE}?fields=labels").headers["etag"]
    rest.session.answers[ChangeTorrent] = Conflict("torrent.changed", "faster")
    told = rest.ask("PATCH", f"{ONE}?fields=labels", {"labels": ["a"]}, if_match=tag)
    assert (told.status, told.code) == (412, "rest.changed")
    [command] = rest.commands
    assert command.is_current(before) and command.is_current(before._replace(down_bytes_per_s=9))
    assert not command.is_current(before._replace(labels=("b",)))


# ---- words


@pytest.mark.parametrize(
    ("word", "body", "command"),
    [
        ("start", None, StartTorrent(info_hash(1))), ("start", {}, StartTorrent(info_hash(1))),
        ("start", {"now": True}, StartTorrent(info_hash(1), now=True)), ("stop", None, StopTorrent(info_hash(1))),
        ("pause", {}, PauseTorrent(info_hash(1))),
        ("move", {"download_dir": "/a"}, MoveTorrent(info_hash(1), Path("/a"))),
        ("move", {"download_dir": "/a", "move_files": False}, MoveTorrent(info_hash(1), Path("/a"), move_files=False)),
    ],
)
def test_a_word_becomes_a_command(rest, word, body, command):
    told = rest.ask("POST", f"{ONE}/{word}", body)
    assert (told.status, told.json["hash"], rest.commands) == (200, info_hash(1).hex, [command])


@pytest.mark.parametrize(
    ("word", "body"), [("stop", {"now": True}), ("start", {"now": 1}), ("move", {}), ("move", {"download_dir": 1}),
                       ("rename", {"old": "a"}), ("pause", {"a": None})],
)
def test_a_word_with_something_else_is_refused(rest, word, body):
    assert (rest.ask("POST", f"{ONE}/{word}", body).status, rest.commands) == (422, [])


@pytest.mark.parametrize("query", ["with_data=yes", "with_data=", "with_date=true", "with_data=1"])
def test_nothing_is_removed_by_a_query_that_is_misspelt(rest, query):
    assert (rest.ask("DELETE", f"{ONE}?{query}").status, rest.commands) == (422, [])


# ---- PUT


def test_what_is_not_there_is_added(rest):
    told = rest.ask("PUT", TINY, {**WITH_BYTES, "labels": ["a"]})
    assert (told.status, told.headers["location"]) == (201, TINY)
    assert rest.commands == [AddTorrent(METAINFO, raw=RAW, labels=("a",))]


def test_what_is_as_it_should_be_is_left_alone_by_who_may_only_add(rest):
    rest.session.show(status_of(
        1, labels=("a",), group="g", priority=3, is_started=True, download_dir="/srv", down_limit_bytes_per_s=100,
        goal=GoalStatus(2.0, None, None, "stop"), upload_slots=4, picker={"guard": 3.0}))
    body = {
        "labels": ["a"], "group": "g", "priority": 3, "start": True, "download_dir": "/srv", "upload_slots": 4,
        "down_limit_bytes_per_s": 100, "seeding": {"ratio": 2}, "sequential": False,
        "picker": {"guard": 3},
    }
    assert rest.ask("PUT", ONE, body, grant=grant_of("add")).status == 200
    assert rest.commands == []


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ({"priority": 5}, ChangeTorrent(info_hash(1), TorrentChanges(priority=5))),
        ({"priority": 5, "group": ""}, ChangeTorrent(info_hash(1), TorrentChanges(priority=5))),
        ({"start": True}, StartTorrent(info_hash(1))),
        ({"download_dir": "/srv"}, MoveTorrent(info_hash(1), Path("/srv"))),
    ],
)
def test_what_differs_is_carried_out_by_who_may_control_it(rest, body, command):
    rest.desk.document = {"rest": {"folders": ["/srv"]}}
    told = rest.ask("PUT", ONE, body, grant=grant_of("add"))
    assert (told.status, told.code, rest.commands) == (403, "rest.scope", [])
    assert rest.ask("PUT", ONE, body, grant=grant_of("control")).status == 200
    assert rest.commands == [command]


def test_all_differences_are_carried_out(rest):
    rest.session.show(status_of(1, is_started=True))
    rest.ask("PUT", ONE, {"labels": ["x"], "start": False, "download_dir": "/srv"})
    assert rest.commands == [
        ChangeTorrent(info_hash(1), TorrentChanges(labels=("x",))), MoveTorrent(info_hash(1), Path("/srv")),
        StopTorrent(info_hash(1)),
    ]


@pytest.mark.parametrize(("wanted", "changes"), [({"2": "high", "0": "normal"}, []), ({"2": "skip"}, [{2: 0}])])
def test_priorities_of_files_are_compared_with_those_that_hold(rest, wanted, changes):
    rest.session.answers[FilesOf] = (FileStatus(("a",), 1, 0), FileStatus(("b",), 1, 0, 2, 2))
    rest.ask("PUT", ONE, {"file_priorities": wanted})
    assert [command.changes.file_priorities for command in rest.commands if isinstance(command,
                                                                                       ChangeTorrent)] == changes


def test_priorities_of_files_that_are_kept_in_parts_are_by_the_numbers_of_the_torrent(rest):
    rest.session.show(status_of(1, split=Split(16384, ".part")))
    rest.session.answers[FilesOf] = tuple(
        FileStatus((str(number),), 1, 0, number, whole=whole) for number, whole in enumerate((0, 0, 1)))
    rest.ask("PUT", ONE, {"file_priorities": {"0": "high", "1": "normal"}})
    (change,) = [command for command in rest.commands if isinstance(command, ChangeTorrent)]
    assert change.changes.file_priorities == {0: 2, 1: 2, 2: 1}


def test_another_torrent_than_the_path_names_is_refused(rest):
    told = rest.ask("PUT", ONE, WITH_BYTES)
    assert (told.status, told.code, rest.commands) == (422, "torrent.other-hash", [])


def test_what_is_not_there_and_not_given_is_not_found(rest):
    told = rest.ask("PUT", TINY, {"labels": []})
    assert (told.status, told.code, rest.commands) == (404, "torrent.unknown", [])


def test_put_can_be_only_for_what_is_there_or_for_what_is_not(rest):
    assert rest.ask("PUT", TINY, WITH_BYTES, if_match="*").status == 412
    assert rest.ask("PUT", ONE, {"priority": 1}, if_none_match="*").status == 412
    assert rest.commands == []
    assert rest.ask("PUT", TINY, WITH_BYTES, if_none_match="*").status == 201
    assert rest.ask("PUT", ONE, {"priority": 1}, if_match="*").status == 200


def test_put_is_idempotent(rest):
    statuses = [rest.ask("PUT", TINY, WITH_BYTES).status for _ in range(3)]
    assert (statuses, len(rest.commands)) == ([201, 200, 200], 1)


# ---- tokens that are bound to labels


@pytest.mark.parametrize(
    ("labels", "status"),
    [(["tv"], 403), (["tv", "old"], 200), (["old", "uhd"], 200), (["old"], 403), ([], 403),
     (["tv", "old", "new"], 403), (["new"], 403), (None, 403)],
)
def test_a_bound_token_gives_and_takes_its_own_labels_only(rest, labels, status):
    """The torrent has a foreign label, which has to stay, and one of the token's, of which one has to stay."""
    rest.session.show(status_of(1, labels=("tv", "old")))
    bound = grant_of("control", "tv", "uhd")
    told = rest.ask("PATCH", ONE, {"labels": labels}, grant=bound)
    assert (told.status, len(rest.commands)) == (status, int(status == 200))


def test_a_bound_token_reaches_no_torrent_of_others(rest):
    rest.session.show(status_of(1, labels=("hd",)))
    bound = grant_of("admin", "tv")
    told = [
        rest.ask("GET", ONE, grant=bound), rest.ask("PATCH", ONE, {}, grant=bound),
        rest.ask("DELETE", ONE, grant=bound),
        rest.ask("PUT", ONE, {}, grant=bound),
        *(rest.ask("GET", f"{ONE}/{part}", grant=bound)
          for part in ("files", "files/0/content", "peers", "trackers", "webseeds", "pieces", "why", "metainfo")),
        *(rest.ask("POST", f"{ONE}/{word}", grant=bound) for word in ("start", "stop", "pause", "recheck", "announce")),
        rest.ask("POST", f"{ONE}/move", {"download_dir": "/a"}, grant=bound),
        rest.ask("POST", f"{ONE}/rename", {"old": "a", "new": "b"}, grant=bound),
        rest.ask("POST", f"{ONE}/peers", {"peers": []}, grant=bound),
        rest.ask("PUT", f"{ONE}/trackers", {"tiers": []}, grant=bound),
        rest.ask("PATCH", f"{ONE}/files", {"file_priorities": {}}, grant=bound),
    ]
    assert {(answer.status, answer.code) for answer in told} == {(404, "torrent.unknown")}
    assert rest.commands == []


def test_removing_takes_the_files_only_when_that_is_said(rest):
    rest.ask("DELETE", ONE)
    rest.session.show(status_of(1))
    rest.ask("DELETE", f"{ONE}?with_data=true")
    assert rest.commands == [RemoveTorrent(info_hash(1)), RemoveTorrent(info_hash(1), with_data=True)]
