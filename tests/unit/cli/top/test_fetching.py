"""The threads behind the view, with a daemon that is played."""

from __future__ import annotations

from queue import Queue

import pytest

from blobtorrent.cli.client import Client
from blobtorrent.cli.top.fetching import Errands, Poller
from blobtorrent.cli.top.messages import Add, Details, Limits, Lost, Order, Said, Screen, Snapshot, Watch
from blobtorrent.cli.top.pages import Tab, Text
from tests.support.fakedaemon import FakeDaemon, Reply, refusal, torrent

WAIT_S = 20.0
LONG_S = 60.0                          # between two rounds: the test itself says when
SESSION = {"version": "1\x1b0", "state": "running", "listen": ["192.0.2.1:1"], "down_bytes_per_s": 5,
           "up_bytes_per_s": 6}


@pytest.fixture
def daemon():
    with FakeDaemon() as daemon:
        daemon.answer("GET /v1/session", SESSION)
        daemon.answer("GET /v1/settings", {"limits": {"down_bytes_per_s": "1 KiB/s", "up_bytes_per_s": 7}})
        daemon.answer("GET /v1/torrents",
                      {"torrents": [torrent(1)], "total": 1, "next_page": None, "cursor": "a-1"},
                      {"torrents": [torrent(2)], "removed": [torrent(1)["hash"]], "is_full": False, "cursor": "a-2"})
        yield daemon


@pytest.fixture
def reports() -> Queue:
    return Queue()


@pytest.fixture
def poller(daemon, reports):
    poller = Poller(Client(daemon.url), reports, LONG_S)
    poller.start()
    yield poller
    poller.stop()


def test_all_is_asked_for_once_and_then_what_has_changed(daemon, reports, poller):
    first = reports.get(timeout=WAIT_S)
    poller.look()
    second = reports.get(timeout=WAIT_S)
    assert [told.name for told in first.torrents] == ["torrent 1"]
    assert (first.is_full, first.limits, first.session.version) == (True, Limits(1024, 7), r"1\x1b0")
    assert (second.is_full, second.removed, second.limits) == (False, (torrent(1)["hash"],), None)
    lists = [seen.query.get("since") for seen in daemon.seen if seen.path == "/v1/torrents"]
    assert lists == [None, "a-1"]


def test_what_the_settings_say_of_the_screen_is_told(daemon, reports):
    daemon.answer("GET /v1/settings", {"limits": {"down_bytes_per_s": 0, "up_bytes_per_s": 0},
                                       "top": {"layout": "compact", "keys": "dvorak"}})
    poller = Poller(Client(daemon.url), reports, LONG_S)
    poller.start()
    try:
        assert reports.get(timeout=WAIT_S).screen == Screen("compact", "dvorak")
    finally:
        poller.stop()


def test_a_daemon_that_was_away_is_asked_for_all_again(daemon, reports, poller):
    reports.get(timeout=WAIT_S)
    daemon.answer("GET /v1/session", refusal("session.starting", "it starts\x07", 503), SESSION)
    poller.look()
    assert reports.get(timeout=WAIT_S) == Lost(r"it starts\x07")
    poller.look()
    assert isinstance(reports.get(timeout=WAIT_S), Snapshot)
    assert [seen.query.get("since") for seen in daemon.seen if seen.path == "/v1/torrents"] == [None, None]


@pytest.mark.parametrize("answer", [
    {"torrents": [{"hash": "no"}], "cursor": "x"}, {"torrents": 5, "cursor": "x"}, {"cursor": "x"}, Reply(200, b"[1]"),
    Reply(200, b"<html>"), Reply(502, b"<html>"),
])
def test_nonsense_is_told_and_asked_about_again(daemon, reports, poller, answer):
    reports.get(timeout=WAIT_S)
    daemon.answer("GET /v1/torrents", answer)
    for _ in range(2):
        poller.look()
        assert isinstance(reports.get(timeout=WAIT_S), Lost)
    assert poller.is_alive


@pytest.mark.parametrize("session", [{**SESSION, "listen": 5}, {**SESSION, "up_bytes_per_s": "x"}, {}])
def test_nonsense_about_the_session_too(daemon, reports, poller, session):
    reports.get(timeout=WAIT_S)
    daemon.answer("GET /v1/session", session)
    poller.look()
    assert isinstance(reports.get(timeout=WAIT_S), Lost)


@pytest.mark.parametrize("limits", [
    {"limits": 5}, {"limits": {}}, {"limits": {"down_bytes_per_s": [], "up_bytes_per_s": 1}},
])
def test_nonsense_about_limits_too(daemon, reports, poller, limits):
    reports.get(timeout=WAIT_S)
    daemon.answer("GET /v1/settings", limits)
    poller.look(again=True)
    assert isinstance(reports.get(timeout=WAIT_S), Lost)


def test_who_may_not_read_settings_sees_the_rest(daemon, reports):
    daemon.answer("GET /v1/settings", refusal("rest.scope", "not yours", 403))
    poller = Poller(Client(daemon.url), reports, LONG_S)
    poller.start()
    assert reports.get(timeout=WAIT_S).limits is None
    poller.stop()


def test_the_page_that_is_open_is_read(daemon, reports, poller):
    reports.get(timeout=WAIT_S)
    digits = torrent(2)["hash"]
    daemon.answer(f"GET /v1/torrents/{digits}/why", {"state": "seeding", "summary": "it\x1b seeds", "causes": []},
                  refusal("torrent.unknown", "it is gone", 404))
    poller.watch(Watch(digits, Tab.WHY))
    reports.get(timeout=WAIT_S)
    page = reports.get(timeout=WAIT_S)
    assert isinstance(page.page, Text)
    assert page.page.lines[0][0].text == r"it\x1b seeds"
    poller.look()
    reports.get(timeout=WAIT_S)
    assert reports.get(timeout=WAIT_S) == Details(digits, Tab.WHY, None, "it is gone")
    poller.watch(Watch(None, Tab.WHY))
    reports.get(timeout=WAIT_S)
    assert reports.empty()


@pytest.mark.parametrize("tab", Tab)
def test_nonsense_on_a_page_is_told(daemon, reports, poller, tab):
    reports.get(timeout=WAIT_S)
    path = f"/v1/torrents/{torrent(2)['hash']}" + ("" if tab is Tab.INFO else f"/{tab.value}")
    daemon.answer(f"GET {path}", {"files": [5], "peers": [{}], "trackers": None, "count": 1, "summary": 7})
    poller.watch(Watch(torrent(2)["hash"], tab))
    reports.get(timeout=WAIT_S)
    assert isinstance(reports.get(timeout=WAIT_S), Lost)


def test_orders_are_carried_and_what_came_of_them_is_told(daemon, reports, tmp_path):
    done = Queue()
    errands = Errands(Client(daemon.url), reports, done.put)
    errands.start()
    daemon.answer("POST /v1/torrents/x/start", {})
    daemon.answer("POST /v1/torrents/x/stop", refusal("torrent.busy", "not\x1b now"))
    daemon.answer("POST /v1/torrents", Reply(201, torrent(3)))
    errands.carry(Order("POST", "/v1/torrents/x/start", "start: it"))
    errands.carry(Order("POST", "/v1/torrents/x/stop", "stop: it"))
    errands.carry(Add("http://127.0.0.1/a.torrent"))
    errands.carry(Add(str(tmp_path / "missing\x07.torrent")))
    told = [reports.get(timeout=WAIT_S) for _ in range(4)]
    assert told[:3] == [Said("start: it"), Said(r"stop: it: not\x1b now", is_bad=True), Said("added: torrent 3")]
    assert told[3].is_bad
    assert r"missing\x07" in told[3].text
    assert [done.get(timeout=WAIT_S) for _ in range(4)] == [True, False, True, False]
    assert daemon.seen[-1].body == {"source": "http://127.0.0.1/a.torrent"}
    errands.finish(WAIT_S)
    assert not errands.is_alive
