"""An HTTP server of a test's own: who writes a handler needs nothing else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Mapping
from typing import TypeVar

Self = TypeVar("Self", bound="HttpServer")

POLL_S = 0.02                          # so soon it notices that it is to end


class QuietHandler(http.server.BaseHTTPRequestHandler):
    """What `HttpServer` serves with; subclasses have the methods `do_GET` and the like."""

    def answer(self, body: bytes = b"", *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """A whole response, with its length."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        """What came with the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *_words: object) -> None:
        """Nobody reads it."""


class HttpServer:
    """Serves with `handler` on loopback, on threads of its own. A context: it answers from its beginning to its end.

    It listens from the start, so `port` and `origin` are known before.
    """

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = int(self.server.server_address[1])
        self.origin = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": POLL_S})

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
