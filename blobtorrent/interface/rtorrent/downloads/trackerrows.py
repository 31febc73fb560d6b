"""The trackers of a download as rTorrent lists them: each may be switched off, and those added later are told apart.

The engine knows only those that are asked. As soon as its owner changes something, the whole list is kept with the
torrent as a small text.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from blobtorrent.core.session.commands import SetTrackers, Tiers
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.model.details import TrackerStatus

KEY = "trackers"
MAX_GROUP = 32
MAX_ROWS = 256
MAX_COLUMNS = 8                        # whose texts are kept ...
MAX_LENGTH = 512                       # ... if they have no more characters

TYPES = {"http": 1, "https": 1, "udp": 2, "dht": 3}
_ASKED = ("http", "https", "udp")


class TrackerRow(NamedTuple):
    """`group` is the tier. `status` is that of one that the engine knows."""

    group: int
    url: str
    is_enabled: bool = True
    is_extra: bool = False
    status: TrackerStatus | None = None

    @property
    def scheme(self) -> str:
        return self.url.partition(":")[0].lower()

    @property
    def is_usable(self) -> bool:
        return self.is_enabled and self.scheme in _ASKED


class Tracked(NamedTuple):
    """The rows of a download, and what they were made of. `texts` is what columns have made of them, by what these
    are: lists of the same columns are asked for in many ways."""

    statuses: Sequence[TrackerStatus]
    kept: str
    rows: Sequence[TrackerRow]
    texts: dict[str, str]

    def text(self, key: str, make: Callable[[Sequence[TrackerRow]], str]) -> str:
        texts = self.texts
        if key in texts:
            return texts[key]
        made = make(self.rows)
        if len(made) <= MAX_LENGTH:
            if len(texts) >= MAX_COLUMNS:
                texts.clear()
            texts[key] = made
        return made


def tracked(downloads: Downloads, download: Download) -> Tracked:
    """Raises Fault."""
    known: Tracked | None = download.tracker_rows
    if known is not None and not download.unsaved and known.statuses is download.trackers and (
            known.kept == download.status.custom.get(KEY, "")) and downloads.knows_trackers(download):
        return known                   # nearly always: a row asks several times
    statuses, kept = downloads.trackers(download), download.text(KEY)
    if known is None or known[0] is not statuses or known[1] != kept:
        known = download.tracker_rows = Tracked(statuses, kept, _listed(statuses, kept), {})
    return known


def rows_of(downloads: Downloads, download: Download) -> Sequence[TrackerRow]:
    """In the order of the groups. Raises Fault."""
    return tracked(downloads, download).rows


def _listed(statuses: Sequence[TrackerStatus], text: str) -> tuple[TrackerRow, ...]:
    kept = _read(text)
    if kept is None:
        return tuple([TrackerRow(status.tier, status.url, status=status) for status in statuses])
    by_url = {status.url: status for status in statuses}
    return tuple([row._replace(status=by_url.get(row.url)) for row in kept])


def switch(downloads: Downloads, download: Download, index: int, is_enabled: bool) -> None:
    """Ask the tracker from now on, or no more. Raises Fault."""
    rows = list(rows_of(downloads, download))
    if index < len(rows) and rows[index].is_enabled is not is_enabled:
        rows[index] = rows[index]._replace(is_enabled=is_enabled)
        _use(downloads, download, rows)


def switch_off(downloads: Downloads, download: Download, scheme: str) -> None:
    """Ask none of this kind. Raises Fault."""
    rows = rows_of(downloads, download)
    kept = [row._replace(is_enabled=False) if row.scheme == scheme else row for row in rows]
    if kept != list(rows):
        _use(downloads, download, kept)


def insert(downloads: Downloads, download: Download, group: int, url: str) -> None:
    """One more, behind those of its group; one that is there already stays where it is. Raises Fault."""
    if not 0 <= group <= MAX_GROUP:
        raise failed("Tracker group number invalid.")
    row = TrackerRow(group, url, is_extra=True)
    if row.scheme not in _ASKED:
        raise failed(f"could find matching tracker protocol (url:{url})")
    rows = rows_of(downloads, download)
    if len(rows) >= MAX_ROWS:
        raise failed("Too many trackers.")
    if all(other.url != url for other in rows):
        place = sum(other.group <= group for other in rows)
        _use(downloads, download, [*rows[:place], row, *rows[place:]])


def _use(downloads: Downloads, download: Download, rows: Sequence[TrackerRow]) -> None:
    downloads.ask(SetTrackers(download.info_hash, _tiers(rows)))
    downloads.forget_trackers(download.info_hash)
    downloads.set_texts(download, {KEY: json.dumps([row[:4] for row in rows], separators=(",", ":"))})


def _tiers(rows: Sequence[TrackerRow]) -> Tiers:
    """Those that are asked, group by group."""
    groups: dict[int, list[str]] = {}
    for row in rows:
        if row.is_usable:
            groups.setdefault(row.group, []).append(row.url)
    return tuple(tuple(groups[group]) for group in sorted(groups))


def _read(text: str) -> list[TrackerRow] | None:
    """None when nothing is kept, or what makes no sense."""
    if not text:
        return None
    try:
        return [TrackerRow(int(group), str(url), bool(is_enabled), bool(is_extra))
                for group, url, is_enabled, is_extra in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError):         # whoever sets texts may have set this one
        return None
