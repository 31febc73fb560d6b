"""Figures as OpenMetrics text 1.0, which Prometheus and its kin collect. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby

from blobtorrent.runtime.metrics import COUNTER, Labels, Registry, Sample, Times

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_END = "# EOF\n"
_UNITS = ("seconds", "bytes")          # base units; other names end in what is counted, which is no unit


def expose(registry: Registry) -> bytes:
    """Everything that the registry knows now."""
    lines: list[str] = []
    for name, samples in groupby(registry.snapshot(), key=lambda sample: sample.name):
        lines += _family(name, registry.help_of(name), samples)
    for name, times in groupby(registry.times(), key=lambda times: times.name):
        lines += _histograms(name, registry.help_of(name), times)
    return ("".join(lines) + _END).encode()


def _family(name: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """All figures of one name: a counter's family is called without the "_total" of its samples."""
    samples = list(samples)
    family = name.removesuffix("_total") if samples[0].kind == COUNTER else name
    yield from _about(family, samples[0].kind, help_text)
    for sample in samples:
        yield f"{name}{_labels(sample.labels)} {_number(sample.value)}\n"


def _histograms(family: str, help_text: str, all_times: Iterable[Times]) -> Iterator[str]:
    """All of one name. Here each class holds the ones below it."""
    yield from _about(family, "histogram", help_text)
    for _, labels, reading in all_times:
        ends = [*map(_number, reading.bounds), "+Inf"]
        counts = list(accumulate(reading.counts))
        for end, count in zip(ends, counts):
            yield f"{family}_bucket{_labels((*labels, ('le', end)))} {count}\n"
        yield f"{family}_count{_labels(labels)} {counts[-1]}\n"
        yield f"{family}_sum{_labels(labels)} {_number(reading.sum_s)}\n"


def _about(family: str, kind: str, help_text: str) -> Iterator[str]:
    yield f"# TYPE {family} {kind}\n"
    unit = family.rpartition("_")[2]
    if unit in _UNITS:
        yield f"# UNIT {family} {unit}\n"
    yield f"# HELP {family} {_escaped(help_text)}\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    """Whole numbers in full: a double has no place for all bytes of a year."""
    return str(value) if isinstance(value, int) else repr(float(value))
