"""A daemon with Flood before it, Flood's page in a browser, and seeds of what is to be downloaded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.chromium import Chromium
from tests.support.floodpage import FloodPage
from tests.support.payload import KIB, Sample, make_sample, with_tracker
from tests.support.peers.flood import Flood
from tests.support.peers.magnets import LibtorrentMagnet
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import scgi_call
from tests.support.peers.seedbox import Seedbox
from tests.support.peers.tracker import ListTracker

SETTINGS = """
[storage]
download_dir = "{downloads}"
[network]
allow_loopback = true
"""
# What the page's menu of a torrent can offer; some of it is hidden at first.
MENU = (
    "start", "stop", "remove", "checkHash", "reannounce", "setTaxonomy", "move", "setTrackers", "torrentDetails",
    "downloadContents", "downloadMetainfo", "generateMagnet", "setInitialSeeding", "setSequential", "setPriority")
PATIENCE_S = 30.0
PIECE = 64 * KIB
_TROUBLE = re.compile(r" (ERROR|CRITICAL) |Traceback")


class FloodStage:
    """Used as a context manager. `pictures` are left below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = folder / "pictures"
        self._stack = ExitStack()
        self._num_samples = 0
        self._log_seen = 0

    def __enter__(self) -> FloodStage:
        for name in ("pictures", "daemon", "browser", "samples"):
            (self.folder / name).mkdir()
        with ExitStack() as stack:
            folder = self.folder / "daemon"
            self.box = Seedbox(folder, settings=SETTINGS.format(downloads=folder / "downloads"))
            self.box.leave_to_settings("storage.download_dir")
            stack.enter_context(self.box)
            assert self.box.poll() is None, self.box.output()
            self.flood = stack.enter_context(Flood(self.folder / "flood", self.box.runtime / "rpc.sock"))
            self.tracker = stack.enter_context(ListTracker())
            self.browser = stack.enter_context(Chromium(self.folder / "browser"))
            self.flood.call("PATCH", "/settings", {
                "torrentContextMenuActions": [{"id": item, "visible": True} for item in MENU]})
            self.page = FloodPage(self.browser.page, self.flood.url, self.pictures)
            self.page.open()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    # ---- what is downloaded

    def sample(self, name: str, files: Sequence[tuple[str, int]] | int) -> Sample:
        """Content of its own, and a torrent of it with the tracker."""
        self._num_samples += 1
        work = self.folder / "samples" / str(self._num_samples)
        sample = make_sample(work, name, files, PIECE, seed=self._num_samples)
        shutil.move(with_tracker(sample.torrent, self.tracker.url, work), sample.torrent)
        return sample

    def seed(self, sample: Sample) -> LibtorrentMagnet:
        """A seed, which the tracker names; it also gives the metadata to whoever has only a link."""
        seed = self._stack.enter_context(LibtorrentMagnet(sample.torrent, sample.folder))
        self.tracker.peers = (seed.endpoint,)
        return seed

    def lay(self, sample: Sample, folder: Path) -> None:
        """Have the content there already."""
        source, target = sample.folder / os.fsdecode(sample.name), folder / os.fsdecode(sample.name)
        folder.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)

    def add_complete(self, sample: Sample, folder: Path | None = None) -> Path:
        """By the page, with the content there already; the folder, once it is seeded."""
        place = folder or self.box.downloads / f"complete-{self._num_samples}"
        self.lay(sample, place)
        self.page.add_file(sample.torrent, place)
        self.page.wait_state(sample.info_hash, "seeding")
        return place

    # ---- the truth

    def rpc(self, command: str, *words: str) -> Any:
        """One call of the interface that Flood uses."""
        return scgi_call(self.box.runtime / "rpc.sock", command, *words)

    def of(self, sample: Sample, command: str, *words: str) -> Any:
        return self.rpc(command, sample.info_hash.hex().upper(), *words)

    def wait_rpc(self, command: str, *words: str, value: Any) -> None:
        wait_until(lambda: self.rpc(command, *words) == value, PATIENCE_S, f"{command} to be {value!r}")

    def wait_of(self, sample: Sample, command: str, value: Any) -> None:
        self.wait_rpc(command, sample.info_hash.hex().upper(), value=value)

    def setting(self, section: str, key: str) -> Any:
        """A value that the daemon goes by, whoever asked for it."""
        return self.box.call("GET", "/v1/settings")[section][key]

    def troubles(self) -> list[str]:
        """What went wrong since the last call: on the page, in Flood's answers, in the daemon's log."""
        output = self.box.output()
        new, self._log_seen = output[self._log_seen:], len(output)
        return [*self.page.troubles(), *(line for line in new.splitlines() if _TROUBLE.search(line))]
