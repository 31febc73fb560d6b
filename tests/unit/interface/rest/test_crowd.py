"""Who has a place and who gives way to whom."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.crowd import MAX_CONNECTIONS, Crowd
from blobtorrent.interface.rest.gate import Caller


class Guest:
    """A client that leaves the crowd when it is closed."""

    def __init__(self, crowd: Crowd[Guest], caller: Caller, *, is_waiting: bool = True) -> None:
        self.caller = caller
        self.is_waiting = is_waiting
        self.is_receiving = self.is_sending = False
        self.held_bytes = 0
        self._crowd = crowd
        crowd.add(self)

    def close(self) -> None:
        self._crowd.remove(self)


def caller(number: int, network: int = 0) -> Caller:
    return Caller(f"10.0.{network}.{number}")


def crowd_of(*callers: Caller, is_waiting: bool = True) -> tuple[Crowd[Guest], list[Guest]]:
    crowd: Crowd[Guest] = Crowd(4)
    return crowd, [Guest(crowd, one, is_waiting=is_waiting) for one in callers]


def full(*, is_waiting: bool) -> tuple[Crowd[Guest], list[Guest]]:
    return crowd_of(*(caller(number % 250, number // 250) for number in range(MAX_CONNECTIONS)), is_waiting=is_waiting)


def code_of(crowd: Crowd[Guest], one: Caller) -> str:
    refusal = crowd.make_room(one)
    return "" if refusal is None else refusal.code


def test_the_one_that_waits_for_longest_gives_way():
    crowd, guests = full(is_waiting=True)
    crowd.on_request(guests[0])
    assert code_of(crowd, caller(251)) == ""
    assert set(guests) - set(crowd) == {guests[1]}


def test_nobody_who_is_being_served_gives_way():
    crowd, guests = full(is_waiting=False)
    assert code_of(crowd, caller(251)) == "rest.crowded"
    assert list(crowd) == guests


def test_an_address_gives_way_to_itself_before_others_do():
    crowd, guests = crowd_of(caller(1), *[caller(2)] * 4)
    assert code_of(crowd, caller(2)) == ""
    assert set(guests) - set(crowd) == {guests[1]}


def test_an_address_whose_places_are_in_use_gets_no_more_and_others_do():
    crowd, guests = crowd_of(*[caller(2)] * 4, is_waiting=False)
    assert code_of(crowd, caller(2)) == "rest.too-many"
    assert code_of(crowd, caller(3)) == ""
    guests[0].close()
    assert code_of(crowd, caller(2)) == ""


@pytest.mark.parametrize(("last", "code"), [("2001:db8::5", "rest.too-many"), ("2001:db8:0:1::1", "")])
def test_the_addresses_of_one_ipv6_network_count_together(last, code):
    crowd, _ = crowd_of(*(Caller(f"2001:db8::{number}") for number in range(4)), is_waiting=False)
    assert code_of(crowd, Caller(last)) == code


def test_users_of_a_unix_socket_share_no_small_number():
    local = Caller("unix:1000", is_local=True)
    crowd, guests = crowd_of(*[local] * 40, is_waiting=False)
    assert code_of(crowd, local) == ""
    assert len(crowd) == len(guests)


def test_who_sends_for_longest_gives_way_when_nobody_only_waits():
    crowd, guests = crowd_of(*[caller(2)] * 4, is_waiting=False)
    guests[2].is_receiving = guests[3].is_receiving = True
    assert code_of(crowd, caller(2)) == ""
    assert set(guests) - set(crowd) == {guests[2]}


def test_those_that_take_longest_give_way_until_all_hold_little_enough():
    crowd: Crowd[Guest] = Crowd(max_held_bytes=100)
    guests = [Guest(crowd, caller(number), is_waiting=False) for number in range(5)]
    for guest in guests:
        guest.held_bytes = 40
    guests[1].is_receiving = guests[2].is_sending = guests[4].is_receiving = True
    crowd.on_growth()
    assert set(guests) - set(crowd) == {guests[1], guests[2], guests[4]} and crowd.held_bytes == 80
    crowd.on_growth()
    assert len(crowd) == 2


def test_those_that_left_leave_nothing_behind():
    crowd, guests = crowd_of(*[caller(number) for number in range(10)])
    for guest in crowd:
        guest.close()
    assert (len(crowd), list(crowd)) == (0, [])
    assert all(code_of(crowd, guest.caller) == "" for guest in guests)
