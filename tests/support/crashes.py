"""One state directory and many daemons: each is killed, and the next goes on where it was."""

from __future__ import annotations

import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.payload import Sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

SHARED_MEMORY = Path("/dev/shm")
KILL_TIMEOUT_S = 10.0

_CHECKED = re.compile(r" torrent checked .*good=(\d+) bad=(\d+)")


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder on tmpfs where there is one: what lies there outlives processes, not the machine."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="blobtorrent-test-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class ShortLivedDaemon(Daemon):
    """A daemon whose live file lies in `runtime`. `prefix` is put before its command, to run it in a namespace."""

    def __init__(self, folder: Path, runtime: Path, words: Sequence[str], prefix: Sequence[str]) -> None:
        super().__init__(folder, "--runtime-dir", str(runtime), *words)
        self._command = [*prefix, *self._command]

    def kill(self) -> None:
        """No signal handler, no farewell: what the process had not written is gone."""
        self.send_signal(signal.SIGKILL)
        self.wait(KILL_TIMEOUT_S)
        self.close()


class Lives:
    """The lives of a daemon in `folder`; `daemon` is the present one. `words` are more of its command line.

    Its logs lie in the folder, its state and its downloads on `disk` (the folder too when not given), its live file in
    `runtime`. Where it sees something mounted, `downloads` and `runtime` are to be set to what we see of that.
    """

    def __init__(self, folder: Path, runtime: Path, *words: str, disk: Path | None = None,
                 downloads: Path | None = None, prefix: Sequence[str] = ()) -> None:
        self._folder = folder
        self._runtime = self.runtime = runtime / "run"
        self.downloads = downloads or (disk or folder) / "downloads"
        self.state = (disk or folder) / "state"
        self._words = ("--state-dir", str(self.state), "--set", f"storage.download_dir='{self.downloads}'", *words)
        self._prefix = prefix
        self._logs: list[Path] = []
        self.daemon: ShortLivedDaemon

    def __enter__(self) -> Lives:
        self.begin()
        return self

    def __exit__(self, *raised: object) -> None:
        self.daemon.stop()

    # ---- life and death

    def start(self) -> None:
        """Begin the next life, without waiting for it."""
        self.daemon = ShortLivedDaemon(self._folder, self._runtime, self._words, self._prefix)
        self.daemon.runtime = self.runtime
        self._logs.append(self.daemon.log)
        self.daemon.start()

    def begin(self) -> None:
        """Begin the next life."""
        self.start()
        self.daemon.wait_ready()
        assert self.daemon.poll() is None, self.daemon.output()

    def kill(self) -> None:
        self.daemon.kill()

    def end(self) -> None:
        """End it in order."""
        self.daemon.stop()

    # ---- what it shows

    def add(self, sample: Sample, **options: Any) -> None:
        answer = self.daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), **options})
        assert answer.get("hash") == sample.info_hash.hex(), answer

    def order(self, sample: Sample, word: str) -> None:
        """start, stop, recheck, ..."""
        answer = self.daemon.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/{word}")
        assert "state" in answer, answer

    def status(self, sample: Sample) -> dict[str, Any]:
        answer = self.daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")
        assert "state" in answer, answer
        return dict(answer)

    def wait_state(self, sample: Sample, state: str, timeout_s: float) -> dict[str, Any]:
        try:
            wait_until(lambda: self.status(sample)["state"] == state, timeout_s, state)
        except TimeoutError:
            raise AssertionError(f"{self.status(sample)}\n{self.daemon.output()}") from None
        return self.status(sample)

    @property
    def logs(self) -> list[str]:
        """What each life said."""
        return [log.read_text(errors="replace") for log in self._logs]

    @property
    def hashed_pieces(self) -> int:
        """How many pieces were read back from disk and hashed, in all lives."""
        return sum(int(good) + int(bad) for log in self.logs for good, bad in _CHECKED.findall(log))
