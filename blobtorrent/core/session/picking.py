"""What is said about the choice of pieces, in the settings and of a torrent, and the weights that it makes. Pure.

A torrent has settings of the same names as the table `picker`. They hold in place of those, one by one; a preset of its
own, in place of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blobtorrent.config.transfers import PickerSettings
from blobtorrent.core.swarm.weights import BALANCED, PRESETS, Weights

# The field of Weights that each setting but the preset gives.
_FIELDS = {
    "temperature": "temperature",
    "weight_rarity": "rarity",
    "weight_sequence": "sequence",
    "weight_open_files": "open_files",
    "weight_extent": "extent",
    "weight_suggested": "suggested",
    "guard": "guard",
}


WEIGHT_NAMES = tuple(name for name in _FIELDS if name.startswith("weight_"))


def weights_of(settings: PickerSettings) -> Weights:
    given = {
        "temperature": settings.temperature,
        "weight_rarity": settings.weight_rarity,
        "weight_sequence": settings.weight_sequence,
        "weight_open_files": settings.weight_open_files,
        "weight_extent": settings.weight_extent,
        "weight_suggested": settings.weight_suggested,
        "guard": settings.guard,
    }
    said: dict[str, str | float] = {name: value for name, value in given.items() if value is not None}
    return changed_weights(BALANCED, {"preset": settings.preset, **said})


def changed_weights(weights: Weights, given: Mapping[str, str | float]) -> Weights:
    """These, but for what is given by the names of the settings."""
    if "preset" in given:
        weights = PRESETS[str(given["preset"])]
    fields: dict[str, Any] = {_FIELDS[name]: value for name, value in given.items() if name in _FIELDS}
    return weights._replace(**fields)


def read_picker(value: object) -> dict[str, str | float]:
    """Such settings, as JSON or TOML delivers them; those that are null or "preset" are as good as not given.

    Raises ValueError, with words that follow "picker".
    """
    if not isinstance(value, dict):
        raise ValueError("must be an object of settings, such as preset and temperature")
    readers = dict(PickerSettings.options())
    said = {}
    for name, setting in value.items():
        if name not in readers:
            raise ValueError(f"has no {name!r}; there are {', '.join(readers)}")
        try:
            read = None if setting is None else readers[name].read(setting)
        except ValueError as error:
            raise ValueError(f"has {name}, which {error}") from None
        if read is not None:
            said[name] = read
    return said
