"""Tables of addresses, against a list of verdicts by address."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.session.addresses import AddressTable, Span, read_span
from tests.support.rtorrentsession import SessionStage

NUMBERS = st.integers(0, 20)


@pytest.mark.parametrize(("text", "shown"), [
    ("192.0.2.7", "192.0.2.7-192.0.2.7"), (" 192.0.2.0/24 ", "192.0.2.0-192.0.2.255"),
    ("192.0.2.77/24", "192.0.2.0-192.0.2.255"), ("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"),
    ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
])
def test_a_range_is_written_in_three_ways(text: str, shown: str) -> None:
    assert str(read_span(text)) == shown


@pytest.mark.parametrize("text", ["", "junk", "1.2.3", "1.2.3.256", "1.2.3.4/33", "1.2.3.9-1.2.3.4", "1.2.3.4/", "::1"])
def test_anything_else_is_none(text: str) -> None:
    assert read_span(text) is None


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from(("unwanted", "preferred"))), max_size=20))
def test_a_range_has_its_verdict_and_drops_what_it_overlaps(spans: list[tuple[int, int, str]]) -> None:
    table = AddressTable()
    verdicts: dict[Span, str] = {}
    for one, other, verdict in spans:
        span = Span(min(one, other), max(one, other))
        table.add(span, verdict)
        joined = span
        for old in list(verdicts):
            if old.first <= span.last and span.first <= old.last and verdicts.pop(old) == verdict:
                joined = Span(min(joined.first, old.first), max(joined.last, old.last))
        verdicts[joined] = verdict
    assert list(table.items()) == sorted(verdicts.items())
    for address in range(22):
        wanted = [verdict for span, verdict in verdicts.items() if span.first <= address <= span.last]
        try:
            assert [table.find(str(IPv4Address(address)))] == wanted
        except Fault:
            assert wanted == []


def test_the_unwanted_are_kept_out(tmp_path: Path) -> None:
    stage = SessionStage()
    stage.call("ipv4_filter.add_address", "10.0.0.0/8", "unwanted")
    stage.call("ipv4_filter.add_address", "11.0.0.0/8", "preferred")
    (tmp_path / "list").write_text("# c\n192.0.2.0/24\n")
    stage.call("ipv4_filter.load", str(tmp_path / "list"), "unwanted")
    filters = stage.engine.settings().filters
    assert filters.block == ("10.0.0.0-10.255.255.255",)
    assert filters.files == (tmp_path / "list",)
    assert [stage.call("ipv4_filter.get", address) for address in ("10.1.1.1", "11.1.1.1", "192.0.2.9")] == [32, 64, 32]
