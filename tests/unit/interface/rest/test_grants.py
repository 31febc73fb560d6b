"""What a grant allows and shows."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.grants import NOBODY, Grant, Scope


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        ([], []), (["read"], ["read"]), (["add"], ["read", "add"]), (["control"], ["read", "add", "control"]),
        (["admin"], ["read", "add", "control", "admin"]), (["read", "control"], ["read", "add", "control"]),
    ],
)
def test_a_scope_allows_what_those_before_it_do(held, allowed):
    grant = Grant("t", frozenset(map(Scope, held)))
    assert [scope.value for scope in Scope if grant.allows(scope)] == allowed


def test_labels_bind_a_grant_to_torrents_that_have_one_of_them():
    bound, free = Grant("t", labels=frozenset("ab")), Grant("t")
    assert (bound.is_bound, free.is_bound) == (True, False)
    assert bound.sees(("b", "c")) and not bound.sees(("c",)) and not bound.sees(())
    assert free.sees(()) and free.sees(("c",))


def test_nobody_may_do_nothing():
    assert not any(map(NOBODY.allows, Scope))
