"""Rows: what multicalls answer. Columns are compiled once, and the row of a download is not made again while nothing
that it was made of has changed: clients ask for the same list all the time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any

from blobtorrent.interface.rtorrent.context import Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.origins import LatestList, Origin, marks_of
from blobtorrent.interface.rtorrent.downloads.trackerrows import rows_of
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.columns import Needs, Plan
from blobtorrent.interface.rtorrent.language.wholerow import whole_row
from blobtorrent.interface.rtorrent.registry import Read
from blobtorrent.interface.rtorrent.values import Row, Value, is_true
from blobtorrent.runtime.pacing import Pace, let_go

MAX_COMPILED = 64                      # lists of columns ...
MAX_CHARACTERS = 16 << 10              # ... of so many at most
MAX_KEPT = 2                           # of these whose rows are kept
KEPT_S = 60.0                          # after the list was asked for last
_STEPS_A_COLUMN = 8                    # to compile it, behind the first ...
USUAL_COLUMNS = 100                    # ... so many
_CELLS_A_STEP = 4                      # of columns that need no interpreter
_CHARACTERS_A_STEP = 256
_ROWS_PER_LOOK = 16                    # that are as they were
_CELLS_PER_LOOK = 160                  # that are made ...
_MADE_PER_LOOK = 16                    # ... and rows at most

_Key = tuple[Target, Trust, tuple[str, ...]]


class Columns:
    """A list of columns, compiled as far as that goes. `rows` are those of the time before."""

    def __init__(self, plan: Plan, texts: Sequence[Value], target: Target, revision: int) -> None:
        self.revision = revision
        self.texts = texts
        self.reads: list[Read | None] = []
        self.looks: list[Read] = []    # what changes while the download does not
        self.needs = Needs.NOTHING
        self.asked_at: float | None = None
        self.rows: dict[Download, Row] = {}
        texts_at: list[int] = []       # where texts are, which may be long
        stays_at: list[int] = []       # what stays while only the state changes
        kinds: list[type | None] = []
        for text in texts:
            read = plan.column(text, target)
            if plan.is_text:
                texts_at.append(len(self.reads))
            if plan.needs in (Needs.NOTHING, Needs.TRACKERS):
                stays_at.append(len(self.reads))
            kinds.append(plan.kind)
            self.reads.append(read)
            self.needs |= plan.needs
            if read is not None and plan.needs & Needs.LOOK:
                self.looks.append(read)
        known = [read for read in self.reads if read is not None]
        self.are_compiled = len(known) == len(self.reads)
        self.kinds = None if None in kinds else tuple(filter(None, kinds))
        # What makes a row, if all are compiled: a new one, and one of that of the time before.
        self.row, self.renewed = whole_row(known), whole_row(known, stays_at)
        self._texts_of = itemgetter(*texts_at) if len(texts_at) > 1 else None
        self._text_at = texts_at[0] if len(texts_at) == 1 else None
        self.reads_trackers = bool(self.needs & Needs.TRACKERS)
        # What has to be looked at may take its time.
        self.made_per_look = 1 if self.looks else max(1, min(_MADE_PER_LOOK, _CELLS_PER_LOOK // (len(self.reads) or 1)))

    def length(self, values: Sequence[Any]) -> int:
        """Characters of its texts."""
        if self._texts_of is not None:
            return len("".join(self._texts_of(values)))    # in less time than their lengths are added
        return 0 if self._text_at is None else len(values[self._text_at])


class Rows:
    """Owned by the interpreter's thread. `elapsed` counts seconds of a clock that nobody sets."""

    def __init__(self, downloads: Downloads, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._downloads = downloads
        self._elapsed = elapsed
        self._compiled: OrderedDict[_Key, Columns] = OrderedDict()
        self._latest = LatestList()

    def of_downloads(self, context: Context, texts: Sequence[Value], members: Sequence[Download]) -> list[Value]:
        """A row for each of these, but for those that are removed meanwhile. Raises Fault."""
        columns = self._columns(context, texts, Target.DOWNLOAD)
        if columns.needs & Needs.SHAPE:
            self._downloads.learn_shapes(members)
        if columns.reads_trackers:
            self._downloads.look_at_trackers(members)
        if not columns.are_compiled:
            return self._made(context, columns, Target.DOWNLOAD, members)
        _spend(context, len(members) * len(texts))
        while True:
            try:
                return self._kept(context, columns, members)
            except Fault:
                there = [download for download in members if self._downloads.has(download)]
                if len(there) == len(members):
                    raise
                members = there

    def of_aims(self, context: Context, texts: Sequence[Value], target: Target, aims: Collection[Any],
                known: Collection[Any] | None = None, origin: Origin | None = None) -> list[Value]:
        """A row for each of what is in a download. `known` are what compiled columns read of these, unless that is the
        aims themselves. With an `origin`, that is what all the rows are made of. Raises Fault."""
        columns = self._columns(context, texts, target)
        if not columns.are_compiled:   # a column may change what another one reads
            return self._made(context, columns, target, aims)
        num_cells = len(aims) * len(texts)
        context.budget.grant(4 * num_cells)
        _spend(context, num_cells)
        rows = None if origin is None or columns.looks else self._latest.get(columns, origin, self._elapsed())
        if rows is None:
            rows = self._read(context, columns, aims if known is None else known)
            if origin is not None and not columns.looks:
                self._latest.put(columns, origin, rows, self._elapsed())
        else:
            context.budget.spend(sum([row.steps for row in rows]))
        return list[Value](rows)

    def passing(self, context: Context, condition: Value, members: Sequence[Download]) -> list[Download]:
        """Those that a filter holds for; it does not hold for one that it fails on. Raises Fault."""
        columns = self._columns(context, (condition,), Target.DOWNLOAD)
        context.budget.grant(4 * len(members))
        _spend(context, len(members))
        pace, read = Pace(), columns.reads[0]
        passing = []
        for number, download in enumerate(members):
            if context.at(Aim(Target.DOWNLOAD, download)).holds(condition) if read is None else _is_read(
                    context, read, download):
                passing.append(download)
            if read is None or number % columns.made_per_look == 0:
                pace.look()
        return passing

    def next_due_s(self) -> float | None:
        """When rows are to be forgotten."""
        times = [columns.asked_at + KEPT_S for columns in self._compiled.values()
                 if columns.rows and columns.asked_at is not None]
        if self._latest.rows:
            times.append(self._latest.asked_at + KEPT_S)
        return min(times, default=None)

    def forget(self) -> None:
        """Nobody has asked for these for a while."""
        before = self._elapsed() - KEPT_S
        for columns in self._compiled.values():
            if columns.asked_at is not None and columns.asked_at <= before:
                let_go(columns.rows)
        if self._latest.asked_at <= before:
            self._latest.clear()

    # ---- columns

    def _columns(self, context: Context, texts: Sequence[Value], target: Target) -> Columns:
        registry = context.interpreter.registry
        if not all(isinstance(text, str) for text in texts) or _length(texts) > MAX_CHARACTERS:
            return self._new_columns(context, texts, target)
        key = (target, context.trust, tuple(map(str, texts)))
        columns = self._compiled.get(key)
        if columns is None or columns.revision != registry.revision:
            columns = self._compiled[key] = self._new_columns(context, texts, target)
        self._compiled.move_to_end(key)
        if len(self._compiled) > MAX_COMPILED:
            self._compiled.popitem(last=False)
        return columns

    @staticmethod
    def _new_columns(context: Context, texts: Sequence[Value], target: Target) -> Columns:
        """More of them than anybody looks at are work."""
        context.budget.spend(_STEPS_A_COLUMN * max(0, len(texts) - USUAL_COLUMNS))
        registry = context.interpreter.registry
        return Columns(Plan(registry, context.trust), texts, target, registry.revision)

    # ---- rows

    def _kept(self, context: Context, columns: Columns, members: Sequence[Download]) -> list[Value]:
        """Those that are as they were, and others."""
        now, pace, budget = self._elapsed(), Pace(), context.budget
        keeps = columns.asked_at is not None and now - columns.asked_at < KEPT_S       # it is asked for again
        columns.asked_at = now
        kept, looks = columns.rows, columns.looks
        made, made_per_look = 0, columns.made_per_look
        rows: list[Value] = []
        for number, download in enumerate(members):
            marks = marks_of(download)
            if looks:
                marks += tuple([read(download) for read in looks])
            row = kept.get(download)
            if row is None or row.marks != marks:
                values = self._values(columns, download, row)
                steps = columns.length(values) // _CHARACTERS_A_STEP
                row = Row(values, columns.kinds, marks, download.tracker_rows, steps)
                if keeps:
                    kept[download] = row
                made += 1
                if made % made_per_look == 0:
                    pace.look()
            elif number % _ROWS_PER_LOOK == 0:
                pace.look()
            if row.steps:
                budget.spend(row.steps)
            rows.append(row)
        if keeps:
            self._drop_others(columns)
        return rows

    def _values(self, columns: Columns, download: Download, before: Row | None) -> list[Any]:
        if columns.reads_trackers:
            rows_of(self._downloads, download)             # none other, or new ones
        if before is None or before.tracked is not download.tracker_rows:
            return columns.row(download, ())
        return columns.renewed(download, before)

    def _drop_others(self, columns: Columns) -> None:
        """Rows of downloads that are gone, and of columns that were asked for before others."""
        if len(columns.rows) > len(self._downloads):
            for download in [download for download in columns.rows if download.is_gone]:
                del columns.rows[download]
        with_rows = [other for other in self._compiled.values() if other.rows and other is not columns]
        for surplus in with_rows[:1 - MAX_KEPT]:
            let_go(surplus.rows)

    @staticmethod
    def _read(context: Context, columns: Columns, items: Collection[Any]) -> list[Row]:
        """All columns of these are compiled. Raises Fault."""
        pace, budget = Pace(), context.budget
        row_of, kinds, made_per_look = columns.row, columns.kinds, columns.made_per_look
        rows: list[Row] = []
        for number, item in enumerate(items):
            values = row_of(item, ())
            steps = columns.length(values) // _CHARACTERS_A_STEP
            if steps:
                budget.spend(steps)
            rows.append(Row(values, kinds, (), None, steps))
            if number % made_per_look == 0:
                pace.look()
        return rows

    def _made(self, context: Context, columns: Columns, target: Target, items: Collection[Any]) -> list[Value]:
        """With those columns run that need it; of what is in a download, all."""
        num_cells = len(items) * len(columns.texts)
        context.budget.grant(4 * num_cells)
        _spend(context, num_cells)
        pace, budget = Pace(), context.budget
        reads = columns.reads if target is Target.DOWNLOAD else [None] * len(columns.texts)
        cells = list(zip(reads, columns.texts))
        rows: list[Value] = []
        for item in items:
            here = context.at(Aim(target, item))
            try:
                values = [_cell(here, text) if read is None else read(item) for read, text in cells]
            except Fault:
                if target is Target.DOWNLOAD and not self._downloads.has(item):
                    continue           # it was removed meanwhile
                raise
            length = _length(values)
            if length > _CHARACTERS_A_STEP:
                budget.spend(length // _CHARACTERS_A_STEP)
            rows.append(values)
            pace.look()
        return rows


def _is_read(context: Context, read: Read, download: Download) -> bool:
    """What is read holds. Raises Fault."""
    try:
        return is_true(read(download))
    except Fault as fault:
        context.interpreter.pass_over(fault)
        return False


def _spend(context: Context, num_cells: int) -> None:
    """A request may have rows for what it names itself; those inside of others count."""
    context.budget.grant(num_cells)
    context.budget.spend(num_cells // _CELLS_A_STEP)


def _length(values: Sequence[Value]) -> int:
    return sum([len(value) for value in values if isinstance(value, str)])


def _cell(context: Context, column: Value) -> Value:
    """Of a text only the first command is run."""
    return context.text(column) if isinstance(column, str) else context.run(column)
