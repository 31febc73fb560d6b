"""All kinds of evil, by name."""

from __future__ import annotations

from tests.support.evil import leeches, seeds, words
from tests.support.evil.visits import Visit

SEEDS: tuple[type[Visit], ...] = (
    seeds.Corrupting, seeds.Mute, seeds.Stammering, seeds.Miscut, seeds.Pushing, seeds.Halting)
LEECHES: tuple[type[Visit], ...] = (
    leeches.Silent, leeches.Deaf, leeches.Nibbling, leeches.Fickle, leeches.Refused, leeches.Choking)
WORDS: tuple[type[Visit], ...] = (
    words.Slow, words.Speechless, words.Boasting, words.Hoarding, words.Bitfields, words.Rattling, words.Extending,
    words.Contradicting)
ALL = SEEDS + LEECHES + WORDS
