"""CSRF at /RPC2, with a real browser: a page of another site has nothing done, however it sends its calls.

What a page can do to REST is in tests/e2e/test_rest_browser.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.server import Door
from tests.support.hostilepage import BROWSER, PATIENCE_S, browser
from tests.support.rpc import serving
from tests.support.tools import require_tool

pytestmark = [pytest.mark.interop, pytest.mark.slow]

CALL = ('<?xml version="1.0"?><methodCall><methodName>print</methodName>'
        "<params><param><value>%s</value></param></params></methodCall>")
PAGE = """<!doctype html><meta charset=utf-8><title>kittens</title><body><script>
const target = %(target)s, xml = %(xml)s, json = %(json)s, told = [];
const later = ms => new Promise(done => setTimeout(done, ms));
async function tried(attempt) {
  try { told.push(String(await Promise.race([attempt(), later(6000)]))); } catch { told.push("blocked"); }
}
const types = ["text/xml", "application/xml", "application/json", "text/plain", "application/x-www-form-urlencoded",
               "multipart/form-data; boundary=x", "", "image/png"];
function form(encoding, name, value) {
  const frame = document.createElement("iframe"), it = document.createElement("form");
  const input = document.createElement("input");
  frame.name = "frame" + Math.random();
  Object.assign(it, {method: "post", action: target, enctype: encoding, target: frame.name});
  Object.assign(input, {type: "hidden", name, value});
  it.append(input);
  document.body.append(frame, it);
  it.submit();
  return later(2000);
}
async function attack() {
  const all = [];
  for (const type of types) for (const body of [xml, json]) for (const mode of ["cors", "no-cors"]) {
    all.push(tried(async () => (await fetch(target, {
      method: "POST", mode, credentials: "include", body: new Blob([body], {type}),
      headers: mode == "cors" && type ? {"Content-Type": type} : {}})).text()));
    all.push(tried(async () => navigator.sendBeacon(target, new Blob([body], {type}))));
  }
  for (const encoding of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    all.push(tried(() => form(encoding, xml.split("=")[0], xml.split("=").slice(1).join("="))));
    all.push(tried(() => form(encoding, json, "")));
  }
  for (const kind of ["img", "script", "iframe"]) {
    const it = document.createElement(kind);
    it.src = target + "?" + encodeURIComponent(xml);
    document.body.append(it);
  }
  all.push(tried(() => new Promise((done, failed) => {
    const socket = new WebSocket(target.replace("http", "ws"));
    socket.onopen = () => { socket.send(xml); done("a socket"); };
    socket.onerror = failed;
  })));
  await Promise.all(all);
  await later(1000);
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
}
attack();
</script>"""


class Site:
    """Serves the page at any name that leads here."""

    def __init__(self, target: str) -> None:
        self.told: list[str] = []
        self.is_done = threading.Event()
        site = self
        values = {"target": target, "xml": CALL % "evil",
                  "json": json.dumps({"id": 1, "method": "print", "params": ["", "evil"]})}
        page = PAGE
        for name, value in values.items():
            page = page.replace(f"%({name})s", json.dumps(value).replace("</", "<\\/"))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                site.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                site.is_done.set()

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @contextmanager
    def open(self) -> Iterator[Site]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "kittens.example"])
def test_no_page_of_another_site_has_a_command_run(tmp_path: Path, host: str) -> None:
    """Nor one whose name was turned to lead to us (rebinding): then it is the page's own site, by another port."""
    require_tool(BROWSER)
    with serving(Door(ListenSpec("127.0.0.1", range(1)), is_http=True), gate=RpcGate()) as (rpc, stage):
        ran: list[str] = []
        real = stage.perform

        def perform(exchange: Any, trust: Any) -> None:
            ran.append("a call")
            real(exchange, trust)

        rpc._perform = perform  # type: ignore[method-assign]
        port = rpc.addresses[0].rpartition(":")[2]
        with Site(f"http://{host}:{port}/RPC2").open() as site, browser(f"http://{host}:{site.port}/", tmp_path):
            assert site.is_done.wait(PATIENCE_S), (tmp_path / "browser.log").read_text()
        assert len(site.told) > 60
        assert ran == [] and stage.log == []
        assert not [text for text in site.told if "methodResponse" in text or '"result"' in text]
