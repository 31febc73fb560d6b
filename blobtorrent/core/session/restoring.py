"""Restorer: takes the torrents of the earlier runs as they are read, while interfaces are answered. Owned by `core`.

Until all are here the session does nothing that is asked of it: what is not known yet must not be added a second time.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from blobtorrent.core.session.ledger import Ledger
    from blobtorrent.core.session.past import Past
    from blobtorrent.core.session.session import Session
    from blobtorrent.core.session.torrent import Torrent
    from blobtorrent.core.session.torrents import TorrentManager


class TorrentsRestored(NamedTuple):
    """Some of the `total` torrents that were there when the session ended last."""

    torrents: "tuple[Torrent, ...]"
    total: int


class RestoreEnded(NamedTuple):
    """These were all. `damages` says what was found damaged until now."""

    past: "Past"
    damages: tuple[str, ...]


class Restorer:
    """Puts them on the roster, and has the session begin its work with the last."""

    def __init__(self, session: "Session", torrents: "TorrentManager", ledger: "Ledger") -> None:
        self._session = session
        self._torrents = torrents
        self._ledger = ledger
        self._num_loaded = 0
        session.is_restoring = True

    def on_torrents(self, message: TorrentsRestored) -> None:
        self._torrents.adopt(message.torrents)
        self._num_loaded += len(message.torrents)
        self._session.tell_loaded(self._num_loaded, message.total)

    def on_end(self, message: RestoreEnded) -> None:
        self._ledger.begin(message.past)
        self._session.end_restoring(message.damages)
