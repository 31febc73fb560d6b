"""Commands that steer torrents, before a played daemon: what they ask, tell and end with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, EXIT_TIMEOUT, EXIT_USAGE
from tests.support.fakedaemon import FakeDaemon, Reply, refusal, torrent

Command = Callable[..., tuple[int, str, str]]

ONE, TWO, THREE = (torrent(number)["hash"] for number in (1, 2, 3))


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as running:
        running.list_torrents(torrent(1), torrent(2), torrent(3))
        yield running


@pytest.fixture
def command(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--url", daemon.url])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting polls without a pause."""
    for module in ("waiting", "commands.create", "commands.drain"):
        monkeypatch.setattr(f"blobtorrent.cli.{module}.time.sleep", lambda _: None)


def results(*told: tuple[str, str | None]) -> dict[str, Any]:
    return {"results": [
        {"hash": digits, "ok": detail is None, "problem": detail and {"code": "torrent.busy", "detail": detail}}
        for digits, detail in told
    ]}


@pytest.mark.parametrize(
    ("word", "done"), [("start", "started"), ("stop", "stopped"), ("pause", "paused"), ("announce", "announced")]
)
def test_one_torrent_is_steered_by_a_request_of_its_own(daemon, command, word, done):
    assert command(word, ONE) == (EXIT_OK, f"{done} torrent 1\n", "")
    assert daemon.lines == [f"POST /v1/torrents/{ONE}/{word}"]


def test_many_torrents_are_steered_by_one_request(daemon, command):
    daemon.answer("POST /v1/torrents/actions", results((ONE, None), (TWO, None)))
    status, out, _ = command("stop", ONE, TWO)
    assert status == EXIT_OK
    assert daemon.seen[0].body == {"action": "stop", "hashes": [ONE, TWO]}
    assert out.splitlines()[:2] == ["stopped torrent 1", "stopped torrent 2"]


def test_what_is_refused_for_one_is_told_and_keeps_no_other(daemon, command):
    daemon.answer("POST /v1/torrents/actions", results((ONE, "not \x1b now"), (TWO, None)))
    daemon.answer("GET /v1/torrents", {"torrents": [torrent(2)]})
    status, out, err = command("stop", ONE, TWO)
    assert (status, out) == (EXIT_FAILED, "stopped torrent 2\n")
    assert err == "blobtorrent: 1 of 2 torrents refused: 00000001: not \\x1b now (torrent.busy)\n"
    status, out, _ = command("stop", ONE, TWO, "--json")
    told = json.loads(out)
    assert [told["torrents"][0]["hash"], told["error"]["code"]] == [TWO, "torrent.busy"]


def test_the_line_of_many_refusals_stays_short(daemon, command):
    hashes = [torrent(number)["hash"] for number in range(9)]
    daemon.answer("POST /v1/torrents/actions", results(*((digits, "no") for digits in hashes)))
    status, _, err = command("stop", *hashes)
    assert (status, err.count("\n")) == (EXIT_FAILED, 1)
    assert "9 of 9 torrents refused: 00000000: no; 00000001: no; 00000002: no; and 6 more" in err


def test_torrents_beyond_the_limit_of_a_request_go_into_the_next(daemon, command, monkeypatch):
    monkeypatch.setattr("blobtorrent.cli.steering.MAX_TOGETHER", 2)
    daemon.answer("POST /v1/torrents/actions", results((ONE, None), (TWO, None)), results((THREE, None)))
    assert command("remove", ONE, TWO, THREE, "--json")[0] == EXIT_OK
    assert [seen.body["hashes"] for seen in daemon.seen] == [[ONE, TWO], [THREE]]


def test_hashes_come_from_stdin(daemon, command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ONE}\n{TWO} seeding\n"))
    daemon.answer("GET /v1/torrents", {"torrents": [torrent(1)]})      # the other one is not there any more
    daemon.answer("POST /v1/torrents/actions", results((ONE, None), (TWO, None)))
    assert command("remove", "-", "--with-data") == (EXIT_OK, f"removed {torrent(1)['name']}\nremoved {TWO}\n", "")
    assert daemon.seen[-1].body == {"action": "remove", "with_data": True, "hashes": [ONE, TWO]}


def test_start_now_goes_beyond_the_queue(daemon, command):
    assert command("start", "--now", ONE, TWO)[0] == EXIT_OK
    assert [seen.body for seen in daemon.seen] == [{"now": True}, {"now": True}]


def test_a_daemon_that_goes_away_ends_the_command_at_once(daemon, command):
    daemon.answer(f"POST /v1/torrents/{ONE}/start", Reply(200, b"no json"))
    status, _, err = command("start", "--now", ONE, TWO)
    assert (status, "client.bad-answer" in err, len(daemon.seen)) == (EXIT_FAILED, True, 1)


def test_waiting_for_a_check_goes_on_until_all_are_checked(daemon, command, quick):
    busy = torrent(1, state="checking", checked_bytes=500)
    daemon.answer("GET /v1/torrents", {"torrents": [busy]}, {"torrents": [busy]}, {"torrents": [torrent(1)]})
    assert command("recheck", ONE, "--wait") == (
        EXIT_OK, "checking torrent 1\ntorrent 1: seeding, 100.0% of 1000 B\n", "")
    assert daemon.lines == [f"POST /v1/torrents/{ONE}/recheck", *["GET /v1/torrents"] * 3]
    assert daemon.seen[-1].query["hash"] == ONE


def test_waiting_ends_with_its_own_status_when_time_is_up(daemon, command, quick):
    daemon.answer("GET /v1/torrents", {"torrents": [torrent(1, state="moving")]})
    status, out, err = command("move", ONE, "/elsewhere", "--wait", "--timeout", "0", "--json")
    assert (status, err) == (EXIT_TIMEOUT, "blobtorrent: out of time: 1 of 1 torrents not done (command.timeout)\n")
    assert json.loads(out)["error"]["code"] == "command.timeout"
    assert daemon.seen[0].body == {"download_dir": "/elsewhere"}


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ([torrent(1, state="error", error={"code": "storage.disk-full", "message": "no space"})], "storage.disk-full"),
        ([], "torrent.unknown"),
    ],
)
def test_waiting_ends_when_a_torrent_fails_or_goes(daemon, command, quick, after, code):
    daemon.answer("GET /v1/torrents", {"torrents": after})
    status, _, err = command("recheck", ONE, "--wait")
    assert (status, f"({code})" in err) == (EXIT_FAILED, True)


def test_files_that_are_there_already_are_only_looked_for(daemon, command):
    assert command("move", ONE, "relative", "--in-place")[0] == EXIT_OK
    body = daemon.seen[0].body
    assert body["move_files"] is False and body["download_dir"].startswith("/")


def test_a_file_is_renamed(daemon, command):
    assert command("rename", "torrent 1", "a/b", "a/\x1bc") == (EXIT_OK, "a/b -> a/\\x1bc\n", "")
    assert daemon.seen[1].body == {"old": "a/b", "new": "a/\x1bc"}


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["--add", "c", "--remove", "a"], ["b", "c"]), (["--set", "x", "--set", "y"], ["x", "y"]), (["--clear"], []),
    ],
)
def test_labels_are_changed(daemon, command, words, labels):
    daemon.list_torrents(torrent(1, labels=["a", "b"]))
    daemon.answer(f"PATCH /v1/torrents/{ONE}", torrent(1, labels=labels))
    assert command("label", ONE, *words) == (EXIT_OK, f"torrent 1: {', '.join(labels) or 'none'}\n", "")
    assert daemon.seen[-1].body == {"labels": labels}


@pytest.mark.parametrize("words", [[], ["--add", "a"], ["--remove", "z"]])
def test_labels_that_are_so_already_are_shown(daemon, command, words):
    daemon.list_torrents(torrent(1, labels=["a", "b"]))
    assert command("label", ONE, *words)[1] == "torrent 1: a, b\n"
    assert daemon.lines == [f"GET /v1/torrents/{ONE}"]


def test_contradicting_words_about_labels_ask_nothing(daemon, command):
    assert command("label", ONE, "--add", "a", "--clear")[0] == EXIT_FAILED
    assert daemon.seen == []


def test_options_of_torrents_are_set_by_the_names_that_the_daemon_has(daemon, command):
    daemon.answer(f"PATCH /v1/torrents/{ONE}", torrent(1, sequential=True, picker={"preset": "archive", "guard": 4.0}))
    status, out, _ = command(
        "set", ONE, TWO, "--to", "sequential=true", "--to", "picker.preset=archive", "--to", "picker.guard=4",
        "--reset", "picker.temperature")
    assert status == EXIT_OK
    assert [seen.body for seen in daemon.seen] == [
        {"sequential": True, "picker": {"preset": "archive", "guard": 4, "temperature": None}}] * 2
    assert out.splitlines() == [
        'torrent 1: sequential = true, picker.preset = "archive", picker.guard = 4.0',
        "torrent 2: sequential = false, picker = default"]


@pytest.mark.parametrize("words", [[], ["--to", "sequential"], ["--to", "=1"], ["--to", "a=1", "--to", "a.b=1"]])
def test_what_cannot_be_set_asks_nothing(daemon, command, words):
    assert command("set", ONE, *words)[0] == EXIT_FAILED
    assert daemon.seen == []


def test_limits_of_torrents_are_changed_and_shown(daemon, command):
    daemon.answer(f"PATCH /v1/torrents/{ONE}", torrent(
        1, down_limit_bytes_per_s=1 << 20, seeding={"ratio": 2.0, "time_s": 3600.0, "idle_s": None, "action": "stop"}))
    status, out, _ = command(
        "limits", ONE, "--down", "1 MiB/s", "--up", "default", "--slots", "3", "--ratio", "2", "--seed-for", "1h",
        "--group", "tv", "--then", "stop")
    assert status == EXIT_OK
    assert daemon.seen[0].body == {
        "down_limit_bytes_per_s": 1 << 20, "up_limit_bytes_per_s": None, "upload_slots": 3, "group": "tv",
        "seeding": {"ratio": 2.0, "time_s": 3600.0, "action": "stop"},
    }
    assert out.splitlines()[1].split("  ")[1:3] == ["1.0 MiB/s", "no limit"]
    assert out.endswith("to ratio 2.0, for 1h 00m, then stop\n")


def test_goals_of_the_settings_come_back(daemon, command):
    assert command("limits", ONE, "--default-goals")[0] == EXIT_OK
    assert daemon.seen[0].body == {"seeding": None}


@pytest.mark.parametrize("words", [["--down", "fast"], ["--ratio", "-1"], ["--ratio", "nan"], ["--slots", "x"],
                                   ["--idle", "soon"], ["--then", "explode"]])
def test_a_limit_that_is_none_is_wrong_usage(command, words):
    with pytest.raises(SystemExit) as caught:
        command("limits", ONE, *words)
    assert caught.value.code == 2


SETTINGS = {
    "limits": {"down_bytes_per_s": "2 MiB/s", "up_bytes_per_s": 0}, "network": {"max_peers": 500, "upload_slots": 8},
    "seeding": {"ratio": 0, "time_s": "7d", "idle_s": 0, "action": "stop"},
}


def test_limits_of_the_daemon_are_settings(daemon, command):
    daemon.answer("GET /v1/settings", SETTINGS)
    daemon.answer("PATCH /v1/settings", {"applied": [], "need_restart": []})
    status, out, _ = command("limits", "--down", "2 MiB/s", "--max-peers", "default", "--idle", "5m")
    assert status == EXIT_OK
    assert daemon.seen[0].body == {
        "limits": {"down_bytes_per_s": 2 << 20}, "network": {"max_peers": None}, "seeding": {"idle_s": 300.0}}
    assert [line.partition(":")[2].strip() for line in out.splitlines()] == [
        "2 MiB/s", "no limit", "500", "8", "for 7d, then stop"]


@pytest.mark.parametrize(
    "words", [["--priority", "1"], ["--group", "a"], ["--of-group", "a", "--ratio", "2"], [ONE, "--of-group", "a"]]
)
def test_limits_that_nobody_has_ask_nothing(daemon, command, words):
    assert command("limits", *words)[0] == EXIT_FAILED
    assert daemon.seen == []


def test_a_limit_of_a_group_leaves_its_others(daemon, command):
    group = {"name": "tv", "down_limit_bytes_per_s": 5, "up_limit_bytes_per_s": 6, "weight": 2.0, "torrents": 1,
             "down_bytes_per_s": 0, "up_bytes_per_s": 0}
    daemon.answer("GET /v1/groups/tv", group)
    daemon.answer("PUT /v1/groups/tv", group)
    assert command("limits", "--of-group", "tv", "--up", "1K")[0] == EXIT_OK
    assert daemon.seen[-1].body == {"down_limit_bytes_per_s": 5, "up_limit_bytes_per_s": 1024, "weight": 2.0}


def test_a_group_may_have_any_name(daemon, command):
    daemon.answer("GET /v1/groups/a/?b c", refusal("group.unknown", "there is no such group", 404))
    assert "(group.unknown)" in command("limits", "--of-group", "a/?b c")[2]


def test_a_group_that_is_not_there_is_made(daemon, command):
    daemon.answer("GET /v1/groups/new", refusal("group.unknown", "there is no such group", 404))
    daemon.answer("PUT /v1/groups/new", Reply(201, {
        "name": "new", "down_limit_bytes_per_s": 1, "up_limit_bytes_per_s": 0, "weight": 1.0, "torrents": 0,
        "down_bytes_per_s": 0, "up_bytes_per_s": 0}))
    assert command("limits", "--of-group", "new", "--down", "1")[0] == EXIT_OK
    assert daemon.seen[-1].body == {"down_limit_bytes_per_s": 1}
    assert command("limits", "--of-group", "new")[0] == EXIT_FAILED


def test_files_are_chosen_and_shown(daemon, command):
    files = [{"number": number, "path": ["t", name], "size_bytes": 10, "done_bytes": 5, "priority": priority}
             for number, name, priority in ((0, "a.mkv", 1), (1, "b.nfo", 0), (2, "\x07c.nfo", 2))]
    daemon.answer(f"GET /v1/torrents/{ONE}/files", {"files": files})
    status, out, _ = command("files", ONE, "--skip", "*.nfo", "--high", "0")
    assert status == EXIT_OK
    assert daemon.seen[1].body == {"file_priorities": {"1": "skip", "2": "skip", "0": "high"}}
    assert [line.split()[-2:] for line in out.splitlines()[1:]] == [
        ["normal", "t/a.mkv"], ["skip", "t/b.nfo"], ["high", "t/\\x07c.nfo"]]


def test_trackers_are_changed(daemon, command):
    path = f"/v1/torrents/{ONE}/trackers"
    tracker = {
        "tier": 0, "swarm": "v1", "url": "http://a/", "state": "backoff", "result": "gone \x1b[31m", "seeds": None,
        "error_code": "tracker.refused", "failures": 2, "last_announce_at": 1, "next_announce_at": None, "leeches": 3,
        "downloads": None, "peers_got": 0,
    }
    for method in ("GET", "PUT", "POST"):
        daemon.answer(f"{method} {path}", {"trackers": [tracker]})
    status, out, _ = command("trackers", ONE, "--add", "http://a/,http://b/", "--add", "udp://c:1")
    assert (status, out.splitlines()[1].split()) == (
        EXIT_OK, ["1", "backoff", "3", "0", "http://a/", "gone", "\\x1b[31m"])
    command("trackers", ONE, "--set", "http://d/")
    command("trackers", ONE, "--none")
    command("trackers", ONE, "--reset")
    assert [(seen.method, seen.body["tiers"]) for seen in daemon.seen] == [
        ("POST", [["http://a/", "http://b/"], ["udp://c:1"]]), ("PUT", [["http://d/"]]), ("PUT", []), ("PUT", None)]
    assert command("trackers", ONE, "--none", "--reset")[0] == EXIT_FAILED


def test_peers_are_shown_and_added(daemon, command):
    peer = {
        "address": "127.0.0.1:5", "client": "evil \x1b]0;x\x07", "progress": 0.5, "flags": "DU", "source": "tracker",
        "down_bytes_per_s": 2048, "up_bytes_per_s": 0, "downloaded_bytes": 1, "uploaded_bytes": 2, "connected_s": 61,
    }
    source = {
        "source": "dht", "state": "asking", "known": 40, "connected": 3, "told": 12, "told_s": 61, "result": "12 peers",
        "error_code": None, "next_s": 900,
    }
    daemon.answer(f"POST /v1/torrents/{ONE}/peers", {"peers": [peer], "sources": [source]})
    status, out, _ = command("peers", ONE, "--add", "127.0.0.1:5")
    assert (status, daemon.seen[0].body) == (EXIT_OK, {"peers": ["127.0.0.1:5"]})
    assert all(line.isprintable() for line in out.splitlines())
    assert out.splitlines()[1].split()[:5] == ["127.0.0.1:5", "50%", "2.0", "KiB/s", "DU"]
    assert out.splitlines()[-1].split()[:4] == ["dht", "asking", "40", "3"]


def test_an_explanation_names_causes_and_advice(daemon, command):
    daemon.answer(f"GET /v1/torrents/{ONE}/why", {
        "state": "downloading", "summary": "downloading: all peers choke us", "facts": {"peers": {"connected": 2}},
        "causes": [{"code": "all-choked", "text": "none of 2 peers sends", "advice": "wait", "since_s": 61},
                   {"code": "other", "text": "more", "advice": "", "since_s": None}],
    })
    assert command("why", ONE, "--facts", "--color", "never")[1].splitlines() == [
        "downloading: all peers choke us", "  none of 2 peers sends (all-choked, for 1m 01s)", "    -> wait",
        "  more (other)", "peers.connected: 2",
    ]
    assert "\x1b[36mdownloading: all peers choke us\x1b[0m" in command("why", ONE, "--color", "always")[1]


def test_one_piece_is_explained(daemon, command):
    daemon.answer(f"GET /v1/torrents/{ONE}/pieces/7", {
        "piece": 7, "state": "partial", "since_s": 61, "text": "it is asked of 127.0.0.1:5", "blocks": 4,
        "blocks_here": 1, "seeds": 1, "leeches": 2, "web_seeds": 0,
        "givers": [{"peer": "127.0.0.1:5", "standing": "asked", "worth": {"rarity": -1.0}}],
        "history": [{"ago_s": 30, "state": "spoiled", "cause": "its hash\x1b[2J is wrong"}],
    })
    assert command("why", ONE, "--piece", "7", "--facts", "--color", "never")[1].splitlines() == [
        "piece 7 is partial, for 1m 01s: it is asked of 127.0.0.1:5",
        "  1 of 4 blocks are here; connected peers that have it: 1 seeds, 2 others; 0 web seeds",
        "  127.0.0.1:5 (asked)", "  30s ago spoiled: its hash\\x1b[2J is wrong", "127.0.0.1:5.rarity: -1.00",
    ]
    with pytest.raises(SystemExit) as caught:
        command("why", ONE, "--piece", "seven")
    assert caught.value.code == EXIT_USAGE
