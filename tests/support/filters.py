"""Filters from lines of a list."""

from __future__ import annotations

from blobtorrent.model.addressfilter import AddressFilter
from blobtorrent.model.blocklines import read_line
from blobtorrent.model.blocklist import RangeBuilder, Ranges


def ranges_of(*lines: str) -> Ranges:
    builder, ranges = RangeBuilder(), Ranges()
    for line in lines:
        found = read_line(line.encode())
        assert found is not None
        builder.add(*found)
    for _ in builder.pack(ranges):
        pass
    return ranges


def filter_of(*lines: str) -> AddressFilter:
    """One list, called "list"."""
    return AddressFilter({"list": ranges_of(*lines)}, ranges_of())
