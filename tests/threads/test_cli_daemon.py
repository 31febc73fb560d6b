"""Commands about the daemon as a whole, before a played one: lists, settings, events, desired state, its end."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.client import Client
from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, EXIT_TIMEOUT
from blobtorrent.model.errors import Invalid, NetworkError, TimedOut
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.fakedaemon import PATIENCE_S, FakeDaemon, Reply, refusal, torrent
from tests.support.rest import tiny_torrent

Command = Callable[..., tuple[int, str, str]]

ONE = torrent(1)["hash"]
TINY = parse_torrent(tiny_torrent()).info_hash.hex


class Terminal(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as running:
        running.list_torrents(torrent(1), torrent(2))
        yield running


@pytest.fixture
def command(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs a command line; what it waits for comes without a pause."""
    for module in ("waiting", "following", "commands.create", "commands.drain"):
        monkeypatch.setattr(f"blobtorrent.cli.{module}.time.sleep", lambda _: None)

    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--url", daemon.url])
        return (status, *capsys.readouterr())

    return run


# ---- lists


def test_filters_and_order_are_the_daemons(daemon, command):
    command("list", "--state", "seeding", "--state", "error", "--label", "a", "--group", "g", "--name", "n",
            "--private", "--held-by", "space", "--error", "--sort=-ratio,name", "--limit", "5", "--json")
    assert daemon.seen[0].query == {
        "state": "seeding,error", "label": "a", "group": "g", "name": "n", "private": "true", "held_by": "space",
        "error": "true", "sort": "-ratio,name", "limit": "5"}


def test_a_list_asks_for_no_more_than_it_shows(daemon, command):
    status, out, _ = command("list")
    assert status == EXIT_OK
    assert "downloaded_bytes" not in daemon.seen[0].query["fields"]
    assert out.splitlines()[1].split() == ["00000001", "seeding", "100.0%", "1000", "B", "0.00", "0", "torrent", "1"]


def test_a_list_of_hashes_is_for_other_commands(daemon, command):
    assert command("list", "--hashes")[1].split() == [torrent(1)["hash"], torrent(2)["hash"]]
    assert daemon.seen[0].query == {"fields": "hash"}


def test_fields_are_shown_in_the_order_that_was_asked_for(daemon, command):
    out = command("list", "--fields", "name,size_bytes,labels")[1]
    assert daemon.seen[0].query == {"fields": "name,size_bytes,labels"}
    assert out.splitlines()[:2] == ["NAME         SIZE  LABELS", "torrent 1  1000 B"]


def test_a_list_tells_what_holds_a_torrent_and_how_far_a_check_is(daemon, command):
    daemon.list_torrents(
        torrent(1, state="queued", held_by="space"), torrent(2, state="checking", checked_bytes=250),
        torrent(3, state="error", error={"code": "a.b", "message": "broke \x07"}))
    lines = command("list")[1].splitlines()
    assert lines[1].endswith("torrent 1 (held: space)")
    assert " 25.0% " in lines[2]
    assert lines[3].endswith("torrent 3: broke \\x07")


def test_a_torrent_of_the_daemon_is_shown(daemon, command):
    daemon.list_torrents(torrent(1, name="debian", state="moving", moved_bytes=5, labels=["a"]))
    status, out, _ = command("show", "debian")
    facts = dict(line.split(":", 1) for line in out.splitlines())
    assert status == EXIT_OK
    assert (facts["name"].strip(), facts["moved"].strip(), facts["labels"].strip()) == ("debian", "5 B", "a")
    assert "checked" not in facts and "error" not in facts
    assert json.loads(command("show", ONE[:8], "--json")[1])["name"] == "debian"


def test_what_looks_like_a_file_is_not_looked_for_in_the_daemon(daemon, command):
    assert command("show", "debian.torrent")[0] == EXIT_FAILED
    assert daemon.seen == []


def test_completion_is_told_the_torrents(daemon, command):
    assert command("completion", "torrents") == (EXIT_OK, "00000001\ttorrent 1\n00000002\ttorrent 2\n", "")


# ---- adding


def test_torrents_are_added_with_their_limits_and_waited_for(daemon, command, tmp_path):
    path = tmp_path / "tiny.torrent"
    path.write_bytes(tiny_torrent())
    daemon.answer("POST /v1/torrents", Reply(201, torrent(1)))
    half = torrent(1, state="downloading", done_bytes=500)
    daemon.answer("GET /v1/torrents", {"torrents": [half]}, {"torrents": [torrent(1)]})
    status, out, err = command("add", str(path), "--down", "1K", "--ratio", "1.5", "--skip-check", "--wait")
    assert (status, err) == (EXIT_OK, "")
    assert out.splitlines() == [f"added torrent 1 ({ONE})", "torrent 1: seeding, 100.0% of 1000 B"]
    body = daemon.seen[0].body
    assert body.pop("metainfo")
    assert body == {"start": True, "skip_check": True, "down_limit_bytes_per_s": 1024, "seeding": {"ratio": 1.5}}


def test_a_torrent_that_is_refused_keeps_no_other_from_being_added(daemon, command, tmp_path):
    (tmp_path / "bad.torrent").write_text("no torrent")
    (tmp_path / "good.torrent").write_bytes(tiny_torrent())
    daemon.answer("POST /v1/torrents", Reply(201, torrent(1)), refusal("torrent.path-taken", "another has it"))
    bad, good = str(tmp_path / "bad.torrent"), str(tmp_path / "good.torrent")
    status, out, err = command("add", bad, good, good)
    assert (status, out) == (EXIT_FAILED, f"added torrent 1 ({ONE})\n")
    assert err.startswith(f"blobtorrent: 2 of 3 torrents refused: {bad}: ") and f"{good}: another has it" in err


@pytest.mark.parametrize("body", [b"[]", b"5", b"{}", b'{"torrents": [{}]}', b"[" * 100_000, b"<html>"])
def test_a_server_that_is_no_daemon_is_told_as_that(daemon, command, body):
    daemon.answer("GET /v1/torrents", Reply(200, body))
    status, _, err = command("list")
    assert (status, err.count("\n"), "(client.bad-answer)" in err) == (EXIT_FAILED, 1, True)


def test_a_url_is_fetched_by_the_daemon(daemon, command):
    daemon.answer("POST /v1/torrents", Reply(200, torrent(1)))
    out = command("add", "https://example.org/a.torrent", "--stopped")[1]
    assert daemon.seen[0].body == {"source": "https://example.org/a.torrent", "start": False}
    assert out == f"was there already: torrent 1 ({ONE})\n"


# ---- settings and figures

SETTINGS = {"limits": {"down_bytes_per_s": 0, "alternative": "never"}, "groups": {"tv": {"weight": 1}}}


def test_settings_are_shown_by_name_or_section(daemon, command):
    daemon.answer("GET /v1/settings", {**SETTINGS, "sources": {"limits.alternative": "default"}})
    assert command("settings", "limits", "--sources")[1].splitlines() == [
        "limits.down_bytes_per_s = 0", 'limits.alternative = "never"  # default']
    assert daemon.seen[0].query == {"sources": "true"}
    assert json.loads(command("settings", "groups", "--json")[1]) == {"groups.tv.weight": 1}
    assert command("settings", "limit")[0] == EXIT_FAILED


def test_settings_are_changed_and_reset(daemon, command):
    daemon.answer("PATCH /v1/settings", {"applied": ["a.b"], "need_restart": ["c.d"]})
    out = command("settings", "limits.down_bytes_per_s=2 MiB/s", "rest.metrics_open=true", "--reset", "log.level")[1]
    assert daemon.seen[0].body == {
        "limits": {"down_bytes_per_s": "2 MiB/s"}, "rest": {"metrics_open": True}, "log": {"level": None}}
    assert out.splitlines() == ["changed a.b", "after a restart: c.d"]


def test_a_reload_tells_what_changed(daemon, command):
    daemon.answer("POST /v1/session/reload", {"applied": [], "need_restart": []})
    assert command("settings", "--reload")[1] == "nothing changed\n"


def test_settings_are_not_shown_and_changed_at_once(daemon, command):
    assert command("settings", "limits", "a.b=1")[0] == EXIT_FAILED
    assert daemon.seen == []


def watched(path: str, **fields: Any) -> dict[str, Any]:
    return {"path": path, "download_dir": "", "label": "", "start": True, **fields}


def test_watched_folders_are_shown(daemon, command):
    daemon.answer("GET /v1/settings", {"watch": [watched("/a", label="x", start=False), watched("/b\x07")]})
    daemon.answer("GET /v1/watch", {"folders": [
        {"path": "/a", "readable": True, "added": 3, "failed": 1, "last_file": "f.torrent", "last_at": 1,
         "last_error": {"code": "bencode.bad", "message": "no torrent"}}]})
    assert [line.split() for line in command("watch")[1].splitlines()[1:]] == [
        ["/a", "3", "1", "x", "no", "f.torrent", "no", "torrent", "(bencode.bad)"], ["/b\\x07", "yes"]]
    assert json.loads(command("watch", "--json")[1])["folders"][0]["added"] == 3


def test_folders_are_watched_and_watched_no_longer(daemon, command):
    daemon.answer("GET /v1/settings", {"watch": [watched("/a"), watched("/b", label="keep")]})
    daemon.answer("PATCH /v1/settings", {"settings": {"watch": []}})
    daemon.answer("GET /v1/watch", {"folders": []})
    assert command("watch", "--remove", "/a", "--add", "/c", "--to", "/d", "--label", "x", "--stopped")[0] == EXIT_OK
    assert daemon.seen[1].body == {"watch": [
        watched("/b", label="keep"), {"path": "/c", "start": False, "download_dir": "/d", "label": "x"}]}


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--remove", "/c"], "watch.unknown"), (["--add", "/a"], "watch.present"),
     (["--to", "/d"], "watch.nothing-to-add")],
)
def test_what_cannot_be_meant_of_folders_changes_nothing(daemon, command, words, code):
    daemon.answer("GET /v1/settings", {"watch": [watched("/a")]})
    status, _, err = command("watch", *words)
    assert (status, f"({code})" in err) == (EXIT_FAILED, True)
    assert {seen.method for seen in daemon.seen} <= {"GET"}


PLAIN_WAYS: dict[str, Any] = {"interface": None, "proxy": None, "mappings": []}


def test_figures_are_shown_for_this_run_and_all(daemon, command):
    figures = {"downloaded_bytes": 2048, "uploaded_bytes": 0, "seconds": 61, "runs": 1}
    daemon.answer("GET /v1/stats", {
        "this_run": figures, "all_time": {**figures, "runs": 7},
        "filesystems": [{"path": "/srv", "free_bytes": 1 << 30, "reserve_bytes": 1 << 20, "short": True}],
        "memory": {"budget_bytes": 1 << 26, "used_bytes": 1 << 20},
    })
    daemon.answer("GET /v1/session", PLAIN_WAYS)
    lines = [line.split() for line in command("stats")[1].splitlines()]
    assert ["downloaded", "2.0", "KiB", "2.0", "KiB"] in lines
    assert ["runs", "1", "7"] in lines
    assert ["/srv", "1.0", "GiB", "1.0", "MiB"] in lines
    assert lines[-1][3:] == ["1.0", "MiB", "of", "64.0", "MiB", "used"]


def test_before_anything_was_downloaded_no_filesystem_is_shown(daemon, command):
    figures = {"downloaded_bytes": 0}
    daemon.answer("GET /v1/stats", {
        "this_run": figures, "all_time": figures, "filesystems": [], "memory": {"budget_bytes": 1, "used_bytes": 0}})
    daemon.answer("GET /v1/session", PLAIN_WAYS)
    assert "FILESYSTEM" not in command("stats")[1]


def test_stats_tell_of_interface_proxy_and_router(daemon, command):
    error = {"code": "proxy.refused", "message": "the proxy: it does not do that"}
    daemon.answer("GET /v1/stats", {
        "this_run": {}, "all_time": {}, "filesystems": [], "memory": {"budget_bytes": 1, "used_bytes": 0}})
    daemon.answer("GET /v1/session", {
        "interface": {"name": "tun0", "addresses": []},
        "proxy": {"url": "socks5://192.0.2.9:1080", "strict": True, "error": None, "datagrams": "none",
                  "datagrams_error": error},
        "mappings": [
            {"transport": "tcp", "port": 6881, "state": "mapped", "way": "pcp", "external_host": "203.0.113.5",
             "external_port": 16881, "lease_until": None, "next_try_at": None, "error": None},
            {"transport": "udp", "port": 6881, "state": "requesting", "way": None, "external_host": None,
             "external_port": None, "lease_until": None, "next_try_at": None,
             "error": {"code": "portmap.refused", "message": "the router: no"}},
        ]})
    assert command("stats")[1].splitlines()[-6:-1] == [
        "interface tun0: gone, nothing is sent",
        "proxy socks5://192.0.2.9:1080: no failure",
        "datagrams: none; the proxy: it does not do that (proxy.refused)",
        "port 6881/tcp: mapped to 203.0.113.5:16881 by pcp",
        "port 6881/udp: not mapped (requesting); the router: no (portmap.refused)",
    ]


# ---- events


def frame(number: int, kind: str, **fields: Any) -> bytes:
    told = {"id": f"r-{number}", "type": kind, "time": 1.0, **fields}
    return f"id: r-{number}\nevent: {kind}\ndata: {json.dumps(told)}\n\n".encode()


def test_events_go_on_behind_the_last_one_when_the_connection_ends(daemon, command):
    daemon.answer(
        "GET /v1/events", Reply(200, frame(1, "torrent-added", name="a\x07", hash=ONE, labels=[]) + b": half a comm"),
        Reply(200, b"no event"), Reply(200, frame(2, "state-changed", name="a", old="queued", new="seeding")))
    status, out, _ = command("events", "--type", "torrent-added", "--type", "state-changed", "--torrent", ONE,
                             "--label", "x", "--since", "r-0", "--count", "2")
    assert status == EXIT_OK
    assert [line.split(" ", 1)[1] for line in out.splitlines()] == [
        "torrent-added a\\x07", "state-changed a old=queued new=seeding"]
    assert [seen.headers["last-event-id"] for seen in daemon.seen] == ["r-0", "r-1", "r-1"]
    assert daemon.seen[0].query == {"types": "torrent-added,state-changed", "torrents": ONE, "labels": "x"}
    assert daemon.seen[0].headers["accept"] == "text/event-stream"


def test_events_are_told_as_json_lines_until_time_is_up(daemon, command):
    daemon.answer("GET /v1/events", Reply(200, frame(1, "space-low", path="/srv", free_bytes=5)), Reply(200, b""))
    status, out, err = command("events", "--json", "--timeout", "0.05")
    assert (status, err) == (EXIT_OK, "")
    assert json.loads(out)["path"] == "/srv"


def test_events_that_do_not_come_in_time_end_with_their_own_status(daemon, command):
    daemon.answer("GET /v1/events", Reply(200, b""))
    status, _, err = command("events", "--count", "1", "--timeout", "0.05")
    assert (status, err) == (EXIT_TIMEOUT, "blobtorrent: out of time: 0 of 1 events came (command.timeout)\n")


def test_a_refused_stream_of_events_is_told(daemon, command):
    daemon.answer("GET /v1/events", refusal("event.unknown-type", "there is no x", 422))
    assert command("events", "--type", "x") == (
        EXIT_FAILED, "", "blobtorrent: there is no x (event.unknown-type)\n")


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"type": "x"}', b"[" * 100_000])
def test_what_is_no_event_is_told_as_that(daemon, command, data):
    daemon.answer("GET /v1/events", Reply(200, b"data: " + data + b"\n\n"))
    assert "(client.bad-answer)" in command("events")[2]


def test_an_interrupt_is_how_following_ends(daemon, command, monkeypatch):
    def interrupted(*_args: Any, **_options: Any) -> Iterator[None]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("blobtorrent.cli.commands.events.follow", interrupted)
    assert command("events") == (EXIT_OK, "", "")
    assert command("events", "--count", "1")[0] == EXIT_FAILED


def test_a_stream_that_says_nothing_is_noticed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n: hi\n\r\n")
                connection.recv(1 << 16)
                connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        with client.stream("/v1/events", query={}, headers={}) as stream:
            assert stream.read(PATIENCE_S) == b": hi\n"
            with pytest.raises(TimedOut):
                stream.read(0.05)
        thread.join(PATIENCE_S)


def test_a_connection_that_the_daemon_closed_is_made_anew_for_reading_only():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            for _ in range(3):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.get("/v1/session") == client.get("/v1/session") == {}
        with pytest.raises(NetworkError):
            client.request("POST", "/v1/torrents", {})
        assert client.request("POST", "/v1/torrents", {}).value == {}
        thread.join(PATIENCE_S)


# ---- the end


def test_draining_is_waited_for(daemon, command):
    draining = {"state": "draining", "started_at": 5, "drained": 0, "to_drain": 2, "unique_pieces": None}
    daemon.answer("POST /v1/session/drain", Reply(202, draining))
    daemon.answer("GET /v1/session", draining, refusal("session.stopping", "not now", 503),
                  {**draining, "unique_pieces": 3}, Reply(200, b"not json any more"))
    assert command("drain", "--wait", "--timeout", "2m") == (
        EXIT_OK, "the daemon has ended\n3 pieces are nowhere else\n", "")
    assert daemon.seen[0].body == {"timeout_s": 120.0}
    assert daemon.lines.count("GET /v1/session") == 4
    assert command("drain")[1] == "the daemon is draining\n"


@pytest.mark.parametrize(("to_drain", "more", "is_drawn"), [(4, (), True), (4, ("--json",), False), (0, (), False)])
def test_a_bar_tells_how_many_torrents_have_left_their_swarms(daemon, command, monkeypatch, to_drain, more, is_drawn):
    draining = {"state": "draining", "started_at": 5, "drained": to_drain // 4, "to_drain": to_drain,
                "unique_pieces": None}
    daemon.answer("POST /v1/session/drain", Reply(202, draining))
    daemon.answer("GET /v1/session", draining, Reply(200, b"not json any more"))
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert command("drain", "--wait", *more)[0] == EXIT_OK
    assert ("25.0%  1 of 4" in terminal.getvalue()) is is_drawn
    assert terminal.getvalue().endswith("\r\x1b[K" if is_drawn else "")


def test_a_daemon_that_came_in_place_of_the_drained_one_is_another(daemon, command):
    draining = {"state": "draining", "started_at": 5, "drained": 0, "to_drain": 0, "unique_pieces": 0}
    daemon.answer("POST /v1/session/drain", Reply(202, draining))
    daemon.answer("GET /v1/session", draining, {**draining, "started_at": 6, "state": "running"})
    assert command("drain", "--wait")[1] == "the daemon has ended\n"


# ---- desired state


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    (tmp_path / "tiny.torrent").write_bytes(tiny_torrent())
    path = tmp_path / "wanted.toml"
    path.write_text(
        f'[settings.limits]\nup_bytes_per_s = 5\n[[torrents]]\ntorrent = "tiny.torrent"\nlabels = ["a"]\n'
        f'[[torrents]]\nhash = "{ONE}"\npriority = 3\n')
    return path


def test_a_file_is_carried_out(daemon, command, wanted):
    daemon.answer("GET /v1/settings", {"limits": {"up_bytes_per_s": 0}})
    daemon.answer("PATCH /v1/settings", {"applied": ["limits.up_bytes_per_s"], "need_restart": []})
    daemon.answer(f"PUT /v1/torrents/{TINY}", Reply(201, torrent(9)))
    daemon.answer(f"PUT /v1/torrents/{ONE}", torrent(1))
    daemon.answer(f"DELETE /v1/torrents/{torrent(2)['hash']}", Reply(204))
    status, out, err = command("apply", str(wanted), "--prune")
    assert (status, err) == (EXIT_OK, "")
    assert out.splitlines() == [
        "~ setting limits.up_bytes_per_s", "+ tiny", "~ torrent 1: priority", "- torrent 2",
        "1 added, 1 changed, 1 removed, 0 unchanged"]
    changes = {seen.line: seen.body for seen in daemon.seen if seen.method != "GET"}
    assert changes[f"PUT /v1/torrents/{ONE}"] == {"priority": 3}
    added = changes[f"PUT /v1/torrents/{TINY}"]
    assert added.pop("metainfo") and added == {"labels": ["a"]}


def test_a_dry_run_changes_nothing(daemon, command, wanted):
    daemon.answer("GET /v1/settings", {"limits": {"up_bytes_per_s": 0}})
    status, out, _ = command("apply", str(wanted), "--dry-run", "--prune", "--json")
    told = json.loads(out)
    assert status == EXIT_OK
    assert {seen.method for seen in daemon.seen} == {"GET"}
    assert [step["hash"] for step in told["added"]] == [TINY]
    assert told["changed"] == [{"hash": ONE, "name": "torrent 1", "options": ["priority"]}]
    assert (told["removed"][0]["name"], told["settings"], told["dry_run"]) == (
        "torrent 2", ["limits.up_bytes_per_s"], True)


def test_what_is_refused_for_one_torrent_keeps_no_other(daemon, command, wanted):
    daemon.answer("GET /v1/settings", {"limits": {"up_bytes_per_s": 5}})
    daemon.answer(f"PUT /v1/torrents/{TINY}", refusal("storage.no-mount", "not mounted"))
    daemon.answer(f"PUT /v1/torrents/{ONE}", torrent(1))
    status, out, err = command("apply", str(wanted))
    assert (status, err) == (EXIT_FAILED, "blobtorrent: tiny: not mounted (storage.no-mount)\n")
    assert out.splitlines() == ["~ torrent 1: priority", "0 added, 1 changed, 0 removed, 0 unchanged"]


def test_only_torrents_with_the_label_are_pruned(daemon, command, tmp_path):
    daemon.list_torrents(torrent(1), torrent(2, labels=["fleet"]), torrent(3))
    path = tmp_path / "wanted.toml"
    path.write_text(f'[[torrents]]\nhash = "{ONE}"\n')
    out = command("apply", str(path), "--prune-label", "fleet", "--dry-run")[1]
    assert out == "- torrent 2\n0 added, 0 changed, 1 removed, 1 unchanged (nothing was done)\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "apply.prunes-all"),
        ("[[torrents]]\nhash = '" + "c" * 40 + "'", "torrent.unknown"),
        ("[[torrents]]\ntorrent = 'none.torrent'", "source.no-file"),
        (f"[[torrents]]\ntorrent = 'tiny.torrent'\nhash = '{'d' * 40}'", "apply.other-hash"),
        ("[[torrents]]\ntorrent = 'tiny.torrent'\n[[torrents]]\ntorrent = 'tiny.torrent'", "apply.double"),
        ("[[torrents]]\n", "apply.no-origin"),
        ("\xff".encode("latin-1"), "apply.bad-toml"),
    ],
)
def test_a_file_that_cannot_be_meant_changes_nothing(daemon, command, wanted, text, code):
    wanted.write_bytes(text if isinstance(text, bytes) else text.encode())
    status, _, err = command("apply", str(wanted), "--prune")
    assert (status, f"({code})" in err) == (EXIT_FAILED, True)
    assert {seen.method for seen in daemon.seen} <= {"GET"}


def test_a_torrent_behind_a_url_is_fetched_as_the_settings_say(daemon, command, wanted, monkeypatch):
    monkeypatch.setenv("BLOBTORRENT_NETWORK__PROXY", "socks5://127.0.0.1:9")
    wanted.write_text("[[torrents]]\nurl = 'http://8.8.8.8/some.torrent'\n")
    status, _, err = command("apply", str(wanted))
    assert (status, "(proxy.down)" in err) == (EXIT_FAILED, True)


def test_what_is_exported_is_what_apply_reads(daemon, command, tmp_path):
    told = torrent(1, hash=TINY, info_hash_v1=TINY, name="../ti\nny", labels=["a"])
    daemon.list_torrents(told)
    daemon.answer(f"GET /v1/torrents/{TINY}/metainfo", Reply(200, tiny_torrent()))
    daemon.answer(f"GET /v1/torrents/{TINY}/files", {"files": [{"number": 0, "priority": 2}]})
    daemon.answer(f"GET /v1/torrents/{TINY}/trackers", {"trackers": [{"tier": 0, "url": "http://a/secret"}]})
    folder = tmp_path / "a" / "export"
    assert command("export", str(folder)) == (EXIT_OK, f"{folder}/torrents.toml: 1 torrents\n", "")
    (name,) = {path.name for path in folder.iterdir()} - {"torrents.toml"}
    assert name == f".._ti_ny.{TINY[:16]}.torrent"
    assert (folder / name).read_bytes() == tiny_torrent()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert command("apply", str(folder / "torrents.toml"))[1] == "0 added, 0 changed, 0 removed, 1 unchanged\n"
    daemon.list_torrents()
    daemon.answer(f"PUT /v1/torrents/{TINY}", Reply(201, told))
    daemon.answer(f"PUT /v1/torrents/{TINY}/trackers", {"trackers": []})
    assert command("apply", str(folder / "torrents.toml"))[1].startswith("+ tiny\n1 added")
    assert daemon.seen[-2].body["file_priorities"] == {"0": "high"}
    assert (daemon.lines[-1], daemon.seen[-1].body) == (
        f"PUT /v1/torrents/{TINY}/trackers", {"tiers": [["http://a/secret"]]})


# ---- torrents that the daemon makes


def job(state: str, **fields: Any) -> dict[str, Any]:
    return {"id": "j1", "state": state, "done_bytes": 1, "total_bytes": 2, "problem": None, **fields}


def test_the_daemon_makes_a_torrent_of_its_own_files(daemon, command, tmp_path):
    daemon.answer("POST /v1/jobs", Reply(202, job("waiting")))
    daemon.answer("GET /v1/jobs/j1", job("running"), job("done"))
    daemon.answer("GET /v1/jobs/j1/result", Reply(200, tiny_torrent()))
    daemon.answer("DELETE /v1/jobs/j1", Reply(204))
    output = tmp_path / "x.torrent"
    words = ("create", "/far/away", "-o", str(output), "--remote", "--tracker", "http://a/,http://b/", "--private")
    assert command(*words)[0] == EXIT_OK
    assert output.read_bytes() == tiny_torrent()
    assert daemon.seen[0].body == {
        "kind": "create", "path": "/far/away", "trackers": [["http://a/", "http://b/"]], "web_seeds": [],
        "piece_size": None, "private": True, "source": None, "comment": None, "format": "v1"}
    assert daemon.lines[-1] == "DELETE /v1/jobs/j1"


def test_a_job_that_fails_leaves_no_file(daemon, command, tmp_path):
    problem = {"code": "create.no-source", "detail": "no such file", "title": "", "status": 404}
    daemon.answer("POST /v1/jobs", Reply(202, job("failed", problem=problem)))
    daemon.answer("DELETE /v1/jobs/j1", Reply(204))
    output = tmp_path / "x.torrent"
    assert command("create", "/none", "-o", str(output), "--remote") == (
        EXIT_FAILED, "", "blobtorrent: no such file (create.no-source)\n")
    assert not output.exists()


def test_certificates_are_read_before_anything_is_sent(tmp_path):
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    for path in (bad, tmp_path / "none"):
        with pytest.raises(Invalid, match=str(path)):
            Client("https://127.0.0.1:1", ca_file=path)
