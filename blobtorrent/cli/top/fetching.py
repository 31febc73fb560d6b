"""The threads behind the view: one asks the daemon again and again, one carries orders to it, one hears its events.

Each has a client of its own. All they have to say goes into one queue, that of the main thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from queue import Empty, Queue
from threading import Thread
from typing import Any, NamedTuple, Union

from blobtorrent.cli.client import ApiError, Client
from blobtorrent.cli.commands.add import torrent_of
from blobtorrent.cli.commands.events import event_line, fields_of
from blobtorrent.cli.following import follow
from blobtorrent.cli.output import clean
from blobtorrent.cli.paint import Painter
from blobtorrent.cli.top.answers import understood
from blobtorrent.cli.top.messages import (
    Add,
    Details,
    Happened,
    Limits,
    Lost,
    Order,
    Report,
    Said,
    Screen,
    Session,
    Snapshot,
    Watch,
)
from blobtorrent.cli.top.pages import Page, Tab, read_page, resource_of
from blobtorrent.cli.top.torrent import FIELDS, read_torrent
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.units import parse_rate

EVENTS_PAUSE_S = 2.0                   # before a daemon that was not there is asked for events again
PAGE_PAUSE = 5                         # a page that took a second is asked for again after so many
URL_STARTS = ("http:", "https:", "magnet:")
SETTINGS_EVERY_S = 5.0                 # somebody else may have changed them


class _Look(NamedTuple):
    """Ask at once, not in a second; `again` is for everything anew."""

    again: bool


_Note = Union[Watch, _Look, None]      # None: end


class Poller:
    """Asks for what has changed, and for the page that is open."""

    def __init__(self, client: Client, reports: Queue[Report], interval_s: float) -> None:
        self._client = client
        self._reports = reports
        self._interval_s = interval_s
        self._notes: Queue[_Note] = Queue()
        self._cursor: str | None = None
        self._settings_due_s = 0.0
        self._watch = Watch(None, Tab.INFO)
        self._page_due_s = 0.0
        self._thread = Thread(target=self._run, name="top-poll", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def watch(self, watch: Watch) -> None:
        self._notes.put(watch)

    def look(self, *, again: bool = False) -> None:
        """Ask now: something was changed, or, to be read `again`, was refused."""
        self._notes.put(_Look(again))

    def stop(self) -> None:
        """Soon; nobody waits for it."""
        self._notes.put(None)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            try:
                self._reports.put(self._snapshot())
                self._read_page()
            except BlobTorrentError as error:
                self._cursor, self._settings_due_s = None, 0.0
                self._reports.put(Lost(clean(error.detail)))
            goes_on = self._wait()

    def _wait(self) -> bool:
        """Until it is time to ask again; False when that is never."""
        try:
            note = self._notes.get(timeout=self._interval_s)
            while self._take(note):
                note = self._notes.get_nowait()
        except Empty:
            return True
        return False

    def _take(self, note: _Note) -> bool:
        if isinstance(note, Watch):
            self._watch = note
        elif isinstance(note, _Look) and note.again:
            self._cursor, self._settings_due_s = None, 0.0
        self._page_due_s = 0.0
        return note is not None

    def _snapshot(self) -> Snapshot:
        session = _session(self._client.get("/v1/session"))
        told = self._client.get("/v1/torrents", fields=FIELDS, since=self._cursor)
        with understood("its torrents"):
            torrents = [read_torrent(torrent) for torrent in told["torrents"]]
            is_full = self._cursor is None or bool(told["is_full"])
            removed = () if is_full else tuple(map(str, told["removed"]))
            cursor = str(told["cursor"])
        snapshot = Snapshot(session, torrents, removed, is_full, *self._settings())
        self._cursor = cursor
        return snapshot

    def _settings(self) -> tuple[Limits | None, Screen | None]:
        now_s = time.monotonic()
        if now_s < self._settings_due_s:
            return None, None
        self._settings_due_s = now_s + SETTINGS_EVERY_S
        try:
            told = self._client.get("/v1/settings")
        except ApiError:               # a token that sees some torrents only may not read them
            return None, None
        with understood("its settings"):
            limits, screen = told["limits"], told.get("top")
            return (Limits(_rate(limits["down_bytes_per_s"]), _rate(limits["up_bytes_per_s"])),
                    None if screen is None else Screen(str(screen["layout"]), str(screen["keys"])))

    def _read_page(self) -> None:
        digits, tab = self._watch
        began_s = time.monotonic()
        if digits is None or began_s < self._page_due_s:
            return
        page: Page | None = None
        problem = ""
        try:
            page = read_page(tab, self._client.get(resource_of(digits, tab)), time.time())
        except ApiError as error:      # of this torrent, such as that it was removed
            problem = clean(error.detail)
        took_s = time.monotonic() - began_s
        self._page_due_s = began_s + PAGE_PAUSE * took_s
        self._reports.put(Details(digits, tab, page, problem))


class Errands:
    """Carries orders to the daemon, one after the other; the view goes on meanwhile."""

    def __init__(self, client: Client, reports: Queue[Report], done: Callable[[bool], None]) -> None:
        """`done` is called after each, with whether it was carried out."""
        self._client = client
        self._reports = reports
        self._done = done
        self._orders: Queue[Order | Add | None] = Queue()
        self._thread = Thread(target=self._run, name="top-errands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def carry(self, order: Order | Add) -> None:
        self._orders.put(order)

    def finish(self, timeout_s: float) -> None:
        """Carry what there is, if that takes no longer."""
        self._orders.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            told = "add" if isinstance(order, Add) else order.told       # errors of files name them
            try:
                self._reports.put(Said(self._carry(order)))
                self._done(True)
            except BlobTorrentError as error:
                self._reports.put(Said(f"{told}: {clean(error.detail)}", is_bad=True))
                self._done(False)

    def _carry(self, order: Order | Add) -> str:
        """What was done, for people."""
        if isinstance(order, Order):
            self._client.request(order.method, order.path, order.body, query=order.query)
            return order.told
        source = order.source
        if not source.lower().startswith(URL_STARTS):
            source = os.path.abspath(os.path.expanduser(source))
        answer = self._client.request("POST", "/v1/torrents", torrent_of(source))
        return f"{'added' if answer.status == 201 else 'was there already'}: {clean(answer.value['name'])}"


def hear_events(client: Client, reports: Queue[Report]) -> None:
    """What happens in the daemon, for ever."""
    paint = Painter(False)
    while True:
        try:
            for event in follow(client, {}, "", deadline_s=None):
                reports.put(Happened(event_line(fields_of(event), paint)))
        except BlobTorrentError:       # the poller tells what is wrong
            time.sleep(EVENTS_PAUSE_S)


def _session(told: Mapping[str, Any]) -> Session:
    with understood("itself"):
        return Session(
            clean(told["version"]), clean(told["state"]), clean(", ".join(told["listen"])),
            int(told["down_bytes_per_s"]), int(told["up_bytes_per_s"]))


def _rate(written: Any) -> int:
    """A limit as it is written in a settings file."""
    return written if isinstance(written, int) else parse_rate(str(written))
