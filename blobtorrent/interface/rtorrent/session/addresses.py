"""Tables of addresses and what is thought of them. Pure.

As in rTorrent, a range that overlaps one with another verdict takes its whole place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from blobtorrent.interface.rtorrent.faults import failed

VERDICTS: Final = {"unwanted": 32, "preferred": 64}
MAX_RANGES: Final = 10_000
BITS: Final = 32
MAX_ADDRESS: Final = (1 << BITS) - 1
_ADDRESS: Final = r"([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})"
_RANGE: Final = re.compile(rf"\s*{_ADDRESS}\s*(?:/\s*([0-9]{{1,2}})|-\s*{_ADDRESS})?\s*")


class Span(NamedTuple):
    """Addresses of IPv4 as numbers, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{IPv4Address(self.first)}-{IPv4Address(self.last)}"


def read_span(text: str) -> Span | None:
    """`ADDRESS`, `ADDRESS/BITS` or `ADDRESS-ADDRESS`; None when it is none of these."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    try:
        first = int(IPv4Address(found[1]))
        last = first if found[3] is None else int(IPv4Address(found[3]))
    except ValueError:
        return None
    if found[2] is not None:
        bits = BITS - int(found[2])
        if bits < 0:
            return None
        first = first >> bits << bits
        last = first | (1 << bits) - 1
    return Span(first, last) if first <= last else None


class AddressTable:
    """Ranges with their verdicts: none overlaps another, those with one verdict that did are joined."""

    def __init__(self) -> None:
        self._spans: list[Span] = []   # in order
        self._verdicts: dict[Span, str] = {}

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def is_full(self) -> bool:
        return len(self._spans) >= MAX_RANGES

    def add(self, span: Span, verdict: str) -> None:
        """Raises Fault when there are too many."""
        begin = self._before(span.first)
        end = begin
        while end < len(self._spans) and self._spans[end].first <= span.last:
            other = self._spans[end]
            if self._verdicts.pop(other) == verdict:
                span = Span(min(span.first, other.first), max(span.last, other.last))
            end += 1
        if begin == end and self.is_full:
            raise failed("Too many address ranges.")
        self._spans[begin:end] = [span]
        self._verdicts[span] = verdict

    def find(self, text: str) -> str:
        """The verdict on an address, or on all of a range. Raises Fault when there is none."""
        span = read_span(text)
        if span is None:
            raise failed("Invalid address format.")
        at = self._before(span.first)
        if at < len(self._spans) and self._spans[at].first <= span.first and span.last <= self._spans[at].last:
            return self._verdicts[self._spans[at]]
        raise failed("No value defined for specified IP(s).")

    def items(self) -> Iterator[tuple[Span, str]]:
        """In the order of the addresses."""
        for span in self._spans:
            yield span, self._verdicts[span]

    def _before(self, address: int) -> int:
        """The place of the first range that ends at the address or behind it."""
        at = bisect_right(self._spans, Span(address, MAX_ADDRESS))
        return at - 1 if at and self._spans[at - 1].last >= address else at
