"""Weights out of what settings and a torrent's owner say."""

from __future__ import annotations

from math import inf

import pytest

from blobtorrent.config.transfers import PICKER_PRESETS, PickerSettings
from blobtorrent.core.session.picking import changed_weights, read_picker, weights_of
from blobtorrent.core.swarm.weights import BALANCED, PRESETS, hotter, in_order


def test_the_settings_have_the_presets_that_there_are():
    assert list(PICKER_PRESETS) == list(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_it_is(name):
    assert weights_of(PickerSettings(preset=name)) == PRESETS[name]


def test_every_setting_has_its_weight():
    settings = PickerSettings(
        temperature=0.3, weight_rarity=2.0, weight_sequence=3.0, weight_open_files=4.0, weight_extent=5.0,
        weight_suggested=6.0, guard=7.0)
    assert weights_of(settings)[:7] == (2.0, 3.0, 4.0, 5.0, 6.0, 0.3, 7.0)


def test_a_torrents_own_preset_holds_in_place_of_all_settings_and_what_else_it_has_one_by_one():
    usual = BALANCED._replace(rarity=3.0)
    assert changed_weights(usual, {}) == usual
    assert changed_weights(usual, {"guard": 5.0}) == usual._replace(guard=5.0)
    assert changed_weights(usual, {"preset": "archive", "guard": 5.0}) == PRESETS["archive"]._replace(guard=5.0)


def test_what_is_as_the_settings_say_need_not_be_said():
    assert read_picker({"preset": "rarest", "temperature": "preset", "guard": None, "weight_extent": 1}) == {
        "preset": "rarest", "weight_extent": 1.0}


@pytest.mark.parametrize("value", [
    None, [], "rarest", {"preset": "best"}, {"preset": 1}, {"temperature": 0}, {"temperature": inf},
    {"temperature": float("nan")}, {"guard": True}, {"weight_rarity": -1}, {"rarity": 1}, {1: 2},
])
def test_what_cannot_be_used_is_refused(value):
    with pytest.raises(ValueError):
        read_picker(value)


def test_who_wants_pieces_in_order_gets_them_so_with_any_preset():
    for weights in PRESETS.values():
        ordered = in_order(weights)
        assert ordered.is_in_order
        assert ordered.sequence >= PRESETS["sequential"].sequence


def test_a_temperature_that_rises_stays_below_a_bound_unless_it_was_above():
    assert [hotter(each) for each in (0.05, 0.15, 0.3, 0.5, inf)] == [0.1, 0.3, 0.4, 0.5, inf]
