"""What handlers of events are told of the way from one phase of a download to another."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.downloads.download import Phase
from blobtorrent.interface.rtorrent.downloads.following import way

SHUT = Phase()
OPEN = Phase(is_open=True)
CHECKING = Phase(is_open=True, is_checking=True)
ACTIVE = Phase(is_open=True, is_active=True)


@pytest.mark.parametrize(("before", "after", "names"), [
    (SHUT, CHECKING, ["hash_queued", "opened"]),
    (CHECKING, ACTIVE, ["resumed", "hash_done"]),
    (SHUT, ACTIVE, ["hash_queued", "opened", "resumed", "hash_done"]),
    (OPEN, ACTIVE, ["resumed"]),
    (ACTIVE, OPEN, ["paused"]),
    (ACTIVE, SHUT, ["paused", "hash_removed", "closed"]),
    (OPEN, SHUT, ["hash_removed", "closed"]),
    (SHUT, OPEN, ["opened"]),
    (CHECKING, OPEN, ["hash_done"]),
    (ACTIVE, CHECKING, ["paused", "hash_removed", "closed", "hash_queued", "opened"]),
    (ACTIVE, ACTIVE, []),
])
def test_the_events_come_in_the_order_of_rtorrent(before: Phase, after: Phase, names: list[str]) -> None:
    assert way(before, after) == names
