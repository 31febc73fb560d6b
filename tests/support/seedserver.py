"""SeedServer: a web server with the files of a folder, which is told how to behave. For web seeds (BEP 19).

It answers every request by `behave`, a function of the request that returns an Answer, or by serving the file.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 20.0
CHUNK = 64 << 10


class Asked(NamedTuple):
    """One request. `start` and `end` are of the range that was asked for, `end` exclusive; None without one."""

    path: str                          # unquoted, without the query
    target: str                        # as it was sent
    headers: dict[str, str]            # names in lower case
    start: int | None
    end: int | None


class Answer(NamedTuple):
    """`body` comes behind the headers that are given and no others; then `bytes_per_s`, 0 for no limit, holds it back.

    `pause_s` before anything, `cut_at` bytes of the body the connection ends.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pause_s: float = 0.0
    bytes_per_s: int = 0
    cut_at: int | None = None
    is_last: bool = False              # the connection ends behind it
    raw: bytes | None = None           # instead of all that


class SeedServer:
    """Used as a context manager. `asked` are the requests so far."""

    def __init__(self, root: Path, behave: Callable[[SeedServer, Asked], Answer] | None = None, *,
                 host: str = "127.0.0.1", wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock) -> None:
        self.root = root
        self.asked: list[Asked] = []
        self.connections = 0
        self.sent_bytes = 0
        self._behave = behave or SeedServer.serve
        self._wrap = wrap
        self._listener = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._listener.getsockname()[1]}/"
        self._is_open = True
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> SeedServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        self._listener.close()

    def serve(self, asked: Asked) -> Answer:
        """The file, or the part of it that was asked for."""
        file = self.root / asked.path.lstrip("/")
        if not file.is_file():
            return Answer(404, (("Content-Length", "0"),))
        data = file.read_bytes()
        if asked.start is None or asked.end is None:
            return Answer(200, (("Content-Length", str(len(data))),), data)
        if asked.start >= len(data):
            return Answer(416, (("Content-Range", f"bytes */{len(data)}"), ("Content-Length", "0")))
        part = data[asked.start : asked.end]
        return Answer(206, (
            ("Content-Range", f"bytes {asked.start}-{asked.start + len(part) - 1}/{len(data)}"),
            ("Content-Length", str(len(part))),
        ), part)

    def serve_whole(self, asked: Asked) -> Answer:
        """The file from its start, whatever was asked for."""
        return self.serve(asked._replace(start=None, end=None))

    def _accept(self) -> None:
        while self._is_open:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket) -> None:
        try:
            with self._wrap(sock) as client:
                client.settimeout(0.2)
                buffer = b""
                while self._is_open:
                    while b"\r\n\r\n" not in buffer:
                        try:
                            data = client.recv(65536)
                        except TimeoutError:
                            if not self._is_open:
                                return
                            continue
                        if not data:
                            return
                        buffer += data
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    asked = _parse(head.decode("ascii"))
                    self.asked.append(asked)
                    if not self._answer(client, self._behave(self, asked)):
                        return
        except OSError:
            return

    def _answer(self, client: socket.socket, answer: Answer) -> bool:
        self._wait(answer.pause_s)
        if answer.raw is not None:
            self._send(client, answer.raw, 0)
            return False
        lines = [f"HTTP/1.1 {answer.status} Whatever", *(f"{name}: {value}" for name, value in answer.headers)]
        self._send(client, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), 0)
        self._send(client, answer.body[:answer.cut_at], answer.bytes_per_s)
        self.sent_bytes += len(answer.body[:answer.cut_at])
        return answer.cut_at is None and not answer.is_last

    def _send(self, client: socket.socket, data: bytes, bytes_per_s: int) -> None:
        chunk = max(1, bytes_per_s // 20) if bytes_per_s else CHUNK
        client.settimeout(TIMEOUT_S)
        for at in range(0, len(data), chunk):
            if not self._is_open:
                raise OSError("closing")
            client.sendall(data[at : at + chunk])
            if bytes_per_s:
                self._wait(chunk / bytes_per_s)
        client.settimeout(0.2)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._is_open and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


def _parse(head: str) -> Asked:
    line, *fields = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    target = line.split(" ")[1]
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
    start, end = (int(match[1]), int(match[2]) + 1) if match else (None, None)
    return Asked(unquote(urlsplit(target).path), target, headers, start, end)
