"""The request window: doubles while that helps, follows the rate down, keeps the peer's limit."""

from __future__ import annotations

from blobtorrent.core.swarm.congestion import DEFAULT_PEER_QUEUE, MAX_BLOCKS, MIN_BLOCKS, START_BLOCKS, RequestWindow


def test_a_windowful_of_blocks_doubles_it_up_to_the_peers_limit():
    window = RequestWindow()
    window.on_blocks(START_BLOCKS - 1)
    assert window.size == START_BLOCKS
    window.on_blocks(1)
    assert window.size == 2 * START_BLOCKS
    for _ in range(20):
        window.on_blocks(1000)
    assert window.size == DEFAULT_PEER_QUEUE


def test_a_peer_that_queues_much_gets_no_more_than_our_own_limit():
    window = RequestWindow()
    window.on_peer_queue(10_000)
    for _ in range(20):
        window.on_blocks(1000)
    assert window.size == MAX_BLOCKS


def test_a_peer_that_queues_little_is_never_asked_for_more():
    window = RequestWindow()
    window.on_peer_queue(1)
    assert window.size == 1
    window.on_blocks(100)
    window.on_tick(50, 1.0)
    assert window.size == 1
    window.on_snub()
    assert window.size == 1


def test_a_window_far_deeper_than_the_rate_needs_shrinks_towards_it():
    window = RequestWindow()
    for _ in range(5):
        window.on_blocks(1000)
    for _ in range(30):
        window.on_tick(10, 1.0)
    assert START_BLOCKS < window.size <= START_BLOCKS + 15


def test_a_fast_link_keeps_its_window():
    window = RequestWindow()
    for _ in range(5):
        window.on_blocks(1000)
    for _ in range(30):
        window.on_tick(1000, 1.0)
    assert window.size == DEFAULT_PEER_QUEUE


def test_a_snub_leaves_the_least_and_blocks_bring_it_back():
    window = RequestWindow()
    window.on_snub()
    assert window.size == MIN_BLOCKS
    window.on_blocks(2)
    assert window.size == 2 * MIN_BLOCKS
