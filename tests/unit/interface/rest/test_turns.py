"""Clients that send many requests at once, and what others wait for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blobtorrent.interface.rest.server import TURNS_PER_PASS
from tests.support.rest import RestRig

CLIENTS = 5 * TURNS_PER_PASS


class Greedy:
    """A client whose next request is always there."""

    def __init__(self, server: Any) -> None:
        self.turns = 0
        self._server = server

    def go_on(self) -> None:
        self.turns += 1
        self._server.on_more(self)


def test_few_of_many_greedy_clients_have_their_turn_in_a_pass_and_all_have_as_many(tmp_path: Path) -> None:
    server = RestRig(tmp_path).server              # not started: its loop is turned by hand
    crowd = [Greedy(server) for _ in range(CLIENTS)]
    for client in crowd:
        server.on_more(client)
    for _ in range(21):
        before = sum(client.turns for client in crowd)
        server.heart.run_pass(0.0)
        assert sum(client.turns for client in crowd) - before <= TURNS_PER_PASS
    assert {client.turns for client in crowd} == {4}
