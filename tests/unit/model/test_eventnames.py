from __future__ import annotations

from blobtorrent.model.eventnames import EVENT_NAMES, GAP, HOOK_EVENTS, PIECE_VERIFIED


def test_the_names_are_those_that_clients_and_settings_know():
    assert set(EVENT_NAMES.values()) == {
        "gap", "torrent-added", "state-changed", "held-changed", "piece-verified", "torrent-finished",
        "torrent-failed", "torrent-checked", "torrent-changed", "torrent-moved", "torrent-removed", "space-low",
        "space-back", "damage-found", "settings-applied",
    }


def test_no_two_events_share_a_name():
    assert len(set(EVENT_NAMES.values())) == len(EVENT_NAMES)


def test_hooks_hear_of_everything_but_gaps_and_single_pieces():
    assert set(EVENT_NAMES.values()) - set(HOOK_EVENTS) == {GAP, PIECE_VERIFIED} == {"gap", "piece-verified"}
