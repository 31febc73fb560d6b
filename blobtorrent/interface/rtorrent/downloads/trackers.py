"""t.*: the trackers of a download."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from blobtorrent.core.session.commands import Reannounce
from blobtorrent.core.session.queries import ScrapeTrackers
from blobtorrent.interface.rtorrent.claimed import GENERATION_9, Generation
from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads.aiming import TrackerAim
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.making import action, command, getter, number_setter
from blobtorrent.interface.rtorrent.downloads.trackerrows import TYPES, TrackerRow, insert, rows_of, switch
from blobtorrent.interface.rtorrent.faults import failed, no_such_index
from blobtorrent.interface.rtorrent.language.columns import Needs
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, text_of, to_number
from blobtorrent.model.details import TrackerStatus

USUAL_INTERVAL_S = 1800                # of one that has answered and told none
MIN_INTERVAL_S = 600
MAX_DELAY_S = 86_400                   # until a scrape
STARTED = 2                            # the event of the first announce


def commands(downloads: Downloads, generation: Generation = GENERATION_9) -> Iterator[Command]:
    """t.* but t.multicall, and what d.* says of trackers."""

    def row(aim: TrackerAim) -> TrackerRow:
        rows = rows_of(downloads, aim.download)
        if aim.place >= len(rows):
            raise no_such_index()
        return rows[aim.place]

    def value(name: str, read: Callable[[TrackerRow], Value], doc: str, *, returns: str = "i8",
              is_neutral: bool = False) -> Command:
        return getter(name, lambda aim: read(row(aim)), doc, target=Target.TRACKER, returns=returns,
                      is_neutral=is_neutral, of_row=read)

    def number(name: str, read: Callable[[TrackerRow], int], doc: str, *, is_neutral: bool = False) -> Command:
        return value(name, read, doc, is_neutral=is_neutral)

    def told(name: str, read: Callable[[TrackerStatus], float], doc: str) -> Command:
        """What the engine knows of one that it asks, else 0."""
        return number(name, lambda row: 0 if row.status is None else int(read(row.status)), doc)

    yield number("t.group", lambda row: row.group, "Its tier.")
    yield number("t.type", lambda row: TYPES.get(row.scheme, 0), "1 for HTTP, 2 for UDP, 3 for the DHT.")
    yield value("t.url", attrgetter("url"), "Where it is asked.", returns="string")
    yield value("t.id", lambda row: "", "What it calls itself; the engine does not tell.", returns="string",
                is_neutral=True)
    yield number("t.is_enabled", lambda row: 1 if row.is_enabled else 0, "Whether it is switched on.")
    yield number("t.is_usable", lambda row: int(row.is_usable), "Whether it is on, and of a kind that is spoken here.")
    yield number("t.is_extra_tracker", lambda row: int(row.is_extra), "Whether it was added later.")
    for name in ("t.is_busy", "t.is_open"):
        yield told(name, lambda status: status.state == "announcing", "Whether it is being asked.")
    for name in ("t.can_scrape", "t.is_scrapable"):
        yield number(name, _can_scrape, "Whether its address says that it tells of numbers alone, too.")
    yield told("t.activity_time_last", lambda status: status.last_announce_at, "When it was asked last.")
    yield told("t.activity_time_next", lambda status: status.next_announce_at, "When it is asked next.")
    yield told("t.failed_counter", lambda status: status.failures, "How often it failed in a row.")
    yield told("t.failed_time_last", lambda status: status.last_announce_at if status.error_code else 0,
               "When it failed last.")
    yield told("t.failed_time_next", lambda status: status.next_announce_at if status.error_code else 0,
               "When it is tried again.")
    yield told("t.success_counter", _has_answered, "Whether it has answered.")
    yield told("t.success_time_last", lambda status: status.last_announce_at if _has_answered(status) else 0,
               "When it answered last.")
    yield told("t.success_time_next", lambda status: status.next_announce_at if _has_answered(status) else 0,
               "When it is asked again.")
    yield told("t.latest_event", lambda status: STARTED if status.last_announce_at else 0, "What it was told last.")
    for name in ("t.latest_new_peers", "t.latest_sum_peers"):
        yield told(name, lambda status: status.peers_got, "Peers in its last answer.")
    yield number("t.min_interval", lambda row: _once_answered(row, _min_interval, generation.silent_min_s),
                 "Seconds that it is left alone.", is_neutral=True)
    yield number("t.normal_interval", lambda row: _once_answered(row, _interval, generation.silent_interval_s),
                 "Seconds between two questions.")
    yield told("t.scrape_complete", lambda status: status.seeds or 0, "Seeds that it knows of.")
    yield told("t.scrape_incomplete", lambda status: status.leeches or 0, "Leechers that it knows of.")
    yield told("t.scrape_downloaded", lambda status: status.downloads or 0, "Downloads that it has counted.")
    yield told("t.scrape_counter", lambda status: 0, "How often it was asked for numbers alone.")
    yield told("t.scrape_time_last", lambda status: 0 if status.seeds is None else status.last_announce_at,
               "When it told these numbers.")

    def set_enabled(aim: TrackerAim, is_enabled: int) -> None:
        switch(downloads, aim.download, aim.place, bool(is_enabled))

    yield number_setter("t.is_enabled.set", set_enabled, "Switches it on or off.", target=Target.TRACKER)
    yield action("t.enable", lambda aim: set_enabled(aim, 1), "Switches it on.", target=Target.TRACKER)
    yield action("t.disable", lambda aim: set_enabled(aim, 0), "Switches it off.", target=Target.TRACKER)

    # ---- of the download

    def count(download: Download) -> int:
        return len(rows_of(downloads, download))

    def any_row(download: Download, holds: Callable[[TrackerRow], bool]) -> int:
        return int(any(map(holds, rows_of(downloads, download))))

    yield getter("d.tracker_size", count, "How many trackers it has.", needs=Needs.TRACKERS)
    yield getter("d.tracker_focus", count, "The same.", needs=Needs.TRACKERS)
    for name in ("d.tracker.has_active", "d.tracker.has_active_not_scrape"):
        yield getter(name, lambda download: any_row(download, _is_asked), "Whether a tracker is being asked.",
                     needs=Needs.TRACKERS)
    yield getter("d.tracker.has_usable", lambda download: any_row(download, lambda row: row.is_usable),
                 "Whether a tracker can be asked.", needs=Needs.TRACKERS)

    def announce(download: Download) -> None:
        downloads.try_to(Reannounce(download.info_hash), "torrent.not-running")
        downloads.forget_trackers(download.info_hash)

    yield action("d.tracker_announce", announce, "Asks its trackers for peers now.")
    yield action("d.tracker_announce.force", announce, "The same.")

    def scrape(download: Download, delay_s: int) -> None:
        if not 0 <= delay_s <= MAX_DELAY_S:
            raise failed("The delay must be between 0 and 86400 seconds.")
        downloads.engine.submit(ScrapeTrackers(download.info_hash, delay_s))       # it is done later in any case

    yield number_setter("d.tracker.send_scrape", scrape,
                        "SECONDS: after these, asks the trackers that serve it for their numbers, while it runs, "
                        "unless they told them in the last ten minutes.")

    def insert_row(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise failed("Wrong argument count.")
        insert(downloads, download, to_number(args[0]), text_of(args[1]))
        return None

    yield command("d.tracker.insert", insert_row, "GROUP, URL: adds a tracker to a tier from 0 to 32.")


def _has_answered(status: TrackerStatus) -> bool:
    return bool(status.last_announce_at) and not status.error_code


def _is_asked(row: TrackerRow) -> bool:
    return row.status is not None and row.status.state == "announcing"


def _can_scrape(row: TrackerRow) -> int:
    path = row.url.partition("?")[0].rpartition("/")[2]
    return int(row.scheme in ("http", "https") and path.startswith("announce"))


def _once_answered(row: TrackerRow, read: Callable[[TrackerStatus], int], before: int) -> int:
    """What `read` makes of a tracker that has answered; before that, `before`."""
    return before if row.status is None or not _has_answered(row.status) else read(row.status)


def _min_interval(_status: TrackerStatus) -> int:
    return MIN_INTERVAL_S


def _interval(status: TrackerStatus) -> int:
    wait_s = int(status.next_announce_at - status.last_announce_at)
    return wait_s if wait_s >= MIN_INTERVAL_S else USUAL_INTERVAL_S        # sooner is for other reasons than its wish
