"""Counterparts from the packages of Node.js: the tracker `bittorrent-tracker`, and a ring of `bittorrent-dht`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.peers.client import LOOPBACK
from tests.support.peers.conversation import PIPES, Conversation
from tests.support.peers.program import Program
from tests.support.tools import lacking, require_folder, require_tool

_SCRIPTS = Path(__file__).with_name("node")
MODULES = Path(__file__).parents[3] / ".venvs" / "node" / "node_modules"
START_TIMEOUT_S, ANSWER_TIMEOUT_S = 60.0, 60.0


def require_node(major: int = 0) -> str:
    """The path of Node.js, which is to be of this version at least. Where the system's is old, tests/run brings one."""
    node = str(next(MODULES.glob("node-linux-*/bin/node"), None) or require_tool("node"))
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < major:
        lacking(f"Node.js is {version}, and {major} is needed")
    return node


class _Script(Program):
    """One of the scripts beside this module, with the packages that it is to use."""

    def __init__(self, name: str, *words: str) -> None:
        node = require_node()
        require_folder(MODULES, "tests/run installs it")
        super().__init__([node, _SCRIPTS / name, str(MODULES), *words], **PIPES)
        self._talk = Conversation(self)


class NodeTracker(_Script):
    """Over HTTP at `url` and over UDP at `udp_url`."""

    def __init__(self) -> None:
        super().__init__("tracker.mjs")
        self.url = self.udp_url = ""

    def wait_ready(self) -> None:
        ports = self._talk.hear("http", START_TIMEOUT_S)
        self.url = f"http://{LOOPBACK}:{ports['http']}/announce"
        self.udp_url = f"udp://{LOOPBACK}:{ports['udp']}/announce"


class NodeRing(_Script):
    """So many nodes that know of each other, at `endpoints`; the last one takes orders."""

    def __init__(self, number: int) -> None:
        super().__init__("dht.mjs", str(number))
        self.endpoints: tuple[str, ...] = ()

    def wait_ready(self) -> None:
        self.endpoints = tuple(self._talk.hear("ring", START_TIMEOUT_S)["ring"])

    def announce(self, info_hash: bytes, port: int) -> None:
        """As a peer of this torrent, at the address of the last node."""
        self._talk.tell(json.dumps({"announce": info_hash.hex(), "port": port}))
        self._talk.hear("announced", ANSWER_TIMEOUT_S)

    def look_up(self, info_hash: bytes) -> set[str]:
        """The peers of a torrent, "HOST:PORT" each."""
        self._talk.tell(json.dumps({"lookup": info_hash.hex()}))
        return set(self._talk.hear("peers", ANSWER_TIMEOUT_S)["peers"])
