"""What trackers hear when a torrent's owner wants them to."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.peers.tracker import ListTracker


def test_an_announce_that_is_asked_for_is_made_at_once(tmp_path: Path) -> None:
    with ListTracker() as tracker:
        sample = make_sample(tmp_path, "sample.bin", MIB, 256 * KIB, trackers=[tracker.url])
        with Seedbox(tmp_path / "seedbox") as seedbox:
            shutil.copy(sample.folder / "sample.bin", seedbox.downloads)
            seedbox.add(sample)
            seedbox.wait_logged("announced torrent=")
            assert tracker.events == ["started"]
            seedbox.order(sample, "announce")
            wait_until(lambda: tracker.events == ["started", ""], PATIENCE_S, "the second announce")
            seedbox.order(sample, "stop")
            wait_until(lambda: tracker.events == ["started", "", "stopped"], PATIENCE_S, "the farewell")
            assert seedbox.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/announce")["status"] == 409
