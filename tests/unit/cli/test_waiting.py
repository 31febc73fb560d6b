"""What `--wait` waits for."""

import pytest

from blobtorrent.cli.waiting import is_complete


@pytest.mark.parametrize(("state", "done", "expected"), [
    ("seeding", 10, True),
    ("stopped", 10, True),
    ("downloading", 4, False),
    ("stopped", 4, False),
    ("downloading", 10, False),        # the last byte is there: it becomes a seed in a moment
    ("moving", 10, False),
    ("checking", 10, False),
    ("metadata", 0, False),
])
def test_a_torrent_is_waited_for_until_it_has_all_and_nothing_follows(state, done, expected):
    assert is_complete({"state": state, "done_bytes": done, "wanted_bytes": 10}) is expected
