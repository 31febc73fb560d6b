"""Reloader: has other settings applied, all of them or none. Owned by the main thread; any thread may look."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.config.diff import diff, with_live_changes
from blobtorrent.config.load import Loaded
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import NO_ANSWER
from blobtorrent.interface.desk import ChangeResult
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)


class Reloader:
    """`settings` hold now; `loaded` were read last, and hold after a restart. `read` reads them from everywhere.

    Each of `appliers` is told all settings that hold from now on. The first one may refuse, by raising a
    BlobTorrentError, before it has changed anything; the others follow and only obey. One that gives no answer in time
    has been told all the same: it is taken at its word, and told again by the next reload.
    """

    def __init__(
        self, loaded: Loaded, read: Callable[[], Loaded], appliers: list[Callable[[Settings], None]]
    ) -> None:
        self.settings = loaded.settings
        self.loaded = loaded
        self.read_files: Callable[[], None] = lambda: None     # others that a reload reads again: tokens, certificates
        self._read = read
        self._appliers = appliers
        self._is_unconfirmed = False

    def reload(self) -> ChangeResult:
        """Read the settings again and use them. Raises BlobTorrentError when they are refused: the old ones hold."""
        self.read_files()
        return self.use(self._read())

    def use(self, wanted: Loaded) -> ChangeResult:
        """Use these from now on, as far as that needs no restart. Raises BlobTorrentError: the old ones hold."""
        settings = with_live_changes(self.settings, wanted.settings)
        self._apply(settings)
        result = ChangeResult(
            applied=tuple(change.key for change in diff(self.settings, settings)),
            need_restart=tuple(change.key for change in diff(settings, wanted.settings)),
        )
        self.settings, self.loaded = settings, wanted
        log.info("settings reloaded", changed=", ".join(result.applied) or "nothing")
        if result.need_restart:
            log.warning("some changes need a restart", changed=", ".join(result.need_restart))
        return result

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
