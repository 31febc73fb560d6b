"""Reloader: reads the settings again and has them applied, all of them or none. Owned by the main thread."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.config.diff import diff, with_live_changes
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import NO_ANSWER
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)


class Reloader:
    """`read` loads the settings from where they were loaded at the start.

    Each of `appliers` is told all settings that hold from now on. The first one may refuse, by raising a
    BlobTorrentError, before it has changed anything; the others follow and only obey. One that gives no answer in time
    has been told all the same: it is taken at its word, and told again by the next reload.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], appliers: list[Callable[[Settings], None]]
    ) -> None:
        self.settings = settings
        self._read = read
        self._appliers = appliers
        self._is_unconfirmed = False

    def reload(self) -> bool:
        """False when the new settings were refused: then the old ones hold as before."""
        try:
            wanted = self._read()
            settings = with_live_changes(self.settings, wanted)
            self._apply(settings)
        except BlobTorrentError as error:
            log.error("the new settings are refused, the old ones stay", code=error.code, detail=error.detail)
            return False
        applied = [change.key for change in diff(self.settings, settings)]
        waiting = [change.key for change in diff(settings, wanted)]
        self.settings = settings
        log.info("settings reloaded", changed=", ".join(applied) or "nothing")
        if waiting:
            log.warning("some changes need a restart", changed=", ".join(waiting))
        return True

    def _apply(self, settings: Settings) -> None:
        if settings == self.settings and not self._is_unconfirmed:
            return
        first, *others = self._appliers
        try:
            first(settings)
            self._is_unconfirmed = False
        except BlobTorrentError as error:
            if error.code != NO_ANSWER:
                raise
            self._is_unconfirmed = True
            log.warning("the session is busy: it has been given the new settings, and has not confirmed them",
                        detail=error.detail)
        for apply in others:
            apply(settings)
