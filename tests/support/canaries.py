"""Web servers on loopback that note every request: canaries."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

Page = tuple[int, Mapping[str, str], bytes]


class Pages:
    """Used as a context manager. `answers` are (status, headers, body) by path; `asked` are the paths that were asked
    for, with their queries. Without answers it is a canary: whoever comes was led astray."""

    def __init__(self, answers: Mapping[str, Page] | None = None, host: str = "127.0.0.1") -> None:
        self.asked: list[str] = []
        self.came = 0                  # connections
        pages, there = self, answers or {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def setup(self) -> None:
                pages.came += 1
                super().setup()

            def do_GET(self) -> None:
                pages.asked.append(self.path)
                status, headers, body = there.get(urlsplit(self.path).path, (200, {}, b"canary"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:        # it has seen enough
                    pass

            do_POST = do_HEAD = do_GET

            def log_message(self, *_words: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

            def handle_error(self, *_words: Any) -> None:
                pass

        self._server = Server((host, 0), Handler)
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def url(self, path: str = "/", host: str = "") -> str:
        name = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"http://{name}:{self.port}{path}"

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
