"""How a check is cut into jobs, and whose turn it is."""

from __future__ import annotations

from blobtorrent.core.session.checks import JOB_BYTES, CheckPlan, CheckQueue
from blobtorrent.model.errors import FileMissing
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.jobs import PiecesChecked
from tests.support.sessions import torrent_of
from tests.support.stored import PAD, StoredTorrent

ANY = InfoHash(v1=b"x" * 20)


def answer(indices: range, *, good: int) -> PiecesChecked:
    """The first `good` of these pieces match, the others are missing."""
    return PiecesChecked(ANY, indices, list(indices[:good]), [], list(indices[good:]))


def test_jobs_cover_every_piece_once_and_only_so_many_run_at_a_time() -> None:
    plan = CheckPlan(torrent_of(6000), parallel=2)
    per_job = JOB_BYTES // 16384
    waiting = plan.next_jobs()
    assert waiting == [range(per_job), range(per_job, 2 * per_job)]
    covered: list[int] = []
    while waiting:
        indices = waiting.pop(0)
        covered += indices
        plan.on_checked(answer(indices, good=len(indices)))
        waiting += plan.next_jobs()
        assert len(waiting) <= 2
    assert covered == list(range(6000))
    assert plan.is_done
    assert plan.good.is_full


def test_a_piece_larger_than_a_job_is_a_job() -> None:
    plan = CheckPlan(torrent_of(2, piece_length=2 * JOB_BYTES), parallel=4)
    assert plan.next_jobs() == [range(1), range(1, 2)]


def test_figures_count_content_and_not_padding() -> None:
    torrent = StoredTorrent([10_000, (PAD, 6384), 16384], 16384).metainfo
    plan = CheckPlan(torrent, parallel=1)
    (indices,) = plan.next_jobs()
    plan.on_checked(PiecesChecked(ANY, indices, [0], [1], []))
    assert (plan.good_bytes, plan.checked_bytes) == (10_000, 26_384)
    assert plan.bad == [1]


def test_trouble_with_the_disk_ends_the_plan_with_the_jobs_under_way() -> None:
    plan = CheckPlan(torrent_of(5000), parallel=2)
    first, second = plan.next_jobs()
    error = FileMissing("storage.missing", "gone")
    plan.on_checked(PiecesChecked(ANY, first, [], [], [], error))
    assert plan.next_jobs() == []
    assert not plan.is_done
    plan.on_checked(answer(second, good=1))
    assert plan.is_done
    assert plan.error is error


def test_one_torrent_of_a_device_has_its_turn_at_a_time() -> None:
    queue: CheckQueue[str] = CheckQueue()
    assert queue.enter(1, "a")
    assert not queue.enter(1, "b")
    assert not queue.enter(1, "c")
    assert queue.enter(2, "d")
    assert queue.leave(1, "b") is None
    assert queue.leave(1, "a") == "c"
    assert queue.leave(1, "c") is None
    assert queue.enter(1, "a")
