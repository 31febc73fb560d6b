"""What Transmission keeps of a torrent in resume/HASH.resume: bytes to values.

A bencoded dictionary, written by 2.20 and later. Keys have hyphens up to 4.x, and may have underscores since. Absent
keys mean what they mean to Transmission; a value of a wrong type, which it never writes, makes the whole part of the
file one that cannot be used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.protocol.foreignvalues import MAX_PEERS, MAX_TIME_S, Values, bits_of, usable_peer

PROGRAM = "transmission"

MAX_BLOCK_BYTES = 16384
MAX_MINUTES = 1 << 20
MAX_RATE = 1 << 40                     # bytes a second
MAX_RATIO = 1e6

AS_ALL, OWN, NONE = 0, 1, 2            # whose limit of seeding counts: that of all torrents, its own, nobody's

# Transmission notes the time of a file when it is complete, by a clock that ticks each second, and may write its last
# bytes a little later: 3.00 did by 1 to 2 seconds when both it and the disk had nothing else to do.
LAG_S = 60

_UNBELIEVED = (1, 0)

# A peer as the memory of a 32-bit or 64-bit Transmission before 4.1 holds it: the family in 4 bytes (0 for IPv4), the
# address in 16, the port in 2 (network order), flags and filling.
_OLD_PEER_BYTES = 24
_FAMILY_BYTES = 4
_PORT = slice(20, 22)


class Resume(NamedTuple):
    """What its owner wanted of a torrent, and its figures.

    `destination` is the folder that the torrent's own file or folder is in, `incomplete_dir` where that may be until it
    is complete, empty when there is none. `paths` are the places of its files below either, empty for those that have
    the torrent's own. Limits of a rate are None for none. Times are seconds since 1970, 0 for never.
    """

    destination: bytes
    incomplete_dir: bytes
    paths: tuple[bytes, ...]
    is_paused: bool
    is_sequential: bool
    labels: tuple[str, ...]
    group: str
    priority: int                      # -1, 0 or 1
    unwanted: tuple[bool, ...]         # of files; empty when nothing is said of them
    priorities: tuple[int, ...]        # the same, -1, 0 or 1
    down_limit: int | None
    up_limit: int | None
    ratio_mode: int                    # AS_ALL, OWN or NONE; so is `idle_mode`
    ratio: float
    idle_mode: int
    idle_minutes: int
    uploaded_bytes: int
    downloaded_bytes: int
    corrupt_bytes: int
    downloading_s: int
    seeding_s: int
    added_at: int
    done_at: int
    peers: tuple[Endpoint, ...]


class Progress(NamedTuple):
    """How far it is. `have` is the mask of the pieces of which it has all blocks.

    `changed` has for each file the earliest and the latest second at which its last change may have been for
    Transmission to believe what it has of it; the earliest is the later one where it believes nothing.
    """

    have: int
    changed: tuple[tuple[int, int], ...]


def read_resume(raw: bytes) -> Resume:
    """Raises FormatError ("bencode.*", "transmission.bad-value")."""
    top = _top(raw)
    ratio, idle = top.child(b"ratio-limit"), top.child(b"idle-limit")
    destination = top.get(b"destination", b"")
    if not destination:
        raise top.wrong(b"destination", "is missing: it does not say where the files are")
    return Resume(
        destination=destination,
        incomplete_dir=top.get(b"incomplete-dir", b""),
        paths=tuple(path if isinstance(path, bytes) else b"" for path in top.get(b"files", [])),
        is_paused=top.get(b"paused", 0) != 0,
        is_sequential=top.get(b"sequential-download", 0) != 0,
        labels=top.texts(b"labels"),
        group=top.text(b"group"),
        priority=_priority(top.get(b"bandwidth-priority", 0)),
        unwanted=tuple(bool(flag) for flag in top.get(b"dnd", [])),
        priorities=tuple(_priority(priority) for priority in top.get(b"priority", [])),
        down_limit=_limit(top.child(b"speed-limit-down")),
        up_limit=_limit(top.child(b"speed-limit-up")),
        ratio_mode=ratio.count(b"ratio-mode", AS_ALL, limit=NONE),
        ratio=_real(ratio, b"ratio-limit"),
        idle_mode=idle.count(b"idle-mode", AS_ALL, limit=NONE),
        idle_minutes=idle.count(b"idle-limit", limit=MAX_MINUTES),
        uploaded_bytes=top.count(b"uploaded"),
        downloaded_bytes=top.count(b"downloaded"),
        corrupt_bytes=top.count(b"corrupt"),
        downloading_s=top.count(b"downloading-time-seconds", limit=MAX_TIME_S),
        seeding_s=top.count(b"seeding-time-seconds", limit=MAX_TIME_S),
        added_at=top.time(b"added-date"),
        done_at=top.time(b"done-date"),
        peers=tuple(_peers(top)),
    )


def read_progress(raw: bytes, geometry: PieceGeometry, files: Sequence[range]) -> Progress:
    """`files` are the pieces of each file.

    Raises FormatError ("bencode.*", "transmission.bad-value", "transmission.other-shape" for that of another torrent).
    """
    progress = _top(raw).child(b"progress")
    if b"blocks" not in progress:
        raise progress.wrong(b"progress", "does not say which blocks it has")
    is_old = b"time-checked" in progress
    have = _have(progress, geometry, _old_block_bytes(geometry.piece_length) if is_old else MAX_BLOCK_BYTES)
    times = progress.get(b"time-checked" if is_old else b"mtimes", [])
    if len(times) != len(files):
        raise progress.other_shape(f"progress of {len(times)} files for a torrent of {len(files)}")
    if is_old:
        owned = _digits(have)
        changed = [_before(_checked_at(time, pieces, owned), is_whole=owned.count("1", pieces.start, pieces.stop) ==
                           len(pieces)) for time, pieces in zip(times, files)]
    else:
        raw_checked = _bits(progress, b"pieces", geometry.num_pieces)
        checked = -int(raw_checked) if isinstance(raw_checked, bool) else bits_of(raw_checked, geometry.num_pieces)
        unchecked = _digits(have & ~checked)
        changed = [
            (time - LAG_S, time + LAG_S) if _is_time(time) and unchecked.find("1", pieces.start, pieces.stop) < 0
            else _UNBELIEVED for time, pieces in zip(times, files)]
    return Progress(have, tuple(changed))


def unresolved_magnet(raw: bytes) -> bool:
    """Whether a .torrent file is one of those that stood for a magnet link until 3.00."""
    return raw.startswith(b"d") and b"4:info" not in raw and b"11:magnet-info" in raw


# ---- progress

def _have(progress: Values, geometry: PieceGeometry, block_bytes: int) -> int:
    """The pieces all of whose blocks are there. Blocks are counted through the whole torrent."""
    raw = _bits(progress, b"blocks", -(-geometry.size // block_bytes))
    if isinstance(raw, bool):
        return (1 << geometry.num_pieces) - 1 if raw else 0
    have = bytearray(-(-geometry.num_pieces // 8))
    for index in range(geometry.num_pieces):
        start = index * geometry.piece_length
        end = min(start + geometry.piece_length, geometry.size)
        if _are_set(raw, start // block_bytes, -(-end // block_bytes)):
            have[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(have, "little")


def _bits(progress: Values, key: bytes, size: int) -> bytes | bool:
    """A bitfield; True for all of them and False for none."""
    raw = progress.get(key, b"none")
    if raw in (b"all", b"none", b""):
        return raw == b"all"
    if len(raw) != -(-size // 8):
        raise progress.other_shape(f"{len(raw)} bytes for {size} {key.decode()}")
    return raw


def _are_set(bits: bytes, first: int, end: int) -> bool:
    everything = (1 << end - first) - 1
    return int.from_bytes(bits[first >> 3:(end + 7) >> 3], "big") >> -end % 8 & everything == everything


def _old_block_bytes(piece_length: int) -> int:
    """Until 3.00 a block was the largest part of a piece, by halving, that a request may ask for."""
    size = piece_length
    while size > MAX_BLOCK_BYTES:
        size //= 2
    return size


def _before(checked_at: int, *, is_whole: bool) -> tuple[int, int]:
    """A file that lacks pieces is written to after others of it were checked: only later checks count."""
    return (0, checked_at + LAG_S * is_whole) if checked_at else _UNBELIEVED


def _checked_at(told: Any, pieces: range, owned: str) -> int:
    """When that piece of a file which was not checked for longest was checked, of those it has; 0 if one never was."""
    if isinstance(told, int):
        return told if _is_time(told) else 0
    if not isinstance(told, list) or len(told) != len(pieces) + 1 or not all(isinstance(time, int) for time in told):
        return 0
    base, *offsets = told              # an offset of 0 is no time
    times = [base + offset if offset else 0
             for index, offset in zip(pieces, offsets) if owned[index:index + 1] == "1"]
    oldest = min(times, default=0)
    return oldest if _is_time(oldest) else 0


def _digits(mask: int) -> str:
    """A character for each bit, the lowest first: looking at one costs no shift of them all."""
    return bin(mask)[:1:-1]


def _is_time(told: object) -> bool:
    return isinstance(told, int) and 0 < told <= MAX_TIME_S


# ---- wishes

def _top(raw: bytes) -> Values:
    members = {_plain(key): value for key, value in Values.decode(raw, PROGRAM).members.items()}
    for key, value in members.items():
        if isinstance(value, dict):
            members[key] = {_plain(name): inner for name, inner in value.items()}
    return Values(members, PROGRAM)


def _plain(key: bytes) -> bytes:
    """A key as versions before 4.2 have it, which later ones read and may write too."""
    key = key.replace(b"_", b"-")
    return b"ratio-limit" if key == b"seed-ratio-limit" else key


def _priority(told: object) -> int:
    return max(-1, min(told, 1)) if isinstance(told, int) else 0


def _limit(told: Values) -> int | None:
    """Bytes a second; None for no limit of its own."""
    if not told.get(b"use-speed-limit", 0):
        return None
    if b"speed-Bps" in told:
        return told.count(b"speed-Bps", limit=MAX_RATE)
    return told.count(b"speed", limit=MAX_RATE >> 10) << 10


def _real(told: Values, key: bytes) -> float:
    """A number that is written as text."""
    try:
        value = float(told.get(key, b"0"))
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_RATIO:
        raise told.wrong(key, "is no ratio")
    return value


def _peers(top: Values) -> Iterator[Endpoint]:
    """Those that make no sense are left out: others are found."""
    records: list[bytes] = []
    for key in (b"peers2", b"peers2-6"):
        told = top.members.get(key)
        if isinstance(told, list):     # 4.1 and later
            addresses = [peer.get(b"socket-address", peer.get(b"socket_address"))
                         for peer in told[:MAX_PEERS] if isinstance(peer, dict)]
            records += [address for address in addresses if isinstance(address, bytes)]
        elif isinstance(told, bytes) and not len(told) % _OLD_PEER_BYTES:
            records += [_compact(told[start:start + _OLD_PEER_BYTES])
                        for start in range(0, min(len(told), MAX_PEERS * _OLD_PEER_BYTES), _OLD_PEER_BYTES)]
    for record in records:
        peer = usable_peer(record)
        if peer is not None:
            yield peer


def _compact(record: bytes) -> bytes:
    """A peer of an old Transmission as trackers tell it; empty for one of no known family."""
    num_bytes = {b"\0": 4, b"\1": 16}.get(record[:_FAMILY_BYTES].strip(b"\0") or b"\0", 0)
    return record[_FAMILY_BYTES:_FAMILY_BYTES + num_bytes] + record[_PORT] if num_bytes else b""
