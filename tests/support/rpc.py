"""The rTorrent interface without an engine: some commands of the language, and clients that speak SCGI."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blobtorrent.interface.rest.listeners import Place
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.context import Aim, Context, Target
from blobtorrent.interface.rtorrent.exchange import Exchange
from blobtorrent.interface.rtorrent.faults import no_such_download, unsupported_target
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.server import Door, RpcServer
from blobtorrent.interface.rtorrent.turns import Turns
from blobtorrent.interface.rtorrent.values import Value, joined
from blobtorrent.model.address import split_host_port

GOLDEN = Path(__file__).parents[1] / "rtorrent" / "golden"
TIMEOUT_S = 10.0
STOP_S = 5.0


def recordings(name: str) -> list[dict[str, Any]]:
    """What a real rTorrent was asked, and what it answered."""
    found: list[dict[str, Any]] = json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    return found


class Stage:
    """Commands with the answers that the recordings have. `log` is what was said to it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        registry = Registry()
        registry.extend(self._commands())
        self.interpreter = Interpreter(registry, self.log.append)
        self.calls = Calls(self.interpreter, self.aim_of)

    def perform(self, exchange: Exchange, trust: Any) -> None:
        exchange.perform(self.calls, trust)

    def _commands(self) -> Iterator[Command]:
        views = ["main", "default", "name", "active", "started", "stopped", "complete", "incomplete", "hashing",
                 "seeding", "leeching"]
        answers: dict[str, Value] = {
            "system.client_version": "0.9.8", "system.pid": 4242, "view.list": views, "download_list": [],
            "dht.statistics": {"throttle": "", "active": 0, "dht": "disable"}, "d.custom.set": None,
        }
        for name, value in answers.items():
            yield Command(name, Target.NONE, lambda context, item, args, value=value: value, is_safe=True)
        yield Command("cat", Target.ANY, lambda context, item, args: joined(args), is_safe=True)
        yield Command("echo", Target.NONE, lambda context, item, args: list(args))
        yield Command("d.name", Target.DOWNLOAD, lambda context, item, args: item, is_safe=True)
        yield Command("execute.capture", Target.ANY, lambda context, item, args: "hi\n", is_code=True)
        yield Command("d.start", Target.ANY, lambda context, item, args: 0)
        yield Command("hidden", Target.NONE, lambda context, item, args: 0, is_public=False)
        yield Command("break", Target.NONE, _broken)

    def aim_of(self, text: str) -> Aim:
        if len(text) < 40:
            raise unsupported_target()
        if text != "1DE49452D03B14E46250ADD77D84282CE455519A":
            raise no_such_download()
        return Aim(Target.DOWNLOAD, "alpha.bin")


def _broken(_context: Context, _item: Any, _args: Sequence[Value]) -> Value:
    raise ZeroDivisionError("a bug")


@contextmanager
def serving(*doors: Door, **options: Any) -> Iterator[tuple[RpcServer, Stage]]:
    """A server of the stage."""
    stage, turns = Stage(), Turns()
    server = RpcServer(doors, turns.post, stage.perform, **options)
    turns.start()
    server.start()
    try:
        yield server, stage
    finally:
        assert server.stop(STOP_S)
        assert turns.stop(STOP_S)


def connect(address: str) -> socket.socket:
    """To "unix:PATH" or "HOST:PORT"."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT_S)
        sock.connect(address[len("unix:"):])
        return sock
    host, port = split_host_port(address)
    return socket.create_connection((host, port), TIMEOUT_S)


def exchange(address: str, request: bytes, *, half_close: bool = False) -> bytes:
    """All that comes for these bytes, until the other side closes."""
    with connect(address) as sock:
        sock.sendall(request)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def framed(body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A request of SCGI."""
    fields = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", **(headers or {})}
    block = "".join(f"{name}\0{value}\0" for name, value in fields.items()).encode()
    return b"%d:%s,%s" % (len(block), block, body)


def unix_door(folder: Path, **fields: Any) -> Door:
    place: Place = folder / "rpc.sock"
    return Door(place, **fields)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


