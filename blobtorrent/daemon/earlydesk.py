"""EarlyDesk: what commands ask of the daemon that are run before there is an engine: the settings to make it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.config.schema import Settings
from blobtorrent.daemon.desk import PATCH, refuse_overridden
from blobtorrent.daemon.origin import Mended, Origin
from blobtorrent.model.errors import BlobTorrentError

if TYPE_CHECKING:
    from blobtorrent.config.load import Loaded


class EarlyDesk:
    """What is changed here is kept in `origin.said`, and so holds for this run. `mended` stands for damaged overrides.
    Owned by whoever runs the commands; the main thread reads it when that is done.
    """

    def __init__(self, origin: Origin, loaded: Loaded, mended: Mended | None = None) -> None:
        self.loaded = loaded
        self.must_stop = False         # a command asked for the end
        self._origin = origin
        self._mended = mended

    def settings(self) -> Settings:
        return self.loaded.settings

    def change(self, patch: Mapping[str, Any]) -> None:
        """Merge it into what was said. Raises ConfigError and Conflict as `Desk.change` does; nothing is changed then.
        """
        from blobtorrent.config.overrides import check_patch, patched
        from blobtorrent.config.sources import SAID

        named = check_patch(patch, PATCH)
        said, before = self._origin.said, self._origin.said.document
        said.document = patched(before, patch)
        try:
            loaded = self._origin.read() if self._mended is None else self._origin.read_with(self._mended.text)
            refuse_overridden(named, loaded, SAID)
        except BlobTorrentError:
            said.document = before
            raise
        self.loaded = loaded

    def stop(self) -> None:
        self.must_stop = True
