"""`choke_group.*`: there is one group, which chooses whom to send to by itself; others are names only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.session.words import CHOKE_DOWN, CHOKE_UP, TRACKER_MODES, require_word
from blobtorrent.interface.rtorrent.values import Value, one_text, parse_number, to_number, to_text

CATEGORY: Final = "choke_group"
UNLIMITED: Final = -1
MAX_GROUPS: Final = 256
_WHY: Final = "Groups are names: slots are those of each torrent."
_COUNTS: Final = ("queued", "rate", "total", "unchoked")
_HEURISTICS: Final = {"up": CHOKE_UP, "down": CHOKE_DOWN}
_OPTIONS: Final = {
    "up.heuristics": "choke_heuristics.upload", "down.heuristics": "choke_heuristics.download",
    "tracker.mode": "tracker_mode"}

Fields = dict[str, Value]


def _new_group() -> Fields:
    return {"tracker.mode": TRACKER_MODES[0], "up.max": UNLIMITED, "down.max": UNLIMITED,
            "up.heuristics": CHOKE_UP[0], "down.heuristics": CHOKE_DOWN[0]}


class ChokeGroups:
    """What was set of each group. Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._groups: dict[str, Fields] = {"default": _new_group()}

    def commands(self) -> Iterator[Command]:
        yield getter("choke_group.list", lambda: list(self._groups), "Names of the groups.", returns="array",
                     category=CATEGORY, is_neutral=True)
        yield getter("choke_group.size", lambda: len(self._groups), "How many there are.", category=CATEGORY,
                     is_neutral=True)
        yield self._neutral("choke_group.insert", self._insert, "NAME: makes a group.")
        yield self._neutral("choke_group.index_of", self._index_of, "NAME: the number of a group.", "i8")
        yield self._neutral("choke_group.general.size", self._nothing, "GROUP: torrents of a group.", "i8")
        for way, words in _HEURISTICS.items():
            yield self._neutral(f"choke_group.all.{way}.update_balance", _do_nothing, "Shares slots out anew.")
            for count in _COUNTS:
                yield self._neutral(f"choke_group.{way}.{count}", self._nothing, f"GROUP: {count} connections.", "i8")
            yield from self._field(f"{way}.max", None, "i8")
            yield self._neutral(f"choke_group.{way}.max.unlimited", partial(self._unlimit, way), "GROUP: lifts it.")
            yield from self._field(f"{way}.heuristics", words, "string")
        yield from self._field("tracker.mode", TRACKER_MODES, "string")

    def _neutral(
        self, name: str, run: Callable[[Context, Any, Sequence[Value]], Value], doc: str, returns: str = "none"
    ) -> Command:
        return command(name, run, f"{doc} {_WHY}", returns=returns, category=CATEGORY, is_neutral=True)

    def _field(self, name: str, words: Sequence[str] | None, returns: str) -> Iterator[Command]:
        def read(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
            return self._group(args)[name]

        def write(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
            if len(args) != 2:
                raise failed("Incorrect number of arguments.")
            fields = self._group(args[:1])
            if words is None:
                fields[name] = to_number(args[1])
            else:
                require_word(_OPTIONS[name], to_text(args[1]), words)
                fields[name] = args[1]
            return None

        yield self._neutral(f"choke_group.{name}", read, f"GROUP: its {name}.", returns)
        yield self._neutral(f"choke_group.{name}.set", write, f"GROUP, VALUE: sets its {name}.")

    def _group(self, args: Sequence[Value]) -> Fields:
        """By its number, also as text. Raises Fault."""
        if not args:
            raise wrong_type()
        number = parse_number(args[0]) if isinstance(args[0], str) else to_number(args[0])
        groups = list(self._groups.values())
        if number is None or not 0 <= number < len(groups):
            raise failed("Choke group not found.")
        return groups[number]

    def _insert(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name in self._groups or len(self._groups) >= MAX_GROUPS:
            raise failed("Duplicate name for choke group.")
        self._groups[name] = _new_group()
        return None

    def _index_of(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name not in self._groups:
            raise failed("Choke group not found.")
        return list(self._groups).index(name)

    def _nothing(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._group(args)
        return 0

    def _unlimit(self, way: str, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._group(args)[f"{way}.max"] = UNLIMITED
        return None


def _do_nothing(_context: Context, _item: Any, _args: Sequence[Value]) -> Value:
    return None
