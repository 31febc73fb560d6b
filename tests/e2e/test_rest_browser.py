"""A real browser opens a page of another site: nothing of the daemon is changed, and the page learns nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.besieged import Besieged
from tests.support.hostilepage import BROWSER, REST_PAGE, HostileSite
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.tools import require_tool

pytestmark = [pytest.mark.interop, pytest.mark.slow]

MIN_ATTEMPTS = 60
REFUSED = 'blobtorrent_rest_responses_total{route="none",status="4xx"}'


def num_refused(besieged: Besieged) -> float:
    lines = besieged.ask("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(REFUSED))


# Another port of the same address is another origin of the same site, another name is another site; and a name whose
# owner has it lead to us all of a sudden (rebinding) is that of the page and of the daemon.
@pytest.mark.parametrize(("page_host", "target_host"), [
    ("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("kittens.example", "127.0.0.1"),
    ("kittens.example", "localhost"), ("kittens.example", "kittens.example"),
])
def test_a_page_of_another_site_changes_nothing_and_learns_nothing(
    tmp_path: Path, page_host: str, target_host: str,
) -> None:
    require_tool(BROWSER)
    with Besieged(tmp_path) as besieged:
        state, refused_before = besieged.digest(), num_refused(besieged)
        target = f"http://{target_host}:{besieged.port}"
        with HostileSite(REST_PAGE, target=target, one=besieged.one, token=besieged.secret) as site:
            told = site.visited(page_host, tmp_path)
        assert len(told) >= MIN_ATTEMPTS
        assert {name: outcome for name, outcome in told.items() if outcome not in ("blocked", "sent")} == {}
        assert num_refused(besieged) - refused_before >= MIN_ATTEMPTS / 3      # they did come
        assert besieged.digest() == state


def test_the_same_page_gets_what_it_wants_of_a_server_that_looks_at_nothing(tmp_path: Path) -> None:
    require_tool(BROWSER)
    came: list[str] = []

    class Careless(QuietHandler):
        def answer_any(self) -> None:
            self.body()
            came.append(f"{self.command} {self.path} {self.headers.get('Content-Type', '').partition(';')[0]}")
            self.answer(json.dumps("secret").encode(), headers={
                "Access-Control-Allow-Origin": self.headers.get("Origin", "*"),
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Headers": "content-type, authorization",
                "Access-Control-Allow-Methods": "PATCH, DELETE"})

        do_GET = do_POST = do_OPTIONS = do_DELETE = do_PATCH = answer_any

    with HttpServer(Careless) as server, \
            HostileSite(REST_PAGE, target=server.origin, one="/v1/torrents/a", token="token") as site:
        told = site.visited("kittens.example", tmp_path)
    assert told["post with the token cors include"] == 'read: "secret"'
    for encoding in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        assert f"POST /v1/torrents/a/stop {encoding}" in came
    assert {"DELETE /v1/torrents/a ", "PATCH /v1/settings application/json"} <= set(came)
