"""What the product's picker, windows, choker and blame have to show, judged by many runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from tests.simulation.swarmlab.metrics import Result
from tests.simulation.swarmlab.players import ALL_BEGIN_AFTER_S

OURS, RAREST, WINDOW = "balanced", "strict-rarest", "bitos"
SPARED = "spared-rarest"               # strict rarest first that a seed is spared by as it is by ours
MARGIN = 1.02                          # of what may not be worse
TOO_SOON = ", which says nothing: the seed was gone too soon for either"
SWARMS = (
    "flash", "flash-10-files", "flash-3-files", "flash-3000-files", "poisson", "seed-quits-1.1", "seed-quits-1.3",
    "seed-quits-1.6", "free-riders", "mighty")
WATCHED = ("watch-20", "watch-all")
QUITS = ("seed-quits-many-1.3", "seed-quits-many-1.6")
RESCUES, STRANDS = (OURS, "rarest", SPARED), ("random", "sequential")  # by when the seed is gone there
# In the flash crowd a peer rarely has more than one piece that we lack, so there is little to choose from; where peers
# join one after another they have twenty.
FILES = ("flash", "flash-10-files", "poisson")
PATHS = ("path-20k-80ms", "path-1M-20ms", "path-12M-100ms", "path-12M-300ms")

Runs = Mapping[str, Mapping[str, Sequence[Result]]]        # by scenario and policy


class Verdict(NamedTuple):
    """One line: what was to be shown, and what came out."""

    is_met: bool
    what: str
    measured: str

    def __str__(self) -> str:
        return f"{'met' if self.is_met else 'NOT MET':8} {self.what}: {self.measured}"


def of(results: Sequence[Result], name: str, pick: Callable[[Sequence[float]], float] = median) -> float:
    """One value of all seeds, their median unless told otherwise."""
    return pick([result.values[name] for result in results])


def judge(runs: Runs) -> Iterator[Verdict]:
    """All that can be said of the scenarios that were run."""
    for scenario in SWARMS:
        if scenario in runs and {OURS, RAREST} <= runs[scenario].keys():
            yield from _as_good_as_rarest(scenario, runs[scenario][OURS], runs[scenario][RAREST])
    for scenario in QUITS:
        if scenario in runs:
            yield from _quits(scenario, runs[scenario])
    for scenario in WATCHED:
        if scenario in runs and {OURS, WINDOW} <= runs[scenario].keys():
            # Who begins later stalls less, and the window brings the first pieces late: so both ways are judged.
            for name, begun in (("stalled", "when five pieces are there"),
                                ("stalled later", f"after {ALL_BEGIN_AFTER_S:.0f} s")):
                ours, window = (of(runs[scenario][policy], name) for policy in (OURS, WINDOW))
                yield Verdict(
                    ours <= window / 2, f"{scenario}: begun {begun}, seconds stalled at most half of the static "
                    "window's", f"{ours:.1f} against {window:.1f}")
    for scenario in PATHS:
        if scenario in runs:
            late = of(runs[scenario][OURS], "late wait")
            yield Verdict(late <= 2.0, f"{scenario}: 19 of 20 blocks wait at most twice the median of their path",
                          f"{late:.2f} times")
    for scenario in FILES:
        if scenario in runs and {OURS, RAREST} <= runs[scenario].keys():
            ours, rarest = (of(runs[scenario][policy], "open files") for policy in (OURS, RAREST))
            yield Verdict(ours <= 0.75 * rarest, f"{scenario}: a quarter fewer open files than strict rarest first",
                          f"{ours:.2f} against {rarest:.2f}")
    if "tail" in runs:
        tail = of(runs["tail"][OURS], "tail")
        yield Verdict(tail <= 2.0, "tail: from 99 % to 100 % in 2 s, with a dead peer among ten", f"{tail:.2f} s")
    if "hostile" in runs:
        yield from _hostile(runs["hostile"][OURS])


def _as_good_as_rarest(scenario: str, ours: Sequence[Result], rarest: Sequence[Result]) -> Iterator[Verdict]:
    # With few pieces too many of them are under way at once for any picker: of such swarms `_quits` judges larger ones.
    is_void = of(ours, "stranded") > 0 and not any("spread at" in result.values for result in (*ours, *rarest))
    for verdict in _no_worse(scenario, ("stranded", "last", "mean", "seed copies"), ours, rarest):
        yield verdict._replace(measured=verdict.measured + TOO_SOON) if is_void else verdict


def _no_worse(scenario: str, names: Sequence[str], ours: Sequence[Result], rarest: Sequence[Result]
              ) -> Iterator[Verdict]:
    for name in names:
        mine, theirs = of(ours, name), of(rarest, name)
        yield Verdict(mine <= MARGIN * theirs, f"{scenario}: {name} no worse than strict rarest first by over 2 %",
                      f"{mine:.4g} against {theirs:.4g}")


def _quits(scenario: str, policies: Mapping[str, Sequence[Result]]) -> Iterator[Verdict]:
    """What counts is the worst run; and that it matters there how pieces are chosen."""
    for policy in RESCUES:
        if policy in policies:
            stranded = of(policies[policy], "stranded", max)
            yield Verdict(not stranded, f"{scenario}: {policy} strands nobody", f"at worst {stranded:.0f}")
    for policy in STRANDS:
        if policy in policies:
            stranded = of(policies[policy], "stranded", min)
            yield Verdict(stranded > 0, f"{scenario}: {policy} strands some, so that pickers are told apart",
                          f"at best {stranded:.0f}")
    if {OURS, SPARED} <= policies.keys():
        yield from _no_worse(scenario, ("last", "mean"), policies[OURS], policies[SPARED])


def _hostile(results: Sequence[Result]) -> Iterator[Verdict]:
    stranded, wasted = of(results, "stranded", max), of(results, "wasted", max)
    banned = of(results, "honest banned", max)
    yield Verdict(
        not stranded, f"hostile: everybody completes, {len(results)} seeds", f"at worst {stranded:.0f} do not")
    yield Verdict(wasted < 0.1, "hostile: waste below 10 % of what came", f"at worst {100 * wasted:.1f} %")
    yield Verdict(not banned, "hostile: no honest peer is banned", f"at worst {banned:.0f} are")
