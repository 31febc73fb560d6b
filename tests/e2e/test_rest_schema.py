"""Schemathesis against a live daemon: requests made of openapi.json, good ones and bad ones, find nothing.

No answer is an error of the program or other than described, what the description forbids is refused, what it allows
is taken, and nothing is told or done without a token.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.peers.daemon import Daemon
from tests.support.rest import tiny_torrent
from tests.support.source import ROOT

SEED = "1"
REQUESTS = "8"                         # made up for each operation and phase
LIMIT_S = 240.0                        # it takes about 40 s on an idle machine
LEFT_OUT = ("/v1/session/stop", "/v1/session/drain", "/v1/events")     # the end of the test, and an answer without end

pytest.importorskip("schemathesis")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_requests_made_of_the_description_find_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path, settings="[groups.tv]\nweight = 2\n") as daemon:
        hashes = _provide(daemon)
        found = re.search(r"REST listens address=(127\.0\.0\.1:\d+)", daemon.output())
        assert found is not None
        token = (daemon.state / "admin.token").read_text().strip()
        run = subprocess.run(
            [Path(sys.executable).with_name("st"), "--config-file", ROOT / "tests/support/schemathesis.toml", "run",
             f"http://{found[1]}/v1/openapi.json", "--seed", SEED, "--max-examples", REQUESTS, "--warnings", "off",
             "--header", f"Authorization: Bearer {token}", "--header", "Connection: close",
             *(word for path in LEFT_OUT for word in ("--exclude-path", path))],
            capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.schemahooks", "PYTHONPATH": str(ROOT),
                 "BLOBTORRENT_TEST_FOLDER": str(tmp_path / "made"), "BLOBTORRENT_TEST_HASHES": ",".join(hashes)},
        )
        assert daemon.poll() is None, daemon.output()[-4000:]
        assert run.returncode == 0, run.stdout
        assert int(re.findall(r"(\d+) generated", run.stdout)[0]) > 1000
        assert "Traceback" not in daemon.output()
        assert daemon.call("GET", "/v1/session")["state"] == "running"


def _provide(daemon: Daemon) -> list[str]:
    """One torrent that is complete and one that is not; the file of the first where it can be added from."""
    made = daemon.folder / "made"
    made.mkdir()
    (made / "tiny.torrent").write_bytes(tiny_torrent())
    return [
        daemon.call("POST", "/v1/torrents", {
            "metainfo": base64.b64encode(tiny_torrent(name)).decode(), "start": False, "labels": ["a"]})["hash"]
        for name in ("tiny", "other")
    ]
