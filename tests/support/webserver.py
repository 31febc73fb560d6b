"""A web server that is told what to answer, and keeps what it was sent. For webhooks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple

TIMEOUT_S = 20.0


class Post(NamedTuple):
    line: str
    headers: dict[str, str]            # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """Used as a context manager. `answers` are statuses, one for each request, the last one for all that follow.

    With `silent` it takes requests and answers nothing; with `drips` it answers a byte at a time, without end. While
    `gate` is not set, requests are taken and their answers held back.
    """

    def __init__(self, *answers: int, silent: bool = False, drips: bool = False, location: str = "",
                 wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock) -> None:
        self.posts: list[Post] = []
        self.busiest = 0               # requests that were under way at the same time
        self.pause_s = 0.0             # before an answer
        self.gate = threading.Event()
        self.gate.set()
        self._answers = list(answers) or [204]
        self._silent = silent
        self._drips = drips
        self._location = location
        self._wrap = wrap
        self._under_way = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook?key=value"
        self._is_open = True
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> WebServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self.gate.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        self._listener.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with self._wrap(sock) as client:
                client.settimeout(TIMEOUT_S)
                with self._counted():  # not the answer: who has it may be back before we know that it was sent
                    answer = self._take(client)
                client.sendall(answer)
        except OSError:
            pass

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._under_way += 1
            self.busiest = max(self.busiest, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def _take(self, client: socket.socket) -> bytes:
        """Read a request, and say what it is answered with."""
        with client.makefile("rb") as stream:
            line = stream.readline().decode("ascii").strip()
            headers: dict[str, str] = {}
            while field := stream.readline().decode("ascii").strip():
                name, _, value = field.partition(": ")
                headers[name.lower()] = value
            body = stream.read(int(headers["content-length"]))
        status = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.posts.append(Post(line, headers, body))
        while self._is_open and (self._silent or self._drips):
            if self._drips:
                client.sendall(b"H")
            time.sleep(0.05)
        self.gate.wait(TIMEOUT_S)
        time.sleep(self.pause_s)
        location = f"Location: {self._location}\r\n" if self._location else ""
        return f"HTTP/1.1 {status} Whatever\r\n{location}Content-Length: 0\r\n\r\n".encode()
