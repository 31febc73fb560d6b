from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from blobtorrent.interface.openmetrics import expose
from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled


def families_of(registry: Registry) -> dict[str, object]:
    return {family.name: family for family in text_string_to_metric_families(expose(registry).decode())}


def test_a_counter_and_a_gauge_are_exposed_with_type_unit_and_help():
    registry = Registry()
    registry.counter("blobtorrent_loop_busy_seconds_total", "Time.", loop="core").value = 3
    registry.gauge("blobtorrent_mailbox_messages", "Waiting.", lambda: 4, mailbox="core")
    assert expose(registry).decode() == (
        "# TYPE blobtorrent_loop_busy_seconds counter\n"
        "# UNIT blobtorrent_loop_busy_seconds seconds\n"
        "# HELP blobtorrent_loop_busy_seconds Time.\n"
        'blobtorrent_loop_busy_seconds_total{loop="core"} 3\n'
        "# TYPE blobtorrent_mailbox_messages gauge\n"
        "# HELP blobtorrent_mailbox_messages Waiting.\n"
        'blobtorrent_mailbox_messages{mailbox="core"} 4\n'
        "# EOF\n"
    )


def test_nothing_is_exposed_as_a_whole_document():
    assert expose(Registry()) == b"# EOF\n"


@pytest.mark.parametrize("text", ['a "b"', "a\\b", "a\nb", "\\n", "é\u202e", ""])
def test_labels_and_help_survive_whatever_they_hold(text):
    registry = Registry()
    registry.gauge("blobtorrent_filesystem_free_bytes", f"Help {text}", lambda: 1.5, path=text)
    (family,) = families_of(registry).values()
    (sample,) = family.samples
    assert (sample.labels, sample.value, family.documentation) == ({"path": text}, 1.5, f"Help {text}")


def test_the_figures_of_one_name_stay_together_and_keep_all_their_digits():
    registry = Registry()
    total = (1 << 60) + 1
    registry.collect({"blobtorrent_a_total": "A.", "blobtorrent_b_bytes": "B."}, lambda: [
        Sample("blobtorrent_a_total", labelled(kind="x"), total, COUNTER),
        Sample("blobtorrent_b_bytes", (), 1e-7, GAUGE),
        Sample("blobtorrent_a_total", labelled(kind="y"), 2, COUNTER),
    ])
    families = families_of(registry)
    assert [sample.labels["kind"] for sample in families["blobtorrent_a"].samples] == ["x", "y"]
    assert f'kind="x"}} {total}\n' in expose(registry).decode()
    assert families["blobtorrent_b_bytes"].samples[0].value == 1e-7


def test_histograms_are_exposed_by_classes_that_hold_the_ones_below():
    registry = Registry()
    fast, slow, other = (Histogram((0.5, 10.0)) for _ in range(3))
    for seconds in (0.25, 0.5, 9.0):
        fast.note(seconds)
    slow.note(99.0)
    other.note(1.0)
    registry.histogram("blobtorrent_disk_job_seconds", "Time.", fast, kind="read")
    registry.histogram("blobtorrent_disk_job_seconds", "Time.", slow, kind="read")
    registry.histogram("blobtorrent_disk_job_seconds", "Time.", other, kind="write")
    registry.counter("blobtorrent_z_total", "Z.")
    (family,) = [family for family in families_of(registry).values() if family.type == "histogram"]
    assert (family.name, family.unit, family.documentation) == ("blobtorrent_disk_job_seconds", "seconds", "Time.")
    found = [(sample.name.rpartition("_")[2], *sample.labels.values(), sample.value) for sample in family.samples]
    assert found == [
        ("bucket", "read", "0.5", 2), ("bucket", "read", "10.0", 3), ("bucket", "read", "+Inf", 4),
        ("count", "read", 4), ("sum", "read", 108.75),
        ("bucket", "write", "0.5", 0), ("bucket", "write", "10.0", 1), ("bucket", "write", "+Inf", 1),
        ("count", "write", 1), ("sum", "write", 1.0),
    ]
