"""The picker: a weighted choice, as exact as it is cheap, with a guard for rare pieces and an eye on readers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from math import exp, log2
from types import SimpleNamespace
from typing import Any

import pytest

from blobtorrent.core.swarm.availability import Availability
from blobtorrent.core.swarm.collisions import RAISED_S
from blobtorrent.core.swarm.picker import RANDOM_PIECES, REFRESH_PICKS, REFRESH_S, Picker
from blobtorrent.core.swarm.pieces import Event, PieceManager
from blobtorrent.core.swarm.speeds import FAST, MEDIUM, SLOW
from blobtorrent.core.swarm.tiers import COUNTED, MOST_PIECES, MOST_TIERS
from blobtorrent.core.swarm.weights import BALANCED, PRESETS, Weights, in_order
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.model.ids import PeerId
from blobtorrent.model.metainfo import FileEntry

MIB = 1 << 20


class Stage:
    """A picker, with what it picks from. Peers that have all pieces are seeds."""

    def __init__(self, size: int = 8, *others: int, have: int = RANDOM_PIECES, weights: Weights = BALANCED,
                 piece_length: int = 8 * MIB, files: tuple[int, ...] = (), seed: int = 1) -> None:
        """`have` pieces behind the `size` ones are here. `others` are what other peers have. `files` are in pieces."""
        total = size + have
        geometry = PieceGeometry(total * piece_length, piece_length)
        self.pieces = PieceManager(geometry, Bitfield(total, range(size, total)))
        self.availability = Availability(total)
        for mask in others:
            self.availability.add(mask)
        self.all = (1 << size) - 1
        entries, offset = [], 0
        for length in files:
            entries.append(FileEntry(("f", str(offset)), length * piece_length, offset))
            offset += length * piece_length
        self.links: list[Any] = []
        self.picker = Picker(self.pieces, self.availability, random.Random(seed), weights=weights, files=entries,
                             links=self.links)
        self.now = 0.0

    def link(self, mask: int | None = None, **state: Any) -> Any:
        """A peer with these pieces, all unless told."""
        link = SimpleNamespace(**{
            "mask": self.all if mask is None else mask,
            "askable": self.all if mask is None else mask, "suggested": 0, "snubbed": False, "is_suspect": False,
            "speed": MEDIUM, "is_idle": False, "is_seed": mask is None, "outstanding": (),
            "down": SimpleNamespace(rate=0.0, total=0), **state})
        self.links.append(link)
        return link

    def pick(self, link: Any, limit: int = 1) -> list[int]:
        return list(self.picker.pick(link, limit, self.now))

    def urgency(self) -> float:
        return self.picker.reading.need(self.pieces.missing_mask)[0]

    def begin(self, index: int) -> None:
        self.pieces.start(index, 0.0)

    def get(self, indices: Iterable[int]) -> None:
        """These come, and are right."""
        assemblies = [self.pieces.start(index, 0.0) for index in indices]
        for assembly in assemblies:
            assembly.fire(Event.COMPLETE)
        self.pieces.written(assemblies)

    def odds(self, link: Any, count: int = 4000) -> dict[int, float]:
        """How often each piece is the one, of so many picks."""
        counts = Counter(self.pick(link)[0] for _ in range(count))
        return {index: times / count for index, times in sorted(counts.items())}


def peers_with(*counts: int) -> list[int]:
    """What peers have when so many have piece 0, so many piece 1, ..."""
    return [sum(1 << index for index, count in enumerate(counts) if peer < count) for peer in range(max(counts))]


# ---- rarity


def test_the_rarest_piece_that_the_peer_has_comes_first():
    stage = Stage(8, 0b1111, 0b0111, 0b0011)
    assert stage.pick(stage.link(0b1111)) == [3]
    assert stage.pick(stage.link(0b0111)) == [2]


def test_only_missing_pieces_are_picked():
    stage = Stage(4, 0b1111)
    for index in (0, 1, 3):
        stage.begin(index)
    assert stage.pick(stage.link(0b1111)) == [2]
    assert stage.pick(stage.link(0b0011)) == []


def test_equals_are_picked_at_random():
    stage = Stage(8, 0xFF)
    odds = stage.odds(stage.link(), 800)
    assert set(odds) == set(range(8))
    assert min(odds.values()) > 0.06


def test_pieces_that_nobody_counted_are_picked_too():
    stage = Stage(8)
    assert stage.pick(stage.link(0b0100)) == [2]


def test_odds_are_those_of_the_formula():
    counts = (4, 5, 6, 6, 8, 12)
    stage = Stage(6, *peers_with(*counts))
    temperature = BALANCED.temperature
    worth = [exp(-log2(count) / temperature) for count in counts]
    expected = [each / sum(worth) for each in worth]
    odds = stage.odds(stage.link(), 8000)
    for index, share in enumerate(expected):
        assert odds.get(index, 0.0) == pytest.approx(share, abs=0.02)


def test_odds_are_those_of_the_formula_for_what_the_peer_has_however_much_more_there_is():
    counts = (4, 4, 4, 4, 5, 5, 5, 5)
    stage = Stage(8, *peers_with(*counts))
    link = stage.link(0b1111_0001)                         # one of the rarer ones, all of the others
    worth = exp(-log2(4 / 5) / BALANCED.temperature)
    odds = stage.odds(link, 8000)
    assert odds[0] == pytest.approx(worth / (worth + 4), abs=0.02)
    assert set(odds) == {0, 4, 5, 6, 7}


def test_the_colder_the_surer():
    def share(temperature: float) -> float:
        stage = Stage(2, *peers_with(10, 12), weights=BALANCED._replace(temperature=temperature))
        return stage.odds(stage.link())[0]

    assert share(0.02) > 0.99
    assert 0.5 < share(0.4) < share(0.15) < share(0.05)


def test_ratios_count_and_not_differences():
    few, many = Stage(2, *peers_with(4, 5)), Stage(2, *peers_with(40, 50))
    assert few.odds(few.link())[0] == pytest.approx(many.odds(many.link())[0], abs=0.03)


def test_beyond_the_rarest_tiers_the_rarest_still_comes_first():
    counts = [*range(3, 3 + MOST_TIERS), 40, 60, 200]      # the last ones are in no tier of their own
    stage = Stage(len(counts), *peers_with(*counts))
    assert stage.odds(stage.link(0b111 << MOST_TIERS), 200) == {MOST_TIERS: 1.0}


def test_when_enough_is_sorted_the_rarest_of_the_others_still_comes_first():
    counts = [3] * MOST_PIECES + [4] * 9 + [5] * 9
    stage = Stage(len(counts), *peers_with(*counts))
    assert max(stage.odds(stage.link(0b1_0000_0000_0111 << MOST_PIECES), 200)) < MOST_PIECES + 9


def test_in_a_large_torrent_the_rarest_come_first_too_as_far_as_it_matters():
    size = COUNTED + 100
    stage = Stage(size)
    everywhere = (1 << size) - 1
    for peer in range(100):
        stage.availability.add(everywhere ^ sum(1 << index for index in (10, 500, 8000) if peer >= index // 100 + 5))
    odds = stage.odds(stage.link(), 300)                   # 5, 10 and 85 peers have those, and 100 all others
    assert odds == {10: 1.0}
    assert stage.odds(stage.link(stage.all ^ 1 << 10), 300) == {500: 1.0}
    assert stage.pick(stage.link(1 << 77)) == [77]


def test_seeds_count_for_nothing():
    stage = Stage(2, *peers_with(4, 5))
    odds = stage.odds(stage.link())
    stage.availability.seeds = 1000
    stage.now += REFRESH_S
    assert stage.odds(stage.link())[0] == pytest.approx(odds[0], abs=0.03)


def divided(stage: Stage, own: int, peers: int) -> None:
    """It is the picker of one of so many peers that are linked with each other."""
    ids = [PeerId(bytes((number,)) * 20) for number in range(peers)]
    others = [SimpleNamespace(greeting=SimpleNamespace(peer_id=peer_id), is_seed=False)
              for peer_id in ids if peer_id != ids[own]]
    links: Any = others
    stage.picker.shares.divide(ids[own], links)


def test_peers_that_know_each_other_begin_with_different_pieces_of_those_that_only_seeds_have():
    begun: list[int] = []
    for own in range(4):
        stage = Stage(64, seed=own)
        divided(stage, own, 4)
        begun += stage.odds(stage.link(), 300)
    assert sorted(begun) == list(range(64))


def test_what_a_peer_has_or_suggests_is_anybody_s():
    had = Stage(16, 0xFFFF)
    divided(had, 1, 4)
    assert len(had.odds(had.link(), 600)) == 16
    suggested = Stage(16)
    divided(suggested, 1, 4)
    assert set(suggested.odds(suggested.link(suggested=0b1), 600)) == set(range(16))


def test_a_change_of_rarity_is_seen_within_a_second():
    stage = Stage(3, 0b0111, 0b0110, 0b0100)
    assert stage.pick(stage.link(0b0111)) == [0]
    for _ in range(5):
        stage.availability.add(0b0001)
    stage.now = REFRESH_S
    assert stage.pick(stage.link(0b0111)) == [1]


def test_what_is_missing_again_is_found_at_once():
    stage = Stage(2, 0b11)
    assembly = stage.pieces.start(1, 0.0)
    assert stage.pick(stage.link()) == [0]
    stage.begin(0)
    stage.pieces.drop(assembly)
    assert stage.pick(stage.link()) == [1]


@pytest.mark.parametrize("peers", [0, 1, 2])
def test_the_guard_takes_what_few_have_whatever_else_counts(peers):
    weights = BALANCED._replace(open_files=50.0, temperature=0.4)
    stage = Stage(8, *peers_with(peers, *[3] * 7), weights=weights, files=(1, 7))
    stage.begin(7)                                         # its file is open
    assert stage.odds(stage.link(), 300) == {0: 1.0}


def test_the_guard_lets_go_of_what_more_have():
    stage = Stage(8, *peers_with(3, *[4] * 7), weights=BALANCED._replace(open_files=50.0), files=(1, 7))
    stage.begin(7)
    assert 0 not in stage.odds(stage.link(), 300)


def test_the_archive_guards_more():
    stage = Stage(8, *peers_with(3, *[4] * 7), weights=PRESETS["archive"], files=(1, 7))
    stage.begin(7)
    assert stage.odds(stage.link(), 300) == {0: 1.0}


def test_at_random_everything_is_as_likely():
    stage = Stage(4, *peers_with(1, 2, 30, 60), weights=PRESETS["random"])
    assert all(share == pytest.approx(0.25, abs=0.03) for share in stage.odds(stage.link()).values())


# ---- the first pieces, and doubtful peers


def test_the_first_pieces_are_any():
    stage = Stage(4, *peers_with(1, 9, 9, 9), have=RANDOM_PIECES - 1)
    assert all(share == pytest.approx(0.25, abs=0.03) for share in stage.odds(stage.link()).values())
    assert stage.picker.is_beginning
    assert not Stage().picker.is_beginning


@pytest.mark.parametrize("doubt", ["snubbed", "is_suspect"])
def test_a_peer_of_little_worth_gets_what_most_have(doubt):
    stage = Stage(4, *peers_with(3, 7, 9, 5))
    assert stage.odds(stage.link(**{doubt: True}), 50) == {2: 1.0}
    assert stage.odds(stage.link(0b1011, **{doubt: True}), 50) == {1: 1.0}


# ---- runs


def test_a_run_is_of_neighbours_that_are_all_candidates():
    stage = Stage(8, 0xFF)
    stage.begin(2)
    stage.begin(5)
    link = stage.link()
    for _ in range(50):
        run = stage.pick(link, 3)
        assert 1 <= len(run) <= 3
        assert all(0b1101_1011 >> index & 1 for index in run)


# ---- priorities


def test_what_is_wanted_more_comes_first_however_common_it_is():
    stage = Stage(4, *peers_with(1, 3, 3, 250), files=(2, 2), weights=BALANCED._replace(open_files=50.0))
    stage.begin(0)                                         # the file of 1 is open
    stage.picker.prefer({3: 1})
    assert stage.odds(stage.link(suggested=0b10), 100) == {3: 1.0}
    stage.picker.prefer({3: 0})
    assert 3 not in stage.odds(stage.link(), 100)


@pytest.mark.parametrize("preset", PRESETS)
def test_with_any_preset_all_that_is_wanted_more_is_picked_before_the_rest(preset):
    counts = [1 + index % 9 for index in range(40)]
    stage = Stage(40, *peers_with(*counts), weights=PRESETS[preset])
    wanted = range(7, 40, 3)
    stage.picker.prefer(dict.fromkeys(wanted, 1))
    link, order = stage.link(), []
    while len(order) < len(wanted):
        run = stage.pick(link, 2)
        for index in run:
            stage.begin(index)
        order += run
    assert sorted(order) == list(wanted)


def test_what_a_reader_needs_at_once_may_be_wanted_less_and_what_it_does_not_may_not():
    stage = Stage(64, *[(1 << 64) - 1] * 9)
    stage.picker.prefer(dict.fromkeys(range(40, 64), 1))
    stage.picker.reading.read_from("a film", 0)
    link = stage.link()
    assert stage.pick(link) == [0]
    stage.get(range(BALANCED.ahead - 1))
    assert set(stage.odds(link, 200)) <= set(range(40, 64))


def test_a_doubtful_peer_gets_what_is_wanted_most_as_well():
    stage = Stage(4, *peers_with(3, 7, 9, 5))
    stage.picker.prefer({0: 1})
    assert stage.odds(stage.link(snubbed=True), 50) == {0: 1.0}


def test_what_is_wanted_less_comes_last():
    stage = Stage(2, *peers_with(5, 3))
    stage.picker.prefer({1: -1})
    assert stage.odds(stage.link(), 100) == {0: 1.0}
    assert stage.pick(stage.link(0b10)) == [1]


def test_the_guard_does_not_overrule_the_owner():
    stage = Stage(4, *peers_with(1, 4, 5, 5))
    stage.picker.prefer({2: 1, 3: 1})
    assert set(stage.odds(stage.link(), 100)) == {2, 3}


def test_the_foremost_are_those_of_the_highest_priority():
    stage = Stage(4)
    assert stage.picker.foremost(0b1111) == 0b1111
    stage.picker.prefer({0: 1, 1: -1})
    assert [stage.picker.foremost(mask) for mask in (0b1111, 0b1110, 0b0010, 0)] == [0b0001, 0b1100, 0b0010, 0]


# ---- open files and extents


def test_a_file_that_is_open_goes_on():
    stage = Stage(12, *[0xFFF] * 9, files=(4, 4, 4))
    stage.begin(5)
    odds = stage.odds(stage.link())
    bonus = exp(BALANCED.open_files / BALANCED.temperature)
    assert sum(odds.get(index, 0.0) for index in (4, 6, 7)) == pytest.approx(3 * bonus / (3 * bonus + 8), abs=0.02)


def test_an_extent_that_is_under_way_is_filled():
    stage = Stage(16, *[0xFFFF] * 9, piece_length=MIB, weights=BALANCED._replace(extent=2.0))
    stage.begin(9)
    assert set(stage.odds(stage.link(), 300)) == {8, 10, 11}


def test_other_pieces_under_way_are_seen_after_some_picks():
    stage = Stage(16, *[0xFFFF] * 9, piece_length=MIB, weights=BALANCED._replace(extent=2.0))
    link = stage.link()
    stage.pick(link)
    stage.begin(0)
    for _ in range(REFRESH_PICKS):
        stage.pick(link)
    assert set(stage.odds(link, 300)) == {1, 2, 3}


# ---- suggestions


def test_what_the_peer_suggests_is_more_likely():
    stage = Stage(8, *[0xFF] * 9)
    odds = stage.odds(stage.link(suggested=0b1_0000_0100))
    bonus = exp(BALANCED.suggested / BALANCED.temperature)
    assert odds[2] == pytest.approx(bonus / (bonus + 7), abs=0.03)


# ---- readers


def test_in_sequence_the_next_comes_first_with_its_neighbours():
    stage = Stage(8, 0b1111_0000, 0b0000_1111, weights=PRESETS["sequential"])
    for index in (0, 1, 4):
        stage.begin(index)
    assert stage.pick(stage.link(), 4) == [2, 3]
    assert stage.pick(stage.link(0b1110_0000), 2) == [5, 6]


def test_in_sequence_the_order_is_nearly_kept():
    stage = Stage(200, *peers_with(*[3 + index % 7 for index in range(200)]), weights=in_order(BALANCED), have=0)
    link, order = stage.link(), []
    while len(order) < 100:
        (index,) = stage.pick(link)
        stage.begin(index)
        order.append(index)
    assert max(abs(index - place) for place, index in enumerate(order)) <= 3


def test_a_reader_gets_what_comes_next_until_enough_lies_ahead():
    stage = Stage(64, *[(1 << 64) - 1] * 9)
    reading = stage.picker.reading
    reading.read_from("a film", 20)
    link = stage.link()
    assert stage.pick(link) == [20]
    stage.get(range(20, 20 + BALANCED.ahead))
    assert stage.urgency() == 0.0
    assert len(stage.odds(link, 400)) > 30
    reading.read_from("a film", 40)                        # it went on: less lies ahead of it
    stage.now += REFRESH_S
    assert stage.urgency() == pytest.approx(1 - 4 / BALANCED.ahead)
    assert stage.pick(link) == [44]
    reading.leave("a film")
    assert stage.urgency() == 0.0
    assert not reading.is_going_on


def test_of_several_readers_the_one_that_needs_it_most_counts():
    stage = Stage(64, *[(1 << 64) - 1] * 9)
    stage.get(range(20, 30))
    stage.picker.reading.read_from(1, 22)
    stage.picker.reading.read_from(2, 50)
    link = stage.link()
    assert stage.pick(link) == [50]
    stage.picker.reading.leave(2)
    assert stage.pick(link) == [30]


def test_a_reader_is_where_a_torrent_in_order_begins():
    stage = Stage(64, *[(1 << 64) - 1] * 9, weights=PRESETS["sequential"])
    stage.picker.reading.read_from(1, 22)
    link = stage.link()
    assert stage.pick(link) == [22]
    for index in range(22, 64):
        stage.begin(index)
    assert set(stage.odds(link, 100)) <= set(range(22))


def test_what_is_rare_goes_before_what_a_reader_does_not_need_soon():
    counts = [1] + [9] * 63
    stage = Stage(64, *peers_with(*counts))
    stage.picker.reading.read_from("a film", 1)
    link = stage.link()
    assert stage.pick(link) == [1]                         # it waits: nothing else counts
    stage.get(range(1, 24))
    assert stage.urgency() == pytest.approx(1 / 24)
    assert stage.pick(link) == [0]


def test_readers_that_begin_together_ask_a_seed_for_different_pieces_of_those_that_come_next():
    begun: list[int] = []
    for own in range(4):
        stage = Stage(64, have=0, seed=own)
        divided(stage, own, 4)
        stage.picker.reading.read_from("us", 8)
        begun += stage.odds(stage.link(), 300)
    assert sorted(begun) == list(range(8, 8 + BALANCED.reach))


def test_who_reads_beside_nobody_begins_with_the_next_piece():
    stage = Stage(64, have=0)
    divided(stage, 0, 1)
    stage.picker.reading.read_from("us", 8)
    assert stage.odds(stage.link(), 300)[8] > 0.9


@pytest.mark.parametrize("others, spreads", [
    ((), True), ((1 << 12, 1 << 30), True), ((1 << 12, 0b11 << 30, 1), False)])
def test_who_reads_beside_others_that_do_not_begins_with_the_next_piece(others, spreads):
    stage = Stage(64, *others, have=0)
    for mask in others:
        stage.link(mask)
    divided(stage, 1, 4)
    stage.picker.reading.read_from("us", 8)
    odds = stage.odds(stage.link(), 300)
    assert (odds.get(8, 0.0) < 0.5) is spreads


@pytest.mark.parametrize("somebody_reads", [False, True])
def test_a_seed_is_spared_what_others_have_while_only_seeds_have_more(somebody_reads):
    stage = Stage(8, 0b0011, 0b0110)
    if somebody_reads:
        stage.picker.reading.read_from("us", 0)
    had, seed = 0b0111, stage.link()
    assert stage.picker.left_to_leeches(seed) == had
    assert stage.picker.left_to_leeches(stage.link(0b0011)) == 0, "it is one of them"
    for index in range(3, 8):
        stage.begin(index)
    assert stage.picker.left_to_leeches(seed) == 0, "it has nothing better to do"


@pytest.mark.parametrize(("others", "collides"), [(1, False), (2, True)])
def test_readers_that_take_the_same_from_a_seed_take_any_of_what_comes_next_for_a_minute(others, collides):
    stage = Stage(64)
    stage.picker.reading.read_from("a film", 0)
    link = stage.link()
    assert stage.pick(link) == [0]
    for _ in range(others):
        stage.availability.add(1)                          # they have it at about the same time
    stage.get([0])
    stage.picker.on_written([0], stage.now)
    odds = stage.odds(link, 400)
    assert set(odds) <= set(range(1, 1 + BALANCED.reach))
    assert (len(odds) == BALANCED.reach) == collides
    stage.now += RAISED_S
    assert stage.odds(link, 400)[1] > 0.8


def test_readers_that_collide_leave_what_many_have_in_its_order():
    stage = Stage(64, *peers_with(0, *[9] * 63))
    stage.picker.reading.read_from("a film", 0)
    link = stage.link()
    assert stage.pick(link) == [0]
    for _ in range(2):
        stage.availability.add(1)
    stage.get([0])
    stage.picker.on_written([0], stage.now)
    assert stage.odds(link, 400)[1] > 0.8


def test_a_slow_peer_leaves_what_comes_next_to_a_fast_one_that_is_idle():
    stage = Stage(100, *[(1 << 100) - 1] * 9, weights=PRESETS["sequential"])
    slow, fast = stage.link(speed=SLOW), stage.link(speed=FAST, is_idle=True)
    assert stage.pick(slow)[0] >= 32
    assert stage.pick(stage.link(0b11, speed=SLOW)) == []
    fast.is_idle = False
    assert stage.pick(slow)[0] < 4


def test_a_piece_with_a_deadline_comes_before_all_others_for_who_can_bring_it_in_time():
    stage = Stage(8, *peers_with(1, *[9] * 7))
    reading = stage.picker.reading
    reading.set_deadline(5, 20.0)
    reading.set_deadline(3, 10.0)
    link = stage.link(down=SimpleNamespace(rate=1.0 * MIB, total=1))
    assert stage.pick(link) == [3]
    assert stage.pick(stage.link(0b10_0000, down=SimpleNamespace(rate=1.0 * MIB, total=1))) == [5]
    stage.now = 5.0                                        # 8 MiB take 8 s
    assert stage.pick(link) == [0]
    link.speed = FAST
    assert stage.pick(link) == [3]
    reading.drop_deadline(3)
    assert stage.pick(link) == [5]


def test_the_slowest_of_ten_is_not_waited_for():
    stage = Stage(8, *peers_with(1, *[9] * 7))
    stage.picker.reading.set_deadline(5, 1000.0)
    links = [stage.link(down=SimpleNamespace(rate=float(rate * MIB), total=1)) for rate in range(1, 11)]
    assert stage.pick(links[0]) == [0]
    assert stage.pick(links[1]) == [5]


def test_a_deadline_is_forgotten_when_the_piece_is_here():
    stage = Stage(8, *peers_with(1, *[9] * 7))
    stage.picker.reading.set_deadline(5, 1000.0)
    stage.get([5])
    assert stage.pick(stage.link()) == [0]
    assert not stage.picker.reading.is_going_on


# ---- speeds, collisions


def test_classes_of_speed_are_four_times_apart():
    stage = Stage()
    links = [stage.link(down=SimpleNamespace(rate=rate, total=1)) for rate in (1000.0, 260.0, 240.0, 70.0, 60.0, 0.0)]
    links.append(stage.link())                             # nothing is known of it
    stage.picker.on_pulse()
    assert [link.speed for link in links] == [FAST, FAST, MEDIUM, MEDIUM, SLOW, SLOW, MEDIUM]


def test_when_others_choose_the_same_it_is_chosen_more_at_random_for_a_minute():
    stage = Stage(8, *[0xFF] * 3)
    link = stage.link(0xFF)
    for _ in range(9):
        stage.link(0xFF, is_seed=False)
    link.is_seed = False
    stage.picker.on_pulse()
    (index,) = stage.pick(link)
    assert stage.picker.explain(index, link, stage.now).temperature == BALANCED.temperature
    for _ in range(4):
        stage.availability.add(1 << index)
    stage.picker.on_written([index], stage.now)
    assert stage.picker.explain(index, link, stage.now).temperature == 2 * BALANCED.temperature
    assert stage.picker.explain(index, link, stage.now + 60.0).temperature == BALANCED.temperature


# ---- weights at run time, explanations, determinism


def test_other_weights_hold_from_the_next_pick_on():
    stage = Stage(2, *peers_with(3, 60))
    link = stage.link()
    assert stage.odds(link, 50) == {0: 1.0}
    stage.picker.weights = PRESETS["random"]
    assert stage.odds(link)[1] == pytest.approx(0.5, abs=0.03)


def test_a_choice_can_be_explained_term_by_term():
    stage = Stage(12, *peers_with(*[8] * 12), files=(4, 4, 4), piece_length=MIB)
    stage.begin(5)
    stage.picker.prefer({6: 1})
    terms = stage.picker.explain(6, stage.link(suggested=0b100_0000), 0.0)
    assert terms == (-3.0, 0.0, 1.0, 0.5, 0.5, 0.15, 1, 8, False)
    assert terms.utility == -1.0
    stage.picker.weights = PRESETS["sequential"]
    assert stage.picker.explain(8, stage.link(), 0.0).sequence == pytest.approx(12 * exp(-8 / 8))
    assert Stage(1).picker.explain(0, stage.link(), 0.0).is_guarded


def test_the_explained_utilities_are_what_is_drawn_by():
    stage = Stage(6, *peers_with(4, 5, 6, 6, 8, 12), files=(3, 3), piece_length=MIB, have=RANDOM_PIECES)
    stage.begin(5)
    link = stage.link(0b11111, suggested=0b10)
    worth = {index: exp(stage.picker.explain(index, link, 0.0).utility / BALANCED.temperature) for index in range(5)}
    odds = stage.odds(link, 8000)
    for index, each in worth.items():
        assert odds.get(index, 0.0) == pytest.approx(each / sum(worth.values()), abs=0.02)


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_makes_the_same_picks(name):
    def picks() -> list[int]:
        stage = Stage(300, *peers_with(*[1 + index % 30 for index in range(300)]), weights=PRESETS[name], seed=7,
                      files=(100, 100, 100), piece_length=16 * BLOCK_SIZE)
        link, order = stage.link(), []
        for _ in range(200):
            run = stage.pick(link, 4)
            for index in run:
                stage.begin(index)
            order += run
        return order

    assert picks() == picks()
