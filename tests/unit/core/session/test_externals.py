"""Our address as others see it: one vote a network, and no decision by one of them."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.externals import ENOUGH, MANY, MAX_VOTES, ExternalAddresses
from blobtorrent.core.swarm.messages import AddressSeen

OURS, OTHER = "8.1.1.1", "8.2.2.2"


def voters(number, first=20):
    return [f"{first + index}.5.5.5" for index in range(number)]


class Vote(ExternalAddresses):
    def __init__(self):
        self.told = []
        super().__init__(self.told.append)

    def by(self, host, voters):
        """Peers and nodes in turn."""
        for number, voter in enumerate(voters):
            if number % 2:
                self.on_node(host, voter)
            else:
                self.on_seen(AddressSeen(host, voter))


def test_enough_networks_that_agree_decide_and_that_is_told_once():
    vote = Vote()
    vote.by(OURS, voters(ENOUGH - 1))
    assert vote.hosts == ()
    vote.by(OURS, voters(10))
    assert vote.told == [(OURS,)] and vote.hosts == (OURS,)


def test_while_all_are_of_one_kind_it_takes_more_of_them():
    for vote_by in (lambda vote, by: vote.on_seen(AddressSeen(OURS, by)), lambda vote, by: vote.on_node(OURS, by)):
        vote = Vote()
        for voter in voters(MANY - 1):
            vote_by(vote, voter)
        assert vote.hosts == ()
        vote_by(vote, "60.1.1.1")
        assert vote.hosts == (OURS,)


def test_one_network_has_one_vote_however_many_addresses_it_has():
    vote = Vote()
    vote.by(OURS, [f"20.5.{number}.1" for number in range(200)])
    vote.by("2a00::1", [f"2a01:1:{number:x}::1" for number in range(200)])
    assert vote.hosts == ()


def test_a_majority_that_is_no_clear_one_decides_nothing():
    vote = Vote()
    vote.by(OURS, voters(4))
    vote.by(OTHER, voters(4, first=60))
    assert vote.hosts == (OURS,)
    vote.by(OTHER, voters(5, first=60))
    assert vote.hosts == (OURS,)
    vote.by(OTHER, voters(6, first=60))
    assert vote.hosts == (OTHER,)


def test_an_address_that_changes_is_noticed_when_the_same_networks_say_so():
    vote = Vote()
    vote.by(OURS, voters(10))
    vote.by(OTHER, voters(10))
    assert vote.told == [(OURS,), (OTHER,)]


def test_old_votes_make_room_for_new_ones():
    vote = Vote()
    vote.by(OURS, voters(10))
    vote.by(OTHER, [f"{30 + number // 2}.{number % 2 + 1}.5.5" for number in range(MAX_VOTES)])
    assert vote.hosts == (OTHER,)


def test_each_family_has_an_address_of_its_own():
    vote = Vote()
    vote.by("2a00:0::1", voters(ENOUGH))
    vote.by("::ffff:" + OURS, voters(ENOUGH))
    assert vote.hosts == (OURS, "2a00::1")


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "fe80::1", "224.0.0.1", "0.0.0.0", "rubbish", ""])
def test_what_cannot_be_our_address_is_no_vote(host):
    vote = Vote()
    vote.by(host, voters(10))
    assert vote.hosts == ()


def test_who_is_on_our_own_network_sees_our_inner_side_and_has_no_vote():
    vote = Vote()
    vote.by(OURS, [f"10.{number}.0.1" for number in range(10)])
    assert vote.hosts == ()


def test_the_trackers_of_one_domain_have_one_vote():
    vote = Vote()
    vote.on_seen(AddressSeen(OURS, "20.5.5.5"))
    for name in ("a.one.example", "b.one.example", "ONE.example"):
        vote.on_tracker(OURS, name)
    assert vote.hosts == ()
    vote.on_tracker(OURS, "two.example")
    assert vote.hosts == (OURS,)


def test_trackers_alone_decide_nothing():
    vote = Vote()
    for number in range(30):
        vote.on_tracker(OURS, f"{number}.example")
        vote.on_tracker(OURS, f"{20 + number}.1.1.1")
    assert vote.hosts == ()
    vote.on_node(OURS, "90.1.1.1")
    assert vote.hosts == (OURS,)
