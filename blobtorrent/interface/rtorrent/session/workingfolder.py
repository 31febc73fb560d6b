"""The folder that relative paths of commands are below.

It is not that of the process: settings of the daemon may have relative paths, too, and theirs must not move.
"""

from __future__ import annotations

import os

from blobtorrent.interface.rtorrent.faults import failed


class WorkingFolder:
    """Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self.path = os.getcwd()

    def change(self, text: str) -> None:
        """Raises Fault."""
        path = self.full(text)
        if not os.path.isdir(path):
            raise failed("Could not change current working directory.")
        self.path = path

    def full(self, text: str) -> str:
        """The absolute path that is meant; `~` is home."""
        return os.path.normpath(os.path.join(self.path, os.path.expanduser(text)))
