"""UtpPort: the node of one UDP port, what it wants sent, and when it wants to be called. Runs on the thread `udp`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.model.address import Endpoint
from blobtorrent.network.runs import MAX_RUN_SENT, RunSender
from blobtorrent.network.udp import BoundPort, UdpLoop, UdpPort
from blobtorrent.protocol.utp.exchange import Run
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    from random import Random

RETRY_S = 0.002                        # when the system has no room for more: by then some has left
MAX_WAITING = 4096                     # datagrams; more are as good as lost on the way


class UtpPort:
    """`may_accept` is asked of whoever dials us."""

    def __init__(self, udp: UdpLoop, port: UdpPort, rng: Random, may_accept: Callable[[Endpoint], bool], *,
                 max_streams: int) -> None:
        self._udp = udp
        self._port = port
        self.node = UtpNode(rng, may_accept=may_accept, max_streams=max_streams,
                            **({"largest_datagram": MAX_RUN_SENT} if isinstance(port, BoundPort) else {}))
        self._waiting: deque[Run] = deque()                # for which there was no room
        self._retry: Timer | None = None
        self._timer: Timer | None = None

    def flush(self) -> None:
        """Send what the node has to say, and see when it wants to be called next."""
        outgoing = self.node.take_runs(self._udp.read_clock())
        if outgoing:
            self._waiting.extend(outgoing)
            if self._retry is None:
                self._send()
        self._schedule()

    def _send(self) -> None:
        self._retry = None
        waiting, port = self._waiting, self._port
        while waiting:
            run = waiting[0]
            try:
                if isinstance(port, BoundPort):
                    self._send_run(port.runs, run)
                else:
                    for datagram in run.datagrams():
                        self._udp.send(datagram, run.to, port)
            except BlockingIOError:
                self._wait()
                return
            except OSError:            # no way there, now; who sends it will see that it is not answered
                self._udp.unsent += len(run.parts) // 2
            waiting.popleft()

    def _send_run(self, sender: RunSender, run: Run) -> None:
        parts = run.parts
        while parts:
            if run.is_whole:
                sender.probe(parts, run.to)
                count = 1
            else:
                count = sender.send(parts, run.to)
            self._udp.sent += count
            del parts[:2 * count]

    def _wait(self) -> None:
        surplus = sum(len(run.parts) for run in self._waiting) // 2 - MAX_WAITING
        while surplus > 0:
            surplus -= len(self._waiting.pop().parts) // 2
        self._retry = self._udp.timers.at(self._udp.now + RETRY_S, self._send)

    def _schedule(self) -> None:
        due_s = self.node.next_due
        if due_s is None or self._timer is not None and self._timer.deadline_s <= due_s:
            return                     # an earlier timer looks again
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._udp.timers.at(due_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.node.tick(self._udp.read_clock())             # what comes of it is flushed at the end of the pass
