"""What a caller may do: scopes, and the labels that a token may be bound to. Pure.

The server sees to it that the scope of a route is allowed before its handler is called. What a grant with labels shows
is for the resources: they list, steer and tell of torrents that `sees` lets through, add them only with labels that it
does, and refuse what belongs to the whole session when the grant `is_bound`.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import NamedTuple


class Scope(Enum):
    """Each allows what those before it do."""

    READ = "read"
    ADD = "add"                        # torrents
    CONTROL = "control"                # steer, change and remove them
    ADMIN = "admin"                    # settings, tokens, jobs, the end of the daemon


_RANKS = {scope: rank for rank, scope in enumerate(Scope)}


class Grant(NamedTuple):
    """Who asks, and what they may."""

    name: str                          # of the token, or "unix:UID"
    scopes: frozenset[Scope] = frozenset()
    labels: frozenset[str] = frozenset()
    token: str = ""                    # which one: its digest; empty for whoever came without

    @property
    def is_bound(self) -> bool:
        """It holds for torrents with its labels only, not for the session."""
        return bool(self.labels)

    def allows(self, scope: Scope) -> bool:
        return any(_RANKS[held] >= _RANKS[scope] for held in self.scopes)

    def sees(self, labels: Collection[str]) -> bool:
        """Whether a torrent with these labels is there for the caller."""
        return not self.labels or not self.labels.isdisjoint(labels)


NOBODY = Grant("")                     # may have what is open to all
