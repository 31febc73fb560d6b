"""`ipv4_filter.*` and `ip_tables.*`. What the filter finds unwanted is neither dialled nor let in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.addresses import VERDICTS, AddressTable, read_span
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.session.words import require_word
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import Value, one_text, to_text

FILTER: Final = "ipv4_filter"
TABLES: Final = "ip_tables"
MAX_TABLES: Final = 64
BYTES_PER_RANGE: Final = 12            # what rTorrent would say
MAX_LIST_BYTES: Final = 4 << 20        # of a file that is looked at here; the engine reads more by itself
UNWANTED: Final = "unwanted"
BLOCK: Final = "block"                 # the one verdict of a table
BLOCKED: Final = 1


class AddressTables:
    """Owned by the interpreter's thread."""

    def __init__(self, engine: SessionEngine, working: WorkingFolder) -> None:
        self._engine = engine
        self._working = working
        self._filter = AddressTable()
        self._tables: dict[str, AddressTable] = {}

    def commands(self) -> Iterator[Command]:
        yield command("ipv4_filter.add_address", self._add_to_filter,
                      "RANGE, VERDICT: peers there are unwanted or preferred.", category=FILTER)
        yield command("ipv4_filter.load", self._load, "PATH, VERDICT: the same for each line of a file.",
                      category=FILTER)
        yield command("ipv4_filter.get", lambda _context, _item, args: VERDICTS[self._filter.find(one_text(args))],
                      "ADDRESS: what is thought of it: 32 is unwanted, 64 preferred.", returns="i8", category=FILTER)
        yield getter("ipv4_filter.dump", lambda: [f"{span} {verdict}" for span, verdict in self._filter.items()],
                     "All ranges with their verdicts.", returns="array", category=FILTER)
        yield getter("ipv4_filter.size_data", lambda: len(self._filter) * BYTES_PER_RANGE, "Bytes of the table.",
                     category=FILTER)
        yield command("ip_tables.insert_table", self._insert, "NAME: makes a table, for commands to look into.",
                      category=TABLES)
        yield command("ip_tables.add_address", self._add, "NAME, RANGE, VERDICT: adds a range to a table.",
                      category=TABLES)
        yield command("ip_tables.get", self._get, "NAME, ADDRESS: the verdict of a table.", returns="i8",
                      category=TABLES)
        yield command("ip_tables.size_data", self._size, "NAME: bytes of a table.", returns="i8", category=TABLES)

    # ---- the filter

    def _add_to_filter(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        text, verdict = _two_texts(args)
        require_word("ip_filter", verdict, VERDICTS)
        span = read_span(text)
        if span is None:
            return None                # as in rTorrent: nobody is told
        if verdict == UNWANTED:
            block = self._engine.settings().filters.block
            if str(span) not in block:
                self._engine.change({"filters": {"block": [*block, str(span)]}})
        self._filter.add(span, verdict)
        return None

    def _load(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        text, verdict = _two_texts(args)
        require_word("ip_filter", verdict, VERDICTS)
        path = self._working.full(text)
        try:
            if not os.path.isfile(path):                   # a pipe or a device would have everybody wait
                raise ValueError("it is no file")
            with open(path, "rb") as file:
                lines = file.read(MAX_LIST_BYTES).decode("utf-8", "replace").splitlines()
        except (OSError, ValueError):
            raise failed(f"Could not open ip filter file: {text}") from None
        if verdict == UNWANTED:
            files = [str(file) for file in self._engine.settings().filters.files]
            if path not in files:
                self._engine.change({"filters": {"files": [*files, path]}})
        for line in lines:
            span = read_span(line.partition("#")[0])
            if span is not None and not self._filter.is_full:
                self._filter.add(span, verdict)
        return None

    # ---- tables for commands to look into

    def _insert(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name in self._tables:
            raise failed("IP table already exists.")
        if len(self._tables) >= MAX_TABLES:
            raise failed("Too many IP tables.")
        self._tables[name] = AddressTable()
        return None

    def _add(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 3:
            raise failed("Incorrect number of arguments.")
        name, text, verdict = map(to_text, args)
        table = self._table(name)
        if verdict != BLOCK:
            raise failed("Invalid value.")
        span = read_span(text)
        if span is not None:
            table.add(span, verdict)
        return None

    def _get(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name, address = _two_texts(args)
        self._table(name).find(address)
        return BLOCKED

    def _size(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        return len(self._table(one_text(args), "IP table does not exist.")) * BYTES_PER_RANGE

    def _table(self, name: str, words_of_16: str = "") -> AddressTable:
        """Raises Fault."""
        if name not in self._tables:
            raise failed("Could not find ip table.", words_of_16)
        return self._tables[name]


def _two_texts(args: Sequence[Value]) -> tuple[str, str]:
    if len(args) != 2:
        raise failed("Incorrect number of arguments.")
    first, second = args
    if not isinstance(first, str) or not isinstance(second, str):
        raise wrong_type()
    return first, second
