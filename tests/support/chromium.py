"""Chromium without a screen, driven as a person would drive it: clicks where something stands, keys, files to upload.

It is spoken to by its DevTools protocol over a pair of pipes: objects of JSON, a zero byte after each.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from tests.support.peers.program import GRACE_S, Program, wait_until
from tests.support.tools import require_tool

BROWSER = "chromium"
PATIENCE_S = 30.0
MOMENT_S = 1.0
LOOK_S = 0.05                          # between two looks whether something stands on the page
FLAGS = (                              # for a browser that asks nobody and leaves the machine alone
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
)
# A page that was left lives on in a cache, with its open connections, of which there are six for a host.
_QUIET = ("--force-prefers-reduced-motion", "--disable-features=BackForwardCache,Translate,MediaRouter")
# The protocol has the browser read from descriptor 3 and write to 4.
_WITH_PIPES = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >&2'
# The element of a selector, or of one whose text is this, if a person could see and click it.
_FIND = """(selector, text) => {
  for (const it of document.querySelectorAll(selector)) {
    if (text !== null && it.textContent.trim() !== text) continue;
    const box = it.getBoundingClientRect();
    if (box.width && box.height && getComputedStyle(it).visibility !== "hidden") return it;
  }
  return null;
}"""
# Where it can be clicked, if it stands still from one frame to the next and nothing lies over it.
_PLACE = f"""async (selector, text) => {{
  const middle = it => {{
    const box = it.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  }};
  const it = ({_FIND})(selector, text);
  if (it === null) return null;
  it.scrollIntoView({{block: "nearest", behavior: "instant"}});
  const isCarried = document.getAnimations().some(
    one => one.playState === "running" && one.transitionProperty === "transform" && one.effect.target?.contains(it));
  const before = middle(it);
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  const [x, y] = middle(it), top = document.elementFromPoint(x, y);
  return !isCarried && x === before[0] && y === before[1] && it.contains(top) ? [x, y] : null;
}}"""
_KEYS = {"Backspace": 8, "Escape": 27}


class Response(NamedTuple):
    status: int
    url: str


class BrowserError(Exception):
    """What was asked of the browser cannot be done; or a script of ours fails in the page."""


class Chromium(Program):
    """A browser with its files in `folder`, and one page, which is `page` inside of the context; what is downloaded
    comes to `downloads`."""

    page: Page

    def __init__(self, folder: Path, *, width: int = 1280, height: int = 800) -> None:
        browser = require_tool(BROWSER)
        self.downloads = folder / "downloads"
        # It has a socket there, and the path of one may be no longer than 107 bytes.
        self._sockets = TemporaryDirectory(prefix="bt-", ignore_cleanup_errors=True)
        super().__init__(
            ["sh", "-c", _WITH_PIPES, browser, *FLAGS, *_QUIET, "--remote-debugging-pipe",
             f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", "about:blank"],
            home=folder, environment={"TMPDIR": self._sockets.name}, stdin=PIPE, stdout=PIPE, start_new_session=True)

    def wait_ready(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        protocol = _Protocol(self.process.stdout, self.process.stdin)
        protocol.call("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(self.downloads)})
        self.page = Page(protocol)

    def stop(self) -> None:
        """All of its processes; what it has not written by then nobody wants."""
        if self._process is not None and self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(GRACE_S)
        self.close()
        self._sockets.cleanup()


class Page:
    """One page. `responses` and `complaints` are what came over the network, and what the page's scripts have
    complained of, since they were last cleared. `dialogs` is what scripts have asked the person, who says yes."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self.responses: list[Response] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        protocol.on_event = self._on_event
        targets = self._call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        protocol.session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM"):
            self._call(f"{domain}.enable")

    # ---- looking

    def open(self, url: str) -> None:
        told = self._call("Page.navigate", url=url)
        if "errorText" in told:
            raise BrowserError(f"{url}: {told['errorText']}")

    def value(self, script: str) -> Any:
        """What an expression is, or what a promise comes to, in the page."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise BrowserError(f"{script}: {_exception(told['exceptionDetails'])}")
        return told["result"].get("value")

    def shows(self, selector: str, text: str | None = None) -> bool:
        """Whether something visible is selected, with exactly this text if that is given."""
        return bool(self.value(f"({_FIND})({_words(selector, text)}) !== null"))

    def comes_to_show(self, selector: str, text: str | None = None) -> bool:
        """Whether that is so within a moment: pages answer a click a little later."""
        try:
            wait_until(lambda: self.shows(selector, text), MOMENT_S, selector, every_s=LOOK_S)
        except TimeoutError:
            return False
        return True

    def texts(self, selector: str) -> list[str]:
        """The texts of all that is selected."""
        found: list[str] = self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(it => it.innerText.trim())")
        return found

    def wait_for(self, is_so: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """TimeoutError has what the page says."""
        try:
            wait_until(is_so, timeout_s, what, every_s=LOOK_S)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the page says\n{self.value('document.body.innerText')}") from None

    def wait_shown(self, selector: str, text: str | None = None) -> None:
        self.wait_for(lambda: self.shows(selector, text), f"{selector} {text or ''}")

    def wait_gone(self, selector: str, text: str | None = None) -> None:
        self.wait_for(lambda: not self.shows(selector, text), f"the end of {selector} {text or ''}")

    def picture(self, path: Path) -> None:
        """Write what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    # ---- doing

    def click(self, selector: str, text: str | None = None, *, button: str = "left") -> None:
        """In the middle of it, once it can be seen there and stands still."""
        places: list[Any] = []

        def stands_still() -> bool:
            places.append(self.value(f"({_PLACE})({_words(selector, text)})"))
            return places[-1] is not None

        self.wait_for(stands_still, f"{selector} {text or ''} to be clicked")
        x, y = places[-1]
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def press(self, key: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def write(self, selector: str, text: str) -> None:
        """Click a field, and type this over what it has."""
        self.click(selector)
        self.value(f"({_FIND})({_words(selector, None)}).select()")
        if text:
            self._call("Input.insertText", text=text)
        else:
            self.press("Backspace")

    def give_files(self, selector: str, *paths: Path) -> None:
        """Choose files in a field for them."""
        self.wait_for(lambda: self.value(f"document.querySelector({json.dumps(selector)}) !== null"), selector)
        found = self._call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self._call("DOM.setFileInputFiles", files=[str(path) for path in paths], objectId=found["result"]["objectId"])

    def _call(self, method: str, **parameters: Any) -> Any:
        return self._protocol.call(method, parameters)

    def _on_event(self, method: str, told: Any) -> None:
        if method == "Page.javascriptDialogOpening":
            self.dialogs.append(told["message"])
            self._protocol.tell("Page.handleJavaScriptDialog", {"accept": True})
        elif method == "Network.responseReceived":
            self.responses.append(Response(told["response"]["status"], told["response"]["url"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(_exception(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))


class _Protocol:
    """Calls and their answers; events are heard while an answer is awaited."""

    def __init__(self, answers: IO[bytes], calls: IO[bytes]) -> None:
        self._answers, self._calls = answers, calls
        self._rest = bytearray()
        self._number = 0
        self.session: str | None = None
        self.on_event: Callable[[str, Any], None] = lambda method, told: None

    def tell(self, method: str, parameters: dict[str, Any]) -> int:
        """A call whose answer nobody awaits, or not yet; its number."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session is not None:
            order["sessionId"] = self.session
        self._calls.write(json.dumps(order).encode() + b"\0")
        self._calls.flush()
        return self._number

    def call(self, method: str, parameters: dict[str, Any]) -> Any:
        number = self.tell(method, parameters)
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            told = self._hear(deadline_s)
            if told.get("id") == number:
                if "error" in told:
                    raise BrowserError(f"{method}: {told['error']['message']}")
                return told["result"]
            if "method" in told:
                self.on_event(told["method"], told["params"])

    def _hear(self, deadline_s: float) -> Any:
        while (end := self._rest.find(0)) < 0:
            if not _is_readable(self._answers, deadline_s):
                raise TimeoutError(f"the browser says nothing for {PATIENCE_S:g} s")
            chunk = os.read(self._answers.fileno(), 1 << 16)
            if not chunk:
                raise BrowserError("the browser has ended")
            self._rest += chunk
        told = json.loads(self._rest[:end])
        del self._rest[:end + 1]
        return told


def _is_readable(pipe: IO[bytes], deadline_s: float) -> bool:
    return bool(select.select([pipe], [], [], max(0.0, deadline_s - time.monotonic()))[0])


def _words(selector: str, text: str | None) -> str:
    return f"{json.dumps(selector)}, {json.dumps(text)}"


def _exception(details: Any) -> str:
    return str(details.get("exception", {}).get("description", details["text"]))
