"""The throttle: rates are kept, turns are fair by weight, who is blocked blocks nobody else. Time is a number."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.throttle import BELL_S, DEBT_S, NAP_S, SAVED_S, Branch, Throttle, Valve

K = 1024
BLOCK = 16 * K


class Tree:
    """A throttle with users that want without end, or as much as they are told to."""

    def __init__(self, bytes_per_s=0):
        self.now = 0.0
        self.throttle = Throttle()
        self.throttle.root.limit(bytes_per_s, self.now)
        self.runs = 0

    def branch(self, *, parent=None, bytes_per_s=0, weight=1.0):
        branch = Branch(self.throttle, parent or self.throttle.root)
        branch.weight = weight
        branch.limit(bytes_per_s, self.now)
        return branch

    def user(self, branch, wants=1 << 60):
        return User(branch, wants)

    def run(self, seconds):
        """Let time pass, from one moment to the next at which somebody may move."""
        end = self.now + seconds
        while True:
            self.throttle.run(self.now)
            self.runs += 1
            next_run_at = self.throttle.next_run_at
            if next_run_at is None or next_run_at > end:
                break
            self.now = next_run_at
        self.now = end


class User:
    def __init__(self, branch, wants):
        self.moved = 0
        self.turns = 0
        self.wants = wants
        self.valve = Valve(branch, self._move)
        self.valve.want()

    def _move(self, budget, now):
        self.turns += 1
        size = min(max(1, budget // BLOCK) * BLOCK, self.wants)
        self.wants -= size
        self.moved += size
        return size

    def ask(self, wants):
        self.wants += wants
        self.valve.want()


@pytest.mark.parametrize("rate", [10_000, 100 * K, 1 << 20, 50 << 20, 1 << 30])
def test_what_is_moved_follows_the_rate(rate):
    tree = Tree(rate)
    user = tree.user(tree.branch())
    tree.run(10.0)
    assert user.moved == pytest.approx(10.0 * rate, rel=0.03, abs=2 * BLOCK)


def test_nobody_is_woken_more_often_than_it_is_worth():
    tree = Tree(50 << 20)
    for _ in range(100):
        tree.user(tree.branch())
    tree.run(10.0)
    assert tree.runs <= 10.0 / NAP_S + 2


def test_many_limits_wake_together():
    tree = Tree()
    users = []
    for number in range(300):
        users.append(tree.user(tree.branch(bytes_per_s=100 * K + number)))
        tree.run(0.001)
    tree.run(10.0)
    assert tree.runs <= 300 + 10.3 / BELL_S
    assert all(user.moved == pytest.approx(10.3 * 100 * K, rel=0.05) for user in users[:10])


def test_links_of_one_torrent_get_equally_much():
    tree = Tree(1 << 20)
    torrent = tree.branch()
    users = [tree.user(torrent) for _ in range(7)]
    tree.run(10.0)
    for user in users:
        assert user.moved == pytest.approx((10 << 20) / 7, rel=0.03)


def test_a_torrent_with_many_links_gets_no_more_than_one_with_a_single_link():
    tree = Tree(1 << 20)
    crowded, lonely = tree.branch(), tree.branch()
    crowd = [tree.user(crowded) for _ in range(50)]
    single = tree.user(lonely)
    tree.run(20.0)
    assert sum(user.moved for user in crowd) == pytest.approx(single.moved, rel=0.03)


@pytest.mark.parametrize("rate", [100 * K, 20 << 20])
def test_weights_divide_a_limit(rate):
    tree = Tree(rate)
    users = [tree.user(tree.branch(weight=weight)) for weight in (1.0, 2.0, 5.0)]
    tree.run(60.0)
    total = sum(user.moved for user in users)
    for user, part in zip(users, (1 / 8, 2 / 8, 5 / 8), strict=True):
        assert user.moved == pytest.approx(total * part, rel=0.05)


def test_groups_are_weighed_before_the_torrents_in_them():
    tree = Tree(4 << 20)
    heavy, light = tree.branch(weight=3.0), tree.branch(weight=1.0)
    in_heavy = [tree.user(tree.branch(parent=heavy)) for _ in range(2)]
    in_light = [tree.user(tree.branch(parent=light)) for _ in range(10)]
    tree.run(10.0)
    assert sum(user.moved for user in in_heavy) == pytest.approx(30 << 20, rel=0.03)
    assert sum(user.moved for user in in_light) == pytest.approx(10 << 20, rel=0.03)


def test_the_tightest_limit_above_a_link_holds_and_the_others_use_what_it_leaves():
    tree = Tree(1 << 20)
    slow_group = tree.branch(bytes_per_s=200 << 10)
    slow_torrent = tree.branch(bytes_per_s=50 << 10)
    grouped = [tree.user(tree.branch(parent=slow_group)) for _ in range(2)]
    single, free = tree.user(slow_torrent), tree.user(tree.branch())
    tree.run(20.0)
    assert sum(user.moved for user in grouped) == pytest.approx(20 * (200 << 10), rel=0.03)
    assert single.moved == pytest.approx(20 * (50 << 10), rel=0.03)
    assert free.moved == pytest.approx(20 * ((1 << 20) - (250 << 10)), rel=0.03)


def test_who_wants_little_gets_it_at_once_and_the_others_the_rest():
    tree = Tree(1 << 20)
    greedy = tree.user(tree.branch())
    modest = tree.user(tree.branch(), wants=0)
    for _ in range(100):
        before = modest.moved
        modest.ask(BLOCK)
        tree.run(0.1)
        assert modest.moved == before + BLOCK
    assert greedy.moved == pytest.approx((10 << 20) - modest.moved, rel=0.03)


def test_who_waited_long_without_wanting_anything_has_saved_nothing_up():
    tree = Tree(1 << 20)
    early, late = tree.user(tree.branch()), tree.user(tree.branch(), wants=0)
    tree.run(10.0)
    before = early.moved
    late.ask(1 << 60)
    tree.run(10.0)
    assert late.moved == pytest.approx(early.moved - before, rel=0.03)


def test_a_limit_that_nobody_used_lets_only_a_moment_of_it_through_at_once():
    tree = Tree(1 << 20)
    user = tree.user(tree.branch(), wants=BLOCK)
    tree.run(60.0)
    user.ask(1 << 60)
    tree.run(0.0)
    assert user.moved <= BLOCK + SAVED_S * (1 << 20) + BLOCK


def test_while_nobody_waits_nothing_is_to_be_done():
    tree = Tree(100 * K)
    tree.user(tree.branch(), wants=3 * BLOCK)
    tree.run(5.0)
    assert tree.throttle.next_run_at is None
    assert not tree.throttle.root.is_waiting


def test_what_is_given_back_may_be_moved_again():
    tree = Tree(100 * K)
    user = tree.user(tree.branch())
    tree.run(10.0)
    user.valve.give_back(10 * BLOCK)
    before = user.moved
    tree.run(10.0)
    assert user.moved - before == pytest.approx((1000 << 10) + min(10 * BLOCK, SAVED_S * (100 * K)), abs=2 * BLOCK)


def test_what_came_beyond_a_limit_is_paid_back_but_not_for_ever():
    tree = Tree(100 * K)
    user = tree.user(tree.branch())
    tree.run(1.0)
    user.valve.give_back(-(100 << 20))
    before = user.moved
    tree.run(10.0)
    assert user.moved - before == pytest.approx((10 - DEBT_S) * (100 * K), abs=2 * BLOCK)


def test_a_limit_that_changes_holds_at_once_in_both_directions():
    tree = Tree(50 << 20)
    user = tree.user(tree.branch())
    tree.run(3.0)
    for rate in (100 * K, 10 << 20, 30_000):
        tree.throttle.root.limit(rate, tree.now)
        before = user.moved
        tree.run(10.0)
        assert user.moved - before == pytest.approx(10 * rate, rel=0.05, abs=2 * BLOCK)


def test_a_valve_that_is_closed_while_it_waits_is_never_called_again():
    tree = Tree(100 * K)
    torrent = tree.branch()
    gone, staying = tree.user(torrent), tree.user(torrent)
    tree.run(1.0)
    turns = gone.turns
    gone.valve.close()
    gone.valve.want()
    before = staying.moved
    tree.run(10.0)
    assert gone.turns == turns
    assert staying.moved - before == pytest.approx(1000 << 10, rel=0.05)


def test_the_share_of_a_link_is_that_of_the_tightest_limit_above_it():
    tree = Tree(1000)
    torrent = tree.branch(bytes_per_s=300)
    users = [tree.user(torrent) for _ in range(2)]
    assert users[0].valve.share_bytes_per_s == 150
    others = [tree.user(tree.branch()) for _ in range(8)]
    assert users[0].valve.share_bytes_per_s == 100
    others[0].valve.close()
    users[1].valve.close()
    assert users[0].valve.share_bytes_per_s == 125


def test_a_turn_in_which_others_begin_to_wait_loses_nobody():
    tree = Tree(1 << 20)
    torrent = tree.branch()
    late = tree.user(torrent, wants=0)
    tree.run(1.0)

    def move(budget, now):
        late.ask(BLOCK)
        return BLOCK

    valve = Valve(torrent, move)
    valve.want()
    tree.run(5.0)
    assert late.moved == pytest.approx(2.5 * (1 << 20), rel=0.1)


def test_one_stalled_user_costs_the_others_nothing():
    tree = Tree(1 << 20)
    torrent = tree.branch()
    stalled, running = tree.user(torrent, wants=2 * BLOCK), tree.user(torrent)
    tree.run(10.0)
    assert stalled.moved == 2 * BLOCK
    assert running.moved == pytest.approx(10 << 20, rel=0.03)
