"""Views: named lists of downloads, some of them always of those in a state, some of what a filter has found.

rTorrent files a download into `started` or `stopped`, and the rest follows; here the state is the engine's, and these
lists follow it. A view that somebody gave a filter to is what that found when it was applied last.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence

from blobtorrent.interface.rtorrent.context import Aim, Context, Target
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.values import Call, Value

DEFAULT = "default"
STARTED, STOPPED = "started", "stopped"
MAX_VIEWS = 1000


def _everything(_download: Download) -> bool:
    return True


_ALWAYS: dict[str, Callable[[Download], bool]] = {
    "main": _everything,
    DEFAULT: _everything,
    "name": _everything,
    "active": lambda download: download.is_active,
    STARTED: lambda download: download.is_started,
    STOPPED: lambda download: not download.is_started,
    "complete": lambda download: download.is_complete,
    "incomplete": lambda download: not download.is_complete,
    "hashing": lambda download: bool(download.hashing),
    "seeding": lambda download: download.is_started and download.is_complete,
    "leeching": lambda download: download.is_started and not download.is_complete,
}

_UNFILTERED = ("main", DEFAULT, "name")

_CHECKS = ("hash_done", "hash_failed", "hash_final_failed", "finished")

# Events after which rTorrent has these views look at their filters. Here that is only seen by their order: a download
# that is looked at goes to the end.
FILTERED_ON: dict[str, tuple[str, ...]] = {
    "complete": _CHECKS,
    "incomplete": _CHECKS,
    "hashing": ("hash_queued", "hash_removed", *_CHECKS),
    "seeding": ("resumed", "paused", "finished"),
    "leeching": ("resumed", "paused", "finished"),
}


# A name becomes part of what is run on behalf of others than who gave it.
_OF_COMMANDS = re.compile(r"""[$,;={}()"\\\x00-\x1f\x7f]""")


class View:
    """`holds` says who is in it, unless somebody gave it a `filter`; then `visible` are those that it found, by their
    hashes, and `seen` those that it was asked about. Of one that follows a state, `visible` is only the order."""

    def __init__(self, name: str, holds: Callable[[Download], bool] | None = None) -> None:
        self.name = name
        self.holds = holds
        self.filter: Value = None
        self.sort_new: Value = None
        self.sort_current: Value = None
        self.on_added: Value = None
        self.on_removed: Value = None
        self.visible: dict[str, None] = {}
        self.seen: set[str] = set()
        self.forced: dict[str, bool] = {}                  # of a view that follows a state: said otherwise
        self.ranks: dict[str, int] = {}                    # as of the last sorting
        self.sorted_at = 0.0


class Views:
    """Owned by the interpreter's thread. `context()` is where filters run on behalf of nobody in particular."""

    def __init__(self, downloads: Downloads, context: Callable[[], Context]) -> None:
        self._downloads = downloads
        self._context = context
        self._views = {name: View(name, holds) for name, holds in _ALWAYS.items()}

    def on_event(self, name: str, download: Download) -> None:
        """A listener of the follower: what is new goes to the end of views that follow a state, should it be in one."""
        if name == "inserted":
            for view_name in FILTERED_ON:
                self._views[view_name].visible[download.hash] = None

    def names(self) -> list[str]:
        return list(self._views)

    def find(self, name: str, fault: str = "") -> View:
        """Raises Fault, with these words or the usual ones."""
        view = self._views.get(name)
        if view is None:
            raise failed(fault or f"Could not find view: {name}")
        return view

    def add(self, name: str) -> View:
        """One of all downloads. Raises Fault."""
        if name in self._views:
            raise failed("View with same name already inserted.")
        if not name:
            raise failed("View name must not be empty.")
        if _OF_COMMANDS.search(name):
            raise failed("View name must not have characters that mean something in commands.")
        if len(self._views) >= MAX_VIEWS:
            raise failed("Too many views.")
        view = self._views[name] = View(name)
        return view

    def members(self, name: str, fault: str = "") -> list[Download]:
        """Those that it shows, in its order. Raises Fault."""
        view = self.find(name, fault)
        downloads = self._downloads.all()
        if view.holds is not None:
            found = downloads if view.holds is _everything and not view.forced else [
                download for download in downloads if view.forced.get(download.hash, view.holds(download))]
            if name == "name" and not view.ranks:
                return sorted(found, key=lambda download: download.name)
            if name in FILTERED_ON:
                found = self._in_order_of_entry(view, found)
        else:
            self._admit(view, downloads)
            by_hash = {download.hash: download for download in downloads}
            found = [by_hash[digits] for digits in view.visible if digits in by_hash]
        if view.ranks:
            last = len(view.ranks)
            found.sort(key=lambda download: view.ranks.get(download.hash, last))
        return found

    @staticmethod
    def _in_order_of_entry(view: View, found: list[Download]) -> list[Download]:
        """`found` as they came into a view that follows a state, by what was seen of it."""
        by_hash = {download.hash: download for download in found}
        view.visible = {digits: None for digits in view.visible if digits in by_hash}
        view.visible.update(dict.fromkeys(by_hash))
        return [by_hash[digits] for digits in view.visible]

    def _admit(self, view: View, downloads: Sequence[Download]) -> None:
        """Ask the filter about those that it has not seen; forget those that are gone."""
        if len(view.seen) > len(downloads):
            there = {download.hash for download in downloads}
            view.seen &= there
            view.visible = {digits: None for digits in view.visible if digits in there}
        for download in downloads:
            if download.hash not in view.seen:
                view.seen.add(download.hash)
                if self._passes(view, self._context(), download):
                    self._insert(view, download)

    def _insert(self, view: View, download: Download) -> None:
        if view.sort_new is None:
            view.visible[download.hash] = None
            return
        order, context = list(view.visible), self._context()
        place = len(order)
        for index, digits in enumerate(order):
            if self._is_less(view.sort_new, context, download, self._downloads.find(digits)):
                place = index
                break
        order.insert(place, download.hash)
        view.visible = dict.fromkeys(order)

    @staticmethod
    def _passes(view: View, context: Context, download: Download) -> bool:
        return view.filter is None or context.at(Aim(Target.DOWNLOAD, download)).holds(view.filter)

    def set_filter(self, context: Context, view: View, body: Value) -> None:
        """Give it another filter, and apply that. Raises Fault."""
        view.filter, view.holds = body, None
        self.apply(context, view)

    def make_persistent(self, view: View) -> None:
        """Have downloads themselves say that they are in it: by d.views. Raises Fault for one that has a filter."""
        if (view.holds is not None and view.name not in _UNFILTERED or view.filter is not None
                or view.on_added is not None or view.on_removed is not None):
            raise failed("Cannot set modified views as persitent.")
        view.visible = {download.hash: None for download in self.members(view.name)}
        view.seen.update(view.visible)
        view.holds = None
        view.filter = Call("d.views.has", [view.name])
        view.on_added = Call("d.views.push_back_unique", [view.name])
        view.on_removed = Call("d.views.remove", [view.name])

    def apply(self, context: Context, view: View) -> None:
        """Ask its filter about all downloads again. Raises Fault."""
        view.forced.clear()
        if view.holds is not None:
            return
        for download in self._downloads.all():
            context.budget.grant(4)
            self.apply_to(context, view, download)

    def apply_to(self, context: Context, view: View, download: Download) -> None:
        """Ask its filter about one. Raises Fault."""
        view.forced.pop(download.hash, None)
        if view.holds is None:
            self._show(context, view, download, self._passes(view, context, download))
        else:
            view.visible.pop(download.hash, None)
            view.visible[download.hash] = None

    def show(self, context: Context, view: View, download: Download, is_visible: bool) -> None:
        """Put it in or out, until the filter is asked again."""
        if view.holds is not None:
            view.forced[download.hash] = is_visible
        else:
            self._show(context, view, download, is_visible)

    def _show(self, context: Context, view: View, download: Download, is_visible: bool) -> None:
        was_visible = download.hash in view.visible
        view.seen.add(download.hash)
        if is_visible is was_visible:
            return
        if is_visible:
            self._insert(view, download)
        else:
            del view.visible[download.hash]
        body = view.on_added if is_visible else view.on_removed
        if body is not None:
            context.at(Aim(Target.DOWNLOAD, download)).run(body)

    def sort(self, context: Context, view: View) -> None:
        """By its comparison, if it has one. Raises Fault."""
        view.sorted_at = self._downloads.now()
        body = view.sort_current
        if body is None:
            return
        members = self.members(view.name)
        context.budget.grant(8 * len(members) * len(members).bit_length())

        def compare(one: Download, other: Download) -> int:
            if self._is_less(body, context, one, other):
                return -1
            return 1 if self._is_less(body, context, other, one) else 0

        members.sort(key=functools.cmp_to_key(compare))
        view.ranks = {download.hash: rank for rank, download in enumerate(members)}

    @staticmethod
    def _is_less(body: Value, context: Context, one: Download, other: Download) -> bool:
        return context.at(Aim(Target.PAIR, one, other)).holds(body)


def body_of(args: Iterable[Value]) -> Value:
    """A filter or comparison as it was given: no text is none."""
    bodies = [arg for arg in args if arg != ""]
    if not bodies:
        return None
    return bodies[0] if len(bodies) == 1 else bodies
