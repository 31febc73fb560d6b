"""What rTorrent keeps of a torrent beside its HASH.torrent: values to bytes, as `rtorrentsession` reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blobtorrent.model.bitfield import Bitfield
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.rtorrentsession import NUM_NUMBERED, SAID_NUMBERS, SAID_TEXTS, Progress, Wanted

WRITTEN_TO = -4                        # the time of a file that is being written to
TO_BE_MADE, NOT_WANTED = -1, -2        # those of files that are not there


def encode_wanted(wanted: Wanted, *, num_done: int, num_pieces: int) -> bytes:
    """HASH.torrent.rtorrent of a torrent that has `num_done` pieces."""
    said = wanted.said
    return encode({
        **{key.decode(): _bytes(said.get(name, "")) for key, name in SAID_TEXTS.items()},
        **{name: int(said.get(name, "0")) for name in SAID_NUMBERS},
        **{f"custom{number}": _bytes(wanted.custom.get(f"custom{number}", ""))
           for number in range(1, NUM_NUMBERED + 1)},
        "custom": {_bytes(name.partition(".")[2]): _bytes(text) for name, text in wanted.custom.items() if "." in name},
        "chunks_done": num_done,
        "chunks_wanted": num_pieces - num_done,
        "complete": int(num_done == num_pieces),
        "directory": wanted.directory,
        "hashing": 0,
        "priority": wanted.priority,
        "state": int(wanted.is_started),
        "throttle_name": _bytes(wanted.throttle),
        "total_downloaded": wanted.downloaded_bytes,
        "total_uploaded": wanted.uploaded_bytes,
        "views": [_bytes(view) for view in wanted.views],
    })


def encode_link(link: str, tiers: Sequence[Sequence[str]], digest: bytes, *, is_started: bool) -> bytes:
    """HASH.torrent of a magnet link whose metadata has not come: a torrent of one byte stands for it. `digest` is the
    info-hash, 20 bytes."""
    trackers = [[url.encode("utf-8", "surrogateescape") for url in tier] for tier in tiers]
    return encode({
        **({b"announce": trackers[0][0], b"announce-list": trackers} if trackers else {}),
        b"info": {b"meta_download": 1, b"name": f"{digest.hex().upper()}.meta".encode(), b"pieces": digest},
        b"magnet-uri": link.encode("utf-8", "surrogateescape"),
        b"rtorrent_meta_download": {b"commands": [], b"print_log": 0, b"start": int(is_started)},
    })


def encode_progress(progress: Progress, num_pieces: int, num_done: Sequence[int]) -> bytes:
    """HASH.torrent.libtorrent_resume; `num_done` has for each file how many of its pieces are there."""
    full = (1 << num_pieces) - 1
    have: int | bytes = num_pieces if progress.have == full else 0
    if progress.have not in (0, full):
        have = Bitfield.from_mask(num_pieces, progress.have).to_wire()
    return encode({
        "bitfield": have,
        "files": [
            {"completed": completed, "mtime": mtime, "priority": priority}
            for completed, mtime, priority in zip(num_done, progress.mtimes, progress.priorities)],
        "peers": [],
        "trackers": {choice.url: _tracker(choice.is_enabled, choice.tier) for choice in progress.trackers},
        "uncertain_pieces.timestamp": progress.saved_at,
    })


def _tracker(is_enabled: bool, tier: int | None) -> Mapping[str, Any]:
    return {"enabled": int(is_enabled), **({} if tier is None else {"extra_tracker": 1, "group": tier})}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
