from __future__ import annotations

import pytest

from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.metrics import Registry, Sample


def test_counters_of_one_name_are_summed_and_labels_keep_them_apart():
    registry = Registry()
    first = registry.counter("blobtorrent_received_bytes_total", "Payload received.", shard="0")
    second = registry.counter("blobtorrent_received_bytes_total", "Payload received.", shard="0")
    other = registry.counter("blobtorrent_received_bytes_total", "Payload received.", shard="1")
    first.value += 3
    second.value += 4
    other.value += 5
    assert registry.snapshot() == [
        Sample("blobtorrent_received_bytes_total", (("shard", "0"),), 7, "counter"),
        Sample("blobtorrent_received_bytes_total", (("shard", "1"),), 5, "counter"),
    ]


def test_a_gauge_is_read_when_asked():
    registry = Registry()
    depth = [4]
    registry.gauge("blobtorrent_mailbox_messages", "Messages waiting.", lambda: depth[0], mailbox="core")
    depth[0] = 9
    assert [sample.value for sample in registry.snapshot()] == [9]
    assert registry.help_of("blobtorrent_mailbox_messages") == "Messages waiting."


@pytest.mark.parametrize("name", ["blobtorrent_bytes", "received_bytes_total", "blobtorrent_Bad_total"])
def test_names_keep_the_scheme(name):
    with pytest.raises(ValueError, match="blobtorrent"):
        Registry().counter(name, "Something.")


def test_a_gauge_may_not_break_the_scheme_either():
    with pytest.raises(ValueError, match="is not blobtorrent_"):
        Registry().gauge("depth", "Something.", lambda: 0)


@pytest.mark.parametrize("name", ["blobtorrent_disk_total", "disk_seconds", "blobtorrent_Disk_seconds"])
def test_histograms_are_of_seconds_and_keep_the_scheme(name):
    with pytest.raises(ValueError, match="blobtorrent_|_seconds"):
        Registry().histogram(name, "Something.", Histogram())
