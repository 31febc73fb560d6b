"""The book of jobs: made, looked at, given up, forgotten, on the caller's thread as far as that goes."""

from __future__ import annotations

import pytest

from blobtorrent.interface import jobs as jobs_module
from blobtorrent.interface.jobs import Creation, Job, JobBook, JobState
from blobtorrent.model.errors import Conflict, NotFound, Unavailable
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage import author
from blobtorrent.storage.author import Format, Recipe


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "a").write_bytes(bytes(100_000))
    (tmp_path / "pack" / "b").write_bytes(b"b" * 50_000)
    return tmp_path / "pack"


@pytest.fixture
def book():
    return JobBook(lambda: 1000.0)


def work(book: JobBook, job: Job) -> Job:
    """What the thread does with it."""
    book._work(job)
    return job


def test_a_job_waits_until_the_thread_comes_to_it(book, folder):
    job = book.add(Creation(folder, Recipe()))
    assert (job.state, book.get(job.id), book.all()) == (JobState.WAITING, job, [job])
    with pytest.raises(Conflict, match="waiting"):
        book.result_of(job.id)


def test_a_torrent_is_made(book, folder):
    job = work(book, book.add(Creation(folder, Recipe(format=Format.HYBRID, piece_length=32768, is_private=True))))
    made = book.result_of(job.id)
    metainfo = parse_torrent(made.data)
    assert (job.state, job.done_bytes, job.ended_at) == (JobState.DONE, job.total_bytes, 1000.0)
    assert (metainfo.name, metainfo.is_private, made.size_bytes) == ("pack", True, 150_000)
    assert (made.info_hash_v1, made.info_hash_v2) == (metainfo.info_hash.v1.hex(), metainfo.info_hash.v2.hex())


@pytest.mark.parametrize(
    ("recipe", "path", "code"),
    [(Recipe(), "nothing", "create.no-source"), (Recipe(piece_length=12345), "", "create.bad-piece-size")])
def test_what_cannot_be_made_is_told_to_who_asks_for_it(book, folder, recipe, path, code):
    job = work(book, book.add(Creation(folder / path, recipe)))
    assert (job.state, job.error.code) == (JobState.FAILED, code)
    with pytest.raises(Conflict, match=code):
        book.result_of(job.id)


def test_a_job_that_is_forgotten_is_not_begun(book, folder):
    job = book.add(Creation(folder, Recipe()))
    book.drop(job.id)
    assert work(book, job).state is JobState.WAITING
    with pytest.raises(NotFound):
        book.get(job.id)
    with pytest.raises(NotFound):
        book.drop(job.id)


def test_a_job_that_is_forgotten_under_way_ends_there(book, folder, monkeypatch):
    def make_torrent(source, recipe, *, progress):
        progress(1, source.size)
        book.drop(job.id)
        progress(2, source.size)
        raise AssertionError("it went on")

    monkeypatch.setattr(author, "make_torrent", make_torrent)
    job = book.add(Creation(folder, Recipe()))
    work(book, job)
    assert (job.state, job.error.code, job.done_bytes) == (JobState.FAILED, "job.cancelled", 2)


def test_a_bug_ends_the_job_and_reaches_the_log(book, folder, monkeypatch):
    def make_torrent(*_args, **_options):
        raise RuntimeError("oops")

    monkeypatch.setattr(author, "make_torrent", make_torrent)
    job = book.add(Creation(folder, Recipe()))
    with pytest.raises(RuntimeError):
        work(book, job)
    assert (job.state, job.error.code) == (JobState.FAILED, "bug.job")


def test_jobs_that_have_ended_make_room_and_others_do_not(book, folder, monkeypatch):
    monkeypatch.setattr(jobs_module, "MAX_JOBS", 3)
    first, second, third = (book.add(Creation(folder, Recipe())) for _ in range(3))
    with pytest.raises(Unavailable):
        book.add(Creation(folder, Recipe()))
    work(book, second)
    fourth = book.add(Creation(folder, Recipe()))
    assert book.all() == [first, third, fourth]


def test_results_are_kept_within_bounds(book, folder, monkeypatch):
    monkeypatch.setattr(jobs_module, "MAX_RESULT_BYTES", 1000)
    done = [work(book, book.add(Creation(folder, Recipe(comment="c" * 400)))) for _ in range(3)]
    kept = [job for job in done if job in book.all()]
    assert kept == done[1:]
    assert len({job.id for job in done}) == 3
