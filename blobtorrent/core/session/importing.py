"""A torrent of rTorrent as a record of ours: what was wanted of it, where it lies, what of its progress is believed.

Pure: how the files look on disk is given.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.values import label
from blobtorrent.core.session.checks import require_piece_hashes
from blobtorrent.core.session.commands import FilePriority, Tiers
from blobtorrent.core.session.options import MAX_LABELS
from blobtorrent.core.session.record import Lifetime, Place, TorrentRecord, Wishes, facts_of
from blobtorrent.core.session.trust import mask_of_files
from blobtorrent.core.session.wanted import skipped_pieces
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import Invalid
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.payload import PayloadMap
from blobtorrent.model.urls import usable_tiers
from blobtorrent.protocol.rtorrentsession import Progress, TrackerChoice, Wanted
from blobtorrent.storage.naming import split_path
from blobtorrent.storage.stamps import FileStamp

USUAL_PRIORITY = 2                     # of a torrent in rTorrent, where 0 is off and 3 is high
NS_PER_S = 1_000_000_000

_NEVER = FileStamp(size=0, mtime_ns=-1, inode=0)           # no file looks like this: it is checked


class Location(NamedTuple):
    """The files are below `root`; `renames` as in Place."""

    root: Path
    renames: Mapping[str, str]


class Belief(NamedTuple):
    """`have` is the mask of pieces that count as there; files that differ from their `stamps` are hashed at the start.
    """

    have: int
    stamps: dict[int, FileStamp]
    num_strange: int                   # files that do not look as they were left
    num_gone: int                      # files that had pieces, and are not there


class Imported(NamedTuple):
    """What becomes rows. `to_check_bytes` is payload of files that are hashed at the first start, `notes` are for
    people."""

    record: TorrentRecord
    stamps: Mapping[int, FileStamp]
    peers: tuple[KnownAddress, ...]
    to_check_bytes: int
    notes: tuple[str, ...]


def locate(metainfo: Metainfo, directory: str) -> Location:
    """Where the files are that rTorrent has in `directory`.

    A torrent with a folder has that there under whatever name it likes. Raises Invalid ("import.relative-folder",
    "import.bad-folder").
    """
    if not os.path.isabs(directory):
        raise Invalid("import.relative-folder",
                      f"its folder {directory} is relative: say with --map what it stands for, as in --map .=/home/me")
    path = Path(os.path.normpath(directory))
    try:
        is_usable = b"\0" not in str(path).encode()
    except UnicodeEncodeError:
        is_usable = False
    if not is_usable:
        raise Invalid("import.bad-folder", f"its folder {directory} has a name that is not UTF-8: rename it")
    if len(metainfo.files) == 1 and metainfo.files[0].path == (metainfo.name,):
        return Location(path, {})
    if path.name == metainfo.name:
        return Location(path.parent, {})
    try:
        split_path(path.name)
    except Invalid as error:
        raise Invalid("import.bad-folder", f"its folder {directory} cannot be kept: {error.detail}") from None
    return Location(path.parent, {metainfo.name: path.name})


def weigh(metainfo: Metainfo, progress: Progress, found: Mapping[int, FileStamp]) -> Belief:
    """Believe the pieces of files whose size and time are still those that rTorrent noted; `found` is what is there.

    When no file is there at all, its claims are kept: a disk that is not mounted must not have everything downloaded
    again, and the start says that they are gone.
    """
    stamps: dict[int, FileStamp] = {}
    strange, gone = [], []
    for number, entry in enumerate(metainfo.files):
        if entry.is_pad or not entry.length:
            continue
        stamp = found.get(number)
        if stamp is None:
            gone.append(number)
        elif stamp.size == entry.length and 0 <= progress.mtimes[number] == stamp.mtime_ns // NS_PER_S:
            stamps[number] = stamp
        else:
            strange.append(number)
            stamps[number] = _NEVER._replace(inode=stamp.inode)
    num_gone = sum(1 for number in gone if progress.have & mask_of_files(metainfo, [number]))
    have = progress.have if not found else progress.have & ~mask_of_files(metainfo, [*strange, *gone])
    return Belief(have, stamps, len(strange), num_gone)


def import_record(metainfo: Metainfo, wanted: Wanted, progress: Progress | None, location: Location,
                  found: Mapping[int, FileStamp], *, written_at: float, booted_at: float,
                  start: bool | None = None) -> Imported:
    """The record of a torrent. Without `progress` everything is checked.

    `found` is how its files look, `written_at` when its .torrent file was written, `booted_at` when this machine was
    started: pieces that rTorrent was not sure of are no matter while it did not go down since. `start` None: as it was.
    Raises Invalid ("torrent.no-piece-hashes").
    """
    require_piece_hashes(metainfo)
    notes: list[str] = []
    record = TorrentRecord(
        facts_of(metainfo, float(wanted.added_at or written_at)),
        _wishes(metainfo, wanted, progress, notes),
        Place(location.root, location.root, renames=location.renames),
        should_run=wanted.is_started if start is None else start,
    )
    record.lifetime = Lifetime(wanted.downloaded_bytes, wanted.uploaded_bytes)
    if progress is None:
        return Imported(record, {}, (), _bytes_of(metainfo, found), tuple(notes))
    belief = weigh(metainfo, progress, found)
    _note_files(belief, notes)
    _claim(record, metainfo, belief.have)
    if record.is_complete:
        record.finished_at = float(wanted.finished_at)
    doubtful = progress.uncertain & belief.have
    if doubtful and progress.saved_at < booted_at:
        record.is_suspect, record.recent = True, doubtful  # as after a power cut of our own
        notes.append("its last pieces may not have reached the disk: checked")
    strange = [number for number, stamp in belief.stamps.items() if stamp.mtime_ns < 0]
    return Imported(record, belief.stamps, _peers(progress), _bytes_of(metainfo, strange), tuple(notes))


def _claim(record: TorrentRecord, metainfo: Metainfo, have: int) -> None:
    payload = PayloadMap(metainfo)
    skipped = skipped_pieces(metainfo, record.wishes.file_priorities)
    record.have = Bitfield.from_mask(record.have.size, have)
    record.durable = have
    record.done_bytes = payload.of_mask(have)
    record.skipped_bytes = payload.of_mask(skipped & ~have)
    record.is_checked = True


def _note_files(belief: Belief, notes: list[str]) -> None:
    if belief.num_gone:
        notes.append(f"files that are gone: {belief.num_gone}")
    if belief.num_strange:
        notes.append(f"files that are not as rTorrent noted, and are checked: {belief.num_strange}")


def _wishes(metainfo: Metainfo, wanted: Wanted, progress: Progress | None, notes: list[str]) -> Wishes:
    labels = []
    for text in wanted.labels:
        try:
            labels.append(label(text))
        except ValueError:
            notes.append("a label of it is no text for a label")
    custom = dict(wanted.custom)
    if wanted.views:
        custom["views"] = ",".join(wanted.views)
    if wanted.throttle:
        custom["throttle_name"] = wanted.throttle
    wishes = Wishes(labels=tuple(labels[:MAX_LABELS]), priority=wanted.priority - USUAL_PRIORITY, custom=custom)
    if progress is None:
        return wishes
    return wishes._replace(
        trackers=_tiers(metainfo, progress.trackers),
        file_priorities={
            number: FilePriority(priority) for number, priority in enumerate(progress.priorities)
            if priority != FilePriority.NORMAL and not metainfo.files[number].is_pad},
    )


def _tiers(metainfo: Metainfo, choices: Sequence[TrackerChoice]) -> Tiers | None:
    """The trackers without those that were switched off, and with those that were added; None: as in the file."""
    off = {choice.url for choice in choices if not choice.is_enabled}
    tiers = [[url for url in map(str.encode, tier) if url not in off] for tier in metainfo.tiers]
    added = [choice for choice in choices if choice.tier is not None and choice.is_enabled]
    for choice in sorted(added, key=lambda choice: choice.tier or 0):
        tiers.append([choice.url])
    chosen = usable_tiers(tiers)
    return None if chosen == metainfo.tiers else chosen


def _peers(progress: Progress) -> tuple[KnownAddress, ...]:
    return tuple(KnownAddress(peer.endpoint, PeerSource.TRACKER, peer.failures, float(peer.last_good_at))
                 for peer in progress.peers)


def _bytes_of(metainfo: Metainfo, numbers: Mapping[int, FileStamp] | Sequence[int]) -> int:
    return sum(metainfo.files[number].length for number in numbers)
