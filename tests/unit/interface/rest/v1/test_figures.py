"""Health, statistics and figures: what probes and collectors are told."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.v1.metrics import MetricsResource
from blobtorrent.model.details import Figures, FilesystemStatus, SessionStats
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.status import SessionStatus
from blobtorrent.runtime.metrics import Registry
from tests.support.resources import Resources, grant_of

NOBODY = Grant("")


@pytest.fixture
def rest():
    return Resources()


def tell(rest: Resources, state: str, loaded: int = 0, total: int = 0) -> None:
    rest.session.sessions.publish(SESSION_KEY, SessionStatus(state, loaded=loaded, total=total))


@pytest.mark.parametrize(("state", "live", "ready", "startup"), [
    ("starting", 200, 503, 503), ("running", 200, 200, 200), ("draining", 200, 503, 200), ("stopped", 200, 503, 200),
])
def test_probes_are_told_what_the_session_does(rest, state, live, ready, startup):
    tell(rest, state)
    statuses = [rest.ask("GET", f"/v1/health/{probe}", grant=NOBODY).status for probe in ("live", "ready", "startup")]
    assert statuses == [live, ready, startup]


def test_a_start_tells_how_far_it_is(rest):
    tell(rest, "starting", 400, 10_000)
    assert rest.ask("GET", "/v1/health/startup").json == {"status": "unavailable", "loaded": 400, "total": 10_000}
    assert rest.ask("GET", "/v1/health/ready").json == {
        "status": "unavailable", "reasons": ["the session is starting: 400 of 10000 torrents are loaded"]}


def test_probes_are_answered_before_the_session_has_said_anything():
    rest = Resources()
    rest.session.sessions.withdraw(SESSION_KEY)
    assert rest.ask("GET", "/v1/health/live").status == 200
    assert rest.ask("GET", "/v1/health/startup").status == 503


def test_statistics_have_both_times_and_where_the_bytes_can_go(rest):
    rest.session.answers[StatsOf] = SessionStats(
        Figures(10, 5, 1, seconds=59.9, runs=1), Figures(1000, 500, 100, seconds=7200.0, runs=9, torrents_added=4),
        (FilesystemStatus("/data", 10, 64, True, 5.9), FilesystemStatus("/new", 10, 64, False, 0.0)), 100, 40)
    told = rest.ask("GET", "/v1/stats").json
    assert told["this_run"] == {
        "downloaded_bytes": 10, "uploaded_bytes": 5, "wasted_bytes": 1, "seconds": 59, "runs": 1, "torrents_added": 0,
        "torrents_finished": 0,
    }
    assert told["all_time"]["torrents_added"] == 4 and told["all_time"]["seconds"] == 7200
    assert told["filesystems"] == [
        {"path": "/data", "free_bytes": 10, "reserve_bytes": 64, "short": True, "measured_at": 5},
        {"path": "/new", "free_bytes": 10, "reserve_bytes": 64, "short": False, "measured_at": None},
    ]
    assert told["memory"] == {"budget_bytes": 100, "used_bytes": 40}


def test_statistics_of_a_session_without_time_are_not_made_up(rest):
    rest.session.answers[StatsOf] = Unavailable("command.no-answer", "no answer within 10 s")
    assert (rest.ask("GET", "/v1/stats").status, rest.ask("GET", "/v1/stats").code) == (503, "command.no-answer")


@pytest.mark.parametrize("path", ["/v1/stats", "/metrics"])
def test_figures_of_all_torrents_are_not_for_tokens_with_labels(rest, path):
    assert rest.ask("GET", path, grant=grant_of("read", "tv")).status == 403


def test_figures_are_what_collectors_read(rest):
    told = rest.ask("GET", "/metrics")
    assert told.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert list(text_string_to_metric_families(told.body.decode())) == []      # of a registry without figures


@pytest.mark.parametrize("is_open", [True, False])
def test_figures_are_for_everybody_only_when_the_settings_say_so(is_open):
    (route,) = MetricsResource(Registry(), is_open=is_open).routes()
    assert (route.scope is None) is is_open
