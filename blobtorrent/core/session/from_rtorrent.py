"""What rTorrent left of a torrent, in our words. Pure."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent.core.session.commands import FilePriority, Tiers
from blobtorrent.core.session.importing import Claims, Imported, Left, changed_tiers, usable_folder, usable_labels
from blobtorrent.core.session.record import Lifetime, Place, TorrentRecord, Wishes, facts_of_link
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.errors import Invalid
from blobtorrent.model.magnet import MagnetLink, format_magnet
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.rtorrentsession import Progress, TrackerChoice, Wanted
from blobtorrent.storage.naming import split_path

PROGRAM = "rTorrent"
USUAL_PRIORITY = 2                     # of a torrent in rTorrent, where 0 is off and 3 is high


class Location(NamedTuple):
    """The files are below `root`; `renames` as in Place."""

    root: Path
    renames: Mapping[str, str]


def locate(metainfo: Metainfo, directory: str) -> Location:
    """Where the files are that rTorrent has in `directory`.

    A torrent with a folder has that there under whatever name it likes. Raises Invalid ("import.relative-folder",
    "import.bad-folder").
    """
    path = usable_folder(directory)
    if len(metainfo.files) == 1 and metainfo.files[0].path == (metainfo.name,):
        return Location(path, {})
    if path.name == metainfo.name:
        return Location(path.parent, {})
    try:
        split_path(path.name)
    except Invalid as error:
        raise Invalid("import.bad-folder", f"its folder {directory} cannot be kept: {error.detail}") from None
    return Location(path.parent, {metainfo.name: path.name})


def left_by_rtorrent(metainfo: Metainfo, wanted: Wanted, progress: Progress | None, *, written_at: float,
                     notes: Sequence[str] = ()) -> Left:
    """`written_at` is when its .torrent file was written."""
    told = list(notes)
    return Left(
        program=PROGRAM,
        wishes=_wishes(metainfo, wanted, progress, told),
        is_started=wanted.is_started,
        added_at=float(wanted.added_at or written_at),
        finished_at=float(wanted.finished_at),
        lifetime=Lifetime(wanted.downloaded_bytes, wanted.uploaded_bytes),
        claims=None if progress is None else Claims(
            progress.have, [(max(mtime, 0), mtime) for mtime in progress.mtimes], progress.uncertain,
            progress.saved_at),
        peers=() if progress is None else tuple(
            KnownAddress(peer.endpoint, PeerSource.TRACKER, peer.failures, float(peer.last_good_at))
            for peer in progress.peers),
        notes=tuple(told),
    )


def link_left_by_rtorrent(link: MagnetLink, wanted: Wanted, directory: str, *, written_at: float) -> Imported:
    """A magnet link whose torrent has not come, and is to come to `directory`. Raises Invalid as `locate`."""
    folder = usable_folder(directory)
    notes: list[str] = []
    record = TorrentRecord(
        facts_of_link(link, float(wanted.added_at or written_at)), _said(wanted, notes), Place(folder, folder),
        should_run=wanted.is_started)
    record.magnet = format_magnet(link)
    return Imported(record, {}, (), 0, tuple(notes))


def _said(wanted: Wanted, notes: list[str]) -> Wishes:
    custom = {**wanted.custom, **wanted.said}
    if wanted.views:
        custom["views"] = ",".join(wanted.views)
    return Wishes(labels=usable_labels(wanted.labels, notes), group=wanted.throttle,
                  priority=wanted.priority - USUAL_PRIORITY, custom=custom)


def _wishes(metainfo: Metainfo, wanted: Wanted, progress: Progress | None, notes: list[str]) -> Wishes:
    wishes = _said(wanted, notes)
    if progress is None:
        return wishes
    tiers = _tiers(metainfo, progress.trackers)
    if tiers is not None:
        wishes = wishes._replace(custom={**wishes.custom, "trackers": _rows(metainfo, progress.trackers)})
    return wishes._replace(
        trackers=tiers,
        file_priorities={
            number: FilePriority(priority) for number, priority in enumerate(progress.priorities)
            if priority != FilePriority.NORMAL and not metainfo.files[number].is_pad},
    )


def _rows(metainfo: Metainfo, choices: Sequence[TrackerChoice]) -> str:
    """The trackers as the interface of rTorrent keeps them: tier, URL, whether it is asked, whether it was added."""
    off = {choice.url for choice in choices if not choice.is_enabled}
    rows = [[number, url, url.encode() not in off, False] for number, tier in enumerate(metainfo.tiers) for url in tier]
    rows += [[choice.tier, choice.url.decode("utf-8", "replace"), choice.is_enabled, True]
             for choice in choices if choice.tier is not None]
    return json.dumps(sorted(rows, key=lambda row: int(row[0] or 0)), separators=(",", ":"))


def _tiers(metainfo: Metainfo, choices: Sequence[TrackerChoice]) -> Tiers | None:
    """The trackers without those that were switched off, and with those that were added; None: as in the file."""
    off = {choice.url for choice in choices if not choice.is_enabled}
    tiers = [[url for url in map(str.encode, tier) if url not in off] for tier in metainfo.tiers]
    added = [choice for choice in choices if choice.tier is not None and choice.is_enabled]
    for choice in sorted(added, key=lambda choice: choice.tier or 0):
        tiers.append([choice.url])
    return changed_tiers(metainfo, tiers)
