"""What a program made with libtorrent left of a torrent, in our words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from blobtorrent.core.session.commands import FilePriority, GoalAction, SeedGoal
from blobtorrent.core.session.importing import (
    NOT_VOUCHED_FOR,
    SETTLED_S,
    Claims,
    Left,
    changed_tiers,
    renames_of,
    usable_folder,
    usable_labels,
)
from blobtorrent.core.session.record import Lifetime, Place, Wishes
from blobtorrent.core.session.trust import files_of_mask
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.fastresume import AS_ALL, Fastresume, Progress
from blobtorrent.protocol.foreignvalues import text_of

SUFFIX = ".!qB"                        # of files that are not complete
USUAL_FILE_PRIORITY = 4
S_PER_MINUTE = 60

_ACTIONS = {
    "": GoalAction.STOP, "Default": GoalAction.STOP, "Stop": GoalAction.STOP, "Remove": GoalAction.REMOVE,
    "RemoveWithContent": GoalAction.REMOVE_WITH_DATA,
}


def place_of(metainfo: Metainfo, resume: Fastresume, save_path: str, final_path: str) -> Place:
    """Where it lies, and is to be in the end.

    Raises Invalid ("import.relative-folder", "import.bad-folder", "import.same-path", "torrent.bad-name").
    """
    root = usable_folder(save_path)
    final = usable_folder(final_path) if final_path else root
    paths = {number: text_of(path) for number, path in enumerate(resume.paths[:len(metainfo.files)])
             if path and not metainfo.files[number].is_pad}
    return Place(final, root, is_incomplete=final != root, renames=renames_of(metainfo, paths))


def left_by_libtorrent(program: str, metainfo: Metainfo, resume: Fastresume, progress: Progress | None, *,
                       saved_at: float, notes: Sequence[str] = ()) -> Left:
    """`saved_at` is when the file with its progress was written: a file that changed later is not believed.

    Where that file is the one of all torrents, this one may have been saved long before.
    """
    told = list(notes)
    return Left(
        program=program,
        wishes=_wishes(metainfo, resume, told),
        is_started=not resume.is_stopped,
        added_at=float(resume.added_at or saved_at),
        finished_at=float(resume.completed_at),
        lifetime=Lifetime(resume.downloaded_bytes, resume.uploaded_bytes, 0, float(resume.active_s),
                          float(resume.seeding_s)),
        claims=None if progress is None else _claims(metainfo, progress, int(saved_at)),
        peers=tuple(KnownAddress(peer, PeerSource.TRACKER) for peer in resume.peers),
        notes=tuple(told),
    )


def _claims(metainfo: Metainfo, progress: Progress, saved_at: int) -> Claims:
    unverified = files_of_mask(metainfo, progress.unverified) if progress.unverified else frozenset[int]()
    changed = [NOT_VOUCHED_FOR if number in unverified else (0, saved_at) for number in range(len(metainfo.files))]
    return Claims(progress.have, changed, saved_at=saved_at, settling_s=SETTLED_S)


def _wishes(metainfo: Metainfo, resume: Fastresume, notes: list[str]) -> Wishes:
    said = {"category": resume.category, "name": resume.name, "comment": resume.comment}
    return Wishes(
        labels=usable_labels([resume.category, *resume.tags], notes),
        goal=_goal(resume, notes),
        down_bytes_per_s=resume.down_limit,
        up_bytes_per_s=resume.up_limit,
        is_sequential=resume.is_sequential,
        trackers=None if resume.trackers is None else changed_tiers(metainfo, resume.trackers),
        file_priorities={
            number: FilePriority.HIGH if priority else FilePriority.SKIP
            for number, priority in enumerate(resume.priorities[:len(metainfo.files)])
            if not 0 < priority <= USUAL_FILE_PRIORITY and not metainfo.files[number].is_pad},
        custom={f"qbittorrent.{name}": text for name, text in said.items() if text},
    )


def _goal(resume: Fastresume, notes: list[str]) -> SeedGoal | None:
    limits = (resume.ratio, resume.seeding_minutes, resume.idle_minutes)
    if all(limit == AS_ALL for limit in limits):
        return None
    action = _ACTIONS.get(resume.limit_action)
    if action is None or resume.needs_all_limits and sum(limit >= 0 for limit in limits) > 1:
        notes.append("its limits of seeding cannot be kept: those of all torrents count")
        return None
    return SeedGoal(
        ratio=resume.ratio if resume.ratio >= 0 else None,
        time_s=float(resume.seeding_minutes * S_PER_MINUTE) if resume.seeding_minutes >= 0 else None,
        idle_s=float(resume.idle_minutes * S_PER_MINUTE) if resume.idle_minutes >= 0 else None,
        action=action)
