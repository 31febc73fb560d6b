"""Long work in slices."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from blobtorrent.runtime import pacing
from blobtorrent.runtime.pacing import SLICE_S, let_go


@pytest.mark.parametrize("items", [list(range(1000)), dict.fromkeys(range(1000))])
def test_what_is_let_go_is_empty_and_others_came_in_between(
    monkeypatch: pytest.MonkeyPatch, items: list[int] | dict[int, None],
) -> None:
    pauses: list[float] = []
    ticks = count()
    monkeypatch.setattr(pacing, "time", SimpleNamespace(
        thread_time=lambda: next(ticks) * SLICE_S / 2, sleep=pauses.append))
    let_go(items)
    assert not items
    assert len(pauses) > 40
