"""A daemon as the owner of a seedbox uses it: he names a torrent, and waits for what becomes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.payload import Sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

PATIENCE_S = 30.0


class Seedbox(Daemon):
    """Made again in the same folder it goes on where the last one ended. `prefix` is put before its command."""

    def __init__(self, folder: Path, *words: str, settings: str = "", prefix: Sequence[str] = ()) -> None:
        super().__init__(folder, *words, settings=settings)
        self._command = [*prefix, *self._command]
        self._again = (folder, *words), {"settings": settings, "prefix": prefix}

    # ---- the daemon

    def again(self) -> Seedbox:
        """The next one in the same folder, with the settings that this one began with."""
        words, options = self._again
        return Seedbox(*words, **options)

    def end(self) -> None:
        """End it in order."""
        self.stop()
        assert "stopped clean=True" in self.output(), self.output()

    def reload(self, settings: str) -> None:
        """Have it use these settings from now on."""
        before = self.output().count("settings reloaded")
        self.config.write_text(settings)
        self.send_signal(signal.SIGHUP)
        wait_until(lambda: self.output().count("settings reloaded") > before, PATIENCE_S, "the reload")

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait(PATIENCE_S)

    # ---- its torrents

    def add(self, sample: Sample, **options: Any) -> dict[str, Any]:
        return self._answer("POST", "/v1/torrents", {"source": str(sample.torrent), **options})

    def order(self, sample: Sample, word: str, **members: Any) -> dict[str, Any]:
        """start, stop, recheck, move, ..."""
        return self._answer("POST", f"{_path(sample)}/{word}", members or None)

    def change(self, sample: Sample, **changes: Any) -> dict[str, Any]:
        return self._answer("PATCH", _path(sample), changes)

    def status(self, sample: Sample) -> dict[str, Any]:
        return self._answer("GET", _path(sample))

    def files(self, sample: Sample) -> list[dict[str, Any]]:
        return list(self._answer("GET", f"{_path(sample)}/files")["files"])

    def remove(self, sample: Sample) -> None:
        self.call("DELETE", _path(sample))
        self.wait_gone(sample)

    def wait_until(self, sample: Sample, is_so: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """The torrent as it is when `is_so`."""
        try:
            wait_until(lambda: is_so(self.status(sample)), PATIENCE_S, what)
        except TimeoutError as error:
            raise AssertionError(f"{error}; it is {self.status(sample)}\n{self.output()}") from None
        return self.status(sample)

    def wait_state(self, sample: Sample, state: str) -> dict[str, Any]:
        return self.wait_until(sample, lambda status: status["state"] == state, state)

    def wait_gone(self, sample: Sample) -> None:
        wait_until(lambda: self.call("GET", _path(sample)).get("code") == "torrent.unknown", PATIENCE_S, "the removal")

    def _answer(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.call(method, path, body)
        assert "code" not in answer, f"{method} {path}: {answer}"
        return answer


def _path(sample: Sample) -> str:
    return f"/v1/torrents/{sample.info_hash.hex()}"
