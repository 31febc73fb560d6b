"""Clients that send many requests at once, and what others wait for them."""

from __future__ import annotations

from blobtorrent.interface.rest.pacer import TURNS_PER_PASS, Pacer
from blobtorrent.runtime.loop import SelectorLoop

CLIENTS = 5 * TURNS_PER_PASS


class Client:
    """One whose next request is always there."""

    def __init__(self, pacer: Pacer) -> None:
        self.turns = 0
        self._pacer = pacer

    def go_on(self) -> None:
        self.turns += 1
        self._pacer.add(self)


def test_few_of_many_have_their_turn_in_a_pass_and_all_have_as_many() -> None:
    loop = SelectorLoop("played", lambda message: None)    # not started: it is turned by hand
    pacer = Pacer(loop)
    crowd = [Client(pacer) for _ in range(CLIENTS)]
    for client in crowd:
        pacer.add(client)
    for _ in range(21):
        before = sum(client.turns for client in crowd)
        loop.run_pass(0.0)
        assert sum(client.turns for client in crowd) - before <= TURNS_PER_PASS
    assert {client.turns for client in crowd} == {4}
    for client in crowd[1:]:
        pacer.drop(client)
    for _ in range(4):
        loop.run_pass(0.0)
    assert sum(client.turns for client in crowd[TURNS_PER_PASS:]) == 4 * (CLIENTS - TURNS_PER_PASS)
    assert crowd[0].turns > 4
    assert loop.stop(1.0)
