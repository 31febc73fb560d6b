from __future__ import annotations

import pytest

from blobtorrent.config.diff import Change, diff, with_live_changes
from blobtorrent.config.load import load


def test_equal_settings_have_no_changes():
    assert diff(load(assignments=["network.max_peers=5"]), load(assignments=["network.max_peers=5"])) == []


@pytest.mark.parametrize(
    ("assignment", "change"),
    [
        ("network.max_peers=7", Change("network.max_peers", is_live=True)),
        ("storage.memory_budget='8 MiB'", Change("storage.memory_budget", is_live=False)),
        ("groups.slow.weight=2", Change("groups.slow", is_live=True)),
        ("watch=[{path='/a'}]", Change("watch", is_live=True)),
    ],
)
def test_a_change_is_named_and_says_when_it_takes_effect(assignment, change):
    assert diff(load(), load(assignments=[assignment])) == [change]
    assert diff(load(assignments=[assignment]), load()) == [change]


def test_a_reload_takes_what_is_live_and_leaves_what_needs_a_restart():
    old = load(assignments=["network.max_peers=5", "rest.listen=[]"])
    new = load(assignments=["network.max_peers=7", "rest.listen=['127.0.0.1:1']", "groups.slow.weight=2"])
    applied = with_live_changes(old, new)
    assert applied.network.max_peers == 7
    assert applied.rest.listen == ()
    assert applied.groups == new.groups
    assert [change.key for change in diff(applied, new)] == ["rest.listen"]
