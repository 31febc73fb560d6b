"""Configuration files as people have them: the daemon runs every line of them, and rTorrent reads the same out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers.program import free_port, wait_until
from tests.support.peers.rcdaemon import PATIENCE_S, RcDaemon, RcRtorrent
from tests.support.tools import require_tool

FOLDER = Path(__file__).parents[1] / "rtorrent" / "configurations"

# What each of them says, as it is read back; @ROOT@ and @PORT@ stand for the test's own.
SAID: dict[str, dict[str, Any]] = {
    "template": {
        "network.listen.port": "@PORT@", "directory.default": "@ROOT@/download/", "session.path": "@ROOT@/.session/",
        "throttle.max_uploads": 100, "throttle.max_peers.normal": 60, "throttle.min_peers.seed": 30,
        "network.max_open_sockets": 300, "network.max_open_files": 600, "network.xmlrpc.size_limit": 4 << 20,
        "pieces.memory.max": 1800 << 20, "trackers.numwant": 80, "trackers.use_udp": 0, "protocol.pex": 0,
        "keys.layout": "qwerty", "ui.torrent_list.layout": "compact",
    },
    "container": {
        "network.listen.port": "@PORT@", "directory.default": "@ROOT@/downloads/temp",
        "session.path": "@ROOT@/.session/", "session.use_lock": 0, "pieces.hash.on_completion": 0,
        "throttle.max_uploads": 15, "throttle.global_down.max_rate": 2000 << 10, "throttle.global_up.max_rate": 0,
        "throttle.min_peers.normal": 40, "throttle.max_peers.normal": 100, "pieces.memory.max": 512 << 20,
        "protocol.pex": 1, "trackers.use_udp": 1, "dht.port": 6881,
    },
    "watchtree": {
        "directory.default": "@ROOT@/tree/done", "session.path": "@ROOT@/tree/session/", "limit.night": 0,
        "limit.day": 500,
    },
    "pyrocore": {
        "network.listen.port": "@PORT@", "directory.default": "@ROOT@/work", "session.path": "@ROOT@/.session/",
        "limit.kb": 800, "throttle.global_up.max_rate": 750 << 10, "protocol.pex": 0, "trackers.numwant": 100,
        "ui.current_view": "bigger",
    },
    "flood": {
        "network.listen.port": "@PORT@", "directory.default": "@ROOT@/Downloads", "session.path": "@ROOT@/.session/",
        "system.daemon": 1, "pieces.hash.on_completion": 0, "pieces.preload.type": 1, "throttle.max_uploads": 50,
        "throttle.max_peers.normal": 100, "network.max_open_files": 1024, "network.xmlrpc.size_limit": 16 << 20,
        "system.file.allocate": 0, "protocol.pex": 1, "trackers.use_udp": 1,
    },
}
# What more is asked, with arguments. rTorrent has no limit of a named throttle while there is none of everything in
# that direction; groups limit all the same.
ASKED: dict[str, list[tuple[str, ...]]] = {
    "template": [("group.rat_0.ratio.min",), ("view.list",)],
    "container": [("throttle.down.max", "thr_0"), ("view.list",),
                  ("method.list_keys", "event.download.finished"), ("method.list_keys", "event.download.erased"),
                  ("method.get", "event.download.finished"), ("method.get", "group.rat_1.ratio.command")],
    "watchtree": [("method.list_keys", "watched"), ("method.get", "watched"), ("method.const", "limit.day"),
                  ("method.rlookup", "1_label")],
    "pyrocore": [("method.list_keys", "pyro.tick"), ("method.get", "pyro.tick"), ("method.get", "stamp.set_once"),
                 ("method.get", "completion.list"), ("throttle.up.max", "seeds"),
                 ("method.list_keys", "event.download.resumed"), ("method.list_keys", "event.download.erased"),
                 ("view.list",), ("method.rlookup", "!stamp_loaded")],
    "flood": [("method.list_keys", "event.download.finished"), ("view.list",)],
}
# The ports that a front-end finds its socket at, where the file opens one.
SOCKETS = {"template": ".session/rpc.socket", "container": "scgi.socket", "flood": "rtorrent.sock"}


def lines_of(name: str, root: Path, port: int) -> list[str]:
    """Its lines, on the loopback interface, with a port that is free, and the folders that its people would have."""
    text = (FOLDER / f"{name}.rc").read_text().replace("@ROOT@", str(root)).replace("50000", str(port))
    root.mkdir(parents=True)
    for folder in (".session", "downloads/temp", "Downloads", "tree/session"):
        (root / folder).mkdir(parents=True)
    return ["network.bind_address.set = 127.0.0.1", *text.replace("0.0.0.0", "127.0.0.1").splitlines()]


def filled(value: Any, root: Path, port: int) -> Any:
    if value == "@PORT@":
        return port
    return value.replace("@ROOT@", str(root)) if isinstance(value, str) else value


def wait_for_view(program: RcDaemon | RcRtorrent, name: str) -> None:
    """A schedule shows it."""
    view = SAID[name].get("ui.current_view")
    if view is not None:
        wait_until(lambda: program.ask("ui.current_view") == view, PATIENCE_S, f"the view {view}")


def answers(program: RcDaemon | RcRtorrent, name: str) -> dict[str, Any]:
    wait_for_view(program, name)
    return {**program.values(*SAID[name]), **{" ".join(call): program.ask(*call) for call in ASKED[name]}}


@pytest.mark.parametrize("name", sorted(SAID))
def test_every_line_is_run_and_what_it_says_holds(name: str, tmp_path: Path) -> None:
    root, port = tmp_path / "r", free_port()
    said = {key: filled(value, root, port) for key, value in SAID[name].items()}
    with RcDaemon(tmp_path / "d", "--strict", lines=lines_of(name, root, port)) as daemon:
        assert daemon.failed_lines() == []
        wait_for_view(daemon, name)
        assert daemon.values(*said) == said
        if name in SOCKETS:
            assert (root / SOCKETS[name]).is_socket()


@pytest.mark.parametrize("name", sorted(SAID))
def test_rtorrent_reads_the_same_out_of_it(name: str, tmp_path: Path) -> None:
    require_tool("rtorrent")
    # The same folders for both, one after the other: they are in what is read back.
    root, port = tmp_path / "r", free_port()
    lines = without_what_0_9_8_lacks(lines_of(name, root, port))
    socket = root / SOCKETS.get(name, "rpc.sock")
    if name not in SOCKETS:
        lines.append(f"network.scgi.open_local = {socket}")
    with RcRtorrent(tmp_path / "t", lines=["system.daemon.set = true", *lines], socket=socket) as rtorrent:
        wanted = answers(rtorrent, name)
    with RcDaemon(tmp_path / "d", lines=["system.daemon.set = true", *lines], socket=socket) as daemon:
        assert answers(daemon, name) == wanted


def without_what_0_9_8_lacks(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not line.startswith(("directory.watch.added", "hash_max_tries"))]
