"""Figures of many runs, their medians, and the ratio of ours to the best of the others, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.bench.contestants import OURS


class Better(Enum):
    HIGHER = "higher"
    LOWER = "lower"


@dataclass
class Measure:
    """One figure of one kind of work, for each contestant in several runs.

    `must` and `aim` bound the ratio ours / `against`: the best of the others in the same runs when `against` is None,
    else the contestant of that name. Without `must` the figure is told for information.
    """

    work: str
    figure: str                        # with its unit
    better: Better
    must: float | None = None
    aim: float | None = None
    against: str | None = None
    runs: dict[str, list[float]] = field(default_factory=dict)

    def add(self, contestant: str, value: float) -> None:
        self.runs.setdefault(contestant, []).append(value)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self.runs.items()}

    def reference(self) -> tuple[str, float] | None:
        """Who ours is compared with, and its median."""
        others = {name: value for name, value in self.medians().items() if name != OURS}
        if self.against is not None:
            return (self.against, others[self.against]) if self.against in others else None
        if not others:
            return None
        pick = max if self.better is Better.HIGHER else min
        best = pick(others, key=lambda name: others[name])
        return best, others[best]

    def ratio(self) -> float | None:
        reference, ours = self.reference(), self.medians().get(OURS)
        return None if reference is None or ours is None or not reference[1] else ours / reference[1]

    def verdict(self) -> str:
        """"aim", "must" or "short"; "" when there is nothing to compare or no bound."""
        value = self.ratio() if self.against or self.reference() else self.medians().get(OURS)
        if value is None or self.must is None:
            return ""
        for name, bound in (("aim", self.aim), ("must", self.must)):
            if bound is not None and (value >= bound if self.better is Better.HIGHER else value <= bound):
                return name
        return "short"

    def as_json(self) -> dict[str, Any]:
        reference = self.reference()
        return {"work": self.work, "figure": self.figure, "better": self.better.value, "must": self.must,
                "aim": self.aim,
                "reference": reference[0] if reference else None, "ratio": self.ratio(), "verdict": self.verdict(),
                "medians": self.medians(), "runs": self.runs}


def table(measures: Iterable[Measure]) -> str:
    """One line a measure: medians of all, the ratio, what it must be and aims at, and the verdict."""
    measures = list(measures)
    names = list(dict.fromkeys(name for measure in measures for name in measure.runs))
    names.sort(key=lambda name: name != OURS)
    lines = [["work", "figure", *names, "ratio", "must", "aim", "verdict"]]
    for measure in measures:
        medians, sign = measure.medians(), ">=" if measure.better is Better.HIGHER else "<="
        bounds = ["" if bound is None else f"{sign} {bound:g}" for bound in (measure.must, measure.aim)]
        ratio = measure.ratio()
        lines.append([
            measure.work, measure.figure, *(_short(medians.get(name)) for name in names),
            "" if ratio is None else f"{ratio:.2f}", *bounds, measure.verdict()])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) if column < 2 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
                     for line in lines)


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
