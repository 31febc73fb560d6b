"""A torrent of another program as a record of ours: what of its progress is believed, and what is hashed first.

What the program left is told in words that fit all of them; the modules `from_*` translate. Pure: how the files look on
disk is given.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.values import label
from blobtorrent.core.session.checks import require_piece_hashes
from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.session.options import MAX_LABELS
from blobtorrent.core.session.record import Lifetime, Place, TorrentRecord, Wishes, facts_of
from blobtorrent.core.session.trust import mask_of_files
from blobtorrent.core.session.wanted import skipped_pieces
from blobtorrent.core.swarm.messages import KnownAddress
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import Invalid
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.paths import folders_of
from blobtorrent.model.payload import PayloadMap
from blobtorrent.model.urls import usable_tiers
from blobtorrent.storage.naming import split_path
from blobtorrent.storage.stamps import FileStamp, claimed_sizes

NS_PER_S = 1_000_000_000

NOT_VOUCHED_FOR = (1, 0)               # as in Claims.changed: no time lies between these

# A kernel writes what programs do not sync within 35 seconds of its own accord (dirty_expire and dirty_writeback).
SETTLED_S = 60

_NEVER = FileStamp(size=0, mtime_ns=-1, inode=0)           # no file looks like this: it is checked


class Claims(NamedTuple):
    """How far a torrent is, as its program noted it. `have` is the mask of the pieces it has.

    `changed` has for each file the earliest and the latest second at which its last change may have been: later ones
    are somebody else's. `uncertain` are pieces that may not have been on disk at the time `saved_at`, if the machine
    went down since; so are all of files that changed `settling_s` before or later, for a program that syncs nothing.
    """

    have: int
    changed: Sequence[tuple[int, int]]
    uncertain: int = 0
    saved_at: int = 0
    settling_s: int = 0


class Left(NamedTuple):
    """What a program left of a torrent, apart from where it lies.

    Times are seconds since 1970, 0 for never. Without `claims` everything is checked. `notes` are for people.
    """

    program: str                       # as people call it
    wishes: Wishes
    is_started: bool
    added_at: float
    finished_at: float
    lifetime: Lifetime
    claims: Claims | None
    peers: tuple[KnownAddress, ...] = ()
    notes: tuple[str, ...] = ()


class Belief(NamedTuple):
    """`have` is the mask of pieces that count as there; files that differ from their `stamps` are hashed at the start.
    """

    have: int
    stamps: dict[int, FileStamp]
    unsettled: int                     # pieces that are not there if the machine went down since they were noted
    num_strange: int                   # files that do not look as they were left
    num_gone: int                      # files that had pieces, and are not there


class Imported(NamedTuple):
    """What becomes rows. `to_check_bytes` is payload that is hashed at the first start, `notes` are for people.

    `is_gone`: it had pieces, and none of its files is there.
    """

    record: TorrentRecord
    stamps: Mapping[int, FileStamp]
    peers: tuple[KnownAddress, ...]
    to_check_bytes: int
    notes: tuple[str, ...]
    is_gone: bool = False


def weigh(metainfo: Metainfo, claims: Claims, found: Mapping[int, FileStamp]) -> Belief:
    """Believe the pieces of files whose size and time are still those that were noted; `found` is what is there.

    When no file is there at all, its claims are kept: a disk that is not mounted must not have everything downloaded
    again, and the start says that they are gone. Nothing of them is vouched for: they are hashed once they are there.
    """
    stamps: dict[int, FileStamp] = {}
    strange, gone, fresh = [], [], []
    claimed = claimed_sizes(metainfo, Bitfield.from_mask(metainfo.geometry.num_pieces, claims.have), found)
    for number, entry in enumerate(metainfo.files):
        if entry.is_pad or not entry.length:
            continue
        stamp = found.get(number)
        if stamp is None:
            gone.append(number)
            continue
        earliest, latest = claims.changed[number]
        is_whole = claimed.get(number, 0) <= stamp.size <= entry.length
        if is_whole and earliest <= stamp.mtime_ns // NS_PER_S <= latest:
            stamps[number] = stamp
            if claims.settling_s and stamp.mtime_ns // NS_PER_S >= claims.saved_at - claims.settling_s:
                fresh.append(number)
        else:
            strange.append(number)
            stamps[number] = _NEVER._replace(inode=stamp.inode)
    missed = [number for number in gone if claims.have & mask_of_files(metainfo, [number])]
    if found:
        have = claims.have & ~mask_of_files(metainfo, [*strange, *gone])
    else:
        have, stamps = claims.have, dict.fromkeys(missed, _NEVER)
    unsettled = (claims.uncertain | mask_of_files(metainfo, fresh)) & have
    return Belief(have, stamps, unsettled, len(strange), len(missed))


def import_record(metainfo: Metainfo, left: Left, place: Place, found: Mapping[int, FileStamp], *, booted_at: float,
                  start: bool | None = None) -> Imported:
    """The record of a torrent that lies at `place`.

    `found` is how its files look, `booted_at` when this machine was started: uncertain pieces are no matter while it
    did not go down since. `start` None: as it was. Raises Invalid ("torrent.no-piece-hashes").
    """
    require_piece_hashes(metainfo)
    notes = list(left.notes)
    record = TorrentRecord(
        facts_of(metainfo, left.added_at), left.wishes, place,
        should_run=left.is_started if start is None else start,
    )
    record.lifetime = left.lifetime
    if left.claims is None:
        return Imported(record, {}, (), _bytes_of(metainfo, found), tuple(notes))
    belief = weigh(metainfo, left.claims, found)
    is_gone = bool(belief.num_gone) and not found
    if is_gone:
        notes.append("none of its files is there: they are checked when they are")
    elif belief.num_gone:
        notes.append(f"files that are gone: {belief.num_gone}")
    if belief.num_strange:
        notes.append(f"files that are not as {left.program} noted, and are checked: {belief.num_strange}")
    _claim(record, metainfo, belief.have)
    if record.is_complete:
        record.finished_at = left.finished_at
    to_check_bytes = _bytes_of(metainfo, [number for number, stamp in belief.stamps.items() if stamp.mtime_ns < 0])
    if belief.unsettled and not is_gone and left.claims.saved_at < booted_at:
        record.is_suspect, record.recent = True, belief.unsettled          # as after a power cut of our own
        notes.append("its last pieces may not have reached the disk: checked")
        to_check_bytes += PayloadMap(metainfo).of_mask(belief.unsettled)
    return Imported(record, belief.stamps, left.peers, to_check_bytes, tuple(notes), is_gone)


# ---- what all translators need

def usable_folder(directory: str) -> Path:
    """A folder that another program named. Raises Invalid ("import.relative-folder", "import.bad-folder")."""
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
    return path


def usable_labels(texts: Iterable[str], notes: list[str]) -> tuple[str, ...]:
    """Those that can be labels here, each once. Of others there is a note."""
    labels: dict[str, None] = {}
    for text in texts:
        try:
            labels[label(text)] = None
        except ValueError:
            notes.append("a label of it is no text for a label")
    labels.pop("", None)
    return tuple(labels)[:MAX_LABELS]


def renames_of(metainfo: Metainfo, places: Mapping[int, str]) -> dict[str, str]:
    """The renames (as in Place) with which some files, by their numbers, lie at these paths below the root.

    Raises Invalid ("torrent.bad-name" for a path that leads elsewhere, "import.same-path" when two files share one).
    """
    moved = {number: split_path(text) for number, text in places.items()}
    kept = [(number, entry.path) for number, entry in enumerate(metainfo.files) if not entry.is_pad]
    targets = {number: moved.get(number, path) for number, path in kept}
    folders, taken = folders_of(targets.values()), set(targets.values())
    if len(taken) < len(targets) or not taken.isdisjoint(folders):
        raise Invalid("import.same-path", "two of its files have the same path")
    tops = {target[0] for target in targets.values()}
    if len(tops) == 1 and all(targets[number][1:] == path[1:] for number, path in kept):
        top, = tops
        return {} if top == metainfo.name else {metainfo.name: top}
    return {"/".join(path): "/".join(targets[number]) for number, path in kept if targets[number] != path}


def changed_tiers(metainfo: Metainfo, tiers: Iterable[Iterable[bytes]]) -> Tiers | None:
    """What of these trackers can be used; None when they are those of the .torrent file."""
    chosen = usable_tiers(tiers)
    return None if chosen == metainfo.tiers else chosen


def _claim(record: TorrentRecord, metainfo: Metainfo, have: int) -> None:
    payload = PayloadMap(metainfo)
    skipped = skipped_pieces(metainfo, record.wishes.file_priorities)
    record.have = Bitfield.from_mask(record.have.size, have)
    record.durable = have
    record.done_bytes = payload.of_mask(have)
    record.skipped_bytes = payload.of_mask(skipped & ~have)
    record.is_checked = True


def _bytes_of(metainfo: Metainfo, numbers: Mapping[int, FileStamp] | Sequence[int]) -> int:
    return sum(metainfo.files[number].length for number in numbers)
