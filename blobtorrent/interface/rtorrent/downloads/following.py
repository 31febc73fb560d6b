"""Following: what becomes of downloads is told to the handlers of event.download.*, in rTorrent's order.

The engine's events and our own commands both end here. What handlers have been told of a download is its `phase`; the
steps from there to what is so now are told, however many of the engine's there were in between.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from blobtorrent.interface.rtorrent.context import Aim, Target
from blobtorrent.interface.rtorrent.downloads.download import Download, Moment, Phase
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.values import Call, Value
from blobtorrent.model.events import (
    Event,
    Gap,
    HeldChanged,
    StateChanged,
    TorrentAdded,
    TorrentChanged,
    TorrentFinished,
    TorrentMoved,
    TorrentRemoved,
)
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.pacing import paced

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
    from blobtorrent.runtime.bus import Subscription

log = get_logger(__name__)

PREFIX = "event.download."
CHANGED = "changed"                    # what only listeners hear: its owner wants something else
SUBSCRIPTION_SIZE = 20_000             # thousands of torrents start at the same time

_NOW = Call("system.time", [None], due=1)

# Every event, with the keys that rTorrent itself puts there: people list them, and take some away. What its
# `1_prepare` does, filing the download into `started` or `stopped`, comes by itself here.
EVENTS: dict[str, dict[str, Value]] = {
    "closed": {},
    "opened": {},
    "paused": {},
    "resumed": {"!_timestamp": Call("d.timestamp.started.set_if_z", [_NOW])},
    "finished": {"!_timestamp": Call("d.timestamp.finished.set_if_z", [_NOW])},
    "hash_done": {"!_timestamp": 'branch=d.complete=,"d.timestamp.finished.set_if_z=$system.time="'},
    "hash_failed": {},
    "hash_final_failed": {},
    "hash_removed": {},
    "hash_queued": {},
    "inserted": {
        "1_prioritize_toc": "branch=file.prioritize_toc=,{"
        '"f.multicall=$file.prioritize_toc.first=,f.prioritize_first.enable=",'
        '"f.multicall=$file.prioritize_toc.last=,f.prioritize_last.enable=",d.update_priorities=}',
        "1_send_scrape": "d.tracker.send_scrape=30",
    },
    "inserted_new": {"1_prepare": "d.state="},
    "inserted_session": {"1_prepare": "d.state="},
    "erased": {"!_download_list": "ui.unfocus_download=", "~_delete_tied": "d.delete_tied="},
}
SAVING = ("event.download.inserted_new", "~_save_full", "d.save_full_session=")        # a key that 0.16 has
OTHER_EVENTS = ("event.system.shutdown", "event.system.startup_done", "event.view.hide", "event.view.show")

_FOLLOWED = (StateChanged, HeldChanged, TorrentAdded, TorrentChanged, TorrentFinished, TorrentMoved, TorrentRemoved)
_RUNNING = ("downloading", "seeding", "metadata")
# What a check of rTorrent's is for, as d.hashing tells.
_FIRST_CHECK, _LAST_CHECK, _CHECK_AGAIN = 1, 2, 3
_COMPLETE = Moment(True, 0)


class Bus(Protocol):
    """What of the EventBus is used here."""

    def subscribe(self, accepts: Callable[[Event], bool], size: int) -> Subscription: ...

    def unsubscribe(self, subscription: Subscription) -> None: ...


class Follower:
    """Owned by the interpreter's thread. `wake()` may be called by any: there is something to `poll` for.

    `rechecks_finished()` says whether a download that has finished is closed and opened again, as rTorrent does that
    checks it once more. `listeners` hear of each event before its handlers, and of CHANGED.
    """

    def __init__(self, downloads: Downloads, interpreter: Interpreter, bus: Bus, wake: Callable[[], None], *,
                 rechecks_finished: Callable[[], bool] = lambda: True) -> None:
        self._downloads = downloads
        self._interpreter = interpreter
        self._bus = bus
        self._wake = wake
        self._rechecks_finished = rechecks_finished
        self._subscription: Subscription | None = None
        self._to_tell: deque[tuple[str, Download, Moment | None]] = deque()
        self._is_telling = False
        self._ours: set[InfoHash] = set()                  # that we are adding ourselves
        self.listeners: list[Callable[[str, Download], None]] = []

    def begin(self) -> None:
        """From now on. Downloads that are there already came with the session."""
        self._subscription = self._bus.subscribe(self._accepts, SUBSCRIPTION_SIZE)
        with self._downloads.hurrying():
            for download in paced(self._downloads.all()):
                self.tell(download, "inserted", "inserted_session")
                self.catch_up(download)

    def end(self) -> None:
        if self._subscription is not None:
            self._bus.unsubscribe(self._subscription)
            self._subscription = None

    def _accepts(self, event: Event) -> bool:
        if isinstance(event, _FOLLOWED):
            self._wake()
            return True
        return False

    def adding(self, info_hash: InfoHash) -> None:
        """We add this one: whoever does so tells of it."""
        self._ours.add(info_hash)

    def not_added(self, info_hash: InfoHash) -> None:
        """It did not come after all."""
        self._ours.discard(info_hash)

    def poll(self) -> None:
        """Take in what has happened since."""
        if self._subscription is not None:
            with self._downloads.hurrying():
                self._take_in(self._subscription)

    def _take_in(self, subscription: Subscription) -> None:
        while True:
            try:
                event = subscription.get(0)
            except (queue.Empty, ValueError):
                return
            if isinstance(event, Gap):
                self._downloads.refresh()
                for download in self._downloads.all():
                    download.is_rechecking = download.is_rechecking and download.status.state == "checking"
                    self.catch_up(download)
            else:
                self._on_event(event)

    def _on_event(self, event: Event) -> None:
        assert isinstance(event, _FOLLOWED)
        if isinstance(event, TorrentAdded) and event.info_hash in self._ours:
            self._ours.discard(event.info_hash)
            return
        download = self._downloads.of(event.info_hash)
        if download is None:
            return
        if isinstance(event, TorrentAdded):
            self.tell(download, "inserted", "inserted_new")
            self.catch_up(download)
        elif isinstance(event, TorrentChanged | TorrentMoved):
            self._downloads.forget_trackers(event.info_hash)
            self._have_heard(CHANGED, download)
        elif isinstance(event, TorrentFinished):
            self._finish(download)
        elif isinstance(event, StateChanged):
            self._downloads.forget_trackers(event.info_hash)
            if event.old == "checking" and download.status.state != "checking":
                download.end_check()   # which may have been over before anybody looked
            if event.new == "error" and event.old == "checking":
                self.tell(download, "hash_failed")
            if event.new in _RUNNING or event.new == "checking" or event.new == download.status.state:
                self.step(download, self._phase_at(download, event.new))
        elif isinstance(event, HeldChanged):
            self.catch_up(download)

    def _phase_at(self, download: Download, state: str) -> Phase:
        """Its phase when the engine came into this state: it may be further by now."""
        status = download.status
        if state == "checking":
            told = download.phase      # a check that has ended by now was one, if it was the first or told already
            is_first = not download.is_checked if status.state == "checking" else not told.is_open
            return Phase(True, told.is_checking or download.is_rechecking or is_first, False)
        if state in _RUNNING:
            return Phase(download.is_open, False, status.is_started and status.held_by != "pause")
        return Phase(download.is_open, False, False)

    def inserted_new(self, download: Download, *, is_started: bool) -> None:
        """Tell of one that came just now. If it was started at once and runs, its check was queued before anybody
        hears of it: handlers find it started."""
        if is_started and not download.phase.is_open and download.status.state in ("checking", *_RUNNING):
            download.phase = Phase(False, True, False)
            queued = Moment(download.is_complete, _FIRST_CHECK)
            self._tell(download, [("hash_queued", queued), ("inserted_new", queued)])
        else:
            self.tell(download, "inserted_new")

    def catch_up(self, download: Download) -> None:
        """Tell of all that is otherwise by now."""
        self.step(download, download.current)

    def step(self, download: Download, after: Phase) -> None:
        """Tell of the way from its phase to this one."""
        before, download.phase = download.phase, after
        if before.is_active != after.is_active:
            self._note_change(download, is_resumed=after.is_active)
        names = way(before, after)
        is_again = download.is_rechecking or before.is_active
        during = Moment(download.is_complete, _CHECK_AGAIN if is_again else _FIRST_CHECK)
        over = Moment(download.is_complete, 0)
        # The check that an opening begins with is under way when files are open, and over when something moves.
        is_checking = before.is_checking or "hash_queued" in names
        self._tell(download, [
            (name, during if name == "hash_queued" or name == "opened" and is_checking else over) for name in names])

    def _note_change(self, download: Download, *, is_resumed: bool) -> None:
        if download.is_gone:
            return
        texts: dict[str, str | None] = {"state_changed": str(int(self._downloads.now()))}
        if is_resumed:
            texts["state_counter"] = str(download.number("state_counter") + 1)
        elif download.moved_at:
            texts["last_active"] = str(download.moved_at)
        self._downloads.note(download, texts)

    def _finish(self, download: Download) -> None:
        if not self._rechecks_finished() or not download.phase.is_active:
            self._tell(download, [("finished", _COMPLETE)])
            return
        # The engine has verified each piece, and checks none again: rTorrent tells that it is done after that check.
        leeched, checked = Moment(False, 0), Moment(False, _LAST_CHECK)
        self._tell(download, [
            ("paused", leeched), ("hash_removed", leeched), ("closed", leeched), ("hash_queued", checked),
            ("opened", checked), ("finished", _COMPLETE), ("resumed", _COMPLETE)])

    def tell(self, download: Download, *names: str) -> None:
        """Run the handlers of these events on a download. What they do wrong is logged and no more.

        Those of what happens while handlers run come after these, also when they wait for a program and others have
        their turns meanwhile: each event comes in its order.
        """
        self._tell(download, [(name, None) for name in names])

    def _tell(self, download: Download, events: Sequence[tuple[str, Moment | None]]) -> None:
        """The same, of events and how the download was then, if it is not as it is now."""
        for name, _ in events:
            self._have_heard(name, download)
        self._to_tell.extend((name, download, moment) for name, moment in events)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._to_tell:
                self._run_handlers(*self._to_tell.popleft())
        finally:
            self._is_telling = False

    def _have_heard(self, name: str, download: Download) -> None:
        for listener in self.listeners:
            listener(name, download)

    def _run_handlers(self, name: str, download: Download, moment: Moment | None) -> None:
        if f"{PREFIX}{name}" not in self._interpreter.registry:
            return
        context = self._interpreter.context().at(Aim(Target.DOWNLOAD, download))
        download.moment = moment
        try:
            self._interpreter.call(context, f"{PREFIX}{name}")
        except Fault as fault:
            log.warning("the handlers of an event failed", event=f"{PREFIX}{name}", reason=fault.text)
            self._interpreter.log(f"Download event action failed: {fault.text}")
        finally:
            download.moment = None


def way(before: Phase, after: Phase) -> list[str]:
    """The events on the way from one phase to another, as rTorrent orders them."""
    names = []
    is_reopened = before.is_active and after.is_checking and not before.is_checking
    if before.is_active and not after.is_active:
        names.append("paused")
    if before.is_open and (not after.is_open or is_reopened):
        names += ["hash_removed", "closed"]
    is_opened = after.is_open and (not before.is_open or is_reopened)
    is_queued = not before.is_checking and (after.is_checking or is_opened and after.is_active)
    if is_queued:
        names.append("hash_queued")
    if is_opened:
        names.append("opened")
    if after.is_active and not before.is_active:
        names.append("resumed")
    if (before.is_checking or is_queued) and not after.is_checking:
        names.append("hash_done")
    return names
