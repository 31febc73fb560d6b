"""Roster: all torrents of the daemon, and those that are shown in their order. Pure.

What changes is moved to its place by bisection: of ten thousand torrents a few hundred change in a second.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from blobtorrent.cli.top.torrent import Torrent
from blobtorrent.cli.top.views import MAIN, ORDERS, Rank, View

SORT_SHARE = 8                         # when more than this part of all has changed, all are sorted anew

_Place = tuple[Rank, str, str]         # rank in the order, then name, then hash: no two are the same


class Roster:
    def __init__(self) -> None:
        self.view: View = MAIN
        self.order = "added"
        self.is_reversed = False
        self.text = ""
        self.active: set[str] = set()  # hashes of torrents that transfer something
        self._torrents: dict[str, Torrent] = {}
        self._places: dict[str, _Place] = {}               # of those that are shown
        self._shown: list[_Place] = []

    @property
    def total(self) -> int:
        """Shown or not."""
        return len(self._torrents)

    def __len__(self) -> int:
        """How many are shown."""
        return len(self._shown)

    def get(self, digits: str) -> Torrent | None:
        return self._torrents.get(digits)

    def at(self, number: int) -> Torrent:
        """The one that is shown there, from 0."""
        return self._torrents[self._shown[self._turned(number)][-1]]

    def between(self, start: int, end: int) -> list[Torrent]:
        return [self.at(number) for number in range(start, min(end, len(self)))]

    def number_of(self, digits: str) -> int | None:
        """Where a torrent is shown; None when it is not."""
        place = self._places.get(digits)
        return None if place is None else self._turned(bisect_left(self._shown, place))

    def choose(self, view: View) -> None:
        self.view = view
        if view.order is not None:
            self.order, self.is_reversed = view.order, False
        self._sort()

    def order_by(self, order: str, *, is_reversed: bool = False) -> None:
        self.order, self.is_reversed = order, is_reversed
        self._sort()

    def search(self, text: str) -> None:
        """Show only those that have this in their name or among their labels; capitals make no difference."""
        self.text = text.casefold()
        self._sort()

    def update(self, changed: Sequence[Torrent], removed: Iterable[str] = (), *, is_full: bool = False) -> None:
        """Take these torrents as they are now; with `is_full` there are no others."""
        if is_full:
            self._torrents = {}
            self.active = set()
        for torrent in changed:
            self._torrents[torrent.hash] = torrent
            (self.active.add if torrent.is_active else self.active.discard)(torrent.hash)
        gone = [digits for digits in removed if self._torrents.pop(digits, None) is not None]
        self.active.difference_update(gone)
        if is_full or (len(changed) + len(gone)) * SORT_SHARE > len(self._torrents):
            self._sort()
            return
        for digits in gone:
            self._hide(digits)
        for torrent in changed:
            if torrent.hash in self._torrents:
                self._place(self._torrents[torrent.hash])

    def _turned(self, number: int) -> int:
        return len(self._shown) - 1 - number if self.is_reversed else number

    def _place(self, torrent: Torrent) -> None:
        place = self._place_of(torrent) if self._is_shown(torrent) else None
        if place == self._places.get(torrent.hash):
            return
        self._hide(torrent.hash)
        if place is not None:
            self._places[torrent.hash] = place
            insort(self._shown, place)

    def _hide(self, digits: str) -> None:
        place = self._places.pop(digits, None)
        if place is not None:
            del self._shown[bisect_left(self._shown, place)]

    def _sort(self) -> None:
        self._places = {
            digits: self._place_of(torrent) for digits, torrent in self._torrents.items() if self._is_shown(torrent)
        }
        self._shown = sorted(self._places.values())

    def _place_of(self, torrent: Torrent) -> _Place:
        return ORDERS[self.order](torrent), torrent.name.casefold(), torrent.hash

    def _is_shown(self, torrent: Torrent) -> bool:
        if not self.view.wants(torrent):
            return False
        return not self.text or any(self.text in text.casefold() for text in (torrent.name, *torrent.labels))
