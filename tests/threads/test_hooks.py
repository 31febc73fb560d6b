"""The hooks on their threads: who is told of what, what a slow or broken hook costs the others, and the end."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.config.doors import HookSettings
from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.hooks import delivery, manager
from blobtorrent.interface.hooks.journal import FILE_NAME
from blobtorrent.interface.hooks.manager import HookManager
from blobtorrent.model.events import TorrentFinished, TorrentRemoved
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.runtime.metrics import Registry
from blobtorrent.storage.state.statedir import StateDir
from tests.support.peers.program import wait_until
from tests.support.rest import PATIENCE_S, PlayedSession, info_hash, status_of
from tests.support.webserver import WebServer

END_S = 5.0                            # to stop with something that hangs: a fifth of it is for the kill


class Rig:
    def __init__(self, state: Path | None = None) -> None:
        self.session = PlayedSession()
        self.hooks = HookManager(self.session.gateway, state, binding=ANYWHERE)
        self.registry = Registry()
        self.hooks.measure(self.registry)

    def __enter__(self) -> Rig:
        self.session.start()
        self.hooks.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.hooks.stop(PATIENCE_S)
        self.session.stop()

    def tell(self, *numbers: int, labels: tuple[str, ...] = (), name: str = "") -> None:
        for number in numbers:
            status = status_of(number, labels=labels, name=name or f"torrent {number}")
            self.session.show(status)
            self.hooks.on_told(told(number, status))

    def figures(self) -> dict[str, float]:
        return {
            " ".join((name.removeprefix("blobtorrent_hook_"), *(value for _, value in labels))): value
            for name, labels, value, _ in self.registry.snapshot() if name.startswith("blobtorrent_hook_")
        }

    def wait_for(self, **results: int) -> None:
        wanted = {f"attempts_total {kind.replace('_', '-')}": count for kind, count in results.items()}
        wait_until(lambda: wanted.items() <= self.figures().items(), PATIENCE_S, f"{wanted}")


@pytest.fixture
def rig():
    with Rig() as running:
        yield running


@pytest.fixture
def quick(monkeypatch):
    """Pauses between attempts are short."""
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(delivery, "PAUSE_GROWTH", 1)


@contextmanager
def ending(rig: Rig) -> Iterator[None]:
    """It is told to end, and begins nothing more."""
    thread = threading.Thread(target=rig.hooks.stop, args=(PATIENCE_S,))
    thread.start()
    try:
        wait_until(lambda: rig.hooks._is_draining, PATIENCE_S, "the beginning of the end")
        yield
    finally:
        thread.join(PATIENCE_S)


def told(number: int, status=None) -> Told:
    return tell(TorrentFinished(info_hash(number), 0), status, number=number, event_id=f"ab-{number}", wall=time.time())


def script(folder: Path, text: str, name: str = "hook") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_a_program_is_told_where_the_content_lies(rig, tmp_path):
    program = script(tmp_path, f'echo "$BLOBTORRENT_PATH" >{tmp_path}/path; cat >{tmp_path}/json')
    rig.hooks.apply([HookSettings(program=(program,))])
    rig.tell(1)
    rig.wait_for(ok=1)
    assert (tmp_path / "path").read_text() == "/downloads/torrent 1\n"
    assert json.loads((tmp_path / "json").read_text())["hash"] == info_hash(1).hex


def test_a_torrent_that_is_gone_has_no_path(rig, tmp_path):
    program = script(tmp_path, f'echo "${{BLOBTORRENT_PATH-none}}" >{tmp_path}/path')
    rig.hooks.apply([HookSettings(program=(program,), events=("torrent-removed",))])
    removed = TorrentRemoved(info_hash(1), "gone", ("tv",))
    rig.hooks.on_told(tell(removed, None, number=1, event_id="ab-1", wall=1.0))
    rig.wait_for(ok=1)
    assert (tmp_path / "path").read_text() == "none\n"


@pytest.mark.parametrize("name", [
    "$(touch canary)", "`touch canary`", "';touch canary;'", '";touch canary;"', "a\ntouch canary", "&& touch canary",
    "${IFS}touch${IFS}canary", "-rf", "%n%s", "../../canary",
])
def test_a_name_of_shell_characters_runs_nothing(rig, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    program = script(tmp_path, 'eval_nothing="$BLOBTORRENT_NAME"; printf %s "$eval_nothing" >name')
    rig.hooks.apply([HookSettings(program=(program,))])
    rig.tell(1, name=name, labels=(name,))
    rig.wait_for(ok=1)
    assert {path.name for path in tmp_path.iterdir()} == {"hook", "name"}
    assert (tmp_path / "name").read_text() == name


def test_a_program_and_a_url_are_told_of_the_same_event(rig, tmp_path):
    with WebServer() as server:
        rig.hooks.apply([
            HookSettings(program=(script(tmp_path, "exit 0"),)), HookSettings(url=server.url, labels=("tv",)),
        ])
        rig.tell(1)
        rig.tell(2, labels=("tv",))
        rig.wait_for(ok=3)
    assert [post.json["name"] for post in server.posts] == ["torrent 2"]


def test_what_fails_is_tried_again_until_it_works(rig, quick):
    with WebServer(500, 503, 204) as server:
        rig.hooks.apply([HookSettings(url=server.url)])
        rig.tell(1)
        rig.wait_for(ok=1, failed=2)
    assert len({post.body for post in server.posts}) == 1


def test_what_keeps_failing_is_given_up_and_said_to_be(rig, quick, tmp_path, caplog):
    program = script(tmp_path, "exit 1")
    rig.hooks.apply([HookSettings(program=(program,), retries=2)])
    rig.tell(1)
    rig.wait_for(failed=3)
    wait_until(lambda: rig.figures()["events_waiting"] == 0, PATIENCE_S, "the end of it")
    last = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in last] == ["hook failed"]
    assert last[0].fields["detail"] == "exit status 1" and last[0].fields["attempt"] == 3


def test_no_more_are_told_at_the_same_time_than_allowed(rig):
    with WebServer() as server:
        server.pause_s = 0.05
        server.gate.clear()
        rig.hooks.apply([HookSettings(url=server.url, concurrency=2)])
        rig.tell(*range(1, 13))
        wait_until(lambda: server.busiest >= 2, PATIENCE_S, "the first two")
        server.gate.set()
        rig.wait_for(ok=12)
    assert server.busiest == 2


def test_one_at_a_time_keeps_the_order(rig):
    with WebServer() as server:
        rig.hooks.apply([HookSettings(url=server.url, concurrency=1)])
        rig.tell(*range(1, 21))
        rig.wait_for(ok=20)
    assert [post.json["id"] for post in server.posts] == [f"ab-{number}" for number in range(1, 21)]


def test_a_hook_that_hangs_does_not_keep_the_others_waiting(rig, tmp_path):
    rig.hooks.apply([
        HookSettings(program=(script(tmp_path, "sleep 300", "slow"),), timeout_s=300.0),
        HookSettings(program=(script(tmp_path, "exit 0"),)),
    ])
    rig.tell(*range(1, 11))
    rig.wait_for(ok=10)
    assert rig.hooks.stop(END_S)       # and it does not keep us from ending


def test_a_hook_that_does_not_keep_up_loses_events_loudly(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(delivery, "MAX_WAITING", 5)
    monkeypatch.setattr(manager, "TELL_DROPS_S", 0.05)
    with Rig() as rig:
        rig.hooks.apply([HookSettings(program=(script(tmp_path, "sleep 300"),), concurrency=1)])
        rig.tell(*range(1, 21))
        rig.wait_for(dropped=15)
        wait_until(lambda: any(record.message == "a hook was not told of events" for record in caplog.records),
                   PATIENCE_S, "the complaint")
        assert rig.hooks.stop(END_S)
    told_of = [record for record in caplog.records if "dropped" in getattr(record, "fields", {})]
    assert sum(record.fields["dropped"] for record in told_of) == 15


def test_other_hooks_can_be_set_while_it_runs(rig, tmp_path):
    with WebServer() as first, WebServer() as second:
        staying = HookSettings(url=first.url)
        rig.hooks.apply([staying])
        rig.tell(1)
        rig.wait_for(ok=1)
        rig.hooks.apply([staying, HookSettings(url=second.url)])
        rig.tell(2)
        rig.wait_for(ok=3)
        rig.hooks.apply([])
        rig.tell(3)
        rig.hooks.apply([staying])
        rig.tell(4)
        rig.wait_for(ok=4)
    assert [[post.json["id"] for post in server.posts] for server in (first, second)] == [
        ["ab-1", "ab-2", "ab-4"], ["ab-2"]]


def test_a_hook_that_is_taken_away_is_told_nothing_more_and_tried_no_more(rig, tmp_path, caplog):
    with WebServer(500) as server:
        server.gate.clear()
        rig.hooks.apply([HookSettings(url=server.url, concurrency=1)])
        rig.tell(1, 2, 3)
        wait_until(lambda: server.posts, PATIENCE_S, "the first")
        rig.hooks.apply([])
        rig.wait_for(dropped=2)
        server.gate.set()
        rig.wait_for(failed=1, dropped=2)
    assert len(server.posts) == 1 and rig.figures()["events_waiting"] == 0
    assert any(record.fields.get("events") == 2 for record in caplog.records if hasattr(record, "fields"))


def test_without_hooks_there_are_no_workers_and_events_cost_nothing():
    with Rig() as rig:
        rig.hooks.apply([])
        rig.tell(1)
        assert rig.hooks.heart.mailbox.depth <= 1
        assert rig.figures() == {"events_waiting": 0}


def test_what_runs_may_finish_at_the_end_and_what_waits_is_said_to_be_lost(tmp_path, caplog):
    with Rig() as rig:
        program = script(tmp_path, f"cd {tmp_path}; : >begun; until test -e go; do sleep 0.05; done; echo done >>done")
        rig.hooks.apply([HookSettings(program=(program,), concurrency=1)])
        rig.tell(1, 2, 3)
        wait_until((tmp_path / "begun").exists, PATIENCE_S, "the first")
        with ending(rig):
            (tmp_path / "go").touch()
    assert (tmp_path / "done").read_text() == "done\n"
    assert any(getattr(record, "fields", {}).get("events") == 2 for record in caplog.records)


def test_the_end_comes_in_time_whatever_hangs(tmp_path):
    with WebServer(silent=True) as server, Rig() as rig:
        pid = tmp_path / "pid"
        program = script(tmp_path, f"trap '' TERM; echo $$ >{pid}; while :; do sleep 1; done")
        rig.hooks.apply([HookSettings(program=(program,)), HookSettings(url=server.url)])
        rig.tell(1)
        wait_until(lambda: pid.exists() and pid.read_text() and server.posts, PATIENCE_S, "both")
        begun_s = time.monotonic()
        assert not rig.hooks.stop(3.0)
        assert time.monotonic() - begun_s < 6.0
        number = int(pid.read_text())
        wait_until(lambda: not os.path.exists(f"/proc/{number}"), PATIENCE_S, "the end of the program")


def test_what_a_program_says_is_in_the_log(rig, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rig.hooks.apply([HookSettings(program=(script(tmp_path, "echo moved it; echo trouble >&2"),))])
    rig.tell(1)
    rig.wait_for(ok=1)
    said = [record.fields["line"] for record in caplog.records if record.message == "hook says"]
    assert said == ["moved it", "trouble"]


@pytest.mark.parametrize(("mode", "words"), [
    (0o600, None), (0o644, "others may read the secret of a hook"), (None, "the secret of a hook cannot be read"),
])
def test_a_secret_that_is_none_is_complained_of_once(rig, tmp_path, caplog, mode, words):
    secret = tmp_path / "secret"
    if mode is not None:
        secret.write_text("hush")
        secret.chmod(mode)
    with WebServer() as server:
        hook = HookSettings(url=server.url, secret_file=secret, retries=0)
        rig.hooks.apply([hook])
        rig.hooks.apply([hook])
        rig.tell(1)
        rig.wait_for(**({"failed": 1} if mode is None else {"ok": 1}))
    complaints = [record.message for record in caplog.records if "secret" in record.message]
    assert complaints == ([words] if words else [])


# ---- what outlives a process

@pytest.fixture
def state(tmp_path):
    StateDir(tmp_path / "state").close()
    return tmp_path / "state"


def test_what_waits_at_the_end_is_told_after_the_next_start_in_its_order(state):
    with WebServer(500, 204) as server:
        server.gate.clear()
        with Rig(state) as rig:
            rig.hooks.apply([HookSettings(url=server.url, concurrency=1)])
            rig.tell(1, 2, 3)
            wait_until(lambda: server.posts, PATIENCE_S, "the first")
            with ending(rig):
                server.gate.set()
        with Rig(state) as rig:
            rig.hooks.apply([HookSettings(url=server.url, concurrency=1, retries=1)])
            rig.tell(4)
            rig.wait_for(ok=4)
    assert [post.json["id"] for post in server.posts] == ["ab-1", "ab-1", "ab-2", "ab-3", "ab-4"]
    assert (state / FILE_NAME).stat().st_size == 0


def test_what_is_tried_again_later_is_tried_again_after_the_next_start(state, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 300.0)
    with WebServer(500, 204) as server:
        hook = HookSettings(url=server.url)
        with Rig(state) as rig:
            rig.hooks.apply([hook])
            rig.tell(1)
            rig.wait_for(failed=1)
        with Rig(state) as rig:
            rig.hooks.apply([hook])
            rig.wait_for(ok=1)
        with Rig(state) as rig:
            rig.hooks.apply([hook])
            rig.tell(2)
            rig.wait_for(ok=1)
    assert [post.json["id"] for post in server.posts] == ["ab-1", "ab-1", "ab-2"]


def test_a_program_that_is_killed_at_the_end_is_run_again_and_finds_the_content(state, tmp_path):
    begun, path = tmp_path / "begun", tmp_path / "path"
    program = script(tmp_path, f'test -e {begun} || {{ touch {begun}; sleep 300; }}; echo "$BLOBTORRENT_PATH" >{path}')
    hook = HookSettings(program=(program,), retries=0)
    with Rig(state) as rig:
        rig.hooks.apply([hook])
        rig.tell(1)
        wait_until(begun.exists, PATIENCE_S, "the program")
        assert rig.hooks.stop(END_S)
    with Rig(state) as rig:
        rig.session.tell_state("starting")
        rig.hooks.apply([hook])
        wait_until(lambda: rig.figures()["events_waiting"] == 1, PATIENCE_S, "what was left")
        assert not path.exists()                           # the session does not know its torrents yet
        rig.session.show(status_of(1, name="torrent 1"))
        rig.session.tell_state("running")
        rig.wait_for(ok=1)
    assert path.read_text() == "/downloads/torrent 1\n"


def test_what_is_refused_or_given_up_does_not_come_back(state, quick):
    with WebServer(404, 500, 500, 204) as server:
        hook = HookSettings(url=server.url, retries=1, concurrency=1)
        with Rig(state) as rig:
            rig.hooks.apply([hook])
            rig.tell(1, 2)
            rig.wait_for(refused=1, failed=2)
        with Rig(state) as rig:
            rig.hooks.apply([hook])
            rig.tell(3)
            rig.wait_for(ok=1)
    assert server.posts[-1].json["id"] == "ab-3" and len(server.posts) == 4


def test_what_is_left_for_a_hook_that_is_gone_is_dropped(state, caplog, monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 300.0)
    with WebServer(500) as server, WebServer() as other:
        with Rig(state) as rig:
            rig.hooks.apply([HookSettings(url=server.url)])
            rig.tell(1)
            rig.wait_for(failed=1)
        for _ in range(2):
            with Rig(state) as rig:
                rig.hooks.apply([HookSettings(url=other.url)])
                rig.tell(2)
                rig.wait_for(ok=1)
    said = [record for record in caplog.records if "have no hook any more" in record.message]
    assert [record.fields["events"] for record in said] == [1]
