from __future__ import annotations

from blobtorrent.interface.rest.usage import CHANGE, READ, Usage
from blobtorrent.runtime.metrics import Registry


def test_answers_are_counted_by_route_and_class():
    usage, registry = Usage(), Registry()
    usage.measure(registry)
    for status in (200, 204, 503):
        usage.note("GET /v1/torrents", status)
    usage.note("none", 404)
    assert {tuple(value for _, value in sample.labels): sample.value for sample in registry.snapshot()} == {
        ("GET /v1/torrents", "2xx"): 2, ("GET /v1/torrents", "5xx"): 1, ("none", "4xx"): 1,
    }


def test_times_are_counted_by_the_kind_of_route():
    usage, registry = Usage(), Registry()
    usage.measure(registry)
    usage.note_time(READ, 0.25)
    usage.note_time(READ, 0.5)
    usage.note_time(CHANGE, 1.0)
    found = {times.labels: (sum(times.reading.counts), times.reading.sum_s) for times in registry.times()}
    assert found == {
        (("kind", "at-once"),): (0, 0.0), (("kind", "read"),): (2, 0.75), (("kind", "change"),): (1, 1.0)}
