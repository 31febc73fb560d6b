"""Usage: how often each route was asked for, how that ended and how long it took. Written by the thread `rest`, read by
exporters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.metrics import COUNTER, Registry, Sample, labelled

NO_ROUTE = "none"                      # for what is no resource, or was refused before anybody looked for one

AT_ONCE, READ, CHANGE = "at-once", "read", "change"        # classes of routes, by what their answers cost

_RESPONSES = "blobtorrent_rest_responses_total"
_REQUEST_TIMES = "blobtorrent_rest_request_seconds"


class Usage:
    """Routes are those of our table, never what a client wrote; of a status only the class counts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._times = {kind: Histogram() for kind in (AT_ONCE, READ, CHANGE)}

    def note(self, route: str, status: int) -> None:
        self._counts[route, f"{status // 100}xx"] += 1

    def note_time(self, kind: str, seconds: float) -> None:
        """From a request that was there to an answer that can be sent."""
        self._times[kind].note(seconds)

    def measure(self, registry: Registry) -> None:
        registry.collect({_RESPONSES: "Answers by route and class of status."}, self._samples)
        for kind, times in self._times.items():
            registry.histogram(
                _REQUEST_TIMES, "From a request to its answer, waiting for a thread included.", times, kind=kind)

    def _samples(self) -> Iterable[Sample]:
        return [
            Sample(_RESPONSES, labelled(route=route, status=status), count, COUNTER)
            for (route, status), count in dict(self._counts).items()
        ]
