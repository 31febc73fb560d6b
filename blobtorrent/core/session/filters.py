"""FilterManager: the filter lists of the settings, read on the thread `filters` and put in force on all others.

A list that cannot be read, or is no list, leaves the one in force that was read from its file before. Files are looked
at every few seconds; one that has changed is read when two looks found it the same, at a reload at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.config.schema import FilterSettings
from blobtorrent.core.session.commands import Reply
from blobtorrent.model.addressfilter import AddressFilter, Gate
from blobtorrent.model.details import FilterListStatus
from blobtorrent.model.errors import BlobTorrentError, Unavailable
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled

if TYPE_CHECKING:
    from blobtorrent.core.session.listfile import ListRead, Stamp
    from blobtorrent.model.blocklist import Ranges

log = get_logger(__name__)

LOOK_S = 5.0                           # between two looks
OWN_LIST = "filters.block"             # the name of the list that is in the settings themselves

_REFUSED, _RANGES, _FAILED = (
    "blobtorrent_filter_refused_total", "blobtorrent_filter_ranges", "blobtorrent_filter_failed")
_FIGURES = {
    _REFUSED: "Peers that were refused, by the filter list; who comes again is counted again.",
    _RANGES: "Ranges of addresses of a filter list that are in force.",
    _FAILED: "1 when the file of a filter list could not be used last.",
}


class _Source:
    """A file of the settings, and what is in force of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = FilterListStatus(str(path))
        self.ranges: Ranges | None = None
        self.read: Stamp | None = None                     # the file as it was used, or found to be of no use
        self.seen: Stamp | None = None                     # as the last look found it


class _Reload:
    """Read what has changed without waiting for another look."""


class FilterManager:
    """`use(filter)` has it put in force, or None; `gates` count whom it refuses. `apply`, `reload`, `start` and `stop`
    are for the main thread.

    There is a thread from when the settings first name a filter. `statuses` and `in_force` are replaced as a whole by
    it, for whoever reads them.
    """

    def __init__(self, use: Callable[[AddressFilter | None], None], gates: Sequence[Gate], *,
                 clock: Clock | None = None) -> None:
        self.statuses: tuple[FilterListStatus, ...] = ()
        self.in_force: AddressFilter | None = None
        self._use = use
        self._gates = gates
        self._clock = SystemClock() if clock is None else clock
        self._loop: SelectorLoop | None = None
        self._is_started = False
        self._is_ending = False
        self._first: Reply[None] = Reply()                 # given when all lists were read once
        # The rest belongs to the thread.
        self._settings = FilterSettings()
        self._sources: list[_Source] = []
        self._to_read: deque[_Source] = deque()
        self._is_looking = False       # another look is due
        self._is_reading = False
        self._was_read = False         # all of the first settings
        self._is_urgent = True         # no peer is met before that

    def apply(self, settings: FilterSettings) -> None:
        """Use these lists from now on and no others."""
        if self._loop is None:
            if settings == FilterSettings():
                return
            self._loop = SelectorLoop("filters", self._on_message, clock=self._clock)
            if self._is_started:
                self._is_urgent = False
                self._loop.start()
        self._loop.mailbox.post(settings)

    def reload(self) -> None:
        """Look at all files, and read those that have changed."""
        if self._loop is not None:
            self._loop.mailbox.post(_Reload())

    def start(self) -> None:
        self._is_started = True
        if self._loop is not None:
            self._loop.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether what `apply` was given before `start` is in force, as far as it can be; waits so long for it."""
        if self._loop is None:
            return True
        try:
            self._first.wait(timeout_s)
        except Unavailable:
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """Leave the list in hand, and end. True when the thread has ended within `timeout_s` seconds."""
        self._is_ending = True
        return self._loop is None or self._loop.stop(timeout_s)

    def refuser_of(self, host: str) -> str | None:
        """The name of the list that has peers at this address refused. From any thread."""
        return None if self.in_force is None else self.in_force.refuser_of(host)

    @property
    def hits(self) -> Counter[str]:
        """How often a peer was refused, by the name of the list. From any thread."""
        hits: Counter[str] = Counter()
        for gate in self._gates:
            hits.update(dict(gate.hits))
        return hits

    def measure(self, registry: Registry) -> None:
        """Have the figures exported."""
        registry.collect(_FIGURES, self._figures)

    def _figures(self) -> Iterator[Sample]:
        for name, count in self.hits.items():
            yield Sample(_REFUSED, labelled(list=name), count, COUNTER)
        for status in self.statuses:
            for family, ranges in (("ipv4", status.ranges_v4), ("ipv6", status.ranges_v6)):
                yield Sample(_RANGES, labelled(list=status.path, family=family), ranges, GAUGE)
            yield Sample(_FAILED, labelled(list=status.path), int(bool(status.error_code)), GAUGE)

    @property
    def troubles(self) -> list[str]:
        """Lists that could not be used."""
        return [f"filter list {status.path}: {status.error_code}" for status in self.statuses if status.error_code]

    # ---- the thread

    def _on_message(self, message: FilterSettings | _Reload) -> None:
        if isinstance(message, FilterSettings):
            self._settings = message
            known = {source.path: source for source in self._sources}
            self._sources = [known.get(path) or _Source(path) for path in message.files]
            self._to_read = deque(source for source in self._to_read if source in self._sources)
            self._publish()
        self._look(at_once=True)

    def _look(self, *, at_once: bool = False) -> None:
        """Find out which files have changed, or were never read."""
        from blobtorrent.core.session.listfile import stamp_of

        for source in self._sources:
            before, source.seen = source.seen, stamp_of(source.path)
            has_changed = source.seen is None or source.seen != source.read
            if has_changed and (at_once or source.seen == before) and source not in self._to_read:
                self._to_read.append(source)
        if self._sources and not self._is_looking:
            self._is_looking = True
            self._after(LOOK_S, self._look_again)
        if not self._is_reading:
            self._is_reading = True
            self._read_next()

    def _look_again(self) -> None:
        self._is_looking = False
        self._look()

    def _read_next(self) -> None:
        """Read one list in a pass, so that messages are noticed in between."""
        if self._to_read:
            self._after(0.0, self._read_next)
            self._read(self._to_read.popleft())
            return
        self._is_reading = False
        if not self._was_read:
            self._was_read, self._is_urgent = True, False
            self._first.give(None)

    def _read(self, source: _Source) -> None:
        from blobtorrent.core.session.listfile import Abandoned, read_list

        try:
            read = read_list(source.path, lambda: self._is_ending, is_urgent=self._is_urgent)
        except Abandoned:
            return
        except BlobTorrentError as error:
            self._keep(source, error)
            return
        self._take(source, read)
        self._publish()

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.timers.at(self._loop.now + delay_s, call)

    def _take(self, source: _Source, read: ListRead) -> None:
        source.ranges, source.read = read.ranges, read.stamp
        source.status = FilterListStatus(
            str(source.path), read.ranges.num_v4, read.ranges.num_v6, read.lines, read.malformed, read.first_malformed,
            read_at=self._clock.wall())
        log.info("a filter list is in force", list=source.path, ranges=read.ranges.num_v4 + read.ranges.num_v6,
                 lines=read.lines)
        if read.malformed:
            first = "; ".join(f"line {bad.number}: {bad.reason}" for bad in read.first_malformed)
            log.warning("lines of a filter list are not understood", list=source.path, lines=read.malformed,
                        first=first)

    def _keep(self, source: _Source, error: BlobTorrentError) -> None:
        """What was read before stays. A file of no use is read again when it has changed, one that changes soon."""
        if error.code != "filters.changing":
            source.read = source.seen
        if (source.status.error_code, source.status.error_detail) == (error.code, error.detail):
            return
        source.status = source.status._replace(error_code=error.code, error_detail=error.detail)
        self._tell()
        log.error("a filter list cannot be used", list=source.path, code=error.code, detail=error.detail,
                  in_force="what was read before" if source.ranges is not None else "nothing of it")

    def _publish(self) -> None:
        """Put in force what is there, on every thread that meets peers."""
        lists: dict[str, Ranges] = {}
        if self._settings.block:
            lists[OWN_LIST] = _ranges_of(self._settings.block)
        for source in self._sources:
            if source.ranges is not None:
                lists[source.status.path] = source.ranges
        self.in_force = AddressFilter(lists, _ranges_of(self._settings.allow)) if lists else None
        self._use(self.in_force)
        self._tell()

    def _tell(self) -> None:
        self.statuses = tuple(source.status for source in self._sources)


def _ranges_of(lines: tuple[str, ...]) -> Ranges:
    """Those that the settings name; they have been checked."""
    from blobtorrent.model.blocklines import read_line
    from blobtorrent.model.blocklist import RangeBuilder, Ranges

    builder, ranges = RangeBuilder(), Ranges()
    for line in lines:
        found = read_line(line.encode())
        if found is not None:
            builder.add(*found)
    for _ in builder.pack(ranges):
        pass
    return ranges
