"""What Transmission left of a torrent, in our words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from blobtorrent.config.values import label
from blobtorrent.core.session.commands import FilePriority, SeedGoal
from blobtorrent.core.session.importing import SETTLED_S, Claims, Left, renames_of, usable_folder, usable_labels
from blobtorrent.core.session.record import Lifetime, Place, Wishes
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.foreignvalues import text_of
from blobtorrent.protocol.transmissionresume import AS_ALL, OWN, Progress, Resume

PROGRAM = "Transmission"
SUFFIX = ".part"                       # of files that are not complete

S_PER_MINUTE = 60
SLOWEST_RATE = 1                       # bytes a second: a limit of 0 lets nothing through there, and all of it here


def places_of(metainfo: Metainfo, resume: Resume, destination: str, incomplete_dir: str) -> tuple[Place, ...]:
    """Where it may lie, the likelier first.

    Raises Invalid ("import.relative-folder", "import.bad-folder", "import.same-path", "torrent.bad-name").
    """
    folder = usable_folder(destination)
    paths = {number: text_of(path) for number, path in enumerate(resume.paths[:len(metainfo.files)]) if path}
    final = Place(folder, folder, renames=renames_of(metainfo, paths))
    if not incomplete_dir:
        return (final,)
    incomplete = usable_folder(incomplete_dir)
    return (final._replace(root=incomplete, is_incomplete=incomplete != folder), final)


def left_by_transmission(metainfo: Metainfo, resume: Resume, progress: Progress | None, *, written_at: float,
                         saved_at: float, notes: Sequence[str] = ()) -> Left:
    """`written_at` is when its .torrent file was written, `saved_at` the file with its progress."""
    told = list(notes)
    return Left(
        program=PROGRAM,
        wishes=_wishes(metainfo, resume, told),
        is_started=not resume.is_paused,
        added_at=float(resume.added_at or written_at),
        finished_at=float(resume.done_at),
        lifetime=Lifetime(
            resume.downloaded_bytes, resume.uploaded_bytes, resume.corrupt_bytes,
            float(resume.downloading_s + resume.seeding_s), float(resume.seeding_s)),
        claims=None if progress is None else Claims(
            progress.have, progress.changed, saved_at=int(saved_at), settling_s=SETTLED_S),
        peers=tuple(KnownAddress(peer, PeerSource.TRACKER) for peer in resume.peers),
        notes=tuple(told),
    )


def _wishes(metainfo: Metainfo, resume: Resume, notes: list[str]) -> Wishes:
    return Wishes(
        labels=usable_labels(resume.labels, notes),
        group=_group(resume.group, notes),
        priority=resume.priority,
        goal=_goal(resume),
        down_bytes_per_s=_rate(resume.down_limit),
        up_bytes_per_s=_rate(resume.up_limit),
        is_sequential=resume.is_sequential,
        file_priorities=_file_priorities(metainfo, resume),
    )


def _group(name: str, notes: list[str]) -> str:
    try:
        return label(name)
    except ValueError:
        notes.append("the name of its bandwidth group is no text for a group")
        return ""


def _goal(resume: Resume) -> SeedGoal | None:
    if resume.ratio_mode == resume.idle_mode == AS_ALL:
        return None
    return SeedGoal(
        ratio=resume.ratio if resume.ratio_mode == OWN else None,
        idle_s=float(resume.idle_minutes * S_PER_MINUTE) if resume.idle_mode == OWN else None)


def _rate(limit: int | None) -> int:
    return 0 if limit is None else max(limit, SLOWEST_RATE)


def _file_priorities(metainfo: Metainfo, resume: Resume) -> dict[int, FilePriority]:
    """Lists that are not of this torrent say nothing, as to Transmission."""
    numbers = [number for number, entry in enumerate(metainfo.files) if not entry.is_pad]
    chosen: dict[int, FilePriority] = {}
    if len(resume.priorities) == len(metainfo.files):
        chosen.update({number: FilePriority.HIGH for number in numbers if resume.priorities[number] > 0})
    if len(resume.unwanted) == len(metainfo.files):
        chosen.update({number: FilePriority.SKIP for number in numbers if resume.unwanted[number]})
    return chosen
