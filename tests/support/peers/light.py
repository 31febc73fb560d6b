"""Hundreds of light peers in one process each, to keep as many links of the engine busy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.support.payload import Sample
from tests.support.peers.conversation import PIPES, Conversation
from tests.support.peers.program import Program

SCRIPTS = Path(__file__).with_name("scripts")
START_TIMEOUT_S = 30.0


class LightSeeds(Program):
    """`count` seeds of a single-file sample, each at an address of its own in 127.1/16.

    With `together` none serves before all have a leech that is interested: so many links there are at once.
    """

    def __init__(self, sample: Sample, count: int, *, together: bool = False) -> None:
        words = [str(sample.torrent), str(sample.folder / sample.name.decode()), str(count), "127.1",
                 str(count if together else 1)]
        super().__init__([sys.executable, SCRIPTS / "light_seeds.py", *words], **PIPES)
        self._talk = Conversation(self)
        self.endpoints: tuple[str, ...] = ()

    def wait_ready(self) -> None:
        self.endpoints = tuple(self._talk.hear("ready", START_TIMEOUT_S)["ready"])

    def stop(self) -> None:
        if self._process is not None:
            self._talk.close()
        super().stop()


class LightLeeches(Program):
    """`count` leeches, from addresses in 127.2/16, that fetch a single-file sample from `endpoint` once together.

    In the context they are connected; `fetch` begins, `wait_complete` returns what they told: "complete" (monotonic
    seconds), "cpu_s", "bad_pieces".
    """

    def __init__(self, sample: Sample, count: int, endpoint: str, *, check: bool = False) -> None:
        words = [str(sample.torrent), str(count), "127.2", endpoint, *(["check"] if check else [])]
        super().__init__([sys.executable, SCRIPTS / "light_leeches.py", *words], **PIPES)
        self._talk = Conversation(self)

    def wait_ready(self) -> None:
        self._talk.hear("ready", START_TIMEOUT_S)

    def fetch(self) -> None:
        self._talk.tell("go")

    def wait_complete(self, timeout_s: float) -> dict[str, Any]:
        return self._talk.hear("complete", timeout_s)

    def stop(self) -> None:
        if self._process is not None:
            self._talk.close()
        super().stop()
