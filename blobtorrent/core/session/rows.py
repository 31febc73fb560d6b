"""Records as rows of the state file, and back: JSON that a person can read. Pure.

A torrent has two rows: "torrent" changes when its owner wants something, "progress" every few seconds while it runs.
Two more are read only when it is started: "stamps", how its files looked when they were last known, and "peers".
Keys that a row lacks have their defaults: rows of older versions are read, and what is as usual is not written. What a
later version has put into a "torrent" row stays there. A thousand rows are read before the daemon can say that it is
ready.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from blobtorrent.core.session import rowshapes
from blobtorrent.core.session.commands import FilePriority, GoalAction, SeedGoal, Tiers
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Facts, Lifetime, Place, Running, TorrentRecord, Wishes
from blobtorrent.core.session.rowshapes import check_row, load_row
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource, Totals
from blobtorrent.model.address import parse_endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import BlobTorrentError, ResumeCorrupt
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.splitting import Split
from blobtorrent.storage.stamps import FileStamp

_FULL = "full"

_USUAL_TORRENT: dict[str, Any] = {
    "v2": "", "private": False, "added_at": 0.0, "labels": (), "group": "", "priority": 0, "goal": None, "down": 0,
    "up": 0, "sequential": False, "slots": None, "max_peers": None, "pex": None, "wanted": None, "min_peers": None,
    "least_slots": [None, None],
    "picker": None, "super": False, "trackers": None, "files": {}, "down_slots": None, "ends": [[], []], "peers": [],
    "encodings": [],
    "peer_names": [], "custom": {}, "root": None, "incomplete": False, "mount": "", "renames": {}, "renaming": None,
    "moving": False, "unseen": False, "split": None, "magnet": "", "run": True, "paused": False, "beyond_queue": False,
    "given_enough": False, "removal": "", "error": ("", ""), "finished_at": 0.0,
}
_TORRENT_KEYS = _USUAL_TORRENT.keys() | {"v1", "name", "size", "pieces", "piece_length", "download_dir"}
_USUAL_PROGRESS: dict[str, Any] = {
    "checked": False, "suspect": False, "owes_finish": False, "have": "", "recent": [], "done": 0, "skipped": 0,
    "totals": Lifetime(),
}

_path = lru_cache(Path)                # thousands of torrents lie in a few folders, and a Path costs as much as a row


def torrent_body(record: TorrentRecord) -> bytes:
    facts, wishes, place = record.facts, record.wishes, record.place
    return _dump_unusual(_USUAL_TORRENT, {
        **(record.foreign or {}),
        "v1": facts.info_hash.v1.hex(),
        "v2": facts.info_hash.v2.hex(),
        "name": facts.name,
        "size": facts.size_bytes,
        "pieces": facts.num_pieces,
        "piece_length": facts.piece_length,
        "private": facts.is_private,
        "added_at": facts.added_at,
        "labels": wishes.labels,
        "group": wishes.group,
        "priority": wishes.priority,
        "goal": None if wishes.goal is None else {**wishes.goal._asdict(), "action": wishes.goal.action.value},
        "down": wishes.down_bytes_per_s,
        "up": wishes.up_bytes_per_s,
        "sequential": wishes.is_sequential,
        "slots": wishes.upload_slots,
        "max_peers": wishes.max_peers,
        "pex": wishes.exchanges_peers,
        "wanted": wishes.peers_wanted,
        "picker": wishes.picker,
        "super": wishes.super_seeding,
        "min_peers": wishes.min_peers,
        "trackers": wishes.trackers,
        "files": {str(number): int(priority) for number, priority in wishes.file_priorities.items()},
        "down_slots": wishes.download_slots,
        "least_slots": [wishes.min_upload_slots, wishes.min_download_slots],
        "ends": [sorted(files) for files in wishes.preferred_ends],
        "encodings": [*wishes.encodings],
        "peers": [str(peer) for peer in wishes.static_peers],
        "peer_names": [*wishes.peer_names],
        "custom": wishes.custom,
        "download_dir": str(place.download_dir),
        "root": None if place.root == place.download_dir else str(place.root),
        "incomplete": place.is_incomplete,
        "mount": place.mount_point,
        "renames": place.renames,
        "renaming": place.renaming,
        "moving": place.is_moving,
        "unseen": place.is_unseen,
        "split": place.split,
        "magnet": record.magnet,
        "run": record.should_run,
        "paused": record.is_paused,
        "beyond_queue": record.is_forced,
        "given_enough": record.has_given_enough,
        "removal": record.removal,
        "error": record.error,
        "finished_at": record.finished_at,
    })


def progress_body(record: TorrentRecord, running: Running | None = None) -> bytes:
    """Claims the pieces of `record.durable` only: what is not synced yet may be gone after a power cut."""
    lifetime = record.lifetime if running is None else running.lifetime
    ran = {} if running is None else {"ran_at": running.at, "seeding": running.is_seeding}
    return _dump_unusual(_USUAL_PROGRESS, {
        "checked": record.is_checked,
        "suspect": record.is_suspect,
        "owes_finish": record.owes_finish,
        "have": _have_text(record),
        "recent": _numbers(record.recent),
        "done": record.done_bytes,
        "skipped": record.skipped_bytes,
        "totals": lifetime,
        **ran,
    })


def read_record(torrent: bytes, progress: bytes | None) -> TorrentRecord:
    """Without its progress a torrent is one that was never checked. Raises ResumeCorrupt ("state.bad-row")."""
    try:
        row = load_row(torrent)
        check_row(row, rowshapes.TORRENT)
        record = _read_torrent({**_USUAL_TORRENT, **row})
        if not row.keys() <= _TORRENT_KEYS:
            record.foreign = {key: row[key] for key in row.keys() - _TORRENT_KEYS}
        if progress is not None:
            told = load_row(progress)
            check_row(told, rowshapes.PROGRESS)
            _read_progress(record, {**_USUAL_PROGRESS, **told})
    except (ValueError, TypeError, LookupError, AttributeError, BlobTorrentError) as error:
        raise ResumeCorrupt("state.bad-row", f"the row of a torrent cannot be read: {error!r}") from error
    return record


def stamps_body(stamps: Mapping[int, FileStamp]) -> bytes:
    return _dump({str(number): stamp for number, stamp in stamps.items()})


def read_stamps(body: bytes) -> dict[int, FileStamp]:
    """Empty when the row is not there or makes no sense: nothing is believed then."""
    try:
        row = load_row(body or b"{}")
        check_row(row, dict.fromkeys(row, rowshapes.STAMP))
        return {int(number): FileStamp(*stamp) for number, stamp in row.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def session_body(past: Past) -> bytes:
    return _dump(past._asdict())


def read_past(body: bytes) -> Past:
    """That of a program that never ran, when the row makes no sense."""
    try:
        row = load_row(body)
        check_row(row, rowshapes.PAST)
        return Past(
            alive_at=float(row["alive_at"]),
            seconds=float(row.get("seconds", 0.0)),
            runs=int(row.get("runs", 0)),
            removed=int(row.get("removed", 0)),
            removed_finished=int(row.get("removed_finished", 0)),
            removed_bytes=Totals(*map(int, row.get("removed_bytes", ()))),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Past()


def peers_body(peers: Iterable[KnownAddress]) -> bytes:
    return _dump([
        [str(peer.endpoint), peer.source.value, peer.failures, peer.last_good_at, *_merits(peer)] for peer in peers])


def _merits(peer: KnownAddress) -> tuple[str | int, ...]:
    """What most do not have is left out."""
    if peer.is_seed:
        return peer.tracker, peer.received_bytes, True
    if peer.received_bytes:
        return peer.tracker, peer.received_bytes
    return (peer.tracker,) if peer.tracker else ()


def read_peers(body: bytes) -> tuple[KnownAddress, ...]:
    """Empty when the row is not there or makes no sense: peers are found anew then."""
    try:
        return tuple(
            KnownAddress(parse_endpoint(endpoint), PeerSource(source), failures, last_good_at, *merits)
            for endpoint, source, failures, last_good_at, *merits in filter(rowshapes.is_peer, load_row(body or b"[]"))
        )
    except (ValueError, TypeError, AttributeError, BlobTorrentError):
        return ()


def _read_torrent(row: dict[str, Any]) -> TorrentRecord:
    goal = row["goal"]
    download_dir = _path(row["download_dir"])
    record = TorrentRecord(
        Facts(
            InfoHash(bytes.fromhex(row["v1"]), bytes.fromhex(row["v2"])),
            row["name"],
            row["size"],
            row["pieces"],
            row["piece_length"],
            row["private"],
            row["added_at"],
        ),
        Wishes(
            labels=tuple(row["labels"]),
            group=row["group"],
            priority=row["priority"],
            goal=None if goal is None else _goal(goal),
            down_bytes_per_s=row["down"],
            up_bytes_per_s=row["up"],
            is_sequential=row["sequential"],
            upload_slots=row["slots"],
            max_peers=row["max_peers"],
            exchanges_peers=row["pex"],
            trackers=_tiers(row["trackers"]),
            file_priorities={int(number): FilePriority(level) for number, level in row["files"].items()},
            static_peers=tuple(map(parse_endpoint, row["peers"])),
            peer_names=tuple(map(str, row["peer_names"])),
            custom=row["custom"],
            peers_wanted=row["wanted"],
            picker=row["picker"],
            super_seeding=row["super"],
            min_peers=row["min_peers"],
            download_slots=row["down_slots"],
            min_upload_slots=row["least_slots"][0],
            min_download_slots=row["least_slots"][1],
            preferred_ends=(frozenset(row["ends"][0]), frozenset(row["ends"][1])),
            encodings=tuple(row["encodings"]),
        ),
        Place(
            download_dir=download_dir,
            root=download_dir if row["root"] is None else _path(row["root"]),
            is_incomplete=row["incomplete"],
            mount_point=row["mount"],
            renames=row["renames"],
            renaming=_pair(row["renaming"]),
            is_moving=row["moving"],
            is_unseen=row["unseen"],
            split=None if row["split"] is None else Split(*row["split"]),
        ),
        should_run=row["run"],
    )
    record.is_paused = row["paused"]
    record.is_forced = row["beyond_queue"]
    record.has_given_enough = row["given_enough"]
    record.magnet = row["magnet"]
    record.removal = row["removal"]
    record.error = _pair(row["error"]) or ("", "")
    record.finished_at = row["finished_at"]
    return record


def _read_progress(record: TorrentRecord, row: dict[str, Any]) -> None:
    size, text = record.facts.num_pieces, row["have"]
    if text == _FULL:
        record.have = Bitfield.full(size)
    elif text != "":
        record.have = Bitfield.from_wire(base64.b64decode(text, validate=True), size)
    record.durable = record.have.mask
    record.recent = sum([1 << index for index in row["recent"]]) & record.durable
    record.is_checked = row["checked"]
    record.is_suspect = row["suspect"]
    record.owes_finish = row["owes_finish"]
    record.done_bytes = row["done"]
    record.skipped_bytes = row["skipped"]
    record.lifetime = Lifetime(*row["totals"])
    if "ran_at" in row:
        record.running = Running(float(row["ran_at"]), bool(row.get("seeding")), record.lifetime)


def _have_text(record: TorrentRecord) -> str:
    if record.durable == record.have.mask:
        field = record.have
    else:
        field = Bitfield.from_mask(record.have.size, record.durable)
    if field.is_full:
        return _FULL
    return base64.b64encode(field.to_wire()).decode() if len(field) else ""


def _numbers(mask: int) -> list[int]:
    numbers = []
    while mask:
        lowest = mask & -mask
        numbers.append(lowest.bit_length() - 1)
        mask ^= lowest
    return numbers


def _goal(row: Mapping[str, Any]) -> SeedGoal:
    """Limits that only later versions know are passed over."""
    return SeedGoal(row["ratio"], row["time_s"], row["idle_s"], GoalAction(row["action"]))


def _tiers(value: Any) -> Tiers | None:
    return None if value is None else tuple(map(tuple, value))


def _pair(value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    first, second = value
    return first, second


def _dump_unusual(usual: Mapping[str, Any], values: Mapping[str, Any]) -> bytes:
    """Without what is as usual."""
    return _dump({key: value for key, value in values.items() if key not in usual or value != usual[key]})


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
