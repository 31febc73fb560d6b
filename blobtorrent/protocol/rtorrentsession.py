"""What rTorrent keeps of a torrent beside its HASH.torrent: bytes to values.

HASH.torrent.rtorrent says what its owner wanted of it, HASH.torrent.libtorrent_resume how far it is. Both are bencoded
dictionaries, written by 0.9.x and later. Absent keys mean what they mean to rTorrent; a value of a wrong type, which it
never writes, makes the whole file one that cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.bencode import Limits, decode

SIDE_LIMITS = Limits(size_bytes=32 << 20, tokens=1_000_000)
MAX_CUSTOM_BYTES = 1 << 16             # of all custom fields of a torrent: they are kept in its row
MAX_PEERS = 1000
MAX_COUNT = 1 << 62                    # more bytes are no figures of a torrent
MAX_TIME_S = 253_402_300_799           # the end of the year 9999

OFF, NORMAL, HIGH = 0, 1, 2            # priorities of files
NUM_NUMBERED = 5                       # custom fields that have a number instead of a name

# What else is said of a torrent: keys of the file, and names of d.*; names that are both.
SAID_TEXTS = {
    b"tied_to_file": "tied_to_file", b"loaded_file": "loaded_file", b"connection_leech": "connection_leech",
    b"connection_seed": "connection_seed",
    **{f"choke_heuristics.{way}.{role}".encode(): f"{way}.choke_heuristics.{role}"
       for way in ("down", "up") for role in ("leech", "seed")},
}
SAID_NUMBERS = ("ignore_commands", "state_changed", "state_counter", "timestamp.started", "timestamp.finished")

_INDEX_BYTES = 4
_COMPACT_IPV4_BYTES = 6

T = TypeVar("T", int, bytes, list[Any], dict[bytes, Any])


class Wanted(NamedTuple):
    """What HASH.torrent.rtorrent says.

    `directory` is the folder of a single file, or the torrent's own folder, which need not have the torrent's name.
    `custom` has the fields as rTorrent's commands call them: "custom1" to "custom5", and "custom.NAME"; so has `said`
    what else was said of it, by the names of d.*, as far as it is not empty or 0. `views` and `throttle` are names.
    Times are seconds since 1970, 0 for never.
    """

    directory: bytes
    is_started: bool
    priority: int                      # 0 off, 1 low, 2 normal, 3 high
    custom: Mapping[str, str]
    said: Mapping[str, str]
    views: tuple[str, ...]
    throttle: str
    uploaded_bytes: int
    downloaded_bytes: int
    started_at: int
    finished_at: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that front-ends keep in the first custom field: percent-encoded, commas between them."""
        texts = (unquote(text).strip() for text in self.custom.get("custom1", "").split(","))
        return tuple(dict.fromkeys(filter(None, texts)))

    @property
    def added_at(self) -> int:
        """When it was added, as front-ends note it; else the earliest time that is known."""
        for name in ("custom.addtime", "custom.tm_loaded"):
            text = self.custom.get(name, "").strip()
            if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TIME_S)) and int(text) <= MAX_TIME_S:
                return int(text)
        return min(filter(None, (self.started_at, self.finished_at)), default=0)


class TrackerChoice(NamedTuple):
    """What was said of a tracker. `tier` is None for one that the .torrent file names."""

    url: bytes
    is_enabled: bool
    tier: int | None


class SavedPeer(NamedTuple):
    endpoint: Endpoint
    failures: int
    last_good_at: int


class Progress(NamedTuple):
    """What HASH.torrent.libtorrent_resume says.

    `have` is the mask of the pieces it has. `mtimes` has for each file the time of its last change in seconds, or
    something below 0 where rTorrent does not vouch for it: it was not made, or was being written to. `uncertain` are
    pieces that may not have been on disk at the time `saved_at`, if the machine went down since.
    """

    have: int
    mtimes: tuple[int, ...]
    priorities: tuple[int, ...]
    trackers: tuple[TrackerChoice, ...]
    peers: tuple[SavedPeer, ...]
    uncertain: int
    saved_at: int


def read_wanted(raw: bytes) -> Wanted:
    """Raises FormatError ("bencode.*", "rtorrent.bad-value", "rtorrent.no-directory")."""
    top = _dictionary(raw)
    directory = _value(top, b"directory", b"")
    if not directory:
        raise FormatError("rtorrent.no-directory", "it does not say where the files are")
    return Wanted(
        directory=directory,
        is_started=_value(top, b"state", 0) != 0,
        priority=_count(top, b"priority", 2, limit=3),
        custom=_custom(top),
        said=_said(top),
        views=tuple(_text(view) for view in _value(top, b"views", []) if isinstance(view, bytes)),
        throttle=_text(_value(top, b"throttle_name", b"")),
        uploaded_bytes=_count(top, b"total_uploaded"),
        downloaded_bytes=_count(top, b"total_downloaded"),
        started_at=_count(top, b"timestamp.started", limit=MAX_TIME_S),
        finished_at=_count(top, b"timestamp.finished", limit=MAX_TIME_S),
    )


def read_progress(raw: bytes, num_pieces: int, num_files: int) -> Progress:
    """Raises FormatError ("bencode.*", "rtorrent.bad-value", "rtorrent.other-shape" for that of another torrent)."""
    top = _dictionary(raw)
    files = _value(top, b"files", [])
    if len(files) != num_files or not all(isinstance(file, dict) for file in files):
        raise FormatError("rtorrent.other-shape", f"progress of {len(files)} files for a torrent of {num_files}")
    return Progress(
        have=_have(top.get(b"bitfield"), num_pieces),
        mtimes=tuple(_value(file, b"mtime", -1) for file in files),
        priorities=tuple(_count(file, b"priority", NORMAL, limit=HIGH) for file in files),
        trackers=_trackers(_value(top, b"trackers", {})),
        peers=_peers(_value(top, b"peers", [])),
        uncertain=_uncertain(_value(top, b"uncertain_pieces", b""), num_pieces),
        saved_at=_count(top, b"uncertain_pieces.timestamp", limit=MAX_TIME_S),
    )


def unresolved_magnet(raw: bytes) -> str | None:
    """The magnet link that HASH.torrent stands for, whose metadata has not come; None when it stands for none.

    Raises FormatError ("rtorrent.bad-value") when it does, and does not say which.
    """
    try:
        top = _dictionary(raw)
    except FormatError:
        return None
    info = top.get(b"info")
    if not isinstance(info, dict) or b"meta_download" not in info:
        return None
    return _text(_value(top, b"magnet-uri", b""))


# ---- parts of the two files

def _have(value: Any, num_pieces: int) -> int:
    """A bitfield, or the number of the pieces for all and 0 for none."""
    if isinstance(value, int) and value in (0, num_pieces):
        return (1 << num_pieces) - 1 if value else 0
    if not isinstance(value, bytes) or len(value) != -(-num_pieces // 8):
        raise FormatError("rtorrent.other-shape", f"a bitfield that does not fit {num_pieces} pieces")
    spare = -num_pieces % 8            # rTorrent itself once wrote files with these set
    cleared = value[:-1] + bytes([value[-1] >> spare << spare])
    return Bitfield.from_wire(cleared, num_pieces).mask


def _uncertain(packed: bytes, num_pieces: int) -> int:
    mask = 0
    for start in range(0, len(packed) - _INDEX_BYTES + 1, _INDEX_BYTES):
        index = int.from_bytes(packed[start:start + _INDEX_BYTES], "big")
        if index < num_pieces:
            mask |= 1 << index
    return mask


def _custom(top: Mapping[bytes, Any]) -> dict[str, str]:
    numbered = {f"custom{number}": _value(top, b"custom%d" % number, b"") for number in range(1, NUM_NUMBERED + 1)}
    named = {f"custom.{_text(name)}": value for name, value in _value(top, b"custom", {}).items()
             if isinstance(value, bytes)}
    fields = {name: value for name, value in {**numbered, **named}.items() if value}
    if sum(len(name) + len(value) for name, value in fields.items()) > MAX_CUSTOM_BYTES:
        raise FormatError("rtorrent.bad-value", f"more than {MAX_CUSTOM_BYTES} bytes of custom fields")
    return {name: _text(value) for name, value in fields.items()}


def _said(top: Mapping[bytes, Any]) -> dict[str, str]:
    texts = {name: _text(_value(top, key, b"")) for key, name in SAID_TEXTS.items()}
    numbers = {name: _count(top, name.encode()) for name in SAID_NUMBERS}
    said = {**texts, **{name: str(number) if number else "" for name, number in numbers.items()}}
    if sum(map(len, said.values())) > MAX_CUSTOM_BYTES:
        raise FormatError("rtorrent.bad-value", f"more than {MAX_CUSTOM_BYTES} characters of paths")
    return {name: text for name, text in said.items() if text}


def _trackers(entries: Mapping[bytes, Any]) -> tuple[TrackerChoice, ...]:
    return tuple(
        TrackerChoice(url, _value(entry, b"enabled", 1) != 0,
                      _count(entry, b"group") if _value(entry, b"extra_tracker", 0) else None)
        for url, entry in entries.items() if isinstance(entry, dict)
    )


def _peers(entries: list[Any]) -> tuple[SavedPeer, ...]:
    """Those that make no sense are left out: others are found."""
    peers = []
    for entry in entries[:MAX_PEERS]:
        address = entry.get(b"inet") if isinstance(entry, dict) else None
        if isinstance(address, bytes) and len(address) == _COMPACT_IPV4_BYTES and any(address[:4]) and any(address[4:]):
            last_good_at = _count(entry, b"last", limit=MAX_TIME_S)
            peers.append(SavedPeer(Endpoint.from_compact(address), _count(entry, b"failed"), last_good_at))
    return tuple(peers)


# ---- values

def _dictionary(raw: bytes) -> dict[bytes, Any]:
    top = decode(raw, limits=SIDE_LIMITS, lenient=True)
    if not isinstance(top, dict):
        raise FormatError("rtorrent.bad-value", "it holds no dictionary")
    return top


def _value(values: Mapping[bytes, Any], key: bytes, usual: T) -> T:
    value = values.get(key, usual)
    if not isinstance(value, type(usual)):
        raise FormatError("rtorrent.bad-value", f"{key.decode()} is of a wrong type")
    return value


def _count(values: Mapping[bytes, Any], key: bytes, usual: int = 0, *, limit: int = MAX_COUNT) -> int:
    """A number that is neither negative nor beyond what it can mean."""
    value = _value(values, key, usual)
    if not 0 <= value <= limit:
        raise FormatError("rtorrent.bad-value", f"{key.decode()} is {value}")
    return value


def _text(raw: bytes) -> str:
    """Text, and back again by the same rule, whatever the bytes are."""
    return raw.decode("utf-8", "surrogateescape")
