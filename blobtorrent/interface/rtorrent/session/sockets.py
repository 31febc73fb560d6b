"""`system.sockets.adjust_alloc`: the bounds of descriptors that were set count from then on.

Of the kinds of rTorrent two have numbers of their own here: files of torrents, and trackers that are asked over HTTP.
Peers are counted by network.max_open_sockets; what serves clients takes what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.session.mapped import MAX_CALLS, MAX_OPEN_FILES, MIN_OPEN_FILES
from blobtorrent.interface.rtorrent.session.variables import Variables
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.storage.filepool import descriptor_share

if TYPE_CHECKING:
    from blobtorrent.config.schema import Settings


class _Kind(NamedTuple):
    """A kind of descriptors that has a setting: how it reads, where it is, and what it may be."""

    name: str
    read: Callable[[Settings], int]
    section: str
    key: str
    least: int
    most: int


_KINDS = (
    _Kind("files", lambda settings: settings.storage.open_files or descriptor_share(), "storage", "open_files",
          MIN_OPEN_FILES, MAX_OPEN_FILES),
    _Kind("http", lambda settings: settings.trackers.http_calls, "trackers", "http_calls", 1, MAX_CALLS),
)


class SocketShares:
    """Owned by the interpreter's thread. What a bound took away comes back when the bound is lifted."""

    def __init__(self, engine: SessionEngine, variables: Variables) -> None:
        self._engine = engine
        self._variables = variables
        self._adjusted: dict[str, tuple[int, int]] = {}    # as it was, and what we made of it

    def commands(self) -> Iterator[Command]:
        yield command("system.sockets.adjust_alloc", self._adjust,
                      "Has the bounds system.sockets.files.*_alloc count for network.max_open_files from now on, and "
                      "system.sockets.http.*_alloc for network.http.max_total_connections.", category="system")

    def _adjust(self, _context: Context, _item: Any, _args: Sequence[Value]) -> Value:
        patch: dict[str, dict[str, int]] = {}
        for kind in _KINDS:
            now = kind.read(self._engine.settings())
            before, made = self._adjusted.get(kind.name, (now, now))
            before = before if made == now else now        # somebody else has set it since
            wanted = min(max(before, self._bound(kind, "min")), self._bound(kind, "max"))
            wanted = min(max(wanted, kind.least), kind.most)
            self._adjusted[kind.name] = before, wanted
            if wanted != now:
                patch.setdefault(kind.section, {})[kind.key] = wanted
        if patch:
            self._engine.change(patch)
        return None

    def _bound(self, kind: _Kind, word: str) -> int:
        bound = self._variables[f"system.sockets.{kind.name}.{word}_alloc"]
        return bound if isinstance(bound, int) else 0
