"""Who owes a beat."""

from __future__ import annotations

from blobtorrent.daemon.watchdog import Watchdog


class PlayedHeart:
    def __init__(self, name: str) -> None:
        self.name = name
        self.beats = 0
        self.asked = 0

    def ask_beat(self) -> None:
        self.asked += 1

    def answer(self) -> None:
        self.beats += 1


def test_threads_that_answer_are_asked_again_and_never_late() -> None:
    heart = PlayedHeart("core")
    watchdog = Watchdog([heart])
    for _ in range(3):
        assert watchdog.check() == []
        heart.answer()
    assert heart.asked == 3


def test_a_thread_that_hangs_is_named_until_it_answers_and_not_asked_twice() -> None:
    core, door = PlayedHeart("core"), PlayedHeart("door")
    watchdog = Watchdog([core, door])
    watchdog.check()
    core.answer()
    assert watchdog.check() == ["door"]
    core.answer()
    assert watchdog.check() == ["door"]
    assert door.asked == 1
    core.answer()
    door.answer()
    assert watchdog.check() == []
    assert door.asked == 2
