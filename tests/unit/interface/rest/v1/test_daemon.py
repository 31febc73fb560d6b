"""What concerns the daemon as a whole: session, settings, groups; and many torrents at once."""

from __future__ import annotations

import pytest

from blobtorrent.config.schema import all_options
from blobtorrent.core.session.commands import PauseTorrent, RemoveTorrent, StartTorrent
from blobtorrent.core.session.watch import WatchStatus
from blobtorrent.model.errors import Conflict
from tests.support.resources import Resources, grant_of
from tests.support.rest import info_hash, status_of

HASHES = [info_hash(number).hex for number in range(5)]
SECRET = "0123456789abcdef0123"


@pytest.fixture
def rest():
    return Resources(settings={"storage": {"download_dir": "/srv"}, "groups": {"tv": {"weight": 2}}})


# ---- the session


def test_the_session_counts_what_there_is_now(rest):
    rest.session.show(status_of(1), status_of(2))
    told = rest.ask("GET", "/v1/session").json
    assert (told["state"], told["torrents"], told["listen"]) == ("running", 2, ["127.0.0.1:6881"])


@pytest.mark.parametrize(
    ("word", "body", "status", "wish"),
    [
        ("reload", None, 200, ("reload", None)), ("stop", None, 202, ("stop", None)),
        ("drain", None, 202, ("drain", 60.0)),
        ("drain", {"timeout_s": "2m"}, 202, ("drain", 120.0)),
    ],
)
def test_the_desk_is_told(rest, word, body, status, wish):
    assert rest.ask("POST", f"/v1/session/{word}", body).status == status
    assert rest.desk.wishes == [wish]


@pytest.mark.parametrize(("word", "body"), [("stop", {"now": 1}), ("drain", {"timeout_s": -1}), ("reload",
                                                                                                 {"a": None})])
def test_a_wish_that_is_misspelt_is_none(rest, word, body):
    assert (rest.ask("POST", f"/v1/session/{word}", body).status, rest.desk.wishes) == (422, [])


# ---- settings


def test_every_setting_is_told_as_it_is_written(rest):
    told = rest.ask("GET", "/v1/settings").json
    assert (told["storage"]["download_dir"], told["storage"]["memory_budget"]) == ("/srv", "64 MiB")
    assert (told["groups"]["tv"]["weight"], told["watch"]) == (2, [])
    assert "sources" not in told
    single = {name for name in all_options() if name.partition(".")[0] not in ("groups", "watch", "hooks")}
    assert {f"{section}.{key}" for section, table in told.items() if isinstance(table, dict) for key in table} >= single


def test_sources_are_told_when_asked_for(rest):
    sources = rest.ask("GET", "/v1/settings?sources=true").json["sources"]
    assert (sources["storage.download_dir"], sources["storage.sync"]) == ("test", "default")
    assert rest.ask("GET", "/v1/settings?sources=1").status == 422


def test_tables_of_a_list_are_told_in_their_order():
    rest = Resources(settings={"watch": [{"path": "/a", "label": "x"}, {"path": "/b"}]})
    assert [(table["path"], table["label"]) for table in rest.ask("GET", "/v1/settings").json["watch"]] == [
        ("/a", "x"), ("/b", "")]


def test_secrets_in_urls_are_for_those_who_may_change_them():
    rest = Resources(settings={"groups": {"a": {"weight": 1}}, "watch": [
        {"path": "/a", "label": f"http://user:pass@host/{SECRET}"}]})
    assert SECRET in rest.ask("GET", "/v1/settings").body.decode()
    assert SECRET not in rest.ask("GET", "/v1/settings", grant=grant_of("control")).body.decode()


def test_settings_are_changed_by_a_patch(rest):
    told = rest.ask("PATCH", "/v1/settings", {"limits": {"down_bytes_per_s": "1 MiB/s"}, "groups": {"tv": None}})
    assert (told.status, told.json["applied"]) == (200, ["limits.down_bytes_per_s"])
    assert told.json["settings"]["limits"]["down_bytes_per_s"] == "1 MiB/s"
    assert told.json["settings"]["groups"] == {}


@pytest.mark.parametrize(
    ("patch", "named"),
    [
        ({"limits": {"down_bytes": 1}}, "limits.down_bytes_per_s"), ({"limits": {"down_bytes_per_s": -1}}, "between"),
        ({"limits": 1}, "limits"), ({"nope": {}}, "nope"), ({"limits": {"down_bytes": None}}, "limits.down_bytes"),
        ({"groups": {"a b": {}}}, "a b"), ({"watch": [{}]}, "path"), ({"watch": {}}, "watch"),
        ({"rest": {"listen": ["127.0.0.1:0"], "nope": 1}}, "rest.nope"),
    ],
)
def test_a_patch_that_cannot_be_used_names_the_setting_and_changes_nothing(rest, patch, named):
    before = rest.ask("GET", "/v1/settings").body
    told = rest.ask("PATCH", "/v1/settings", patch)
    assert told.status == 422
    assert told.code.startswith("config.")
    assert named in told.json["detail"]
    assert rest.ask("GET", "/v1/settings").body == before


def test_settings_that_others_have_changed_are_read_again_first(rest):
    tag = rest.ask("GET", "/v1/settings").headers["etag"]
    patch = {"queue": {"active_seeds": 3}}
    assert rest.ask("PATCH", "/v1/settings", patch, if_match=tag).status == 200
    assert rest.ask("PATCH", "/v1/settings", {"queue": None}, if_match=tag).status == 412
    assert rest.desk.settings().queue.active_seeds == 3


def test_the_schema_knows_every_setting(rest):
    properties = rest.ask("GET", "/v1/settings/schema").json["properties"]
    known = {
        f"{section}.{key}"
        for section, table in properties.items() for key in (table.get("properties") or {})
    }
    assert known == {name for name in all_options() if name.partition(".")[0] not in ("groups", "watch", "hooks")}
    assert properties["storage"]["properties"]["sync"]["enum"] == ["normal", "always"]
    assert properties["groups"]["additionalProperties"]["properties"]["weight"]["default"] == 1
    assert properties["watch"]["items"]["required"] == ["path"]
    assert properties["limits"]["properties"]["exempt_local"]["type"] == ["boolean"]


# ---- groups


def test_a_group_is_told_with_its_torrents(rest):
    rest.session.show(status_of(1, group="tv", down_bytes_per_s=10), status_of(2, group="tv", down_bytes_per_s=5),
                      status_of(3))
    [group] = rest.ask("GET", "/v1/groups").json["groups"]
    assert group == rest.ask("GET", "/v1/groups/tv").json
    assert (group["name"], group["weight"], group["torrents"], group["down_bytes_per_s"]) == ("tv", 2, 2, 15)


def test_a_group_is_made_replaced_and_forgotten(rest):
    made = rest.ask("PUT", "/v1/groups/hd", {"down_limit_bytes_per_s": "1 MiB/s", "weight": 3})
    assert (made.status, made.headers["location"]) == (201, "/v1/groups/hd")
    replaced = rest.ask("PUT", "/v1/groups/hd", {"up_limit_bytes_per_s": 7})
    assert (replaced.status, replaced.json["down_limit_bytes_per_s"], replaced.json["up_limit_bytes_per_s"]) == (200,
                                                                                                                 0, 7)
    assert (rest.ask("DELETE", "/v1/groups/hd").status, rest.ask("DELETE", "/v1/groups/hd").status) == (204, 404)
    assert rest.ask("GET", "/v1/groups/hd").code == "group.unknown"


@pytest.mark.parametrize(
    ("name", "body"), [("a%20b", {}), ("a%2Fb", {}), ("x" * 65, {}), ("a", {"weight": 0}), ("a", {"limit": 1}),
                       ("a", {"weight": "1"})])
def test_a_group_that_cannot_be_is_not_made(rest, name, body):
    assert (rest.ask("PUT", f"/v1/groups/{name}", body).status, rest.desk.wishes) == (422, [])


# ---- many torrents at once


def test_one_thing_is_done_to_many_and_each_is_told_of(rest):
    rest.session.show(status_of(1), status_of(2))
    told = rest.ask("POST", "/v1/torrents/actions",
                    {"action": "start", "hashes": [HASHES[1], HASHES[4], "xyz", HASHES[2]]})
    assert told.status == 200
    assert [(result["hash"], result["ok"]) for result in told.json["results"]] == [
        (HASHES[1], True), (HASHES[4], False), ("xyz", False), (HASHES[2], True)]
    assert [result["problem"] and result["problem"]["code"] for result in told.json["results"]] == [
        None, "torrent.unknown", "torrent.bad-hash", None]
    assert rest.commands == [StartTorrent(info_hash(1)), StartTorrent(info_hash(2))]


def test_what_the_session_refuses_for_one_is_its_problem(rest):
    rest.session.show(status_of(1))
    rest.session.refuse_with = Conflict("torrent.not-stopped", "it runs")
    [result] = rest.ask("POST", "/v1/torrents/actions", {"action": "start", "hashes": [HASHES[1]]}).json["results"]
    assert (result["ok"], result["problem"]["status"], result["problem"]["code"]) == (False, 409, "torrent.not-stopped")


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ({"action": "remove"}, RemoveTorrent(info_hash(1))),
        ({"action": "remove", "with_data": True}, RemoveTorrent(info_hash(1), with_data=True)),
        ({"action": "pause"}, PauseTorrent(info_hash(1))),
    ],
)
def test_every_action_has_its_command(rest, body, command):
    rest.session.show(status_of(1))
    assert rest.ask("POST", "/v1/torrents/actions", {**body, "hashes": [HASHES[1], HASHES[1].upper()]}).status == 200
    assert rest.commands == [command]


@pytest.mark.parametrize(
    "body",
    [{}, {"action": "start"}, {"action": "explode", "hashes": []}, {"action": "start", "hashes": "abc"},
     {"action": "start", "hashes": [1]}, {"action": "start", "hashes": [], "with_data": True},
     {"action": "start", "hashes": ["a"] * 10001}, {"action": ["start"], "hashes": []}],
)
def test_an_action_that_is_none_changes_nothing(rest, body):
    rest.session.show(status_of(1))
    assert (rest.ask("POST", "/v1/torrents/actions", body).status, rest.commands) == (422, [])


def test_a_bound_token_acts_on_its_torrents_only(rest):
    rest.session.show(status_of(1, labels=("tv",)), status_of(2))
    told = rest.ask("POST", "/v1/torrents/actions", {"action": "remove", "hashes": HASHES[1:3]},
                    grant=grant_of("control", "tv"))
    assert [result["ok"] for result in told.json["results"]] == [True, False]
    assert rest.commands == [RemoveTorrent(info_hash(1))]


# ---- watch folders


def test_watch_folders_are_told_with_what_came_of_them(rest):
    assert rest.ask("GET", "/v1/watch").json == {"folders": []}
    rest.watched = (WatchStatus("/in"), WatchStatus("/b", False, 3, 1, "x.torrent", 1000.9, "source.no-file", "gone"))
    first, second = rest.ask("GET", "/v1/watch").json["folders"]
    assert first == {
        "path": "/in", "readable": True, "added": 0, "failed": 0, "last_file": None, "last_at": None,
        "last_error": None}
    assert (second["readable"], second["added"], second["last_at"]) == (False, 3, 1000)
    assert second["last_error"] == {"code": "source.no-file", "message": "gone"}
