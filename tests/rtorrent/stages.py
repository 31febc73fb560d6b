"""What was there when a recording was made: daemons, downloads in their states, peers and a tracker."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bencodepy

from tests.rtorrent.recorded import GOLDEN, call, placed, read_lines
from tests.rtorrent.servers import MODERN, Server, fresh
from tests.rtorrent.torrents import (
    ECHO,
    TIMES,
    connect_leecher,
    load_all,
    load_all_of_16,
    peer_of,
    write_payload,
)

Step = dict[str, Any]

PEER = re.compile(":p(2D6C[0-9A-F]{36})")                  # one that was connected
TRACKER = "127.0.0.1:6969"
FOLDER_OF_16, PORT_OF_16 = "/srv/bt/c", "51403"
USER = "1000\n1000\n"                # its number and those of its groups, a line each
INTERVAL_S = 1800
ACTION_S = 0.3
TRANSFER_S = 60.0
PARTING_S = 5.0                        # until two that have it all have ended their link


class CountingTracker:
    """A tracker over HTTP that counts peers (BEP 3, 48), and names everybody to everybody if `names_peers` (BEP 23).

    Its port has as many digits as that of the recordings: torrents can name it in place of the one there. While it is
    not open it has nothing but errors.
    """

    def __init__(self, *, names_peers: bool, is_open: bool) -> None:
        self.is_open = is_open
        self._names_peers = names_peers
        self._peers: dict[str, dict[int, bool]] = {}       # by info-hash: the ports, and whether all is there
        self._lock = threading.Lock()
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not tracker.is_open:
                    self.send_error(503)
                    return
                url = urlsplit(self.path)
                body = tracker._answer(url.path, parse_qs(url.query, encoding="latin-1"))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = _listening(Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> CountingTracker:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        with self._lock:
            if path.startswith("/scrape"):
                answer: Any = {"files": {hash_.encode("latin-1"): self._counts(hash_) for hash_ in query["info_hash"]}}
            else:
                answer = self._announced(query)
        encoded: bytes = bencodepy.encode(answer)
        return encoded

    def _announced(self, query: dict[str, list[str]]) -> dict[str, Any]:
        hash_, port = query["info_hash"][0], int(query["port"][0])
        peers = self._peers.setdefault(hash_, {})
        peers[port] = query["left"][0] == "0"
        if query.get("event") == ["stopped"]:
            del peers[port]
        others = b"".join(socket.inet_aton("127.0.0.1") + other.to_bytes(2, "big") for other in peers
                          if other != port and self._names_peers)
        counts = self._counts(hash_)
        return {"interval": INTERVAL_S, "peers": others,
                "complete": counts["complete"], "incomplete": counts["incomplete"]}

    def _counts(self, hash_: str) -> dict[str, int]:
        peers = self._peers.get(hash_, {})
        complete = sum(peers.values())
        return {"complete": complete, "downloaded": 0, "incomplete": len(peers) - complete}


def _listening(handler: type[http.server.BaseHTTPRequestHandler]) -> http.server.ThreadingHTTPServer:
    """At the first free port of four digits, above those that other trackers of the recordings have."""
    for port in range(7000, 10_000):
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError:
            continue
    raise RuntimeError("no free port")


@contextmanager
def stage(path: Path, on: str) -> Iterator[dict[str, Server]]:
    """The daemons that a recording was made of, by what it calls them: "" when it is the only one."""
    version = MODERN if MODERN in path.name else "0.9.8"
    meet = path.name == "two_instances.jsonl"
    with ExitStack() as stack:
        is_full = version != MODERN and path.parent.name == GOLDEN.name and path.suffix == ".jsonl" and not meet
        tracker = stack.enter_context(CountingTracker(names_peers=meet, is_open=not is_full))

        def open_one() -> Server:
            server = stack.enter_context(fresh(on, version))
            server.stands_for = {**server.stands_for, TRACKER: tracker.address, USER: _user()}
            return server

        server = open_one()
        if meet:
            write_payload(server)
            yield {"seeder": server, "leecher": open_one()}
            return
        if version == MODERN:
            server.stands_for = {FOLDER_OF_16: f"{server.root}/a", PORT_OF_16: str(server.port), **server.stands_for}
            load_all_of_16(server)
        elif is_full:
            load_all(server)
            leecher = open_one()
            tracker.is_open = True     # it was not there when the others of a tier were asked
            own = connect_leecher(server, leecher)
            peers = dict.fromkeys(PEER.findall(path.read_text()), peer_of(server))
            server.stands_for = {**server.stands_for, **own, **peers}
        if path.name == "rutorrent.jsonl":
            _do_as_flood_did(server)
        yield {"": server}


def _user() -> str:
    groups = dict.fromkeys((os.getgid(), *os.getgroups()))
    return f"{os.getuid()}\n{' '.join(map(str, groups))}\n"


def _do_as_flood_did(server: Server) -> None:
    """It was recorded before, of the same daemon."""
    for step in read_lines(GOLDEN / "flood.jsonl"):
        if step["when"].startswith(("save settings", "selected-size", "action")):
            call(server.dial, step["name"], placed(step["params"], server.stands_for))
            time.sleep(ACTION_S)


# What had come before a step of two daemons was recorded: the leecher's answer, and the note of the first such step.
AFTERWARDS = "after completion"
_MOMENTS = {"during the transfer": ("d.bytes_done", 1), AFTERWARDS: ("d.complete", 1)}


def wait_for_moment(servers: Mapping[str, Server], step: Step) -> None:
    """Let time pass until what a note says."""
    moment = _MOMENTS.get(step.get("note", ""))
    if moment is None or "leecher" not in servers:
        return
    name, least = moment
    end_s = time.monotonic() + TRANSFER_S
    while call(servers["leecher"].dial, name, [ECHO])["v"] < least:
        if time.monotonic() > end_s:
            raise RuntimeError(f"it never came to {step['note']}")
        time.sleep(0.1)


def know_peer(server: Server, step: Step) -> None:
    """Whoever is connected now stands for a peer of the recording that is named first in this step."""
    for name in PEER.findall(json.dumps(step.get("params"))):
        if name not in server.stands_for:
            server.stands_for = {**server.stands_for, name: peer_of(server)}


def loosened(step: Step, *, is_modern: bool) -> Step:
    """A step with all that tells of times, rates or the process compared by its type only."""
    if "name" not in step:
        return step
    if step.get("note") == AFTERWARDS:
        step = {**step, "eventually": PARTING_S}
    is_moving = "who" in step and step.get("note") != AFTERWARDS
    pattern = _MOVING if is_moving else _OF_16 if is_modern else TIMES
    paths = list(_loose_paths(step["name"], step["params"], pattern))
    return {**step, "volatile": [*step.get("volatile", []), *paths]} if paths else step


def _loose_paths(name: str, params: Any, pattern: re.Pattern[str]) -> Iterator[str]:
    if pattern.search(name):
        yield ""
    elif name == "system.multicall":
        for number, call_ in enumerate(params[0] if params and isinstance(params[0], list) else []):
            entry = call_.get("$struct", {}) if isinstance(call_, dict) else {}
            for path in _loose_paths(str(entry.get("methodName")), entry.get("params", []), pattern):
                yield f"{number}.0.{path}".rstrip(".")
    elif "multicall" in name:
        for number, column in enumerate(params[2:]):
            if isinstance(column, str) and pattern.search(column.partition("=")[0]):
                yield f"*.{number}"


# While two daemons exchange data, these are never the same twice.
_MOVING = re.compile(
    rf"{TIMES.pattern}|^d\.down\.(rate|total)$|^d\.(bytes_done|completed_chunks|left_bytes|bitfield|chunks_seen)$"
    r"|^d\.peers_connected$|^p\.|throttle|open_sockets")

# 0.16.20 had run for a while, with others around it, when it was asked.
_OF_16 = re.compile(
    rf"{TIMES.pattern}|^system\.sockets\.|unchoked_uploads$|^network\.(open_files|http\.current_open)$|elapsed_time$"
    r"|^d\.peers_connected$|^t\.(activity|failed|success)_time_|^t\.(latest_|scrape_|failed_counter|success_counter)")
