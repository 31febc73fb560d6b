"""Desired state: a file says which torrents there shall be and how; compared with the daemon it becomes a plan. Pure.

The file is TOML: `[[torrents]]` with the torrent itself (`torrent`, a path; `url`; or only `hash` for one that is
there) and the options that shall hold, `[defaults]` for all of them, and `[settings]` as in a settings file. What it
does not say is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from blobtorrent.cli.selection import is_whole_hash
from blobtorrent.cli.settingtext import flattened
from blobtorrent.config.tomltext import parse_document, write_value
from blobtorrent.model.errors import BlobTorrentError, Invalid
from blobtorrent.model.units import parse_duration, parse_rate

ORIGINS = ("torrent", "url", "hash")
PRIORITIES = ("skip", "normal", "high")        # of files, by the number that the daemon tells

_GOAL = {"ratio": None, "time_s": None, "idle_s": None, "action": "stop"}


class Entry(NamedTuple):
    """One torrent of the file: where it comes from, and the options that are said of it."""

    place: str                         # for messages
    origin: Mapping[str, str]
    options: Mapping[str, Any]


class Desired(NamedTuple):
    entries: tuple[Entry, ...]
    settings: Mapping[str, Any]


class Step(NamedTuple):
    """What is to be done to one torrent. `differing` names the options that are otherwise; empty for a new torrent."""

    hash: str
    name: str
    options: Mapping[str, Any]
    differing: tuple[str, ...]


class Details(NamedTuple):
    """How to learn of a torrent of the daemon, by its hash, what its list does not tell. Asked only when it matters."""

    priorities_of: Callable[[str], Mapping[str, str]]      # of its files, by number
    tiers_of: Callable[[str], list[list[str]]]             # of its trackers


class Plan(NamedTuple):
    """`prune`: torrents that the file does not name."""

    add: tuple[Step, ...]
    change: tuple[Step, ...]
    prune: tuple[Step, ...]
    unchanged: int


def read_desired(text: str) -> Desired:
    """Raises Invalid ("apply.*")."""
    try:
        document = parse_document(text)
    except ValueError as error:
        raise Invalid("apply.bad-toml", str(error)) from None
    unknown = document.keys() - {"torrents", "defaults", "settings"}
    if unknown:
        raise Invalid("apply.unknown", f"there is no table {min(unknown)}; there are torrents, defaults and settings")
    tables, defaults = document.get("torrents", []), document.get("defaults", {})
    settings = document.get("settings", {})
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Invalid("apply.bad-value", "torrents has to be a list of tables: write [[torrents]]")
    if not isinstance(defaults, dict) or not isinstance(settings, dict):
        raise Invalid("apply.bad-value", "defaults and settings have to be tables")
    _check_options(defaults, "defaults")
    return Desired(tuple(_entry(table, defaults, number) for number, table in enumerate(tables, 1)), settings)


def _entry(table: Mapping[str, Any], defaults: Mapping[str, Any], number: int) -> Entry:
    place = f"torrents, number {number}"
    origin = {name: table[name] for name in ORIGINS if name in table}
    if not origin or "torrent" in origin and "url" in origin:
        raise Invalid("apply.no-origin", f"{place}: say torrent, url or hash")
    for name, value in origin.items():
        if not isinstance(value, str) or not value:
            raise Invalid("apply.bad-value", f"{place}: {name} has to be text")
    if "hash" in origin:
        origin["hash"] = origin["hash"].lower()
        if not is_whole_hash(origin["hash"]):
            raise Invalid("apply.bad-value", f"{place}: hash has to be an info-hash of 40 or 64 hexadecimal digits")
    options = {name: value for name, value in table.items() if name not in ORIGINS}
    _check_options(options, place)
    return Entry(place, origin, {**defaults, **options})


def plan_for(
    wanted: Sequence[tuple[str, str, Mapping[str, Any]]], present: Iterable[Mapping[str, Any]], details: Details
) -> Plan:
    """`wanted` has the hash, the name and the options of each torrent, `present` what the daemon tells of all."""
    there = {torrent[key]: torrent for torrent in present for key in ("info_hash_v1", "info_hash_v2") if torrent[key]}
    add, change, named = [], [], set()
    for digits, name, options in wanted:
        torrent = there.get(digits)
        if torrent is None:
            add.append(Step(digits, name, options, ()))
            continue
        named.add(torrent["hash"])
        differing = tuple(option for option, value in options.items() if _differs(torrent, option, value, details))
        if differing:
            change.append(Step(torrent["hash"], torrent["name"], options, differing))
    prune = [
        Step(torrent["hash"], torrent["name"], {}, ())
        for torrent in {torrent["hash"]: torrent for torrent in there.values()}.values() if torrent["hash"] not in named
    ]
    return Plan(tuple(add), tuple(change), tuple(prune), len(named) - len(change))


def settings_that_differ(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[str, ...]:
    """Full names of the settings that the daemon has otherwise."""
    now = flattened(present)
    return tuple(name for name, value in flattened(wanted).items() if name not in now or now[name] != value)


def write_entry(
    origin: Mapping[str, str], torrent: Mapping[str, Any], priorities: Mapping[str, str],
    tiers: Sequence[Sequence[str]] | None,
) -> str:
    """The table of a torrent of the daemon, as `read_desired` reads it. `tiers` None: those of its .torrent file."""
    options = {
        "download_dir": torrent["download_dir"], "start": torrent["started"], "labels": torrent["labels"],
        "group": torrent["group"], "priority": torrent["priority"], "sequential": torrent["sequential"],
        "super_seeding": torrent["super_seeding"],
        "down_limit_bytes_per_s": torrent["down_limit_bytes_per_s"],
        "up_limit_bytes_per_s": torrent["up_limit_bytes_per_s"],
        "upload_slots": torrent["upload_slots"], "max_peers": torrent["max_peers"], "trackers": tiers,
    }
    lines = ["[[torrents]]"]
    lines += [f"{name} = {write_value(value)}" for name, value in {**origin, **options}.items() if value is not None]
    goal = {name: value for name, value in (torrent["seeding"] or {}).items() if value is not None}
    for table, values in (("seeding", goal), ("picker", torrent["picker"]), ("file_priorities", priorities)):
        if values:
            lines += [f"[torrents.{table}]", *(f"{name} = {write_value(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def file_priorities(files: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of the files in a daemon's answer that are not wanted as usual, by the numbers that the torrent gives them. One
    that is kept in parts is wanted as the part that is wanted most."""
    levels: dict[int, int] = {}
    for file in files:
        number = file["number"] if file.get("part_of") is None else file["part_of"]
        levels[number] = max(levels.get(number, 0), file["priority"])
    return {str(number): PRIORITIES[level] for number, level in levels.items() if level != 1}


def tracker_tiers(trackers: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """The tiers in a daemon's answer. A hybrid torrent has each tracker twice, once for each of its swarms."""
    tiers: dict[int, dict[str, None]] = {}
    for tracker in trackers:
        tiers.setdefault(tracker["tier"], {})[tracker["url"]] = None
    return [list(tiers[number]) for number in sorted(tiers)]


def _check_options(options: Mapping[str, Any], place: str) -> None:
    unknown = options.keys() - _READERS.keys()
    if unknown:
        raise Invalid("apply.unknown", f"{place}: there is no option {min(unknown)}")
    for name, value in options.items():
        try:
            _READERS[name](value)
        except (TypeError, ValueError, AttributeError, BlobTorrentError) as error:
            raise Invalid("apply.bad-value", f"{place}: {name} is {value!r}: {error}") from None


def _differs(torrent: Mapping[str, Any], option: str, value: Any, details: Details) -> bool:
    wanted = _READERS[option](value)
    if option == "file_priorities":
        present = details.priorities_of(torrent["hash"])
        return any(present.get(number, "normal") != priority for number, priority in wanted.items())
    if option == "trackers":
        return bool(wanted != details.tiers_of(torrent["hash"]))
    told = torrent["started" if option == "start" else option]
    return bool(wanted != (told or "" if option == "group" else told))


# ---- options: how values in the file compare with those that the daemon tells


def _rate(value: object) -> int:
    return parse_rate(value) if isinstance(value, str) else _whole(value)


def _duration(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a duration was expected")
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number was expected")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false was expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text was expected")
    return value


def _labels(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list of texts was expected")
    return list(dict.fromkeys(map(_text, value)))


def _tiers(value: object) -> list[list[str]]:
    if not isinstance(value, list) or not all(isinstance(tier, list) and tier for tier in value):
        raise ValueError("a list of lists of URLs was expected")
    return [list(map(_text, tier)) for tier in value]


def _goal(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= _GOAL.keys():
        raise ValueError(f"a table of {', '.join(_GOAL)} was expected")
    goal = {**_GOAL, **value}
    for name in ("time_s", "idle_s"):
        if goal[name] is not None:
            goal[name] = _duration(goal[name])
    return goal


def _picker(value: object) -> dict[str, Any] | None:
    """An empty table is that of the settings."""
    if not isinstance(value, dict) or not all(isinstance(one, (str, int, float)) for one in value.values()):
        raise ValueError("a table of settings of the picker was expected")
    return value or None


def _file_priorities(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(number.isdigit() for number in value):
        raise ValueError("a table of file numbers was expected")
    if not all(priority in PRIORITIES for priority in value.values()):
        raise ValueError(f"files are wanted as {', '.join(PRIORITIES)}")
    return dict(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "download_dir": _text,
    "start": _boolean,
    "labels": _labels,
    "group": _text,
    "priority": _whole,
    "sequential": _boolean,
    "super_seeding": _boolean,
    "picker": _picker,
    "down_limit_bytes_per_s": _rate,
    "up_limit_bytes_per_s": _rate,
    "upload_slots": _whole,
    "max_peers": _whole,
    "seeding": _goal,
    "file_priorities": _file_priorities,
    "trackers": _tiers,
}
