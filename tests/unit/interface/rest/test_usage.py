from __future__ import annotations

from blobtorrent.interface.rest.usage import Usage
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
