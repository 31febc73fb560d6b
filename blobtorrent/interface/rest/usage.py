"""Usage: how often each route was asked for, and how that ended. Written by the thread `rest`, read by exporters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blobtorrent.runtime.metrics import COUNTER, Registry, Sample, labelled

NO_ROUTE = "none"                      # for what is no resource, or was refused before anybody looked for one

_RESPONSES = "blobtorrent_rest_responses_total"


class Usage:
    """Routes are those of our table, never what a client wrote; of a status only the class counts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, route: str, status: int) -> None:
        self._counts[route, f"{status // 100}xx"] += 1

    def measure(self, registry: Registry) -> None:
        registry.collect({_RESPONSES: "Answers by route and class of status."}, self._samples)

    def _samples(self) -> Iterable[Sample]:
        return [
            Sample(_RESPONSES, labelled(route=route, status=status), count, COUNTER)
            for (route, status), count in dict(self._counts).items()
        ]
