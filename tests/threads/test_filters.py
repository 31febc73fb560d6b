"""The thread that reads filter lists, on real files; what it puts in force is written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.schema import FilterSettings
from blobtorrent.core.session import filters as filters_module
from blobtorrent.core.session.filters import FilterManager
from blobtorrent.model.addressfilter import AddressFilter, Gate
from blobtorrent.runtime.metrics import Registry

PATIENCE_S = 20.0


class Rig:
    """A manager, the filters it has put in force, and a gate."""

    def __init__(self) -> None:
        self.used: list[AddressFilter | None] = []
        self.gate = Gate()
        self.filters = FilterManager(self.used.append, (self.gate,))

    def apply(self, **values: Any) -> None:
        self.filters.apply(FilterSettings(**values))

    def until(self, condition: Callable[[], object]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s
            time.sleep(0.002)

    @property
    def status(self) -> Any:
        return self.filters.statuses[0]


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert rig.filters.stop(PATIENCE_S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.write_text("one:192.0.2.0-192.0.2.9\n")
    return path


def test_without_lists_there_is_no_thread_and_no_filter(rig: Rig) -> None:
    rig.apply()
    rig.filters.start()
    rig.filters.reload()
    assert rig.filters.wait(0.0)
    assert (rig.used, rig.filters.statuses, rig.filters.refuser_of("192.0.2.1")) == ([], (), None)


def test_lists_and_the_settings_own_ranges_are_in_force_when_the_wait_is_over(rig: Rig, path: Path) -> None:
    rig.apply(files=(path,), block=("198.51.100.0/24",), allow=("192.0.2.5",))
    assert not rig.filters.wait(0.0)
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    assert rig.used[-1] is rig.filters.in_force
    assert rig.filters.refuser_of("192.0.2.1") == str(path)
    assert rig.filters.refuser_of("198.51.100.1") == "filters.block"
    assert rig.filters.refuser_of("192.0.2.5") is None
    assert (rig.status.ranges_v4, rig.status.lines, rig.status.error_code) == (1, 1, "")


def test_settings_that_come_later_begin_the_thread_and_those_that_go_end_the_filter(rig: Rig, path: Path) -> None:
    rig.apply()
    rig.filters.start()
    rig.apply(files=(path,))
    rig.until(lambda: rig.filters.refuser_of("192.0.2.1"))
    rig.apply()
    rig.until(lambda: rig.used[-1] is None)
    assert rig.filters.statuses == ()


def test_a_list_of_no_use_leaves_the_one_before_in_force_and_is_told_once(rig: Rig, path: Path) -> None:
    rig.apply(files=(path,))
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    path.write_text("<html>")
    rig.filters.reload()
    rig.until(lambda: rig.status.error_code)
    assert rig.status.error_code == "filters.not-a-list"
    assert rig.filters.refuser_of("192.0.2.1") == str(path)
    assert rig.filters.troubles == [f"filter list {path}: filters.not-a-list"]
    path.unlink()
    rig.filters.reload()
    rig.until(lambda: rig.status.error_code == "filters.unreadable")
    assert rig.filters.refuser_of("192.0.2.1") == str(path)
    path.write_text("two:198.51.100.0-198.51.100.9\n")
    rig.filters.reload()
    rig.until(lambda: not rig.status.error_code)
    assert rig.filters.refuser_of("192.0.2.1") is None
    assert rig.filters.refuser_of("198.51.100.1") == str(path)
    assert rig.filters.troubles == []


def test_a_file_that_changes_is_read_again_by_itself(
    rig: Rig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters_module, "LOOK_S", 0.02)
    rig.apply(files=(path,))
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    path.with_name("new").write_text("two:198.51.100.0-198.51.100.9\n")
    path.with_name("new").replace(path)
    rig.until(lambda: rig.filters.refuser_of("198.51.100.1"))
    assert rig.filters.refuser_of("192.0.2.1") is None
    path.unlink()
    rig.until(lambda: rig.status.error_code)
    path.write_text("three:203.0.113.0-203.0.113.9\n")
    rig.until(lambda: rig.filters.refuser_of("203.0.113.1"))
    assert rig.status.error_code == ""


def test_a_list_that_did_not_change_is_not_read_again(rig: Rig, path: Path) -> None:
    rig.apply(files=(path,))
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    (before,), used = rig.filters.statuses, len(rig.used)
    rig.apply(files=(path,), block=("198.51.100.1",))
    rig.until(lambda: len(rig.used) > used)
    rig.filters.reload()
    assert rig.filters.stop(PATIENCE_S)
    assert rig.filters.statuses == (before,)
    assert len(rig.used) == used + 1


def test_a_list_that_is_missing_at_the_start_keeps_nobody_waiting(rig: Rig, tmp_path: Path, path: Path) -> None:
    rig.apply(files=(tmp_path / "none", path))
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    assert [status.error_code for status in rig.filters.statuses] == ["filters.unreadable", ""]
    assert rig.filters.refuser_of("192.0.2.1") == str(path)


def test_what_the_gates_refused_is_told_with_the_lists(rig: Rig, path: Path) -> None:
    registry = Registry()
    rig.filters.measure(registry)
    rig.apply(files=(path,))
    rig.filters.start()
    assert rig.filters.wait(PATIENCE_S)
    rig.gate.use(rig.filters.in_force)
    assert rig.gate.refuses("192.0.2.1") and rig.gate.refuses("192.0.2.2")
    assert rig.filters.hits == {str(path): 2}
    figures = {(sample.name, dict(sample.labels).get("family")): sample.value for sample in registry.snapshot()}
    assert figures["blobtorrent_filter_refused_total", None] == 2
    assert figures["blobtorrent_filter_ranges", "ipv4"] == 1
    assert figures["blobtorrent_filter_failed", None] == 0
