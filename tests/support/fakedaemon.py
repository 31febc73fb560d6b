"""A daemon that is played over HTTP: what it answers is the test's, what it was asked is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.httpserver import HttpServer, QuietHandler

PATIENCE_S = 20.0


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]         # their names in lower case

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class Reply(NamedTuple):
    """An answer that is not simply 200 with JSON. `body` that is no bytes is sent as JSON."""

    status: int
    body: Any = None


def refusal(code: str, detail: str, status: int = 409) -> Reply:
    return Reply(status, {"code": code, "detail": detail, "title": "Refused", "status": status})


def torrent(number: int, **fields: Any) -> dict[str, Any]:
    """What the daemon tells of a complete torrent of a thousand bytes, with these fields otherwise."""
    digits = f"{number:08x}" + 32 * "0"
    return {
        "hash": digits, "info_hash_v1": digits, "info_hash_v2": None, "name": f"torrent {number}", "state": "seeding",
        "held_by": None, "error": None, "size_bytes": 1000, "wanted_bytes": 1000, "done_bytes": 1000,
        "checked_bytes": 0, "moved_bytes": 0, "down_bytes_per_s": 0, "up_bytes_per_s": 0, "downloaded_bytes": 0,
        "uploaded_bytes": 0, "wasted_bytes": 0, "ratio": 0.0, "eta_s": None, "peers_connected": 0, "peers_known": 0,
        "peers_from": {}, "seeds_connected": 0, "availability": 0.0, "download_dir": "/downloads", "labels": [],
        "group": None, "priority": 0, "added_at": 1, "finished_at": None, "active_s": 0, "seeding_s": 0,
        "started": True,
        "seeding": None, "down_limit_bytes_per_s": 0, "up_limit_bytes_per_s": 0, "upload_slots": None,
        "max_peers": None, "private": False, "sequential": False, "picker": None,
        "super_seeding": False, **fields,
    }


class FakeDaemon(HttpServer):
    """Used as a context manager. Answers are found by "METHOD /path"; of several the last one stays."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._answers: dict[str, list[Any]] = {}
        daemon = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                daemon._handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        super().__init__(Handler)
        self.url = self.origin

    @property
    def lines(self) -> list[str]:
        """What was asked, without queries and bodies."""
        return [seen.line for seen in self.seen]

    def answer(self, line: str, *answers: Any) -> None:
        self._answers[line] = list(answers)

    def list_torrents(self, *torrents: dict[str, Any]) -> None:
        """The list of all, and each by itself; changes of them are answered with the torrent as it was."""
        self.answer("GET /v1/torrents", {"torrents": list(torrents), "total": len(torrents), "next_page": None})
        for told in torrents:
            path = f"/v1/torrents/{told['hash']}"
            self.answer(f"GET {path}", told)
            self.answer(f"PATCH {path}", told)
            for word in ("start", "stop", "pause", "recheck", "announce", "move", "rename"):
                self.answer(f"POST {path}/{word}", told)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        seen = Seen(handler.command, unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)),
                    json.loads(raw) if raw else None,
                    {name.lower(): value for name, value in handler.headers.items()})
        self.seen.append(seen)
        answers = self._answers.get(seen.line, [refusal("rest.no-resource", f"no {seen.line} is played", 404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        reply = answer if isinstance(answer, Reply) else Reply(200, answer)
        body = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else json.dumps(
            reply.body).encode()
        handler.send_response(reply.status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
