"""The row about event streams: a hundred clients of a server that tells them of a thousand events, at a steady pace.

    python -m tests.bench.feeding SOCKET CLIENTS EVENTS

is the clients, as one process; it prints how long each event took to come to each of them, as quantiles.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from blobtorrent.model.events import StateChanged
from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.results import Better, Measure
from tests.support.rest import PATIENCE_S, RestRig, info_hash, status_of

NUM_CLIENTS = 100
NUM_EVENTS = 1000
EVENTS_PER_S = 200.0
REQUEST = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def feed(ground: Ground) -> list[Measure]:
    middle = Measure("feed", "ms for an event to 100 clients, p50", Better.LOWER, 20.0, 10.0)
    last = Measure("feed", "ms for an event to 100 clients, p99", Better.LOWER, 100.0, 50.0)
    cpu = Measure("feed", "ms of CPU for an event to 100 clients", Better.LOWER, 5.0, 2.0)
    for number in range(ground.runs):
        took_ms, cpu_ms = _feed_once()
        middle.add(OURS, took_ms[0])
        last.add(OURS, took_ms[1])
        cpu.add(OURS, cpu_ms)
        note(f"feed: run {number + 1}: p50 {took_ms[0]:.1f} ms, p99 {took_ms[1]:.1f} ms, CPU {cpu_ms:.2f} ms an event")
    return [middle, last, cpu]


def _feed_once() -> tuple[tuple[float, float], float]:
    """The two quantiles, and the CPU time of the server for an event; all in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, RestRig(Path(folder) / "sock") as rig:
        rig.session.bus.start()
        rig.session.show(status_of(1, name="Some.Show.S01E01.1080p.mkv", labels=("tv",)))
        clients = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.feeding", Path(folder) / "sock", str(NUM_CLIENTS), str(NUM_EVENTS)],
            stdout=subprocess.PIPE, text=True)
        assert clients.stdout is not None
        clients.stdout.readline()      # all are there
        started_s, began_s = time.process_time(), time.monotonic()
        for number in range(NUM_EVENTS):
            time.sleep(max(0.0, began_s + number / EVENTS_PER_S - time.monotonic()))
            rig.session.bus.publish(StateChanged(info_hash(1), "stopped", "seeding"))
        p50_s, p99_s = json.loads(clients.stdout.readline())
        used_s = time.process_time() - started_s
        clients.wait()
        assert rig.session.bus.stop(PATIENCE_S)
    return (1e3 * p50_s, 1e3 * p99_s), 1e3 * used_s / NUM_EVENTS


class _Client:
    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.sendall(REQUEST)
        self._buffer = b""
        self.took_s: list[float] = []

    def read(self) -> None:
        self._buffer += self.sock.recv(1 << 16)
        now = time.time()
        *frames, self._buffer = self._buffer.split(b"\n\n")
        for frame in frames:
            _, found, data = frame.partition(b"\ndata: ")
            if found:
                self.took_s.append(now - json.loads(data)["time"])


def _listen(path: str, num_clients: int, num_events: int) -> None:
    clients = [_Client(path) for _ in range(num_clients)]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.sock, selectors.EVENT_READ, client)
        client.read()                  # the head
    print("listening", flush=True)
    while any(len(client.took_s) < num_events for client in clients):
        for key, _ in selector.select():
            key.data.read()
    took_s = sorted(took_s for client in clients for took_s in client.took_s)
    print(json.dumps([took_s[len(took_s) // 2], took_s[len(took_s) * 99 // 100]]), flush=True)


if __name__ == "__main__":
    _listen(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
