from __future__ import annotations

from enum import Enum

import pytest

from blobtorrent.model.errors import IllegalTransition
from blobtorrent.runtime.machine import Machine, Table


class S(Enum):
    IDLE = "idle"
    FETCHING = "fetching"
    PARSING = "parsing"
    BUSY = "busy"          # parent of FETCHING and PARSING
    ANY = "any"            # parent of IDLE and BUSY
    DONE = "done"


class E(Enum):
    GO = "go"
    DATA = "data"
    STOP = "stop"
    END = "end"


TABLE = Table(
    {
        S.IDLE: {E.GO: S.FETCHING},
        S.FETCHING: {E.DATA: S.PARSING},
        S.PARSING: {E.DATA: S.PARSING, E.STOP: S.FETCHING},
        S.BUSY: {E.STOP: S.IDLE},
        S.ANY: {E.END: S.DONE},
    },
    home=S.IDLE,
    parents={S.BUSY: (S.FETCHING, S.PARSING), S.ANY: (S.IDLE, S.BUSY)},
    ends=(S.DONE,),
)


def test_an_event_leads_to_the_next_state():
    assert TABLE.next(S.IDLE, E.GO) is S.FETCHING


def test_children_inherit_edges_over_several_generations():
    assert TABLE.next(S.FETCHING, E.STOP) is S.IDLE
    assert TABLE.next(S.FETCHING, E.END) is S.DONE


def test_a_childs_own_edge_wins():
    assert TABLE.next(S.PARSING, E.STOP) is S.FETCHING


def test_an_edge_that_is_not_there_names_state_and_event():
    with pytest.raises(IllegalTransition, match=r"S\.IDLE does not know E\.DATA") as caught:
        TABLE.next(S.IDLE, E.DATA)
    assert caught.value.code == "machine.illegal-transition"


def test_parents_are_no_states():
    assert TABLE.states == {S.IDLE, S.FETCHING, S.PARSING, S.DONE}
    assert TABLE.events == set(E)
    assert TABLE.edges_of(S.FETCHING) == {E.DATA: S.PARSING, E.STOP: S.IDLE, E.END: S.DONE}


@pytest.mark.parametrize(
    ("state", "group", "inside"),
    [(S.PARSING, S.BUSY, True), (S.PARSING, S.ANY, True), (S.PARSING, S.PARSING, True), (S.IDLE, S.BUSY, False)],
)
def test_a_state_is_in_itself_and_its_ancestors(state, group, inside):
    assert TABLE.is_in(state, group) is inside


def test_a_parent_cannot_be_entered():
    with pytest.raises(ValueError, match=r"S\.BUSY"):
        Table({S.IDLE: {E.GO: S.BUSY}}, home=S.IDLE, parents={S.BUSY: (S.FETCHING,)})


def test_a_parent_cannot_be_the_first_state():
    with pytest.raises(ValueError, match=r"S\.BUSY"):
        Table({S.IDLE: {E.GO: S.FETCHING}}, home=S.IDLE, start=S.BUSY, parents={S.BUSY: (S.FETCHING,)})


def test_nothing_is_its_own_ancestor():
    with pytest.raises(ValueError, match="own ancestor"):
        Table({S.IDLE: {E.GO: S.IDLE}}, home=S.IDLE, parents={S.ANY: (S.BUSY, S.IDLE), S.BUSY: (S.ANY,)})


def test_a_machine_starts_at_the_start_and_tells_its_observer_every_transition():
    changes: list[tuple[S, E, S]] = []
    machine = Machine(TABLE, on_change=lambda *change: changes.append(change))
    assert machine.state is S.IDLE
    assert machine.fire(E.GO) is S.FETCHING
    machine.fire(E.DATA)
    machine.fire(E.DATA)
    assert changes == [
        (S.IDLE, E.GO, S.FETCHING), (S.FETCHING, E.DATA, S.PARSING), (S.PARSING, E.DATA, S.PARSING),
    ]


def test_an_illegal_event_changes_nothing():
    changes: list[object] = []
    machine = Machine(TABLE, on_change=lambda *change: changes.append(change))
    assert not machine.can(E.DATA)
    with pytest.raises(IllegalTransition):
        machine.fire(E.DATA)
    assert (machine.state, changes) == (S.IDLE, [])


def test_the_observer_sees_the_new_state_and_may_fire_again():
    def give_up(_old: S, _event: E, new: S) -> None:
        if new is S.FETCHING:
            machine.fire(E.STOP)

    machine = Machine(TABLE, on_change=give_up)
    machine.fire(E.GO)
    assert machine.state is S.IDLE


def test_a_machine_may_start_elsewhere():
    machine = Machine(TABLE, start=S.PARSING)
    assert machine.is_in(S.BUSY)
    assert machine.can(E.STOP)
