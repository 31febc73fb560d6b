"""CSRF at /RPC2, with a real browser: a page of another site has nothing done, however it sends its calls.

What a page can do to REST is in tests/e2e/test_rest_browser.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.server import Door
from tests.support.hostilepage import BROWSER, HostileSite
from tests.support.rpc import serving
from tests.support.tools import require_tool

pytestmark = [pytest.mark.interop, pytest.mark.slow]

XML = ('<?xml version="1.0"?><methodCall><methodName>print</methodName>'
       "<params><param><value>evil</value></param></params></methodCall>")
JSON = json.dumps({"id": 1, "method": "print", "params": ["", "evil"]})
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
        with HostileSite(PAGE, target=f"http://{host}:{port}/RPC2", xml=XML, json=JSON) as site:
            told = site.visited(host, tmp_path)
        assert len(told) > 60
        assert ran == [] and stage.log == []
        assert not [text for text in told if "methodResponse" in text or '"result"' in text]
