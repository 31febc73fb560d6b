"""Our own program behind a router that lets in datagrams only from where some were sent to before.

    behind_nat.py COMMAND...

As `python -m blobtorrent COMMAND...`, with that rule in front of its UDP sockets: what comes unasked is dropped before
the program sees it. A hole closes when nothing went out through it for 30 s, as it does in many routers.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from blobtorrent.cli.main import main
from blobtorrent.network.runs import RunSender
from blobtorrent.network.udp import BoundPort, UdpLoop
from blobtorrent.protocol.utp.node import UtpNode

HOLE_S = 30.0

_holes: dict[Any, float] = {}
_take, _send, _send_run, _probe = UdpLoop._take, BoundPort.send, RunSender.send, RunSender.probe
_receive, _receive_run = UtpNode.receive, UtpNode.receive_run  # where uTP datagrams go


def lets_in(source: Any) -> bool:
    return time.monotonic() - _holes.get(tuple(source), -HOLE_S) < HOLE_S


def take(self: Any, data: Any, source: Any, port: Any) -> None:
    if lets_in(source):
        _take(self, data, source, port)


def receive(self: Any, data: Any, sender: Any, now: float) -> None:
    if lets_in(sender):
        _receive(self, data, sender, now)


def receive_run(self: Any, data: Any, size: int, sender: Any, now: float) -> int:
    return _receive_run(self, data, size, sender, now) if lets_in(sender) else len(data)


def send(self: Any, data: Any, to: Any) -> None:
    _holes[tuple(to)] = time.monotonic()
    _send(self, data, to)


def send_run(self: Any, packets: Any, to: Any) -> int:
    _holes[tuple(to)] = time.monotonic()
    return _send_run(self, packets, to)


def probe(self: Any, packet: Any, to: Any) -> None:
    _holes[tuple(to)] = time.monotonic()
    _probe(self, packet, to)


if __name__ == "__main__":
    UdpLoop._take = take  # type: ignore[method-assign]
    UtpNode.receive = receive  # type: ignore[method-assign]
    UtpNode.receive_run = receive_run  # type: ignore[method-assign]
    BoundPort.send = send  # type: ignore[method-assign]
    RunSender.send = send_run  # type: ignore[method-assign]
    RunSender.probe = probe  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
