"""What the members of a row may be. Pure.

A row is sealed, so what does not fit was written by a bug or by who has the key. It is damage all the same, told before
anything counts on it: a number of pieces is the size of what is allocated for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blobtorrent.model.magnet import MAX_FILE_INDEX
from blobtorrent.model.splitting import MIN_SPLIT_BYTES
from blobtorrent.protocol.filespace import MAX_PIECES

MOST = 1 << 64                         # of any figure; the numbers of files in a filesystem come nearest

Check = Callable[[Any], bool]


def load_row(body: bytes) -> Any:
    """The JSON of a row. Raises ValueError, also for what nests without end."""
    try:
        return json.loads(body.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def check_row(row: Mapping[str, Any], shape: Mapping[str, Check]) -> None:
    """Raises ValueError for a member of the wrong type or out of bounds; members without a shape may be anything."""
    for name, value in row.items():
        if name in shape and not shape[name](value):
            raise ValueError(f"{name} is {value!r:.80}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and -MOST <= value <= MOST            # which no NaN is


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) <= MOST


def _up_to(most: int) -> Check:
    return lambda value: isinstance(value, int) and 0 <= value <= most


def _or_nothing(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _table_of(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _are_files(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name.isascii() and name.isdigit() and len(name) <= 8 and int(name) <= MAX_FILE_INDEX for name in value)


def _is_goal(value: Any) -> bool:
    return isinstance(value, dict) and all(
        value.get(limit) is None or _is_number(value[limit]) for limit in ("ratio", "time_s", "idle_s"))


def _is_split(value: Any) -> bool:
    """Size, suffix, whether the torrent is one file."""
    return (isinstance(value, list) and len(value) == 3 and _is_whole(value[0]) and value[0] >= MIN_SPLIT_BYTES
            and _is_path(value[1]) and "/" not in value[1] and _is_flag(value[2]))


def _all(checks: Check, names: Iterable[str]) -> dict[str, Check]:
    return dict.fromkeys(names, checks)


_FIGURE = _up_to(MOST)

TORRENT: Mapping[str, Check] = {
    **_all(_is_flag, ("private", "sequential", "super", "incomplete", "moving", "unseen", "run", "paused",
                      "beyond_queue", "given_enough")),
    **_all(_is_text, ("v1", "v2", "name", "group", "magnet", "removal")),
    **_all(_is_path, ("download_dir", "mount")),
    **_all(_is_number, ("added_at", "finished_at")),
    **_all(_FIGURE, ("size", "piece_length", "down", "up")),
    **_all(_or_nothing(_is_whole), ("slots", "max_peers", "wanted", "min_peers", "down_slots")),
    **_all(_list_of(_is_text), ("labels", "peers", "peer_names", "error", "encodings")),
    **_all(_or_nothing(_list_of(_is_path)), ("renaming",)),
    **_all(_table_of(_is_text), ("custom",)),
    **_all(_table_of(_is_path), ("renames",)),
    "pieces": _up_to(MAX_PIECES),
    "priority": _is_whole,
    "goal": _or_nothing(_is_goal),
    "pex": _or_nothing(_is_flag),
    "picker": _or_nothing(_table_of(lambda value: _is_text(value) or _is_number(value))),
    "trackers": _or_nothing(_list_of(_list_of(_is_text))),
    "files": _are_files,
    "ends": lambda value: _list_of(_list_of(_up_to(MAX_FILE_INDEX)))(value) and len(value) == 2,
    "root": _or_nothing(_is_path),
    "split": _or_nothing(_is_split),
}
PROGRESS: Mapping[str, Check] = {
    **_all(_is_flag, ("checked", "suspect", "owes_finish", "seeding")),
    "have": _is_text,
    "recent": _list_of(_up_to(MAX_PIECES)),
    **_all(_FIGURE, ("done", "skipped")),
    "totals": _list_of(_is_number),
    "ran_at": _is_number,
}
PAST: Mapping[str, Check] = {
    "alive_at": lambda value: isinstance(value, float) or _is_whole(value),       # one that cannot be is passed over
    "seconds": _is_number,
    **_all(_FIGURE, ("runs", "removed", "removed_finished")),
    "removed_bytes": _list_of(_FIGURE),
}
STAMP = _list_of(_is_whole)            # size, mtime_ns, inode
_PEER = (_is_text, _is_text, _FIGURE, _is_number, _is_text, _FIGURE, _is_flag)


def is_peer(value: Any) -> bool:
    """Address, source, failures, when it was good last; of some more (see KnownAddress)."""
    return isinstance(value, list) and 4 <= len(value) <= len(_PEER) and all(
        check(member) for check, member in zip(_PEER, value))
