"""What people may say about a torrent, in a request's body or in a file beside it: names, types, and what they become.

The values are as JSON or TOML delivered them. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from blobtorrent.config import values
from blobtorrent.core.session.commands import RESET, FilePriority, GoalAction, SeedGoal, Tiers, TorrentChanges
from blobtorrent.core.session.picking import read_picker
from blobtorrent.model.address import Endpoint, parse_endpoint
from blobtorrent.model.errors import FormatError, Invalid

T = TypeVar("T")

MAX_LABELS = 64
MAX_PEER_NAMES = 20
MAX_PEERS = 1000
MAX_PRIORITY = 1000
MAX_RATE = 1 << 40                     # bytes a second
MAX_RATIO = 1e6
MAX_FILES = 1 << 20
MAX_SLOTS = 10_000
MAX_CUSTOM_CHARACTERS = 1 << 16        # of all custom fields
MAX_LINKS = 100_000

_REQUIRED: Any = object()
_NUMBERED = frozenset(f"custom{number}" for number in range(1, 6))
_NAMED = "custom."


class Fields:
    """The members of one object, read one by one with their types checked.

    Everything raises Invalid ("option.bad-value") with the name of the field. `end` is called when all is read. A null
    is as good as no field, where nobody asks for it by `is_null`.
    """

    def __init__(self, members: Mapping[str, Any], place: str = "") -> None:
        self._members = members
        self._place = place
        self._known: set[str] = set()

    def take(self, name: str, read: Callable[[Any], T], default: Any = _REQUIRED) -> T:
        """The field as `read` makes it; `read` raises ValueError with words that follow the field's name."""
        if not self.has(name):
            if default is _REQUIRED:
                raise Invalid("option.bad-value", f"{self._place}{name} is missing")
            absent: T = default
            return absent
        try:
            return read(self._members[name])
        except ValueError as error:
            raise Invalid("option.bad-value", f"{self._place}{name} {error}") from None

    def has(self, name: str) -> bool:
        self._known.add(name)
        return self._members.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Whether it is there, and null: back to the default, in a merge patch (RFC 7396)."""
        self._known.add(name)
        return name in self._members and self._members[name] is None

    def end(self) -> None:
        """Refuse what nobody asked for: a misspelt option must not be passed over in silence."""
        unknown = self._members.keys() - self._known
        if unknown:
            raise Invalid("option.unknown", f"there is no field {self._place}{min(unknown)}")


def read_addition(fields: Fields) -> dict[str, Any]:
    """The arguments of AddTorrent that the fields give; those not given are absent. Raises Invalid."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "download_dir": ("download_dir", absolute_folder),
        "peers": ("peers", read_peers),
        "start": ("start", values.boolean),
        "skip_check": ("skip_check", values.boolean),
        "split_files": ("splits_files", values.boolean),
        "custom": ("custom", read_custom),
        **_CHANGEABLE,
    }
    taken = _taken(fields, readers)
    if "peers" in taken:
        taken["peers"], taken["peer_names"] = taken["peers"]
    return taken


def read_changes(fields: Fields) -> TorrentChanges:
    """What may be said about a torrent at any time; a null is back to the default. Raises Invalid."""
    resets = {argument: RESET for name, (argument, _) in _CHANGEABLE.items() if fields.is_null(name)}
    return TorrentChanges(**resets, **_taken(fields, _CHANGEABLE))


def read_tiers(value: object) -> Tiers:
    """A list of tiers, each a list of URLs; a URL alone is a tier. Raises ValueError. What trackers are good for is not
    looked at here.
    """
    if not isinstance(value, list):
        raise ValueError("must be a list of tiers, each a list of URLs")
    tiers = [tier if isinstance(tier, list) else [tier] for tier in value]
    if not all(isinstance(url, str) for tier in tiers for url in tier):
        raise ValueError("must be a list of tiers, each a list of URLs")
    return tuple(map(tuple, tiers))


def absolute_folder(value: object) -> Path:
    """A path that means the same in every working directory."""
    path = values.folder(value)
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _taken(fields: Fields, readers: Mapping[str, tuple[str, Callable[[Any], Any]]]) -> dict[str, Any]:
    return {argument: fields.take(name, read) for name, (argument, read) in readers.items() if fields.has(name)}


def _label(value: object) -> str:
    label = values.label(value)
    if not label:
        raise ValueError("must not be empty")
    return label


def _labels(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_LABELS:
        raise ValueError(f"must be a list of at most {MAX_LABELS} labels")
    return tuple(dict.fromkeys(map(_label, value)))


def read_peers(value: object) -> tuple[tuple[Endpoint, ...], tuple[str, ...]]:
    """Addresses of peers, and names that peers are found by. Raises ValueError."""
    if not isinstance(value, list) or len(value) > MAX_PEERS or not all(isinstance(item, str) for item in value):
        raise ValueError(f'must be a list of at most {MAX_PEERS} "HOST:PORT"')
    endpoints: dict[Endpoint, None] = {}
    names: dict[str, None] = {}
    for text in value:
        try:
            endpoints[parse_endpoint(text)] = None
        except FormatError:
            names[values.peer_name(text)] = None
    if len(names) > MAX_PEER_NAMES:
        raise ValueError(f"must hold at most {MAX_PEER_NAMES} names")
    return tuple(endpoints), tuple(names)


def read_custom(value: object) -> dict[str, str]:
    """Fields that front-ends of rTorrent keep with a torrent: custom1 to custom5, and "custom." with a name of theirs.

    Other small texts than these mean something to the interface that keeps them. Raises ValueError.
    """
    if not isinstance(value, dict) or not all(isinstance(field, str) for field in value.values()):
        raise ValueError("must be an object of texts")
    if sum(len(name) + len(field) for name, field in value.items()) > MAX_CUSTOM_CHARACTERS:
        raise ValueError(f"must have at most {MAX_CUSTOM_CHARACTERS} characters")
    for name in value:
        if not is_custom(name):
            raise ValueError(f"has {name!r}, which is none of custom1 to custom5 and does not begin with custom.")
    return value


def is_custom(name: str) -> bool:
    """Whether it is the name of a custom field."""
    return name in _NUMBERED or len(name) > len(_NAMED) and name.startswith(_NAMED)


def _goal(value: object) -> SeedGoal:
    if not isinstance(value, dict):
        raise ValueError("must be an object with ratio, time_s, idle_s, action")
    fields = Fields(value, "seeding.")
    try:
        goal = SeedGoal(
            ratio=fields.take("ratio", values.number(0, MAX_RATIO), None),
            time_s=fields.take("time_s", values.duration(0), None),
            idle_s=fields.take("idle_s", values.duration(0), None),
            action=GoalAction(fields.take("action", values.one_of(*(action.value for action in GoalAction)), "stop")),
        )
        fields.end()
    except Invalid as error:
        raise ValueError(f"cannot be used: {error}") from None
    return goal


def _file_priorities(value: object) -> dict[int, FilePriority]:
    if not isinstance(value, dict):
        raise ValueError('must be an object of file numbers and "skip", "normal" or "high"')
    return {_file_number(number): _file_priority(priority) for number, priority in value.items()}


def _file_number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(MAX_FILES))):
        raise ValueError(f"has {value!r}, which is no file number")
    return int(value)


def _file_priority(value: object) -> FilePriority:
    names = {priority.name.lower(): priority for priority in FilePriority}
    if isinstance(value, str) and value in names:
        return names[value]
    raise ValueError(f"must be {', '.join(names)} for each file")


# The name that people use, the name of the argument, and how the value is read.
_CHANGEABLE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "labels": ("labels", _labels),
    "group": ("group", values.label),
    "priority": ("priority", values.whole_number(-MAX_PRIORITY, MAX_PRIORITY)),
    "seeding": ("goal", _goal),
    "down_limit_bytes_per_s": ("down_bytes_per_s", values.rate(MAX_RATE)),
    "up_limit_bytes_per_s": ("up_bytes_per_s", values.rate(MAX_RATE)),
    "sequential": ("is_sequential", values.boolean),
    "picker": ("picker", read_picker),
    "super_seeding": ("super_seeding", values.boolean),
    "upload_slots": ("upload_slots", values.whole_number(0, MAX_SLOTS)),
    "max_peers": ("max_peers", values.whole_number(1, MAX_LINKS)),
    "file_priorities": ("file_priorities", _file_priorities),
}
