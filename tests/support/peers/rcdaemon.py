"""`blobtorrentd` and `rtorrent`, started with the same words: `-n -o import=FILE`."""

from __future__ import annotations

import sys
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.memory import memory_for
from tests.support.peers.blobtorrent import environment
from tests.support.peers.program import Program, wait_until
from tests.support.peers.rtorrent import scgi_call

PATIENCE_S = 30.0
# What people have in no configuration of rTorrent: tests keep to the loopback interface.
_SETTINGS = """
[storage]
memory_budget = "16 MiB"
[network]
interface = "127.0.0.1"
allow_loopback = true
port_mapping = "off"
[lsd]
enabled = false
[rest]
listen = ["unix:rest.sock"]
"""


class Configured(Program):
    """One of them in `folder`, on the configuration `rc` there, of the given lines. It is asked at `socket`."""

    def __init__(self, command: Sequence[str | Path], folder: Path, lines: Sequence[str], socket: Path | None,
                 **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rc = folder / "rc"
        self.rc.write_text("".join(f"{line}\n" for line in lines))
        self.socket = socket or folder / "rpc.sock"
        super().__init__([*command, "-n", "-o", f"import={self.rc}"], home=folder,
                         environment={**environment(), "TERM": "dumb"}, **options)
        self.log = folder / f"output-{len(list(folder.glob('output-*.log')))}.log"

    def wait_ready(self) -> None:
        wait_until(lambda: self._answers() or self.poll() is not None, PATIENCE_S, "the interface")
        assert self.poll() is None, self.output()

    def ask(self, command: str, *arguments: Any) -> Any:
        """What a command answers, an empty target before its arguments; xmlrpc.client.Fault when it fails."""
        return scgi_call(self.socket, command, "", *arguments)

    def values(self, *names: str) -> dict[str, Any]:
        """What these commands answer; the text of the fault for one that fails."""
        return {name: self._value(name) for name in names}

    def _value(self, name: str) -> Any:
        try:
            return self.ask(name)
        except xmlrpc.client.Fault as fault:
            return fault.faultString

    def _answers(self) -> bool:
        try:
            self.ask("system.pid")
        except OSError:
            return False
        return True


class RcDaemon(Configured):
    """`blobtorrentd`. `settings` are put at the end of its settings file, `words` are more of its command line,
    `options` are those of a Program.
    """

    def __init__(self, folder: Path, *words: str, lines: Sequence[str], settings: str = "",
                 socket: Path | None = None, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        self.runtime = memory_for(folder)
        self.config = folder / "blobtorrent.toml"
        self.config.write_text(_SETTINGS + settings)
        super().__init__([sys.executable, "-m", "blobtorrent.daemon.main", "--config", self.config, "--state-dir",
                          self.state, "--runtime-dir", self.runtime, *words], folder, lines,
                         socket or self.runtime / "rpc.sock", **options)

    def wait_ready(self) -> None:
        wait_until(lambda: " ready " in self.logged() or self.poll() is not None, PATIENCE_S, "the daemon")
        super().wait_ready()

    def logged(self) -> str:
        """Its output, and what went to `daemon.log` in its folder instead, if its settings name that."""
        file = self.folder / "daemon.log"
        return self.output() + (file.read_text() if file.exists() else "")

    def failed_lines(self) -> list[str]:
        """What the log tells of lines that failed."""
        return [line for line in self.output().splitlines() if "a line of rTorrent's configuration fails" in line]


class RcRtorrent(Configured):
    """rTorrent itself, which has only the socket that its configuration opens."""

    def __init__(self, folder: Path, *, lines: Sequence[str], socket: Path | None = None) -> None:
        super().__init__(["rtorrent"], folder, lines, socket)
