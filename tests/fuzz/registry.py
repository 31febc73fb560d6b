"""What is fuzzed: targets, each a function of bytes with the errors that it may raise.

A target is called MODULE.NAME and stands in `targets/MODULE.py`, so that one of them is loaded without all others.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
MAX_BYTES = 1 << 16                    # of one case, where a target does not say otherwise


class Shape(Enum):
    """What most cases of a target look like, so that they are bent where it matters."""

    BYTES = "bytes"
    BENCODE = "bencode"
    JSON = "json"
    XML = "xml"
    EVENTS = "events"                  # a run of events, see `shapes.read_events`
    BENCODED_EVENTS = "bencoded events"


@dataclass(frozen=True)
class Target:
    """`run` gives back what came of it, in few different words, and raises only `errors`; anything else is a find."""

    name: str
    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Callable[[], Iterable[bytes]]
    tokens: tuple[bytes, ...]
    shape: Shape
    max_bytes: int

    @property
    def corpus(self) -> Path:
        """Where the cases are that once were finds."""
        return CORPUS / self.name

    def found_before(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.corpus.glob("*.bin"))]


_targets: dict[str, Target] = {}


def target(name: str, *, errors: tuple[type[Exception], ...] = (), seeds: Callable[[], Iterable[bytes]],
           tokens: Iterable[bytes] = (), shape: Shape = Shape.BYTES,
           max_bytes: int = MAX_BYTES) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Register the function below as a target. `seeds` are good cases, `tokens` what is worth putting into them."""
    def register(run: Callable[[bytes], object]) -> Callable[[bytes], object]:
        if not run.__module__.endswith(f".{name.partition('.')[0]}") or name in _targets:
            raise ValueError(f"a target that would not be found: {name}")
        _targets[name] = Target(name, run, errors, seeds, tuple(tokens), shape, max_bytes)
        return run

    return register


def load(name: str) -> Target:
    """The target of this name. Raises KeyError."""
    module = name.partition(".")[0]
    if not (HERE / "targets" / f"{module}.py").is_file():
        raise KeyError(name)
    importlib.import_module(f"tests.fuzz.targets.{module}")
    return _targets[name]


def load_all() -> list[Target]:
    """Every target, by name."""
    for path in sorted((HERE / "targets").glob("*.py")):
        importlib.import_module(f"tests.fuzz.targets.{path.stem}")
    return [_targets[name] for name in sorted(_targets)]
