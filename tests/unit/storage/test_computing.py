"""Work of any kind for the hashing threads."""

from __future__ import annotations

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.computing import Compute, Computed

INFO_HASH = InfoHash(v1=bytes(20))


def done(work):
    """What comes back, and what the worker sees."""
    answers: Mailbox[Computed] = Mailbox("answers")
    job, raised = Compute(INFO_HASH, work, print, answers), None
    try:
        job.run()
    except ZeroDivisionError as error:
        raised = error
    (answer,) = answers.drain()
    assert (answer.info_hash, answer.then) == (INFO_HASH, print)
    return answer.result, raised


def test_the_result_goes_to_who_asked():
    assert done(lambda: 7) == (7, None)


def refuse():
    raise StorageError("storage.short-file", "cut")


def test_a_disk_that_refuses_gives_no_result():
    assert done(refuse) == (None, None)


def test_a_bug_is_the_workers_to_log_and_leaves_nobody_waiting():
    result, raised = done(lambda: 1 // 0)
    assert result is None
    assert isinstance(raised, ZeroDivisionError)

