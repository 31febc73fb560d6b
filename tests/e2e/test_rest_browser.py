"""A real browser opens a page of another site: nothing of the daemon is changed, and the page learns nothing of it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.besieged import Besieged
from tests.support.hostilepage import BROWSER, HostileSite
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
        with HostileSite(target, besieged.one, besieged.secret) as site:
            told = site.visited(page_host, tmp_path)
        assert len(told) >= MIN_ATTEMPTS
        assert {name: outcome for name, outcome in told.items() if outcome not in ("blocked", "sent")} == {}
        assert num_refused(besieged) - refused_before >= MIN_ATTEMPTS / 3      # they did come
        assert besieged.digest() == state


def test_the_same_page_gets_what_it_wants_of_a_server_that_looks_at_nothing(tmp_path: Path) -> None:
    require_tool(BROWSER)
    came: list[str] = []

    class Careless(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            came.append(f"{self.command} {self.path} {self.headers.get('Content-Type', '').partition(';')[0]}")
            data = json.dumps("secret").encode()
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
            self.send_header("Access-Control-Allow-Credentials", "true")
            self.send_header("Access-Control-Allow-Headers", "content-type, authorization")
            self.send_header("Access-Control-Allow-Methods", "PATCH, DELETE")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_OPTIONS = do_DELETE = do_PATCH = answer

        def log_message(self, *_words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with HostileSite(f"http://127.0.0.1:{server.server_address[1]}", "/v1/torrents/a", "token") as site:
            told = site.visited("kittens.example", tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert told["post with the token cors include"] == 'read: "secret"'
    for encoding in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        assert f"POST /v1/torrents/a/stop {encoding}" in came
    assert {"DELETE /v1/torrents/a ", "PATCH /v1/settings application/json"} <= set(came)
