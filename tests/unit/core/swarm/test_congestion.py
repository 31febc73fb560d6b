"""The request window: how it grows, holds and shrinks, and what it makes of paths of every kind."""

from __future__ import annotations

from collections import deque

import pytest

from blobtorrent.core.swarm.congestion import DEFAULT_PEER_QUEUE, MAX_BLOCKS, MIN_BLOCKS, START_BLOCKS, RequestWindow

BLOCK = 16384
MBIT = 125_000


class Path:
    """A peer that answers requests in order at a rate, `delay_s` away (there and back), and a window that fills it."""

    def __init__(self, bytes_per_s: float, delay_s: float, *, peer_queue: int = MAX_BLOCKS) -> None:
        self.bytes_per_s = bytes_per_s
        self.delay_s = delay_s
        self.now = 0.0
        self.window = RequestWindow()
        self.window.on_peer_queue(peer_queue)
        self.received = 0
        self.waits: list[float] = []           # of every block since `run` began
        self._ticked_at, self._ticked_blocks = 0.0, 0
        self._free_at = 0.0                    # when the peer has sent what it was asked for
        self._coming: deque[tuple[float, float]] = deque()       # (asked at, arrives at)
        self._ask()

    @property
    def expected(self) -> int:
        return len(self._coming)

    def run(self, seconds: float) -> float:
        """Let so much time pass; returns the part of the path's capacity that was used."""
        end, before = self.now + seconds, self.received
        self.waits = []
        while self._coming and self._coming[0][1] <= end:
            while self._ticked_at + 1.0 <= self._coming[0][1]:
                self._tick()
            asked_at, self.now = self._coming.popleft()
            self.received += 1
            self.waits.append(self.now - asked_at)
            self.window.on_blocks(1, self.now)
            self._ask()
        self.now = end
        return (self.received - before) * BLOCK / (self.bytes_per_s * seconds)

    def _tick(self) -> None:
        self._ticked_at += 1.0
        self.window.on_tick(self.received - self._ticked_blocks, 1.0, self._ticked_at)
        self._ticked_blocks = self.received

    def _ask(self) -> None:
        room = self.window.size - len(self._coming)
        for _ in range(max(0, room)):
            self._free_at = max(self._free_at, self.now + self.delay_s / 2) + BLOCK / self.bytes_per_s
            self._coming.append((self.now, self._free_at + self.delay_s / 2))
        if room > 0:
            self.window.on_asked(room, len(self._coming), self.now)

    def slow_down(self, bytes_per_s: float) -> None:
        """What is asked from now on comes at another rate; what is queued is sent at it as well."""
        rest = max(0.0, self._free_at - self.now) * self.bytes_per_s / bytes_per_s
        left = len(self._coming)
        self._coming = deque((asked_at, self.now + rest * (place + 1) / left + self.delay_s / 2)
                             for place, (asked_at, _) in enumerate(self._coming))
        self._free_at = self.now + rest
        self.bytes_per_s = bytes_per_s


@pytest.mark.parametrize(("rate", "delay_s", "least_use", "most_mib", "most_wait_s"), [
    pytest.param(20_000, 0.08, 0.97, 0.1, 4.0, id="20 kB/s, 80 ms"),
    pytest.param(1e6, 0.02, 0.99, 0.6, 0.6, id="1 MB/s, 20 ms"),
    pytest.param(100 * MBIT, 0.1, 0.98, 6.5, 0.6, id="100 Mbit/s, 100 ms"),
    pytest.param(100 * MBIT, 0.3, 0.93, 9.5, 0.8, id="100 Mbit/s, 300 ms"),
    pytest.param(1000 * MBIT, 0.01, 0.99, 9.5, 0.1, id="1 Gbit/s, 10 ms"),
    pytest.param(1000 * MBIT, 0.1, 0.97, 24.0, 0.3, id="1 Gbit/s, 100 ms"),
])
def test_a_path_is_full_and_little_waits_at_the_peer(rate, delay_s, least_use, most_mib, most_wait_s):
    path = Path(rate, delay_s)
    assert path.run(30.0) > least_use
    assert path.run(30.0) > 0.99
    assert path.expected * BLOCK <= most_mib * (1 << 20)
    assert max(path.waits) <= most_wait_s


def test_a_path_that_becomes_slow_leaves_little_queued():
    path = Path(10e6, 0.05)
    path.run(15.0)
    path.slow_down(500e3)
    path.run(15.0)
    assert path.expected * BLOCK < 1.2 * (1 << 20)
    assert path.run(30.0) > 0.97


def test_a_path_that_becomes_longer_for_good_is_full_again():
    path = Path(1e6, 0.02)
    path.run(20.0)
    path.delay_s = 1.5
    path.run(150.0)
    assert path.run(60.0) > 0.95


def test_the_least_delay_is_not_forgotten_while_blocks_always_wait():
    path = Path(1e6, 0.02)
    path.run(600.0)
    path.run(60.0)
    assert path.window.base_s < 0.1
    assert max(path.waits) < 0.6, "or the queue would deepen by 0.3 s every two minutes"


class Ticking(Path):
    """A peer that sends at each tick of a slow clock all that it was asked for: Transmission over uTP."""

    TICK_S = 0.5

    def _ask(self) -> None:
        super()._ask()
        self._coming = deque((asked_at, -(-at // self.TICK_S) * self.TICK_S) for asked_at, at in self._coming)


@pytest.mark.parametrize("first_s", [0.001, 0.1, 0.499], ids=lambda first_s: f"asked {first_s} s before a tick")
def test_a_peer_that_answers_twice_a_second_is_asked_for_what_its_path_takes(first_s):
    path = Ticking(2e6, 0.02)
    path.now = path.TICK_S - first_s
    path.window = RequestWindow()
    path.window.on_peer_queue(MAX_BLOCKS)
    sample(path.window, path.now, first_s)
    path.run(10.0)
    assert path.run(30.0) > 0.95


def test_twice_as_much_is_asked_for_now_and_then_and_not_again_when_no_more_comes():
    window = grown(wait_s=0.5)
    size, sizes = window.size, []
    for now in range(60):
        sample(window, 100.0 + now, 0.02 + 0.5 * window.size / size)
        sizes.append(window.size)
    assert set(sizes) == {size, 2 * size}
    assert sizes.count(2 * size) == 5, "one round trip in some ten seconds"
    assert sizes[-1] == size


def test_a_trial_that_a_choke_makes_smaller_tells_nothing():
    window = grown(wait_s=0.5)
    size, base_s = window.size, window.base_s
    sample(window, 100.0, 0.5)
    assert window.size == 2 * size
    window.on_choke()
    window.on_choke()
    sample(window, 101.0, 0.25)
    assert window.base_s == base_s and window.size < size


@pytest.mark.parametrize(("rate", "delay_s", "most_wait_s"), [(1e6, 0.02, 1.1), (100 * MBIT, 0.3, 1.5)])
def test_too_much_is_asked_for_in_the_beginning_until_it_is_late_and_no_longer(rate, delay_s, most_wait_s):
    path = Path(rate, delay_s)
    path.run(10.0)
    assert max(path.waits) < most_wait_s


def test_it_begins_small_and_grows_by_a_block_for_each_that_comes():
    window = RequestWindow()
    window.on_asked(START_BLOCKS, START_BLOCKS, 0.0)
    window.on_blocks(3, 0.01)
    assert window.size == START_BLOCKS + 3
    for now in range(1, 300):
        window.on_blocks(1, 0.01 + now / 1000)
    assert window.size == DEFAULT_PEER_QUEUE


def test_it_holds_while_a_block_waits_between_the_two_marks():
    window = grown(wait_s=0.5)
    evenly(window, 99.0, 0.5 + 0.02)
    size = window.size
    for now in range(20):
        evenly(window, 100.0 + now, 0.5 + 0.02)
        window.on_blocks(50, 100.9 + now)
        assert window.size == size


def test_it_shrinks_when_blocks_wait_long_but_once_a_round_trip():
    window = grown(wait_s=0.5)
    size = window.size
    sample(window, 100.0, 2.0)
    assert window.size == int(size * 0.7)
    sample(window, 100.0, 2.01)
    assert window.size == int(size * 0.7), "what came was asked for before it shrank"
    sample(window, 103.0, 2.0)
    assert window.size == int(int(size * 0.7) * 0.7)


def test_a_window_that_is_not_used_does_not_grow():
    window = grown(wait_s=0.5)
    window.size = 200
    for now in range(50):
        sample(window, 100.0 + now, 0.02, blocks=5)
        window.on_blocks(50, 100.5 + now)
    assert window.size == 200


def test_a_large_window_grows_by_a_part_of_itself():
    window = grown(wait_s=0.5)
    window.on_peer_queue(MAX_BLOCKS)
    window.size = 640
    sample(window, 100.0, 0.02, blocks=640)
    before = window.size
    window.on_blocks(640, 100.1)
    assert 640 + 10 <= window.size <= before + 11


def test_a_peer_that_queues_much_gets_no_more_than_our_own_limit():
    window = RequestWindow()
    window.on_peer_queue(10_000)
    window.on_blocks(50_000, 0.1)
    assert window.size == MAX_BLOCKS


def test_a_peer_that_queues_little_is_never_asked_for_more():
    window = RequestWindow()
    window.on_peer_queue(1)
    assert window.size == 1
    window.on_blocks(100, 1.0)
    window.on_tick(50, 1.0, 1.0)
    assert window.size == 1
    window.on_choke()
    assert window.size == 1
    window.on_refusal(5.0)
    assert window.size == 1
    window.on_snub()
    assert window.size == 1


def test_a_choke_keeps_half_for_the_next_time():
    window = grown(wait_s=0.5)
    size = window.size
    window.on_choke()
    assert window.size == size // 2
    for _ in range(20):
        window.on_choke()
    assert window.size == MIN_BLOCKS


def test_blocks_that_the_peer_refuses_to_send_shrink_it_once_a_round_trip():
    window = grown(wait_s=0.5)
    size = window.size
    for _ in range(10):
        window.on_refusal(100.0)
    assert window.size == int(size * 0.7)


def test_a_snub_leaves_one_and_blocks_bring_it_back():
    window = grown(wait_s=0.5)
    window.on_snub()
    assert window.size == 1
    window.on_blocks(1, 200.0)
    window.on_blocks(2, 200.1)
    assert window.size == 4


def test_requests_that_are_taken_back_are_no_measure():
    window = RequestWindow()
    window.on_asked(4, 4, 0.0)
    window.on_withdrawn()
    window.on_blocks(4, 50.0)
    assert window.smoothed_s == 0.0
    window.on_asked(4, 4, 51.0)
    window.on_blocks(4, 51.2)
    assert window.smoothed_s == pytest.approx(0.2)


def test_a_slow_peer_has_four_round_trips_before_its_requests_count_as_rotten():
    window = RequestWindow()
    assert window.patience_s(10.0) == 10.0
    window.on_asked(4, 4, 0.0)
    window.on_blocks(4, 6.0)
    assert window.patience_s(10.0) == pytest.approx(24.0)


def sample(window: RequestWindow, at: float, taken_s: float, blocks: int | None = None) -> None:
    """As many blocks as the window takes (or so many) are asked for, and come all at once after `taken_s`."""
    blocks = window.size if blocks is None else blocks
    window.on_asked(blocks, blocks, at)
    window.on_blocks(blocks, at + taken_s)


def evenly(window: RequestWindow, at: float, taken_s: float) -> None:
    """As many as it takes come one after the other."""
    blocks = window.size
    window.on_asked(1, blocks, at)
    for number in range(1, blocks + 1):
        window.on_blocks(1, at + taken_s * number / blocks)


def grown(wait_s: float) -> RequestWindow:
    """A window past its slow start, of a path of 20 ms, with some queue at the peer."""
    window = RequestWindow()
    now = 0.0
    sample(window, now, 0.02)
    while window._is_starting:
        now += 1.0
        sample(window, now, 0.02 if window.size < 100 else 0.02 + wait_s)
    assert window.size > 50
    return window
