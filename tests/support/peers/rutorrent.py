"""ruTorrent in PHP's own web server, from a checkout that somebody else made."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.peers.program import Program, free_port, listens, wait_until
from tests.support.tools import require_tool

START_TIMEOUT_S, ANSWER_TIMEOUT_S = 30.0, 60.0
_BOUNDARY = "----a-boundary-of-a-test"
COLUMNS = (
    "is_open", "is_hash_checking", "is_hash_checked", "state", "name", "size_bytes", "completed_chunks", "size_chunks",
    "bytes_done", "up.total", "ratio", "up.rate", "down.rate", "chunk_size", "custom1", "peers_accounted",
    "peers_not_connected", "peers_connected", "peers_complete", "left_bytes", "priority",
)


class RuTorrent(Program):
    """A copy of `checkout` below `home`, that talks to the daemon at the UNIX socket `socket`, and has its programs run
    by it. What goes wrong it writes to `faults`.
    """

    def __init__(self, checkout: Path, home: Path, socket: Path) -> None:
        php = require_tool("php")
        site, profile = home / "site", home / "profile"
        shutil.copytree(checkout, site, ignore=shutil.ignore_patterns(".git"))
        shutil.copytree(site / "share", profile)
        for name in ("settings", "torrents", "users"):
            (profile / name).mkdir(exist_ok=True)
        self.faults = home / "faults.log"
        self.port = free_port()
        (site / "conf" / "config.local.php").write_text(
            f"<?php\n$scgi_port = 0;\n$scgi_host = 'unix://{socket}';\n$profilePath = '{profile}';\n"
            f"$log_file = '{self.faults}';\n$schedule_rand = 0;\n$localHostedMode = true;\n")
        # Its workers are to end with it: they are in a process group of their own.
        super().__init__([php, "-S", f"127.0.0.1:{self.port}", "-t", site], home=home,
                         environment={"PHP_CLI_SERVER_WORKERS": "4"}, start_new_session=True)

    def wait_ready(self) -> None:
        wait_until(lambda: listens(f"127.0.0.1:{self.port}"), START_TIMEOUT_S, "PHP's web server")

    def send_signal(self, number: int) -> None:
        os.killpg(self.pid, number)

    def told_faults(self) -> list[str]:
        """What it wrote that is more than a note of what was done."""
        lines = self.faults.read_text().splitlines() if self.faults.exists() else []
        return [line for line in lines if not re.search(r"\] (setsettings: .* accepted|xmlrpc-proxy: .*)$", line)]

    def get(self, path: str) -> str:
        return self._ask("GET", path, None, {})[1]

    def add(self, torrent: Path, **fields: str) -> str:
        """Upload it as the dialog does: the word for how that went."""
        parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
                 for name, value in {"json": "1", **fields}.items()]
        parts.append(b'Content-Disposition: form-data; name="torrent_file"; filename="%s"\r\n'
                     b"Content-Type: application/x-bittorrent\r\n\r\n%s"
                     % (os.fsencode(torrent.name), torrent.read_bytes()))
        mark = f"--{_BOUNDARY}".encode()
        body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
        return self._result(*self._ask("POST", "/php/addtorrent.php", body, {
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}))

    def add_link(self, url: str, **fields: str) -> str:
        return self._result(*self._post("/php/addtorrent.php", [("json", "1"), ("url", url), *fields.items()]))

    def order(self, mode: str, *hashes: str, s: Sequence[str] = (), v: Sequence[str] = ()) -> Any:
        """A request of the plugin httprpc, which the pages use: what it answers."""
        fields = [("mode", mode), *(("hash", digits) for digits in hashes)]
        fields += [pair for index, value in enumerate(v) for pair in (
            *([("s", s[index])] if index < len(s) else []), ("v", value))]
        fields += [("s", value) for value in s[len(v):]]
        return self.post("/plugins/httprpc/action.php", fields)

    def listed(self) -> dict[str, dict[str, str]]:
        """The torrents by their hash, with what the list shows."""
        found = self.order("list")["t"]
        return {digits: dict(zip(COLUMNS, row)) for digits, row in (found.items() if found else ())}

    def post(self, path: str, fields: Sequence[tuple[str, str]]) -> Any:
        status, text, _ = self._post(path, fields)
        assert status == 200, f"{path} {fields}: {status} {text}"
        return json.loads(text)

    def raw(self, body: bytes) -> str:
        """XML-RPC through the plugin httprpc, as programs are told to send it."""
        return self._ask("POST", "/plugins/httprpc/action.php", body, {"Content-Type": "text/xml"})[1]

    def _post(self, path: str, fields: Sequence[tuple[str, str]]) -> tuple[int, str, str]:
        body = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in fields).encode()
        return self._ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def _result(self, status: int, text: str, location: str) -> str:
        """Where the answer of an upload leads to has the word."""
        assert status == 302, f"{status} {text}"
        (word,) = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["result[]"]
        return word

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace"), answer.getheader("Location", "")
        finally:
            connection.close()
