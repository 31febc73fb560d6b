"""`throttle.*`: rates of everything together, and of named throttles, which are the groups of this engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.core.session.slots import slots_in_all
from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text, parse_number, to_text

KIB: Final = 1024
MAX_RATE: Final = 1 << 30
MAX_THROTTLES: Final = 100             # they are kept among the settings
UNKNOWN: Final = -1                    # the limit of a throttle that does not exist
CATEGORY: Final = "throttle"
_RESERVED: Final = ("", "NULL")        # no throttle of its own, and no limit at all
_WORDS: Final = {"down": "received", "up": "sent"}
_PARTNERS: Final = {"down": "asked for data", "up": "sent to"}


class Throttles:
    """Limits in both directions. rTorrent counts them in KiB: what is less is none."""

    def __init__(self, engine: SessionEngine) -> None:
        self._engine = engine
        self._made: set[tuple[str, str]] = set()           # throttles that were made without a limit, by direction

    def commands(self) -> Iterator[Command]:
        for way in _WORDS:
            yield from self._global(way)
            yield from self._named(way)

    # ---- everything together

    def _global(self, way: str) -> Iterator[Command]:
        name = f"throttle.global_{way}"
        word = _WORDS[way]
        yield getter(f"throttle.max_unchoked_{way}loads", partial(self._slots, way),
                     f"Peers of all torrents together that may be {_PARTNERS[way]} at the same time, by throttle.max_"
                     f"{way}loads.global, .div and the limit; 0: any number.", category=CATEGORY)
        yield getter(f"{name}.rate", partial(self._rate, way), f"Bytes a second that are {word} now.",
                     category=CATEGORY)
        yield getter(f"{name}.total", partial(self._total, way), f"Bytes that were {word} in this run.",
                     category=CATEGORY)
        yield getter(f"{name}.max_rate", partial(self._limit, way),
                     f"Bytes a second that may be {word}; 0: no limit.", category=CATEGORY)
        yield command(f"{name}.max_rate.set", partial(self._set_limit, way, 1),
                      f"Sets {name}.max_rate, in bytes; what is left over of whole KiB goes.", category=CATEGORY)
        yield command(f"{name}.max_rate.set_kb", partial(self._set_limit, way, KIB),
                      f"Sets {name}.max_rate, in KiB.", category=CATEGORY)

    def _slots(self, way: str) -> Value:
        network = self._engine.settings().network
        return slots_in_all(
            getattr(network, f"{way}load_slots_total"), getattr(network, f"{way}load_slots_divisor"), self._limit(way))

    def _rate(self, way: str) -> Value:
        return int(getattr(self._engine.status(), f"{way}_bytes_per_s"))

    def _total(self, way: str) -> Value:
        run = self._engine.stats().this_run
        return run.downloaded_bytes if way == "down" else run.uploaded_bytes

    def _limit(self, way: str) -> int:
        limit: int = getattr(self._engine.settings().limits, f"{way}_bytes_per_s")
        return limit

    def _set_limit(self, way: str, unit: int, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        limit = one_number(args) * unit
        if not 0 <= limit <= MAX_RATE:
            raise failed("Throttle rate must be between 0 and 2^30.",
                         "Max unchoked must be between 0 and 2^20." if limit < 0 else "")
        wanted = limit // KIB * KIB
        if wanted != self._limit(way):
            self._engine.change({"limits": {f"{way}_bytes_per_s": wanted}})
        return None

    # ---- named

    def _named(self, way: str) -> Iterator[Command]:
        name = f"throttle.{way}"
        word = _WORDS[way]
        reads: tuple[tuple[str, Callable[[str, str], int], str], ...] = (
            ("max", self._limit_of, f"What the torrents of a throttle may have {word}, in bytes; -1: there is none."),
            ("rate", self._rate_of, f"Bytes a second of a throttle that are {word} now."))
        yield command(name, partial(self._set_limit_of, way), category=CATEGORY, doc=(
            f"NAME, KIB: makes or changes a throttle: how much of its torrents together may be {word}. 0: no limit."))
        for ending, read, doc in reads:
            yield command(f"{name}.{ending}", partial(self._read_of, read, way), doc, returns="i8", category=CATEGORY)

    def _read_of(
        self, read: Callable[[str, str], int], way: str, _context: Context, _item: Any, args: Sequence[Value]
    ) -> Value:
        return read(way, one_text(args))

    def _limit_of(self, way: str, name: str) -> int:
        if not name:
            return self._limit(way)
        group = self._engine.settings().groups.get(name)
        limit: int = 0 if group is None else getattr(group, f"{way}_bytes_per_s")
        return limit or (0 if (way, name) in self._made else UNKNOWN)

    def _rate_of(self, way: str, name: str) -> int:
        return sum(getattr(status, f"{way}_bytes_per_s") for status in self._engine.torrents() if status.group == name)

    def _set_limit_of(self, way: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not 0 < len(args) <= 2:
            raise wrong_type()
        name, limit = to_text(args[0]), to_text(args[1]) if len(args) == 2 else ""
        if name in _RESERVED:
            raise failed(f"Invalid throttle name '{name}'.")
        if not limit:
            raise failed(f"Missing throttle rate for '{name}'.")
        kib = parse_number(limit)
        if kib is None:
            raise failed("Not a value.")
        if kib < 0:
            raise failed("Throttle rate must be non-negative.")
        if name not in self._engine.settings().groups or self._limit_of(way, name) != kib * KIB:
            if name not in self._engine.settings().groups and len(self._engine.settings().groups) >= MAX_THROTTLES:
                raise failed("Too many throttles.")
            self._engine.change({"groups": {name: {f"{way}_bytes_per_s": kib * KIB}}})
        self._made.add((way, name))
        return None
