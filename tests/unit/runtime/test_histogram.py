from __future__ import annotations

import threading

import pytest

from blobtorrent.runtime.histogram import OF_CALLS, OF_WORK, Histogram, Reading, summed

NOTES = 20_000


@pytest.mark.parametrize(("seconds", "counts"), [
    (0.0, (1, 0, 0)), (1.0, (1, 0, 0)), (1.5, (0, 1, 0)), (2.0, (0, 1, 0)), (2.1, (0, 0, 1)), (1e9, (0, 0, 1)),
    (-1.0, (1, 0, 0))])
def test_each_note_is_in_one_class(seconds: float, counts: tuple[int, ...]) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.note(seconds)
    assert histogram.read() == Reading((1.0, 2.0), counts, seconds)


def test_one_of_which_nothing_was_noted_is_all_zeros() -> None:
    assert Histogram((1.0,)).read() == Reading((1.0,), (0, 0), 0.0)


def test_threads_that_note_at_the_same_time_lose_nothing() -> None:
    histogram = Histogram((1.0,))
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        for _ in range(NOTES):
            histogram.note(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert sum(histogram.read().counts) <= 4 * NOTES
    assert histogram.read() == Reading((1.0,), (4 * NOTES, 0), 2.0 * NOTES)


def test_threads_that_come_and_go_leave_no_trail() -> None:
    histogram = Histogram()
    for _ in range(50):
        thread = threading.Thread(target=histogram.note, args=(1.0,))
        thread.start()
        thread.join()
    assert sum(histogram.read().counts) == 50
    assert len(histogram._shares) < 50


def test_histograms_of_one_name_are_summed() -> None:
    one, two = Reading((1.0,), (1, 2), 3.0), Reading((1.0,), (10, 20), 30.0)
    assert summed([one, two], (1.0,)) == Reading((1.0,), (11, 22), 33.0)


@pytest.mark.parametrize("bounds", [OF_WORK, OF_CALLS])
def test_classes_ascend(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))
