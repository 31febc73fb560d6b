"""What programs made with libtorrent keep of a torrent: the bencoded dictionary of HASH.fastresume, to values.

Versions 1 and 2 of the format, with the members that qBittorrent adds (qBt-*). Absent keys mean what they mean to
libtorrent; a value of a wrong type, which it never writes, makes the whole part of the file one that cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError
from blobtorrent.model.ids import V1_BYTES, V2_BYTES
from blobtorrent.protocol.bencode import decode, encode, read_document
from blobtorrent.protocol.foreignvalues import MAX_PEERS, MAX_TIME_S, SIDE_LIMITS, Values, bits_of, text_of, usable_peer
from blobtorrent.protocol.metafile import TORRENT_LIMITS

PROGRAM = "fastresume"

MAX_MINUTES = 1 << 25
MAX_RATE = 1 << 40                     # bytes a second
MAX_RATIO = 1e6
MAX_FILE_PRIORITY = 7
MAX_TIERS = 1000

AS_ALL = -2                            # a limit of seeding: that of all torrents; other negative ones are none

_V1_PIECE_IS_THERE, _V1_PIECE_IS_VERIFIED = 1, 2           # bits of the byte that a piece has in version 1


class Fastresume(NamedTuple):
    """What its owner wanted of a torrent, and its figures.

    `save_path` is the folder that its own file or folder is in, `final_path` where that is to be when it is complete,
    empty for the same. `paths` are the places of its files below it, empty for those that have the torrent's own.
    `trackers` is None for those of the .torrent file. Limits of a rate are 0 for none, those of seeding are AS_ALL or
    below 0 for none. Times are seconds since 1970, 0 for never.
    """

    info_hashes: tuple[bytes, ...]     # those that it gives
    save_path: bytes
    final_path: bytes
    paths: tuple[bytes, ...]
    is_stopped: bool
    is_sequential: bool
    category: str
    tags: tuple[str, ...]
    name: str                          # that its owner gave it
    comment: str
    priorities: tuple[int, ...]        # of files, 0 to 7, usually 4
    trackers: tuple[tuple[bytes, ...], ...] | None
    web_seeds: tuple[bytes, ...]
    down_limit: int
    up_limit: int
    ratio: float
    seeding_minutes: int
    idle_minutes: int
    limit_action: str
    needs_all_limits: bool
    uploaded_bytes: int
    downloaded_bytes: int
    active_s: int
    seeding_s: int
    added_at: int
    completed_at: int
    peers: tuple[Endpoint, ...]


class Progress(NamedTuple):
    """`have` is the mask of the pieces it has, `unverified` of those of them that its owner said to be there."""

    have: int
    unverified: int


def read_fastresume(raw: bytes, beside: Mapping[bytes, Any]) -> Fastresume:
    """`beside` are members that are kept elsewhere, and count more.

    Raises FormatError ("bencode.*", "fastresume.bad-value").
    """
    top = Values({**Values.decode(raw, PROGRAM).members, **beside}, PROGRAM)
    save_path = top.get(b"save_path", b"")
    if not save_path:
        raise top.wrong(b"save_path", "is missing: it does not say where the files are")
    is_paused, is_managed = top.get(b"paused", 0) != 0, top.get(b"auto_managed", 0) != 0
    return Fastresume(
        info_hashes=tuple(
            digest for key, size in ((b"info-hash", V1_BYTES), (b"info-hash2", V2_BYTES))
            if len(digest := top.get(key, b"")) == size and any(digest)),
        save_path=save_path,
        final_path=top.get(b"qBt-savePath", b""),
        paths=tuple(path if isinstance(path, bytes) else b"" for path in top.get(b"mapped_files", [])),
        is_stopped=is_paused and not is_managed,
        is_sequential=top.get(b"sequential_download", 0) != 0,
        category=top.text(b"qBt-category"),
        tags=top.texts(b"qBt-tags"),
        name=top.text(b"qBt-name"),
        comment=top.text(b"qBt-comment"),
        priorities=tuple(_file_priority(priority) for priority in top.get(b"file_priority", [])),
        trackers=_trackers(top),
        web_seeds=tuple(url for url in top.get(b"url-list", []) if isinstance(url, bytes) and url),
        down_limit=_rate(top, b"download_rate_limit"),
        up_limit=_rate(top, b"upload_rate_limit"),
        ratio=_ratio(top),
        seeding_minutes=_minutes(top, b"qBt-seedingTimeLimit"),
        idle_minutes=_minutes(top, b"qBt-inactiveSeedingTimeLimit"),
        limit_action=top.text(b"qBt-shareLimitAction"),
        needs_all_limits=top.text(b"qBt-shareLimitsMode") == "MatchAll",
        uploaded_bytes=top.count(b"total_uploaded"),
        downloaded_bytes=top.count(b"total_downloaded"),
        active_s=top.count(b"active_time", limit=MAX_TIME_S),
        seeding_s=top.count(b"seeding_time", limit=MAX_TIME_S),
        added_at=top.time(b"added_time"),
        completed_at=top.time(b"completed_time"),
        peers=_peers(top),
    )


def read_progress(raw: bytes, num_pieces: int) -> Progress:
    """Raises FormatError ("bencode.*", "fastresume.bad-value", "fastresume.other-shape" for that of another torrent).
    """
    top = Values.decode(raw, PROGRAM)
    is_old = top.get(b"file-version", 1) < 2
    told = top.get(b"pieces", b"")
    everything = (1 << num_pieces) - 1
    if top.get(b"seed_mode", 0) and not told:
        return Progress(everything, everything)
    if not told:
        raise top.wrong(b"pieces", "is missing")
    if len(told) != (num_pieces if is_old else -(-num_pieces // 8)):
        raise top.other_shape(f"{len(told)} bytes for {num_pieces} pieces")
    if is_old:
        have, verified = (_bytes_with(told, bit) for bit in (_V1_PIECE_IS_THERE, _V1_PIECE_IS_VERIFIED))
    else:
        have, verified = (bits_of(field, num_pieces) for field in (told, top.get(b"verified", b"")))
    return Progress(have, have & ~verified if top.get(b"seed_mode", 0) else 0)


def with_members(torrent: bytes, members: Mapping[bytes, Any]) -> bytes:
    """A .torrent file with these members too, beside `info`, if it does not have them: its program may have kept them
    in the other file only. Its `info` stays as it is, byte by byte. Raises FormatError when it is no bencoding.
    """
    document = read_document(torrent, limits=TORRENT_LIMITS, lenient=True)
    top = document.value if isinstance(document.value, dict) else {}
    if b"info" not in document.spans or all(key in top for key in members):
        return torrent
    start, end = document.spans[b"info"]
    parts = {key: encode(value) for key, value in {**members, **top}.items()}
    parts[b"info"] = torrent[start:end]
    return b"d" + b"".join(encode(key) + part for key, part in sorted(parts.items())) + b"e"


def read_categories(raw: bytes) -> dict[str, str]:
    """qBittorrent's categories.json: the folders of those categories that have one, by their names. Raises FormatError
    ("fastresume.bad-categories").
    """
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FormatError("fastresume.bad-categories", f"the categories cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise FormatError("fastresume.bad-categories", "the categories are no object")
    paths = {name: options.get("save_path") for name, options in told.items() if isinstance(options, dict)}
    return {name: path for name, path in paths.items() if isinstance(path, str) and path.startswith("/")}


def read_collection(raw: bytes) -> dict[str, bytes]:
    """Deluge's torrents.fastresume: the fastresume of each torrent, by its name there. Raises FormatError."""
    found = Values(_dictionary(raw), PROGRAM)
    return {text_of(name): resume for name, resume in found.members.items() if isinstance(resume, bytes)}


def _dictionary(raw: bytes) -> dict[bytes, Any]:
    top = decode(raw, limits=SIDE_LIMITS._replace(size_bytes=len(raw)), lenient=True)
    return top if isinstance(top, dict) else {}


def _bytes_with(told: bytes, bit: int) -> int:
    """The mask of the bytes that have this bit set."""
    table = bytes(48 + bool(byte & bit) for byte in range(256))
    return int(told[::-1].translate(table), 2)


def _file_priority(told: object) -> int:
    return max(0, min(told, MAX_FILE_PRIORITY)) if isinstance(told, int) else MAX_FILE_PRIORITY // 2 + 1


def _trackers(top: Values) -> tuple[tuple[bytes, ...], ...] | None:
    if b"trackers" not in top:
        return None
    tiers = [tier for tier in top.get(b"trackers", [])[:MAX_TIERS] if isinstance(tier, list)]
    return tuple(tuple(url for url in tier if isinstance(url, bytes)) for tier in tiers)


def _rate(top: Values, key: bytes) -> int:
    """Bytes a second; -1 is no limit, as 0 is."""
    value = top.get(key, 0)
    return 0 if value == -1 else top.count(key, limit=MAX_RATE)


def _ratio(top: Values) -> float:
    """Thousandths, or a number as text of old versions."""
    told = top.members.get(b"qBt-ratioLimit", AS_ALL * 1000)
    try:
        value = float(told) if isinstance(told, bytes) else told / 1000 if isinstance(told, int) else MAX_RATIO * 2
    except ValueError:
        value = MAX_RATIO * 2
    if not value <= MAX_RATIO:         # nan too
        raise top.wrong(b"qBt-ratioLimit", "is no ratio")
    return value


def _minutes(top: Values, key: bytes) -> int:
    value = top.get(key, AS_ALL)
    if value > MAX_MINUTES:
        raise top.wrong(key, f"is {value}")
    return value


def _peers(top: Values) -> tuple[Endpoint, ...]:
    """Those that make no sense are left out: others are found."""
    records: list[bytes] = []
    for key, size in ((b"peers", 6), (b"peers6", 18)):
        told = top.get(key, b"")
        records += [told[start:start + size] for start in range(0, min(len(told), MAX_PEERS * size), size)]
    return tuple(peer for peer in map(usable_peer, records) if peer is not None)
