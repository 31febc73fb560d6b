"""Which key does what, on each keyboard."""

from __future__ import annotations

import pytest

from blobtorrent.cli.top.keys import KEYBOARDS, Action, keys_of, shown_key

STEPS = (1, 5, 50, -1, -5, -50)
# The same places of each keyboard.
PLACES = {"qwerty": "asdzxc", "azerty": "qsdwxc", "qwertz": "asdyxc", "dvorak": "aoe;qj"}
SHIFTED = {"qwerty": "ASDZXC", "azerty": "QSDWXC", "qwertz": "ASDYXC", "dvorak": "AOE:QJ"}


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_the_limits_are_at_the_same_places_everywhere(keyboard: str) -> None:
    keys = keys_of(keyboard)
    for keymap in (keys.listing, keys.details, keys.reading):
        assert [keymap.find(key) for key in PLACES[keyboard]] == [(Action.LIMIT_UP, step) for step in STEPS]
        assert [keymap.find(key) for key in SHIFTED[keyboard]] == [(Action.LIMIT_DOWN, step) for step in STEPS]


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_nothing_is_out_of_reach_on_any_keyboard(keyboard: str) -> None:
    keys, usual = keys_of(keyboard), keys_of("qwerty")
    for group, same in zip(keys.help, usual.help):
        assert {binding.help for binding in group[1]} >= {binding.help for binding in same[1] if binding.help}
    for keymap in (keys.listing, keys.details, keys.reading):
        assert keymap.find("^Q") == (Action.QUIT, 0)
    assert keys.details.find("esc") == keys.reading.find("esc") == (Action.CLOSE, 0)


def test_what_was_on_a_key_of_the_limits_gives_way() -> None:
    assert keys_of("qwerty").listing.find("q") == keys_of("qwertz").listing.find("q") == (Action.QUIT, 0)
    dvorak = keys_of("dvorak")
    assert (dvorak.listing.find("s"), dvorak.listing.find("S")) == ((Action.ORDER, 0), (Action.REVERSE, 0))
    assert keys_of("qwerty").listing.find("o") == (Action.ORDER, 0)
    assert keys_of("azerty").listing.find("z") is None


def test_a_keyboard_that_is_not_known_is_taken_for_the_usual_one() -> None:
    assert keys_of("colemak").listing.find("z") == (Action.LIMIT_UP, -1)


def test_the_help_page_has_the_keys_that_there_are() -> None:
    shown = {shown_key(key) for _, bindings in keys_of("azerty").help for binding in bindings for key in binding.keys}
    assert "w" in shown and "z" not in shown
