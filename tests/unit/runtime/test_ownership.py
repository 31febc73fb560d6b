from __future__ import annotations

import threading

import pytest

from blobtorrent.model.errors import WrongThread
from blobtorrent.runtime.ownership import adopt, owned


class Plain:
    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def bump(self) -> int:
        """Counts."""
        self.count += 1
        return self.count

    @property
    def doubled(self) -> int:
        return self.count * 2


def result_elsewhere(call) -> object:
    """What a call returns or raises on another thread."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except WrongThread as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture
def guarded(monkeypatch):
    monkeypatch.setenv("BLOBTORRENT_DEBUG", "1")
    return owned(Plain)


def test_the_first_caller_owns_the_object(guarded):
    thing = guarded()
    assert thing.bump() == 1
    error = result_elsewhere(thing.bump)
    assert isinstance(error, WrongThread)
    assert "Plain.bump" in str(error)
    assert thing.bump() == 2


def test_construction_does_not_bind(guarded):
    assert result_elsewhere(guarded().bump) == 1


def test_an_adopted_object_changes_its_owner(guarded):
    thing = guarded()
    result_elsewhere(thing.bump)
    with pytest.raises(WrongThread):
        thing.bump()
    adopt(thing)
    assert thing.bump() == 2


def test_a_guarded_class_looks_like_itself(guarded):
    assert (guarded.__name__, guarded.__module__, guarded.bump.__doc__) == ("Plain", __name__, "Counts.")
    assert isinstance(guarded(), Plain)
    assert guarded().doubled == 0


@pytest.mark.parametrize("value", ["", "0"])
def test_without_debug_mode_the_class_is_left_as_it_is(monkeypatch, value):
    monkeypatch.setenv("BLOBTORRENT_DEBUG", value)
    assert owned(Plain) is Plain
    thing = Plain()
    adopt(thing)
    thing.bump()
    assert result_elsewhere(thing.bump) == 2
