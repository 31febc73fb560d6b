"""How far into the daemon's machine a caller reaches by what it says of torrents.

Whoever can have files written anywhere, or can have what lies anywhere taken for the content of a torrent and read it
back, is soon the daemon's user: its own tokens lie in files, too. So only the scope admin reaches everywhere; the
others stay below the folders that torrents are for, and fetch nothing from the machine itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from blobtorrent.interface.desk import Desk
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Refused
from blobtorrent.network.binding import Binding
from blobtorrent.network.policy import binding_of


class Reach:
    """Used by all threads of the interface."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def binding(self) -> Binding:
        """How the daemon reaches the network: what it fetches for callers takes no other way."""
        return binding_of(self._desk.settings().network)

    def require(self, grant: Grant, path: Path) -> None:
        """Raises Refused (403, "rest.scope") for a file or folder that the caller may not name. Links are followed."""
        if is_everywhere(grant):
            return
        settings = self._desk.settings()
        if any(_is_in(path, folder) for folder in (settings.storage.download_dir, *settings.rest.folders)):
            return
        raise Refused(403, "rest.scope", "this wants a path below storage.download_dir or one of rest.folders, or a "
                      "token with the scope admin")


def _is_in(path: Path, folder: Path) -> bool:
    try:
        real, root = os.path.realpath(path), os.path.realpath(folder)
    except ValueError:                 # not the path of anything
        return False
    return os.path.commonpath((real, root)) == root


def is_everywhere(grant: Grant) -> bool:
    return grant.allows(Scope.ADMIN)


def require_belief(grant: Grant) -> None:
    """Raises Refused (403, "rest.scope") for whom what lies on disk is not to be believed unchecked: that of torrents
    that a token with labels must not see may lie there."""
    if grant.is_bound:
        raise Refused(403, "rest.scope", "a token that is bound to labels cannot use skip_check")
