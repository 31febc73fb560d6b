"""What was found damaged, and what was done about it: told loudly, and never a reason to refuse to start."""

from __future__ import annotations

from typing import NamedTuple


class Damage(NamedTuple):
    """One damaged thing of the saved state. All four are text for people; `where` may hold a foreign name."""

    what: str                          # "row", "torrent file", "state file", ...
    where: str                         # a path, or the kind and key of a row
    detail: str                        # how it was noticed
    remedy: str                        # what was done, and what is left to do
