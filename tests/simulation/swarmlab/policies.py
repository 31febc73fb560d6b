"""Ways to choose pieces that are compared: the product's presets, and rules of others behind the same interface."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from blobtorrent.core.swarm import swarm as wired
from blobtorrent.core.swarm.gaps import run_at, run_from
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.picker import Picker
from blobtorrent.core.swarm.weights import PRESETS

BITOS_WINDOW = 24                      # pieces ahead of the reader: those that `balanced` cares for
BITOS_CHANCE = 0.8


class Rule(Picker):
    """A picker that goes by nothing but `choose`."""

    def pick(self, link: PeerLink, limit: int, now: float) -> range:
        candidates = link.askable & self._pieces.missing_mask
        return self.choose(candidates, limit) if candidates else range(0)

    def left_to_leeches(self, link: PeerLink) -> int:
        """Whatever is open comes first, from whoever has it."""
        return 0

    def choose(self, candidates: int, limit: int) -> range:
        """Up to `limit` neighbours of these pieces, of which there are some."""
        raise NotImplementedError

    def any_of(self, candidates: int, limit: int) -> range:
        return run_from(candidates, int(self._rng.random() * candidates.bit_length()), limit)

    def rarest_of(self, candidates: int, limit: int) -> range:
        return self.any_of(self._availability.rarest(candidates, 1)[0], limit)


class StrictRarest(Rule):
    """Rarest first, after four pieces at random."""

    def choose(self, candidates: int, limit: int) -> range:
        return self.any_of(candidates, limit) if self.is_beginning else self.rarest_of(candidates, limit)


class SparedRarest(StrictRarest):
    """The same, and a seed is not asked to go on with what leeches have, which with `StrictRarest` is a third of what
    it sends: how rare the pieces are that are begun cannot mend that."""

    left_to_leeches = Picker.left_to_leeches


class Random(Rule):
    def choose(self, candidates: int, limit: int) -> range:
        return self.any_of(candidates, limit)


class Sequential(Rule):
    def choose(self, candidates: int, limit: int) -> range:
        first = (candidates & -candidates).bit_length() - 1
        return run_at(candidates, first, limit)


class BitosWindow(Rule):
    """Rarest first in a window ahead of the reader with a fixed chance, else outside it (Vlavianos et al. 2006)."""

    def choose(self, candidates: int, limit: int) -> range:
        missing = self._pieces.missing_mask
        if not self.reading._places:
            return self.rarest_of(candidates, limit)
        place = max(self.reading._places.values())
        start = place + _lowest(missing >> place) if missing >> place else 0
        window = candidates & (1 << BITOS_WINDOW) - 1 << start
        inside = self._rng.random() < BITOS_CHANCE
        preferred = window if inside else candidates & ~window
        return self.rarest_of(preferred or candidates, limit)


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


class PickerClass:
    """What a node's swarm picks with: a class, and the settings that it is given."""

    def __init__(self, picker: type[Picker], settings: dict[str, Any]) -> None:
        self._picker = picker
        self.settings = settings

    @contextmanager
    def used_by(self, rng: random.Random) -> Iterator[None]:
        """Swarms that are opened meanwhile pick with it, and with these random numbers."""
        def make(pieces: Any, availability: Any, _rng: Any, **rest: Any) -> Picker:
            return self._picker(pieces, availability, rng, **rest)

        with patch.object(wired, "Picker", make):
            yield


POLICIES = {
    **{name: PickerClass(Picker, {"picker": weights}) for name, weights in sorted(PRESETS.items())},
    "strict-rarest": PickerClass(StrictRarest, {}),
    "spared-rarest": PickerClass(SparedRarest, {}),
    "plain-random": PickerClass(Random, {}),
    "plain-sequential": PickerClass(Sequential, {}),
    "bitos": PickerClass(BitosWindow, {}),
}
